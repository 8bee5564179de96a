# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access keys of users of AWS that the playbook makes, for those who cannot have a role's session from elsewhere: kept where nobody
else reads, shown nowhere, looked through, and replaced on request."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.aws import allow, document
from support.leaks import files, leaks
from support.plays import Plays
from support.trust_scenarios_aws import Played, Tree, holdings, play
from testbed import MiniStack
from testbed.ministack import BUCKET_ACCOUNT, WORKLOAD_ACCOUNT

METHODS = ("role", "bucket_policy")


class World:
    """Two users without keys, one for each way to let them in, and who administers both accounts."""

    def __init__(self, aws: MiniStack, folder: Path) -> None:
        run = uuid.uuid4().hex[:8]
        self.aws, self.folder = aws, folder
        self.users = {method: f"{method.replace('_', '-')}-{run}" for method in METHODS}
        for user in self.users.values():
            aws.iam(WORKLOAD_ACCOUNT).create_user(UserName=user)
        bucket = aws.create_bucket(f"keys-{run}")
        controls: Any = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        aws.client().put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
        self.secrets: list[str] = []
        owner = self._administrator(BUCKET_ACCOUNT, f"owner-{run}", ["iam:*", "s3:*"])
        other = self._administrator(WORKLOAD_ACCOUNT, f"admin-{run}", ["iam:*"])
        trusts = {
            user: {
                "location": "primary",
                "clusters": ["prod-1"],
                "method": method,
                "principals": [f"arn:aws:iam::{WORKLOAD_ACCOUNT}:user/{user}"],
                "secret_path": str(self.file(method)),
                "location_account": owner,
                "cluster_account": {**other, "user": user},
                **{f"{one}_endpoint": aws.endpoint for one in ("iam", "sts")},
            }
            for method, user in self.users.items()
        }
        where = {"endpoint": aws.endpoint, "region": aws.region, "ca_cert": str(aws.ca_cert)}
        locations = {"primary": {"provider": "aws", "bucket": bucket, "prefix": "fleet", **where}}
        self.plays = Plays.make(folder / "plays", vars={"stowage_locations": locations, "stowage_trusts": trusts})

    def _administrator(self, account: str, name: str, may: list[str]) -> Tree:
        access, secret = self.aws.user(account, name, document(allow(may)))
        self.secrets.append(secret)
        auth = {"method": "access_key", "access_key": access, "secret_key": secret, "sts_endpoint": self.aws.endpoint}
        return {"account": account, "auth": auth}

    def file(self, method: str) -> Path:
        return self.folder / f"{method}.json"

    def play(self, *arguments: str) -> Played:
        """Runs the playbook, as loud as can be; nothing secret may be in what it says and leaves."""
        found = play(self.plays, self.folder, "-vvv", *arguments)
        secrets = [*self.secrets, *(secret for _access, secret in self.kept().values())]
        assert leaks([("the output", found.output.encode()), *files(self.plays.path)], secrets) == []
        return found

    def kept(self) -> dict[str, tuple[str, str]]:
        """The keys that are in files, which only their owner may read."""
        found = {method: self.file(method) for method in METHODS if self.file(method).exists()}
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in found.values())
        kept = {method: json.loads(file.read_text(encoding="ascii")) for method, file in found.items()}
        return {method: (one["access_key"], one["secret_key"]) for method, one in kept.items()}

    def there(self, method: str) -> dict[str, str]:
        """A user's keys, and their state."""
        found = self.aws.iam(WORKLOAD_ACCOUNT).list_access_keys(UserName=self.users[method])["AccessKeyMetadata"]
        return {one["AccessKeyId"]: one["Status"] for one in found}


@pytest.fixture
def world(ministack: MiniStack, tmp_path: Path) -> Iterator[World]:
    """New accounts' worth of names."""
    found = World(ministack, tmp_path)
    yield found
    found.plays.end()


def test_keys_are_made_looked_through_replaced_and_taken_away(world: World) -> None:
    before = holdings(world.aws)
    planned = world.play("--check", "--diff")
    assert (planned.changed, world.kept(), holdings(world.aws)) == (2, {}, before)
    made = world.play()
    first = world.kept()
    assert (made.changed, made.validated, made.lines("failed"), set(first)) == (2, 2, set(), set(METHODS))
    assert {"list_allowed", "assume_allowed"} <= made.lines("passed")
    again = world.play()
    assert (again.changed, again.validated, world.kept()) == (0, 2, first)

    rotate = ("-e", '{"trust_rotate": true}')
    planned = world.play("--check", *rotate)
    assert (planned.changed, world.kept()) == (2, first)
    replaced = world.play(*rotate)
    second = world.kept()
    world.secrets += [secret for _access, secret in first.values()]
    assert (replaced.changed, replaced.validated, replaced.lines("failed")) == (2, 2, set())
    for method in METHODS:
        assert world.there(method) == {first[method][0]: "Inactive", second[method][0]: "Active"}
    cleaned = world.play()
    assert (cleaned.changed, cleaned.validated, world.kept()) == (2, 2, second)
    assert [world.there(method) for method in METHODS] == [{second[method][0]: "Active"} for method in METHODS]

    world.secrets += [secret for _access, secret in second.values()]
    gone = world.play("-e", "trust_state=absent", "-e", f"trust_names={','.join(world.users.values())}")
    assert (gone.changed, world.kept(), holdings(world.aws)) == (2, {}, before)
