# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import update
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.reset import ResetRules

Tree = dict[str, t.Any]


def kind(resource: str) -> Kind:
    plural, _dot, group = resource.partition(".")
    return Kind(group, "v1", plural, plural.title(), True)


def replace(resource: str, desired: Tree, live: Tree, rules: ResetRules | None = None) -> Tree:
    return update.replacement(kind(resource), desired, live, rules or ResetRules())


def test_the_live_revision_is_the_precondition_and_archived_values_count() -> None:
    live = {
        "metadata": {"name": "a", "uid": "u", "resourceVersion": "9", "labels": {"live": "1"}},
        "data": {"k": "live"},
    }
    body = replace("configmaps", {"metadata": {"name": "a", "labels": {"old": "1"}}, "data": {"k": "old"}}, live)
    assert body == {
        "metadata": {"name": "a", "uid": "u", "resourceVersion": "9", "labels": {"old": "1"}},
        "data": {"k": "old"},
    }


@pytest.mark.parametrize(
    ("archived", "live", "expected"),
    [
        ({"1": True}, {"2": True}, {"1": None, "2": True}),
        ({"1": True}, {"2": None}, {"1": True, "2": None}),
        ({"1": True}, {"1": True}, {"1": True}),
        ({"1": True, "2": None}, {"1": None, "2": True}, {"1": None, "2": True}),
        ({"1": None}, {"2": False}, {"1": None, "2": False}),
        ({"1": True, "3": False}, {"2": True}, {"1": None, "3": False, "2": True}),
    ],
)
def test_the_controller_that_an_object_has_stays_the_only_one(archived: Tree, live: Tree, expected: Tree) -> None:
    def references(flags: Tree) -> list[Tree]:
        return [{"uid": uid} | ({} if flag is None else {"controller": flag}) for uid, flag in flags.items()]

    there = {"metadata": {"ownerReferences": references(live), "resourceVersion": "9"}}
    body = replace("configmaps", {"metadata": {"ownerReferences": references(archived)}}, there)
    assert body["metadata"]["ownerReferences"] == references(expected)


def test_finalizers_and_owners_of_controllers_stay() -> None:
    live = {"metadata": {"finalizers": ["b"], "ownerReferences": [{"uid": "2"}], "resourceVersion": "9"}}
    body = replace("configmaps", {"metadata": {"finalizers": ["a"], "ownerReferences": [{"uid": "1"}]}}, live)
    assert body["metadata"]["finalizers"] == ["a", "b"]
    assert body["metadata"]["ownerReferences"] == [{"uid": "1"}, {"uid": "2"}]


def test_status_and_revision_stay_the_controller_s() -> None:
    revision = "deployment.kubernetes.io/revision"
    live = {"metadata": {"annotations": {revision: "5"}}, "status": {"replicas": 2}}
    body = replace("deployments.apps", {"metadata": {"annotations": {revision: "3", "mine": "1"}}}, live)
    assert body["metadata"]["annotations"] == {revision: "5", "mine": "1"}
    assert body["status"] == {"replicas": 2}
    assert replace("deployments.apps", {"metadata": {"annotations": {revision: "3"}}}, {"metadata": {}})[
        "metadata"
    ] == {"annotations": {}}


def test_a_service_keeps_its_addresses_and_ports() -> None:
    live = {
        "spec": {
            "type": "NodePort",
            "clusterIP": "10.0.0.9",
            "clusterIPs": ["10.0.0.9"],
            "ipFamilies": ["IPv4"],
            "ports": [{"port": 80, "nodePort": 31000}, {"port": 81, "protocol": "UDP", "nodePort": 31001}],
        }
    }
    desired = {
        "spec": {
            "type": "NodePort",
            "ports": [{"port": 80, "protocol": "TCP"}, {"port": 81}, {"port": 81, "protocol": "UDP", "nodePort": 5}],
        }
    }
    spec = replace("services", desired, live)["spec"]
    assert spec["clusterIPs"] == ["10.0.0.9"]
    assert spec["ipFamilies"] == ["IPv4"]
    assert [port.get("nodePort") for port in spec["ports"]] == [31000, None, 5]
    external = replace("services", {"spec": {"type": "ExternalName"}}, live)["spec"]
    assert external == {"type": "ExternalName"}
    inside = replace("services", {"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}}, live)["spec"]
    assert inside["ports"] == [{"port": 80}]


def test_a_claim_keeps_its_volume_and_binding() -> None:
    bound = {"pv.kubernetes.io/bind-completed": "yes"}
    live = {"metadata": {"annotations": bound}, "spec": {"volumeName": "pv-9", "dataSource": {"name": "s"}}}
    body = replace("persistentvolumeclaims", {"metadata": {}, "spec": {"resources": 1}}, live)
    assert body["spec"] == {"resources": 1, "volumeName": "pv-9", "dataSource": {"name": "s"}}
    assert body["metadata"]["annotations"] == bound


@pytest.mark.parametrize("archived", [{"claimRef": {"namespace": "n", "name": name}} for name in "cd"] + [{}])
def test_a_volume_keeps_its_binding_whatever_the_archived_one_was(archived: Tree) -> None:
    bound = {"namespace": "n", "name": "c", "uid": "u", "resourceVersion": "4"}
    body = replace(
        "persistentvolumes", {"metadata": {}, "spec": archived}, {"metadata": {}, "spec": {"claimRef": bound}}
    )
    assert body["spec"]["claimRef"] == bound


def test_a_volume_that_no_claim_has_is_reserved_for_the_archived_one() -> None:
    claim = {"claimRef": {"namespace": "n", "name": "c"}}
    body = replace("persistentvolumes", {"metadata": {}, "spec": claim}, {"metadata": {}, "spec": {}})
    assert body["spec"] == claim


def test_a_released_volume_forgets_the_claim_that_is_gone() -> None:
    bound = {"namespace": "n", "name": "c", "uid": "u", "resourceVersion": "4"}
    live = {"metadata": {}, "spec": {"claimRef": bound}, "status": {"phase": "Released"}}
    body = replace("persistentvolumes", {"metadata": {}, "spec": {"claimRef": {"namespace": "n", "name": "c"}}}, live)
    assert body["spec"]["claimRef"] == {"namespace": "n", "name": "c"}


def test_a_job_keeps_its_selector_and_labels() -> None:
    label = "batch.kubernetes.io/controller-uid"
    live = {"spec": {"selector": {"matchLabels": {label: "u"}}, "template": {"metadata": {"labels": {label: "u"}}}}}
    body = replace("jobs.batch", {"spec": {"parallelism": 2, "template": {"metadata": {"labels": {"app": "x"}}}}}, live)
    assert body["spec"]["selector"] == {"matchLabels": {label: "u"}}
    assert body["spec"]["template"]["metadata"]["labels"] == {"app": "x", label: "u"}


def test_of_a_pod_s_spec_only_images_change() -> None:
    live = {
        "spec": {"nodeName": "n1", "containers": [{"name": "a", "image": "1", "env": [1]}, {"name": "b", "image": "1"}]}
    }
    body = replace("pods", {"metadata": {}, "spec": {"containers": [{"name": "a", "image": "2", "env": []}]}}, live)
    assert body["spec"] == {
        "nodeName": "n1",
        "containers": [{"name": "a", "image": "2", "env": [1]}, {"name": "b", "image": "1"}],
    }


def test_a_token_secret_keeps_its_token() -> None:
    live = {
        "type": "kubernetes.io/service-account-token",
        "metadata": {"annotations": {"kubernetes.io/service-account.uid": "u"}},
        "data": {"token": "t"},
    }
    body = replace("secrets", {"metadata": {}, "data": {"mine": "x"}}, live)
    assert body["data"] == {"mine": "x", "token": "t"}
    assert body["metadata"]["annotations"] == {"kubernetes.io/service-account.uid": "u"}


def test_injected_certificates_stay() -> None:
    def configuration(bundle: str) -> Tree:
        annotations = {"cert-manager.io/inject-ca-from": "x"}
        return {"metadata": {"annotations": annotations}, "webhooks": [{"clientConfig": {"caBundle": bundle}}]}

    body = replace(
        "validatingwebhookconfigurations.admissionregistration.k8s.io", configuration("old"), configuration("new")
    )
    assert body["webhooks"][0]["clientConfig"]["caBundle"] == "new"


def test_arguments_are_not_changed() -> None:
    desired: Tree = {"metadata": {}, "spec": {"ports": [{"port": 80}]}}
    live: Tree = {"metadata": {"finalizers": ["x"]}, "spec": {"clusterIP": "1", "ports": [{"port": 80, "nodePort": 1}]}}
    before = repr((desired, live))
    replace("services", desired, live)
    assert repr((desired, live)) == before


def test_an_account_is_merged_and_nothing_taken_away() -> None:
    live: Tree = {
        "metadata": {"name": "default", "labels": {"both": "live", "theirs": "1"}},
        "secrets": [{"name": "theirs"}],
        "imagePullSecrets": [{"name": "both"}],
        "automountServiceAccountToken": False,
    }
    desired = {
        "metadata": {"name": "default", "labels": {"both": "old", "mine": "1"}, "annotations": {"a": "1"}},
        "secrets": [{"name": "mine"}],
        "imagePullSecrets": [{"name": "both"}, {"name": "more"}],
        "automountServiceAccountToken": True,
    }
    merged = update.merged_account(desired, live, overwrite=False)
    assert merged == {
        "metadata": {
            "name": "default",
            "labels": {"both": "live", "theirs": "1", "mine": "1"},
            "annotations": {"a": "1"},
        },
        "secrets": [{"name": "theirs"}, {"name": "mine"}],
        "imagePullSecrets": [{"name": "both"}, {"name": "more"}],
        "automountServiceAccountToken": False,
    }
    assert update.merged_account(desired, merged, overwrite=False) is None
    overwritten = update.merged_account(desired, live, overwrite=True)
    assert overwritten is not None
    assert overwritten["metadata"]["labels"]["both"] == "old"
    assert overwritten["automountServiceAccountToken"] is True
    assert len(live["metadata"]["labels"]) == 2
