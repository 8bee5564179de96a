# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of an archive that has no index: read once in full, checked, kept in a temporary file. Private to the collection.

The file has no name and mode 0600: it holds every Secret of the backup. What is kept in memory is a position and a size
for each object. Flat copies are read, as Velero's server does it by default.
"""

from __future__ import annotations

import array
import contextlib
import errno
import functools
import hashlib
import itertools
import os
import struct
import tempfile
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.codec import GzipReader
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.entries import (
    Block,
    Chosen,
    Entry,
    Lost,
    Store,
    Wanted,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.faults import damaged, hostile, unsupported
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import Limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.tarstream import tar_entries
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.sink import FileDigest
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location, Reader
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

_PREFERRED: t.Final = "-preferredversion"
_LONG_NAMES: t.Final = "metadata/stowage/long-names/"
_HEAD: t.Final = struct.Struct(">I")
_HEAD_READ: t.Final = 512
_BUFFER: t.Final = 1 << 20
_REPORT_EVERY: t.Final = 500


class _Named(t.NamedTuple):
    """What an object says of itself."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str
    uid: str
    owners: tuple[str, ...]


class _Place(t.NamedTuple):
    """What a path says of an entry."""

    resource: str
    version: str
    """Empty for a flat copy."""
    namespaced: bool
    namespace: str
    name: str


class _Resource:
    """What was found of one resource. Positions and sizes are those of records in the temporary file."""

    def __init__(self, namespaced: bool, named: _Named) -> None:
        self.namespaced = namespaced
        self.group, self.version, self.kind = named.group, named.version, named.kind
        self.keys: list[str] = []
        self.positions = array.array("Q")
        self.sizes = array.array("L")

    def sort(self) -> list[tuple[str, int]]:
        """Bring the records into key order, let go of the keys; returns namespaces with their numbers of objects.

        :raises ValueError: a key is there twice.
        """
        keys = self.keys
        order = sorted(range(len(keys)), key=keys.__getitem__)
        if any(keys[a] == keys[b] for a, b in itertools.pairwise(order)):
            raise ValueError
        self.positions = array.array("Q", (self.positions[n] for n in order))
        self.sizes = array.array("L", (self.sizes[n] for n in order))
        self.keys = []
        if not self.namespaced:
            return [("", len(order))]
        namespaces = (keys[n].partition("/")[0] for n in order)
        return [(namespace, len(list(group))) for namespace, group in itertools.groupby(namespaces)]


class SpooledStore(Store):
    """Objects in a temporary file. Made by :func:`spool`."""

    def __init__(self, file: t.IO[bytes], key: str) -> None:
        self._file = file
        self._key = key
        self._resources: dict[str, tuple[_Resource, list[Block]]] = {}
        self.blocks: list[Block] = []
        self.lost: list[Lost] = []
        """Objects that are in the archive, and that cannot be handed out."""
        self.bytes_read = 0
        self.index_bytes_read = 0

    def fill(self, resources: t.Mapping[str, _Resource], versions: t.Mapping[str, str]) -> None:
        """Take what was found, when all of it was."""
        for name in sorted(resources):
            resource = resources[name]
            plural, _dot, group = name.partition(".")
            kind = Kind(group, versions.get(name, resource.version), plural, resource.kind, resource.namespaced)
            try:
                counts = resource.sort()
            except ValueError:
                raise hostile(self._key, f"has an object of {name} twice") from None
            blocks = [Block(kind, namespace, count) for namespace, count in counts]
            self._resources[name] = (resource, blocks)
            self.blocks += blocks

    def entries(self, kind: Kind, wanted: Wanted) -> t.Iterator[Entry]:
        for position, size in self._records(kind, wanted):
            yield self._head(position, self._read(position, min(size, _HEAD_READ)), size)[0]

    def objects(self, kind: Kind, wanted: Wanted, chosen: Chosen = None) -> t.Iterator[tuple[Entry, bytes]]:
        for position, size in self._records(kind, wanted):
            data = self._read(position, size)
            entry, start = self._head(position, data, size)
            if chosen is None or chosen(entry):
                yield entry, self._checked(entry, data[start:])

    def get(self, entry: Entry) -> bytes:
        position, start = entry.position
        return self._checked(entry, self._read(-1 - position + start, entry.size))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what is still buffered for a full disk
            self._file.close()

    def _records(self, kind: Kind, wanted: Wanted) -> t.Iterator[tuple[int, int]]:
        if kind.resource not in self._resources:
            return
        resource, blocks = self._resources[kind.resource]
        start = 0
        for block in blocks:
            if wanted is None or not block.namespace or wanted(block.namespace):
                for number in range(start, start + block.count):
                    yield resource.positions[number], resource.sizes[number]
            start += block.count

    def _read(self, position: int, size: int) -> bytes:
        data = os.pread(self._file.fileno(), size, position)
        if len(data) != size:
            raise StowageError("internal_error", "The temporary file is shorter than what was written.")
        return data

    def _head(self, position: int, data: bytes, size: int) -> tuple[Entry, int]:
        """The entry that a record begins with, and where its content begins."""
        (length,) = _HEAD.unpack_from(data)
        start = _HEAD.size + length
        if len(data) < start:
            data = self._read(position, start)
        namespace, name, uid, owners, sha256 = _codec().decode_head(data[_HEAD.size : start])
        return Entry(namespace, name, uid, owners, size - start, sha256, (-1 - position, start)), start

    def _checked(self, entry: Entry, body: bytes) -> bytes:
        if hashlib.sha256(body).hexdigest() != entry.sha256:
            raise StowageError("internal_error", "The temporary file is not what was written.")
        return body


def spool(
    location: Location,
    key: str,
    *,
    limits: Limits,
    progress: Progress,
    expected: FileDigest | None = None,
    kinds: t.Iterable[Kind] = (),
    directory: str | None = None,
) -> tuple[SpooledStore, list[str]]:
    """Read a tarball in full, check it, and keep its objects; returns them and warnings.

    :param key: the tarball.
    :param expected: what the manifest says of it, if there is one.
    :param kinds: those that the manifest names.
    :param directory: where the temporary file goes, instead of the system's choice.
    :raises StowageError: ``backup_damaged``, ``archive_hostile``, ``archive_unsupported``, ``quota`` when the disk is
        full, and location errors.
    """
    try:
        file = tempfile.TemporaryFile(buffering=_BUFFER, prefix="stowage-", dir=directory)  # noqa: SIM115 - the store's
    except OSError as error:
        raise _disk(error) from None
    store = SpooledStore(file, key)
    try:
        warnings = _fill(store, file, _Reading(location, key, limits, progress, expected, tuple(kinds)))
    except OSError as error:
        store.close()
        raise _disk(error) from None
    except BaseException:
        store.close()
        raise
    return store, warnings


class _Reading(t.NamedTuple):
    """What is read, and how."""

    location: Location
    key: str
    limits: Limits
    progress: Progress
    expected: FileDigest | None
    kinds: tuple[Kind, ...]


def _fill(store: SpooledStore, file: t.IO[bytes], reading: _Reading) -> list[str]:
    """Read all of the tarball into the file; returns warnings."""
    key = reading.key
    spooler = _Spooler(file, key, reading.progress)
    source = _open(reading.location, key)
    try:
        stream = GzipReader(source, key, reading.limits)
        for path, body in tar_entries(stream, key, reading.limits):
            spooler.take(path, body)
    finally:
        source.close()
    if reading.expected is not None and reading.expected.sha256 != stream.sha256:
        raise damaged(key, "it is not what was written")
    spooler.finish(store, reading.kinds)
    store.bytes_read = stream.bytes_in
    return spooler.warnings


class _Spooler:
    """Sorts out what an archive's entries are, and writes the flat copies of objects to the file."""

    def __init__(self, file: t.IO[bytes], key: str, progress: Progress) -> None:
        self._file = file
        self._key = key
        self._progress = progress
        self._position = 0
        self._objects = 0
        self._resources: dict[str, _Resource] = {}
        self._versions: dict[str, str] = {}
        self._copies: dict[str, array.array[int]] = {}
        self._long: list[tuple[_Named, int, int]] = []
        self._strange: list[str] = []
        self.warnings: list[str] = []

    def take(self, path: str, body: bytes) -> None:
        """One file of the archive."""
        if path == "metadata/version":
            if body.strip().split(b".")[0] != b"1":
                raise unsupported(self._key, "has a format version that is not 1.x")
            return
        if path.startswith(_LONG_NAMES):
            named = self._named(path, body)
            self._long.append((named, *self._write(named, body)))
            return
        if not path.startswith("resources/"):
            return
        place = _place(path)
        if place is None:
            self._strange.append(path)
        elif place.version:
            self._take_copy(place, path)
        else:
            self._take_object(place, path, body)

    def finish(self, store: SpooledStore, kinds: t.Iterable[Kind]) -> None:
        """When all entries were taken."""
        self._file.flush()
        store.lost += self._place_long_names(kinds)
        for copies in self._copies.values():
            if any(a == b for a, b in itertools.pairwise(sorted(copies))):
                raise hostile(self._key, "has an entry twice")
        if self._strange:
            self.warnings.append(
                f"{self._key} has {len(self._strange)} entries below resources/ that are not understood and were left out."
            )
        store.fill(self._resources, self._versions)

    def _take_copy(self, place: _Place, path: str) -> None:
        """A copy below a version: it tells the preferred version, and must not be there twice."""
        if place.version.endswith(_PREFERRED):
            version = place.version.removesuffix(_PREFERRED)
            if self._versions.setdefault(place.resource, version) != version:
                raise hostile(self._key, f"has two preferred versions of {_shown(place.resource)}")
        self._copies.setdefault(place.resource, array.array("q")).append(hash(path))

    def _take_object(self, place: _Place, path: str, body: bytes) -> None:
        named = self._named(path, body)
        if (named.namespace, named.name) != (place.namespace, place.name):
            raise hostile(self._key, f"has an object at {_shown(path)} that is another one")
        resource = self._resources.get(place.resource)
        if resource is None:
            resource = self._resources[place.resource] = _Resource(place.namespaced, named)
        group = place.resource.partition(".")[2]
        if (named.group, named.kind, place.namespaced) != (group, resource.kind, resource.namespaced):
            raise hostile(self._key, f"has an object at {_shown(path)} that is of another kind")
        self._keep(resource, named, *self._write(named, body))

    def _place_long_names(self, kinds: t.Iterable[Kind]) -> t.Iterator[Lost]:
        """Their paths do not say which resource they are; the other objects of their kind do, and the manifest.

        :returns: those of which nothing does.
        """
        known = {(kind.group, kind.kind): (kind.resource, kind.namespaced) for kind in kinds}
        known |= {(one.group, one.kind): (name, one.namespaced) for name, one in self._resources.items()}
        for named, position, size in self._long:
            name, namespaced = known.get((named.group, named.kind), ("", False))
            if not name or namespaced != bool(named.namespace):
                yield Lost(named.kind, named.namespace, named.name)
                continue
            if name not in self._resources:
                self._resources[name] = _Resource(namespaced, named)
            self._keep(self._resources[name], named, position, size)

    def _keep(self, resource: _Resource, named: _Named, position: int, size: int) -> None:
        resource.keys.append(f"{named.namespace}/{named.name}" if named.namespace else named.name)
        resource.positions.append(position)
        resource.sizes.append(size)

    def _write(self, named: _Named, body: bytes) -> tuple[int, int]:
        """Put a record into the file; returns its position and size."""
        sha256 = hashlib.sha256(body).hexdigest()
        head = _codec().encode((named.namespace, named.name, named.uid, named.owners, sha256))
        position, size = self._position, _HEAD.size + len(head) + len(body)
        self._file.write(_HEAD.pack(len(head)))
        self._file.write(head)
        self._file.write(body)
        self._position += size
        self._objects += 1
        if self._objects % _REPORT_EVERY == 0:
            self._progress.check()
            self._progress.report("read", objects=self._objects, size=self._position)
        return position, size

    def _named(self, path: str, body: bytes) -> _Named:
        named = _codec().named(body)
        if named is None:
            raise damaged(self._key, f"its entry {_shown(path)} is not an object of Kubernetes")
        return named


def _place(path: str) -> _Place | None:
    """What a path below ``resources/`` means; ``None`` if Velero writes no such path."""
    parts = path.split("/")
    if not path.endswith(".json") or len(parts) < 4 or not parts[1]:
        return None
    resource, rest = parts[1], parts[2:]
    version = ""
    if rest[0] not in ("namespaces", "cluster"):
        version, rest = rest[0], rest[1:]
    name = rest[-1].removesuffix(".json")
    if not name:
        return None
    if rest[0] == "namespaces" and len(rest) == 3:
        return _Place(resource, version, True, rest[1], name)
    if rest[0] == "cluster" and len(rest) == 2:
        return _Place(resource, version, False, "", name)
    return None


class _Codec(t.NamedTuple):
    encode: t.Callable[[t.Any], bytes]
    decode_head: t.Callable[[bytes], tuple[str, str, str, tuple[str, ...], str]]
    named: t.Callable[[bytes], _Named | None]


@functools.cache
def _codec() -> _Codec:
    import msgspec

    owner = msgspec.defstruct("Owner", [("uid", str)])
    metadata_type = msgspec.defstruct(
        "Metadata",
        [
            ("name", str),
            ("namespace", str | None, None),
            ("uid", str | None, None),
            ("ownerReferences", list[owner] | None, None),  # type: ignore[valid-type] # made at run time
        ],
    )
    kind_type = msgspec.defstruct("Object", [("apiVersion", str), ("kind", str), ("metadata", metadata_type)])
    decoder: t.Any = msgspec.json.Decoder(kind_type)

    def named(body: bytes) -> _Named | None:
        try:
            found = decoder.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        metadata = found.metadata
        group, _slash, version = found.apiVersion.rpartition("/")
        owners = tuple(owner.uid for owner in metadata.ownerReferences or ())
        return _Named(group, version, found.kind, metadata.namespace or "", metadata.name, metadata.uid or "", owners)

    return _Codec(
        msgspec.json.Encoder().encode, msgspec.json.Decoder(tuple[str, str, str, tuple[str, ...], str]).decode, named
    )


def _open(location: Location, key: str) -> Reader:
    try:
        return location.open(key)
    except StowageError as error:
        if error.code == "key_not_found":
            raise damaged(key, "it is missing") from None
        raise


def _disk(error: OSError) -> StowageError:
    """What to say when the temporary file cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return StowageError(
        "quota" if full else "internal_error",
        "The temporary file for the archive could not be written: " + (os.strerror(error.errno or 0)) + ".",
        "It needs the size of the decompressed archive. Point TMPDIR at a file system with enough room.",
    )


def _shown(path: str) -> str:
    """A path from an archive as it may stand in a message."""
    return repr(path[:200])
