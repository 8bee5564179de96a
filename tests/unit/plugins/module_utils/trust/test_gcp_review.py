# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else is asked to do at Google is what the module would do itself."""

from __future__ import annotations

import json
import shlex
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import gcp_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_policy import Federation, Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_review import commands, review
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import PERMISSION_SETS, PermissionSet

# An audience that a shell would read otherwise.
POOL = Federation("https://issuer.example.com", ("it's $HOME", "stowage"), ("stowage/backup",), jwks='{"keys":[]}')


def wanted(**options: t.Any) -> Wanted:
    """A trust with everything."""
    found: dict[str, t.Any] = {
        "name": "trust-name",
        "project": "acme-project",
        "number": "PROJECT_NUMBER",
        "bucket": "acme-backups",
        "prefix": "fleet",
        "account": "trust-name@acme-project.iam.gserviceaccount.com",
        "given": False,
        "clusters": ("prod-1",),
        "permissions": "writer",
        "writes_restores": False,
        "custom_role": True,
        "gke": (("acme-clusters", "ns/backup"),),
        "federation": POOL,
        "impersonators": ("user:a@example.com",),
    }
    return Wanted(**{**found, **options})


def lines(of: Wanted, *start: str) -> list[list[str]]:
    """The words of the commands that begin so, as a shell reads them."""
    found = [shlex.split(line) for line in commands(of)]
    return [words for words in found if words[: len(start)] == list(start)]


def options(words: list[str]) -> dict[str, str]:
    """The options of a command."""
    return dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))


@pytest.mark.parametrize("permissions", PERMISSION_SETS)
def test_each_binding_of_the_bucket_is_a_command_with_its_condition(permissions: PermissionSet) -> None:
    of = wanted(permissions=permissions)
    files = {words[4]: json.loads(words[2]) for words in lines(of, "printf")}
    asked = [options(words) for words in lines(of, "gcloud", "storage", "buckets", "add-iam-policy-binding")]
    bindings = gcp_policy.bindings(of)
    assert [one["role"] for one in asked] == [one["role"] for one in bindings]
    assert [[one["member"]] for one in asked] == [one["members"] for one in bindings]
    assert [files[one["condition-from-file"]] for one in asked] == [one["condition"] for one in bindings]


def test_who_may_act_as_the_account() -> None:
    asked = [options(words) for words in lines(wanted(), "gcloud", "iam", "service-accounts", "add-iam-policy-binding")]
    found: dict[str, list[str]] = {}
    for one in asked:
        found.setdefault(one["role"], []).append(one["member"])
    assert found == gcp_policy.members(wanted())


def test_the_provider() -> None:
    (words,) = lines(wanted(), "gcloud", "iam", "workload-identity-pools", "providers", "create-oidc")
    asked, document = options(words), gcp_policy.provider(wanted(), POOL)
    assert asked["issuer-uri"] == document["oidc"]["issuerUri"]
    assert asked["allowed-audiences"].split(",") == document["oidc"]["allowedAudiences"]
    assert asked["attribute-condition"] == document["attributeCondition"]
    assert asked["jwk-json-path"] == "jwks.json"


def test_roles_of_ours_and_the_account() -> None:
    made = {words[4]: options(words)["permissions"] for words in lines(wanted(), "gcloud", "iam", "roles", "create")}
    assert {name: one.split(",") for name, one in made.items()} == gcp_policy.roles(wanted())
    assert len(lines(wanted(), "gcloud", "iam", "service-accounts", "create")) == 1
    assert lines(wanted(given=True), "gcloud", "iam", "service-accounts", "create") == []


def test_the_text_has_what_is_not_asked_for_by_commands() -> None:
    text = review(wanted(), {"method": "default_chain"})
    assert "PROJECT_NUMBER" in text
    assert "## `auth` of the location" in text
    assert all(line in text for line in commands(wanted()))
    assert "Provider of the identity pool" not in review(wanted(federation=None), {})
