# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import types
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_trials
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Seen, Trial, prove
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_trials import S3Caller


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


OWN = "User: u is not authorized to perform: sts:AssumeRole because no identity-based policy allows the sts:AssumeRole action"
ITS = (
    "User: u is not authorized to perform: sts:AssumeRole because no role trust policy allows the sts:AssumeRole action"
)
BARE = "User: u is not authorized to perform: sts:AssumeRole on resource: r"
ROLE, CONTROL = "arn:aws:iam::222222222222:role/trust", "arn:aws:iam::333333333333:role/control"


class Sts:
    """Lets a caller take the control role over, if at all, and tells them why not the other one.

    :param why: empty if the other one lets them in.
    """

    def __init__(self, why: str, *, control: bool = True) -> None:
        self.why, self.control = why, control

    def get_caller_identity(self) -> None:
        """Everybody may."""

    def assume_role(self, RoleArn: str, **_more: object) -> dict[str, dict[str, str]]:  # noqa: N803 - as botocore has it
        why = self.why if RoleArn == ROLE else "" if self.control else BARE
        if why:
            error: Any = {
                "Error": {"Code": "AccessDenied", "Message": why},
                "ResponseMetadata": {"HTTPStatusCode": 403},
            }
            raise ClientError(error, "AssumeRole")
        return {"Credentials": dict.fromkeys(("AccessKeyId", "SecretAccessKey", "SessionToken"), "x")}


class Clock:
    """Time that does not pass."""

    def now(self) -> float:
        return 0.0

    def pause(self, seconds: float) -> None:
        raise AssertionError(f"nothing is worth {seconds} seconds")


@pytest.mark.parametrize(
    ("sts", "control", "verdict"),
    [
        (Sts(BARE), "", "unknown"),
        (Sts(OWN), "", "unknown"),
        (Sts(ITS), "", "passed"),
        (Sts(""), "", "failed"),
        (Sts(BARE), CONTROL, "passed"),
        (Sts(OWN), CONTROL, "unknown"),
        (Sts(ITS), CONTROL, "passed"),
        (Sts(""), CONTROL, "failed"),
        (Sts(BARE, control=False), CONTROL, "unknown"),
    ],
)
def test_a_stranger_s_refusal_counts_if_their_own_account_lets_them_come(
    sts: Sts, control: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To another account AWS does not say whose policy it was, and that it knows them shows nothing of what they may."""
    monkeypatch.setattr(aws_trials, "service", lambda *_given: sts)
    caller = aws_trials.Caller(None, "eu-west-1", "", None)
    (line,) = prove([aws_trials.other_trial("them", caller, ROLE, "acme", control_role=control)], Clock(), patience=0)
    assert line.verdict == verdict
    assert ("name a role that the caller may take over as control_role_arn" in line.seen) == (
        sts.why == BARE and not control
    )


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [(Answer.REFUSED, "unknown"), (Answer.ALLOWED, "failed"), (Answer.UNDECIDED, "unknown")],
)
def test_without_a_control_a_stranger_at_the_bucket_is_only_found_out(answer: Answer, verdict: str) -> None:
    known = Trial("line", "refused", "", lambda: Seen(answer, "So it was."), lambda: Seen(Answer.ALLOWED, ""))
    (line,) = prove([aws_trials.only_found_out(known)], Clock(), patience=0)
    assert (line.verdict, "control_bucket" in line.seen) == (verdict, answer is Answer.REFUSED)


class Bucket:
    """Somebody at a bucket, who may do some things, and is refused the others by who is said.

    :param own: the operations that their own account refuses, as AWS says.
    """

    def __init__(self, *allowed: str, own: frozenset[str] = frozenset()) -> None:
        self.allowed, self.own, self.asked = allowed, own, list[tuple[str, str]]()

    def once(self, operation: str, _what: str, **parameters: Any) -> dict[str, Any]:
        self.asked.append((operation, str(parameters.get("Key", parameters.get("Prefix")))))
        if operation not in self.allowed:
            own = operation in self.own
            raise LocationError(Failure("permission_denied", "no", "", store_code="AccessDenied", own_side=own))
        if operation == "upload_part":
            raise LocationError(Failure("store_error", "no", "", store_code="NoSuchUpload"))
        return {}

    def caller(self) -> S3Caller:
        """Them, below a prefix."""
        calls = types.SimpleNamespace(once=self.once, settings=types.SimpleNamespace(provider="aws"))
        return S3Caller(cast(S3Calls, calls), "fleet/")


LIST, CREATE = "list_objects_v2", "upload_part"


@pytest.mark.parametrize(
    ("there", "elsewhere", "verdicts"),
    [
        (Bucket(), Bucket(LIST, CREATE), ["passed", "passed"]),
        (Bucket(), Bucket(LIST), ["passed", "unknown"]),
        (Bucket(), Bucket(CREATE), ["unknown", "passed"]),
        (Bucket(), Bucket(), ["unknown", "unknown"]),
        (Bucket(own=frozenset({CREATE})), Bucket(LIST, CREATE), ["passed", "unknown"]),
        (Bucket(own=frozenset({LIST})), Bucket(LIST, CREATE), ["unknown", "passed"]),
        (Bucket(CREATE), Bucket(LIST, CREATE), ["passed", "failed"]),
        (Bucket(LIST), Bucket(LIST, CREATE), ["failed", "passed"]),
        (Bucket(), None, ["unknown", "unknown"]),
        (Bucket(LIST, CREATE), None, ["failed", "failed"]),
    ],
)
def test_a_stranger_s_account_has_to_let_them_do_what_the_bucket_refuses(
    there: Bucket, elsewhere: Bucket | None, verdicts: list[str]
) -> None:
    """That they may list shows nothing of whether they may write."""
    control = elsewhere.caller() if elsewhere else None
    trials = aws_trials.bucket_trials("them", there.caller(), control, "clusters/prod-1/")
    lines = prove(trials, Clock(), patience=0)
    assert [(one.id, one.verdict) for one in lines] == list(
        zip(["as_them_list_refused", "as_them_create_refused"], verdicts, strict=True)
    )
    where = {LIST: "fleet/clusters/prod-1/", CREATE: "fleet/clusters/prod-1/backups/"}
    asked = [*there.asked, *(elsewhere.asked if elsewhere else [])]
    assert all(key.startswith(where[operation]) for operation, key in asked if elsewhere), "names as at the location"


def test_what_is_no_token_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = aws_trials.Caller.__new__(aws_trials.Caller)
    refused = Seen(Answer.REFUSED, "It was refused (InvalidIdentityToken).")
    monkeypatch.setattr(caller, "_session", lambda *_asked: (refused, None))
    claims = base64.urlsafe_b64encode(json.dumps({"iss": "https://a", "exp": 1}).encode()).decode().rstrip("=")
    file = tmp_path / "token"
    for text, answer in (("junk", Answer.UNDECIDED), (f"e30.{claims}.x", Answer.REFUSED)):
        file.write_text(text, encoding="ascii")
        assert caller.federate("arn:aws:iam::1:role/a", str(file))[0].answer is answer
