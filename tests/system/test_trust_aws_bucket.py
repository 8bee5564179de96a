# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of a bucket in another account of AWS: who is let in by it alone, and its guard rails, against an emulator that
enforces it. Each guard is taken away by hand, and the proof sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support import modules
from support.aws import allow, document
from support.trust_aws import MORE, PREFIX, Tree, World, changes, failed_lines, verdicts
from testbed import MiniStack
from testbed.cluster import Cluster
from testbed.ministack import BUCKET_ACCOUNT, OTHER_ACCOUNT, ROOT_SECRET, WORKLOAD_ACCOUNT

BY_POLICY: Tree = {"method": "bucket_policy"}
SOMEBODY: Tree = {
    "Sid": "Theirs",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:DeleteBucket",
    "Resource": "arn:aws:s3:::x",
}


@pytest.fixture
def world(ministack: MiniStack) -> World:
    """New accounts' worth of names."""
    found = World(ministack)
    controls: Any = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    ministack.client().put_bucket_ownership_controls(Bucket=found.bucket, OwnershipControls=controls)
    return found


@pytest.fixture
def other(world: World) -> Tree:
    """Somebody of a third account who may do everything as far as that account is concerned, and has a bucket there."""
    keys = world.aws.user(OTHER_ACCOUNT, f"{world.user}-other", document(allow("s3:*")))
    world.aws.client(access_key=OTHER_ACCOUNT, secret_key=ROOT_SECRET).create_bucket(Bucket=f"{world.bucket}-other")
    return {
        "name": "other",
        "access_key": keys[0],
        "secret_key": keys[1],
        "control_bucket": f"{world.bucket}-other",
    }


@pytest.mark.parametrize("permissions", ["writer", "reader", "pruner", "auditor"])
def test_a_bucket_lets_another_account_in_without_a_role(world: World, other: Tree, permissions: str) -> None:
    options: Tree = {**BY_POLICY, "permissions": permissions, "verify_as": [other]}
    there = world.fill()
    planned = world.run(check=True, **options)
    made = world.run(**options)
    expected = [("bucket_policy", False, True), ("party_permissions", False, True)]
    assert changes(made["trust"]) == changes(planned["trust"]) == expected
    assert set(verdicts(made["trust"]).values()) == {"passed"}
    assert "as_other_list_refused" in verdicts(made["trust"])
    assert made["trust"]["auth"] == {}
    assert [world.run(check=check, **options)["changed"] for check in (True, False)] == [False, False]
    assert (world.aws.keys(world.bucket), world.aws.uploads(world.bucket)) == (there, [])
    planned = world.run(check=True, state="absent", **options)
    gone = world.run(state="absent", **options)
    assert changes(gone["trust"]) == changes(planned["trust"]) == [(one, was, not was) for one, _no, was in expected]
    assert world.run(state="absent", **options)["changed"] is False
    assert world.bucket_policy() == []
    assert world.theirs.list_user_policies(UserName=world.user)["PolicyNames"] == ["inline"]


def test_statements_of_others_stay(world: World) -> None:
    world.put_bucket_policy([SOMEBODY])
    world.fill()
    world.present(**BY_POLICY)
    second = World(world.aws)
    second.bucket, second.where = world.bucket, world.where
    second.present(**BY_POLICY, guard_rails={"tls_only": True})
    assert SOMEBODY in world.bucket_policy()
    again = world.run(**BY_POLICY)
    assert again["changed"] is False, "another trust of the bucket is not its own"
    assert json.dumps(SOMEBODY) in again["trust"]["foreign"]
    second.run(state="absent", **BY_POLICY)
    assert set(verdicts(world.present(**BY_POLICY)).values()) == {"passed"}
    world.run(state="absent", **BY_POLICY)
    assert world.bucket_policy() == [SOMEBODY]


@pytest.mark.parametrize(
    ("action", "resource", "line"),
    [
        ("s3:GetObject", "{bucket}/*", "read_refused"),
        ("s3:DeleteObject", "{bucket}/fleet/clusters/prod-1/*", "delete_refused"),
        ("s3:PutObject", "{bucket}/*", "outside_prefix_create_refused"),
        ("s3:ListBucket", "{bucket}", "other_cluster_list_refused"),
        *MORE,
    ],
)
def test_a_policy_that_allows_more_is_found_out(world: World, action: str, resource: str, line: str) -> None:
    """The other account allows its user everything, as its administrators can: the bucket's policy alone stands guard."""
    world.fill()
    world.theirs.put_user_policy(
        UserName=world.user, PolicyName="all", PolicyDocument=document(allow(["s3:*", "iam:*"]))
    )
    assert set(verdicts(world.present(**BY_POLICY)).values()) == {"passed"}
    arn = f"arn:aws:s3:::{resource.format(bucket=world.bucket)}"
    more = allow(action, arn, Principal={"AWS": world.principal})
    world.put_bucket_policy([*world.bucket_policy(), more])
    assert line in failed_lines(world.run(**BY_POLICY))


def test_what_is_hidden_from_who_may_not_list_shows_nothing(world: World) -> None:
    """The bucket's policy lets everything be read, and AWS says of what is not there that access is denied."""
    hidden = {line for action, _resource, line in MORE if action == "s3:GetObject"} | {"other_cluster_read_refused"}
    world.theirs.put_user_policy(
        UserName=world.user, PolicyName="all", PolicyDocument=document(allow(["s3:*", "iam:*"]))
    )
    trust = world.present(**BY_POLICY)
    assert {line for line, seen in verdicts(trust).items() if seen == "unknown"} == hidden
    assert failed_lines(world.run(**BY_POLICY, verify_required=["outside_prefix_read_refused"])) == [
        "outside_prefix_read_refused"
    ]
    more = allow("s3:GetObject", f"arn:aws:s3:::{world.bucket}/*", Principal={"AWS": world.principal})
    world.put_bucket_policy([*world.bucket_policy(), more])
    found = world.run(**BY_POLICY)
    assert failed_lines(found) == ["read_refused"], "its own folder it may list"
    assert {line for line, seen in verdicts(found["trust"]).items() if seen == "unknown"} == hidden
    there = world.fill()
    found = world.run(**BY_POLICY)
    assert set(failed_lines(found)) == {"read_refused", *hidden}
    assert world.aws.keys(world.bucket) == there


def test_another_principal_is_found_out(world: World, other: Tree) -> None:
    colleague = world.aws.user(WORKLOAD_ACCOUNT, f"{world.user}-colleague", document(allow("s3:*")))
    mine = f"{world.bucket}-mine"
    world.aws.client(access_key=WORKLOAD_ACCOUNT, secret_key=ROOT_SECRET).create_bucket(Bucket=mine)
    them = {"name": "colleague", "access_key": colleague[0], "secret_key": colleague[1], "control_bucket": mine}
    options: Tree = {**BY_POLICY, "verify_as": [them, other]}
    world.fill()
    assert set(verdicts(world.present(**options)).values()) == {"passed"}
    lines = lines_of("colleague")
    assert failed_lines(world.run(**{**options, "principals": [WORKLOAD_ACCOUNT]})) == lines
    narrowed = {**options, "principals": [WORKLOAD_ACCOUNT], "principal_arns": [world.principal]}
    assert set(verdicts(world.present(**narrowed)).values()) == {"passed"}
    statements = world.bucket_policy()
    for one in statements:
        one["Principal"] = {"AWS": [f"arn:aws:iam::{account}:root" for account in (WORKLOAD_ACCOUNT, OTHER_ACCOUNT)]}
        one.get("Condition", {}).pop("ArnEquals", None)
    world.put_bucket_policy([{**one, "Sid": "Loose"} for one in statements])
    assert failed_lines(world.run(**narrowed)) == [*lines, *lines_of("other")]
    bare = {name: value for name, value in other.items() if name != "control_bucket"}
    assert failed_lines(world.run(**{**narrowed, "verify_as": [bare]})) == lines_of("other"), "that they get in is seen"
    lost = {**other, "control_bucket": f"{world.bucket}-nowhere"}
    assert verdicts(world.present(**{**narrowed, "verify_as": [lost]}))["as_other_list_refused"] == "unknown"
    world.put_bucket_policy(statements)
    for one in (bare, lost):
        seen = verdicts(world.present(**{**narrowed, "verify_as": [one]}))
        assert {seen[line] for line in lines_of("other")} == {"unknown"}, "their own account may be what refuses"


@pytest.mark.parametrize("where", ["nowhere", "in their bucket only"])
def test_a_stranger_who_may_only_list_shows_nothing_of_writing(world: World, other: Tree, where: str) -> None:
    """The bucket lets their whole account write."""
    mine = other["control_bucket"]
    own = [allow("s3:ListBucket")] + ([] if where == "nowhere" else [allow("s3:PutObject", f"arn:aws:s3:::{mine}/*")])
    keys = world.aws.user(OTHER_ACCOUNT, f"{world.user}-lists", document(*own))
    them = {**other, "name": "lists", "access_key": keys[0], "secret_key": keys[1]}
    options: Tree = {**BY_POLICY, "verify_as": [them, other]}
    assert verdicts(world.present(**options))["as_lists_create_refused"] == "unknown"
    loose = allow("s3:PutObject", f"arn:aws:s3:::{world.bucket}/*", Principal={"AWS": [OTHER_ACCOUNT]}, Sid="Loose")
    world.put_bucket_policy([*world.bucket_policy(), loose])
    found = world.run(**options)
    assert failed_lines(found) == ["as_other_create_refused"]
    seen = verdicts(found["trust"])
    assert [seen[line] for line in lines_of("lists")] == ["passed", "unknown"]


def lines_of(name: str) -> list[str]:
    """The lines about somebody else."""
    return [f"as_{name}_list_refused", f"as_{name}_create_refused"]


def test_objects_have_to_belong_to_the_bucket_s_account(world: World) -> None:
    controls: Any = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    world.aws.client().put_bucket_ownership_controls(Bucket=world.bucket, OwnershipControls=controls)
    for check in (True, False):
        found = world.run(check=check, **BY_POLICY)
        assert (found["error_code"], "ObjectWriter" in found["msg"]) == ("unsafe_change", True)
    assert world.bucket_policy() == []


def test_a_bucket_that_is_gone_is_in_nobody_s_way(world: World) -> None:
    rails: Tree = {"guard_rails": {"tls_only": True}}
    world.present(**rails)
    world.aws.client().delete_bucket(Bucket=world.bucket)
    assert world.run(**rails)["error_code"] == "bucket_not_found"
    assert world.run(state="absent", **rails)["changed"] is True
    assert world.run(state="absent", **rails)["changed"] is False


def test_from_a_role_to_a_policy_and_back(world: World) -> None:
    world.present()
    found = world.present(**BY_POLICY)
    assert [one["what"] for one in found["changes"]] == [
        "bucket_policy",
        "party_permissions",
        "assume_permission",
        "permissions",
        "role",
    ]
    assert world.run(**BY_POLICY)["changed"] is False
    back = world.present()
    assert [one["what"] for one in back["changes"]][-2:] == ["bucket_policy", "party_permissions"]
    assert set(verdicts(back).values()) == {"passed"}
    assert world.bucket_policy() == []


def test_plain_http_is_found_out(world: World) -> None:
    plain: Tree = {"http_endpoint": world.aws.plain_endpoint}
    assert failed_lines(world.run(**plain)) == ["plain_http_refused"]
    rails: Tree = {"guard_rails": {"tls_only": True}}

    def line(trust: Tree) -> str:
        return str(next(one["verdict"] for one in trust["checks"] if one["id"] == "plain_http_refused"))

    assert line(world.present(**rails, **plain)) == "passed"
    assert world.run(**rails)["changed"] is False
    assert failed_lines(world.run(**plain)) == ["plain_http_refused"], "the rail is gone, and was not asked for"
    assert world.bucket_policy() == []
    assert line(world.present(**rails, http_endpoint="http://127.0.0.1:9")) == "unknown"
    assert failed_lines(world.run(**rails, verify_required=["plain_http_refused"])) == ["plain_http_refused"]


def test_deleted_versions_are_found_out(world: World) -> None:
    admin = world.administrator()
    rails: Tree = {"location_account": admin, "guard_rails": {"keep_versions": True}}
    assert verdicts(world.present(**rails))["delete_version_refused"] == "passed"
    assert world.run(**rails)["changed"] is False
    (rail,) = world.bucket_policy()
    world.put_bucket_policy([{**rail, "Resource": f"arn:aws:s3:::{world.bucket}/elsewhere/*"}])
    again = world.run(check=True, **rails)
    assert [one["what"] for one in again["trust"]["changes"]] == ["bucket_policy"]
    deleters = {"keep_versions": True, "version_deleters": [f"arn:aws:iam::{BUCKET_ACCOUNT}:role/elsewhere"]}
    assert verdicts(world.present(location_account=admin, guard_rails=deleters))["delete_version_refused"] == "passed"
    me = f"arn:aws:iam::{BUCKET_ACCOUNT}:user/{world.user}-admin"
    deleters["version_deleters"] = [me]
    assert verdicts(world.present(location_account=admin, guard_rails=deleters))["delete_version_refused"] == "unknown"
    assert [one["what"] for one in world.present(location_account=admin)["changes"]] == ["bucket_policy"]


def test_a_rail_that_does_not_hold_is_found_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the store did not heed it: what is written is not what is asked for."""
    from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_bucket

    admin = world.administrator()
    original = aws_bucket.rail_statements

    def nowhere(*given: Any) -> list[Tree]:
        return [{**one, "Resource": f"arn:aws:s3:::{world.bucket}/elsewhere/*"} for one in original(*given)]

    monkeypatch.setattr(aws_bucket, "rail_statements", nowhere)
    rails = {"keep_versions": True, "tls_only": True}
    found = world.run(location_account=admin, guard_rails=rails, http_endpoint=world.aws.plain_endpoint)
    assert failed_lines(found) == ["plain_http_refused", "delete_version_refused"]


def test_other_organisations_stay_out(world: World, other: Tree) -> None:
    """A statement of somebody else lets another account in; the rail keeps it out all the same."""
    organization = world.aws.root("organizations", WORKLOAD_ACCOUNT).describe_organization()["Organization"]["Id"]
    folders = [f"arn:aws:s3:::{world.bucket}", f"arn:aws:s3:::{world.bucket}/*"]
    careless = allow("s3:*", folders, Principal={"AWS": [OTHER_ACCOUNT]}, Sid="Careless")
    world.put_bucket_policy([careless])
    rails: Tree = {**BY_POLICY, "guard_rails": {"organization": organization}, "verify_as": [other]}
    there = world.fill()
    assert set(verdicts(world.present(**rails)).values()) == {"passed"}
    assert failed_lines(world.run(**BY_POLICY, verify_as=[other])) == [
        "as_other_list_refused",
        "as_other_create_refused",
    ]
    assert world.aws.client().list_objects_v2(Bucket=world.bucket, Prefix=PREFIX)["KeyCount"] == len(there) - 1, (
        "its own account gets in"
    )


@pytest.mark.parametrize(
    "options",
    [
        {"principals": ["*"]},
        {"service_accounts": [{"issuer": "https://oidc.example.com", "namespace": "a", "name": "b"}]},
        {"guard_rails": {"keep_versions": True, "version_deleters": ["*"]}},
        {"guard_rails": {"version_deleters": ["arn:aws:iam::111111111111:role/x"]}},
    ],
)
def test_what_makes_no_sense(world: World, options: Tree) -> None:
    found = world.run(**{**BY_POLICY, **options})
    assert (found["error_code"], bool(found["hint"])) == ("invalid_option", True)
    assert world.bucket_policy() == []


def test_somebody_else_can_be_asked_to_do_it(world: World) -> None:
    rails = {"tls_only": True, "organization": "o-acme", "keep_versions": True}
    accounts: Tree = {"location_account": {"account": BUCKET_ACCOUNT}, "cluster_account": None}
    trust = world.present(render_only=True, guard_rails=rails, **BY_POLICY, **accounts)
    for command in (
        f"aws s3api put-bucket-policy --bucket {world.bucket} --policy file://bucket.json",
        f"aws s3api put-bucket-ownership-controls --bucket {world.bucket}",
        f"--policy-name stowage-{world.name} --policy-document file://party.json",
    ):
        assert command in trust["review"]
    assert trust["documents"].keys() == {"party_permissions", "bucket_policy"}
    assert "create-role" not in trust["review"]
    assert world.bucket_policy() == []


def test_a_backup_by_the_bucket_s_policy_alone(world: World, cluster: Any, tmp_path: Path) -> None:
    source: Cluster = cluster()
    source.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "by-policy"}}, field_manager="test")
    world.present(**BY_POLICY)
    location = {**world.where, "auth": world.auth(world.keys)}
    selected = {"included_namespaces": ["by-policy"], "name": "by-policy", "kubeconfig": str(source.kubeconfig)}
    made = modules.run("backup", {"location": location, "cluster": "prod-1", **selected})
    assert made["backup"]["phase"] == "Completed"
    looked = modules.run("backup_location_info", {"location": location, "cluster": "prod-1", "access": ["write"]})
    assert looked["location"]["fit"] is True
    source.api.delete("v1", "Namespace", "by-policy")
