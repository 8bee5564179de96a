# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What etcd holds is in the backup, whatever kind it is; and what a filter leaves is what it says."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from compare import beds
from support import captures
from support.memory_location import MemoryLocation
from testbed import Cluster, extras, samples

if t.TYPE_CHECKING:
    import pathlib

    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from compare.stored import Id, Snapshot
    from testbed import Testbed

# Controllers write them all the time.
RESTLESS = {"events", "leases.coordination.k8s.io"}


@pytest.fixture(scope="module")
def source(testbed: Testbed) -> Cluster:
    """A cluster with the sample applications and some awkward objects."""
    cluster = testbed.cluster("captured")
    samples.load(cluster.api)
    extras.load_extras(cluster.api)
    return cluster


def resting(found: t.Iterable[Id]) -> set[Id]:
    return {one for one in found if one.resource not in RESTLESS}


def left_out(snapshot: Snapshot) -> set[Id]:
    """What a label excludes, and what is being deleted."""
    return {
        one
        for one, value in snapshot.objects.items()
        if value["metadata"].get("labels", {}).get("velero.io/exclude-from-backup") == "true"
        or "deletionTimestamp" in value["metadata"]
    }


@pytest.fixture(params=["memory", "filesystem"])
def location(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Location:
    if request.param == "memory":
        return MemoryLocation()
    return open_location({"provider": "filesystem", "path": str(tmp_path), "prefix": ""}, {})


def test_what_etcd_holds_is_in_the_backup(source: Cluster, location: Location) -> None:
    before = beds.snapshot(source)
    mark = source.audit.mark()
    result = captures.run(source.kubeconfig, location)
    requests = source.audit.since(mark)
    after = beds.snapshot(source)
    assert result.phase == "Completed", result.errors
    assert result.consistency == {}
    found = captures.objects(location)
    there, later = (resting(each.objects) - left_out(each) for each in (before, after))
    assert len(there) > 500
    assert left_out(before)
    assert there & later <= resting(found) <= there | later
    for one in there & later:
        if before.objects[one]["metadata"]["resourceVersion"] == after.objects[one]["metadata"]["resourceVersion"]:
            assert found[one] == before.objects[one], one
    assert result.objects == len(found)
    ours = [request for request in requests if "stowage" in request.agent]
    assert ours
    assert {request.verb for request in ours} <= {"get", "list"}


def test_one_namespace_and_what_it_is_tied_to(source: Cluster) -> None:
    location = MemoryLocation()
    result = captures.run(source.kubeconfig, location, {"included_namespaces": ["monitoring"]})
    assert result.phase == "Completed", result.errors
    found = captures.objects(location)
    stored = resting(beds.snapshot(source).objects)
    assert {one for one in stored if one.namespace == "monitoring"} == resting(o for o in found if o.namespace)
    cluster_wide = {(one.resource.partition(".")[0], one.name) for one in found if not one.namespace}
    assert ("namespaces", "monitoring") in cluster_wide
    assert ("clusterroles", "prometheus-k8s") in cluster_wide
    assert ("clusterrolebindings", "prometheus-operator") in cluster_wide
    assert ("customresourcedefinitions", "prometheuses.monitoring.coreos.com") in cluster_wide
    kinds = {resource for resource, _name in cluster_wide}
    assert not kinds & {"apiservices", "flowschemas", "nodes"}
    assert ("namespaces", "default") not in cluster_wide


def test_labels_are_selected_by_the_server_and_alike_by_us(source: Cluster) -> None:
    selector = "app.kubernetes.io/part-of=kube-prometheus,app.kubernetes.io/component in (exporter,grafana)"
    location = MemoryLocation()
    captures.run(source.kubeconfig, location, {"label_selector": selector, "include_cluster_resources": "never"})
    found = {one for one in captures.objects(location) if one.namespace}
    expected = {
        one
        for one, value in beds.snapshot(source).objects.items()
        if one.namespace
        and (labels := value["metadata"].get("labels", {})).get("app.kubernetes.io/part-of") == "kube-prometheus"
        and labels.get("app.kubernetes.io/component") in ("exporter", "grafana")
    }
    assert expected
    claims = {one for one in found if one.resource == "persistentvolumeclaims"}
    assert found - claims == expected - claims
