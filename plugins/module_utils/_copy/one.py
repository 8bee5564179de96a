# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies one backup from a location to another: reserve, write, commit, as a capture does. Private to the collection.

Every file is hashed on its way and held against the manifest before it becomes visible. ``velero-backup.json`` comes last, with the bytes of
the original. What is already there of an earlier attempt is read back, not written again. Memory does not grow with the backup.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import platform
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import delete, limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.commit import commit_bytes
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.create import create_once
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.faults import damaged
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import (
    Reservation,
    in_progress,
    read_reservation,
    reserve,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._copy.source import Source, Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

LIFETIME: t.Final = datetime.timedelta(hours=24)
"""How long a copy may take before others may think that it was killed."""
_SMALL: t.Final = 4 << 20
_CHUNK: t.Final = 1 << 20


def is_there(target: Location, source: Source) -> bool:
    """Whether the target has this backup, committed.

    :raises StowageError: ``backup_exists`` when it has another one of that name, and location errors.
    """
    try:
        found = target.read(source.paths.velero_backup, limit=limits.MAX_VELERO_BACKUP)
    except StowageError as error:
        if error.code == "key_not_found":
            return False
        raise
    if found == source.document:
        return True
    raise StowageError(
        "backup_exists",
        f"{target.describe()} has another backup {source.paths.backup} of {source.paths.cluster}.",
        "Remove the one or the other with state: absent of the module backup, if it is not needed.",
    )


def check_target(target: Location, source: Source) -> None:
    """Make sure that nobody else writes a backup of that name.

    :raises StowageError: ``backup_in_progress``, ``backup_exists``, and location errors.
    """
    found = read_reservation(target, source.paths)
    if found is not None and found.capture_id != source.capture_id:
        raise in_progress(found, target.now())
    if found is None and next(iter(target.list(source.paths.folder)), None) is not None:
        raise StowageError(
            "backup_exists",
            f"{target.describe()} has files of a backup {source.paths.backup} of {source.paths.cluster}, and no reservation.",
            "Velero may be writing it.",
        )


class Copy:
    """One backup on its way from a location to another."""

    def __init__(self, origin: Location, target: Location, source: Source, progress: Progress) -> None:
        self._origin = origin
        self._target = target
        self._source = source
        self._progress = progress
        self._until = 0.0
        self._moved = 0

    def run(self) -> None:
        """Copy it, whole or not at all.

        :raises StowageError: ``backup_damaged``, ``backup_exists``, ``backup_in_progress``, ``timeout``, ``outcome_unknown``, and
            location errors. What was written is taken away again if the backup itself is at fault, as far as that is permitted;
            otherwise it stays, and the next attempt goes on with it.
        """
        reservation = self._reserve()
        self._until = time.monotonic() + (reservation.deadline - self._target.now()).total_seconds()
        try:
            self._write()
        except StowageError as error:
            if error.code == "backup_damaged":
                error.details["leftovers"] = delete.clean_up(self._target, self._source.paths, reservation)
            raise
        self._until = 0.0
        wait = self._progress.stopped.wait
        commit_bytes(self._target, self._source.paths, reservation, self._source.document, wait=wait)

    def verify(self) -> None:
        """Read the copy back, and the original where there are no hashes of it.

        :raises StowageError: ``backup_damaged``, and location errors.
        """
        for name, wanted in self._source.files.items():
            key = self._source.paths.folder + name
            sha256 = wanted.sha256 or self._digest(self._origin, key).sha256
            self._compare(key, self._digest(self._target, key), Wanted(wanted.size, sha256), self._target)

    def _reserve(self) -> Reservation:
        """A reservation of the name, that of an earlier attempt if it still holds."""
        target, paths = self._target, self._source.paths
        check_target(target, self._source)
        found = read_reservation(target, paths)
        now = target.now()
        if found is not None:
            if now < found.deadline:
                return found
            # Whoever sweeps may be at work on it.
            delete.delete_backup(target, delete.plan_delete(target, paths, []))
        return reserve(target, paths, now, LIFETIME, host=platform.node(), capture_id=self._source.capture_id)

    def _write(self) -> None:
        folder = self._source.paths.folder
        there = {info.key for info in self._target.list(folder)}
        for name, wanted in sorted(self._source.files.items(), key=lambda item: (item[1].size, item[0])):
            key = folder + name
            if key in there:
                self._compare(key, self._digest(self._target, key), self._known(key, wanted), self._target)
            else:
                self._one(key, wanted)

    def _known(self, key: str, wanted: Wanted) -> Wanted:
        return wanted if wanted.sha256 else self._digest(self._origin, key)

    def _one(self, key: str, wanted: Wanted) -> None:
        if wanted.size <= _SMALL:
            data = self._origin.read(key, limit=wanted.size)
            self._compare(key, Wanted(len(data), hashlib.sha256(data).hexdigest()), wanted, self._origin)
            create_once(self._target, key, data)
            self._tell(len(data))
            return
        with self._target.writer(key) as writer:
            self._compare(key, self._digest(self._origin, key, writer.write), wanted, self._origin)
            writer.commit()

    def _digest(self, location: Location, key: str, take: t.Callable[[bytes], object] | None = None) -> Wanted:
        """The size and the hash of a file, read from its beginning to its end.

        :param take: is given all of it.
        """
        sha256, size = hashlib.sha256(), 0
        with contextlib.closing(location.open(key)) as reader:
            while chunk := reader.read(_CHUNK):
                sha256.update(chunk)
                size += len(chunk)
                if take is not None:
                    take(chunk)
                self._tell(len(chunk))
        return Wanted(size, sha256.hexdigest())

    def _compare(self, key: str, found: Wanted, wanted: Wanted, where: Location) -> None:
        if found.size != wanted.size or (wanted.sha256 and found.sha256 != wanted.sha256):
            raise damaged(f"{where.describe()}/{key}", "it is not what was written")

    def _tell(self, size: int) -> None:
        self._progress.check()
        self._moved += size
        name = self._source.paths.backup
        self._progress.report("copy", name, objects=len(self._source.files), size=self._moved)
        if self._until and time.monotonic() >= self._until:
            raise StowageError(
                "timeout",
                f"The copy of {name} took longer than {LIFETIME}.",
                "Others may take it for dead by now, so it was given up. Copy from a machine with a better connection.",
            )
