# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers of web identities: one for each issuer in an account, whoever needs it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws, aws_providers
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_documents import Subject, Trusted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import (
    AwsRole,
    IamApi,
    OidcProvider,
    federated_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import policy

ACCOUNT = "222222222222"
HOST, OTHER = "oidc.example.com/id/A", "oidc.example.com/id/B"
MINE = OidcProvider((documents.AUDIENCE,), {aws.MARK: "bucket"})
THEIRS = OidcProvider((documents.AUDIENCE,), {"team": "platform"})
Tree = dict[str, t.Any]


def trusting(*hosts: str, sid: str = "") -> Tree:
    """A trust policy that names issuers."""
    subjects = tuple(Subject(f"https://{host}", "stowage", "backup") for host in hosts)
    found = documents.trust_statements(Trusted(subjects=subjects), ACCOUNT, "aws")
    return policy([{**one, "Sid": f"{sid}{number}"} if sid else one for number, one in enumerate(found)])


class Account(IamApi):
    """An account with providers and roles."""

    def __init__(self, providers: dict[str, OidcProvider], **roles: Tree) -> None:
        self.providers = {documents.provider_arn(host, ACCOUNT, "aws"): one for host, one in providers.items()}
        self.roles = roles
        self.asked_for_roles = 0

    def provider(self, arn: str) -> OidcProvider | None:
        return self.providers.get(arn)

    def role(self, name: str) -> AwsRole | None:
        trust = self.roles.get(name)
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        return AwsRole(arn, trust, 3600, "", {aws.MARK: "bucket"}, {}, ()) if trust else None

    def federated(self, *, but: str) -> frozenset[str]:
        self.asked_for_roles += 1
        return frozenset(arn for name, trust in self.roles.items() if name != but for arn in federated_of(trust))


def wanted(*hosts: str) -> aws.Wanted:
    """A role for service accounts of issuers."""
    statements = tuple(trusting(*hosts)["Statement"]) if hosts else ()
    return aws.Wanted("role", "bucket", ACCOUNT, "aws", statements, (), hosts=hosts)


def providers_of(changes: t.Iterable[t.Any]) -> list[tuple[str, bool, bool]]:
    """Of each change of a provider whether it was there and will be."""
    found = [one for one in changes if one.what == aws_providers.WHAT]
    return [(one.name, one.before is not None, one.after is not None) for one in found]


def test_one_is_made_and_goes_with_its_last_role() -> None:
    iam = Account({})
    assert providers_of(aws.RolePart(iam, None, wanted(HOST)).plan()) == [(HOST, False, True)]
    iam = Account({HOST: MINE}, role=trusting(HOST))
    changes = aws.RolePart(iam, None, wanted(HOST)).plan_removal()
    assert providers_of(changes) == [(HOST, True, False)]
    assert changes[-1].what == aws_providers.WHAT, "after the role that names it"
    shared = Account({HOST: MINE}, role=trusting(HOST), another=trusting(HOST))
    assert providers_of(aws.RolePart(shared, None, wanted(HOST)).plan_removal()) == []


def test_one_that_is_left_from_an_interrupted_removal_goes() -> None:
    assert providers_of(aws.RolePart(Account({HOST: MINE}), None, wanted(HOST)).plan_removal()) == [(HOST, True, False)]


def test_one_of_somebody_else_stays_and_nobody_is_asked_for_roles() -> None:
    iam = Account({HOST: THEIRS}, role=trusting(HOST))
    assert providers_of(aws.RolePart(iam, None, wanted(HOST)).plan_removal()) == []
    assert iam.asked_for_roles == 0


def test_an_issuer_that_is_not_named_any_more_loses_its_provider() -> None:
    iam = Account({HOST: MINE, OTHER: MINE}, role=trusting(HOST, OTHER))
    assert providers_of(aws.RolePart(iam, None, wanted(HOST)).plan()) == [(OTHER, True, False)]
    assert providers_of(aws.RolePart(iam, None, wanted(HOST, OTHER)).plan()) == []
    both = {"Version": "2012-10-17", "Statement": [*trusting(HOST, OTHER)["Statement"]]}
    both["Statement"] += trusting(OTHER, sid="Theirs")["Statement"]
    iam = Account({HOST: MINE, OTHER: MINE}, role=both)
    assert providers_of(aws.RolePart(iam, None, wanted(HOST)).plan()) == [], "somebody else named it in our role"


def test_the_audience_is_added_to_one_of_somebody_else() -> None:
    (change,) = aws_providers.plan([HOST], {HOST: OidcProvider(("sigstore",), {})})
    operation, parameters = aws_providers.request(change, "arn", [])
    assert (operation, parameters["ClientID"]) == ("add_client_id_to_open_id_connect_provider", documents.AUDIENCE)


@pytest.mark.parametrize("there", [True, False])
def test_one_that_is_made_is_known_as_ours(there: bool) -> None:
    (change,) = aws_providers.plan_removal([HOST], {HOST: MINE}) if there else aws_providers.plan([HOST], {})
    operation, parameters = aws_providers.request(change, "arn", aws.tag_list({aws.MARK: "bucket"}))
    if there:
        assert (operation, parameters) == ("delete_open_id_connect_provider", {"OpenIDConnectProviderArn": "arn"})
    else:
        assert parameters["Tags"] == [{"Key": aws.MARK, "Value": "bucket"}]


def test_trust_policies_of_anybody_are_read() -> None:
    strange: list[Tree] = [
        {"Statement": [{"Principal": "*"}, "nothing", {"Principal": {"Federated": ["a", "b"]}}]},
        {"Statement": {"Principal": {"Federated": "c"}}},
        {},
    ]
    assert [arn for one in strange for arn in federated_of(one)] == ["a", "b", "c"]
