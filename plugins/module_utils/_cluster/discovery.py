# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cluster's API serves, and which of it a backup takes. Private to the collection.

Aggregated discovery (``apidiscovery.k8s.io``, KEP 3352) answers in two requests; servers that lack it are asked version by
version. A version whose server cannot be reached is a failure, never just absent.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError, Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.status import answer_error
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

STATELESS_GROUPS: t.Final = frozenset({"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"})
"""Groups of aggregated APIs that compute what they show: nothing is lost when they cannot be seen."""

_AGGREGATED: t.Final = ",".join(
    (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    )
)
_NEEDED: t.Final = frozenset({"list", "create", "delete"})
# The same objects under several groups; the first that is served counts. Velero's list (item_collector.go at 1.18), and
# ingresses, which share their storage in the same way before Kubernetes 1.22.
_COHABITING: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    "daemonsets": ("apps", "extensions"),
    "deployments": ("apps", "extensions"),
    "events": ("", "events.k8s.io"),
    "ingresses": ("networking.k8s.io", "extensions"),
    "networkpolicies": ("networking.k8s.io", "extensions"),
    "replicasets": ("apps", "extensions"),
}
_THREADS: t.Final = 8


@dataclasses.dataclass(frozen=True)
class GroupFailure:
    """A version of a group that is registered, but cannot be seen.

    :param stateless: nothing is lost by that: a known group of metrics, or one that the user named.
    """

    group: str
    version: str
    message: str
    stateless: bool


@dataclasses.dataclass(frozen=True)
class Discovery:
    """What is served.

    :param kinds: every served version of every resource that can be listed, in the API's order.
    :param chosen: one version for each resource that a backup takes, in a fixed order.
    :param failures: what could not be seen.
    """

    kinds: tuple[Kind, ...]
    chosen: tuple[Kind, ...]
    failures: tuple[GroupFailure, ...]
    _versions: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict, repr=False)
    _subresources: t.Mapping[tuple[str, str, str], frozenset[str]] = dataclasses.field(default_factory=dict, repr=False)

    def find(self, group: str, version: str, name: str) -> Kind | None:
        """A kind by its name (``Deployment``) or plural (``deployments``).

        :param version: empty for the first version of the group that serves it.
        """
        return self._index.get((group, version, name))

    def served(self, group: str) -> tuple[str, ...]:
        """The versions of a group, in the group's order; empty when it is not served."""
        return self._versions.get(group, ())

    def versions_of(self, group: str, plural: str) -> tuple[str, ...]:
        """The versions of a group that serve a resource, in the group's order."""
        return tuple(version for version in self.served(group) if (group, version, plural) in self._index)

    def has_subresource(self, kind: Kind, name: str) -> bool:
        """Whether a kind has a subresource (``status``, ``scale``) in its version."""
        return name in self._subresources.get((kind.group, kind.version, kind.plural), ())

    @functools.cached_property
    def _index(self) -> dict[tuple[str, str, str], Kind]:
        index: dict[tuple[str, str, str], Kind] = {}
        for kind in self.kinds:
            for version in (kind.version, ""):
                for name in (kind.plural, kind.kind):
                    index.setdefault((kind.group, version, name), kind)
        return index


@dataclasses.dataclass(frozen=True)
class _Resource:
    kind: Kind
    subresources: frozenset[str]


@dataclasses.dataclass
class _Version:
    """One version of a group; ``problem`` says why its resources are not known."""

    group: str
    version: str
    resources: list[_Resource]
    problem: str = ""


def discover(conn: Connection, *, ignored_groups: t.Collection[str] = ()) -> Discovery:
    """Ask the API server what it serves.

    :param ignored_groups: groups that hold no state either: their failures count as ``stateless``.
    :raises StowageError: the core API or the list of groups could not be read.
    """
    versions: list[_Version] = []
    for path in ("/api", "/apis"):
        response = conn.request("GET", path, accept=_AGGREGATED)
        try:
            document = response.json()
        except ValueError:
            raise answer_error("GET", path, response.status, response.headers, "not JSON") from None
        if not isinstance(document, dict):
            raise answer_error("GET", path, response.status, response.headers, "no list of API groups")
        if document.get("kind") == "APIGroupDiscoveryList":
            versions += _aggregated(document, conn)
        elif "versions" in document or "groups" in document:
            versions += _plain(document, conn)
        else:
            raise answer_error("GET", path, response.status, response.headers, "no list of API groups")
    return _summarise(versions, STATELESS_GROUPS | set(ignored_groups))


def _summarise(versions: t.Sequence[_Version], stateless: t.Collection[str]) -> Discovery:
    order: dict[str, tuple[str, ...]] = {}
    for version in versions:
        order[version.group] = (*order.get(version.group, ()), version.version)
    listable = [each for version in versions for each in version.resources if "list" in each.kind.verbs]
    return Discovery(
        kinds=tuple(each.kind for each in listable),
        chosen=choose(each.kind for each in listable),
        failures=tuple(
            GroupFailure(each.group, each.version, each.problem, each.group in stateless)
            for each in versions
            if each.problem
        ),
        _versions=order,
        _subresources={(r.kind.group, r.kind.version, r.kind.plural): r.subresources for r in listable},
    )


def choose(kinds: t.Iterable[Kind]) -> tuple[Kind, ...]:
    """One version for each resource: the first in the given order that can be listed, created and deleted. Pure.

    Of groups that show the same objects one is taken. The core group comes first, then groups and resources by name.
    """
    first: dict[tuple[str, str], Kind] = {}
    for kind in kinds:
        if kind.verbs >= _NEEDED:
            first.setdefault((kind.group, kind.plural), kind)
    for plural, groups in _COHABITING.items():
        served = [group for group in groups if (group, plural) in first]
        for group in served[1:]:
            del first[group, plural]
    return tuple(first[key] for key in sorted(first))


def _aggregated(document: dict[str, t.Any], conn: Connection) -> list[_Version]:
    versions: list[_Version] = []
    for group in document.get("items") or ():
        name = (group.get("metadata") or {}).get("name") or ""
        for entry in group.get("versions") or ():
            version = _Version(name, str(entry.get("version")), [])
            if entry.get("freshness") == "Stale":
                # The aggregator's last attempt failed, some time ago; what it remembers may be old.
                version = _ask(conn, name, version.version)
            else:
                version.resources = [
                    _aggregated_resource(name, version.version, r) for r in entry.get("resources") or ()
                ]
            versions.append(version)
    return versions


def _aggregated_resource(group: str, version: str, entry: dict[str, t.Any]) -> _Resource:
    kind = Kind(
        group=group,
        version=version,
        plural=str(entry.get("resource")),
        kind=str((entry.get("responseKind") or {}).get("kind") or ""),
        namespaced=entry.get("scope") == "Namespaced",
        verbs=frozenset(entry.get("verbs") or ()),
    )
    return _Resource(kind, frozenset(str(each.get("subresource")) for each in entry.get("subresources") or ()))


def _plain(document: dict[str, t.Any], conn: Connection) -> list[_Version]:
    """``APIVersions`` of the core group, or an ``APIGroupList``: each version is asked for its resources."""
    wanted = [("", str(version)) for version in document.get("versions") or ()]
    for group in document.get("groups") or ():
        wanted += [(str(group.get("name")), str(each.get("version"))) for each in group.get("versions") or ()]
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(lambda each: _ask(conn, *each), wanted))


def _ask(conn: Connection, group: str, version: str) -> _Version:
    """One version's own answer. The core group must answer; another group's server may be down."""
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    found = _Version(group, version, [])
    try:
        response = conn.request("GET", path, retry=not group)
        document = response.json()
    except ApiStatusError as error:
        if not group or error.status == 401:
            raise
        found.problem = error.message
        return found
    except ValueError:
        found.problem = f"GET {path}: the answer is not JSON."
        return found
    except StowageError as error:
        # One slow or broken aggregated server must not end the backup of everything else.
        if not group or error.code != "cluster_unreachable":
            raise
        found.problem = error.message
        return found
    entries = [each for each in document.get("resources") or () if isinstance(each, dict)]
    names = [str(each.get("name")) for each in entries]
    for entry, name in zip(entries, names, strict=True):
        if "/" not in name:
            subresources = frozenset(other.partition("/")[2] for other in names if other.startswith(f"{name}/"))
            found.resources.append(_Resource(_plain_kind(group, version, entry), subresources))
    return found


def _plain_kind(group: str, version: str, entry: dict[str, t.Any]) -> Kind:
    return Kind(
        group=group,
        version=version,
        plural=str(entry.get("name")),
        kind=str(entry.get("kind")),
        namespaced=entry.get("namespaced") is True,
        verbs=frozenset(entry.get("verbs") or ()),
    )
