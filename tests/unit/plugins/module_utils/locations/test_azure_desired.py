# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between a container of Azure's and what it should be, and what is read of its resources."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_account import (
    Account,
    Container,
    Policy,
    parse_account,
    parse_container,
    parse_policy,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import AzureSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_desired import (
    Seen,
    days_of,
    encryption_of,
    needs_management,
    plan,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_json import JsonAnswer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    SETTINGS,
    Encryption,
    Retention,
    Wanted,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location

KEY = "https://v.vault.azure.net/keys/k"
TENANT, SUBSCRIPTION = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
retentions = st.one_of(
    st.builds(Retention, st.sampled_from(["GOVERNANCE", "COMPLIANCE"]), days=st.integers(1, 4000)),
    st.builds(Retention, st.sampled_from(["GOVERNANCE", "COMPLIANCE"]), years=st.integers(1, 10)),
)


@given(retentions, st.integers(1, 4000), st.booleans())
def test_a_retention_never_gets_shorter_or_less_strict(after: Retention, days: int, locked: bool) -> None:
    seen = Seen(Container(), policy=Policy(days, locked, '"1"'))
    if days_of(after) < days or (locked and after.mode == "GOVERNANCE"):
        with pytest.raises(StowageError) as caught:
            plan(Wanted(object_lock=after), seen)
        assert caught.value.code == "unsafe_change"
        return
    found = plan(Wanted(object_lock=after), seen)
    assert bool(found.unsupported) is (after.mode == "COMPLIANCE" and not locked)
    assert bool(found.changes) is (not found.unsupported and days_of(after) > days)


def test_a_year_is_never_too_short() -> None:
    assert [days_of(Retention("GOVERNANCE", years=years)) for years in (1, 2, 4)] == [366, 731, 1461]
    with pytest.raises(StowageError) as caught:
        plan(Wanted(object_lock=Retention("GOVERNANCE", days=0, years=400)), Seen(Container()))
    assert caught.value.code == "invalid_option"


def test_without_resource_manager_all_that_needs_it_is_said() -> None:
    wanted = Wanted(
        object_ownership="BucketOwnerEnforced",
        encryption=Encryption("AES256"),
        versioning=True,
        object_lock_enabled=True,
        object_lock=Retention("GOVERNANCE", days=1),
        tls_only=True,
        block_public_access=True,
        abort_stale_uploads=7,
        shared_key_access=False,
    )
    assert wanted.settings() == SETTINGS
    found = plan(wanted, Seen(None, "No token."))
    assert {one.option for one in found.unsupported} == set(SETTINGS) - {"object_ownership", "abort_stale_uploads"}
    assert {one.reason for one in found.unsupported} == {"No token."}
    assert [change.setting for change in found.changes] == ["bucket"]
    scope = Wanted(encryption=Encryption("aws:kms", "backups"))
    assert not needs_management(scope)
    assert [change.setting for change in plan(scope, Seen(None, "No token.")).changes] == ["bucket", "encryption"]


@pytest.mark.parametrize(
    ("account", "before"),
    [
        (Account(https_only=True, minimum_tls="TLS1_2"), None),
        (Account(https_only=True, minimum_tls="TLS1_3"), None),
        (Account(https_only=True, minimum_tls="TLS1_1"), "incomplete"),
        (Account(https_only=True), "incomplete"),
        (Account(minimum_tls="TLS1_2"), False),
    ],
)
def test_tls(account: Account, before: Any) -> None:
    changes = plan(Wanted(tls_only=True), Seen(Container(), account=account)).changes
    assert [change.before for change in changes] == ([] if before is None else [before])


def test_what_the_account_has_of_encryption_stays() -> None:
    source = {"keySource": "Microsoft.Storage", "services": {"blob": {}}, "requireInfrastructureEncryption": True}
    seen = Account(encryption=source)
    found = encryption_of(Wanted(encryption=Encryption("aws:kms", f"{KEY}/{'a' * 32}")), seen)
    assert found["services"] == {"blob": {}}
    assert found["requireInfrastructureEncryption"] is True
    vault = {"keyvaulturi": "https://v.vault.azure.net", "keyname": "k", "keyversion": "a" * 32}
    assert found["keyvaultproperties"] == vault
    read = parse_account({"properties": {"encryption": found}})
    assert read.key == f"{KEY}/{'a' * 32}"
    back = encryption_of(Wanted(encryption=Encryption("AES256")), read)
    assert back == source


@pytest.mark.parametrize(
    "document", [{}, {"properties": None}, {"properties": []}, {"properties": {"encryption": "x"}}]
)
def test_strange_resources(document: dict[str, Any]) -> None:
    """What is not told reads like the least that it can be."""
    assert parse_account(document) == Account()
    assert parse_container(document) == Container()
    assert parse_policy(JsonAnswer(200, {}, document)) is None


def test_policies_that_are_none() -> None:
    for days in (0, None, "7", -1):
        properties = {"immutabilityPeriodSinceCreationInDays": days, "state": "Unlocked"}
        assert parse_policy(JsonAnswer(200, {}, {"properties": properties})) is None
    properties = {"immutabilityPeriodSinceCreationInDays": 7, "state": "Locked"}
    found = parse_policy(JsonAnswer(200, {"etag": '"2"'}, {"properties": properties}))
    assert found == Policy(7, True, '"2"', properties)


def location(**more: Any) -> dict[str, Any]:
    return {"provider": "azure", "storage_account": "acme", "bucket": "backups", **more}


def of(account: str) -> dict[str, Any]:
    return {"method": "managed_identity", "account": account}


@pytest.mark.parametrize(
    "more",
    [
        {"auth": of("acme.example")},
        {"auth": of(f"{TENANT}/")},
        {"auth": of(f"/{SUBSCRIPTION}")},
        {"auth": of(f"{TENANT}/production")},
        {"subscription": "production"},
        {"subscription": TENANT, "auth": of(f"{TENANT}/{SUBSCRIPTION}")},
        {"provider": "aws", "storage_account": None, "subscription": SUBSCRIPTION},
    ],
)
def test_accounts_that_make_no_sense(more: dict[str, Any]) -> None:
    with pytest.raises(StowageError) as caught:
        check_location(location(**more))
    assert caught.value.code == "invalid_option"


def test_where_the_resource_is() -> None:
    def settings(environ: dict[str, str] | None = None, **more: Any) -> AzureSettings:
        return AzureSettings.from_options(check_location(location(**more)), environ or {})

    demanded = settings({"AZURE_SUBSCRIPTION_ID": TENANT}, auth=of(f"{TENANT}/{SUBSCRIPTION.upper()}"))
    assert demanded.subscription == SUBSCRIPTION
    assert settings({"AZURE_SUBSCRIPTION_ID": TENANT}).subscription == TENANT
    assert settings({"AZURE_SUBSCRIPTION_ID": "production"}).subscription == ""
    assert settings(cloud="china").management == "https://management.chinacloudapi.cn"
    own = settings({"AZURE_SUBSCRIPTION_ID": TENANT}, endpoint="https://blobs.example:10000")
    assert (own.management, own.subscription) == ("", ""), "nothing of the environment, and no token, for others"
    assert settings(management_endpoint="https://arm.example").management == "https://arm.example"
    for option, odd in (
        ("management_endpoint", "http://arm.example"),
        ("resource_group", "a/b"),
        ("resource_group", "x?y"),
    ):
        with pytest.raises(StowageError) as caught:
            settings({}, **{option: odd})
        assert caught.value.code == "invalid_option"
