# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of the dependents of a workload that is in the target, not as archived, and is left so."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from support import fake_cluster
from support.fake_cluster import NAMESPACES, PODS
from support.fake_restores import Done, Stage, archived

Tree = dict[str, t.Any]
DEPLOYMENTS: t.Final = fake_cluster.kind("deployments.apps", "Deployment")
REPLICA_SETS: t.Final = fake_cluster.kind("replicasets.apps", "ReplicaSet")
DAEMON_SETS: t.Final = fake_cluster.kind("daemonsets.apps", "DaemonSet")


def revision(number: int) -> Tree:
    return {"annotations": {"deployment.kubernetes.io/revision": str(number)}}


@pytest.fixture
def stage(tmp_path: pathlib.Path) -> Stage:
    """A cluster that has gone on since the backup."""
    found = Stage(tmp_path)
    found.cluster.kinds += [DEPLOYMENTS, REPLICA_SETS, DAEMON_SETS]
    found.cluster.add(NAMESPACES, "shop")
    metadata = {"name": "web", "namespace": "shop", **revision(9)}
    found.cluster.put(DEPLOYMENTS, {"metadata": metadata, "spec": {"template": {"image": "new"}}})
    found.cluster.add(DAEMON_SETS, "logs", "shop", spec={"template": {"image": "new"}})
    return found


def restore(stage: Stage, **options: t.Any) -> Done:
    old = {"replicas": 1, "template": {"image": "old"}}
    return stage.restore(
        archived(NAMESPACES, "shop"),
        archived(DEPLOYMENTS, "web", "shop", metadata=revision(3), spec=old),
        archived(REPLICA_SETS, "web-3", "shop", owners=[(DEPLOYMENTS, "web")], metadata=revision(3), spec=old),
        archived(PODS, "web-3-x", "shop", owners=[(REPLICA_SETS, "web-3")], spec={}),
        archived(DAEMON_SETS, "logs", "shop", spec=old),
        archived(PODS, "logs-x", "shop", owners=[(DAEMON_SETS, "logs")], spec={}),
        **options,
    )


@pytest.mark.parametrize("check", [True, False], ids=["plan", "run"])
def test_nothing_is_made_anew_of_what_is_left_as_it_is(stage: Stage, check: bool) -> None:
    done = restore(stage, check=check)
    told = {
        (line["name"], line["action"], line["reason"])
        for line in done.lines
        if line["kind"] in {PODS.resource, REPLICA_SETS.resource}
    }
    assert told == {
        ("web-3", "skipped", "its Deployment web differs and was left as it is"),
        ("web-3-x", "skipped", "its ReplicaSet web-3 is not restored"),
        ("logs-x", "left_to_controller", "made by DaemonSet logs, which is in the cluster"),
    }


@pytest.mark.parametrize("check", [True, False], ids=["plan", "run"])
def test_what_is_updated_makes_them_anew(stage: Stage, check: bool) -> None:
    done = restore(stage, check=check, existing_resource_policy="update")
    assert done.line(REPLICA_SETS.resource, "web-3")["reason"] == "made anew by Deployment web"
    assert done.line("pods", "web-3-x")["reason"] == "made anew by ReplicaSet web-3"
    assert done.line("pods", "logs-x")["reason"] == "made anew by DaemonSet logs"
