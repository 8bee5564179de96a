# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import threading
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    GcsSettings,
    NoTokens,
    TokenSource,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_errors import Refusal, classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import gcp_answers, gcp_trials
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_api import Bearer
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_trials import (
    GcsCaller,
    Login,
    Place,
    Proof,
    Samples,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Seen, prove


class Clock:
    """Time that stands still."""

    def now(self) -> float:
        return 0.0

    def pause(self, seconds: float) -> None:
        raise AssertionError(f"nothing changes here within {seconds} s")


class Stranger:
    """Somebody who is refused everything."""

    def __init__(self, known: Answer) -> None:
        self._known = known

    def may(self, *_asked: str) -> Seen:
        return Seen(Answer.REFUSED, "Refused.")

    def known(self) -> Seen:
        return Seen(self._known, "A token, or none.")


@pytest.mark.parametrize(("known", "verdict"), [(Answer.ALLOWED, "passed"), (Answer.UNDECIDED, "unknown")])
def test_a_refusal_counts_only_for_who_is_somebody(known: Answer, verdict: str) -> None:
    proof = Proof()
    place, samples = Place("", "clusters/a/"), Samples(("clusters/a/backups/b/b.tar.gz",))
    gcp_trials.prove_strangers(proof, place, {"x": t.cast("t.Any", Stranger(known))}, samples)
    assert {line.verdict for line in prove(proof.trials, Clock(), patience=0)} == {verdict}


PAGE = b"<html><title>Forbidden</title></html>"
DENIED = "{} does not have {} access to the Google Cloud Storage object. Permission '{}' denied on resource (or it may not exist)."


def answer(status: int, reason: str, message: str) -> bytes:
    """An error of the storage service."""
    entry = {"message": message, "domain": "global", "reason": reason}
    return json.dumps({"error": {"code": status, "message": message, "errors": [entry]}}).encode()


def denied(who: str, permission: str, status: int = 403, reason: str = "forbidden") -> bytes:
    return answer(status, reason, DENIED.format(who, permission, permission))


def of_iam(message: str, status: str = "PERMISSION_DENIED", **more: t.Any) -> bytes:
    """An error of IAM."""
    return json.dumps({"error": {"code": 403, "message": message, "status": status, **more}}).encode()


PERIMETER = answer(403, "vpcServiceControls", "Request is prohibited by organization's policy.")
LOGIN = denied("Anonymous caller", "storage.objects.list", 401, "required")


class Raw:
    """A body, as urllib3 gives it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, _size: int, **_options: t.Any) -> t.Iterator[bytes]:
        yield self._body


class Answered:
    """Stands for a session of requests: every request is answered alike."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status_code, self.headers, self._body = status, {"Content-Type": "application/json"}, body
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def request(self, method: str, url: str, *, headers: dict[str, str], **_options: t.Any) -> Answered:
        self.asked.append((method, url, headers))
        return self

    @property
    def raw(self) -> Raw:
        return Raw(self._body)

    def close(self) -> None:
        """Nothing is open."""


def caller(session: Answered, *, anonymous: bool = False, endpoint: str = "https://a.googleapis.com") -> GcsCaller:
    def with_token() -> TokenSource:
        return Bearer("token")

    login: Login = NoTokens if anonymous else with_token
    settings = GcsSettings("bucket", "fleet", endpoint, "")
    return GcsCaller(session, settings, login, threading.Event(), anonymous=anonymous)


@pytest.mark.parametrize(
    ("status", "body", "with_token", "without"),
    [
        (403, denied("a@p", "storage.objects.list"), Answer.REFUSED, Answer.REFUSED),
        # Another permission than what is tried.
        (403, denied("a@p", "storage.objects.get"), Answer.UNDECIDED, Answer.UNDECIDED),
        (403, denied("a@p", "storage.objects.listOther"), Answer.UNDECIDED, Answer.UNDECIDED),
        (403, denied("a@p", "iam.serviceAccounts.getAccessToken"), Answer.UNDECIDED, Answer.UNDECIDED),
        (401, LOGIN, Answer.UNDECIDED, Answer.REFUSED),
        (401, answer(401, "authError", "Invalid Credentials"), Answer.UNDECIDED, Answer.UNDECIDED),
        # A proxy's page, or its JSON.
        (403, PAGE, Answer.UNDECIDED, Answer.UNDECIDED),
        (401, PAGE, Answer.UNDECIDED, Answer.UNDECIDED),
        (403, b'{"error": "forbidden"}', Answer.UNDECIDED, Answer.UNDECIDED),
        (403, b'{"error": "access_denied"}', Answer.UNDECIDED, Answer.UNDECIDED),
        (403, answer(403, "forbidden", "Forbidden"), Answer.UNDECIDED, Answer.UNDECIDED),
        (403, of_iam("The caller does not have permission"), Answer.UNDECIDED, Answer.UNDECIDED),
        # Limits on networks, services, who pays, and what protects an object.
        (403, PERIMETER, Answer.UNDECIDED, Answer.UNDECIDED),
        (
            403,
            answer(403, "retentionPolicyNotMet", "Object is subject to retention."),
            Answer.UNDECIDED,
            Answer.UNDECIDED,
        ),
        (403, denied("a@p", "serviceusage.services.use"), Answer.UNDECIDED, Answer.UNDECIDED),
        (503, PAGE, Answer.UNDECIDED, Answer.UNDECIDED),
        # No answer of the service's, whatever the status is.
        (200, PAGE, Answer.UNDECIDED, Answer.UNDECIDED),
        (200, b"{}", Answer.ALLOWED, Answer.ALLOWED),
    ],
)
def test_what_an_answer_to_a_listing_shows(status: int, body: bytes, with_token: Answer, without: Answer) -> None:
    assert caller(Answered(status, body)).may("list", "a/").answer is with_token
    assert caller(Answered(status, body), anonymous=True).may("list", "a/").answer is without


@pytest.mark.parametrize(
    ("status", "body", "seen"),
    [
        (412, answer(412, "conditionNotMet", "At least one of the pre-conditions did not hold."), Answer.ALLOWED),
        (412, answer(412, "conditionNotMet", "Users do not belong to a permitted customer."), Answer.UNDECIDED),
        (412, PAGE, Answer.UNDECIDED),
        (403, denied("a@p", "storage.objects.update"), Answer.REFUSED),
        (403, denied("a@p", "storage.objects.get"), Answer.UNDECIDED),
        (403, PAGE, Answer.UNDECIDED),
    ],
)
def test_what_an_answer_to_a_change_shows(status: int, body: bytes, seen: Answer) -> None:
    session = Answered(status, body)
    assert caller(session).marks("a/b").answer is seen
    ((method, url, _headers),) = session.asked
    assert (method, "ifMetagenerationMatch=" in url) == ("PATCH", True), "nothing comes of it"


@pytest.mark.parametrize(
    ("status", "body", "refused"),
    [
        (403, of_iam("The caller does not have permission"), True),
        (
            403,
            of_iam("Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."),
            True,
        ),
        (403, of_iam("It is disabled.", details=[{"reason": "SERVICE_DISABLED"}]), False),
        (403, of_iam("Access denied by organization restriction."), False),
        (400, b'{"error": "invalid_grant", "error_description": "x"}', True),
        (403, b'{"error": "invalid_target", "error_description": "x"}', True),
        (400, b'{"error": "invalid_request", "error_description": "x"}', False),
        (403, PAGE, False),
        (400, PAGE, False),
    ],
)
def test_what_shows_that_no_token_was_given(status: int, body: bytes, refused: bool) -> None:
    failure = classify(Refusal.of(status, body), "Getting a token")
    assert gcp_answers.is_refusal(failure, gcp_answers.ACTING, anonymous=False) is refused


CONSTRAINT = b"<Error><Code>ConditionNotMet</Code><Message>Request violates constraint 'constraints/storage.secureHttpTransport'</Message></Error>"


@pytest.mark.parametrize(
    ("status", "body", "seen"),
    [
        (200, b"<?xml version='1.0'?><ListBucketResult><Name>bucket</Name></ListBucketResult>", Answer.ALLOWED),
        (200, b"<ListBucketResult xmlns='x'>", Answer.ALLOWED),
        (412, CONSTRAINT, Answer.REFUSED),
        (403, answer(403, "sslRequired", "SSL is required to perform this operation."), Answer.REFUSED),
        # It is the bucket that refuses: whoever has a token may be let in without TLS.
        (403, b"<Error><Code>AccessDenied</Code></Error>", Answer.UNDECIDED),
        (200, PAGE, Answer.UNDECIDED),
        (200, CONSTRAINT, Answer.UNDECIDED),
        (301, b"", Answer.UNDECIDED),
        (403, PAGE, Answer.UNDECIDED),
        (404, b"<Error><Code>NoSuchBucket</Code></Error>", Answer.UNDECIDED),
        (502, PAGE, Answer.UNDECIDED),
    ],
)
def test_what_an_answer_over_plain_http_shows(status: int, body: bytes, seen: Answer) -> None:
    session = Answered(status, body)
    assert caller(session, anonymous=True, endpoint="http://a.googleapis.com").plain("a/").answer is seen
    assert {(method, url) for method, url, _headers in session.asked} == {
        ("GET", "http://a.googleapis.com/bucket?prefix=a%2F&max-keys=1")
    }, "by the XML API, for the JSON API takes no plain HTTP whatever the organization wants"
    assert all("authorization" not in {name.lower() for name in headers} for _m, _u, headers in session.asked)
