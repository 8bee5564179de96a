# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings the directory of a location into the wanted state. Private to the collection.

A directory has two of the settings: it can be made, and others can be kept out of it. It is deleted only while it is empty,
which rmdir(2) makes sure of, whoever writes into it meanwhile.
"""

from __future__ import annotations

import os
import stat
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import disk
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    BUCKET,
    Change,
    Plan,
    Unsupported,
    Wanted,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem import (
    UPLOADS,
    FilesystemLocation,
    open_filesystem,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import normal_prefix, printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.setup import Outcome, Setup

_OTHERS: t.Final = 0o077
_REASONS: t.Final[t.Mapping[str, str]] = {
    "object_ownership": "Files belong to the user that writes them.",
    "encryption": "A directory has none of its own; its disk may.",
    "versioning": "A directory keeps no old versions. Backups are never overwritten.",
    "object_lock_enabled": "A directory has no object lock: its owner can delete backups.",
    "object_lock": "A directory has no object lock: its owner can delete backups.",
    "tls_only": "Nothing is sent over a network. Whether that of a network file system is encrypted, its mount decides.",
    "abort_stale_uploads": "A directory has no such rule.",
    "shared_key_access": "A directory has no keys.",
}


def open_filesystem_setup(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event | None = None
) -> FilesystemSetup:
    """What sets up a location of provider ``filesystem``. Nothing is looked at yet."""
    prefix = normal_prefix(options.get("prefix"))
    return FilesystemSetup(
        open_filesystem(options, environ, stopped), tuple(part for part in prefix.split("/") if part)
    )


class FilesystemSetup(Setup):
    """The directory that the option ``path`` names."""

    def __init__(self, location: FilesystemLocation, base: tuple[str, ...]) -> None:
        self._location = location
        self._path = location.directory
        self._base = base

    def describe(self) -> str:
        return self._location.describe()

    def secrets(self) -> frozenset[str]:
        return frozenset()

    def denied(self, actions: t.Sequence[str]) -> StowageError:
        names = ", ".join(actions)
        hint = "Let the task run as the directory's owner, or have an administrator do it."
        return StowageError("permission_denied", f"{self._path}: not allowed: {names}.", hint)

    def plan(self, wanted: Wanted) -> Plan:
        mode = self._mode()
        changes: list[Change] = []
        if mode is None:
            self._check_parent(wanted)
            changes.append(Change(BUCKET, "absent", "present"))
        reasons = dict(_REASONS)
        if wanted.block_public_access is False:
            reasons["block_public_access"] = "A directory is not opened to others here."
        elif wanted.block_public_access and (mode is None or mode & _OTHERS):
            # A new directory is its owner's alone anyway; what was there is shown by its mode.
            before = False if mode is None else f"{mode:04o}"
            changes.append(Change("block_public_access", before, True if mode is None else f"{mode & ~_OTHERS:04o}"))
        unsupported = [Unsupported(name, reasons[name]) for name in wanted.settings() if name in reasons]
        return Plan(wanted, mode is not None, tuple(changes), tuple(unsupported))

    def apply(self, plan: Plan) -> Outcome:
        outcome = Outcome()
        for change in plan.changes:
            try:
                with disk.translated(f"Setting up {self._path}"):
                    self._apply(change, plan)
            except StowageError as error:
                if error.code == "permission_denied" and change.setting != BUCKET:
                    outcome.denied[change.setting] = "chmod"
                    continue
                outcome.error = error
                break
            outcome.done.append(change)
        return outcome

    def _apply(self, change: Change, plan: Plan) -> None:
        root = disk.open_root(self._path, create=change.setting == BUCKET)
        try:
            if change.setting == "block_public_access" and plan.present:
                os.fchmod(root, stat.S_IMODE(os.fstat(root).st_mode) & ~_OTHERS)
        finally:
            os.close(root)

    def plan_removal(self) -> Plan:
        if self._mode() is None:
            return Plan(Wanted(), False)
        if os.path.islink(self._path):
            hint = "Give the path of the directory itself, or remove both by hand."
            raise StowageError("unsafe_change", f"{printable(self._path)} is a link, which is not followed here.", hint)
        with disk.translated(f"Looking into {self._path}"):
            root = disk.open_root(self._path, create=False)
            try:
                for depth in range(len(self._ours) + 1):
                    if not self._is_empty(root, depth):
                        raise self._not_empty()
            finally:
                os.close(root)
        return Plan(Wanted(), True, (Change(BUCKET, "present", "absent"),))

    def remove(self) -> None:
        with disk.translated(f"Deleting {self._path}"):
            root = disk.open_root(self._path, create=False)
            try:
                disk.prune(root, self._ours, 0)
            finally:
                os.close(root)
        try:
            os.rmdir(self._path)
        except FileNotFoundError:
            return
        except OSError as error:
            if disk.is_not_empty(error):
                raise self._not_empty() from None
            raise disk.translate(error, f"Deleting {self._path}") from None

    @property
    def _ours(self) -> tuple[str, ...]:
        """The folders, each in the one before it, that a location without backups may have."""
        return (*self._base, UPLOADS)

    def _is_empty(self, root: int, depth: int) -> bool:
        """Whether nothing but the next of our folders is at this depth."""
        try:
            folder = disk.open_folder(root, self._ours[:depth])
        except FileNotFoundError:
            return True
        try:
            with os.scandir(folder) as entries:
                return all(entry.name in self._ours[depth : depth + 1] for entry in entries)
        finally:
            os.close(folder)

    def _not_empty(self) -> StowageError:
        hint = "Only an empty directory is deleted."
        return StowageError("bucket_not_empty", f"There is something in {printable(self._path)}.", hint)

    def _mode(self) -> int | None:
        """The directory's mode, ``None`` if it is not there."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk.translate(error, f"Looking at {self._path}") from None
        if not stat.S_ISDIR(status.st_mode):
            raise StowageError("bucket_not_found", f"{printable(self._path)} is no directory.", "Check the path.")
        return stat.S_IMODE(status.st_mode)

    def _check_parent(self, wanted: Wanted) -> None:
        if not wanted.create_bucket:
            raise StowageError(
                "bucket_not_found",
                f"There is no directory {printable(self._path)}.",
                "Set create_bucket to true to have it made, or check the path, and whether what belongs there is mounted.",
            )
        if not os.path.isdir(os.path.dirname(self._path)):
            raise StowageError(
                "bucket_not_found",
                f"There is neither the directory {printable(self._path)} nor the one that it would be in.",
                "Check the path, and whether what should be mounted there is.",
            )
