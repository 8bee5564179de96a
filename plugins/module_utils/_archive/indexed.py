# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of an archive by ranged reads through its index. Private to the collection."""

from __future__ import annotations

import collections
import concurrent.futures
import hashlib
import itertools
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import codec, index
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.entries import (
    Block,
    Chosen,
    Entry,
    Store,
    Wanted,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.faults import damaged, hostile
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import Limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import Manifest
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

In = t.TypeVar("In")
Out = t.TypeVar("Out")

_RANGE: t.Final = 1 << 20
"""Neighbouring blocks of the index are read together up to this size."""

_AHEAD: t.Final = 2
_CACHE: t.Final = 16 << 20


class IndexedStore(Store):
    """Reads the directory of the index at once, blocks and members as they are asked for, the next ones ahead.

    :raises StowageError: ``backup_damaged`` when index or tarball are missing, too short or altered.
    """

    def __init__(self, location: Location, paths: BackupPaths, manifest: Manifest, limits: Limits) -> None:
        self._location = location
        self._paths = paths
        self._limits = limits
        self._lock = threading.Lock()
        self._cache: collections.OrderedDict[int, bytes] = collections.OrderedDict()
        self.bytes_read = 0
        self.index_bytes_read = 0
        self._check_tarball(manifest)
        self._directory = self._read_directory(manifest.index)
        self._by_kind = {
            resource: list(blocks)
            for resource, blocks in itertools.groupby(
                self._directory.blocks, lambda block: self._directory.kinds[block[0]].resource
            )
        }
        self.blocks = [
            Block(self._directory.kinds[kind], namespace, sum(block[2] for block in blocks))
            for (kind, namespace), blocks in itertools.groupby(self._directory.blocks, lambda block: block[:2])
        ]
        self._pool = concurrent.futures.ThreadPoolExecutor(_AHEAD, "archive-read")

    def entries(self, kind: Kind, wanted: Wanted) -> t.Iterator[Entry]:
        last = ""
        for namespace, line in self._lines(kind, wanted):
            entry = _entry(namespace, line)
            key = entry.key
            if key <= last:
                raise damaged(self._paths.index, "its entries are not in order")
            last = key
            yield entry

    def objects(self, kind: Kind, wanted: Wanted, chosen: Chosen = None) -> t.Iterator[tuple[Entry, bytes]]:
        found = self.entries(kind, wanted)
        found = filter(chosen, found) if chosen else found
        groups = (list(group) for _member, group in itertools.groupby(found, lambda e: e.position[0]))
        for entries, content in self._ahead(self._fetch_group, groups):
            for entry in entries:
                yield entry, self._cut(content, entry)

    def get(self, entry: Entry) -> bytes:
        return self._cut(self._member(entry.position[0]), entry)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    # -- the tarball

    def _check_tarball(self, manifest: Manifest) -> None:
        """Learn that the tarball is not whole before anything is written, not in the middle."""
        key = self._paths.tarball
        digest = manifest.files.get(key.rpartition("/")[2])
        found = self._location.stat(key)
        if found is None:
            raise damaged(key, "it is missing")
        if digest is None or found.size != digest.size:
            raise damaged(key, "it has not the size that was written")

    def _fetch_group(self, entries: list[Entry]) -> tuple[list[Entry], bytes]:
        return entries, self._member(entries[0].position[0])

    def _member(self, number: int) -> bytes:
        """The content of one gzip member; a few are kept, since small kinds share one."""
        with self._lock:
            content = self._cache.get(number)
            if content is not None:
                self._cache.move_to_end(number)
                return content
        if not 0 <= number < len(self._directory.members):
            raise damaged(self._paths.index, "it refers to what is not there")
        offset, size, raw = self._directory.members[number]
        key = self._paths.tarball
        data = self._location.read_range(key, offset, size)
        content = codec.decompress(data, limit=raw, key=key, exact=True)
        with self._lock:
            self.bytes_read += size
            self._cache[number] = content
            while len(self._cache) > 1 and sum(map(len, self._cache.values())) > _CACHE:
                self._cache.popitem(last=False)
        return content

    def _cut(self, content: bytes, entry: Entry) -> bytes:
        start = entry.position[1]
        body = content[start : start + entry.size]
        if hashlib.sha256(body).hexdigest() != entry.sha256:
            raise damaged(self._paths.tarball, f"the object {entry.key} in it is not what was captured")
        return body

    # -- the index

    def _read_directory(self, place: index.DirectoryPlace) -> index.Directory:
        key = self._paths.index
        if place.size > self._limits.directory_bytes:
            raise hostile(key, "has a directory that is too large")
        return index.decode_directory(self._read_index(place.offset, place.size), place, key, self._limits)

    def _read_index(self, offset: int, size: int) -> bytes:
        try:
            data = self._location.read_range(self._paths.index, offset, size)
        except StowageError as error:
            if error.code == "key_not_found":
                raise damaged(self._paths.index, "it is missing") from None
            raise
        with self._lock:
            self.index_bytes_read += size
        return data

    def _lines(self, kind: Kind, wanted: Wanted) -> t.Iterator[tuple[str, index.Line]]:
        blocks = [
            block
            for block in self._by_kind.get(kind.resource, ())
            if wanted is None or not block[1] or wanted(block[1])
        ]
        for part, data in self._ahead(self._fetch_blocks, _ranges(blocks)):
            start = part[0][3]
            for block in part:
                content = data[block[3] - start : block[3] - start + block[4]]
                for line in index.decode_block(content, block, self._paths.index, self._limits):
                    yield block[1], line

    def _fetch_blocks(self, part: list[index.BlockLine]) -> tuple[list[index.BlockLine], bytes]:
        start = part[0][3]
        return part, self._read_index(start, part[-1][3] + part[-1][4] - start)

    def _ahead(self, work: t.Callable[[In], Out], items: t.Iterable[In]) -> t.Iterator[Out]:
        """Results in order, the next ones made in threads meanwhile."""
        waiting: collections.deque[concurrent.futures.Future[Out]] = collections.deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(work, item))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _entry(namespace: str, line: index.Line) -> Entry:
    name, uid, owners, sha256, member, offset, size = line
    return Entry(namespace, name, uid, owners, size, sha256, (member, offset))


def _ranges(blocks: t.Iterable[index.BlockLine]) -> t.Iterator[list[index.BlockLine]]:
    """Blocks that lie one after the other, together as long as they are small."""
    part: list[index.BlockLine] = []
    for block in blocks:
        if part and (part[-1][3] + part[-1][4] != block[3] or block[3] + block[4] - part[0][3] > _RANGE):
            yield part
            part = []
        part.append(block)
    if part:
        yield part
