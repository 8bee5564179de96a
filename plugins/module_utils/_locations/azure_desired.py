# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between a container of Azure Blob Storage, with its storage account, and what it should be. Private to the
collection. Pure.

The options have S3's words. At Azure most of them are settings of the storage account, so that they are for all of its
containers: https://learn.microsoft.com/azure/storage/common/storage-account-overview.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_account import (
    Account,
    Container,
    Policy,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_settings import ACCOUNT_SCOPE
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    BUCKET,
    Change,
    Encryption,
    Found,
    Plan,
    Retention,
    Unsupported,
    Wanted,
    changed,
    plan_of,
    unsafe,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable

LONGEST_DAYS: t.Final = 146000
"""Of a retention policy: https://learn.microsoft.com/azure/storage/blobs/immutable-time-based-retention-policy-overview."""
DROPPED_DAYS: t.Final = 7
"""When Azure drops blocks that nobody committed: https://learn.microsoft.com/rest/api/storageservices/put-block."""
TLS: t.Final = "TLS1_2"
_WEAK: t.Final = frozenset({"", "TLS1_0", "TLS1_1"})
_SCOPE: t.Final = re.compile(r"[A-Za-z0-9-]{3,63}")
_KEY: t.Final = re.compile(r"(https://[a-z0-9.-]+)/keys/([A-Za-z0-9-]{1,127})(?:/([0-9a-f]{32}))?/?")

Resource = t.Literal["account", "service", "policy"]
"""What is read of Azure Resource Manager, besides the container."""
_READS: t.Final[t.Mapping[str, tuple[Resource, ...]]] = {
    "encryption": ("account",),
    "versioning": ("service",),
    "object_lock_enabled": ("service",),
    "object_lock": ("policy",),
    "tls_only": ("account",),
    "block_public_access": ("account",),
    "shared_key_access": ("account",),
}


@dataclasses.dataclass(frozen=True)
class Seen:
    """A container and its account as they are; what was not looked at is as Azure makes it.

    :param container: ``None`` if it is not there.
    :param unmanaged: why Azure Resource Manager cannot be asked, a sentence; empty if it can.
    :param service: the properties of the account's Blob service, as they are.
    """

    container: Container | None
    unmanaged: str = ""
    account: Account = dataclasses.field(default_factory=Account)
    service: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    policy: Policy | None = None

    @property
    def versioning(self) -> bool:
        """Whether the account keeps versions of its blobs."""
        return self.service.get("isVersioningEnabled") is True


def reads_for(wanted: Wanted) -> tuple[Resource, ...]:
    """What has to be read for what is wanted, no more: each takes a permission."""
    return tuple(dict.fromkeys(one for setting in wanted.settings() for one in _READS.get(setting, ())))


def needs_management(wanted: Wanted) -> bool:
    """Whether what is wanted takes Azure Resource Manager. A container can be made, with an encryption scope, without."""
    scope = wanted.encryption is not None and _is_scope(wanted.encryption.kms_key_id)
    return any(_READS.get(name) and not (name == "encryption" and scope) for name in wanted.settings())


def plan(wanted: Wanted, seen: Seen) -> Plan:
    """What is to be done.

    :raises StowageError: ``unsafe_change`` for what would put backups at risk, ``invalid_option``.
    """
    found: list[Found] = []
    if seen.container is None:
        found.append(Change(BUCKET, "absent", "present"))
    for setting in wanted.settings():
        if seen.unmanaged and needs_management(wanted.only_this(setting)):
            found.append(Unsupported(setting, seen.unmanaged))
        else:
            found += _PLANS[setting](wanted, seen)
    return plan_of(wanted, seen.container is not None, found)


def days_of(retention: Retention) -> int:
    """The days that a wanted retention asks for; a year has 365.25."""
    return retention.days + -(-retention.years * 1461 // 4)


def new_scope(wanted: Wanted) -> str:
    """The default encryption scope of a container to be made; empty for the account's."""
    key = wanted.encryption.kms_key_id if wanted.encryption else None
    return str(key) if _is_scope(key) else ""


def encryption_of(wanted: Wanted, seen: Account) -> dict[str, t.Any]:
    """What the account's resource has to say of encryption: what is not wanted otherwise stays."""
    kept = dict(seen.encryption)
    key = wanted.encryption.kms_key_id if wanted.encryption else None
    if not key:
        kept.pop("keyvaultproperties", None)
        return {**kept, "keySource": "Microsoft.Storage"}
    match = t.cast("re.Match[str]", _KEY.fullmatch(key))
    vault = {"keyvaulturi": match[1], "keyname": match[2], "keyversion": match[3] or ""}
    return {**kept, "keySource": "Microsoft.Keyvault", "keyvaultproperties": vault}


def is_weak(account: Account) -> bool:
    """Whether the account lets in clients with a TLS that is too old."""
    return account.minimum_tls in _WEAK


def _is_scope(key: str | None) -> bool:
    return bool(key) and _SCOPE.fullmatch(str(key)) is not None


def _ownership(wanted: Wanted, _seen: Seen) -> list[Found]:
    if wanted.object_ownership == "BucketOwnerEnforced":
        return []
    return [Unsupported("object_ownership", "At Azure blobs always belong to the storage account.")]


def _encryption(wanted: Wanted, seen: Seen) -> list[Found]:
    encryption = t.cast(Encryption, wanted.encryption)
    if encryption.algorithm == "aws:kms:dsse":
        reason = "Azure encrypts in two layers (infrastructure encryption) only in accounts that were made for it."
        return [Unsupported("encryption", reason)]
    more: list[Found] = []
    if encryption.bucket_key_enabled:
        more.append(Unsupported("encryption.bucket_key_enabled", "Azure has no keys of containers in between."))
    scope = "" if seen.container is None or seen.container.scope == ACCOUNT_SCOPE else seen.container.scope
    before, after = scope or seen.account.key, _key_target(encryption, scope or seen.account.key)
    if _same_key(before, after):
        return more
    if seen.container is not None and (scope or _is_scope(after)):
        reason = (
            "The default encryption scope of a container is set when it is made, and the container is there already."
        )
        return [Unsupported("encryption", reason)]
    new = seen.container is None and _is_scope(after)
    return [*more, Change("encryption", None if new else _shown_key(before), _shown_key(after))]


def _key_target(wanted: Encryption, before: str) -> str:
    if wanted.algorithm == "AES256":
        return ""
    key = wanted.kms_key_id or before
    if not _is_scope(key) and not _KEY.fullmatch(key):
        hint = "Set encryption.kms_key_id to https://….vault.azure.net/keys/…, or to the name of an encryption scope."
        raise StowageError("invalid_option", "Azure encrypts with a key by its URL, or with an encryption scope.", hint)
    return key


def _same_key(before: str, after: str) -> bool:
    """A key without a version is its newest."""
    one, other = (found.rstrip("/") for found in (before, after))
    return one.lower() == other.lower()


def _shown_key(key: str) -> dict[str, t.Any]:
    return {"algorithm": "aws:kms", "kms_key_id": printable(key, 300)} if key else {"algorithm": "AES256"}


def _versioning(wanted: Wanted, seen: Seen) -> list[Found]:
    if not wanted.versioning and seen.container is not None and seen.container.versions:
        hint = "Leave versioning out, or set it to true. To get rid of object lock, use another container."
        raise unsafe("Versions of the container's blobs can be made immutable, so they must stay enabled.", hint)
    return changed("versioning", seen.versioning, wanted.versioning)


def _lock_enabled(wanted: Wanted, seen: Seen) -> list[Found]:
    enabled = seen.container is not None and seen.container.versions
    if enabled and not wanted.object_lock_enabled:
        hint = "Leave object_lock_enabled out, or use another container."
        raise unsafe("Version-level immutability of the container cannot be switched off again.", hint)
    if enabled or not wanted.object_lock_enabled:
        return []
    if seen.container is not None:
        reason = (
            "Version-level immutability is enabled here when a container is made, and it is there already. "
            "az storage container-rm migrate-vlw can do it later."
        )
        return [Unsupported("object_lock_enabled", reason)]
    if not seen.versioning and not wanted.versioning:
        raise unsafe("Object lock needs versions, which the account does not keep.", "Set versioning to true, too.")
    return [Change("object_lock_enabled", False, True)]


def _lock(wanted: Wanted, seen: Seen) -> list[Found]:
    after, before = t.cast(Retention, wanted.object_lock), seen.policy
    if days_of(after) > LONGEST_DAYS:
        message = f"A retention policy of Azure's lasts at most {LONGEST_DAYS} days."
        raise StowageError("invalid_option", message, "Ask for less.")
    locked = before is not None and before.locked
    if before is not None and (days_of(after) < before.days or (locked and after.mode != "COMPLIANCE")):
        raise unsafe(
            f"The container's retention policy is {before.days} days{', locked' if locked else ''}, and would get shorter or less strict.",
            "Ask for at least that, or leave object_lock out. Who administers the account can shorten one that is not locked.",
        )
    if after.mode == "COMPLIANCE" and not locked:
        reason = (
            "A retention policy of Azure's is as strict once it is locked. Nobody can undo that, so it is left to "
            "az storage container immutability-policy lock."
        )
        return [Unsupported("object_lock", reason)]
    if before is not None and before.days == days_of(after):
        return []
    return [Change("object_lock", _shown_lock(before) if before else None, after.shown())]


def _shown_lock(policy: Policy) -> dict[str, t.Any]:
    return {"mode": "COMPLIANCE" if policy.locked else "GOVERNANCE", "days": policy.days}


def _tls_only(wanted: Wanted, seen: Seen) -> list[Found]:
    account = seen.account
    if not wanted.tls_only:
        return changed("tls_only", account.https_only, False)
    if account.https_only and not is_weak(account):
        return []
    return [Change("tls_only", "incomplete" if account.https_only else False, True)]


def _public(wanted: Wanted, seen: Seen) -> list[Found]:
    account = not seen.account.public
    if not wanted.block_public_access:
        return changed("block_public_access", account, False)
    open_container = seen.container is not None and bool(seen.container.public)
    if account and not open_container:
        return []
    return [Change("block_public_access", "incomplete" if account else False, True)]


def _stale_uploads(wanted: Wanted, _seen: Seen) -> list[Found]:
    days = t.cast(int, wanted.abort_stale_uploads)
    if days >= DROPPED_DAYS:
        return []
    reason = f"Azure drops blocks that nobody committed after {DROPPED_DAYS} days by itself, and has no other rule."
    return [Unsupported("abort_stale_uploads", reason)]


def _shared_keys(wanted: Wanted, seen: Seen) -> list[Found]:
    return changed("shared_key_access", seen.account.shared_keys, wanted.shared_key_access)


_PLANS: t.Final[t.Mapping[str, t.Callable[[Wanted, Seen], list[Found]]]] = {
    "object_ownership": _ownership,
    "encryption": _encryption,
    "versioning": _versioning,
    "object_lock_enabled": _lock_enabled,
    "object_lock": _lock,
    "tls_only": _tls_only,
    "block_public_access": _public,
    "abort_stale_uploads": _stale_uploads,
    "shared_key_access": _shared_keys,
}
