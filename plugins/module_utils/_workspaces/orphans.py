# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What in a cluster's folder belongs to nothing, and may be swept. Private to the collection.

Only what has a reservation of ours past its deadline is swept, and reports of ours whose backup is gone. Files without
a reservation may be another tool's.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.delete import RestoreFiles
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import ABANDONED, BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import read_reservation
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location


@dataclasses.dataclass(frozen=True)
class Orphans:
    """Names of captures that were never finished or not wholly deleted, and restores whose backup is gone."""

    captures: tuple[str, ...]
    restores: tuple[RestoreFiles, ...]


def find_orphans(
    location: Location,
    cluster: str,
    records: t.Sequence[BackupRecord],
    restores: t.Sequence[RestoreFiles],
    *,
    before: datetime.datetime,
) -> Orphans:
    """What may be swept.

    :param before: the deadline of a capture, and the last change of a report, must have been before that.
    :raises StowageError: location errors.
    """
    abandoned = [record.name for record in records if record.phase == ABANDONED]
    captures = [name for name in abandoned if is_past(location, BackupPaths(cluster, name), before)]
    return Orphans(tuple(captures), tuple(one for one in restores if _is_lost(one, records, before)))


def is_past(location: Location, paths: BackupPaths, before: datetime.datetime) -> bool:
    """Whether a reservation of ours can be read and had its deadline before an instant.

    :raises StowageError: location errors.
    """
    try:
        reservation = read_reservation(location, paths)
    except StowageError as error:
        if error.code in ("backup_damaged", "archive_unsupported", "archive_hostile"):
            return False
        raise
    return reservation is not None and reservation.deadline <= before


def _is_lost(restore: RestoreFiles, records: t.Iterable[BackupRecord], before: datetime.datetime) -> bool:
    """A record of ours, long untouched, that names a backup which is gone, or was made again since."""
    if not restore.backup or not restore.capture_id or restore.modified > before:
        return False
    named = [record for record in records if record.name == restore.backup]
    return all(record.ours and record.capture_id not in ("", restore.capture_id) for record in named)
