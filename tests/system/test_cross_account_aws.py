# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventories of trust at AWS, played as a person does, against an emulator that enforces IAM and has several accounts:
foretold, made, proven, looked through, made again without a change, and taken away without a trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import modules
from support.aws import allow, document
from support.leaks import files, leaks
from support.trust_examples import EXAMPLES
from support.trust_scenarios_aws import Scene, Stage, holdings
from testbed import MiniStack, Testbed
from testbed.ministack import BUCKET_ACCOUNT, OTHER_ACCOUNT, WORKLOAD_ACCOUNT

NOBODY = {"anonymous_read_refused"}
"""S3 tells nobody whether an object that may not be read is there."""
Fixture = Callable[..., Any]


@pytest.fixture
def aws(testbed: Testbed) -> Iterator[MiniStack]:
    """An emulator for one example alone: names and buckets are those of the example."""
    server = testbed.ministack()
    yield server
    testbed.stop(server)


def one_account(scene: Scene, _new_cluster: Fixture) -> None:
    """The nodes and whoever is on call have roles, and what they may do is said by the roles that they take over."""
    of_bucket(scene)
    for party, name, role in (
        ("CLUSTER", "prod-1-nodes", "prod-1-writer"),
        ("CONTROLLER", "on-call", "on-call-reader"),
    ):
        # AWS lets in whom the trust policy names in its own account; the emulator wants them to be allowed to come, too.
        may = allow("sts:AssumeRole", f"arn:aws:iam::{BUCKET_ACCOUNT}:role/{role}")
        scene.has_keys(party, scene.session(BUCKET_ACCOUNT, name, may))


def three_accounts(scene: Scene, _new_cluster: Fixture) -> None:
    """Whoever owns the cluster gives the permission there; the controller of the third account has it from somebody else."""
    of_bucket(scene)
    scene.session(WORKLOAD_ACCOUNT, "prod-1-backup")
    scene.has_keys("CLUSTER", scene.user(WORKLOAD_ACCOUNT, "admin", allow(["iam:*", "sts:AssumeRole"])))
    may = allow("sts:AssumeRole", f"arn:aws:iam::{BUCKET_ACCOUNT}:role/prod-1-controller")
    scene.has_keys("CONTROLLER", scene.session(OTHER_ACCOUNT, "stowage-controller", may))


def outside(scene: Scene, _new_cluster: Fixture) -> None:
    """The controller is a user, which may do nothing else."""
    scene.has_keys("CLUSTER", scene.user(OTHER_ACCOUNT, "admin", allow("iam:*")))
    scene.has_keys("CONTROLLER", scene.user(OTHER_ACCOUNT, "stowage-controller"))


def eks(scene: Scene, new_cluster: Fixture) -> None:
    """Two clusters whose tokens name the issuers of the example."""
    of_bucket(scene)
    accounts = scene.variables["stowage_trusts"]["eks-writer"]["service_accounts"]
    names = scene.variables["stowage_trusts"]["eks-writer"]["clusters"]
    scene.has_tokens({name: new_cluster(name, issuer=one["issuer"]) for name, one in zip(names, accounts, strict=True)})


def pods(scene: Scene, _new_cluster: Fixture) -> None:
    """EKS knows the clusters, and gives pods nothing: the emulator has associations only."""
    of_bucket(scene)
    service = document({"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"})
    role = scene.aws.role(WORKLOAD_ACCOUNT, "eks", service)
    for name in ("prod-1", "prod-2"):
        subnets = {"subnetIds": ["subnet-1", "subnet-2"]}
        scene.aws.eks(WORKLOAD_ACCOUNT).create_cluster(name=name, roleArn=role, resourcesVpcConfig=subnets)
    scene.has_keys("CLUSTER", scene.user(WORKLOAD_ACCOUNT, "admin", allow(["iam:*", "eks:*", "sts:*"])))


def of_bucket(scene: Scene) -> None:
    """The bucket as backup_location leaves it: it takes no plain HTTP."""
    access, secret, _token = scene.user(BUCKET_ACCOUNT, "setup", allow("s3:*"))
    auth = {"method": "access_key", "access_key": access, "secret_key": secret}
    where = {**scene.variables["stowage_locations"]["primary"], **scene.overlay()["stowage_locations"]["primary"]}
    modules.run("backup_location", {"location": {**where, "auth": auth}, "tls_only": True})


SCENES = {
    "aws_one_account": (one_account, 2),
    "aws_three_accounts": (three_accounts, 1),
    "aws_outside": (outside, 1),
    "aws_eks": (eks, 1),
    "aws_pods": (pods, 0),
}
"""Who is there, and how many locations can be looked at through the trusts."""


@pytest.mark.parametrize("name", SCENES)
def test_an_example_is_foretold_made_proven_and_taken_away(
    name: str, aws: MiniStack, new_cluster: Fixture, tmp_path: Path
) -> None:
    prepare, looked = SCENES[name]
    scene = Scene(aws, next(path for path in EXAMPLES if path.stem == name), tmp_path)
    prepare(scene, new_cluster)
    stage, many = Stage(scene), len(scene.trusts)
    before = holdings(aws)

    planned = stage.play("--check", "--diff")
    assert (planned.changed, planned.validated, planned.lines("passed")) == (many, 0, set())
    assert holdings(aws) == before, "a prediction writes nothing"
    made = stage.play()
    there = holdings(aws)
    assert (made.changed, made.changes) == (many, planned.changes)
    assert made.lines("failed") == set()
    assert made.lines("passed") >= required(scene)
    assert made.lines("unknown") == unknown(name, made.lines("unknown"))
    assert made.validated == looked
    assert {arn for trust in made.trusts.values() for arn in made_by(trust)} == new_roles(before, there)
    assert aws.keys(scene.bucket) == aws.uploads(scene.bucket) == [], "the proof leaves nothing"

    again = stage.play("--diff")
    assert (again.changed, again.changes, again.lines("passed")) == (0, [], made.lines("passed"))
    assert holdings(aws) == there

    gone = ("-e", "trust_state=absent", "-e", f"trust_names={','.join(scene.trusts)}")
    planned = stage.play("--check", *gone)
    assert (planned.changed, holdings(aws)) == (many, there)
    removed = stage.play(*gone)
    assert (removed.changed, removed.changes) == (many, planned.changes)
    assert holdings(aws) == before, "nothing is left in any account"
    shown = [(f"play {number}", one.output.encode()) for number, one in enumerate((made, again, removed))]
    assert leaks([*shown, *files(stage.plays.path)], scene.secrets) == []
    stage.plays.end()


def required(scene: Scene) -> set[str]:
    """The lines that an example wants to have passed."""
    return {line for one in scene.variables["stowage_trusts"].values() for line in one["verify_required"]}


def unknown(name: str, found: set[str]) -> set[str]:
    """The lines that cannot be known: with Pod Identity all that only a pod could try."""
    if name != "aws_pods":
        return NOBODY
    tried = {line for line in found if re.search("by_hand|anonymous_list", line)}
    assert tried == {"pod_tags_by_hand_refused"}, (
        "who is no pod can try the others, and nothing shows that they may come"
    )
    return found


def made_by(trust: dict[str, Any]) -> Iterator[str]:
    """The names of roles that a trust says to have made."""
    for change in trust["changes"]:
        if change["what"] in {"role", "pod_role"}:
            yield change["name"]


def new_roles(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The names of roles of all accounts that were not there."""
    return {name for account in after for name in after[account]["roles"].keys() - before[account]["roles"].keys()}
