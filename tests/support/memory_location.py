# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A location in memory that implements the interface in full, with faults to order.

``MemoryLocation.fault`` is called with the name of each operation and its key before the operation (``create``,
``write``, ``commit``, ``abort``, ``read``, ``read_range``, ``open``, ``stat``, ``list``, ``list_names``, ``delete``,
``uploads``, ``abort_upload``): a test raises from it, changes ``objects``, or waits. ``lost`` names keys whose creation
succeeds but whose answer is lost: the operation then raises ``outcome_unknown``.
"""

from __future__ import annotations

import collections
import datetime
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import (
    Capabilities,
    DeleteFailure,
    Location,
    ObjectInfo,
    PendingUpload,
    Reader,
    Writer,
)

START: t.Final = datetime.datetime(2026, 11, 1, 12, 0, 0, tzinfo=datetime.UTC)


Failures = list[DeleteFailure]
Keys = list[str]


def _no_fault(operation: str, key: str) -> None:
    """What happens on the way when no test says otherwise."""


class MemoryWriter(Writer):
    """An upload that collects its bytes; visible in ``MemoryLocation.pending`` until it ends."""

    def __init__(self, location: MemoryLocation, key: str) -> None:
        self._location = location
        self._key = key
        self._data = bytearray()
        self._ended = False
        self._upload = location.begin(key)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._location.touch("write", self._key)
        assert not self._ended, "written to after the end"
        self._data += data

    def commit(self) -> ObjectInfo:
        self._location.touch("commit", self._key)
        assert not self._ended, "committed twice"
        info = self._location.put(self._key, bytes(self._data))
        self._ended = True
        self._location.end(self._upload)
        return info

    def abort(self) -> None:
        self._location.touch("abort", self._key)
        self._ended = True
        self._location.end(self._upload)


class MemoryReader:
    """A stream over bytes that hands out at most ``step`` bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = data
        self._step = step
        self._position = 0
        self.closed = False

    def read(self, size: int, /) -> bytes:
        assert not self.closed, "read after close"
        part = self._data[self._position : self._position + min(size, self._step)]
        self._position += len(part)
        return part

    def close(self) -> None:
        self.closed = True


class MemoryLocation(Location):
    """A bucket in a dictionary. Thread-safe. Its clock stands still unless a test moves ``clock``."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = Capabilities(conditional_create=True)
        self.objects: dict[str, bytes] = {}
        self.modified: dict[str, datetime.datetime] = {}
        self.pending: dict[str, PendingUpload] = {}
        self.clock = START
        self.fault: t.Callable[[str, str], None] = _no_fault
        self.lost: set[str] = set()
        self.locked: set[str] = set()
        """Keys that cannot be deleted."""
        self.calls: collections.Counter[str] = collections.Counter()
        self.log: list[tuple[str, str]] = []
        """Every operation and its key, in order."""
        self.read_size = 1 << 20
        self._lock = threading.RLock()
        self._uploads = 0

    # -- for writers and tests

    def touch(self, operation: str, key: str) -> None:
        with self._lock:
            self.calls[operation] += 1
            self.log.append((operation, key))
        self.fault(operation, key)

    def put(self, key: str, data: bytes) -> ObjectInfo:
        """Create an object, only if there is none."""
        with self._lock:
            if key in self.objects:
                raise StowageError("key_exists", f"{key} exists.")
            self.objects[key] = data
            self.modified[key] = self.clock
            if key in self.lost:
                self.lost.discard(key)
                raise StowageError("outcome_unknown", f"The answer about {key} was lost.")
            return self._info(key)

    def begin(self, key: str) -> PendingUpload:
        with self._lock:
            self._uploads += 1
            upload = PendingUpload(key, str(self._uploads), self.clock)
            self.pending[upload.token] = upload
            return upload

    def end(self, upload: PendingUpload) -> None:
        with self._lock:
            self.pending.pop(upload.token, None)

    def keys(self) -> Keys:
        """All keys, in order."""
        with self._lock:
            return sorted(self.objects, key=str.encode)

    def _info(self, key: str) -> ObjectInfo:
        return ObjectInfo(key, len(self.objects[key]), self.modified.get(key, self.clock))

    def _data(self, key: str) -> bytes:
        with self._lock:
            if key not in self.objects:
                raise StowageError("key_not_found", f"{key} does not exist.")
            return self.objects[key]

    # -- the interface

    def describe(self) -> str:
        return "memory://"

    def create(self, key: str, data: bytes) -> ObjectInfo:
        self.touch("create", key)
        return self.put(key, bytes(data))

    def writer(self, key: str) -> MemoryWriter:
        self.touch("writer", key)
        return MemoryWriter(self, key)

    def read(self, key: str, *, limit: int) -> bytes:
        self.touch("read", key)
        data = self._data(key)
        if len(data) > limit:
            raise StowageError("archive_hostile", f"{key} is larger than {limit} bytes.")
        return data

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        self.touch("read_range", key)
        data = self._data(key)
        if offset + length > len(data):
            raise StowageError("backup_damaged", f"{key} is too short.")
        return data[offset : offset + length]

    def open(self, key: str, offset: int = 0) -> Reader:
        self.touch("open", key)
        return MemoryReader(self._data(key)[offset:], self.read_size)

    def stat(self, key: str) -> ObjectInfo | None:
        self.touch("stat", key)
        with self._lock:
            return self._info(key) if key in self.objects else None

    def list(self, prefix: str) -> t.Iterator[ObjectInfo]:
        self.touch("list", prefix)
        with self._lock:
            found = [self._info(key) for key in self.keys() if key.startswith(prefix)]
        yield from found

    def list_names(self, prefix: str) -> t.Iterator[str]:
        self.touch("list_names", prefix)
        assert not prefix or prefix.endswith("/")
        rests = (key[len(prefix) :].partition("/") for key in self.keys() if key.startswith(prefix))
        yield from sorted({name + slash for name, slash, _dummy in rests})

    def delete(self, keys: t.Sequence[str]) -> Failures:
        failures = []
        for key in keys:
            self.touch("delete", key)
            with self._lock:
                if key in self.locked:
                    failures.append(DeleteFailure(key, "locked", "The object is locked."))
                else:
                    self.objects.pop(key, None)
        return failures

    def uploads(self, prefix: str) -> t.Iterator[PendingUpload]:
        self.touch("uploads", prefix)
        with self._lock:
            found = [upload for upload in self.pending.values() if upload.key.startswith(prefix)]
        yield from found

    def abort_upload(self, upload: PendingUpload) -> None:
        self.touch("abort_upload", upload.key)
        self.end(upload)

    def now(self) -> datetime.datetime:
        return self.clock

    def secrets(self) -> frozenset[str]:
        return frozenset()
