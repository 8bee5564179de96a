# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be done in an S3 bucket without credentials, which should be nothing. Private to the collection.

It is tried like the permissions of who has credentials (``s3_rights``), so that nothing can come of it.
"""

from __future__ import annotations

import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import failed, passed, unknown
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_bucket import Listing, list_bucket
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_rights import Right, ask

_WHO_ARE_YOU: t.Final = 401
_REFUSED: t.Final = frozenset({_WHO_ARE_YOU, 403})
_WRITES: t.Final[t.Mapping[str, str]] = {"may_create": "written", "may_delete": "deleted"}


def listing_check(nobody: S3Calls, prefix: str) -> Check:
    """Lists. :param nobody: requests that are not signed."""
    found = list_bucket(nobody, prefix)
    if found.error is None and found.genuine:
        return failed("anonymous_listing", "The bucket can be listed without credentials.", "bucket_public")
    if found.error is not None and found.error.failure.status in _REFUSED:
        return passed("anonymous_listing", "Listing without credentials is refused.")
    seen = "What was answered to a listing without credentials says nothing."
    return unknown("anonymous_listing", seen, fix="")


def reading_check(nobody: S3Calls, listing: Listing, folder: str, *, shows_what_is_missing: bool) -> Check:
    """Reads a byte of an object, or of one that does not exist where there is none.

    :param folder: where to look for the latter, with a slash at its end.
    :param shows_what_is_missing: whether the store says that an object is missing to who may read and not list.
    """
    key = listing.first or f"{folder}{random.token_hex(16)}"
    try:
        answer = nobody.once("get_object", "Reading without credentials", Key=key, Range="bytes=0-0")
    except LocationError as error:
        return _not_read(error, there=bool(listing.first), shows_what_is_missing=shows_what_is_missing)
    answer["Body"].close()
    return failed("anonymous_reading", "An object can be read without credentials.", "bucket_public")


def _not_read(error: LocationError, *, there: bool, shows_what_is_missing: bool) -> Check:
    """What a refusal says. Pure. :param there: whether the object that was asked for is there."""
    failure = error.failure
    if failure.store_code in ("InvalidRange", "InvalidObjectState"):
        # It has no byte, or lies in an archive: both are said only to who may read it.
        return failed("anonymous_reading", "An object can be read without credentials.", "bucket_public")
    if failure.store_code == "NoSuchKey":
        seen = "Who asks without credentials for an object that does not exist is told so, instead of being refused."
        return failed("anonymous_reading", seen, "bucket_public")
    refused = failure.code == "permission_denied" or failure.status == _WHO_ARE_YOU
    if refused and (there or shows_what_is_missing):
        return passed("anonymous_reading", "Reading without credentials is refused.")
    if refused:
        return unknown("anonymous_reading", "There is no object yet to try it on.", fix="")
    return unknown("anonymous_reading", "What was answered to reading without credentials says nothing.", fix="")


def writing_check(nobody: S3Calls, signed: S3Calls, rights: t.Iterable[Right], prefix: str) -> Check:
    """Tries whether anybody may write or delete. :param signed: takes back what should not have been made."""
    asked = [right for right in rights if right.id in _WRITES]
    granted = {right.id: _granted(nobody, signed, right, prefix) for right in asked}
    open_to = [_WRITES[name] for name, found in granted.items() if found == "allowed"]
    if open_to:
        seen = f"Objects can be {' and '.join(open_to)} without credentials."
        return failed("anonymous_writing", seen, "bucket_public")
    if set(granted.values()) == {"missing"}:
        return passed("anonymous_writing", "Writing and deleting without credentials are refused.")
    return unknown("anonymous_writing", "What was answered to writing without credentials says nothing.", fix="")


def _granted(nobody: S3Calls, signed: S3Calls, right: Right, prefix: str) -> str:
    try:
        return ask(nobody, right, prefix, hidden=False, undoes=signed).granted
    except LocationError:
        # It was allowed, and what came of it could not be taken back.
        return "allowed"
