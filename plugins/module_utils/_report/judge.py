# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a workspace's clusters: how old the last good backup is, how old it may be, and why. Private to the collection. Pure.

Only Completed backups that are in the bucket, and were made for the workspace, are good. Where a schedule is, a backup has to be begun
after each of its instants, one that the module ``backup`` would make no other for: it is to be kept as the workspace says. It is late
once ``grace`` and the schedule's jitter have passed as well; else ``max_age`` says how old it may be.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.choose import is_kept_for
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import (
    ABANDONED,
    COMPLETED,
    DAMAGED,
    IN_PROGRESS,
    INCOMPLETE,
    PARTIALLY_FAILED,
    BackupRecord,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._report import words
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    DUE,
    FAILING,
    LATE,
    MISSING,
    OK,
    PAUSED,
    UNKNOWN,
    UNWATCHED,
    Attempt,
    Row,
    Wanted,
    WantedWorkspace,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import runs, schedule
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.definition import WORKSPACE_LABEL
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Record

MOST_ATTEMPTS: t.Final = 100
_CLOCK_TOLERANCE: t.Final = datetime.timedelta(minutes=5)
_UNSETTLED: t.Final = frozenset({IN_PROGRESS, INCOMPLETE, ABANDONED, DAMAGED})
"""Phases of what has no labels, so that nobody can tell which workspace it is of."""
_REASON: t.Final = 400


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """All that is known of one cluster of one workspace.

    :param backups: those that were made for it, or taken by its runs, the oldest first.
    :param records: its records by the runs' names, the oldest run first.
    :param loose: backups of the cluster that were begun, or make no sense, whoever they are for.
    :param why: what is missing in backups that are PartiallyFailed, by their names.
    :param problems: what keeps it from being looked at, or what the inventory says is wrong.
    :param readable: whether its folder could be read.
    :param watched: whether ``max_age`` is about it.
    """

    workspace: WantedWorkspace
    cluster: str
    location: str = ""
    expected: bool = True
    backups: t.Sequence[BackupRecord] = ()
    records: t.Sequence[tuple[str, Record]] = ()
    loose: t.Sequence[BackupRecord] = ()
    why: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    problems: tuple[str, ...] = ()
    readable: bool = True
    watched: bool = True


def judge(part: Part, wanted: Wanted, now: datetime.datetime) -> Row:
    """One row of a report.

    :param now: the store's clock.
    """
    attempts = _attempts(part)
    past = [one for one in attempts if one.at <= now + _CLOCK_TOLERANCE]
    own = [one for one in part.backups if label_of(one) == part.workspace.name]
    good = _last(past, [one for one in own if one.phase == COMPLETED])
    counts = _last(past, [one for one in own if _why_not(one, part.workspace, now) == ""])
    tried = past[-1] if past else None
    row = Row(
        workspace=part.workspace.name,
        cluster=part.cluster,
        status=OK,
        location=part.location,
        owner=printable(part.workspace.owner, 253),
        expected=part.expected,
        good=good,
        tried=tried,
        backups=len(own),
        history=tuple(attempts[-MOST_ATTEMPTS:]),
    )
    row = _with_objective(row, part, wanted, now, counts)
    status = _status(row, part, now)
    return dataclasses.replace(row, status=status, reasons=tuple(_reasons(row, status, part, now)))


def _why_not(backup: BackupRecord, workspace: WantedWorkspace, now: datetime.datetime) -> str:
    """Why a backup does not satisfy a workspace's schedule, as the module ``backup`` sees it; empty if it does."""
    if backup.phase != COMPLETED:
        return "it is not Completed"
    if not backup.ours:
        return "Velero made it"
    if is_kept_for(backup, workspace.expires_in, now):
        return ""
    if backup.expires_at is not None and backup.expires_at <= now:
        return "it has expired"
    return "it is not said to be needed for as long as its workspace says (expires_in)"


def _attempts(part: Part) -> list[Attempt]:
    """Backups and records of runs, each attempt once, the oldest first."""
    by_backup = {record.backup: (run, record) for run, record in part.records if record.backup}
    found = [_of_backup(one, by_backup.get(one.name), part.why.get(one.name, "")) for one in part.backups]
    there = {one.name for one in part.backups}
    found += [_of_record(run, record) for run, record in part.records if record.backup not in there and record.written]
    return sorted((one for one in found if one is not None), key=lambda one: (one.at, one.backup))


def _of_backup(backup: BackupRecord, recorded: tuple[str, Record] | None, why: str) -> Attempt | None:
    run, record = recorded or ("", None)
    at = backup.started or backup.completed
    if at is None:
        return None
    failed = record is not None and record.phase == runs.FAILED
    seconds = (backup.completed - at).total_seconds() if backup.completed and backup.completed >= at else None
    said = record.reason if record and record.reason else backup.message
    if backup.phase != COMPLETED and not said:
        said = f"It ended with {words.many(backup.errors, 'error')} and {words.many(backup.warnings, 'warning')}."
    return Attempt(
        at=at,
        phase=runs.FAILED if failed else printable(backup.phase, 60),
        backup=printable(backup.name, 253),
        run=printable(run or backup.labels.get("stowage.io/run", ""), 63),
        kept=True,
        seconds=seconds,
        size=backup.size,
        objects=backup.objects,
        warnings=backup.warnings,
        errors=backup.errors,
        code=printable(record.error_code, 64) if record else "",
        reason=printable(" ".join(filter(None, (said, why))), _REASON),
    )


def _of_record(run: str, record: Record) -> Attempt | None:
    if record.written is None:
        return None
    good = record.phase in (COMPLETED, PARTIALLY_FAILED)
    return Attempt(
        at=record.written - datetime.timedelta(seconds=min(record.seconds, 1e9)) if good else record.written,
        phase=record.phase,
        backup=printable(record.backup, 253),
        run=run,
        seconds=record.seconds or None,
        size=record.size or None,
        objects=record.objects or None,
        warnings=record.warning_count,
        errors=record.error_count,
        code=printable(record.error_code, 64),
        reason=printable(record.reason, _REASON),
    )


def _last(past: t.Iterable[Attempt], backups: t.Iterable[BackupRecord]) -> Attempt | None:
    names = {one.name for one in backups}
    return max((one for one in past if one.kept and one.backup in names), key=lambda one: one.at, default=None)


def _with_objective(row: Row, part: Part, wanted: Wanted, now: datetime.datetime, counts: Attempt | None) -> Row:
    """:param counts: the last one that satisfies a schedule."""
    workspace = part.workspace
    if workspace.paused:
        return row
    if workspace.schedule is not None:
        plan = workspace.schedule
        grace = wanted.grace + workspace.jitter
        began = counts.at if counts else None
        owed = plan.following(began) if began else plan.latest(now - grace)
        return dataclasses.replace(
            row,
            objective=f"after each instant of its schedule ({plan.cron}, {plan.zone.key}), within {words.span(grace)}",
            deadline=owed + grace if owed else None,
            due=schedule.due(plan, began, now),
            next_due=plan.following(now),
        )
    if wanted.max_age is not None and part.watched:
        deadline = row.good.at + wanted.max_age if row.good else None
        return dataclasses.replace(row, objective=f"not older than {words.span(wanted.max_age)}", deadline=deadline)
    return row


def _status(row: Row, part: Part, now: datetime.datetime) -> str:
    if not part.readable:
        return UNKNOWN
    if row.good is None:
        return MISSING if row.expected and not part.workspace.paused else _unwatched(part)
    if row.deadline is not None and now > row.deadline:
        return LATE
    if _fails(row, part.workspace):
        return FAILING
    if row.due is not None:
        return DUE
    return OK if row.objective else _unwatched(part)


def _unwatched(part: Part) -> str:
    return PAUSED if part.workspace.paused else UNWATCHED


def _fails(row: Row, workspace: WantedWorkspace) -> bool:
    """Whether the last attempt that ended came to nothing, after the last good backup."""
    enough = {COMPLETED, PARTIALLY_FAILED} if workspace.allow_partial else {COMPLETED}
    return row.tried is not None and row.tried.phase not in enough | {IN_PROGRESS} and row.tried != row.good


def _reasons(row: Row, status: str, part: Part, now: datetime.datetime) -> t.Iterator[str]:
    """Why, in sentences."""
    yield from (printable(problem, _REASON) for problem in part.problems)
    if status == LATE and row.deadline is not None:
        yield f"It is late by {words.span(now - row.deadline)}."
    if status == MISSING:
        yield "It has no good backup."
    if _fails(row, part.workspace) and row.tried is not None:
        yield _told(row.tried)
    if status == DUE and row.due is not None and row.deadline is not None:
        yield f"One is due since {words.instant(row.due)}, and late after {words.instant(row.deadline)}."
    if row.due is not None and row.good is not None and row.good.at >= row.due:
        for taken in (one for one in part.backups if printable(one.name, 253) == row.good.backup):
            yield f"The last good backup is of no account: {_why_not(taken, part.workspace, now)}."
    if status == PAUSED:
        yield "Its workspace is paused."
    if not row.expected:
        yield "It is not in the inventory." if row.workspace else "It was made for no workspace of the inventory."
    yield from _of_loose(part.loose)


def _told(tried: Attempt) -> str:
    where = f" (run {tried.run})" if tried.run else ""
    why = tried.reason
    if tried.code and not why.startswith(tried.code):
        why = f"{tried.code}: {why}" if why else tried.code
    said = {PARTIALLY_FAILED: "ended PartiallyFailed", runs.MISSING: "left no record"}.get(tried.phase, "failed")
    return f"The last attempt{where} {said} at {words.instant(tried.at)}{': ' + why if why else '.'}"


def _of_loose(loose: t.Sequence[BackupRecord]) -> t.Iterator[str]:
    for phase, said in (
        (DAMAGED, "make no sense: velero-backup.json is damaged"),
        (ABANDONED, "were begun and never finished"),
        (IN_PROGRESS, "are being made"),
    ):
        names = [printable(one.name, 80) for one in loose if one.phase == phase]
        if names:
            more = f" and {len(names) - 2} more" if len(names) > 2 else ""
            yield f"{words.many(len(names), 'backup')} {said}: {', '.join(names[:2])}{more}."


def label_of(backup: BackupRecord) -> str:
    """The workspace that a backup was made for; empty for none."""
    # Cut before anything is told apart by it: no two rows have the same name.
    return printable(backup.labels.get(WORKSPACE_LABEL, ""), 63)


def is_loose(backup: BackupRecord) -> bool:
    """Whether nobody can tell which workspace a backup is of."""
    return backup.phase in _UNSETTLED
