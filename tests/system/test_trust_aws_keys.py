# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access keys of a user of AWS: made, kept in a file, and replaced without a moment in which none works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.trust_aws import Tree, World, verdicts
from testbed import MiniStack
from testbed.ministack import ROOT_SECRET, WORKLOAD_ACCOUNT


class Keys(World):
    """A user without keys, and who administers it."""

    def __init__(self, aws: MiniStack, folder: Path) -> None:
        super().__init__(aws)
        self.theirs.delete_access_key(UserName=self.user, AccessKeyId=self.keys[0])
        self.path = folder / "key.json"
        self.options: Tree = {
            "secret_path": str(self.path),
            "cluster_account": {
                "account": WORKLOAD_ACCOUNT,
                "auth": self.auth((WORKLOAD_ACCOUNT, ROOT_SECRET)),
                "user": self.user,
            },
        }

    def kept(self) -> str:
        assert self.path.stat().st_mode & 0o777 == 0o600
        return str(json.loads(self.path.read_text(encoding="ascii"))["access_key"])

    def there(self) -> dict[str, str]:
        """The user's keys, and their state."""
        found = self.theirs.list_access_keys(UserName=self.user)["AccessKeyMetadata"]
        return {one["AccessKeyId"]: one["Status"] for one in found}


@pytest.fixture
def world(ministack: MiniStack, tmp_path: Path) -> Keys:
    """New accounts' worth of names."""
    return Keys(ministack, tmp_path)


def keys_of(trust: Tree) -> list[tuple[bool, bool]]:
    """Of each change of a key whether it was there and will be."""
    found = [one for one in trust["changes"] if one["what"] == "access_key"]
    return [(one["before"] is not None, one["after"] is not None) for one in found]


@pytest.mark.parametrize("method", ["role", "bucket_policy"])
def test_a_key_is_made_replaced_and_taken_away(world: Keys, method: str) -> None:
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    world.aws.client().put_bucket_ownership_controls(Bucket=world.bucket, OwnershipControls=controls)  # type: ignore[arg-type]  # as it is sent
    world.fill()
    options: Tree = {**world.options, "method": method}
    planned = world.run(check=True, **options)
    assert (keys_of(planned["trust"]), world.path.exists()) == ([(False, True)], False)
    made = world.present(**options)
    first = world.kept()
    assert (keys_of(made), made["auth"]["access_key"]) == ([(False, True)], first)
    assert set(verdicts(made).values()) == {"passed"}
    secret = json.loads(world.path.read_text(encoding="ascii"))["secret_key"]
    assert secret not in json.dumps(made)
    assert [world.run(check=check, **options)["changed"] for check in (True, False)] == [False, False]

    planned = world.run(check=True, rotate=True, **options)
    assert keys_of(planned["trust"]) == [(False, True), (True, True)]
    assert keys_of(world.present(rotate=True, **options)) == keys_of(planned["trust"])
    second = world.kept()
    assert world.there() == {first: "Inactive", second: "Active"}
    assert keys_of(world.present(**options)) == [(True, False)]
    assert world.there() == {second: "Active"}
    assert world.run(**options)["changed"] is False

    gone = world.run(state="absent", **options)
    assert [one["what"] for one in gone["trust"]["changes"]][:2] == ["access_key", "secret_file"]
    assert (world.there(), world.path.exists()) == ({}, False)
    assert world.theirs.list_user_tags(UserName=world.user)["Tags"] == []
    assert world.run(state="absent", **options)["changed"] is False


def test_the_old_key_stays_until_the_new_one_is_proven(world: Keys) -> None:
    world.present(**world.options)
    first = world.kept()
    assert keys_of(world.present(rotate=True, verify=False, **world.options)) == [(False, True)]
    assert set(world.there().values()) == {"Active"}
    second = world.kept()
    assert world.run(rotate=True, **world.options)["error_code"] == "trust_in_use", "there is no room for a third"
    bucket = f"arn:aws:s3:::{world.bucket}"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket", "Resource": bucket}
    world.put_bucket_policy([deny])
    assert world.run(**world.options)["error_code"] == "trust_not_proven"
    assert world.there() == {first: "Active", second: "Active"}
    world.aws.client().delete_bucket_policy(Bucket=world.bucket)
    world.present(**world.options)
    assert world.there() == {first: "Inactive", second: "Active"}


def test_a_key_that_was_made_by_hand_is_taken_on(world: Keys) -> None:
    made = world.theirs.create_access_key(UserName=world.user)["AccessKey"]
    kept = {"access_key": made["AccessKeyId"], "secret_key": made["SecretAccessKey"]}
    world.path.write_text(json.dumps(kept), encoding="ascii")
    world.path.chmod(0o600)
    assert keys_of(world.present(**world.options)) == []
    world.present(rotate=True, **world.options)
    assert world.there()[made["AccessKeyId"]] == "Inactive"


def test_keys_of_somebody_else_are_left_alone(world: Keys) -> None:
    for _dummy in range(2):
        world.theirs.create_access_key(UserName=world.user)
    before = world.there()
    for check in (True, False):
        assert world.run(check=check, **world.options)["error_code"] == "trust_in_use"
    assert world.there() == before
    assert world.name not in [one["RoleName"] for one in world.mine.list_roles()["Roles"]]
    world.path.write_text(json.dumps({"access_key": "AKIAELSEWHERE", "secret_key": "x"}), encoding="ascii")
    assert world.run(**world.options)["error_code"] == "invalid_option"


def test_a_user_belongs_to_one_trust(world: Keys, tmp_path: Path) -> None:
    world.present(**world.options)
    other = World(world.aws)
    options = {**world.options, "principals": [world.principal], "secret_path": str(tmp_path / "other.json")}
    for state in ("present", "absent"):
        assert other.run(state=state, **options)["error_code"] == "trust_in_use"
    assert world.run(**world.options)["changed"] is False


def test_a_file_needs_a_user(world: Keys) -> None:
    role = {**world.options["cluster_account"], "user": None, "role": "x"}
    assert world.run(**{**world.options, "cluster_account": role})["error_code"] == "invalid_option"
    shown = world.present(render_only=True, **world.options)["review"]
    assert f"aws iam create-access-key --user-name {world.user}" in shown
    controller = {"account": WORKLOAD_ACCOUNT, "auth": world.auth(world.keys)}
    assert world.run(**world.options, controller_account=controller)["error_code"] == "invalid_option"
    lost = {**world.options, "secret_path": "/nowhere/at/all.json"}
    assert world.run(**lost)["error_code"] == "invalid_option"
    assert world.there() == {}
