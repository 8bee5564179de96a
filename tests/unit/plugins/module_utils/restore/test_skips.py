# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import skips
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.owners import OwnerRecord, OwnerState

Tree = dict[str, t.Any]
SKIPPED, LEFT = Action.SKIPPED, Action.LEFT_TO_CONTROLLER


class Around:
    """A target with some Services and owners."""

    def __init__(self, services: dict[str, bool] | None = None, owners: t.Collection[str] = ()) -> None:
        self.services = services or {}
        self.owners = owners

    def service_selects(self, namespace: str, name: str) -> bool | None:
        assert namespace == "n"
        return self.services.get(name)

    def owner_exists(self, api_version: str, kind: str, namespace: str, name: str) -> bool:
        assert (api_version, kind, namespace) == ("apps/v1", "ReplicaSet", "n")
        return name in self.owners


def kind(resource: str) -> Kind:
    plural, _dot, group = resource.partition(".")
    return Kind(group, "v1", plural, plural.title(), True)


def owner(resource: str, state: OwnerState, facts: str = "") -> OwnerRecord:
    return OwnerRecord(kind(resource), 0, "n", "owner", (), state, "uid", facts)


def by_index(
    resource: str, name: str = "x", namespace: str = "n", owners: t.Sequence[OwnerRecord] = ()
) -> Action | None:
    verdict = skips.by_index(resource, namespace, name, owners)
    return verdict.action if verdict else None


def by_body(
    resource: str, tree: Tree, owners: t.Sequence[OwnerRecord] = (), around: Around | None = None
) -> Action | None:
    verdict = skips.by_body(kind(resource), skips.Case(tree, owners, around or Around()))
    if verdict is not None:
        assert verdict.reason
    return verdict.action if verdict else None


@pytest.mark.parametrize(
    "resource",
    [
        "nodes",
        "events",
        "events.events.k8s.io",
        "leases.coordination.k8s.io",
        "csinodes.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "certificatesigningrequests.certificates.k8s.io",
        "backups.velero.io",
        "deletebackuprequests.velero.io",
    ],
)
def test_some_kinds_are_never_restored(resource: str) -> None:
    assert by_index(resource) is SKIPPED
    assert skips.is_never_restored(resource)


@pytest.mark.parametrize("resource", ["configmaps", "pods", "schedules.velero.io", "nodes.example.com"])
def test_other_kinds_are(resource: str) -> None:
    assert by_index(resource) is None
    assert not skips.is_never_restored(resource)


@pytest.mark.parametrize(
    ("resource", "namespace", "name", "skipped"),
    [
        ("configmaps", "any", "kube-root-ca.crt", True),
        ("configmaps", "kube-system", "extension-apiserver-authentication", True),
        ("configmaps", "mine", "extension-apiserver-authentication", False),
        ("secrets", "any", "kube-root-ca.crt", False),
        ("services", "default", "kubernetes", True),
        ("services", "mine", "kubernetes", False),
        ("endpointslices.discovery.k8s.io", "default", "kubernetes", True),
        ("priorityclasses.scheduling.k8s.io", "", "system-node-critical", True),
        ("priorityclasses.scheduling.k8s.io", "", "mine", False),
    ],
)
def test_some_names_are_the_api_server_s(resource: str, namespace: str, name: str, skipped: bool) -> None:
    assert by_index(resource, name, namespace) is (SKIPPED if skipped else None)


@pytest.mark.parametrize(
    "maker", ["replicasets.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch", "replicationcontrollers"]
)
@pytest.mark.parametrize("state", [OwnerState.THERE, OwnerState.PLANNED, OwnerState.LEFT])
def test_pods_of_restored_workloads_are_left_to_them(maker: str, state: OwnerState) -> None:
    assert by_index("pods", owners=[owner(maker, state)]) is LEFT


@pytest.mark.parametrize("state", [OwnerState.ABSENT, OwnerState.FAILED])
def test_pods_of_workloads_that_are_not_restored_are_not_either(state: OwnerState) -> None:
    assert by_index("pods", owners=[owner("jobs.batch", state)]) is SKIPPED


@pytest.mark.parametrize("other", ["virtualmachines.kubevirt.io", "replicasets.example.com", "deployments.apps"])
def test_pods_of_other_owners_are_restored(other: str) -> None:
    assert by_index("pods", owners=[owner(other, OwnerState.THERE)]) is None


def test_pods_whose_owner_was_not_selected_are_restored_unless_it_is_there() -> None:
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "old", "controller": True}
    tree = {"metadata": {"name": "p", "namespace": "n", "ownerReferences": [reference]}}
    pending = [owner("replicasets.apps", OwnerState.PENDING)]
    assert by_index("pods", owners=pending) is None
    assert by_body("pods", tree, pending) is None
    assert by_body("pods", tree, pending, Around(owners=["web"])) is LEFT
    foreign = {"metadata": {**tree["metadata"], "ownerReferences": [{**reference, "apiVersion": "example.com/v1"}]}}
    assert by_body("pods", foreign, [], Around(owners=["web"])) is None


def test_what_belongs_to_a_node_stays_with_it() -> None:
    assert by_index("resourceslices.resource.k8s.io", owners=[owner("nodes", OwnerState.ABSENT)]) is SKIPPED


@pytest.mark.parametrize(
    ("maker", "left"), [("statefulsets.apps", True), ("daemonsets.apps", True), ("clonesets.example.com", False)]
)
def test_revisions_are_left_to_built_in_controllers(maker: str, left: bool) -> None:
    assert by_index("controllerrevisions.apps", owners=[owner(maker, OwnerState.THERE)]) is (LEFT if left else None)


REVISION = "deployment.kubernetes.io/revision"


def replica_set(revision: str | None, replicas: int = 0) -> Tree:
    annotations = {REVISION: revision} if revision else {}
    return {"metadata": {"name": "rs", "annotations": annotations}, "spec": {"replicas": replicas}}


@pytest.mark.parametrize(
    ("tree", "facts", "expected"),
    [
        (replica_set("3", 2), "3", LEFT),
        (replica_set("3", 0), "3", LEFT),
        (replica_set("2", 1), "3", None),
        (replica_set(None, 2), "", LEFT),
        (replica_set(None, 0), "", None),
        (replica_set("3", 2), skips.PAUSED, None),
        (replica_set(None, 2), skips.PAUSED, None),
    ],
)
def test_only_the_current_replica_set_is_left_to_its_deployment(
    tree: Tree, facts: str, expected: Action | None
) -> None:
    assert by_body("replicasets.apps", tree, [owner("deployments.apps", OwnerState.THERE, facts)]) is expected


def test_a_replica_set_without_a_deployment_is_restored() -> None:
    assert by_body("replicasets.apps", replica_set("3", 2)) is None
    assert (
        by_body("replicasets.apps", replica_set("3", 2), [owner("rollouts.argoproj.io", OwnerState.THERE, "3")]) is None
    )


def test_replica_sets_of_a_deployment_that_failed_do_not_run_alone() -> None:
    assert (
        by_body("replicasets.apps", replica_set("3", 2), [owner("deployments.apps", OwnerState.FAILED, "3")]) is SKIPPED
    )


def test_deployment_facts() -> None:
    assert skips.deployment_facts({"metadata": {"annotations": {REVISION: "7"}}, "spec": {}}) == "7"
    assert (
        skips.deployment_facts({"metadata": {"annotations": {REVISION: "7"}}, "spec": {"paused": True}}) == skips.PAUSED
    )
    assert skips.deployment_facts({}) == ""


@pytest.mark.parametrize(("selects", "expected"), [(True, LEFT), (False, None), (None, None)])
def test_endpoints_are_left_only_when_their_service_has_a_selector(
    selects: bool | None, expected: Action | None
) -> None:
    around = Around({} if selects is None else {"web": selects})
    assert by_body("endpoints", {"metadata": {"name": "web", "namespace": "n"}}, [], around) is expected


@pytest.mark.parametrize(
    ("manager", "expected"),
    [
        ("endpointslice-controller.k8s.io", LEFT),
        ("endpointslicemirroring-controller.k8s.io", LEFT),
        ("cilium", None),
        ("", None),
    ],
)
def test_slices_are_left_only_to_kubernetes_controllers(manager: str, expected: Action | None) -> None:
    tree = {"metadata": {"name": "s", "labels": {"endpointslice.kubernetes.io/managed-by": manager}}}
    assert by_body("endpointslices.discovery.k8s.io", tree) is expected


def token(name: str, *managers: tuple[str, str]) -> Tree:
    managed = [{"manager": who, "operation": "Update", "fieldsV1": {field: {}}} for who, field in managers]
    metadata: Tree = {"name": name, "annotations": {"kubernetes.io/service-account.name": "robot"}}
    return {
        "metadata": {**metadata, **({"managedFields": managed} if managed else {})},
        "type": "kubernetes.io/service-account-token",
    }


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (token("mine", ("kubectl", "f:type"), ("kube-controller-manager", "f:data")), None),
        (token("robot-token-ab1c2", ("kubectl", "f:type"), ("kube-controller-manager", "f:data")), None),
        (token("robot-token-ab1c2", ("kube-controller-manager", "f:type")), SKIPPED),
        (token("robot-token-ab1c2"), SKIPPED),
        (token("robot-token"), None),
        ({"metadata": {"name": "robot-token-ab1c2"}, "type": "Opaque"}, None),
    ],
)
def test_tokens_are_skipped_by_maker(tree: Tree, expected: Action | None) -> None:
    assert by_body("secrets", tree) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"completionTime": "t"}, SKIPPED),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, SKIPPED),
        ({"conditions": [{"type": "Failed", "status": "False"}]}, None),
        ({"active": 1}, None),
    ],
)
def test_jobs_that_have_ended_do_not_run_again(status: Tree, expected: Action | None) -> None:
    assert by_body("jobs.batch", {"metadata": {"name": "j"}, "status": status}) is expected


@pytest.mark.parametrize(
    ("phase", "expected"), [("Succeeded", SKIPPED), ("Failed", SKIPPED), ("Running", None), ("Pending", None)]
)
def test_pods_that_have_ended_do_not_run_again(phase: str, expected: Action | None) -> None:
    assert by_body("pods", {"metadata": {"name": "p"}, "status": {"phase": phase}}) is expected


@pytest.mark.parametrize(
    ("resource", "metadata", "expected"),
    [
        ("pods", {"annotations": {"kubernetes.io/config.mirror": "x"}}, SKIPPED),
        (
            "clusterroles.rbac.authorization.k8s.io",
            {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
            SKIPPED,
        ),
        ("clusterroles.rbac.authorization.k8s.io", {"labels": {"mine": "1"}}, None),
        (
            "apiservices.apiregistration.k8s.io",
            {"labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"}},
            SKIPPED,
        ),
        ("apiservices.apiregistration.k8s.io", {}, None),
        (
            "flowschemas.flowcontrol.apiserver.k8s.io",
            {"annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}},
            SKIPPED,
        ),
        (
            "flowschemas.flowcontrol.apiserver.k8s.io",
            {"annotations": {"apf.kubernetes.io/autoupdate-spec": "false"}},
            None,
        ),
        (
            "ipaddresses.networking.k8s.io",
            {"labels": {"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}},
            LEFT,
        ),
        ("ipaddresses.networking.k8s.io", {"labels": {"ipaddress.kubernetes.io/managed-by": "me"}}, None),
        ("persistentvolumeclaims", {"ownerReferences": [{"kind": "Pod", "name": "p", "controller": True}]}, LEFT),
        (
            "persistentvolumeclaims",
            {"ownerReferences": [{"kind": "StatefulSet", "name": "p", "controller": True}]},
            None,
        ),
        ("resourceclaims.resource.k8s.io", {"annotations": {"resource.kubernetes.io/pod-claim-name": "c"}}, LEFT),
    ],
)
def test_what_is_decided_by_marks(resource: str, metadata: Tree, expected: Action | None) -> None:
    assert by_body(resource, {"metadata": {"name": "x", **metadata}}) is expected


def test_claims_do_not_wait_for_what_would_make_them_empty() -> None:
    assert not skips.waits_for("persistentvolumeclaims", "statefulsets.apps")
    assert not skips.waits_for("persistentvolumeclaims", "pods")
    assert skips.waits_for("persistentvolumeclaims", "postgresqls.example.com")
    assert skips.waits_for("configmaps", "statefulsets.apps")
