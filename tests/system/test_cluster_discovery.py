# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discovery sees exactly what a real API server serves, and says what it cannot see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import discovery
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import Discovery, discover
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.identity import cluster_identity
from support.clusters import connect
from testbed import Api, Cluster, Testbed, samples

Row = tuple[str, str, str, str, bool, frozenset[str]]


@pytest.fixture(scope="module")
def monitored(testbed: Testbed) -> Iterator[Cluster]:
    """A cluster with kube-prometheus: a kind in v1alpha1 alone, and an aggregated API that nobody serves."""
    one = testbed.cluster("discovered")
    samples.load_monitoring(one.api)
    yield one
    testbed.stop(one)


def served(api: Api) -> Iterator[Row]:
    """What every version of every group says of itself, one GET each."""
    wanted = [("", version, f"/api/{version}") for version in api.json("GET", "/api")["versions"]]
    for group in api.json("GET", "/apis")["groups"]:
        wanted += [(group["name"], each["version"], f"/apis/{each['groupVersion']}") for each in group["versions"]]
    for name, version, path in wanted:
        if name == "metrics.k8s.io":
            continue  # answers 503
        for each in api.json("GET", path)["resources"]:
            if "/" not in each["name"] and "list" in each["verbs"]:
                yield name, version, each["name"], each["kind"], each["namespaced"], frozenset(each["verbs"])


def rows(found: Discovery) -> list[Row]:
    return [(k.group, k.version, k.plural, k.kind, k.namespaced, k.verbs) for k in found.kinds]


def test_discovery_equals_what_is_served(monitored: Cluster) -> None:
    mark = monitored.audit.mark()
    found = discover(connect(monitored))
    assert sorted(map(repr, rows(found))) == sorted(map(repr, served(monitored.api)))
    asked = [request.uri for request in monitored.audit.since(mark) if request.agent.startswith("stowage")]
    assert asked == ["/api", "/apis", "/apis/metrics.k8s.io/v1beta1"]


def test_both_forms_of_discovery_are_equal(monitored: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    aggregated = discover(connect(monitored))
    monkeypatch.setattr(discovery, "_AGGREGATED", "application/json")
    plain = discover(connect(monitored))
    assert sorted(rows(aggregated), key=repr) == sorted(rows(plain), key=repr)
    assert aggregated.chosen == plain.chosen
    assert aggregated.failures == plain.failures
    for kind in aggregated.kinds:
        assert aggregated.served(kind.group) == plain.served(kind.group)
        for name in ("status", "scale"):
            assert aggregated.has_subresource(kind, name) == plain.has_subresource(kind, name)


def test_a_kind_that_only_a_later_version_serves_is_taken(monitored: Cluster) -> None:
    found = discover(connect(monitored))
    chosen = {kind.resource: kind.version for kind in found.chosen}
    assert chosen["prometheuses.monitoring.coreos.com"] == "v1"
    assert chosen["alertmanagerconfigs.monitoring.coreos.com"] == "v1alpha1"
    assert chosen["scrapeconfigs.monitoring.coreos.com"] == "v1alpha1"
    assert "events" in chosen
    assert "events.events.k8s.io" not in chosen
    assert not {"componentstatuses", "bindings", "tokenreviews.authentication.k8s.io"} & chosen.keys()


def aggregated_api(group: str) -> dict[str, Any]:
    """An aggregated API whose server does not exist."""
    spec = {"group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10}
    spec |= {"insecureSkipTLSVerify": True, "service": {"name": "absent", "namespace": "default"}}
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1.{group}"},
        "spec": spec,
    }


def until(fact: Callable[[], bool]) -> None:
    """Registering an API takes the server a moment."""
    for _attempt in range(2000):
        if fact():
            return
    raise AssertionError("it never happened")


def test_an_api_that_nobody_serves_is_a_failure_unless_it_holds_no_state(monitored: Cluster) -> None:
    conn = connect(monitored)
    monitored.api.create(aggregated_api("gone.example.com"))
    try:
        until(lambda: bool(discover(conn).served("gone.example.com")))
        found = {(f.group, f.version): f.stateless for f in discover(conn).failures}
        assert found == {("gone.example.com", "v1"): False, ("metrics.k8s.io", "v1beta1"): True}
        assert all(f.stateless for f in discover(conn, ignored_groups=["gone.example.com"]).failures)
    finally:
        monitored.api.delete("apiregistration.k8s.io/v1", "APIService", "v1.gone.example.com")


def test_identity(monitored: Cluster) -> None:
    identity = cluster_identity(connect(monitored))
    assert identity.uid == monitored.api.get("v1", "Namespace", "kube-system")["metadata"]["uid"]
    assert identity.git_version == monitored.api.json("GET", "/version")["gitVersion"]
