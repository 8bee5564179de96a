# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads kubeconfigs: which values are secret, and whether the file can be used at all. Private to the collection.

The kubernetes package loads the configuration; it is asked only after these checks, for its own error texts quote the
kubeconfig's content, tokens included.
"""

from __future__ import annotations

import base64
import binascii
import copy
import functools
import os
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

Document = t.Mapping[str, t.Any]

_AUTH_PROVIDER_PUBLIC: t.Final = frozenset(
    {
        "client-id", "cmd-args", "cmd-path", "expiry", "expiry-key", "extra-scopes", "idp-certificate-authority",
        "idp-certificate-authority-data", "idp-issuer-url", "scopes", "token-key",
    }
)  # fmt: skip
# Masking a region or a profile would cut words such as "prod" out of names that a task returns.
_HARMLESS_VARIABLE: t.Final = re.compile(r"(?i)(?:^|_)(?:region|profile|path|home|dir|file|config|endpoints|name)$")
_TELLING_ARGUMENT: t.Final = re.compile(r"(?i)(?:token|secret|password|passwd|api-?key|credential)")
_SHORTEST: t.Final = 3
_COMMANDS: t.Final = ("exec", "auth-provider")
_FILES: t.Final = ("tokenFile", "client-certificate", "client-key", "certificate-authority")
_CHECK_HINT: t.Final = "Check it with `kubectl --kubeconfig … config view` on the machine that runs the task."


def split_paths(value: str) -> tuple[str, ...]:
    """The paths in a ``KUBECONFIG`` value, joined by ``os.pathsep``; ``~`` is expanded, empty parts are left out."""
    return tuple(os.path.expanduser(part) for part in value.split(os.pathsep) if part)


def parse(text: str | bytes, name: str) -> Document:
    """A kubeconfig's text as a mapping.

    :raises StowageError: ``cluster_access_invalid``, with at most the line and column, never the text.
    """
    import yaml

    try:
        document = _loaded(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise invalid(f"{name} is no valid YAML{where}.") from None
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise invalid(f"{name} is no text that could be a kubeconfig.") from None
    if not isinstance(document, dict):
        raise invalid(f"{name} is no kubeconfig: it is not a mapping.")
    return document


@functools.lru_cache(maxsize=8)
def _loaded(text: str | bytes) -> t.Any:
    """Parsed once: a fleet's kubeconfig takes seconds without libyaml. Nobody changes what is returned."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(text, Loader=loader)  # noqa: S506 (both loaders are safe)


def read(paths: t.Iterable[str]) -> list[Document]:
    """The kubeconfigs at these paths that exist; like kubectl, missing ones of several are left out.

    Relative paths in a kubeconfig start at its folder; here they are made absolute.

    :raises StowageError: ``cluster_access_invalid`` when none exists, or one cannot be read.
    """
    paths = tuple(paths)
    found: list[Document] = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise invalid(f"The kubeconfig {path} cannot be read: {error.strerror}.") from None
        found.append(_resolved(parse(content, f"The kubeconfig {path}"), os.path.dirname(os.path.abspath(path))))
    if not found:
        raise invalid(f"The kubeconfig {os.pathsep.join(paths)} does not exist.")
    return found


def current_context(documents: t.Sequence[Document], context: str | None) -> str:
    """The context to use, empty when nothing names one. Of several files the first that names one decides, as with
    kubectl (the kubernetes package takes the last)."""
    return context or next((str(d["current-context"]) for d in documents if d.get("current-context")), "")


def check(documents: t.Sequence[Document], context: str | None) -> None:
    """Whether the context, its cluster and its user are there. Names are shown in errors, values never.

    :raises StowageError: ``cluster_access_invalid``.
    """
    chosen = current_context(documents, context)
    if not chosen:
        raise invalid("The kubeconfig has no current-context, and no context was given.", "Set `context`.")
    contexts = _named(documents, "contexts", "context")
    if chosen not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        raise invalid(f"The kubeconfig has no context {chosen!r}.", f"It has: {known}.")
    clusters = _named(documents, "clusters", "cluster")
    cluster = clusters.get(str(contexts[chosen].get("cluster")))
    if cluster is None:
        raise invalid(f"The kubeconfig's context {chosen!r} names a cluster that is not in it.")
    if not isinstance(cluster.get("server"), str):
        raise invalid(f"The kubeconfig's cluster of context {chosen!r} has no server.")
    user = contexts[chosen].get("user")
    users = _named(documents, "users", "user")
    if user and str(user) not in users:
        raise invalid(f"The kubeconfig's context {chosen!r} names a user that is not in it.")
    _check_base64((cluster, "certificate-authority-data"))
    if user:
        for key in ("token", "tokenFile", "username", "password"):
            if not isinstance(users[str(user)].get(key, ""), str):
                raise invalid(f"The kubeconfig's {key} of context {chosen!r} is not text.")
        _check_impersonation(users[str(user)], chosen)
        _check_base64((users[str(user)], "client-certificate-data"), (users[str(user)], "client-key-data"))


def active(documents: t.Sequence[Document], context: str | None) -> tuple[Document, Document]:
    """The cluster and the user entry that :func:`check` found; empty mappings where there is none."""
    entry = _named(documents, "contexts", "context").get(current_context(documents, context), {})
    clusters, users = _named(documents, "clusters", "cluster"), _named(documents, "users", "user")
    return clusters.get(str(entry.get("cluster")), {}), users.get(str(entry.get("user")), {})


def check_no_commands(documents: t.Sequence[Document], context: str | None) -> None:
    """Refuse a context whose user runs a command to get a credential.

    :raises StowageError: ``cluster_access_invalid``.
    """
    _refuse(active(documents, context)[1], _COMMANDS, "runs a command to get a credential")


def check_no_files(documents: t.Sequence[Document], context: str | None) -> None:
    """Refuse a context that names files: who wrote it would have this machine's files sent to a server of their choice.

    :raises StowageError: ``cluster_access_invalid``.
    """
    for entry in active(documents, context):
        _refuse(entry, _FILES, "names a file of this machine")


def of_one_context(documents: t.Sequence[Document], context: str | None) -> dict[str, t.Any]:
    """A kubeconfig of the chosen context alone, not shared with the others.

    The package would read all of the files again, without libyaml, and take another context of several files than kubectl.
    """
    cluster, user = copy.deepcopy(active(documents, context))
    return of_cluster("chosen", cluster, user)


def of_cluster(name: str, cluster: Document, user: Document) -> dict[str, t.Any]:
    """A kubeconfig of one cluster and one user."""
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": dict(cluster)}],
        "users": [{"name": name, "user": dict(user)}],
    }


def secrets(document: object, folder: str = "") -> set[str]:
    """Every value of a kubeconfig that must not be shown. Takes anything and never fails.

    :param folder: where the kubeconfig is; relative paths of token files start there.
    """
    found: set[str] = set()
    for user in _entries(document, "users", "user"):
        for key in ("token", "password", "client-key-data"):
            _add(found, user.get(key))
        found |= _decoded(user.get("client-key-data"))
        provider = user.get("auth-provider")
        config = provider.get("config") if isinstance(provider, dict) else None
        if isinstance(config, dict):
            for key, value in config.items():
                if key not in _AUTH_PROVIDER_PUBLIC:
                    _add(found, value)
        found |= _exec_secrets(user.get("exec"))
        found |= file_secrets(user.get("tokenFile"), folder)
    for cluster in _entries(document, "clusters", "cluster"):
        found |= url_secrets(cluster.get("proxy-url"))
    return found


def url_secrets(value: object) -> set[str]:
    """User and password in a URL."""
    found: set[str] = set()
    match = re.match(r"[a-zA-Z0-9+.-]+://([^/@]*)@", value) if isinstance(value, str) else None
    if match:
        _add(found, match[1])
        _add(found, match[1].partition(":")[2])
    return found


def file_secrets(path: object, folder: str = "") -> set[str]:
    """The content of a token file; empty when it cannot be read."""
    if not isinstance(path, str):
        return set()
    try:
        with open(os.path.join(folder, os.path.expanduser(path)), encoding="utf-8") as file:
            return {text} if (text := file.read(1 << 20).strip()) else set()
    except (OSError, ValueError):
        return set()


def invalid(message: str, hint: str = _CHECK_HINT) -> StowageError:
    """The error for a kubeconfig or an option that cannot be used."""
    return StowageError("cluster_access_invalid", message, hint)


def _resolved(document: Document, folder: str) -> Document:
    def absolute(entry: t.Any, key: str, *names: str) -> t.Any:
        inner = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(inner, dict):
            return entry
        paths: dict[str, t.Any] = {
            name: os.path.join(folder, inner[name]) for name in names if isinstance(inner.get(name), str)
        }
        plugin = inner.get("exec")
        command = plugin.get("command") if isinstance(plugin, dict) else None
        if isinstance(plugin, dict) and isinstance(command, str) and os.sep in command:
            paths["exec"] = {**plugin, "command": os.path.join(folder, command)}
        return {**entry, key: {**inner, **paths}}

    parts: dict[str, t.Any] = {}
    if isinstance(clusters := document.get("clusters"), list):
        parts["clusters"] = [absolute(each, "cluster", "certificate-authority") for each in clusters]
    if isinstance(users := document.get("users"), list):
        parts["users"] = [absolute(each, "user", "client-certificate", "client-key", "tokenFile") for each in users]
    return {**document, **parts}


def _named(documents: t.Sequence[Document], section: str, key: str) -> dict[str, Document]:
    """Entries by name; the first file that has a name wins, as kubectl merges."""
    merged: dict[str, Document] = {}
    for document in documents:
        entries = document.get(section)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get(key), dict):
                merged.setdefault(str(entry.get("name")), entry[key])
    return merged


def _entries(document: object, section: str, key: str) -> t.Iterator[dict[str, t.Any]]:
    entries = document.get(section) if isinstance(document, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        value = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(value, dict):
            yield value


def _exec_secrets(plugin: object) -> set[str]:
    found: set[str] = set()
    if not isinstance(plugin, dict):
        return found
    variables = plugin.get("env")
    for variable in variables if isinstance(variables, list) else ():
        if isinstance(variable, dict) and not _HARMLESS_VARIABLE.search(str(variable.get("name"))):
            _add(found, variable.get("value"))
    arguments = plugin.get("args")
    telling = False
    for argument in arguments if isinstance(arguments, list) else ():
        flag, equals, value = str(argument).partition("=")
        if telling and not str(argument).startswith("-"):
            _add(found, argument)
        elif equals and _TELLING_ARGUMENT.search(flag):
            _add(found, value)
        telling = not equals and flag.startswith("-") and bool(_TELLING_ARGUMENT.search(flag))
    return found


def _decoded(data: object) -> set[str]:
    if not isinstance(data, str):
        return set()
    try:
        return {base64.b64decode(data).decode()}
    except (ValueError, binascii.Error):
        return set()


def _add(found: set[str], value: object) -> None:
    if isinstance(value, (str, int)) and not isinstance(value, bool) and len(str(value)) >= _SHORTEST:
        found.add(str(value))


def _refuse(entry: Document, keys: t.Iterable[str], why: str) -> None:
    for key in keys:
        if entry.get(key) is not None:
            raise invalid(
                f"The kubeconfig {why} ({key}), which is not done here.",
                "Use a kubeconfig that holds a token, or a client certificate and its key.",
            )


def _check_impersonation(user: Document, context: str) -> None:
    groups, extra = user.get("as-groups"), user.get("as-user-extra")
    lists = [groups, *(extra.values() if isinstance(extra, dict) else ())]
    if (extra and not isinstance(extra, dict)) or not all(each is None or isinstance(each, list) for each in lists):
        raise invalid(f"What the kubeconfig's user of context {context!r} impersonates is no list.")
    if not user.get("as") and (groups or extra or user.get("as-uid")):
        raise invalid(f"The kubeconfig's user of context {context!r} impersonates groups, but no user.", "Set `as`.")


def _check_base64(*places: tuple[Document, str]) -> None:
    for place, key in places:
        value = place.get(key)
        if value is None:
            continue
        try:
            base64.b64decode(value, validate=False)
        except (TypeError, ValueError, binascii.Error):
            raise invalid(f"The kubeconfig's {key} is not base64.") from None
