# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hangs on definitions: custom resources are written once they are served as archived, with what the target keeps."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import waits
from support import fake_cluster
from support.fake_cluster import CRDS, NAMESPACES
from support.fake_restores import Archived, Stage, archived, definition

Document = dict[str, t.Any]
OLD: t.Final = fake_cluster.kind("gadgets.example.com", "Gadget", version="v1alpha1")
NEW: t.Final = fake_cluster.kind("gadgets.example.com", "Gadget")
DEFINED: t.Final = f"{CRDS.resource}/{NEW.resource}"
NAMES: t.Final = {"plural": NEW.plural, "kind": NEW.kind}


@pytest.fixture
def stage(tmp_path: pathlib.Path) -> Stage:
    """A cluster that serves the old version alone."""
    found = Stage(tmp_path)
    found.restore(definition(OLD))
    return found


def newer() -> Archived:
    _crds, item = definition(NEW)

    versions = [{"name": "v1", "served": True}, {"name": "v1alpha1", "served": True}, {"name": "v0", "served": False}]
    spec = {"group": NEW.group, "names": NAMES, "scope": "Namespaced", "versions": versions}
    return archived(CRDS, item.name, spec=spec)


def objects() -> list[Archived]:
    return [newer(), archived(NAMESPACES, "shop"), archived(NEW, "g", "shop", spec={"new": 1})]


def serve_late(stage: Stage, monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """Serve what a definition says only after discovery was asked so many times."""
    waiting: list[Document] = []
    serve, asked = stage.cluster.serve, 0

    def hook(_method: str, path: str, _query: dict[str, str]) -> None:
        nonlocal asked
        if path == "/apis" and waiting:
            asked += 1
            if asked > looks:
                serve(waiting.pop())

    stage.cluster.hook = hook
    monkeypatch.setattr(stage.cluster, "serve", waiting.append)


def test_an_updated_definition_is_waited_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_late(stage, monkeypatch, 3)
    done = stage.restore(*objects(), existing_resource_policy="update")
    assert (done.fates()[DEFINED], done.fates()["gadgets.example.com/g"]) == ("updated", "created")
    assert [path for _method, path, _body in done.writes][-1] == "/apis/example.com/v1/namespaces/shop/gadgets"
    assert done.result.warnings == []


def test_one_that_is_not_served_as_archived_in_time_is_an_error(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "ESTABLISHED_SECONDS", 0.01)
    serve_late(stage, monkeypatch, 1_000_000)
    done = stage.restore(*objects(), existing_resource_policy="update")
    assert done.result.errors == [f"CustomResourceDefinition {NEW.resource} is not established."]


def test_a_plan_takes_it_as_served(stage: Stage) -> None:
    """No word of the old version, which is not what the restore would use."""
    stage.cluster.put(OLD, {"metadata": {"name": "there", "namespace": "shop"}, "spec": {"new": 1}})
    stage.cluster.put(OLD, {"metadata": {"name": "other", "namespace": "shop"}, "spec": {"old": 1}})
    done = stage.restore(
        *objects(),
        archived(NEW, "there", "shop", spec={"new": 1}),
        archived(NEW, "other", "shop", spec={"new": 1}),
        existing_resource_policy="update",
        check=True,
    )
    assert done.fates() == {
        DEFINED: "updated",
        "namespaces/shop": "created",
        "gadgets.example.com/g": "created",
        "gadgets.example.com/there": "unchanged",
        "gadgets.example.com/other": "updated",
    }
    assert {line["known"] for line in done.lines if line["kind"] == NEW.resource} == {"assumed"}
    assert done.line(NEW.resource, "g")["reason"] == "its definition is only planned"
    assert done.result.warnings == []


def test_without_an_update_it_is_sent_under_the_old_version(stage: Stage) -> None:
    done = stage.restore(*objects())
    assert done.fates()[DEFINED] == "differs"
    assert "sent as example.com/v1alpha1" in done.line(NEW.resource, "g")["reason"]


def test_a_server_that_has_not_noticed_an_update_yet_drops_nothing(stage: Stage) -> None:
    """It would prune the fields that are new without a word: unknown ones are refused, and tried again."""
    refused: list[str] = []

    def hook(method: str, path: str, query: dict[str, str]) -> None:
        if method == "POST" and path.endswith("/gadgets"):
            assert query["fieldValidation"] == "Strict"
            if not refused:
                refused.append(path)
                raise fake_cluster.failure(400, "BadRequest", 'strict decoding error: unknown field "spec.new"')

    stage.cluster.hook = hook
    done = stage.restore(*objects(), existing_resource_policy="update")
    assert refused
    assert (done.result.phase, done.fates()["gadgets.example.com/g"]) == ("Completed", "created")


def ready(phase: str = "Ready") -> list[Archived]:
    return [archived(NAMESPACES, "shop"), archived(NEW, "g", "shop", spec={"a": 1}, status={"phase": phase})]


@pytest.mark.parametrize("subresource", [True, False])
def test_a_status_comes_back_where_it_is_a_field_like_any_other(stage: Stage, subresource: bool) -> None:
    """With a status subresource it is the controller's, and the server would not take it."""
    stage.cluster.serve({"spec": {"group": NEW.group, "names": NAMES, "versions": [{"name": "v1"}]}})
    if not subresource:
        stage.cluster.without_status.add(NEW.resource)
    done = stage.restore(*ready())
    (body,) = [body for method, _path, body in done.writes if (method, body["kind"]) == ("POST", "Gadget")]
    assert body.get("status") == (None if subresource else {"phase": "Ready"})


@pytest.mark.parametrize("policy", ["none", "update"])
def test_such_a_status_is_compared_and_updated(stage: Stage, policy: t.Literal["none", "update"]) -> None:
    stage.cluster.serve({"spec": {"group": NEW.group, "names": NAMES, "versions": [{"name": "v1"}]}})
    stage.cluster.without_status.add(NEW.resource)
    stage.restore(*ready())
    assert stage.restore(*ready(), existing_resource_policy=policy).line(NEW.resource, "g")["action"] == "unchanged"
    done = stage.restore(*ready("Failed"), existing_resource_policy=policy)
    line = done.line(NEW.resource, "g")
    assert line["action"] == ("updated" if policy == "update" else "differs")
    assert line["paths"] == ["status.phase"]
    now = stage.cluster.find(NEW, "g", "shop")
    assert now is not None
    assert now["status"] == {"phase": "Failed" if policy == "update" else "Ready"}
