# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which namespaces a restore makes and changes."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import waits
from support import fake_cluster
from support.fake_cluster import ACCOUNTS, CONFIGMAPS, NAMESPACES
from support.fake_restores import Archived, Stage, archived

Tree = dict[str, t.Any]
ENFORCE: t.Final = "pod-security.kubernetes.io/enforce"


@pytest.fixture
def stage(tmp_path: pathlib.Path) -> Stage:
    return Stage(tmp_path)


def namespace(name: str, **labels: str) -> Archived:
    return archived(NAMESPACES, name, metadata={"labels": labels})


def config(name: str, inside: str, **labels: str) -> Archived:
    return archived(CONFIGMAPS, name, inside, data={"a": "b"}, metadata={"labels": labels})


def names(stage: Stage) -> set[str]:
    return {name.decode() for name in stage.cluster.state(NAMESPACES)} - {"kube-system"}


@pytest.mark.parametrize(
    "selection",
    [
        {"included_resources": ["configmaps"]},
        {"excluded_resources": ["namespaces"]},
        {"label_selector": "app=x"},
        {"label_selector": "app=x", "included_namespaces": ["n"]},
    ],
)
@pytest.mark.parametrize("policy", ["none", "update"])
def test_a_namespace_that_is_not_selected_stays_as_it_is(
    stage: Stage, selection: Tree, policy: t.Literal["none", "update"]
) -> None:
    stage.cluster.add(NAMESPACES, "n", labels={ENFORCE: "restricted"})
    objects = (namespace("n", **{ENFORCE: "privileged"}), config("y", "n", app="x"))
    done = stage.restore(*objects, selection=selection, existing_resource_policy=policy)
    assert [path for _method, path, _body in done.writes] == ["/api/v1/namespaces/n/configmaps"]
    assert done.fates() == {"configmaps/y": "created"}


@pytest.mark.parametrize("selection", [{}, {"included_namespaces": ["n"]}, {"label_selector": "app=x"}])
def test_a_selected_namespace_changes_if_that_is_asked_for(stage: Stage, selection: Tree) -> None:
    stage.cluster.add(NAMESPACES, "n", labels={ENFORCE: "restricted"})
    labels = {ENFORCE: "privileged", "app": "x"}
    left = stage.restore(namespace("n", **labels), selection=selection)
    assert (left.fates(), left.writes) == ({"namespaces/n": "differs"}, [])
    done = stage.restore(namespace("n", **labels), selection=selection, existing_resource_policy="update")
    assert done.fates() == {"namespaces/n": "updated"}
    assert stage.cluster.state(NAMESPACES)[b"n"]["metadata"]["labels"] == labels


@pytest.mark.parametrize("check", [True, False])
def test_labels_bring_only_the_namespaces_that_they_or_their_objects_need(stage: Stage, check: bool) -> None:
    objects = [namespace(name, team=name) for name in ("used", "unused")]
    objects += [namespace("selected", app="x"), config("y", "used", app="x"), config("z", "unused")]
    done = stage.restore(*objects, config("w", "bare", app="x"), selection={"label_selector": "app=x"}, check=check)
    assert done.fates() == {
        "namespaces/selected": "created",
        "namespaces/used": "created",
        "namespaces/bare": "created",
        "configmaps/y": "created",
        "configmaps/w": "created",
    }
    assert done.line("configmaps", "y")["known"] == ("assumed" if check else "server")
    assert "bare" in done.line("namespaces", "bare")["reason"]
    assert "reason" not in done.line("namespaces", "used")
    if check:
        assert not done.writes
    else:
        assert names(stage) == {"selected", "used", "bare"}
        assert stage.cluster.state(NAMESPACES)[b"used"]["metadata"]["labels"] == {"team": "used"}


def test_objects_of_a_namespace_that_cannot_be_had_fail_at_once(stage: Stage) -> None:
    def refuse(method: str, path: str, _query: Tree) -> None:
        if (method, path) == ("POST", "/api/v1/namespaces"):
            raise fake_cluster.failure(403, "Forbidden", "no more namespaces")

    stage.cluster.hook = refuse
    objects = (namespace("n"), config("y", "n"), config("z", "n"), config("y", "bare"))
    done = stage.restore(*objects, selection={"included_resources": ["configmaps"]})
    assert set(done.fates().values()) == {"failed"}
    assert len(done.lines) == 5
    assert "no more namespaces" in done.line("namespaces", "n")["reason"]
    assert done.line("configmaps", "z")["reason"] == "its namespace n could not be created"


def test_a_namespace_that_is_being_deleted_is_waited_for_and_then_reported(stage: Stage) -> None:
    stage.cluster.put(NAMESPACES, {"metadata": {"name": "n", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    asked: list[str] = []

    def gone(method: str, path: str, _query: Tree) -> None:
        if (method, path) == ("GET", "/api/v1/namespaces/n"):
            asked.append(path)
            if len(asked) == 3:
                stage.cluster.remove(NAMESPACES, "n")

    stage.cluster.hook = gone
    done = stage.restore(config("y", "n"))
    assert done.fates() == {"namespaces/n": "created", "configmaps/y": "created"}
    assert done.result.counts["created"] == 2


def test_a_namespace_that_is_refused_for_now_holds_its_objects_back(stage: Stage) -> None:
    refusals: list[str] = []

    def refuse(method: str, path: str, _query: Tree) -> None:
        if (method, path) == ("POST", "/api/v1/namespaces") and len(refusals) < 2:
            refusals.append(path)
            raise fake_cluster.failure(500, "InternalError", 'failed calling webhook "x": no endpoints')

    stage.cluster.hook = refuse
    done = stage.restore(namespace("n"), config("y", "n"), selection={"included_resources": ["configmaps"]})
    assert done.fates() == {"namespaces/n": "created", "configmaps/y": "created"}
    assert len(refusals) == 2
    assert "reason" not in done.line("namespaces", "n")


def make_accounts(stage: Stage) -> None:
    """As the controller of service accounts does, a little late: when it is asked for the third time."""
    asked: list[str] = []

    def made(method: str, path: str, _query: Tree) -> None:
        if method != "GET" or not path.endswith("/serviceaccounts/default"):
            return
        asked.append(path)
        space = path.split("/")[-3]
        if asked.count(path) == 3 and space in names(stage):
            stage.cluster.add(ACCOUNTS, "default", space)

    stage.cluster.hook = made


@pytest.mark.parametrize("policy", ["none", "update"])
@pytest.mark.parametrize("selection", [{}, {"included_resources": ["serviceaccounts"]}])
def test_a_plan_tells_what_becomes_of_the_accounts_that_a_controller_makes(
    stage: Stage, selection: Tree, policy: t.Literal["none", "update"]
) -> None:
    objects = [
        *(namespace("bare"), namespace("pulls")),
        archived(ACCOUNTS, "default", "bare"),
        archived(ACCOUNTS, "default", "pulls", imagePullSecrets=[{"name": "registry"}]),
        archived(ACCOUNTS, "default", "lost", metadata={"labels": {"team": "a"}}),
        archived(ACCOUNTS, "robot", "bare"),
    ]
    make_accounts(stage)
    runs = [
        stage.restore(*objects, selection=selection, check=check, existing_resource_policy=policy)
        for check in (True, False)
    ]
    plan, done = (
        {(one["kind"], one.get("namespace"), one["name"]): one for one in run.lines if one["kind"] != "namespaces"}
        for run in runs
    )
    fates = {place: (one["action"], one.get("paths")) for place, one in done.items()}
    assert fates == {
        ("serviceaccounts", "bare", "default"): ("unchanged", None),
        ("serviceaccounts", "pulls", "default"): ("updated", ["imagePullSecrets"]),
        ("serviceaccounts", "lost", "default"): ("updated", ["metadata.labels"]),
        ("serviceaccounts", "bare", "robot"): ("created", None),
    }
    assert {place: (one["action"], one.get("paths")) for place, one in plan.items()} == fates
    assert {one["known"] for one in plan.values()} == {"assumed"}
    assert runs[0].result.counts == runs[1].result.counts


def test_an_account_that_no_controller_makes_is_created(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "MADE_SECONDS", 0.0)
    done = stage.restore(namespace("n"), archived(ACCOUNTS, "default", "n"))
    assert done.fates() == {"namespaces/n": "created", "serviceaccounts/default": "created"}
