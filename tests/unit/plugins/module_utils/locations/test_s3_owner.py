# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose bucket and whose credentials: what is sent with each request, and what is asked before the first write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.account import AccountCheck
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import StsAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import PendingUpload
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries import Retries
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3 import S3Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings

OWNER = "222222222222"


def refusal(code: str = "AccessDenied", status: int = 403) -> ClientError:
    """An answer that says no."""
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "any")


class FakeClient:
    """A client that answers each request by `answer`, and keeps what it was asked."""

    def __init__(self, answer: Callable[[str, dict[str, Any]], Any]) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._answer = answer

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def send(**request: Any) -> Any:
            self.requests.append((operation, request))
            return self._answer(operation, request)

        return send


def location(client: FakeClient, owner: str = OWNER, account: AccountCheck | None = None) -> S3Location:
    """A location of AWS in the bucket."""
    settings = S3Settings("aws", "bucket", "fleet/", "", "us-east-1", False, "", bucket_owner=owner)
    return S3Location(client, settings, account=account)


def owned(operation: str, request: dict[str, Any]) -> Any:
    """A bucket of another owner than is expected: it answers who does not ask."""
    if request.get("ExpectedBucketOwner"):
        raise refusal()
    return {"Name": "bucket", "IsTruncated": False}


def denied(operation: str, request: dict[str, Any]) -> Any:
    """A bucket that lets nobody do anything."""
    raise refusal()


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    return caught.value.code


def actions(store: S3Location) -> list[Callable[[], object]]:
    """One of each kind."""
    upload = PendingUpload("a", "token", None)  # type: ignore[arg-type]  # its start is not looked at
    return [
        lambda: store.create("a", b""),
        lambda: store.delete(["a"]),
        lambda: store.abort_upload(upload),
        lambda: store.read("a", limit=1),
        lambda: store.stat("a"),
        lambda: list(store.list("")),
        lambda: list(store.uploads("")),
    ]


def test_the_expected_owner_goes_with_every_request() -> None:
    client = FakeClient(denied)
    store = location(client)
    for action in actions(store):
        assert code_of(action) == "permission_denied"
    without = [operation for operation, request in client.requests if request.get("ExpectedBucketOwner") != OWNER]
    assert without == ["list_objects_v2"], "one listing without it is what tells the reasons of a denial apart"


def test_no_owner_is_sent_where_none_is_expected() -> None:
    client = FakeClient(denied)
    for action in actions(location(client, "")):
        assert code_of(action) == "permission_denied"
    assert not [operation for operation, request in client.requests if "ExpectedBucketOwner" in request]


def test_a_bucket_of_another_owner_is_told_from_a_missing_permission() -> None:
    store = location(FakeClient(owned))
    with pytest.raises(StowageError) as caught:
        store.create("a", b"")
    assert caught.value.code == "bucket_wrong_owner"
    assert "bucket_owner" in caught.value.hint
    assert code_of(lambda: list(store.list(""))) == "bucket_wrong_owner"
    assert code_of(lambda: store.read("a", limit=1)) == "bucket_wrong_owner"


@pytest.mark.parametrize("second", [refusal("SlowDown", 503), EndpointConnectionError(endpoint_url="x"), {"Name": "x"}])
def test_the_owner_is_wrong_only_if_that_is_certain(second: Any) -> None:
    def answer(operation: str, request: dict[str, Any]) -> Any:
        if request.get("ExpectedBucketOwner"):
            raise refusal()
        if isinstance(second, Exception):
            raise second
        return second

    assert code_of(lambda: location(FakeClient(answer)).create("a", b"")) == "permission_denied"


class Refused(AccountCheck):
    """A check that does not pass, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__(OWNER, StsAccess("us-east-1"), None)
        self.asked = 0

    def pass_or_raise(self) -> None:
        self.asked += 1
        raise StowageError("wrong_account", "Another.")


def test_nothing_is_written_as_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retries, "wait", lambda *_dummy: None)
    client, check = FakeClient(denied), Refused()
    store = location(client, account=check)
    for number, action in enumerate([*actions(store)[:3], lambda: store.writer("a")], 1):
        assert code_of(action) == "wrong_account"
        assert check.asked == number
    assert client.requests == []
    assert code_of(lambda: store.read("a", limit=1)) == "permission_denied"
    assert check.asked == 4, "reading asks for nothing"
