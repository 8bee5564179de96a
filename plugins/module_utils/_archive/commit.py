# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The moment at which a backup begins to exist. Private to the collection.

``velero-backup.json`` is created last and once. When the store's answer is lost, or is a refusal that a repeated request
of our own may have caused, the outcome is unknown: it is read back. Nothing is cleaned up while it is unknown.
"""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.document import (
    ANNOTATIONS,
    CAPTURE_ID,
    CommitInfo,
    encode,
    velero_backup,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import Reservation, is_held
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.sidecars import (
    Messages,
    Sidecars,
    write_manifest,
    write_sidecars,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

__all__ = [
    "ANNOTATIONS",
    "CommitInfo",
    "Messages",
    "Sidecars",
    "commit",
    "commit_bytes",
    "velero_backup",
    "write_manifest",
    "write_sidecars",
]

_PAUSES: t.Final = (0.5, 1.0, 2.0, 4.0, 8.0)
_UNKNOWN: t.Final = frozenset(
    {"key_exists", "outcome_unknown", "endpoint_unreachable", "throttled", "store_error", "timeout"}
)
"""After these the file may be there. What else a store says means that it is not."""


def commit(
    location: Location,
    paths: BackupPaths,
    reservation: Reservation,
    document: t.Mapping[str, t.Any],
    *,
    wait: t.Callable[[float], object] = time.sleep,
) -> None:
    """Create ``velero-backup.json`` for the capture that holds the reservation.

    :param document: from :func:`velero_backup`; carries the capture's id.
    :param wait: sleeps between attempts; may raise to give up, which leaves the outcome unknown.
    :raises StowageError: ``backup_exists``: another's backup is there. ``backup_not_found``: the backup was deleted
        meanwhile. ``outcome_unknown``: the store does not say; clean nothing up. Others: refused, nothing is there.
    """
    commit_bytes(location, paths, reservation, encode(document), wait=wait)


def commit_bytes(
    location: Location,
    paths: BackupPaths,
    reservation: Reservation,
    data: bytes,
    *,
    wait: t.Callable[[float], object] = time.sleep,
) -> None:
    """The same with the bytes of ``velero-backup.json``, which may be those of another location's: a copy has the same.

    :raises StowageError: as :func:`commit`.
    """
    if not is_held(location, paths, reservation):
        raise _deleted(paths)
    _create(location, paths, reservation, data, wait)
    if _is_deleted(location, paths, reservation):
        raise _deleted(paths)


def _is_deleted(location: Location, paths: BackupPaths, reservation: Reservation) -> bool:
    """Whether the backup was deleted between the last look and its creation, so that its files are gone.

    What was created is then taken away again, where that is permitted. A store that does not answer now changes nothing:
    the backup is made.
    """
    try:
        if is_held(location, paths, reservation):
            return False
        location.delete([paths.velero_backup])
    except StowageError as error:
        return error.code in ("permission_denied", "locked")
    return True


def _create(
    location: Location,
    paths: BackupPaths,
    reservation: Reservation,
    data: bytes,
    wait: t.Callable[[float], object],
) -> None:
    in_doubt = False
    for pause in (*_PAUSES, None):
        try:
            location.create(paths.velero_backup, data)
        except StowageError as error:
            if error.code not in _UNKNOWN:
                # An earlier request may still be on its way, whatever this one was answered.
                if in_doubt:
                    break
                raise
            in_doubt = True
        else:
            return
        there = _read(location, paths)
        if there is not None and (there == data or _capture_id(there) == reservation.capture_id):
            return
        if there is not None:
            raise StowageError(
                "backup_exists",
                f"Another backup {paths.backup} of {paths.cluster} was made meanwhile.",
                "Choose another name.",
            )
        if pause is not None:
            wait(pause)
    raise StowageError(
        "outcome_unknown",
        f"It could not be learnt whether the backup {paths.backup} of {paths.cluster} was made.",
        f"Once the store answers, look for {paths.velero_backup}: if it is there, the backup is whole. "
        "If not, remove what was left with state: absent.",
    )


def _read(location: Location, paths: BackupPaths) -> bytes | None:
    """What is there; ``None`` if there is none or none can be seen."""
    try:
        return location.read(paths.velero_backup, limit=limits.MAX_VELERO_BACKUP)
    except StowageError:
        return None


def _capture_id(data: bytes) -> str:
    """Whose backup it is: a capture's id, empty for what is not ours."""
    try:
        found = json.loads(data)["metadata"]["annotations"][CAPTURE_ID]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def _deleted(paths: BackupPaths) -> StowageError:
    return StowageError(
        "backup_not_found",
        f"The backup {paths.backup} of {paths.cluster} was deleted while it was being made.",
        "Make it again, under another name if its deletion is still going on.",
    )
