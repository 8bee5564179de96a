# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which objects captured ones are tied to, so that they belong into the same backup. Private to the collection. Pure.

Velero follows a claim to its volume, a pod to its claims and PriorityClass, a service account to its bindings and roles,
and a custom resource to its definition (``pkg/util/actionhelpers``, ``backup.go``). This follows also what else a
captured object names and could not work without: classes of storage, snapshots, ingress, gateways and runtimes, the
cluster roles of role bindings, and the roles that an aggregated role is summed up from.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _label_selectors
from ansible_collections.stowage.kubernetes.plugins.module_utils import _shapes as shapes
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

CRDS: t.Final = "customresourcedefinitions.apiextensions.k8s.io"
CLAIMS: t.Final = "persistentvolumeclaims"
VOLUMES: t.Final = "persistentvolumes"
CLUSTER_ROLES: t.Final = "clusterroles.rbac.authorization.k8s.io"
CLUSTER_ROLE_BINDINGS: t.Final = "clusterrolebindings.rbac.authorization.k8s.io"
_STORAGE_CLASSES: t.Final = "storageclasses.storage.k8s.io"
_SNAPSHOT_CONTENTS: t.Final = "volumesnapshotcontents.snapshot.storage.k8s.io"

TARGETS: t.Final = frozenset(
    {
        CRDS,
        VOLUMES,
        CLUSTER_ROLES,
        CLUSTER_ROLE_BINDINGS,
        _STORAGE_CLASSES,
        _SNAPSHOT_CONTENTS,
        "gatewayclasses.gateway.networking.k8s.io",
        "ingressclasses.networking.k8s.io",
        "priorityclasses.scheduling.k8s.io",
        "runtimeclasses.node.k8s.io",
        "volumeattributesclasses.storage.k8s.io",
        "volumesnapshotclasses.snapshot.storage.k8s.io",
    }
)
"""The cluster-scoped resources that captured objects can be tied to."""
_FIRST: t.Final = (CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, _SNAPSHOT_CONTENTS, VOLUMES)
_WORKLOADS: t.Final = frozenset(
    [
        "cronjobs.batch",
        "daemonsets.apps",
        "deployments.apps",
        "jobs.batch",
        "podtemplates",
        "replicasets.apps",
        "replicationcontrollers",
        "statefulsets.apps",
    ]
)


class Item(t.Protocol):
    """An object of a list or of an archive."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> t.Mapping[str, str] | None: ...
    @property
    def body(self) -> bytes | memoryview: ...


Found: t.TypeAlias = "t.Iterator[tuple[str, str | None]]"
"""Pairs of resource and name (``namespace/name`` where it is namespaced); a name may be missing."""


def order(kind: Kind) -> tuple[int, str]:
    """Sort key of cluster-scoped kinds: one that refers to others comes before them, definitions come last."""
    resource = kind.resource
    if resource in _FIRST:
        return _FIRST.index(resource), resource
    return len(_FIRST) + (resource == CRDS), resource


def refers(kind: Kind) -> bool:
    """Whether objects of a kind can name others, so that :meth:`References.note` is worth its time."""
    return _reader(kind) is not None or kind.resource == "serviceaccounts"


class References:
    """The objects that captured ones name; memory grows with the number of different names only."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}
        self._accounts: set[tuple[str, str]] = set()
        self._roles: dict[str, _Role] = {}

    def note(self, kind: Kind, item: Item) -> None:
        """Remember what a captured object names. One that cannot be read names nothing."""
        if kind.resource == "serviceaccounts":
            self._accounts.add((item.namespace, item.name))
        reader = _reader(kind)
        for target, name in reader(item) if reader else ():
            if name:
                self._names.setdefault(target, set()).add(name)

    def note_kind(self, kind: Kind) -> None:
        """Remember that objects of a kind were captured: its definition, if it has one, belongs to them."""
        if kind.group:
            self._names.setdefault(CRDS, set()).add(kind.resource)

    def needs(self, kind: Kind) -> bool:
        """Whether any object of the kind could be wanted, so that it is worth a list."""
        if kind.resource == CLUSTER_ROLE_BINDINGS:
            return bool(self._accounts)
        return bool(self._names.get(kind.resource))

    def names(self, kind: Kind) -> frozenset[str]:
        """The wanted names of a kind."""
        return frozenset(self._names.get(kind.resource, ()))

    def wants(self, kind: Kind, item: Item) -> bool:
        """Whether a captured object is tied to this one."""
        if kind.resource == CLUSTER_ROLE_BINDINGS:
            return self._binds(item)
        name = f"{item.namespace}/{item.name}" if item.namespace else item.name
        return name in self._names.get(kind.resource, ())

    def note_role(self, item: Item) -> None:
        """Remember a ClusterRole, wanted or not, for :meth:`resolve_roles`."""
        role = shapes.read(shapes.ClusterRole, item.body)
        rule = role.aggregationRule if role else None
        try:
            selectors = (
                tuple(_label_selectors.normalise(one) for one in rule.clusterRoleSelectors or ()) if rule else ()
            )
        except StowageError:
            selectors = ()
        if selectors or item.labels:
            self._roles[item.name] = _Role(dict(item.labels or {}), selectors)

    def resolve_roles(self) -> None:
        """Add the roles that wanted aggregated roles are summed up from, and theirs, after all were noted."""
        wanted = self._names.setdefault(CLUSTER_ROLES, set())
        waiting = [name for name in wanted if name in self._roles]
        while waiting:
            selectors = self._roles[waiting.pop()].selectors
            for name, role in self._roles.items():
                if name not in wanted and any(_label_selectors.matches(one, role.labels) for one in selectors):
                    wanted.add(name)
                    waiting.append(name)

    def _binds(self, item: Item) -> bool:
        binding = shapes.read(shapes.Binding, item.body) if self._accounts else None
        return any(self._is_account(subject) for subject in binding.subjects or ()) if binding else False

    def _is_account(self, subject: shapes.Subject) -> bool:
        if subject.kind == "ServiceAccount":
            return (subject.namespace, subject.name) in self._accounts
        if subject.kind == "User":
            namespace, _colon, name = subject.name.removeprefix("system:serviceaccount:").partition(":")
            return subject.name.startswith("system:serviceaccount:") and (namespace, name) in self._accounts
        namespace = subject.name.removeprefix("system:serviceaccounts:")
        return (
            subject.kind == "Group"
            and namespace != subject.name
            and any(namespace == one for one, _name in self._accounts)
        )


class _Role(t.NamedTuple):
    labels: t.Mapping[str, str]
    selectors: tuple[str, ...]


def _pod(item: Item) -> Found:
    pod = shapes.read(shapes.Pod, item.body)
    if pod is not None:
        yield from _pod_spec(pod.spec)
        for volume in pod.spec.volumes or ():
            if volume.persistentVolumeClaim is not None:
                yield CLAIMS, f"{item.namespace}/{volume.persistentVolumeClaim.claimName}"


def _workload(item: Item) -> Found:
    workload = shapes.read(shapes.Workload, item.body)
    if workload is None:
        return
    templates = [workload.template]
    if workload.spec is not None:
        job = workload.spec.jobTemplate
        templates += [workload.spec.template, job.spec.template if job and job.spec else None]
        for claim in workload.spec.volumeClaimTemplates or ():
            yield _STORAGE_CLASSES, claim.spec.storageClassName
    for template in templates:
        if template is not None and template.spec is not None:
            yield from _pod_spec(template.spec)


def _pod_spec(spec: shapes.PodSpec) -> Found:
    yield "priorityclasses.scheduling.k8s.io", spec.priorityClassName
    yield "runtimeclasses.node.k8s.io", spec.runtimeClassName


def _claim(item: Item) -> Found:
    claim = shapes.read(shapes.Claim, item.body)
    if claim is not None:
        old_way = (claim.metadata.annotations or {}).get("volume.beta.kubernetes.io/storage-class")
        yield VOLUMES, claim.spec.volumeName
        yield _STORAGE_CLASSES, claim.spec.storageClassName or old_way
        yield "volumeattributesclasses.storage.k8s.io", claim.spec.volumeAttributesClassName


def _binding(item: Item) -> Found:
    binding = shapes.read(shapes.Binding, item.body)
    if binding is not None and binding.roleRef.kind == "ClusterRole":
        yield CLUSTER_ROLES, binding.roleRef.name


def _ingress(item: Item) -> Found:
    ingress = shapes.read(shapes.Ingress, item.body)
    if ingress is not None:
        old_way = (ingress.metadata.annotations or {}).get("kubernetes.io/ingress.class")
        yield "ingressclasses.networking.k8s.io", ingress.spec.ingressClassName or old_way
        yield "gatewayclasses.gateway.networking.k8s.io", ingress.spec.gatewayClassName


def _snapshot(item: Item) -> Found:
    snapshot = shapes.read(shapes.Snapshot, item.body)
    if snapshot is not None:
        yield "volumesnapshotclasses.snapshot.storage.k8s.io", snapshot.spec.volumeSnapshotClassName
        yield _SNAPSHOT_CONTENTS, snapshot.spec.source.volumeSnapshotContentName
        yield _SNAPSHOT_CONTENTS, snapshot.status.boundVolumeSnapshotContentName if snapshot.status else None


_READERS: t.Final[t.Mapping[str, t.Callable[[Item], Found]]] = {
    "pods": _pod,
    CLAIMS: _claim,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    CLUSTER_ROLE_BINDINGS: _binding,
    "ingresses.networking.k8s.io": _ingress,
    "ingresses.extensions": _ingress,
    "gateways.gateway.networking.k8s.io": _ingress,
    "volumesnapshots.snapshot.storage.k8s.io": _snapshot,
    _SNAPSHOT_CONTENTS: _snapshot,
    **dict.fromkeys(_WORKLOADS, _workload),
}


def _reader(kind: Kind) -> t.Callable[[Item], Found] | None:
    """What reads a kind's references; a custom workload is taken to have its pod template where built-in ones do."""
    return _READERS.get(kind.resource) or (_workload if "." in kind.group and kind.namespaced else None)
