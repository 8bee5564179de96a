# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What went wrong with an S3 request: the one place that knows botocore's exceptions. Private to the collection.

Messages are ours: an exception's own text may hold a signed URL or a key id, and an answer's text is whatever the store
likes. From an answer only its error code (letters and digits), its status and a region are taken.
"""

from __future__ import annotations

import dataclasses
import re
import socket
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Doubt, Failure, cause
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.transport_errors import (
    connection_lost,
    name_unknown,
    no_answer_in_time,
    no_connection_in_time,
    nothing_answers,
    of_tls,
    proxy_silent,
)

_KEYS: t.Final = "Check the access key and the secret key, and that the key is active."
_EXPIRED: t.Final = "Get new credentials; for a role, check how long its sessions may last."
_CLOCK: t.Final = "Set this machine's clock (chrony, ntpd); S3 allows 15 minutes."
_SLOW: t.Final = "Run fewer tasks against the store at once, or later."
_FULL: t.Final = "Free space in the store, or raise the quota."
_OTHER_STORE: t.Final = "Check that the endpoint is the S3 API of the store (not its console), and the store's version."

# S3 error code -> (our code, what happened, hint). Codes of AWS, MinIO, Ceph and SeaweedFS.
_ANSWERS: t.Final[t.Mapping[str, tuple[str, str, str]]] = {
    **dict.fromkeys(
        ("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidTokenId", "InvalidToken"),
        ("credentials_invalid", "the access key is not known", _KEYS),
    ),
    "SignatureDoesNotMatch": ("credentials_invalid", "the secret key is wrong", _KEYS),
    "InvalidIdentityToken": (
        "credentials_invalid",
        "the role's account does not know who issued the web identity token",
        "Create the OIDC provider in the account of the role, and check the token's audience.",
    ),
    "IDPRejectedClaim": (
        "credentials_invalid",
        "the identity provider does not accept the web identity token",
        "Get a new token, and check its audience.",
    ),
    "InvalidClientCertificate": (
        "credentials_invalid",
        "the client certificate is not accepted",
        "Check that the store trusts its CA, that it is made for client authentication, and how long it is valid.",
    ),
    "PackedPolicyTooLarge": (
        "invalid_option",
        "the session policy is too large",
        "Shorten session_policy; session tags take of the same room.",
    ),
    "MalformedPolicyDocument": (
        "invalid_option",
        "the session policy is not valid",
        "Check session_policy: its version, its actions and its resources.",
    ),
    "RegionDisabledException": (
        "invalid_option",
        "the token service of this region is switched off for the account",
        "Activate STS in the region (IAM, account settings), or set sts_endpoint to that of another one.",
    ),
    "IDPCommunicationError": (
        "store_error",
        "the token service could not reach the identity provider",
        "Check that the cluster's issuer can be reached from outside; otherwise, try again.",
    ),
    "STSNotInitialized": (
        "unsupported_by_store",
        "this way to get a session is switched off",
        "Switch it on in the store (MinIO has MINIO_IDENTITY_TLS_ENABLE for client certificates).",
    ),
    **dict.fromkeys(
        ("ValidationError", "InvalidParameterValue", "MissingParameter", "InvalidParameterCombination"),
        ("invalid_option", "a value in the request is not valid", "Check the location's options."),
    ),
    **dict.fromkeys(
        ("InvalidAction", "InvalidRequestAction"),
        ("unsupported_by_store", "it does not know this kind of request", _OTHER_STORE),
    ),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"),
        ("credentials_expired", "the credentials have expired", _EXPIRED),
    ),
    **dict.fromkeys(
        ("RequestTimeTooSkewed", "RequestInTheFuture"), ("clock_skew", "the clocks differ too much", _CLOCK)
    ),
    **dict.fromkeys(
        (
            "AccessDenied",
            "AccessDeniedException",
            "AllAccessDisabled",
            "AccountProblem",
            "UnauthorizedAccess",
            "403",
            "401",
        ),
        ("permission_denied", "access is denied", ""),
    ),
    "NoSuchBucket": ("bucket_not_found", "the bucket does not exist", "Create it, or check its name and the endpoint."),
    "BucketAlreadyExists": (
        "bucket_wrong_owner",
        "somebody else has a bucket of this name",
        "Choose another name: all accounts share the names of buckets.",
    ),
    "BucketAlreadyOwnedByYou": ("key_exists", "the bucket is there already", ""),
    "BucketNotEmpty": ("bucket_not_empty", "the bucket is not empty", "Delete what is in it first, old versions too."),
    "InvalidBucketState": (
        "unsafe_change",
        "the bucket's versioning or object lock does not allow it",
        "Object lock needs versions, keeps them from being suspended, and with most stores is chosen when a bucket is made.",
    ),
    "InvalidBucketAclWithObjectOwnership": (
        "unsafe_change",
        "the bucket's ACL lets others in, and would count for nothing",
        "Remove the grants to others from the bucket's ACL, and put them into its policy if they are needed.",
    ),
    "MalformedPolicy": (
        "store_error",
        "it does not accept the policy",
        "See whether a statement of others names somebody who is gone: such a policy can be read, but not written again.",
    ),
    "InvalidBucketName": ("invalid_option", "the bucket's name is not valid", "Check the name."),
    **dict.fromkeys(("NoSuchKey", "NoSuchVersion"), ("key_not_found", "there is no such object", "")),
    "NoSuchUpload": ("key_not_found", "the upload is gone", ""),
    "InvalidRange": ("backup_damaged", "the object is shorter than it should be", ""),
    **dict.fromkeys(("PreconditionFailed", "412"), ("key_exists", "there already is such an object", "")),
    "ConditionalRequestConflict": ("key_exists", "another writer is writing such an object", ""),
    **dict.fromkeys(
        ("PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException", "301", "307"),
        ("region_mismatch", "the bucket is in another region", "Set the location's region to the bucket's."),
    ),
    "AuthorizationHeaderMalformed": (
        "credentials_invalid",
        "the request's authorization is refused as malformed",
        "Check the access key, and the region that the store expects.",
    ),
    **dict.fromkeys(
        (
            "SlowDown",
            "SlowDownRead",
            "SlowDownWrite",
            "Throttling",
            "ThrottlingException",
            "RequestLimitExceeded",
            "TooManyRequests",
            "BandwidthLimitExceeded",
            "429",
        ),
        ("throttled", "it asks for fewer requests", _SLOW),
    ),
    **dict.fromkeys(
        (
            "XMinioStorageFull",
            "XMinioAdminBucketQuotaExceeded",
            "QuotaExceeded",
            "StorageFull",
            "InsufficientStorage",
            "InsufficientCapacity",
            "NoSpaceLeftOnDevice",
            "507",
        ),
        ("quota", "it is full, or a quota is used up", _FULL),
    ),
    **dict.fromkeys(
        ("NotImplemented", "MethodNotAllowed", "501", "405"),
        ("unsupported_by_store", "it does not know this kind of request", _OTHER_STORE),
    ),
    **dict.fromkeys(
        (
            "KMS.DisabledException",
            "KMS.InvalidStateException",
            "KMS.KMSInvalidStateException",
            "KMS.NotFoundException",
        ),
        (
            "encryption_key_unusable",
            "the key that it encrypts with is missing or switched off",
            "Enable the key, or give the bucket another one; across accounts it is named by its whole ARN.",
        ),
    ),
    "XAmzContentSHA256Mismatch": (
        "unsupported_by_store",
        "what arrived is not what was signed",
        "Look for a proxy that changes requests, and at the store's version.",
    ),
    **dict.fromkeys(("ObjectLocked", "InvalidObjectState"), ("locked", "a lock protects the object", "")),
}

_TRANSIENT_CODES: t.Final = frozenset(
    {
        "RequestTimeout",
        "RequestTimeoutException",
        "PriorRequestNotComplete",
        "BadDigest",
        "IncompleteBody",
        "InternalError",
        "IDPCommunicationError",
        "OperationAborted",
    }
)
_NOT_CARRIED_OUT: t.Final = frozenset({"throttled", "quota", "unsupported_by_store"})
_LOCKED: t.Final = re.compile(r"object.?lock|WORM|retention|legal hold", re.IGNORECASE)
_DURATION: t.Final = re.compile(r"DurationSeconds|\bduration\b|token expiry$", re.IGNORECASE)
_OLD_TOKEN: t.Final = re.compile(r"token (is|has) expired", re.IGNORECASE)
_TOKEN: t.Final = re.compile(
    r"token|jwt|audience|signature|signing|verif|claim|client ?id|given policies", re.IGNORECASE
)
_PERFORM: t.Final = re.compile(r"not authorized to perform:? ([a-z0-9-]{1,30}:[A-Za-z0-9]{1,60})\b")
_OWN_SIDE: t.Final = re.compile(
    r"\b(identity-based policy|service control policy|sessions? policy|permissions boundary)\b"
)
_ITS_SIDE: t.Final = re.compile(r"\b(role trust policy|resource-based policy)\b")
_LATE: t.Final = re.compile(r"signature (expired|not yet current)|request has expired", re.IGNORECASE)


def classify(error: Exception, what: str, *, region: str = "") -> Failure:
    """The failure behind an exception of botocore; ``what`` says what was tried (``Reading s3://bucket/key``)."""
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return _of_answer(error.response, what, region)
    return _of_transport(error, what) or _of_credentials(error, what) or _of_rest(error, what)


@dataclasses.dataclass(frozen=True)
class _Answer:
    """The parts of an error answer that are looked at; none but ``code`` and ``region`` reaches a message."""

    code: str
    status: int
    text: str
    region: str

    @classmethod
    def of(cls, response: t.Any) -> _Answer:
        problem = response.get("Error") or {}
        metadata = response.get("ResponseMetadata") or {}
        # Ceph puts the code of its IAM and STS errors beside "Error".
        code = re.sub(r"[^A-Za-z0-9.]", "", str(problem.get("Code") or response.get("Code") or ""))[:60]
        region = str(problem.get("Region") or (metadata.get("HTTPHeaders") or {}).get("x-amz-bucket-region") or "")
        return cls(
            code,
            int(metadata.get("HTTPStatusCode") or 0),
            str(problem.get("Message") or ""),
            region if re.fullmatch(r"[a-z0-9-]{1,40}", region) else "",
        )


def _of_answer(response: t.Any, what: str, region: str) -> Failure:
    answer = _Answer.of(response)
    code, status = answer.code, answer.status
    found = (
        _by_text(answer, region) or _ANSWERS.get(code) or _ANSWERS.get("NoSuchKey" if status == 404 else str(status))
    )
    if found is None:
        ours, hint, message = (
            "store_error",
            "",
            f"{what}: the store answered {code or 'with an error'} (status {status}).",
        )
    else:
        ours, reason, hint = found
        message = f"{what}: the store says that {reason}."
    given_up = ours in {"unsupported_by_store", "quota"}
    transient = not given_up and (code in _TRANSIENT_CODES or status >= 500 or ours == "throttled")
    doubt: Doubt = "unknown" if (status >= 500 or status < 300) and ours not in _NOT_CARRIED_OUT else "refused"
    return Failure(ours, message, hint, code or str(status), status, transient, doubt, *_denied(ours, answer.text))


def _denied(code: str, text: str) -> tuple[str, bool, bool]:
    """The action that AWS says was denied ("… is not authorized to perform: s3:PutObject on resource: …"), and whether it says that
    it was the caller's own policies, or that of the role or resource. It names one kind of policy that did not allow it, also where
    several did not, and to another account mostly none (IAM's user guide, "Troubleshoot access denied error messages")."""
    found = _PERFORM.search(text) if code == "permission_denied" else None
    return (found[1], bool(_OWN_SIDE.search(text)), bool(_ITS_SIDE.search(text))) if found else ("", False, False)


def _by_text(answer: _Answer, region: str) -> tuple[str, str, str] | None:
    """Where a code means several things, the rest of the answer tells which."""
    code, text = answer.code, answer.text
    known = _ANSWERS.get(code) or ("", "", "")
    elsewhere = bool(answer.region) and answer.region != region
    if elsewhere and (known[0] == "region_mismatch" or code in {"AuthorizationHeaderMalformed", "400"}):
        hint = f"Set the location's region to {answer.region}."
        return "region_mismatch", f"the bucket is in region {answer.region}", hint
    if (known[0] == "permission_denied" and _LOCKED.search(text)) or (code == "InvalidRequest" and "WORM" in text):
        return (
            "locked",
            "a lock protects the object",
            "Wait until its retention ends; an administrator may remove a hold.",
        )
    if known[0] == "permission_denied" and "BlockPublicPolicy" in text:
        hint = "Remove the statements of others that let everybody in from the bucket's policy first."
        return "unsafe_change", "the bucket's policy lets everybody in, and its public access block forbids that", hint
    if code == "SignatureDoesNotMatch" and _LATE.search(text):
        return _ANSWERS["RequestTimeTooSkewed"]
    if known[0] == "permission_denied" and "kms:" in text.lower():
        return "permission_denied", "the encryption key may not be used", "Allow kms:GenerateDataKey and kms:Decrypt."
    return _by_parameter(code, text)


def _by_parameter(code: str, text: str) -> tuple[str, str, str] | None:
    """Token services have one code for whatever is wrong with a request."""
    if code not in {"ValidationError", "InvalidParameterValue"}:
        return None
    if _DURATION.search(text):
        hint = "Set auth.duration to at most the role's longest session, and to at most an hour where the source is a session."
        return "invalid_option", "the session's duration is not allowed", hint
    if code == "InvalidParameterValue" and _OLD_TOKEN.search(text):
        return _ANSWERS["ExpiredToken"]
    if code == "InvalidParameterValue" and _TOKEN.search(text):
        hint = "Check who issued the web identity token, its audience, and which of them the store accepts."
        return "credentials_invalid", "the web identity token is not accepted", hint
    return None


def _of_transport(error: Exception, what: str) -> Failure | None:
    from botocore import exceptions as boto

    if isinstance(error, boto.SSLError):
        return of_tls(error, what, _OTHER_STORE)
    if isinstance(error, boto.ProxyConnectionError):
        return proxy_silent(what)
    if isinstance(error, boto.EndpointConnectionError):
        unknown = cause(error, socket.gaierror)
        return name_unknown(what, "Check the endpoint and the region.") if unknown else nothing_answers(what)
    if isinstance(error, boto.ConnectTimeoutError):
        return no_connection_in_time(what)
    if isinstance(error, boto.ReadTimeoutError):
        return no_answer_in_time(what)
    lost = (boto.ConnectionClosedError, boto.HTTPClientError, boto.ResponseStreamingError, boto.IncompleteReadError)
    return connection_lost(what) if isinstance(error, (*lost, ConnectionError, TimeoutError)) else None


def _of_credentials(error: Exception, what: str) -> Failure | None:
    from botocore import exceptions as boto

    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        hint = "Give access_key and secret_key, or let the environment, a profile or the machine's role provide credentials."
        return Failure("credentials_missing", f"{what}: no credentials were found.", hint, doubt="unsent")
    if isinstance(error, boto.ProfileNotFound):
        hint = "Check the profile and AWS_PROFILE."
        return Failure("credentials_missing", f"{what}: the AWS profile does not exist.", hint, doubt="unsent")
    if isinstance(error, boto.TokenRetrievalError | boto.UnauthorizedSSOTokenError | boto.SSOTokenLoadError):
        hint = "Log in again (aws sso login)."
        return Failure("credentials_expired", f"{what}: the single sign-on session has ended.", hint, doubt="unsent")
    if isinstance(error, boto.CredentialRetrievalError | boto.MetadataRetrievalError):
        hint = "Check what should provide credentials (the role, the profile, the instance's metadata service)."
        return Failure("credentials_missing", f"{what}: credentials could not be got.", hint, doubt="unsent")
    return None


def _of_rest(error: Exception, what: str) -> Failure:
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    if isinstance(error, ResponseParserError):
        return Failure(
            "store_error", f"{what}: the answer is no S3 answer.", _OTHER_STORE, transient=True, doubt="unknown"
        )
    if isinstance(error, boto.FlexibleChecksumError):
        return Failure("backup_damaged", f"{what}: the content does not fit its checksum.", "", transient=True)
    if isinstance(error, boto.MissingDependencyException):
        return Failure(
            "dependency_missing", f"{what}: a Python package is missing.", "Install boto3[crt].", doubt="unsent"
        )
    if isinstance(error, boto.ParamValidationError | boto.InvalidRegionError | boto.UnknownEndpointError | ValueError):
        hint = "Check endpoint, region and bucket."
        return Failure("invalid_option", f"{what}: endpoint, region or bucket are not valid.", hint, doubt="unsent")
    return Failure("store_error", f"{what}: the request failed ({type(error).__name__}).", "", doubt="unknown")
