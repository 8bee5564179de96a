# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small server of the tests' own that gives tokens as Microsoft Entra does, and as a machine's managed identity does.

It stands for Entra, which nobody can run. Where the shape of its answers comes from:

- the discovery document and `POST /<tenant>/oauth2/v2.0/token` with `client_secret` or `client_assertion`, and the fields of
  good answers: Microsoft's "OAuth 2.0 client credentials flow on the Microsoft identity platform";
- errors (`error`, `error_description`, `error_codes`, `timestamp`, `trace_id`, `correlation_id`) and their numbers:
  "Microsoft Entra authentication and authorization error codes"; their HTTP statuses are what clients of azure-identity and
  msal have recorded in issues (401 `invalid_client` for a wrong or expired secret, 400 for an application that is not known);
- `GET /msi/token`: "How to use managed identities for App Service" (the REST protocol with `X-IDENTITY-HEADER`).

At the same address it is Azure Resource Manager, whose requests `testbed.arm` answers, and by the name localhost Microsoft Graph,
whose requests `testbed.graph` answers. Unlike a stub it verifies who asks (`testbed.entra_applications`).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import ssl
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from testbed.arm import MANAGEMENT, Arm, ArmReply, ArmRequest
from testbed.entra_applications import Application, Assertions, Refused, encoded
from testbed.graph import Graph
from testbed.pki import Authority

STORAGE = "https://storage.azure.com"
_MANAGED = {"subscriptions", "providers", "v1.0"}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Entra:
    """The server. `authority` is its URL, `ca_cert` the file of its CA, `tenant` the tenant that Resource Manager's subscriptions are of;
    `others` are tenants beside it.

    `lifetime` is how many seconds its tokens live; `asked` are the requests for tokens, each with the names of its fields and
    the values of those that are no secrets; `busy` answers that many requests by 503 first. `audiences` are the services that
    tokens are given for, and `arm` and `graph` are two of them. `webhooks` answer requests to `/webhooks/` and their names.
    """

    def __init__(self, directory: Path, authority: Authority | None = None, tenant: str = "") -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = authority or Authority(directory / "pki", "ca")
        pair = own.server("entra")
        self.ca_cert = own.pair.certificate
        self.tenant = tenant or str(uuid.uuid4())
        self.others: set[str] = set()
        self.lifetime = 3600
        self.busy = 0
        self.arm = Arm()
        self.asked: list[dict[str, str]] = []
        self.applications: dict[str, Application] = {}
        self.assertions = Assertions()
        self.webhooks: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
        self.identity_header = secrets.token_hex(16)
        self._key = secrets.token_bytes(32)
        handler = type("Handler", (_Handler,), {"entra": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.authority = f"https://127.0.0.1:{self._server.server_address[1]}"
        self.graph_endpoint = self.authority.replace("127.0.0.1", "localhost")
        self.graph = Graph(self.applications, self.tenant)
        self.audiences = {STORAGE, MANAGEMENT, self.authority, self.graph_endpoint}

    def __enter__(self) -> Entra:
        threading.Thread(target=self._server.serve_forever, name="entra", daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def register(self, **options: Any) -> Application:
        """A new application."""
        application = Application(**options)
        self.applications[application.client_id] = application
        return application

    def consent(self, application: Application, tenant: str) -> str:
        """Gives an application a service principal in another tenant; returns its object id."""
        return application.elsewhere.setdefault(tenant, str(uuid.uuid4()))

    def object_id(self, application: Application, tenant: str) -> str:
        """That of an application's service principal in a tenant; empty if it has none there."""
        home = application.tenant or self.tenant
        return application.object_id if tenant == home else application.elsewhere.get(tenant, "")

    def discovery(self, tenant: str) -> dict[str, Any]:
        """What clients ask first."""
        if tenant not in {self.tenant, *self.others}:
            raise Refused(400, "invalid_tenant", 90002, f"Tenant '{tenant}' not found.")
        base = f"{self.authority}/{tenant}"
        return {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        }

    def token(self, tenant: str, form: dict[str, str]) -> dict[str, Any]:
        """A token for an application, or why not."""
        self.asked.append({k: v for k, v in form.items() if k not in {"client_secret", "client_assertion"}})
        self.discovery(tenant)
        application = self.applications.get(form.get("client_id", ""))
        object_id = self.object_id(application, tenant) if application else ""
        if application is None or not object_id:
            text = f"Application with identifier '{form.get('client_id')}' was not found in the directory 'testbed'."
            raise Refused(400, "unauthorized_client", 700016, text)
        audience = form.get("scope", "").removesuffix("/.default")
        if audience not in self.audiences or form.get("grant_type") != "client_credentials":
            raise Refused(
                400, "invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid."
            )
        if form.get("client_assertion_type") == ASSERTION:
            self.assertions.check(application, form.get("client_assertion", ""), self.authority)
        else:
            self._check_secret(application, form.get("client_secret", ""))
        return self._made(application.client_id, audience, object_id, tenant)

    def principal(self, object_id: str) -> bool:
        """Whether there is such a service principal."""
        return any(self.object_id(one, self.tenant) == object_id for one in self.applications.values())

    def managed(self, header: str, query: dict[str, str]) -> dict[str, Any]:
        """A token for the machine's own identity."""
        if not hmac.compare_digest(header, self.identity_header) or query.get("resource") not in self.audiences:
            raise Refused(400, "invalid_request", 0, "no such identity")
        self.asked.append(query)
        made = self._made(query.get("client_id", "system"), query["resource"])
        return {**made, "expires_on": str(int(time.time()) + self.lifetime), "resource": query["resource"]}

    def manage(self, request: ArmRequest, token: str) -> ArmReply:
        """Answers a request to Azure Resource Manager, if its token was given for that."""
        claims = self.claims(token)
        if claims.get("aud") not in {MANAGEMENT, self.authority} or float(claims.get("exp", 0)) < time.time():
            return _invalid("InvalidAuthenticationToken", "The access token is invalid.")
        if claims.get("tid") != self.tenant:
            return _invalid("InvalidAuthenticationTokenTenant", "The access token is from the wrong issuer.")
        request.claims = claims
        return self.arm.answer(request)

    def ask_graph(self, request: ArmRequest, token: str) -> ArmReply:
        """Answers a request to Microsoft Graph, if its token was given for that."""
        claims = self.claims(token)
        if claims.get("aud") != self.graph_endpoint or float(claims.get("exp", 0)) < time.time():
            return _invalid("InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
        request.claims = claims
        return self.graph.answer(request)

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a token of ours; none of another's."""
        head, _dummy, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(head), signature):
            return {}
        claims = head.partition(".")[2]
        return dict(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))))

    def _signature(self, head: str) -> str:
        made = hmac.new(self._key, head.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(made).decode().rstrip("=")

    def _check_secret(self, application: Application, secret: str) -> None:
        if application.identity or not hmac.compare_digest(secret, application.secret):
            raise Refused(401, "invalid_client", 7000215, "Invalid client secret provided.")
        if application.secret_expired:
            raise Refused(401, "invalid_client", 7000222, "The provided client secret keys are expired.")

    def _made(self, who: str, audience: str, object_id: str = "", tenant: str = "") -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{tenant or self.tenant}/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + self.lifetime,
            "appid": who,
            "oid": object_id or str(uuid.uuid4()),
            "tid": tenant or self.tenant,
            "jti": str(uuid.uuid4()),
        }
        head = encoded({"typ": "JWT", "alg": "HS256"}) + "." + encoded(claims)
        token = f"{head}.{self._signature(head)}"
        return {
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "ext_expires_in": self.lifetime,
            "access_token": token,
        }


def _invalid(code: str, message: str) -> ArmReply:
    return ArmReply(401, {"error": {"code": code, "message": message}})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_dummy: object) -> None:
        """A client that does not trust the server ends the handshake: nothing to say."""


class _Handler(BaseHTTPRequestHandler):
    entra: Entra
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _dummy, query = self.path.partition("?")
        parts = path.strip("/").split("/")
        if parts[0].lower() in _MANAGED:
            self._manage()
        elif parts[1:] == ["v2.0", ".well-known", "openid-configuration"]:
            self._answer(lambda: self.entra.discovery(parts[0]))
        elif path == "/msi/token":
            fields = dict(urllib.parse.parse_qsl(query))
            self._answer(lambda: self.entra.managed(self.headers.get("X-IDENTITY-HEADER", ""), fields))
        else:
            self._send(404, {"error": "not_found"})

    def do_POST(self) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[0].lower() in _MANAGED:
            self._manage()
            return
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = dict(urllib.parse.parse_qsl(text))
        if parts[0] == "webhooks" and parts[-1] in self.entra.webhooks:
            self._send(200, self.entra.webhooks[parts[-1]](json.loads(text)))
        elif parts[1:] == ["oauth2", "v2.0", "token"]:
            self._answer(lambda: self.entra.token(parts[0], form))
        else:
            self._send(404, {"error": "not_found"})

    def do_PUT(self) -> None:
        self._manage()

    do_PATCH = do_DELETE = do_HEAD = do_PUT  # noqa: N815 - the names that http.server asks for

    def _manage(self) -> None:
        path, _dummy, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        fields = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        request = ArmRequest(
            self.command, urllib.parse.unquote(path), fields, headers, json.loads(body) if body else {}, {}
        )
        ask = self.entra.ask_graph if path.startswith("/v1.0/") else self.entra.manage
        reply = ask(request, headers.get("authorization", "").removeprefix("Bearer "))
        self._send(reply.status, reply.body, reply.headers)

    def _answer(self, make: Any) -> None:
        if self.entra.busy:
            self.entra.busy -= 1
            self._send(503, {"error": "temporarily_unavailable"})
            return
        try:
            self._send(200, make())
        except Refused as refused:
            self._send(refused.status, refused.body)

    def _send(self, status: int, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_dummy: object) -> None:
        """Says nothing."""
