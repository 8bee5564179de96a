# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What captured objects name comes along, and nothing else."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils import _related as related
from ansible_collections.stowage.kubernetes.plugins.module_utils import _shapes as shapes
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.volumes import Volumes
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._related import References

_RBAC = "rbac.authorization.k8s.io"
_SNAPSHOTS = "snapshot.storage.k8s.io"


def kind(resource: str, *, namespaced: bool = True) -> Kind:
    plural, _dot, group = resource.partition(".")
    return Kind(group, "v1", plural, plural, namespaced)


def item(name: str, body: t.Any = None, *, namespace: str = "shop", labels: dict[str, str] | None = None) -> Item:
    return Item(
        namespace=namespace,
        name=name,
        uid=name,
        revision="1",
        labels=labels,
        deleting=False,
        owners=(),
        body=json.dumps(body or {}).encode(),
    )


def wanted(references: References, resource: str) -> set[str]:
    return set(references.names(kind(resource, namespaced=False)))


_TEMPLATE = {"template": {"spec": {"priorityClassName": "urgent", "runtimeClassName": "sandboxed"}}}
_CLASSES = {"priorityclasses.scheduling.k8s.io": {"urgent"}, "runtimeclasses.node.k8s.io": {"sandboxed"}}


@pytest.mark.parametrize(
    ("resource", "body", "expected"),
    [
        ("pods", {"spec": _TEMPLATE["template"]["spec"]}, _CLASSES),
        ("deployments.apps", {"spec": _TEMPLATE}, _CLASSES),
        ("replicationcontrollers", {"spec": _TEMPLATE}, _CLASSES),
        ("podtemplates", _TEMPLATE, _CLASSES),
        ("cronjobs.batch", {"spec": {"jobTemplate": {"spec": _TEMPLATE}}}, _CLASSES),
        ("rollouts.argoproj.io", {"spec": _TEMPLATE}, _CLASSES),
        ("rollouts.argoproj.io", {"spec": {"template": "a text"}}, {}),
        ("configmaps", {"spec": _TEMPLATE}, {}),
        (
            "pods",
            {
                "spec": {
                    "volumes": [
                        {"name": "a", "persistentVolumeClaim": {"claimName": "data"}},
                        {"name": "b", "emptyDir": {}},
                    ]
                }
            },
            {"persistentvolumeclaims": {"shop/data"}},
        ),
        (
            "persistentvolumeclaims",
            {"spec": {"volumeName": "pv-1", "storageClassName": "fast", "volumeAttributesClassName": "gold"}},
            {
                "persistentvolumes": {"pv-1"},
                "storageclasses.storage.k8s.io": {"fast"},
                "volumeattributesclasses.storage.k8s.io": {"gold"},
            },
        ),
        (
            "persistentvolumeclaims",
            {"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "old"}}, "spec": {}},
            {"storageclasses.storage.k8s.io": {"old"}},
        ),
        (
            "statefulsets.apps",
            {"spec": {"volumeClaimTemplates": [{"spec": {"storageClassName": "fast"}}]}},
            {"storageclasses.storage.k8s.io": {"fast"}},
        ),
        (
            f"rolebindings.{_RBAC}",
            {"roleRef": {"kind": "ClusterRole", "name": "view"}},
            {f"clusterroles.{_RBAC}": {"view"}},
        ),
        (f"rolebindings.{_RBAC}", {"roleRef": {"kind": "Role", "name": "view"}}, {}),
        (
            "ingresses.networking.k8s.io",
            {"spec": {"ingressClassName": "nginx"}},
            {"ingressclasses.networking.k8s.io": {"nginx"}},
        ),
        (
            "ingresses.networking.k8s.io",
            {"metadata": {"annotations": {"kubernetes.io/ingress.class": "nginx"}}, "spec": {}},
            {"ingressclasses.networking.k8s.io": {"nginx"}},
        ),
        (
            "gateways.gateway.networking.k8s.io",
            {"spec": {"gatewayClassName": "envoy"}},
            {"gatewayclasses.gateway.networking.k8s.io": {"envoy"}},
        ),
        (
            f"volumesnapshots.{_SNAPSHOTS}",
            {
                "spec": {"volumeSnapshotClassName": "csi", "source": {"persistentVolumeClaimName": "data"}},
                "status": {"boundVolumeSnapshotContentName": "content-1"},
            },
            {f"volumesnapshotclasses.{_SNAPSHOTS}": {"csi"}, f"volumesnapshotcontents.{_SNAPSHOTS}": {"content-1"}},
        ),
    ],
)
def test_what_an_object_names(resource: str, body: dict[str, t.Any], expected: dict[str, set[str]]) -> None:
    references = References()
    references.note(kind(resource), item("x", body))
    names = {target: wanted(references, target) for target in related.TARGETS | {related.CLAIMS}}
    assert {target: found for target, found in names.items() if found} == expected
    assert related.refers(kind(resource)) or not expected


@pytest.mark.parametrize(
    ("subject", "tied"),
    [
        ({"kind": "ServiceAccount", "namespace": "shop", "name": "cart"}, True),
        ({"kind": "ServiceAccount", "namespace": "other", "name": "cart"}, False),
        ({"kind": "Group", "name": "system:serviceaccounts:shop"}, True),
        ({"kind": "Group", "name": "system:serviceaccounts:other"}, False),
        ({"kind": "Group", "name": "system:authenticated"}, False),
        ({"kind": "Group", "name": "shop"}, False),
        ({"kind": "User", "name": "system:serviceaccount:shop:cart"}, True),
        ({"kind": "User", "name": "shop:cart"}, False),
    ],
)
def test_bindings_of_service_accounts(subject: dict[str, str], tied: bool) -> None:
    bindings = kind(f"clusterrolebindings.{_RBAC}", namespaced=False)
    binding = item(
        "cart-reads",
        {"roleRef": {"kind": "ClusterRole", "name": "reader"}, "subjects": [{"kind": "User", "name": "x"}, subject]},
        namespace="",
    )
    references = References()
    assert not references.needs(bindings)
    assert not references.wants(bindings, binding)
    references.note(kind("serviceaccounts"), item("cart"))
    assert references.needs(bindings)
    assert references.wants(bindings, binding) is tied
    references.note(bindings, binding)
    assert wanted(references, f"clusterroles.{_RBAC}") == {"reader"}


def test_an_aggregated_role_brings_what_it_is_summed_up_from() -> None:
    roles = kind(f"clusterroles.{_RBAC}", namespaced=False)
    references = References()
    references.note(kind(f"rolebindings.{_RBAC}"), item("b", {"roleRef": {"kind": "ClusterRole", "name": "sum"}}))
    aggregate = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "part-sum"}}]}}
    for role in (
        item("a-part", namespace="", labels={"to": "part-sum"}),
        item("other", namespace="", labels={"to": "other"}),
        item("part-sum", aggregate, namespace="", labels={"to": "sum"}),
        item("sum", {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "sum"}}]}}, namespace=""),
        item("broken", {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": 5}]}}, namespace=""),
    ):
        references.note_role(role)
    references.resolve_roles()
    assert references.names(roles) == {"sum", "part-sum", "a-part"}


def test_a_custom_resource_brings_its_definition() -> None:
    references = References()
    references.note_kind(kind("widgets.example.com"))
    references.note_kind(kind("pods"))
    assert wanted(references, related.CRDS) == {"widgets.example.com"}


def test_what_refers_comes_before_what_it_refers_to() -> None:
    resources = [related.CRDS, f"clusterroles.{_RBAC}", "nodes", f"volumesnapshotclasses.{_SNAPSHOTS}"]
    resources += ["gatewayclasses.gateway.networking.k8s.io", f"clusterrolebindings.{_RBAC}"]
    resources += [f"volumesnapshotcontents.{_SNAPSHOTS}"]
    ordered = sorted((kind(resource, namespaced=False) for resource in resources), key=related.order)
    place = {one.resource: number for number, one in enumerate(ordered)}
    assert place[f"clusterrolebindings.{_RBAC}"] < place[f"clusterroles.{_RBAC}"]
    assert place[f"volumesnapshotcontents.{_SNAPSHOTS}"] < place[f"volumesnapshotclasses.{_SNAPSHOTS}"]
    assert place[related.CRDS] == len(ordered) - 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "status", "template", "volumes", "roleRef", "subjects", "metadata", "kind", "name"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    _JSON,
    st.sampled_from(["pods", "jobs.batch", related.CLAIMS, f"rolebindings.{_RBAC}", f"volumesnapshots.{_SNAPSHOTS}"]),
)
def test_no_object_breaks_a_capture(body: t.Any, resource: str) -> None:
    references = References()
    broken = item("x", body)
    broken.body = json.dumps(body).encode()
    references.note(kind(resource), broken)
    references.note_role(broken)
    assert shapes.read(shapes.Pod, b'{"spec"') is None


def test_volumes_whose_data_is_elsewhere() -> None:
    volumes = Volumes()
    assert list(volumes.rows()) == []
    assert volumes.warning() == ""
    for name in ("d", "c", "b", "a"):
        volumes.note_claim(item(name, {"spec": {"volumeName": f"pv-{name}"}}))
    volumes.note_claim(item("pending", {"spec": {}}))
    volumes.note_volume(
        item("pv-a", {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}, namespace="", labels={"zone": "1"})
    )
    volumes.note_volume(item("pv-nobodys", {"spec": {}}, namespace=""))
    rows = list(volumes.rows())
    assert [row["pvcName"] for row in rows] == ["a", "b", "c", "d"]
    assert rows[0]["pvInfo"] == {"reclaimPolicy": "Delete", "labels": {"zone": "1"}}
    assert rows[0]["skipped"] is True
    assert "backupMethod" not in rows[0]
    assert "pvInfo" not in rows[1]
    assert "4 claims (shop/a, shop/b, shop/c and 1 more)" in volumes.warning()
