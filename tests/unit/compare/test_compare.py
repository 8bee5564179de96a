# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The comparison of clusters must be able to fail: each kind of loss is made by hand here, and must be seen."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest

from compare import canonical, clusters, makers, stored
from compare.stored import Id, Object, Snapshot


def made(
    kind: str,
    name: str,
    *,
    api_version: str = "v1",
    namespace: str = "shop",
    meta: Object | None = None,
    **fields: t.Any,
) -> Object:
    """An object as an API server returns it."""
    metadata = {"name": name, "uid": f"uid-{kind}-{name}", "resourceVersion": "7", **(meta or {})}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


APPLY = {
    "manager": "kubectl",
    "operation": "Apply",
    "apiVersion": "v1",
    "time": "2026-01-01T00:00:00Z",
    "fieldsV1": {"f:data": {"f:colour": {}}},
}


def source() -> Snapshot:
    deployment = made("Deployment", "web", api_version="apps/v1", spec={"replicas": 1})
    controlled = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "uid-x", "controller": True}]
    values = {
        Id("configmaps", "shop", "settings"): made(
            "ConfigMap", "settings", data={"colour": "ultramarine"}, meta={"managedFields": [APPLY]}
        ),
        Id("deployments.apps", "shop", "web"): deployment,
        Id("pods", "shop", "web-1-abc"): made("Pod", "web-1-abc", meta={"ownerReferences": controlled}),
        Id("services", "shop", "ext"): made("Service", "ext", spec={"clusterIP": "10.0.0.7", "ports": [{"port": 1}]}),
        Id("endpoints", "shop", "ext"): made("Endpoints", "ext", subsets=[]),
        Id("secrets", "shop", "token"): made(
            "Secret", "token", type="kubernetes.io/service-account-token", data={"token": "b2xk"}
        ),
        Id("configmaps", "shop", "child"): made(
            "ConfigMap",
            "child",
            meta={
                "ownerReferences": [
                    {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": deployment["metadata"]["uid"]}
                ]
            },
        ),
    }
    return Snapshot(values)


def restored() -> Snapshot:
    """The same in another cluster: other uids, another token, another cluster IP, another pod name."""
    values = copy.deepcopy(source().objects)
    for value in values.values():
        value["metadata"]["uid"] += "-new"
        value["metadata"]["resourceVersion"] = "99"
        for owner in value["metadata"].get("ownerReferences", ()):
            owner["uid"] += "-new"
    values[Id("services", "shop", "ext")]["spec"]["clusterIP"] = "10.9.9.9"
    values[Id("secrets", "shop", "token")]["data"]["token"] = "bmV3"
    pod = values.pop(Id("pods", "shop", "web-1-abc"))
    pod["metadata"]["name"] = "web-1-xyz"
    values[Id("pods", "shop", "web-1-xyz")] = pod
    return Snapshot(values)


def test_a_good_restore_is_equal() -> None:
    report = clusters.compare(source(), restored())
    assert report.equal, str(report)
    assert report.compared == 6


def _lose(values: dict[Id, Object]) -> None:
    del values[Id("endpoints", "shop", "ext")]


def _change(values: dict[Id, Object]) -> None:
    values[Id("configmaps", "shop", "settings")]["data"]["colour"] = "blue"


def _invent(values: dict[Id, Object]) -> None:
    values[Id("configmaps", "shop", "other")] = made("ConfigMap", "other")


def _old_owner(values: dict[Id, Object]) -> None:
    values[Id("configmaps", "shop", "child")]["metadata"]["ownerReferences"][0]["uid"] = "uid-Deployment-web"


def _no_owner(values: dict[Id, Object]) -> None:
    del values[Id("configmaps", "shop", "child")]["metadata"]["ownerReferences"]


def _no_applier(values: dict[Id, Object]) -> None:
    del values[Id("configmaps", "shop", "settings")]["metadata"]["managedFields"]


def _second_owner_of_a_field(values: dict[Id, Object]) -> None:
    fields = values[Id("configmaps", "shop", "settings")]["metadata"]["managedFields"]
    fields.append({**APPLY, "manager": "stowage", "operation": "Update"})


def _no_pod(values: dict[Id, Object]) -> None:
    del values[Id("pods", "shop", "web-1-xyz")]


def _no_token(values: dict[Id, Object]) -> None:
    values[Id("secrets", "shop", "token")]["data"] = {}


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (_lose, "missing"),
        (_change, "different"),
        (_invent, "extra"),
        (_old_owner, "owners"),
        (_no_owner, "different"),
        (_no_applier, "managers"),
        (_second_owner_of_a_field, "managers"),
        (_no_pod, "dependents"),
        (_no_token, "different"),
    ],
)
def test_each_loss_is_seen(damage: t.Callable[[dict[Id, Object]], None], finding: str) -> None:
    target = restored()
    damage(target.objects)
    assert [name for name, _dummy in clusters.compare(source(), target).findings()] == [finding]


GEARS = "gears.example.com"


def with_gear(snapshot: Snapshot, subresources: Object, **status: t.Any) -> Snapshot:
    """A custom resource, whose definition has such subresources."""
    versions = [{"name": "v1", "subresources": subresources}, {"name": "v0", "subresources": {"status": {}}}]
    name = "customresourcedefinitions.apiextensions.k8s.io"
    definition = made("CustomResourceDefinition", GEARS, namespace="", spec={"versions": versions})
    snapshot.objects[Id(name, "", GEARS)] = definition
    gear = made("Gear", "g", api_version="example.com/v1", spec={}, **status)
    snapshot.objects[Id(GEARS, "shop", "g")] = gear
    return snapshot


@pytest.mark.parametrize(
    ("subresources", "equal"), [({}, False), ({"scale": {}}, False), ({"status": {}}, True)], ids=str
)
def test_a_lost_status_is_seen_where_it_is_a_field_like_any_other(subresources: Object, equal: bool) -> None:
    before = with_gear(source(), subresources, status={"phase": "Ready"})
    after = with_gear(restored(), subresources)
    assert clusters.compare(before, after).equal is equal
    assert clusters.compare(before, after, statuses=False).equal
    assert clusters.compare(before, with_gear(restored(), subresources, status={"phase": "Ready"})).equal


OWNED: Object = {'k:{"port":80,"protocol":"TCP"}': {"f:nodePort": {}, "f:port": {}}}


def chosen(**spec: t.Any) -> Object:
    """A Service of which the user owns those fields of its spec."""
    fields = {f"f:{name}": OWNED if name == "ports" else {} for name in spec}
    entry = {"manager": "kubectl-create", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:spec": fields}}
    return made("Service", "web", spec=copy.deepcopy(spec), meta={"managedFields": [entry]})


def last_applied(**spec: t.Any) -> Object:
    """A Service that was applied by a client."""
    text = json.dumps({"spec": spec})
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": text}
    return made("Service", "web", spec=copy.deepcopy(spec), meta={"annotations": annotations})


@pytest.mark.parametrize("service", [chosen, last_applied])
@pytest.mark.parametrize(
    ("spec", "other", "where"),
    [
        ({"clusterIP": "10.0.0.9"}, {"clusterIP": "10.0.0.8"}, ".spec.clusterIP"),
        ({"healthCheckNodePort": 30001}, {"healthCheckNodePort": 30002}, ".spec.healthCheckNodePort"),
        (
            {"ports": [{"port": 80, "nodePort": 30777}]},
            {"ports": [{"port": 80, "nodePort": 30778}]},
            ".spec.ports[0].nodePort",
        ),
    ],
    ids=["cluster IP", "health check", "node port"],
)
def test_a_lost_address_is_seen_where_the_user_chose_it(
    service: t.Callable[..., Object], spec: Object, other: Object, where: str
) -> None:
    key = Id("services", "shop", "web")
    report = clusters.compare(Snapshot({key: service(**spec)}), Snapshot({key: made("Service", "web", spec=other)}))
    changed = [one for one in report.different if where in one]
    assert len(changed) == 1, str(report)
    drawn = Snapshot({key: made("Service", "web", spec=spec)})
    assert clusters.compare(drawn, Snapshot({key: made("Service", "web", spec=other)})).equal


def test_values_are_never_shown() -> None:
    target = restored()
    target.objects[Id("configmaps", "shop", "settings")]["data"]["colour"] = "canary"
    text = str(clusters.compare(source(), target))
    assert "canary" not in text
    assert "ultramarine" not in text
    assert ".data.colour" in text


def test_nothing_compared_is_not_equal() -> None:
    assert not clusters.compare(Snapshot({}), Snapshot({})).equal


def test_endpoints_of_a_service_with_selector_are_the_controllers() -> None:
    snapshot = source()
    snapshot.objects[Id("services", "shop", "ext")]["spec"]["selector"] = {"app": "x"}
    key = Id("endpoints", "shop", "ext")
    assert not makers.by_user(key, snapshot.objects[key], snapshot)


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("/registry/configmaps/a/b", (("configmaps",), "a", "b")),
        ("/registry/services/specs/a/b", (("services", "specs"), "a", "b")),
        ("/registry/monitoring.coreos.com/alertmanagers/a/b", (("monitoring.coreos.com", "alertmanagers"), "a", "b")),
        (
            "/registry/apiregistration.k8s.io/apiservices/v1.apps",
            (("apiregistration.k8s.io", "apiservices"), "", "v1.apps"),
        ),
        ("/registry/ranges/serviceips", None),
    ],
)
def test_keys_of_etcd(key: str, parts: object) -> None:
    assert stored.split_key(key) == parts


def test_stored_types() -> None:
    assert stored.type_of(b'{"apiVersion":"g/v1alpha1","kind":"Thing"}') == ("g/v1alpha1", "Thing")
    assert stored.type_of(b"k8s\x00\n\x0f\n\x02v1\x12\tConfigMap\x12\x00") == ("v1", "ConfigMap")


class _Etcd:
    def __init__(self, values: dict[str, bytes]) -> None:
        self.values = values

    def keys(self, prefix: str) -> list[str]:
        return [key for key in self.values if key.startswith(prefix)]

    def value(self, key: str) -> bytes:
        return self.values[key]


class _Api:
    def get(self, path: str) -> t.Any:
        assert path == "/apis/g/v1alpha1/things?limit=500"
        return {"metadata": {}, "items": [made("Thing", "one")]}


def test_an_object_that_the_list_hides_stops_the_tool() -> None:
    value = b'{"apiVersion":"g/v1alpha1","kind":"Thing"}'
    etcd = _Etcd({"/registry/g.example/things/shop/one": value, "/registry/g.example/things/shop/two": value})
    with pytest.raises(stored.ToolError, match="two"):
        stored.take(_Api(), etcd)
    del etcd.values["/registry/g.example/things/shop/two"]
    assert list(stored.take(_Api(), etcd).objects) == [Id("things.g", "shop", "one")]


def test_paths_name_places_only() -> None:
    assert list(canonical.paths({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}], "c": 1})) == [".a[1].b", ".c"]
