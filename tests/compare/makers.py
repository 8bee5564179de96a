# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who made an object: a user, or the cluster itself."""

from __future__ import annotations

import typing as t

from compare.stored import Id, Object, Snapshot

# Never a user's doing, or bound to the one cluster that they are in.
OF_THE_CLUSTER: t.Final = frozenset(
    {
        "events",
        "events.events.k8s.io",
        "leases.coordination.k8s.io",
        "nodes",
        "csinodes.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "certificatesigningrequests.certificates.k8s.io",
        "ipaddresses.networking.k8s.io",
    }
)
NAMED: t.Final = frozenset(
    {
        ("configmaps", "kube-system", "extension-apiserver-authentication"),
        ("configmaps", "kube-system", "kube-apiserver-legacy-service-account-token-tracking"),
        ("services", "default", "kubernetes"),
        ("endpoints", "default", "kubernetes"),
        ("endpointslices.discovery.k8s.io", "default", "kubernetes"),
        ("servicecidrs.networking.k8s.io", "", "kubernetes"),
        ("priorityclasses.scheduling.k8s.io", "", "system-cluster-critical"),
        ("priorityclasses.scheduling.k8s.io", "", "system-node-critical"),
    }
)
SLICE_CONTROLLERS: t.Final = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
# Owners whose controller makes its dependents anew, with names of its own.
WORKLOADS: t.Final = frozenset(
    {
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("batch", "Job"),
        ("batch", "CronJob"),
        ("", "ReplicationController"),
    }
)


def controller(value: Object) -> tuple[str, str, str] | None:
    """The workload that controls an object: group, kind, name."""
    for owner in value["metadata"].get("ownerReferences", ()):
        group = owner["apiVersion"].rpartition("/")[0]
        if owner.get("controller") and (group, owner["kind"]) in WORKLOADS:
            return group, owner["kind"], owner["name"]
    return None


def finished(value: Object) -> bool:
    """A Job or Pod that has run: it would run again if it came back."""
    status = value.get("status", {})
    if value["kind"] == "Job":
        return "completionTime" in status
    return value["kind"] == "Pod" and status.get("phase") in ("Succeeded", "Failed")


def _by_the_server(key: Id, value: Object) -> bool:
    meta = value["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    return (
        key.resource in OF_THE_CLUSTER
        or (key.resource, key.namespace, key.name) in NAMED
        or (key.resource == "configmaps" and key.name == "kube-root-ca.crt")
        or "kubernetes.io/bootstrapping" in labels
        or "apf.kubernetes.io/autoupdate-spec" in annotations
        or "kube-aggregator.kubernetes.io/automanaged" in labels
        or labels.get("endpointslice.kubernetes.io/managed-by") in SLICE_CONTROLLERS
    )


def by_user(key: Id, value: Object, snapshot: Snapshot) -> bool:
    """Whether a user made it, and wants it back: a restore must bring it back under its own name."""
    if _by_the_server(key, value) or controller(value) is not None or finished(value):
        return False
    if (value["metadata"].get("labels") or {}).get("velero.io/exclude-from-backup") == "true":
        return False
    if key.resource == "endpoints":
        service = snapshot.objects.get(Id("services", key.namespace, key.name))
        return service is None or not service["spec"].get("selector")
    if key.resource == "namespaces" and key.name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        return False
    return not (key.resource == "serviceaccounts" and _bare_account(key, value))


def _bare_account(key: Id, value: Object) -> bool:
    """What the controller manager makes in every namespace, and its own accounts in kube-system."""
    meta = value["metadata"]
    plain = not (meta.get("labels") or meta.get("annotations") or value.get("secrets") or value.get("imagePullSecrets"))
    return plain and (key.name == "default" or (key.namespace == "kube-system" and _is_controllers(value)))


def _is_controllers(value: Object) -> bool:
    managers = {entry.get("manager") for entry in value["metadata"].get("managedFields", ())}
    return managers <= {"kube-controller-manager", "k8s"}


def dependents(snapshot: Snapshot) -> dict[tuple[str, str, str, str], int]:
    """How many objects each living workload controls: (namespace, owner's kind, owner's name, resource) -> count."""
    counts: dict[tuple[str, str, str, str], int] = {}
    for key, value in snapshot.objects.items():
        owner = controller(value)
        if owner is None or finished(value) or key.resource not in ("pods", "replicasets.apps"):
            continue
        if owner[1] == "CronJob" or (key.resource == "replicasets.apps" and not value["spec"].get("replicas")):
            continue
        place = key.namespace, owner[1], owner[2], key.resource
        counts[place] = counts.get(place, 0) + 1
    return counts
