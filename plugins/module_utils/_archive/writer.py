# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the tarball, its index and Velero's list of resources, in one pass. Private to the collection.

The tarball is Velero's format 1.1.0: each object twice, flat and below its preferred version. It is a sequence of gzip
members, every one of them complete. An object's second copy stands next to its first, so that compression sees both. A
member ends between two objects: between namespaces (or kinds) once it holds 256 KiB, anywhere once it holds 2 MiB. So
one namespace is read back without much of its neighbours, and members are compressed side by side.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import codec, headers, index, names
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import FORMAT_VERSION, BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.pipeline import Pipeline
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.sink import FileDigest, Sink
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

MEMBER_FULL: t.Final = 2 << 20
"""Bytes after which a member ends at the next object."""

MEMBER_WORTH: t.Final = 256 << 10
"""Bytes after which a member ends at the next namespace."""

BLOCK_FULL: t.Final = 4096
"""Objects after which the index goes on in another member."""

BLOCK_BYTES: t.Final = 1 << 20
"""Characters of names and owners after which it does so as well: a reader takes blocks of a bounded size only."""

_OWNERS: t.Final = 64
_UID: t.Final = 512
"""Owners in the index, and characters of their uids. Servers make uids of 36, but whoever writes an object may name owners
of any. What is left out here is still in the object."""

MAX_FILE_NAME: t.Final = 255
"""Bytes that Linux takes for a file's name: Velero extracts each object to ``<name>.json``."""

_DEPTH: t.Final = 6
_CLOSE_SECONDS: t.Final = 3.0


@dataclasses.dataclass(frozen=True, slots=True)
class LongName:
    """An object that Velero cannot restore, because no file can have its name."""

    kind: Kind
    namespace: str
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class ArchiveSummary:
    """What was written.

    :param files: by file name (without folder): the tarball, the index, the list of resources.
    :param counts: objects of each kind.
    :param directory: where the index's directory is, for the manifest.
    :param long_names: what Velero will not restore; a backup says so in a warning for each.
    :param objects: sum of ``counts``.
    :param raw_bytes: sum of the objects' bytes.
    :param bytes_out: bytes of the three files.
    """

    files: dict[str, FileDigest]
    counts: dict[Kind, int]
    directory: index.DirectoryPlace
    long_names: tuple[LongName, ...]
    objects: int
    raw_bytes: int
    bytes_out: int


class _BlockPart(t.NamedTuple):
    """Objects of one kind and namespace on their way into the index and the list of resources."""

    kind: int
    namespace: str
    list_prefix: bytes
    lines: list[index.Line]


class ArchiveWriter:
    """Takes objects in order and streams three files into a location. Nothing is visible before :meth:`finish`.

    As a context manager it aborts everything unless it was finished. :meth:`add` and :meth:`finish` belong to one thread;
    compressing and uploading run in others, and what fails there is raised here.

    :param threads: how many threads compress.
    """

    def __init__(self, location: Location, paths: BackupPaths, *, threads: int = 2) -> None:
        self._paths = paths
        self._mtime = int(time.time())
        self._sinks: list[Sink] = []
        self._closed = False
        self._pipeline = Pipeline(threads, _DEPTH, "archive")
        try:
            self._tarball, self._index, self._list = (
                self._sink(location, key) for key in (paths.tarball, paths.index, paths.resource_list)
            )
        except BaseException:
            self.close()
            raise
        self._kind: Kind | None = None
        self._namespace = ""
        self._last_name = ""
        self._flat_directory: headers.Directory
        self._preferred_directory: headers.Directory
        self._kinds: list[Kind] = []
        self._resources: set[str] = set()
        self._kind_start = 0
        self._counts: dict[Kind, int] = {}
        self._long_names: list[LongName] = []
        version = f"{FORMAT_VERSION}\n".encode()
        self._content: list[t.Any] = [
            headers.any_header("metadata/version", len(version), self._mtime),
            version,
            headers.padding(len(version)),
        ]
        self._size = sum(map(len, self._content))
        self._member = 0
        self._member_lines = bytearray()
        self._lines: list[index.Line] = []
        self._list_prefix = b""
        self._lines_bytes = 0
        self._parts: list[_BlockPart] = []
        self._parts_objects = 0
        self._parts_bytes = 0
        self._block_lines = bytearray()
        self.objects = 0
        """Objects taken so far."""
        self.raw_bytes = 0
        """The sum of their bytes."""

    @property
    def bytes_out(self) -> int:
        """Bytes handed to the location so far, all three files."""
        return sum(sink.size for sink in self._sinks)

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the threads and drop what was not finished. Does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        self._pipeline.close(_CLOSE_SECONDS)
        for sink in self._sinks:
            sink.abort()

    def add(self, kind: Kind, item: Item) -> None:
        """Take one object: kind by kind, within a kind in ascending order of the bytes of ``namespace/name``.

        Its ``body`` must not change until :meth:`finish`.

        :raises StowageError: what went wrong with earlier objects in other threads; ``cluster_api_error`` for names that
            no API server accepts; ``internal_error`` for objects out of order.
        """
        name, body = item.name, item.body
        if item.namespace != self._namespace or kind is not self._kind:
            self._enter(kind, item.namespace, name)
        elif name <= self._last_name:
            raise _disorder(kind)
        self._last_name = name
        size = len(body)
        digest = hashlib.sha256(body).hexdigest()
        file = _file_name(name)
        if len(file) > MAX_FILE_NAME:
            start = self._add_long(name, body, digest)
        else:
            start = self._add_copies(file, len(file) == len(name) + 5, body, size)
        owners = item.owners and tuple(uid for uid in item.owners[:_OWNERS] if len(uid) <= _UID)
        uid = item.uid if len(item.uid) <= _UID else ""
        self._lines.append((name, uid, owners, digest, self._member, start, size))
        self._lines_bytes += len(name) + len(uid) + sum(map(len, owners))
        self.objects += 1
        self.raw_bytes += size
        if self._size >= MEMBER_FULL:
            self._end_member()
        if len(self._lines) >= BLOCK_FULL or self._lines_bytes >= BLOCK_BYTES:
            self._end_block()

    def finish(self) -> ArchiveSummary:
        """Write what is left, and commit the tarball, then the index, then the list of resources.

        :raises StowageError: as :meth:`add`, and as :meth:`_locations.base.Writer.commit`.
        """
        self._end_block()
        self._flush_blocks(b"]}" if self._kinds else b"{}")
        self._end_member(last=True)
        self._pipeline.drain()
        directory = index.encode_directory(self._kinds, bytes(self._member_lines), bytes(self._block_lines))
        place = index.DirectoryPlace(self._index.size, len(directory), hashlib.sha256(directory).hexdigest())
        self._index.write(directory)
        keys = (self._paths.tarball, self._paths.index, self._paths.resource_list)
        files = {key.rpartition("/")[2]: sink.commit() for key, sink in zip(keys, self._sinks, strict=True)}
        self._leave_kind()
        summary = ArchiveSummary(
            files=files,
            counts=self._counts,
            directory=place,
            long_names=tuple(self._long_names),
            objects=self.objects,
            raw_bytes=self.raw_bytes,
            bytes_out=self.bytes_out,
        )
        self.close()
        return summary

    def _sink(self, location: Location, key: str) -> Sink:
        sink = Sink(location, key)
        self._sinks.append(sink)
        return sink

    # -- kinds and namespaces

    def _enter(self, kind: Kind, namespace: str, name: str) -> None:
        """The next object is of another kind or in another namespace."""
        self._end_block()
        if kind != self._kind:
            self._enter_kind(kind)
        elif f"{namespace}/{name}" <= f"{self._namespace}/{self._last_name}":
            raise _disorder(kind)
        self._kind = kind
        if not names.takes_namespace(kind, namespace):
            raise _bad_name("namespace")
        self._namespace = namespace
        if self._size >= MEMBER_WORTH:
            self._end_member()
        scope = f"namespaces/{namespace}" if namespace else "cluster"
        root = f"resources/{kind.resource}"
        self._flat_directory = headers.Directory(f"{root}/{scope}", self._mtime)
        self._preferred_directory = headers.Directory(f"{root}/{kind.version}-preferredversion/{scope}", self._mtime)

    def _enter_kind(self, kind: Kind) -> None:
        if kind.resource in self._resources:
            raise _disorder(kind)
        if not names.takes_kind(kind):
            raise _bad_name("kind")
        self._leave_kind()
        key = json.dumps(f"{kind.api_version}/{kind.kind}").encode()
        self._list_prefix = (b"]," if self._kinds else b"{") + key + b":["
        self._resources.add(kind.resource)
        self._kinds.append(kind)
        self._kind_start = self.objects

    def _leave_kind(self) -> None:
        if self._kinds:
            self._counts[self._kinds[-1]] = self.objects - self._kind_start

    # -- members of the tarball

    def _add_copies(self, file: bytes, ascii_only: bool, body: t.Any, size: int) -> int:
        """Put both copies into the current member; returns where the flat one's content begins. The second copy is next to
        the first, within reach of compression, which makes next to nothing of it."""
        pad = headers.padding(size)
        if ascii_only:
            field = headers.size_field(size)
            weight = sum(file) + sum(field)
            flat = self._flat_directory.header(file, field, weight)
            preferred = self._preferred_directory.header(file, field, weight)
        else:
            flat = headers.any_header(self._flat_directory.join(file), size, self._mtime)
            preferred = headers.any_header(self._preferred_directory.join(file), size, self._mtime)
        start = self._size + len(flat)
        self._content += (flat, body, pad, preferred, body, pad)
        self._size = start + len(preferred) + 2 * (size + len(pad))
        return start

    def _add_long(self, name: str, body: t.Any, digest: str) -> int:
        """Put an object where Velero does not look, since it would fail the whole restore."""
        kind = t.cast("Kind", self._kind)
        self._long_names.append(LongName(kind, self._namespace, name))
        header = headers.any_header(f"metadata/stowage/long-names/{digest}.json", len(body), self._mtime)
        start = self._size + len(header)
        pad = headers.padding(len(body))
        self._content += (header, body, pad)
        self._size = start + len(body) + len(pad)
        return start

    def _end_member(self, *, last: bool = False) -> None:
        """Send the current member to be compressed."""
        content = self._content
        self._content, self._size = [], 0
        if last:
            content.append(headers.END_OF_ARCHIVE)
        if content:
            self._pipeline.submit(lambda: self._compress_member(content))
            self._member += 1

    def _compress_member(self, parts: list[t.Any]) -> t.Callable[[], None]:
        raw = b"".join(parts)
        parts.clear()  # lets go of pages while the compressed member waits its turn
        size, data = len(raw), codec.compress(raw)

        def deliver() -> None:
            self._member_lines += index.encode_line((self._tarball.size, len(data), size))
            self._tarball.write(data)

        return deliver

    # -- blocks of the index, and the list of resources

    def _end_block(self) -> None:
        """Put the current objects' lines with those that wait to be written."""
        lines = self._lines
        if not lines:
            return
        size, self._lines, self._lines_bytes = self._lines_bytes, [], 0
        self._parts.append(_BlockPart(len(self._kinds) - 1, self._namespace, self._list_prefix, lines))
        self._list_prefix = b","
        self._parts_objects += len(lines)
        self._parts_bytes += size
        if self._parts_objects >= BLOCK_FULL or self._parts_bytes >= BLOCK_BYTES:
            self._flush_blocks(b"")

    def _flush_blocks(self, list_suffix: bytes) -> None:
        parts = self._parts
        self._parts, self._parts_objects, self._parts_bytes = [], 0, 0
        if parts or list_suffix:
            self._pipeline.submit(lambda: self._encode_blocks(parts, list_suffix))

    def _encode_blocks(self, parts: list[_BlockPart], list_suffix: bytes) -> t.Callable[[], None]:
        blocks = [index.encode_block(part.lines) for part in parts]
        hashes = [hashlib.sha256(block).hexdigest() for block in blocks]
        names = codec.compress(b"".join(map(_list_names, parts)) + list_suffix)

        def deliver() -> None:
            offset = self._index.size
            for part, block, sha256 in zip(parts, blocks, hashes, strict=True):
                line = (part.kind, part.namespace, len(part.lines), offset, len(block), sha256)
                self._block_lines += index.encode_line(line)
                offset += len(block)
            self._index.write(b"".join(blocks))
            self._list.write(names)

        return deliver


def _list_names(part: _BlockPart) -> bytes:
    """A piece of the list of resources: ``namespace/name`` or ``name``, as JSON strings."""
    prefix = f"{part.namespace}/" if part.namespace else ""
    return part.list_prefix + index.encode_names([prefix + line[0] for line in part.lines])


def _file_name(name: str) -> bytes:
    """The name of an object's file, in bytes."""
    if not names.takes_name(name):
        raise _bad_name("object")
    try:
        return name.encode() + b".json"
    except UnicodeEncodeError:
        raise _bad_name("object") from None


def _bad_name(what: str) -> StowageError:
    return StowageError(
        "cluster_api_error",
        f"The API server sent a name of {'an' if what[0] in 'aeiou' else 'a'} {what} that no API server accepts.",
        "Check which server answers at the cluster's address.",
    )


def _disorder(kind: Kind) -> StowageError:
    return StowageError("internal_error", f"Objects of {kind.resource} came out of order.", "Please report this.")
