# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes a backup away: its commit point first, its reservation last. Private to the collection.

``velero-backup.json`` goes in a request of its own, so that from the first moment the backup does not exist, whatever
happens to the rest. The reservation goes last, so that what is left of an interrupted deletion is still known as ours. A
capture that is still running sees that its reservation is gone and does not commit. What Velero made is refused.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import layout, limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.document import CAPTURE_ID
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import Reservation, is_held
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import (
        DeleteFailure,
        Location,
        ObjectInfo,
        PendingUpload,
    )

BATCH: t.Final = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class DeletePlan:
    """What a deletion would take away, in this order.

    :param commit: ``velero-backup.json``, if it is there.
    :param files: the other files of the backup.
    :param restores: files of the restores that were made from it.
    :param uploads: what was begun and never ended.
    :param reservation: the reservation, if it is there.
    :param size: bytes of the files, all in all.
    """

    paths: BackupPaths
    commit: str | None
    files: tuple[str, ...]
    restores: tuple[str, ...]
    uploads: tuple[PendingUpload, ...]
    reservation: str | None
    capture_id: str
    size: int

    @property
    def empty(self) -> bool:
        """There is nothing to delete."""
        return not (self.commit or self.files or self.uploads or self.reservation)

    def keys(self) -> list[str]:
        """Every key that would go, in order."""
        ends = [[self.commit] if self.commit else [], [self.reservation] if self.reservation else []]
        return [*ends[0], *self.files, *self.restores, *ends[1]]


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreFiles:
    """The files of one restore's report, and what its record says; empty texts if it says nothing, as Velero's."""

    name: str
    backup: str
    capture_id: str
    files: tuple[ObjectInfo, ...]

    @property
    def modified(self) -> datetime.datetime:
        """The last change of any of its files."""
        return max(info.modified for info in self.files)


def find_restores(location: Location, cluster: str) -> list[RestoreFiles]:
    """The reports of all restores from a cluster's backups.

    :raises StowageError: location errors.
    """
    objects: dict[str, list[ObjectInfo]] = {}
    prefix = layout.restores_folder(cluster)
    for info in location.list(prefix):
        objects.setdefault(info.key[len(prefix) :].partition("/")[0], []).append(info)
    found = []
    for name, files in objects.items():
        try:
            paths = layout.RestorePaths(cluster, name)
        except StowageError:
            continue
        record = _read_json(location, paths.record) if any(info.key == paths.record for info in files) else None
        found.append(RestoreFiles(name, _text(record, "backup"), _text(record, "capture_id"), tuple(files)))
    return found


def plan_delete(location: Location, paths: BackupPaths, restores: t.Sequence[RestoreFiles] | None = None) -> DeletePlan:
    """Look at what there is of a backup, committed or not.

    :param restores: what :func:`find_restores` found, for whoever deletes several backups.
    :raises StowageError: ``backup_foreign`` for what Velero made, and location errors.
    """
    objects = list(location.list(paths.folder))
    commit = next((info.key for info in objects if info.key == paths.velero_backup), None)
    reservation = _read_json(location, paths.reservation)
    document = _read_json(location, paths.velero_backup) if commit else None
    capture_id = _capture_id(document) or _text(reservation, "capture_id")
    if objects and not _is_ours(paths, objects, document, reservation):
        raise StowageError(
            "backup_foreign",
            f"The backup {paths.backup} of {paths.cluster} was not made by this collection.",
            "Let Velero delete it (velero backup delete), which knows what else hangs on it.",
        )
    mine = objects or reservation is not None
    hanging = list(_restores(location, paths, capture_id, restores)) if mine else []
    return DeletePlan(
        paths=paths,
        commit=commit,
        files=tuple(info.key for info in objects if info.key != commit),
        restores=tuple(info.key for info in hanging),
        # Without a file or reservation of ours they may be another tool's.
        uploads=tuple(_uploads(location, paths)) if mine else (),
        reservation=paths.reservation if reservation is not None else None,
        capture_id=capture_id,
        size=sum(info.size for info in (*objects, *hanging)),
    )


def delete_backup(location: Location, plan: DeletePlan) -> None:
    """Carry a plan out.

    :raises StowageError: with the code of the first key that could not be deleted. If that is ``velero-backup.json``,
        nothing was touched. Else the backup no longer exists, and a new plan finds what is left.
    """
    if plan.commit:
        _delete(location, [plan.commit], f"The backup {plan.paths.backup} could not be deleted, and is whole")
    left = f"The backup {plan.paths.backup} exists no longer, but not all of its files could be deleted"
    for upload in plan.uploads:
        location.abort_upload(upload)
    _delete(location, [*plan.files, *plan.restores], left)
    if plan.reservation:
        _delete(location, [plan.reservation], left)
    # A capture that looked at its reservation just before it went may have committed meanwhile.
    if plan.capture_id and _capture_id(_read_json(location, plan.paths.velero_backup)) == plan.capture_id:
        _delete(location, [plan.paths.velero_backup], left)


def clean_up(location: Location, paths: BackupPaths, reservation: Reservation) -> list[str]:
    """After a capture failed: take away what it wrote, as far as its credentials permit, and say what is left.

    Never to be called while the outcome of the commit is unknown. Nothing is deleted unless the reservation is this
    capture's and no ``velero-backup.json`` is there.

    :return: keys that are left, for ``state: absent`` or the retention to remove. Never raises location errors.
    """
    try:
        if location.stat(paths.velero_backup) is not None:
            return []
        if not is_held(location, paths, reservation):
            # Gone, by state: absent. Another's means that the files are another's too.
            gone = location.stat(paths.reservation) is None
            return [info.key for info in location.list(paths.folder)] if gone else []
        for upload in _uploads(location, paths):
            location.abort_upload(upload)
        files = [info.key for info in location.list(paths.folder)]
    except StowageError:
        return [paths.folder, paths.reservation]
    try:
        left = [failure.key for failure in location.delete(files)] if files else []
        left += [failure.key for failure in location.delete([paths.reservation])] if not left else [paths.reservation]
    except StowageError:
        left = [*files, paths.reservation]
    return left


def _uploads(location: Location, paths: BackupPaths) -> list[PendingUpload]:
    """Uploads that never ended. Streamed files are asked for one by one too: a MinIO that was started again may list an
    upload by its whole key only."""
    prefixes = (paths.folder, paths.tarball, paths.index, paths.resource_list)
    return list({upload.token: upload for prefix in prefixes for upload in location.uploads(prefix)}.values())


def _is_ours(paths: BackupPaths, objects: t.Iterable[ObjectInfo], document: t.Any, reservation: t.Any) -> bool:
    """Whether the files are a capture's: a sound ``velero-backup.json`` decides, else manifest or reservation do."""
    if isinstance(document, dict) and document.get("kind") == "Backup":
        return bool(_capture_id(document))
    return reservation is not None or any(info.key in (paths.manifest, paths.index) for info in objects)


def _restores(
    location: Location, paths: BackupPaths, capture_id: str, restores: t.Sequence[RestoreFiles] | None
) -> t.Iterator[ObjectInfo]:
    """The files of restores whose record names the backup."""
    for restore in find_restores(location, paths.cluster) if restores is None else restores:
        if restore.backup == paths.backup and restore.capture_id in ("", capture_id):
            yield from restore.files


def _delete(location: Location, keys: t.Sequence[str], message: str) -> None:
    failures: list[DeleteFailure] = []
    for start in range(0, len(keys), BATCH):
        failures += location.delete(keys[start : start + BATCH])
    if failures:
        first = failures[0]
        raise StowageError(
            first.code,
            f"{message}: {first.key}: {first.message}",
            "Run the task again when the reason is gone; it goes on with what is left.",
            details={"keys": [failure.key for failure in failures][:50], "count": len(failures)},
        )


def _read_json(location: Location, key: str) -> t.Any:
    """A small file, decoded; ``None`` if there is none, ``False`` if it makes no sense."""
    try:
        return json.loads(location.read(key, limit=limits.MAX_VELERO_BACKUP))
    except (ValueError, RecursionError):
        return False
    except StowageError as error:
        if error.code == "key_not_found":
            return None
        if error.code == "archive_hostile":
            return False
        raise


def _capture_id(document: t.Any) -> str:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    return _text(metadata.get("annotations"), CAPTURE_ID) if isinstance(metadata, dict) else ""


def _text(document: t.Any, field: str) -> str:
    value = document.get(field) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""
