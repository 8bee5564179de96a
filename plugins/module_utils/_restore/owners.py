# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Owners in the archive, and references to them with the uids of the target. Private to the collection. Pure.

A reference is never written with an old uid: the garbage collector deletes such an object at once.
"""

from __future__ import annotations

import dataclasses
import enum
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Tree


class OwnerState(enum.Enum):
    """How far the restore has come with an owner."""

    PENDING = "pending"
    THERE = "there"
    """In the target, with a known uid."""
    DIFFERS = "differs"
    """So too, but not as archived: it was left as it is."""
    PLANNED = "planned"
    """A plan would create it; its uid is not known yet."""
    LEFT = "left"
    """Left to a controller, which makes it from its own owner."""
    ABSENT = "absent"
    """Not restored, on purpose."""
    LATE = "late"
    """Refused for now, and tried again at the end."""
    FAILED = "failed"


@dataclasses.dataclass(slots=True)
class OwnerRecord:
    """An archived object that others name as their owner.

    :param facts: what a later decision about its dependents needs of its body (a Deployment's revision).
    """

    kind: Kind
    step: int
    namespace: str
    name: str
    owners: tuple[str, ...]
    state: OwnerState = OwnerState.PENDING
    uid: str = ""
    facts: str = ""


class OwnerTable(t.Mapping[str, OwnerRecord]):
    """Old uid -> owner. Filled from the index in two passes: which uids are named as owners, then whose they are.

    Its size goes with the number of owners, not of objects. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._records: dict[str, OwnerRecord | None] = {}
        self._lock = threading.Lock()

    def want(self, uids: t.Iterable[str]) -> None:
        """First pass: these uids are named as owners."""
        for uid in uids:
            self._records.setdefault(uid, None)

    def wants(self, uid: str) -> bool:
        """Whether the object of that uid is an owner that :meth:`put` was not told of yet."""
        return uid in self._records and self._records[uid] is None

    def put(self, uid: str, record: OwnerRecord) -> None:
        """Second pass: an owner found in the archive. The first of one uid counts."""
        if self.wants(uid):
            self._records[uid] = record

    def settle(self, uid: str, state: OwnerState, new_uid: str = "") -> None:
        """What became of an object, if it is an owner."""
        record = self._records.get(uid)
        if record is not None:
            with self._lock:
                record.state, record.uid = state, new_uid

    def is_open(self, uid: str) -> bool:
        """Whether the restore has still to deal with an owner."""
        record = self._records.get(uid)
        return record is not None and record.state in {OwnerState.PENDING, OwnerState.LATE}

    def note(self, uid: str, facts: str) -> None:
        """Keep a fact of an owner's body."""
        record = self._records.get(uid)
        if record is not None:
            record.facts = facts

    @property
    def wanted(self) -> bool:
        """Whether any object has an owner."""
        return bool(self._records)

    def get_record(self, uid: str) -> OwnerRecord | None:
        """The owner of that old uid, if it is in the archive."""
        return self._records.get(uid)

    def __getitem__(self, uid: str) -> OwnerRecord:
        record = self._records.get(uid)
        if record is None:
            raise KeyError(uid)
        return record

    def __contains__(self, uid: object) -> bool:
        return isinstance(uid, str) and self._records.get(uid) is not None

    def __iter__(self) -> t.Iterator[str]:
        return (uid for uid, record in self._records.items() if record is not None)

    def __len__(self) -> int:
        return sum(record is not None for record in self._records.values())


@dataclasses.dataclass(slots=True)
class Relinked:
    """Owner references for the target.

    :param references: with uids of the target.
    :param dropped: what is said of the references that are not written (``ReplicaSet web-5d8 is not restored``).
    :param awaited: those, as archived, whose owners this restore has still to deal with.
    :param assumed: in a plan, an owner is only planned: it stands in ``references`` without a uid.
    """

    references: list[Tree]
    dropped: list[str]
    awaited: list[Tree] = dataclasses.field(default_factory=list)
    assumed: bool = False


def one_controller(references: t.Sequence[Tree], live: t.Sequence[Tree]) -> list[Tree]:
    """Owner references of an object with one controller at most: the API server takes no other.

    :param references: the archived ones, relinked, with those of the object in the target.
    :param live: the latter. If one of them is the controller, it has taken the object over, and stays it.
    """
    holder = next((one.get("uid") for one in live if one.get("controller") is True), None)
    if holder is None:
        return list(references)
    found = []
    for one in references:
        if one.get("uid") == holder:
            found.append({**one, "controller": True})
        elif one.get("controller") is True:
            found.append({key: value for key, value in one.items() if key != "controller"})
        else:
            found.append(one)
    return found


class Surroundings(t.Protocol):
    """What references need to know of the target."""

    def owner_uid(self, api_version: str, kind: str, namespace: str, name: str) -> str | None:
        """The uid of an owner that is in the target though not in this restore."""

    def served_version(self, api_version: str, kind: str) -> str:
        """The apiVersion under which the target serves a kind of the archive."""


def relink(
    references: t.Sequence[t.Any], namespace: str, table: OwnerTable, around: Surroundings, *, last: bool = False
) -> Relinked:
    """References with the target's uids.

    :param references: ``metadata.ownerReferences`` as archived.
    :param namespace: where the object goes: an owner in another namespace would be none, and the object collected.
    :param around: asked for owners that this restore did not bring.
    :param last: no owner is awaited any more.
    """
    result = Relinked([], [])
    for reference in references:
        if not isinstance(reference, dict):
            continue
        words = [str(reference.get(key) or "") for key in ("apiVersion", "kind", "name", "uid")]
        uid, why = _target_uid(words, namespace, table, around)
        if uid is None and not last and table.is_open(words[3]):
            result.awaited.append(reference)
            continue
        if uid is None:
            result.dropped.append(f"owner {words[1]} {words[2]} {why}")
            continue
        result.assumed = result.assumed or not uid
        version = around.served_version(words[0], words[1])
        result.references.append({**reference, "apiVersion": version, "uid": uid})
    return result


def _target_uid(words: list[str], namespace: str, table: OwnerTable, around: Surroundings) -> tuple[str | None, str]:
    """The uid in the target (empty: planned), or ``None`` and why there is none."""
    api_version, kind, name, old_uid = words
    record = table.get_record(old_uid)
    if record is not None and (record.kind.kind, record.name) != (kind, name):
        record = None
    if record is not None and record.namespace not in {"", namespace}:
        return None, "is in another namespace"
    if record is not None and record.state in {OwnerState.THERE, OwnerState.DIFFERS}:
        return record.uid, ""
    if record is not None and record.state is OwnerState.PLANNED:
        return "", ""
    found = around.owner_uid(api_version, kind, namespace, name)
    if found:
        return found, ""
    if record is not None and record.state is OwnerState.FAILED:
        return None, "could not be restored"
    return None, "is neither restored nor in the cluster"
