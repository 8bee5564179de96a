# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What went wrong with a request to Google Cloud Storage, or to the services that give tokens for it: the one place that
knows the exceptions of google-auth and requests. Private to the collection.

Messages are ours: an exception's own text may hold a token or an assertion, and an answer's text is whatever a server
likes. From an answer only its status, its reason (letters and digits) and the name of a permission are taken. The shapes:
https://cloud.google.com/storage/docs/json_api/v1/status-codes, RFC 6749 for token endpoints.
"""

from __future__ import annotations

import dataclasses
import json
import re
import socket
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

_SERVICE: t.Final = "Google's JSON API, or a proxy of it"
_KEY: t.Final = "Check that the key and its service account exist and are enabled, and that the key's text is whole."
_CLOCK: t.Final = "Set this machine's clock (chrony, ntpd); Google allows 10 minutes."
_SLOW: t.Final = "Run fewer tasks against the store at once, or later."
_LOCK: t.Final = "Wait until its retention ends; an administrator may remove a hold."
_KIND: t.Final = "Use another authentication method, or change the organization's constraint storage.restrictAuthTypes."
_MEMBERS: t.Final = "Let the organization's constraint iam.allowedPolicyMemberDomains allow theirs, or name identities of the organization."
_TRUST: t.Final = (
    "Check the pool's provider (issuer, audience, attribute condition) and who may impersonate the account."
)

_Verdict = tuple[str, str, str]

# What the text or the reason of an answer says -> (our code, what happened, hint). The first that fits counts.
_WORDS: t.Final[t.Sequence[tuple[re.Pattern[str], _Verdict]]] = [
    (re.compile(pattern, re.IGNORECASE), verdict)
    for pattern, verdict in (
        (
            r"retentionPolicyNotMet|objectUnderActiveHold|retention (policy|expir)|under active (event.based |temporary )?hold",
            ("locked", "a retention or a hold protects the object", _LOCK),
        ),
        (
            r"vpcServiceControls|prohibited by organization's policy",
            (
                "permission_denied",
                "a service perimeter refuses the caller",
                "Add the caller or its network to the perimeter.",
            ),
        ),
        (
            r"ORG_RESTRICTION|organization restriction",
            (
                "permission_denied",
                "the network lets its users into other organizations only",
                "Let the proxy that sets X-Goog-Allowed-Resources name the bucket's organization.",
            ),
        ),
        (
            r"\brequester ?pays\b",
            (
                "permission_denied",
                "the bucket's requesters pay, and the request names no project",
                "Use credentials with a quota project, or turn requester pays off.",
            ),
        ),
        (
            r"accountDisabled|billing account",
            ("quota", "the project's billing is disabled", "Enable billing for the bucket's project."),
        ),
        (r"rateLimitExceeded|slow ?down", ("throttled", "it asks for fewer requests", _SLOW)),
        (
            r"quotaExceeded|dailyLimitExceeded",
            ("quota", "a quota is used up", "Raise the quota, or wait for the next day."),
        ),
        (
            r"restrictAuthTypes",
            ("permission_denied", "the bucket's organization forbids this kind of credentials", _KIND),
        ),
        (
            r"cloudkms|Cloud KMS|KMS key",
            (
                "permission_denied",
                "the encryption key may not be used, or is disabled",
                "Let the storage service agent of the bucket's project use the key (cloudkms.cryptoKeyEncrypterDecrypter).",
            ),
        ),
        (
            r"SERVICE_DISABLED|accessNotConfigured",
            ("permission_denied", "the API is not enabled in the project", "Enable it, or check the project."),
        ),
        (
            r"permitted customer|allowedPolicyMemberDomains",
            ("permission_denied", "an organization policy keeps identities of others out of policies", _MEMBERS),
        ),
        (
            r"SCOPE_INSUFFICIENT|insufficient authentication scopes",
            (
                "permission_denied",
                "the token's scopes do not allow it",
                "Give the machine or the credentials the scope devstorage.read_write or cloud-platform.",
            ),
        ),
    )
]

_STATUSES: t.Final[t.Mapping[int, _Verdict]] = {
    401: (
        "credentials_invalid",
        "the access token is not accepted",
        "Check the credentials, and that the account is enabled.",
    ),
    403: ("permission_denied", "access is denied", ""),
    405: ("unsupported_by_store", "it does not know this kind of request", f"Check that the endpoint is {_SERVICE}."),
    409: ("key_exists", "another writer is writing such an object", ""),
    410: ("key_not_found", "the upload is gone", ""),
    412: ("key_exists", "there already is such an object", ""),
    416: ("backup_damaged", "the object is shorter than it should be", ""),
    429: ("throttled", "it asks for fewer requests", _SLOW),
    501: ("unsupported_by_store", "it does not know this kind of request", f"Check that the endpoint is {_SERVICE}."),
    503: ("throttled", "it is busy", _SLOW),
    507: ("quota", "it is full", "Free space in the store, or raise the quota."),
}
# Not any three words: addresses of service accounts begin alike.
_PERMISSION: t.Final = re.compile(
    r"\b(?:storage\.[a-z][A-Za-z]{1,40}|iam\.serviceAccounts|serviceusage\.services)\.[a-z][A-Za-z]{1,60}\b"
)
_TRANSIENT: t.Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclasses.dataclass(eq=False)
class Refusal(Exception):  # noqa: N818 - an answer, as much as an error
    """An answer that is no success: its status, reason and text, as the store says them. They never reach a message."""

    status: int
    reason: str
    text: str = dataclasses.field(repr=False)

    def __str__(self) -> str:
        return f"status {self.status}"

    @classmethod
    def of(cls, status: int, body: bytes) -> Refusal:
        """Of the body of an answer: the JSON API's error, that of a token endpoint, or plain text."""
        text = body.decode("utf-8", "replace")
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        problem = document.get("error") if isinstance(document, dict) else None
        if not isinstance(problem, dict):
            reason = problem if isinstance(problem, str) else ""
            return cls(status, _word(reason), text)
        errors = problem.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else {}
        named = first.get("reason") if isinstance(first, dict) else ""
        return cls(status, _word(str(named or problem.get("status") or "")), text)


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]", "", text)[:60]


def classify(error: Exception, what: str, *, of_bucket: bool = False) -> Failure:
    """The failure behind an exception; ``what`` says what was tried (``Reading gs://bucket/key``).

    :param of_bucket: the request names no object that could be missing, so that a 404 is about the bucket.
    """
    if isinstance(error, Refusal):
        return _of_answer(error, what, of_bucket)
    return _of_credentials(error, what) or _of_transport(error, what) or _of_rest(error, what)


def _of_answer(answer: Refusal, what: str, of_bucket: bool) -> Failure:
    status = answer.status
    found = _by_words(answer) if status in {400, 403, 412} else None
    code, reason, hint = found or _by_status(answer, of_bucket)
    message = f"{what}: the store says that {reason}." if reason else _unknown_answer(answer, what)
    given_up = code in {"unsupported_by_store", "quota"}
    transient = not given_up and (status in _TRANSIENT or code == "throttled")
    # What was refused for its number or before a write began was not carried out; of other failures nobody knows.
    unknown = (status >= 500 or status < 300 or status == 408) and not given_up
    doubt: Doubt = "unknown" if unknown else "refused"
    denied = _named(answer) if found is None and code == "permission_denied" else ""
    return Failure(code, message, hint, answer.reason or str(status), status, transient, doubt, denied)


def _unknown_answer(answer: Refusal, what: str) -> str:
    return f"{what}: the store answered {answer.reason or 'with an error'} (status {answer.status})."


def _named(answer: Refusal) -> str:
    """The permission that an answer names."""
    match = _PERMISSION.search(answer.text)
    return match[0] if match else ""


def _by_words(answer: Refusal) -> _Verdict | None:
    words = f"{answer.reason} {answer.text}"
    return next((verdict for pattern, verdict in _WORDS if pattern.search(words)), None)


def _by_status(answer: Refusal, of_bucket: bool) -> _Verdict:
    status = answer.status
    if status == 404 and of_bucket:
        return "bucket_not_found", "the bucket does not exist", "Create it, or check its name and the endpoint."
    if status == 404:
        return "key_not_found", "there is no such object", ""
    if status == 400 and re.search(r"invalid bucket", answer.text, re.IGNORECASE):
        return "invalid_option", "the bucket's name is not valid", "Check the name."
    if 300 <= status < 400:
        return "store_error", "", f"Check that the endpoint is {_SERVICE}: it wants to send the request elsewhere."
    if status == 403 and (named := _named(answer)):
        hint = f"Grant a role with {named} on the bucket (and look for deny policies and conditions)."
        return "permission_denied", f"the caller lacks {named}", hint
    return _STATUSES.get(status) or ("store_error", "", "")


def _of_credentials(error: Exception, what: str) -> Failure | None:
    """Tokens that could not be got. The request itself was not sent then."""
    from google.auth import exceptions as google
    from urllib3.exceptions import HTTPError

    if not isinstance(error, google.GoogleAuthError):
        return None
    transport = cause(error, OSError) or cause(error, HTTPError)
    if isinstance(error, google.TransportError) and transport is not None:
        found = _of_transport(transport, f"{what}, getting an access token")
        return dataclasses.replace(found, doubt="unsent") if found else None
    if isinstance(error, google.RefreshError | google.OAuthError | google.TransportError):
        return _of_token_endpoint(error, what)
    if isinstance(error, google.MalformedError):
        return Failure("credentials_invalid", f"{what}: the Google credentials cannot be read.", _KEY, doubt="unsent")
    hint = "Give credentials_file, or let the environment, gcloud or the machine's service account provide credentials."
    return Failure("credentials_missing", f"{what}: no Google credentials were found.", hint, doubt="unsent")


# What a token endpoint says (error and error_description) -> (our code, what happened, hint).
_TOKEN_WORDS: t.Final[t.Sequence[tuple[re.Pattern[str], _Verdict]]] = [
    (re.compile(pattern, re.IGNORECASE), verdict)
    for pattern, verdict in (
        (
            r"reasonable timeframe|short-lived token",
            ("clock_skew", "the clocks differ too much for a token", _CLOCK),
        ),
        (r"JWT signature", ("credentials_invalid", "the service account's key is wrong or was deleted", _KEY)),
        (
            r"account not found|invalid_client|deleted_client",
            ("credentials_invalid", "the account does not exist", _KEY),
        ),
        (
            r"expired|revoked|stale|invalid_rapt|reauth",
            ("credentials_expired", "what should give a token has expired", "Log in again, or renew the token file."),
        ),
        (
            r"getAccessToken|iam\.serviceAccounts",
            (
                "permission_denied",
                "the service account may not be impersonated",
                "Grant the caller roles/iam.serviceAccountTokenCreator on it (a pool: roles/iam.workloadIdentityUser).",
            ),
        ),
        (
            r"lifetime",
            ("invalid_option", "tokens of this account may not last so long", "Set auth.duration to an hour or less."),
        ),
        (
            (
                r"invalid_target|unauthorized_client|access_denied|invalid_request|audience|attribute condition|issuer"
                r"|\"(PERMISSION_DENIED|NOT_FOUND|INVALID_ARGUMENT)\""
            ),
            ("credentials_invalid", "the identity is not accepted", _TRUST),
        ),
        (
            r"invalid_grant|invalid_scope|UNAUTHENTICATED",
            ("credentials_invalid", "the credentials are not accepted", _KEY),
        ),
    )
]


def _of_token_endpoint(error: Exception, what: str) -> Failure:
    words = _texts(error)
    from google.auth.exceptions import RefreshError

    # What google-auth says itself; the exchange of a token that could be read fails with an OAuthError.
    if isinstance(error, RefreshError) and re.search(r"was not found\.|subject_token|subject token", words):
        hint = "Check the configuration's credential_source, and that the token is mounted."
        return Failure("credentials_missing", f"{what}: the subject token cannot be read.", hint, doubt="unsent")
    for pattern, (code, reason, hint) in _TOKEN_WORDS:
        if pattern.search(words):
            return Failure(code, f"{what}: Google's token service says that {reason}.", hint, doubt="unsent")
    hint = "Check that Google's token service can be reached, and proxies on the way."
    return unreachable(what, "the token service fails", hint, "unsent")


def _texts(error: Exception) -> str:
    """All that an exception of google-auth says, to be searched and not to be shown."""
    return " ".join(str(part) if isinstance(part, str) else json.dumps(part, default=str) for part in error.args)


def _of_transport(error: Exception, what: str) -> Failure | None:
    from requests import exceptions as lost
    from urllib3.exceptions import HTTPError, NewConnectionError

    if isinstance(error, lost.ProxyError):
        return proxy_silent(what)
    if isinstance(error, lost.SSLError):
        return _of_tls(error, what)
    if isinstance(error, lost.ConnectTimeout):
        return no_connection_in_time(what)
    if isinstance(error, lost.ReadTimeout):
        return no_answer_in_time(what)
    if isinstance(error, lost.ConnectionError) and cause(error, socket.gaierror):
        return name_unknown(what, "Check the endpoint.")
    if isinstance(error, lost.ConnectionError) and cause(error, NewConnectionError):
        return nothing_answers(what)
    if isinstance(error, lost.InvalidURL | lost.MissingSchema | lost.InvalidSchema):
        return Failure("invalid_option", f"{what}: the endpoint is not valid.", "Check endpoint.", doubt="unsent")
    found = _of_file(error, what)
    if found is None and isinstance(error, lost.RequestException | HTTPError | OSError):
        return connection_lost(what, "the endpoint")
    return found


def _of_file(error: Exception, what: str) -> Failure | None:
    """A file that a request needs."""
    if isinstance(error, OSError) and "TLS CA certificate bundle" in str(error):
        return bundle_unusable(what)
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError):
        message = f"{what}: a file that the credentials name cannot be read."
        return Failure("credentials_missing", message, "Check its path, and who may read it.", doubt="unsent")
    return None


def _of_tls(error: Exception, what: str) -> Failure:
    found = of_tls(error, what, f"Check that the endpoint is {_SERVICE}, and what is on the way.")
    # Tokens go to TLS only: there is no http:// to be had.
    return dataclasses.replace(found, hint="Use the port that speaks TLS.") if "http://" in found.hint else found


def _of_rest(error: Exception, what: str) -> Failure:
    if isinstance(error, ValueError):
        return Failure("invalid_option", f"{what}: endpoint or bucket are not valid.", "Check both.", doubt="unsent")
    return Failure("store_error", f"{what}: the request failed ({type(error).__name__}).", "", doubt="unknown")
