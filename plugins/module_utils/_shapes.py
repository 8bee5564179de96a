# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The few fields that are read from objects' bodies, by their API names. Private to the collection.

msgspec decodes into these and skips everything else, so that no object becomes a Python tree.
"""
# ruff: noqa: N815 - the fields bear the API's names

from __future__ import annotations

import dataclasses
import functools
import typing as t

Shape = t.TypeVar("Shape")


@functools.cache
def _decoder(shape: t.Any) -> t.Callable[[t.Any], t.Any]:
    import msgspec

    return msgspec.json.Decoder(shape).decode


def read(shape: type[Shape], body: bytes | bytearray | memoryview) -> Shape | None:
    """The fields of an object, ``None`` when it has them in another form than the API says."""
    import msgspec

    try:
        found: Shape = _decoder(t.cast("t.Any", shape))(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found


@dataclasses.dataclass(slots=True)
class Metadata:
    annotations: dict[str, str] | None = None


@dataclasses.dataclass(slots=True)
class ClaimSource:
    claimName: str


@dataclasses.dataclass(slots=True)
class PodVolume:
    persistentVolumeClaim: ClaimSource | None = None


@dataclasses.dataclass(slots=True)
class PodSpec:
    priorityClassName: str | None = None
    runtimeClassName: str | None = None
    volumes: list[PodVolume] | None = None


@dataclasses.dataclass(slots=True)
class Pod:
    spec: PodSpec


@dataclasses.dataclass(slots=True)
class ClaimSpec:
    volumeName: str | None = None
    storageClassName: str | None = None
    volumeAttributesClassName: str | None = None


@dataclasses.dataclass(slots=True)
class Claim:
    spec: ClaimSpec
    metadata: Metadata = dataclasses.field(default_factory=Metadata)


@dataclasses.dataclass(slots=True)
class VolumeSpec:
    persistentVolumeReclaimPolicy: str | None = None


@dataclasses.dataclass(slots=True)
class Volume:
    spec: VolumeSpec


@dataclasses.dataclass(slots=True)
class PodTemplate:
    spec: PodSpec | None = None


@dataclasses.dataclass(slots=True)
class JobSpec:
    template: PodTemplate | None = None


@dataclasses.dataclass(slots=True)
class JobTemplate:
    spec: JobSpec | None = None


@dataclasses.dataclass(slots=True)
class WorkloadSpec:
    template: PodTemplate | None = None
    jobTemplate: JobTemplate | None = None
    volumeClaimTemplates: list[Claim] | None = None


@dataclasses.dataclass(slots=True)
class Workload:
    """Everything that makes pods from a template, wherever it has it (PodTemplate: at the top)."""

    spec: WorkloadSpec | None = None
    template: PodTemplate | None = None


@dataclasses.dataclass(slots=True)
class Subject:
    kind: str = ""
    name: str = ""
    namespace: str = ""


@dataclasses.dataclass(slots=True)
class RoleRef:
    kind: str = ""
    name: str = ""


@dataclasses.dataclass(slots=True)
class Binding:
    roleRef: RoleRef
    subjects: list[Subject] | None = None


@dataclasses.dataclass(slots=True)
class AggregationRule:
    clusterRoleSelectors: list[dict[str, t.Any]] | None = None


@dataclasses.dataclass(slots=True)
class ClusterRole:
    aggregationRule: AggregationRule | None = None


@dataclasses.dataclass(slots=True)
class IngressSpec:
    ingressClassName: str | None = None
    gatewayClassName: str | None = None


@dataclasses.dataclass(slots=True)
class Ingress:
    """Ingresses, and Gateways, which name their class in the same place."""

    spec: IngressSpec
    metadata: Metadata = dataclasses.field(default_factory=Metadata)


@dataclasses.dataclass(slots=True)
class SnapshotSource:
    volumeSnapshotContentName: str | None = None


@dataclasses.dataclass(slots=True)
class SnapshotSpec:
    volumeSnapshotClassName: str | None = None
    source: SnapshotSource = dataclasses.field(default_factory=SnapshotSource)


@dataclasses.dataclass(slots=True)
class SnapshotStatus:
    boundVolumeSnapshotContentName: str | None = None


@dataclasses.dataclass(slots=True)
class Snapshot:
    """VolumeSnapshots and VolumeSnapshotContents."""

    spec: SnapshotSpec
    status: SnapshotStatus | None = None


@dataclasses.dataclass(slots=True)
class NamespaceStatus:
    phase: str = ""


@dataclasses.dataclass(slots=True)
class Namespace:
    status: NamespaceStatus = dataclasses.field(default_factory=NamespaceStatus)


@dataclasses.dataclass(slots=True)
class CrdNames:
    plural: str
    kind: str = ""


@dataclasses.dataclass(slots=True)
class CrdVersion:
    name: str
    served: bool = False


@dataclasses.dataclass(slots=True)
class CrdSpec:
    group: str
    names: CrdNames
    versions: list[CrdVersion] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Condition:
    type: str = ""
    status: str = ""


@dataclasses.dataclass(slots=True)
class CrdStatus:
    conditions: list[Condition] | None = None


@dataclasses.dataclass(slots=True)
class Crd:
    spec: CrdSpec
    status: CrdStatus | None = None
