# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The runs that a location holds are told, also those that make no sense."""

from __future__ import annotations

import contextlib
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import run_info, run_task, runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Expected, Record, RunPaths
from support.memory_location import MemoryLocation

Result = dict[str, t.Any]
DEFAULTS: t.Final[Result] = {
    "workspace": None,
    "run": None,
    "excluded_clusters": [],
    "newest": 20,
    "allow_partial": False,
}


class World:
    """A location with runs, and the modules about them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.location = MemoryLocation()
        self.warnings: list[str] = []
        for module in (run_info, run_task):
            monkeypatch.setattr(module, "reach_location", lambda _task: contextlib.nullcontext(self.location))

    def begin(self, workspace: str, run: str, *clusters: str, done: t.Sequence[str] = ()) -> None:
        paths = RunPaths(workspace, run)
        when = self.location.now()
        self.location.create(paths.expected, runs.write_expected(paths, Expected(clusters, when, "Team")))
        for cluster in done:
            record = Record(cluster=cluster, phase="Completed", attempt=1, written=when, backup=f"b-{run}", made=True)
            self.location.create(paths.record(cluster, 1), record.to_json(paths, "m"))

    def task(self, params: Result, *, check: bool = False) -> Task:
        return Task(
            params=params,
            check=check,
            diff=True,
            environ={},
            progress=Progress(),
            warn=self.warnings.append,
            hide=lambda _values: None,
        )

    def look(self, **params: t.Any) -> list[Result]:
        found: list[Result] = run_info.describe_runs(self.task({**DEFAULTS, **params}))["runs"]
        return found

    def remove(self, run: str, *, check: bool = False) -> Result:
        params = {"workspace": "shop", "run": run, "state": "absent", "cluster": None}
        return run_task.run_workspace(self.task(params, check=check))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(monkeypatch)
    made.begin("shop", "1", "a", "b", done=["a", "b"])
    made.begin("shop", "2", "a", "b", done=["a"])
    made.begin("prod", "1", "a")
    return made


def test_each_run_says_how_it_went_and_who_is_missing(world: World) -> None:
    found = {(one["workspace"], one["name"]): one for one in world.look()}
    assert {key: one["phase"] for key, one in found.items()} == {
        ("shop", "1"): "Completed",
        ("shop", "2"): "PartiallyFailed",
        ("prod", "1"): "Failed",
    }
    assert (found["shop", "2"]["missing"], found["shop", "2"]["failed"]) == (["b"], [])
    assert found["shop", "2"]["owner"] == "Team"
    assert [one["name"] for one in world.look(workspace="shop", newest=1)] == ["2"]
    assert "clusters" not in found["shop", "1"]


def test_one_run_has_its_clusters(world: World) -> None:
    (one,) = world.look(workspace="shop", run="2")
    assert [(each["cluster"], each["phase"], each["backup"]) for each in one["clusters"]] == [
        ("a", "Completed", "b-2"),
        ("b", "Missing", ""),
    ]


def test_clusters_that_are_left_out_are_counted_and_give_way_to_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_info, "_MOST_CLUSTERS", 1)
    (one,) = world.look(workspace="shop", run="2", excluded_clusters=["a", "z"])
    assert ([each["cluster"] for each in one["clusters"]], one["clusters_count"]) == (["b"], 2)


def test_what_is_not_there_is_said(world: World) -> None:
    assert world.look(workspace="shup") == []
    assert "Did you mean shop?" in world.warnings[0]
    assert world.look(workspace="nope") == []
    assert world.warnings[1].endswith(" has no runs of nope. It has: prod, shop.")
    for params, code in (
        ({"workspace": "shop", "run": "3"}, "run_not_found"),
        ({"run": "3"}, "invalid_option"),
        ({"newest": 0}, "invalid_option"),
        ({"workspace": "../x"}, "invalid_name"),
    ):
        with pytest.raises(StowageError) as caught:
            world.look(**params)
        assert caught.value.code == code


def test_what_makes_no_sense_is_a_run_that_nothing_is_known_of(world: World) -> None:
    world.location.objects["workspaces/shop/runs/1/expected.json"] = b"[" * 100_000
    world.location.create("workspaces/shop/runs/9/a/1.json", b"{}")
    world.location.create("workspaces/shop/runs/.x/expected.json", b"{}")
    found = {one["name"]: one for one in world.look(workspace="shop")}
    assert (found["1"]["phase"], found["9"]["phase"]) == ("Unknown", "Unknown")
    assert "makes no sense" in found["1"]["message"]
    assert "never begun" in found["9"]["message"]
    assert found["2"]["phase"] == "PartiallyFailed"
    assert ".x" not in found


def test_made_up_runs_hide_no_real_one(world: World) -> None:
    for number in range(100, 130):
        world.location.create(f"workspaces/shop/runs/{number}/a/1.json", b"{}")
    for newest, expected in ((2, ["1", "2"]), (4, ["128", "129", "1", "2"])):
        assert [one["name"] for one in world.look(workspace="shop", newest=newest)] == expected
    assert [one["begun"] for one in world.look(workspace="shop", newest=3)] == [False, True, True]
    result = run_info.describe_runs(world.task(DEFAULTS))
    assert (result["total"], result["not_begun_count"]) == (3, 30)
    with pytest.raises(StowageError) as caught:
        world.look(workspace="shop", run="777")
    assert caught.value.hint == "The newest is 2."


def test_no_workspace_s_made_up_runs_push_out_another_s(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_info, "_MOST_RUNS", 5)
    for number in range(100, 105):
        world.location.create(f"workspaces/evil/runs/{number}/a/1.json", b"{}")
    names = [(one["workspace"], one["name"]) for one in world.look(newest=5)]
    assert set(names[-3:]) == {("shop", "1"), ("shop", "2"), ("prod", "1")}
    assert len(names) == 5


def test_what_is_written_about_a_run_goes_and_nothing_else(world: World) -> None:
    before = dict(world.location.objects)
    planned = world.remove("2", check=True)
    assert (planned["changed"], world.location.objects) == (True, before)
    world.location.log.clear()
    assert world.remove("2") == planned
    assert set(before) - set(world.location.objects) == {
        "workspaces/shop/runs/2/expected.json",
        "workspaces/shop/runs/2/a/1.json",
    }
    first = next(key for operation, key in world.location.log if operation == "delete")
    assert first.endswith("expected.json"), "without it there is no run, whatever happens to the rest"
    assert not world.remove("2")["changed"]


def test_a_run_without_its_workspace_is_told_which_option_is_missing(world: World) -> None:
    with pytest.raises(StowageError) as caught:
        world.look(run="1")
    assert "-e stowage_workspace=... with stowage_run" in caught.value.hint


def test_where_there_is_nothing_that_is_said(world: World) -> None:
    world.location = MemoryLocation()
    assert world.look(workspace="nope") == []
    assert world.warnings[0].endswith(" has no runs of nope. It has none of any workspace.")
