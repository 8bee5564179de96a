# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Providers of web identities in the account of a role: made for its trust policy, and taken away when nobody needs them. Private to
the collection.

An account has one provider for each issuer, which all its roles share. So one goes only if it was made here, as its tag says, and no
other role's trust policy names it. (IAM's user guide, "Create an OpenID Connect (OIDC) identity provider in IAM".)
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import IamApi, OidcProvider
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change

WHAT: t.Final = "oidc_provider"

Providers = t.Mapping[str, OidcProvider]
"""What is there, by issuer as IAM names it."""


def look(iam: IamApi, hosts: t.Iterable[str], account: str, partition: str) -> dict[str, OidcProvider]:
    """The providers of issuers that are there. :raises LocationError: what requests end with."""
    found = {host: iam.provider(documents.provider_arn(host, account, partition)) for host in sorted(set(hosts))}
    return {host: provider for host, provider in found.items() if provider is not None}


def unused(
    iam: IamApi, hosts: t.Iterable[str], providers: Providers, mark: str, *, account: str, partition: str, role: str
) -> list[str]:
    """Those of issuers whose provider is ours, and that no role but ``role`` trusts.

    :param mark: the tag of what is ours.
    :raises LocationError: what requests end with.
    """
    ours = {
        documents.provider_arn(host, account, partition): host
        for host in sorted(set(hosts))
        if host in providers and mark in providers[host].tags
    }
    if not ours:
        return []
    needed = iam.federated(but=role)
    return [host for arn, host in ours.items() if arn not in needed]


def plan(hosts: t.Iterable[str], providers: Providers) -> list[Change]:
    """The providers that have to be made, or lack the audience. Pure."""
    return [
        Change(WHAT, host, _shown(providers.get(host)), {"audiences": [documents.AUDIENCE]})
        for host in hosts
        if host not in providers or documents.AUDIENCE not in providers[host].audiences
    ]


def plan_removal(hosts: t.Iterable[str], providers: Providers) -> list[Change]:
    """The providers that go. Pure."""
    return [Change(WHAT, host, _shown(providers[host]), None) for host in hosts]


def request(change: Change, arn: str, tags: t.Sequence[t.Mapping[str, str]]) -> tuple[str, dict[str, t.Any]]:
    """The request that makes a change. Pure.

    :param tags: of one that is made.
    """
    if change.after is None:
        return "delete_open_id_connect_provider", {"OpenIDConnectProviderArn": arn}
    if change.before is None:
        made = {"Url": f"https://{change.name}", "ClientIDList": [documents.AUDIENCE], "Tags": list(tags)}
        return "create_open_id_connect_provider", made
    added = {"OpenIDConnectProviderArn": arn, "ClientID": documents.AUDIENCE}
    return "add_client_id_to_open_id_connect_provider", added


def _shown(found: OidcProvider | None) -> dict[str, list[str]] | None:
    return None if found is None else {"audiences": list(found.audiences)}
