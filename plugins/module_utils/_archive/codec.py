# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""gzip: members of their own to write, bounded reading. Private to the collection.

isal (Intel's igzip) does the work, zlib where it is not to be had. Level 2 of isal was measured at 400 to 450 MB/s,
seven times zlib's level 1, with a smaller result; its level 3 takes half as long again for one percent.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.faults import damaged, hostile
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import Limits

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Reader

_GZIP: t.Final = 31  # zlib's code for "gzip header and trailer, largest window"
_INPUT: t.Final = 256 << 10
_OUTPUT: t.Final = 1 << 20


class _Inflater(t.Protocol):
    """What zlib's and isal's decompression objects have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


@dataclasses.dataclass(frozen=True, slots=True)
class _Engine:
    deflate: t.Callable[[bytes], bytes]
    inflater: t.Callable[[], _Inflater]
    is_corrupt: t.Callable[[Exception], bool]
    """Whether an exception of the inflater is about its input."""


@functools.cache
def _engine() -> _Engine:
    import zlib

    try:
        from isal import isal_zlib
    except ImportError:
        return _Engine(
            lambda data: zlib.compress(data, 1, wbits=_GZIP),
            lambda: zlib.decompressobj(wbits=_GZIP),
            lambda error: isinstance(error, zlib.error),
        )
    return _Engine(
        lambda data: isal_zlib.compress(data, 2, wbits=_GZIP),
        lambda: isal_zlib.decompressobj(wbits=_GZIP),
        lambda error: isinstance(error, (t.cast("type[Exception]", isal_zlib.error), zlib.error)),
    )


def compress(data: bytes) -> bytes:
    """One complete gzip member; members put one after the other are one gzip stream to every reader."""
    return _engine().deflate(data)


def decompress(data: bytes, *, limit: int, key: str, exact: bool = False) -> bytes:
    """The content of exactly one gzip member.

    :param limit: how large the content may be; more is ``archive_hostile``.
    :param exact: the content is known to have ``limit`` bytes; anything else is ``backup_damaged``.
    :param key: the file that ``data`` is from, for messages.
    :raises StowageError: ``backup_damaged`` when the member is broken, cut short, or followed by something.
    """
    inflater = _engine().inflater()
    content = _inflate(inflater, data, limit + 1, key)
    if exact and len(content) != limit:
        raise damaged(key, "a part of it has not the size that was written")
    if len(content) > limit:
        raise hostile(key, f"has a part that becomes larger than {limit} bytes when it is decompressed")
    if not inflater.eof:
        raise damaged(key, "its compressed data ends early")
    if inflater.unused_data:
        raise damaged(key, "something follows where its compressed data should end")
    return content


def _inflate(inflater: _Inflater, data: bytes, size: int, key: str) -> bytes:
    try:
        return inflater.decompress(data, size)
    except Exception as error:
        if _engine().is_corrupt(error):
            raise damaged(key, "its compressed data is corrupt") from None
        raise


class GzipReader:
    """Forward reading of a gzip stream of any number of members, with bounds, hashing what is read.

    :param source: the compressed bytes; not closed here.
    :param key: what the file is called, for messages.
    """

    def __init__(self, source: Reader, key: str, limits: Limits) -> None:
        self._source = source
        self._key = key
        self._limits = limits
        self._inflater: _Inflater | None = None
        self._input = b""
        self._buffer = b""
        self._position = 0
        self._hash = hashlib.sha256()
        self.bytes_in = 0
        """Compressed bytes read so far."""
        self.bytes_out = 0
        """Decompressed bytes so far, including what was not taken yet."""

    @property
    def sha256(self) -> str:
        """The hash (hexadecimal) of the compressed bytes read so far: of the whole file, once :meth:`take` came short."""
        return self._hash.hexdigest()

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer only when the stream ends, whole and sound, before.

        :raises StowageError: ``backup_damaged``, ``archive_hostile``.
        """
        start = self._position
        end = start + size
        if end <= len(self._buffer):
            self._position = end
            return self._buffer[start:end]
        parts = [self._buffer[start:]]
        missing = size - len(parts[0])
        self._buffer, self._position = b"", 0
        while missing > 0:
            chunk = self._inflate()
            if not chunk:
                break
            if len(chunk) > missing:
                self._buffer, self._position = chunk, missing
                chunk = chunk[:missing]
            parts.append(chunk)
            missing -= len(chunk)
        return b"".join(parts)

    def _inflate(self) -> bytes:
        """The next piece of content, empty at the sound end."""
        while True:
            if self._inflater is None and not self._next_member():
                return b""
            if not self._input:
                self._input = self._read()
                if not self._input:
                    raise damaged(self._key, "it ends early")
            content = self._step()
            if content:
                return content

    def _next_member(self) -> bool:
        """Begin the next member; false at the end of the file. Zero bytes between members are padding."""
        while True:
            self._input = self._input.lstrip(b"\0") if self.bytes_out else self._input
            if self._input:
                break
            self._input = self._read()
            if not self._input:
                if not self.bytes_in:
                    raise damaged(self._key, "it is empty")
                return False
        self._inflater = _engine().inflater()
        return True

    def _step(self) -> bytes:
        """Decompress a piece of the current member."""
        inflater = t.cast("_Inflater", self._inflater)
        content = _inflate(inflater, self._input, _OUTPUT, self._key)
        rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        self.bytes_out += len(content)
        self._input = rest
        if inflater.eof:
            self._inflater = None
        self._check_bounds()
        return content

    def _check_bounds(self) -> None:
        limits = self._limits
        if self.bytes_out > max(limits.ratio_floor, limits.ratio * self.bytes_in):
            raise hostile(self._key, f"becomes more than {limits.ratio} times larger when it is decompressed")
        if self.bytes_out > limits.total_bytes:
            raise hostile(self._key, f"becomes larger than {limits.total_bytes} bytes when it is decompressed")

    def _read(self) -> bytes:
        data = self._source.read(_INPUT)
        self._hash.update(data)
        self.bytes_in += len(data)
        return data
