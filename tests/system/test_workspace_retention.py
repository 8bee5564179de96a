# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backups of a workspace are pruned by its rules, whatever else there is of a cluster, and runs without backups are forgotten."""

from __future__ import annotations

import datetime
import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import document as fields
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import Reservation
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Expected, Record, RunPaths
from support.archives import velero_document
from support.fleets import inventory
from support.plays import Plays

Tree = dict[str, t.Any]
DAY: t.Final = datetime.timedelta(days=1)
NOW: t.Final = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
RETENTION: t.Final = "stowage.kubernetes.workspace_retention"
WORKSPACES: t.Final[Tree] = {
    "shop": {"clusters": ["prod-1", "edge-1"], "retention": {"keep_last": 2}},
    "prod": {"clusters": ["prod-1"], "retention": {"keep_last": 1, "keep_at_least": 3}},
    "vault": {"clusters": ["prod-1"]},
}
AGES: t.Final = range(106, 100, -1)
"""Days since each run. All are of one selection, so that nothing but the label tells them apart."""


class World:
    """Six runs of each workspace, and a backup that is nobody's, in a directory."""

    def __init__(self, path: Path) -> None:
        self.directory = path / "backups"
        self.plays: Plays = inventory(path, {"prod-1": {}, "edge-1": {}}, WORKSPACES)
        for age in AGES:
            for workspace, definition in WORKSPACES.items():
                self._run(workspace, definition["clusters"], age)
        self._backup("prod-1", "by-hand", 200, {})

    def _run(self, workspace: str, clusters: t.Sequence[str], age: int) -> None:
        begun = NOW - age * DAY
        paths = RunPaths(workspace, f"r-{age}")
        self._put(paths.expected, runs.write_expected(paths, Expected(tuple(sorted(clusters)), begun)))
        for cluster in clusters:
            name = f"{workspace}-{age}"
            self._backup(cluster, name, age, {"stowage.io/workspace": workspace, "stowage.io/run": paths.run})
            record = Record(cluster=cluster, phase="Completed", attempt=1, written=begun, backup=name, made=True)
            self._put(paths.record(cluster, 1), record.to_json(paths, "mark"))
        os.utime(self.directory / paths.expected, (begun.timestamp(), begun.timestamp()))

    def _backup(self, cluster: str, name: str, age: int, labels: dict[str, str]) -> None:
        begun = NOW - age * DAY
        paths = BackupPaths(cluster, name)
        document = velero_document(name)
        document["metadata"]["labels"] |= labels
        document["metadata"]["annotations"] = {fields.CAPTURE_ID: name, fields.CLUSTER_UID: f"uid-of-{cluster}"}
        document["status"] |= {"startTimestamp": begun.isoformat(), "completionTimestamp": begun.isoformat()}
        self._put(paths.tarball, b"x" * 1000)
        self._put(paths.reservation, Reservation(name, name, begun, begun + DAY).to_json())
        self._put(paths.velero_backup, json.dumps(document).encode())

    def _put(self, key: str, data: bytes) -> None:
        path = self.directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def backups(self, cluster: str) -> set[str]:
        return {path.parent.name for path in self.directory.glob(f"clusters/{cluster}/backups/*/velero-backup.json")}

    def runs(self, workspace: str) -> set[str]:
        return {path.name for path in (self.directory / "workspaces" / workspace / "runs").iterdir()}

    def files(self) -> set[str]:
        return {str(path) for path in self.directory.rglob("*") if path.is_file()}


def named(workspace: str, *ages: int) -> set[str]:
    return {f"{workspace}-{age}" for age in ages}


ALL_RUNS: t.Final = {f"r-{age}" for age in AGES}


@pytest.fixture
def world(tmp_path: Path) -> t.Iterator[World]:
    made = World(tmp_path)
    yield made
    made.plays.end()


def test_each_workspace_is_pruned_by_its_own_rules(world: World) -> None:
    before = world.files()
    code, predicted = world.plays.run(RETENTION, "--check", "--diff")
    assert code == 0, predicted
    assert world.files() == before
    assert "prod-1, shop: would delete 4 of 19 backups" in predicted
    assert "-shop-106" in predicted
    assert "by-hand: It does not have the labels." in predicted
    assert "shop: would forget 0 of 6 runs" in predicted, "their backups are still there"

    code, output = world.plays.run(RETENTION)
    assert code == 0, output
    left = {"by-hand"} | named("vault", *AGES)
    left |= named("shop", 102, 101)
    left |= named("prod", 103, 102, 101)  # keep_at_least
    assert world.backups("prod-1") == left
    assert world.backups("edge-1") == named("shop", 102, 101)
    assert "prod-1, prod: deleted 3 of 15 backups" in output
    assert "shop: forgot 4 of 6 runs" in output
    assert world.runs("shop") == {"r-102", "r-101"}
    assert world.runs("prod") == {"r-103", "r-102", "r-101"}
    assert world.runs("vault") == ALL_RUNS, "it has no rules"

    again = world.files()
    code, output = world.plays.run(RETENTION)
    assert code == 0, output
    assert world.files() == again
    assert "It is the last good one. It is one of the newest 1 (keep_at_least)." in output


def test_one_workspace_and_its_young_runs(world: World) -> None:
    options = ("-e", "stowage_workspace=prod", "-e", "workspace_keep_runs=105d")
    code, output = world.plays.run(RETENTION, *options)
    assert code == 0, output
    assert world.backups("prod-1") >= named("shop", *AGES)
    assert world.runs("prod") == ALL_RUNS - {"r-106", "r-105"}
    assert world.runs("shop") == ALL_RUNS


def test_one_cluster_keeps_the_runs_of_all(world: World) -> None:
    code, output = world.plays.run(RETENTION, "-e", "workspace_hosts=edge-1")
    assert code == 0, output
    assert world.backups("edge-1") == named("shop", 102, 101)
    assert world.backups("prod-1") >= named("shop", *AGES)
    assert world.runs("shop") == ALL_RUNS, "prod-1 has their backups"
