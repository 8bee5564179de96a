# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a storage account's settings, as Azure Resource Manager tells them, mean for backups. Private to the collection. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_account import (
    Account,
    BlobRule,
    Policy,
    keeps_deleted_containers,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_desired import is_weak
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_managed import Managed
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    passed,
    unknown,
    unsupported,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict

_ACCOUNT: t.Final = "Microsoft.Storage/storageAccounts"
ACTIONS: t.Final[t.Mapping[str, str]] = {
    "public_access_block": f"{_ACCOUNT}/read",
    "shared_key_access": f"{_ACCOUNT}/read",
    "tls_only": f"{_ACCOUNT}/read",
    "versioning": f"{_ACCOUNT}/blobServices/read",
    "soft_delete": f"{_ACCOUNT}/blobServices/read",
    "lifecycle_expiry": f"{_ACCOUNT}/managementPolicies/read",
    "lifecycle_archive": f"{_ACCOUNT}/managementPolicies/read",
}
"""What lets a check be made."""
_SHOWN: t.Final = 5


def better(managed: Managed | None, judge: t.Callable[[Managed], Check], by_data: Check) -> Check:
    """What Azure Resource Manager tells, or else what the Blob service showed.

    :param managed: ``None`` where there is no Azure Resource Manager.
    """
    if managed is None:
        return by_data
    found = judge(managed)
    seen = by_data.verdict not in {Verdict.UNKNOWN, Verdict.UNSUPPORTED}
    return by_data if found.verdict is Verdict.UNKNOWN and seen else found


def public_block_check(managed: Managed | None) -> Check:
    """Whether the account keeps its containers from being made public."""
    name = "public_access_block"
    if managed is None:
        return unsupported(name, "The store has no such setting.")
    account = managed.account.value
    if account is None:
        return _unread(name, managed, managed.account)
    if not account.public:
        return passed(name, "The storage account forbids public access.")
    fix = "Forbid public access in the storage account (allowBlobPublicAccess)."
    return warning(name, "The storage account lets its containers be made public.", fix=fix)


def shared_keys_check(managed: Managed | None, *, keyed: bool) -> Check:
    """Whether keys let anybody into the account.

    :param keyed: the location itself authenticates with a key, or with what was signed with one.
    """
    name = "shared_key_access"
    if managed is None:
        return unsupported(name, "The store has no such setting.")
    if keyed:
        return warning(name, "The location itself uses a key of the storage account, or a SAS that one signed.")
    account = managed.account.value
    if account is None:
        return _unread(name, managed, managed.account)
    if account.shared_keys:
        return warning(name, "Keys of the storage account, and each SAS signed with one, let in whoever has them.")
    return passed(name, "Keys of the storage account let nobody in.")


def tls_check(managed: Managed) -> Check:
    account = managed.account.value
    return _unread("tls_only", managed, managed.account) if account is None else _tls(account)


def _tls(account: Account) -> Check:
    if not account.https_only:
        fix = "Turn on secure transfer for the storage account (supportsHttpsTrafficOnly)."
        return warning("tls_only", "The storage account answers by plain HTTP.", fix=fix)
    if is_weak(account):
        seen = "The storage account refuses plain HTTP, and lets in clients with a TLS older than 1.2."
        return warning("tls_only", seen, fix="Set the storage account's minimumTlsVersion to TLS1_2.")
    return passed("tls_only", "The storage account refuses plain HTTP, and a TLS older than 1.2.")


def versioning_check(managed: Managed) -> Check:
    service = managed.service.value
    if service is None:
        return _unread("versioning", managed, managed.service)
    if service.get("isVersioningEnabled") is True:
        return passed("versioning", "Enabled for the storage account.")
    days = _days(service, "deleteRetentionPolicy")
    if days:
        seen = f"Not enabled; soft delete keeps what is deleted or overwritten for {days} days."
        return passed("versioning", seen)
    fix = "Enable versioning for blobs of the storage account, or soft delete of blobs."
    return warning("versioning", "Not enabled for the storage account.", fix=fix)


def soft_delete_check(managed: Managed) -> Check:
    """https://learn.microsoft.com/azure/storage/blobs/soft-delete-blob-overview and .../soft-delete-container-overview"""
    service = managed.service.value
    if service is None:
        return _unread("soft_delete", managed, managed.service)
    days = _days(service, "deleteRetentionPolicy")
    if not days:
        return warning("soft_delete", "Not enabled for blobs.", fix="Enable soft delete of blobs, for 7 days or more.")
    seen = f"Deleted blobs can be brought back for {days} days"
    if not keeps_deleted_containers(service):
        fix = "Enable soft delete of containers in the storage account, too."
        return warning("soft_delete", f"{seen}, a deleted container cannot.", fix=fix)
    return passed("soft_delete", f"{seen}, a deleted container for {_days(service, 'containerDeleteRetentionPolicy')}.")


def _days(service: t.Mapping[str, t.Any], name: str) -> int:
    """Of a policy of the Blob service; 0 if it is off."""
    policy = service.get(name)
    days = policy.get("days") if isinstance(policy, dict) and policy.get("enabled") is True else 0
    return days if isinstance(days, int) else 0


def shown(managed: Managed | None) -> dict[str, t.Any]:
    """The settings, as far as they are told, for a result."""
    account = managed.account.value if managed else None
    policy = managed.policy.value if managed else None
    return {
        "tls_only": account.https_only if account else None,
        "minimum_tls": printable(account.minimum_tls, 20) or None if account else None,
        "block_public_access": not account.public if account else None,
        "shared_key_access": account.shared_keys if account else None,
        "retention_days": policy.days if policy else None,
        **({"default_retention": "LOCKED" if policy.locked else "UNLOCKED"} if policy else {}),
    }


def soft_delete_days(managed: Managed | None) -> int | None:
    """For how many days deleted blobs can be brought back; ``None`` if that is not told, or not at all."""
    return _days(managed.service.value, "deleteRetentionPolicy") or None if managed and managed.service.value else None


def retention_check(policy: Policy, engine: str) -> Check:
    """The container's time-based retention policy, whose period the Blob service does not tell."""
    state = "locked for ever" if policy.locked else "not locked: who may change it may remove it"
    seen = f"A time-based retention policy of {policy.days} days, {state}."
    if engine == "velero":
        fix = "With Velero, remove the container's retention policy (one that is locked stays): Velero does not support it."
        return warning("default_retention", f"{seen} Velero may fail to finish its backups.", fix=fix)
    fix = "Retention in this collection can delete a backup only after that; deleting fails with the code locked until then."
    return passed("default_retention", seen, fix=fix)


def expiry_check(managed: Managed, place: str) -> Check:
    """:param place: the container's name, a slash, and the location's prefix."""
    return _rules_check("lifecycle_expiry", managed, lambda rule: rule.deletes, place, "delete")


def archive_check(managed: Managed, place: str) -> Check:
    """:param place: the container's name, a slash, and the location's prefix."""
    return _rules_check("lifecycle_archive", managed, lambda rule: rule.archives, place, "archive")


def _rules_check(name: str, managed: Managed, does: t.Callable[[BlobRule], bool], place: str, verb: str) -> Check:
    rules = managed.rules.value
    if rules is None:
        return _unread(name, managed, managed.rules)
    hits = [printable(rule.name, 60) or "one without a name" for rule in rules if does(rule) and _meets(rule, place)]
    if not hits:
        return passed(name, f"No rule would {verb} blobs of the location.")
    fix = f"Leave the location's prefix out of rules that {verb} blobs."
    return warning(name, f"Rules that {verb} blobs of the location: {', '.join(hits[:_SHOWN])}.", fix=fix)


def _meets(rule: BlobRule, place: str) -> bool:
    # What a wildcard stands for is not known here, so what comes before it counts.
    begins = [one.partition("*")[0].partition("?")[0] for one in rule.prefixes]
    return not begins or any(place.startswith(one) or one.startswith(place) for one in begins)


def _unread(name: str, managed: Managed, reading: Reading[t.Any]) -> Check:
    """The check of a setting that could not be read."""
    failure = reading.failure
    if managed.reason or failure is None:
        return unknown(name, managed.reason or "It could not be read.", fix=managed.fix)
    if reading.state == "denied":
        action = failure.denied or ACTIONS[name]
        return unknown(name, f"{action} is denied.", fix=f"Allow {action} on the storage account to have this checked.")
    return unknown(name, failure.message, fix=failure.hint, error_code=failure.code)
