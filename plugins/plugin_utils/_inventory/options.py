# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the inventory plugin, checked as a whole before anything is read. Private to the collection. Pure.

Each error names the place in the file. Values keep nothing of how Ansible loaded them, but for the expressions that Ansible
itself evaluates: so nothing that is emitted is taken for a template.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _label_selectors
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import check_labels, unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.referenced import (
    SecretReference,
    checked_reference,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.cloud_parts import CLOUDS
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.names import (
    Patterns,
    compiled,
    group_name,
    is_fit,
)

EVERYTHING: t.Final = Patterns(globs=("*",))
NOTHING: t.Final = Patterns()
_VARIABLE: t.Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class Contexts:
    """Clusters are contexts of kubeconfigs: of files, globs and directories, or of what a variable of the environment names."""

    paths: tuple[str, ...]
    variable: str
    chosen: Patterns
    excluded: Patterns


@dataclasses.dataclass(frozen=True)
class Management:
    """Clusters are those of a management cluster of the Cluster API."""

    path: str
    variable: str
    context: str
    namespaces: Patterns
    excluded: Patterns
    selector: str


@dataclasses.dataclass(frozen=True)
class Cloud:
    """Clusters are those that a cloud runs, in these parts of it.

    :param kind: ``eks``, ``gke`` or ``aks``.
    :param parts: regions, projects or subscriptions.
    :param reached: what references hold beside names, such as ``endpoint``; without what is not set.
    :param auth: who asks; the environment or the machine's role if it is empty.
    """

    kind: str
    parts: tuple[str, ...]
    reached: t.Mapping[str, str]
    auth: t.Mapping[str, t.Any] = dataclasses.field(repr=False)
    chosen: Patterns
    excluded: Patterns


Origin = Contexts | Management | Cloud | tuple["Listed", ...]


@dataclasses.dataclass(frozen=True)
class Listed:
    """One cluster that is named in the options."""

    name: str
    kubeconfig: str
    context: str
    uid: str
    secret: SecretReference | None
    labels: t.Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Source:
    """Where clusters come from.

    :param hostname: an expression for the hosts' names, as Ansible loaded it; ``None`` takes the clusters' own.
    :param fingerprint: changes with what the clusters are read from, and not with what is made of them.
    """

    name: str
    origin: Origin
    labels: t.Mapping[str, str]
    label_patterns: tuple[re.Pattern[str], ...]
    hostname: t.Any
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class Workspace:
    """Who is a member: whom both ``clusters`` and ``selector`` fit, and ``excluded`` does not."""

    name: str
    group: str
    clusters: Patterns
    excluded: Patterns
    selector: str


@dataclasses.dataclass(frozen=True)
class Options:
    """All that the file says."""

    sources: tuple[Source, ...]
    workspaces: tuple[Workspace, ...]


def read_options(sources: object, workspaces: object, hostname: object) -> Options:
    """The options as objects.

    :param hostname: what sources without one of their own take.
    :raises StowageError: ``invalid_option``, with the place.
    """
    named = _entries(sources, "sources")
    if not named:
        raise unfit("sources is empty.", "Each source is a dictionary under its name: see the examples.")
    found = tuple(_source(name, value, hostname) for name, value in named.items())
    groups = tuple(_workspace(name, value) for name, value in _entries(workspaces, "workspaces").items())
    by_group: dict[str, str] = {}
    for workspace in groups:
        other = by_group.setdefault(workspace.group, workspace.name)
        if other != workspace.name:
            raise unfit(f"workspaces.{other} and workspaces.{workspace.name} would be one group, {workspace.group}.")
    for source in found:
        if source.name in by_group:
            raise unfit(f"sources.{source.name} has the name of a workspace's group.", "Call one of them otherwise.")
    return Options(found, groups)


class _Part:
    """A dictionary of the options, and its place."""

    def __init__(self, value: object, place: str, known: t.Iterable[str]) -> None:
        self.place = place
        self.values = _entries(value, place)
        self._known = frozenset(known)
        if strange := sorted(self.values.keys() - self._known):
            raise unfit(f"{place} has no option {strange[0]!r}.", f"It takes {', '.join(sorted(self._known))}.")

    def text(self, name: str) -> str:
        """A text; empty if it is not set."""
        value = self.values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise unfit(f"{self.place}.{name} is no text.")
        return plain(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, or one text; empty if it is not set."""
        value = self.values.get(name)
        parts = [value] if isinstance(value, str) else value
        if parts is None:
            return ()
        if not isinstance(parts, list) or not all(isinstance(part, str) and part for part in parts):
            raise unfit(f"{self.place}.{name} is neither a text nor a list of texts.")
        return tuple(plain(part) for part in parts)

    def patterns(self, name: str, default: Patterns) -> Patterns:
        """Patterns of names."""
        if self.values.get(name) is None:
            return default
        try:
            return Patterns.of(self.texts(name))
        except ValueError as error:
            raise unfit(f"{self.place}.{name}: {error}.") from None

    def selector(self, name: str) -> str:
        """A label selector in its normal form."""
        try:
            return _label_selectors.normalise(self.text(name))
        except StowageError as error:
            raise unfit(f"{self.place}.{name}: {error.message}", error.hint) from None

    def labels(self, name: str) -> dict[str, str]:
        """Labels."""
        return check_labels(f"{self.place}.{name}", _entries(self.values.get(name), f"{self.place}.{name}"))

    def variable(self, name: str) -> str:
        """The name of a variable of the environment."""
        text = self.text(name)
        if text and not _VARIABLE.fullmatch(text):
            raise unfit(f"{self.place}.{name} is not the name of a variable of the environment.")
        return text


def plain(text: str) -> str:
    """A text without what Ansible knows about where it comes from, trust in it as a template included."""
    return "".join(tuple(text))


def _entries(value: object, place: str) -> dict[str, t.Any]:
    if value is None:
        return {}
    if not isinstance(value, t.Mapping) or not all(isinstance(key, str) for key in value):
        raise unfit(f"{place} is no dictionary with texts as keys.")
    return {plain(key): part for key, part in value.items()}


_ORIGINS: t.Final = ("kubeconfig", "capi", *CLOUDS, "clusters")
_SECRET: t.Final = frozenset(
    {
        "secret_key",
        "session_token",
        "credentials_json",
        "secret",
        "x509_certificate_password",
        "account_key",
        "sas_token",
    }
)


def _source(name: str, value: object, hostname: object) -> Source:
    part = _Part(value, f"sources.{name}", (*_ORIGINS, "hostname", "labels", "label_patterns"))
    if not is_fit(name):
        raise unfit(
            f"{part.place} cannot be the name of a source: a host may have to be named after it.",
            "Use letters, digits, '-', '_' and '.', beginning and ending with a letter or digit.",
        )
    given = [origin for origin in _ORIGINS if part.values.get(origin) is not None]
    if len(given) != 1:
        raise unfit(f"{part.place} takes exactly one of {', '.join(_ORIGINS)}.")
    own = part.values.get("hostname")
    if own is not None and not isinstance(own, str):
        raise unfit(f"{part.place}.hostname is no text.")
    try:
        patterns = tuple(compiled(text) for text in part.texts("label_patterns"))
    except ValueError as error:
        raise unfit(f"{part.place}.label_patterns: {error}.") from None
    return Source(
        name=name,
        origin=_origin(given[0], part.values[given[0]], f"{part.place}.{given[0]}"),
        labels=part.labels("labels"),
        label_patterns=patterns,
        hostname=hostname if own is None else own,
        fingerprint=_fingerprint(given[0], part.values[given[0]]),
    )


def _origin(kind: str, value: object, place: str) -> Origin:
    readers: dict[str, t.Callable[[object, str], Origin]] = {
        "kubeconfig": _contexts,
        "capi": _management,
    }
    if kind in CLOUDS:
        return _cloud(kind, value, place)
    if kind in readers:
        return readers[kind](value, place)
    return tuple(_listed(name, entry, f"{place}.{name}") for name, entry in _entries(value, place).items())


def _contexts(value: object, place: str) -> Contexts:
    part = _Part(value, place, ("paths", "env", "contexts", "excluded_contexts"))
    paths, variable = part.texts("paths"), part.variable("env")
    if bool(paths) == bool(variable):
        raise unfit(f"{place} takes either paths or env.")
    chosen, excluded = part.patterns("contexts", EVERYTHING), part.patterns("excluded_contexts", NOTHING)
    return Contexts(paths, variable, chosen, excluded)


def _management(value: object, place: str) -> Management:
    options = ("kubeconfig", "env", "context", "namespaces", "excluded_namespaces", "label_selector")
    part = _Part(value, place, options)
    path, variable = part.text("kubeconfig"), part.variable("env")
    if bool(path) == bool(variable):
        raise unfit(f"{place} takes either kubeconfig or env.")
    return Management(
        path=path,
        variable=variable,
        context=part.text("context"),
        namespaces=part.patterns("namespaces", EVERYTHING),
        excluded=part.patterns("excluded_namespaces", NOTHING),
        selector=part.selector("label_selector"),
    )


def _cloud(kind: str, value: object, place: str) -> Cloud:
    known = CLOUDS[kind]
    part = _Part(value, place, (known.option, *known.reached, "auth", "clusters", "excluded_clusters"))
    parts = part.texts(known.option)
    if not parts or not all(map(known.pattern.fullmatch, parts)):
        raise unfit(
            f"{place}.{known.option} is no list of {known.option}.", f"Set it to [{known.example}], for example."
        )
    reached = {name: text for name in known.reached if (text := part.text(name))}
    for name, text in reached.items():
        if known.reached[name] and text not in known.reached[name]:
            raise unfit(f"{place}.{name} is none of {', '.join(known.reached[name])}.")
    auth = _entries(part.values.get("auth"), f"{place}.auth")
    if not all(isinstance(one, str) for one in auth.values()):
        raise unfit(f"{place}.auth has a value that is no text.")
    return Cloud(
        kind=kind,
        parts=parts,
        reached=reached,
        auth={name: plain(one) for name, one in auth.items()},
        chosen=part.patterns("clusters", EVERYTHING),
        excluded=part.patterns("excluded_clusters", NOTHING),
    )


def _listed(name: str, value: object, place: str) -> Listed:
    part = _Part(value, place, ("kubeconfig", "context", "cluster_uid", "kubeconfig_secret", "labels"))
    if not is_fit(name):
        raise unfit(f"{place} cannot be the name of a cluster.", "Use letters, digits, '-', '_' and '.'.")
    secret = None
    if part.values.get("kubeconfig_secret") is not None:
        reference = _Part(part.values["kubeconfig_secret"], f"{place}.kubeconfig_secret", ("namespace", "name", "key"))
        try:
            secret = checked_reference({key: reference.text(key) for key in ("namespace", "name", "key")})
        except StowageError as error:
            raise unfit(f"{place}: {error.message}", error.hint) from None
    return Listed(
        name, part.text("kubeconfig"), part.text("context"), part.text("cluster_uid"), secret, part.labels("labels")
    )


def _workspace(name: str, value: object) -> Workspace:
    part = _Part(value, f"workspaces.{name}", ("clusters", "excluded_clusters", "selector"))
    group = group_name(name)
    if not group:
        raise unfit(f"{part.place} cannot be a workspace: no group can be named after it.", "Begin it with a letter.")
    if all(part.values.get(option) is None for option in ("clusters", "selector")):
        raise unfit(
            f"{part.place} does not say which clusters are its members.", 'Set clusters (["*"] for all) or selector.'
        )
    clusters = part.patterns("clusters", EVERYTHING)
    if strange := sorted(name for name in clusters.exact if not is_fit(name)):
        raise unfit(
            f"{part.place}.clusters: {strange[0]!r} cannot be a host's name.",
            "It takes the names of hosts, and patterns.",
        )
    return Workspace(
        name=name,
        group=group,
        clusters=clusters,
        excluded=part.patterns("excluded_clusters", NOTHING),
        selector=part.selector("selector"),
    )


def _fingerprint(kind: str, value: object) -> str:
    text = json.dumps([kind, _without_secrets(value)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _without_secrets(value: object) -> object:
    """The options without what must not even be a part of a hash that is kept."""
    if isinstance(value, t.Mapping):
        return {str(key): _without_secrets(part) for key, part in value.items() if key not in _SECRET}
    return value
