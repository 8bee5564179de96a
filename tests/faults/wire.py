# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of HTTP/1.1 as a proxy needs: heads, and where bodies end."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

BLOCK = 64 << 10
LONGEST_HEAD = 64 << 10


class Ended(Exception):  # noqa: N818 - an event, no error
    """The other side closed the connection."""


@dataclass
class Head:
    """A first line and headers, as they came."""

    line: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @classmethod
    def parse(cls, raw: bytes) -> Head:
        """A head without its empty line."""
        line, *rest = raw.split(b"\r\n")
        pairs = [entry.partition(b":") for entry in rest if entry]
        return cls(line, [(name, value.strip()) for name, _dummy, value in pairs])

    def get(self, name: bytes) -> bytes:
        """The value of a header, empty without it."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), b"")

    def without(self, name: bytes) -> Head:
        """The head without a header."""
        return Head(self.line, [(key, value) for key, value in self.headers if key.lower() != name.lower()])

    def __bytes__(self) -> bytes:
        return b"\r\n".join([self.line, *(key + b": " + value for key, value in self.headers)]) + b"\r\n\r\n"


class Wire:
    """One side of the proxy: a socket, read by heads and bodies."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._read = b""

    def head(self) -> Head:
        """The next head. Raises Ended at the end of the connection."""
        while b"\r\n\r\n" not in self._read:
            self._more()
            if len(self._read) > LONGEST_HEAD:
                raise ValueError("the head is too long")
        raw, _dummy, self._read = self._read.partition(b"\r\n\r\n")
        return Head.parse(raw)

    def body(self, head: Head, *, nothing: bool = False, to_end: bool = False) -> Iterator[bytes]:
        """The body that follows a head, block by block and as it is on the wire."""
        if nothing:
            return
        if head.get(b"transfer-encoding").lower() == b"chunked":
            yield from self._chunks()
        elif head.get(b"content-length"):
            yield from self._counted(int(head.get(b"content-length")))
        elif to_end:
            yield from self._rest()

    def send(self, data: bytes) -> None:
        """Sends all of it."""
        self.socket.sendall(data)

    def close(self, *, reset: bool = False) -> None:
        """Ends the connection, politely or by RST."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _more(self) -> None:
        data = self.socket.recv(BLOCK)
        if not data:
            raise Ended
        self._read += data

    def _counted(self, left: int) -> Iterator[bytes]:
        while left > 0:
            if not self._read:
                self._more()
            data, self._read = self._read[:left], self._read[left:]
            left -= len(data)
            yield data

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = self._line()
            yield size + b"\r\n"
            length = int(size.split(b";")[0], 16)
            if length == 0:
                break
            yield from self._counted(length + 2)
        while trailer := self._line():
            yield trailer + b"\r\n"
        yield b"\r\n"

    def _line(self) -> bytes:
        while b"\r\n" not in self._read:
            self._more()
        line, _dummy, self._read = self._read.partition(b"\r\n")
        return line

    def _rest(self) -> Iterator[bytes]:
        try:
            while True:
                if not self._read:
                    self._more()
                data, self._read = self._read, b""
                yield data
        except Ended:
            return
