# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An upload to Google Cloud Storage that is begun, fed and cancelled: it proves that backups can be written and leaves
nothing, also under a retention policy. Private to the collection."""

from __future__ import annotations

import dataclasses
import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    of_error,
    passed,
    unknown,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_bucket import Listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import GcsCalls, Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_upload import (
    UNIT,
    ResumableUpload,
    create_only,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries import Retries
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import NewObject

USE_KEY: t.Final = "cloudkms.cryptoKeyVersions.useToEncrypt"


@dataclasses.dataclass(frozen=True)
class Round:
    """What an upload showed. :param refused: why it could not be begun, ``None`` if it could."""

    refused: LocationError | None
    checks: tuple[Check, ...]


def upload_round(calls: GcsCalls, full_key: str) -> Round:
    """Begins a resumable upload, sends the least that the store takes, and cancels. A session that is not finished makes no
    object: https://cloud.google.com/storage/docs/resumable-uploads."""
    what = f"Sending an upload to {calls.address}"
    upload = ResumableUpload(calls, NewObject(full_key, full_key, what, random.token_hex(16), 0))
    try:
        upload.begin(conditional=True)
    except LocationError as error:
        return Round(error, (_not_begun(error),))
    except StowageError as error:
        if error.code == "interrupted":
            raise
        return Round(None, (of_error("upload", error),))
    try:
        upload.send(bytearray(UNIT), lambda: False)
        check = passed("upload", f"{UNIT >> 10} KiB were taken, and the upload cancelled.")
    except BaseException as error:
        left = _cancel(calls, upload)
        if not isinstance(error, StowageError) or error.code == "interrupted":
            raise
        return Round(None, (left or _refused(error),))
    return Round(None, (_cancel(calls, upload) or check,))


def _cancel(calls: GcsCalls, upload: ResumableUpload) -> Check | None:
    """Ends the upload, trying again where that helps; a check if it failed."""
    retries = Retries(calls.stopped)
    retries.note_answer({})
    try:
        retries.retried(upload.cancel)
    except StowageError as error:
        return of_error("upload", error)
    return None


def _not_begun(error: LocationError) -> Check:
    if error.failure.denied:
        return unknown("upload", "Not tried, for objects may not be created.", fix="Allow what is missing first.")
    return _refused(error)


def _refused(error: StowageError) -> Check:
    if "encryption key" in error.message:
        key = "the bucket's encryption key"
        return of_error("may_use_key", error, action=USE_KEY, resource=key, granted="missing")
    return of_error("upload", error)


def conditional_check(calls: GcsCalls, listing: Listing) -> Check:
    """Whether the store refuses to create what exists.

    Google does. Another endpoint is asked to read an object on condition that there is none: tried by writing, a store that
    ignores the condition would replace the object.
    """
    if calls.settings.own_endpoint:
        return passed("conditional_create", "Google honours ifGenerationMatch.")
    learnt = "The first backup learns it; without it a look comes before each write."
    if not listing.first:
        return unknown("conditional_create", f"There is no object yet to try it on. {learnt}", fix="")
    query = {**create_only(conditional=True), "fields": "name"}
    request = Request("GET", calls.object_path(listing.first), "read", query=query)
    try:
        calls.once(request, f"Trying a condition in {calls.address}")
    except LocationError as error:
        if error.code == "key_exists":
            return passed("conditional_create", "ifGenerationMatch is honoured, as reading on this condition shows.")
    return unknown("conditional_create", f"What the store answers does not tell. {learnt}", fix="")


def checksum_check(calls: GcsCalls) -> Check:
    """Google compares the MD5 that an upload ends with: https://cloud.google.com/storage/docs/data-validation. It is told at
    an upload's end, so that trying it elsewhere might leave an object."""
    if calls.settings.own_endpoint:
        return passed("checksums", "Google refuses an upload whose MD5 is another than it was told.")
    return unknown("checksums", "It cannot be tried without the risk of leaving an object.", fix="")
