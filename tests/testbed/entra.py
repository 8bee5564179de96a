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

At the same address it is Azure Resource Manager, whose requests `testbed.arm` answers.

Unlike a stub it verifies: a certificate's assertion by the certificate that was registered, a service account's token by the
key of its issuer, and the issuer, subject and audience that the application trusts.
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
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from testbed.arm import MANAGEMENT, Arm, ArmReply, ArmRequest
from testbed.pki import Authority

STORAGE = "https://storage.azure.com"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class FederatedCredential:
    """Whose tokens an application takes: all three are compared as they are."""

    issuer: str
    subject: str
    audience: str


@dataclass
class Application:
    """A registered application, and what it may authenticate with: a secret, a certificate, or a service account's token.

    `object_id` is that of its service principal; an `identity` is a managed one, which has no secret; `federated` are its
    credentials by their names, for issuers whose keys are in `Entra.issuers`.
    """

    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    object_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    identity: bool = False
    federated: dict[str, FederatedCredential] = field(default_factory=dict)
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(30))
    secret_expired: bool = False
    certificate: x509.Certificate | None = None
    issuer: str = ""
    issuer_key: rsa.RSAPublicKey | None = None
    subject: str = ""
    audience: str = "api://AzureADTokenExchange"


class Refused(Exception):  # noqa: N818 - an answer
    """An error answer: its status, OAuth's name for it, and Entra's number and text."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        trace = f"Trace ID: {uuid.uuid4()} Correlation ID: {uuid.uuid4()} Timestamp: 2026-01-01 00:00:00Z"
        self.body = {
            "error": error,
            "error_description": f"AADSTS{number}: {text} {trace}",
            "error_codes": [number],
            "timestamp": "2026-01-01 00:00:00Z",
            "trace_id": str(uuid.uuid4()),
            "correlation_id": str(uuid.uuid4()),
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        }


class Entra:
    """The server. `authority` is its URL, `ca_cert` the file of its CA, `tenant` its only tenant.

    `lifetime` is how many seconds its tokens live; `asked` are the requests for tokens, each with the names of its fields and
    the values of those that are no secrets; `busy` answers that many requests by 503 first. `audiences` are the services that
    tokens are given for, and `arm` is one of them. `issuers` are the keys that issuers of federated tokens publish; what is named
    in `lax` (subject, audience) is not compared, which Entra never does. `webhooks` answer requests to `/webhooks/` and their names.
    """

    def __init__(self, directory: Path, authority: Authority | None = None) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = authority or Authority(directory / "pki", "ca")
        pair = own.server("entra")
        self.ca_cert = own.pair.certificate
        self.tenant = str(uuid.uuid4())
        self.lifetime = 3600
        self.busy = 0
        self.arm = Arm()
        self.asked: list[dict[str, str]] = []
        self.applications: dict[str, Application] = {}
        self.issuers: dict[str, rsa.RSAPublicKey] = {}
        self.lax: set[str] = set()
        self.webhooks: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
        self.identity_header = secrets.token_hex(16)
        self._key = secrets.token_bytes(32)
        handler = type("Handler", (_Handler,), {"entra": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.authority = f"https://127.0.0.1:{self._server.server_address[1]}"
        self.audiences = {STORAGE, MANAGEMENT, self.authority}

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

    def discovery(self, tenant: str) -> dict[str, Any]:
        """What clients ask first."""
        if tenant != self.tenant:
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
        if application is None:
            text = f"Application with identifier '{form.get('client_id')}' was not found in the directory 'testbed'."
            raise Refused(400, "unauthorized_client", 700016, text)
        audience = form.get("scope", "").removesuffix("/.default")
        if audience not in self.audiences or form.get("grant_type") != "client_credentials":
            raise Refused(
                400, "invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid."
            )
        if form.get("client_assertion_type") == ASSERTION:
            self._check_assertion(application, form.get("client_assertion", ""))
        else:
            self._check_secret(application, form.get("client_secret", ""))
        return self._made(application.client_id, audience, application.object_id)

    def principal(self, object_id: str) -> bool:
        """Whether there is such a service principal."""
        return any(one.object_id == object_id for one in self.applications.values())

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
            return ArmReply(
                401, {"error": {"code": "InvalidAuthenticationToken", "message": "The access token is invalid."}}
            )
        request.claims = claims
        return self.arm.answer(request)

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

    def _check_assertion(self, application: Application, assertion: str) -> None:
        header, claims, signed, signature = _jwt(assertion)
        if claims.get("iss") == application.client_id:
            self._check_certificate(application, header, claims, signed, signature)
        else:
            self._check_federated(application, claims, signed, signature)
        if float(claims.get("exp", 0)) < time.time():
            raise Refused(401, "invalid_client", 700024, "Client assertion is not within its valid time range.")

    def _check_certificate(
        self, application: Application, header: dict[str, Any], claims: dict[str, Any], signed: bytes, signature: bytes
    ) -> None:
        certificate = application.certificate
        key = certificate.public_key() if certificate else None
        known = certificate is not None and {
            base64.urlsafe_b64encode(certificate.fingerprint(kind)).decode().rstrip("=")
            for kind in (hashes.SHA1(), hashes.SHA256())  # noqa: S303 - how Entra names certificates
        } & {str(header.get("x5t", "")).rstrip("="), str(header.get("x5t#S256", "")).rstrip("=")}
        fits = isinstance(key, rsa.RSAPublicKey) and known and _verified(key, str(header["alg"]), signed, signature)
        if not fits or not str(claims.get("aud", "")).startswith(self.authority):
            text = "The certificate with identifier used to sign the client assertion is not registered on application."
            raise Refused(401, "invalid_client", 700027, text)

    def _check_federated(
        self, application: Application, claims: dict[str, Any], signed: bytes, signature: bytes
    ) -> None:
        audiences = claims.get("aud")
        heard = audiences if isinstance(audiences, list) else [audiences]
        if application.federated:
            self._check_credential(application, claims, heard, signed, signature)
            return
        said = {"issuer": claims.get("iss"), "subject": claims.get("sub")}
        if said != {"issuer": application.issuer, "subject": application.subject}:
            text = f"No matching federated identity record found for presented assertion. {said}"
            raise Refused(401, "invalid_client", 70021, text)
        if application.audience not in heard:
            raise Refused(
                401, "invalid_client", 700212, "No matching federated identity record found for the audience."
            )
        if application.issuer_key is None or not _verified(application.issuer_key, "RS256", signed, signature):
            raise Refused(401, "invalid_client", 50027, "JWT token is invalid or malformed.")

    def _check_credential(
        self, application: Application, claims: dict[str, Any], heard: list[Any], signed: bytes, signature: bytes
    ) -> None:
        """One of the application's federated credentials: issuer, subject and audience, and the issuer's signature."""
        issuer = str(claims.get("iss"))
        fits = [one for one in application.federated.values() if one.issuer == issuer]
        if not fits:
            raise Refused(
                401, "invalid_client", 700211, f"No matching federated identity record found for issuer '{issuer}'."
            )
        if "subject" not in self.lax:
            fits = [one for one in fits if one.subject == claims.get("sub")]
        if not fits:
            text = f"No matching federated identity record found for presented assertion subject '{claims.get('sub')}'."
            raise Refused(401, "invalid_client", 700213, text)
        if "audience" not in self.lax and not any(one.audience in heard for one in fits):
            text = f"No matching federated identity record found for presented assertion audience '{heard}'."
            raise Refused(401, "invalid_client", 700212, text)
        key = self.issuers.get(issuer)
        if key is None or not _verified(key, "RS256", signed, signature):
            raise Refused(401, "invalid_client", 50027, "JWT token is invalid or malformed.")

    def _made(self, who: str, audience: str, object_id: str = "") -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self.tenant}/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + self.lifetime,
            "appid": who,
            "oid": object_id or str(uuid.uuid4()),
            "tid": self.tenant,
            "jti": str(uuid.uuid4()),
        }
        head = _encoded({"typ": "JWT", "alg": "HS256"}) + "." + _encoded(claims)
        token = f"{head}.{self._signature(head)}"
        return {
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "ext_expires_in": self.lifetime,
            "access_token": token,
        }


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
        if parts[0].lower() in {"subscriptions", "providers"}:
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
        if parts[0].lower() in {"subscriptions", "providers"}:
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
        reply = self.entra.manage(request, headers.get("authorization", "").removeprefix("Bearer "))
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


def service_account_token(
    key: rsa.RSAPrivateKey,
    *,
    issuer: str,
    subject: str,
    audience: str = "api://AzureADTokenExchange",
    seconds: float = 600,
) -> str:
    """A token such as a cluster writes into a pod's file."""
    now = int(time.time())
    claims = {"iss": issuer, "sub": subject, "aud": [audience], "iat": now, "nbf": now, "exp": int(now + seconds)}
    head = _encoded({"alg": "RS256", "kid": "testbed"}) + "." + _encoded(claims)
    signature = key.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{head}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _jwt(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, what was signed, and the signature."""
    try:
        head, claims, signature = token.split(".")
        decoded = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in (head, claims, signature)]
        return json.loads(decoded[0]), json.loads(decoded[1]), f"{head}.{claims}".encode(), decoded[2]
    except ValueError:
        raise Refused(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from None


def _verified(key: rsa.RSAPublicKey, algorithm: str, signed: bytes, signature: bytes) -> bool:
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    scheme = {"RS256": padding.PKCS1v15(), "PS256": pss}.get(algorithm)
    if scheme is None:
        return False
    try:
        key.verify(signature, signed, scheme, hashes.SHA256())
    except InvalidSignature:
        return False
    return True
