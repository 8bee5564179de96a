# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of the API server that are errors. Private to the collection.

Follows ``metav1.Status`` of the Kubernetes API conventions.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

_CODES: t.Final[t.Mapping[int, str]] = {401: "cluster_unauthorized", 403: "cluster_forbidden"}
_HINTS: t.Final[t.Mapping[int, str]] = {
    401: "The token or certificate has expired, was revoked, or belongs to another cluster. Renew it and run again.",
    403: "Grant the verb to the account; docs/rbac has the roles that are needed.",
}
# What Kubernetes answers when a Status has no reason, which happens with aggregated APIs and proxies.
_REASONS: t.Final[t.Mapping[int, str]] = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed", 409: "Conflict",
    410: "Expired", 413: "RequestEntityTooLarge", 415: "UnsupportedMediaType", 422: "Invalid", 429: "TooManyRequests",
    500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip
# What API servers say in messages alone; looked for in the whole message, of which a Secret's is not kept.
_CALLOUTS: t.Final = ("failed calling webhook", "conversion webhook for", "failed to call webhook")
_TOO_EARLY: t.Final = (
    "status unknown for quota",
    "error looking up service account",
    "unable to create new content in namespace",
    "the server could not find the requested resource",
    "being deleted",
    "the server is currently unable to handle the request",
)
_LONGEST: t.Final = 400
_NOT_PRINTABLE: t.Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Cause:
    """One entry of ``details.causes``: machine-readable reason and the field it is about; no values."""

    reason: str
    field: str


class ApiStatusError(StowageError):
    """The API server answered, with an error.

    :ivar status: HTTP status.
    :ivar reason: the Status' reason (``NotFound``, ``AlreadyExists``, ``Conflict``, ``Invalid``, ``Expired`` …).
    :ivar causes: why, as far as the server says so; of all of them at most twenty.
    :ivar retry_after: seconds that the server asks to wait, or ``None``.
    :ivar continue_token: with a 410: where a list can be continued at a newer revision; else empty.
    :ivar callout: the server failed because something that it calls (a webhook) does not answer.
    :ivar too_early: it refused for what may be there soon: a quota's status, a service account, a namespace's end.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str,
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
        continue_token: str = "",
        hint: str = "",
        callout: bool = False,
        too_early: bool = False,
    ) -> None:
        details = {"status": status, "reason": reason}
        super().__init__(
            _CODES.get(status, "cluster_api_error"), message, hint or _HINTS.get(status, ""), details=details
        )
        self.status = status
        self.reason = reason
        self.causes = causes
        self.retry_after = retry_after
        self.continue_token = continue_token
        self.callout = callout
        self.too_early = too_early

    def has_cause(self, reason: str) -> bool:
        """Whether a cause has this reason."""
        return any(cause.reason == reason for cause in self.causes)


def status_error(method: str, path: str, status: int, headers: t.Mapping[str, str], body: bytes) -> ApiStatusError:
    """The error for an answer with a status of 300 or more.

    Of what concerns Secrets only fields, reasons and codes are kept: API servers quote values in their messages.
    """
    document = _document(body)
    is_status = document.get("kind") == "Status"
    details = document.get("details") if is_status and isinstance(document.get("details"), dict) else {}
    details = t.cast("dict[str, t.Any]", details)
    reason = str(document.get("reason") or "") if is_status else ""
    reason = _clean(reason) or _REASONS.get(status, "Unknown")
    causes = _causes(details)
    secret = _concerns_secrets(path, details)
    message = str(document.get("message") or "") if is_status else ""
    metadata = document.get("metadata") if is_status else None
    return ApiStatusError(
        f"{method} {_clean(path)}: {status} {reason}{_explanation(document, is_status, headers, causes, secret=secret)}",
        status=status,
        reason=reason,
        causes=causes,
        retry_after=_retry_after(headers, details),
        continue_token=str(metadata.get("continue") or "") if isinstance(metadata, dict) else "",
        hint="" if is_status else _foreign_hint(status, body),
        callout=any(words in message for words in _CALLOUTS),
        too_early=any(words in message for words in _TOO_EARLY)
        or any(cause.reason == "NamespaceTerminating" for cause in causes),
    )


def answer_error(method: str, path: str, status: int, headers: t.Mapping[str, str], problem: str) -> ApiStatusError:
    """The error for a successful answer that is no Kubernetes answer (a login page, a proxy's greeting)."""
    kind = _clean(headers.get("content-type", "") or "no content type")
    return ApiStatusError(
        f"{method} {_clean(path)}: the answer is {problem} ({kind}).",
        status=status,
        reason="UnexpectedAnswer",
        hint="Something else than an API server may answer at this address: a proxy, or a login page.",
    )


def _document(body: bytes) -> dict[str, t.Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _causes(details: dict[str, t.Any]) -> tuple[Cause, ...]:
    causes = details.get("causes")
    return tuple(
        Cause(_clean(str(cause.get("reason") or "")), _clean(str(cause.get("field") or "")))
        for cause in (causes if isinstance(causes, list) else ())[:20]
        if isinstance(cause, dict)
    )


def _concerns_secrets(path: str, details: dict[str, t.Any]) -> bool:
    plain = urllib.parse.unquote(path.partition("?")[0])
    return "secrets" in plain.split("/") or str(details.get("kind")).lower() in ("secret", "secrets")


def _explanation(
    document: dict[str, t.Any],
    is_status: bool,
    headers: t.Mapping[str, str],
    causes: tuple[Cause, ...],
    *,
    secret: bool,
) -> str:
    if not is_status:
        kind = _clean(headers.get("content-type", ""))
        return f" (not a Kubernetes Status, but {kind})" if kind else ""
    if secret:
        named = ", ".join(f"{c.field}: {c.reason}" if c.field else c.reason for c in causes)
        return f" ({named})" if named else ""
    message = _clean(str(document.get("message") or ""))
    return f": {message}" if message else ""


def _foreign_hint(status: int, body: bytes) -> str:
    if status == 400 and b"HTTP request to an HTTPS server" in body:
        return "The server wants TLS: use https:// in the address."
    return ""


def _retry_after(headers: t.Mapping[str, str], details: dict[str, t.Any]) -> float | None:
    for value in (headers.get("retry-after"), details.get("retryAfterSeconds")):
        try:
            seconds = float(value)  # type: ignore[arg-type]  # None and other types raise TypeError
        except (TypeError, ValueError):
            continue
        if 0 < seconds < float("inf"):
            return seconds
    return None


def _clean(text: str) -> str:
    text = _NOT_PRINTABLE.sub(" ", text).strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
