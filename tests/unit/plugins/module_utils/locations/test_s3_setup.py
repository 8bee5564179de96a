# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting up a bucket of a store that shows late what it was told, or never, or is no store."""

from __future__ import annotations

import base64
import datetime
import hashlib
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import Encryption, Retention, Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_setup
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_lifecycle import NAMESPACE
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.setup import Outcome, Setup
from support.odd_endpoints import XML, Answer, Handler, OddServer, listing, xml

ABSENT = {
    "encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "object-lock": "ObjectLockConfigurationNotFoundError",
    "publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
    "policy": "NoSuchBucketPolicy",
    "lifecycle": "NoSuchLifecycleConfiguration",
    "ownershipControls": "OwnershipControlsNotFoundError",
}
# MinIO's element, one that nobody has yet, and one that only the header knows the default of.
RULE = (
    "<Rule><ID>theirs</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter><Expiration><Days>3</Days>"
    "<ExpiredObjectAllVersions>true</ExpiredObjectAllVersions></Expiration><Brand>new</Brand></Rule>"
)


class LateStore(OddServer):
    """A bucket whose settings are kept as they come, and show after ``late`` more questions for them; so does the bucket."""

    def __init__(self) -> None:
        super().__init__()
        self.late = 0
        self.there = True
        self.kept: dict[str, bytes] = {}
        self.shown: dict[str, bytes] = {}
        self.sent: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.loses = ""
        self._waits: dict[str, int] = {}

    def choose(self, request: Handler) -> Answer:
        query = urllib.parse.urlsplit(request.path).query.partition("&")[0].partition("=")[0]
        if request.command in {"PUT", "DELETE"}:
            return self._changed(request, query)
        if self._is_due("bucket") and not self.there:
            return 404, xml("NoSuchBucket"), XML
        if query == "list-type":
            return 200, listing("backups"), XML
        if self._is_due(query):
            self.shown = {**self.shown, query: self.kept.get(query, b"")}
        body = self.shown.get(query, b"")
        if query == "versioning":
            return 200, body or b"<VersioningConfiguration/>", XML
        more = {"x-amz-transition-default-minimum-object-size": "varies_by_storage_class"}
        return (200, body, {**XML, **more}) if body else (404, xml(ABSENT[query]), XML)

    def _is_due(self, what: str) -> bool:
        self._waits[what] = self._waits.get(what, 0) - 1
        return self._waits[what] < 0

    def _changed(self, request: Handler, query: str) -> Answer:
        if not query:
            self.there = request.command == "PUT"
            return 200, b"", {}
        self.sent[query] = request.body, {name.lower(): value for name, value in request.headers.items()}
        body = request.body if request.command == "PUT" else b""
        if self.loses:
            body = body.replace(self.loses.encode(), b"")
        self.kept[query] = body
        self._waits[query] = self.late
        return 200, b"", {}


@pytest.fixture
def store() -> Iterator[LateStore]:
    """A store that is not late yet."""
    server = LateStore()
    yield server
    server.stop()


def setup_of(endpoint: str, **more: Any) -> Setup:
    auth = {"method": "access_key", "access_key": "a", "secret_key": "s"}
    options = {"provider": "minio", "endpoint": endpoint, "bucket": "backups", "auth": auth, **more}
    setup = open_setup(options, {})
    calls: Any = vars(setup)["_calls"]
    calls.first_wait = 0.0
    return setup


def bring(store: LateStore, wanted: Wanted) -> Outcome:
    setup = setup_of(store.endpoint)
    outcome = setup.apply(setup.plan(wanted))
    setup.close()
    return outcome


# All but tls_only, for this store has no TLS itself.
EVERY: dict[str, Any] = {
    "versioning": True,
    "abort_stale_uploads": 7,
    "block_public_access": True,
    "object_ownership": "BucketOwnerEnforced",
}


@pytest.mark.parametrize("late", [0, 2])
def test_what_shows_late(store: LateStore, late: int) -> None:
    store.late = late
    outcome = bring(store, Wanted(**EVERY))
    assert outcome.error is None
    assert {change.setting for change in outcome.done} == set(EVERY)
    assert setup_of(store.endpoint).plan(Wanted(**EVERY)).changes == ()


@pytest.mark.parametrize("option", sorted(EVERY))
def test_what_never_shows(store: LateStore, option: str) -> None:
    store.late = 1000
    outcome = bring(store, Wanted(**{option: EVERY[option]}))
    assert outcome.error is not None
    assert outcome.error.code == "outcome_unknown"
    assert outcome.error.hint
    assert outcome.done == []


def test_a_bucket_that_shows_late(store: LateStore) -> None:
    store.there = False
    setup = setup_of(store.endpoint)
    plan = setup.plan(Wanted(create_bucket=True, versioning=True))
    store._waits["bucket"] = 0
    outcome = setup.apply(plan)
    assert outcome.error is None
    assert outcome.done == list(plan.changes)
    assert store.there


def test_rules_of_others_are_sent_as_they_were(store: LateStore) -> None:
    store.kept["lifecycle"] = f'<LifecycleConfiguration xmlns="{NAMESPACE}">{RULE}</LifecycleConfiguration>'.encode()
    assert bring(store, Wanted(abort_stale_uploads=7)).error is None
    body, headers = store.sent["lifecycle"]
    assert RULE in body.decode()
    assert b"<DaysAfterInitiation>7</DaysAfterInitiation>" in body
    # AWS would set to its default what is not sent, and a store checks the body by its sum.
    assert headers["x-amz-transition-default-minimum-object-size"] == "varies_by_storage_class"
    assert headers["content-md5"] == base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    assert bring(store, Wanted(abort_stale_uploads=0)).error is None
    assert RULE in store.sent["lifecycle"][0].decode()
    assert b"stowage" not in store.sent["lifecycle"][0]


def test_a_store_that_does_not_keep_what_is_of_others(store: LateStore) -> None:
    store.kept["lifecycle"] = f"<LifecycleConfiguration>{RULE}</LifecycleConfiguration>".encode()
    store.loses = "<Brand>new</Brand>"
    outcome = bring(store, Wanted(abort_stale_uploads=7))
    assert outcome.error is not None
    assert outcome.error.code == "outcome_unknown"
    assert "of others" in outcome.error.message


def test_what_else_is_in_an_encryption_rule_stays(store: LateStore) -> None:
    blocked = "<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>"
    default = (
        "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
    )
    root = "ServerSideEncryptionConfiguration"
    store.kept["encryption"] = f"<{root}><Rule>{default}{blocked}</Rule></{root}>".encode()
    assert bring(store, Wanted(encryption=Encryption("AES256"))).error is None
    assert blocked in store.sent["encryption"][0].decode()


def test_a_default_retention(store: LateStore) -> None:
    enabled = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
    store.kept["object-lock"] = enabled.encode()
    assert bring(store, Wanted(object_lock=Retention("COMPLIANCE", years=2))).error is None
    assert b"<Years>2</Years>" in store.sent["object-lock"][0]
    with pytest.raises(StowageError) as caught:
        setup_of(store.endpoint).plan(Wanted(object_lock=Retention("COMPLIANCE", days=700)))
    assert caught.value.code == "unsafe_change"


def lock(retention: str = "") -> bytes:
    """A configuration of object lock, with a default retention or without."""
    rule = f"<Rule><DefaultRetention>{retention}</DefaultRetention></Rule>" if retention else ""
    enabled = f"<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}"
    return f"<ObjectLockConfiguration>{enabled}</ObjectLockConfiguration>".encode()


STRICT = "<Mode>COMPLIANCE</Mode><Days>9</Days>"


def test_a_retention_that_got_stricter_after_the_look_stays(store: LateStore) -> None:
    store.kept["object-lock"] = lock()
    setup = setup_of(store.endpoint)
    plan = setup.plan(Wanted(object_lock=Retention("GOVERNANCE", days=30)))
    store.kept["object-lock"] = lock(STRICT)
    outcome = setup.apply(plan)
    setup.close()
    assert outcome.error is not None
    assert outcome.error.code == "unsafe_change"
    assert "object-lock" not in store.sent
    assert store.kept["object-lock"] == lock(STRICT)


def test_enabling_object_lock_keeps_a_retention_that_somebody_set_meanwhile(store: LateStore) -> None:
    store.kept["versioning"] = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    store.named = "AmazonS3"
    setup = setup_of(store.endpoint, provider="aws")
    plan = setup.plan(Wanted(object_lock_enabled=True))
    assert [change.setting for change in plan.changes] == ["object_lock_enabled"]
    store.kept["object-lock"] = lock(STRICT)
    assert setup.apply(plan).error is None
    setup.close()
    sent = store.sent["object-lock"][0]
    assert b"COMPLIANCE" in sent
    assert b"<Days>9</Days>" in sent


@pytest.mark.parametrize("known", [True, False])
def test_a_botocore_that_would_drop_what_aws_added_writes_no_encryption(
    store: LateStore, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    default = (
        "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
    )
    root = "ServerSideEncryptionConfiguration"
    store.kept["encryption"] = f"<{root}><Rule>{default}</Rule></{root}>".encode()
    setup = setup_of(store.endpoint)
    plan = setup.plan(Wanted(encryption=Encryption("AES256")))
    monkeypatch.setattr(S3Settings, "own_endpoint", property(lambda _self: True))
    model: Any = vars(setup)["_access"].client.meta.service_model
    if not known:
        members = model._shape_resolver._shape_map["ServerSideEncryptionRule"]["members"]
        monkeypatch.delitem(members, "BlockedEncryptionTypes")
    outcome = setup.apply(plan)
    setup.close()
    if known:
        assert outcome.error is None
        return
    assert outcome.error is not None
    assert outcome.error.code == "dependency_missing"
    assert "boto3" in outcome.error.hint
    assert "encryption" not in store.sent


@pytest.mark.parametrize(
    ("bucket", "code"),
    [
        ("html", "store_error"),
        ("other", "store_error"),
        ("not-here", "unsupported_by_store"),
        ("unknown-key", "credentials_invalid"),
        ("expired", "credentials_expired"),
        ("skewed", "clock_skew"),
        ("header", "region_mismatch"),
        ("missing", "bucket_not_found"),
        ("denied", "permission_denied"),
    ],
)
@pytest.mark.parametrize("absent", [True, False])
def test_what_is_no_bucket_or_not_ours(bucket: str, code: str, absent: bool) -> None:
    server = OddServer()
    setup = setup_of(server.endpoint, bucket=bucket)
    try:
        if absent and bucket == "missing":
            assert setup.plan_removal().changes == ()
            return
        with pytest.raises(StowageError) as caught:
            setup.plan_removal() if absent else setup.plan(Wanted(versioning=True))
        assert caught.value.code == code
        assert caught.value.hint
        assert all(method in {"GET", "HEAD"} for method, _target in server.seen)
    finally:
        setup.close()
        server.stop()


def test_whose_a_new_bucket_would_be_must_be_known(store: LateStore) -> None:
    """Keys for a store that is not AWS are not tried at AWS."""
    store.there = False
    setup = setup_of(store.endpoint, provider="aws", bucket_owner="222222222222")
    with pytest.raises(StowageError) as caught:
        setup.plan(Wanted(create_bucket=True))
    assert caught.value.code == "invalid_option"
    assert "sts_endpoint" in caught.value.hint


@pytest.mark.parametrize("named", ["SeaweedFS 30GB 4.48", "nginx", ""])
def test_a_store_is_not_aws_because_the_location_says_so(store: LateStore, named: str) -> None:
    """It could delete a bucket with what is in it, or be behind a server that ends TLS."""
    store.named = named
    setup: Any = setup_of(store.endpoint, provider="aws")
    with pytest.raises(StowageError) as caught:
        setup.plan_removal()
    assert caught.value.code == "unsupported_by_store"
    seen = setup._see(Wanted(tls_only=True))
    setup.close()
    assert seen.aws is False
    assert seen.sees_tls is ("SeaweedFS" in named)
    assert {method for method, _target in store.seen} <= {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("provider", "endpoint", "named", "aws"),
    [
        ("aws", "", "", True),
        ("aws", "https://s3.eu-west-1.amazonaws.com", "", True),
        ("aws", "https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com", "", True),
        ("aws", "https://emulator.example.com", "AmazonS3", True),
        ("aws", "https://emulator.example.com", "AmazonS3 2", False),
        ("aws", "https://store.example.com", "", False),
        ("minio", "https://store.example.com", "AmazonS3", False),
    ],
)
def test_which_stores_are_aws(provider: str, endpoint: str, named: str, aws: bool) -> None:
    settings = S3Settings.from_options({"provider": provider, "endpoint": endpoint, "bucket": "backups"}, {})
    calls = S3Calls(None, settings, threading.Event())
    calls.note_answer({"server": named})
    assert calls.aws is aws


class TakenStore(OddServer):
    """Loses the answer to a new bucket, and then says that there is one. `own` are the ages of the caller's buckets."""

    def __init__(self, code: str, own: dict[str, datetime.timedelta] | None) -> None:
        super().__init__()
        self.code = code
        self.own = own
        self.asked = 0

    def choose(self, request: Handler) -> Answer:
        path = urllib.parse.urlsplit(request.path)
        if request.command == "PUT" and not path.query:
            self.asked += 1
            if self.asked == 1:
                raise ConnectionResetError
            return 409, xml(self.code), XML
        if path.path == "/":
            return (403, xml("AccessDenied"), XML) if self.own is None else (200, self._buckets(self.own), XML)
        return (200, listing("backups"), XML) if self.asked else (404, xml("NoSuchBucket"), XML)

    def _buckets(self, own: dict[str, datetime.timedelta]) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        listed = "".join(
            f"<Bucket><Name>{name}</Name><CreationDate>{(now - age).isoformat()}</CreationDate></Bucket>"
            for name, age in own.items()
        )
        return f"<ListAllMyBucketsResult><Buckets>{listed}</Buckets></ListAllMyBucketsResult>".encode()


NOW, LATER = datetime.timedelta(0), datetime.timedelta(minutes=5)


@pytest.mark.parametrize(
    ("code", "own", "fails"),
    [
        ("BucketAlreadyOwnedByYou", None, ""),
        ("BucketAlreadyExists", {"other": NOW, "backups": NOW}, ""),
        ("BucketAlreadyExists", {"other": NOW}, "bucket_wrong_owner"),
        ("BucketAlreadyExists", {}, "bucket_wrong_owner"),
        ("BucketAlreadyExists", {"backups": LATER}, "outcome_unknown"),
        ("BucketAlreadyExists", None, "outcome_unknown"),
    ],
)
def test_a_bucket_whose_creation_was_answered_by_nothing(
    code: str, own: dict[str, datetime.timedelta] | None, fails: str
) -> None:
    """Clouds share the names of buckets: what exists may have been somebody else's all along, and hidden."""
    server = TakenStore(code, own)
    setup = setup_of(server.endpoint)
    try:
        outcome = setup.apply(setup.plan(Wanted(create_bucket=True)))
        assert (outcome.error.code if outcome.error else "") == fails
        assert [change.setting for change in outcome.done] == ([] if fails else ["bucket"])
        assert server.asked == 2
    finally:
        setup.close()
        server.stop()


class OnlyLists(OddServer):
    """Answers each question by a listing, as Ceph does with those that it does not know."""

    def choose(self, request: Handler) -> Answer:
        return 200, listing(request.path.partition("?")[0].strip("/")), XML


def test_a_store_that_ignores_what_it_does_not_know() -> None:
    server = OnlyLists()
    setup = setup_of(server.endpoint)
    try:
        plan = setup.plan(Wanted(**EVERY))
        assert {one.option for one in plan.unsupported} == set(EVERY)
        assert plan.changes == ()
    finally:
        setup.close()
        server.stop()
