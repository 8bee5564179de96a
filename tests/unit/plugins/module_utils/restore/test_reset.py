# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import reset
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.reset import ResetRules, rules_for

Tree = dict[str, t.Any]


def kind(resource: str) -> Kind:
    plural, _dot, group = resource.partition(".")
    return Kind(group, "v1", plural, plural.title(), True)


def clean(resource: str, tree: Tree, rules: ResetRules | None = None) -> Tree:
    found = copy.deepcopy(tree)
    reset.reset(kind(resource), found, rules or rules_for(kind(resource), tree))
    return found


def test_only_what_a_person_sets_stays_in_metadata() -> None:
    metadata = {
        "name": "a",
        "namespace": "n",
        "labels": {"l": "1"},
        "annotations": {"a": "1"},
        "finalizers": ["example.com/hold", "foregroundDeletion", "orphan"],
        "ownerReferences": [{"uid": "u"}],
        "generateName": "a-",
        "selfLink": "/x",
        "uid": "u",
        "resourceVersion": "1",
        "generation": 4,
        "creationTimestamp": "t",
        "deletionTimestamp": "t",
        "deletionGracePeriodSeconds": 30,
        "managedFields": [],
    }
    tree = {"metadata": metadata, "spec": {"a": 1}, "status": {"b": 1}}
    notes: list[str] = reset.reset(kind("widgets.example.com"), tree, ResetRules())
    assert tree == {
        "metadata": {
            "name": "a",
            "namespace": "n",
            "labels": {"l": "1"},
            "annotations": {"a": "1"},
            "finalizers": ["example.com/hold"],
            "ownerReferences": [{"uid": "u"}],
        },
        "spec": {"a": 1},
    }
    assert "being deleted" in notes[0]


def service(**metadata: t.Any) -> Tree:
    return {
        "metadata": {"name": "web", **metadata},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "10.0.0.5",
            "clusterIPs": ["10.0.0.5"],
            "healthCheckNodePort": 32000,
            "ports": [
                {"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080},
                {"name": "dns", "port": 80, "protocol": "UDP", "nodePort": 30081},
            ],
        },
    }


def test_a_service_gets_addresses_and_ports_anew() -> None:
    spec = clean("services", service())["spec"]
    assert spec == {
        "type": "LoadBalancer",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 80, "protocol": "UDP"}],
    }


def test_a_headless_service_stays_headless() -> None:
    tree = service()
    tree["spec"] |= {"clusterIP": "None", "clusterIPs": ["None"]}
    assert clean("services", tree)["spec"]["clusterIPs"] == ["None"]


def test_what_was_applied_by_kubectl_was_asked_for() -> None:
    applied = {
        "spec": {"clusterIP": "10.0.0.5", "ports": [{"port": 80, "protocol": "UDP", "nodePort": 30081}, {"port": 80}]}
    }
    tree = service(annotations={"kubectl.kubernetes.io/last-applied-configuration": json.dumps(applied)})
    spec = clean("services", tree)["spec"]
    assert spec["clusterIP"] == "10.0.0.5"
    assert [port.get("nodePort") for port in spec["ports"]] == [None, 30081]
    assert "healthCheckNodePort" not in spec


def test_what_somebody_manages_was_asked_for() -> None:
    fields: Tree = {
        "f:spec": {
            "f:clusterIP": {},
            "f:healthCheckNodePort": {},
            "f:ports": {
                'k:{"port":80,"protocol":"TCP"}': {"f:nodePort": {}, "f:port": {}},
                'k:{"port":80,"protocol":"UDP"}': {"f:port": {}},
            },
        }
    }
    spec = clean("services", service(managedFields=[{"manager": "me", "operation": "Apply", "fieldsV1": fields}]))[
        "spec"
    ]
    assert spec["clusterIP"] == "10.0.0.5"
    assert spec["healthCheckNodePort"] == 32000
    assert [port.get("nodePort") for port in spec["ports"]] == [30080, None]


def test_node_ports_are_preserved_when_asked_for() -> None:
    tree = service()
    spec = clean("services", tree, rules_for(kind("services"), tree, preserve_node_ports=True))["spec"]
    assert [port["nodePort"] for port in spec["ports"]] == [30080, 30081]
    assert spec["healthCheckNodePort"] == 32000
    assert "clusterIP" not in spec


BOUND: t.Final[Tree] = {
    "metadata": {
        "name": "data",
        "annotations": {
            "pv.kubernetes.io/bind-completed": "yes",
            "pv.kubernetes.io/bound-by-controller": "yes",
            "volume.kubernetes.io/storage-provisioner": "p",
            "volume.beta.kubernetes.io/storage-provisioner": "p",
            "volume.kubernetes.io/selected-node": "n1",
            "mine": "1",
        },
    },
    "spec": {
        "volumeName": "pv-1",
        "dataSource": {"name": "s"},
        "dataSourceRef": {"name": "s"},
        "storageClassName": "fast",
    },
}


def test_a_claim_forgets_its_binding_and_keeps_its_volume_only_if_that_is_there() -> None:
    found = clean("persistentvolumeclaims", BOUND)
    assert found == {"metadata": {"name": "data", "annotations": {"mine": "1"}}, "spec": {"storageClassName": "fast"}}
    kept = clean("persistentvolumeclaims", BOUND, ResetRules(volume_name=True))
    assert kept["spec"] == {"volumeName": "pv-1", "storageClassName": "fast"}


def test_a_claim_that_was_never_filled_keeps_its_source() -> None:
    tree: Tree = {"metadata": {"name": "data"}, "spec": {"dataSource": {"name": "s"}}}
    assert clean("persistentvolumeclaims", tree)["spec"] == {"dataSource": {"name": "s"}}


def test_a_volume_keeps_its_claim_without_the_old_uid() -> None:
    claim = {"namespace": "n", "name": "data", "uid": "u", "resourceVersion": "5"}
    tree = {
        "metadata": {"name": "pv", "annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}},
        "spec": {"claimRef": claim},
    }
    assert clean("persistentvolumes", tree) == {
        "metadata": {"name": "pv"},
        "spec": {"claimRef": {"namespace": "n", "name": "data"}},
    }


TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def pod(volume: str, source: str, *paths: str) -> Tree:
    mounts = [{"name": volume, "mountPath": path} for path in paths]
    container = {"name": "c", "image": "i", "volumeMounts": [*mounts, {"name": "data", "mountPath": "/data"}]}
    volumes = [{"name": volume, source: {}}, {"name": "data", "emptyDir": {}}]
    spec = {"nodeName": "n1", "priority": 5, "priorityClassName": "p", "containers": [container], "volumes": volumes}
    return {"metadata": {"name": "p"}, "spec": spec}


@pytest.mark.parametrize(
    ("volume", "source", "paths", "stays"),
    [
        ("kube-api-access-x2x4z", "projected", [TOKEN_PATH], False),
        ("robot-token-ab12c", "secret", [TOKEN_PATH], False),
        ("robot-token-ab12c", "secret", ["/tokens"], True),
        ("robot-token-ab12c", "secret", [TOKEN_PATH, "/tokens"], True),
        ("kube-api-access-x2x4z", "secret", [TOKEN_PATH], True),
        ("mine", "projected", [TOKEN_PATH], True),
    ],
)
def test_a_pod_loses_the_token_that_admission_adds_and_no_other(
    volume: str, source: str, paths: list[str], stays: bool
) -> None:
    spec = clean("pods", pod(volume, source, *paths))["spec"]
    names = [one["name"] for one in spec["volumes"]]
    assert names == ([volume, "data"] if stays else ["data"])
    assert (volume in [one["name"] for one in spec["containers"][0]["volumeMounts"]]) == stays
    assert "nodeName" not in spec
    assert "priority" not in spec
    assert spec["priorityClassName"] == "p"


@pytest.mark.parametrize("label", ["controller-uid", "batch.kubernetes.io/controller-uid"])
def test_a_job_forgets_its_uid(label: str) -> None:
    template = {"metadata": {"labels": {label: "u", "app": "x"}}}
    tree: Tree = {
        "metadata": {"name": "j", "labels": {label: "u"}},
        "spec": {"selector": {"matchLabels": {label: "u"}}, "template": template},
    }
    assert clean("jobs.batch", tree) == {
        "metadata": {"name": "j"},
        "spec": {"template": {"metadata": {"labels": {"app": "x"}}}},
    }
    manual = copy.deepcopy(tree)
    manual["spec"] = {**tree["spec"], "manualSelector": True}
    assert clean("jobs.batch", manual)["spec"] == manual["spec"]


def test_a_token_secret_loses_its_token_and_keeps_what_else_it_has() -> None:
    metadata = {
        "name": "s",
        "annotations": {"kubernetes.io/service-account.name": "robot", "kubernetes.io/service-account.uid": "u"},
    }
    data = {"token": "x", "ca.crt": "x", "namespace": "x"}
    tree = {"metadata": metadata, "type": "kubernetes.io/service-account-token", "data": {**data, "mine": "y"}}
    found = clean("secrets", tree)
    assert found["data"] == {"mine": "y"}
    assert found["metadata"]["annotations"] == {"kubernetes.io/service-account.name": "robot"}
    assert "data" not in clean("secrets", {**tree, "data": data})
    assert clean("secrets", {"metadata": {"name": "s"}, "type": "Opaque", "data": data})["data"] == data


def test_an_account_loses_tokens_that_its_controller_made() -> None:
    tree = {"metadata": {"name": "robot"}, "secrets": [{"name": "robot-token-ab1c2"}, {"name": "robot-token"}]}
    assert clean("serviceaccounts", tree)["secrets"] == [{"name": "robot-token"}]


def test_an_old_definition_keeps_unknown_fields_in_its_schemas() -> None:
    version = {"name": "v1", "schema": {"openAPIV3Schema": {"type": "object"}}}
    found = clean(
        "customresourcedefinitions.apiextensions.k8s.io",
        {"metadata": {}, "spec": {"preserveUnknownFields": True, "versions": [version]}},
    )
    assert found["spec"]["preserveUnknownFields"] is False
    assert found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-preserve-unknown-fields"] is True


def test_a_webhook_without_side_effects_says_so() -> None:
    tree = {"metadata": {}, "webhooks": [{"name": "a"}, {"name": "b", "sideEffects": "NoneOnDryRun"}]}
    found = clean("validatingwebhookconfigurations.admissionregistration.k8s.io", tree)
    assert [one["sideEffects"] for one in found["webhooks"]] == ["None", "NoneOnDryRun"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)
SPEC_KEYS = st.sampled_from(
    [
        "ports",
        "volumes",
        "containers",
        "template",
        "selector",
        "versions",
        "claimRef",
        "clusterIP",
        "preserveUnknownFields",
        "finalizers",
    ]
)


@given(
    st.sampled_from([*reset._CHANGES, *reset._RULED, "configmaps"]),
    st.dictionaries(SPEC_KEYS, json_values, max_size=5) | json_values,
    st.dictionaries(
        st.sampled_from(["name", "labels", "annotations", "finalizers", "managedFields", "ownerReferences", "uid"]),
        json_values,
        max_size=5,
    )
    | json_values,
)
def test_objects_of_any_form_are_survived_and_resetting_twice_is_resetting_once(
    resource: str, spec: t.Any, metadata: t.Any
) -> None:
    """An archive is input from a bucket."""
    tree = {
        "metadata": metadata,
        "spec": spec,
        "secrets": spec,
        "webhooks": spec,
        "subsets": spec,
        "endpoints": spec,
        "data": spec,
    }
    rules = rules_for(kind(resource), tree)
    reset.reset(kind(resource), tree, rules)
    again = copy.deepcopy(tree)
    reset.reset(kind(resource), again, rules)
    assert again == tree
    assert "status" not in tree
