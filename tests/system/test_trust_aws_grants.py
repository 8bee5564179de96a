# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grants of the key that a bucket in another account of AWS is encrypted with, against an emulator that heeds them: what is granted,
what is denied all the same, and that the proof sees when it is not."""

from __future__ import annotations

from typing import Any

import pytest

from support.aws import allow, document
from support.trust_aws import Tree, World, changes, failed_lines, verdicts
from testbed import MiniStack
from testbed.ministack import BUCKET_ACCOUNT, WORKLOAD_ACCOUNT

ADMINISTRATORS: Tree = {
    "Sid": "Administrators",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{BUCKET_ACCOUNT}:root"},
    "Action": ["kms:Describe*", "kms:Get*", "kms:Put*", "kms:*Grant*"],
    "Resource": "*",
}
"""Those of a key whose policy nobody else is to change: IAM policies do not let anybody use it."""
BLIND: Tree = {**ADMINISTRATORS, "Action": ["kms:Describe*", "kms:Get*", "kms:Put*"]}
"""Those of a key whose administrators may not see who was granted it."""


class Keyed(World):
    """With a key in the bucket's account."""

    def __init__(self, aws: MiniStack) -> None:
        super().__init__(aws)
        self.kms = aws.root("kms", BUCKET_ACCOUNT)
        self.key = str(self.kms.create_key(Policy=document(ADMINISTRATORS))["KeyMetadata"]["Arn"])
        self.options: Tree = {"kms_key_arn": self.key, "key_grant": True}
        controls: Any = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        aws.client().put_bucket_ownership_controls(Bucket=self.bucket, OwnershipControls=controls)

    @property
    def role_arn(self) -> str:
        return f"arn:aws:iam::{BUCKET_ACCOUNT}:role/{self.name}"

    def grants(self) -> list[tuple[str, list[str]]]:
        """Whom the key is granted to, and for which operations."""
        found = self.kms.list_grants(KeyId=self.key)["Grants"]
        return [(one["GranteePrincipal"], sorted(one["Operations"])) for one in found]

    def grant(self, grantee: str, *operations: str, **more: Any) -> str:
        """Grants the key as somebody else does; the id of the grant."""
        made = self.kms.create_grant(
            KeyId=self.key, GranteePrincipal=grantee, Operations=list(operations), **{"Name": "theirs", **more}
        )
        return str(made["GrantId"])


@pytest.fixture
def world(ministack: MiniStack) -> Keyed:
    """New accounts' worth of names."""
    return Keyed(ministack)


def of_grants(trust: Tree) -> list[tuple[str, bool, bool]]:
    """The changes of grants."""
    return [one for one in changes(trust) if one[0] == "key_grant"]


@pytest.mark.parametrize("method", ["role", "bucket_policy"])
def test_a_key_is_granted_through_s3_and_taken_away(world: Keyed, method: str) -> None:
    world.fill()
    options: Tree = {**world.options, "method": method}
    planned = world.run(check=True, **options)
    assert world.grants() == []
    made = world.run(**options)
    assert changes(made["trust"]) == changes(planned["trust"])
    assert of_grants(made["trust"]) == [("key_grant", False, True)]
    assert set(verdicts(made["trust"]).values()) == {"passed"}
    assert {"key_through_s3_allowed", "key_outside_s3_refused"} <= verdicts(made["trust"]).keys()
    grantee = world.role_arn if method == "role" else world.principal
    assert world.grants() == [(grantee, ["Decrypt", "GenerateDataKey"])]
    assert [world.run(check=check, **options)["changed"] for check in (True, False)] == [False, False]
    theirs = world.grant(f"arn:aws:iam::{WORKLOAD_ACCOUNT}:root", "DescribeKey")
    planned = world.run(check=True, state="absent", **options)
    gone = world.run(state="absent", **options)
    assert changes(gone["trust"]) == changes(planned["trust"])
    assert of_grants(gone["trust"]) == [("key_grant", True, False)]
    assert [one["GrantId"] for one in world.kms.list_grants(KeyId=world.key)["Grants"]] == [theirs]
    assert world.run(state="absent", **options)["changed"] is False


@pytest.mark.parametrize(("permissions", "operations"), [("reader", ["Decrypt"]), ("auditor", ["Decrypt"])])
def test_who_only_reads_is_granted_no_more(world: Keyed, permissions: str, operations: list[str]) -> None:
    made = world.present(**world.options, permissions=permissions)
    assert world.grants() == [(world.role_arn, operations)]
    assert verdicts(made)["key_decrypt_outside_s3_refused"] == "passed"


def test_what_is_not_granted_is_found_out(world: Keyed) -> None:
    assert failed_lines(world.run(kms_key_arn=world.key)) == ["key_through_s3_allowed"]
    world.present(**world.options)
    (grant,) = world.kms.list_grants(KeyId=world.key)["Grants"]
    world.kms.revoke_grant(KeyId=world.key, GrantId=grant["GrantId"])
    put_right = world.present(**world.options)
    assert of_grants(put_right) == [("key_grant", False, True)]


def test_a_grant_of_somebody_else_is_held_by_the_role(world: Keyed) -> None:
    """Whatever the options say: one of ours that was lost track of would be, too."""
    for options in ({"kms_key_arn": world.key, "key_policy": True}, world.options):
        world.present(**options)
        world.grant(world.role_arn, "Decrypt", "GenerateDataKey")
        assert set(verdicts(world.present(**options)).values()) == {"passed"}


@pytest.mark.parametrize(
    ("permissions", "operation", "line"),
    [
        ("writer", "GenerateDataKey", "key_outside_s3_refused"),
        ("writer", "Decrypt", "key_decrypt_outside_s3_refused"),
        ("reader", "Decrypt", "key_decrypt_outside_s3_refused"),
        ("auditor", "Decrypt", "key_decrypt_outside_s3_refused"),
    ],
)
def test_a_grant_of_somebody_else_that_reaches_outside_s3_is_found_out(
    world: Keyed, permissions: str, operation: str, line: str
) -> None:
    """Whoever is no role of ours may need keys for other things, and is denied none without grants of ours."""
    everything = document(allow(["iam:*", "kms:*"]))
    world.theirs.put_user_policy(UserName=world.user, PolicyName="all", PolicyDocument=everything)
    options: Tree = {"method": "bucket_policy", "permissions": permissions, "kms_key_arn": world.key}
    assert verdicts(world.present(**options, key_policy=True))[line] == "passed"
    world.grant(world.principal, operation)
    assert failed_lines(world.run(**options, key_policy=True)) == [line]
    assert verdicts(world.present(**options, key_grant=True))[line] == "passed"


@pytest.mark.parametrize("permissions", ["writer", "reader"])
def test_a_denial_that_is_gone_is_found_out(world: Keyed, permissions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a grant were narrowed by itself: what is written denies something else."""
    from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_key_documents

    original = aws_key_documents.key_denial
    monkeypatch.setattr(aws_key_documents, "key_denial", lambda _resource, region: original(f"{world.key}-not", region))
    lines = {"writer": ["key_outside_s3_refused"], "reader": []}[permissions] + ["key_decrypt_outside_s3_refused"]
    assert failed_lines(world.run(**world.options, permissions=permissions)) == lines


@pytest.mark.parametrize("method", ["role", "bucket_policy"])
@pytest.mark.parametrize("to", ["another key", "no key", "no grant", "absent"])
def test_a_grant_that_is_not_wanted_goes_before_permissions_change(world: Keyed, method: str, to: str) -> None:
    """Its key is known by the permissions that are there: the options name it no longer."""
    world.present(**world.options, method=method)
    second = Keyed(world.aws)
    options: Tree = {
        "another key": second.options,
        "no key": {},
        "no grant": {"kms_key_arn": world.key},
        "absent": {"state": "absent"},
    }[to]
    planned = world.run(check=True, method=method, verify=False, **options)
    assert len(world.grants()) == 1
    made = world.present(method=method, verify=False, **options)
    assert changes(made) == changes(planned["trust"])
    first, *more = [
        one["what"] for one in made["changes"] if one["what"] in {"key_grant", "permissions", "party_permissions"}
    ]
    assert (first, made["changes"][0]["before"]["key"]) == ("key_grant", world.key)
    assert [one == "key_grant" for one in more] == [False, *([True] if to == "another key" else [])]
    assert (world.grants(), len(second.grants())) == ([], 1 if to == "another key" else 0)
    assert world.run(method=method, verify=False, **options)["changed"] is False


def test_a_grant_that_cannot_be_seen_is_not_lost_track_of(world: Keyed) -> None:
    world.present(**world.options)
    keys = world.aws.user(BUCKET_ACCOUNT, f"{world.user}-blind", document(allow(["iam:*", "s3:*", "kms:*"])))
    world.kms.put_key_policy(KeyId=world.key, PolicyName="default", Policy=document(BLIND))
    blind: Tree = {"location_account": {"account": BUCKET_ACCOUNT, "auth": world.auth(keys)}}
    without: list[Tree] = [{}, {"kms_key_arn": world.key}, {"state": "absent"}]
    for options in without:
        for check in (True, False):
            found = world.run(check=check, **blind, **options)
            assert (found["error_code"], "kms:ListGrants" in found["hint"]) == ("permission_denied", True)
    assert len(world.grants()) == 1
    assert [one["what"] for one in world.present()["changes"]] == ["key_grant", "permissions"]
    (warning,) = world.run(kms_key_arn=world.key, verify=False, **blind)["warnings"]
    assert (world.key in warning, "kms:ListGrants" in warning) == (True, True), "none is expected, and none known"


@pytest.mark.parametrize(
    ("operations", "more"),
    [
        (["Decrypt"], {}),
        (["Decrypt", "Encrypt", "GenerateDataKey"], {}),
        (["Decrypt", "GenerateDataKey"], {"Constraints": {"EncryptionContextSubset": {"a": "b"}}}),
    ],
    ids=["less", "more", "constrained"],
)
def test_a_grant_that_was_changed_is_replaced(world: Keyed, operations: list[str], more: Tree) -> None:
    world.present(**world.options)
    (grant,) = world.kms.list_grants(KeyId=world.key)["Grants"]
    world.kms.revoke_grant(KeyId=world.key, GrantId=grant["GrantId"])
    world.grant(world.role_arn, *operations, Name=grant["Name"], **more)
    planned = world.run(check=True, **world.options)
    found = world.present(**world.options)
    assert of_grants(found) == of_grants(planned["trust"]) == [("key_grant", False, True), ("key_grant", True, False)]
    assert world.grants() == [(world.role_arn, ["Decrypt", "GenerateDataKey"])]


def test_a_role_that_was_made_again_is_granted_again(world: Keyed) -> None:
    """KMS keeps who it was by its unique id."""
    world.present(**world.options)
    (grant,) = world.kms.list_grants(KeyId=world.key)["Grants"]
    world.mine.delete_role_policy(RoleName=world.name, PolicyName="stowage")
    world.mine.delete_role(RoleName=world.name)
    found = world.present(**world.options)
    assert of_grants(found) == [("key_grant", True, False), ("key_grant", False, True)]
    (again,) = world.kms.list_grants(KeyId=world.key)["Grants"]
    assert again["GrantId"] != grant["GrantId"]


def test_from_a_grant_to_a_statement_and_back(world: Keyed) -> None:
    world.present(**world.options)
    found = world.present(kms_key_arn=world.key, key_policy=True)
    assert {one["what"] for one in found["changes"]} == {"permissions", "key_policy", "key_grant"}
    assert world.grants() == []
    back = world.present(**world.options)
    assert {one["what"] for one in back["changes"]} == {"permissions", "key_policy", "key_grant"}
    assert set(verdicts(back).values()) == {"passed"}


def test_several_trusts_share_a_key(world: Keyed) -> None:
    world.present(**world.options)
    second = World(world.aws)
    second.present(**world.options)
    assert len(world.grants()) == 2
    assert world.run(**world.options)["changed"] is False
    second.run(state="absent", **world.options)
    assert set(verdicts(world.present(**world.options)).values()) == {"passed"}


@pytest.mark.parametrize(
    "options",
    [
        {"key_grant": True},
        {"key_policy": True},
        {"kms_key_arn": "arn:aws:kms:us-east-1:111111111111:key/of-somebody-else"},
        {"method": "bucket_policy", "principals": [WORKLOAD_ACCOUNT]},
        {"method": "bucket_policy", "organization": "o-acme"},
    ],
    ids=["no key", "both", "another account", "an account", "an organisation"],
)
def test_what_makes_no_sense(world: Keyed, options: Tree) -> None:
    given = options if options == {"key_grant": True} else {**world.options, **options}
    assert world.run(**given)["error_code"] == "invalid_option"
    assert world.grants() == []


def test_a_key_that_is_gone_or_closed_is_in_nobody_s_way(world: Keyed) -> None:
    gone = {**world.options, "kms_key_arn": f"{world.key[:-12]}000000000000"}
    assert world.run(**gone)["failed"]
    assert world.run(state="absent", **gone)["changed"] is False


def test_somebody_else_can_be_asked_to_do_it(world: Keyed) -> None:
    trust = world.present(render_only=True, **world.options)
    command = f"aws kms create-grant --region {world.key.split(':')[3]} --key-id {world.key} --grantee-principal {world.role_arn} --operations Decrypt"
    assert command in trust["review"]
    assert "revoke-grant" in trust["review"]
    (grant,) = trust["documents"]["key_grants"]
    assert f"--name {grant['Name']}" in trust["review"]
    denied = trust["documents"]["permissions"]["Statement"][-1]
    assert (denied["Effect"], list(denied["Condition"])) == ("Deny", ["StringNotEquals"])
    assert world.grants() == []
