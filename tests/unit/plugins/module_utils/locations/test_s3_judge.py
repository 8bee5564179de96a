# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings of an S3 bucket mean, by answers as AWS's API reference shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_judge
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    Encryption,
    EncryptionKey,
    ObjectLock,
    PublicAccessBlock,
    Rule,
    Versioning,
    parse_encryption,
    parse_lifecycle,
    parse_object_lock,
    parse_policy,
    parse_public_access_block,
    parse_public_grants,
    parse_replication,
)

UNSET: Reading[Any] = Reading("unset")
DENIED: Reading[Any] = Reading("denied", failure=Failure("permission_denied", "no", ""))


def of(value: Any) -> Reading[Any]:
    return Reading("set", value)


@pytest.mark.parametrize("name", s3_judge.AUDIT_ACTIONS)
def test_what_may_not_be_read_is_unknown_and_says_what_to_allow(name: str) -> None:
    found = s3_judge.unread(name, DENIED)
    assert found is not None
    assert found.verdict is Verdict.UNKNOWN
    assert s3_judge.AUDIT_ACTIONS[name] in found.fix


def test_states() -> None:
    assert s3_judge.unread("versioning", UNSET) is None
    assert s3_judge.unread("versioning", of(1)) is None
    other = s3_judge.unread("versioning", Reading("unsupported"))
    assert other is not None
    assert other.verdict is Verdict.UNSUPPORTED
    broken = s3_judge.unread("versioning", Reading("unknown", failure=Failure("throttled", "m", "")))
    assert broken is not None
    assert (broken.verdict, broken.seen, broken.error_code) == (Verdict.UNKNOWN, "m", "throttled")


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (of(Versioning("Enabled")), Verdict.PASSED),
        (of(Versioning("Suspended")), Verdict.WARNING),
        (UNSET, Verdict.WARNING),
        (DENIED, Verdict.UNKNOWN),
    ],
)
def test_versioning(reading: Reading[Versioning], verdict: Verdict) -> None:
    assert s3_judge.versioning_check(reading).verdict is verdict


@pytest.mark.parametrize(
    ("reading", "used", "verdict"),
    [
        (of(Encryption("AES256")), "", Verdict.PASSED),
        (UNSET, "", Verdict.WARNING),
        (DENIED, "", Verdict.UNKNOWN),
        (DENIED, "aws:kms", Verdict.PASSED),
    ],
)
def test_encryption(reading: Reading[Encryption], used: str, verdict: Verdict) -> None:
    found = s3_judge.encryption_check(reading, used, "key-1" if used else "")
    assert found.verdict is verdict
    assert not used or "key-1" in found.seen


@pytest.mark.parametrize(
    ("reading", "engine", "verdicts"),
    [
        (UNSET, "stowage", [Verdict.PASSED, Verdict.PASSED]),
        (of(ObjectLock()), "velero", [Verdict.PASSED, Verdict.PASSED]),
        (of(ObjectLock("COMPLIANCE", days=30)), "stowage", [Verdict.PASSED, Verdict.PASSED]),
        (of(ObjectLock("COMPLIANCE", days=30)), "velero", [Verdict.PASSED, Verdict.WARNING]),
        (of(ObjectLock("GOVERNANCE", years=1)), "velero", [Verdict.PASSED, Verdict.WARNING]),
        (DENIED, "velero", [Verdict.UNKNOWN, Verdict.UNKNOWN]),
    ],
)
def test_object_lock(reading: Reading[ObjectLock], engine: str, verdicts: list[Verdict]) -> None:
    assert [found.verdict for found in s3_judge.lock_checks(reading, engine)] == verdicts


def test_public_access_block() -> None:
    assert s3_judge.public_access_check(of(PublicAccessBlock(True, True, True, True))).verdict is Verdict.PASSED
    partly = s3_judge.public_access_check(of(PublicAccessBlock(True, True, False, False)))
    assert partly.verdict is Verdict.WARNING
    assert "BlockPublicPolicy, RestrictPublicBuckets" in partly.seen
    assert s3_judge.public_access_check(UNSET).verdict is Verdict.WARNING
    # All four without a word on any: what a store answers that does not know the question.
    assert parse_public_access_block({"PublicAccessBlockConfiguration": {}}) is None
    assert parse_public_access_block({"PublicAccessBlockConfiguration": {"BlockPublicAcls": False}}) is not None


OPEN: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
UNSUPPORTED: Reading[Any] = Reading("unsupported")


@pytest.mark.parametrize(
    ("status", "policy", "aws", "verdict"),
    [
        (of(True), UNSET, False, Verdict.FAILED),
        (of(True), DENIED, True, Verdict.FAILED),
        (of(False), of({"Statement": OPEN}), True, Verdict.PASSED),
        (of(False), of({"Statement": OPEN}), False, Verdict.FAILED),
        (UNSET, of({"Statement": OPEN}), False, Verdict.FAILED),
        (DENIED, of({"Statement": OPEN}), True, Verdict.FAILED),
        (UNSUPPORTED, of({"Statement": OPEN}), False, Verdict.FAILED),
        (of(False), of({"Statement": []}), False, Verdict.PASSED),
        (of(False), UNSET, False, Verdict.PASSED),
        (UNSET, UNSET, True, Verdict.PASSED),
        (of(False), DENIED, False, Verdict.UNKNOWN),
        (of(False), DENIED, True, Verdict.PASSED),
        (DENIED, DENIED, True, Verdict.UNKNOWN),
        (DENIED, UNSET, True, Verdict.UNKNOWN),
        (UNSUPPORTED, UNSUPPORTED, False, Verdict.UNSUPPORTED),
    ],
)
def test_public_policies(status: Reading[bool], policy: Reading[dict[str, Any]], aws: bool, verdict: Verdict) -> None:
    """That a policy is not public is believed of AWS only."""
    found = s3_judge.policy_status_check(status, policy, "b", "", aws=aws)
    assert found.verdict is verdict
    assert found.error_code == ("bucket_public" if verdict is Verdict.FAILED else "")
    if verdict is Verdict.UNKNOWN:
        assert ("s3:GetBucketPolicyStatus" if aws else "s3:GetBucketPolicy ") in found.fix


ALL_ON = PublicAccessBlock(True, True, True, True)


def test_the_account_s_public_access_block() -> None:
    def verdict(reading: Reading[PublicAccessBlock]) -> Verdict:
        return s3_judge.account_block_check(reading, "111122223333").verdict

    assert verdict(of(ALL_ON)) is Verdict.PASSED
    assert verdict(of(PublicAccessBlock(True))) is Verdict.WARNING
    assert verdict(UNSET) is Verdict.WARNING
    assert verdict(DENIED) is Verdict.UNKNOWN
    assert verdict(Reading("unknown", failure=Failure("endpoint_unreachable", "m", ""))) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("grants", "block", "verdict"),
    [
        (of(()), UNSET, Verdict.PASSED),
        (of(("READ to anybody",)), UNSET, Verdict.FAILED),
        (of(("READ to anybody",)), DENIED, Verdict.FAILED),
        (of(("READ to anybody",)), of(PublicAccessBlock(BlockPublicAcls=True)), Verdict.FAILED),
        (of(("READ to anybody",)), of(ALL_ON), Verdict.WARNING),
        (UNSET, of(ALL_ON), Verdict.UNKNOWN),
        (DENIED, of(ALL_ON), Verdict.UNKNOWN),
        (UNSUPPORTED, UNSUPPORTED, Verdict.UNSUPPORTED),
    ],
)
def test_acls(grants: Reading[tuple[str, ...]], block: Reading[PublicAccessBlock], verdict: Verdict) -> None:
    found = s3_judge.acl_check(grants, block)
    assert found.verdict is verdict
    assert found.error_code == ("bucket_public" if verdict is Verdict.FAILED else "")
    assert not grants.value or "READ to anybody" in found.seen


def test_acl_answers() -> None:
    owner = {"Grantee": {"Type": "CanonicalUser", "ID": "abc"}, "Permission": "FULL_CONTROL"}
    groups = "http://acs.amazonaws.com/groups"
    everybody = [
        {"Grantee": {"Type": "Group", "URI": f"{groups}/{name}"}, "Permission": permission}
        for name, permission in (
            ("global/AllUsers", "READ"),
            ("global/AuthenticatedUsers", "WRITE"),
            ("s3/LogDelivery", "WRITE"),
        )
    ]
    assert parse_public_grants({"Grants": [owner]}) == ()
    assert parse_public_grants({"Owner": {"ID": "abc"}, "Grants": []}) == ()
    assert parse_public_grants({"Grants": [owner, *everybody]}) == (
        "READ to anybody",
        "WRITE to anybody with an AWS account",
    )
    assert parse_public_grants({}) is None


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (of(EncryptionKey("Enabled", True)), Verdict.PASSED),
        (of(EncryptionKey("Enabled", True, of_aws=True)), Verdict.PASSED),
        (of(EncryptionKey("Disabled")), Verdict.FAILED),
        (of(EncryptionKey("PendingDeletion")), Verdict.FAILED),
        (UNSET, Verdict.FAILED),
        (DENIED, Verdict.UNKNOWN),
    ],
)
def test_encryption_keys(reading: Reading[EncryptionKey], verdict: Verdict) -> None:
    found = s3_judge.encryption_key_check(reading, "key-1")
    assert found.verdict is verdict
    assert found.error_code == ("encryption_key_unusable" if verdict is Verdict.FAILED else "")


def test_replication() -> None:
    rules = [
        {"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::copies"}},
        {"Status": "Disabled", "Destination": {"Bucket": "arn:aws:s3:::old"}},
    ]
    targets = parse_replication({"ReplicationConfiguration": {"Rules": rules}})
    assert targets == ("arn:aws:s3:::copies",)
    assert parse_replication({"ReplicationConfiguration": {"Rules": rules[1:]}}) is None
    copied = s3_judge.replication_check(of(targets))
    assert (copied.verdict, "copies" in copied.seen, bool(copied.fix)) == (Verdict.PASSED, True, True)
    assert s3_judge.replication_check(UNSET).verdict is Verdict.PASSED
    assert s3_judge.replication_check(DENIED).verdict is Verdict.UNKNOWN


TLS_ONLY: dict[str, Any] = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.mark.parametrize(
    ("changes", "denies"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}, "Action": ["s3:*"]}, True),
        ({"Resource": "*"}, True),
        ({"Condition": {"Bool": {"aws:securetransport": [False]}}}, True),
        ({"Resource": "arn:aws:s3:::b/*"}, False),
        ({"Resource": ["arn:aws:s3:::other", "arn:aws:s3:::other/*"]}, False),
        ({"Effect": "Allow"}, False),
        ({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}, False),
        ({"Action": "s3:PutObject"}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:PrincipalOrgID": "o"}}}, False),
        ({"Condition": None}, False),
        ({"Condition": "x", "Resource": 7}, False),
    ],
)
def test_tls_only_policies(changes: dict[str, Any], denies: bool) -> None:
    policy = {"Statement": [TLS_ONLY | changes]}
    assert s3_judge.denies_plain_http(policy, "b") is denies
    verdict = s3_judge.tls_only_check(of(policy), "b", aws=True).verdict
    assert verdict is (Verdict.PASSED if denies else Verdict.WARNING)


def test_tls_only_by_two_statements_and_without_any() -> None:
    two = [TLS_ONLY | {"Resource": f"arn:aws-cn:s3:::b{end}"} for end in ("", "/*")]
    assert s3_judge.denies_plain_http({"Statement": two}, "b")
    assert not s3_judge.denies_plain_http({"Statement": "x"}, "b")
    assert s3_judge.tls_only_check(UNSET, "b", aws=True).verdict is Verdict.WARNING
    assert s3_judge.tls_only_check(DENIED, "b", aws=True).verdict is Verdict.UNKNOWN
    assert s3_judge.tls_only_check(UNSET, "b", aws=False).verdict is Verdict.UNSUPPORTED


def rule(**changes: Any) -> Rule:
    fields: dict[str, Any] = {"id": "r", "enabled": True, "prefix": "", "tagged": False}
    return Rule(**fields | changes)


@pytest.mark.parametrize(
    ("rules", "warned"),
    [
        ([rule(abort_days=3)], []),
        ([rule(abort_days=3, prefix="fleet/")], []),
        ([rule(abort_days=3, prefix="fle")], []),
        ([rule(abort_days=3, prefix="fleet/clusters/a/")], ["stale_uploads"]),
        ([rule(abort_days=3, prefix="logs/")], ["stale_uploads"]),
        ([rule(abort_days=3, enabled=False)], ["stale_uploads"]),
        ([rule(abort_days=3, tagged=True)], ["stale_uploads"]),
        ([rule(abort_days=3, expires=True)], ["lifecycle_expiry"]),
        ([rule(abort_days=3), rule(prefix="fleet/clusters/a/", expires=True)], ["lifecycle_expiry"]),
        ([rule(abort_days=3), rule(prefix="logs/", expires=True, archives=True)], []),
        ([rule(abort_days=3), rule(archives=True)], ["lifecycle_archive"]),
    ],
)
def test_lifecycle(rules: list[Rule], warned: list[str]) -> None:
    found = s3_judge.lifecycle_checks(of(tuple(rules)), "fleet/", sweeps_itself=False)
    assert [one.id for one in found] == list(s3_judge.LIFECYCLE)
    assert [one.id for one in found if one.verdict is Verdict.WARNING] == warned


def test_lifecycle_of_stores_that_sweep_by_themselves() -> None:
    verdicts = [one.verdict for one in s3_judge.lifecycle_checks(UNSET, "", sweeps_itself=True)]
    assert verdicts == [Verdict.PASSED] * 3
    verdicts = [one.verdict for one in s3_judge.lifecycle_checks(DENIED, "", sweeps_itself=True)]
    assert verdicts == [Verdict.PASSED, Verdict.UNKNOWN, Verdict.UNKNOWN]


def test_ownership_and_payer() -> None:
    assert s3_judge.ownership_check(of("BucketOwnerEnforced")).verdict is Verdict.PASSED
    assert s3_judge.ownership_check(of("ObjectWriter")).verdict is Verdict.WARNING
    assert s3_judge.ownership_check(UNSET).verdict is Verdict.WARNING
    assert s3_judge.payer_check(of("BucketOwner")).verdict is Verdict.PASSED
    assert s3_judge.payer_check(of("Requester")).verdict is Verdict.WARNING


# parsing


def test_encryption_answers() -> None:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:k"}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
    assert parse_encryption({"ServerSideEncryptionConfiguration": rules}) == Encryption("aws:kms", "arn:k", True)
    assert parse_encryption({}) is None
    assert parse_encryption({"ServerSideEncryptionConfiguration": {"Rules": []}}) is None


def test_object_lock_answers() -> None:
    lock: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
    assert parse_object_lock({"ObjectLockConfiguration": lock}) == ObjectLock()
    lock["Rule"] = {"DefaultRetention": {"Mode": "GOVERNANCE", "Years": 2}}
    assert parse_object_lock({"ObjectLockConfiguration": lock}) == ObjectLock("GOVERNANCE", 0, 2)
    assert parse_object_lock({"ObjectLockConfiguration": {}}) is None


def test_policies_are_read_with_care() -> None:
    assert parse_policy({"Policy": json.dumps({"Statement": []})}) == {"Statement": []}
    for text in ("", "<ListBucketResult/>", "[]", "{}", "{" * 70000, json.dumps({"Statement": "x" * 70000})):
        assert parse_policy({"Policy": text}) is None


def test_lifecycle_answers() -> None:
    rules = [
        {
            "ID": "old",
            "Status": "Enabled",
            "Prefix": "fleet/",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
        },
        {"ID": "new", "Status": "Disabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 30}},
        {"ID": "both", "Status": "Enabled", "Filter": {"And": {"Prefix": "y/", "Tags": [{"Key": "k", "Value": "v"}]}}},
        {"ID": "tag", "Status": "Enabled", "Filter": {"Tag": {"Key": "k", "Value": "v"}}},
        {"ID": "marker", "Status": "Enabled", "Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"ID": "cold", "Status": "Enabled", "Filter": {}, "Transitions": [{"Days": 1, "StorageClass": "DEEP_ARCHIVE"}]},
        {"ID": "cool", "Status": "Enabled", "Filter": {}, "Transitions": [{"Days": 1, "StorageClass": "GLACIER_IR"}]},
    ]
    assert parse_lifecycle({"Rules": rules}) == (
        rule(id="old", prefix="fleet/", abort_days=2),
        rule(id="new", enabled=False, prefix="x/", expires=True),
        rule(id="both", prefix="y/", tagged=True),
        rule(id="tag", tagged=True),
        rule(id="marker"),
        rule(id="cold", archives=True),
        rule(id="cool"),
    )
    assert parse_lifecycle({}) is None
