# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at a cluster before anything is captured: kinds, permissions, sizes, and the pin. Private to the collection.

Each kind is asked for one object at no particular revision, between two readings of the pin. That tells which store it
is on, whether it may be listed, and how much there is. Writes nothing, anywhere.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _related as related
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import discover
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Probe, probe
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.permissions import Need, missing
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import Discovery
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

NAMESPACES: t.Final = "namespaces"
FATAL: t.Final = frozenset(
    {
        "interrupted",
        "timeout",
        "cluster_unreachable",
        "cluster_tls_untrusted",
        "cluster_unauthorized",
        "cluster_access_invalid",
        "dependency_missing",
        "internal_error",
    }
)
"""Failures of one kind after which the others would fail as well. See :func:`is_fatal`."""

_THREADS: t.Final = 8


@dataclasses.dataclass(slots=True)
class Target:
    """A kind, and what its probes said.

    :param namespaces: the namespaces that it has to be listed in one by one, because the account may not list all of
        it; ``None`` otherwise.
    :param forbidden: it may not be listed at all, which can still turn out not to matter.
    :param problem: why its API did not answer.
    :param unavailable: with which error it answered; the list may still succeed.
    :param count: how many objects there are, ``None`` when the server does not say.
    """

    kind: Kind
    revisions: tuple[str, ...] = ()
    namespaces: tuple[str, ...] | None = None
    forbidden: bool = False
    missing: bool = False
    problem: str = ""
    unavailable: str = ""
    count: int | None = None
    size_hint: int = 0

    @property
    def size(self) -> int:
        """A guess at the bytes of all its objects."""
        return (self.count or 0) * max(self.size_hint, 1024)


@dataclasses.dataclass(slots=True)
class Survey:
    """What a capture goes by.

    :param targets: by resource: the selected kinds, and definitions and namespaces even where they are not selected.
    :param selected: the resources that are captured.
    :param before: the pin's revision before the probes; ``after``: after them.
    :param unmet: permissions without which the selection cannot be captured.
    """

    discovery: Discovery
    targets: dict[str, Target]
    selected: list[str]
    before: str = ""
    after: str = ""
    unmet: list[Need] = dataclasses.field(default_factory=list)

    @property
    def total(self) -> int:
        """How many objects there are of the selected kinds, as far as is known."""
        return sum(self.targets[resource].count or 0 for resource in self.selected)

    def probes(self) -> list[tuple[Kind, str]]:
        """Each revision that a kind's store answered with."""
        return [(target.kind, revision) for target in self.targets.values() for revision in target.revisions]


def selects(selection: Selection, kind: Kind) -> bool:
    """Whether a kind is captured, or could be for what captured objects name. Pure."""
    if kind.resource == related.CRDS and selection.cluster_scope != "none":
        return not selection.excludes_kind(kind)  # a custom resource cannot be restored without
    if not selection.wants_kind(kind):
        return False
    if kind.namespaced or kind.resource == NAMESPACES or selection.cluster_scope == "all":
        return True
    return selection.cluster_scope == "related" and kind.resource in related.TARGETS


def survey(conn: Connection, selection: Selection, ignored_groups: t.Collection[str]) -> Survey:
    """Ask a cluster for all that :class:`Survey` holds.

    :raises StowageError: the cluster cannot be reached or understood; ``invalid_option`` when nothing is selected.
    """
    discovery = discover(conn, ignored_groups=ignored_groups)
    kinds = [kind for kind in discovery.chosen if selects(selection, kind)]
    if not any(selection.wants_kind(kind) for kind in kinds):
        raise StowageError(
            "invalid_option",
            "The selection leaves no resource of this cluster.",
            "Check included_resources and excluded_resources.",
        )
    selected = [kind.resource for kind in kinds]
    needed = [
        discovery.find("", "", NAMESPACES),
        discovery.find("apiextensions.k8s.io", "", "customresourcedefinitions"),
    ]
    kinds += [kind for kind in needed if kind is not None and kind.resource not in selected]
    found = Survey(discovery, {kind.resource: Target(kind) for kind in kinds}, selected)
    _Prober(conn, selection, found).run()
    return found


def extend(conn: Connection, selection: Selection, found: Survey, ignored_groups: t.Collection[str]) -> list[Target]:
    """Ask for discovery again and probe what is new; returns the new targets.

    They are listed at the pin like the others, unless their probe shows an older store.
    """
    found.discovery = discover(conn, ignored_groups=ignored_groups)
    fresh = [k for k in found.discovery.chosen if selects(selection, k) and k.resource not in found.targets]
    targets = [Target(kind) for kind in fresh]
    prober = _Prober(conn, selection, found)
    prober.probe_all(targets)
    for target in targets:
        target.revisions = ()  # their probes came after the second reading, so they prove nothing
        found.targets[target.kind.resource] = target
        found.selected.append(target.kind.resource)
    return targets


def look_again(
    conn: Connection, selection: Selection, found: Survey, ignored_groups: t.Collection[str], target: Target
) -> None:
    """Ask discovery and the target's API again."""
    found.discovery = discover(conn, ignored_groups=ignored_groups)
    _Prober(conn, selection, found).probe_all([target])


def is_fatal(conn: Connection, error: StowageError) -> bool:
    """Whether what one kind failed with ends the whole capture. No answer from a single API does not, as long as the API
    server itself answers: a server behind it hangs."""
    if error.code != "cluster_unreachable":
        return error.code in FATAL
    try:
        conn.get_json("/version")
    except StowageError:
        return True
    return False


class _Prober:
    """Probes targets side by side and learns where they may be listed."""

    def __init__(self, conn: Connection, selection: Selection, found: Survey) -> None:
        self._conn = conn
        self._selection = selection
        self._found = found

    def run(self) -> None:
        reference = self._reference()
        if reference is not None:
            kind, namespace, self._found.before = reference
        self.probe_all(list(self._found.targets.values()))
        if reference is not None:
            self._found.after = self._probe(kind, namespace).revision

    def probe_all(self, targets: t.Sequence[Target]) -> None:
        """Probe in the whole cluster, then by namespace what is forbidden there."""
        with concurrent.futures.ThreadPoolExecutor(_THREADS, "probe") as threads:
            for target, answer in zip(targets, threads.map(lambda each: self._probe(each.kind), targets), strict=True):
                _fill(target, [answer])
            for target in targets:
                if target.forbidden:
                    self._narrow(target, threads)

    def _reference(self) -> tuple[Kind, str, str] | None:
        """Something to read the pin from: a kind, a namespace, and the first reading. Namespaces, where permitted."""
        kinds = [target.kind for target in self._found.targets.values() if target.kind.namespaced]
        candidates = [(kind, "") for kind in self._kinds_named(NAMESPACES)]
        if self._selection.exact_namespaces:
            candidates += [(kind, name) for name in self._selection.included_namespaces[:1] for kind in kinds[:20]]
        else:
            candidates += [(kind, "") for kind in kinds[:20]]
        for kind, namespace in candidates:
            answer = self._probe(kind, namespace)
            if answer.revision:
                return kind, namespace, answer.revision
        return None

    def _kinds_named(self, resource: str) -> list[Kind]:
        target = self._found.targets.get(resource)
        return [target.kind] if target else []

    def _narrow(self, target: Target, threads: concurrent.futures.Executor) -> None:
        """Decide what becomes of a kind that may not be listed in the whole cluster."""
        kind, selection = target.kind, self._selection
        names = selection.included_namespaces if selection.exact_namespaces else ()
        needs = [Need("list", kind.group, kind.plural)]
        if kind.resource == NAMESPACES and names:
            target.namespaces = names  # each is read by its name
            needs = missing(self._conn, [Need("get", kind.group, kind.plural, name) for name in names])
        elif kind.namespaced and names:
            answers = list(threads.map(lambda name: self._probe(kind, name), names))
            refused = [name for name, answer in zip(names, answers, strict=True) if answer.forbidden]
            needs = [Need("list", kind.group, kind.plural, name) for name in refused]
            if not refused:
                target.namespaces = names
                _fill(target, answers)
        if kind.resource == NAMESPACES or (
            kind.resource in self._found.selected
            and selection.wants_kind(kind)
            and (kind.namespaced or selection.cluster_scope == "all")
        ):
            self._found.unmet += needs

    def _probe(self, kind: Kind, namespace: str = "") -> _Answer:
        try:
            return _Answer.of(probe(self._conn, kind, namespace))
        except StowageError as error:
            if is_fatal(self._conn, error):
                raise
            return _Answer(problem=error.message)


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    revision: str = ""
    forbidden: bool = False
    missing: bool = False
    problem: str = ""
    unavailable: str = ""
    count: int | None = None
    size_hint: int = 0

    @classmethod
    def of(cls, answer: Probe) -> _Answer:
        return cls(
            revision=answer.revision,
            forbidden=answer.forbidden,
            missing=answer.missing,
            unavailable=answer.unavailable,
            count=answer.count,
            size_hint=answer.size_hint,
        )


def _fill(target: Target, answers: t.Sequence[_Answer]) -> None:
    counts = [answer.count for answer in answers]
    target.revisions = tuple(answer.revision for answer in answers if not answer.forbidden)
    target.forbidden = any(answer.forbidden for answer in answers)
    target.missing = all(answer.missing for answer in answers)
    target.problem = next((answer.problem for answer in answers if answer.problem), "")
    target.unavailable = next((answer.unavailable for answer in answers if answer.unavailable), "")
    target.count = None if None in counts else sum(count or 0 for count in counts)
    target.size_hint = max((answer.size_hint for answer in answers), default=0)
