# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS of the testbed refuses what AWS refuses, and lets in whom AWS lets in: tests of trust count on it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.aws import allow, document, trust
from testbed import MiniStack
from testbed.ministack import BUCKET_ACCOUNT, OTHER_ACCOUNT, ROOT_SECRET, WORKLOAD_ACCOUNT
from testbed.process import plain_environment

ROOT = {"AWS": f"arn:aws:iam::{WORKLOAD_ACCOUNT}:root"}


def code_of(action: Callable[[], object]) -> str:
    """The error code of AWS that an action fails with; nothing if it does not."""
    try:
        action()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def unique(name: str) -> str:
    """A name that no other test has."""
    return f"{name}-{uuid.uuid4().hex[:10]}"


class Session:
    """A session of a role of the workload's account that may do anything in S3, and so depends on the bucket's policy."""

    def __init__(self, aws: MiniStack) -> None:
        self.name = unique("pod")
        self.arn = aws.role(WORKLOAD_ACCOUNT, self.name, trust(ROOT), document(allow("s3:*")))
        user, secret = aws.user(WORKLOAD_ACCOUNT, unique("user"), document(allow("sts:AssumeRole")))
        found = aws.sts(user, secret).assume_role(RoleArn=self.arn, RoleSessionName="test")["Credentials"]
        self.client: Any = aws._service("s3", found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


@pytest.fixture(scope="module")
def session(ministack: MiniStack) -> Session:
    """The session."""
    return Session(ministack)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("nothing", "AccessDenied"),
        ("role", ""),
        ("other role", "AccessDenied"),
        ("root", ""),
        ("root and right ARN", ""),
        ("root and wrong ARN", "AccessDenied"),
        ("everybody of the account", ""),
        ("everybody of another account", "AccessDenied"),
    ],
)
def test_a_bucket_policy_sees_who_comes_from_another_account(
    ministack: MiniStack, session: Session, case: str, expected: str
) -> None:
    bucket = ministack.create_bucket(unique("policy"))
    arn = f"arn:aws:s3:::{bucket}/*"
    right, wrong = session.arn, session.arn + "-other"
    statements: dict[str, dict[str, Any]] = {
        "role": {"Principal": {"AWS": right}},
        "other role": {"Principal": {"AWS": wrong}},
        "root": {"Principal": ROOT},
        "root and right ARN": {"Principal": ROOT, "Condition": {"ArnEquals": {"aws:PrincipalArn": right}}},
        "root and wrong ARN": {"Principal": ROOT, "Condition": {"ArnEquals": {"aws:PrincipalArn": wrong}}},
        "everybody of the account": {
            "Principal": "*",
            "Condition": {"StringEquals": {"aws:PrincipalAccount": WORKLOAD_ACCOUNT}},
        },
        "everybody of another account": {
            "Principal": "*",
            "Condition": {"StringEquals": {"aws:PrincipalAccount": OTHER_ACCOUNT}},
        },
    }
    if case in statements:
        ministack.client().put_bucket_policy(
            Bucket=bucket, Policy=document(allow("s3:PutObject", arn, **statements[case]))
        )
    assert code_of(lambda: session.client.put_object(Bucket=bucket, Key="a", Body=b"x")) == expected
    assert ministack.keys(bucket) == ([] if expected else ["a"])


@pytest.mark.parametrize(
    ("key", "prefix", "expected"),
    [
        ("there", "", ""),
        ("not-there", "", "AccessDenied"),
        ("not-there", "not", "NoSuchKey"),
        ("not-there", "x", "AccessDenied"),
    ],
)
def test_what_is_not_there_is_hidden_from_who_may_not_list(
    ministack: MiniStack, session: Session, key: str, prefix: str, expected: str
) -> None:
    bucket = ministack.create_bucket(unique("hidden"))
    ministack.client().put_object(Bucket=bucket, Key="there", Body=b"x")
    who = {"Principal": {"AWS": session.arn}}
    statements = [allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", **who)]
    if prefix:
        condition = {"StringLike": {"s3:prefix": f"{prefix}*"}}
        statements.append(allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition=condition, **who))
    ministack.client().put_bucket_policy(Bucket=bucket, Policy=document(*statements))
    assert code_of(lambda: session.client.get_object(Bucket=bucket, Key=key)) == expected


@pytest.mark.parametrize(
    ("condition", "external_id", "expected"),
    [
        ({}, None, ""),
        ({"StringEquals": {"sts:ExternalId": "acme"}}, "acme", ""),
        ({"StringEquals": {"sts:ExternalId": "acme"}}, "other", "AccessDenied"),
        ({"StringEquals": {"sts:ExternalId": "acme"}}, None, "AccessDenied"),
        ({"Null": {"sts:ExternalId": "true"}}, None, ""),
        ({"Null": {"sts:ExternalId": "true"}}, "acme", "AccessDenied"),
        ({"ArnEquals": {"aws:PrincipalArn": "USER"}}, None, ""),
        ({"ArnEquals": {"aws:PrincipalArn": "USER-other"}}, None, "AccessDenied"),
        ({"ArnEquals": {"aws:SourceArn": "USER"}}, None, "AccessDenied"),
    ],
)
def test_a_trust_policy_is_evaluated_across_accounts(
    ministack: MiniStack, condition: dict[str, Any], external_id: str | None, expected: str
) -> None:
    name = unique("user")
    access, secret = ministack.user(WORKLOAD_ACCOUNT, name, document(allow("sts:AssumeRole")))
    arn = f"arn:aws:iam::{WORKLOAD_ACCOUNT}:user/{name}"
    conditions: dict[str, Any] = {
        operator: {key: value.replace("USER", arn) for key, value in test.items()}
        for operator, test in condition.items()
    }
    role = ministack.role(BUCKET_ACCOUNT, unique("role"), trust(ROOT, **conditions))
    more: Any = {"ExternalId": external_id} if external_id else {}
    sts = ministack.sts(access, secret)
    assert code_of(lambda: sts.assume_role(RoleArn=role, RoleSessionName="test", **more)) == expected


def test_who_is_not_trusted_or_not_permitted_is_refused(ministack: MiniStack) -> None:
    role = ministack.role(BUCKET_ACCOUNT, unique("role"), trust(ROOT))
    permitted = document(allow("sts:AssumeRole"))
    for account, policy, expected in (
        (WORKLOAD_ACCOUNT, permitted, ""),
        (WORKLOAD_ACCOUNT, "", "AccessDenied"),
        (OTHER_ACCOUNT, permitted, "AccessDenied"),
    ):
        sts = ministack.sts(*ministack.user(account, unique("user"), policy))
        assert code_of(partial(sts.assume_role, RoleArn=role, RoleSessionName="test")) == expected
    sts = ministack.sts(*ministack.user(WORKLOAD_ACCOUNT, unique("user"), permitted))
    missing = f"{role}-none"
    assert code_of(lambda: sts.assume_role(RoleArn=missing, RoleSessionName="test")) == "AccessDenied"


def test_a_role_of_another_account_is_what_its_principal_arn_says(ministack: MiniStack, session: Session) -> None:
    role = ministack.role(
        BUCKET_ACCOUNT,
        unique("role"),
        trust(ROOT, ArnEquals={"aws:PrincipalArn": session.arn}),
        document(allow("s3:*")),
    )
    other = ministack.role(
        BUCKET_ACCOUNT, unique("role"), trust(ROOT, ArnEquals={"aws:PrincipalArn": session.arn + "x"})
    )
    ministack.iam(WORKLOAD_ACCOUNT).put_role_policy(
        RoleName=session.name, PolicyName="more", PolicyDocument=document(allow("sts:AssumeRole"))
    )
    keys = session.client._request_signer._credentials.get_frozen_credentials()
    sts = ministack.sts(keys.access_key, keys.secret_key, keys.token)
    assert code_of(lambda: sts.assume_role(RoleArn=role, RoleSessionName="test")) == ""
    assert code_of(lambda: sts.assume_role(RoleArn=other, RoleSessionName="test")) == "AccessDenied"


def test_the_expected_owner_of_a_bucket_is_honoured(ministack: MiniStack) -> None:
    bucket = ministack.create_bucket(unique("owner"))
    client = ministack.client()
    client.head_bucket(Bucket=bucket, ExpectedBucketOwner=BUCKET_ACCOUNT)
    put = {"Bucket": bucket, "Key": "a", "Body": b"x"}
    to_other = {**put, "ExpectedBucketOwner": OTHER_ACCOUNT}
    assert code_of(lambda: client.put_object(**to_other)) == "AccessDenied"  # type: ignore[arg-type]  # dictionary
    assert ministack.keys(bucket) == []


def test_wrong_keys_are_refused(ministack: MiniStack) -> None:
    access, secret = ministack.user(BUCKET_ACCOUNT, unique("user"), document(allow("s3:*")))
    bucket = ministack.create_bucket(unique("keys"))

    def listing(access_key: str, secret_key: str) -> str:
        client = ministack.client(access_key=access_key, secret_key=secret_key)
        return code_of(lambda: client.list_objects_v2(Bucket=bucket))

    assert listing(access, secret) == ""
    assert listing(access, "wrong") == "SignatureDoesNotMatch"
    assert listing("AKIAUNKNOWN000000000", secret) == "InvalidAccessKeyId"
    assert listing(OTHER_ACCOUNT, ROOT_SECRET) == "AccessDenied"


@pytest.mark.parametrize(("secure", "code"), [("false", "AccessDenied"), ("true", "")])
def test_a_bucket_can_refuse_plain_http(ministack: MiniStack, session: Session, secure: str, code: str) -> None:
    bucket = ministack.create_bucket(unique("plain"))
    arns = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": arns}
    condition = {"Bool": {"aws:SecureTransport": secure}}
    allowed = allow("s3:*", arns, Principal={"AWS": session.arn})
    ministack.client().put_bucket_policy(Bucket=bucket, Policy=document(allowed, {**deny, "Condition": condition}))
    found = session.client._request_signer._credentials
    keys = (found.access_key, found.secret_key, found.token)
    plain: Any = ministack._service("s3", *keys, endpoint=ministack.plain_endpoint)
    assert code_of(partial(plain.list_objects_v2, Bucket=bucket)) == code
    assert bool(code_of(partial(session.client.list_objects_v2, Bucket=bucket))) is not bool(code)


@pytest.mark.parametrize(("via", "code"), [("s3.us-east-1.amazonaws.com", ""), ("elsewhere", "AccessDenied")])
def test_a_key_s_policy_is_asked(ministack: MiniStack, via: str, code: str) -> None:
    bucket = ministack.create_bucket(unique("keyed"))
    condition = {"StringEquals": {"kms:ViaService": via}}
    use = allow("kms:GenerateDataKey", Principal={"AWS": f"arn:aws:iam::{BUCKET_ACCOUNT}:root"}, Condition=condition)
    key = ministack.root("kms", BUCKET_ACCOUNT).create_key(Policy=document(use))["KeyMetadata"]["Arn"]
    access, secret = ministack.user(BUCKET_ACCOUNT, unique("user"), document(allow(["s3:*", "kms:*"])))
    client = ministack.client(access_key=access, secret_key=secret)
    put = partial(client.put_object, Bucket=bucket, Key="a", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    assert code_of(put) == code


def test_another_version_is_refused(ministack: MiniStack, tmp_path: Any) -> None:
    import subprocess
    import sys

    from testbed.ministack import SERVER

    info = tmp_path / "ministack-1.5.34.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ministack\nVersion: 1.5.34\n")
    command = [sys.executable, "-I", "-S", str(SERVER), str(tmp_path), "0", "0"]
    done = subprocess.run(command, capture_output=True, text=True, env=plain_environment(), check=False)
    assert done.returncode == 1
    assert "1.5.34" in done.stderr
    assert "1.5.33" in done.stderr


def test_it_listens_on_its_ports_alone(ministack: MiniStack) -> None:
    from pathlib import Path

    assert ministack.process is not None
    inodes = set()
    for file in Path(f"/proc/{ministack.process.pid}/fd").iterdir():
        target = str(file.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                listening.add(fields[1])
    assert listening == {f"0100007F:{port:04X}" for port in ministack._ports}
