# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every check of a location: its layer, why it matters and how to fix it. Private to the collection. Pure.

The order here is the order of a report. What was seen is said by whoever looked; a fix that depends on what was seen is
given with it and replaces the one here.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Granted, Layer, Verdict


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is the same for every check of an id."""

    layer: Layer
    why: str
    fix: str = ""


_P, _N, _T, _C, _I, _B, _R, _G, _S, _X = Layer

CATALOGUE: t.Final[t.Mapping[str, Kind]] = {
    # parse
    "address": Kind(
        _P,
        "Everything else depends on the address being one.",
        "Correct endpoint, bucket, path, prefix or region.",
    ),
    "trusted_certificates": Kind(
        _P,
        "The store's certificate is checked against these.",
        "Give ca_cert a readable file of certificates in PEM format.",
    ),
    "persistence": Kind(
        _P,
        "A directory inside a container is gone when the container ends, and the backups with it.",
        "Mount a directory of the host or a volume there, or use object storage.",
    ),
    # network
    "proxy": Kind(
        _N,
        "Through a proxy its administrator decides what is reached, and name, port and certificate of the store cannot be "
        "looked at from here.",
        "Name the store in NO_PROXY if it should be reached directly.",
    ),
    "dns": Kind(
        _N,
        "Without an address there is nothing to connect to.",
        "Check the endpoint (or the region), and this machine's DNS.",
    ),
    "tcp": Kind(
        _N,
        "The store must be reachable from where the task runs.",
        "Check the endpoint's port, firewalls, and routes from this machine.",
    ),
    # tls
    "tls": Kind(
        _T,
        "Backups hold every Secret that was captured; without TLS whoever is on the way reads them.",
        "Use an https:// endpoint whose certificate is signed by an authority in ca_cert.",
    ),
    "certificate_expiry": Kind(
        _T,
        "When the certificate expires, every backup fails from one minute to the next.",
        "Renew the store's certificate.",
    ),
    # clock
    "answer": Kind(
        _C,
        "Something must speak HTTP at the endpoint.",
        "Check that the endpoint is the API of the store, and what lies between.",
    ),
    "clock": Kind(
        _C,
        "Requests, or what gets their tokens, carry the time; S3 and Azure allow 15 minutes, Google 10.",
        "Set this machine's clock (chrony, ntpd), or the store's.",
    ),
    # identity
    "credentials": Kind(
        _I,
        "The store must know who asks.",
        "Check the location's auth.",
    ),
    "identity": Kind(
        _I,
        "Whoever the store takes the task for owns the backups, and is named in its audit log.",
        "Check the location's auth; with roles, that the right one is taken over.",
    ),
    "account": Kind(
        _I,
        "Backups that go to another account than intended are in somebody else's hands.",
        "Correct auth.account, or use credentials of that account.",
    ),
    "credentials_expiry": Kind(
        _I,
        "Credentials that nothing can renew end every backup from one minute to the next.",
        "Replace them in time, or use a method whose credentials are renewed.",
    ),
    "sas": Kind(
        _I,
        "Whoever holds a shared access signature may do all that it allows, until it ends.",
        "Make a SAS of the container alone, of a user if possible, and for HTTPS only (spr=https).",
    ),
    # bucket
    "network_rules": Kind(
        _B,
        "A firewall of the storage account refuses whoever comes from elsewhere, whatever they may do.",
        "Let this machine's address or network in (networking of the storage account), or use a private endpoint.",
    ),
    "bucket": Kind(
        _B,
        "Backups are kept there; no task creates it by the way.",
        "Create it, or correct its name, the endpoint or the region.",
    ),
    "listing": Kind(
        _B,
        "A login page or a proxy's notice with status 200 reads like an empty bucket: backups would seem to be gone.",
        "Check that the endpoint is the API of the store (not its console), and proxies on the way.",
    ),
    "region": Kind(
        _B,
        "Requests to another region than the bucket's are refused or sent twice.",
        "Set the location's region to the bucket's.",
    ),
    "bucket_owner": Kind(
        _B,
        "Names of buckets are global: after a bucket was deleted, anybody may have made one of its name.",
        "Check that the bucket is in the account that you expect.",
    ),
    "directory_owner": Kind(
        _B,
        "The owner of the directory can replace everything in it.",
        "Let the directory belong to the user that runs the task.",
    ),
    "directory_mode": Kind(
        _B,
        "Whoever can read the directory reads every Secret that was captured.",
        "chmod 0700 the directory.",
    ),
    # permission
    "may_list": Kind(_R, "Finding backups, and telling a missing object from a forbidden one.", "Allow {what}."),
    "may_create": Kind(_R, "Writing backups.", "Allow {what}."),
    "may_read": Kind(_R, "Restoring, verifying, and reading back what was written.", "Allow {what}."),
    "may_delete": Kind(_R, "Retention, and sweeping up after captures that were killed.", "Allow {what}."),
    "may_abort_uploads": Kind(_R, "An upload that fails must not stay, for its parts are paid for.", "Allow {what}."),
    "may_list_parts": Kind(_R, "Seeing what of an upload arrived after a connection was lost.", "Allow {what}."),
    "may_list_uploads": Kind(_R, "Finding the uploads of captures that were killed.", "Allow {what}."),
    "may_use_key": Kind(_R, "Objects are encrypted with a key of its own permissions.", "Allow {what}."),
    "may_read_settings": Kind(
        _R,
        "Without it nobody can tell whether the bucket is guarded. Backups do not need it.",
        "Allow {what}.",
    ),
    "upload": Kind(
        _R,
        "Permissions, encryption key and quota show only when something is really sent. Nothing is left behind.",
        "See what the store said.",
    ),
    # integrity
    "conditional_create": Kind(
        _G,
        "Nothing is ever overwritten because the store refuses to create what exists. Without that, two writers of one "
        "name are told apart only afterwards.",
        "Use a release of the store that honours If-None-Match.",
    ),
    "checksums": Kind(
        _G,
        "The store notices damage on the way only if it compares checksums.",
        "Use a release of the store that compares checksums.",
    ),
    "durable_writes": Kind(
        _G,
        "A backup that was reported as complete must survive a power cut.",
        "Use a local file system, or a network file system that syncs.",
    ),
    "one_filesystem": Kind(
        _G,
        "A file appears whole under its name because it is moved there, which works within one file system only.",
        "Mount the whole location instead of folders in it.",
    ),
    # posture
    "encryption": Kind(
        _S,
        "Backups hold every Secret that was captured.",
        "Set a default encryption of the bucket (SSE-S3 or SSE-KMS).",
    ),
    "encryption_key": Kind(
        _S,
        "Without the key that they are encrypted with, no backup can be read again.",
        "Enable the key, or cancel its deletion.",
    ),
    "versioning": Kind(
        _S,
        "Without versions a deleted or overwritten object is gone, whoever did it.",
        "Enable versioning of the bucket.",
    ),
    "soft_delete": Kind(
        _S,
        "What is deleted or overwritten, by whomever, can be brought back for a time.",
        "Enable soft delete of the bucket, for 7 days or more.",
    ),
    "object_lock": Kind(
        _S,
        "With object lock not even stolen credentials delete backups before their time.",
        "Object lock is set when a bucket is created (on AWS also later, once it has versions).",
    ),
    "default_retention": Kind(
        _S,
        "A default retention locks every new object. Velero 1.11 and later rewrites its metadata when it finishes a backup.",
        "With Velero, remove the bucket's default retention; retention of single objects does no harm.",
    ),
    "default_hold": Kind(
        _S,
        "A hold keeps an object until somebody releases it by hand: retention can delete no backup, and Velero not rewrite "
        "its metadata.",
        "Turn the bucket's default event-based hold off; a retention policy protects backups for a time.",
    ),
    "legal_hold": Kind(
        _S,
        "Under a legal hold nothing can be deleted, by anybody, until it is cleared: retention fails.",
        "Clear the hold when it has served its purpose.",
    ),
    "public_access": Kind(
        _S,
        "A container that is open to anybody gives away backups, with all their Secrets.",
        "Make the container private, and forbid public access in the storage account (allowBlobPublicAccess).",
    ),
    "public_access_block": Kind(
        _S,
        "It keeps a mistake in a policy or an ACL from making backups public.",
        "Turn on all four settings of the bucket's public access block.",
    ),
    "account_public_access_block": Kind(
        _S,
        "It keeps a mistake in any bucket of the account, or in a new one of this name, from making backups public.",
        "Turn on all four settings of the account's public access block.",
    ),
    "bucket_acl": Kind(
        _S,
        "What an ACL grants to everybody shows in no policy.",
        "Remove the grants to groups from the bucket's ACL, or set its object ownership to BucketOwnerEnforced.",
    ),
    "shared_key_access": Kind(
        _S,
        "Whoever has a key may do everything in the storage account, also delete it, and no log says who it was.",
        "Use roles, and set shared_key_access to false when nothing needs the keys (allowSharedKeyAccess).",
    ),
    "policy_status": Kind(
        _S,
        "A public policy gives backups, with all their Secrets, to anybody, or lets anybody overwrite and delete them.",
        "Remove the statements that allow Principal * something from the bucket's policy.",
    ),
    "anonymous_listing": Kind(
        _S,
        "What can be listed without credentials mostly can be read without, too.",
        "Remove public access from the bucket's policy and ACL.",
    ),
    "anonymous_reading": Kind(
        _S,
        "Backups hold every Secret that was captured: what can be read without credentials is everybody's.",
        "Remove public access from the bucket's policy and ACL, and replace the Secrets that were captured.",
    ),
    "anonymous_writing": Kind(
        _S,
        "Whoever can write without credentials can delete backups, or put others in their places.",
        "Remove public access from the bucket's policy and ACL.",
    ),
    "tls_only": Kind(
        _S,
        "A policy that denies plain HTTP keeps other clients from sending backups in the clear.",
        "Add a statement to the bucket's policy: Deny s3:* to * on the bucket and its objects if aws:SecureTransport is false.",
    ),
    "stale_uploads": Kind(
        _S,
        "Parts of uploads that never ended are paid for and shown nowhere.",
        "Add a lifecycle rule with AbortIncompleteMultipartUpload for the prefix, of a few days.",
    ),
    "lifecycle_expiry": Kind(
        _S,
        "A lifecycle rule that expires objects takes files out of backups, or whole backups, unseen by retention.",
        "Leave the location's prefix out of rules with Expiration; retention here knows what a backup is.",
    ),
    "lifecycle_archive": Kind(
        _S,
        "What was moved to an archive class cannot be restored before it was brought back, which takes hours.",
        "Leave the location's prefix out of rules with transitions to GLACIER or DEEP_ARCHIVE.",
    ),
    "ownership": Kind(
        _S,
        "Where ACLs count, objects that another account wrote may be unreadable for the bucket's owner.",
        "Set the bucket's object ownership to BucketOwnerEnforced.",
    ),
    "replication": Kind(
        _S,
        "Copies hold every Secret that was captured, and are kept and opened by rules of their own.",
        "Check that you know the buckets that objects are copied to.",
    ),
    "requester_pays": Kind(
        _S,
        "Requests of other accounts are refused unless they say that they pay.",
        "Set the payer of the bucket's requests to BucketOwner.",
    ),
    "free_space": Kind(
        _S,
        "A full file system ends a backup half-way.",
        "Free space, or delete old backups.",
    ),
    # prefix
    "foreign_names": Kind(
        _X,
        "Other things in the same place get in each other's way: lifecycle rules, permissions, deletions.",
        "Give the location a prefix of its own.",
    ),
    "cluster_folder": Kind(
        _X,
        "Velero takes a location with a top-level folder that it does not know for unavailable.",
        "Remove the folder, or use another name for the cluster's.",
    ),
    "cluster_identity": Kind(
        _X,
        "A folder belongs to one cluster. The backups of another one would be pruned, or restored, by mistake.",
        "Use another folder for this cluster, or move the other cluster's backups away.",
    ),
    "leftovers": Kind(
        _X,
        "Uploads of earlier probes that were killed are swept after an hour.",
        "Allow listing and aborting of uploads.",
    ),
}


def check(
    name: str,
    verdict: Verdict,
    seen: str,
    *,
    fix: str | None = None,
    error_code: str = "",
    action: str = "",
    resource: str = "",
    granted: Granted = "unknown",
) -> Check:
    """A check of the catalogue. ``fix`` replaces the catalogue's; what passed or is not to be had needs none."""
    kind = CATALOGUE[name]
    what = f"{action} on {resource}" if resource else action
    text = kind.fix.replace("{what}", what) if fix is None else fix
    needless = verdict in {Verdict.PASSED, Verdict.UNSUPPORTED} and fix is None
    fix = "" if needless else text
    return Check(name, kind.layer, verdict, seen, kind.why, fix, error_code, action, resource, granted)


def passed(name: str, seen: str, **more: t.Any) -> Check:
    """A check that passed."""
    return check(name, Verdict.PASSED, seen, **more)


def failed(name: str, seen: str, error_code: str, **more: t.Any) -> Check:
    """A check that failed, with its code."""
    return check(name, Verdict.FAILED, seen, error_code=error_code, **more)


def warning(name: str, seen: str, **more: t.Any) -> Check:
    """A check with something that somebody should know."""
    return check(name, Verdict.WARNING, seen, **more)


def unknown(name: str, seen: str, **more: t.Any) -> Check:
    """A check that could not be made."""
    return check(name, Verdict.UNKNOWN, seen, **more)


def unsupported(name: str, seen: str, **more: t.Any) -> Check:
    """A check of what the store does not have."""
    return check(name, Verdict.UNSUPPORTED, seen, **more)


def of_error(name: str, error: StowageError, verdict: Verdict = Verdict.FAILED, **more: t.Any) -> Check:
    """A check that an error decided: what it says, its hint and its code."""
    more.setdefault("fix", error.hint or None)
    return check(name, verdict, error.message, error_code=error.code, **more)
