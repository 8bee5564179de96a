# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy on loopback in front of a plain HTTP server, which passes requests on unless a fault says otherwise."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from faults.wire import Ended, Head, Wire

SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)


@dataclass
class Exchange:
    """One request on its way through the proxy, for a fault to do something with."""

    client: Wire
    request: Head
    connect: Callable[[], Wire]
    closing: threading.Event

    def drain(self) -> None:
        """Reads the request's body and forgets it."""
        for _dummy in self.client.body(self.request):
            pass

    def forward(self) -> Wire:
        """Sends the request to the server."""
        server = self.connect()
        server.send(bytes(self.request))
        for block in self.client.body(self.request):
            server.send(block)
        return server

    def answer_head(self, server: Wire) -> Head:
        """The head of the server's answer, interim ones left out."""
        while (head := server.head()).line.split(b" ")[1].startswith(b"1"):
            pass
        return head

    def answer_body(self, server: Wire, head: Head) -> list[bytes]:
        """The whole body of an answer, as it is on the wire."""
        return list(server.body(head, nothing=self.has_no_body(head), to_end=True))

    def has_no_body(self, head: Head) -> bool:
        """Whether an answer ends with its head."""
        return self.request.line.startswith(b"HEAD ") or head.line.split(b" ")[1] in (b"204", b"304")


# Does something to a request; returns the answer's status if the client got a whole one, and None if it got none.
Action = Callable[[Exchange], int | None]


def relay(exchange: Exchange) -> int:
    """Passes the request and its answer on: no fault."""
    server = exchange.forward()
    head = exchange.answer_head(server)
    exchange.client.send(bytes(head))
    for block in server.body(head, nothing=exchange.has_no_body(head), to_end=True):
        exchange.client.send(block)
    return int(head.line.split(b" ")[1])


def swallow() -> Action:
    """The server carries the request out; its whole answer is lost with the connection."""

    def act(exchange: Exchange) -> None:
        server = exchange.forward()
        exchange.answer_body(server, exchange.answer_head(server))

    return act


def cut_request(after: int = 0) -> Action:
    """The connection breaks when this many bytes of the request's body have reached the server."""

    def act(exchange: Exchange) -> None:
        server = exchange.connect()
        server.send(bytes(exchange.request))
        left = after
        for block in exchange.client.body(exchange.request):
            server.send(block[:left])
            left -= len(block)
            if left <= 0:
                break
        server.close(reset=True)

    return act


def cut_answer(after: int = 0) -> Action:
    """The connection breaks when the head and this many bytes of the answer's body have reached the client."""

    def act(exchange: Exchange) -> None:
        server = exchange.forward()
        head = exchange.answer_head(server)
        exchange.client.send(bytes(head))
        exchange.client.send(b"".join(exchange.answer_body(server, head))[:after])

    return act


def answer(status: int, body: bytes = b"", content_type: str = "application/xml", **headers: str) -> Action:
    """The proxy answers by itself; the server sees nothing. Underscores in names of headers stand for hyphens."""

    def act(exchange: Exchange) -> int:
        exchange.drain()
        lines = {"Content-Type": content_type, "Content-Length": str(len(body))}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = Head(f"HTTP/1.1 {status} Fault".encode(), [(k.encode(), v.encode()) for k, v in lines.items()])
        exchange.client.send(bytes(head) + (b"" if exchange.request.line.startswith(b"HEAD ") else body))
        return status

    return act


def slow_down() -> Action:
    """S3's request for fewer requests."""
    return answer(503, SLOW_DOWN)


def reset() -> Action:
    """The connection is reset when the request's head is there; the server sees nothing."""

    def act(exchange: Exchange) -> None:
        exchange.client.close(reset=True)

    return act


def hold(until: threading.Event, then: Action = relay) -> Action:
    """The request waits until the event is set (or the proxy ends)."""

    def act(exchange: Exchange) -> int | None:
        while not until.wait(0.05):
            if exchange.closing.is_set():
                return None
        return then(exchange)

    return act


@dataclass
class Fault:
    """What to do to which requests: a method (empty: any), a regular expression that is searched for in the target
    (`/bucket/key?query`), how many of them to let pass first, and how many to act on (None: all)."""

    action: Action
    method: str = ""
    target: str = ""
    skip: int = 0
    times: int | None = 1
    hits: int = 0
    hit: threading.Event = field(default_factory=threading.Event)

    def takes(self, seen: Seen) -> bool:
        """Whether it acts on this request; counts."""
        if self.method not in ("", seen.method) or not re.search(self.target, seen.target):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        self.hit.set()
        return True


@dataclass
class Seen:
    """A request that came, whether a fault took it, and the status that the client got (None: no answer, or not yet)."""

    method: str
    target: str
    faulty: bool = False
    status: int | None = None
    over: threading.Event = field(default_factory=threading.Event)


class FaultProxy:
    """Listens on a free loopback port; `endpoint` is its URL.

        with FaultProxy(store.endpoint) as proxy:
            lost = proxy.add(Fault(swallow(), "POST", "uploadId="))
            ...
            assert lost.hits == 1

    Clients that sign requests sign for the proxy's address, and the server checks that: nothing is rewritten but Expect.
    With the files of a certificate and its key, clients speak TLS with the proxy; the server behind it never does.
    """

    def __init__(self, upstream: str, *, tls: tuple[Path, Path] | None = None) -> None:
        parts = urllib.parse.urlsplit(upstream)
        assert parts.scheme == "http", "the proxy speaks plain HTTP"
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self.requests: list[Seen] = []
        self._context: ssl.SSLContext | None = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*tls)
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> FaultProxy:
        threading.Thread(target=self._accept, name="fault-proxy", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, fault: Fault) -> Fault:
        """From now on the fault acts; the first added that takes a request has it."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """No more faults."""
        with self._lock:
            self._faults.clear()

    def seen(self, method: str = "", target: str = "") -> list[Seen]:
        """The requests of a method whose target matches."""
        with self._lock:
            return [one for one in self.requests if method in ("", one.method) and re.search(target, one.target)]

    def ended(self, method: str = "", target: str = "") -> list[Seen]:
        """What `seen` says, when all of them are over: a client may have its answer before this side knows of it."""
        found = self.seen(method, target)
        for one in found:
            assert one.over.wait(60), f"{one.method} {one.target} does not end"
        return found

    def close(self) -> None:
        """Ends the proxy and every connection through it."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            waiting = list(self._open)
        for connection in waiting:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _dummy = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="fault-proxy-client", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        servers: list[Wire] = []

        def connect() -> Wire:
            if not servers:
                upstream = socket.create_connection(self._upstream, timeout=120)
                self._remember(upstream)
                servers.append(Wire(upstream))
            return servers[0]

        client = Wire(connection)
        self._remember(connection)
        try:
            if self._context is not None:
                client = Wire(self._context.wrap_socket(connection, server_side=True))
                self._remember(client.socket)
            while self._one(client, connect):
                pass
        except (OSError, Ended, ValueError):
            pass
        finally:
            for wire in (client, *servers):
                with self._lock:
                    self._open.discard(wire.socket)
                with contextlib.suppress(OSError):
                    wire.close()

    def _one(self, client: Wire, connect: Callable[[], Wire]) -> bool:
        """One request; returns whether the connection goes on."""
        head = client.head()
        method, target, _dummy = head.line.decode("latin-1").split(" ", 2)
        seen = Seen(method, target)
        with self._lock:
            self.requests.append(seen)
            fault = next((one for one in self._faults if one.takes(seen)), None)
        seen.faulty = fault is not None
        try:
            if head.get(b"expect").lower() == b"100-continue":
                client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                head = head.without(b"expect")
            exchange = Exchange(client, head, connect, self._closing)
            seen.status = fault.action(exchange) if fault else relay(exchange)
        finally:
            seen.over.set()
        return seen.status is not None and head.get(b"connection").lower() != b"close"

    def _remember(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
