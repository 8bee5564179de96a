# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes backups for tests: whole ones of ours, and tarballs as Velero, or an enemy, would write them."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import tarfile
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import commit as committing
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import (
    GroupRecord,
    KindRecord,
    Manifest,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import Reservation, reserve
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.writer import ArchiveSummary, ArchiveWriter
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.cutting import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

CONFIG_MAPS: t.Final = Kind("", "v1", "configmaps", "ConfigMap", True)
DEPLOYMENTS: t.Final = Kind("apps", "v1", "deployments", "Deployment", True)
NAMESPACES: t.Final = Kind("", "v1", "namespaces", "Namespace", False)
PATHS: t.Final = BackupPaths("east", "nightly")


class Notes(Progress):
    """Progress that remembers its notes."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def make_item(kind: Kind, namespace: str, name: str, *, data: str = "", owners: t.Sequence[str] = ()) -> Item:
    """An object as a list brings it."""
    uid = f"uid-of-{namespace}-{name}"
    metadata: dict[str, t.Any] = {"name": name, "uid": uid}
    if namespace:
        metadata["namespace"] = namespace
    if owners:
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "X", "name": "x", "uid": owner, "controller": True} for owner in owners
        ]
    document = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "data": {"value": data}}
    body = json.dumps(document, ensure_ascii=False).encode()
    return Item(namespace, name, uid, "7", None, False, tuple(owners), body)


def write_archive(
    location: Location, objects: t.Iterable[tuple[Kind, Item]], paths: BackupPaths = PATHS
) -> ArchiveSummary:
    """Tarball, index and list of resources."""
    with ArchiveWriter(location, paths) as writer:
        for kind, item in objects:
            writer.add(kind, item)
        return writer.finish()


def make_backup(
    location: Location,
    objects: t.Iterable[tuple[Kind, Item]],
    *,
    paths: BackupPaths = PATHS,
    phase: t.Literal["Completed", "PartiallyFailed"] = "Completed",
    cluster_uid: str = "uid-of-east",
    fingerprint: str = "fingerprint",
    labels: t.Mapping[str, str] | None = None,
    expires_at: datetime.datetime | None = None,
    incomplete: t.Sequence[Kind] = (),
    groups_failed: t.Sequence[str] = (),
) -> Reservation:
    """A whole backup of ours, committed.

    :param incomplete: kinds of which it lacks objects, all of them.
    :param groups_failed: API groups that could not be seen.
    """
    now = location.now()
    reservation = reserve(location, paths, now, datetime.timedelta(hours=1), host="here")
    summary = write_archive(location, objects, paths)
    files = summary.files | committing.write_sidecars(location, paths, committing.Sidecars(log=["level=info msg=done"]))
    manifest = Manifest(
        backup=paths.backup,
        cluster=paths.cluster,
        capture_id=reservation.capture_id,
        cluster_uid=cluster_uid,
        server_version="v1.35.4",
        selection={},
        fingerprint=fingerprint,
        started=now,
        completed=now,
        files=files,
        index=summary.directory,
        objects=summary.objects,
        raw_bytes=summary.raw_bytes,
        kinds=[
            *(KindRecord.of(kind, count=count, revision="7") for kind, count in summary.counts.items()),
            *(KindRecord.of(kind, complete=False, reason="it is forbidden") for kind in incomplete),
        ],
        groups_failed=[GroupRecord(group, "v1", "no answer") for group in groups_failed],
    )
    info = committing.CommitInfo(
        phase=phase,
        started=now,
        completed=now,
        capture_id=reservation.capture_id,
        manifest_sha256=committing.write_manifest(location, paths, manifest),
        cluster_uid=cluster_uid,
        fingerprint=fingerprint,
        git_version="v1.35.4",
        major="1",
        minor="35",
        objects=summary.objects,
        total=summary.objects,
        size=sum(digest.size for digest in files.values()),
        labels=labels or {},
        expires_at=expires_at,
    )
    committing.commit(location, paths, reservation, committing.velero_backup(paths.backup, info))
    return reservation


def velero_document(name: str, *, phase: str = "Completed", format_version: str = "1.1.0") -> dict[str, t.Any]:
    """``velero-backup.json`` as Velero writes it, the fields that matter."""
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {"name": name, "namespace": "velero", "labels": {"velero.io/storage-location": "default"}},
        "spec": {"includedNamespaces": ["*"], "ttl": "720h0m0s", "storageLocation": "default", "hooks": {}},
        "status": {
            "version": 1,
            "formatVersion": format_version,
            "phase": phase,
            "startTimestamp": "2026-11-01T11:00:00Z",
            "completionTimestamp": "2026-11-01T11:00:10Z",
            "progress": {"totalItems": 3, "itemsBackedUp": 3},
        },
    }


def put_foreign(
    location: Location,
    archive: bytes,
    *,
    paths: BackupPaths = PATHS,
    phase: str = "Completed",
    format_version: str = "1.1.0",
) -> None:
    """A backup that is not ours, of any tarball."""
    document = velero_document(paths.backup, phase=phase, format_version=format_version)
    location.create(paths.tarball, archive)
    location.create(paths.velero_backup, json.dumps(document).encode())


def regular(path: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """A file for :func:`tarball`."""
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(content), 0o755
    return info, content


def tarball(entries: t.Iterable[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A ``.tar.gz`` of one member, made by the standard library."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), 1)


def velero_entries(
    objects: t.Iterable[tuple[Kind, Item]], *, versions: bool = True
) -> t.Iterator[tuple[tarfile.TarInfo, bytes]]:
    """The files of a Velero archive, in the order given: flat copies and, with ``versions``, the others."""
    if versions:
        yield regular("metadata/version", b"1.1.0\n")
    for kind, item in objects:
        scope = f"namespaces/{item.namespace}" if item.namespace else "cluster"
        yield regular(f"resources/{kind.resource}/{scope}/{item.name}.json", item.body)
        if versions:
            path = f"resources/{kind.resource}/{kind.version}-preferredversion/{scope}/{item.name}.json"
            yield regular(path, item.body)
