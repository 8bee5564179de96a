# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access tokens as Google's services give them, for the server in `testbed.google`.

It stands for three services of Google. The shapes of their answers:

* oauth2.googleapis.com/token: https://developers.google.com/identity/protocols/oauth2/service-account (errors as RFC 6749),
  with the descriptions that Google is known to give;
* sts.googleapis.com/v1/token: https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token;
* iamcredentials.googleapis.com generateAccessToken:
  https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken.
"""

from __future__ import annotations

import base64
import datetime
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from testbed.google_objects import PROJECT_NUMBER
from testbed.pki import key_text

PROJECT = "stowage-testbed"
POOL = f"//iam.googleapis.com/projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools/pool/providers/cluster"
SECONDS = 3600


@dataclass
class TokenAnswer:
    """A status and a JSON document."""

    status: int
    document: dict[str, Any]


@dataclass
class Tokens:
    """The accounts, and the tokens that they got.

    `accounts` are addresses of service accounts with a key; `subjects` are subject tokens that the pool accepts;
    `creators` are who may impersonate whom; `fail_with`, while it is set, is the answer of every token endpoint.
    """

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    accounts: set[str] = field(default_factory=lambda: {f"backup@{PROJECT}.iam.gserviceaccount.com"})
    subjects: set[str] = field(default_factory=set)
    creators: set[tuple[str, str]] = field(default_factory=set)
    seconds: int = SECONDS
    fail_with: TokenAnswer | None = None
    given: list[str] = field(default_factory=list)
    """For whom tokens were made, in order."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """What was asked of generateAccessToken."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._valid: dict[str, str] = {}

    def account(self) -> str:
        """One of the service accounts."""
        return min(self.accounts)

    def key_document(self, endpoint: str, email: str = "") -> dict[str, Any]:
        """The JSON of a service account's key."""
        return {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": secrets.token_hex(20),
            "private_key": key_text(self.key),
            "client_email": email or self.account(),
            "client_id": "104857600000000000000",
            "token_uri": f"{endpoint}/token",
            "universe_domain": "googleapis.com",
        }

    def pool_document(self, endpoint: str, token_file: str, impersonated: str = "") -> dict[str, Any]:
        """The JSON that gcloud iam workload-identity-pools create-cred-config writes."""
        document: dict[str, Any] = {
            "type": "external_account",
            "audience": POOL,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{endpoint}/v1/token",
            "credential_source": {"file": token_file},
        }
        if impersonated:
            url = f"{endpoint}/v1/projects/-/serviceAccounts/{impersonated}:generateAccessToken"
            document["service_account_impersonation_url"] = url
        return document

    def new(self, whose: str) -> str:
        """A new token."""
        token = "ya29.c." + secrets.token_urlsafe(40)
        with self._lock:
            self._valid[token] = whose
            self.given.append(whose)
        return token

    def revoke_all(self) -> None:
        """No token that was given is valid any more."""
        with self._lock:
            self._valid.clear()

    def whose(self, authorization: str) -> str | None:
        """Who sends a header; None if its token is not valid."""
        kind, _dummy, token = authorization.partition(" ")
        return self._valid.get(token) if kind == "Bearer" else None

    def of_assertion(self, form: dict[str, str]) -> TokenAnswer:
        """The answer to a signed JWT."""
        if self.fail_with:
            return self.fail_with
        try:
            signed, _dummy, signature = form["assertion"].rpartition(".")
            claims = json.loads(_decoded(signed.split(".")[1]))
            self.key.public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, KeyError, ValueError, IndexError):
            return refused("invalid_grant", "Invalid JWT Signature.")
        if claims.get("iss") not in self.accounts:
            return refused("invalid_grant", "Invalid grant: account not found")
        if abs(time.time() - claims.get("iat", 0)) > 600:
            return refused("invalid_grant", SKEWED)
        return self._answer(str(claims["iss"]))

    def of_subject(self, form: dict[str, str]) -> TokenAnswer:
        """The answer to a subject token."""
        if self.fail_with:
            return self.fail_with
        if form.get("audience") != POOL:
            return refused("invalid_target", 'The target service indicated by the "audience" parameters is invalid.')
        if form.get("subject_token") not in self.subjects:
            return refused("invalid_grant", "The audience in ID Token does not match the expected audience.")
        answer = self._answer("principal:" + form["subject_token"])
        answer.document["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        return answer

    def of_impersonation(self, authorization: str, target: str, body: dict[str, Any]) -> TokenAnswer:
        """The answer to generateAccessToken."""
        if self.fail_with:
            return self.fail_with
        self.bodies.append(body)
        caller = self.whose(authorization)
        if caller is None:
            return TokenAnswer(401, {"error": {"code": 401, "message": "invalid", "status": "UNAUTHENTICATED"}})
        if (caller, target) not in self.creators:
            message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
            return TokenAnswer(403, {"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED"}})
        expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.seconds)
        return TokenAnswer(200, {"accessToken": self.new(target), "expireTime": expiry.strftime("%Y-%m-%dT%H:%M:%SZ")})

    def _answer(self, whose: str) -> TokenAnswer:
        document = {"access_token": self.new(whose), "expires_in": self.seconds, "token_type": "Bearer"}
        return TokenAnswer(200, document)


SKEWED = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


def refused(error: str, description: str) -> TokenAnswer:
    """An error of RFC 6749."""
    return TokenAnswer(400, {"error": error, "error_description": description})


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
