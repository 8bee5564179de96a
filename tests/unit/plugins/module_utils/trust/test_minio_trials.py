# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MinIO's answers to who wants a session show. Answers are of the shape of MinIO's cmd/sts-errors.go."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import StsAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import minio_trials
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer

SPACE = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
NO_POLICY = (
    "expecting a policy to be set for user `uid=bob,ou=people` or one of their groups: `` - rejecting this request"
)
WRONG_PASSWORD = 'LDAP server error: LDAP auth failed for DN uid=bob: LDAP Result Code 49 "Invalid Credentials": '
PAGE = b"<html><title>Forbidden</title></html>"


def error(code: str, message: str, space: str = SPACE) -> bytes:
    return f"<ErrorResponse {space}><Error><Type></Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>".encode()


def session(**more: str) -> bytes:
    given = {"AccessKeyId": "key", "SecretAccessKey": "secret", "SessionToken": "token", **more}
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in given.items())
    result = f"<AssumeRoleWithLDAPIdentityResult><Credentials>{fields}</Credentials></AssumeRoleWithLDAPIdentityResult>"
    return f"<AssumeRoleWithLDAPIdentityResponse {SPACE}>{result}</AssumeRoleWithLDAPIdentityResponse>".encode()


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, session(), Answer.ALLOWED),
        (400, error("InvalidParameterValue", NO_POLICY), Answer.REFUSED),
        (400, error("InvalidParameterValue", NO_POLICY, ""), Answer.REFUSED),
        (400, error("InvalidParameterValue", WRONG_PASSWORD), Answer.UNDECIDED),
        (400, error("InvalidParameterValue", "LDAP server error: Unable to find user DN: none"), Answer.UNDECIDED),
        (400, error("InvalidParameterValue", "LDAP server error: connection refused"), Answer.UNDECIDED),
        # The words of a name that was given are not MinIO's.
        (400, error("InvalidParameterValue", f"LDAP server error: {NO_POLICY}"), Answer.UNDECIDED),
        (400, error("MissingParameter", NO_POLICY), Answer.UNDECIDED),
        (403, error("AccessDenied", "Generating temporary credentials not allowed."), Answer.UNDECIDED),
        (503, error("STSNotInitialized", "STS API not initialized, please try again."), Answer.UNDECIDED),
        (403, error("InvalidParameterValue", NO_POLICY), Answer.UNDECIDED),
        (403, PAGE, Answer.UNDECIDED),
        (400, PAGE, Answer.UNDECIDED),
        (403, b"Forbidden", Answer.UNDECIDED),
        (400, b"", Answer.UNDECIDED),
        (400, b"\xff\xfe", Answer.UNDECIDED),
        (400, b"<!DOCTYPE a>" + error("InvalidParameterValue", NO_POLICY), Answer.UNDECIDED),
        (200, PAGE, Answer.UNDECIDED),
        (200, session(SessionToken=""), Answer.UNDECIDED),
        (301, b"", Answer.UNDECIDED),
    ],
)
def test_what_an_answer_to_somebody_of_the_directory_shows(status: int, body: bytes, answer: Answer) -> None:
    seen, keys = minio_trials.of_directory(status, body)
    assert (seen.answer, keys is not None) == (answer, answer is Answer.ALLOWED)
    assert "uid=" not in seen.words


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers as it is told, and keeps what was asked."""

    status, body = 200, b""
    asked: list[str]

    def do_POST(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_dummy: object) -> None:
        """Says nothing."""


@contextlib.contextmanager
def served(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """An endpoint, and the targets that are asked for."""
    asked: list[str] = []
    handler = type("Handler", (Answering,), {"status": status, "body": body, "asked": asked})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, session(), Answer.ALLOWED),
        (400, error("InvalidParameterValue", NO_POLICY), Answer.REFUSED),
        (400, error("InvalidParameterValue", WRONG_PASSWORD), Answer.UNDECIDED),
        (307, b"", Answer.UNDECIDED),
    ],
)
def test_a_password_is_sent_once_and_shown_nowhere(status: int, body: bytes, answer: Answer) -> None:
    with served(status, body) as (endpoint, asked):
        seen, _keys = minio_trials.ask_with_password(StsAccess("", endpoint), "bob", "p&ss word")
    assert (seen.answer, "p&ss" in seen.words, "p%26ss" in seen.words) == (answer, False, False)
    (target,) = asked
    given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))
    assert (given["LDAPUsername"], given["LDAPPassword"]) == ("bob", "p&ss word")
    lost, keys = minio_trials.ask_with_password(StsAccess("", endpoint), "bob", "p&ss word")
    assert (lost.answer, keys, "p%26ss" in lost.words) == (Answer.UNDECIDED, None, False)


@pytest.mark.parametrize(
    ("code", "status", "answer"),
    [
        ("AccessDenied", 403, Answer.REFUSED),
        # What botocore makes of a proxy's page.
        ("403", 403, Answer.UNDECIDED),
        ("401", 401, Answer.UNDECIDED),
        ("ExpiredToken", 400, Answer.UNDECIDED),
    ],
)
def test_what_a_refused_token_shows(
    code: str, status: int, answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_asked: object, **_options: object) -> None:
        problem = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(problem, "AssumeRoleWithWebIdentity")  # type: ignore[arg-type]  # as much as is looked at

    monkeypatch.setattr(minio_trials, "ask_sts", refuse)
    claims = base64.urlsafe_b64encode(json.dumps({"iss": "https://a", "exp": 1}).encode()).decode().rstrip("=")
    file = tmp_path / "token"
    file.write_text(f"e30.{claims}.x", encoding="ascii")
    seen, keys = minio_trials.ask_with_token(StsAccess("", "https://a"), str(file), lambda _secrets: None)
    assert (seen.answer, keys) == (answer, None)
