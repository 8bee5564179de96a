# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A location in a directory. Private to the collection.

Needs nothing but the standard library. An object is a file of its key's name, made under a private name in
``.stowage-uploads`` first and then linked to its own, which fails if that exists: so nothing is seen half-written and
nothing is overwritten. Files get mode 0600 and folders 0700. The directory itself is made on the first write if its
parent exists; until then it counts as an empty location.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import re
import secrets
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import disk
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import (
    Capabilities,
    DeleteFailure,
    Location,
    ObjectInfo,
    PendingUpload,
    Reader,
    Writer,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.file_reader import FileReader
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import (
    check_key,
    normal_prefix,
    printable,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.persistence import check_persistent

UPLOADS: t.Final = ".stowage-uploads"
ROUNDS: t.Final = 100
"""How often a folder is made anew when others remove it as empty."""
_TOKEN: t.Final = re.compile(r"[0-9a-f]{32}")


def open_filesystem(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event | None = None
) -> FilesystemLocation:
    """The location of options ``path`` (absolute, or below the home directory) and ``prefix``."""
    path = str(options.get("path") or "")
    if path.startswith("~"):
        path = os.path.expanduser(path)
    if not os.path.isabs(path) or "\0" in path:
        raise StowageError(
            "invalid_option",
            f"The location's path {printable(path)!r} is not absolute.",
            "Give the directory's whole path, such as /srv/backups.",
        )
    check_persistent(path, environ)
    return FilesystemLocation(os.path.normpath(path), normal_prefix(options.get("prefix")), stopped)


class FilesystemLocation(Location):
    """A directory, or a folder (``prefix``) of it."""

    def __init__(self, path: str, prefix: str = "", stopped: threading.Event | None = None) -> None:
        super().__init__(stopped)
        self.capabilities = Capabilities(conditional_create=True)
        self._path = path
        self._base = tuple(part for part in prefix.split("/") if part)

    def describe(self) -> str:
        return os.path.join(self._path, *self._base)

    @property
    def directory(self) -> str:
        """The directory that the option ``path`` names."""
        return self._path

    # reading

    def read(self, key: str, *, limit: int) -> bytes:
        with self._opened(key) as (handle, status):
            if status.st_size > limit:
                raise StowageError(
                    "archive_hostile",
                    f"{self._name(key)} has {status.st_size} bytes, more than the {limit} it may have.",
                )
            return self._exactly(handle, 0, status.st_size, key)

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        with self._opened(key) as (handle, _dummy):
            return self._exactly(handle, offset, length, key)

    def open(self, key: str, offset: int = 0) -> Reader:
        handle, status = self._open(key)
        return FileReader(handle, offset, status.st_size, self._name(key))

    def stat(self, key: str) -> ObjectInfo | None:
        try:
            with self._opened(key) as (_dummy, status):
                return ObjectInfo(key, status.st_size, _utc(status.st_mtime))
        except StowageError as error:
            if error.code == "key_not_found":
                return None
            raise

    def list(self, prefix: str) -> t.Iterator[ObjectInfo]:
        *folders, start = prefix.split("/")
        yield from self._files(tuple(folders), start)

    def list_names(self, prefix: str) -> t.Iterator[str]:
        folders = tuple(prefix.split("/")[:-1])
        for entry in self._entries((*self._base, *folders)):
            if folders or entry.name != UPLOADS:
                yield f"{entry.name}/" if entry.folder else entry.name

    # writing

    def create(self, key: str, data: bytes) -> ObjectInfo:
        with FileWriter(self, self._parts(key), key) as writer:
            writer.append(data)
            return writer.commit()

    def writer(self, key: str) -> Writer:
        return FileWriter(self, self._parts(key), key)

    def delete(self, keys: t.Sequence[str]) -> t.Sequence[DeleteFailure]:
        failures = []
        for key in keys:
            try:
                self._delete(key)
            except StowageError as error:
                failures.append(DeleteFailure(key, error.code, error.message))
        return failures

    def uploads(self, prefix: str) -> t.Iterator[PendingUpload]:
        """``started`` is the time of the last write: a file system does not say more. Never later than now."""
        *folders, start = prefix.split("/")
        for found in self._walk((*self._base, UPLOADS, *folders), start, "/".join([*folders, ""]) if folders else ""):
            key, _dummy, token = found.key.rpartition("/")
            if key.startswith(prefix) and _TOKEN.fullmatch(token):
                yield PendingUpload(key, token, found.modified)

    def abort_upload(self, upload: PendingUpload) -> None:
        if not _TOKEN.fullmatch(upload.token):
            raise StowageError("invalid_name", f"{printable(upload.token)!r} is no upload of this location.")
        self.drop_upload(self.upload_folder(upload.key), upload.token)

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC)

    def secrets(self) -> frozenset[str]:
        return frozenset()

    # what the writer uses too

    def root(self, *, create: bool = False) -> int:
        """A descriptor of the location's directory."""
        return disk.open_root(self._path, create=create)

    def upload_folder(self, key: str) -> tuple[str, ...]:
        """The folder of a key's unfinished uploads."""
        return (*self._base, UPLOADS, *check_key(key).split("/"))

    def drop_upload(self, folder: tuple[str, ...], token: str) -> None:
        """Removes an unfinished upload and the folders that it leaves empty; what is gone is no failure."""
        with (
            disk.translated(f"Removing an unfinished upload in {self.describe()}"),
            contextlib.suppress(FileNotFoundError),
        ):
            root = self.root()
            try:
                with contextlib.suppress(FileNotFoundError):
                    handle = disk.open_folder(root, folder)
                    try:
                        os.unlink(token, dir_fd=handle)
                    finally:
                        os.close(handle)
                disk.prune(root, folder, len(self._base))
            finally:
                os.close(root)

    # helpers

    def _name(self, key: str) -> str:
        return f"{self.describe()}/{printable(key)}"

    def _parts(self, key: str) -> tuple[str, ...]:
        parts = check_key(key).split("/")
        if parts[0] == UPLOADS:
            raise StowageError(
                "invalid_name", f"{UPLOADS} is where unfinished uploads are, and can be no part of a key."
            )
        return (*self._base, *parts)

    def _open(self, key: str) -> tuple[int, os.stat_result]:
        """Opens an object's file; ``key_not_found`` when there is none."""
        *folders, name = self._parts(key)
        root = self._root_or_missing(key)
        folder = -1
        try:
            folder = disk.open_folder(root, folders)
            return disk.open_file(folder, name)
        except (FileNotFoundError, NotADirectoryError):
            raise StowageError("key_not_found", f"There is no {self._name(key)}.") from None
        except OSError as error:
            raise disk.translate(error, f"Reading {self._name(key)}") from None
        finally:
            if folder >= 0:
                os.close(folder)
            os.close(root)

    def _root_or_missing(self, key: str) -> int:
        root = self._root_if_there()
        if root is None:
            raise StowageError("key_not_found", f"There is no {self._name(key)}.")
        return root

    def _root_if_there(self) -> int | None:
        """The root, ``None`` while the first write has not made it; without a parent to make it in it is missing."""
        try:
            return self.root()
        except FileNotFoundError:
            if os.path.isdir(os.path.dirname(self._path)):
                return None
            raise StowageError(
                "bucket_not_found",
                f"There is neither the directory {self._path} nor the one that it would be in.",
                "Check the path, and whether what should be mounted there is.",
            ) from None
        except OSError as error:
            raise disk.translate(error, f"Opening {self._path}") from None

    @contextlib.contextmanager
    def _opened(self, key: str) -> t.Iterator[tuple[int, os.stat_result]]:
        handle, status = self._open(key)
        try:
            yield handle, status
        finally:
            os.close(handle)

    def _exactly(self, handle: int, offset: int, length: int, key: str) -> bytes:
        pieces: list[bytes] = []
        with disk.translated(f"Reading {self._name(key)}"):
            while length > 0:
                piece = os.pread(handle, length, offset)
                if not piece:
                    raise StowageError("backup_damaged", f"{self._name(key)} is shorter than it should be.")
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _files(self, folders: tuple[str, ...], start: str) -> t.Iterator[ObjectInfo]:
        prefix = "/".join([*folders, ""]) if folders else ""
        yield from self._walk((*self._base, *folders), start, prefix, skip="" if folders else UPLOADS)

    def _walk(self, parts: tuple[str, ...], start: str, prefix: str, skip: str = "") -> t.Iterator[ObjectInfo]:
        """The files below a folder whose first part begins with ``start``, their keys beginning with ``prefix``."""
        for entry in self._entries(parts):
            if entry.name == skip or not entry.name.startswith(start):
                continue
            if entry.folder:
                yield from self._walk((*parts, entry.name), "", f"{prefix}{entry.name}/")
            else:
                yield ObjectInfo(prefix + entry.name, entry.size, _utc(entry.modified))

    def _entries(self, parts: tuple[str, ...]) -> t.Sequence[disk.Entry]:
        """What a folder holds; nothing if it is not there."""
        if any(part in {"", ".", ".."} for part in parts):
            return []
        root = self._root_if_there()
        if root is None:
            return []
        try:
            folder = disk.open_folder(root, parts)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise disk.translate(error, f"Listing {self.describe()}") from None
        finally:
            os.close(root)
        try:
            with disk.translated(f"Listing {self.describe()}"):
                return disk.scan(folder)
        finally:
            os.close(folder)

    def _delete(self, key: str) -> None:
        *folders, name = self._parts(key)
        with disk.translated(f"Deleting {self._name(key)}"), contextlib.suppress(FileNotFoundError):
            root = self.root()
            try:
                folder = disk.open_folder(root, folders)
                try:
                    handle, _dummy = disk.open_file(folder, name)
                    os.close(handle)
                    os.unlink(name, dir_fd=folder)
                    disk.sync_folder(folder)
                finally:
                    os.close(folder)
                disk.prune(root, folders, len(self._base))
            finally:
                os.close(root)


class FileWriter(Writer):
    """A file under a private name until it is committed."""

    def __init__(self, location: FilesystemLocation, parts: tuple[str, ...], key: str) -> None:
        self._location = location
        self._parts = parts
        self._key = key
        self._what = f"Writing {location.describe()}/{printable(key)}"
        self._token = secrets.token_hex(16)
        self._upload = location.upload_folder(key)
        self._root = self._folder = self._handle = -1
        self._size = 0
        try:
            with disk.translated(self._what):
                self._begin()
        except BaseException:
            self._close()
            raise

    def _begin(self) -> None:
        self._root = self._location.root(create=True)
        for _dummy in range(ROUNDS):
            # Another writer may remove a folder, seen empty, before something is in it.
            with contextlib.suppress(FileNotFoundError):
                self._folder = disk.open_folder(self._root, self._upload, create=True, durable=False)
                self._handle = disk.create_file(self._folder, self._token)
                return
            if self._folder >= 0:
                os.close(self._folder)
                self._folder = -1
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._location.stopped.is_set():
            raise StowageError("interrupted", "The task was asked to stop.")
        self.append(data)

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Like :meth:`write`, also after the task was asked to stop."""
        if self._handle < 0:
            raise ValueError("the upload has ended")
        with disk.translated(self._what), memoryview(data) as view, view.cast("B") as rest:
            done = 0
            while done < len(rest):
                done += os.write(self._handle, rest[done:])
        self._size += done

    def commit(self) -> ObjectInfo:
        if self._handle < 0:
            raise ValueError("the upload has ended")
        with disk.translated(self._what):
            os.fsync(self._handle)
            status = os.fstat(self._handle)
            self._into_place()
        self._end()
        return ObjectInfo(self._key, status.st_size, _utc(status.st_mtime))

    def _into_place(self) -> None:
        try:
            for _dummy in range(ROUNDS):
                # Somebody who deleted the last object in a folder may remove that.
                with contextlib.suppress(FileNotFoundError):
                    self._move()
                    return
        except FileExistsError:
            message = f"There already is a {self._location.describe()}/{printable(self._key)}."
            raise StowageError("key_exists", message) from None
        # Or somebody aborted this upload.
        raise StowageError("store_error", f"{self._what}: the upload is gone.")

    def _move(self) -> None:
        *folders, name = self._parts
        target = disk.open_folder(self._root, folders, create=True)
        try:
            if not disk.move_new(self._folder, self._token, target, name):
                self._location.capabilities = Capabilities(conditional_create=False)
        finally:
            os.close(target)

    def __enter__(self) -> FileWriter:
        return self

    def abort(self) -> None:
        if self._handle >= 0:
            self._end()

    def _end(self) -> None:
        """Leaves nothing of the private name. What fails here is found by ``uploads`` later."""
        self._close()
        with contextlib.suppress(StowageError):
            self._location.drop_upload(self._upload, self._token)

    def _close(self) -> None:
        for handle in (self._handle, self._folder, self._root):
            if handle >= 0:
                with contextlib.suppress(OSError):
                    os.close(handle)
        self._root = self._folder = self._handle = -1


def _utc(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
