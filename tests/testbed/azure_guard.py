# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server before an Azurite that enforces roles, as Azure Blob Storage does and Azurite does not: it takes any token.

Who has a token, or a SAS that was signed for one, may do what the assignments of `testbed.azure_rbac` allow. What it does not know
it refuses. Keys and other SAS are Azurite's to verify. The sources of its answers:

* which request wants which action: "Permissions for calling data operations", in "Authorize with Microsoft Entra ID"
  (https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory);
* 403 AuthorizationPermissionMismatch, 401 InvalidAuthenticationInfo, 403 KeyBasedAuthenticationNotPermitted, 400
  AccountRequiresHttps, and to nobody 409 PublicAccessNotPermitted or 404 ResourceNotFound: "Common REST API error codes"
  (https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes) and "Remediate anonymous read access"
  (https://learn.microsoft.com/azure/storage/blobs/anonymous-read-access-prevent); permissions are looked at before anything else;
* a SAS of a user allows what both it and its signer may do: "Create a user delegation SAS"
  (https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas);
* with secure transfer required, plain HTTP is refused: "Require secure transfer"
  (https://learn.microsoft.com/azure/storage/common/storage-require-secure-transfer).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from testbed.arm_storage import StorageAccounts
from testbed.azure_conditions import PATH, PREFIX, Asked
from testbed.azure_rbac import DELEGATION, Rbac
from testbed.azurite import Azurite
from testbed.entra import STORAGE, Entra
from testbed.pki import Authority

_HANDSHAKE = b"\x16"
_SERVICE = "Microsoft.Storage/storageAccounts/blobServices"
_BLOBS = f"{_SERVICE}/containers/blobs"
_HOP = {"transfer-encoding", "connection", "keep-alive", "content-length"}
_WRITES = {"", "block", "blocklist", "metadata", "properties", "snapshot"}


class Denied(Exception):  # noqa: N818 - an answer
    """An error answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code
        self.body = (
            f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        )


_MISMATCH = (
    403,
    "AuthorizationPermissionMismatch",
    "This request is not authorized to perform this operation using this permission.",
)


class Guard:
    """The server. `endpoint` is its URL without the account, `ca_cert` the file of its CA.

    `seen` are method, path and kind of credentials of each request; with `firewall` it answers everybody as the account's network
    rules do. Requests with a kind of credentials of `stopped` do not get there: something on the way answers them with a bare 403.
    """

    def __init__(
        self,
        directory: Path,
        authority: Authority,
        *,
        azurite: Azurite,
        storage: StorageAccounts,
        entra: Entra,
        rbac: Rbac,
    ) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        pair = authority.server("guard")
        self.ca_cert = authority.pair.certificate
        self.azurite, self.storage, self.entra, self.rbac = azurite, storage, entra, rbac
        self.seen: list[tuple[str, str, str]] = []
        self.firewall = False
        self.stopped: set[str] = set()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(pair.certificate, pair.key)
        self.upstream = urllib.parse.urlsplit(azurite.endpoint)
        self.trusted = ssl.create_default_context(cafile=str(azurite.ca_cert))
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"guard": self}))
        self._server.context = self.tls
        self.endpoint = f"https://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="guard", daemon=True).start()

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()

    def check(self, method: str, target: str, headers: dict[str, str], *, plain: bool) -> str:
        """Lets a request pass, or raises Denied; returns the kind of credentials."""
        parts = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        kind, _dummy, token = headers.get("authorization", "").partition(" ")
        kind = kind or ("sas" if "sig" in query else "")
        self.seen.append((method, parts.path, f"{'plain ' if plain else ''}{kind}".strip()))
        if plain and self.storage.account.get("supportsHttpsTrafficOnly"):
            raise Denied(400, "AccountRequiresHttps", "The account being accessed does not support http.")
        if self.firewall:
            raise Denied(403, "AuthorizationFailure", "This request is not authorized to perform this operation.")
        asked, where, data = _asked(method, urllib.parse.unquote(parts.path), query)
        scope = self.storage.id + (f"/blobServices/default/containers/{where}" if where else "")
        principal = ""
        if kind == "Bearer":
            claims = self.entra.claims(token)
            ours = claims.get("aud") == STORAGE and claims.get("tid") == self.entra.tenant
            if not ours or float(claims.get("exp", 0)) < time.time() or plain:
                raise Denied(401, "InvalidAuthenticationInfo", "Server failed to authenticate the request.")
            principal = str(claims["oid"])
        elif kind == "SharedKey" and self.storage.account.get("allowSharedKeyAccess") is False:
            raise Denied(403, "KeyBasedAuthenticationNotPermitted", "Key based authentication is not permitted.")
        elif kind == "sas":
            principal = query.get("skoid", "")
        if principal and not any(self.rbac.may(principal, scope, one, data=data) for one in asked):
            raise Denied(*_MISMATCH)
        return kind

    def hidden(self) -> Denied:
        """What nobody is told of a container that is not public."""
        if self.storage.account.get("allowBlobPublicAccess") is False:
            return Denied(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")
        return Denied(404, "ResourceNotFound", "The specified resource does not exist.")


def _asked(method: str, path: str, query: dict[str, str]) -> tuple[list[Asked], str, bool]:
    """What a request may be allowed by, any of them; the container; whether it is about data."""
    _dummy, _dummy, rest = path.lstrip("/").partition("/")
    container, _dummy, blob = rest.partition("/")
    comp = query.get("comp", "")
    if not container:
        service = {"userdelegationkey": DELEGATION, "properties": f"{_SERVICE}/read"}
        return [Asked(service.get(comp, "unknown"))], "", False
    if not blob and comp == "list":
        return [Asked(f"{_BLOBS}/read", frozenset({"Blob.List"}), {PREFIX: query.get("prefix", "")})], container, True
    if not blob:
        operation = {"GET": "read", "HEAD": "read", "PUT": "write", "DELETE": "delete"}.get(method, "unknown")
        return [Asked(f"{_SERVICE}/containers/{operation}" if not comp else "unknown")], container, False
    actions = {"GET": ["read"], "HEAD": ["read"], "DELETE": ["delete"]}.get(method, [])
    if method == "DELETE" and "versionid" in query:
        actions = ["deleteBlobVersion/action"]
    if method == "PUT" and comp in _WRITES:
        actions = ["write", "add/action"] if not comp else ["write"]
    if comp == "tags":
        actions = [f"tags/{'write' if method == 'PUT' else 'read'}"]
    return [Asked(f"{_BLOBS}/{one}", attributes={PATH: blob}) for one in actions], container, True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """With or without TLS, as the client begins."""
        if isinstance(request, socket.socket) and request.recv(1, socket.MSG_PEEK) == _HANDSHAKE:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, *_dummy: object) -> None:
        """A client that does not trust the server ends the handshake: nothing to say."""


class _Handler(BaseHTTPRequestHandler):
    guard: Guard
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """A connection to the Azurite for each of a client's, which http.client opens again when it was closed."""
        super().setup()
        where = self.guard.upstream
        self._upstream = http.client.HTTPSConnection(
            str(where.hostname), where.port, context=self.guard.trusted, timeout=60
        )

    def finish(self) -> None:
        """Both end together."""
        self._upstream.close()
        super().finish()

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        plain = not isinstance(self.connection, ssl.SSLSocket)
        try:
            kind = self.guard.check(self.command, self.path, headers, plain=plain)
            if kind in self.guard.stopped:
                self._send(403, {"Content-Type": "text/html"}, b"<html><title>Forbidden</title></html>")
            else:
                self._forward(body, anonymous=not kind)
        except Denied as denied:
            named = {"x-ms-error-code": denied.code, "Content-Type": "application/xml"}
            self._send(denied.status, named, denied.body.encode())

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the names that http.server asks for

    def _forward(self, body: bytes, *, anonymous: bool) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        answer, content = self._ask(body, headers)
        if anonymous and answer.status == 403:
            raise self.guard.hidden()
        sent = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._send(answer.status, sent, content, length)

    def _ask(self, body: bytes, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        """What the Azurite answers; it ends connections that were idle for some seconds."""
        for last in (False, True):
            try:
                self._upstream.request(self.command, self.path, body or None, headers)
                answer = self._upstream.getresponse()
                return answer, answer.read()
            except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
                self._upstream.close()
                if last:
                    raise
        raise AssertionError("unreachable")

    def _send(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
        with contextlib.suppress(OSError):
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status not in {204, 304}:
                self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def log_message(self, *_dummy: object) -> None:
        """Says nothing."""
