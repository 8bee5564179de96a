# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster's part in the runs of its workspaces."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import CLUSTER
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture import ensure, workspaces
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from support import fake_cluster as fake
from support.fake_cluster import FakeCluster
from support.memory_location import MemoryLocation

Tree = dict[str, t.Any]
SAME: t.Final[Tree] = {
    **{name: option.get("default") for name, option in CLUSTER.items()},
    "cluster": "prod",
    "accept_new_identity": False,
    "lease_wait": "0",
    "locations": {"primary": {}, "own": {}},
}


def part(workspace: str, **more: t.Any) -> Tree:
    return {"workspace": workspace, "run": "r1", "records": "primary", **more}


@dataclasses.dataclass
class World:
    """A cluster, two locations, and the module between them."""

    cluster: FakeCluster = dataclasses.field(default_factory=FakeCluster)
    locations: dict[str, MemoryLocation] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)
    connected: int = 0
    opened: list[str] = dataclasses.field(default_factory=list)
    lost: StowageError | None = None

    def run(self, *parts: Tree, check: bool = False, diff: bool = False) -> Tree:
        params = {**SAME, "backups": list(parts)}
        task = Task(params, check, diff, {}, Progress(), self.warnings.append, lambda _values: None)
        result = workspaces.back_up_workspaces(task)
        json.dumps(result)
        return result

    def failed(self, *parts: Tree) -> Tree:
        with pytest.raises(TaskFailedError) as caught:
            self.run(*parts)
        return {**caught.value.result, **caught.value.error.as_result()}

    def records(self, workspace: str) -> list[Tree]:
        folder = f"workspaces/{workspace}/runs/r1/prod/"
        location = self.locations["primary"]
        return [json.loads(location.read(info.key, limit=1 << 20)) for info in location.list(folder)]

    def backups(self, name: str) -> int:
        return len({info.key.split("/")[3] for info in self.locations[name].list("clusters/prod/backups/")})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    world.cluster.add(fake.NAMESPACES, "shop")
    world.cluster.add(fake.CONFIGMAPS, "settings", "shop")
    world.locations.update(primary=MemoryLocation(), own=MemoryLocation())

    @contextlib.contextmanager
    def reach_cluster(task: Task) -> t.Iterator[t.Any]:
        world.connected += 1
        if world.lost is not None:
            raise world.lost
        yield world.cluster.connection(task.progress)

    @contextlib.contextmanager
    def reach_other(_task: Task, name: str, _given: object) -> t.Iterator[MemoryLocation]:
        world.opened.append(name)
        yield world.locations[name.removeprefix("locations.")]

    monkeypatch.setattr(workspaces, "reach_cluster", reach_cluster)
    monkeypatch.setattr(workspaces, "reach_other", reach_other)
    return world


def test_each_workspace_has_its_backup_and_its_record(world: World) -> None:
    done = world.run(part("shop", included_namespaces=["shop"]), part("whole"))
    assert [(one["workspace"], one["changed"], one["run"]["phase"]) for one in done["backups"]] == [
        ("shop", True, "Completed"),
        ("whole", True, "Completed"),
    ]
    assert (world.connected, world.opened) == (1, ["locations.primary"]), "each is reached once"
    assert [len(world.records(name)) for name in ("shop", "whole")] == [1, 1]
    assert world.backups("primary") == 2
    assert [one["backup"]["labels"] for one in done["backups"]] == [
        {"stowage.io/workspace": name, "stowage.io/run": "r1"} for name in ("shop", "whole")
    ], "retention and reports go by them"
    again = world.run(part("shop", included_namespaces=["shop"]), part("whole"))
    assert not again["changed"]
    assert [one["run"] for one in again["backups"]] == [one["run"] for one in done["backups"]]
    assert world.connected == 1, "a run that has all needs no cluster"


def test_the_backup_may_lie_elsewhere_than_the_run(world: World) -> None:
    done = world.run(part("shop", location="own"))
    assert done["backups"][0]["run"]["location"] == "own"
    assert (world.backups("own"), world.backups("primary"), len(world.records("shop"))) == (1, 0, 1)


def test_what_fails_for_one_does_not_keep_the_others_from_their_turn(world: World) -> None:
    done = world.failed(
        part("nowhere", location="gone"),
        part("odd", label_selector="a=(("),
        part("typed", included_namespaces={"no": "list"}),
        part("strange", state="absent"),
        part("empty", included_namespaces=["not-there"]),
        part("lost", problem="cluster_access_missing: Nothing says how."),
        part("shop"),
    )
    assert done["error_code"] == "run_partial"
    codes = {one["workspace"]: one.get("error_code") for one in done["backups"]}
    assert codes == {
        **dict.fromkeys(("nowhere", "odd", "typed", "strange"), "invalid_option"),
        "empty": "namespace_not_found",
        "lost": "cluster_access_missing",
        "shop": None,
    }
    for workspace, code in codes.items():
        assert [one["error_code"] for one in world.records(workspace)] == [code or ""]
    assert world.backups("primary") == 1


def test_a_defect_in_one_is_recorded_and_says_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ensure.present

    def present(task: Task, *parts: t.Any) -> Tree:
        if task.params["included_namespaces"]:
            raise RuntimeError("with a secret")
        return made(task, *parts)

    monkeypatch.setattr(workspaces, "present", present)
    done = world.failed(part("shop", included_namespaces=["shop"]), part("whole"))
    assert [one.get("error_code") for one in done["backups"]] == ["internal_error", None]
    assert "with a secret" not in json.dumps(done)
    assert world.records("shop")[0]["error_code"] == "internal_error"


def test_a_cluster_that_is_out_of_reach_is_waited_for_once(world: World) -> None:
    world.lost = StowageError("cluster_unreachable", "It does not answer.")
    done = world.failed(part("shop"), part("whole"))
    assert done["error_code"] == "run_failed"
    assert [one["run"]["error_code"] for one in done["backups"]] == ["cluster_unreachable"] * 2
    assert world.connected == 1


def test_a_run_that_cannot_be_recorded_fails_and_the_next_has_its_turn(world: World) -> None:
    done = world.failed(part("shop", records="gone"), part("whole"))
    assert [one.get("error_code") for one in done["backups"]] == ["invalid_option", None]
    assert "run" not in done["backups"][0]
    assert any("prod, shop: How it went could not be recorded" in text for text in world.warnings)


def test_a_location_where_its_name_belongs_is_not_shown(world: World) -> None:
    for name in ("location", "records", "problem", "run"):
        with pytest.raises(StowageError) as caught:
            world.run({**part("shop"), name: {"auth": {"secret_key": "hush-hush"}}})
        assert "hush-hush" not in caught.value.message


def test_a_cluster_that_answered_before_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def present(task: Task, *parts: t.Any) -> Tree:
        tried.append(task.params["run"] or "")
        if len(tried) == 1:
            raise StowageError("cluster_unreachable", "It is gone in the middle.")
        return ensure.present(task, *parts)

    monkeypatch.setattr(workspaces, "present", present)
    done = world.failed(part("shop"), part("whole"))
    assert [one.get("error_code") for one in done["backups"]] == ["cluster_unreachable", None]


def test_what_could_not_be_recorded_is_recorded_in_the_end(world: World) -> None:
    location = world.locations["primary"]
    refusals = [StowageError("throttled", "Slow down.")]

    def fault(operation: str, key: str) -> None:
        if operation == "create" and key == "workspaces/shop/runs/r1/prod/1.json" and refusals:
            raise refusals.pop()

    location.fault = fault
    done = world.run(part("shop"), part("whole"))
    assert [one["run"]["phase"] for one in done["backups"]] == ["Completed", "Completed"]
    assert world.records("shop")[0]["backup"] == done["backups"][0]["backup"]["name"]
    assert not world.run(part("shop"), part("whole"))["changed"]


def test_a_prediction_writes_nothing(world: World) -> None:
    done = world.run(part("shop"), part("whole"), check=True, diff=True)
    assert done["changed"]
    assert len(done["diff"]) == 2
    assert not list(world.locations["primary"].list(""))


@pytest.mark.parametrize(
    "given", [{}, {"workspace": "shop", "run": "r1"}, part("a/b"), part("shop", run="../x"), part("shop", run=None)]
)
def test_what_names_no_run_is_refused_before_anything(world: World, given: Tree) -> None:
    with pytest.raises(StowageError) as caught:
        world.run(part("whole"), given)
    assert caught.value.code in ("invalid_option", "invalid_name")
    assert not world.opened


def test_a_task_that_is_asked_to_stop_begins_no_other_backup(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress()

    def present(*_parts: t.Any) -> Tree:
        progress.stop("SIGTERM")
        raise StowageError("interrupted", "It was asked to stop.")

    monkeypatch.setattr(workspaces, "present", present)
    params = {**SAME, "backups": [part("shop"), part("whole")]}
    task = Task(params, False, False, {}, progress, world.warnings.append, lambda _values: None)
    with pytest.raises(StowageError) as caught:
        workspaces.back_up_workspaces(task)
    assert caught.value.code == "interrupted"
    assert not world.records("whole")
