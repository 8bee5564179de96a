# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of volumes: never another cluster's, never a new one in place of an old one."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from support import fake_cluster
from support.fake_cluster import NAMESPACES
from support.fake_restores import Archived, Done, Stage, archived

Tree = dict[str, t.Any]
_GROUP: t.Final = "snapshot.storage.k8s.io"
CONTENTS: t.Final = fake_cluster.kind(f"volumesnapshotcontents.{_GROUP}", "VolumeSnapshotContent", namespaced=False)
SNAPSHOTS: t.Final = fake_cluster.kind(f"volumesnapshots.{_GROUP}", "VolumeSnapshot")
GROUP_CONTENTS: t.Final = fake_cluster.kind(
    f"volumegroupsnapshotcontents.group{_GROUP}", "VolumeGroupSnapshotContent", namespaced=False
)
GROUPS: t.Final = fake_cluster.kind(f"volumegroupsnapshots.group{_GROUP}", "VolumeGroupSnapshot")
ELSEWHERE: t.Final = "its snapshot belongs to another cluster (restore_volumes: reuse keeps it)"
RETAIN: t.Final = "with deletionPolicy Retain: another cluster may count on its snapshot, or it may be gone"


@pytest.fixture
def stage(tmp_path: pathlib.Path) -> Stage:
    found = Stage(tmp_path)
    found.cluster.kinds += [CONTENTS, SNAPSHOTS, GROUP_CONTENTS, GROUPS]
    return found


def content(**metadata: t.Any) -> Archived:
    """What the snapshot controller makes for a VolumeSnapshot of a claim."""
    return archived(
        CONTENTS,
        "snapcontent-1",
        metadata=metadata,
        spec={
            "deletionPolicy": "Delete",
            "driver": "csi.example.com",
            "source": {"volumeHandle": "vol-1"},
            "volumeSnapshotRef": {"name": "s", "namespace": "shop", "uid": "old-volumesnapshots-s"},
        },
        status={"snapshotHandle": "snap-1", "readyToUse": True},
    )


def snapshot(status: Tree | None = None) -> Archived:
    return archived(
        SNAPSHOTS,
        "s",
        "shop",
        spec={"source": {"persistentVolumeClaimName": "data"}, "volumeSnapshotClassName": "fast"},
        status={"boundVolumeSnapshotContentName": "snapcontent-1"} if status is None else status,
    )


def shop(*more: Archived) -> list[Archived]:
    return [archived(NAMESPACES, "shop"), content(), snapshot(), *more]


def bodies(done: Done) -> dict[str, Tree]:
    """Kind -> what was written."""
    return {body["kind"]: body for method, _path, body in done.writes if method in {"POST", "PUT"}}


@pytest.mark.parametrize("check", [True, False], ids=["plan", "run"])
def test_a_snapshot_of_another_cluster_is_not_touched(stage: Stage, check: bool) -> None:
    done = stage.restore(*shop(), cluster_uid="another", check=check)
    assert not {"VolumeSnapshot", "VolumeSnapshotContent"} & bodies(done).keys()
    for line in (done.line(CONTENTS.resource, "snapcontent-1"), done.line(SNAPSHOTS.resource, "s")):
        assert (line["action"], line["reason"]) == ("skipped", ELSEWHERE)
        assert line["data_not_restored"]
    assert done.result.data_not_restored == ["snapcontent-1", "shop/s"]


@pytest.mark.parametrize(
    "options", [{}, {"cluster_uid": "another", "restore_volumes": "reuse"}], ids=["own cluster", "reuse"]
)
def test_a_snapshot_comes_back_as_the_one_that_was_taken(stage: Stage, options: Tree) -> None:
    done = stage.restore(*shop(), **options)
    written = bodies(done)
    assert written["VolumeSnapshotContent"]["spec"] == {
        "deletionPolicy": "Retain",
        "driver": "csi.example.com",
        "source": {"snapshotHandle": "snap-1"},
        "volumeSnapshotRef": {"name": "s", "namespace": "shop"},
    }
    assert written["VolumeSnapshot"]["spec"] == {
        "source": {"volumeSnapshotContentName": "snapcontent-1"},
        "volumeSnapshotClassName": "fast",
    }
    assert done.line(CONTENTS.resource, "snapcontent-1")["reason"] == RETAIN
    assert done.result.data_not_restored_count == 0


def bound(stage: Stage) -> None:
    """The cluster as it is when a restore was there and the snapshot controller after it."""
    for of, name, namespace, status in (
        (CONTENTS, "snapcontent-1", "", {"snapshotHandle": "snap-1"}),
        (SNAPSHOTS, "s", "shop", {"boundVolumeSnapshotContentName": "snapcontent-1"}),
    ):
        live = stage.cluster.find(of, name, namespace)
        assert live is not None
        stage.cluster.put(of, {**live, "status": status})


@pytest.mark.parametrize("policy", ["none", "update"])
def test_a_second_restore_has_nothing_to_do(stage: Stage, policy: t.Literal["none", "update"]) -> None:
    stage.restore(*shop())
    bound(stage)
    done = stage.restore(*shop(), existing_resource_policy=policy)
    assert {line["action"] for line in done.lines} == {"unchanged"}
    assert done.writes == []


def test_an_update_leaves_what_a_snapshot_stands_for(stage: Stage) -> None:
    """Its source cannot be changed, and its policy is the cluster's."""
    of, item = content()
    stage.cluster.put(of, {**document(item.body), "metadata": {"name": "snapcontent-1"}})
    done = stage.restore(content(labels={"a": "b"}), existing_resource_policy="update")
    assert done.fates() == {f"{CONTENTS.resource}/snapcontent-1": "updated"}
    written = bodies(done)["VolumeSnapshotContent"]
    assert written["metadata"]["labels"] == {"a": "b"}
    assert written["spec"] == document(item.body)["spec"]


def document(body: bytes | memoryview) -> Tree:
    found: Tree = json.loads(bytes(body))
    return found


def test_another_snapshot_of_the_same_name_differs(stage: Stage) -> None:
    stage.cluster.add(NAMESPACES, "shop")
    _of, item = snapshot()
    live = document(item.body)
    live["status"] = {"boundVolumeSnapshotContentName": "snapcontent-2"}
    stage.cluster.put(SNAPSHOTS, live)
    line = stage.restore(*shop()).line(SNAPSHOTS.resource, "s")
    assert (line["action"], line["paths"]) == ("differs", ["spec.source.volumeSnapshotContentName"])


def test_a_snapshot_that_was_not_taken_yet_is_not_taken_later(stage: Stage) -> None:
    done = stage.restore(archived(NAMESPACES, "shop"), snapshot(status={}))
    line = done.line(SNAPSHOTS.resource, "s")
    assert (line["action"], line["reason"]) == ("skipped", "its snapshot was not taken yet when it was captured")
    assert line["data_not_restored"]


def test_a_snapshot_whose_content_is_not_in_the_restore_is_bound_to_that_of_the_cluster(stage: Stage) -> None:
    selection = {"include_cluster_resources": "never"}
    line = stage.restore(*shop(), selection=selection).line(SNAPSHOTS.resource, "s")
    assert line["reason"] == "its VolumeSnapshotContent is neither restored nor in the cluster"
    of, item = content()
    stage.cluster.put(of, document(item.body))
    done = stage.restore(*shop(), selection=selection)
    assert done.line(SNAPSHOTS.resource, "s")["action"] == "created"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "its snapshots are restored one by one, not as a group"),
        ({"cluster_uid": "another"}, ELSEWHERE),
    ],
    ids=["own cluster", "another"],
)
def test_groups_are_not_made_anew(stage: Stage, options: Tree, why: str) -> None:
    """Written as captured, a group is a request for new snapshots."""
    done = stage.restore(
        archived(NAMESPACES, "shop"),
        archived(GROUP_CONTENTS, "g", spec={"source": {"volumeHandles": ["vol-1"]}, "deletionPolicy": "Delete"}),
        archived(GROUPS, "g", "shop", spec={"source": {"selector": {}}}),
        **options,
    )
    for of in (GROUP_CONTENTS, GROUPS):
        line = done.line(of.resource, "g")
        assert (line["action"], line["reason"]) == ("skipped", why)
