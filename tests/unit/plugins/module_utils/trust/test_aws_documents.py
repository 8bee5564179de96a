# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of AWS trust: what is the same, what is merged, and who is never let in."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_key_documents as key_documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_parts
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_documents import Subject, Trusted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import policy

ROLE = "arn:aws:iam::111111111111:role/controller"
POD = Subject("https://oidc.example.com/id/A", "stowage", "backup")


def trust(**options: t.Any) -> list[dict[str, t.Any]]:
    """Our statements."""
    return documents.trust_statements(Trusted(**options), "222222222222", "aws")


def test_accounts_have_two_forms() -> None:
    short = {"Statement": [{"Sid": "StowageAssume", "Principal": {"AWS": "111111111111"}, "Action": "sts:AssumeRole"}]}
    long = {
        "Statement": [
            {
                "Sid": "StowageAssume",
                "Principal": {"AWS": ["arn:aws:iam::111111111111:root"]},
                "Action": ["sts:AssumeRole"],
            }
        ]
    }
    assert documents.same(short, long, "aws")
    assert not documents.same(short, long, "aws-cn")


def test_a_principal_that_is_gone_is_never_the_same() -> None:
    mine = {"Statement": trust(principals=(ROLE,))}
    gone = {"Statement": [{**mine["Statement"][0], "Principal": {"AWS": "AROAQ3EGSOMEBODYGONE1"}}]}
    assert not documents.same(mine, gone, "aws")
    assert documents.gone(gone) == ["AROAQ3EGSOMEBODYGONE1"]
    assert documents.gone(mine) == []


def test_the_provider_is_that_of_the_role_s_account() -> None:
    (statement,) = trust(subjects=(POD, Subject(POD.issuer, "stowage", "restore")))
    assert statement["Principal"] == {"Federated": "arn:aws:iam::222222222222:oidc-provider/oidc.example.com/id/A"}
    assert statement["Condition"] == {
        "StringEquals": {
            "oidc.example.com/id/A:aud": "sts.amazonaws.com",
            "oidc.example.com/id/A:sub": [
                "system:serviceaccount:stowage:backup",
                "system:serviceaccount:stowage:restore",
            ],
        }
    }


def test_clusters_have_statements_of_their_own() -> None:
    found = trust(subjects=(POD, Subject("https://oidc.example.com/id/B", "stowage", "backup")))
    assert len({one["Sid"] for one in found}) == 2
    assert all(len(one["Condition"]["StringEquals"]) == 2 for one in found)


def test_only_conditions_that_principals_can_meet() -> None:
    (statement,) = trust(principals=("111111111111",), principal_arns=(ROLE,), organization="o-a", external_id="acme")
    assert statement["Condition"] == {
        "StringEquals": {"sts:ExternalId": "acme", "aws:PrincipalOrgID": "o-a"},
        "ArnEquals": {"aws:PrincipalArn": [ROLE]},
    }


def test_a_key_is_used_through_s3_only() -> None:
    writes = key_documents.key_use("arn:aws:kms:eu-west-1:2:key/k", "eu-west-1", writes=True)
    assert writes["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert writes["Condition"] == {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    reads = key_documents.key_use("k", "eu-west-1", writes=False)
    assert reads["Action"] == ["kms:Decrypt"]


@pytest.mark.parametrize(
    ("region", "names"),
    [
        ("eu-west-1", "s3.eu-west-1.amazonaws.com"),
        ("cn-north-1", ["s3.cn-north-1.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn"]),
    ],
)
def test_a_denial_leaves_s3_alone_and_nothing_else(region: str, names: str | list[str]) -> None:
    denied = key_documents.key_denial("*", region)
    assert (denied["Effect"], denied["Resource"]) == ("Deny", ["*"])
    assert denied["Action"] == key_documents.key_use("k", region, writes=True)["Action"]
    assert denied["Condition"] == {"StringNotEquals": {"kms:ViaService": names}}


def test_permissions_tell_which_keys_there_were_and_where_grants_are() -> None:
    here, account = "arn:aws:kms:eu-west-1:222222222222:key", "222222222222"
    plain = key_documents.key_use(f"{here}/plain", "eu-west-1", writes=True)
    granted = key_documents.key_use(f"{here}/granted", "eu-west-1", writes=False, granted=True)
    everywhere = key_documents.key_denial("*", "eu-west-1")
    assert key_documents.keys_named([policy([plain, granted, everywhere])], account) == {
        f"{here}/plain": False,
        f"{here}/granted": True,
    }
    again = key_documents.key_use(f"{here}/granted", "eu-west-1", writes=False)
    assert key_documents.keys_named([policy([granted]), None, policy([again])], account) == {f"{here}/granted": True}
    assert key_documents.keys_named([policy([key_documents.key_denial(f"{here}/held", "eu-west-1")])], account) == {
        f"{here}/held": True
    }


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:kms:eu-west-1:111111111111:key/k",
        "arn:aws:kms:eu-west-1:222222222222:alias/k",
        "arn:aws:kms:evil.example.com/#:222222222222:key/k",
        "arn:aws:s3:::bucket",
        {"a": 1},
        None,
    ],
)
def test_what_is_no_key_of_the_account_is_not_asked_about(resource: t.Any) -> None:
    """The region in the ARN says where KMS is asked."""
    statement = {**key_documents.key_use("k", "eu-west-1", writes=True, granted=True), "Resource": resource}
    assert key_documents.keys_named([{"Statement": statement}, {"Statement": ["junk"]}], "222222222222") == {}


STATEMENTS = st.lists(
    st.fixed_dictionaries(
        {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": st.sampled_from(["sts:AssumeRole", "s3:*"])},
        optional={"Sid": st.sampled_from(["Mine", "StowageOld", ""])},
    ),
    max_size=4,
)


@given(STATEMENTS)
def test_statements_of_others_stay(there: list[dict[str, t.Any]]) -> None:
    ours = trust(principals=(ROLE,), external_id="acme")
    once = documents.merged({"Statement": there}, ours)
    assert documents.foreign(once) == [one for one in there if not one.get("Sid", "").startswith("Stowage")]
    assert documents.merged(once, ours) == once
    assert documents.external_id_of(once) == "acme"
    assert documents.same(once, documents.merged({"Statement": list(reversed(there))}, ours), "aws")


@pytest.mark.parametrize(
    "condition",
    [
        None,
        {},
        {"StringEquals": None},
        {"StringEquals": {}},
        {"StringEquals": {"sts:ExternalId": ["a", "b"]}},
        {"StringLike": {"sts:ExternalId": "a"}},
    ],
)
def test_no_external_id_is_read_where_there_is_none(condition: t.Any) -> None:
    statement = {"Sid": "StowageAssume", "Effect": "Allow", "Condition": condition}
    assert documents.external_id_of({"Statement": [statement]}) == ""
    assert (
        documents.external_id_of(
            {"Statement": {"Sid": "StowageAssume", "Condition": {"StringEquals": {"sts:ExternalId": ["a"]}}}}
        )
        == "a"
    )


@pytest.mark.parametrize(
    "trusted",
    [
        Trusted(),
        Trusted(principals=("*",)),
        Trusted(principals=("arn:aws:iam::111111111111:role/*",)),
        Trusted(principals=("1111",)),
        Trusted(principals=(ROLE,), external_id="a b"),
        Trusted(subjects=(Subject("http://oidc.example.com", "a", "b"),)),
        Trusted(subjects=(Subject("https://oidc.example.com", "*", "b"),)),
    ],
)
def test_who_would_let_in_too_many_is_refused(trusted: Trusted) -> None:
    with pytest.raises(StowageError) as caught:
        documents.check_trusted(trusted)
    assert caught.value.code == "invalid_option"


class Iam:
    """Does not know a principal the first times."""

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.asked = 0

    def do(self, _operation: str, **_parameters: t.Any) -> dict[str, t.Any]:
        self.asked += 1
        if self.codes:
            code = self.codes.pop(0)
            raise LocationError(Failure("invalid_option", code, "", store_code=code))
        return {}


class Half:
    """A part that knows one kind of change."""

    def __init__(self, iam: Iam, what: str) -> None:
        self.iam: t.Any = iam
        self.what = what

    def plan(self) -> list[Change]:
        return []

    def plan_removal(self) -> list[Change]:
        return []

    def request(self, change: Change) -> aws_parts.Request | None:
        return (self.iam, "put", {}) if change.what == self.what else None


class Clock:
    """Time that passes while somebody waits."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds


def test_a_principal_that_is_not_known_yet_is_waited_for() -> None:
    change = Change("trust_policy", "r", {}, {})
    iam = Iam("MalformedPolicyDocument", "MalformedPolicyDocument")
    aws_parts.apply([Half(Iam(), "other"), Half(iam, "trust_policy")], [change], clock=Clock(), patience=60)
    assert iam.asked == 3
    for codes, patience in ((["MalformedPolicyDocument"] * 100, 20.0), (["AccessDenied"], 60.0)):
        clock, again = Clock(), Half(Iam(*codes), "trust_policy")
        with pytest.raises(LocationError):
            aws_parts.apply([again], [change], clock=clock, patience=patience)
        assert clock.time <= patience
