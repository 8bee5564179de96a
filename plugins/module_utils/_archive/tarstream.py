# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a tar stream that may be hostile, entry by entry, in bounds. Private to the collection.

Formats are ustar, PAX and GNU's long names, which is what Go's and Python's writers and tar itself make. Nothing is ever
extracted. Links, devices and paths that lead outside are ``archive_hostile``; Velero writes none.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.faults import damaged, hostile
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.headers import BLOCK
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import Limits

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.codec import GzipReader

_ZEROS: t.Final = bytes(BLOCK)
_MAX_EXTENSION: t.Final = 64 << 10
_CHUNK: t.Final = 1 << 20
_REGULAR: t.Final = (b"0", b"\0")
_DIRECTORY: t.Final = b"5"
_PAX: t.Final = b"x"
_PAX_GLOBAL: t.Final = b"g"
_GNU_NAME: t.Final = b"L"


def tar_entries(stream: GzipReader, key: str, limits: Limits) -> t.Iterator[tuple[str, bytes]]:
    """Path and content of each regular file, in order; directories are passed over.

    When this ends without an error, the whole stream was read and is sound.

    :param key: what the tarball is called, for messages.
    :raises StowageError: ``backup_damaged``, ``archive_hostile``.
    """
    return _TarStream(stream, key, limits).entries()


class _TarStream:
    def __init__(self, stream: GzipReader, key: str, limits: Limits) -> None:
        self._stream = stream
        self._key = key
        self._limits = limits
        self._extension: dict[str, str] = {}

    def entries(self) -> t.Iterator[tuple[str, bytes]]:
        count = 0
        while (header := self._block()) != _ZEROS:
            kind = header[156:157]
            size = self._check(header)
            if kind in (_PAX, _PAX_GLOBAL, _GNU_NAME):
                self._extend(kind, self._content(size, _MAX_EXTENSION))
                continue
            count += 1
            if count > self._limits.entries:
                raise hostile(self._key, f"has more than {self._limits.entries} entries")
            path = self._path(header)
            size = self._size(size)
            self._extension = {}
            if kind == _DIRECTORY or (kind == b"\0" and path.endswith("/")):
                self._directory(size)
            elif kind in _REGULAR:
                yield path, self._content(size, self._limits.entry_bytes)
            else:
                raise hostile(self._key, "has an entry that is neither a file nor a directory (a link, perhaps)")
        self._end()

    def _block(self) -> bytes:
        block = self._stream.take(BLOCK)
        if len(block) != BLOCK:
            raise damaged(self._key, "the archive in it ends early")
        return block

    def _check(self, header: bytes) -> int:
        """Check a header's checksum; returns the size that it gives."""
        stored = self._octal(header[148:156])
        if sum(header) - sum(header[148:156]) + 8 * ord(" ") != stored:
            raise damaged(self._key, "the archive in it has a header with a wrong checksum")
        return self._octal(header[124:136])

    def _octal(self, field: bytes) -> int:
        try:
            return int(field.strip(b" \0") or b"0", 8)
        except ValueError:
            raise damaged(self._key, "the archive in it has a header that makes no sense") from None

    def _path(self, header: bytes) -> str:
        path = self._extension.get("path")
        if path is None:
            name = header[:100].split(b"\0", 1)[0]
            if header[257:263] == b"ustar\0":
                prefix = header[345:500].split(b"\0", 1)[0]
                name = prefix + b"/" + name if prefix else name
            path = self._text(name)
        return self._safe(path)

    def _safe(self, path: str) -> str:
        """The path without a leading ``./``, if it stays below where it starts."""
        if len(path) > self._limits.path_bytes:
            raise hostile(self._key, f"has an entry whose path is longer than {self._limits.path_bytes} bytes")
        while path.startswith("./"):
            path = path[2:]
        parts = path.rstrip("/").split("/")
        if path.startswith("/") or "\0" in path or ".." in parts or (path and ("" in parts or "." in parts)):
            raise hostile(self._key, "has an entry whose path leads outside of the archive")
        return path

    def _size(self, size: int) -> int:
        text = self._extension.get("size")
        if text is None:
            return size
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise damaged(self._key, "the archive in it has a header that makes no sense")
        return int(text)

    def _content(self, size: int, limit: int) -> bytes:
        if size > limit:
            raise hostile(self._key, f"has an entry that is larger than {limit} bytes")
        content = self._stream.take(size)
        rest = -size % BLOCK
        if len(content) != size or len(self._stream.take(rest)) != rest:
            raise damaged(self._key, "the archive in it ends early")
        return content

    def _directory(self, size: int) -> None:
        if size:
            raise hostile(self._key, "has a directory with content")

    def _extend(self, kind: bytes, content: bytes) -> None:
        """Take what an extension header says of the next entry."""
        if kind == _GNU_NAME:
            self._extension["path"] = self._text(content.rstrip(b"\0"))
            return
        values = self._pax(content)
        if kind == _PAX:
            self._extension |= values
        elif "path" in values or "size" in values:
            raise hostile(self._key, "gives all its entries one path or size")

    def _pax(self, content: bytes) -> dict[str, str]:
        """The records of a PAX header that matter here: ``<length> <keyword>=<value>\\n``."""
        values: dict[str, str] = {}
        while content:
            digits = content[:20].partition(b" ")[0]
            length = int(digits) if digits.isdigit() else 0
            record, content = content[:length], content[length:]
            keyword, equals, value = record[len(digits) + 1 :].partition(b"=")
            if len(record) != length or not equals or not value.endswith(b"\n"):
                raise damaged(self._key, "the archive in it has a header that makes no sense")
            if keyword.startswith(b"GNU.sparse"):
                raise hostile(self._key, "has a sparse file")
            if keyword in (b"path", b"size"):
                values[keyword.decode()] = self._text(value[:-1])
        return values

    def _text(self, name: bytes) -> str:
        try:
            return name.decode()
        except UnicodeDecodeError:
            raise hostile(self._key, "has an entry whose path is not UTF-8") from None

    def _end(self) -> None:
        """After the first zero block: another one, and nothing but zeros."""
        if self._block() != _ZEROS:
            raise damaged(self._key, "the archive in it has an end in its middle")
        while chunk := self._stream.take(_CHUNK):
            if chunk.strip(b"\0"):
                raise hostile(self._key, "has something behind its end")
