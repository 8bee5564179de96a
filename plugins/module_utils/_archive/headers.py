# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tar headers, made fast. Private to the collection. Pure.

Two headers are made for each object, so they are put together from parts whose checksum is known, a microsecond each. The
parts come from :mod:`tarfile`, which also makes the headers of names that ustar has no room for (PAX).
"""

from __future__ import annotations

import functools
import tarfile
import typing as t

BLOCK: t.Final = 512
END_OF_ARCHIVE: t.Final = bytes(2 * BLOCK)
MODE: t.Final = 0o755
"""Velero makes directories with the mode of the first file below them, so a file needs the execute bits."""

_NAME: t.Final = 100
_PREFIX: t.Final = 155
_PADDING: t.Final = tuple(bytes(-size % BLOCK) for size in range(BLOCK))
_SLASH: t.Final = ord("/")


def padding(size: int) -> bytes:
    """The zero bytes that follow a content of ``size`` bytes."""
    return _PADDING[size % BLOCK]


def size_field(size: int) -> bytes:
    """The header's field for the size of the content."""
    return b"%011o\0" % size


def any_header(path: str, size: int, mtime: int) -> bytes:
    """The header of any file: ustar where that has room for the name, else PAX."""
    info = tarfile.TarInfo(path)
    info.size, info.mtime, info.mode = size, mtime, MODE
    if path.isascii():
        try:
            return info.tobuf(tarfile.USTAR_FORMAT)
        except ValueError:  # the name is too long
            pass
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8")


@functools.lru_cache(maxsize=8)
def _frame(mtime: int) -> tuple[bytes, bytes, bytes, int]:
    """The parts of a header that all files share: before the size, between it and the checksum, behind; and their sum."""
    header = any_header("x", 0, mtime)
    parts = header[_NAME:124], header[136:148], header[156:]
    return *parts, sum(map(sum, parts)) + 8 * ord(" ")


class Directory:
    """Makes the headers of the files in one directory.

    :param path: relative, ASCII, no slash at its end.
    :param mtime: of every file, seconds since the epoch.
    """

    __slots__ = ("_after_size", "_base", "_before_size", "_mtime", "_path", "_rest", "_splits")

    def __init__(self, path: str, mtime: int) -> None:
        self._mtime = mtime
        self._path = path.encode("ascii") + b"/"
        self._before_size, self._after_size, self._rest, fixed = _frame(mtime)
        self._base = fixed + sum(self._path)
        self._splits: dict[int, int] = {}

    def header(self, file: bytes, size: bytes, weight: int) -> bytes:
        """One file's header.

        :param file: its name in the directory, ASCII, no slash.
        :param size: :func:`size_field` of its content.
        :param weight: the sum of the bytes of ``file`` and ``size``.
        """
        name = self._path + file
        if len(name) > _NAME:
            return self._split_header(name, size, weight)
        return b"".join(
            (
                name.ljust(_NAME, b"\0"),
                self._before_size,
                size,
                self._after_size,
                b"%06o\0 " % (self._base + weight),
                self._rest,
            )
        )

    def join(self, file: bytes) -> str:
        """The path of a file in the directory."""
        return (self._path + file).decode()

    def _split_header(self, name: bytes, size: bytes, weight: int) -> bytes:
        """The name is divided at a slash between ustar's two fields, as :mod:`tarfile` does it."""
        at = self._splits.get(len(name))
        if at is None:
            at = self._splits[len(name)] = name.find(b"/", len(name) - _NAME - 1)
        if not 0 < at <= _PREFIX:
            return any_header(name.decode("ascii"), int(size[:-1], 8), self._mtime)
        return b"".join(
            (
                name[at + 1 :].ljust(_NAME, b"\0"),
                self._before_size,
                size,
                self._after_size,
                b"%06o\0 " % (self._base + weight - _SLASH),
                self._rest[: 345 - 156],
                name[:at].ljust(BLOCK - 345, b"\0"),
            )
        )
