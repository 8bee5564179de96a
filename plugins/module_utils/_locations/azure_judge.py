# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was found out about an Azure container and whoever uses it means for backups. Private to the collection. Pure."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import readings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_claims import Sas
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_settings import (
    ACCOUNT_SCOPE,
    ContainerSettings,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_upload import Round
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    failed,
    of_error,
    passed,
    unknown,
    unsupported,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict

ENDS_SOON: t.Final = datetime.timedelta(days=14)
USER_ENDS_SOON: t.Final = datetime.timedelta(days=1)
"""A user's SAS lives for a week at most, so that it always ends soon."""
_CONTAINERS: t.Final = "Microsoft.Storage/storageAccounts/blobServices/containers"
AUDIT_ACTIONS: t.Final[t.Mapping[str, str]] = {
    "object_lock": f"{_CONTAINERS}/read",
    "default_retention": f"{_CONTAINERS}/read",
    "legal_hold": f"{_CONTAINERS}/read",
    "public_access": f"{_CONTAINERS}/read",
    "versioning": f"{_CONTAINERS}/blobs/read",
    "soft_delete": "Microsoft.Storage/storageAccounts/blobServices/read",
}
# Refusals that have nothing to do with a permission: of the account, or of where a SAS may be used.
_SHUT_OUT: t.Final = frozenset(
    {
        "KeyBasedAuthenticationNotPermitted",
        "AccountIsDisabled",
        "AuthorizationProtocolMismatch",
        "AuthorizationSourceIPMismatch",
    }
)
_FIREWALL: t.Final = "AuthorizationFailure"
_CREDENTIALS: t.Final = frozenset({"credentials_missing", "credentials_invalid", "credentials_expired", "clock_skew"})
_PRIVATE: t.Final = frozenset({401, 403, 404, 409})


# identity


def sas_checks(sas: Sas, now: datetime.datetime) -> list[Check]:
    """What a SAS says of itself: how far it goes, and when it ends. :param now: by the store's clock, if it is known."""
    return [_reach(sas), expiry_check(sas, now)]


def _reach(sas: Sas) -> Check:
    kinds = {
        "account": "A SAS of the account, signed with its key, and revoked by nothing but a new key",
        "service": "A SAS of a container, signed with the account's key, and revoked by nothing but a new key",
        "user": "A SAS of a user",
    }
    seen = kinds[sas.kind]
    if sas.policy:
        seen = f"A SAS of a container, by the stored access policy {sas.policy}, with which it is revoked"
    allowed = f", allows {''.join(sorted(sas.permissions))}" if sas.permissions is not None else ""
    addresses = f", from {sas.addresses} only" if sas.addresses else ""
    seen += f"{allowed}{addresses}."
    if not sas.whole:
        fix = "Make a SAS of the container (sr=c)."
        return failed("sas", f"{seen} It is for a single blob.", "permission_denied", fix=fix)
    more = sas.services - {"b"}
    if more and sas.kind == "account":
        return warning(
            "sas", f"{seen} It is good for other services than blobs (ss={''.join(sorted(sas.services))}), too."
        )
    if not sas.tls_only:
        return warning("sas", f"{seen} It may be used over plain HTTP.", fix="Make a SAS for HTTPS only (spr=https).")
    return passed("sas", seen)


def expiry_check(sas: Sas, now: datetime.datetime) -> Check:
    """When a SAS begins and ends."""
    if sas.starts is not None and sas.starts > now:
        seen = f"The SAS is not valid before {sas.starts:%Y-%m-%d %H:%M} UTC."
        fix = "Wait, check the clocks, or make a SAS that begins earlier, or at no time (without st)."
        return failed("credentials_expiry", seen, "credentials_invalid", fix=fix)
    if sas.expires is None:
        seen = "The SAS does not say when it ends; its stored access policy does."
        return unknown("credentials_expiry", seen, fix="")
    if sas.expires <= now:
        seen = f"The SAS ended at {sas.expires:%Y-%m-%d %H:%M} UTC."
        return failed("credentials_expiry", seen, "credentials_expired", fix="Make a new SAS.")
    seen = f"The SAS ends at {sas.expires:%Y-%m-%d %H:%M} UTC."
    soon = USER_ENDS_SOON if sas.kind == "user" else ENDS_SOON
    return warning("credentials_expiry", seen) if sas.expires - now < soon else passed("credentials_expiry", seen)


def credentials_check(error: LocationError | None) -> Check:
    """What the first request says about the credentials."""
    if error is None:
        return passed("credentials", "They are accepted.")
    failure = error.failure
    if failure.code in _CREDENTIALS or failure.store_code in _SHUT_OUT:
        return of_error("credentials", error)
    if not failure.status:
        # Nothing was answered: whether the credentials are right is not known.
        return of_error("credentials", error, Verdict.UNKNOWN)
    if failure.store_code == _FIREWALL:
        seen = "The store refuses without saying whether it knows them."
        return unknown("credentials", seen, fix="", error_code=failure.code)
    return passed("credentials", "They are accepted.")


def tenant_check(expected: str, tenant: str) -> Check:
    """Whether the token is of the tenant that the location names."""
    if tenant == expected.lower():
        return passed("account", f"The tenant {tenant}, as expected.")
    seen = f"The tenant {tenant}, not {expected}." if tenant else f"The token names no tenant, {expected} is expected."
    return failed("account", seen, "wrong_account")


def subscription_check(subscription: str, there: bool | None) -> Check:
    """Whether the storage account is in the subscription that the location names; the tenant is as expected."""
    if there:
        return passed(
            "account", f"The tenant is as expected, and the storage account is in the subscription {subscription}."
        )
    if there is None:
        seen = f"The tenant is as expected. Whether the storage account is in the subscription {subscription}, nobody tells."
        fix = "Allow Microsoft.Storage/storageAccounts/read on the subscription, or leave it out of auth.account."
        return unknown("account", seen, fix=fix)
    return failed("account", f"The storage account is not in the subscription {subscription}.", "wrong_account")


def identity_check(account: str, claims: t.Mapping[str, str], sas: Sas | None, *, by_key: bool) -> Check:
    """Whom the store takes us for."""
    if by_key:
        return passed(
            "identity", f"Whoever has the key of the storage account {account}, which allows everything there."
        )
    if sas is not None and sas.kind != "user":
        return passed("identity", f"Whoever has the SAS, in the name of the storage account {account}.")
    if sas is not None:
        signer = f"the object {sas.object_id or '?'} of the tenant {sas.tenant or '?'}"
        return passed("identity", f"Whoever has the SAS, in the name of {signer}.")
    if "oid" not in claims:
        return unknown("identity", "The token does not say whom it is for.", fix="")
    application = f"The application {claims['appid']}" if "appid" in claims else "Somebody"
    tenant = f" of the tenant {claims['tid']}" if "tid" in claims else ""
    return passed("identity", f"{application} (object {claims['oid']}){tenant}.")


# bucket


def found_checks(container: str, *, empty: bool) -> list[Check]:
    """The first listing is one of the container."""
    seen = "It is a listing of this container" + (", with nothing in it." if empty else ".")
    return [passed("bucket", f"{container} is there."), passed("listing", seen)]


def not_found_checks(error: LocationError, blob: LocationError | None, container: str) -> list[Check]:
    """What it says about the container that the first listing failed.

    :param blob: what was answered about a blob that does not exist, if the listing was denied.
    """
    failure = error.failure
    if failure.store_code == _FIREWALL:
        return [_firewall(failure)]
    if failure.code == "permission_denied":
        return [_bucket_by_blob(blob, container), unknown("listing", error.message, fix="")]
    if failure.code == "store_error" and not failure.status:
        return [unknown("bucket", "What answers is not the store.", fix=""), of_error("listing", error)]
    return [of_error("bucket" if failure.code in {"bucket_not_found", "invalid_option"} else "listing", error)]


def _bucket_by_blob(blob: LocationError | None, container: str) -> Check:
    if blob is not None and blob.code == "bucket_not_found":
        return of_error("bucket", blob)
    if blob is not None and blob.code == "key_not_found":
        return passed("bucket", f"{container} is there.")
    return unknown("bucket", "It may neither be listed nor read, so whether it is there does not show.", fix="")


def _firewall(failure: Failure) -> Check:
    seen = "The store refuses the request, and not for a permission that is missing (AuthorizationFailure)."
    fix = (
        "Let this machine's address or network in (networking of the storage account), or use a private endpoint. "
        "If it is a SAS, check that it was copied as a whole, and what kinds of resources it is for."
    )
    return failed("network_rules", seen, failure.code, fix=fix)


# posture


def unread(name: str, reading: Reading[t.Any]) -> Check | None:
    """The check of a setting that could not be read; ``None`` when it could."""
    if reading.state == "denied":
        action = AUDIT_ACTIONS[name]
        fix = f"An identity that is allowed {action} can read it; a SAS of a container cannot."
        return unknown(name, "It may not be read.", fix=fix)
    return readings.unread(name, reading, AUDIT_ACTIONS[name])


def lock_checks(reading: Reading[ContainerSettings], engine: str) -> list[Check]:
    """Immutability, and what it means for whatever writes the backups."""
    names = ("object_lock", "default_retention", "legal_hold")
    found = reading.value
    if found is None:
        return [check for name in names if (check := unread(name, reading))]
    hold = passed("legal_hold", "None.")
    if found.hold:
        hold = warning("legal_hold", "The container is under a legal hold.")
    return [_lock(found), _retention(found, engine), hold]


def _lock(found: ContainerSettings) -> Check:
    if found.policy:
        return passed("object_lock", "A time-based retention policy holds every blob of the container.")
    if found.versions:
        return passed("object_lock", "Single versions can be made immutable.")
    seen = "Not enabled: whoever may delete, or has stolen the credentials of who may, can delete backups."
    return passed("object_lock", seen)


def _retention(found: ContainerSettings, engine: str) -> Check:
    if not found.policy and found.versions:
        return unknown(
            "default_retention", "Whether there is a default for versions is not to be seen from here.", fix=""
        )
    if not found.policy:
        return passed("default_retention", "None.")
    seen = "A time-based retention policy; its period is not to be seen from here."
    if engine == "velero":
        fix = "With Velero, remove the container's retention policy: Velero does not support it."
        return warning("default_retention", f"{seen} Velero may fail to finish its backups.", fix=fix)
    fix = "Retention in this collection can delete a backup only after that; deleting fails with the code locked until then."
    return passed("default_retention", seen, fix=fix)


def public_check(reading: Reading[ContainerSettings], blobs_seen: bool | None) -> Check:
    """Whether anybody may read blobs.

    :param blobs_seen: whether somebody without credentials was told that a blob does not exist, which says the same where the
        container's properties may not be read; ``None`` if that could not be learnt.
    """
    if reading.value is not None and reading.value.public:
        level = reading.value.public
        return failed("public_access", f"The level of public access is {level}.", "bucket_public")
    if blobs_seen:
        return failed("public_access", "Blobs can be read without credentials.", "bucket_public")
    if reading.value is not None:
        return passed("public_access", "The container is private.")
    if blobs_seen is False:
        return passed("public_access", "A blob cannot be asked for without credentials.")
    return unread("public_access", reading) or unknown("public_access", "It could not be learnt.", fix="")


def anonymous_check(error: LocationError | None) -> Check:
    """:param error: what a listing without credentials was answered; ``None`` if with a listing."""
    if error is None:
        return failed(
            "anonymous_listing",
            "The container can be listed without credentials.",
            "bucket_public",
            fix="Make the container private, and forbid public access in the storage account (allowBlobPublicAccess).",
        )
    if error.failure.status in _PRIVATE:
        return passed("anonymous_listing", "Listing without credentials is refused.")
    seen = "What was answered to a listing without credentials says nothing."
    return unknown("anonymous_listing", seen, fix="")


def blobs_seen(error: LocationError | None) -> bool | None:
    """Whether an answer about a blob that does not exist shows that whoever asked may read blobs. Of a private container the
    service says ResourceNotFound, or that access is not public."""
    if error is None or error.failure.store_code == "BlobNotFound":
        return True
    return False if error.failure.status in _PRIVATE else None


def encryption_check(reading: Reading[ContainerSettings], seen: Round, *, azure: bool) -> Check:
    """:param azure: whether the store is Azure, which encrypts everything."""
    scope = seen.scope or (reading.value.scope if reading.value else "")
    by = f", by the encryption scope {scope}" if scope and scope != ACCOUNT_SCOPE else ""
    if azure or seen.encrypted:
        by = by or (", by the account's key" if azure or scope else "")
        return passed("encryption", f"What is written is encrypted{by}.")
    if seen.encrypted is None:
        return unknown("encryption", "No block was sent.", fix="")
    fix = "Encrypt the store's disks."
    return warning("encryption", "The store does not say that it encrypts what is written.", fix=fix)


def versioning_check(reading: Reading[bool]) -> Check:
    fix = "Enable versioning for blobs of the storage account."
    if reading.value:
        return passed("versioning", "The last blob that was looked at has a version.")
    if reading.state == "unset":
        return warning("versioning", "The last blob that was looked at has no version.", fix=fix)
    if reading.state == "unknown" and reading.failure is None:
        return unknown("versioning", "It shows with the first blob; there is none yet.", fix="")
    return unread("versioning", reading) or unknown("versioning", "It could not be learnt.", fix="")


def soft_delete_check(reading: Reading[int]) -> Check:
    if found := unread("soft_delete", reading):
        return found
    if reading.value is None:
        return warning("soft_delete", "Not enabled.")
    return passed("soft_delete", f"Deleted blobs can be brought back for {reading.value} days.")


def tls_only_check(error: LocationError | None, *, azure: bool) -> Check:
    """:param error: what a request by plain HTTP was answered."""
    if not azure:
        return unsupported("tls_only", "With this store the server's own settings decide whether it speaks plain HTTP.")
    if error is not None and error.failure.store_code == "AccountRequiresHttps":
        return passed("tls_only", "The storage account refuses plain HTTP.")
    if error is not None and not error.failure.status:
        return unknown("tls_only", "Nothing was answered by plain HTTP.", fix="")
    fix = "Turn on secure transfer for the storage account (supportsHttpsTrafficOnly)."
    return warning("tls_only", "The storage account answers by plain HTTP.", fix=fix)


def stale_uploads_check(*, azure: bool) -> Check:
    if azure:
        return passed("stale_uploads", "Azure removes blocks that nobody committed a week after the last one.")
    return unsupported("stale_uploads", "When the store removes blocks that nobody committed is not known.")


def lifecycle_checks(*, azure: bool) -> list[Check]:
    """Rules of lifecycle management are the resource provider's."""
    names = ("lifecycle_expiry", "lifecycle_archive")
    if not azure:
        return [unsupported(name, "The store has no lifecycle management.") for name in names]
    seen = "Lifecycle management of the storage account is not to be seen from here."
    return [
        unknown(name, seen, fix=f"Leave {what} out of its rules that {verb} blobs.")
        for name, what, verb in (
            ("lifecycle_expiry", "the location's prefix", "delete"),
            ("lifecycle_archive", "the location's prefix", "archive"),
        )
    ]
