# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP(S) server on loopback whose answers a test scripts, failures of the connection included."""

from __future__ import annotations

import dataclasses
import gzip
import http.server
import json
import socket
import ssl
import struct
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from typing import Any


@dataclasses.dataclass(frozen=True)
class Request:
    """What arrived. Header names are case-insensitive."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: bytes

    @property
    def token(self) -> str:
        """The bearer token, empty without one."""
        return str(self.headers.get("authorization", "")).removeprefix("Bearer ")


@dataclasses.dataclass
class Reply:
    """What to answer.

    :param parts: sent in chunks instead of `body`, each when it is asked for.
    :param reset: break the connection with a TCP reset, before anything is sent.
    :param cut_after: close the connection after that many bytes of the body.
    """

    body: bytes = b"{}"
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    parts: Iterator[bytes] | None = None
    reset: bool = False
    cut_after: int | None = None


def as_json(document: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer; `_` in header names stands for `-`."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps(document).encode(), status, headers=names)


def as_status(
    code: int, reason: str, message: str = "", *, details: Any = None, metadata: Any = None, **headers: str
) -> Reply:
    """A `metav1.Status` of failure."""
    document = {"kind": "Status", "apiVersion": "v1", "metadata": metadata or {}, "status": "Failure"}
    document |= {"message": message, "reason": reason, "code": code, "details": details or {}}
    return as_json(document, code, **headers)


class ScriptedApi:
    """Calls `answer` for each request, from several threads; keeps what arrived in `requests`."""

    def __init__(self, answer: Callable[[Request], Reply], context: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        scheme = "http"
        if context is not None:
            self._server.context = context
            scheme = "https"
        self.port: int = self._server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[ScriptedApi]:
        """Serves until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [request.path for request in self.requests]


class _Server(http.server.ThreadingHTTPServer):
    api: ScriptedApi
    context: ssl.SSLContext | None = None
    daemon_threads = True
    block_on_close = False

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The TLS handshake happens in the connection's own thread."""
        if self.context is not None:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that refuse the certificate or hang up are what tests are about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes
    server: _Server

    def _serve(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = Request(self.command, url.path, dict(urllib.parse.parse_qsl(url.query)), self.headers, body)
        self.server.api.requests.append(request)
        reply = self.server.api.answer(request)
        if reply.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.parts is not None:
            self._send_parts(reply.parts)
            return
        content = reply.body
        if "gzip" in self.headers.get("accept-encoding", "") and len(content) > 1024:
            content = gzip.compress(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if reply.cut_after is not None:
            content = content[: reply.cut_after]
            self.close_connection = True
        self.wfile.write(content)

    def _send_parts(self, parts: Iterator[bytes]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Silent."""
