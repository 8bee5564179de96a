# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints on loopback that are not what they should be, and a store that answers what it is told to.

The shapes of S3's error answers are those of its API reference; that of a store that ignores sub-resources is Ceph's.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import http.server
import socket
import ssl
import struct
import threading
import time
import typing as t
import urllib.parse
from pathlib import Path

from testbed.pki import Authority, Pair

Answer = tuple[int, bytes, dict[str, str]]
"""Status, body, headers."""

XML: t.Final = {"Content-Type": "application/xml"}


def xml(code: str, more: str = "") -> bytes:
    """An error of S3."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>m</Message>{more}</Error>'.encode()
    )


def listing(bucket: str, *keys: str) -> bytes:
    """A page of ListObjectsV2."""
    contents = "".join(
        f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
        for key in keys
    )
    return (
        f"<ListBucketResult><Name>{bucket}</Name><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>".encode()
    )


ODD: t.Final[t.Mapping[str, Answer]] = {
    # beginning of the bucket's name -> what it answers
    "region": (
        301,
        xml("PermanentRedirect", "<Endpoint>s3.eu-west-1.amazonaws.com</Endpoint>"),
        {**XML, "x-amz-bucket-region": "eu-west-1"},
    ),
    "header": (400, xml("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"), XML),
    "html": (200, b"<!DOCTYPE html><html><title>Log in</title></html>", {"Content-Type": "text/html"}),
    "other": (200, listing("another-bucket"), XML),
    "loop": (302, b"", {"Location": "/loop"}),
    "moved": (301, b"", {"Location": "https://console.example.com/login"}),
    "proxy": (407, b"", {}),
    "slow-down": (503, xml("SlowDown"), XML),
    "full": (507, xml("XMinioStorageFull"), XML),
    "unknown-key": (403, xml("InvalidAccessKeyId"), XML),
    "wrong-secret": (403, xml("SignatureDoesNotMatch"), XML),
    "expired": (400, xml("ExpiredToken"), XML),
    "skewed": (403, xml("RequestTimeTooSkewed"), XML),
    "missing": (404, xml("NoSuchBucket"), XML),
    "not-here": (501, xml("NotImplemented"), XML),
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every method alike."""

    server: OddServer
    protocol_version = "HTTP/1.1"
    body = b""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        self.server.seen.append((self.command, self.path))
        status, body, headers = self.server.choose(self)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - as the base class wants them

    def version_string(self) -> str:
        """What the server calls itself."""
        return super().version_string() if self.server.named is None else self.server.named

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The time, as far off as the server's clock is."""
        now = datetime.datetime.fromtimestamp(timestamp or time.time(), datetime.UTC) + self.server.ahead
        return email.utils.format_datetime(now, usegmt=True)

    def log_message(self, *args: object) -> None:
        pass


class OddServer(http.server.ThreadingHTTPServer):
    """Serves on a free port, with TLS if it has a certificate; with `context` it has TLS and no certificate."""

    daemon_threads = True

    def __init__(self, pair: Pair | None = None, *, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ahead = datetime.timedelta(0)
        self.named: str | None = None
        self.seen: list[tuple[str, str]] = []
        self.closing = threading.Event()
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.endpoint = f"{'http' if context is None else 'https'}://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def choose(self, request: Handler) -> Answer:
        """What to answer; by the beginning of the bucket's name."""
        bucket = urllib.parse.urlsplit(request.path).path.strip("/").partition("/")[0]
        if bucket.startswith("hang"):
            self.closing.wait()
        if bucket.startswith("reset"):
            raise ConnectionResetError
        for name, answer in ODD.items():
            if bucket.startswith(name):
                return answer
        return 403, xml("AccessDenied"), XML

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        pass

    def stop(self) -> None:
        """Ends it, and what still waits."""
        self.closing.set()
        self.shutdown()
        self.server_close()


class ToldServer(OddServer):
    """Answers what it was told to: by method and the first word of the query (`GET lifecycle`, `GET list-type`, `PUT`)."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, Answer] = {}
        self.otherwise: Answer = (403, xml("AccessDenied"), XML)

    def choose(self, request: Handler) -> Answer:
        """What it was told for this kind of request."""
        query = urllib.parse.urlsplit(request.path).query.partition("&")[0].partition("=")[0]
        return self.told.get(f"{request.command} {query}".strip(), self.otherwise)


class Mute:
    """Takes connections and does one thing to them: closes them by a reset, says nothing, or says what is no HTTP."""

    def __init__(self, does: t.Literal["reset", "silence", "babble"]) -> None:
        self._does = does
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._taken: list[socket.socket] = []
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _dummy = self._listener.accept()
                self._taken.append(connection)
                if self._does == "babble":
                    connection.recv(1)
                    connection.sendall(b"220 mail.example.com ESMTP\r\n\r\n")
                    connection.shutdown(socket.SHUT_RDWR)
                elif self._does == "reset":
                    connection.recv(1)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()

    def stop(self) -> None:
        """Ends it."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._taken:
            connection.close()


def _wanting(ca: Authority) -> ssl.SSLContext:
    """Of a server that lets only those in whose certificate is signed by the authority."""
    pair = ca.server("wanting")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(ca.pair.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


class Zoo:
    """One of each."""

    def __init__(self, directory: Path) -> None:
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
        self.ca = Authority(directory, "ca")
        self.other_ca = Authority(directory, "other")
        self.good = OddServer(self.ca.server("good"))
        self.misnamed = OddServer(self.ca.server("misnamed", hosts=["wrong.example.org"]))
        self.expired = OddServer(self.ca.server("expired", valid=(now - 9 * day, now - 2 * day)))
        self.future = OddServer(self.ca.server("future", valid=(now + 2 * day, now + 9 * day)))
        self.ending = OddServer(self.ca.server("ending", valid=(now - day, now + 3 * day)))
        self.bare = OddServer(context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self.wanting = OddServer(context=_wanting(self.ca))
        self.plain = OddServer()
        self.ahead, self.behind, self.late = OddServer(), OddServer(), OddServer()
        self.ahead.ahead = datetime.timedelta(minutes=20)
        self.behind.ahead = -datetime.timedelta(minutes=20)
        self.late.ahead = -datetime.timedelta(minutes=2)
        self.reset, self.silence, self.babble = Mute("reset"), Mute("silence"), Mute("babble")

    def stop(self) -> None:
        """Ends all."""
        for server in vars(self).values():
            if hasattr(server, "stop"):
                server.stop()
