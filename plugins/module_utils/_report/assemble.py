# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts a report together from what was wanted and what was found. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.found import (
    FoundCluster,
    FoundLocation,
    FoundRun,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.judge import Part, is_loose, judge, label_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    ClusterOutcome,
    LocationRow,
    Member,
    Report,
    RunRow,
    Wanted,
    WantedWorkspace,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import VERSION
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Expected, Record

Found = t.Mapping[str, FoundLocation]
Checks = t.Mapping[str, t.Mapping[str, t.Any]]
Records = dict[tuple[str, str], list[tuple[str, Record]]]
"""By workspace and cluster, the oldest run first."""

IN_PROGRESS: t.Final = "InProgress"
_OUTCOMES: t.Final = 100
_NOTES: t.Final = 200


def assemble(wanted: Wanted, found: Found, checks: Checks, generated: datetime.datetime) -> Report:
    """The report.

    :param found: what was read, by location.
    :param checks: what the filter ``location_summary`` made of looks at locations, by location.
    """
    summed = {(one.workspace, one.name): _sum(one, wanted, place.now) for place in found.values() for one in place.runs}
    records = _records(summed)
    rows = [judge(part, wanted, _now(found, part.location, generated)) for part in _parts(wanted, found, records)]
    return Report(
        generated=generated,
        title=printable(wanted.title, 200),
        version=VERSION,
        rows=tuple(sorted(rows, key=lambda row: row.order)),
        runs=tuple(row for row, _records in sorted(summed.values(), key=lambda one: _newest_first(one[0]))),
        locations=tuple(_location(name, found.get(name), checks.get(name, {})) for name in sorted({*found, *checks})),
        notes=tuple(_notes(found))[:_NOTES],
    )


def _now(found: Found, location: str, generated: datetime.datetime) -> datetime.datetime:
    return found[location].now if location in found else generated


# -- runs


def _sum(run: FoundRun, wanted: Wanted, now: datetime.datetime) -> tuple[RunRow, t.Sequence[Record]]:
    """A run as it is shown, and the records that count, those of clusters without any included."""
    row = RunRow(workspace=run.workspace, name=run.name, phase="Unknown", failed=True)
    if run.error is not None:
        return dataclasses.replace(row, reason=printable(run.error.message, 400)), ()
    expected = run.expected or _guessed(run)
    if expected is None:
        return dataclasses.replace(row, reason="Neither who takes part nor a record could be read."), ()
    partial = any(one.allow_partial for one in wanted.workspaces if one.name == run.workspace)
    total = runs.sum_up(expected, run.records, allow_partial=partial, unexpected=run.unexpected)
    young = now - expected.started < wanted.grace
    under_way = young and any(one.phase == runs.MISSING for one in total.records)
    written = [one.written for one in total.records if one.written]
    outcomes = [
        ClusterOutcome(
            cluster=one.cluster, phase=one.phase, code=printable(one.error_code, 64), reason=printable(one.reason, 400)
        )
        for one in total.records
        if one.phase != runs.COMPLETED and not (under_way and one.phase == runs.MISSING)
    ]
    row = dataclasses.replace(
        row,
        phase=IN_PROGRESS if under_way else total.phase,
        failed=any(one.cluster in total.bad for one in total.records if not (under_way and one.phase == runs.MISSING)),
        started=expected.started,
        seconds=max((max(written) - expected.started).total_seconds(), 0.0) if written else None,
        counts=total.counts,
        outcomes=tuple(outcomes[:_OUTCOMES]),
        reason=f"{len(total.unexpected)} clusters have records and were not expected." if total.unexpected else "",
    )
    # One without a record is an attempt of its cluster, too, that came to nothing.
    missing = (
        []
        if under_way
        else [dataclasses.replace(one, written=expected.started) for one in total.records if one.written is None]
    )
    return row, [*(one for one in total.records if one.written), *missing]


def _guessed(run: FoundRun) -> Expected | None:
    """Who was expected, for whoever may not read it: those that have records, and no others."""
    begun = [one.written for one in run.records.values() if one.written]
    return Expected(tuple(sorted(run.records)), min(begun)) if begun else None


def _records(summed: t.Mapping[tuple[str, str], tuple[RunRow, t.Sequence[Record]]]) -> Records:
    found: Records = {}
    for (workspace, name), (_row, records) in sorted(
        summed.items(), key=lambda one: _newest_first(one[1][0]), reverse=True
    ):
        for record in records:
            found.setdefault((workspace, record.cluster), []).append((name, record))
    return found


def _newest_first(row: RunRow) -> tuple[str, float, str]:
    return row.workspace, -(row.started.timestamp() if row.started else 0.0), row.name


# -- clusters


def _parts(wanted: Wanted, found: Found, records: Records) -> t.Iterator[Part]:
    """Every cluster of every workspace, and then what the bucket has besides."""
    taken: set[tuple[str, str, str]] = set()
    for workspace in wanted.workspaces:
        for member in workspace.members:
            key = (workspace.name, member.location, member.cluster or member.host)
            if key not in taken:
                taken.add(key)
                yield _of_member(workspace, member, found, records)
    if not wanted.others:
        return
    known = {one.name: one for one in wanted.workspaces}
    places = {(location, cluster) for _workspace, location, cluster in taken}
    for name, place in found.items():
        for cluster, there in place.clusters.items():
            for workspace_name, backups in _by_workspace(there.backups).items():
                if (workspace_name, name, cluster) not in taken:
                    workspace = known.get(workspace_name) or WantedWorkspace(name=workspace_name)
                    part = _of_stranger(workspace, name, cluster, there, backups)
                    yield dataclasses.replace(part, watched=not workspace_name and (name, cluster) not in places)


def _of_member(workspace: WantedWorkspace, member: Member, found: Found, records: Records) -> Part:
    problems = [member.problem] if member.problem else []
    part = Part(
        workspace=workspace,
        cluster=printable(member.cluster or member.host, 253),
        location=printable(member.location, 253),
        records=records.get((workspace.name, member.cluster), ()),
    )
    place = found.get(member.location)
    if place is None:
        problems.append(
            f"Its location {member.location} is not among those that were looked at."
            if member.location
            else "No location is chosen."
        )
    there = place.clusters.get(member.cluster) if place else None
    error = (place.error if place else None) or (there.error if there else None)
    if error is not None:
        problems.append(f"{error.code}: {error.message}")
    if there is None or error is not None:
        return dataclasses.replace(part, problems=tuple(problems), readable=False)
    recorded = {record.backup for _run, record in part.records if record.phase == runs.COMPLETED}
    return dataclasses.replace(
        part,
        # What a run took although it was made for another workspace is shown, and is not good: its retention is the other one's.
        backups=[
            one
            for one in there.backups
            if not is_loose(one) and (label_of(one) == workspace.name or one.name in recorded)
        ],
        loose=[one for one in there.backups if is_loose(one)],
        why=there.why,
        problems=tuple(problems),
    )


def _of_stranger(
    workspace: WantedWorkspace, location: str, cluster: str, there: FoundCluster, backups: t.Sequence[BackupRecord]
) -> Part:
    return Part(
        workspace=WantedWorkspace(name=workspace.name, owner=workspace.owner),
        cluster=printable(cluster, 253),
        location=printable(location, 253),
        expected=False,
        backups=backups,
        why=there.why,
    )


def _by_workspace(backups: t.Iterable[BackupRecord]) -> dict[str, list[BackupRecord]]:
    found: dict[str, list[BackupRecord]] = {}
    for one in backups:
        if not is_loose(one):
            found.setdefault(label_of(one), []).append(one)
    return found


# -- locations


def _location(name: str, place: FoundLocation | None, check: t.Mapping[str, t.Any]) -> LocationRow:
    findings = tuple(
        (printable(str(one["finding"]), 400), printable(str(one["fix"]), 400)) for one in check.get("findings", ())
    )
    row = LocationRow(
        name=printable(name, 253),
        address=printable(str(check.get("address") or ""), 400),
        provider=printable(str(check.get("provider") or ""), 40),
        verdict=str(check.get("verdict") or ""),
        findings=findings,
    )
    if place is None:
        return dataclasses.replace(row, problem="It was not read: its options cannot be evaluated or make no sense.")
    backups = [one for each in place.clusters.values() for one in each.backups]
    return dataclasses.replace(
        row,
        address=row.address or printable(place.address, 400),
        problem=printable(f"{place.error.code}: {place.error.message}", 400) if place.error else "",
        clusters=sum(bool(each.backups) for each in place.clusters.values()),
        backups=len(backups),
        size=sum(one.size or 0 for one in backups),
    )


def _notes(found: Found) -> t.Iterator[str]:
    for name, place in sorted(found.items()):
        yield from (printable(f"{name}: {note}", 500) for note in place.notes)
        for cluster, there in sorted(place.clusters.items()):
            if there.error is not None:
                yield printable(f"{name}: {cluster} could not be read: {there.error.message}", 500)
