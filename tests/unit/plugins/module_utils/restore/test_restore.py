# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole restores into a cluster in memory: what trouble with single requests does to them."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import PageTooLarge
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import compare, reset, update
from support import fake_cluster
from support.fake_cluster import CONFIGMAPS, NAMESPACES, SECRETS
from support.fake_restores import Archived, Stage, archived

Tree = dict[str, t.Any]


@pytest.fixture
def stage(tmp_path: pathlib.Path) -> Stage:
    found = Stage(tmp_path)
    found.cluster.add(NAMESPACES, "n")
    return found


def config(name: str, value: str = "a") -> Archived:
    return archived(CONFIGMAPS, name, "n", data={"value": value})


def test_a_restore_that_may_not_begin_leaves_no_diff(stage: Stage, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "diffs" / "diff"
    path.parent.mkdir()
    stage.cluster.allows = lambda verb, _resource, _namespace: verb in {"get", "list"}
    with pytest.raises(StowageError) as caught:
        stage.restore(config("x"), diff_path=str(path))
    assert caught.value.code == "cluster_forbidden"
    assert list(path.parent.iterdir()) == []
    stage.cluster.allows = lambda _verb, _resource, _namespace: True
    for name in "xy":
        stage.restore(config(name), diff_path=str(path))
        assert f'"name": "{name}"' in path.read_text()


@pytest.mark.parametrize(
    "problem",
    [
        PageTooLarge(1),
        fake_cluster.failure(500, "InternalError", "broken"),
        StowageError("cluster_api_error", "The list of configmaps is not what the API promises"),
    ],
)
def test_a_kind_that_cannot_be_listed_is_tried_object_by_object(stage: Stage, problem: Exception) -> None:
    stage.cluster.add(CONFIGMAPS, "there", "n", data={"value": "a"})

    def refuse(method: str, path: str, _query: Tree) -> None:
        if method == "GET" and path.endswith("/configmaps"):
            raise problem

    stage.cluster.hook = refuse
    done = stage.restore(config("there"), config("new"))
    assert done.fates() == {"configmaps/there": "unchanged", "configmaps/new": "created"}
    assert any("configmaps cannot be listed" in warning for warning in done.result.warnings)


def test_a_cluster_that_does_not_answer_ends_the_restore(stage: Stage) -> None:
    def lose(method: str, path: str, _query: Tree) -> None:
        if method == "GET" and path.endswith("/configmaps"):
            raise StowageError("cluster_unreachable", "It does not answer.")

    stage.cluster.hook = lose
    done = stage.restore(config("x"), config("y"))
    assert done.result.error["error_code"] == "cluster_unreachable"
    assert done.writes == []


def test_a_token_that_cannot_be_looked_at_fails_its_secret_alone(stage: Stage) -> None:
    def refuse(method: str, path: str, _query: Tree) -> None:
        if method == "GET" and path.endswith("/secrets/mine"):
            raise fake_cluster.failure(403, "Forbidden", "secrets is forbidden")

    stage.cluster.hook = refuse
    annotations = {"annotations": {"kubernetes.io/service-account.name": "robot"}}
    token = archived(SECRETS, "mine", "n", type="kubernetes.io/service-account-token", metadata=annotations)
    done = stage.restore(token, config("x"))
    assert done.result.error == {}
    line = done.line("secrets", "mine")
    assert (line["action"], line["code"]) == ("failed", "cluster_forbidden")
    assert "its token cannot be awaited" in line["reason"]
    assert done.fates()["configmaps/x"] == "created"


JOBS: t.Final = fake_cluster.kind("jobs.batch", "Job")


def test_an_object_of_another_form_than_its_kind_is_damage(stage: Stage) -> None:
    stage.cluster.kinds.append(JOBS)
    done = stage.restore(
        archived(NAMESPACES, "shop"),
        archived(JOBS, "j", "shop", status={"conditions": 5}),
        archived(CONFIGMAPS, "a", "shop"),
    )
    line = done.line(JOBS.resource, "j")
    assert (line["action"], line["code"]) == ("failed", "backup_damaged")
    assert line["reason"] == "The archived object has not the form that its kind has."
    assert done.fates()["configmaps/a"] == "created"


@pytest.mark.parametrize(
    ("room", "function", "damaged"),
    [(compare, "compare", False), (update, "replacement", False), (reset, "reset", True)],
)
def test_a_defect_of_ours_is_not_told_as_damage(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, room: t.Any, function: str, damaged: bool
) -> None:
    def fail(*_words: t.Any, **_named: t.Any) -> t.Any:
        raise TypeError("captured-data")

    objects = [archived(NAMESPACES, "shop"), archived(CONFIGMAPS, "a", "shop", data={"a": "b"})]
    stage.restore(*objects)
    stage.cluster.add(CONFIGMAPS, "a", "shop", data={"a": "c"})
    monkeypatch.setattr(room, function, fail)
    done = stage.restore(*objects, existing_resource_policy="update")
    line = done.line("configmaps", "a")
    assert (line["action"], line["code"]) == ("failed", "backup_damaged" if damaged else "internal_error")
    assert "captured-data" not in line["reason"]
    assert damaged or "TypeError at test_restore.py:" in line["reason"]
    assert done.result.phase == "PartiallyFailed"
