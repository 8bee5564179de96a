# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``backup_retention``: what the rules let go of is deleted, and what belongs to nothing is swept. Private to the
collection."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, delete, layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import COMPLETED, BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import check_labels, unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import orphans
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.leases import (
    is_held,
    leased_backups,
    old_links,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.retention import Decision, Rules, decide
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.retention_options import (
    OPTIONS,
    read_rules,
)

Result = dict[str, t.Any]

_DELETIONS: t.Final = 8
_MOST: t.Final = 500
"""Backups in one result: AWX drops a result of more than 700,000 characters as a whole."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the options ask for, checked before anything is contacted."""

    cluster: str
    cluster_uid: str
    labels: dict[str, str]
    rules: Rules
    sweep: bool
    most: int

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> Wanted:
        """:raises StowageError: ``invalid_option``, ``invalid_name``."""
        if params["max_deletions"] < 1:
            raise unfit("max_deletions must be at least 1.")
        rules = read_rules({name: params[name] for name in OPTIONS})
        return cls(
            cluster=layout.validate_cluster(params["cluster"]),
            cluster_uid=params["cluster_uid"] or "",
            labels=check_labels("labels", params["labels"] or {}),
            rules=rules,
            sweep=params["sweep"],
            most=params["max_deletions"],
        )


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run would do: the backups to delete, oldest first, how many more there are, the orphans, and keys of leases."""

    decisions: list[Decision]
    doomed: list[BackupRecord]
    left: int
    orphans: orphans.Orphans
    restores: list[delete.RestoreFiles]
    links: list[str]


def prune_backups(task: Task) -> Result:
    """Run the module.

    :raises StowageError: the location cannot be read, or ``cluster_identity_changed``.
    :raises TaskFailedError: something could not be deleted; with the result.
    """
    wanted = Wanted.from_params(task.params)
    with reach_location(task) as location:
        plan = _plan(task, location, wanted)
        outcome = _Outcome()
        if not task.check:
            outcome = _carry_out(task, location, wanted, plan)
        return _result(task, wanted, plan, outcome)


def _plan(task: Task, location: Location, wanted: Wanted) -> Plan:
    records = catalog.list_backups(location, wanted.cluster)
    task.progress.check()
    uid = wanted.cluster_uid or _newest_uid(records)
    catalog.check_identity(records, uid, accept_new_identity=task.params["accept_new_identity"])
    held = leased_backups(location, wanted.cluster)
    now = location.now()
    decisions = decide(
        records,
        wanted.rules,
        now=now,
        cluster_uid=uid,
        labels=wanted.labels,
        held=lambda record: record.name in held,
    )
    restores = delete.find_restores(location, wanted.cluster) if records or wanted.sweep else []
    found = orphans.Orphans((), ())
    links: list[str] = []
    if wanted.sweep:
        names = {record.name for record in records}
        links = old_links(location, wanted.cluster, names, now - wanted.rules.min_age)
        found = orphans.find_orphans(location, wanted.cluster, records, restores, before=now - wanted.rules.min_age)
    doomed = [one.record for one in decisions if not one.stays]
    return Plan(decisions, doomed[: wanted.most], max(len(doomed) - wanted.most, 0), found, restores, links)


def _newest_uid(records: t.Iterable[BackupRecord]) -> str:
    """The cluster that the folder is of: that of the newest good backup of ours."""
    good = [record for record in records if record.ours and record.cluster_uid]
    newest = max(good, key=lambda record: (record.phase == COMPLETED, record.order), default=None)
    return newest.cluster_uid if newest else ""


@dataclasses.dataclass
class _Outcome:
    """What could not be deleted, and why."""

    failures: dict[str, StowageError] = dataclasses.field(default_factory=dict)
    spared: dict[str, str] = dataclasses.field(default_factory=dict)
    links_left: int = 0


def _carry_out(task: Task, location: Location, wanted: Wanted, plan: Plan) -> _Outcome:
    outcome = _Outcome()
    deletions = _Deletions(location, wanted, plan, location.now() - wanted.rules.min_age)
    work: list[tuple[str, str | None]] = [(record.name, record.capture_id) for record in plan.doomed]
    work += [(name, None) for name in plan.orphans.captures]

    def one(number: int, name: str, capture_id: str | None) -> None:
        if task.progress.stopped.is_set():
            return
        task.progress.report("delete", name, objects=number, total=len(work))
        try:
            if spared := deletions.carry_out(name, capture_id):
                outcome.spared[name] = spared
        except StowageError as error:
            outcome.failures[name] = error

    with concurrent.futures.ThreadPoolExecutor(_DELETIONS, "retention") as pool:
        list(pool.map(lambda job: one(job[0], *job[1]), enumerate(work)))
    task.progress.check()
    _sweep_restores(location, plan, outcome)
    _sweep_leases(location, plan, outcome)
    return outcome


@dataclasses.dataclass(frozen=True)
class _Deletions:
    """Deletes what a plan names, each if it still is what it was when the plan was made."""

    location: Location
    wanted: Wanted
    plan: Plan
    before: datetime.datetime

    def carry_out(self, name: str, capture_id: str | None) -> str:
        """Delete one backup, or with ``capture_id=None`` what an unfinished capture left.

        :return: why it was not deleted, empty if it was.
        :raises StowageError: it could not be.
        """
        paths = BackupPaths(self.wanted.cluster, name)
        planned = delete.plan_delete(self.location, paths, self.plan.restores)
        if why := self._spared(planned, capture_id):
            return why
        try:
            delete.delete_backup(self.location, planned)
        except StowageError as error:
            if error.code != "locked" or (planned.commit and self.location.stat(planned.commit) is None):
                raise
            return "The store keeps it from being deleted (locked)."
        return ""

    def _spared(self, planned: delete.DeletePlan, capture_id: str | None) -> str:
        if capture_id is None:
            past = not planned.commit and orphans.is_past(self.location, planned.paths, self.before)
            return "" if past else "It has been finished or removed meanwhile."
        if planned.capture_id != capture_id:
            return "It has been removed or made again meanwhile."
        if is_held(self.location, self.wanted.cluster, planned.paths.backup):
            return "Somebody holds it: it is being restored."
        return ""


def _sweep_restores(location: Location, plan: Plan, outcome: _Outcome) -> None:
    keys = {info.key: restore.name for restore in plan.orphans.restores for info in restore.files}
    ordered = list(keys)
    for start in range(0, len(ordered), delete.BATCH):
        for failure in location.delete(ordered[start : start + delete.BATCH]):
            outcome.failures[keys[failure.key]] = StowageError(failure.code, f"{failure.key}: {failure.message}")


def _sweep_leases(location: Location, plan: Plan, outcome: _Outcome) -> None:
    for start in range(0, len(plan.links), delete.BATCH):
        for failure in location.delete(plan.links[start : start + delete.BATCH]):
            outcome.links_left += 1
            # A store that locks objects keeps them for a while, and the next run tries again.
            if failure.code != "locked":
                outcome.failures[failure.key] = StowageError(failure.code, f"{failure.key}: {failure.message}")


def _result(task: Task, wanted: Wanted, plan: Plan, outcome: _Outcome) -> Result:
    spared = {**outcome.spared, **{name: error.message for name, error in outcome.failures.items()}}
    decisions = [
        dataclasses.replace(one, reasons=(spared[one.record.name],))
        if not one.stays and one.record.name in spared
        else one
        for one in plan.decisions
    ]
    later = {one.record.name for one in plan.decisions if not one.stays} - {record.name for record in plan.doomed}
    gone = [record for record in plan.doomed if record.name not in spared]
    captures = [name for name in plan.orphans.captures if name not in spared]
    reports = [restore.name for restore in plan.orphans.restores if restore.name not in outcome.failures]
    summary: Result = {
        "cluster": wanted.cluster,
        "backups": [_shown(one, later) for one in _first_of_all(decisions)],
        "total": len(decisions),
        "deleted": [record.name for record in gone[:_MOST]],
        "deleted_count": len(gone),
        "deleted_bytes": sum(record.size or 0 for record in gone),
        "left": plan.left,
        "swept_captures": captures[:_MOST],
        "swept_restores": reports[:_MOST],
        "swept_leases": len(plan.links) - outcome.links_left,
    }
    result: Result = {"changed": bool(gone or captures or reports or summary["swept_leases"]), "retention": summary}
    if task.diff:
        result["diff"] = _diff(decisions, {record.name for record in gone}, captures, reports)
    for name, reason in list(outcome.spared.items())[:5]:
        task.warn(f"The backup {name} was not deleted. {reason}")
    if outcome.failures:
        name, first = next(iter(outcome.failures.items()))
        message = (
            f"{len(outcome.failures)} of {wanted.cluster} could not be deleted, {name} among them: {first.message}"
        )
        raise TaskFailedError(StowageError(first.code, message, first.hint), result)
    return result


def _first_of_all(decisions: t.Sequence[Decision]) -> list[Decision]:
    """What a result has room for, in its order: what goes, which is mostly the oldest, and the newest of what stays."""
    doomed = {one.record.name for one in [one for one in decisions if not one.stays][:_MOST]}
    rest = [one.record.name for one in decisions if one.record.name not in doomed]
    shown = doomed.union(rest[max(len(rest) - (_MOST - len(doomed)), 0) :])
    return [one for one in decisions if one.record.name in shown]


def _shown(decision: Decision, later: t.Container[str]) -> Result:
    record = decision.record
    return {
        "name": record.name,
        "phase": record.phase,
        "started": record.started.isoformat() if record.started else None,
        "stays": decision.stays or record.name in later,
        "reasons": list(decision.reasons)
        or (["Its turn comes later (max_deletions)."] if record.name in later else []),
    }


def _diff(decisions: t.Sequence[Decision], gone: t.Container[str], captures: list[str], reports: list[str]) -> Result:
    """What is there before and after, the newest last, with the reasons of what stays."""
    lines = [
        (one.record.name, f"{one.record.name}: {' '.join(one.reasons)}".rstrip(": "))
        for one in _first_of_all(decisions)
    ]
    swept = {*captures}
    others = [f"restores/{name}" for name in reports[:_MOST]]
    before = [line for _name, line in lines] + others
    after = [line for name, line in lines if name not in gone and name not in swept]
    return {"before": "".join(f"{line}\n" for line in before), "after": "".join(f"{line}\n" for line in after)}
