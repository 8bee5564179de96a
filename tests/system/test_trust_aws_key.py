# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that a bucket in another account of AWS is encrypted with: our statement in its policy, against an emulator that asks
the policy for each write with the key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.aws import allow, document
from support.trust_aws import Tree, World, changes, failed_lines, verdicts
from testbed import MiniStack
from testbed.ministack import BUCKET_ACCOUNT

# Of a key whose administrators decide themselves who may use it: IAM policies do not count, as they would by "kms:*" for the account.
ADMINISTRATORS: Tree = {
    "Sid": "Administrators",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{BUCKET_ACCOUNT}:root"},
    "Action": ["kms:Describe*", "kms:Get*", "kms:Put*"],
    "Resource": "*",
}


class Keyed(World):
    """With a key in the bucket's account."""

    def __init__(self, aws: MiniStack) -> None:
        super().__init__(aws)
        self.kms = aws.root("kms", BUCKET_ACCOUNT)
        self.key = str(self.kms.create_key(Policy=document(ADMINISTRATORS))["KeyMetadata"]["Arn"])
        self.options: Tree = {"kms_key_arn": self.key, "key_policy": True}
        controls: Any = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        aws.client().put_bucket_ownership_controls(Bucket=self.bucket, OwnershipControls=controls)

    def key_policy(self) -> list[Tree]:
        """The statements of the key's policy."""
        found = json.loads(self.kms.get_key_policy(KeyId=self.key, PolicyName="default")["Policy"])
        statements: list[Tree] = found["Statement"]
        return statements

    def put_key_policy(self, *statements: Tree) -> None:
        self.kms.put_key_policy(KeyId=self.key, PolicyName="default", Policy=document(*statements))


@pytest.fixture
def world(ministack: MiniStack) -> Keyed:
    """New accounts' worth of names."""
    return Keyed(ministack)


@pytest.mark.parametrize("method", ["role", "bucket_policy"])
def test_a_key_may_be_used_through_s3_and_not_otherwise(world: Keyed, method: str) -> None:
    world.fill()
    options: Tree = {**world.options, "method": method}
    planned = world.run(check=True, **options)
    made = world.run(**options)
    assert changes(made["trust"]) == changes(planned["trust"])
    assert ("key_policy", True, True) in changes(made["trust"])
    seen = verdicts(made["trust"])
    assert (seen["key_through_s3_allowed"], set(seen.values())) == ("passed", {"passed"})
    assert world.aws.uploads(world.bucket) == []
    assert [world.run(check=check, **options)["changed"] for check in (True, False)] == [False, False]
    assert world.key_policy()[0] == ADMINISTRATORS
    (ours,) = world.key_policy()[1:]
    assert ours["Condition"] == {"StringEquals": {"kms:ViaService": f"s3.{world.aws.region}.amazonaws.com"}}
    gone = world.run(state="absent", **options)
    assert ("key_policy", True, True) in changes(gone["trust"])
    assert world.key_policy() == [ADMINISTRATORS]
    assert world.run(state="absent", **options)["changed"] is False


def test_a_key_that_may_not_be_used_is_found_out(world: Keyed) -> None:
    """The permission of the role is not enough."""
    assert failed_lines(world.run(kms_key_arn=world.key)) == ["key_through_s3_allowed"]
    assert set(verdicts(world.present(**world.options)).values()) == {"passed"}
    world.put_key_policy(ADMINISTRATORS)
    assert [one["what"] for one in world.present(**world.options)["changes"]] == ["key_policy"]


@pytest.mark.parametrize(
    ("permissions", "may", "lines"),
    [
        ("writer", "kms:*", ["key_outside_s3_refused", "key_decrypt_outside_s3_refused"]),
        ("writer", "kms:Decrypt", ["key_decrypt_outside_s3_refused"]),
        ("reader", "kms:Decrypt", ["key_decrypt_outside_s3_refused"]),
        ("pruner", "kms:Decrypt", ["key_decrypt_outside_s3_refused"]),
    ],
)
def test_a_key_that_may_be_used_directly_is_found_out(
    world: Keyed, permissions: str, may: str, lines: list[str]
) -> None:
    """Who is named in the bucket's policy may have more permissions of their own."""
    options: Tree = {**world.options, "method": "bucket_policy", "permissions": permissions}
    everything = document(allow(["iam:*", "kms:*"]))
    world.theirs.put_user_policy(UserName=world.user, PolicyName="all", PolicyDocument=everything)
    seen = verdicts(world.present(**options))
    assert {seen[line] for line in lines} == {"passed"}
    careless = allow(may, Principal={"AWS": world.principal}, Sid="Careless")
    world.put_key_policy(*world.key_policy(), careless)
    assert failed_lines(world.run(**options)) == lines
    assert world.key_policy()[-1]["Sid"] == "Careless"


def test_a_role_s_denial_stands_against_a_careless_policy(world: Keyed) -> None:
    world.present(**world.options)
    role = {"AWS": f"arn:aws:iam::{BUCKET_ACCOUNT}:role/{world.name}"}
    world.put_key_policy(*world.key_policy(), allow("kms:*", Principal=role, Sid="Careless"))
    assert set(verdicts(world.present(**world.options)).values()) == {"passed"}


def test_who_may_decrypt_outside_s3_is_no_success_without_a_text_that_was_encrypted(world: Keyed) -> None:
    """That the text is none comes before, or after the permission: nobody can tell. But it is not taken for a refusal."""
    admin: Tree = {"location_account": world.administrator()}
    options: Tree = {**world.options, "method": "bucket_policy", "permissions": "reader", **admin}
    everything = document(allow(["iam:*", "kms:*"]))
    world.theirs.put_user_policy(UserName=world.user, PolicyName="all", PolicyDocument=everything)
    line = "key_decrypt_outside_s3_refused"
    assert verdicts(world.present(**options))[line] == "passed"
    world.put_key_policy(*world.key_policy(), allow("kms:Decrypt", Principal={"AWS": world.principal}, Sid="Careless"))
    made = world.present(**options)
    assert verdicts(made)[line] == "unknown"
    (found,) = [one for one in made["checks"] if one["id"] == line]
    assert "kms:Encrypt" in found["seen"]
    assert failed_lines(world.run(**options, verify_required=[line])) == [line]


def test_several_trusts_and_others_share_a_key(world: Keyed) -> None:
    world.present(**world.options)
    second = World(world.aws)
    second.present(**world.options)
    assert len(world.key_policy()) == 3
    assert world.run(**world.options)["changed"] is False
    dropped = world.present(kms_key_arn=world.key, verify=False)
    assert [one["what"] for one in dropped["changes"]] == ["key_policy"], "it is not asked for any more"
    assert set(verdicts(second.present(**world.options)).values()) == {"passed"}


def test_what_only_reads_is_not_known(world: Keyed) -> None:
    seen = verdicts(world.present(**world.options, permissions="reader"))
    assert seen["key_through_s3_allowed"] == "unknown"
    assert world.key_policy()[1]["Action"] == ["kms:Decrypt"]


def test_nobody_is_locked_out(world: Keyed) -> None:
    world.present(**world.options)
    world.put_key_policy(*world.key_policy()[1:])
    assert world.run(state="absent", **world.options)["error_code"] == "trust_in_use"


@pytest.mark.parametrize(
    "options",
    [
        {"key_policy": True},
        {"key_policy": True, "kms_key_arn": "arn:aws:kms:us-east-1:111111111111:key/of-somebody-else"},
        {"key_policy": True, "kms_key_arn": f"arn:aws:kms:us-east-1:{BUCKET_ACCOUNT}:alias/key"},
    ],
)
def test_what_makes_no_sense(world: Keyed, options: Tree) -> None:
    assert world.run(**options)["error_code"] == "invalid_option"


def test_somebody_else_can_be_asked_to_do_it(world: Keyed) -> None:
    trust = world.present(render_only=True, **world.options)
    assert (
        f"aws kms put-key-policy --region {world.key.split(':')[3]} --key-id {world.key} --policy-name default --policy file://key.json"
        in trust["review"]
    )
    assert trust["documents"]["key_policy"]["Statement"][0]["Principal"]["AWS"][0].endswith(f":role/{world.name}")
    assert world.key_policy() == [ADMINISTRATORS]
