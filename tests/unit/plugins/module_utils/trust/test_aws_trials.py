# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_trials
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Seen


def error(code: str, store_code: str, status: int = 403) -> LocationError:
    return LocationError(Failure(code, "It was refused.", "", store_code=store_code, status=status))


@pytest.mark.parametrize(
    ("code", "store_code", "answer"),
    [
        ("permission_denied", "AccessDenied", Answer.REFUSED),
        ("credentials_invalid", "InvalidIdentityToken", Answer.REFUSED),
        ("permission_denied", "403", Answer.UNDECIDED),
        ("credentials_expired", "ExpiredTokenException", Answer.UNDECIDED),
        ("store_error", "InternalFailure", Answer.UNDECIDED),
    ],
)
def test_what_a_failure_shows(code: str, store_code: str, answer: Answer) -> None:
    assert aws_trials.told(error(code, store_code)).answer is answer


def test_what_is_no_token_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = aws_trials.Caller.__new__(aws_trials.Caller)
    refused = Seen(Answer.REFUSED, "It was refused (InvalidIdentityToken).")
    monkeypatch.setattr(caller, "_session", lambda *_asked: (refused, None))
    claims = base64.urlsafe_b64encode(json.dumps({"iss": "https://a", "exp": 1}).encode()).decode().rstrip("=")
    file = tmp_path / "token"
    for text, answer in (("junk", Answer.UNDECIDED), (f"e30.{claims}.x", Answer.REFUSED)):
        file.write_text(text, encoding="ascii")
        assert caller.federate("arn:aws:iam::1:role/a", str(file))[0].answer is answer
