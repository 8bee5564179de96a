# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module backup_info: lists, describes one, compares two."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect import info
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.modules import backup_info
from support.archives import CONFIG_MAPS, make_backup, make_item
from support.memory_location import MemoryLocation

UNSET: t.Final[dict[str, t.Any]] = {
    name: option.get("default") for name, option in merge(LOCATION, backup_info.ARGUMENTS).items()
}


@dataclasses.dataclass
class World:
    """A location, and the module in front of it."""

    location: MemoryLocation = dataclasses.field(default_factory=MemoryLocation)
    warnings: list[str] = dataclasses.field(default_factory=list)

    def backup(self, name: str, *values: str, cluster: str = "east", **options: t.Any) -> None:
        objects = [(CONFIG_MAPS, make_item(CONFIG_MAPS, "a", value[0], data=value)) for value in sorted(values)]
        make_backup(self.location, objects, paths=BackupPaths(cluster, name), **options)

    def run(self, **params: t.Any) -> dict[str, t.Any]:
        task = Task(
            params={**UNSET, **params},
            check=False,
            diff=False,
            environ={},
            progress=Progress(),
            warn=self.warnings.append,
            hide=lambda _values: None,
        )
        result = info.describe_backups(task)
        json.dumps(result)
        return result

    def refused(self, **params: t.Any) -> StowageError:
        with pytest.raises(StowageError) as caught:
            self.run(**params)
        return caught.value


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(info, "reach_location", lambda _task: contextlib.nullcontext(world.location))
    return world


def test_a_cluster_that_is_not_there_is_no_empty_list_without_a_word(world: World) -> None:
    world.backup("old", "a1")
    assert world.run(cluster="west")["backups"] == []
    assert world.warnings == [f"{world.location.describe()} has no folder of a cluster west. It has: east."]


def test_two_backups_are_compared(world: World) -> None:
    world.backup("old", "a1", "b1", "c1")
    world.backup("new", "b2", "c1", "d1", "e1")
    result = world.run(cluster="east", name="new", compare_with="old")
    assert [one["name"] for one in result["backups"]] == ["new"]
    found = result["comparison"]
    assert found["counts"] == {"added": 2, "removed": 1, "changed": 1, "unchanged": 1}
    assert [one["name"] for one in found["added"]] == ["d", "e"]
    assert found["removed"] == [{"resource": "configmaps", "namespace": "a", "name": "a"}]
    assert [one["name"] for one in found["changed"]] == ["b"]
    assert {name: found[name] for name in ("name", "cluster", "compare_with", "compare_with_cluster")} == {
        "name": "new",
        "cluster": "east",
        "compare_with": "old",
        "compare_with_cluster": "east",
    }
    assert found["compare_by"] == "content"
    assert not found["equal"]
    assert world.warnings == []


def test_backups_of_two_clusters_are_compared_with_a_warning(world: World) -> None:
    world.backup("one", "a1")
    world.backup("one", "a1", cluster="west", cluster_uid="uid-of-west")
    result = world.run(cluster="west", name="one", compare_with="one", compare_with_cluster="east", compare_by="bytes")
    found = result["comparison"]
    assert found["equal"]
    assert (found["cluster"], found["compare_with_cluster"], found["compare_by"]) == ("west", "east", "bytes")
    assert world.warnings == found["notes"] == ["The backups are of different clusters."]


def test_a_backup_equals_itself(world: World) -> None:
    world.backup("one", "a1")
    assert world.run(cluster="east", name="one", compare_with="one")["comparison"]["equal"]


def test_there_is_no_comparison_without_being_asked_for(world: World) -> None:
    world.backup("one", "a1")
    assert "comparison" not in world.run(cluster="east", name="one")
    assert "comparison" not in world.run(cluster="east")


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"name": "x"}, "name needs cluster."),
        ({"cluster": "east", "compare_with": "x"}, "compare_with needs name."),
        ({"cluster": "east", "name": "x", "compare_with_cluster": "y"}, "compare_with_cluster needs compare_with."),
    ],
)
def test_options_that_need_others(world: World, params: dict[str, t.Any], says: str) -> None:
    error = world.refused(**params)
    assert (error.code, error.message) == ("invalid_option", says)
    assert error.hint
    assert world.location.calls == {}


def test_a_backup_that_is_not_there_is_named(world: World) -> None:
    world.backup("one")
    for name, other in (("one", "none"), ("none", "one")):
        error = world.refused(cluster="east", name=name, compare_with=other)
        assert error.code == "backup_not_found"
        assert "no backup none of east" in error.message
    error = world.refused(cluster="east", name="one", compare_with="../escape")
    assert error.code == "invalid_name"


def test_a_missing_permission_is_said(world: World) -> None:
    world.backup("one", "a1")

    def fault(operation: str, key: str) -> None:
        if operation == "read_range":
            raise StowageError("permission_denied", "Not you.")

    world.location.fault = fault
    assert world.refused(cluster="east", name="one", compare_with="one").code == "permission_denied"
