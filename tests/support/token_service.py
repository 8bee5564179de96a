# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A token service (STS) on loopback that answers to order, with TLS. For what real servers cannot be made to say.

The form of its answers is that of AWS's API reference of STS (AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity and
"Common Errors"); MinIO's AssumeRoleWithCertificate answers alike (its source, cmd/sts-datatypes.go).
"""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.pki import Authority

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(frozen=True)
class Asked:
    """A request: its form, the access key that signed it (or nothing), and the session token that came with it."""

    form: dict[str, str]
    signer: str
    token: str

    @property
    def action(self) -> str:
        """What was asked for."""
        return self.form["Action"]


class TokenService:
    """Keeps what it was asked. `answers` are used up first, each a status and a body; then sessions are granted that end at
    `ends`, and callers are of `account`."""

    def __init__(self, directory: Path) -> None:
        self.requests: list[Asked] = []
        self.answers: list[tuple[int, str]] = []
        self.ends = "2099-01-01T00:00:00Z"
        self.account = "222222222222"
        authority = Authority(directory, "sts-ca")
        self.ca_cert = str(authority.pair.certificate)
        pair = authority.server("sts")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.endpoint = f"https://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, text = outer.answer(body or self.path.partition("?")[2].encode(), dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def answer(self, body: bytes, headers: dict[str, Any]) -> tuple[int, str]:
        """Notes a request, and gives the status and text of its answer."""
        signed = str(headers.get("Authorization", ""))
        signer = signed.partition("Credential=")[2].partition("/")[0]
        asked = Asked(dict(urllib.parse.parse_qsl(body.decode())), signer, str(headers.get("X-Amz-Security-Token", "")))
        self.requests.append(asked)
        if self.answers:
            return self.answers.pop(0)
        if asked.action == "GetCallerIdentity":
            return 200, _result(asked.action, f"<Account>{self.account}</Account><Arn>arn:aws:iam::1:x</Arn>")
        return 200, _result(asked.action, self._session(len(self.requests)))

    def _session(self, number: int) -> str:
        """A session, numbered by the requests so far."""
        return (
            f"<Credentials><AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>secret-{number}</SecretAccessKey>"
            f"<SessionToken>token-{number}</SessionToken><Expiration>{self.ends}</Expiration></Credentials>"
        )

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


def _result(action: str, text: str) -> str:
    return f'<{action}Response xmlns="{NAMESPACE}"><{action}Result>{text}</{action}Result></{action}Response>'


def refusal(code: str, message: str = "canary") -> str:
    """The body of an error."""
    return f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>'


@contextlib.contextmanager
def token_service(directory: Path) -> Iterator[TokenService]:
    """A token service until the end of the block; its certificates are in the directory."""
    service = TokenService(directory)
    try:
        yield service
    finally:
        service.stop()
