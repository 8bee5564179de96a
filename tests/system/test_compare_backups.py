# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happened in a cluster between two backups is what a comparison of them names, and nothing else."""

from __future__ import annotations

import base64
import importlib
import itertools
import json
import typing as t

import pytest
import yaml

from support import clusters, modules
from testbed.process import wait_until

if t.TYPE_CHECKING:
    from conftest import ClusterFactory
    from testbed import Cluster, MinIO
    from testbed.api import Api, Object

SPACE: t.Final = "compared"
CANARY: t.Final = "canary-of-a-comparison-51c0de"
Found = dict[str, t.Any]


def secret(value: str) -> Object:
    data = {"password": base64.b64encode(f"{CANARY}-{value}".encode()).decode()}
    return {**clusters.config_map(SPACE, "password"), "kind": "Secret", "data": data}


def pod() -> Object:
    containers = [{"name": "c", "image": "none.example.com/none"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": SPACE, "name": "waits"},
        "spec": {"containers": containers},
    }


def role(verb: str) -> Object:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": [verb]}]
    api_version = "rbac.authorization.k8s.io/v1"
    return {"apiVersion": api_version, "kind": "ClusterRole", "metadata": {"name": "compared"}, "rules": rules}


def begin(api: Api) -> None:
    """What is there before the first backup."""
    api.create(clusters.namespace(SPACE))
    wait_until(lambda: api.find("v1", "ServiceAccount", "default", SPACE), seconds=60, what="the namespace's account")
    for name in ("kept", "touched", "changed", "removed", "made-again"):
        api.create(clusters.config_map(SPACE, name, key=f"{CANARY}-{name}"))
    for obj in (secret("old"), pod(), role("get")):
        api.create(obj)


def change(api: Api) -> None:
    """What happens between the backups."""
    api.merge_patch("v1", "ConfigMap", "changed", {"data": {"key": f"{CANARY}-new"}}, namespace=SPACE)
    api.merge_patch("v1", "Secret", "password", {"data": secret("new")["data"]}, namespace=SPACE)
    api.merge_patch("rbac.authorization.k8s.io/v1", "ClusterRole", "compared", {"rules": role("list")["rules"]})
    api.delete("v1", "ConfigMap", "removed", SPACE)
    api.create(clusters.config_map(SPACE, "added", key=CANARY))
    # None of these leaves a trace but in what the server keeps.
    for annotation in ("x", None):
        patch = {"metadata": {"annotations": {"test": annotation}}}
        api.merge_patch("v1", "ConfigMap", "touched", patch, namespace=SPACE)
    api.merge_patch("v1", "Pod", "waits", {"status": {"message": "still"}}, namespace=SPACE, subresource="status")
    api.delete("v1", "ConfigMap", "made-again", SPACE)
    api.create(clusters.config_map(SPACE, "made-again", key=f"{CANARY}-made-again"))


class World:
    """A cluster that is left alone, and a bucket."""

    def __init__(self, cluster: Cluster, location: dict[str, t.Any]) -> None:
        self.cluster = cluster
        self._common = {"location": location, "cluster": "source"}

    def backup(self, name: str) -> str:
        made = modules.run("backup", {**self._common, "name": name, "kubeconfig": str(self.cluster.kubeconfig)})
        assert made["backup"]["phase"] == "Completed", made
        return name

    def compare(self, name: str, other: str, **options: t.Any) -> Found:
        result = modules.run("backup_info", {**self._common, "name": name, "compare_with": other, **options})
        assert CANARY not in json.dumps(result)
        found: Found = result["comparison"]
        assert found.keys() == documented()
        return found


def documented() -> t.Collection[str]:
    module = importlib.import_module(f"{modules.PACKAGE}backup_info")
    contains: dict[str, t.Any] = yaml.safe_load(module.RETURN)["comparison"]["contains"]
    return contains.keys()


@pytest.fixture(scope="module")
def location(minio: MinIO) -> dict[str, t.Any]:
    return {
        "provider": "minio",
        "bucket": minio.create_bucket("compared"),
        "endpoint": minio.endpoint,
        "region": minio.region,
        "ca_cert": str(minio.ca_cert),
        "auth": {"method": "access_key", "access_key": minio.access_key, "secret_key": minio.secret_key},
    }


def names(listed: t.Iterable[t.Mapping[str, str]]) -> set[tuple[str, str, str]]:
    return {(one["resource"], one["namespace"], one["name"]) for one in listed}


def test_it_names_what_happened_and_nothing_else(new_cluster: ClusterFactory, location: dict[str, t.Any]) -> None:
    world = World(new_cluster("compared"), location)
    api = world.cluster.api
    begin(api)
    numbers = itertools.count(1)
    last = world.backup("idle-0")

    def idle() -> bool:
        """A cluster that nobody touches shows no difference, once its controllers have done what they do at the start."""
        nonlocal last
        before, last = last, world.backup(f"idle-{next(numbers)}")
        return bool(world.compare(last, before)["equal"])

    wait_until(idle, seconds=120, what="two backups of an idle cluster without a difference")

    change(api)
    after = world.backup("after")
    found = world.compare(after, last)
    assert names(found["added"]) == {("configmaps", SPACE, "added")}
    assert names(found["removed"]) == {("configmaps", SPACE, "removed")}
    assert names(found["changed"]) == {
        ("clusterroles.rbac.authorization.k8s.io", "", "compared"),
        ("configmaps", SPACE, "changed"),
        ("secrets", SPACE, "password"),
    }
    assert {fate: found["counts"][fate] for fate in ("added", "removed", "changed")} == {
        "added": 1,
        "removed": 1,
        "changed": 3,
    }
    assert found["counts"]["unchanged"] > 100
    assert found["notes"] == []

    turned = world.compare(last, after)
    assert (turned["added"], turned["removed"]) == (found["removed"], found["added"])
    assert turned["changed"] == found["changed"]

    by_bytes = world.compare(after, last, compare_by="bytes")
    touched = {("configmaps", SPACE, "touched"), ("configmaps", SPACE, "made-again"), ("pods", SPACE, "waits")}
    assert names(found["changed"]) | touched <= names(by_bytes["changed"])
    assert (by_bytes["bytes_read"], by_bytes["left_out"]) == (0, [])
    assert by_bytes["index_bytes_read"] > 0
