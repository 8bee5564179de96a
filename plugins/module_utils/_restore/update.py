# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written over an object that exists. Private to the collection. Pure.

An update is a PUT of the archived object; what servers and controllers set comes from the one in the cluster.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import (
    compare,
    fields,
    owners,
    reset,
    snapshots,
    volumes,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Tree
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.reset import ResetRules

_SERVER_METADATA: t.Final = ("uid", "resourceVersion", "generateName", "creationTimestamp", "generation", "selfLink")


def replacement(kind: Kind, desired: Tree, live: Tree, rules: ResetRules) -> Tree:
    """The body of the PUT, with the live resourceVersion as its precondition.

    :param desired: the archived object after ``reset``, owner references relinked.
    :param live: the object in the cluster, whole.
    """
    body = copy.deepcopy(desired)
    metadata, there = body.setdefault("metadata", {}), fields.mapping(live, "metadata")
    for key in _SERVER_METADATA:
        if key in there:
            metadata[key] = there[key]
    _unite(metadata, there, "finalizers", lambda one: one)
    _unite(metadata, there, "ownerReferences", lambda one: one.get("uid"))
    if "ownerReferences" in metadata:
        metadata["ownerReferences"] = owners.one_controller(metadata["ownerReferences"], fields.owner_references(live))
    for name in compare.CONTROLLER_ANNOTATIONS.get(kind.resource, ()):
        _take(metadata, there, "annotations", name)
    if compare.ca_is_injected(body):
        _take_ca_bundles(body, live)
    if "status" in live and not rules.status:
        # The server ignores it; should discovery have been wrong about that, it is not wiped.
        body["status"] = live["status"]
    if kind.resource == "services":
        _service(body, live, rules)
    elif kind.resource in _CARRIES:
        _CARRIES[kind.resource](body, live)
    return body


def _unite(metadata: Tree, there: Tree, key: str, identity: t.Callable[[t.Any], t.Any]) -> None:
    """Keep what controllers added to a list of metadata."""
    wanted = list(metadata.get(key) or ())
    known = [identity(one) for one in wanted]
    united = wanted + [one for one in there.get(key) or () if identity(one) not in known]
    if united:
        metadata[key] = united


def _take(parent: Tree, other: Tree, key: str, name: str) -> None:
    """Make ``parent[key][name]`` what it is in the cluster."""
    value = fields.mapping(other, key).get(name)
    if value is not None:
        parent.setdefault(key, {})[name] = value
    else:
        fields.mapping(parent, key).pop(name, None)


def _take_ca_bundles(body: Tree, live: Tree) -> None:
    for holder, other in zip(compare.ca_holders(body), compare.ca_holders(live), strict=False):
        if "caBundle" in other:
            holder["caBundle"] = other["caBundle"]


def _service(body: Tree, live: Tree, rules: ResetRules) -> None:
    spec, other = body.setdefault("spec", {}), fields.mapping(live, "spec")
    if spec.get("type") == "ExternalName":
        return
    if "clusterIP" not in spec:
        _copy(spec, other, "clusterIP", "clusterIPs")
    _copy(spec, other, "ipFamilies", "ipFamilyPolicy")
    if not rules.health_check_port:
        _copy(spec, other, "healthCheckNodePort")
    ports = {reset.port_of(port): port.get("nodePort") for port in fields.items(other, "ports")}
    for port in fields.items(spec, "ports"):
        number = ports.get(reset.port_of(port))
        if "nodePort" not in port and number and spec.get("type") in {"NodePort", "LoadBalancer"}:
            port["nodePort"] = number


def _copy(tree: Tree, other: Tree, *keys: str) -> None:
    for key in keys:
        if key in other:
            tree[key] = other[key]


def _claim(body: Tree, live: Tree) -> None:
    spec, other = body.setdefault("spec", {}), fields.mapping(live, "spec")
    if "volumeName" not in spec:
        _copy(spec, other, "volumeName")
    _copy(spec, other, "dataSource", "dataSourceRef")
    for name in reset.CLAIM_ANNOTATIONS:
        _take(body["metadata"], fields.mapping(live, "metadata"), "annotations", name)


def _volume(body: Tree, live: Tree) -> None:
    """A binding stays, also to another claim than the archived one, unless it is that of a claim which is gone."""
    if volumes.is_released(live):
        return
    other = fields.mapping(live, "spec", "claimRef")
    if other.get("name"):
        body.setdefault("spec", {})["claimRef"] = other
    for name in reset.VOLUME_ANNOTATIONS:
        _take(body["metadata"], fields.mapping(live, "metadata"), "annotations", name)


def _snapshot_content(body: Tree, live: Tree) -> None:
    """What it stands for cannot change; its policy is the cluster's (``reset`` writes only ``Retain``)."""
    _copy(body.setdefault("spec", {}), fields.mapping(live, "spec"), "source", "deletionPolicy", "volumeSnapshotRef")
    for name in snapshots.CONTENT_ANNOTATIONS:
        _take(body["metadata"], fields.mapping(live, "metadata"), "annotations", name)


def _snapshot(body: Tree, live: Tree) -> None:
    _copy(body.setdefault("spec", {}), fields.mapping(live, "spec"), "source")


def _job(body: Tree, live: Tree) -> None:
    spec, other = body.setdefault("spec", {}), fields.mapping(live, "spec")
    if spec.get("manualSelector"):
        return
    _copy(spec, other, "selector")
    template, there = fields.mapping(spec, "template"), fields.mapping(other, "template", "metadata")
    for name in reset.JOB_LABELS:
        _take(template.setdefault("metadata", {}), there, "labels", name)


def _pod(body: Tree, live: Tree) -> None:
    """A pod's spec cannot change but for images (and a few fields that no one edits)."""
    wanted = fields.mapping(body, "spec")
    spec = copy.deepcopy(fields.mapping(live, "spec"))
    for key in ("containers", "initContainers"):
        images = {str(one.get("name")): one.get("image") for one in fields.items(wanted, key)}
        for container in fields.items(spec, key):
            image = images.get(str(container.get("name")))
            if image:
                container["image"] = image
    body["spec"] = spec


def _namespace(body: Tree, live: Tree) -> None:
    if "spec" in live:
        body["spec"] = live["spec"]


def _secret(body: Tree, live: Tree) -> None:
    if fields.is_token_secret(live):
        body["data"] = {**fields.mapping(body, "data"), **fields.mapping(live, "data")}
        _take(body["metadata"], fields.mapping(live, "metadata"), "annotations", reset.ACCOUNT_UID)


def _cluster_role(body: Tree, live: Tree) -> None:
    if body.get("aggregationRule"):
        _copy(body, live, "rules")


_CARRIES: t.Final[t.Mapping[str, t.Callable[[Tree, Tree], None]]] = {
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    snapshots.CONTENTS: _snapshot_content,
    snapshots.SNAPSHOTS: _snapshot,
    "jobs.batch": _job,
    "pods": _pod,
    "namespaces": _namespace,
    "secrets": _secret,
    "clusterroles.rbac.authorization.k8s.io": _cluster_role,
}


def merged_account(desired: Tree, live: Tree, *, overwrite: bool) -> Tree | None:
    """A ServiceAccount that exists, with what the archived one has more; ``None`` when that is nothing.

    As Velero does (``pkg/restore/merge_service_account.go``): nothing is taken away.

    :param overwrite: where both have a value, the archived one counts (``existing_resource_policy: update``).
    """
    body = copy.deepcopy(live)
    for key in ("secrets", "imagePullSecrets"):
        there = fields.items(body, key)
        known = {one.get("name") for one in there}
        new = [one for one in fields.items(desired, key) if one.get("name") not in known]
        if new:
            body[key] = there + new
    metadata = body.setdefault("metadata", {})
    for key in ("labels", "annotations"):
        wanted, present = fields.mapping(desired, "metadata", key), fields.mapping(metadata, key)
        added = {name: value for name, value in wanted.items() if overwrite or name not in present}
        if added:
            metadata[key] = {**present, **added}
    if overwrite and "automountServiceAccountToken" in desired:
        body["automountServiceAccountToken"] = desired["automountServiceAccountToken"]
    return body if body != live else None
