# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the settings of an S3 bucket mean for backups. Private to the collection. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import readings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    CATALOGUE,
    check,
    failed,
    passed,
    unknown,
    unsupported,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_public import open_to_anybody
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    Encryption,
    EncryptionKey,
    ObjectLock,
    PublicAccessBlock,
    Rule,
    Versioning,
)

# What lets each check be made.
AUDIT_ACTIONS: t.Final[t.Mapping[str, str]] = {
    "encryption": "s3:GetEncryptionConfiguration",
    "versioning": "s3:GetBucketVersioning",
    "object_lock": "s3:GetBucketObjectLockConfiguration",
    "default_retention": "s3:GetBucketObjectLockConfiguration",
    "public_access_block": "s3:GetBucketPublicAccessBlock",
    "policy_status": "s3:GetBucketPolicyStatus",
    "tls_only": "s3:GetBucketPolicy",
    "stale_uploads": "s3:GetLifecycleConfiguration",
    "lifecycle_expiry": "s3:GetLifecycleConfiguration",
    "lifecycle_archive": "s3:GetLifecycleConfiguration",
    "ownership": "s3:GetBucketOwnershipControls",
    "requester_pays": "s3:GetBucketRequestPayment",
    "account_public_access_block": "s3:GetAccountPublicAccessBlock",
    "bucket_acl": "s3:GetBucketAcl",
    "encryption_key": "kms:DescribeKey",
    "replication": "s3:GetReplicationConfiguration",
}


def unread(name: str, reading: Reading[t.Any]) -> Check | None:
    """The check of a setting that could not be read; ``None`` when it could."""
    return readings.unread(name, reading, AUDIT_ACTIONS[name])


def encryption_check(reading: Reading[Encryption], used: str, key: str) -> Check:
    """:param used: the algorithm that the store named for an upload without one, empty if it named none.
    :param key: the key that it named."""
    if used:
        with_key = f" with the key {printable(key)}" if key else ""
        return passed("encryption", f"What is written is encrypted by {printable(used)}{with_key}.")
    if reading.value is not None:
        return passed("encryption", f"The bucket's default is {printable(reading.value.algorithm)}.")
    return unread("encryption", reading) or warning("encryption", "The bucket has no default encryption.")


def versioning_check(reading: Reading[Versioning]) -> Check:
    if found := unread("versioning", reading):
        return found
    status = reading.value.status if reading.value else ""
    if status == "Enabled":
        return passed("versioning", "Enabled.")
    return warning("versioning", "Suspended." if status else "Not enabled.")


def lock_checks(reading: Reading[ObjectLock], engine: str) -> list[Check]:
    """Object lock, and what its default retention means for whatever writes the backups."""
    names = ("object_lock", "default_retention")
    if reading.state not in {"set", "unset"}:
        return [found for name in names if (found := unread(name, reading))]
    lock = reading.value
    if lock is None:
        seen = "Not enabled: whoever may delete, or has stolen the credentials of who may, can delete backups."
        return [passed("object_lock", seen), passed("default_retention", "None.")]
    checks = [passed("object_lock", "Enabled.")]
    if not lock.retains:
        return [*checks, passed("default_retention", "None.")]
    number, unit = (lock.years, "year") if lock.years else (lock.days, "day")
    period = f"{number} {unit}{'' if number == 1 else 's'}"
    seen = f"{printable(lock.mode)}, {period}."
    if engine == "velero":
        return [*checks, warning("default_retention", f"{seen} Velero may fail to finish its backups.")]
    fix = "Retention in this collection can delete a backup only after that; deleting fails with the code locked until then."
    return [*checks, passed("default_retention", seen, fix=fix)]


def public_access_check(reading: Reading[PublicAccessBlock]) -> Check:
    if found := unread("public_access_block", reading):
        return found
    if reading.value is None:
        return warning("public_access_block", "The bucket has none.")
    return _block("public_access_block", reading.value)


def account_block_check(reading: Reading[PublicAccessBlock], account: str) -> Check:
    """That of the caller's account."""
    name, action = "account_public_access_block", AUDIT_ACTIONS["account_public_access_block"]
    if reading.state == "denied":
        return unknown(name, f"{action} is denied.", fix=f"Allow {action} on * to have this checked.")
    if found := unread(name, reading):
        return found
    if reading.value is None:
        return warning(name, f"The account {account} has none.")
    return _block(name, reading.value)


def _block(name: str, block: PublicAccessBlock) -> Check:
    missing = block.missing()
    return warning(name, f"Off: {', '.join(missing)}.") if missing else passed(name, "All four settings are on.")


def acl_check(reading: Reading[tuple[str, ...]], block: Reading[PublicAccessBlock]) -> Check:
    """Whether the bucket's ACL lets anybody in. :param block: may keep that from counting."""
    if found := unread("bucket_acl", reading):
        return found
    if reading.value is None:
        return unknown("bucket_acl", "The answer names no grant and no owner.", fix="")
    if not reading.value:
        return passed("bucket_acl", "It grants nothing to everybody.")
    seen = f"It grants {printable(', '.join(reading.value[:6]))}"
    if block.value is not None and block.value.IgnorePublicAcls:
        return warning("bucket_acl", f"{seen}, which the public access block ignores.")
    return failed("bucket_acl", f"{seen}.", "bucket_public")


def encryption_key_check(reading: Reading[EncryptionKey], key: str) -> Check:
    """Whether the key that the bucket encrypts with can be used, now and later. :param key: its name."""
    name, action = "encryption_key", AUDIT_ACTIONS["encryption_key"]
    if reading.state == "denied":
        fix = f"Allow {action} on the key to have this checked, in its own policy too if it is of another account."
        return unknown(name, f"{action} on {printable(key)} is denied.", fix=fix)
    if found := unread(name, reading):
        return found
    if reading.value is None:
        return failed(name, f"There is no key {printable(key)}.", "encryption_key_unusable")
    if not reading.value.enabled:
        seen = f"The key {printable(key)} is in the state {printable(reading.value.state)}."
        return failed(name, seen, "encryption_key_unusable")
    if reading.value.of_aws:
        return passed(name, "It is AWS's own key of the account, which other accounts cannot use.")
    return passed(name, f"The key {printable(key)} is enabled.")


def replication_check(reading: Reading[tuple[str, ...]]) -> Check:
    """Where objects are copied to."""
    if found := unread("replication", reading):
        return found
    if not reading.value:
        return passed("replication", "Objects are copied nowhere.")
    fix = CATALOGUE["replication"].fix
    return passed("replication", f"Objects are copied to {printable(', '.join(reading.value[:5]), 300)}.", fix=fix)


def policy_status_check(
    status: Reading[bool], policy: Reading[dict[str, t.Any]], bucket: str, prefix: str, *, aws: bool
) -> Check:
    """Whether the bucket's policy lets anybody in.

    :param status: what the store says itself. That it is not public counts only if the store is AWS: MinIO says so of a
        policy that lets anybody read, or write, but not both.
    :param prefix: the location's, with a slash at its end or empty.
    """
    actions = [] if policy.value is None else open_to_anybody(policy.value, bucket, prefix)
    if aws and status.state in {"set", "unset"} and not status.value:
        return passed("policy_status", "The bucket's policy is not public.")
    if actions:
        seen = f"The bucket's policy allows anybody: {printable(', '.join(actions[:10]), 300)}."
        return failed("policy_status", seen, "bucket_public")
    if status.value:
        return failed("policy_status", "The bucket's policy is public.", "bucket_public")
    asked: tuple[str, Reading[t.Any]] = ("tls_only", policy)
    if aws and policy.value is None:
        asked = ("policy_status", status)
    if found := readings.unread("policy_status", asked[1], AUDIT_ACTIONS[asked[0]]):
        return found
    lets_in = "No statement of the bucket's policy lets anybody into the location."
    return passed("policy_status", lets_in if policy.value is not None else "The bucket has no policy.")


def tls_only_check(reading: Reading[dict[str, t.Any]], bucket: str, *, aws: bool) -> Check:
    """Whether the bucket's policy denies plain HTTP. Elsewhere than with AWS a policy often counts for anonymous requests
    only, so that its absence says nothing."""
    if reading.value is not None and denies_plain_http(reading.value, bucket):
        return passed("tls_only", "The bucket's policy denies requests without TLS.")
    if not aws:
        return unsupported("tls_only", "With this store the server's own settings decide whether it speaks plain HTTP.")
    return unread("tls_only", reading) or warning("tls_only", "The bucket's policy does not deny requests without TLS.")


def denies_plain_http(policy: t.Mapping[str, t.Any], bucket: str) -> bool:
    """Whether a bucket's policy denies everybody everything in the bucket without TLS."""
    covered: set[str] = set()
    for statement in _several(policy.get("Statement")):
        if isinstance(statement, dict) and _denies_all_without_tls(statement):
            covered.update(str(one).partition(":::")[2] or str(one) for one in _several(statement.get("Resource")))
    return "*" in covered or f"{bucket}*" in covered or {bucket, f"{bucket}/*"} <= covered


def _denies_all_without_tls(statement: t.Mapping[str, t.Any]) -> bool:
    principal = statement.get("Principal")
    everybody = principal == "*" or (isinstance(principal, dict) and "*" in _several(principal.get("AWS")))
    everything = bool({"*", "s3:*"} & {str(one) for one in _several(statement.get("Action"))})
    conditions = statement.get("Condition")
    if statement.get("Effect") != "Deny" or not everybody or not everything or not isinstance(conditions, dict):
        return False
    # A second condition would narrow it.
    if len(conditions) != 1 or not isinstance(conditions.get("Bool"), dict) or len(conditions["Bool"]) != 1:
        return False
    name, value = next(iter(conditions["Bool"].items()))
    return str(name).lower() == "aws:securetransport" and {str(one).lower() for one in _several(value)} == {"false"}


def _several(value: t.Any) -> list[t.Any]:
    """What a policy has as one value or a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


LIFECYCLE: t.Final = ("stale_uploads", "lifecycle_expiry", "lifecycle_archive")


def lifecycle_checks(reading: Reading[tuple[Rule, ...]], prefix: str, *, sweeps_itself: bool) -> list[Check]:
    """:param prefix: the location's, with a slash at its end or empty.
    :param sweeps_itself: the store is known to drop stale uploads by itself."""
    rules = [rule for rule in reading.value or () if rule.enabled and not rule.tagged]
    names = ["lifecycle_expiry", "lifecycle_archive"] if sweeps_itself else list(LIFECYCLE)
    checks = []
    if sweeps_itself:
        checks = [passed("stale_uploads", "The store drops uploads by itself that were not finished within a day.")]
    if reading.state not in {"set", "unset"}:
        return checks + [found for name in names if (found := unread(name, reading))]
    if not sweeps_itself:
        checks.append(_stale_uploads(rules, prefix))
    return [*checks, *_harmful(rules, prefix)]


def _stale_uploads(rules: t.Sequence[Rule], prefix: str) -> Check:
    days = [rule.abort_days for rule in rules if rule.abort_days and prefix.startswith(rule.prefix)]
    if days:
        return passed("stale_uploads", f"Unfinished uploads are dropped after {min(days)} days.")
    return warning("stale_uploads", "No lifecycle rule drops unfinished uploads of the location.")


def _harmful(rules: t.Sequence[Rule], prefix: str) -> t.Iterator[Check]:
    inside = [rule for rule in rules if prefix.startswith(rule.prefix) or rule.prefix.startswith(prefix)]
    for name, seen, hit in (
        ("lifecycle_expiry", "expire", [rule for rule in inside if rule.expires]),
        ("lifecycle_archive", "archive", [rule for rule in inside if rule.archives]),
    ):
        if hit:
            rules_named = ", ".join(printable(rule.id, 60) or "(without a name)" for rule in hit[:5])
            yield warning(name, f"Rules that {seen} objects of the location: {rules_named}.")
        else:
            yield passed(name, f"No rule would {seen} objects of the location.")


def ownership_check(reading: Reading[str]) -> Check:
    if found := unread("ownership", reading):
        return found
    if reading.value == "BucketOwnerEnforced":
        return passed("ownership", "BucketOwnerEnforced: ACLs count for nothing.")
    return warning("ownership", f"{printable(reading.value)}." if reading.value else "Not set: ACLs count.")


def payer_check(reading: Reading[str]) -> Check:
    if found := unread("requester_pays", reading):
        return found
    verdict = Verdict.WARNING if reading.value == "Requester" else Verdict.PASSED
    return check("requester_pays", verdict, f"Requests are paid by: {printable(reading.value or 'BucketOwner')}.")
