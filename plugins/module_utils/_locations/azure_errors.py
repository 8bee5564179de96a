# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What went wrong with a request to Azure: the one place that knows the exceptions of azure-core and azure-identity.
Private to the collection.

Messages are ours: an exception's own text may hold a URL with a SAS, and an answer's text is whatever the store likes.
From an answer only its error code (letters and digits) and its status are taken, from Entra's the number of its error.
"""

from __future__ import annotations

import dataclasses
import re
import socket
import ssl
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Doubt, Failure, cause
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.transport_errors import (
    bundle_unusable,
    connection_lost,
    name_unknown,
    no_answer_in_time,
    no_connection_in_time,
    nothing_answers,
    of_tls,
    proxy_silent,
    unreachable,
)

_KEYS: t.Final = "Check the account key, the SAS or the application's roles, and that they are of this storage account."
_EXPIRED: t.Final = "Get a new SAS or secret; a SAS of a user lives for 7 days at most."
_CLOCK: t.Final = "Set this machine's clock (chrony, ntpd); Azure allows 15 minutes."
_SLOW: t.Final = "Run fewer tasks against the storage account at once, or later."
_FULL: t.Final = "Free space in the storage account, or raise its limits."
_OTHER_STORE: t.Final = "Check that the endpoint is the Blob service of the account, and the store's version."
_SAS: t.Final = "Make a SAS that allows this service, kind of resource, protocol and address."
_NETWORK: t.Final = (
    "The storage account's network rules mostly are the reason: let this machine's address or network in. "
    "If it is a SAS, check what it permits."
)
_APPLICATION: t.Final = "Check tenant, client_id, and the secret or certificate of the application."

# Error code of the Blob service -> (our code, what happened, hint). The codes are Microsoft's "Common REST API error codes"
# and "Blob Storage error codes"; Azurite answers some of them otherwise.
_ANSWERS: t.Final[t.Mapping[str, tuple[str, str, str]]] = {
    **dict.fromkeys(
        ("AuthenticationFailed", "InvalidAuthenticationInfo", "401"),
        ("credentials_invalid", "the account key, SAS or token is not valid", _KEYS),
    ),
    "NoAuthenticationInformation": ("credentials_missing", "the request carries no credentials", _KEYS),
    "PublicAccessNotPermitted": ("credentials_missing", "the container is not public", _KEYS),
    **dict.fromkeys(
        ("AuthorizationPermissionMismatch", "InsufficientAccountPermissions", "403"),
        ("permission_denied", "access is denied", ""),
    ),
    "AuthorizationFailure": ("permission_denied", "access is denied", _NETWORK),
    "AccountIsDisabled": ("permission_denied", "the storage account is disabled", "Look at the subscription's state."),
    "KeyBasedAuthenticationNotPermitted": (
        "permission_denied",
        "the storage account does not let account keys in",
        "Use service_principal, managed_identity or workload_identity, or a SAS of a user.",
    ),
    **dict.fromkeys(
        (
            "AuthorizationProtocolMismatch",
            "AuthorizationResourceTypeMismatch",
            "AuthorizationServiceMismatch",
            "AuthorizationSourceIPMismatch",
        ),
        ("permission_denied", "the SAS does not allow this", _SAS),
    ),
    **dict.fromkeys(
        ("KeyVaultEncryptionKeyNotFound", "KeyVaultAccessTokenCannotBeAcquired", "KeyVaultVaultNotFound"),
        (
            "encryption_key_unusable",
            "the encryption key cannot be used",
            "Check the key vault, its key, and who may use it.",
        ),
    ),
    **dict.fromkeys(
        ("ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"),
        ("bucket_not_found", "the container does not exist", "Create it, or check its name and the storage account."),
    ),
    **dict.fromkeys(
        ("SubscriptionNotFound", "InvalidSubscriptionId", "ResourceGroupNotFound"),
        (
            "bucket_not_found",
            "the caller sees no such subscription or resource group",
            "Check subscription and resource_group, and that the caller has a role there.",
        ),
    ),
    "InvalidAuthenticationToken": ("credentials_invalid", "the token is not valid", _KEYS),
    "ResourceNotFound": ("bucket_not_found", "there is no such account or container", "Check both names."),
    **dict.fromkeys(("BlobNotFound", "404"), ("key_not_found", "there is no such object", "")),
    "InvalidBlockList": ("key_not_found", "the blocks of the upload are gone", ""),
    **dict.fromkeys(("InvalidRange", "416"), ("backup_damaged", "the object is shorter than it should be", "")),
    **dict.fromkeys(
        ("BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet", "UnauthorizedBlobOverwrite", "412"),
        ("key_exists", "there already is such an object", ""),
    ),
    **dict.fromkeys(
        ("BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"),
        (
            "locked",
            "a lock protects the object",
            "Wait until its retention ends; an administrator may remove a legal hold.",
        ),
    ),
    **dict.fromkeys(
        ("LeaseIdMissing", "LeaseIdMismatchWithBlobOperation", "LeaseLost", "SnapshotsPresent"),
        ("locked", "somebody holds a lease of the object, or it has snapshots", "Break the lease, or let it expire."),
    ),
    **dict.fromkeys(
        ("BlobArchived", "BlobBeingRehydrated"),
        ("locked", "the object is in the archive tier", "Rehydrate it; a backup belongs into an online tier."),
    ),
    **dict.fromkeys(
        ("ServerBusy", "TooManyRequests", "429", "503"),
        ("throttled", "it asks for fewer requests", _SLOW),
    ),
    "BlockCountExceedsLimit": (
        "quota",
        "too many blocks under this key were never committed",
        "Take another name, or wait a week: Azure removes them then.",
    ),
    "507": ("quota", "it is full, or a quota is used up", _FULL),
    **dict.fromkeys(
        ("APINotImplemented", "UnsupportedHttpVerb", "UnsupportedHeader", "UnsupportedQueryParameter", "501", "405"),
        ("unsupported_by_store", "it does not know this kind of request", _OTHER_STORE),
    ),
    **dict.fromkeys(
        ("InvalidResourceName", "InvalidUri", "OutOfRangeInput"),
        ("invalid_option", "the container's name or the prefix is not valid", "Check both."),
    ),
    "407": ("endpoint_unreachable", "a proxy wants a password", "Check HTTPS_PROXY, or name the store in NO_PROXY."),
}

# Number of Entra's error (AADSTS…) -> (our code, what happened, hint), from Microsoft's "Entra authentication and
# authorization error codes".
_ENTRA: t.Final[t.Mapping[int, tuple[str, str, str]]] = {
    **dict.fromkeys(
        (7000215, 7000218, 700027, 50012, 50027),
        ("credentials_invalid", "the application's secret, certificate or token is wrong", _APPLICATION),
    ),
    7000222: ("credentials_expired", "the application's secret has expired", "Add a new secret to the application."),
    **dict.fromkeys(
        (700016, 7000229, 500011),
        ("credentials_invalid", "the tenant does not know the application", _APPLICATION),
    ),
    **dict.fromkeys((90002, 900021, 900023), ("credentials_invalid", "there is no such tenant", "Check tenant.")),
    7000112: ("credentials_invalid", "the application is disabled", "Enable it, or use another."),
    **dict.fromkeys(
        (70021, 700211, 700212, 700213, 700223, 700238),
        (
            "credentials_invalid",
            "no federated credential of the application fits the token",
            "Issuer, subject and audience must be exactly those of the service account's token.",
        ),
    ),
    700024: (
        "credentials_expired",
        "the token or certificate is out of its time",
        "Check that the token's file is renewed, and this machine's clock.",
    ),
    **dict.fromkeys(
        (53003, 530003),
        ("permission_denied", "a conditional access policy refuses the application", "Ask who administers the tenant."),
    ),
    **dict.fromkeys((90033, 90006, 50196), ("throttled", "it asks for fewer requests", _SLOW)),
}

_TRANSIENT_CODES: t.Final = frozenset({"Md5Mismatch", "Crc64Mismatch", "InternalError", "OperationTimedOut", "408"})
_NOT_CARRIED_OUT: t.Final = frozenset({"throttled", "quota", "unsupported_by_store"})
_NOT_IN_TIME: t.Final = re.compile(r"specified time frame|token is expired|Lifetime validation failed", re.IGNORECASE)
_BAD_DATE: t.Final = re.compile(r"date header (too|is too) (old|new)|date header is in the future", re.IGNORECASE)
_TEXT_CHARACTERS: t.Final = 16384


def classify(error: Exception, what: str) -> Failure:
    """The failure behind an exception of azure-core; ``what`` says what was tried (``Reading azure://account/container/key``)."""
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

    if isinstance(error, HttpResponseError) and error.response is not None:
        if isinstance(error, ClientAuthenticationError) and _entra_number(str(error.message)):
            return classify_token(error, what)
        return _of_response(error, what)
    if isinstance(error, ClientAuthenticationError):
        return classify_token(error, what)
    return _of_transport(error, what) or _of_rest(error, what)


def classify_answer(code: str, status: int, text: str, what: str) -> Failure:
    """The failure that an error answer tells of.

    :param code: the service's error code, from the header ``x-ms-error-code`` or the body; may be empty.
    :param text: the body; it decides where a code means several things, and reaches no message.
    """
    code = re.sub(r"[^A-Za-z0-9]", "", code)[:60]
    found = _by_text(code, text) or _ANSWERS.get(code) or _ANSWERS.get(str(status))
    if found is None and 300 <= status < 400:
        found = "store_error", "the objects are at another address", _OTHER_STORE
    if found is None:
        ours, hint = "store_error", ""
        message = f"{what}: the store answered {code or 'with an error'} (status {status})."
    else:
        ours, reason, hint = found
        message = f"{what}: the store says that {reason}."
    given_up = ours in {"unsupported_by_store", "quota"}
    transient = not given_up and (code in _TRANSIENT_CODES or status in {408, 429} or status >= 500)
    transient = transient or ours == "throttled"
    doubt: Doubt = "unknown" if (status >= 500 or status < 300) and ours not in _NOT_CARRIED_OUT else "refused"
    return Failure(ours, message, hint, code or str(status), status, transient, doubt)


def classify_token(error: Exception, what: str) -> Failure:
    """The failure to get a token: the store was never asked."""
    from azure.core.exceptions import ClientAuthenticationError

    inner = _within(error)
    transport = _of_transport(inner, what) if inner is not None else None
    if transport is None and not isinstance(error, ClientAuthenticationError):
        transport = _of_transport(error, what)
    if transport is not None:
        hint = transport.hint or "Check the address that tokens come from."
        return dataclasses.replace(transport, hint=hint, doubt="unsent")
    if type(error).__name__ == "CredentialUnavailableError":
        hint = "Check that the machine or pod has a managed identity, and client_id if it has several."
        return Failure("credentials_missing", f"{what}: no managed identity was found.", hint, doubt="unsent")
    return _of_entra(error, what)


def _of_entra(error: Exception, what: str) -> Failure:
    """Entra, or a machine's own token service, refused."""
    text = str(error)
    number, busy = _entra_number(text), _busy(error, text)
    reasons = {429: _ENTRA[90033], 503: _ENTRA[90033]}
    unknown = "credentials_invalid", f"it gives no token{f' (AADSTS{number})' if number else ''}", _APPLICATION
    if busy:
        unknown = reasons.get(busy, ("store_error", "it has failed", "Try again later."))
    ours, reason, hint = _ENTRA.get(number, unknown)
    message = f"{what}: Entra says that {reason}."
    code = f"AADSTS{number}" if number else ""
    return Failure(ours, message, hint, code, transient=bool(busy) or ours == "throttled", doubt="unsent")


def _busy(error: Exception, text: str) -> int:
    """The status of an answer after which another try makes sense, or 0."""
    match = re.search(r"HTTP Error: (\d{3})\b", text)  # msal's words
    status = int(getattr(error, "status_code", None) or (match[1] if match else 0))
    return status if status == 429 or status >= 500 else 0


def error_code(headers: t.Mapping[str, str], text: str) -> str:
    """The error code of an answer: a header, or else in the body, XML or JSON."""
    if found := headers.get("x-ms-error-code"):
        return found
    match = re.search(r"<Code>\s*([A-Za-z0-9]{1,60})\s*</Code>|\"code\"\s*:\s*\"([A-Za-z0-9]{1,60})\"", text)
    return (match[1] or match[2]) if match else ""


def _of_response(error: t.Any, what: str) -> Failure:
    """Of an exception with an answer, as clients of Microsoft's raise it."""
    response = error.response
    headers = {str(name).lower(): str(value) for name, value in dict(response.headers or {}).items()}
    try:
        text = str(response.text())[:_TEXT_CHARACTERS]
    except Exception:  # noqa: BLE001 - a body that cannot be read says nothing
        text = ""
    code = getattr(error, "error_code", None) or error_code(headers, text)
    return classify_answer(str(getattr(code, "value", code) or ""), int(error.status_code or 0), text, what)


def _by_text(code: str, text: str) -> tuple[str, str, str] | None:
    """Where a code means several things, the rest of the answer tells which."""
    if code in {"AuthenticationFailed", "InvalidAuthenticationInfo"}:
        if _BAD_DATE.search(text):
            return "clock_skew", "the clocks differ too much", _CLOCK
        if _NOT_IN_TIME.search(text):
            return "credentials_expired", "the SAS or token has expired, or is not valid yet", _EXPIRED
    if code == "InvalidHeaderValue" and re.search(r"x-ms-version|API version", text):
        return "unsupported_by_store", "it does not know the version of the service that is asked for", _OTHER_STORE
    return None


def _entra_number(text: str) -> int:
    match = re.search(r"AADSTS(\d{4,9})\b", text)
    return int(match[1]) if match else 0


def _within(error: Exception) -> Exception | None:
    """The failed request within what azure-identity makes of it."""
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError

    return cause(error, ServiceRequestError) or cause(error, ServiceResponseError)


def _of_transport(error: Exception, what: str) -> Failure | None:
    from azure.core import exceptions as azure

    if isinstance(error, azure.ServiceRequestTimeoutError):
        return no_connection_in_time(what)
    if isinstance(error, azure.ServiceResponseTimeoutError):
        return no_answer_in_time(what)
    if cause(error, ssl.SSLError) is not None:
        return of_tls(error, what, _OTHER_STORE)
    if isinstance(error, azure.ServiceRequestError):
        return _of_connection(error, what)
    lost = azure.ServiceResponseError, azure.IncompleteReadError, azure.DecodeError
    wire = isinstance(error, (*lost, ConnectionError, TimeoutError)) or type(error).__module__.startswith("urllib3.")
    if wire or (isinstance(error, azure.HttpResponseError) and error.response is None):
        return connection_lost(what)
    return None


def _of_connection(error: Exception, what: str) -> Failure:
    """No connection came about."""
    from requests.exceptions import ProxyError

    if cause(error, ProxyError) is not None:
        return proxy_silent(what)
    if cause(error, socket.gaierror) is not None or "Failed to resolve" in str(error):
        hint = "Check storage_account, cloud and endpoint: an account that does not exist has no name either."
        return name_unknown(what, hint)
    if cause(error, ConnectionRefusedError) is not None or "Connection refused" in str(error):
        return nothing_answers(what)
    # Not sure that nothing was sent: azure-core calls every failed connection so.
    return unreachable(what, "the connection failed", "Check the endpoint, its port, and firewalls.", "unknown")


def _of_rest(error: Exception, what: str) -> Failure:
    if isinstance(error, OSError) and "CA certificate" in str(error):
        return bundle_unusable(what)
    if type(error).__name__ == "DeserializationError":
        return Failure(
            "store_error", f"{what}: the answer is none of Azure.", _OTHER_STORE, transient=True, doubt="unknown"
        )
    if isinstance(error, ValueError):
        hint = "Check endpoint, storage_account and bucket."
        return Failure("invalid_option", f"{what}: endpoint, account or container are not valid.", hint, doubt="unsent")
    return Failure("store_error", f"{what}: the request failed ({type(error).__name__}).", "", doubt="unknown")
