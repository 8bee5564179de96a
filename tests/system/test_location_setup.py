# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buckets of real stores are brought into the wanted state; what others have there stays, and nothing is put at risk."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from faults import Fault, FaultProxy, reset, slow_down, swallow
from support import modules
from support.aws import allow, document
from testbed import MinIO, MiniStack, SeaweedFS, Testbed
from testbed.ministack import BUCKET_ACCOUNT, OTHER_ACCOUNT
from testbed.store import S3Store

PREFIX = "fleet"
SETTINGS: dict[str, Any] = {
    "versioning": True,
    "encryption": {"algorithm": "AES256"},
    "block_public_access": True,
    "tls_only": True,
    "abort_stale_uploads": "7d",
    "object_ownership": "BucketOwnerEnforced",
}
LOCK: dict[str, Any] = {"object_lock_enabled": True, "object_lock": {"mode": "GOVERNANCE", "days": 1}}
NOT_IN: dict[str, set[str]] = {
    "minio": {"object_ownership", "tls_only", "block_public_access", "abort_stale_uploads"},
    "seaweedfs": {"block_public_access"},
    "ministack": set(),
}
POSTURE = {
    # what info calls it
    "versioning": "versioning",
    "encryption": "encryption",
    "block_public_access": "public_access_block",
    "tls_only": "tls_only",
    "abort_stale_uploads": "stale_uploads",
    "object_ownership": "ownership",
    "object_lock_enabled": "object_lock",
}
RULES: Any = [
    {
        "ID": "theirs",
        "Status": "Enabled",
        "Filter": {"Prefix": "photos/"},
        "Expiration": {"Days": 30},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 3},
    },
    {"ID": "theirs too", "Status": "Disabled", "Filter": {"Prefix": "a&b/"}, "Expiration": {"Days": 5}},
]


def options(store: S3Store, bucket: str, keys: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A location in a bucket, as the administrator or with other keys."""
    access, secret = keys or (store.access_key, store.secret_key)
    auth: dict[str, Any] = {"method": "access_key", "access_key": access, "secret_key": secret}
    aws = isinstance(store, MiniStack)
    return {
        "provider": "aws" if aws else "minio",
        "endpoint": store.endpoint,
        "region": store.region,
        "bucket": bucket,
        "prefix": PREFIX,
        "ca_cert": str(store.ca_cert) if store.ca_cert else None,
        "auth": {**auth, **({"sts_endpoint": store.endpoint} if aws else {}), **more.pop("auth", {})},
        **more,
    }


def bring(location: dict[str, Any], *, check: bool = False, process: bool = False, **more: Any) -> dict[str, Any]:
    """What the module returns, run as a task does if ``process``; no secret is in it."""
    run = modules.run if process else modules.run_here
    found = run("backup_location", {"location": location, **more}, check=check, diff=True)
    assert location.get("auth", {}).get("secret_key", "no secret") not in json.dumps(
        {name: value for name, value in found.items() if name != "invocation"}
    )
    return found


def failure(location: dict[str, Any], *, check: bool = False, **more: Any) -> dict[str, Any]:
    """What the module fails with."""
    with pytest.raises(modules.Failed) as caught:
        bring(location, check=check, **more)
    assert caught.value.result["hint"]
    return caught.value.result


def settings(found: dict[str, Any]) -> list[str]:
    return [change["setting"] for change in found["location"]["changes"]]


def verdicts(location: dict[str, Any]) -> dict[str, str]:
    found = modules.run_here("backup_location_info", {"location": location})
    return {check["id"]: check["verdict"] for check in found["location"]["checks"]}


def name() -> str:
    return f"setup-{uuid.uuid4().hex[:12]}"


def statement(bucket: str) -> dict[str, Any]:
    """One that is not ours."""
    return {
        "Sid": "Theirs",
        "Effect": "Deny",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:PutObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/photos/*"],
        "Condition": {"StringNotLike": {"aws:Referer": ["https://example.com/*"]}},
    }


def exists(store: S3Store, bucket: str) -> bool:
    return bucket in [found["Name"] for found in store.client().list_buckets()["Buckets"]]


@pytest.fixture(params=["minio", "seaweedfs", "ministack"])
def store(request: pytest.FixtureRequest) -> S3Store:
    """Each store."""
    found: S3Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def kms(testbed: Testbed) -> Iterator[MinIO]:
    """A MinIO that can encrypt."""
    key = f"stowage:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    server = testbed.minio(settings={"MINIO_KMS_SECRET_KEY": key})
    yield server
    testbed.stop(server)


# the wanted state


@pytest.mark.parametrize("there", [True, False], ids=["existing", "new"])
def test_everything(store: S3Store, kms: MinIO, there: bool) -> None:
    lacking = NOT_IN[store.name]
    store = kms if store.name == "minio" else store
    bucket = name()
    if there:
        store.create_bucket(bucket, object_lock=True)
    wanted = {option: value for option, value in (SETTINGS | LOCK).items() if option not in lacking}
    location = options(store, bucket)
    predicted = bring(location, check=True, process=there, create_bucket=True, **wanted)
    assert exists(store, bucket) is there
    made = bring(location, process=there, create_bucket=True, **wanted)
    assert made["location"] == predicted["location"]
    assert made["diff"] == predicted["diff"]
    assert made["changed"] is predicted["changed"] is True
    assert made["diff"]["after"]["object_lock"] == LOCK["object_lock"]
    for check in (False, True):
        again = bring(location, check=check, create_bucket=True, **wanted)
        assert again["changed"] is False
        assert again["location"]["changes"] == []
        assert again["diff"] == {"before": {}, "after": {}}
    seen = verdicts(location)
    assert {POSTURE[option]: "passed" for option in wanted if option in POSTURE}.items() <= seen.items()


@pytest.mark.parametrize("there", [True, False], ids=["existing", "new"])
def test_what_a_store_does_not_have(store: S3Store, kms: MinIO, there: bool) -> None:
    lacking = NOT_IN[store.name]
    store = kms if store.name == "minio" else store
    bucket = store.create_bucket(name()) if there else name()
    location = options(store, bucket)
    for check in (True, False):
        if lacking:
            failed = failure(location, check=check, create_bucket=True, **SETTINGS)
            assert failed["error_code"] == "unsupported_by_store"
            assert set(failed["error_details"]["options"]) == lacking
            assert all(option in failed["msg"] for option in lacking)
    assert exists(store, bucket) is there
    if there:
        assert "Status" not in store.client().get_bucket_versioning(Bucket=bucket)
    lenient = bring(location, create_bucket=True, unsupported="warn", **SETTINGS)
    assert {one["option"] for one in lenient["location"]["unsupported"]} == lacking
    assert len(lenient.get("warnings", [])) == len(lacking)
    assert verdicts(location)["versioning"] == "passed"
    assert bring(location, create_bucket=True, unsupported="warn", **SETTINGS)["changed"] is False


def test_what_shows_only_when_it_is_tried(minio: MinIO) -> None:
    """A MinIO without key management service does not say so before."""
    location = options(minio, minio.create_bucket(name()))
    wanted: dict[str, Any] = {"versioning": True, "encryption": {"algorithm": "AES256"}}
    failed = failure(location, **wanted)
    assert failed["error_code"] == "unsupported_by_store"
    assert failed["error_details"]["options"] == ["encryption"]
    assert "KMS" in failed["msg"]
    assert settings(failed) == ["versioning"]
    assert failed["changed"] is True
    assert bring(location, unsupported="warn", **wanted)["changed"] is False


def test_what_is_not_asked_for_is_not_touched(store: S3Store) -> None:
    bucket = store.create_bucket(name())
    found = bring(options(store, bucket))
    assert found["changed"] is False
    bring(options(store, bucket), versioning=True)
    assert settings(bring(options(store, bucket), versioning=False)) == ["versioning"]
    assert store.client().get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"


def test_a_bucket_is_made_only_when_told_to(store: S3Store) -> None:
    bucket = name()
    for check in (True, False):
        assert failure(options(store, bucket), check=check, versioning=True)["error_code"] == "bucket_not_found"
    assert not exists(store, bucket)
    assert settings(bring(options(store, bucket), create_bucket=True)) == ["bucket"]
    assert exists(store, bucket)


def test_encryption_with_a_key(kms: MinIO, ministack: MiniStack) -> None:
    arn = f"arn:aws:kms:us-east-1:{BUCKET_ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    for server, key in ((kms, "stowage"), (ministack, arn)):
        location = options(server, server.create_bucket(name()))
        wanted: dict[str, Any] = {"encryption": {"algorithm": "aws:kms", "kms_key_id": key}}
        assert settings(bring(location, **wanted)) == ["encryption"]
        assert bring(location, **wanted)["changed"] is False
        assert bring(location, encryption={"algorithm": "aws:kms"})["changed"] is False
    keyed = bring(location, encryption={"algorithm": "aws:kms", "bucket_key_enabled": True})
    assert keyed["diff"]["after"]["encryption"] == {
        "algorithm": "aws:kms",
        "kms_key_id": arn,
        "bucket_key_enabled": True,
    }
    assert settings(bring(location, encryption={"algorithm": "AES256"})) == ["encryption"]
    assert bring(location, encryption={"algorithm": "AES256"})["changed"] is False


# what others have there


@pytest.mark.parametrize("server", ["seaweedfs", "ministack"])
def test_rules_and_statements_of_others_stay(request: pytest.FixtureRequest, server: str) -> None:
    store: S3Store = request.getfixturevalue(server)
    client, bucket = store.client(), store.create_bucket(name())
    policy = {"Version": "2012-10-17", "Id": "theirs", "Statement": [statement(bucket)]}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": RULES})
    rules = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    text = json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"])
    first, second = options(store, bucket), options(store, bucket, prefix="other")
    assert settings(bring(first, tls_only=True, abort_stale_uploads="7d")) == ["tls_only", "abort_stale_uploads"]
    assert settings(bring(second, tls_only=True, abort_stale_uploads="3d")) == ["abort_stale_uploads"]
    found = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert found[:2] == rules
    assert [rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for rule in found[2:]] == [7, 3]
    statements = json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statements[:1] == text["Statement"]
    assert [one["Sid"] for one in statements] == ["Theirs", "StowageTlsOnly"]
    assert settings(bring(first, abort_stale_uploads="8d")) == ["abort_stale_uploads"]
    assert bring(second, tls_only=True, abort_stale_uploads="3d")["changed"] is False
    bring(first, tls_only=False, abort_stale_uploads="never")
    bring(second, tls_only=False, abort_stale_uploads="never")
    assert client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    assert json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"]) == text


@pytest.mark.parametrize("server", ["seaweedfs", "ministack"])
def test_the_last_of_ours_leaves_nothing(request: pytest.FixtureRequest, server: str) -> None:
    store: S3Store = request.getfixturevalue(server)
    client, bucket = store.client(), store.create_bucket(name())
    location = options(store, bucket, prefix="")
    bring(location, tls_only=True, abort_stale_uploads="7d")
    assert bring(location, tls_only=True, abort_stale_uploads="7d")["changed"] is False
    bring(location, tls_only=False, abort_stale_uploads="never")
    for operation in (client.get_bucket_policy, client.get_bucket_lifecycle_configuration):
        with pytest.raises(ClientError) as caught:
            operation(Bucket=bucket)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert bring(location, tls_only=False, abort_stale_uploads="never")["changed"] is False


@pytest.mark.parametrize("server", ["seaweedfs", "ministack"])
def test_what_others_do_already_is_not_done_again(request: pytest.FixtureRequest, server: str) -> None:
    store: S3Store = request.getfixturevalue(server)
    client, bucket = store.client(), store.create_bucket(name())
    bring(options(store, bucket), tls_only=True)
    policy = client.get_bucket_policy(Bucket=bucket)["Policy"].replace("StowageTlsOnly", "Theirs")
    client.put_bucket_policy(Bucket=bucket, Policy=policy)
    rule: Any = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}}
    rule |= {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}}
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert bring(options(store, bucket), tls_only=True, abort_stale_uploads="7d")["changed"] is False
    assert settings(bring(options(store, bucket), abort_stale_uploads="2d")) == ["abort_stale_uploads"]
    left = bring(options(store, bucket), tls_only=False)
    assert left["changed"] is False
    assert len(left["warnings"]) == 1


def test_minio_s_lifecycle_and_policy_are_left_alone(minio: MinIO) -> None:
    client, bucket = minio.client(), minio.create_bucket(name())
    client.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement(bucket)]})
    )
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": RULES[:1]})
    before = client.get_bucket_policy(Bucket=bucket)["Policy"]
    rules = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    bring(options(minio, bucket), unsupported="warn", versioning=True, tls_only=True, abort_stale_uploads="7d")
    assert client.get_bucket_policy(Bucket=bucket)["Policy"] == before
    assert client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules


def test_a_policy_that_lets_everybody_in_cannot_be_written_again(ministack: MiniStack) -> None:
    client, bucket = ministack.client(), ministack.create_bucket(name())
    location = options(ministack, bucket)
    bring(location, block_public_access=False)
    public = {**statement(bucket), "Effect": "Allow", "Action": "s3:GetObject"}
    del public["Condition"]
    client.put_bucket_policy(Bucket=bucket, Policy=document(public))
    # The policy comes first, so that both can be had in one go.
    both = bring(location, block_public_access=True, tls_only=True)
    assert settings(both) == ["tls_only", "block_public_access"]
    assert failure(location, tls_only=False)["error_code"] == "unsafe_change"
    assert verdicts(location)["tls_only"] == "passed"


# what a policy does


def test_tls_only_keeps_plain_http_out(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.create_bucket(name())
    bring(options(seaweedfs, bucket), tls_only=True)
    plain = f"http://127.0.0.1:{seaweedfs._ports[0]}"
    failed = failure(options(seaweedfs, bucket, endpoint=plain, ca_cert=None), versioning=True)
    assert failed["error_code"] == "permission_denied"
    assert bring(options(seaweedfs, bucket), versioning=True)["changed"] is True


def test_a_location_does_not_lock_itself_out(seaweedfs: SeaweedFS) -> None:
    plain = f"http://127.0.0.1:{seaweedfs._ports[0]}"
    location = options(seaweedfs, seaweedfs.create_bucket(name()), endpoint=plain, ca_cert=None)
    assert failure(location, tls_only=True)["error_code"] == "unsafe_change"


def test_minio_does_not_heed_such_a_policy(testbed: Testbed) -> None:
    """Why tls_only is said to be unsupported there."""
    plain = testbed.minio(tls=False)
    try:
        client, bucket = plain.client(), plain.create_bucket(name())
        deny: dict[str, Any] = {"Sid": "x", "Effect": "Deny", "Principal": "*", "Action": "s3:*"}
        deny |= {"Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
        client.put_bucket_policy(
            Bucket=bucket, Policy=document({**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}})
        )
        client.put_object(Bucket=bucket, Key="x", Body=b"x")
        assert plain.read(bucket, "x") == b"x"
    finally:
        testbed.stop(plain)


# nothing is put at risk


def test_a_lock_stays(store: S3Store) -> None:
    bucket = store.create_bucket(name(), object_lock=True)
    location, week = options(store, bucket), {"mode": "COMPLIANCE", "days": 7}
    bring(location, object_lock=week)
    for weaker in ({"mode": "COMPLIANCE", "days": 6}, {"mode": "GOVERNANCE", "years": 1}):
        assert failure(location, object_lock=weaker)["error_code"] == "unsafe_change"
    assert failure(location, versioning=False)["error_code"] == "unsafe_change"
    assert failure(location, object_lock_enabled=False)["error_code"] == "unsafe_change"
    client = store.client()
    kept = client.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert kept["Rule"]["DefaultRetention"] == {"Mode": "COMPLIANCE", "Days": 7}
    assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    longer = bring(location, object_lock={"mode": "COMPLIANCE", "years": 1})
    assert longer["diff"]["before"]["object_lock"] == week
    assert bring(location, object_lock={"mode": "COMPLIANCE", "years": 1})["changed"] is False


@pytest.mark.parametrize("server", ["minio", "seaweedfs"])
def test_a_bucket_without_lock_stays_so(request: pytest.FixtureRequest, server: str) -> None:
    store: S3Store = request.getfixturevalue(server)
    location = options(store, store.create_bucket(name(), versioning=True))
    failed = failure(location, **LOCK)
    assert failed["error_code"] == "unsupported_by_store"
    assert failed["error_details"]["options"] == ["object_lock_enabled", "object_lock"]


def test_aws_switches_object_lock_on_later(ministack: MiniStack) -> None:
    location = options(ministack, ministack.create_bucket(name()))
    assert failure(location, **LOCK)["error_code"] == "unsafe_change"
    predicted = bring(location, check=True, versioning=True, **LOCK)
    assert settings(predicted) == ["versioning", "object_lock_enabled", "object_lock"]
    assert bring(location, versioning=True, **LOCK)["location"] == predicted["location"]
    assert bring(location, versioning=True, **LOCK)["changed"] is False


@pytest.mark.parametrize("server", ["minio", "ministack"])
def test_only_an_empty_bucket_is_deleted(request: pytest.FixtureRequest, server: str) -> None:
    store: S3Store = request.getfixturevalue(server)
    client, bucket = store.client(), store.create_bucket(name(), versioning=True)
    location = options(store, bucket)

    def stays() -> None:
        for check in (True, False):
            assert failure(location, check=check, state="absent")["error_code"] == "bucket_not_empty"
        assert exists(store, bucket)

    # Outside the location's prefix, too.
    version = client.put_object(Bucket=bucket, Key="x", Body=b"x")["VersionId"]
    stays()
    marker = client.delete_object(Bucket=bucket, Key="x")["VersionId"]
    stays()
    client.delete_object(Bucket=bucket, Key="x", VersionId=version)
    stays()
    client.delete_object(Bucket=bucket, Key="x", VersionId=marker)
    upload = client.create_multipart_upload(Bucket=bucket, Key="y/z")["UploadId"]
    stays()
    client.abort_multipart_upload(Bucket=bucket, Key="y/z", UploadId=upload)
    predicted = bring(location, check=True, state="absent")
    assert exists(store, bucket)
    assert bring(location, state="absent")["location"] == predicted["location"]
    assert not exists(store, bucket)
    for check in (True, False):
        assert bring(location, check=check, state="absent")["changed"] is False


@pytest.mark.parametrize("provider", ["minio", "aws"])
def test_seaweedfs_deletes_what_is_not_empty_and_is_not_told_to(seaweedfs: SeaweedFS, provider: str) -> None:
    """Whatever the location says that the store is."""
    bucket = seaweedfs.create_bucket(name())
    location = options(seaweedfs, bucket, provider=provider)
    assert failure(location, state="absent")["error_code"] == "unsupported_by_store"
    assert exists(seaweedfs, bucket)
    seaweedfs.write(bucket, "x", b"x")
    seaweedfs.client().delete_bucket(Bucket=bucket)
    assert not exists(seaweedfs, bucket), "this is why"


def test_settings_make_no_sense_for_what_is_to_be_absent(minio: MinIO) -> None:
    bucket = minio.create_bucket(name())
    assert failure(options(minio, bucket), state="absent", versioning=True)["error_code"] == "invalid_option"
    assert exists(minio, bucket)


# permissions and accounts


READS = {
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketPolicy",
    "s3:GetLifecycleConfiguration",
    "s3:GetBucketOwnershipControls",
}
CHANGED: dict[str, Any] = {
    # another state than that of a new bucket of AWS
    **SETTINGS,
    "encryption": {"algorithm": "aws:kms", "kms_key_id": "alias/backups"},
    "block_public_access": False,
    "object_ownership": "ObjectWriter",
}
WRITES = {
    "versioning": "s3:PutBucketVersioning",
    "encryption": "s3:PutEncryptionConfiguration",
    "block_public_access": "s3:PutBucketPublicAccessBlock",
    "tls_only": "s3:PutBucketPolicy",
    "abort_stale_uploads": "s3:PutLifecycleConfiguration",
    "object_ownership": "s3:PutBucketOwnershipControls",
}


def user(ministack: MiniStack, actions: set[str]) -> tuple[str, str]:
    return ministack.user(BUCKET_ACCOUNT, name(), document(allow(sorted(actions))))


def test_all_that_may_not_be_read_is_named_at_once(ministack: MiniStack) -> None:
    location = options(ministack, ministack.create_bucket(name()), user(ministack, {"s3:ListBucket"}))
    for check in (True, False):
        failed = failure(location, check=check, **SETTINGS)
        assert failed["error_code"] == "permission_denied"
        # Object lock matters only where versions are to be suspended.
        needed = READS - {"s3:GetBucketObjectLockConfiguration"}
        assert set(failed["error_details"]["actions"]) == needed
        assert all(action in failed["hint"] for action in needed)


def test_all_that_may_not_be_written_is_named_at_once(ministack: MiniStack) -> None:
    location = options(ministack, ministack.create_bucket(name()), user(ministack, READS | {"s3:ListBucket"}))
    failed = failure(location, **CHANGED)
    assert failed["error_code"] == "permission_denied"
    assert set(failed["error_details"]["actions"]) == set(WRITES.values())
    assert failed["changed"] is False


@pytest.mark.parametrize("forbidden", sorted(WRITES))
def test_exactly_what_is_forbidden_is_named(ministack: MiniStack, forbidden: str) -> None:
    may = READS | {action for option, action in WRITES.items() if option != forbidden}
    location = options(ministack, ministack.create_bucket(name()), user(ministack, may))
    failed = failure(location, **CHANGED)
    assert failed["error_details"]["actions"] == [WRITES[forbidden]]
    assert set(settings(failed)) == set(CHANGED) - {forbidden}
    assert failed["changed"] is True
    again = failure(location, **CHANGED)
    assert settings(again) == []


def test_a_bucket_that_may_not_be_listed_is_there_all_the_same(ministack: MiniStack) -> None:
    location = options(ministack, ministack.create_bucket(name()), user(ministack, READS | set(WRITES.values())))
    assert bring(location, **CHANGED)["changed"] is True
    assert bring(location, **CHANGED)["changed"] is False
    hidden = options(ministack, ministack.create_bucket(name()), user(ministack, {"s3:PutBucketPolicy"}))
    assert "s3:ListBucket" in failure(hidden, versioning=True)["error_details"]["actions"]


def test_who_may_not_make_a_bucket(ministack: MiniStack) -> None:
    location = options(ministack, name(), user(ministack, READS | {"s3:ListBucket"}))
    failed = failure(location, create_bucket=True)
    assert failed["error_code"] == "permission_denied"
    assert "s3:CreateBucket" in failed["hint"]
    assert failed["changed"] is False


def test_a_bucket_of_another_account(ministack: MiniStack) -> None:
    bucket = name()
    wrong = options(ministack, bucket, bucket_owner=OTHER_ACCOUNT)
    for check in (True, False):
        assert failure(wrong, check=check, create_bucket=True)["error_code"] == "bucket_wrong_owner"
        other = options(ministack, bucket, auth={"account": OTHER_ACCOUNT})
        assert failure(other, check=check, create_bucket=True)["error_code"] == "wrong_account"
    assert not exists(ministack, bucket)
    right = options(ministack, bucket, bucket_owner=BUCKET_ACCOUNT, auth={"account": BUCKET_ACCOUNT})
    assert settings(bring(right, create_bucket=True, tls_only=True)) == ["bucket", "tls_only"]
    assert failure(wrong, create_bucket=True)["error_code"] in {"bucket_wrong_owner", "permission_denied"}
    theirs = options(ministack, bucket, (OTHER_ACCOUNT, "test"))
    assert failure(theirs, create_bucket=True, versioning=True)["error_code"] == "permission_denied"


# what breaks on the way


@pytest.fixture(scope="module")
def plain(testbed: Testbed) -> Iterator[SeaweedFS]:
    """A SeaweedFS without TLS, for a proxy to read along."""
    server = testbed.seaweedfs(tls=False)
    yield server
    testbed.stop(server)


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
@pytest.mark.parametrize("fault", [swallow, reset, slow_down])
def test_what_breaks_in_the_middle_is_tried_again(plain: SeaweedFS, method: str, fault: Any) -> None:
    bucket = name()
    wanted = {
        name: value for name, value in (SETTINGS | LOCK).items() if name not in {"block_public_access", "tls_only"}
    }
    with FaultProxy(plain.endpoint) as proxy:
        # What never answered gets one more chance.
        broken = proxy.add(Fault(fault(), method, times=1 if method == "GET" else 2))
        location = options(plain, bucket, endpoint=proxy.endpoint)
        made = bring(location, create_bucket=True, **wanted)
        assert settings(made)[0] == "bucket"
        removed = bring(location, abort_stale_uploads="never")
        assert settings(removed) == ["abort_stale_uploads"]
    assert broken.hits
    assert bring(options(plain, bucket), **{**wanted, "abort_stale_uploads": "never"})["changed"] is False


@pytest.mark.parametrize("at", ["object-lock", "lifecycle", "encryption"])
def test_what_breaks_for_good_says_what_was_done(plain: SeaweedFS, at: str) -> None:
    bucket = plain.create_bucket(name(), object_lock=True)
    wanted: dict[str, Any] = {"encryption": {"algorithm": "AES256"}, **LOCK, "abort_stale_uploads": "7d"}
    with FaultProxy(plain.endpoint) as proxy:
        proxy.add(Fault(reset(), "PUT", at, times=None))
        failed = failure(options(plain, bucket, endpoint=proxy.endpoint), **wanted)
    assert failed["error_code"] == "endpoint_unreachable"
    order = ["encryption", "object_lock", "abort_stale_uploads"]
    assert settings(failed) == order[: {"encryption": 0, "object-lock": 1, "lifecycle": 2}[at]]
    rest = bring(options(plain, bucket), **wanted)
    assert settings(failed) + settings(rest) == order


# directories


def test_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "backups"
    location = {"provider": "filesystem", "path": str(path)}
    assert failure(location)["error_code"] == "bucket_not_found"
    predicted = bring(location, check=True, create_bucket=True, block_public_access=True)
    assert not path.exists()
    made = bring(location, process=True, create_bucket=True, block_public_access=True)
    assert made["location"] == predicted["location"]
    assert bring(location, create_bucket=True, block_public_access=True)["changed"] is False
    assert verdicts(location)["directory_mode"] == "passed"
    assert failure(location, versioning=True)["error_code"] == "unsupported_by_store"
    (path / "x").write_text("x")
    assert failure(location, state="absent")["error_code"] == "bucket_not_empty"
    (path / "x").unlink()
    assert bring(location, state="absent")["changed"] is True
    assert not path.exists()
    assert bring(location, state="absent")["changed"] is False
