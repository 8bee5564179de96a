# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File system calls that follow no link below a root. Private to the collection.

The directory of a location may be shared with others, so what lies in it is not trusted: each part of a path is opened
by itself, relative to the folder before it, with O_NOFOLLOW.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import os
import stat
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable

_FOLDER_FLAGS: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_RENAME_NOREPLACE: t.Final = 1
# What file systems without hard links, without renameat2, or without fsync of a folder answer.
_NOT_THERE: t.Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK})
_NO_FOLDER_SYNC: t.Final = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES})

_CODES: t.Final[t.Mapping[int, tuple[str, str, str]]] = {
    errno.ENOSPC: ("quota", "the file system is full", "Free space, or delete old backups."),
    errno.EDQUOT: ("quota", "the disk quota is used up", "Free space, or raise the quota."),
    errno.EFBIG: ("quota", "the file would be larger than is allowed", "Raise the limit of file sizes (ulimit -f)."),
    errno.EACCES: (
        "permission_denied",
        "access is denied",
        "Give the user that runs the task access to the directory.",
    ),
    errno.EPERM: ("permission_denied", "the operation is not permitted", "Check the owner, and attributes (lsattr)."),
    errno.EROFS: ("permission_denied", "the file system is read-only", "Mount it for writing."),
    errno.ENAMETOOLONG: ("invalid_name", "the name is too long for the file system", "Choose a shorter name."),
    errno.ENOENT: ("bucket_not_found", "the directory is not there", "Create it, or mount what should be there."),
    errno.ENOTDIR: ("key_exists", "a file is where a folder should be", "Choose another name, or remove the file."),
    errno.EISDIR: ("key_not_found", "a folder is where a file should be", ""),
    errno.ELOOP: (
        "archive_hostile",
        "there is a symbolic link, and links in a location are not followed",
        "Remove it; only the location's path itself may lead through links.",
    ),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder: its name, and for a file size and time of last change (seconds since 1970)."""

    name: str
    folder: bool
    size: int
    modified: float


def translate(error: OSError, what: str) -> StowageError:
    """A location error for an OSError; ``what`` says what was tried, without secrets."""
    code, reason, hint = _CODES.get(error.errno or 0, ("store_error", os.strerror(error.errno or 0), ""))
    return StowageError(code, f"{printable(what, 400)}: {reason}.", hint)


@contextlib.contextmanager
def translated(what: str) -> t.Iterator[None]:
    """OSErrors of the block as location errors."""
    try:
        yield
    except OSError as error:
        raise translate(error, what) from None


def open_root(path: str, *, create: bool) -> int:
    """A descriptor of the root, which may be reached through links. With ``create`` it is made (0700) if its parent is
    there."""
    if create:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
            _sync_path(os.path.dirname(path) or ".")
    return os.open(path, _FOLDER_FLAGS)


def open_folder(root: int, parts: t.Sequence[str], *, create: bool = False, durable: bool = True) -> int:
    """A descriptor of a folder below the root; no part of the way is a link. With ``create`` folders are made (0700), and
    unless ``durable`` is off they survive a power cut."""
    current = os.dup(root)
    try:
        for part in parts:
            following = _enter(current, part, create=create, durable=durable)
            os.close(current)
            current = following
    except BaseException:
        os.close(current)
        raise
    return current


def _enter(folder: int, name: str, *, create: bool, durable: bool) -> int:
    """Opens a folder in a folder, and with ``create`` makes it. It may be removed between the two calls, being empty."""
    for _dummy in range(2):
        try:
            return os.open(name, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
        except FileNotFoundError:
            if not create:
                raise
        except NotADirectoryError:
            # Linux says so of a link too.
            if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
            raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder)
            if durable:
                sync_folder(folder)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def open_file(folder: int, name: str) -> tuple[int, os.stat_result]:
    """A regular file for reading. ELOOP for a link; EISDIR for whatever else is no file (a pipe would block)."""
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    status = os.fstat(handle)
    if stat.S_ISREG(status.st_mode):
        return handle, status
    os.close(handle)
    raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))


def create_file(folder: int, name: str) -> int:
    """A new private file (0600) for writing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o600, dir_fd=folder)


def scan(folder: int) -> list[Entry]:
    """Files and folders of a folder, in order of key bytes (a folder counts with its slash). Links, devices, and names
    that are no UTF-8 are none of ours and left out."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError, UnicodeEncodeError):
                entry.name.encode()
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
                    is_folder = stat.S_ISDIR(status.st_mode)
                    found.append(Entry(entry.name, is_folder, status.st_size, status.st_mtime))
    return sorted(found, key=lambda entry: (entry.name + "/" if entry.folder else entry.name).encode())


def move_new(source: int, name: str, target: int, new_name: str) -> bool:
    """Moves a file to a name that must not exist (FileExistsError), in one step, and makes that durable.

    A hard link does this everywhere; where there are none, Linux's renameat2 does. Returns whether the file system
    refused an existing name by itself: without both, a look comes before the move, and two writers could meet.
    """
    refused_by_store = True
    try:
        _link(source, name, target, new_name)
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        refused_by_store = _rename(source, name, target, new_name)
    sync_folder(target)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=source)
    return refused_by_store


def _link(source: int, name: str, target: int, new_name: str) -> None:
    try:
        os.link(name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except FileExistsError:
        # A network file system may carry a request out, lose the answer, and refuse the repetition.
        there = os.stat(new_name, dir_fd=target, follow_symlinks=False)
        if not os.path.samestat(there, os.stat(name, dir_fd=source, follow_symlinks=False)):
            raise


def _rename(source: int, name: str, target: int, new_name: str) -> bool:
    if _rename_no_replace(source, name, target, new_name):
        return True
    try:
        os.stat(new_name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
        return False
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _rename_no_replace(source: int, name: str, target: int, new_name: str) -> bool:
    """renameat2(2) with RENAME_NOREPLACE; False where it is not to be had."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(source, os.fsencode(name), target, os.fsencode(new_name), _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_THERE:
        return False
    raise OSError(number, os.strerror(number))


def sync_folder(folder: int) -> None:
    """Makes a folder's entries durable, where the file system can."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _sync_path(path: str) -> None:
    handle = os.open(path, _FOLDER_FLAGS)
    try:
        sync_folder(handle)
    finally:
        os.close(handle)


def is_not_empty(error: OSError) -> bool:
    """Whether rmdir(2) refused a directory because something is in it; POSIX allows both numbers."""
    return error.errno in {errno.ENOTEMPTY, errno.EEXIST}


def prune(root: int, parts: t.Sequence[str], keep: int) -> None:
    """Removes a folder and those above it while they are empty; the first ``keep`` parts stay."""
    for depth in range(len(parts), keep, -1):
        try:
            above = open_folder(root, parts[: depth - 1])
        except FileNotFoundError:
            continue
        try:
            os.rmdir(parts[depth - 1], dir_fd=above)
        except FileNotFoundError:
            continue
        except OSError:
            return
        finally:
            os.close(above)
