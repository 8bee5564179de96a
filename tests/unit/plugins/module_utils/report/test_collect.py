# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of a location for a report, with how many requests, and what it comes down to."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.assemble import assemble
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.collect import collect
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.found import FoundCluster, FoundLocation
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    Member,
    Report,
    Wanted,
    WantedWorkspace,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Expected, Record, RunPaths
from support.archives import CONFIG_MAPS, DEPLOYMENTS, make_backup, make_item
from support.memory_location import START, MemoryLocation
from support.report_fleets import backup as made
from support.report_fleets import labels

HOUR: t.Final = datetime.timedelta(hours=1)


def nothing() -> None:
    """No task is asked to stop."""


def wanted(*clusters: str, workspace: str = "shop", location: str = "primary", **fields: t.Any) -> Wanted:
    members = tuple(Member(host=one, cluster=one, location=location) for one in clusters)
    return Wanted(workspaces=(WantedWorkspace(name=workspace, members=members, location=location),), **fields)


def backup(
    store: MemoryLocation, cluster: str, name: str, workspace: str = "shop", run: str = "", **options: t.Any
) -> None:
    objects = [(CONFIG_MAPS, make_item(CONFIG_MAPS, "a", "x"))]
    make_backup(store, objects, paths=BackupPaths(cluster, name), labels=labels(workspace, run), **options)


def begin(store: MemoryLocation, run: str, *clusters: str, workspace: str = "shop") -> RunPaths:
    paths = RunPaths(workspace, run)
    store.put(paths.expected, runs.write_expected(paths, Expected(clusters, store.clock)))
    return paths


def note(
    store: MemoryLocation, paths: RunPaths, cluster: str, phase: str = "Completed", attempt: int = 1, **fields: t.Any
) -> None:
    record = Record(cluster=cluster, phase=phase, attempt=attempt, written=store.clock, **fields)
    store.put(paths.record(cluster, attempt), record.to_json(paths, "m"))


def found(store: MemoryLocation, asked: Wanted) -> FoundLocation:
    return collect(store, "primary", asked, nothing)


def report(store: MemoryLocation, asked: Wanted) -> Report:
    return assemble(asked, {"primary": found(store, asked)}, {}, store.clock)


@pytest.fixture
def store() -> MemoryLocation:
    """Two clusters, and two runs of which the second is a day younger; in it b failed at first, and c has no record."""
    store = MemoryLocation()
    for day, run in enumerate(("r1", "r2")):
        store.clock = START + day * 24 * HOUR
        paths = begin(store, run, "a", "b", "c")
        for cluster in "ab":
            name = f"{cluster}-{run}"
            if (cluster, run) == ("b", "r2"):
                note(store, paths, cluster, "Failed", error_code="timeout", reason="Too long.")
            backup(store, cluster, name, run=run)
            note(store, paths, cluster, attempt=2 if (cluster, run) == ("b", "r2") else 1, backup=name, made=True)
        if run == "r1":
            note(store, paths, "c", "Failed", error_code="cluster_unreachable", reason="It is down.")
    store.clock += 3 * HOUR
    return store


def test_clusters_and_runs(store: MemoryLocation) -> None:
    said = report(store, wanted("a", "b", "c"))
    assert {row.cluster: (row.status, row.backups) for row in said.rows} == {
        "a": ("unwatched", 2),
        "b": ("unwatched", 2),
        "c": ("missing", 0),
    }
    assert [(run.name, run.phase, dict(run.counts)) for run in said.runs] == [
        ("r2", "PartiallyFailed", {"Completed": 2, "PartiallyFailed": 0, "Failed": 0, "Missing": 1}),
        ("r1", "PartiallyFailed", {"Completed": 2, "PartiallyFailed": 0, "Failed": 1, "Missing": 0}),
    ]
    rows = {row.cluster: row for row in said.rows}
    assert [(one.run, one.phase) for one in rows["c"].history] == [("r1", "Failed"), ("r2", "Missing")]
    assert [(one.run, one.backup) for one in rows["b"].history] == [("r1", "b-r1"), ("r2", "b-r2")]
    (location,) = said.locations
    assert (location.clusters, location.backups, location.problem) == (2, 4, "")
    assert location.size == sum(
        len(data)
        for key, data in store.objects.items()
        if "/backups/" in key and "velero-b" not in key and "manifest" not in key
    )


def test_how_many_requests_it_takes(store: MemoryLocation) -> None:
    store.calls.clear()
    found(store, wanted("a", "b", "c"))
    # Two listings of names (clusters and workspaces), two for each cluster, and one of all runs.
    assert store.calls == {
        "list_names": 2 + 3,
        "list": 3 + 1,
        "read": 4 + 2 + 5,  # backups, expected.json of two runs, the last record of each cluster
    }
    store.calls.clear()
    found(store, wanted("a", "b", "c", max_runs=1))
    assert store.calls["read"] == 4 + 1 + 2
    store.calls.clear()
    found(store, wanted("a", "b", "c", max_runs=0))
    assert store.calls["read"] == 4


def test_a_run_that_is_young_is_under_way(store: MemoryLocation) -> None:
    store.clock -= 2 * HOUR
    said = report(store, wanted("a", "b", "c"))
    assert said.runs[0].phase == "InProgress"
    assert not said.runs[0].failed
    assert [one.run for one in said.rows[0].history] == ["r1"], "c may come yet"
    assert report(store, wanted("a", "b", "c", grace=HOUR / 2)).runs[0].failed


def test_what_is_missing_in_a_backup_is_said(store: MemoryLocation) -> None:
    backup(store, "a", "later", phase="PartiallyFailed", incomplete=[DEPLOYMENTS], groups_failed=["metrics.k8s.io"])
    (row,) = [one for one in report(store, wanted("a")).rows if one.cluster == "a"]
    assert row.status == "failing"
    assert "deployments.apps: it is forbidden; metrics.k8s.io/v1: no answer" in row.reasons[0]
    # A manifest that is damaged is said to be; it keeps nothing from being read.
    key = BackupPaths("a", "later").manifest
    store.objects[key] += b" "
    (row,) = [one for one in report(store, wanted("a")).rows if one.cluster == "a"]
    assert "it is not what was written" in row.reasons[0]


def test_backups_of_others_are_reported_on_too(store: MemoryLocation) -> None:
    backup(store, "old", "by-hand", workspace="")
    backup(store, "a", "of-edge", workspace="edge")
    asked = wanted("a", max_age=HOUR)
    rows = {(row.workspace, row.cluster): row for row in report(store, asked).rows}
    assert rows.keys() == {("shop", "a"), ("shop", "b"), ("edge", "a"), ("", "old")}
    assert [rows[key].expected for key in sorted(rows)] == [False, False, True, False]
    store.clock += 2 * HOUR
    rows = {(row.workspace, row.cluster): row for row in report(store, asked).rows}
    # Nobody promised anything for what left the inventory; a cluster of no workspace has to be as young as any.
    assert rows["shop", "b"].status == "unwatched"
    assert rows["", "old"].status == "late"


def test_a_report_of_some_workspaces_is_of_no_others(store: MemoryLocation) -> None:
    backup(store, "a", "of-edge", workspace="edge")
    begin(store, "e1", "a", workspace="edge")
    said = report(store, wanted("a", others=False))
    assert [(row.workspace, row.cluster) for row in said.rows] == [("shop", "a")]
    assert {run.workspace for run in said.runs} == {"shop"}
    assert {run.workspace for run in report(store, wanted("a")).runs} == {"shop", "edge"}


def test_names_that_begin_alike_are_one_row() -> None:
    """Prometheus refuses a file that has a sample twice."""
    backups = [made("a", "w" * 100 + end, START, name=f"b{end}") for end in "xy"]
    place = FoundLocation(START, clusters={"a": FoundCluster(backups)})
    rows = assemble(Wanted(), {"primary": place}, {}, START).rows
    assert [(row.workspace, row.backups) for row in rows] == [("w" * 63, 2)]


def test_a_backup_for_another_workspace_is_shown_and_not_good(store: MemoryLocation) -> None:
    paths = begin(store, "e1", "a", workspace="edge")
    note(store, paths, "a", backup="a-r2")
    asked = Wanted(
        workspaces=(
            WantedWorkspace(
                name="edge", members=(Member(host="a", cluster="a", location="primary"),), location="primary"
            ),
        )
    )
    (row,) = [one for one in report(store, asked).rows if one.workspace == "edge"]
    assert (row.status, row.good, row.backups) == ("missing", None, 0)
    assert [(one.backup, one.kept) for one in row.history] == [("a-r2", True)]


def deny(*beginnings: str, code: str = "permission_denied") -> t.Callable[[str, str], None]:
    def fault(operation: str, key: str) -> None:
        if any(f"{operation} {key}".startswith(one) for one in beginnings):
            raise StowageError(code, f"{operation} of {key} failed.")

    return fault


def test_an_auditor_of_single_clusters(store: MemoryLocation) -> None:
    """Neither clusters nor runs may be listed, expected.json and reservations not be read."""
    store.fault = deny(
        "list_names clusters/",
        "list workspaces/",
        "list_names workspaces/",
        "read workspaces/shop/runs/r1/e",
        "read clusters/a/metadata",
    )
    store.fault = _but(store.fault, ("list_names clusters/a/", "list_names clusters/b/", "list_names clusters/c/"))
    store.put("clusters/a/metadata/stowage/reservations/begun.json", b"{}")
    asked = wanted("a", "b", "c")
    said = report(store, asked)
    assert {row.cluster: row.backups for row in said.rows} == {"a": 2, "b": 2, "c": 0}
    assert [(run.name, run.counts["Completed"], run.counts["Failed"]) for run in said.runs] == [
        ("r2", 2, 0),
        ("r1", 2, 1),
    ]
    assert len(said.notes) == 2
    (row,) = [one for one in said.rows if one.cluster == "c"]
    assert "cluster_unreachable" in " ".join(row.reasons)


def _but(fault: t.Callable[[str, str], None], spared: tuple[str, ...]) -> t.Callable[[str, str], None]:
    return lambda operation, key: None if f"{operation} {key}".startswith(spared) else fault(operation, key)


def test_what_cannot_be_read_stands_in_nobody_s_way(store: MemoryLocation) -> None:
    store.fault = deny("read clusters/a/backups", code="store_error")
    said = report(store, wanted("a", "b"))
    assert {row.cluster: row.status for row in said.rows} == {"a": "unknown", "b": "unwatched"}
    assert "store_error" in said.rows[0].reasons[0]
    assert [one for one in said.notes if "a could not be read" in one]
    store.fault = deny("list_names clusters/", code="endpoint_unreachable")
    said = report(store, wanted("a", "b"))
    assert {row.status for row in said.rows} == {"unknown"}
    assert said.locations[0].problem.startswith("endpoint_unreachable")
    assert said.verdict == "failed"
    store.fault = deny("list", code="interrupted")
    with pytest.raises(StowageError):
        found(store, wanted("a"))


def test_files_that_make_no_sense(store: MemoryLocation) -> None:
    store.put("workspaces/shop/runs/r3/expected.json", b"{")
    store.put("workspaces/shop/runs/..%2f/expected.json", b"{}")
    store.put("workspaces/all/runs/r/expected.json", b"{}")
    paths = begin(store, "r4", "a", "b", "c")
    store.put(paths.record("a", 1), b"x" * (1 << 20))
    store.put("clusters/a/backups/broken/velero-backup.json", b"\xff")
    said = report(store, wanted("a"))
    by_name = {run.name: run for run in said.runs}
    assert by_name.keys() == {"r1", "r2", "r3", "r4"}
    assert (by_name["r3"].phase, by_name["r3"].failed) == ("Unknown", True)
    assert by_name["r4"].counts["Failed"] == 1
    (row,) = [one for one in said.rows if one.cluster == "a"]
    assert [one for one in row.reasons if "make no sense" in one]


def test_a_location_that_nobody_has() -> None:
    said = assemble(wanted("a", location="elsewhere"), {}, {"elsewhere": {"verdict": "error"}}, START)
    assert said.rows[0].status == "unknown"
    assert said.rows[0].reasons == ("Its location elsewhere is not among those that were looked at.",)
    assert said.locations[0].bad
    none = assemble(wanted("a", location=""), {}, {}, START)
    assert none.rows[0].reasons == ("No location is chosen.",)
