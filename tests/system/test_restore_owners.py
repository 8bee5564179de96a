# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Owners, and what controllers make, against real controllers."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from support.restores import Bench, fates, in_namespace, line_of
from testbed import ApiError
from testbed.process import wait_until

if t.TYPE_CHECKING:
    from testbed import Api, Cluster

Tree = dict[str, t.Any]


@pytest.fixture
def bench(cluster: t.Callable[[str], Cluster], tmp_path: pathlib.Path) -> Bench:
    return Bench(cluster("restore"), tmp_path)


def namespace(api: Api, name: str) -> str:
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    wait_until(lambda: api.find("v1", "ServiceAccount", "default", name) is not None, seconds=60, what="an account")
    return name


def remove_namespace(api: Api, name: str) -> None:
    remove(api, "v1", "Namespace", name)


def remove(api: Api, api_version: str, kind: str, name: str) -> None:
    api.delete(api_version, kind, name)
    wait_until(lambda: api.find(api_version, kind, name) is None, seconds=60, what=f"{kind} {name} is gone")


def config_map(space: str, name: str, *owners: Tree, **metadata: t.Any) -> Tree:
    references = [
        {
            "apiVersion": one["apiVersion"],
            "kind": one["kind"],
            "name": one["metadata"]["name"],
            "uid": one["metadata"]["uid"],
        }
        for one in owners
    ]
    found = {"name": name, "namespace": space, **metadata, **({"ownerReferences": references} if references else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": found, "data": {"a": "1"}}


def owner_uids(api: Api, kind: str, name: str, space: str, api_version: str = "v1") -> list[str]:
    found = api.get(api_version, kind, name, space)
    return [one["uid"] for one in found["metadata"].get("ownerReferences", [])]


def deployment(space: str, image: str = "a") -> Tree:
    labels = {"app": "web"}
    pods = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": f"registry.example.com/{image}"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": space},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": pods},
    }


def replica_sets(api: Api, space: str) -> dict[str, Tree]:
    """Image -> ReplicaSet."""
    found = api.list("apps/v1", "ReplicaSet", space)
    items = found
    return {one["spec"]["template"]["spec"]["containers"][0]["image"].rpartition("/")[2]: one for one in items}


def test_owners_come_before_what_they_own_and_lend_their_new_uids(bench: Bench) -> None:
    """A chain against the order of kinds and of names: Service, owned by ConfigMap z, owned by ConfigMap a's Secret …"""
    api, space = bench.cluster.api, namespace(bench.cluster.api, "chain")
    policy = api.create(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "root", "namespace": space},
            "spec": {"podSelector": {}},
        }
    )
    late = api.create(config_map(space, "z-owner", policy))
    api.create(config_map(space, "a-owned", late))
    secret = config_map(space, "owned", late, policy)
    api.create({**secret, "kind": "Secret", "data": {}})
    record = bench.backup(in_namespace(space))
    remove_namespace(api, space)
    done = bench.restore(record)
    assert done.phase == "Completed", done
    assert not done.warnings
    root = api.get("networking.k8s.io/v1", "NetworkPolicy", "root", space)["metadata"]["uid"]
    middle = api.get("v1", "ConfigMap", "z-owner", space)["metadata"]["uid"]
    assert owner_uids(api, "ConfigMap", "z-owner", space) == [root]
    assert owner_uids(api, "ConfigMap", "a-owned", space) == [middle]
    assert owner_uids(api, "Secret", "owned", space) == [middle, root]
    assert not bench.restore(record).changed


def test_an_owner_that_is_neither_restored_nor_there_is_dropped_and_said(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "dropped")
    owner = api.create(config_map(space, "owner"))
    api.create(config_map(space, "owned", owner))
    record = bench.backup(lambda kind, item: in_namespace(space)(kind, item) and item.name != "owner")
    remove_namespace(api, space)
    done = bench.restore(record)
    line = line_of(done, "configmaps", "owned")
    assert line["action"] == "created"
    assert line["warning"]
    assert "ConfigMap owner is neither restored nor in the cluster" in line["reason"]
    assert owner_uids(api, "ConfigMap", "owned", space) == []


def test_an_owner_that_is_there_under_another_uid_is_used(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "adopted")
    owner = api.create(config_map(space, "owner"))
    api.create(config_map(space, "owned", owner))
    record = bench.backup(lambda kind, item: in_namespace(space)(kind, item) and item.name != "owner")
    remove_namespace(api, space)
    namespace(api, space)
    again = api.create(config_map(space, "owner"))
    bench.restore(record)
    assert owner_uids(api, "ConfigMap", "owned", space) == [again["metadata"]["uid"]]


def test_another_controller_that_has_taken_an_object_over_keeps_it(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "taken")
    owners = [api.create(config_map(space, name)) for name in ("first", "second")]
    first, second = (
        {"ownerReferences": [{**config_map(space, "x", one)["metadata"]["ownerReferences"][0], "controller": True}]}
        for one in owners
    )
    api.create(config_map(space, "owned", **first))
    record = bench.backup(in_namespace(space))
    api.merge_patch("v1", "ConfigMap", "owned", {"metadata": second, "data": {"a": "2"}}, namespace=space)
    plan = bench.restore(record, existing_resource_policy="update", check=True)
    done = bench.restore(record, existing_resource_policy="update")
    assert done.phase == "Completed", done
    assert fates(done) == fates(plan)
    found = api.get("v1", "ConfigMap", "owned", space)
    assert found["data"] == {"a": "1"}
    flags = {one["name"]: one.get("controller", False) for one in found["metadata"]["ownerReferences"]}
    assert flags == {"first": False, "second": True}
    assert not bench.restore(record, existing_resource_policy="update").changed


def test_workloads_make_their_dependents_and_get_their_history_back(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "rollout")
    api.create(deployment(space, "one"))
    wait_until(lambda: "one" in replica_sets(api, space), seconds=60, what="the first ReplicaSet")
    api.merge_patch("apps/v1", "Deployment", "web", {"spec": deployment(space, "two")["spec"]}, namespace=space)

    def rolled_out() -> bool:
        made = api.list("v1", "Pod", space)
        pods = made
        return "two" in replica_sets(api, space) and len(pods) >= 2

    wait_until(rolled_out, seconds=60, what="the second ReplicaSet and its pods")
    old = replica_sets(api, space)
    record = bench.backup(in_namespace(space))
    remove_namespace(api, space)
    done = bench.restore(record)
    assert done.phase == "Completed", done
    found = fates(done)
    assert found[f"replicasets.apps/{old['two']['metadata']['name']}"] == "left_to_controller"
    assert found[f"replicasets.apps/{old['one']['metadata']['name']}"] == "created"
    assert {action for key, action in found.items() if key.startswith("pods/")} == {"left_to_controller"}
    uid = api.get("apps/v1", "Deployment", "web", space)["metadata"]["uid"]

    def settled() -> bool:
        now = replica_sets(api, space)
        revisions = {
            image: one["metadata"]["annotations"].get("deployment.kubernetes.io/revision") for image, one in now.items()
        }
        return revisions == {"one": "1", "two": "2"}

    wait_until(settled, seconds=60, what="both ReplicaSets with their revisions")
    for one in replica_sets(api, space).values():
        assert [owner["uid"] for owner in one["metadata"]["ownerReferences"]] == [uid]
    again = bench.restore(record)
    assert not again.changed, again.objects
    assert not again.counts["differs"], again.objects


def test_pods_alone_are_restored_and_pods_of_an_absent_workload_too(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "pods-alone")
    api.create(deployment(space))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone", "namespace": space}}
    api.create({**pod, "spec": {"containers": [{"name": "c", "image": "registry.example.com/a"}]}})

    def pods() -> list[str]:
        made = api.list("v1", "Pod", space)
        return [one["metadata"]["name"] for one in (made)]

    wait_until(lambda: len(pods()) == 3, seconds=60, what="the pods")
    record = bench.backup(in_namespace(space))
    owned = [name for name in pods() if name != "alone"]
    remove_namespace(api, space)
    done = bench.restore(record, selection={"included_resources": ["pods", "namespaces", "serviceaccounts"]})
    assert done.phase == "Completed", done
    assert sorted(pods()) == sorted([*owned, "alone"])
    assert "is neither restored nor in the cluster" in line_of(done, "pods", owned[0])["reason"]
    assert not bench.restore(record, selection={"included_resources": ["pods"]}).changed


def test_endpoints_and_slices_are_restored_by_maker(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "endpoints")
    ports = [{"name": "http", "port": 80}]
    for name, selector in (("managed", {"app": "x"}), ("by-hand", None)):
        spec = {"ports": ports, **({"selector": selector} if selector else {})}
        api.create(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": space}, "spec": spec}
        )
    subsets = [{"addresses": [{"ip": "192.0.2.7"}], "ports": [{"name": "http", "port": 8080}]}]
    api.create(
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "by-hand", "namespace": space},
            "subsets": subsets,
        }
    )
    labels = {"kubernetes.io/service-name": "by-hand", "endpointslice.kubernetes.io/managed-by": "me.example.com"}
    api.create(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "mine", "namespace": space, "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.8"]}],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        }
    )

    def made() -> bool:
        slices = api.list("discovery.k8s.io/v1", "EndpointSlice", space)
        return len(slices) == 3 and bool(api.find("v1", "Endpoints", "managed", space))

    wait_until(made, seconds=60, what="the controllers' endpoints")
    record = bench.backup(in_namespace(space))
    remove_namespace(api, space)
    done = bench.restore(record)
    assert fates(done, "endpoints") == {"endpoints/managed": "left_to_controller", "endpoints/by-hand": "created"}
    slices = fates(done, "endpointslices.discovery.k8s.io")
    assert slices.pop("endpointslices.discovery.k8s.io/mine") == "created"
    assert set(slices.values()) == {"left_to_controller"}
    wait_until(made, seconds=60, what="the controllers' endpoints again")
    assert api.get("v1", "Endpoints", "by-hand", space)["subsets"][0]["addresses"] == [{"ip": "192.0.2.7"}]


def test_a_claim_of_a_stateful_set_comes_before_it(bench: Bench) -> None:
    """Else its controller would make an empty one first."""
    api, space = bench.cluster.api, namespace(bench.cluster.api, "stateful")
    pods = {
        "metadata": {"labels": {"app": "db"}},
        "spec": {"containers": [{"name": "c", "image": "registry.example.com/a"}]},
    }
    template = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    api.create(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": space},
            "spec": {
                "serviceName": "db",
                "replicas": 1,
                "selector": {"matchLabels": {"app": "db"}},
                "template": pods,
                "volumeClaimTemplates": [template],
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
            },
        }
    )
    wait_until(
        lambda: bool(
            (api.find("v1", "PersistentVolumeClaim", "data-db-0", space) or {})
            .get("metadata", {})
            .get("ownerReferences")
        ),
        seconds=60,
        what="the claim",
    )
    api.merge_patch(
        "v1", "PersistentVolumeClaim", "data-db-0", {"metadata": {"labels": {"mine": "1"}}}, namespace=space
    )
    record = bench.backup(in_namespace(space))
    remove_namespace(api, space)
    done = bench.restore(record)
    assert done.phase == "Completed", done
    assert not done.warnings
    assert line_of(done, "persistentvolumeclaims", "data-db-0")["action"] == "created"
    assert api.get("v1", "PersistentVolumeClaim", "data-db-0", space)["metadata"]["labels"]["mine"] == "1"
    uid = api.get("apps/v1", "StatefulSet", "db", space)["metadata"]["uid"]
    wait_until(
        lambda: owner_uids(api, "PersistentVolumeClaim", "data-db-0", space) == [uid],
        seconds=60,
        what="the controller owns the claim",
    )


GEARS: t.Final = "gears.owners.example.com"


def gear_definition(owner: Tree) -> Tree:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": GEARS, "ownerReferences": [owner]},
        "spec": {
            "group": "owners.example.com",
            "names": {"plural": "gears", "singular": "gear", "kind": "Gear", "listKind": "GearList"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def test_namespaces_and_definitions_come_before_their_owners_and_get_them_later(bench: Bench) -> None:
    api, space, name = bench.cluster.api, "owned-space", "owner-of-all"
    rbac = "rbac.authorization.k8s.io/v1"
    role = api.create({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": name}, "rules": []})
    owner = {"apiVersion": rbac, "kind": "ClusterRole", "name": name, "uid": role["metadata"]["uid"]}
    metadata = {"name": space, "labels": {"team": "a"}, "ownerReferences": [owner]}
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    api.create(gear_definition(owner))
    gear = {"apiVersion": "owners.example.com/v1", "kind": "Gear", "metadata": {"name": "g", "namespace": space}}

    def created() -> bool:
        return api.find("owners.example.com/v1", "Gear", "g", space) is not None or bool(_try_create(api, gear))

    wait_until(created, seconds=60, what="the custom resource")
    record = bench.backup(lambda kind, item: in_namespace(space)(kind, item) or item.name in {name, GEARS})
    remove_namespace(api, space)
    remove(api, "apiextensions.k8s.io/v1", "CustomResourceDefinition", GEARS)
    remove(api, rbac, "ClusterRole", name)
    done = bench.restore(record)
    assert done.phase == "Completed", done
    assert not done.warnings
    assert fates(done, "namespaces", GEARS) == {f"namespaces/{space}": "created", f"{GEARS}/g": "created"}
    uid = api.get(rbac, "ClusterRole", name)["metadata"]["uid"]
    for version, kind, one in (
        ("v1", "Namespace", space),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", GEARS),
    ):
        found = api.get(version, kind, one)
        assert [reference["uid"] for reference in found["metadata"]["ownerReferences"]] == [uid], kind
    assert api.get("v1", "Namespace", space)["metadata"]["labels"]["team"] == "a"
    again = bench.restore(record)
    assert not again.changed, again.objects
    assert not again.counts["differs"], again.objects


def _try_create(api: Api, document: Tree) -> Tree | None:
    """``None`` while its definition is not served yet."""
    try:
        return api.create(document)
    except (ApiError, KeyError):
        return None
