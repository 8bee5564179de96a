# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings of a storage account mean, as Azure Resource Manager tells them. Real answers are in tests/system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_managed_judge as judge
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_account import (
    Account,
    BlobRule,
    Policy,
    parse_rules,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_managed import Managed, read_managed
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    passed,
    unknown,
    unsupported,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict

PLACE = "backups/fleet/"
GOOD, WARNED, UNKNOWN = Verdict.PASSED, Verdict.WARNING, Verdict.UNKNOWN


def of_account(**more: Any) -> Managed:
    return Managed(account=Reading("set", Account(**more)))


def of_service(**more: Any) -> Managed:
    return Managed(service=Reading("set", more))


def of_rules(*rules: BlobRule) -> Managed:
    return Managed(rules=Reading("set", rules))


@pytest.mark.parametrize(
    ("https", "minimum", "verdict"),
    [
        (False, "TLS1_2", WARNED),
        (True, "", WARNED),
        (True, "TLS1_0", WARNED),
        (True, "TLS1_1", WARNED),
        (True, "TLS1_2", GOOD),
        (True, "TLS1_3", GOOD),
    ],
)
def test_tls(https: bool, minimum: str, verdict: Verdict) -> None:
    assert judge.tls_check(of_account(https_only=https, minimum_tls=minimum)).verdict is verdict


def test_who_is_let_in() -> None:
    assert judge.public_block_check(of_account(public=True)).verdict is WARNED
    assert judge.public_block_check(of_account(public=False)).verdict is GOOD
    assert judge.public_block_check(None).verdict is Verdict.UNSUPPORTED
    assert judge.shared_keys_check(of_account(shared_keys=True), keyed=False).verdict is WARNED
    assert judge.shared_keys_check(of_account(shared_keys=False), keyed=False).verdict is GOOD
    assert judge.shared_keys_check(Managed("no token"), keyed=True).verdict is WARNED
    assert judge.shared_keys_check(Managed("no token"), keyed=False).verdict is UNKNOWN
    assert judge.shared_keys_check(None, keyed=True).verdict is Verdict.UNSUPPORTED


KEPT = {"enabled": True, "days": 9}


@pytest.mark.parametrize(
    ("service", "versions", "deleted"),
    [
        ({}, WARNED, WARNED),
        ({"isVersioningEnabled": True}, GOOD, WARNED),
        ({"isVersioningEnabled": "true"}, WARNED, WARNED),
        ({"deleteRetentionPolicy": {"enabled": False, "days": 9}}, WARNED, WARNED),
        ({"deleteRetentionPolicy": KEPT}, GOOD, WARNED),
        ({"deleteRetentionPolicy": KEPT, "containerDeleteRetentionPolicy": {"enabled": False}}, GOOD, WARNED),
        ({"deleteRetentionPolicy": KEPT, "containerDeleteRetentionPolicy": KEPT}, GOOD, GOOD),
        ({"deleteRetentionPolicy": [], "containerDeleteRetentionPolicy": 1}, WARNED, WARNED),
    ],
)
def test_what_is_kept(service: dict[str, Any], versions: Verdict, deleted: Verdict) -> None:
    managed = of_service(**service)
    assert judge.versioning_check(managed).verdict is versions
    assert judge.soft_delete_check(managed).verdict is deleted


def test_a_retention_policy() -> None:
    check = judge.retention_check(Policy(14, locked=True, etag=""), "stowage")
    assert check.verdict is GOOD
    assert "14 days, locked" in check.seen
    assert judge.retention_check(Policy(14, locked=False, etag=""), "velero").verdict is WARNED


@pytest.mark.parametrize(
    ("prefixes", "meets"),
    [
        ((), True),
        (("backups/fleet/",), True),
        (("backups/fleet/clusters/prod-1",), True),
        (("backups",), True),
        (("back",), True),
        (("backups/fl",), True),
        (("other/", "backups/*.log"), True),
        (("backups/photos",), False),
        (("backups/fleet-2/",), False),
        (("other/fleet/",), False),
    ],
)
def test_which_rules_meet_the_location(prefixes: tuple[str, ...], meets: bool) -> None:
    managed = of_rules(BlobRule("tidy", prefixes, deletes=True), BlobRule("cold", prefixes, archives=True))
    expiry, archive = judge.expiry_check(managed, PLACE), judge.archive_check(managed, PLACE)
    assert (expiry.verdict is WARNED, archive.verdict is WARNED) == (meets, meets)
    if meets:
        assert "tidy" in expiry.seen
        assert "cold" not in expiry.seen
        assert "cold" in archive.seen


def rule(**more: Any) -> dict[str, Any]:
    """As Microsoft documents one: .../azure/storage/blobs/lifecycle-management-policy-structure."""
    actions = {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 30}}}
    filters = {"blobTypes": ["blockBlob"], "prefixMatch": ["backups/"]}
    definition = {"actions": more.pop("actions", actions), "filters": {**filters, **more.pop("filters", {})}}
    return {"enabled": True, "name": "tidy", "type": "Lifecycle", "definition": definition, **more}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule()], (BlobRule("tidy", ("backups/",), deletes=True),)),
        ([rule(filters={"prefixMatch": None, "blobTypes": None})], (BlobRule("tidy", (), deletes=True),)),
        (
            [rule(actions={"baseBlob": {"tierToArchive": {}, "tierToCool": {}}})],
            (BlobRule("tidy", ("backups/",), archives=True),),
        ),
        ([rule(enabled=False)], ()),
        ([rule(filters={"blobTypes": ["appendBlob"]})], ()),
        ([rule(filters={"blobIndexMatch": [{"name": "a", "op": "==", "value": "b"}]})], ()),
        ([rule(actions={"version": {"delete": {}}, "snapshot": {"delete": {}}})], ()),
        ([1, {"definition": 2}, {}], ()),
        (None, ()),
    ],
)
def test_rules(rules: Any, expected: tuple[BlobRule, ...]) -> None:
    assert parse_rules({"properties": {"policy": {"rules": rules}}}) == expected


DENIED = Failure("permission_denied", "No.", "Hint.", status=403, denied="Microsoft.Storage/storageAccounts/read")
JUDGES: list[Callable[[Managed], Check]] = [
    judge.public_block_check,
    judge.tls_check,
    judge.versioning_check,
    judge.soft_delete_check,
    lambda managed: judge.shared_keys_check(managed, keyed=False),
    lambda managed: judge.expiry_check(managed, PLACE),
    lambda managed: judge.archive_check(managed, PLACE),
]


@pytest.mark.parametrize("check", JUDGES)
def test_what_is_not_told_is_unknown_and_says_what_to_do(check: Callable[[Managed], Check]) -> None:
    class Resource:
        @property
        def id(self) -> str:
            raise LocationError(DENIED)

    resource: Any = Resource()
    denied = check(read_managed(resource))
    assert denied.verdict is UNKNOWN
    assert "Allow Microsoft.Storage/storageAccounts/read" in denied.fix
    for managed in (Managed("No token.", "Get one."), Managed()):
        found = check(managed)
        assert found.verdict is UNKNOWN
        assert found.fix == managed.fix


@pytest.mark.parametrize("check", JUDGES)
def test_a_denial_without_an_action_has_the_one_that_it_takes(check: Callable[[Managed], Check]) -> None:
    lost: Reading[Any] = Reading("denied", failure=Failure("permission_denied", "No.", ""))
    found = check(Managed(account=lost, service=lost, rules=lost))
    assert judge.ACTIONS[found.id] in found.fix


def test_what_is_asked_in_vain_is_not_asked_again() -> None:
    asked = []

    class Resource:
        @property
        def id(self) -> str:
            asked.append(1)
            raise StowageError("bucket_not_found", "None there.", "Check it.")

    resource: Any = Resource()
    found = read_managed(resource)
    assert asked == [1]
    assert judge.tls_check(found).seen == "None there."
    assert judge.expiry_check(found, PLACE).fix == "Check it."


def test_being_asked_to_stop_ends_it() -> None:
    class Resource:
        @property
        def id(self) -> str:
            raise StowageError("interrupted", "Stop.")

    resource: Any = Resource()
    with pytest.raises(StowageError):
        read_managed(resource)


def test_what_is_told_counts_more_than_what_was_seen() -> None:
    seen, unseen, told = warning("versioning", "seen"), unknown("versioning", "unseen"), passed("versioning", "told")
    assert judge.better(Managed(), lambda _dummy: told, seen) is told
    assert judge.better(None, lambda _dummy: told, seen) is seen
    assert judge.better(Managed(), lambda _dummy: unseen, seen) is seen
    why = unknown("versioning", "why")
    for nothing in (unseen, unsupported("versioning", "nothing")):
        assert judge.better(Managed(), lambda _dummy: why, nothing) is why


def test_what_is_returned() -> None:
    account = Account(https_only=True, minimum_tls="TLS1_2", public=False, shared_keys=False)
    managed = Managed(account=Reading("set", account), policy=Reading("set", Policy(14, locked=True, etag="")))
    assert judge.shown(managed) == {
        "tls_only": True,
        "minimum_tls": "TLS1_2",
        "block_public_access": True,
        "shared_key_access": False,
        "retention_days": 14,
        "default_retention": "LOCKED",
    }
    assert set(judge.shown(None).values()) == {None}
