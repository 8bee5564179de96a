# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores that were ended between creating an object and putting its field managers back."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from support.fake_cluster import CONFIGMAPS, NAMESPACES
from support.fake_restores import Archived, Stage, archived

Tree = dict[str, t.Any]


def entry(manager: str, operation: str, subresource: str = "") -> Tree:
    found = {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": {"f:data": {}}}
    return found | ({"subresource": subresource} if subresource else {})


APPLIED: t.Final = entry("gitops", "Apply")


@pytest.fixture
def stage(tmp_path: pathlib.Path) -> Stage:
    found = Stage(tmp_path)
    found.cluster.add(NAMESPACES, "n")
    return found


def applied(namespace: str = "n") -> Archived:
    return archived(CONFIGMAPS, "x", namespace, data={"a": "b"}, metadata={"managedFields": [APPLIED]})


def put(stage: Stage, *managers: Tree, namespace: str = "n", value: str = "b") -> None:
    metadata = {"name": "x", "namespace": namespace, "managedFields": list(managers)}
    stage.cluster.put(CONFIGMAPS, {"metadata": metadata, "data": {"a": value}})


def managers(stage: Stage) -> list[tuple[str, str]]:
    found = stage.cluster.find(CONFIGMAPS, "x", "n")
    assert found is not None
    return [(one["manager"], one["operation"]) for one in found["metadata"]["managedFields"]]


@pytest.mark.parametrize("policy", ["none", "update"])
def test_a_half_written_object_gets_its_managers(stage: Stage, policy: t.Literal["none", "update"]) -> None:
    put(stage, entry("stowage", "Update"))
    plan = stage.restore(applied(), existing_resource_policy=policy, check=True)
    assert (plan.fates()["configmaps/x"], plan.writes) == ("updated", [])
    done = stage.restore(applied(), existing_resource_policy=policy)
    assert done.line("configmaps", "x")["reason"] == "its field managers are put back"
    assert managers(stage) == [("gitops", "Apply")]
    assert stage.restore(applied(), existing_resource_policy=policy).fates() == {"configmaps/x": "unchanged"}


@pytest.mark.parametrize(
    "there",
    [[APPLIED], [entry("stowage", "Update"), APPLIED], [entry("somebody", "Update")], [], [entry("a", "Apply")]],
)
def test_what_others_wrote_keeps_its_managers(stage: Stage, there: list[Tree]) -> None:
    put(stage, *there)
    done = stage.restore(applied())
    assert (done.fates(), done.writes) == ({"configmaps/x": "unchanged"}, [])


def test_what_differs_is_not_half_written(stage: Stage) -> None:
    put(stage, entry("stowage", "Update"), value="c")
    done = stage.restore(applied())
    assert (done.fates(), done.writes) == ({"configmaps/x": "differs"}, [])


def test_system_namespaces_are_left_alone(stage: Stage) -> None:
    put(stage, entry("stowage", "Update"), namespace="kube-system")
    done = stage.restore(applied("kube-system"))
    assert (done.fates(), done.writes) == ({"configmaps/x": "unchanged"}, [])
