# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the settings of a bucket of Google Cloud Storage mean for backups. Private to the collection. Pure."""

from __future__ import annotations

import collections.abc
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    failed,
    passed,
    unknown,
    unsupported,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_settings import Bucket, not_read
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check

DAY: t.Final = 86400


def judge(bucket: Reading[Bucket], engine: str, prefix: str) -> dict[str, Check]:
    """A check for each setting, by its id.

    :param engine: what writes the backups.
    :param prefix: the location's, with a slash at its end or empty.
    """
    judges: dict[str, collections.abc.Callable[[Bucket], Check]] = {
        "encryption": encryption_check,
        "versioning": versioning_check,
        "soft_delete": soft_delete_check,
        "object_lock": object_lock_check,
        "default_retention": lambda found: retention_check(found, engine),
        "default_hold": hold_check,
        "public_access_block": public_access_check,
        "ownership": uniform_check,
        "lifecycle_expiry": lambda found: lifecycle_check(found, prefix),
        "requester_pays": payer_check,
    }
    return {name: _judged(name, bucket, by) for name, by in judges.items()}


def _judged(name: str, reading: Reading[Bucket], by: collections.abc.Callable[[Bucket], Check]) -> Check:
    if reading.value is not None:
        return by(reading.value)
    return not_read(name, reading) or _untold(name)


def _untold(name: str) -> Check:
    return unsupported(name, "The store does not tell.")


def encryption_check(bucket: Bucket) -> Check:
    """Google encrypts all there is: https://cloud.google.com/storage/docs/encryption."""
    if bucket.key:
        key = printable(bucket.key, 200)
        seen = f"New objects are encrypted with the key {key}. Whether it can be used shows when something is written."
        return passed("encryption", seen)
    return passed("encryption", "By Google, with its own keys.") if bucket.whole else _untold("encryption")


_KEEP: t.Final = "Enable soft delete of the bucket (which new ones have, for 7 days), or versioning."


def versioning_check(bucket: Bucket) -> Check:
    if bucket.versioning is None:
        return _untold("versioning")
    if bucket.versioning:
        return passed("versioning", "Enabled.")
    if bucket.soft_delete:
        seen = f"Not enabled; soft delete keeps what is deleted or overwritten for {period(bucket.soft_delete)}."
        return passed("versioning", seen)
    return warning("versioning", "Not enabled, and soft delete is off.", fix=_KEEP)


def soft_delete_check(bucket: Bucket) -> Check:
    if bucket.soft_delete is None:
        return _untold("soft_delete")
    if bucket.soft_delete:
        return passed("soft_delete", f"What is deleted can be restored for {period(bucket.soft_delete)}.")
    if bucket.versioning:
        return passed("soft_delete", "Off; versions are kept instead.")
    return warning("soft_delete", "Off.", fix=_KEEP)


def object_lock_check(bucket: Bucket) -> Check:
    """Whether anything keeps objects from those who may delete."""
    if bucket.retention is not None:
        return passed("object_lock", "The bucket's retention policy protects each object.")
    if bucket.object_retention is None:
        return _untold("object_lock")
    if bucket.object_retention:
        return passed("object_lock", "Single objects can be retained.")
    seen = "Not enabled: whoever may delete, or has stolen the credentials of who may, can delete backups."
    return passed("object_lock", seen)


def retention_check(bucket: Bucket, engine: str) -> Check:
    """Under a retention policy nothing younger is deleted or replaced. Nothing here replaces; Velero does.
    https://cloud.google.com/storage/docs/bucket-lock"""
    name = "default_retention"
    if bucket.retention is None:
        return passed(name, "None.") if bucket.whole else _untold(name)
    locked = "locked for ever" if bucket.retention.locked else "not locked: who may change the bucket may remove it"
    seen = f"{period(bucket.retention.seconds)}, {locked}."
    if engine == "velero":
        fix = "With Velero, remove the bucket's retention policy (one that is locked stays); retention of single objects does no harm."
        return warning(name, f"{seen} Velero may fail to finish its backups.", fix=fix)
    fix = "Retention in this collection can delete a backup only after that; deleting fails with the code locked until then."
    return passed(name, seen, fix=fix)


def hold_check(bucket: Bucket) -> Check:
    """https://cloud.google.com/storage/docs/object-holds"""
    if bucket.hold is None:
        return _untold("default_hold")
    if bucket.hold:
        return warning("default_hold", "Every new object is held until somebody releases it.")
    return passed("default_hold", "New objects are not held.")


def public_access_check(bucket: Bucket) -> Check:
    """https://cloud.google.com/storage/docs/public-access-prevention"""
    name = "public_access_block"
    if not bucket.public_access_prevention:
        return _untold(name)
    if bucket.public_access_prevention == "enforced":
        return passed(name, "Public access prevention is enforced.")
    seen = "Public access prevention is inherited (that of the organization is not looked at)."
    return warning(name, seen, fix="Set the bucket's public access prevention to enforced.")


def uniform_check(bucket: Bucket) -> Check:
    """https://cloud.google.com/storage/docs/uniform-bucket-level-access"""
    if bucket.uniform is None:
        return _untold("ownership")
    if bucket.uniform:
        return passed("ownership", "Uniform bucket-level access: ACLs count for nothing.")
    fix = "Enable the bucket's uniform bucket-level access; conditions in its IAM policy need it, too."
    return warning("ownership", "Uniform bucket-level access is off: ACLs of single objects count.", fix=fix)


def payer_check(bucket: Bucket) -> Check:
    """https://cloud.google.com/storage/docs/requester-pays"""
    if bucket.requester_pays is None:
        return _untold("requester_pays")
    if not bucket.requester_pays:
        return passed("requester_pays", "The bucket's project pays for requests.")
    fix = "Turn requester pays off, or let whoever reads backups have a quota project."
    return warning("requester_pays", "The requester pays: requests without a project to bill are refused.", fix=fix)


def lifecycle_check(bucket: Bucket, prefix: str) -> Check:
    """:param prefix: the location's, with a slash at its end or empty."""
    name = "lifecycle_expiry"
    if bucket.rules is None:
        return _untold(name)
    hits = [number for number, rule in enumerate(bucket.rules, 1) if rule.deletes and _meets(rule.prefixes, prefix)]
    if not hits:
        return passed(name, "No rule would delete objects of the location.")
    numbers = ", ".join(str(number) for number in hits[:5])
    fix = "Leave the location's prefix out of rules that delete; retention here knows what a backup is."
    return warning(name, f"Rules that delete objects of the location, by their place in the list: {numbers}.", fix=fix)


def _meets(prefixes: t.Sequence[str], prefix: str) -> bool:
    return not prefixes or any(prefix.startswith(one) or one.startswith(prefix) for one in prefixes)


def always() -> dict[str, Check]:
    """What is so with each bucket of Google's.

    https://cloud.google.com/storage/docs/resumable-uploads: a session ends after a week, and what it took is not billed.
    https://cloud.google.com/storage/docs/storage-classes: the classes differ in price, not in how soon they answer.
    """
    uploads = (
        "Backups are sent by resumable uploads, which end after a week and cost nothing until then. A rule with "
        "AbortIncompleteMultipartUpload does not concern them; it is for multipart uploads of the XML API, which are not used."
    )
    plain = "No setting of a bucket refuses plain HTTP; the organization's constraint storage.secureHttpTransport does."
    return {
        "tls_only": unsupported("tls_only", plain),
        "stale_uploads": passed("stale_uploads", uploads),
        "lifecycle_archive": unsupported("lifecycle_archive", "No storage class of Google's has to be waited for."),
    }


def anonymous_permissions_check(reading: Reading[frozenset[str]]) -> Check:
    """What anybody may do, by testIamPermissions without credentials."""
    name = "policy_status"
    status = reading.failure.status if reading.failure else 0
    if reading.value:
        named = ", ".join(sorted(printable(one, 60) for one in reading.value)[:6])
        fix = "Remove allUsers from the bucket's IAM policy, and enforce public access prevention."
        return failed(name, f"Anybody has {named}.", "bucket_public", fix=fix)
    if reading.value is not None or status in {401, 403}:
        return passed(name, "Who has no credentials has no permission (who has a Google account is not looked at).")
    if reading.state == "unsupported":
        return unsupported(name, "The store does not tell who may do what.")
    return unknown(name, "What was answered without credentials says nothing.", fix="")


def period(seconds: int) -> str:
    """A duration in words."""
    size, unit = next((one for one in ((DAY, "day"), (3600, "hour")) if not seconds % one[0]), (1, "second"))
    number = seconds // size
    return f"{number} {unit}{'' if number == 1 else 's'}"
