# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loads a cluster's credential into a connection pool. Private to the collection.

The kubernetes package loads kubeconfigs, runs exec plugins and builds the urllib3 pool. What is done here beside it:

- Keys and certificates that the package writes to files go into a private folder, are read into one TLS context for all
  connections, and are deleted before the first request.
- A CA that was given is the only one that counts. ``SSL_CERT_FILE`` is OpenSSL's business where none was given;
  ``REQUESTS_CA_BUNDLE`` never counts.
- ``HTTPS_PROXY`` and ``NO_PROXY`` count where neither option nor kubeconfig names a proxy, never for loopback (as with
  Go); versions of the package differ in that.
- What the package logs (an exec plugin's error output) is kept off the screen.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
import re
import tempfile
import threading
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import access as _access
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import kubeconfig as _kubeconfig
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.package import (
    kubernetes_package,
    temporary_files,
    whole_kubernetes_package,
)

if t.TYPE_CHECKING:
    import ssl

    import urllib3

_PACKAGE: t.Final = threading.Lock()


@dataclasses.dataclass(frozen=True, repr=False)
class Session:
    """A pool of connections and the headers that carry the credential.

    :param server: base URL.
    :param headers: sent with every request; a name may occur more than once.
    :param secrets: values that were learnt by loading (tokens of plugins and files).
    :param digest: changes when the credential does.
    :param context: the kubeconfig's context that was chosen, empty when there is none.
    :param trust: changes with the CA that the server is checked against.
    :param loopback: whether the server is this machine.
    :param compress: whether to ask for compressed answers.
    """

    pool: urllib3.PoolManager
    server: str
    headers: tuple[tuple[str, str], ...]
    secrets: frozenset[str]
    digest: str
    context: str
    trust: str
    loopback: bool
    compress: bool


def open_session(access: ClusterAccess, pool_size: int) -> Session:
    """Load configuration and credential, contacting no API server (an exec plugin may contact others).

    :raises StowageError: ``cluster_access_invalid``, ``dependency_missing``.
    """
    with tempfile.TemporaryDirectory(prefix="stowage-") as folder, _logging_kept() as log:
        configuration = kubernetes_package().configuration()
        configuration.proxy = None
        context, cluster, user = _load(access, configuration, folder)
        # The hook would put the kubeconfig's values back over the options; credentials are loaded again after a 401.
        configuration.refresh_api_key_hook = None
        if cluster.get("proxy-url"):
            configuration.proxy = str(cluster["proxy-url"])  # the package reads it since 37
        _apply_options(access, configuration)
        _access.check_server(str(configuration.host), credential=_has_credential(configuration))
        _check_plugin(access, user, configuration, log)
        configuration.connection_pool_maxsize = pool_size
        configuration.retries = False
        server = str(configuration.host).rstrip("/")
        loopback = _access.is_loopback(urllib.parse.urlsplit(server).hostname or "")
        _apply_proxy(access, configuration, server, loopback=loopback)
        credential = _authorization(configuration)
        headers = (*credential, *_impersonation(access, user))
        return Session(
            pool=_pool(configuration, server),
            server=server,
            headers=headers,
            secrets=frozenset(part for _name, value in credential for part in (value, value.partition(" ")[2]) if part),
            digest=_digest(headers, configuration.cert_file, configuration.key_file, configuration.ssl_ca_cert),
            context=context,
            trust=_digest(configuration.verify_ssl, configuration.ssl_ca_cert),
            loopback=loopback,
            compress=not (loopback or cluster.get("disable-compression") is True),
        )


def _load(
    access: ClusterAccess, configuration: t.Any, folder: str
) -> tuple[str, _kubeconfig.Document, _kubeconfig.Document]:
    """Fill the configuration from the kubeconfig or the pod; returns the kubeconfig's context, cluster and user."""
    package = kubernetes_package()
    if access.in_cluster:
        try:
            package.incluster(_access.TOKEN_FILE, _access.CA_FILE, try_refresh_token=False).load_and_set(configuration)
        except (package.kube_config.ConfigException, OSError, ValueError):
            raise _kubeconfig.invalid(
                "The pod's service account cannot be used: its token or CA is missing.", ""
            ) from None
        return "", {}, {}
    if access.kubeconfig is None:
        return "", {}, {}
    given = access.kubeconfig
    documents = _kubeconfig.read(given) if isinstance(given, tuple) else [given]
    _kubeconfig.check(documents, access.context)
    if not access.commands and not access.has_credential:
        _kubeconfig.check_no_commands(documents, access.context)
    chosen = _kubeconfig.active(documents, access.context)
    try:
        provided = whole_kubernetes_package() if "auth-provider" in chosen[1] else package
        provided.kube_config.load_kube_config_from_dict(
            config_dict=_kubeconfig.of_one_context(documents, access.context),
            client_configuration=configuration,
            persist_config=False,
            temp_file_path=folder,
        )
    except Exception as error:  # noqa: BLE001 (plugins and providers raise anything, with tokens in their texts)
        raise _kubeconfig.invalid(f"The kubeconfig cannot be used ({_safe_reason(error)}).") from None
    return _kubeconfig.current_context(documents, access.context), *chosen


def _safe_reason(error: Exception) -> str:
    """What may be told of a package's error: a missing file's path, else the error's type."""
    missing = re.fullmatch(r"File does not exist: (\S+)", str(error))
    if missing:
        return f"there is no file {missing[1]}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return type(error).__name__


def _apply_options(access: ClusterAccess, configuration: t.Any) -> None:
    """Options win over the kubeconfig; a credential among them replaces all of the kubeconfig's."""
    if access.has_credential:
        configuration.api_key = {}
        configuration.cert_file = configuration.key_file = None
    if access.host:
        configuration.host = access.host.rstrip("/")
    if access.api_key:
        # Both names of the header's entry, for versions before and after 34.
        configuration.api_key = dict.fromkeys(("authorization", "BearerToken"), f"Bearer {access.api_key}")
    elif access.username and access.password:
        configuration.username, configuration.password = access.username, access.password
        basic = configuration.get_basic_auth_token()
        configuration.api_key = dict.fromkeys(("authorization", "BearerToken"), basic)
    if access.client_cert and access.client_key:
        configuration.cert_file = os.path.expanduser(access.client_cert)
        configuration.key_file = os.path.expanduser(access.client_key)
    if access.ca_cert:
        configuration.ssl_ca_cert = os.path.expanduser(access.ca_cert)
    if access.validate_certs is not None:
        configuration.verify_ssl = access.validate_certs


def _has_credential(configuration: t.Any) -> bool:
    return bool(configuration.api_key or configuration.cert_file)


def _check_plugin(
    access: ClusterAccess, user: _kubeconfig.Document, configuration: t.Any, log: t.Sequence[str]
) -> None:
    """The package logs that an exec plugin failed and goes on without a credential."""
    plugin = user.get("exec")
    if plugin is None or access.has_credential or _has_credential(configuration):
        return
    status = next((match[1] for line in log if (match := re.match(r"exec: process returned (-?\d+)", line))), None)
    outcome = f"ended with status {status}" if status else "gave no credential or could not be run"
    name = os.path.basename(str(plugin.get("command", ""))) if isinstance(plugin, dict) else ""
    raise _kubeconfig.invalid(
        f"The kubeconfig's exec plugin {name} {outcome}.",
        "Run it by hand as the same user, with the same environment; plugins must not ask questions.",
    )


def _apply_proxy(access: ClusterAccess, configuration: t.Any, server: str, *, loopback: bool) -> None:
    import urllib.request

    import urllib3

    proxies = {} if loopback else urllib.request.getproxies()
    environment = proxies.get(urllib.parse.urlsplit(server).scheme) or proxies.get("all")
    configuration.proxy = access.proxy or configuration.proxy or environment
    configuration.no_proxy = access.no_proxy or configuration.no_proxy or proxies.get("no")
    headers = dict(access.proxy_headers)
    with contextlib.suppress(ValueError):  # a proxy that is no URL is refused by urllib3
        url = urllib.parse.urlsplit(str(configuration.proxy or ""))
        if url.username and url.scheme.startswith("http"):
            # urllib3 leaves user and password of the URL alone.
            both = f"{urllib.parse.unquote(url.username)}:{urllib.parse.unquote(url.password or '')}"
            headers.setdefault("proxy_basic_auth", both)
    if headers:
        configuration.proxy_headers = urllib3.util.make_headers(**headers)


def _pool(configuration: t.Any, server: str) -> urllib3.PoolManager:
    import urllib3

    context = _tls_context(configuration) if server.startswith("https:") else None
    try:
        pool: urllib3.PoolManager = kubernetes_package().rest_client(configuration).pool_manager
    except Exception as error:  # noqa: BLE001 (urllib3 and SOCKS support raise what they like; texts hold the password)
        raise _kubeconfig.invalid(f"The proxy cannot be used ({type(error).__name__}).", "Check `proxy`.") from None
    if context is not None:
        _use_context(pool, context)
    # A thread too many waits for a connection instead of opening one that is thrown away.
    pool.connection_pool_kw["block"] = True
    if not configuration.verify_ssl:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return pool


def _authorization(configuration: t.Any) -> list[tuple[str, str]]:
    values = [setting["value"] for setting in configuration.auth_settings().values()]
    return [("Authorization", value) for value in values if value]


def _impersonation(access: ClusterAccess, user: _kubeconfig.Document) -> list[tuple[str, str]]:
    """Options, else ``as…`` of the kubeconfig's user, which the package ignores: that would mean more rights than asked for."""
    if access.impersonate_user:
        groups = [("Impersonate-Group", group) for group in access.impersonate_groups]
        return [("Impersonate-User", access.impersonate_user), *groups]
    if not user.get("as"):
        return []
    headers = [("Impersonate-User", str(user["as"]))]
    if user.get("as-uid"):
        headers.append(("Impersonate-Uid", str(user["as-uid"])))
    headers += [("Impersonate-Group", str(group)) for group in user.get("as-groups") or ()]
    for name, values in dict(user.get("as-user-extra") or {}).items():
        headers += [(f"Impersonate-Extra-{urllib.parse.quote(str(name), safe='')}", str(value)) for value in values]
    return headers


def _tls_context(configuration: t.Any) -> ssl.SSLContext:
    """One context for all connections, so that certificates are parsed once and their files can go."""
    import ssl

    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE)
    if configuration.verify_ssl:
        try:
            if configuration.ssl_ca_cert:
                context.load_verify_locations(configuration.ssl_ca_cert)
            else:
                context.load_default_certs()
        except (OSError, ssl.SSLError):
            raise _kubeconfig.invalid("The CA certificate cannot be read, or is no PEM certificate.", "") from None
    if configuration.cert_file:
        try:
            # An empty password: a key that needs one must fail, not ask on the terminal.
            context.load_cert_chain(configuration.cert_file, configuration.key_file, password="")
        except (OSError, ssl.SSLError, ValueError):
            raise _kubeconfig.invalid(
                "The client certificate or its key cannot be read, or they do not belong together.",
                "Both are PEM; the key must not be encrypted.",
            ) from None
    return context


def _use_context(pool: urllib3.PoolManager, context: ssl.SSLContext) -> None:
    for name in ("ca_certs", "ca_cert_data", "cert_file", "key_file"):
        pool.connection_pool_kw.pop(name, None)
    pool.connection_pool_kw["ssl_context"] = context


def _digest(value: object, *paths: str | None) -> str:
    """A hash of a value and of the files at these paths."""
    found = hashlib.sha256(repr(value).encode())
    for path in paths:
        with contextlib.suppress(OSError), open(path or os.devnull, "rb") as file:
            found.update(file.read())
    return found.hexdigest()


@contextlib.contextmanager
def _logging_kept() -> t.Iterator[list[str]]:
    """Collects what is logged meanwhile, instead of letting ``logging`` print it; forgets the package's files."""
    lines: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    keeper, root = Keeper(), logging.getLogger()
    # The package's files are the whole process': another thread's must not be taken away while they are read.
    with _PACKAGE:
        root.addHandler(keeper)
        try:
            yield lines
        finally:
            root.removeHandler(keeper)
            # The package would hand out the names of deleted files to the next connection with the same key (before 36).
            for files in temporary_files():
                for path in files.values():
                    with contextlib.suppress(OSError):
                        os.remove(path)
                files.clear()
