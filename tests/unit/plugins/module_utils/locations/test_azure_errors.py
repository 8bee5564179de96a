# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The classifier of Azure's failures: from what its clients raise to a code, a sentence and a hint."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any

import pytest
import requests
import urllib3
from azure.core import exceptions as azure
from azure.identity import CredentialUnavailableError

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import CODES
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_errors import (
    classify,
    classify_answer,
    classify_token,
    error_code,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError

URL = "https://acme.blob.core.windows.net/backups?sig=canary"


class Response:
    """An answer as azure-core's exceptions carry it."""

    def __init__(self, status: int, body: str = "", headers: dict[str, str] | None = None) -> None:
        self.status_code = status
        self.reason = "canary"
        self.headers = headers or {}
        self._body = body

    @property
    def request(self) -> object:
        """Nobody asks."""
        return None

    def text(self, _dummy: str | None = None) -> str:
        return self._body


def answer(code: str, status: int, text: str = "") -> Failure:
    """What an error answer is classified as."""
    return classify_answer(code, status, text, "Writing")


# The column "Azure" of the failure table in the project's notes on trust, and Microsoft's tables of error codes.
@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("AuthenticationFailed", 403, "credentials_invalid"),
        ("InvalidAuthenticationInfo", 400, "credentials_invalid"),
        ("InvalidAuthenticationInfo", 401, "credentials_invalid"),
        ("NoAuthenticationInformation", 401, "credentials_missing"),
        ("", 401, "credentials_invalid"),
        ("PublicAccessNotPermitted", 409, "credentials_missing"),
        ("AuthorizationPermissionMismatch", 403, "permission_denied"),
        ("AuthorizationFailure", 403, "permission_denied"),
        ("KeyBasedAuthenticationNotPermitted", 403, "permission_denied"),
        ("AuthorizationResourceTypeMismatch", 403, "permission_denied"),
        ("AuthorizationProtocolMismatch", 403, "permission_denied"),
        ("AuthorizationSourceIPMismatch", 403, "permission_denied"),
        ("AuthorizationServiceMismatch", 403, "permission_denied"),
        ("AccountIsDisabled", 403, "permission_denied"),
        ("KeyVaultEncryptionKeyNotFound", 403, "encryption_key_unusable"),
        ("", 403, "permission_denied"),
        ("ContainerNotFound", 404, "bucket_not_found"),
        ("ContainerBeingDeleted", 409, "bucket_not_found"),
        ("ResourceNotFound", 404, "bucket_not_found"),
        ("BlobNotFound", 404, "key_not_found"),
        ("", 404, "key_not_found"),
        ("InvalidBlockList", 400, "key_not_found"),
        ("InvalidRange", 416, "backup_damaged"),
        ("BlobAlreadyExists", 409, "key_exists"),
        ("ConditionNotMet", 412, "key_exists"),
        ("UnauthorizedBlobOverwrite", 403, "key_exists"),
        ("BlobImmutableDueToPolicy", 409, "locked"),
        ("BlobImmutableDueToLegalHold", 409, "locked"),
        ("LeaseIdMissing", 412, "locked"),
        ("BlobArchived", 409, "locked"),
        ("ServerBusy", 503, "throttled"),
        ("TooManyRequests", 429, "throttled"),
        ("", 429, "throttled"),
        ("BlockCountExceedsLimit", 409, "quota"),
        ("APINotImplemented", 501, "unsupported_by_store"),
        ("UnsupportedHeader", 400, "unsupported_by_store"),
        ("InvalidResourceName", 400, "invalid_option"),
        ("OperationTimedOut", 500, "store_error"),
        ("InternalError", 500, "store_error"),
        ("Md5Mismatch", 400, "store_error"),
        ("SomethingNew", 400, "store_error"),
        ("", 302, "store_error"),
        ("", 407, "endpoint_unreachable"),
        ("", 0, "store_error"),
    ],
)
def test_error_codes_of_the_service(code: str, status: int, expected: str) -> None:
    failure = answer(code, status)
    assert failure.code == expected
    assert failure.code in CODES
    assert failure.message.startswith("Writing: ")


def test_codes_that_mean_several_things() -> None:
    old = "Request date header too old: 'Wed, 25 Nov 2026 20:00:00 GMT'"
    assert answer("AuthenticationFailed", 403, old).code == "clock_skew"
    late = "Signature not valid in the specified time frame: Start [canary] - Expiry [canary] - Current [canary]"
    assert answer("AuthenticationFailed", 403, late).code == "credentials_expired"
    assert (
        answer("InvalidAuthenticationInfo", 401, "Lifetime validation failed. The token is expired.").code
        == "credentials_expired"
    )
    assert answer("AuthenticationFailed", 403, "Signature did not match. canary").code == "credentials_invalid"
    version = answer("InvalidHeaderValue", 400, "<HeaderName>x-ms-version</HeaderName>")
    azurite = answer("InvalidHeaderValue", 400, "The API version 2026-10-06 is not supported by Azurite.")
    assert {version.code, azurite.code} == {"unsupported_by_store"}
    assert answer("InvalidHeaderValue", 400, "<HeaderName>Range</HeaderName>").code == "store_error"


def test_what_a_failed_write_may_have_done() -> None:
    assert answer("OperationTimedOut", 500).doubt == "unknown"
    assert answer("", 504).doubt == "unknown"
    assert answer("ServerBusy", 503).doubt == "refused"
    assert answer("BlobAlreadyExists", 409).doubt == "refused"
    assert answer("", 200).doubt == "unknown"


def test_what_is_worth_another_try() -> None:
    again = [("ServerBusy", 503), ("OperationTimedOut", 500), ("Md5Mismatch", 400), ("", 408), ("", 502), ("", 429)]
    assert all(answer(*one).transient for one in again)
    never = [("AuthenticationFailed", 403), ("APINotImplemented", 501), ("", 507), ("BlobNotFound", 404), ("", 400)]
    assert not any(answer(*one).transient for one in never)


def test_nothing_of_an_answer_but_its_code_is_passed_on() -> None:
    failure = answer("Bad\r\nCode<canary>", 400, "canary " * 10)
    assert failure.store_code == "BadCodecanary"
    assert answer("x" * 500, 400).store_code == "x" * 60
    assert "canary" not in answer("AuthorizationFailure", 403, "canary").message
    assert LocationError(answer("BlobNotFound", 404)).details == {"store_code": "BlobNotFound"}


def test_where_a_code_is_found() -> None:
    assert error_code({"x-ms-error-code": "BlobNotFound"}, "<Code>Other</Code>") == "BlobNotFound"
    assert (
        error_code({}, '<?xml version="1.0"?><Error><Code>ServerBusy</Code><Message>x</Message></Error>')
        == "ServerBusy"
    )
    assert (
        error_code({}, json.dumps({"error": {"code": "AuthorizationFailed", "message": "x"}})) == "AuthorizationFailed"
    )
    assert error_code({}, "<html>") == ""


# exceptions, as recorded


def wrapped(kind: Any, inner: Exception) -> Exception:
    """An exception of azure-core around one of requests, as its transport raises it."""
    error: Exception = kind(inner, error=inner)
    return error


def connection(inner: Exception) -> requests.ConnectionError:
    """What requests raises around urllib3's."""
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, URL, inner))  # type: ignore[arg-type]  # no pool


def refused(inner: Exception) -> Exception:
    """A connection that did not come about."""
    made = urllib3.exceptions.NewConnectionError(None, "canary")  # type: ignore[arg-type]  # no connection
    made.__cause__ = inner
    return made


def verification(code: int, message: str) -> ssl.SSLCertVerificationError:
    """A certificate that is not trusted."""
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


def tls(inner: Exception) -> requests.exceptions.SSLError:
    """What requests makes of a TLS error."""
    return requests.exceptions.SSLError(urllib3.exceptions.MaxRetryError(None, URL, urllib3.exceptions.SSLError(inner)))  # type: ignore[arg-type]  # no pool


TRANSPORT = [
    (azure.ServiceRequestError, connection(refused(socket.gaierror(-2, "canary"))), "endpoint_unreachable", "unsent"),
    (
        azure.ServiceRequestError,
        connection(refused(ConnectionRefusedError(111, "canary"))),
        "endpoint_unreachable",
        "unsent",
    ),
    (
        azure.ServiceRequestError,
        connection(verification(20, "unable to get local issuer certificate")),
        "tls_untrusted",
        "unsent",
    ),
    (
        azure.ServiceRequestError,
        tls(verification(20, "unable to get local issuer certificate")),
        "tls_untrusted",
        "unsent",
    ),
    (azure.ServiceRequestError, tls(verification(62, "Hostname mismatch")), "tls_untrusted", "unsent"),
    (azure.ServiceRequestError, tls(verification(10, "certificate has expired")), "tls_untrusted", "unsent"),
    (
        azure.ServiceRequestError,
        tls(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")),
        "endpoint_unreachable",
        "unsent",
    ),
    (
        azure.ServiceRequestError,
        tls(ssl.SSLEOFError(8, "EOF occurred in violation of protocol")),
        "endpoint_unreachable",
        "unknown",
    ),
    (azure.ServiceRequestError, requests.exceptions.ProxyError("canary"), "endpoint_unreachable", "unsent"),
    (azure.ServiceRequestError, requests.ConnectionError("canary"), "endpoint_unreachable", "unknown"),
    (azure.ServiceRequestTimeoutError, requests.exceptions.ConnectTimeout("canary"), "endpoint_unreachable", "unsent"),
    (azure.ServiceResponseTimeoutError, requests.exceptions.ReadTimeout("canary"), "endpoint_unreachable", "unknown"),
    (azure.ServiceResponseError, ConnectionResetError(104, "canary"), "endpoint_unreachable", "unknown"),
    (azure.IncompleteReadError, requests.exceptions.ChunkedEncodingError("canary"), "endpoint_unreachable", "unknown"),
    (azure.HttpResponseError, requests.exceptions.ChunkedEncodingError("canary"), "endpoint_unreachable", "unknown"),
]


@pytest.mark.parametrize(("kind", "inner", "code", "doubt"), TRANSPORT)
def test_connections_that_fail(kind: Any, inner: Exception, code: str, doubt: str) -> None:
    failure = classify(wrapped(kind, inner), "Writing")
    assert (failure.code, failure.doubt) == (code, doubt)
    assert failure.hint
    assert "canary" not in failure.message + failure.hint


@pytest.mark.parametrize(("kind", "inner", "code", "doubt"), TRANSPORT[:12])
def test_the_same_when_a_token_is_asked_for(kind: Any, inner: Exception, code: str, doubt: str) -> None:
    error = azure.ClientAuthenticationError(message=f"Authentication failed: {URL}")
    error.__cause__ = wrapped(kind, inner)
    failure = classify_token(error, "Getting a token")
    assert (failure.code, failure.doubt) == (code, "unsent")
    assert "canary" not in failure.message + failure.hint


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (7000215, "credentials_invalid"),
        (7000222, "credentials_expired"),
        (700016, "credentials_invalid"),
        (90002, "credentials_invalid"),
        (7000112, "credentials_invalid"),
        (700027, "credentials_invalid"),
        (50027, "credentials_invalid"),
        (70021, "credentials_invalid"),
        (700211, "credentials_invalid"),
        (700213, "credentials_invalid"),
        (700024, "credentials_expired"),
        (53003, "permission_denied"),
        (90033, "throttled"),
        (99999, "credentials_invalid"),
    ],
)
def test_errors_of_entra(number: int, code: str) -> None:
    text = f"Authentication failed: AADSTS{number}: canary Trace ID: 1 Correlation ID: 2"
    failure = classify(azure.ClientAuthenticationError(message=text), "Getting a token")
    assert (failure.code, failure.doubt, failure.store_code) == (code, "unsent", f"AADSTS{number}")
    assert failure.transient is (code == "throttled")
    assert "canary" not in failure.message + failure.hint
    assert failure.hint


def test_other_trouble_with_tokens() -> None:
    nobody = classify_token(CredentialUnavailableError(message="no canary endpoint"), "Getting a token")
    assert (nobody.code, nobody.doubt) == ("credentials_missing", "unsent")
    for status, code in ((429, "throttled"), (503, "throttled"), (500, "store_error")):
        error = azure.ClientAuthenticationError(message="canary", response=Response(status))
        failure = classify_token(error, "Getting a token")
        assert (failure.code, failure.transient, failure.doubt) == (code, True, "unsent")
    odd = classify_token(ValueError("canary"), "Getting a token")
    assert (odd.code, odd.transient) == ("credentials_invalid", False)


def test_exceptions_of_microsofts_clients() -> None:
    """Whoever uses azure-storage-blob or azure-mgmt has their exceptions classified too."""
    body = '<?xml version="1.0"?><Error><Code>AuthorizationPermissionMismatch</Code><Message>canary</Message></Error>'
    error = azure.HttpResponseError(message="canary", response=Response(403, body))
    assert classify(error, "Looking").code == "permission_denied"
    missing = azure.ResourceNotFoundError(
        message="canary", response=Response(404, "", {"x-ms-error-code": "ContainerNotFound"})
    )
    assert classify(missing, "Looking").code == "bucket_not_found"
    arm = azure.HttpResponseError(
        response=Response(403, json.dumps({"error": {"code": "AuthorizationFailed", "message": "canary"}}))
    )
    assert classify(arm, "Looking").code == "permission_denied"
    signing = azure.ClientAuthenticationError(
        message="canary", response=Response(403, "", {"x-ms-error-code": "AuthenticationFailed"})
    )
    assert classify(signing, "Looking").code == "credentials_invalid"


def test_the_rest() -> None:
    missing = OSError("Could not find a suitable TLS CA certificate bundle, invalid path: canary")
    assert classify(missing, "Looking").code == "tls_untrusted"
    assert classify(ValueError("canary"), "Looking").code == "invalid_option"
    odd = classify(RuntimeError("canary"), "Looking")
    assert (odd.code, odd.doubt) == ("store_error", "unknown")
    assert "canary" not in odd.message
    assert classify(ConnectionResetError("canary"), "Looking").transient
    assert classify(urllib3.exceptions.ProtocolError("canary"), "Looking").transient
