# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory on loopback: as much of LDAP (RFC 4511) as a MinIO asks for - simple binds, and searches with present, equality, and,
or. Messages are BER of definite length, as its section 5.1 demands."""

from __future__ import annotations

import contextlib
import secrets
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_SUCCESS, _NO_SUCH_OBJECT, _INVALID_CREDENTIALS = 0, 32, 49
_BIND, _UNBIND, _SEARCH, _BIND_ANSWER, _ENTRY, _DONE = 0x60, 0x42, 0x63, 0x61, 0x64, 0x65
_BASE, _ONE = 0, 1

Element = tuple[int, bytes]


@dataclass
class Directory:
    """Entries with their attributes, by name, and passwords of those who may bind."""

    base: str = "dc=example,dc=org"
    entries: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    address: str = ""

    def __post_init__(self) -> None:
        for name in (self.base, self.people, self.groups):
            self.entries[name] = {"objectClass": ["organizationalUnit"]}
        self.reader = f"cn=reader,{self.base}"
        self.passwords[self.reader] = secrets.token_urlsafe(12)

    @property
    def people(self) -> str:
        return f"ou=people,{self.base}"

    @property
    def groups(self) -> str:
        return f"ou=groups,{self.base}"

    def person(self, name: str) -> str:
        """A new person, who may bind; the whole name."""
        found = f"uid={name},{self.people}"
        self.entries[found] = {"objectClass": ["inetOrgPerson"], "uid": [name]}
        self.passwords[found] = secrets.token_urlsafe(12)
        return found

    def group(self, name: str, *members: str) -> str:
        """A new group; the whole name."""
        found = f"cn={name},{self.groups}"
        self.entries[found] = {"objectClass": ["groupOfNames"], "cn": [name], "member": list(members)}
        return found

    def minio(self) -> dict[str, str]:
        """The variables by which a MinIO uses it."""
        settings = {
            "SERVER_ADDR": self.address,
            "SERVER_INSECURE": "on",
            "LOOKUP_BIND_DN": self.reader,
            "LOOKUP_BIND_PASSWORD": self.passwords[self.reader],
            "USER_DN_SEARCH_BASE_DN": self.people,
            "USER_DN_SEARCH_FILTER": "(uid=%s)",
            "GROUP_SEARCH_BASE_DN": self.groups,
            "GROUP_SEARCH_FILTER": "(&(objectclass=groupOfNames)(member=%d))",
        }
        return {f"MINIO_IDENTITY_LDAP_{name}": value for name, value in settings.items()}

    # requests

    def bind(self, name: str, password: str) -> int:
        known = {_plain(one): secret for one, secret in self.passwords.items()}
        return _SUCCESS if password and known.get(_plain(name)) == password else _INVALID_CREDENTIALS

    def search(self, base: str, scope: int, wanted: Element) -> list[str] | None:
        """The names that fit; `None` if there is no such base."""
        if _plain(base) not in {_plain(name) for name in self.entries}:
            return None
        inside = [name for name in self.entries if _within(name, base, scope)]
        return [name for name in inside if _fits(self.entries[name], wanted)]


@contextlib.contextmanager
def served_directory(base: str = "dc=example,dc=org") -> Iterator[Directory]:
    """A directory, served until the end of the block."""
    directory = Directory(base)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while (message := _read(self.rfile)) is not None:
                number, (tag, body), *_controls = _elements(message[1])
                if tag == _UNBIND:
                    return
                for answer in _answers(directory, tag, body):
                    self.wfile.write(_element(0x30, _element(*number) + answer))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    directory.address = f"127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield directory
    finally:
        server.shutdown()
        server.server_close()


def _answers(directory: Directory, tag: int, body: bytes) -> Iterator[bytes]:
    parts = _elements(body)
    if tag == _BIND:
        yield _result(_BIND_ANSWER, directory.bind(parts[1][1].decode(), parts[2][1].decode()))
    elif tag == _SEARCH:
        found = directory.search(parts[0][1].decode(), parts[1][1][-1], parts[6])
        for name in found or ():
            yield _element(_ENTRY, _element(0x04, name.encode()) + _element(0x30, b""))
        yield _result(_DONE, _SUCCESS if found is not None else _NO_SUCH_OBJECT)


def _fits(entry: dict[str, list[str]], wanted: Element) -> bool:
    """A filter: https://www.rfc-editor.org/rfc/rfc4511#section-4.5.1.7"""
    tag, body = wanted
    values = {name.lower(): [one.lower() for one in held] for name, held in entry.items()}
    if tag in {0xA0, 0xA1}:
        return (all if tag == 0xA0 else any)(_fits(entry, one) for one in _elements(body))
    if tag == 0x87:
        return body.decode().lower() in values
    if tag == 0xA3:
        (_one, name), (_two, value) = _elements(body)
        return value.decode().lower() in values.get(name.decode().lower(), [])
    raise AssertionError(f"a filter with the tag {tag:#x}")


def _within(name: str, base: str, scope: int) -> bool:
    one, other = _plain(name), _plain(base)
    if scope == _BASE:
        return one == other
    above = one.partition(",")[2]
    return above == other if scope == _ONE else one == other or one.endswith(f",{other}")


def _plain(name: str) -> str:
    return ",".join(part.strip() for part in name.lower().split(","))


def _result(tag: int, code: int) -> bytes:
    return _element(tag, _element(0x0A, bytes([code])) + _element(0x04, b"") + _element(0x04, b""))


def _element(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def _elements(data: bytes) -> list[Element]:
    """The elements of a constructed one."""
    found = []
    while data:
        size, start = data[1], 2
        if size & 0x80:
            start = 2 + (size & 0x7F)
            size = int.from_bytes(data[2:start], "big")
        found.append((data[0], data[start : start + size]))
        data = data[start + size :]
    return found


def _read(stream: Any) -> Element | None:
    """The next message; `None` at the end."""
    head = stream.read(2)
    if len(head) < 2:
        return None
    size = head[1]
    if size & 0x80:
        size = int.from_bytes(stream.read(size & 0x7F), "big")
    return head[0], stream.read(size)
