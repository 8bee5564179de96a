# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach a cluster: options and variables of ``kubernetes.core``. Private to the collection.

Where the options differ from ``kubernetes.core``, it is to keep one cluster's credential from reaching another:

- ``kubeconfig`` set: it speaks for itself, no ``K8S_AUTH_*`` variable is read.
- ``host`` set: no other kubeconfig is looked for; variables fill in the other options.
- ``context`` set: it is looked up in ``K8S_AUTH_KUBECONFIG``, ``KUBECONFIG`` or ``~/.kube/config``; variables that name
  a server or a credential are not read.
- None set: the variables decide by the same rules (a host in them is enough), then ``KUBECONFIG`` or
  ``~/.kube/config``, then the pod's service account. (kubernetes.core tries the pod first; kubectl, as here, last.)

With ``cluster_auth`` ``eks``, ``gke`` or ``aks`` none of them is set, for the cloud says where the cluster is and who may reach it.
With ``cluster_auth: capi`` all of this is about the management cluster, where the Secret with the cluster's own kubeconfig is.

A credential among the options replaces all of the kubeconfig's. No credential is sent over plain HTTP, but to loopback.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import kubeconfig as _kubeconfig
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.referenced import (
    SecretReference,
    secret_reference,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

TOKEN_FILE: t.Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 (a path)
CA_FILE: t.Final = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"

CLOUDS: t.Final = ("eks", "gke", "aks")
"""Those of ``cluster_auth`` with which a cloud gives the kubeconfig."""

# Option -> the names of its variables after K8S_AUTH_; kubernetes.core's option names and its client's.
_VARIABLES: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    "kubeconfig": ("KUBECONFIG",),
    "context": ("CONTEXT",),
    "host": ("HOST",),
    "api_key": ("API_KEY",),
    "username": ("USERNAME",),
    "password": ("PASSWORD",),
    "client_cert": ("CLIENT_CERT", "CERT_FILE"),
    "client_key": ("CLIENT_KEY", "KEY_FILE"),
    "ca_cert": ("CA_CERT", "SSL_CA_CERT"),
    "validate_certs": ("VALIDATE_CERTS", "VERIFY_SSL"),
    "proxy": ("PROXY",),
    "no_proxy": ("NO_PROXY",),
    "impersonate_user": ("IMPERSONATE_USER",),
    "impersonate_groups": ("IMPERSONATE_GROUPS",),
}
_PROXY_HEADERS: t.Final = ("basic_auth", "proxy_basic_auth", "user_agent")
_TRANSPORT: t.Final = frozenset({"proxy", "no_proxy", "impersonate_user", "impersonate_groups"})
_FALSE: t.Final = frozenset({"0", "false", "no", "off", "n", "f"})
_MISSING_HINT: t.Final = (
    "Set `kubeconfig` (and `context`), or `host` with `api_key`, or attach a Kubernetes credential to the job."
)


@dataclasses.dataclass(frozen=True, repr=False)
class ClusterAccess:
    """Everything needed to connect; nothing was contacted to make it. Its repr shows no secret.

    :param kubeconfig: kubeconfig files, or a kubeconfig as a dictionary, or ``None``.
    :param in_cluster: use the pod's service account.
    :param host: base URL, without a trailing slash.
    :param client_cert: path of a PEM file; so are ``client_key`` and ``ca_cert``.
    :param validate_certs: ``None`` leaves it to the kubeconfig.
    :param proxy_headers: arguments of ``urllib3.util.make_headers``.
    :param secret: where the cluster's kubeconfig is; everything else then says how to reach the cluster that has it.
    :param issued: the cloud is asked for the kubeconfig (see ``_eks.py``, ``_gke.py``, ``_aks.py``).
    :param commands: whether a kubeconfig may run a command to get a credential.
    :param secrets: every value that must never be shown.
    """

    kubeconfig: tuple[str, ...] | t.Mapping[str, t.Any] | None = None
    context: str | None = None
    in_cluster: bool = False
    host: str | None = None
    api_key: str | None = None
    username: str | None = None
    password: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    ca_cert: str | None = None
    validate_certs: bool | None = None
    proxy: str | None = None
    no_proxy: str | None = None
    proxy_headers: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()
    secret: SecretReference | None = None
    issued: bool = False
    commands: bool = True
    secrets: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        if isinstance(self.kubeconfig, tuple):
            source = f"kubeconfig={os.pathsep.join(self.kubeconfig)!r}"
        elif self.kubeconfig is not None:
            source = "kubeconfig={...}"
        else:
            source = "in_cluster=True" if self.in_cluster else f"host={self.host!r}"
        return f"ClusterAccess({source}, context={self.context!r})"

    @property
    def has_credential(self) -> bool:
        """Whether the options hold a credential, which then replaces that of the kubeconfig."""
        return bool(self.api_key or (self.username and self.password) or (self.client_cert and self.client_key))

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> ClusterAccess:
        """The access that options and environment describe.

        :param params: a module's parameters; options that are missing or ``None`` are unset.
        :raises StowageError: ``cluster_access_missing``, ``cluster_access_invalid``. Take :func:`access_secrets` for
            what to mask before calling this.
        """
        secrets = access_secrets(params, environ)
        issued = params.get("cluster_auth") in CLOUDS
        _check_clouds(params)
        options = _transport(params) if issued else _effective(params, environ)
        source, in_cluster = (None, False) if issued else _source(options, environ)
        access = cls(
            kubeconfig=source,
            in_cluster=in_cluster,
            secrets=secrets,
            validate_certs=_boolean(options.get("validate_certs")),
            impersonate_groups=tuple(_words(options.get("impersonate_groups"))),
            proxy_headers=_proxy_headers(params, environ),
            secret=secret_reference(params),
            issued=issued,
            commands=True,
            **{name: _text(options.get(name)) for name in _PLAIN},
        )
        _check(access)
        return access


_PLAIN: t.Final = (
    "context", "host", "api_key", "username", "password", "client_cert", "client_key", "ca_cert", "proxy", "no_proxy",
    "impersonate_user",
)  # fmt: skip


def access_secrets(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> frozenset[str]:
    """Every secret value in options, variables and the kubeconfigs that may be used, for ``no_log_values``.

    Contacts nothing and never fails, so that it can be called before anything else.
    """
    found: set[str] = set()
    for name in ("api_key", "password"):
        for value in (params.get(name), *(environ.get(f"K8S_AUTH_{word}") for word in _VARIABLES[name])):
            if isinstance(value, str) and value:
                found.add(value)
    headers = _proxy_headers(params, environ)
    for name in ("basic_auth", "proxy_basic_auth"):
        value = headers.get(name)
        if isinstance(value, str) and value:
            found |= {value, value.partition(":")[2]}
    for value in (params.get("proxy"), params.get("host"), environ.get("K8S_AUTH_PROXY"), environ.get("K8S_AUTH_HOST")):
        found |= _kubeconfig.url_secrets(value)
    found |= _kubeconfig_secrets(params.get("kubeconfig"))
    if not params.get("kubeconfig"):
        for paths in (environ.get("K8S_AUTH_KUBECONFIG"), environ.get("KUBECONFIG"), _default_kubeconfig(environ)):
            found |= _kubeconfig_secrets(paths)
        found |= _kubeconfig.file_secrets(TOKEN_FILE)
    return frozenset(found - {""})


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    import ipaddress

    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _kubeconfig_secrets(value: object) -> set[str]:
    if isinstance(value, t.Mapping):
        return _kubeconfig.secrets(dict(value))
    if not isinstance(value, (str, list, tuple)):
        return set()
    if isinstance(value, str) and _is_content(value):
        # A kubeconfig pasted as text is refused, but its secrets are masked in what Ansible shows of the task.
        return {value, *_parsed_secrets(value, "")}
    found: set[str] = set()
    for path in _paths(value):
        try:
            with open(path, "rb") as file:
                found |= _parsed_secrets(file.read(), os.path.dirname(path))
        except (OSError, ValueError):
            continue
    return found


def _parsed_secrets(text: str | bytes, folder: str) -> set[str]:
    try:
        return _kubeconfig.secrets(_kubeconfig.parse(text, ""), folder)
    except StowageError:
        return set()
    except ImportError:  # without PyYAML nothing is loaded either
        return set()


def _effective(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> dict[str, t.Any]:
    """Options, and variables for those that are unset, as far as the module's docstring lets them count."""
    options = {name: params[name] for name in _VARIABLES if params.get(name) not in (None, "", [], {})}
    if "kubeconfig" in options:
        readable: t.Collection[str] = ()
    elif "host" in options:
        readable = _VARIABLES.keys() - {"kubeconfig", "context"}
    elif "context" in options:
        readable = _TRANSPORT | {"kubeconfig"}
    else:
        readable = _VARIABLES.keys()
    for name in readable:
        if name not in options:
            value = next((v for word in _VARIABLES[name] if (v := environ.get(f"K8S_AUTH_{word}"))), None)
            if value is not None:
                options[name] = value
    return options


def _check_clouds(params: t.Mapping[str, t.Any]) -> None:
    for cloud in CLOUDS:
        if params.get(cloud) and params.get("cluster_auth") != cloud:
            raise _kubeconfig.invalid(f"{cloud} is set, but nothing says to use it.", f"Set cluster_auth: {cloud}.")


def _transport(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The options that count where a cloud gives address and credential: how to get there, and whom to act as."""
    options = {name: params[name] for name in _VARIABLES if params.get(name) not in (None, "", [], {})}
    if wrong := sorted(options.keys() - _TRANSPORT):
        raise _kubeconfig.invalid(
            f"cluster_auth is {params['cluster_auth']}, and {wrong[0]} is set.",
            "The cloud says where the cluster is, and gives a credential.",
        )
    return options


def _source(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str]
) -> tuple[tuple[str, ...] | t.Mapping[str, t.Any] | None, bool]:
    """The kubeconfig to load, and whether it is the pod's service account instead."""
    given = options.get("kubeconfig")
    if given is not None:
        return _given_kubeconfig(given, options.get("context")), False
    if options.get("host"):
        return None, False
    paths = _kubeconfig.split_paths(environ.get("KUBECONFIG", "")) or (_default_kubeconfig(environ),)
    if any(os.path.exists(path) for path in paths):
        return _given_kubeconfig(os.pathsep.join(paths), options.get("context")), False
    if options.get("context"):
        raise StowageError(
            "cluster_access_missing", f"A context is given, but {os.pathsep.join(paths)} does not exist.", _MISSING_HINT
        )
    if environ.get("KUBERNETES_SERVICE_HOST") and os.path.exists(TOKEN_FILE):
        return None, True
    raise StowageError("cluster_access_missing", "Nothing says how to reach the cluster.", _MISSING_HINT)


def _given_kubeconfig(value: t.Any, context: object) -> tuple[str, ...] | t.Mapping[str, t.Any]:
    name = str(context) if context else None
    if isinstance(value, t.Mapping):
        document = dict(value)
        _kubeconfig.check([document], name)
        return document
    if not isinstance(value, (str, list, tuple)):
        raise _kubeconfig.invalid("kubeconfig is neither a path nor a dictionary.")
    if isinstance(value, str) and _is_content(value):
        raise _kubeconfig.invalid(
            "kubeconfig is the text of a kubeconfig.", "Give its path, or a dictionary: `{{ text | from_yaml }}`."
        )
    paths = _paths(value)
    _kubeconfig.check(_kubeconfig.read(paths), name)
    return paths


def _paths(value: str | t.Sequence[t.Any]) -> tuple[str, ...]:
    parts = [value] if isinstance(value, str) else [str(part) for part in value]
    return tuple(path for part in parts for path in _kubeconfig.split_paths(part))


def _is_content(value: str) -> bool:
    return "\n" in value or value.lstrip().startswith("{")


def _default_kubeconfig(environ: t.Mapping[str, str]) -> str:
    return os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".kube", "config")


def _proxy_headers(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> dict[str, t.Any]:
    given = params.get("proxy_headers")
    if isinstance(given, t.Mapping) and any(value is not None for value in given.values()):
        return {name: value for name, value in given.items() if name in _PROXY_HEADERS and value is not None}
    if params.get("kubeconfig"):
        return {}
    found = {name: environ.get(f"K8S_AUTH_PROXY_HEADERS_{name.upper()}") for name in _PROXY_HEADERS}
    return {name: value for name, value in found.items() if value}


def _text(value: object) -> str | None:
    return str(value) if value not in (None, "") else None


def _boolean(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    return str(value).strip().lower() not in _FALSE


def _words(value: object) -> list[str]:
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return [str(word) for word in value] if isinstance(value, (list, tuple)) else []


def _check(access: ClusterAccess) -> None:
    if bool(access.client_cert) != bool(access.client_key):
        raise _kubeconfig.invalid("client_cert and client_key belong together.", "Set both or neither.")
    if bool(access.username) != bool(access.password):
        raise _kubeconfig.invalid("username and password belong together.", "Set both or neither.")
    if access.impersonate_groups and not access.impersonate_user:
        raise _kubeconfig.invalid("impersonate_groups needs impersonate_user.", "Set both.")
    for name in ("client_cert", "client_key", "ca_cert"):
        path = getattr(access, name)
        if path and not os.path.isfile(os.path.expanduser(path)):
            shown = path if "\n" not in path and len(path) < 300 else "(not a path)"
            raise _kubeconfig.invalid(f"{name}: there is no file {shown}.", "These options take paths of PEM files.")
    if access.host is None:
        return
    check_server(access.host, credential=access.has_credential)
    if access.kubeconfig is None and not access.has_credential and access.host.lower().startswith("https:"):
        raise StowageError(
            "cluster_access_missing",
            "host is given, but no credential.",
            "Set `api_key`, or `client_cert` and `client_key`.",
        )


def check_server(server: str, *, credential: bool) -> None:
    """Whether requests may go to a base URL.

    :raises StowageError: ``cluster_access_invalid`` when it is none, holds a password, or a credential would travel in clear.
    """
    try:
        url = urllib.parse.urlsplit(server)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise _kubeconfig.invalid("The API server's address is no URL.", "It looks like https://api.example.com:6443.")
    if "@" in url.netloc:
        raise _kubeconfig.invalid("The API server's address holds a user name.", "Use `username` and `password`.")
    if credential and url.scheme == "http" and not is_loopback(url.hostname or ""):
        raise _kubeconfig.invalid(
            f"No credential is sent over plain HTTP, and {server} is.", "Use https://, with `ca_cert` if need be."
        )
