# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an S3 bucket is there, is really what answers, where and whose it is. Private to the collection."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    check,
    failed,
    of_error,
    passed,
    unknown,
    unsupported,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import ROOT

_REGION: t.Final = re.compile(r"[a-z0-9-]{1,40}")


@dataclasses.dataclass(frozen=True)
class Listing:
    """The first look into a bucket: HEAD carries no error code, and may be denied to a role that is narrowed to a prefix.

    :param genuine: what was answered is a listing of this bucket.
    :param first: a key that is there, empty if there is none.
    :param server: what the store calls itself.
    :param region: the bucket's, if the store told.
    """

    prefix: str
    error: LocationError | None = None
    genuine: bool = False
    first: str = ""
    server: str = ""
    region: str = ""


def list_bucket(calls: S3Calls, prefix: str) -> Listing:
    """Lists one object. Nothing raises for what the store answers, but what keeps the request from being sent."""
    try:
        answer = calls.once("list_objects_v2", f"Listing {calls.address}", Prefix=prefix, MaxKeys=1)
    except LocationError as error:
        return Listing(prefix, error)
    headers = (answer.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
    genuine = answer.get("Name") == calls.settings.bucket and answer.get(ROOT) == "ListBucketResult"
    keys = [str(found.get("Key") or "") for found in answer.get("Contents") or []]
    region = str(headers.get("x-amz-bucket-region") or "")
    return Listing(
        prefix,
        None,
        genuine,
        keys[0] if genuine and keys else "",
        str(headers.get("server") or "")[:100],
        region if _REGION.fullmatch(region) else "",
    )


def bucket_checks(listing: Listing, settings: S3Settings) -> list[Check]:
    """What the first listing says about the bucket. Pure."""
    error = listing.error
    if error is None and listing.genuine:
        seen = "It is a listing of this bucket" + ("." if listing.first else ", with nothing in it.")
        return [passed("bucket", f"{settings.bucket} is there."), passed("listing", seen)]
    if error is None:
        seen = "The answer has status 200 and is no listing of this bucket."
        return [unknown("bucket", "What answers is not the store.", fix=""), failed("listing", seen, "store_error")]
    if error.code == "permission_denied":
        seen = "It may not be listed, so whether it is there shows with the other permissions."
        return [unknown("bucket", seen, fix=""), unknown("listing", error.message, fix="")]
    if error.code == "region_mismatch":
        return _elsewhere(error, settings)
    names = {"bucket_not_found": "bucket", "invalid_option": "bucket", "bucket_wrong_owner": "bucket_owner"}
    return [of_error(names.get(error.code, "listing"), error)]


def _elsewhere(error: LocationError, settings: S3Settings) -> list[Check]:
    """A redirect: of S3 into the bucket's region, or of something else to wherever."""
    numeric = error.failure.store_code.isdigit()
    if numeric and not settings.own_endpoint:
        seen = f"The endpoint redirects the request elsewhere (status {error.failure.status})."
        return [failed("listing", seen, "store_error")]
    return [passed("bucket", f"{settings.bucket} is there."), of_error("region", error)]


def region_check(calls: S3Calls, listing: Listing) -> Check:
    """Whether the bucket is in the location's region."""
    region = listing.region or _asked_region(calls)
    wanted = calls.settings.region
    if not region:
        return unsupported("region", "The store names no region.")
    if region == wanted:
        return passed("region", f"{region}.")
    fix = f"Set the location's region to {region}."
    verdict = Verdict.FAILED if calls.settings.own_endpoint else Verdict.WARNING
    return check("region", verdict, f"{region}, not {wanted}.", fix=fix, error_code="region_mismatch")


def _asked_region(calls: S3Calls) -> str:
    try:
        answer = calls.once("head_bucket", f"Looking at {calls.address}")
    except LocationError:
        return ""
    headers = (answer.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
    region = str(headers.get("x-amz-bucket-region") or "")
    return region if _REGION.fullmatch(region) else ""


def owner_check(calls: S3Calls, account: str, prefix: str) -> Check:
    """Whose the bucket is: of whom the location says, or else the caller's. Asked when it could be listed.

    :param account: the caller's; empty where the store has none, or it is not known.
    """
    if not calls.aws:
        return unsupported("bucket_owner", "Only AWS can be asked.")
    if calls.settings.bucket_owner:
        # Every request says so, the listing too, and AWS refuses it otherwise.
        return passed("bucket_owner", f"Account {calls.settings.bucket_owner}, as bucket_owner says.")
    if not account:
        return unknown("bucket_owner", "The caller's account is not known.", fix="")
    what = f"Asking whether account {account} owns the bucket"
    try:
        calls.once("list_objects_v2", what, Prefix=prefix, MaxKeys=1, ExpectedBucketOwner=account)
    except LocationError as error:
        if error.code != "permission_denied":
            return of_error("bucket_owner", error, Verdict.UNKNOWN)
        seen = f"The bucket is not in the caller's account {account}."
        fix = "If that is intended, set the location's bucket_owner to the account that it should be in."
        return warning("bucket_owner", seen, error_code="bucket_wrong_owner", fix=fix)
    return passed("bucket_owner", f"Account {account}, the caller's own.")
