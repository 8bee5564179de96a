# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``velero-backup.json``: a Backup as Velero reads it, with what we add in annotations. Private to the collection. Pure.

Fields as in Velero's ``pkg/apis/velero/v1/backup_types.go`` (1.18), chosen so that its sync takes the backup and
``velero backup describe`` reads well.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import FORMAT_VERSION

Phase = t.Literal["Completed", "PartiallyFailed"]

CAPTURE_ID: t.Final = "stowage.kubernetes/capture-id"
MANIFEST_SHA256: t.Final = "stowage.kubernetes/manifest-sha256"
CLUSTER_UID: t.Final = "stowage.kubernetes/cluster-uid"
FINGERPRINT: t.Final = "stowage.kubernetes/fingerprint"
EXPIRES_AT: t.Final = "stowage.kubernetes/expires-at"
BYTES: t.Final = "stowage.kubernetes/bytes"
ANNOTATIONS: t.Final = (CAPTURE_ID, MANIFEST_SHA256, CLUSTER_UID, FINGERPRINT, EXPIRES_AT, BYTES)

_MAX_LABEL: t.Final = 63


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CommitInfo:
    """What is known of a capture when it ends. Times are UTC.

    :param selection: ``Selection.to_velero_spec()``.
    :param labels: the user's.
    :param annotations: beside ours.
    :param size: bytes of all files of the backup.
    :param expires_at: when the backup is no longer needed; ours alone, unless ``velero_expiration``.
    :param velero_expiration: let Velero's garbage collection delete the backup at ``expires_at``.
    """

    phase: Phase
    started: datetime.datetime
    completed: datetime.datetime
    capture_id: str
    manifest_sha256: str
    cluster_uid: str
    fingerprint: str
    git_version: str
    major: str
    minor: str
    objects: int
    total: int
    size: int
    warnings: int = 0
    errors: int = 0
    selection: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    expires_at: datetime.datetime | None = None
    velero_expiration: bool = False


def velero_backup(name: str, info: CommitInfo) -> dict[str, t.Any]:
    """The document that makes a backup exist."""
    status: dict[str, t.Any] = {
        "version": 1,
        "formatVersion": FORMAT_VERSION,
        "phase": info.phase,
        "startTimestamp": timestamp(info.started),
        "completionTimestamp": timestamp(info.completed),
        "progress": {"totalItems": info.total, "itemsBackedUp": info.objects},
        "hookStatus": {},
    }
    status |= {field: count for field, count in (("warnings", info.warnings), ("errors", info.errors)) if count}
    spec = _spec(info)
    if info.velero_expiration and info.expires_at is not None:
        spec["ttl"] = go_duration(info.expires_at.replace(microsecond=0) - info.started.replace(microsecond=0))
        status["expiration"] = timestamp(info.expires_at)
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {
            "name": name,
            "namespace": "velero",
            "creationTimestamp": timestamp(info.started),
            "labels": {key: label_value(value) for key, value in info.labels.items()}
            | {"velero.io/storage-location": "default"},
            "annotations": {**info.annotations, **_annotations(info)},
        },
        "spec": spec,
        "status": status,
    }


def encode(document: t.Mapping[str, t.Any]) -> bytes:
    """The file's bytes."""
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def label_value(value: str) -> str:
    """A label's value cut as Velero cuts it (``pkg/label``): the first 57 characters and 6 of the sha256."""
    if len(value) <= _MAX_LABEL:
        return value
    return value[: _MAX_LABEL - 6] + hashlib.sha256(value.encode()).hexdigest()[:6]


def timestamp(time: datetime.datetime) -> str:
    """RFC 3339 in UTC without fractions, as Kubernetes writes it."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def go_duration(duration: datetime.timedelta) -> str:
    """``720h0m0s``: a duration as Go prints it, in whole seconds."""
    seconds = max(int(duration.total_seconds()), 0)
    return f"{seconds // 3600}h{seconds // 60 % 60}m{seconds % 60}s"


def _spec(info: CommitInfo) -> dict[str, t.Any]:
    return {
        **info.selection,
        "storageLocation": "default",
        "snapshotVolumes": False,
        "defaultVolumesToFsBackup": False,
        "snapshotMoveData": False,
        "csiSnapshotTimeout": "10m0s",
        "itemOperationTimeout": "4h0m0s",
        "hooks": {},
        "metadata": {},
    }


def _annotations(info: CommitInfo) -> dict[str, str]:
    annotations = {
        "velero.io/source-cluster-k8s-gitversion": info.git_version,
        "velero.io/source-cluster-k8s-major-version": info.major,
        "velero.io/source-cluster-k8s-minor-version": info.minor,
        CAPTURE_ID: info.capture_id,
        MANIFEST_SHA256: info.manifest_sha256,
        CLUSTER_UID: info.cluster_uid,
        FINGERPRINT: info.fingerprint,
        BYTES: str(info.size),
    }
    if info.expires_at is not None:
        annotations[EXPIRES_AT] = timestamp(info.expires_at)
    return annotations
