# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The classifier of S3 failures: from what botocore raises to a code, a sentence and a hint."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import CODES
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify

URL = "https://store.example/bucket?X-Amz-Signature=canary"


def answer(code: str, status: int, message: str = "", headers: dict[str, str] | None = None, **more: str) -> Failure:
    """What an error answer is classified as."""
    response: Any = {
        "Error": {"Code": code, "Message": message, **more},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    return classify(boto.ClientError(response, "PutObject"), "Writing", region="us-east-1")


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("InvalidAccessKeyId", 403, "credentials_invalid"),
        ("SignatureDoesNotMatch", 403, "credentials_invalid"),
        ("InvalidTokenId", 403, "credentials_invalid"),
        ("ExpiredToken", 400, "credentials_expired"),
        ("RequestTimeTooSkewed", 403, "clock_skew"),
        ("AccessDenied", 403, "permission_denied"),
        ("403", 403, "permission_denied"),
        ("NoSuchBucket", 404, "bucket_not_found"),
        ("NoSuchKey", 404, "key_not_found"),
        ("404", 404, "key_not_found"),
        ("PermanentRedirect", 301, "region_mismatch"),
        ("301", 301, "region_mismatch"),
        ("PreconditionFailed", 412, "key_exists"),
        ("ConditionalRequestConflict", 409, "key_exists"),
        ("SlowDown", 503, "throttled"),
        ("SlowDownWrite", 503, "throttled"),
        ("", 429, "throttled"),
        ("XMinioStorageFull", 507, "quota"),
        ("XMinioAdminBucketQuotaExceeded", 400, "quota"),
        ("NotImplemented", 501, "unsupported_by_store"),
        ("KMS.DisabledException", 400, "encryption_key_unusable"),
        ("KMS.NotFoundException", 400, "encryption_key_unusable"),
        ("XAmzContentSHA256Mismatch", 400, "unsupported_by_store"),
        ("MethodNotAllowed", 405, "unsupported_by_store"),
        ("BadDigest", 400, "store_error"),
        ("InvalidBucketState", 409, "unsafe_change"),
        ("IllegalLocationConstraintException", 400, "region_mismatch"),
        ("InvalidRange", 416, "backup_damaged"),
        ("InternalError", 500, "store_error"),
        # token services
        ("InvalidClientTokenId", 403, "credentials_invalid"),
        ("ExpiredTokenException", 400, "credentials_expired"),
        ("InvalidIdentityToken", 400, "credentials_invalid"),
        ("IDPRejectedClaim", 403, "credentials_invalid"),
        ("IDPCommunicationError", 400, "store_error"),
        ("PackedPolicyTooLarge", 400, "invalid_option"),
        ("MalformedPolicyDocument", 400, "invalid_option"),
        ("RegionDisabledException", 403, "invalid_option"),
        ("ValidationError", 400, "invalid_option"),
        ("InvalidParameterValue", 400, "invalid_option"),
        ("MissingParameter", 400, "invalid_option"),
        ("InvalidClientCertificate", 400, "credentials_invalid"),
        ("STSNotInitialized", 503, "unsupported_by_store"),
        ("STSIAMNotInitialized", 503, "store_error"),
        ("InvalidAction", 400, "unsupported_by_store"),
        ("SomethingNew", 400, "store_error"),
        ("", 0, "store_error"),
    ],
)
def test_error_codes_of_stores(code: str, status: int, expected: str) -> None:
    assert answer(code, status).code == expected


def test_codes_that_mean_several_things() -> None:
    assert answer("AccessDenied", 403, "object protected by object lock").code == "locked"
    assert answer("InvalidRequest", 400, "Object is WORM protected and cannot be overwritten").code == "locked"
    assert answer("SignatureDoesNotMatch", 403, "Signature expired: 2026 is now earlier").code == "clock_skew"
    assert "kms:" in answer("AccessDenied", 403, "not authorized to perform: kms:GenerateDataKey").hint
    assert answer("AuthorizationHeaderMalformed", 400).code == "credentials_invalid"
    wrong = answer("AuthorizationHeaderMalformed", 400, Region="eu-west-1")
    assert (wrong.code, wrong.hint) == ("region_mismatch", "Set the location's region to eu-west-1.")
    assert answer("400", 400, headers={"x-amz-bucket-region": "eu-west-1"}).code == "region_mismatch"
    assert answer("400", 400, headers={"x-amz-bucket-region": "us-east-1"}).code == "store_error"
    assert answer("AccessDenied", 403, headers={"x-amz-bucket-region": "eu-west-1"}).code == "permission_denied"


def test_one_code_of_token_services_means_several_things() -> None:
    # As AWS says it, then SeaweedFS and MinIO.
    chained = answer("ValidationError", 400, "The requested DurationSeconds exceeds the 1 hour session limit for roles")
    longest = answer("ValidationError", 400, "The requested DurationSeconds exceeds the MaxSessionDuration set")
    for failure in (chained, longest, answer("InvalidParameterValue", 400, "invalid token expiry")):
        assert (failure.code, "auth.duration" in failure.hint) == ("invalid_option", True)
    for text in (
        "invalid JWT token signature",
        "token audience is not accepted",
        "policy claim missing from the JWT token",
    ):
        assert answer("InvalidParameterValue", 400, text).code == "credentials_invalid"
    assert answer("InvalidParameterValue", 400, "Token is expired").code == "credentials_expired"
    assert answer("IDPCommunicationError", 400).transient
    assert answer("STSIAMNotInitialized", 503).transient
    assert not answer("STSNotInitialized", 503).transient


def test_the_code_may_be_where_ceph_puts_it() -> None:
    response: Any = {"Code": "AccessDenied", "ResponseMetadata": {"HTTPStatusCode": 403}}
    assert classify(boto.ClientError(response, "AssumeRole"), "Assuming").code == "permission_denied"


@pytest.mark.parametrize(
    ("code", "status", "transient", "doubt"),
    [
        ("SlowDown", 503, True, "refused"),
        ("InternalError", 500, True, "unknown"),
        ("InternalError", 200, True, "unknown"),
        ("", 502, True, "unknown"),
        ("XMinioStorageFull", 507, False, "refused"),
        ("NotImplemented", 501, False, "refused"),
        ("RequestTimeout", 400, True, "refused"),
        ("AccessDenied", 403, False, "refused"),
        ("PreconditionFailed", 412, False, "refused"),
    ],
)
def test_what_may_be_tried_again_and_what_is_in_doubt(code: str, status: int, transient: bool, doubt: str) -> None:
    failure = answer(code, status)
    assert (failure.transient, failure.doubt) == (transient, doubt)


def caused(error: Exception, cause: Exception) -> Exception:
    """The error with a cause."""
    error.__cause__ = cause
    return error


def verification(code: int, message: str) -> ssl.SSLCertVerificationError:
    """What OpenSSL says of a certificate."""
    error = ssl.SSLCertVerificationError(1, message)
    error.verify_code, error.verify_message = code, message
    return error


TRANSPORT: list[tuple[Exception, str, bool, str]] = [
    (boto.EndpointConnectionError(endpoint_url=URL), "endpoint_unreachable", True, "unsent"),
    (
        boto.EndpointConnectionError(endpoint_url=URL, error=socket.gaierror(-2, "x")),
        "endpoint_unreachable",
        False,
        "unsent",
    ),
    (boto.ConnectTimeoutError(endpoint_url=URL), "endpoint_unreachable", True, "unsent"),
    (boto.ReadTimeoutError(endpoint_url=URL), "endpoint_unreachable", True, "unknown"),
    (boto.ConnectionClosedError(endpoint_url=URL), "endpoint_unreachable", True, "unknown"),
    (boto.HTTPClientError(error=OSError(URL)), "endpoint_unreachable", True, "unknown"),
    (boto.ResponseStreamingError(error=OSError(URL)), "endpoint_unreachable", True, "unknown"),
    (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), "endpoint_unreachable", True, "unknown"),
    (ConnectionResetError(URL), "endpoint_unreachable", True, "unknown"),
    (boto.ProxyConnectionError(proxy_url="http://user:canary@proxy"), "endpoint_unreachable", True, "unsent"),
    (
        boto.SSLError(endpoint_url=URL, error=verification(20, "unable to get local issuer")),
        "tls_untrusted",
        False,
        "unsent",
    ),
    (
        caused(boto.SSLError(endpoint_url=URL, error=OSError("x")), verification(10, "expired")),
        "tls_untrusted",
        False,
        "unsent",
    ),
    (
        boto.SSLError(endpoint_url=URL, error=OSError("hostname 'a' doesn't match 'b'")),
        "tls_untrusted",
        False,
        "unsent",
    ),
    (
        boto.SSLError(endpoint_url=URL, error=OSError("[SSL: WRONG_VERSION_NUMBER]")),
        "endpoint_unreachable",
        False,
        "unsent",
    ),
    (
        boto.SSLError(endpoint_url=URL, error=OSError("EOF occurred in violation")),
        "endpoint_unreachable",
        True,
        "unknown",
    ),
    (boto.NoCredentialsError(), "credentials_missing", False, "unsent"),
    (boto.PartialCredentialsError(provider="env", cred_var="x"), "credentials_missing", False, "unsent"),
    (boto.ProfileNotFound(profile="canary"), "credentials_missing", False, "unsent"),
    (boto.CredentialRetrievalError(provider="x", error_msg="canary"), "credentials_missing", False, "unsent"),
    (boto.UnauthorizedSSOTokenError(), "credentials_expired", False, "unsent"),
    (boto.ParamValidationError(report="canary"), "invalid_option", False, "unsent"),
    (ValueError("Invalid endpoint: canary"), "invalid_option", False, "unsent"),
    (ResponseParserError("canary"), "store_error", True, "unknown"),
    (boto.FlexibleChecksumError(error_msg="canary"), "backup_damaged", True, "refused"),
    (boto.MissingDependencyException(msg="canary"), "dependency_missing", False, "unsent"),
    (RuntimeError("canary"), "store_error", False, "unknown"),
]


@pytest.mark.parametrize(("error", "code", "transient", "doubt"), TRANSPORT)
def test_failures_without_an_answer(error: Exception, code: str, transient: bool, doubt: str) -> None:
    failure = classify(error, "Writing s3://bucket/key")
    assert (failure.code, failure.transient, failure.doubt) == (code, transient, doubt)
    assert failure.message.startswith("Writing s3://bucket/key: ")
    assert failure.hint or code in {"store_error", "backup_damaged"}


def test_nothing_that_an_exception_says_is_passed_on() -> None:
    for error, *_dummy in TRANSPORT:
        assert "canary" not in str(LocationError(classify(error, "Writing")).as_result())
    shown = LocationError(answer("Acc<b>ess\n", 400, "canary")).as_result()
    assert "canary" not in str(shown)
    assert shown["error_details"] == {"store_code": "Accbess"}
    assert "canary" not in str(LocationError(answer("PermanentRedirect", 301, Region="canary;<x>")).as_result())


def test_every_code_is_in_the_family() -> None:
    for error, code, *_dummy in TRANSPORT:
        assert code in CODES
        assert LocationError(classify(error, "Writing")).code == code


@pytest.mark.parametrize(
    ("alert", "expected"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "credentials_missing"),
        ("TLSV1_ALERT_UNKNOWN_CA", "credentials_invalid"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "credentials_invalid"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "credentials_invalid"),
        ("TLSV1_ALERT_INTERNAL_ERROR", "endpoint_unreachable"),
    ],
)
def test_a_store_may_refuse_the_client_certificate(alert: str, expected: str) -> None:
    error = boto.SSLError(endpoint_url=URL, error=ssl.SSLError(1, f"[SSL: {alert}] tls alert"))
    failure = classify(error, "Writing")
    assert failure.code == expected
    assert "canary" not in failure.message


@pytest.mark.parametrize(
    ("code", "message", "denied"),
    [
        (
            "AccessDenied",
            "User: arn:aws:iam::1:user/u is not authorized to perform: s3:PutObject on resource: r",
            "s3:PutObject",
        ),
        (
            "AccessDenied",
            "User: u is not authorized to perform: kms:Decrypt on resource: k because no policy",
            "kms:Decrypt",
        ),
        ("AccessDenied", "Access Denied", ""),
        ("AccessDenied", "not authorized to perform: <script>", ""),
        ("NoSuchKey", "not authorized to perform: s3:GetObject", ""),
    ],
)
def test_the_action_that_was_denied_is_taken_from_the_answer(code: str, message: str, denied: str) -> None:
    assert answer(code, 404 if code == "NoSuchKey" else 403, message).denied == denied


@pytest.mark.parametrize(
    ("why", "own", "its"),
    [
        ("because no identity-based policy allows the sts:AssumeRole action", True, False),
        ("with an explicit deny in an identity-based policy", True, False),
        ("with an explicit deny in a service control policy", True, False),
        ("because no permissions boundary allows the sts:AssumeRole action", True, False),
        ("because no session policy allows the sts:AssumeRole action", True, False),
        ("because no role trust policy allows the sts:AssumeRole action", False, True),
        ("because the role trust policy allows the sts:AssumeRole action", False, True),
        ("with an explicit deny in the role trust policy", False, True),
        ("because no resource-based policy allows the sts:AssumeRole action", False, True),
        ("", False, False),
    ],
)
def test_whose_policy_it_was_is_taken_from_the_answer(why: str, own: bool, its: bool) -> None:
    """As IAM's user guide has it, with a slip of its own."""
    found = answer("AccessDenied", 403, f"User: u is not authorized to perform: sts:AssumeRole on resource: r {why}")
    assert (found.own_side, found.its_side) == (own, its)
