# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between an S3 bucket and what it should be. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_lifecycle, s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    BUCKET,
    NEVER,
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
    weaker,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    Encryption as SeenEncryption,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    Lifecycle,
    ObjectLock,
    PublicAccessBlock,
    Versioning,
)

# option -> its setting, a field of Seen.
_FIELDS: t.Final[t.Mapping[str, str]] = {
    "object_ownership": "ownership",
    "encryption": "encryption",
    "versioning": "versioning",
    "object_lock_enabled": "object_lock",
    "object_lock": "object_lock",
    "tls_only": "policy",
    "block_public_access": "public_access_block",
    "abort_stale_uploads": "lifecycle",
}
_UNREAD: t.Final[Reading[t.Any]] = Reading("unset")


@dataclasses.dataclass(frozen=True)
class Seen:
    """A bucket as it is; what was not looked at counts as not set.

    :param partition: the part of AWS that ARNs begin with.
    :param aws: the store is Amazon S3.
    :param minio: the store is MinIO.
    :param sees_tls: the store knows whether a request came by TLS: AWS does, and what is not behind another's server.
    """

    present: bool
    bucket: str
    prefix: str = ""
    partition: str = "aws"
    aws: bool = False
    minio: bool = False
    sees_tls: bool = True
    versioning: Reading[Versioning] = _UNREAD
    encryption: Reading[SeenEncryption] = _UNREAD
    object_lock: Reading[ObjectLock] = _UNREAD
    public_access_block: Reading[PublicAccessBlock] = _UNREAD
    policy: Reading[dict[str, t.Any]] = _UNREAD
    lifecycle: Reading[Lifecycle] = _UNREAD
    ownership: Reading[str] = _UNREAD


def fields_for(wanted: Wanted) -> tuple[str, ...]:
    """The fields of :class:`Seen` that have to be read, no more: each takes a permission."""
    fields = [_FIELDS[setting] for setting in wanted.settings() if setting in _FIELDS]
    if wanted.versioning is False:
        fields.append("object_lock")
    if wanted.object_lock_enabled:
        fields.append("versioning")
    return tuple(dict.fromkeys(fields))


def plan(wanted: Wanted, seen: Seen) -> Plan:
    """What is to be done to a bucket.

    :raises StowageError: ``unsafe_change`` for what would put backups at risk.
    """
    found: list[Found] = []
    if not seen.present:
        found.append(Change(BUCKET, "absent", "present"))
    for setting in wanted.settings():
        found += _unreadable(setting, seen) or _PLANS[setting](wanted, seen)
    return plan_of(wanted, seen.present, found)


def _unreadable(setting: str, seen: Seen) -> list[Found]:
    """Nothing if the setting itself could be read."""
    field = _FIELDS.get(setting)
    if field is None or getattr(seen, field).state != "unsupported":
        return []
    return [Unsupported(setting, "The store does not know this setting.")]


def _ownership(wanted: Wanted, seen: Seen) -> list[Found]:
    return changed("object_ownership", seen.ownership.value, wanted.object_ownership)


def _encryption(wanted: Wanted, seen: Seen) -> list[Found]:
    target = encryption_target(t.cast(Encryption, wanted.encryption), seen.encryption.value)
    before = seen.encryption.value
    if before is not None and _same_encryption(before, target):
        return []
    return [Change("encryption", _shown(before) if before else None, _shown(target))]


def encryption_target(wanted: Encryption, seen: SeenEncryption | None) -> SeenEncryption:
    """The encryption that a bucket gets: what is not wanted otherwise stays."""
    if wanted.algorithm == "AES256":
        return SeenEncryption("AES256")
    kept = seen if seen is not None and seen.algorithm != "AES256" else None
    key = wanted.kms_key_id if wanted.kms_key_id is not None else kept.key if kept else ""
    bucket_key = wanted.bucket_key_enabled
    if bucket_key is None:
        bucket_key = bool(kept and kept.bucket_key)
    return SeenEncryption(wanted.algorithm, key, bucket_key)


def _same_encryption(seen: SeenEncryption, target: SeenEncryption) -> bool:
    if seen.algorithm != target.algorithm:
        return False
    # With AES256 there is no key for a bucket key to spare.
    return target.algorithm == "AES256" or (same_key(seen.key, target.key) and seen.bucket_key == target.bucket_key)


def same_key(one: str, other: str) -> bool:
    """Whether two names are of one KMS key: stores may answer with the ARN of what was set by its id or alias."""
    names = {name.rpartition(":")[2].removeprefix("key/") for name in (one, other)}
    both_arns = one.startswith("arn:") and other.startswith("arn:")
    return one == other or (not both_arns and "" not in (one, other) and len(names) == 1)


def _shown(encryption: SeenEncryption) -> dict[str, t.Any]:
    if encryption.algorithm == "AES256":
        return {"algorithm": "AES256"}
    return {
        "algorithm": printable(encryption.algorithm),
        "kms_key_id": printable(encryption.key) or None,
        "bucket_key_enabled": encryption.bucket_key,
    }


def _versioning(wanted: Wanted, seen: Seen) -> list[Found]:
    before = _has_versions(seen)
    if before and not wanted.versioning and seen.object_lock.state == "set":
        hint = "Leave versioning out, or set it to true. To get rid of object lock, use another bucket."
        raise unsafe(f"The bucket {seen.bucket} has object lock, so its versions must stay enabled.", hint)
    return changed("versioning", before, wanted.versioning)


def _has_versions(seen: Seen) -> bool:
    return seen.versioning.value is not None and seen.versioning.value.status == "Enabled"


def _lock_enabled(wanted: Wanted, seen: Seen) -> list[Found]:
    enabled = seen.object_lock.state == "set"
    if not wanted.object_lock_enabled:
        if not enabled:
            return []
        hint = "Leave object_lock_enabled out, or use another bucket."
        raise unsafe(f"Object lock of the bucket {seen.bucket} cannot be switched off again.", hint)
    if enabled:
        return []
    change = Change("object_lock_enabled", False, True)
    if not seen.present:
        return [change]
    if not seen.aws:
        reason = "This store locks objects only in buckets that were made for it, and the bucket is there already."
        return [Unsupported("object_lock_enabled", reason)]
    if not _has_versions(seen) and not wanted.versioning:
        raise unsafe("Object lock needs versions, which the bucket does not have.", "Set versioning to true, too.")
    return [change]


def _lock(wanted: Wanted, seen: Seen) -> list[Found]:
    after = t.cast(Retention, wanted.object_lock)
    lock = seen.object_lock.value
    if lock is None:
        if not wanted.object_lock_enabled:
            hint = "Set object_lock_enabled to true. It cannot be switched off again."
            raise unsafe("A default retention needs object lock, which the bucket does not have.", hint)
        if seen.present and not seen.aws:
            return [Unsupported("object_lock", "The bucket has no object lock, and does not get it any more.")]
        return [Change("object_lock", None, after.shown())]
    before = Retention(lock.mode, lock.days, lock.years) if lock.retains else None
    if before is not None and before != after and weaker(before, after):
        period = f"{before.years} years" if before.years else f"{before.days} days"
        raise unsafe(
            f"The bucket's default retention is {before.mode} for {period}, and would get shorter or less strict.",
            "Ask for at least that, or leave object_lock out. An administrator of the bucket can shorten it by other means.",
        )
    return changed("object_lock", before.shown() if before else None, after.shown())


def _tls_only(wanted: Wanted, seen: Seen) -> list[Found]:
    if seen.minio:
        reason = (
            "MinIO looks at a bucket's policy for anonymous requests only. Whether it speaks plain HTTP is a matter of "
            "its certificates."
        )
        return [Unsupported("tls_only", reason)]
    if wanted.tls_only and not seen.sees_tls:
        # Such a statement could not be taken back.
        reason = (
            "Behind a server that ends TLS, the store would deny everybody everything, and it does not say what it is."
        )
        return [Unsupported("tls_only", reason)]
    policy, statement = seen.policy.value, s3_policy.tls_only_statement(seen.bucket, seen.partition)
    found = s3_policy.ours(policy, s3_policy.TLS_ONLY)
    by_others = s3_policy.others_deny_plain_http(policy, seen.bucket)
    if not wanted.tls_only:
        warned: list[Found] = ["Statements of others in the bucket's policy still deny requests without TLS."]
        return [*([Change("tls_only", True, False)] if found else []), *(warned if by_others else [])]
    if len(found) == 1 and s3_policy.same(found[0], statement):
        return []
    if not found and by_others:
        return []
    return [Change("tls_only", "incomplete" if found else False, True)]


def _public(wanted: Wanted, seen: Seen) -> list[Found]:
    block = seen.public_access_block.value or PublicAccessBlock()
    off = block.missing()
    before: t.Any = not off
    on = [field.name for field in dataclasses.fields(block) if field.name not in off]
    if off and on:
        before = on
    if wanted.block_public_access:
        return [] if not off else [Change("block_public_access", before, True)]
    return [Change("block_public_access", before, False)] if on else []


def _stale_uploads(wanted: Wanted, seen: Seen) -> list[Found]:
    days = t.cast(int, wanted.abort_stale_uploads)
    if seen.minio:
        reason = (
            "MinIO has no such rule. It drops uploads by itself that were not finished within a day "
            "(api stale_uploads_expiry)."
        )
        return [Unsupported("abort_stale_uploads", reason)]
    before = s3_lifecycle.our_days(seen.lifecycle.value, seen.prefix)
    shown = None if before is None else f"{before}d" if before else "incomplete"
    if days == NEVER:
        return [] if before is None else [Change("abort_stale_uploads", shown, "never")]
    if before == days or (before is None and s3_lifecycle.others_abort(seen.lifecycle.value, seen.prefix, days)):
        return []
    return [Change("abort_stale_uploads", shown or "never", f"{days}d")]


def _shared_keys(_wanted: Wanted, _seen: Seen) -> list[Found]:
    return [Unsupported("shared_key_access", "S3 has no keys of a bucket or account that open everything in it.")]


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
