# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of ours in policies that are not ours, and what becomes of them: of pods' roles, buckets and keys."""

from __future__ import annotations

import re
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_bucket, aws_key, aws_pods, sets
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_key_documents as key_documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_documents import Pod, Trusted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import AwsRole
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import statements

TRUST = "arn:aws:iam::222222222222:role/prod-1-writer"
OTHER = "arn:aws:iam::222222222222:role/prod-1w-riter"
CLUSTER = "arn:aws:eks:eu-west-1:111111111111:cluster/prod"
POD = Pod(CLUSTER, "stowage", "backup")
FOREIGN = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
PODS = aws_pods.PodsWanted("bucket", "111111111111", "aws", "pods", TRUST, (POD,))
OURS = {"stowage-trust": "bucket"}

Tree = dict[str, t.Any]


def test_sids_tell_trusts_apart_and_are_legal() -> None:
    found = {documents.sid_of(arn) for arn in (TRUST, OTHER, TRUST.replace("222222222222", "333333333333"))}
    assert len(found) == 3
    assert all(re.fullmatch("[A-Za-z0-9]+", one) for one in found)
    assert not any(one != other and one.startswith(other) for one in found for other in found)


@given(st.lists(st.sampled_from([FOREIGN, {"Sid": f"{documents.sid_of(OTHER)}Key"}, {"Effect": "Allow"}]), max_size=4))
def test_what_is_not_ours_stays(there: list[Tree]) -> None:
    mine = documents.with_sids(TRUST, [("Key", {"Effect": "Allow"})])
    once = documents.placed({"Statement": there} if there else None, TRUST, mine)
    assert once is not None
    assert (once["Statement"][:-1], documents.of_trust(once, TRUST)) == (there, mine)
    assert documents.placed(once, TRUST, mine) == once
    left = documents.placed(once, TRUST, [])
    assert (left or {}).get("Statement", []) == there


def test_pods_are_told_apart_by_tags() -> None:
    (target,) = documents.trust_statements(Trusted(pods=(POD,), pod_role=PODS.role_arn), "222222222222", "aws")
    assert target["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert target["Principal"] == {"AWS": ["arn:aws:iam::111111111111:root"]}
    assert target["Condition"] == {
        "StringEquals": {
            "aws:RequestTag/eks-cluster-arn": CLUSTER,
            "aws:RequestTag/kubernetes-namespace": "stowage",
            "aws:RequestTag/kubernetes-service-account": "backup",
        },
        "ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/pods"},
    }
    (first,) = PODS.statements
    assert (first["Principal"], first["Action"]) == ({"Service": "pods.eks.amazonaws.com"}, target["Action"])
    assert first["Condition"]["ArnEquals"] == {"aws:SourceArn": CLUSTER}
    assert first["Condition"]["StringEquals"]["aws:SourceAccount"] == "111111111111"
    assert documents.assume_statement(TRUST, tags=True)["Action"] == target["Action"]


def role(*trust: Tree, tags: dict[str, str] | None = None, inline: Tree | None = None) -> AwsRole:
    """The role that pods have first."""
    return AwsRole(PODS.role_arn, {"Statement": list(trust)}, 3600, "", tags or {}, inline or {}, ())


@pytest.mark.parametrize(
    ("there", "gone"),
    [
        (None, []),
        (role(*PODS.statements, tags=OURS), [("pod_role", None)]),
        (role(*PODS.statements, FOREIGN, tags=OURS), [("pod_trust_policy", [FOREIGN])]),
        (role(*PODS.statements, FOREIGN), [("pod_trust_policy", [FOREIGN])]),
        (role(FOREIGN), []),
    ],
)
def test_a_role_of_pods_goes_if_it_is_ours_alone(there: AwsRole | None, gone: list[t.Any]) -> None:
    found = aws_pods.plan_role_removal(PODS, aws_pods.PodsFound(there, {}))
    assert [(one.what, one.after and one.after["Statement"]) for one in found] == gone


@pytest.mark.parametrize(
    "there",
    [
        role(*PODS.statements),
        role(*PODS.statements, tags=OURS, inline={"more": {}}),
        role(
            *PODS.statements,
            tags=OURS,
            inline={"stowage": {"Statement": [documents.assume_statement(TRUST), documents.assume_statement(OTHER)]}},
        ),
    ],
)
def test_a_role_of_pods_is_not_left_without_a_trust_policy(there: AwsRole) -> None:
    with pytest.raises(StowageError) as caught:
        aws_pods.plan_role_removal(PODS, aws_pods.PodsFound(there, {}))
    assert caught.value.code == "trust_in_use"


def granted(**options: t.Any) -> list[Tree]:
    """A writer's set in a bucket's policy."""
    permissions = statements(sets.grants("writer", ["prod-1"]), "bucket", "fleet")
    return aws_bucket.grant_statements(TRUST, permissions, Trusted(**options), "aws")


def test_only_who_is_meant_is_let_in_by_the_bucket() -> None:
    found = granted(
        principals=("111111111111",), organization="o-a", principal_arns=("arn:aws:iam::111111111111:role/a",)
    )
    assert {one["Effect"] for one in found} == {"Allow"}
    for one in found:
        assert one["Principal"] == {"AWS": ["arn:aws:iam::111111111111:root"]}
        assert one["Condition"]["StringEquals"] == {"aws:PrincipalOrgID": "o-a"}
        assert one["Condition"]["ArnEquals"] == {"aws:PrincipalArn": ["arn:aws:iam::111111111111:role/a"]}
    (listed,) = [one for one in found if one["Action"] == ["s3:ListBucket"]]
    prefixes = ["fleet/clusters/prod-1/*", "fleet/workspaces/*/runs/*/prod-1/*"]
    assert listed["Condition"]["StringLike"] == {"s3:prefix": prefixes}
    assert len({one["Sid"] for one in found}) == len(found)


def test_guard_rails_only_deny() -> None:
    rails = aws_bucket.GuardRails(True, "o-a", True, ("arn:aws:iam::222222222222:role/pruner",))
    found = aws_bucket.rail_statements(TRUST, rails, "bucket", "222222222222", "aws")
    assert [(one["Effect"], one["Principal"]) for one in found] == [("Deny", "*")] * 3
    assert found[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert found[1]["Condition"]["StringNotEqualsIfExists"] == {
        "aws:PrincipalOrgID": "o-a",
        "aws:PrincipalAccount": "222222222222",
    }, "the bucket's own account can always take it back"
    assert found[2]["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": ["arn:aws:iam::222222222222:role/pruner"]}}
    assert aws_bucket.rail_statements(TRUST, aws_bucket.GuardRails(), "bucket", "222222222222", "aws") == []


def test_a_key_s_administrators_stay() -> None:
    use = key_documents.key_use("arn", "eu-west-1", writes=True)
    statement = aws_key.statement_for([TRUST], use, {"StringEquals": {"aws:PrincipalOrgID": "o-a"}})
    assert statement["Condition"]["StringEquals"] == {
        "kms:ViaService": "s3.eu-west-1.amazonaws.com",
        "aws:PrincipalOrgID": "o-a",
    }
    wanted = aws_key.KeyWanted(TRUST, "arn", "aws", statement)
    (change,) = aws_key.plan(wanted, {"Version": "2012-10-17", "Id": "x", "Statement": FOREIGN})
    assert change.after == {"Version": "2012-10-17", "Id": "x", "Statement": [FOREIGN, *wanted.statements]}
    assert aws_key.plan(wanted, change.after) == []
    gone = aws_key.plan(aws_key.KeyWanted(TRUST, "arn", "aws", None), change.after)
    assert gone[0].after["Statement"] == [FOREIGN]
    made_again = {**wanted.statements[0], "Principal": {"AWS": "AROAQ3EGSOMEBODYGONE1"}}
    assert len(aws_key.plan(wanted, {"Statement": [FOREIGN, made_again]})) == 1
    with pytest.raises(StowageError):
        aws_key.plan(aws_key.KeyWanted(TRUST, "arn", "aws", None), {"Statement": wanted.statements})
