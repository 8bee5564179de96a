# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Namespaces and definitions come first, also those that custom resources own."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from support import fake_cluster
from support.fake_cluster import CONFIGMAPS, CRDS, NAMESPACES, PODS
from support.fake_restores import Archived, Done, Stage, archived, definition

Tree = dict[str, t.Any]
TENANTS: t.Final = fake_cluster.kind("tenants.capsule.example.com", "Tenant", namespaced=False)
XRDS: t.Final = fake_cluster.kind("compositions.crossplane.example.com", "Composition", namespaced=False)
SETS: t.Final = fake_cluster.kind("statefulsets.apps", "StatefulSet")
DATABASES: t.Final = fake_cluster.kind("databases.example.org", "Database")


@pytest.fixture
def stage(tmp_path: pathlib.Path) -> Stage:
    return Stage(tmp_path)


def owned_namespace() -> list[Archived]:
    labels = {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    return [
        definition(TENANTS),
        archived(TENANTS, "oil"),
        archived(NAMESPACES, "oil-prod", owners=[(TENANTS, "oil")], metadata=labels),
        archived(CONFIGMAPS, "x", "oil-prod", data={"a": "b"}),
    ]


def owner_uids(stage: Stage, of: Kind, name: str) -> list[str]:
    found = stage.cluster.find(of, name)
    assert found is not None
    return [one["uid"] for one in found["metadata"].get("ownerReferences", ())]


def uid(stage: Stage, of: Kind, name: str) -> str:
    found = stage.cluster.find(of, name)
    assert found is not None
    return str(found["metadata"]["uid"])


def notes(done: Done) -> list[str]:
    return [line["reason"] for line in done.lines if "reason" in line]


def test_an_owned_namespace_comes_as_captured_and_gets_its_owner_later(stage: Stage) -> None:
    done = stage.restore(*owned_namespace())
    assert set(done.fates().values()) == {"created"}
    assert notes(done) == []
    found = stage.cluster.find(NAMESPACES, "oil-prod")
    assert found is not None
    assert found["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert owner_uids(stage, NAMESPACES, "oil-prod") == [uid(stage, TENANTS, "oil")]
    again = stage.restore(*owned_namespace())
    assert set(again.fates().values()) == {"unchanged"}


def test_a_plan_of_it_is_an_assumption(stage: Stage) -> None:
    done = stage.restore(*owned_namespace(), check=True)
    assert set(done.fates().values()) == {"created"}
    assert done.line("namespaces", "oil-prod")["known"] == "assumed"


def test_an_owner_that_does_not_come_is_dropped_and_said(stage: Stage) -> None:
    def refuse(method: str, path: str, _query: Tree) -> None:
        if method == "POST" and path.endswith("/tenants"):
            raise fake_cluster.failure(422, "Invalid", "no such tenant")

    stage.cluster.hook = refuse
    done = stage.restore(*owned_namespace())
    assert owner_uids(stage, NAMESPACES, "oil-prod") == []
    assert done.line("namespaces", "oil-prod")["reason"] == "owner Tenant oil could not be restored"
    assert done.fates()["configmaps/x"] == "created"


def test_a_namespace_without_its_owner_differs_and_is_given_it_by_an_update(stage: Stage) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    stage.cluster.add(NAMESPACES, "oil-prod", labels=labels)
    left = stage.restore(*owned_namespace())
    assert left.line("namespaces", "oil-prod")["paths"] == ["metadata.ownerReferences"]
    assert left.fates()["namespaces/oil-prod"] == "differs"
    stage.cluster.remove(TENANTS, "oil")
    done = stage.restore(*owned_namespace(), existing_resource_policy="update")
    assert done.fates()["namespaces/oil-prod"] == "updated"
    assert owner_uids(stage, NAMESPACES, "oil-prod") == [uid(stage, TENANTS, "oil")]


def test_what_cannot_be_given_its_owner_says_so(stage: Stage) -> None:
    def refuse(method: str, path: str, _query: Tree) -> None:
        if (method, path) == ("PATCH", "/api/v1/namespaces/oil-prod"):
            raise fake_cluster.failure(403, "Forbidden", "not you")

    stage.cluster.hook = refuse
    line = stage.restore(*owned_namespace()).line("namespaces", "oil-prod")
    assert line["reason"] == "its owners could not be put back (403 Forbidden)"
    assert line["warning"]


def owned_definition() -> list[Archived]:
    return [
        definition(XRDS),
        definition(DATABASES, owners=[(XRDS, "databases.example.org")]),
        archived(XRDS, "databases.example.org"),
        archived(NAMESPACES, "shop"),
        archived(DATABASES, "main", "shop"),
    ]


def test_an_owned_definition_comes_before_its_custom_resources(stage: Stage) -> None:
    done = stage.restore(*owned_definition())
    assert done.result.phase == "Completed", done.lines
    assert set(done.fates().values()) == {"created"}
    assert owner_uids(stage, CRDS, "databases.example.org") == [uid(stage, XRDS, "databases.example.org")]


def test_a_definition_that_is_refused_at_first_is_waited_for(stage: Stage) -> None:
    refusals: list[str] = []

    def refuse(method: str, path: str, _query: Tree) -> None:
        if method == "POST" and path.endswith("/customresourcedefinitions") and len(refusals) < 2:
            refusals.append(path)
            raise fake_cluster.failure(500, "InternalError", 'failed calling webhook "x": no endpoints')

    stage.cluster.hook = refuse
    done = stage.restore(*owned_definition())
    assert len(refusals) == 2
    assert set(done.fates().values()) == {"created"}, done.lines


@pytest.mark.parametrize("kind", [CONFIGMAPS, PODS])
def test_an_owner_that_is_being_deleted_is_none(stage: Stage, kind: Kind) -> None:
    """The garbage collector would delete the dependent with it."""
    stage.cluster.kinds.append(SETS)
    going = {"uid": "going", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x"]}
    stage.cluster.put(SETS, {"metadata": {"name": "o", "namespace": "n", **going}})
    done = stage.restore(archived(kind, "y", "n", owners=[(SETS, "o")]))
    line = done.line(kind.resource, "y")
    assert line["action"] == "created"
    assert "owner StatefulSet o" in line["reason"]
    found = stage.cluster.find(kind, "y", "n")
    assert found is not None
    assert "ownerReferences" not in found["metadata"]


def test_what_waits_for_its_owner_is_reported_also_when_the_restore_ends_early(stage: Stage) -> None:
    def lose(method: str, path: str, _query: Tree) -> None:
        if (method, path) == ("PATCH", "/api/v1/namespaces/oil-prod"):
            raise StowageError("cluster_tls_untrusted", "It is another server by now.")

    stage.cluster.hook = lose
    done = stage.restore(*owned_namespace())
    assert done.result.error["error_code"] == "cluster_tls_untrusted"
    line = done.line("namespaces", "oil-prod")
    assert (line["action"], line["reason"]) == ("created", "its owners were not put back")


SHOP: t.Final = {
    "apiVersion": "example.com/v1",
    "kind": "Shop",
    "name": "shop",
    "uid": "uid-of-shop",
    "controller": True,
}


def controlled(of: Kind, name: str, space: str) -> Archived:
    """An object that Tenant ``oil`` controls."""
    owner = {"apiVersion": TENANTS.api_version, "kind": TENANTS.kind, "name": "oil", "uid": "old-tenants-oil"}
    return archived(of, name, space, metadata={"ownerReferences": [{**owner, "controller": True}]})


@pytest.mark.parametrize("of", [CONFIGMAPS, NAMESPACES], ids=["before it", "late"])
def test_an_object_that_another_controller_has_taken_over_stays_with_it(stage: Stage, of: Kind) -> None:
    """The API server takes one controller alone."""
    stage.cluster.add(NAMESPACES, "oil-prod")
    space = "oil-prod" if of is CONFIGMAPS else ""
    name = "oil-prod" if of is NAMESPACES else "x"
    metadata = {"name": name, "ownerReferences": [SHOP]} | ({"namespace": space} if space else {})
    stage.cluster.put(of, {"metadata": metadata})
    objects = [definition(TENANTS), archived(TENANTS, "oil"), archived(NAMESPACES, "oil-prod")]
    objects = [pair for pair in objects if pair[0] is not of] + [controlled(of, name, space)]
    done = stage.restore(*objects, existing_resource_policy="update")
    assert done.result.phase == "Completed"
    assert done.line(of.resource, name)["action"] == "updated"
    found = stage.cluster.find(of, name, space)
    assert found is not None
    flags = {one["kind"]: one.get("controller") for one in found["metadata"]["ownerReferences"]}
    assert flags == {"Shop": True, "Tenant": None}
    again = stage.restore(*objects, existing_resource_policy="update")
    assert (again.line(of.resource, name)["action"], again.writes) == ("unchanged", [])
