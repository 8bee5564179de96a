# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation of a bucket at AWS, against an emulator that enforces IAM: what is forbidden is named, and nothing is left."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_account import Asker
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_judge import encryption_key_check
from support import modules
from support.aws import allow, document
from testbed import MiniStack
from testbed.ministack import BUCKET_ACCOUNT, OTHER_ACCOUNT, WORKLOAD_ACCOUNT

PREFIX = "fleet"
RIGHTS = (
    "s3:ListBucket",
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListBucketMultipartUploads",
    "s3:ListMultipartUploadParts",
)
OF_BUCKET = {"s3:ListBucket", "s3:ListBucketMultipartUploads"}
SETTINGS = ("s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetObjectLock*")


@pytest.fixture(scope="module")
def bucket(ministack: MiniStack) -> str:
    """A bucket with versions, and a default retention that nobody can shorten."""
    name = ministack.create_bucket(f"rights-{uuid.uuid4().hex[:12]}", object_lock=True)
    ministack.client().put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}},
        },
    )
    return name


def user(aws: MiniStack, bucket: str, rights: tuple[str, ...] | list[str]) -> dict[str, Any]:
    """The location of somebody who has these rights, and may read the bucket's settings."""
    arn = f"arn:aws:s3:::{bucket}"
    statements = [allow(right, arn if right in OF_BUCKET else f"{arn}/{PREFIX}/*") for right in rights]
    policy = document(*statements, allow(list(SETTINGS), arn))
    access, secret = aws.user(BUCKET_ACCOUNT, f"user-{uuid.uuid4().hex[:10]}", policy)
    return {
        "provider": "aws",
        "endpoint": aws.endpoint,
        "ca_cert": str(aws.ca_cert),
        "region": aws.region,
        "bucket": bucket,
        "prefix": PREFIX,
        "auth": {"method": "access_key", "access_key": access, "secret_key": secret, "sts_endpoint": aws.endpoint},
    }


def look(location: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the module returns about a location; no secret is in it."""
    found = modules.run("backup_location_info", {"location": location, **more})
    assert location["auth"]["secret_key"] not in json.dumps(found)
    result: dict[str, Any] = found["location"]
    return result


def traces(aws: MiniStack, bucket: str) -> list[str]:
    """Everything that is in a bucket, or was."""
    client = aws.client()
    answer = client.list_object_versions(Bucket=bucket)
    found = [str(one["Key"]) for one in [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]]
    return found + [str(one["Key"]) for one in client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


@pytest.mark.parametrize("forbidden", RIGHTS)
def test_exactly_what_is_forbidden_is_named(ministack: MiniStack, bucket: str, forbidden: str) -> None:
    found = look(user(ministack, bucket, [right for right in RIGHTS if right != forbidden]), engine="velero")
    resource = f"arn:aws:s3:::{bucket}" + ("" if forbidden in OF_BUCKET else f"/{PREFIX}/*")
    assert found["permissions"]["missing"] == [{"action": forbidden, "resource": resource}]
    assert found["fit"] is False
    assert any(forbidden in check["fix"] for check in found["checks"] if check["verdict"] == "failed")
    assert traces(ministack, bucket) == []


def test_a_bucket_of_another_account(ministack: MiniStack) -> None:
    name = ministack.create_bucket(f"owned-{uuid.uuid4().hex[:12]}")
    access, secret = ministack.user(WORKLOAD_ACCOUNT, f"user-{uuid.uuid4().hex[:10]}", document(allow("s3:*")))
    arn = f"arn:aws:s3:::{name}"
    theirs = allow("s3:*", [arn, f"{arn}/*"], Principal={"AWS": f"arn:aws:iam::{WORKLOAD_ACCOUNT}:root"})
    ministack.client().put_bucket_policy(Bucket=name, Policy=document(theirs))
    location = user(ministack, name, RIGHTS)
    location["auth"] |= {"access_key": access, "secret_key": secret}

    def owner(**more: str) -> tuple[str, str]:
        found = {check["id"]: check for check in look({**location, **more})["checks"]}
        return found["bucket_owner"]["verdict"], found["bucket_owner"]["error_code"]

    assert owner() == ("warning", "bucket_wrong_owner")
    assert owner(bucket_owner=BUCKET_ACCOUNT) == ("passed", "")
    assert owner(bucket_owner=OTHER_ACCOUNT) == ("failed", "bucket_wrong_owner")


def test_a_key_that_is_to_be_deleted(ministack: MiniStack) -> None:
    kms = ministack._service("kms", ministack.access_key, ministack.secret_key, None)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    asker = Asker(
        Keys(ministack.access_key, ministack.secret_key), ministack.region, str(ministack.ca_cert), ministack.endpoint
    )
    assert encryption_key_check(asker.key(key), key).verdict is Verdict.PASSED
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert encryption_key_check(asker.key(key), key).verdict is Verdict.FAILED
    assert asker.key(f"{key[:-12]}{'0' * 12}").state == "unset"
    access, secret = ministack.user(BUCKET_ACCOUNT, f"user-{uuid.uuid4().hex[:10]}", document(allow("s3:*")))
    assert dataclasses.replace(asker, keys=Keys(access, secret)).key(key).state == "denied"


def test_an_acl_that_lets_everybody_in(ministack: MiniStack) -> None:
    client, name = ministack.client(), ministack.create_bucket(f"acl-{uuid.uuid4().hex[:12]}")
    location = user(ministack, name, RIGHTS)

    def acl() -> str:
        return str({check["id"]: check["verdict"] for check in look(location)["checks"]}["bucket_acl"])

    assert acl() == "passed"
    rules: Any = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    client.put_bucket_ownership_controls(Bucket=name, OwnershipControls=rules)
    client.delete_public_access_block(Bucket=name)
    client.put_bucket_acl(Bucket=name, ACL="public-read")
    assert acl() == "failed"
    block: Any = {"IgnorePublicAcls": True}
    client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    assert acl() == "warning"


def test_a_hundred_probes_leave_nothing_under_lock(ministack: MiniStack, bucket: str) -> None:
    location = user(ministack, bucket, RIGHTS)
    for _dummy in range(100):
        found = look(location)
        assert found["permissions"]["missing"] == []
    assert {right["action"] for right in found["permissions"]["allowed"]} == set(RIGHTS)
    assert found["settings"]["versioning"] == "Enabled"
    assert traces(ministack, bucket) == []
