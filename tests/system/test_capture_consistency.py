# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup is the cluster at one instant; where it cannot be, it says so."""

from __future__ import annotations

import concurrent.futures
import threading
import typing as t

import pytest

from support import captures
from support.memory_location import MemoryLocation
from testbed import samples

if t.TYPE_CHECKING:
    from compare.stored import Id
    from testbed import Api, Cluster, Testbed

MANY = 1500
CONFIGMAPS = "/api/v1/configmaps"


def config_map(name: str, namespace: str = "default", **data: str) -> dict[str, t.Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def create_many(api: Api, count: int) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: api.create(config_map(f"many-{number:04}", text="x" * 100)), range(count)))


@pytest.fixture(scope="module")
def compactable(testbed: Testbed) -> Cluster:
    """A cluster whose lists of old revisions come from etcd, so that compaction shows."""
    cluster = testbed.cluster("compactable", apiserver_args=("--feature-gates=ListFromCacheSnapshot=false",))
    create_many(cluster.api, MANY)
    return cluster


def names(found: t.Iterable[Id], prefix: str) -> list[str]:
    return [one.name for one in found if one.resource == "configmaps" and one.name.startswith(prefix)]


class Compactor:
    """Changes something and compacts before the second page of ConfigMaps, as often as it is told to."""

    def __init__(self, cluster: Cluster, times: int, mark: str) -> None:
        self.left = times
        self.mark = mark
        self._cluster = cluster
        self._lock = threading.Lock()

    def __call__(self, _method: str, path: str, query: dict[str, str]) -> None:
        with self._lock:
            if path == CONFIGMAPS and "continue" in query and self.left:
                self._cluster.api.create(config_map(f"{self.mark}-{self.left}"))
                self._cluster.compact()
                self.left -= 1


def test_after_one_compaction_the_capture_starts_over(compactable: Cluster) -> None:
    location = MemoryLocation()
    compactor = Compactor(compactable, 1, "once")
    result = captures.run(compactable.kubeconfig, location, before=compactor)
    assert compactor.left == 0
    assert result.started_over
    assert result.phase == "Completed"
    assert result.consistency == {}
    found = captures.objects(location)
    assert len(names(found, "many-")) == MANY
    assert names(found, "once-") == ["once-1"], "the second attempt is of a later revision"
    assert not location.pending


def test_after_a_second_compaction_it_says_what_is_not_of_one_revision(compactable: Cluster) -> None:
    location = MemoryLocation()
    compactor = Compactor(compactable, 2, "twice")
    result = captures.run(compactable.kubeconfig, location, before=compactor)
    assert compactor.left == 0
    assert result.phase == "Completed"
    assert result.consistency["inconsistent"] == ["configmaps"]
    assert result.warning_count >= 2
    found = captures.objects(location)
    assert len(names(found, "many-")) == MANY
    assert len(set(names(found, "twice-"))) == 2
    records = {kind.plural: kind for kind in captures.manifest(location).kinds}
    assert records["configmaps"].complete
    assert "per-kind" in {kind.consistency for kind in records.values()}, "kinds after it have revisions of their own"


def test_all_kinds_are_of_one_instant_while_the_cluster_changes(cluster: t.Callable[[], Cluster]) -> None:
    """A writer counts up in a ConfigMap, then in a Secret: at no instant do they differ by more than one."""
    api = cluster().api
    stop = threading.Event()
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "instant"}})
    first = api.create(config_map("counter", "instant", count="0"))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "counter", "namespace": "instant"}}
    second = api.create({**secret, "stringData": {"count": "0"}})

    def write() -> int:
        count = 0
        configmap, other = first, second
        while not stop.is_set():
            count += 1
            configmap = api.replace({**configmap, "data": {"count": str(count)}})
            metadata = {**other["metadata"], "annotations": {"count": str(count)}}
            other = api.replace({**other, "metadata": metadata})
        return count

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        try:
            counted = [_counts(cluster()) for _dummy in range(5)]
        finally:
            stop.set()
        assert writer.result() > 5
    assert all(configmaps - secrets in (0, 1) for configmaps, secrets in counted), counted
    assert counted[0] != counted[-1]


def _counts(cluster: Cluster) -> tuple[int, int]:
    location = MemoryLocation()
    result = captures.run(cluster.kubeconfig, location, {"included_namespaces": ["instant"]})
    assert result.consistency == {}
    found = {one.resource: value for one, value in captures.objects(location).items() if one.name == "counter"}
    annotations = found["secrets"]["metadata"].get("annotations", {})
    return int(found["configmaps"]["data"]["count"]), int(annotations.get("count", "0"))


def definition(plural: str) -> dict[str, t.Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.late.example.com"},
        "spec": {
            "group": "late.example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": plural[:-1], "kind": plural[:-1].title()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def test_a_resource_that_is_defined_after_discovery(cluster: t.Callable[[], Cluster]) -> None:
    api = cluster().api
    defined: list[str] = []

    def before(_method: str, path: str, query: dict[str, str]) -> None:
        if path == "/api/v1/namespaces" and query == {"limit": "1"} and not defined:
            defined.append(path)
            api.create(definition("comets"))
            samples.wait_established(api, ["comets.late.example.com"])
            comet = {"apiVersion": "late.example.com/v1", "kind": "Comet", "metadata": {"name": "c"}}
            api.raw("POST", "/apis/late.example.com/v1/namespaces/default/comets", body=comet)

    location = MemoryLocation()
    result = captures.run(cluster().kubeconfig, location, before=before)
    assert defined
    assert result.phase == "Completed", result.errors
    assert result.consistency == {}
    found = {(one.resource, one.name) for one in captures.objects(location)}
    assert ("comets.late.example.com", "c") in found
    assert ("customresourcedefinitions.apiextensions.k8s.io", "comets.late.example.com") in found


def test_events_in_an_etcd_of_their_own(new_cluster: t.Callable[..., Cluster]) -> None:
    cluster = new_cluster("split", events_etcd=True)
    for number in range(30):
        cluster.api.create(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"happened-{number:02}", "namespace": "default"},
                "involvedObject": {"kind": "Namespace", "name": "default", "namespace": "default"},
                "reason": "Tested",
            }
        )
    location = MemoryLocation()
    result = captures.run(cluster.kubeconfig, location)
    assert result.phase == "Completed"
    assert result.consistency == {"per-kind": ["events"]}
    events = [one.name for one in captures.objects(location) if one.resource == "events"]
    assert len([name for name in events if name.startswith("happened-")]) == 30
