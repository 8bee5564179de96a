# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backups a location has, with nothing but the bucket. Private to the collection.

What is read may be damaged or hostile: everything is bounded, and a ``velero-backup.json`` that makes no sense becomes a
record with the phase ``Damaged``.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import hashlib
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import document as fields
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import layout, limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.choose import (
    check_existing,
    check_identity,
    check_restorable,
    check_selection,
    fresh,
    latest,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.faults import damaged
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.foreign_json import (
    SELECTION_FIELDS,
    read_backup_document,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import Manifest
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import (
    ABANDONED,
    DAMAGED,
    IN_PROGRESS,
    INCOMPLETE,
    BackupRecord,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import read_reservation
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

__all__ = [
    "BackupRecord",
    "check_existing",
    "check_identity",
    "check_restorable",
    "check_selection",
    "fresh",
    "in_progress",
    "latest",
    "list_backups",
    "list_clusters",
    "read_backup",
    "read_manifest",
]

_REQUESTS: t.Final = 8
_MOST_FILTERS: t.Final = 200
_PHASES: t.Final = frozenset(
    {
        "New",
        "Queued",
        "ReadyToStart",
        "FailedValidation",
        "InProgress",
        "WaitingForPluginOperations",
        "WaitingForPluginOperationsPartiallyFailed",
        "Finalizing",
        "FinalizingPartiallyFailed",
        "Completed",
        "PartiallyFailed",
        "Failed",
        "Deleting",
    }
)


def list_clusters(location: Location) -> tuple[list[str], list[str]]:
    """The names of the clusters' folders in a location, and those of folders that cannot be a cluster's, printable."""
    clusters, others = [], []
    for name in sorted(location.list_folders("clusters/")):
        try:
            clusters.append(layout.validate_cluster(name))
        except StowageError:
            others.append(printable(name))
    return clusters, others


def list_backups(location: Location, cluster: str, *, auditing: bool = False) -> list[BackupRecord]:
    """Every backup in a cluster's folder, oldest first, captures in progress and abandoned ones included.

    :param auditing: a reservation that may not be read counts as absent. Nothing is decided by what is listed then.
    :raises StowageError: location errors; never because of what a file holds.
    """
    layout.validate_cluster(cluster)
    folders = set(location.list_folders(layout.backups_folder(cluster)))
    prefix = layout.reservations_folder(cluster)
    reserved = {info.key[len(prefix) : -len(".json")] for info in location.list(prefix) if info.key.endswith(".json")}
    now = location.now()
    with concurrent.futures.ThreadPoolExecutor(_REQUESTS, "catalog") as pool:
        records = list(pool.map(lambda name: _read(location, cluster, name, now, auditing), sorted(folders | reserved)))
    there = [record for record in records if record.phase != INCOMPLETE or record.name in folders]
    return sorted(there, key=lambda record: record.order)


def in_progress(location: Location, cluster: str) -> list[BackupRecord]:
    """The captures that were begun and not committed, abandoned ones included."""
    return [record for record in list_backups(location, cluster) if record.phase in (IN_PROGRESS, ABANDONED)]


def read_backup(location: Location, cluster: str, name: str) -> BackupRecord:
    """One backup, by name; a capture in progress is one too.

    :raises StowageError: ``invalid_name``, ``backup_not_found``, and location errors.
    """
    paths = BackupPaths(cluster, name)
    record = _read(location, cluster, name, location.now())
    if record.phase == INCOMPLETE and next(iter(location.list(paths.folder)), None) is None:
        raise StowageError(
            "backup_not_found",
            f"{location.describe()} has no backup {name} of {cluster}.",
            "List what there is with backup_info, or the playbook backups.",
        )
    return record


def read_manifest(location: Location, record: BackupRecord) -> Manifest:
    """The manifest of a backup of ours, after its hash was compared with the commit's.

    :raises StowageError: ``backup_damaged`` (also when it is missing), ``archive_unsupported``, location errors.
    """
    key = BackupPaths(record.cluster, record.name).manifest
    try:
        data = location.read(key, limit=limits.MAX_MANIFEST)
    except StowageError as error:
        if error.code == "key_not_found":
            raise damaged(key, "it is missing") from None
        raise
    if hashlib.sha256(data).hexdigest() != record.manifest_sha256:
        raise damaged(key, "it is not what was written")
    return Manifest.from_json(data, key)


def _read(location: Location, cluster: str, name: str, now: datetime.datetime, auditing: bool = False) -> BackupRecord:
    """The record of one name; ``Incomplete`` also if there is nothing at all."""
    try:
        paths = BackupPaths(cluster, name)
    except StowageError:
        return BackupRecord(printable(name), cluster, DAMAGED, message="Its name is no DNS name.")
    try:
        data = location.read(paths.velero_backup, limit=limits.MAX_VELERO_BACKUP)
    except StowageError as error:
        if error.code == "key_not_found":
            return _uncommitted(location, paths, now, auditing)
        if error.code == "archive_hostile":
            return _damaged(location, paths, "velero-backup.json is too large.")
        raise
    document = read_backup_document(data, fields.ANNOTATIONS)
    if document is None:
        return _damaged(location, paths, "velero-backup.json cannot be decoded.")
    if document["kind"] != "Backup" or _text(document, "metadata", "name") != name:
        return _damaged(location, paths, "velero-backup.json is not this backup's.")
    if _text(document, "status", "phase") not in _PHASES:
        return _damaged(location, paths, "velero-backup.json has no phase that Velero knows.")
    return record_of(cluster, document)


def record_of(cluster: str, document: dict[str, t.Any]) -> BackupRecord:
    """A record from what :func:`read_backup_document` gives; values of a wrong type count as absent. Pure."""
    annotations = _texts(document, "metadata", "annotations")
    capture_id = annotations.get(fields.CAPTURE_ID, "")
    return BackupRecord(
        name=_text(document, "metadata", "name"),
        cluster=cluster,
        phase=_text(document, "status", "phase"),
        started=_time(_text(document, "status", "startTimestamp")),
        completed=_time(_text(document, "status", "completionTimestamp")),
        ours=bool(capture_id),
        capture_id=capture_id,
        manifest_sha256=annotations.get(fields.MANIFEST_SHA256, ""),
        cluster_uid=annotations.get(fields.CLUSTER_UID, ""),
        fingerprint=annotations.get(fields.FINGERPRINT, "") or _foreign_fingerprint(document),
        filters=_filters(document),
        labels=_texts(document, "metadata", "labels"),
        objects=_count(document, "status", "progress", "itemsBackedUp"),
        size=_digits(annotations.get(fields.BYTES, "")),
        warnings=_count(document, "status", "warnings") or 0,
        errors=_count(document, "status", "errors") or 0,
        expires_at=_time(annotations.get(fields.EXPIRES_AT, "") or _text(document, "status", "expiration")),
        format_version=_text(document, "status", "formatVersion"),
    )


def _uncommitted(location: Location, paths: BackupPaths, now: datetime.datetime, auditing: bool) -> BackupRecord:
    """What is there of a backup without ``velero-backup.json``."""
    record = BackupRecord(paths.backup, paths.cluster, INCOMPLETE, message="It has no velero-backup.json.")
    try:
        reservation = read_reservation(location, paths)
    except StowageError as error:
        if error.code in ("backup_damaged", "archive_unsupported", "archive_hostile"):
            return dataclasses.replace(record, phase=ABANDONED, message="Its reservation cannot be decoded.", ours=True)
        if auditing and error.code == "permission_denied":
            return record
        raise
    if reservation is None:
        return record
    past = now >= reservation.deadline
    deadline = reservation.deadline.isoformat(timespec="seconds")
    return dataclasses.replace(
        record,
        phase=ABANDONED if past else IN_PROGRESS,
        started=reservation.started,
        ours=True,
        capture_id=reservation.capture_id,
        message=f"Its capture {'should have ended by' if past else 'has until'} {deadline}.",
    )


def _damaged(location: Location, paths: BackupPaths, message: str) -> BackupRecord:
    ours = location.stat(paths.manifest) is not None
    return BackupRecord(paths.backup, paths.cluster, DAMAGED, message=message, ours=ours)


def _foreign_fingerprint(document: dict[str, t.Any]) -> str:
    """What tells selections of backups apart that have no fingerprint: Velero's filter fields."""
    spec = document.get("spec")
    if not isinstance(spec, dict):
        return ""
    filters = {field: spec[field] for field in SELECTION_FIELDS if spec.get(field)}
    return "velero:" + hashlib.sha256(json.dumps(filters, sort_keys=True).encode()).hexdigest()


def _filters(document: dict[str, t.Any]) -> str:
    """The filters of a backup in short: ``includedNamespaces: shop; includeClusterResources: false``."""
    parts = []
    for field in SELECTION_FIELDS:
        value = _at(document, ("spec", field))
        if value in (None, [], {}, ["*"], ""):
            continue
        words = ", ".join(map(str, value)) if isinstance(value, list) and _plain(value) else json.dumps(value)
        parts.append(f"{field}: {words}")
    text = printable("; ".join(parts))
    return text if len(text) <= _MOST_FILTERS else text[: _MOST_FILTERS - 1] + "…"


def _plain(values: list[t.Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _at(document: t.Any, path: tuple[str, ...]) -> t.Any:
    for part in path:
        if not isinstance(document, dict):
            return None
        document = document.get(part)
    return document


def _text(document: t.Any, *path: str) -> str:
    value = _at(document, path)
    return printable(value) if isinstance(value, str) else ""


def _texts(document: t.Any, *path: str) -> dict[str, str]:
    value = _at(document, path)
    if not isinstance(value, dict):
        return {}
    return {printable(key): printable(text) for key, text in value.items() if isinstance(text, str)}


def _count(document: t.Any, *path: str) -> int | None:
    value = _at(document, path)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _time(text: str) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(text)
        # Close to either end of what a clock can say, there is no reckoning with it.
        return time.astimezone(datetime.UTC) if time.tzinfo is not None and 1970 <= time.year <= 9000 else None
    except (ValueError, OverflowError):
        return None
