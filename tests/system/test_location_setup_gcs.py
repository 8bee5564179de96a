# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buckets of the testbed's server that stands for Google, and of fake-gcs-server, are brought into the wanted state."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import retries
from faults import Fault, FaultProxy, answer, reset, swallow
from faults.proxy import Exchange, relay
from support import modules
from testbed import FakeGcs, GcpEmulator, GoogleServer, Testbed
from testbed.google_tokens import PROJECT

PREFIX = "fleet"
KEY = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/backups"
SETTINGS: dict[str, Any] = {
    "object_ownership": "BucketOwnerEnforced",
    "encryption": {"algorithm": "aws:kms", "kms_key_id": KEY},
    "versioning": True,
    "object_lock": {"mode": "GOVERNANCE", "days": 7},
    "block_public_access": True,
    "abort_stale_uploads": "7d",
}
OPEN: dict[str, Any] = {
    "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}, "publicAccessPrevention": "inherited"}
}
POSTURE = {
    "object_ownership": "ownership",
    "versioning": "versioning",
    "block_public_access": "public_access_block",
    "encryption": "encryption",
    "object_lock": "object_lock",
}
THEIRS: list[dict[str, Any]] = [
    {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["photos/"]}, "new": {"to": "us"}},
    {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 3, "matchesSuffix": [".tmp"]}},
    {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 9, "matchesPrefix": ["other/"]}},
]


@pytest.fixture(scope="module")
def own(testbed: Testbed) -> GoogleServer:
    """A server whose permissions these tests change."""
    return testbed.google()


@pytest.fixture
def server(own: GoogleServer) -> Iterator[GoogleServer]:
    """That server, with all permissions again afterwards."""
    yield own
    own.denied = set()


@pytest.fixture
def plain(testbed: Testbed) -> Iterator[GoogleServer]:
    """A server without TLS, for a proxy to read along."""
    server = testbed.google(tls=False)
    yield server
    testbed.stop(server)


def through(server: GoogleServer, proxy: FaultProxy, bucket: str) -> dict[str, Any]:
    """The bucket's location through a proxy."""
    document = server.tokens.key_document(proxy.endpoint)
    auth = {"method": "service_account_key", "credentials_json": json.dumps(document)}
    return options(server, bucket, endpoint=proxy.endpoint, auth=auth)


def tls(server: GoogleServer) -> Any:
    return server.pair.certificate, server.pair.key


def options(store: GoogleServer | FakeGcs, bucket: str, **more: Any) -> dict[str, Any]:
    where = {"endpoint": store.endpoint, "bucket": bucket, "prefix": PREFIX, "region": "europe-west1"}
    return {"provider": "gcp", **where, "ca_cert": str(store.ca_cert), "auth": store.auth(), **more}


def bring(location: dict[str, Any], *, check: bool = False, process: bool = False, **more: Any) -> dict[str, Any]:
    run = modules.run if process else modules.run_here
    found = run("backup_location", {"location": location, **more}, check=check, diff=True)
    shown = json.dumps({name: value for name, value in found.items() if name != "invocation"})
    assert "PRIVATE KEY" not in shown
    assert "ya29." not in shown
    return found


def failure(location: dict[str, Any], *, check: bool = False, **more: Any) -> dict[str, Any]:
    with pytest.raises(modules.Failed) as caught:
        bring(location, check=check, **more)
    assert caught.value.result["hint"]
    return caught.value.result


def settings(found: dict[str, Any]) -> list[str]:
    return [change["setting"] for change in found["location"]["changes"]]


def name() -> str:
    return f"setup-{uuid.uuid4().hex[:12]}"


@pytest.mark.parametrize("there", [True, False], ids=["existing", "new"])
def test_everything(server: GoogleServer, there: bool) -> None:
    bucket = name()
    if there:
        server.create_bucket(bucket, **OPEN)
    wanted = {"create_bucket": True, **SETTINGS, **({} if there else {"object_lock_enabled": True})}
    location = options(server, bucket)
    predicted = bring(location, check=True, process=there, **wanted)
    assert (bucket in server.objects.buckets) is there
    made = bring(location, process=there, **wanted)
    assert made["location"] == predicted["location"]
    assert made["diff"] == predicted["diff"]
    assert set(settings(made)) == wanted.keys() - {"create_bucket"} | (set() if there else {"bucket"})
    for check in (False, True):
        again = bring(location, check=check, **wanted)
        assert again["changed"] is False
        assert again["diff"] == {"before": {}, "after": {}}
    document = server.objects.bucket(bucket).resource()
    assert document["encryption"] == {"defaultKmsKeyName": KEY}
    assert document["retentionPolicy"]["retentionPeriod"] == str(7 * 86400)
    assert document.get("objectRetention") == (None if there else {"mode": "Enabled"})
    assert document["softDeletePolicy"]["retentionDurationSeconds"] == "604800", "left alone"
    found = modules.run_here("backup_location_info", {"location": location})
    seen = {check["id"]: check["verdict"] for check in found["location"]["checks"]}
    assert {POSTURE[option]: "passed" for option in SETTINGS if option in POSTURE}.items() <= seen.items()


def test_a_new_bucket_is_closed_and_where_it_should_be(server: GoogleServer) -> None:
    bucket = name()
    for check in (True, False):
        assert failure(options(server, bucket), check=check)["error_code"] == "bucket_not_found"
        nowhere = options(server, bucket, region=None)
        assert failure(nowhere, check=check, create_bucket=True)["error_code"] == "invalid_option"
    assert settings(bring(options(server, bucket), create_bucket=True)) == ["bucket"]
    document = server.objects.bucket(bucket).resource()
    assert document["location"] == "EUROPE-WEST1"
    assert document["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True
    assert document["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert settings(bring(options(server, bucket), create_bucket=True)) == []
    elsewhere = bring(options(server, bucket, region="US"), create_bucket=True)
    assert "EUROPE-WEST1" in elsewhere["warnings"][0]


def test_another_project_is_noticed_before_anything_is_made(server: GoogleServer) -> None:
    bucket = name()
    wrong = options(server, bucket, auth={**server.auth(), "account": "somebody-elses"})
    for check in (True, False):
        assert failure(wrong, check=check, create_bucket=True)["error_code"] == "wrong_account"
    assert bucket not in server.objects.buckets
    right = options(server, bucket, auth={**server.auth(), "account": PROJECT})
    assert bring(right, create_bucket=True)["changed"] is True


def test_what_google_does_not_have(server: GoogleServer) -> None:
    location = options(server, server.create_bucket(name()))
    wanted: dict[str, Any] = {
        "versioning": True,
        "tls_only": True,
        "shared_key_access": False,
        "object_lock_enabled": True,
        "object_lock": {"mode": "COMPLIANCE", "days": 1},
        "object_ownership": "BucketOwnerPreferred",
        "encryption": {"algorithm": "aws:kms", "kms_key_id": KEY, "bucket_key_enabled": True},
    }
    lacking = wanted.keys() - {"versioning", "encryption"} | {"encryption.bucket_key_enabled"}
    for check in (True, False):
        failed = failure(location, check=check, **wanted)
        assert failed["error_code"] == "unsupported_by_store"
        assert set(failed["error_details"]["options"]) == lacking
    lenient = bring(location, unsupported="warn", **wanted)
    assert settings(lenient) == ["encryption", "versioning"]
    assert {one["option"] for one in lenient["location"]["unsupported"]} == lacking
    assert bring(location, unsupported="warn", **wanted)["changed"] is False


def test_a_key_needs_its_full_name(server: GoogleServer) -> None:
    location = options(server, server.create_bucket(name()))
    assert failure(location, encryption={"algorithm": "aws:kms"})["error_code"] == "invalid_option"
    short = {"algorithm": "aws:kms", "kms_key_id": "backups"}
    assert failure(location, encryption=short)["error_code"] == "invalid_option"
    bring(location, encryption={"algorithm": "aws:kms", "kms_key_id": KEY})
    assert bring(location, encryption={"algorithm": "aws:kms"})["changed"] is False
    assert settings(bring(location, encryption={"algorithm": "AES256"})) == ["encryption"]
    assert bring(location, encryption={"algorithm": "AES256"})["changed"] is False


def test_a_store_that_tells_less(fake_gcs: FakeGcs) -> None:
    """fake-gcs-server knows hardly any setting, which does not mean that they are off."""
    location = options(fake_gcs, fake_gcs.create_bucket(name()))
    failed = failure(location, **SETTINGS)
    lacking = set(failed["error_details"]["options"])
    assert lacking >= {"encryption", "object_lock", "object_ownership", "block_public_access", "abort_stale_uploads"}
    bring(location, versioning=True)
    assert bring(location, versioning=True)["changed"] is False
    new = options(fake_gcs, name())
    assert settings(bring(new, create_bucket=True)) == ["bucket"]
    fake_gcs.write(new["bucket"], "x", b"x")
    assert failure(new, state="absent")["error_code"] == "bucket_not_empty"


def test_an_emulator_that_keeps_what_it_is_told(gcp_emulator: GcpEmulator) -> None:
    """It forgets what a bucket was to be made with, so all of it is set afterwards, and shows."""
    bucket = name()
    wanted = {option: value for option, value in SETTINGS.items() if option != "block_public_access"}
    location = options(gcp_emulator, bucket, region="US")
    failed = failure(location, create_bucket=True, block_public_access=True)
    assert failed["error_details"]["options"] == ["block_public_access"], "it says nothing of that"
    assert settings(failed) == ["bucket"]
    assert bring(location, state="absent")["changed"] is True
    predicted = bring(location, check=True, create_bucket=True, **wanted)
    made = bring(location, create_bucket=True, **wanted)
    assert made["location"] == predicted["location"]
    assert set(settings(made)) == {"bucket", *wanted}
    assert bring(location, **wanted)["changed"] is False
    gcp_emulator.write(bucket, "x", b"x")
    assert failure(location, state="absent")["error_code"] == "bucket_not_empty"


# what others have there


def test_rules_of_others_stay(server: GoogleServer) -> None:
    bucket = server.create_bucket(name(), lifecycle={"rule": THEIRS})
    first, second = options(server, bucket), options(server, bucket, prefix="second")
    bring(first, abort_stale_uploads="7d")
    bring(second, abort_stale_uploads="3d")
    rules = server.objects.bucket(bucket).resource()["lifecycle"]["rule"]
    assert rules[:3] == THEIRS
    assert [rule["condition"] for rule in rules[3:]] == [
        {"age": 7, "matchesPrefix": ["fleet/"]},
        {"age": 3, "matchesPrefix": ["second/"]},
    ]
    assert settings(bring(first, abort_stale_uploads="8d")) == ["abort_stale_uploads"]
    assert bring(second, abort_stale_uploads="3d")["changed"] is False
    bring(first, abort_stale_uploads="never")
    bring(second, abort_stale_uploads="never")
    assert server.objects.bucket(bucket).resource()["lifecycle"]["rule"] == THEIRS
    assert bring(first, abort_stale_uploads="never")["changed"] is False


def test_the_last_of_ours_leaves_nothing(server: GoogleServer) -> None:
    bucket = server.create_bucket(name())
    bring(options(server, bucket), abort_stale_uploads="7d")
    bring(options(server, bucket), abort_stale_uploads="never")
    assert "lifecycle" not in server.objects.bucket(bucket).resource()


def test_what_others_do_already_is_not_done_again(server: GoogleServer) -> None:
    rule = {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 3, "matchesPrefix": ["fl"]}}
    bucket = server.create_bucket(name(), lifecycle={"rule": [rule]})
    assert bring(options(server, bucket), abort_stale_uploads="7d")["changed"] is False
    assert settings(bring(options(server, bucket), abort_stale_uploads="2d")) == ["abort_stale_uploads"]


# nothing is put at risk


def test_a_retention_only_gets_longer(server: GoogleServer) -> None:
    bucket = server.create_bucket(name())
    location = options(server, bucket)
    bring(location, object_lock={"mode": "GOVERNANCE", "days": 7})
    for check in (True, False):
        assert (
            failure(location, check=check, object_lock={"mode": "GOVERNANCE", "days": 6})["error_code"]
            == "unsafe_change"
        )
    assert settings(bring(location, object_lock={"mode": "GOVERNANCE", "days": 8})) == ["object_lock"]
    policy = server.objects.bucket(bucket).settings["retentionPolicy"]
    assert policy["retentionPeriod"] == str(8 * 86400)
    policy["isLocked"] = True
    assert failure(location, object_lock={"mode": "GOVERNANCE", "days": 9})["error_code"] == "unsafe_change"
    assert bring(location, object_lock={"mode": "COMPLIANCE", "days": 8})["changed"] is False
    assert settings(bring(location, object_lock={"mode": "COMPLIANCE", "years": 1})) == ["object_lock"]
    assert server.objects.bucket(bucket).settings["retentionPolicy"]["retentionPeriod"] == "31557600"
    assert server.objects.bucket(bucket).settings["retentionPolicy"]["isLocked"] is True


def test_retention_of_objects_cannot_be_switched_off(server: GoogleServer) -> None:
    location = options(server, server.create_bucket(name(), objectRetention={"mode": "Enabled"}))
    assert failure(location, object_lock_enabled=False)["error_code"] == "unsafe_change"
    assert bring(location, object_lock_enabled=True)["changed"] is False


def test_only_an_empty_bucket_is_deleted(server: GoogleServer) -> None:
    bucket = server.create_bucket(name(), versioning=True)
    location, held = options(server, bucket), server.objects.bucket(bucket)

    def stays() -> None:
        for check in (True, False):
            assert failure(location, check=check, state="absent")["error_code"] == "bucket_not_empty"
        assert bucket in server.objects.buckets

    # Outside the location's prefix, too.
    server.write(bucket, "x", b"x")
    stays()
    server.objects.delete(bucket, "x")
    assert held.older
    stays()
    held.gone, held.older = held.older, []
    stays()
    held.gone = []
    predicted = bring(location, check=True, state="absent")
    assert bucket in server.objects.buckets
    assert bring(location, state="absent")["location"] == predicted["location"]
    assert bucket not in server.objects.buckets
    for check in (True, False):
        assert bring(location, check=check, state="absent")["changed"] is False


def test_what_is_written_in_the_last_moment_is_not_deleted(plain: GoogleServer) -> None:
    """Google itself refuses: nothing is lost between the look and the request."""
    bucket = plain.create_bucket(name())

    def write(exchange: Exchange) -> int:
        plain.write(bucket, "x", b"x")
        return relay(exchange)

    def change(exchange: Exchange) -> int:
        plain.objects.bucket(bucket).settings["metageneration"] = "7"
        return relay(exchange)

    with FaultProxy(plain.endpoint, tls=tls(plain)) as proxy:
        proxy.add(Fault(change, "DELETE"))
        assert failure(through(plain, proxy, bucket), state="absent")["error_code"] == "unsafe_change"
        proxy.add(Fault(write, "DELETE"))
        assert failure(through(plain, proxy, bucket), state="absent")["error_code"] == "bucket_not_empty"
    assert plain.keys(bucket) == ["x"]


# permissions


def test_what_may_not_be_done_is_named(server: GoogleServer) -> None:
    bucket = server.create_bucket(name(), **OPEN)
    for denied, code in (("storage.buckets.get", "get"), ("storage.buckets.update", "update")):
        server.denied = {denied}
        failed = failure(options(server, bucket), **SETTINGS)
        assert failed["error_code"] == "permission_denied"
        assert failed["error_details"]["actions"] == [denied], code
        assert settings(failed) == [] if "location" in failed else True
    server.denied = {"storage.buckets.create"}
    assert "storage.buckets.create" in failure(options(server, name()), create_bucket=True)["hint"]
    server.denied = {"storage.buckets.delete"}
    assert "storage.buckets.delete" in failure(options(server, server.create_bucket(name())), state="absent")["hint"]


# what breaks on the way, and who else is at work


@pytest.mark.parametrize("method", ["POST", "PATCH", "GET"])
@pytest.mark.parametrize("fault", [swallow, reset])
def test_what_breaks_in_the_middle_is_tried_again(plain: GoogleServer, method: str, fault: Any) -> None:
    bucket = name()
    with FaultProxy(plain.endpoint, tls=tls(plain)) as proxy:
        broken = proxy.add(Fault(fault(), method, "/storage/"))
        made = bring(through(plain, proxy, bucket), create_bucket=True, **SETTINGS)
        assert broken.hits
        assert set(settings(made)) == {"bucket", *SETTINGS}
        assert bring(through(plain, proxy, bucket), **SETTINGS)["changed"] is False


def test_what_somebody_else_changes_meanwhile_stays(plain: GoogleServer) -> None:
    bucket = plain.create_bucket(name())

    def add_rule(exchange: Exchange) -> int:
        held = plain.objects.bucket(bucket)
        held.settings |= {"lifecycle": {"rule": THEIRS}, "metageneration": "5"}
        return relay(exchange)

    with FaultProxy(plain.endpoint, tls=tls(plain)) as proxy:
        raced = proxy.add(Fault(add_rule, "PATCH"))
        bring(through(plain, proxy, bucket), abort_stale_uploads="7d")
        assert [one.status for one in proxy.ended("PATCH")] == [412, 200]
    assert raced.hits
    rules = plain.objects.bucket(bucket).resource()["lifecycle"]["rule"]
    assert rules[:3] == THEIRS
    assert len(rules) == 4


def test_a_retention_that_got_longer_meanwhile_stays(plain: GoogleServer) -> None:
    bucket = plain.create_bucket(name())

    def lock(exchange: Exchange) -> int:
        held = plain.objects.bucket(bucket)
        held.settings |= {"retentionPolicy": {"retentionPeriod": "9999999"}, "metageneration": "5"}
        return relay(exchange)

    with FaultProxy(plain.endpoint, tls=tls(plain)) as proxy:
        proxy.add(Fault(lock, "PATCH"))
        failed = failure(through(plain, proxy, bucket), object_lock={"mode": "GOVERNANCE", "days": 7})
    assert failed["error_code"] == "unsafe_change"
    assert plain.objects.bucket(bucket).settings["retentionPolicy"]["retentionPeriod"] == "9999999"


def test_a_name_that_somebody_else_has(plain: GoogleServer) -> None:
    bucket = name()
    body = b'{"error": {"code": 409, "message": "no", "errors": [{"reason": "conflict"}]}}'
    with FaultProxy(plain.endpoint, tls=tls(plain)) as proxy:
        proxy.add(Fault(answer(409, body, "application/json"), "POST", "/storage/v1/b"))
        failed = failure(through(plain, proxy, bucket), create_bucket=True)
    assert failed["error_code"] == "bucket_wrong_owner"


def test_a_name_that_somebody_else_takes_while_an_answer_is_lost(plain: GoogleServer) -> None:
    """Theirs is neither taken for ours nor changed, though it may be read and written to."""
    bucket = name()

    def take(exchange: Exchange) -> int | None:
        plain.create_bucket(bucket, location="US", labels={"stowage-made": "0" * 32}, **OPEN)
        return answer(503)(exchange)

    with FaultProxy(plain.endpoint, tls=tls(plain)) as proxy:
        proxy.add(Fault(take, "POST", "/storage/v1/b"))
        failed = failure(through(plain, proxy, bucket), create_bucket=True, **SETTINGS)
        assert [one.status for one in proxy.ended("POST") if one.target.startswith("/storage/")] == [503, 409]
        assert not proxy.ended("PATCH")
    assert failed["error_code"] == "bucket_wrong_owner"
    assert plain.objects.bucket(bucket).resource()["metageneration"] == "1"


def test_a_store_that_does_not_keep_what_it_accepts(plain: GoogleServer) -> None:
    bucket = plain.create_bucket(name())
    with FaultProxy(plain.endpoint, tls=tls(plain)) as proxy:
        proxy.add(Fault(answer(200, b"{}", "application/json"), "PATCH", times=None))
        location = through(plain, proxy, bucket)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(retries, "FIRST_WAIT", 0.01)
            assert failure(location, versioning=True)["error_code"] == "outcome_unknown"
