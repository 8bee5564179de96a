# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to one object of an archive, from its bytes to its result. Private to the collection.

Objects that a list shows are compared in the thread that reads archive and list; everything that takes a request runs in
the pool's threads.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError, defect
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import objects, plan, skips
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import RefusedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import (
    Action,
    Known,
    LaterError,
    Result,
    Tree,
    Verdict,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.owners import OwnerState, OwnerTable
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.plan import Job, Planner, Prepared
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.write import ObjectWriter, Outcome, Policy

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.diff import Diff
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.report import Report

SYSTEM_NAMESPACES: t.Final = frozenset({"kube-system", "kube-public", "kube-node-lease"})

_STATES: t.Final[t.Mapping[Action, OwnerState]] = {
    Action.CREATED: OwnerState.THERE,
    Action.UPDATED: OwnerState.THERE,
    Action.UNCHANGED: OwnerState.THERE,
    Action.DIFFERS: OwnerState.DIFFERS,
    Action.SKIPPED: OwnerState.ABSENT,
    Action.LEFT_TO_CONTROLLER: OwnerState.LEFT,
    Action.FAILED: OwnerState.FAILED,
}
_WRITTEN: t.Final = frozenset({Action.CREATED, Action.UPDATED})
DEFINITION_PLANNED: t.Final = "its definition is only planned"
_FATAL: t.Final = frozenset(
    {
        "interrupted",
        "cluster_unreachable",
        "cluster_tls_untrusted",
        "cluster_unauthorized",
        "cluster_access_invalid",
        "dependency_missing",
    }
)
"""Every other request would meet these too."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """How a restore treats objects.

    :param named: namespaces that the user named, so that what exists in them may change even if they are the system's.
    """

    check: bool
    update: bool
    named: frozenset[str]

    def policy(self, kind: Kind, namespace: str, name: str) -> Policy:
        """What may be done to one object that exists."""
        home = name if kind.resource == "namespaces" else namespace
        if home in SYSTEM_NAMESPACES and home not in self.named:
            return Policy(
                False, merge=False, check=self.check, why=f"left as it is ({home} is not named in the selection)"
            )
        return Policy(self.update, check=self.check)


class Late(t.Protocol):
    """Takes objects that the target refuses for now; ``False`` when there is no later."""

    def __call__(self, job: Job, /) -> bool: ...


@dataclasses.dataclass(slots=True)
class OneObject:
    """Decides and acts, and reports each object exactly once."""

    planner: Planner
    writer: ObjectWriter
    table: OwnerTable
    report: Report
    diff: Diff | None
    rules: Rules
    late: Late
    written: t.Callable[[Job, Result, Outcome], bool]
    """Told of each object that was written or awaits owners; ``True`` when it reports the result itself, later."""
    need: t.Callable[[str], None]
    """Sees to the namespace of an object that is to be created; raises why it cannot be had."""
    unlisted: t.Container[str] = ()
    """Resources of which it is not known what the target has."""
    new_namespaces: t.Container[str] = ()
    """Those that this restore made, or that a plan would make."""
    default_account: t.Callable[[Kind, str], Tree | None] = lambda _kind, _namespace: None
    """The ServiceAccount that a controller makes in such a namespace."""

    def inline(self, job: Job, uid: str) -> bool:
        """Deal with an object that exists, if that takes no request; whether it did.

        :param uid: the live object's.
        """
        kind = job.target.archived
        if job.live == job.body and kind.resource not in plan.WITH_FACTS:
            self.finish(job, Outcome(Action.UNCHANGED, uid=uid, known=Known.LOCAL))
            return True
        return self._guard(job, lambda: self._compare(job, uid))

    def _compare(self, job: Job, uid: str) -> Outcome | Verdict | None:
        if not self.rules.update and self.planner.looks_same(job):
            return Outcome(Action.UNCHANGED, uid=uid, known=Known.LOCAL)
        prepared = self.planner.prepare(job, exists=True)
        if isinstance(prepared, Verdict):
            return prepared
        if prepared.awaited or (self.rules.update and prepared.has_apply):
            return None
        live = objects.decode(job.live or b"")
        if self.planner.half_written(prepared, live):
            return None
        if self.planner.compare(job, prepared, live) is None:
            return Outcome(Action.UNCHANGED, uid=uid, known=Known.LOCAL)
        return None

    def run(self, job: Job) -> None:
        """Deal with an object, whatever it takes."""
        self._guard(job, lambda: self._act(job))

    def _act(self, job: Job) -> Outcome | Verdict | None:
        prepared = self.planner.prepare(job, exists=job.live is not None)
        if isinstance(prepared, Verdict):
            return prepared
        if job.live is not None:
            return self._existing(job, prepared, objects.decode(job.live))
        self.need(job.entry.namespace)
        account = self._default_account(job)
        if account is not None:
            return self._beside_controller(job, account)
        if self.rules.check:
            return self._planned(job, prepared)
        made = self.writer.create(job, prepared)
        return made if isinstance(made, Outcome) else self._appeared(job, made)

    def _default_account(self, job: Job) -> Tree | None:
        """What a controller made, or will make, of this name because the namespace is new."""
        entry, kind = job.entry, job.target.served
        if job.target.archived.resource != plan.ACCOUNTS or entry.name != skips.DEFAULT_ACCOUNT:
            return None
        return self.default_account(kind, entry.namespace) if entry.namespace in self.new_namespaces else None

    def _beside_controller(self, job: Job, live: Tree) -> Outcome | Verdict:
        found = self._appeared(job, live)
        if self.rules.check and isinstance(found, Outcome):
            return dataclasses.replace(found, known=Known.ASSUMED)
        return found

    def _appeared(self, job: Job, live: Tree) -> Outcome | Verdict:
        """It was made meanwhile, or its API lists out of order."""
        job.live = objects.encode(live)
        prepared = self.planner.prepare(job, exists=True)
        return prepared if isinstance(prepared, Verdict) else self._existing(job, prepared, live)

    def _existing(self, job: Job, prepared: Prepared, live: Tree) -> Outcome:
        policy = self.rules.policy(job.target.archived, job.entry.namespace, job.entry.name)
        return self.writer.existing(job, prepared, live, policy)

    def _planned(self, job: Job, prepared: Prepared) -> Outcome:
        assumed = (
            prepared.assumed
            or bool(prepared.awaited)
            or job.entry.namespace in self.new_namespaces
            or job.target.archived.resource in self.unlisted
        )
        return Outcome(
            Action.CREATED,
            known=Known.ASSUMED if assumed else Known.LOCAL,
            reasons=(*prepared.notes, *((DEFINITION_PLANNED,) if job.target.planned else ())),
            warning=bool(prepared.notes),
            data_not_restored=prepared.data_not_restored,
        )

    def _guard(self, job: Job, action: t.Callable[[], Outcome | Verdict | None]) -> bool:
        """Run it, and turn what it returns or raises into a result; whether there is one."""
        try:
            outcome = action()
        except LaterError as why:
            if not self.late(job):
                self.fail(job, StowageError("timeout", str(why)))
        except StowageError as error:
            self._failed(job, error)
        except Exception as error:  # noqa: BLE001 - a defect of ours, which keeps no other object from its restore
            self.fail(job, defect(error))
        else:
            if isinstance(outcome, Verdict):
                outcome = Outcome(outcome.action, known=Known.LOCAL, reasons=(outcome.reason,))
            if outcome is not None:
                self.finish(job, outcome)
            return outcome is not None
        return True

    def _failed(self, job: Job, error: StowageError) -> None:
        if error.code in _FATAL:
            raise error
        if isinstance(error, RefusedError) and not self.rules.check and _is_too_early(job, error) and self.late(job):
            return
        self.fail(job, error)

    def fail(self, job: Job, error: StowageError) -> None:
        """Report a failure."""
        self.finish(job, Outcome(Action.FAILED, reasons=(error.message,)), error.code)

    def finish(self, job: Job, outcome: Outcome, code: str = "") -> None:
        """Report a result, and remember what became of an owner."""
        state = _STATES[outcome.action]
        if self.rules.check and state is OwnerState.THERE and not outcome.uid:
            state = OwnerState.PLANNED
        self.table.settle(job.entry.uid, state, outcome.uid)
        result = self._result(job, outcome)
        result.code = code
        lost = outcome.action is Action.SKIPPED and job.target.archived.resource in plan.HOLD_DATA
        result.data_not_restored = outcome.data_not_restored or lost
        if (outcome.action in _WRITTEN or outcome.awaited) and self.written(job, result, outcome):
            return
        self.tell(result, outcome)

    def tell(self, result: Result, outcome: Outcome) -> None:
        """Report a result that is final."""
        self.report.add(result)
        if self.diff is not None:
            self.diff.add(result, outcome.changes)

    def _result(self, job: Job, outcome: Outcome) -> Result:
        kind, entry = job.target.archived, job.entry
        return Result(
            kind.api_version,
            kind.kind,
            kind.resource,
            entry.namespace,
            entry.name,
            outcome.action,
            "; ".join(outcome.reasons),
            known=Known.ASSUMED if job.target.planned else outcome.known,
            paths=list(outcome.paths),
            warning=outcome.warning,
        )


def _is_too_early(job: Job, error: RefusedError) -> bool:
    unnoticed = job.target.strict and error.status == 400 and "unknown field" in error.message
    return error.error.callout or error.error.too_early or unnoticed
