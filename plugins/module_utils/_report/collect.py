# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what a report is about from locations. Private to the collection.

Of each cluster: two listings, and ``velero-backup.json`` of each of its backups; the manifest of a newest backup that is
PartiallyFailed. Of each workspace: one listing of its runs, and ``expected.json`` and the last record of each cluster of the newest
runs. Whoever may not list runs, as an auditor of single clusters, has their names from the labels of backups, and asks for
records one by one. What cannot be read is kept as what it is, an error, and keeps nothing else from being read.
"""

from __future__ import annotations

import concurrent.futures
import datetime
import itertools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import (
    COMPLETED,
    PARTIALLY_FAILED,
    BackupRecord,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.found import (
    FoundCluster,
    FoundLocation,
    FoundRun,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import recording, runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.definition import (
    RUN_LABEL,
    WORKSPACE_LABEL,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.names import check_run, check_workspace
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import RunPaths

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

_CLUSTERS: t.Final = 4
"""Clusters at once; the catalogue reads eight backups of each at once."""
_REQUESTS: t.Final = 24
_MOST_KEYS: t.Final = 2_000_000
_PERSISTENT: t.Final = frozenset({"interrupted", "dependency_missing"})
"""Errors that say nothing about a location."""


def collect(location: Location, name: str, wanted: Wanted, check: t.Callable[[], None]) -> FoundLocation:
    """What a location holds.

    :param name: of the location, by which members and workspaces name it.
    :param check: raises when the task is asked to stop.
    :raises StowageError: ``interrupted``; whatever else goes wrong is in what is returned.
    """
    found = FoundLocation(datetime.datetime.now(datetime.UTC), location.describe())
    try:
        folders = _folders(location, _members_of(wanted, name), found.notes)
        with concurrent.futures.ThreadPoolExecutor(_CLUSTERS, "clusters") as pool:
            read = pool.map(lambda folder: _cluster(location, folder, check), folders)
            found.clusters = dict(zip(folders, read, strict=True))
        found.runs = _runs(location, name, wanted, found, check)
        found.now = location.now()
    except StowageError as error:
        if error.code in _PERSISTENT:
            raise
        found.error = error
    return found


def _members_of(wanted: Wanted, name: str) -> list[str]:
    return sorted({one.cluster for each in wanted.workspaces for one in each.members if one.location == name} - {""})


def _folders(location: Location, known: t.Sequence[str], notes: list[str]) -> list[str]:
    """The clusters' folders: those that are there, and those that should be."""
    try:
        there, others = catalog.list_clusters(location)
    except StowageError as error:
        # Whoever has to do with some clusters only may not see which others there are.
        if error.code != "permission_denied" or not known:
            raise
        notes.append("Which clusters have backups may not be listed: only those of the inventory were looked at.")
        return list(known)
    if others:
        named = ", ".join(others[:3]) + (" …" if len(others) > 3 else "")
        notes.append(f"It has folders below clusters/ that cannot be a cluster's: {named}")
    return sorted({*there, *known})


def _cluster(location: Location, folder: str, check: t.Callable[[], None]) -> FoundCluster:
    check()
    try:
        backups = catalog.list_backups(location, folder, auditing=True)
        why = {one.name: _incomplete(location, one) for one in worth_a_look(backups)}
    except StowageError as error:
        if error.code in _PERSISTENT:
            raise
        return FoundCluster(error=error)
    return FoundCluster(backups, why)


def worth_a_look(backups: t.Iterable[BackupRecord]) -> list[BackupRecord]:
    """The newest backup of each workspace, if it is PartiallyFailed and ours: what is missing in it? Pure."""
    newest: dict[str, BackupRecord] = {}
    for one in backups:  # the oldest first
        if one.phase in (COMPLETED, PARTIALLY_FAILED):
            newest[one.labels.get(WORKSPACE_LABEL, "")] = one
    return [one for one in newest.values() if one.phase == PARTIALLY_FAILED and one.manifest_sha256]


def _incomplete(location: Location, record: BackupRecord) -> str:
    try:
        manifest = catalog.read_manifest(location, record)
    except StowageError as error:
        if error.code in _PERSISTENT:
            raise
        return error.message
    said = [f"{one.to_kind().resource}: {one.reason}" for one in manifest.kinds if not one.complete]
    said += [f"{one.group}/{one.version}: {one.message}" for one in manifest.groups_failed]
    more = f" and {len(said) - 3} more" if len(said) > 3 else ""
    return printable("; ".join(said[:3]) + more, 500)


def _runs(
    location: Location, name: str, wanted: Wanted, found: FoundLocation, check: t.Callable[[], None]
) -> list[FoundRun]:
    if not wanted.max_runs:
        return []
    mine = {one.name for one in wanted.workspaces if one.location == name}
    elsewhere = {one.name for one in wanted.workspaces} - mine
    try:
        if wanted.others:
            mine |= {one for one in location.list_folders("workspaces/") if _fits(check_workspace, one)} - elsewhere
    except StowageError as error:
        if error.code != "permission_denied":
            raise
    runs_found: list[FoundRun] = []
    for workspace in sorted(mine):
        check()
        try:
            runs_found += _of_workspace(location, workspace, wanted.max_runs)
        except StowageError as error:
            if error.code != "permission_denied":
                raise
            runs_found += _by_labels(location, workspace, wanted, found)
            found.notes.append(
                f"Runs of {workspace} may not be listed: only those that made a backup were looked at, and their failures may be missing."
            )
    return runs_found


def _of_workspace(location: Location, workspace: str, most: int) -> list[FoundRun]:
    """The newest runs of a workspace, the newest first, by one listing."""
    begun: dict[str, datetime.datetime] = {}
    attempts: dict[str, dict[str, int]] = {}
    paths: dict[str, RunPaths] = {}
    folder = f"workspaces/{workspace}/runs/"
    for number, info in enumerate(location.list(folder)):
        if number >= _MOST_KEYS:
            raise StowageError("archive_hostile", f"{folder} holds more than {_MOST_KEYS} files.")
        name = info.key[len(folder) :].partition("/")[0]
        if name not in paths:
            if not _fits(check_run, name):
                continue
            paths[name], attempts[name] = RunPaths(workspace, name), {}
        if info.key == paths[name].expected:
            begun[name] = info.modified
        for cluster, attempt in runs.attempts([info.key], paths[name]).items():
            attempts[name][cluster] = max(attempt, attempts[name].get(cluster, 0))
    newest = sorted(begun, key=lambda one: (begun[one], one), reverse=True)[:most]
    return _read_runs(location, [(paths[one], attempts[one]) for one in newest])


def _read_runs(location: Location, asked: t.Sequence[tuple[RunPaths, t.Mapping[str, int]]]) -> list[FoundRun]:
    with concurrent.futures.ThreadPoolExecutor(_REQUESTS, "records") as pool:
        found = list(pool.map(lambda each: _begun(location, each[0]), asked))
        records = [
            (run, pool.submit(recording.read_record, location, paths, cluster, attempts[cluster]))
            for run, (paths, attempts) in zip(found, asked, strict=True)
            for cluster in (run.expected.clusters if run.expected else ())
            if cluster in attempts
        ]
        for run, (_paths, attempts) in zip(found, asked, strict=True):
            run.unexpected = tuple(sorted(attempts.keys() - set(run.expected.clusters if run.expected else attempts)))
        for run, record in records:
            run.records[record.result().cluster] = record.result()
    return found


def _begun(location: Location, paths: RunPaths) -> FoundRun:
    """A run as its begin left it."""
    run = FoundRun(paths.workspace, paths.run)
    try:
        run.expected = runs.read_expected(location.read(paths.expected, limit=runs.MAX_EXPECTED), paths)
    except StowageError as error:
        if error.code not in ("record_damaged", "key_not_found", "archive_hostile"):
            raise
        run.error = error
    return run


def _by_labels(location: Location, workspace: str, wanted: Wanted, found: FoundLocation) -> list[FoundRun]:
    """The newest runs that the labels of backups name, with the records of the clusters that are known."""
    begun: dict[str, datetime.datetime] = {}
    for one in itertools.chain.from_iterable(each.backups for each in found.clusters.values()):
        name = one.labels.get(RUN_LABEL, "")
        if one.labels.get(WORKSPACE_LABEL) == workspace and one.started and _fits(check_run, name):
            begun[name] = min(begun.get(name, one.started), one.started)
    newest = sorted(begun, key=lambda one: (begun[one], one), reverse=True)[: wanted.max_runs]
    members = {one.cluster for each in wanted.workspaces if each.name == workspace for one in each.members} - {""}
    asked = [(RunPaths(workspace, name), cluster) for name in newest for cluster in sorted(members)]
    found_runs = {name: FoundRun(workspace, name) for name in newest}
    with concurrent.futures.ThreadPoolExecutor(_REQUESTS, "records") as pool:
        for record, (paths, cluster) in zip(
            pool.map(lambda each: recording.last_by_reading(location, *each), asked), asked, strict=True
        ):
            if record is not None:
                found_runs[paths.run].records[cluster] = record
    return list(found_runs.values())


def _fits(check: t.Callable[[str], str], name: str) -> bool:
    try:
        return check(name) == name and (check is not check_workspace or layout.is_cluster(name))
    except StowageError:
        return False
