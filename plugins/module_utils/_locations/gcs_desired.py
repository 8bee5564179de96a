# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between a bucket of Google Cloud Storage and what it should be. Private to the collection. Pure.

The options have S3's words. What they mean at Google: https://cloud.google.com/storage/docs/json_api/v1/buckets#resource.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import gcs_lifecycle
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    BUCKET,
    NEVER,
    Change,
    Encryption,
    Found,
    Plan,
    Unsupported,
    Wanted,
    changed,
    plan_of,
    unsafe,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import Retention as WantedRetention
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_settings import (
    MADE_LABEL,
    Bucket,
    Retention,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable

_DAY: t.Final = 86400
_YEAR: t.Final = 31557600
"""As Google counts: https://cloud.google.com/storage/docs/bucket-lock#retention-periods."""
_KEY: t.Final = re.compile(r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+")
_NEW: t.Final = Bucket(versioning=False, object_retention=False, rules=(), lifecycle=(), whole=True)


def plan(wanted: Wanted, bucket: Bucket | None, prefix: str, region: str = "") -> Plan:
    """What is to be done to a bucket.

    :param bucket: as it is; ``None`` if it is not there.
    :param prefix: the location's, with a slash at its end or empty.
    :param region: where it should be; empty if that is all the same.
    :raises StowageError: ``unsafe_change`` for what would put backups at risk, ``invalid_option``.
    """
    found: list[Found] = []
    if bucket is None:
        found.append(Change(BUCKET, "absent", "present"))
    elif region and bucket.location and bucket.location.lower() != region.lower():
        found.append(
            f"The bucket is in {printable(bucket.location, 60)}, and region says otherwise. It cannot be moved."
        )
    for setting in wanted.settings():
        found += _PLANS[setting](wanted, bucket, prefix)
    return plan_of(wanted, bucket is not None, found)


def patch(setting: str, wanted: Wanted, bucket: Bucket, prefix: str) -> dict[str, t.Any]:
    """What a PATCH of the bucket has to say for a setting: ``None`` in it takes away what is there."""
    return _PATCHES[setting](wanted, bucket, prefix)


def new_bucket(wanted: Wanted, name: str, region: str, made: str) -> dict[str, t.Any]:
    """The resource of a bucket to be made: closed to the public and without ACLs, unless that is what is wanted.

    :param made: by which it is known again if the answer is lost.
    """
    uniform = wanted.object_ownership != "ObjectWriter"
    prevention = "inherited" if wanted.block_public_access is False else "enforced"
    access = {"uniformBucketLevelAccess": {"enabled": uniform}, "publicAccessPrevention": prevention}
    return {"name": name, "location": region, "iamConfiguration": access, "labels": {MADE_LABEL: made}}


def seconds_of(retention: WantedRetention) -> int:
    """The period that a wanted retention asks for."""
    return retention.years * _YEAR + retention.days * _DAY


def _ownership(wanted: Wanted, bucket: Bucket | None, _prefix: str) -> list[Found]:
    if wanted.object_ownership == "BucketOwnerPreferred":
        reason = "Google has uniform bucket-level access (BucketOwnerEnforced), or ACLs of objects (ObjectWriter)."
        return [Unsupported("object_ownership", reason)]
    before = None
    if bucket is not None:
        if bucket.uniform is None:
            return _untold("object_ownership")
        before = "BucketOwnerEnforced" if bucket.uniform else "ObjectWriter"
    return changed("object_ownership", before, wanted.object_ownership)


def _encryption(wanted: Wanted, bucket: Bucket | None, _prefix: str) -> list[Found]:
    encryption = t.cast(Encryption, wanted.encryption)
    if encryption.algorithm == "aws:kms:dsse":
        return [Unsupported("encryption", "Google does not encrypt in two layers by different keys.")]
    if bucket is not None and not bucket.whole and not bucket.key:
        return _untold("encryption")
    found: list[Found] = []
    if encryption.bucket_key_enabled:
        found.append(Unsupported("encryption.bucket_key_enabled", "Google has no keys of buckets in between."))
    after = key_target(encryption, bucket)
    before = None if bucket is None else _shown_key(bucket.key)
    return [*found, *changed("encryption", before, _shown_key(after))]


def key_target(wanted: Encryption, bucket: Bucket | None) -> str:
    """The Cloud KMS key that a bucket gets, empty for Google's own.

    :raises StowageError: ``invalid_option``.
    """
    if wanted.algorithm == "AES256":
        return ""
    key = wanted.kms_key_id or (bucket.key if bucket else "")
    if not _KEY.fullmatch(key):
        hint = "Set encryption.kms_key_id to projects/…/locations/…/keyRings/…/cryptoKeys/…, in the bucket's location."
        raise StowageError("invalid_option", "Google encrypts with a key of Cloud KMS by its full name only.", hint)
    return key


def _shown_key(key: str) -> dict[str, t.Any]:
    return {"algorithm": "aws:kms", "kms_key_id": printable(key, 400)} if key else {"algorithm": "AES256"}


def _versioning(wanted: Wanted, bucket: Bucket | None, _prefix: str) -> list[Found]:
    before = (bucket or _NEW).versioning
    return _untold("versioning") if before is None else changed("versioning", before, wanted.versioning)


def _lock_enabled(wanted: Wanted, bucket: Bucket | None, _prefix: str) -> list[Found]:
    before = (bucket or _NEW).object_retention
    if before is None:
        return _untold("object_lock_enabled")
    if before and not wanted.object_lock_enabled:
        hint = "Leave object_lock_enabled out, or use another bucket."
        raise unsafe("Retention of the bucket's objects cannot be switched off again.", hint)
    if bucket is not None and wanted.object_lock_enabled and not before:
        reason = "Retention of single objects is enabled here for new buckets only, and the bucket is there already."
        return [Unsupported("object_lock_enabled", reason)]
    return changed("object_lock_enabled", before, wanted.object_lock_enabled)


def _lock(wanted: Wanted, bucket: Bucket | None, _prefix: str) -> list[Found]:
    """The bucket's retention policy: it lasts, or gets longer."""
    after = t.cast(WantedRetention, wanted.object_lock)
    seen = bucket or _NEW
    if not seen.whole and seen.retention is None:
        return _untold("object_lock")
    before = seen.retention
    locked = before is not None and before.locked
    if before is not None and (seconds_of(after) < before.seconds or (locked and after.mode != "COMPLIANCE")):
        raise unsafe(
            f"The bucket's retention policy is {_period(before)}, and would get shorter or less strict.",
            "Ask for at least that, or leave object_lock out. Who administers the bucket can shorten one that is not locked.",
        )
    if after.mode == "COMPLIANCE" and not locked:
        reason = (
            "A retention policy of Google's is as strict once it is locked. Nobody can undo that, so it is left to "
            "gcloud storage buckets update --lock-retention-period."
        )
        return [Unsupported("object_lock", reason)]
    if before is not None and before.seconds == seconds_of(after):
        return []
    return [Change("object_lock", _shown_lock(before) if before else None, after.shown())]


def _shown_lock(retention: Retention) -> dict[str, t.Any]:
    days, rest = divmod(retention.seconds, _DAY)
    period = {"seconds": retention.seconds} if rest else {"days": days}
    return {"mode": "COMPLIANCE" if retention.locked else "GOVERNANCE", **period}


def _period(retention: Retention) -> str:
    return f"{retention.seconds} seconds{', locked' if retention.locked else ''}"


def _tls_only(_wanted: Wanted, _bucket: Bucket | None, _prefix: str) -> list[Found]:
    reason = (
        "Google's JSON API, which is used here, speaks TLS only, and no setting of a bucket refuses plain HTTP elsewhere. The "
        "organization's constraint storage.secureHttpTransport does."
    )
    return [Unsupported("tls_only", reason)]


def _public(wanted: Wanted, bucket: Bucket | None, _prefix: str) -> list[Found]:
    if bucket is not None and not bucket.public_access_prevention:
        return _untold("block_public_access")
    before = None if bucket is None else bucket.public_access_prevention == "enforced"
    return changed("block_public_access", before, wanted.block_public_access)


def _stale_uploads(wanted: Wanted, bucket: Bucket | None, prefix: str) -> list[Found]:
    days, rules = t.cast(int, wanted.abort_stale_uploads), (bucket or _NEW).lifecycle
    if rules is None:
        return _untold("abort_stale_uploads")
    before = gcs_lifecycle.our_days(rules, prefix)
    shown = None if before is None else f"{before}d" if before else "incomplete"
    if days == NEVER:
        return [] if before is None else [Change("abort_stale_uploads", shown, "never")]
    if before == days or (before is None and gcs_lifecycle.others_abort(rules, prefix, days)):
        return []
    return [Change("abort_stale_uploads", shown or "never", f"{days}d")]


def _shared_keys(_wanted: Wanted, _bucket: Bucket | None, _prefix: str) -> list[Found]:
    reason = "Buckets of Google's have no keys. HMAC keys belong to service accounts."
    return [Unsupported("shared_key_access", reason)]


def _untold(setting: str) -> list[Found]:
    return [Unsupported(setting, "The store does not tell this setting.")]


_PLANS: t.Final[t.Mapping[str, t.Callable[[Wanted, Bucket | None, str], list[Found]]]] = {
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


def _patch_ownership(wanted: Wanted, _bucket: Bucket, _prefix: str) -> dict[str, t.Any]:
    enabled = wanted.object_ownership == "BucketOwnerEnforced"
    return {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": enabled}}}


def _patch_encryption(wanted: Wanted, bucket: Bucket, _prefix: str) -> dict[str, t.Any]:
    key = key_target(t.cast(Encryption, wanted.encryption), bucket)
    return {"encryption": {"defaultKmsKeyName": key} if key else None}


def _patch_public(wanted: Wanted, _bucket: Bucket, _prefix: str) -> dict[str, t.Any]:
    return {"iamConfiguration": {"publicAccessPrevention": "enforced" if wanted.block_public_access else "inherited"}}


def _patch_lock(wanted: Wanted, _bucket: Bucket, _prefix: str) -> dict[str, t.Any]:
    seconds = seconds_of(t.cast(WantedRetention, wanted.object_lock))
    return {"retentionPolicy": {"retentionPeriod": str(seconds)}}


def _patch_lifecycle(wanted: Wanted, bucket: Bucket, prefix: str) -> dict[str, t.Any]:
    days, rules = t.cast(int, wanted.abort_stale_uploads), bucket.lifecycle or ()
    after = gcs_lifecycle.without_rule(rules, prefix)
    if days != NEVER:
        after = gcs_lifecycle.with_rule(rules, prefix, days)
    return {"lifecycle": {"rule": after} if after else None}


_PATCHES: t.Final[t.Mapping[str, t.Callable[[Wanted, Bucket, str], dict[str, t.Any]]]] = {
    "object_ownership": _patch_ownership,
    "encryption": _patch_encryption,
    "versioning": lambda wanted, _bucket, _prefix: {"versioning": {"enabled": wanted.versioning}},
    "object_lock": _patch_lock,
    "block_public_access": _patch_public,
    "abort_stale_uploads": _patch_lifecycle,
}
