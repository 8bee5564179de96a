# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Walks through an archive in order, and has each object dealt with. Private to the collection.

Kinds come one after the other, those of a step in rounds: first the objects whose owners are dealt with, then what they own.
Within a round several requests are in flight; between rounds all of them are waited for.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import (
    fields,
    merge,
    objects,
    order,
    skips,
    waits,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import Pool, RefusedError, Sender
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.around import Surroundings
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.definitions import Definitions
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.late_owners import LateOwners
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.live import LiveObjects
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action, Known, Result
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.namespaces import Namespaces
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.one import (
    DEFINITION_PLANNED,
    OneObject,
    Rules,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.order import Position, Positions
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.owners import (
    OwnerRecord,
    OwnerState,
    OwnerTable,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.plan import Job, Planner
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.scope import Part, Scope
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.target import Target, why_not_served
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.write import ObjectWriter, Outcome

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader, Entry
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.diff import Diff
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.report import Report
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

LATE_SECONDS: t.Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Pauses before objects that the target refused for now are tried again: a minute, for pods behind webhooks to start."""
_MOST_LATE: t.Final = 20_000
_REPORT_EVERY: t.Final = 64
_HOLD_BACK: t.Final = frozenset(
    {
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    }
)


@dataclasses.dataclass(slots=True)
class Tools:
    """What an engine works with."""

    connection: Connection
    reader: BackupReader
    scope: Scope
    selection: Selection
    progress: Progress
    sender: Sender
    pool: Pool
    table: OwnerTable
    around: Surroundings
    planner: Planner
    writer: ObjectWriter
    rules: Rules
    report: Report
    diff: Diff | None
    by_namespace: frozenset[str] = frozenset()
    late_seconds: t.Sequence[float] = LATE_SECONDS


class Engine:
    """One pass over an archive."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._positions = Positions(tools.table)
        self._rounds: dict[Position, list[int]] = {}
        self._late: list[Job] = []
        self._last = False
        self._lock = threading.Lock()
        self._tokens: dict[int, tuple[Job, Result]] = {}
        self._seen = self._bytes = 0
        self._selects_labels = bool(tools.selection.label_selectors)
        self._live = LiveObjects(
            tools.connection, all_namespaces=tools.selection.all_namespaces, by_namespace=tools.by_namespace
        )
        self._definitions = Definitions(
            tools.connection,
            tools.sender,
            tools.progress,
            tools.around,
            check=tools.rules.check,
            error=tools.report.error,
        )
        self._namespaces = Namespaces(
            tools.sender,
            tools.connection,
            tools.progress,
            check=tools.rules.check,
            report=tools.report.add,
            restore=self._restore_now,
        )
        self._one = OneObject(
            planner=tools.planner,
            writer=tools.writer,
            table=tools.table,
            report=tools.report,
            diff=tools.diff,
            rules=tools.rules,
            late=self.late,
            unlisted=self._live.unlisted,
            written=self.written,
            need=self._namespaces.need,
            new_namespaces=self._namespaces.new,
            default_account=self._namespaces.default_account,
        )
        self._late_owners = LateOwners(tools.table, tools.planner, tools.writer, tools.pool, self._one.tell)

    # The pass

    def run(self) -> None:
        """Restore, or plan to.

        :raises StowageError: what ends the whole restore (``interrupted``, ``cluster_unreachable``, ``backup_damaged`` …).
        """
        self._learn()
        ready = held_back = False
        for step, part in enumerate(self._tools.scope.parts):
            if not ready and part.kind.resource not in {order.CRDS, order.NAMESPACES}:
                ready = True
                self._try_late()
                self._namespaces.prepare(self._tools.scope.namespaces)
            if not held_back and part.kind.resource in _HOLD_BACK:
                held_back = True
                self._try_late()
            self._round(step, Position(step, 0))
            self._rounds_of(step)
            self._late_owners.settle()
        self._try_late()
        self._late_owners.settle(last=True)
        self._await_tokens()

    def _learn(self) -> None:
        """Find the owners, from the index alone: which uids are named as such, then whose they are."""
        table = self._tools.table
        for part in self._tools.scope.parts:
            if not skips.is_never_restored(part.kind.resource):
                for entry in self._entries(part):
                    if entry.owners:
                        table.want(entry.owners)
            self._tools.progress.check()
        if not table.wanted:
            return
        for step, part in enumerate(self._tools.scope.parts):
            if skips.owns_nothing(part.kind.resource):
                continue
            for entry in self._entries(part):
                if table.wants(entry.uid):
                    owners = () if part.kind.resource in skips.EARLY else entry.owners
                    table.put(entry.uid, OwnerRecord(part.kind, step, entry.namespace, entry.name, owners))
            self._tools.progress.check()

    def _entries(self, part: Part) -> t.Iterator[Entry]:
        for entry in self._tools.reader.entries(part.kind, frozenset(part.namespaces).__contains__):
            if part.wants(entry.name):
                yield entry

    def _rounds_of(self, step: int) -> None:
        """What waits for owners that this step dealt with, and what waits for that."""
        while ready := sorted(position for position in self._rounds if position.step == step):
            for other in self._rounds.pop(ready[0]):
                self._round(other, ready[0])

    def _round(self, step: int, position: Position) -> None:
        """The objects of a kind that have this position."""
        part = self._tools.scope.parts[step]
        if self._by_labels(part) and skips.is_never_restored(part.kind.resource):
            return
        if part.kind.resource != order.CRDS:
            self._definitions.wait()
        target = self._definitions.target(part.kind)
        if target is None:
            self._without_target(step, position, part)
            return
        if not part.chosen:
            for entry in self._entries(part):
                self._namespaces.hold(Job(target, entry, b""))
            return
        stream = self._tools.reader.objects(
            part.kind,
            frozenset(part.namespaces).__contains__,
            wanted=lambda entry: self._wanted(step, position, part, target, entry),
        )
        for entry, body, item in merge.merged(stream, self._live.of(part, target.served)):
            self._object(part, Job(target, entry, body), item)
        self._tools.pool.drain()
        why = self._live.unlisted.pop(part.kind.resource, "")
        if why:
            self._tools.report.warn(f"{part.kind.resource} cannot be listed, so each object was tried: {why}")
        self._progress(part.kind.resource, always=True)

    # Before an object is read

    def _wanted(self, step: int, position: Position, part: Part, target: Target | None, entry: Entry) -> bool:
        """Whether an entry has to be read now. What the index alone decides is reported here."""
        if not part.wants(entry.name) or not self._is_due(step, position, part, entry):
            return False
        if self._by_labels(part):
            return True
        return not (target is not None and self._decided(part, Job(target, entry, b"")))

    def _is_due(self, step: int, position: Position, part: Part, entry: Entry) -> bool:
        """Whether an entry is dealt with at this position; if it is later, that is noted."""
        if not entry.owners:
            return position.round == 0
        table, resource = self._tools.table, part.kind.resource
        owners = [uid for uid in entry.owners if uid in table and skips.waits_for(resource, table[uid].kind.resource)]
        due = self._positions.of(step, owners)
        if due != position and position.round == 0:
            waiting = self._rounds.setdefault(due, [])
            if step not in waiting:
                waiting.append(step)
        return due == position

    def _by_labels(self, part: Part) -> bool:
        """Whether labels decide if an object is wanted."""
        return self._selects_labels and (part.names is None or part.kind.resource == order.NAMESPACES)

    def _decided(self, part: Part, job: Job) -> bool:
        """Whether the index decides what becomes of an object; then that is reported."""
        entry = job.entry
        records = self._tools.planner.owners_of(entry)
        verdict = skips.by_index(part.kind.resource, entry.namespace, entry.name, records)
        if verdict is not None:
            self._one.finish(job, Outcome(verdict.action, known=Known.LOCAL, reasons=(verdict.reason,)))
            return True
        why = self._namespaces.failed.get(entry.namespace)
        if why:
            self._one.fail(job, StowageError("cluster_api_error", why))
            return True
        return self._has_late_owner(job) and self.late(job)

    def _has_late_owner(self, job: Job) -> bool:
        """Whether an owner that an object must come after is tried again later."""
        resource = job.target.archived.resource
        return any(
            record.state is OwnerState.LATE and skips.waits_for(resource, record.kind.resource)
            for record in self._tools.planner.owners_of(job.entry)
        )

    def _without_target(self, step: int, position: Position, part: Part) -> None:
        """The target does not serve the kind: never restored, planned, or an error for each object."""
        planned = self._definitions.plans(part.kind)
        why = why_not_served(self._tools.around.discovery, part.kind)
        told = False
        target = Target(part.kind, part.kind)
        for entry in self._unserved(step, position, part):
            job = Job(target, entry, b"")
            if self._decided(part, job):
                continue
            if planned:
                self._namespaces.need(entry.namespace)
                self._one.finish(job, Outcome(Action.CREATED, known=Known.ASSUMED, reasons=(DEFINITION_PLANNED,)))
                continue
            self._one.fail(job, StowageError("cluster_api_error", why))
            if not told:
                told = True
                self._tools.report.error(f"{part.kind.resource}: {why}.")

    def _unserved(self, step: int, position: Position, part: Part) -> t.Iterator[Entry]:
        """What is due of a kind that the target does not serve. Objects are read only where labels decide."""
        if not self._by_labels(part):
            yield from (entry for entry in self._entries(part) if self._is_due(step, position, part, entry))
            return
        stream = self._tools.reader.objects(
            part.kind,
            frozenset(part.namespaces).__contains__,
            wanted=lambda entry: self._wanted(step, position, part, None, entry),
        )
        for entry, body in stream:
            if entry.key in part.tied or self._labels_match(body):
                yield entry

    # Objects

    def _object(self, part: Part, job: Job, item: Item | None) -> None:
        self._progress(part.kind.resource, len(job.body))
        if self._by_labels(part) and not (self._has_labels(part, job) and not self._decided(part, job)):
            return
        if part.kind.resource == order.NAMESPACES:
            self._namespaces.attempted.add(job.entry.name)
        if item is not None and item.deleting:
            self._being_deleted(part, job)
            return
        if item is not None:
            job.live = item.body
            if self._one.inline(job, item.uid):
                return
        self._tools.pool.submit(functools.partial(self._one.run, job), len(job.body) + len(job.live or b""))

    def _has_labels(self, part: Part, job: Job) -> bool:
        """Whether labels select an object, or those that they select need it. A namespace may yet be needed."""
        if job.entry.key in part.tied or self._labels_match(job.body):
            return True
        if part.kind.resource == order.NAMESPACES:
            job.body = b""
            self._namespaces.hold(job)
        return False

    def _labels_match(self, body: bytes) -> bool:
        return self._tools.selection.wants_labels(fields.labels_of(objects.decode(body)))

    def _restore_now(self, job: Job) -> None:
        """Deal with an object that another one needs first."""
        job.body = self._tools.reader.get(job.entry)
        self._one.run(job)

    def _being_deleted(self, part: Part, job: Job) -> None:
        """One of its name is on its way out: a namespace is waited for, anything else is tried again at the end."""
        if self._tools.rules.check:
            reason = "when the one that is being deleted is gone"
            self._one.finish(job, Outcome(Action.CREATED, known=Known.ASSUMED, reasons=(reason,)))
        elif part.kind.resource == order.NAMESPACES:
            if self._namespaces.await_gone(job.entry.name):
                self._tools.pool.submit(functools.partial(self._one.run, job))
            else:
                self._one.fail(
                    job, StowageError("timeout", "a namespace of its name is being deleted, and does not go")
                )
        elif not self.late(job):
            self._one.fail(job, StowageError("timeout", "one of its name is being deleted"))

    def written(self, job: Job, result: Result, outcome: Outcome) -> bool:
        """An object was written, or would be, or awaits owners; ``True`` when its result is reported later."""
        resource = job.target.archived.resource
        if resource == order.CRDS and outcome.action in {Action.CREATED, Action.UPDATED}:
            self._definitions.note(job, updated=outcome.action is Action.UPDATED)
        elif resource == order.NAMESPACES and outcome.action is Action.CREATED:
            self._namespaces.new.add(job.entry.name)
        if outcome.awaited:
            self._late_owners.hold(job, result, outcome)
            return True
        if outcome.awaits_token:
            with self._lock:
                self._tokens[id(result)] = job, result
            return True
        return False

    # Later

    def late(self, job: Job) -> bool:
        """Try an object again at the end; ``False`` when the end has come."""
        with self._lock:
            if self._last or len(self._late) >= _MOST_LATE:
                return False
            job.body, job.live = b"", None
            self._late.append(job)
            if job.target.archived.resource == order.NAMESPACES:
                self._namespaces.waiting.add(job.entry.name)
        self._tools.table.settle(job.entry.uid, OwnerState.LATE)
        return True

    def _try_late(self) -> None:
        """Objects that were refused for now, until the target takes them or time is over. Owners came before dependents."""
        for number, pause in enumerate(self._tools.late_seconds):
            if not self._late:
                return
            waiting, self._late = self._late, []
            self._tools.progress.note(f"Waiting {pause:.0f} s to try {len(waiting)} objects again")
            self._tools.progress.stopped.wait(pause)
            self._last = number + 1 == len(self._tools.late_seconds)
            self._again(waiting)
        self._last = False

    def _again(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._tools.progress.check()
            if self._tools.planner.owners_of(job.entry):
                self._tools.pool.drain()
            if self._has_late_owner(job) and self.late(job):
                continue
            if job.target.archived.resource == order.NAMESPACES:
                self._namespaces.waiting.discard(job.entry.name)
                self._restore_now(job)
                continue
            job.body = self._tools.reader.get(job.entry)
            self._tools.pool.submit(functools.partial(self._one.run, job), len(job.body))
        self._tools.pool.drain()

    # Waiting

    def _await_tokens(self) -> None:
        for job, result in list(self._tokens.values()):
            self._tools.pool.submit(functools.partial(self._await_token, job, result))
        self._tools.pool.drain()

    def _await_token(self, job: Job, result: Result) -> None:
        tools = self._tools
        kind, entry = job.target.served, job.entry
        code = "timeout"
        try:
            why = waits.token_made(tools.sender, tools.progress, kind, entry.namespace, entry.name)
        except RefusedError as error:
            why, code = f"its token cannot be awaited: {error.message}", error.code
        if why:
            result.action, result.reason, result.code = Action.FAILED, why, code
        else:
            result.reason = "; ".join(filter(None, (result.reason, "with a new token")))
        self._report_token(result)

    def _report_token(self, result: Result) -> None:
        with self._lock:
            self._tokens.pop(id(result), None)
        self._tools.report.add(result)

    def flush(self) -> None:
        """After the whole has failed: report what is not awaited any more."""
        self._late_owners.flush()
        for _job, result in list(self._tokens.values()):
            result.reason = "; ".join(filter(None, (result.reason, "its token was not awaited")))
            self._report_token(result)

    def _progress(self, detail: str, size: int = 0, *, always: bool = False) -> None:
        self._seen += 1
        self._bytes += size
        if always or self._seen % _REPORT_EVERY == 0:
            self._tools.progress.check()
            tools = self._tools
            done, total = tools.report.objects, tools.scope.total
            tools.progress.report("restore", detail, objects=done, total=total, size=self._bytes)
