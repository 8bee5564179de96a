# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS Pod Identity with a role in another account of AWS, against an emulator that has associations, and holds sessions and their
tags to trust policies. Nobody but EKS can be a pod, so the tests let a user into the role of pods, to try what pods can do."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from support.aws import allow, document, trust
from support.trust_aws import Tree, World, changes, failed_lines, verdicts
from testbed import MiniStack
from testbed.ministack import BUCKET_ACCOUNT, WORKLOAD_ACCOUNT

MADE = [
    ("pod_role", False, True),
    ("pod_identity", False, True),
    ("role", False, True),
    ("permissions", False, True),
    ("assume_permission", False, True),
]
NEGATIVE = ["other_cluster", "other_namespace", "other_service_account", "untagged"]
BY_HAND = ["pod_role_by_hand_refused", "pod_tags_by_hand_refused"]


class Pods(World):
    """A cluster, too, and a user who may be let into the role of its pods."""

    def __init__(self, aws: MiniStack) -> None:
        super().__init__(aws)
        self.cluster = self.name
        self.role = f"{self.name}-pods"
        self.eks = aws.root("eks", WORKLOAD_ACCOUNT)
        service = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        self.eks.create_cluster(
            name=self.cluster,
            roleArn=aws.role(WORKLOAD_ACCOUNT, f"{self.name}-eks", document(service)),
            resourcesVpcConfig={"subnetIds": ["subnet-1", "subnet-2"]},
        )
        keys = aws.user(WORKLOAD_ACCOUNT, f"{self.user}-admin", document(allow(["iam:*", "eks:*", "sts:*"])))
        self.options: Tree = {
            "principals": None,
            "pod_identities": [{"cluster": self.cluster, "namespace": "stowage", "name": "backup"}],
            "cluster_account": {
                "account": WORKLOAD_ACCOUNT,
                "auth": self.auth(keys),
                "role": self.role,
                "control_role_arn": aws.role(
                    WORKLOAD_ACCOUNT, f"{self.name}-control", trust({"AWS": WORKLOAD_ACCOUNT})
                ),
            },
        }
        self.role_arn = f"arn:aws:iam::{WORKLOAD_ACCOUNT}:role/{self.role}"

    def as_a_pod(self) -> Tree:
        """Lets the user into the role of pods, and says so."""
        role = self.theirs.get_role(RoleName=self.role)["Role"]
        policy: Any = role["AssumeRolePolicyDocument"]
        door = {"Sid": "Test", "Effect": "Allow", "Principal": {"AWS": self.principal}, "Action": "sts:AssumeRole"}
        statements = [one for one in policy["Statement"] if one.get("Sid") != "Test"]
        self.theirs.update_assume_role_policy(RoleName=self.role, PolicyDocument=document(*statements, door))
        self.theirs.put_user_policy(
            UserName=self.user, PolicyName="pod", PolicyDocument=document(allow("sts:AssumeRole", self.role_arn))
        )
        auth = {**self.auth(self.keys), "method": "assume_role", "role_arn": self.role_arn}
        return {**self.options, "controller_account": {"account": WORKLOAD_ACCOUNT, "auth": auth}}

    def associations(self) -> list[Tree]:
        found: list[Tree] = self.eks.list_pod_identity_associations(clusterName=self.cluster)["associations"]
        return found


@pytest.fixture
def world(ministack: MiniStack) -> Pods:
    """New accounts' worth of names."""
    return Pods(ministack)


def test_pods_get_a_role_of_another_account(world: Pods) -> None:
    planned = world.run(check=True, **world.options)
    made = world.run(**world.options)
    assert changes(made["trust"]) == changes(planned["trust"]) == MADE
    seen = verdicts(made["trust"])
    assert seen["pod_stowage_backup_assume_allowed"] == "unknown", "nobody here is a pod"
    assert [seen[line] for line in BY_HAND] == ["passed", "passed"]
    assert made["trust"]["auth"] == {"method": "default_chain"}
    assert [world.run(check=check, **world.options)["changed"] for check in (True, False)] == [False, False]
    (found,) = world.associations()
    association = world.eks.describe_pod_identity_association(
        clusterName=world.cluster, associationId=found["associationId"]
    )["association"]
    assert association["roleArn"] == world.role_arn
    assert association["targetRoleArn"] == f"arn:aws:iam::{BUCKET_ACCOUNT}:role/{world.name}"
    assert association["disableSessionTags"] is False

    options = world.as_a_pod()
    assert set(verdicts(world.present(**options)).values()) == {"passed"}
    assert world.run(**options)["changed"] is False, "the statement of somebody else stays"

    planned = world.run(check=True, state="absent", **world.options)
    gone = world.run(state="absent", **world.options)
    assert changes(gone["trust"]) == changes(planned["trust"])
    assert changes(gone["trust"])[-1] == ("pod_trust_policy", True, True), "somebody else is trusted in the role"
    statements: Any = world.theirs.get_role(RoleName=world.role)["Role"]["AssumeRolePolicyDocument"]
    assert [one["Sid"] for one in statements["Statement"]] == ["Test"]
    assert world.run(state="absent", **world.options)["changed"] is False
    assert world.associations() == []


def test_nothing_is_left(world: Pods) -> None:
    world.present(**world.options)
    gone = world.run(state="absent", **world.options)
    assert changes(gone["trust"])[-1] == ("pod_role", True, False)
    for iam, name in ((world.theirs, world.role), (world.mine, world.name)):
        assert name not in [one["RoleName"] for one in iam.list_roles()["Roles"]]
    assert world.associations() == []


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("aws:RequestTag/eks-cluster-arn", "other_cluster"),
        ("aws:RequestTag/kubernetes-namespace", "other_namespace"),
        ("aws:RequestTag/kubernetes-service-account", "other_service_account"),
    ],
)
def test_a_missing_condition_is_found_out(world: Pods, key: str, line: str) -> None:
    world.present(**world.options)
    options = world.as_a_pod()
    policy = world.trust_policy()
    loose = copy.deepcopy(policy["Statement"][0])
    del loose["Condition"]["StringEquals"][key]
    world.put_trust_policy({**policy, "Statement": [*policy["Statement"], {**loose, "Sid": "Loose"}]})
    assert failed_lines(world.run(**options)) == [f"pod_stowage_backup_{line}_refused"]


def test_sessions_without_tags_are_found_out(world: Pods) -> None:
    world.present(**world.options)
    options = world.as_a_pod()
    policy = world.trust_policy()
    loose = {key: value for key, value in policy["Statement"][0].items() if key != "Condition"}
    loose["Principal"] = {"AWS": world.role_arn}
    world.put_trust_policy({**policy, "Statement": [*policy["Statement"], {**loose, "Sid": "Loose"}]})
    assert failed_lines(world.run(**options)) == [f"pod_stowage_backup_{line}_refused" for line in NEGATIVE]


def test_a_role_without_tag_session_is_found_out(world: Pods) -> None:
    """It looks as if it were trusted, and pods get nothing."""
    world.present(**world.options)
    options = world.as_a_pod()
    policy = world.trust_policy()
    (statement,) = policy["Statement"]
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    deny = {**statement, "Effect": "Deny", "Action": "sts:TagSession", "Sid": "NoTags"}
    world.put_trust_policy({**policy, "Statement": [statement, deny]})
    found = world.run(**options)
    assert "pod_stowage_backup_assume_allowed" in failed_lines(found)
    assert "sts:TagSession" in found["hint"]
    world.put_trust_policy({**policy, "Statement": [{**statement, "Action": "sts:AssumeRole"}]})
    put_right = world.present(**options)
    assert [one["what"] for one in put_right["changes"]] == ["trust_policy"]
    assert set(verdicts(put_right).values()) == {"passed"}
    assume: Any = world.theirs.get_role_policy(RoleName=world.role, PolicyName="stowage")["PolicyDocument"]
    assert assume["Statement"][0]["Action"] == ["sts:AssumeRole", "sts:TagSession"]


def test_somebody_who_is_no_pod_is_found_out(world: Pods) -> None:
    world.present(**world.options)
    policy = world.trust_policy()
    loose = copy.deepcopy(policy["Statement"][0])
    del loose["Condition"]["ArnEquals"]
    world.put_trust_policy({**policy, "Statement": [*policy["Statement"], {**loose, "Sid": "Loose"}]})
    assert failed_lines(world.run(**world.options)) == ["pod_tags_by_hand_refused"]
    world.put_trust_policy(policy)
    account = {
        "Effect": "Allow",
        "Principal": {"AWS": WORKLOAD_ACCOUNT},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    first: Any = world.theirs.get_role(RoleName=world.role)["Role"]["AssumeRolePolicyDocument"]
    world.theirs.update_assume_role_policy(RoleName=world.role, PolicyDocument=document(*first["Statement"], account))
    assert failed_lines(world.run(**world.options)) == ["pod_role_by_hand_refused"]


def test_who_may_not_take_roles_over_shows_nothing(world: Pods) -> None:
    """Whoever administers IAM and may do nothing else would be refused by any role."""
    keys = world.aws.user(WORKLOAD_ACCOUNT, f"{world.user}-iam", document(allow(["iam:*", "eks:*"])))
    options = {**world.options, "cluster_account": {**world.options["cluster_account"], "auth": world.auth(keys)}}
    seen = verdicts(world.present(**options))
    assert [seen[line] for line in BY_HAND] == ["unknown", "unknown"]


def test_what_is_refused_in_another_account_needs_a_role_that_shows_it(world: Pods) -> None:
    """Within an account AWS says that it was the role's trust policy, to another account it does not."""
    options = copy.deepcopy(world.options)
    del options["cluster_account"]["control_role_arn"]
    seen = verdicts(world.present(**options))
    assert [seen[line] for line in BY_HAND] == ["passed", "unknown"]


def test_a_role_of_pods_that_is_there_is_shared(world: Pods) -> None:
    service = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole"]}
    world.aws.role(WORKLOAD_ACCOUNT, world.role, document(service))
    made = world.present(**world.options)
    assert [one["what"] for one in made["changes"]][:2] == ["pod_trust_policy", "pod_identity"]
    second = World(world.aws)
    reader: Tree = {
        **world.options,
        "permissions": "reader",
        "pod_identities": [{"cluster": world.cluster, "namespace": "stowage", "name": "restore"}],
    }
    second.present(**reader)
    assert world.run(**world.options)["changed"] is False
    second.run(state="absent", **reader)
    assert world.run(**world.options)["changed"] is False
    world.run(state="absent", **world.options)
    left: Any = world.theirs.get_role(RoleName=world.role)["Role"]["AssumeRolePolicyDocument"]
    assert left["Statement"] == [service]
    assert world.theirs.list_role_policies(RoleName=world.role)["PolicyNames"] == []


def test_an_association_of_somebody_else_is_left_alone(world: Pods) -> None:
    theirs = {"namespace": "stowage", "serviceAccount": "backup", "roleArn": f"arn:aws:iam::{WORKLOAD_ACCOUNT}:role/x"}
    world.eks.create_pod_identity_association(clusterName=world.cluster, **theirs)
    for check in (True, False):
        assert world.run(check=check, **world.options)["error_code"] == "trust_in_use"
    assert world.role not in [one["RoleName"] for one in world.theirs.list_roles()["Roles"]]
    assert len(world.associations()) == 1


def test_an_association_that_was_changed_is_put_right(world: Pods) -> None:
    world.present(**world.options)
    (found,) = world.associations()
    named = {"clusterName": world.cluster, "associationId": found["associationId"]}
    world.eks.update_pod_identity_association(**named, roleArn=f"arn:aws:iam::{WORKLOAD_ACCOUNT}:role/x")
    world.eks.update_pod_identity_association(**named, disableSessionTags=True)
    assert [one["what"] for one in world.present(**world.options)["changes"]] == ["pod_identity"]
    assert world.run(**world.options)["changed"] is False


@pytest.mark.parametrize(
    "options",
    [
        {"pod_identities": [{"cluster": "nowhere", "namespace": "stowage", "name": "backup"}]},
        {"pod_identities": [{"cluster": "*", "namespace": "stowage", "name": "backup"}]},
        {"pod_identities": [{"cluster": "prod", "namespace": "*", "name": "backup"}]},
        {"cluster_account": {"account": WORKLOAD_ACCOUNT, "user": "x"}},
        {"method": "bucket_policy"},
    ],
)
def test_what_makes_no_sense(world: Pods, options: Tree) -> None:
    found = world.run(**{**world.options, **options})
    assert (found["error_code"], bool(found["hint"])) == ("invalid_option", True)
    assert world.role not in [one["RoleName"] for one in world.theirs.list_roles()["Roles"]]


def test_somebody_else_can_be_asked_to_do_it(world: Pods) -> None:
    trust = world.present(render_only=True, **world.options)
    for command in (
        f"aws iam create-role --role-name {world.role} --assume-role-policy-document file://pods.json",
        f"aws eks create-pod-identity-association --region {world.aws.region} --cluster-name {world.cluster}",
        f"--target-role-arn arn:aws:iam::{BUCKET_ACCOUNT}:role/{world.name}",
    ):
        assert command in trust["review"]
    assert "kubernetes-service-account" in json.dumps(trust["documents"]["pod_trust_policy"])
    assert world.associations() == []
