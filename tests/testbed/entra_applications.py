# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applications of the Entra in `testbed.entra`, and what they authenticate with: a certificate's assertion is verified by the
certificate that was registered, a service account's token by the key of its issuer, and by the issuer, subject and audience that
the application trusts. The numbers of the errors are those of "Microsoft Entra authentication and authorization error codes"."""

from __future__ import annotations

import base64
import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


@dataclass(frozen=True)
class FederatedCredential:
    """Whose tokens an application takes: all three are compared as they are."""

    issuer: str
    subject: str
    audience: str


@dataclass
class Application:
    """A registered application, and what it may authenticate with: a secret, a certificate, or a service account's token.

    `tenant` is where it is registered, that of the Entra if empty, `object` its object there, and `object_id` that of its service
    principal there; `elsewhere` are those of its service principals in other tenants. An `identity` is a managed one, which has no
    secret; `federated` are its credentials by their names, for issuers whose keys are in `Entra.issuers`.
    """

    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    object_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    tenant: str = ""
    object: str = field(default_factory=lambda: str(uuid.uuid4()))
    elsewhere: dict[str, str] = field(default_factory=dict)
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


class Assertions:
    """What Entra takes as the proof of an application. `issuers` are the keys that issuers of federated tokens publish; what is
    named in `lax` (subject, audience) is not compared, which Entra never does."""

    def __init__(self) -> None:
        self.issuers: dict[str, rsa.RSAPublicKey] = {}
        self.lax: set[str] = set()

    def check(self, application: Application, assertion: str, authority: str) -> None:
        """Raises Refused for what does not fit. `authority` is the address that a certificate's assertion is for."""
        header, claims, signed, signature = _jwt(assertion)
        if claims.get("iss") == application.client_id:
            if not str(claims.get("aud", "")).startswith(authority):
                raise _not_registered()
            _check_certificate(application, header, signed, signature)
        else:
            self._check_federated(application, claims, signed, signature)
        if float(claims.get("exp", 0)) < time.time():
            raise Refused(401, "invalid_client", 700024, "Client assertion is not within its valid time range.")

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


def _check_certificate(application: Application, header: dict[str, Any], signed: bytes, signature: bytes) -> None:
    certificate = application.certificate
    key = certificate.public_key() if certificate else None
    known = certificate is not None and {
        base64.urlsafe_b64encode(certificate.fingerprint(kind)).decode().rstrip("=")
        for kind in (hashes.SHA1(), hashes.SHA256())  # noqa: S303 - how Entra names certificates
    } & {str(header.get("x5t", "")).rstrip("="), str(header.get("x5t#S256", "")).rstrip("=")}
    fits = isinstance(key, rsa.RSAPublicKey) and known and _verified(key, str(header["alg"]), signed, signature)
    if not fits:
        raise _not_registered()


def _not_registered() -> Refused:
    text = "The certificate with identifier used to sign the client assertion is not registered on application."
    return Refused(401, "invalid_client", 700027, text)


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
    head = encoded({"alg": "RS256", "kid": "testbed"}) + "." + encoded(claims)
    signature = key.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{head}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def encoded(part: dict[str, Any]) -> str:
    """A part of a token."""
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
