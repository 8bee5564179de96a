# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a bucket of Google Cloud Storage is there, is really what answers, where and whose it is. Private to the
collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    failed,
    of_error,
    passed,
    unknown,
    unsupported,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import GcsCalls, Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_settings import Bucket, not_read
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check


@dataclasses.dataclass(frozen=True)
class Listing:
    """The first look into a bucket.

    :param genuine: what was answered is a listing of this bucket.
    :param first: the name of an object that is there, empty if none was seen.
    """

    prefix: str
    error: LocationError | None = None
    genuine: bool = False
    first: str = ""


def list_bucket(calls: GcsCalls, prefix: str) -> Listing:
    """Lists one object. Nothing raises for what is answered."""
    request = listing_request(calls, prefix)
    try:
        document = calls.once(request, f"Listing {calls.address}").document()
    except LocationError as error:
        return Listing(prefix, error)
    names = names_of(document, calls.settings.bucket, prefix)
    return Listing(prefix, None, names is not None, names[0] if names else "")


def listing_request(calls: GcsCalls, prefix: str) -> Request:
    """The request for one object's name, and that of its bucket."""
    query = {"prefix": prefix, "maxResults": "1", "fields": "kind,nextPageToken,items(name,bucket)"}
    return Request("GET", calls.objects_path(), "list", query=query, of_bucket=True)


def names_of(document: t.Mapping[str, t.Any] | None, bucket: str, prefix: str) -> list[str] | None:
    """The names in a listing of the bucket; ``None`` for what is none. A listing says of which kind it is, and each object
    in it of which bucket: https://cloud.google.com/storage/docs/json_api/v1/objects/list. Pure."""
    if document is None or document.get("kind") != "storage#objects":
        return None
    items = document.get("items", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    names = [str(item.get("name") or "") for item in items]
    ours = all(item.get("bucket") == bucket for item in items) and all(name.startswith(prefix) for name in names)
    return names if ours else None


def bucket_checks(listing: Listing, bucket: str, reading: Reading[Bucket]) -> list[Check]:
    """What the first listing says about the bucket. Pure.

    :param reading: the bucket's own description, which may be had where its objects may not be listed.
    """
    error = listing.error
    if error is None and listing.genuine:
        seen = "It is a listing of this bucket" + ("." if listing.first else ", with nothing in it.")
        return [passed("bucket", f"{bucket} is there."), passed("listing", seen)]
    if error is None:
        seen = "The answer has status 200 and is no listing of this bucket."
        return [unknown("bucket", "What answers is not the store.", fix=""), failed("listing", seen, "store_error")]
    if error.code == "permission_denied" and error.failure.denied:
        return [_unlisted(bucket, reading), unknown("listing", error.message, fix="")]
    # A service perimeter, requesters that pay, scopes: it concerns every request.
    of_bucket = {"bucket_not_found", "invalid_option", "permission_denied", "quota"}
    return [of_error("bucket" if error.code in of_bucket else "listing", error)]


def _unlisted(bucket: str, reading: Reading[Bucket]) -> Check:
    if reading.value is not None:
        return passed("bucket", f"{bucket} is there.")
    return unknown("bucket", "It may not be listed, so whether it is there shows with the other permissions.", fix="")


def region_check(reading: Reading[Bucket]) -> Check:
    """Where the bucket is. Requests need not say it. Pure."""
    if found := not_read("region", reading):
        return found
    bucket = reading.value
    if bucket is None or not bucket.location:
        return unsupported("region", "The store names no location.")
    kind = f" ({printable(bucket.location_type, 40)})" if bucket.location_type else ""
    return passed("region", f"{printable(bucket.location, 60)}{kind}.")


def owner_check(reading: Reading[Bucket], projects: t.Collection[str]) -> Check:
    """Whether the bucket is in the caller's project. Pure.

    :param projects: the caller's, by id or number. A bucket tells the number of its project only, and which id that is may
        be asked of another service, with other permissions.
    """
    if found := not_read("bucket_owner", reading):
        return found
    number = reading.value.project_number if reading.value else ""
    if not number:
        return unsupported("bucket_owner", "The store names no project.")
    seen = f"The bucket is in the project with the number {printable(number, 40)}"
    if number in projects:
        return passed("bucket_owner", f"{seen}, the caller's own.")
    numbers = [one for one in projects if one.isdigit()]
    if not numbers:
        return unknown("bucket_owner", f"{seen}; the caller's is not known by its number.", fix="")
    return warning("bucket_owner", f"{seen}, the caller's is {numbers[0]}.", error_code="bucket_wrong_owner")
