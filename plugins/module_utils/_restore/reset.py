# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is taken off an object before it is written to another cluster. Private to the collection. Pure.

Follows Velero 1.18 (``pkg/restore/restore.go`` ``resetMetadata``, ``pkg/restore/actions``), except that owner
references are not dropped (see ``owners``) and an explicit cluster IP is kept. What is kept is decided from the archived
object (:func:`rules_for`), so that the same can be taken off the object in the cluster and the two compared.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import fields, snapshots
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Tree

Port: t.TypeAlias = tuple[t.Any, str]
"""Number and protocol of a Service's port."""

ACCOUNT_UID: t.Final = "kubernetes.io/service-account.uid"
_METADATA: t.Final = ("name", "namespace", "labels", "annotations", "finalizers", "ownerReferences")
_DELETION: t.Final = ("foregroundDeletion", "orphan")
CLAIM_ANNOTATIONS: t.Final = (
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
)
VOLUME_ANNOTATIONS: t.Final = ("pv.kubernetes.io/bound-by-controller",)
JOB_LABELS: t.Final = ("controller-uid", "batch.kubernetes.io/controller-uid")
_TOKEN_PATH: t.Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path in a container
_TOKEN_VOLUME: t.Final = re.compile(r"kube-api-access-[a-z0-9]{5}")
_OLD_TOKEN_VOLUME: t.Final = re.compile(r".*-token-[a-z0-9]{5}")


@dataclasses.dataclass(frozen=True, slots=True)
class ResetRules:
    """What of an archived object stays although servers set it as a rule.

    :param cluster_ip: a Service's address was asked for.
    :param node_ports: the ports of a Service whose node port was asked for.
    :param health_check_port: so was its health check's.
    :param volume_name: a claim keeps its volume, because the volume is restored or there.
    :param status: the kind has no status subresource, so that whoever wrote the object wrote its status with it.
    """

    cluster_ip: bool = False
    node_ports: frozenset[Port] = frozenset()
    health_check_port: bool = False
    volume_name: bool = False
    status: bool = False


def rules_for(
    kind: Kind, tree: Tree, *, preserve_node_ports: bool = False, volume_name: bool = False, status: bool = False
) -> ResetRules:
    """The rules for an archived object, which still has its managedFields."""
    if kind.resource == "services":
        return _service_rules(tree, preserve_node_ports)
    return ResetRules(volume_name=volume_name, status=status)


def reset(kind: Kind, tree: Tree, rules: ResetRules) -> list[str]:
    """Take off, in place, what the target's servers and controllers set.

    :returns: what a user should know of it, if anything.
    """
    notes: list[str] = []
    if kind.resource in _RULED:
        notes += _RULED[kind.resource](tree, rules)
    elif kind.resource in _CHANGES:
        notes += _CHANGES[kind.resource](tree)
    if not rules.status:
        tree.pop("status", None)
    metadata = fields.mapping(tree, "metadata")
    if "deletionTimestamp" in metadata:
        notes.append("was being deleted when it was captured")
    for key in [key for key in metadata if key not in _METADATA]:
        del metadata[key]
    if isinstance(metadata.get("finalizers"), list):
        _set_or_drop(metadata, "finalizers", [one for one in metadata["finalizers"] if one not in _DELETION])
    return notes


def _set_or_drop(tree: Tree, key: str, value: t.Any) -> None:
    if value:
        tree[key] = value
    else:
        tree.pop(key, None)


def drop_annotations(tree: Tree, names: t.Iterable[str]) -> None:
    """Remove annotations; an empty mapping goes too."""
    _drop_keys(fields.mapping(tree, "metadata"), "annotations", names)


def _drop_keys(parent: Tree, key: str, names: t.Iterable[str]) -> None:
    mapping = fields.mapping(parent, key)
    for name in names:
        mapping.pop(name, None)
    if not mapping:
        parent.pop(key, None)


# Services


def _service_rules(tree: Tree, preserve_node_ports: bool) -> ResetRules:
    ports = fields.items(tree, "spec", "ports")
    if preserve_node_ports:
        kept = {port_of(port) for port in ports}
        return ResetRules(cluster_ip=_explicit_ip(tree), node_ports=frozenset(kept), health_check_port=True)
    applied = _last_applied(tree)
    if applied is not None:
        spec = fields.mapping(applied, "spec")
        asked = {port_of(port) for port in fields.items(spec, "ports") if port.get("nodePort")}
        health = bool(spec.get("healthCheckNodePort"))
    else:
        asked = {port_of(port) for port in ports if _is_managed_port(tree, port)}
        health = bool(fields.managers_of(tree, "f:spec", "f:healthCheckNodePort"))
    return ResetRules(cluster_ip=_explicit_ip(tree), node_ports=frozenset(asked), health_check_port=health)


def port_of(port: Tree) -> Port:
    """What identifies a port of a Service."""
    return port.get("port"), str(port.get("protocol") or "TCP")


def _explicit_ip(tree: Tree) -> bool:
    applied = _last_applied(tree)
    if applied is not None and fields.mapping(applied, "spec").get("clusterIP"):
        return True
    return any(fields.managers_of(tree, "f:spec", field) for field in ("f:clusterIP", "f:clusterIPs"))


def _is_managed_port(tree: Tree, port: Tree) -> bool:
    number, protocol = port_of(port)
    keys = [
        json.dumps({"port": number, "protocol": protocol}, separators=(",", ":")),
        json.dumps({"port": number}, separators=(",", ":")),
    ]
    return any(fields.managers_of(tree, "f:spec", "f:ports", f"k:{key}", "f:nodePort") for key in keys)


def _last_applied(tree: Tree) -> Tree | None:
    text = fields.annotations_of(tree).get(fields.LAST_APPLIED)
    if not isinstance(text, str):
        return None
    try:
        applied = json.loads(text)
    except ValueError:
        return None
    return applied if isinstance(applied, dict) else None


def _service(tree: Tree, rules: ResetRules) -> list[str]:
    spec = fields.mapping(tree, "spec")
    if spec.get("clusterIP") != "None" and not rules.cluster_ip:
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    for port in fields.items(spec, "ports"):
        if port_of(port) not in rules.node_ports:
            port.pop("nodePort", None)
    if not rules.health_check_port:
        spec.pop("healthCheckNodePort", None)
    return []


# Volumes


def _claim(tree: Tree, rules: ResetRules) -> list[str]:
    spec = fields.mapping(tree, "spec")
    bound = "pv.kubernetes.io/bind-completed" in fields.annotations_of(tree) or bool(spec.get("volumeName"))
    drop_annotations(tree, CLAIM_ANNOTATIONS)
    notes = []
    if bound and (spec.pop("dataSource", None), spec.pop("dataSourceRef", None)) != (None, None):
        notes.append("its dataSource is left out, for it was filled already")
    if not rules.volume_name:
        spec.pop("volumeName", None)
    return notes


def _volume(tree: Tree) -> list[str]:
    claim = fields.mapping(tree, "spec", "claimRef")
    claim.pop("uid", None)
    claim.pop("resourceVersion", None)
    drop_annotations(tree, VOLUME_ANNOTATIONS)
    return []


def _snapshot_content(tree: Tree) -> list[str]:
    drop_annotations(tree, snapshots.CONTENT_ANNOTATIONS)
    return snapshots.reset_content(tree)


# Workloads


def _pod(tree: Tree) -> list[str]:
    spec = fields.mapping(tree, "spec")
    spec.pop("nodeName", None)
    spec.pop("priority", None)
    notes = []
    if spec.pop("ephemeralContainers", None):
        notes.append("its ephemeral containers are left out")
    tokens = _token_volumes(spec)
    if tokens:
        kept = [one for one in fields.items(spec, "volumes") if str(one.get("name")) not in tokens]
        _set_or_drop(spec, "volumes", kept)
        for container in _containers(spec):
            mounts = [one for one in fields.items(container, "volumeMounts") if str(one.get("name")) not in tokens]
            _set_or_drop(container, "volumeMounts", mounts)
    return notes


def _containers(spec: Tree) -> list[Tree]:
    return [*fields.items(spec, "containers"), *fields.items(spec, "initContainers")]


def _token_volumes(spec: Tree) -> set[str]:
    """The volumes that the ServiceAccount admission plugin added, and adds again: those whose only use is the token."""
    uses: dict[str, set[t.Any]] = {}
    for container in _containers(spec):
        for mount in fields.items(container, "volumeMounts"):
            uses.setdefault(str(mount.get("name")), set()).add(str(mount.get("mountPath")))
    return {
        name
        for name, volume in ((str(one.get("name")), one) for one in fields.items(spec, "volumes"))
        if uses.get(name) == {_TOKEN_PATH}
        and (
            ("projected" in volume and _TOKEN_VOLUME.fullmatch(name))
            or ("secret" in volume and _OLD_TOKEN_VOLUME.fullmatch(name))
        )
    }


def _job(tree: Tree) -> list[str]:
    spec = fields.mapping(tree, "spec")
    if spec.get("manualSelector"):
        return []
    spec.pop("selector", None)
    _drop_keys(fields.mapping(spec, "template", "metadata"), "labels", JOB_LABELS)
    _drop_keys(fields.mapping(tree, "metadata"), "labels", JOB_LABELS)
    return []


# Others


def _namespace(tree: Tree) -> list[str]:
    spec = fields.mapping(tree, "spec")
    spec.pop("finalizers", None)
    if not spec:
        tree.pop("spec", None)
    return []


def _secret(tree: Tree) -> list[str]:
    if fields.is_token_secret(tree):
        _drop_keys(tree, "data", ("token", "ca.crt", "namespace"))
        drop_annotations(tree, (ACCOUNT_UID,))
    return []


def _service_account(tree: Tree) -> list[str]:
    made = re.compile(rf"{re.escape(fields.name_of(tree))}-(?:token|dockercfg)-[a-z0-9]{{5}}")
    kept = [one for one in fields.items(tree, "secrets") if not made.fullmatch(str(one.get("name")))]
    _set_or_drop(tree, "secrets", kept)
    return []


def _endpoints(tree: Tree) -> list[str]:
    drop_annotations(tree, ("endpoints.kubernetes.io/last-change-trigger-time",))
    for subset in fields.items(tree, "subsets"):
        for address in [*fields.items(subset, "addresses"), *fields.items(subset, "notReadyAddresses")]:
            _forget_target(address)
    return []


def _endpoint_slice(tree: Tree) -> list[str]:
    for endpoint in fields.items(tree, "endpoints"):
        _forget_target(endpoint)
    return []


def _forget_target(address: Tree) -> None:
    target = fields.mapping(address, "targetRef")
    target.pop("uid", None)
    target.pop("resourceVersion", None)


def _webhooks(tree: Tree) -> list[str]:
    """``v1`` demands ``sideEffects``, which ``v1beta1`` did not."""
    for webhook in fields.items(tree, "webhooks"):
        webhook.setdefault("sideEffects", "None")
    return []


def _crd(tree: Tree) -> list[str]:
    """``v1`` takes ``preserveUnknownFields: true`` only from definitions that had it before, not from new ones."""
    spec = fields.mapping(tree, "spec")
    if spec.get("preserveUnknownFields") is not True:
        return []
    spec["preserveUnknownFields"] = False
    for version in fields.items(spec, "versions"):
        schema = fields.mapping(version, "schema", "openAPIV3Schema")
        if schema:
            schema["x-kubernetes-preserve-unknown-fields"] = True
    return ["preserveUnknownFields moved into its schemas"]


_RULED: t.Final[t.Mapping[str, t.Callable[[Tree, ResetRules], list[str]]]] = {
    "services": _service,
    "persistentvolumeclaims": _claim,
}

_CHANGES: t.Final[t.Mapping[str, t.Callable[[Tree], list[str]]]] = {
    "persistentvolumes": _volume,
    snapshots.CONTENTS: _snapshot_content,
    snapshots.SNAPSHOTS: snapshots.reset_snapshot,
    "pods": _pod,
    "jobs.batch": _job,
    "namespaces": _namespace,
    "secrets": _secret,
    "serviceaccounts": _service_account,
    "endpoints": _endpoints,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
}
