# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at a location in a directory. Private to the collection.

What must be tried is tried where unfinished uploads are, under names such as those have: nothing else ever sees it, and
what a killed probe left is swept like any other upload.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import secrets
import stat
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import disk
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    failed,
    of_error,
    passed,
    unknown,
    unsupported,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem import (
    FilesystemLocation,
    open_filesystem,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.persistence import (
    covering_mount,
    parse_mounts,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Access, Aim, Look, Prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Layer

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

LITTLE_BYTES: t.Final = 1 << 30
LITTLE_SHARE: t.Final = 0.05
_MEMORY: t.Final = frozenset({"tmpfs", "ramfs"})
_BODY: t.Final = b"stowage"
# check -> what it is needed for, and what the user must be able to do there.
_RIGHTS: t.Final[t.Mapping[str, tuple[Access, str]]] = {
    "may_list": ("list", "list"),
    "may_create": ("write", "create"),
    "may_read": ("read", "read"),
    "may_delete": ("delete", "delete"),
}


def open_filesystem_prober(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], aim: Aim, stopped: threading.Event | None = None
) -> FilesystemProber:
    """What looks at a directory. Nothing is looked at yet."""
    return FilesystemProber(options, environ, aim, stopped or threading.Event())


@dataclasses.dataclass
class Trial:
    """What became of a file: each field is ``None`` until it is known, and an error if it went wrong.

    :param exclusive: whether the file system refused an existing name by itself.
    """

    create: StowageError | bool | None = None
    sync: StowageError | bool | None = None
    read: StowageError | bool | None = None
    exclusive: StowageError | bool | None = None
    delete: StowageError | bool | None = None


class FilesystemProber(Prober):
    """Looks at a directory, as the user that runs the task."""

    def __init__(
        self, options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], aim: Aim, stopped: threading.Event
    ) -> None:
        self._options = options
        self._environ = environ
        self._aim = aim
        self._stopped = stopped
        self._opened = False
        self._location: FilesystemLocation
        self._there = False
        self._trial = Trial()

    def describe(self) -> str:
        return str(self._options.get("path") or "")

    def location(self) -> Location | None:
        return self._location if self._opened else None

    def identity(self) -> dict[str, str]:
        return {"user": _user(os.geteuid())}

    def settings(self) -> dict[str, t.Any]:
        return {}

    def secrets(self) -> frozenset[str]:
        return frozenset()

    def looks(self, layer: Layer) -> t.Sequence[Look]:
        who = f"{_user(os.geteuid())} (uid {os.geteuid()})."
        made: dict[Layer, list[Look]] = {
            Layer.PARSE: [Look(("address",), self._parse)],
            Layer.IDENTITY: [Look(("identity",), lambda: [passed("identity", who)])],
            Layer.BUCKET: [Look(("bucket",), self._directory)],
            Layer.PERMISSION: [Look(self._wanted(), self._permissions)],
            Layer.INTEGRITY: [Look(("conditional_create", "durable_writes"), self._integrity)],
            Layer.POSTURE: [
                Look(("free_space",), self._space),
                Look(
                    ("encryption", "object_lock"),
                    lambda: [
                        unsupported("encryption", "A directory has none of its own; its disk may."),
                        unsupported("object_lock", "A directory has none: its owner can delete backups."),
                    ],
                ),
            ],
        }
        return made.get(layer, [])

    @property
    def _path(self) -> str:
        return self._location.directory

    # parse, bucket

    def _parse(self) -> list[Check]:
        try:
            self._location = open_filesystem(self._options, self._environ, self._stopped)
        except StowageError as error:
            return [of_error("persistence" if error.code == "not_persistent" else "address", error)]
        self._opened = True
        return [passed("address", f"{printable(self._location.describe())}."), persistence_check(self._path)]

    def _directory(self) -> list[Check]:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return [self._not_there()]
        except OSError as error:
            return [of_error("bucket", disk.translate(error, f"Looking at {self._path}"))]
        if not stat.S_ISDIR(status.st_mode):
            return [failed("bucket", "It is no directory.", "bucket_not_found", fix="Give the path of a directory.")]
        self._there = True
        return [passed("bucket", "The directory is there."), owner_check(status), mode_check(status.st_mode)]

    def _not_there(self) -> Check:
        if os.path.isdir(os.path.dirname(self._path)):
            return passed("bucket", "It is not there yet; the first backup makes it, with mode 0700.")
        seen = "Neither the directory is there nor the one that it would be in."
        return failed(
            "bucket", seen, "bucket_not_found", fix="Check the path, and whether what belongs there is mounted."
        )

    # permission, integrity

    def _wanted(self) -> tuple[str, ...]:
        return tuple(name for name, (access, _action) in _RIGHTS.items() if access in self._aim.access)

    def _permissions(self) -> list[Check]:
        if not self._there:
            above = os.path.dirname(self._path)
            return [self._by_mode(name, above) for name in self._wanted()]
        if "write" in self._aim.access or "delete" in self._aim.access:
            self._try()
        return [self._right(name) for name in self._wanted()]

    def _by_mode(self, name: str, above: str) -> Check:
        """Of a directory that is not there: what its maker may do, its maker may be."""
        named = {"action": _RIGHTS[name][1], "resource": above}
        if os.access(above, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            return passed(name, "The directory can be made.", granted="allowed", **named)
        seen = f"The directory cannot be made in {printable(above)}."
        return failed(name, seen, "permission_denied", granted="missing", **named)

    def _right(self, name: str) -> Check:
        named: dict[str, t.Any] = {"action": _RIGHTS[name][1], "resource": self._path}
        outcome = self._listed() if name == "may_list" else getattr(self._trial, str(named["action"]))
        if outcome is None and name == "may_read":
            # Nothing was to be written, so there is only the mode to go by.
            outcome = os.access(self._path, os.R_OK | os.X_OK) or StowageError("permission_denied", "Access is denied.")
        if outcome is None:
            return unknown(name, "No file could be made to try it on.", **named)
        if isinstance(outcome, StowageError):
            denied = outcome.code == "permission_denied"
            granted: t.Any = "missing" if denied else "unknown"
            return of_error(name, outcome, granted=granted, **named)
        return passed(name, "Allowed.", granted="allowed", **named)

    def _listed(self) -> StowageError | bool:
        try:
            with os.scandir(self._path) as entries:
                next(entries, None)
        except OSError as error:
            return disk.translate(error, f"Listing {self._path}")
        return True

    def _try(self) -> None:
        """Makes a file, and removes it with the folders that were made for it."""
        parts = self._location.upload_folder(self._aim.upload_key)
        try:
            root = self._location.root()
        except OSError as error:
            self._trial.create = disk.translate(error, f"Opening {self._path}")
            return
        try:
            before = _depth(root, parts)
            try:
                self._in_folder(root, parts)
            finally:
                disk.prune(root, parts, before)
        finally:
            os.close(root)

    def _in_folder(self, root: int, parts: tuple[str, ...]) -> None:
        trial, names = self._trial, (secrets.token_hex(16), secrets.token_hex(16))
        folder = -1
        try:
            folder = disk.open_folder(root, parts, create=True, durable=False)
            self._file(folder, *names)
        except OSError as error:
            trial.create = trial.create or disk.translate(error, f"Writing below {self._path}")
        finally:
            if folder >= 0:
                trial.delete = self._removed(folder, names)
                os.close(folder)

    def _file(self, folder: int, name: str, other: str) -> None:
        trial = self._trial
        handle = disk.create_file(folder, name)
        try:
            os.write(handle, _BODY)
            trial.create = True
            trial.sync = _outcome(lambda: os.fsync(handle), f"Syncing a file below {self._path}")
        finally:
            os.close(handle)
        trial.read = _outcome(lambda: _read_back(folder, name), f"Reading below {self._path}")
        trial.exclusive = _outcome(lambda: _exclusive(folder, name, other), f"Moving a file below {self._path}")

    def _removed(self, folder: int, names: t.Iterable[str]) -> StowageError | bool:
        def remove() -> bool:
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
            return True

        return _outcome(remove, f"Deleting below {self._path}")

    def _integrity(self) -> list[Check]:
        trial = self._trial
        if trial.create is None:
            seen = "Nothing was written." if self._there else "The directory is not there yet."
            return [unknown("conditional_create", seen, fix=""), unknown("durable_writes", seen, fix="")]
        checks = [exclusive_check(trial.exclusive), sync_check(trial.sync)]
        if other := _elsewhere(self._location.describe()):
            checks.append(failed("one_filesystem", f"{printable(other)} is another file system.", "invalid_option"))
        else:
            checks.append(passed("one_filesystem", "It is one file system."))
        return checks

    # posture

    def _space(self) -> list[Check]:
        path = self._path if self._there else os.path.dirname(self._path)
        try:
            found = os.statvfs(path)
        except OSError as error:
            return [unknown("free_space", disk.translate(error, f"Looking at {path}").message, fix="")]
        return [space_check(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)]


def persistence_check(path: str) -> Check:
    """Whether a directory is on something that outlives the machine's next start."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
            mount = covering_mount(os.path.realpath(path), parse_mounts(stream.read()))
    except OSError:
        mount = None
    if mount is None:
        return unknown("persistence", "What it is mounted on is not known.", fix="")
    if mount.kind in _MEMORY:
        return warning("persistence", f"It is in memory ({mount.kind}), gone with the machine's next start.")
    return passed("persistence", f"It is on {printable(mount.kind)}, mounted at {printable(mount.point)}.")


def owner_check(status: os.stat_result) -> Check:
    """Pure but for names of users."""
    owner = _user(status.st_uid)
    if status.st_uid == os.geteuid():
        return passed("directory_owner", f"It belongs to {owner}.")
    return warning("directory_owner", f"It belongs to {owner}, not to {_user(os.geteuid())}.")


def mode_check(mode: int) -> Check:
    """Pure."""
    bits = stat.S_IMODE(mode)
    text = f"Mode {bits:04o}"
    if bits & 0o007:
        return warning("directory_mode", f"{text}: every user of the machine gets in.")
    if bits & 0o070:
        return warning("directory_mode", f"{text}: its group gets in.")
    return passed("directory_mode", f"{text}.")


def space_check(free: int, total: int) -> Check:
    """Pure."""
    seen = f"{free / (1 << 30):.1f} of {total / (1 << 30):.1f} GiB are free."
    if not free:
        return failed("free_space", seen, "quota")
    little = free < LITTLE_BYTES or (total and free / total < LITTLE_SHARE)
    return warning("free_space", seen) if little else passed("free_space", seen)


def exclusive_check(outcome: StowageError | bool | None) -> Check:
    """Pure."""
    if isinstance(outcome, StowageError):
        return of_error("conditional_create", outcome)
    if outcome:
        return passed("conditional_create", "The file system refuses an existing name.")
    seen = "The file system has neither hard links nor renameat2: a look comes before each move."
    return warning("conditional_create", seen, fix="Use a file system with hard links.")


def sync_check(outcome: StowageError | bool | None) -> Check:
    """Pure."""
    if isinstance(outcome, StowageError):
        return warning("durable_writes", outcome.message)
    return passed("durable_writes", "Files are synced to the disk.")


def _outcome(act: t.Callable[[], object], what: str) -> StowageError | bool:
    try:
        return act() is not False
    except OSError as error:
        return disk.translate(error, what)


def _read_back(folder: int, name: str) -> bool:
    handle, _dummy = disk.open_file(folder, name)
    try:
        if os.read(handle, len(_BODY) + 1) != _BODY:
            raise OSError(0, "")
    finally:
        os.close(handle)
    return True


def _exclusive(folder: int, name: str, other: str) -> bool:
    """Moves a file to a new name, and another one to that of it, which must be refused."""
    by_itself = disk.move_new(folder, name, folder, other)
    os.close(disk.create_file(folder, name))
    try:
        disk.move_new(folder, name, folder, other)
    except FileExistsError:
        return by_itself
    return False


def _depth(root: int, parts: tuple[str, ...]) -> int:
    """How many of the folders on the way are there already."""
    for depth in range(len(parts), 0, -1):
        with contextlib.suppress(OSError):
            os.close(disk.open_folder(root, parts[:depth]))
            return depth
    return 0


def _elsewhere(path: str) -> str:
    """A folder of ours in the location that is another file system, so that files cannot be moved there in one step."""
    with contextlib.suppress(OSError):
        device = os.stat(path).st_dev
        for name in ("clusters", "workspaces"):
            with contextlib.suppress(OSError):
                if os.stat(os.path.join(path, name)).st_dev != device:
                    return os.path.join(path, name)
    return ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
