# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The classifier of Google's failures: from answers, and from what requests and google-auth raise, to a code and a hint."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any

import pytest
import requests
import urllib3.exceptions as lower
from google.auth import exceptions

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import CODES
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_errors import Refusal, classify

WHAT = "Writing gs://backups/a"
POOL: Any = None
google: Any = exceptions  # google-auth says that it is typed and is half so
UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed: unable to get local issuer certificate")
UNTRUSTED.verify_code, UNTRUSTED.verify_message = 20, "unable to get local issuer certificate"


def answer(status: int, reason: str = "", message: str = "", *, of_bucket: bool = False) -> Failure:
    """What an error of the JSON API is classified as."""
    entry = {"message": message, "domain": "global", "reason": reason}
    body = json.dumps({"error": {"code": status, "message": message, "errors": [entry]}}).encode()
    return classify(Refusal.of(status, body), WHAT, of_bucket=of_bucket)


@pytest.mark.parametrize(
    ("status", "reason", "message", "code"),
    [
        (400, "invalid", "Invalid bucket name: 'A'", "invalid_option"),
        (400, "FAILED_PRECONDITION", "One or more users do not belong to a permitted customer.", "permission_denied"),
        (412, "conditionNotMet", "One or more users do not belong to a permitted customer.", "permission_denied"),
        (400, "required", "Bucket is a requester pays bucket but no user project provided.", "permission_denied"),
        (401, "authError", "Invalid Credentials", "credentials_invalid"),
        (403, "forbidden", "a@p does not have storage.objects.create access to the object.", "permission_denied"),
        (403, "forbidden", "Request had insufficient authentication scopes.", "permission_denied"),
        (403, "vpcServiceControls", "Request is prohibited by organization's policy.", "permission_denied"),
        (403, "retentionPolicyNotMet", "Object 'b/o' is subject to bucket's retention policy.", "locked"),
        (403, "objectUnderActiveHold", "Object 'b/o' is under active Event-Based hold.", "locked"),
        (403, "rateLimitExceeded", "The bucket exceeded the rate limit.", "throttled"),
        (403, "quotaExceeded", "The quota is used up.", "quota"),
        (403, "accountDisabled", "The billing account for the owning project is disabled.", "quota"),
        (403, "forbidden", "restrictAuthTypes constraint is violated.", "permission_denied"),
        (403, "forbidden", "Permission denied on Cloud KMS key.", "permission_denied"),
        (404, "notFound", "No such object: backups/a", "key_not_found"),
        (405, "methodNotAllowed", "", "unsupported_by_store"),
        (409, "conflict", "", "key_exists"),
        (410, "", "Gone", "key_not_found"),
        (412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.", "key_exists"),
        (416, "requestedRangeNotSatisfiable", "", "backup_damaged"),
        (429, "rateLimitExceeded", "", "throttled"),
        (500, "internalError", "", "store_error"),
        (501, "", "", "unsupported_by_store"),
        (503, "backendError", "", "throttled"),
        (302, "", "", "store_error"),
        (418, "", "", "store_error"),
    ],
)
def test_answers(status: int, reason: str, message: str, code: str) -> None:
    found = answer(status, reason, message + " canary-in-text")
    assert found.code == code
    assert found.code in CODES
    assert found.message.startswith(WHAT)
    assert "canary" not in f"{found.message} {found.hint} {found.store_code}"


def test_a_bucket_that_is_not_there() -> None:
    assert answer(404, "notFound", "The specified bucket does not exist.", of_bucket=True).code == "bucket_not_found"


def test_the_missing_permission_is_named() -> None:
    address = "backup@acme.iam.gserviceaccount.com"
    found = answer(403, "forbidden", f"{address} does not have storage.objects.create access to canary.")
    assert "storage.objects.create" in found.message
    assert "storage.objects.create" in found.hint


def test_what_is_worth_another_try_and_what_may_have_been_done() -> None:
    assert [answer(status).transient for status in (408, 429, 500, 502, 503, 504)] == [True] * 6
    assert [answer(status).transient for status in (400, 401, 403, 404, 409, 412, 501)] == [False] * 7
    assert [answer(status).doubt for status in (408, 500, 502, 503, 504)] == ["unknown"] * 5
    assert [answer(status).doubt for status in (400, 401, 403, 412, 429)] == ["refused"] * 5


@pytest.mark.parametrize(
    "body", [b"", b"Not Found", b"\xff\xfe", b"[1]", b'{"error": []}', b'{"error": {"errors": 5}}', b"[" * 9999]
)
def test_bodies_that_are_no_error_of_the_api(body: bytes) -> None:
    assert classify(Refusal.of(404, body), WHAT).code == "key_not_found"
    assert classify(Refusal.of(500, body), WHAT).code == "store_error"


def connection(reason: Exception) -> requests.exceptions.ConnectionError:
    """As requests wraps what urllib3 raises."""
    return requests.exceptions.ConnectionError(lower.MaxRetryError(POOL, "/?token=canary", reason))


def _of_name() -> lower.NewConnectionError:
    error = lower.NewConnectionError(POOL, "canary")
    error.__cause__ = socket.gaierror(-2, "Name or service not known")
    return error


TRANSPORT: list[tuple[str, Exception, str, str, bool]] = [
    ("name", connection(_of_name()), "endpoint_unreachable", "unsent", False),
    ("refused", connection(lower.NewConnectionError(POOL, "refused")), "endpoint_unreachable", "unsent", True),
    ("connect", requests.exceptions.ConnectTimeout("canary"), "endpoint_unreachable", "unsent", True),
    ("read", requests.exceptions.ReadTimeout("canary"), "endpoint_unreachable", "unknown", True),
    (
        "reset",
        requests.exceptions.ConnectionError(lower.ProtocolError("x", ConnectionResetError())),
        "endpoint_unreachable",
        "unknown",
        True,
    ),
    ("chunked", requests.exceptions.ChunkedEncodingError("canary"), "endpoint_unreachable", "unknown", True),
    ("incomplete", lower.IncompleteRead(1, 2), "endpoint_unreachable", "unknown", True),
    ("proxy", requests.exceptions.ProxyError("canary"), "endpoint_unreachable", "unsent", True),
    (
        "untrusted",
        requests.exceptions.SSLError(lower.MaxRetryError(POOL, "/", lower.SSLError(UNTRUSTED))),
        "tls_untrusted",
        "unsent",
        False,
    ),
    (
        "tls",
        requests.exceptions.SSLError("[SSL: WRONG_VERSION_NUMBER] canary"),
        "endpoint_unreachable",
        "unsent",
        False,
    ),
    (
        "eof",
        requests.exceptions.SSLError("EOF occurred in violation of protocol canary"),
        "endpoint_unreachable",
        "unknown",
        True,
    ),
    (
        "bundle",
        OSError("Could not find a suitable TLS CA certificate bundle, invalid path: canary"),
        "tls_untrusted",
        "unsent",
        False,
    ),
    ("url", requests.exceptions.InvalidURL("canary"), "invalid_option", "unsent", False),
    ("other", RuntimeError("canary"), "store_error", "unknown", False),
]


@pytest.mark.parametrize(
    ("error", "code", "doubt", "transient"), [row[1:] for row in TRANSPORT], ids=[row[0] for row in TRANSPORT]
)
def test_transport(error: Exception, code: str, doubt: str, transient: bool) -> None:
    found = classify(error, WHAT)
    assert (found.code, found.doubt, found.transient) == (code, doubt, transient)
    assert "canary" not in f"{found.message} {found.hint}"
    assert "http://" not in found.hint


IMPERSONATION = json.dumps(
    {
        "error": {
            "code": 403,
            "message": "Permission 'iam.serviceAccounts.getAccessToken' denied canary",
            "status": "PERMISSION_DENIED",
        }
    }
)
MISSING = json.dumps(
    {"error": {"code": 404, "message": "Not found; Gaia id not found for email canary", "status": "NOT_FOUND"}}
)
CREDENTIALS: list[tuple[Exception, str]] = [
    (google.DefaultCredentialsError("canary"), "credentials_missing"),
    (google.MalformedError("canary"), "credentials_invalid"),
    (
        google.RefreshError("invalid_grant: Invalid JWT Signature. canary", {"error": "invalid_grant"}),
        "credentials_invalid",
    ),
    (google.RefreshError("invalid_grant: Token has been expired or revoked. canary", {}), "credentials_expired"),
    (google.RefreshError("Unable to acquire impersonated credentials", IMPERSONATION), "permission_denied"),
    (google.RefreshError("Unable to acquire impersonated credentials", MISSING), "credentials_invalid"),
    (google.RefreshError("File '/canary' was not found."), "credentials_missing"),
    (google.ReauthFailError("canary"), "credentials_expired"),
    (google.OAuthError("Error code invalid_target: canary", "{}"), "credentials_invalid"),
    (google.OAuthError("Error code unauthorized_client: canary", "{}"), "credentials_invalid"),
    (
        google.OAuthError("Error code invalid_request: The subject_token is malformed canary", "{}"),
        "credentials_invalid",
    ),
    (google.RefreshError("Missing subject_token in the credential_source file canary"), "credentials_missing"),
    (PermissionError(13, "canary"), "credentials_missing"),
    (google.TransportError(requests.exceptions.ConnectTimeout("canary")), "endpoint_unreachable"),
    (google.TransportError(requests.exceptions.SSLError(UNTRUSTED)), "tls_untrusted"),
    (google.TransportError("canary"), "endpoint_unreachable"),
    (google.RefreshError("canary", retryable=True), "endpoint_unreachable"),
]


@pytest.mark.parametrize(("error", "code"), CREDENTIALS)
def test_credentials(error: Exception, code: str) -> None:
    found = classify(error, WHAT)
    assert (found.code, found.doubt) == (code, "unsent")
    assert "canary" not in f"{found.message} {found.hint}"
    assert found.hint


def test_an_error_tells_no_more_than_the_classifier() -> None:
    error = LocationError(answer(403, "forbidden", "canary"))
    assert "canary" not in str(error.as_result())
    assert error.details == {"store_code": "forbidden"}
    assert "canary" not in repr(Refusal.of(403, b"canary"))
