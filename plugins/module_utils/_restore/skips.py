# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is never restored, and what is left to a controller. Private to the collection. Pure.

Decided by who made an object, not by its kind alone: hand-made Endpoints, EndpointSlices and token Secrets are
restored. :func:`by_index` decides from the archive's index, so that such objects are not even fetched; :func:`by_body`
decides from the object.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import fields, order
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action, Tree, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.owners import OwnerRecord, OwnerState

DEFAULT_ACCOUNT: t.Final = "default"
"""The ServiceAccount that a controller makes in each namespace."""
BOOTSTRAPPING: t.Final = "kubernetes.io/bootstrapping"
EARLY: t.Final = frozenset({order.CRDS, order.NAMESPACES})
"""Kinds that others need to be there, so that they wait for no owner: they get their references later."""
PAUSED: t.Final = "paused"
"""The fact of a Deployment for which its controller makes no ReplicaSet."""

_NEVER: t.Final[t.Mapping[str, str]] = {
    "nodes": "nodes register themselves",
    "events": "events tell of the source cluster",
    "events.events.k8s.io": "events tell of the source cluster",
    "leases.coordination.k8s.io": "leases belong to running processes",
    "leasecandidates.coordination.k8s.io": "leases belong to running processes",
    "csinodes.storage.k8s.io": "kubelets register drivers themselves",
    "volumeattachments.storage.k8s.io": "attachments belong to nodes of the source cluster",
    "certificatesigningrequests.certificates.k8s.io": "requests for certificates are answered once",
    "podcertificaterequests.certificates.k8s.io": "requests for certificates are answered once",
    "storageversions.internal.apiserver.k8s.io": "made by the API server",
    # Velero fills these from its own locations; a restored request would make it act again (even delete backups).
    **{
        f"{plural}.velero.io": "belongs to a run of Velero"
        for plural in (
            "backups",
            "restores",
            "resticrepositories",
            "backuprepositories",
            "deletebackuprequests",
            "downloadrequests",
            "serverstatusrequests",
            "podvolumebackups",
            "podvolumerestores",
            "datauploads",
            "datadownloads",
        )
    },
}

_NEVER_NAMED: t.Final[t.Mapping[tuple[str, str], tuple[str, str]]] = {
    # (resource, name) -> (namespace or "*", why)
    ("configmaps", "kube-root-ca.crt"): ("*", "made in each namespace by a controller"),
    ("configmaps", "extension-apiserver-authentication"): ("kube-system", "made by the API server"),
    ("configmaps", "kube-apiserver-legacy-service-account-token-tracking"): ("kube-system", "made by the API server"),
    ("services", "kubernetes"): ("default", "made by the API server"),
    ("endpoints", "kubernetes"): ("default", "made by the API server"),
    ("endpointslices.discovery.k8s.io", "kubernetes"): ("default", "made by the API server"),
    ("priorityclasses.scheduling.k8s.io", "system-cluster-critical"): ("", "made by the API server"),
    ("priorityclasses.scheduling.k8s.io", "system-node-critical"): ("", "made by the API server"),
    ("servicecidrs.networking.k8s.io", "kubernetes"): ("", "made by the API server"),
}

_POD_MAKERS: t.Final = frozenset(
    {"replicasets.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch", "replicationcontrollers"}
)
_REMADE: t.Final[t.Mapping[str, frozenset[str]]] = {
    "pods": _POD_MAKERS,
    "controllerrevisions.apps": frozenset({"statefulsets.apps", "daemonsets.apps"}),
}
"""Dependents of which a built-in controller makes all anew from such an owner."""

_REMAKERS: t.Final[t.Mapping[tuple[str, str], str]] = {
    ("apps", "ReplicaSet"): "replicasets.apps",
    ("apps", "StatefulSet"): "statefulsets.apps",
    ("apps", "DaemonSet"): "daemonsets.apps",
    ("apps", "Deployment"): "deployments.apps",
    ("batch", "Job"): "jobs.batch",
    ("", "ReplicationController"): "replicationcontrollers",
}

_SLICE_CONTROLLERS: t.Final = frozenset({"endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"})
_THERE: t.Final = frozenset({OwnerState.THERE, OwnerState.PLANNED, OwnerState.LEFT})
_GONE: t.Final = frozenset({OwnerState.ABSENT, OwnerState.FAILED})


class Surroundings(t.Protocol):
    """What decisions need to know beside the object."""

    def service_selects(self, namespace: str, name: str) -> bool | None:
        """Whether the Service of that name has a selector; ``None`` when there is no such Service."""

    def owner_exists(self, api_version: str, kind: str, namespace: str, name: str) -> bool:
        """Whether the target has such an object."""


class Case(t.NamedTuple):
    """An archived object, those of its owners that are in the archive, and what is around it."""

    tree: Tree
    owners: t.Sequence[OwnerRecord]
    around: Surroundings


def waits_for(resource: str, owner_resource: str) -> bool:
    """Whether an object must come after an owner of that kind.

    Claims come before StatefulSets and pods although these own them: a controller that is first makes an empty claim.
    """
    return resource not in EARLY and not (
        resource == "persistentvolumeclaims" and owner_resource in {"statefulsets.apps", "pods"}
    )


def by_index(resource: str, namespace: str, name: str, owners: t.Iterable[OwnerRecord]) -> Verdict | None:
    """A verdict that needs no body; ``None`` when the body decides or the object is to be restored.

    :param owners: those of its owners that are in the archive. They must be settled before.
    """
    if resource in _NEVER:
        return Verdict(Action.SKIPPED, _NEVER[resource])
    named = _NEVER_NAMED.get((resource, name))
    if named is not None and named[0] in {"*", namespace}:
        return Verdict(Action.SKIPPED, named[1])
    makers = _REMADE.get(resource, frozenset())
    for owner in owners:
        if owner.kind.resource == "nodes":
            return Verdict(Action.SKIPPED, "belongs to a node of the source cluster")
        if owner.kind.resource in makers and owner.state in _THERE:
            return Verdict(Action.LEFT_TO_CONTROLLER, f"made anew by {owner.kind.kind} {owner.name}")
        if owner.kind.resource in makers and owner.state is OwnerState.DIFFERS:
            return _made_there(owner.kind.kind, owner.name)
        if owner.kind.resource in makers and owner.state in _GONE:
            return Verdict(Action.SKIPPED, f"its {owner.kind.kind} {owner.name} is not restored")
    return None


def by_body(kind: Kind, case: Case) -> Verdict | None:
    """A verdict from the object itself; ``None`` when it is to be restored."""
    if BOOTSTRAPPING in fields.labels_of(case.tree):
        return Verdict(Action.SKIPPED, "made by the API server when it starts")
    rule = _RULES.get(kind.resource)
    verdict = rule(case) if rule is not None else None
    return verdict or _remade_there(kind.resource, case)


def _remade_there(resource: str, case: Case) -> Verdict | None:
    """Its owner is not in this restore, but in the target, whose controller has seen to it."""
    makers = _REMADE.get(resource, frozenset())
    if not makers:
        return None
    for api_version, kind, name in fields.owner_words(case.tree):
        group = api_version.rpartition("/")[0]
        if _REMAKERS.get((group, kind)) in makers and case.around.owner_exists(
            api_version, kind, fields.namespace_of(case.tree), name
        ):
            return _made_there(kind, name)
    return None


def _made_there(kind: str, name: str) -> Verdict:
    return Verdict(Action.LEFT_TO_CONTROLLER, f"made by {kind} {name}, which is in the cluster")


def _pod(case: Case) -> Verdict | None:
    if "kubernetes.io/config.mirror" in fields.annotations_of(case.tree):
        return Verdict(Action.SKIPPED, "made by a kubelet from a file on its node")
    if fields.mapping(case.tree, "status").get("phase") in {"Succeeded", "Failed"}:
        return Verdict(Action.SKIPPED, "it has ended; restored, it would run again")
    return None


def _job(case: Case) -> Verdict | None:
    status = fields.mapping(case.tree, "status")
    ended = bool(status.get("completionTime")) or any(
        condition.get("type") in {"Complete", "Failed"} and condition.get("status") == "True"
        for condition in status.get("conditions") or ()
        if isinstance(condition, dict)
    )
    return Verdict(Action.SKIPPED, "it has ended; restored, it would run again") if ended else None


def _replica_set(case: Case) -> Verdict | None:
    for owner in case.owners:
        if owner.kind.resource != "deployments.apps":
            continue
        if owner.state is OwnerState.FAILED:
            return Verdict(Action.SKIPPED, f"its Deployment {owner.name} could not be restored")
        if owner.state is OwnerState.DIFFERS and _is_current(case.tree, owner.facts):
            return Verdict(Action.SKIPPED, f"its Deployment {owner.name} differs and was left as it is")
        if owner.state in _THERE and _is_current(case.tree, owner.facts):
            return Verdict(Action.LEFT_TO_CONTROLLER, f"made anew by Deployment {owner.name}")
    return None


def _is_current(tree: Tree, revision: str) -> bool:
    """Whether the Deployment's controller makes this ReplicaSet anew: it has the Deployment's revision."""
    if revision == PAUSED:
        return False
    own = fields.annotations_of(tree).get("deployment.kubernetes.io/revision", "")
    if own and revision:
        return bool(own == revision)
    return bool(fields.mapping(tree, "spec").get("replicas"))


def deployment_facts(tree: Tree) -> str:
    """What :func:`by_body` must know of a Deployment to tell its current ReplicaSet."""
    if fields.mapping(tree, "spec").get("paused"):
        return PAUSED
    return str(fields.annotations_of(tree).get("deployment.kubernetes.io/revision", ""))


def _endpoints(case: Case) -> Verdict | None:
    name, namespace = fields.name_of(case.tree), fields.namespace_of(case.tree)
    if case.around.service_selects(namespace, name):
        return Verdict(Action.LEFT_TO_CONTROLLER, f"made anew for Service {name}")
    return None


def _endpoint_slice(case: Case) -> Verdict | None:
    manager = fields.labels_of(case.tree).get("endpointslice.kubernetes.io/managed-by")
    return Verdict(Action.LEFT_TO_CONTROLLER, f"made anew by {manager}") if manager in _SLICE_CONTROLLERS else None


def _secret(case: Case) -> Verdict | None:
    if fields.is_token_secret(case.tree) and token_made_by_controller(case.tree):
        return Verdict(Action.SKIPPED, "a token that the token controller made; pods get theirs projected")
    return None


def token_made_by_controller(tree: Tree) -> bool:
    """Whether a token Secret was made by the token controller (Kubernetes before 1.24) rather than by a person.

    Who set its type made it. Without managedFields the name decides, which the controller makes as ``<account>-token-``
    and five characters.
    """
    managers = fields.managers_of(tree, "f:type")
    if managers:
        return managers == {"kube-controller-manager"}
    account = fields.annotations_of(tree).get("kubernetes.io/service-account.name", "")
    return (
        bool(account) and re.fullmatch(rf"{re.escape(account)}-token-[a-z0-9]{{5}}", fields.name_of(tree)) is not None
    )


def _claim(case: Case) -> Verdict | None:
    pods = [
        one for one in fields.owner_references(case.tree) if one.get("kind") == "Pod" and one.get("controller") is True
    ]
    if pods:
        return Verdict(Action.LEFT_TO_CONTROLLER, f"an ephemeral volume of Pod {pods[0].get('name')}")
    return None


def _resource_claim(case: Case) -> Verdict | None:
    if "resource.kubernetes.io/pod-claim-name" in fields.annotations_of(case.tree):
        return Verdict(Action.LEFT_TO_CONTROLLER, "made anew from a pod's claim template")
    return None


def _api_service(case: Case) -> Verdict | None:
    if "kube-aggregator.kubernetes.io/automanaged" in fields.labels_of(case.tree):
        return Verdict(Action.SKIPPED, "registered by the API server itself")
    return None


def _flow_control(case: Case) -> Verdict | None:
    if fields.annotations_of(case.tree).get("apf.kubernetes.io/autoupdate-spec") == "true":
        return Verdict(Action.SKIPPED, "kept up to date by the API server")
    return None


def _labelled(label: str, value: str, verdict: Verdict) -> _Rule:
    def rule(case: Case) -> Verdict | None:
        return verdict if fields.labels_of(case.tree).get(label) == value else None

    return rule


def _trust_bundle(case: Case) -> Verdict | None:
    if str(fields.mapping(case.tree, "spec").get("signerName") or "").startswith("kubernetes.io/"):
        return Verdict(Action.LEFT_TO_CONTROLLER, "published by the controller manager")
    return None


_Rule: t.TypeAlias = t.Callable[[Case], Verdict | None]

_RULES: t.Final[t.Mapping[str, _Rule]] = {
    "pods": _pod,
    "jobs.batch": _job,
    "replicasets.apps": _replica_set,
    "endpoints": _endpoints,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "secrets": _secret,
    "persistentvolumeclaims": _claim,
    "resourceclaims.resource.k8s.io": _resource_claim,
    "apiservices.apiregistration.k8s.io": _api_service,
    "flowschemas.flowcontrol.apiserver.k8s.io": _flow_control,
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": _flow_control,
    "ipaddresses.networking.k8s.io": _labelled(
        "ipaddress.kubernetes.io/managed-by",
        "ipallocator.k8s.io",
        Verdict(Action.LEFT_TO_CONTROLLER, "made by the API server for a Service"),
    ),
    "csistoragecapacities.storage.k8s.io": _labelled(
        "csi.storage.k8s.io/managed-by",
        "external-provisioner",
        Verdict(Action.LEFT_TO_CONTROLLER, "made by the storage driver"),
    ),
    "clustertrustbundles.certificates.k8s.io": _trust_bundle,
}


def is_never_restored(resource: str) -> bool:
    """Whether no object of the kind is ever restored."""
    return resource in _NEVER


def owns_nothing(resource: str) -> bool:
    """Whether objects of the kind are never restored and never asked for as owners (nodes are: they tell what is theirs)."""
    return resource in _NEVER and resource != "nodes"
