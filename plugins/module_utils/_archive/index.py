# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The index of a tarball: what is where, with a hash for each object. Private to the collection. Pure.

``stowage-index.json.gz`` is JSON lines in gzip members. Each member but the last is a *block*: objects of one kind and
namespace (several members when there are many), one line each::

    ["name", "uid", ["owner's uid"], "sha256", member, offset, size]

``member`` is the number of a gzip member of the tarball, ``offset`` and ``size`` say where in its content the object's
bytes are. The last member is the *directory*; the manifest says where it is and what its hash is. Its first line names
the kinds, then comes a line for each of the tarball's members that are referred to, then one for each block::

    {"format": "stowage-index/1", "kinds": [["group", "version", "plural", "Kind", namespaced]], "members": 2, "blocks": 5}
    [offset, size, size of the content]
    [number of the kind, "namespace", number of objects, offset, size, "sha256 of the member"]

So a reader needs the directory and the blocks that it is interested in, and each byte that it uses is covered by a hash.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import codec
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.faults import damaged, hostile, unsupported
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import Limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

FORMAT: t.Final = "stowage-index/1"

Line = tuple[str, str, tuple[str, ...], str, int, int, int]
"""name, uid, owners, sha256, member, offset, size"""

MemberLine = tuple[int, int, int]
"""offset, size, size of the content"""

BlockLine = tuple[int, str, int, int, int, str]
"""number of the kind, namespace, number of objects, offset, size, sha256"""


@dataclasses.dataclass(frozen=True, slots=True)
class DirectoryPlace:
    """Where the directory is in the index; stands in the manifest."""

    offset: int
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True)
class Directory:
    """The directory, read and checked: numbers in it refer to what exists."""

    kinds: tuple[Kind, ...]
    members: list[MemberLine]
    blocks: list[BlockLine]


class _Json(t.NamedTuple):
    encode: t.Callable[[t.Any], bytes]
    encode_lines: t.Callable[[t.Sequence[t.Any]], bytes]
    lines: t.Callable[[bytes], list[Line]]
    head: t.Callable[[bytes], t.Mapping[str, t.Any]]
    members: t.Callable[[bytes], list[MemberLine]]
    blocks: t.Callable[[bytes], list[BlockLine]]
    errors: tuple[type[Exception], ...]


@functools.cache
def _json() -> _Json:
    import msgspec

    encoder = msgspec.json.Encoder()
    return _Json(
        encoder.encode,
        encoder.encode_lines,
        msgspec.json.Decoder(Line).decode_lines,
        msgspec.json.Decoder(dict[str, t.Any]).decode,
        msgspec.json.Decoder(MemberLine).decode_lines,
        msgspec.json.Decoder(BlockLine).decode_lines,
        (msgspec.MsgspecError, ValueError, RecursionError),
    )


def encode_block(lines: t.Sequence[Line]) -> bytes:
    """The gzip member of one block."""
    return codec.compress(_json().encode_lines(lines))


def encode_names(names: t.Sequence[str]) -> bytes:
    """JSON strings with commas between them."""
    return _json().encode(names)[1:-1]


def encode_line(line: MemberLine | BlockLine) -> bytes:
    """One line of the directory."""
    return _json().encode(line) + b"\n"


def encode_directory(kinds: t.Iterable[Kind], members: bytes, blocks: bytes) -> bytes:
    """The gzip member of the directory, from lines that :func:`encode_line` made."""
    head = {
        "format": FORMAT,
        "kinds": [(kind.group, kind.version, kind.plural, kind.kind, kind.namespaced) for kind in kinds],
        "members": members.count(b"\n"),
        "blocks": blocks.count(b"\n"),
    }
    return codec.compress(b"".join((_json().encode(head), b"\n", members, blocks)))


def decode_block(data: bytes, block: BlockLine, key: str, limits: Limits) -> list[Line]:
    """The lines of one block, after its hash and the number of its lines were checked.

    :raises StowageError: ``backup_damaged``, ``archive_hostile``.
    """
    _check_hash(data, block[5], key)
    content = codec.decompress(data, limit=limits.block_bytes, key=key)
    try:
        lines = _json().lines(content)
    except _json().errors:
        raise damaged(key, "a block of it cannot be decoded") from None
    if len(lines) != block[2]:
        raise damaged(key, "a block of it has not the number of objects that its directory says")
    return lines


def decode_directory(data: bytes, place: DirectoryPlace, key: str, limits: Limits) -> Directory:
    """The directory, after its hash was checked and that its numbers make sense.

    :raises StowageError: ``backup_damaged``, ``archive_hostile``, ``archive_unsupported``.
    """
    _check_hash(data, place.sha256, key)
    content = codec.decompress(data, limit=limits.directory_bytes, key=key)
    first, _newline, rest = content.partition(b"\n")
    try:
        head = _json().head(first)
        if head.get("format") != FORMAT:
            raise unsupported(key, "has a format that this version does not know")
        kinds = tuple(_kind(fields) for fields in head["kinds"])
        split = _line_end(rest, head["members"])
        directory = Directory(kinds, _json().members(rest[:split]), _json().blocks(rest[split:]))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise damaged(key, "its directory cannot be decoded") from None
    _check_directory(directory, head.get("blocks"), place, key, limits)
    return directory


def _kind(fields: t.Sequence[t.Any]) -> Kind:
    group, version, plural, kind, namespaced = fields
    if not all(isinstance(text, str) for text in (group, version, plural, kind)) or not isinstance(namespaced, bool):
        raise TypeError
    return Kind(group, version, plural, kind, namespaced)


def _line_end(data: bytes, count: int) -> int:
    """Where the first ``count`` lines end."""
    position = 0
    for _line in range(count):
        position = data.index(b"\n", position) + 1
    return position


def _check_directory(directory: Directory, blocks: t.Any, place: DirectoryPlace, key: str, limits: Limits) -> None:
    if len(directory.blocks) != blocks:
        raise damaged(key, "its directory has not the number of blocks that it says")
    if len({kind.resource for kind in directory.kinds}) != len(directory.kinds):
        raise damaged(key, "its directory names a kind twice")
    for kind, namespace, count, offset, size, _sha256 in directory.blocks:
        if not (0 <= kind < len(directory.kinds) and count > 0 and offset >= 0 and 0 < size <= place.offset - offset):
            raise damaged(key, "its directory refers to what is not there")
        if directory.kinds[kind].namespaced != bool(namespace):
            raise damaged(key, "its directory has a block in the wrong scope")
        if count > limits.entries or size > limits.block_bytes:
            raise hostile(key, "has a block that is too large")
    for offset, size, raw in directory.members:
        if offset < 0 or size <= 0 or raw < 0:
            raise damaged(key, "its directory refers to what is not there")
        if max(size, raw) > limits.member_bytes:
            raise hostile(key, f"names a part of the archive that is larger than {limits.member_bytes} bytes")


def _check_hash(data: bytes, sha256: str, key: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise damaged(key, "a part of it is not what was written")
