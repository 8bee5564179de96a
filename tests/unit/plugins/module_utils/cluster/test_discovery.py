# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discovery in both of its forms, with servers that are down, and the choice of what a backup takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import connection as connection_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError, Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import Discovery, choose, discover
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from support.patience import Clock, Waiting
from support.scripted_api import Reply, Request, ScriptedApi, as_json, as_status

ALL = ("create", "delete", "get", "list", "patch", "update", "watch")


@dataclasses.dataclass
class Served:
    """One resource of one version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    verbs: tuple[str, ...] = ALL
    subresources: tuple[str, ...] = ()


CLUSTER = (
    Served("", "v1", "pods", "Pod", subresources=("status", "log")),
    Served("", "v1", "events", "Event"),
    Served("", "v1", "namespaces", "Namespace", namespaced=False),
    Served("", "v1", "bindings", "Binding", verbs=("create",)),
    Served("", "v1", "componentstatuses", "ComponentStatus", namespaced=False, verbs=("get", "list")),
    Served("events.k8s.io", "v1", "events", "Event"),
    Served("apps", "v1", "deployments", "Deployment", subresources=("status", "scale")),
    Served("extensions", "v1beta1", "deployments", "Deployment"),
    Served("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    Served("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    Served("monitoring.coreos.com", "v1", "prometheuses", "Prometheus", subresources=("status",)),
    Served("monitoring.coreos.com", "v1alpha1", "alertmanagerconfigs", "AlertmanagerConfig"),
    Served("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", verbs=("get", "list")),
)


class Api:
    """Serves resources as aggregated or plain discovery does.

    :param down: groups whose own server does not answer.
    :param stale: groups that the aggregator calls stale, whether or not they answer.
    """

    def __init__(
        self,
        served: tuple[Served, ...] = CLUSTER,
        *,
        aggregated: str = "v2",
        down: tuple[str, ...] = (),
        stale: tuple[str, ...] = (),
    ) -> None:
        self.served, self.aggregated, self.down, self.stale = served, aggregated, down, stale

    def __call__(self, request: Request) -> Reply:
        if request.path in ("/api", "/apis"):
            core = request.path == "/api"
            if self.aggregated and f"v={self.aggregated};as=APIGroupDiscoveryList" in request.headers["accept"]:
                return self._aggregated(core)
            return self._plain(core)
        _empty, _root, *rest = request.path.split("/")
        return self._version(*rest) if len(rest) == 2 else self._version("", *rest)

    def _groups(self) -> dict[str, dict[str, list[Served]]]:
        groups: dict[str, dict[str, list[Served]]] = {}
        for each in self.served:
            groups.setdefault(each.group, {}).setdefault(each.version, []).append(each)
        return groups

    def _aggregated(self, core: bool) -> Reply:
        items = []
        for group, versions in self._groups().items():
            if (group == "") == core:
                stale = group in (*self.down, *self.stale)
                entries = [
                    {
                        "version": version,
                        "freshness": "Stale" if stale else "Current",
                        "resources": [] if stale else [self._resource(each) for each in resources],
                    }
                    for version, resources in versions.items()
                ]
                items.append({"metadata": {"name": group} if group else {}, "versions": entries})
        return as_json({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items})

    @staticmethod
    def _resource(each: Served) -> dict[str, Any]:
        return {
            "resource": each.plural,
            "responseKind": {"group": "", "version": "", "kind": each.kind},
            "scope": "Namespaced" if each.namespaced else "Cluster",
            "verbs": list(each.verbs),
            "subresources": [{"subresource": name, "verbs": ["get"]} for name in each.subresources],
        }

    def _plain(self, core: bool) -> Reply:
        groups = self._groups()
        if core:
            return as_json({"kind": "APIVersions", "versions": list(groups.get("", {}))})
        found = [
            {
                "name": group,
                "versions": [{"groupVersion": f"{group}/{version}", "version": version} for version in versions],
            }
            for group, versions in groups.items()
            if group
        ]
        return as_json({"kind": "APIGroupList", "groups": found})

    def _version(self, group: str, version: str) -> Reply:
        if group in self.down:
            return Reply(b"service unavailable", 503, "text/plain")
        resources = []
        for each in self._groups()[group][version]:
            names = (each.plural, *(f"{each.plural}/{name}" for name in each.subresources))
            resources += [
                {"name": name, "kind": each.kind, "namespaced": each.namespaced, "verbs": list(each.verbs)}
                for name in names
            ]
        return as_json({"kind": "APIResourceList", "resources": resources})


@contextmanager
def connected(answer: Any) -> Iterator[tuple[ScriptedApi, Connection]]:
    progress, clock = Progress(), Clock()
    progress.stopped = Waiting(clock)
    with pytest.MonkeyPatch.context() as patch, ScriptedApi(answer).running() as api:
        patch.setattr(connection_module, "_now", clock)
        yield api, Connection.open(ClusterAccess.from_params({"host": api.url}, {}), progress=progress)


def seen(answer: Any, **options: Any) -> Discovery:
    with connected(answer) as (_api, conn):
        return discover(conn, **options)


FORMS = pytest.mark.parametrize("form", ["v2", "v2beta1", ""], ids=["v2", "v2beta1", "plain"])


@FORMS
def test_what_a_backup_takes(form: str) -> None:
    found = seen(Api(aggregated=form))
    assert [(kind.resource, kind.version) for kind in found.chosen] == [
        ("events", "v1"),
        ("namespaces", "v1"),
        ("pods", "v1"),
        ("deployments.apps", "v1"),
        ("horizontalpodautoscalers.autoscaling", "v2"),
        ("alertmanagerconfigs.monitoring.coreos.com", "v1alpha1"),
        ("prometheuses.monitoring.coreos.com", "v1"),
    ]
    assert found.failures == ()
    assert {kind.resource for kind in found.chosen if not kind.namespaced} == {"namespaces"}
    assert found.chosen[0].verbs == frozenset(ALL)


@FORMS
def test_what_a_restore_looks_up(form: str) -> None:
    found = seen(Api(aggregated=form))
    pod = found.find("", "v1", "Pod")
    assert pod is not None
    assert pod == found.find("", "v1", "pods") == found.find("", "", "pods")
    assert pod.api_version == "v1"
    assert found.find("", "v2", "pods") is None
    assert found.served("autoscaling") == ("v2", "v1")
    assert found.served("absent") == ()
    assert found.versions_of("autoscaling", "horizontalpodautoscalers") == ("v2", "v1")
    assert found.versions_of("monitoring.coreos.com", "alertmanagerconfigs") == ("v1alpha1",)
    assert found.has_subresource(pod, "status")
    assert not found.has_subresource(pod, "scale")
    preferred = found.find("autoscaling", "", "HorizontalPodAutoscaler")
    assert preferred is not None
    assert preferred.version == "v2"


def test_two_requests_are_enough_where_discovery_is_aggregated() -> None:
    with connected(Api()) as (api, conn):
        discover(conn)
        assert api.paths() == ["/api", "/apis"]


@FORMS
def test_a_group_whose_server_is_down_is_a_failure(form: str) -> None:
    found = seen(Api(aggregated=form, down=("monitoring.coreos.com",)))
    assert [(f.group, f.version, f.stateless) for f in found.failures] == [
        ("monitoring.coreos.com", "v1", False),
        ("monitoring.coreos.com", "v1alpha1", False),
    ]
    assert all("503" in failure.message for failure in found.failures)
    assert not [kind for kind in found.kinds if kind.group == "monitoring.coreos.com"]
    assert "deployments.apps" in [kind.resource for kind in found.chosen]


@FORMS
def test_groups_without_state_are_told_apart(form: str) -> None:
    api = Api(aggregated=form, down=("metrics.k8s.io", "autoscaling"))
    assert {(f.group, f.stateless) for f in seen(api).failures} == {("metrics.k8s.io", True), ("autoscaling", False)}
    assert all(f.stateless for f in seen(api, ignored_groups=["autoscaling"]).failures)


def test_a_stale_group_that_answers_is_no_failure() -> None:
    found = seen(Api(stale=("monitoring.coreos.com",)))
    assert found.failures == ()
    assert "prometheuses.monitoring.coreos.com" in [kind.resource for kind in found.chosen]
    prometheus = found.find("monitoring.coreos.com", "v1", "Prometheus")
    assert prometheus is not None
    assert found.has_subresource(prometheus, "status")


@pytest.mark.parametrize("answer", [Reply(b"<html>", 200, "text/html"), as_json([]), as_json({"kind": "Pod"})])
def test_what_is_no_kubernetes_api(answer: Reply) -> None:
    with pytest.raises(StowageError) as caught:
        seen(lambda _request: answer)
    assert caught.value.code == "cluster_api_error"


def test_a_refused_account_is_an_error_and_not_a_cluster_without_groups() -> None:
    with pytest.raises(ApiStatusError) as caught:
        seen(lambda _request: as_status(403, "Forbidden", "no"))
    assert caught.value.code == "cluster_forbidden"


def test_a_core_group_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(StowageError):
        seen(Api(aggregated="", down=("",)))


groups = st.sampled_from(["", "apps", "extensions", "events.k8s.io", "example.com"])
kinds = st.builds(
    lambda group, version, plural, verbs: Kind(group, version, plural, plural.title(), True, frozenset(verbs)),
    groups,
    st.sampled_from(["v1", "v1beta1", "v2"]),
    st.sampled_from(["events", "deployments", "things"]),
    st.sets(st.sampled_from(["list", "create", "delete", "get"])),
)


@given(st.lists(kinds, max_size=20))
def test_the_choice_is_one_for_each_resource_and_the_first_that_fits(served: list[Kind]) -> None:
    chosen = choose(served)
    assert len({(kind.group, kind.plural) for kind in chosen}) == len(chosen)
    assert list(chosen) == sorted(chosen, key=lambda kind: (kind.group, kind.plural))
    assert {kind.group for kind in chosen if kind.plural == "events"} != {"", "events.k8s.io"}
    assert not {"apps", "extensions"} <= {kind.group for kind in chosen if kind.plural == "deployments"}
    fitting = [kind for kind in served if {"list", "create", "delete"} <= kind.verbs]
    for kind in chosen:
        first = next(each for each in fitting if (each.group, each.plural) == (kind.group, kind.plural))
        assert kind is first
    assert {kind.plural for kind in chosen} == {kind.plural for kind in fitting}
