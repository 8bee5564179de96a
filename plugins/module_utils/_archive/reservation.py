# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup's name is reserved before anything is written under it. Private to the collection.

A reservation is created once and stays for as long as the backup does: it says whose the files are, so that what a
killed capture left can be told from what Velero made. A capture owns its name for as long as its reservation is there.
"""

from __future__ import annotations

import dataclasses
import datetime
import secrets
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.create import create_once
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.faults import damaged, unsupported
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

FORMAT: t.Final = "stowage-reservation/1"


@dataclasses.dataclass(frozen=True, slots=True)
class Reservation:
    """Who writes a backup, since when, and until when it may take. Times are the store's (UTC)."""

    capture_id: str
    backup: str
    started: datetime.datetime
    deadline: datetime.datetime
    host: str = ""
    """Where the capture runs, for people."""
    format: str = FORMAT

    def to_json(self) -> bytes:
        import msgspec

        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @classmethod
    def from_json(cls, data: bytes, key: str) -> Reservation:
        """:raises StowageError: ``backup_damaged``, ``archive_unsupported``."""
        import msgspec

        try:
            reservation = msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise damaged(key, "it cannot be decoded") from None
        if reservation.format != FORMAT:
            raise unsupported(key, "has a format that this version does not know")
        if reservation.started.tzinfo is None or reservation.deadline.tzinfo is None or not reservation.capture_id:
            raise damaged(key, "it has values that make no sense")
        return reservation


def reserve(
    location: Location,
    paths: BackupPaths,
    now: datetime.datetime,
    lifetime: datetime.timedelta,
    *,
    host: str = "",
    capture_id: str = "",
) -> Reservation:
    """Reserve the name of a new backup. Of several callers exactly one succeeds.

    :param now: the store's clock.
    :param lifetime: after which the capture may be taken for dead.
    :param capture_id: that of the backup that is copied; a new one if empty.
    :raises StowageError: ``backup_exists``, ``backup_in_progress``, and location errors.
    """
    if next(iter(location.list(paths.folder)), None) is not None:
        raise _taken(location, paths, now)
    reservation = Reservation(capture_id or secrets.token_hex(16), paths.backup, now, now + lifetime, host)
    try:
        create_once(location, paths.reservation, reservation.to_json())
    except StowageError as error:
        if error.code == "key_exists":
            raise _taken(location, paths, now) from None
        raise
    return reservation


def read_reservation(location: Location, paths: BackupPaths) -> Reservation | None:
    """The reservation of a backup's name, ``None`` when there is none.

    :raises StowageError: ``backup_damaged``, ``archive_unsupported``, and location errors.
    """
    try:
        data = location.read(paths.reservation, limit=limits.MAX_RECORD)
    except StowageError as error:
        if error.code == "key_not_found":
            return None
        raise
    return Reservation.from_json(data, paths.reservation)


def is_held(location: Location, paths: BackupPaths, reservation: Reservation) -> bool:
    """Whether the capture still owns the name: deleting the backup takes the reservation away."""
    try:
        found = read_reservation(location, paths)
    except StowageError as error:
        if error.code in ("backup_damaged", "archive_unsupported"):
            return False
        raise
    return found is not None and found.capture_id == reservation.capture_id


def _taken(location: Location, paths: BackupPaths, now: datetime.datetime) -> StowageError:
    """Why the name cannot be reserved."""
    if location.stat(paths.velero_backup) is not None:
        return StowageError(
            "backup_exists",
            f"A backup {paths.backup} of {paths.cluster} exists.",
            "Choose another name, or remove the backup with state: absent of the module backup.",
        )
    reservation = read_reservation(location, paths)
    if reservation is None:
        return StowageError(
            "backup_exists",
            f"There are files of a backup {paths.backup} of {paths.cluster}, but no {paths.velero_backup}.",
            "Velero may be writing it. Choose another name.",
        )
    return in_progress(reservation, now)


def in_progress(reservation: Reservation, now: datetime.datetime) -> StowageError:
    """The failure to tell who asks for a backup that has a reservation and was not committed."""
    since = reservation.started.isoformat(timespec="seconds")
    where = f" on {reservation.host}" if reservation.host else ""
    if now >= reservation.deadline:
        message = f"A capture of {reservation.backup} was begun at {since}{where} and never finished."
        hint = "Remove what it left with state: absent, or choose another name."
    else:
        message = f"A capture of {reservation.backup} is in progress since {since}{where}."
        hint = (
            f"Wait for it (until {reservation.deadline.isoformat(timespec='seconds')} at most). "
            "If it was killed, remove what it left with state: absent."
        )
    return StowageError("backup_in_progress", message, hint, details={"backup": reservation.backup})
