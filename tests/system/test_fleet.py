# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet of real clusters in three overlapping workspaces, one of them down and one with wrong credentials."""

from __future__ import annotations

import json
import os
import time
import typing as t
from pathlib import Path

import pytest

from support.clusters import config_map, namespace
from support.fleets import inventory
from support.plays import Plays
from testbed import Cluster, Testbed

Tree = dict[str, t.Any]
SIZE: t.Final = int(os.environ.get("STOWAGE_FLEET", "6"))
NAMES: t.Final = tuple(f"prod-{number:02d}" for number in range(SIZE))
DOWN, STRANGER = NAMES[1], NAMES[2]
GOOD: t.Final = tuple(name for name in NAMES if name not in (DOWN, STRANGER))
WORKSPACES: t.Final[Tree] = {
    "every": {"clusters": ["*"]},
    "shop": {"clusters": [f"prod-0[0-{min(SIZE, 9) - 1}]"], "namespaces": [{"labels": "team=shop"}]},
    "edge": {"clusters": [{"group": "edge"}], "namespaces": ["shop-*"], "failure": {"max_clusters": 1}},
}


@pytest.fixture(scope="module")
def fleet(testbed: Testbed) -> t.Iterator[dict[str, Cluster]]:
    found = dict(zip(NAMES, testbed.fleet(*NAMES), strict=True))
    for name, cluster in found.items():
        inside = namespace("shop-1")
        inside["metadata"]["labels"] = {"team": "shop"}
        for document in (inside, config_map("shop-1", "settings", cluster=name)):
            cluster.api.apply(document, field_manager="test")
    found[DOWN].stop_part("kube-apiserver")
    yield found
    for cluster in found.values():
        testbed.stop(cluster)


@pytest.fixture
def plays(fleet: dict[str, Cluster], tmp_path: Path) -> t.Iterator[Plays]:
    hosts = {name: {"stowage_kubeconfig": str(cluster.kubeconfig)} for name, cluster in fleet.items()}
    wrong = fleet[STRANGER].kubeconfig_for_token("wrong-token", "wrong")
    hosts[STRANGER] = {"stowage_kubeconfig": str(wrong)}
    plays = inventory(tmp_path, hosts, WORKSPACES, children={"edge": {"hosts": dict.fromkeys(NAMES[-2:])}})
    yield plays
    plays.end()


def record(path: Path, workspace: str, cluster: str) -> Tree:
    """The last record of a cluster."""
    folder = path / "backups" / "workspaces" / workspace / "runs" / "r1" / cluster
    last = max(folder.iterdir(), key=lambda one: int(one.stem))
    found: Tree = json.loads(last.read_text(encoding="utf-8"))
    return found


def test_a_fleet_is_backed_up_and_restored_elsewhere(fleet: dict[str, Cluster], plays: Plays, tmp_path: Path) -> None:
    begun = time.monotonic()
    code, output = plays.run("stowage.kubernetes.workspace_backup", "-e", "stowage_run=r1", "-f", str(SIZE))
    print(f"{SIZE} clusters in 3 workspaces: {time.monotonic() - begun:.1f} s")
    assert code == 2, output
    assert f"every, run r1: PartiallyFailed ({SIZE - 2} Completed, 2 Failed)" in output
    assert "edge, run r1: Completed (2 Completed)" in output
    assert record(tmp_path, "every", DOWN)["error_code"] == "cluster_unreachable"
    assert record(tmp_path, "every", STRANGER)["error_code"] == "cluster_unauthorized"
    for name in GOOD:
        assert (
            record(tmp_path, "every", name)["cluster_uid"]
            == fleet[name].api.get("v1", "Namespace", "kube-system")["metadata"]["uid"]
        )
    found = record(tmp_path, "shop", GOOD[0])
    assert found["phase"] == "Completed", found

    # It comes back, and only what is missing is done.
    fleet[DOWN].start("kube-apiserver")
    fleet[DOWN].wait_ready()
    code, output = plays.run("stowage.kubernetes.workspace_backup", "-e", "stowage_run=r1", "-f", str(SIZE))
    assert code == 2, output
    assert f"every, run r1: PartiallyFailed ({SIZE - 1} Completed, 1 Failed)" in output
    assert record(tmp_path, "every", DOWN)["attempt"] == 2
    assert record(tmp_path, "every", GOOD[0])["attempt"] == 1

    # One cluster's namespace goes into another one.
    mapping = {GOOD[0]: DOWN}
    fleet[DOWN].api.delete("v1", "ConfigMap", "settings", "shop-1")
    code, output = plays.run(
        "stowage.kubernetes.workspace_restore",
        *("-e", "stowage_run=r1", "-e", "stowage_workspace=shop"),
        *("-e", json.dumps({"workspace_restore_map": mapping})),
    )
    assert code == 0, output
    assert fleet[DOWN].api.get("v1", "ConfigMap", "settings", "shop-1")["data"] == {"cluster": GOOD[0]}
