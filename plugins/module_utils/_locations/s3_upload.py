# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An upload that is begun, fed and aborted: it proves that backups can be written and leaves nothing, also where object
lock keeps all there is. Private to the collection."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import re
import typing as t
import zlib

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import PendingUpload
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    failed,
    of_error,
    passed,
    unknown,
    unsupported,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_bucket import Listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_rights import key_check, no_upload

BODY: t.Final = b"stowage"
_INEXACT: t.Final = datetime.timedelta(seconds=5)
"""By which a store's Date and what it says of an upload's beginning may differ."""
_NO_CHECKSUMS: t.Final = frozenset({"unsupported_by_store", "store_error"})


@dataclasses.dataclass(frozen=True)
class Round:
    """What an upload showed.

    :param algorithm: the encryption that the store named, empty if none.
    :param echoed: whether the store told a part's checksum back; ``None`` if no upload was tried.
    :param compared: whether it refused a part with a wrong checksum.
    """

    algorithm: str = ""
    key: str = ""
    echoed: bool | None = None
    compared: bool | None = None


def upload_round(calls: S3Calls, key: str, *, look: bool) -> tuple[Round, Check]:
    """Begins an upload, sends a part, looks at it, and aborts. :param look: whether parts may be listed."""
    since = (calls.now() or datetime.datetime.now(datetime.UTC)) - _INEXACT
    try:
        upload, with_checksums = _begin(calls, key)
    except LocationError as error:
        check = _refused(error)
        return Round(), check if error.failure.doubt != "unknown" else _after_doubt(calls, key, since, check)
    token = str(upload.get("UploadId") or "")
    if not token:
        nameless = failed("upload", "What was answered to the beginning of an upload names none.", "store_error")
        return Round(), _after_doubt(calls, key, since, nameless)
    seen = Round(str(upload.get("ServerSideEncryption") or ""), str(upload.get("SSEKMSKeyId") or ""))
    try:
        seen = _send(calls, key, token, seen, with_checksums=with_checksums)
        check = _looked(calls, key, token) if look else passed("upload", "A part was taken.")
    except LocationError as error:
        check = _refused(error)
    except BaseException:
        _abort(calls, key, token)
        raise
    return seen, _abort(calls, key, token) or check


def _begin(calls: S3Calls, key: str) -> tuple[dict[str, t.Any], bool]:
    what = f"Beginning an upload in {calls.address}"
    try:
        return calls.once("create_multipart_upload", what, Key=key, ChecksumAlgorithm="CRC32"), True
    except LocationError as error:
        # Only who said no has surely begun none.
        said_no = 400 <= error.failure.status < 500 or error.failure.status == 501
        if error.code not in _NO_CHECKSUMS or not said_no:
            raise
    return calls.once("create_multipart_upload", what, Key=key), False


def _after_doubt(calls: S3Calls, key: str, since: datetime.datetime, check: Check) -> Check:
    """Aborts what may have been begun although no answer said so: uploads of the key that are no older than the probe. The
    check, with what could not be done about it."""
    found: list[PendingUpload] = []
    trouble = ""
    try:
        found = [one for one in s3_listing.pending(calls, key) if one.key == key and one.started >= since]
    except StowageError as error:
        trouble = error.message
    left = [refused.seen for one in found if (refused := _abort(calls, key, one.token))]
    trouble = trouble or (left[0] if left else "")
    if not trouble:
        return check
    note = f"An upload may have been begun, and could not be ended; probes abort it after an hour. {trouble}"
    return dataclasses.replace(check, seen=f"{check.seen} {note}")


def crc32(data: bytes) -> str:
    """The checksum as S3 writes it."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def _send(calls: S3Calls, key: str, token: str, seen: Round, *, with_checksums: bool) -> Round:
    """Sends a part, and one that looks damaged on the way."""
    what = f"Sending a part to {calls.address}"
    part = {"Key": key, "UploadId": token, "Body": BODY}
    if not with_checksums:
        calls.once("upload_part", what, PartNumber=1, **part)
        return dataclasses.replace(seen, echoed=False, compared=False)
    answer = calls.once("upload_part", what, PartNumber=1, ChecksumCRC32=crc32(BODY), **part)
    echoed = answer.get("ChecksumCRC32") == crc32(BODY)
    try:
        calls.once("upload_part", what, PartNumber=2, ChecksumCRC32=crc32(b"damaged"), **part)
    except LocationError as error:
        return dataclasses.replace(seen, echoed=echoed, compared=400 <= error.failure.status < 500)
    return dataclasses.replace(seen, echoed=echoed, compared=False)


def _looked(calls: S3Calls, key: str, token: str) -> Check:
    answer = calls.once("list_parts", f"Listing the parts of an upload in {calls.address}", Key=key, UploadId=token)
    sizes = [int(part.get("Size") or 0) for part in answer.get("Parts") or [] if part.get("PartNumber") == 1]
    if sizes != [len(BODY)]:
        return failed("upload", "A part was taken, and is not listed.", "store_error")
    return passed("upload", "A part was taken and listed, and the upload aborted.")


def _abort(calls: S3Calls, key: str, token: str) -> Check | None:
    """Ends the upload; a check if that failed."""
    try:
        calls.call("abort_multipart_upload", f"Aborting an upload in {calls.address}", Key=key, UploadId=token)
    except StowageError as error:
        if isinstance(error, LocationError) and error.failure.store_code == "NoSuchUpload":
            return None
        return of_error("upload", error)
    return None


def _refused(error: LocationError) -> Check:
    if error.failure.denied.startswith("kms:") or "encryption key" in error.message:
        return key_check(error.failure)
    return of_error("upload", error)


def checksum_check(seen: Round) -> Check:
    """Pure."""
    if seen.echoed is None:
        return unknown("checksums", "No upload was tried.", fix="")
    if seen.echoed and seen.compared:
        return passed("checksums", "A part with a wrong CRC32 was refused.")
    if seen.compared:
        return passed("checksums", "A part with a wrong CRC32 was refused; the store does not tell checksums back.")
    return unsupported("checksums", "A part with a wrong CRC32 was taken, or the store knows no CRC32.")


def conditional_check(calls: S3Calls, listing: Listing) -> Check:
    """Whether the store refuses to create what exists.

    Asked by completing an upload that does not exist under a key that does: nothing can come of it, and a store that knows
    the condition looks at it first. Without an object there is nothing to ask about, and one is not made for it.
    """
    if calls.settings.own_endpoint:
        return passed("conditional_create", "AWS honours If-None-Match.")
    learnt = "The first backup learns it; without it a look comes before each write."
    if known_to_honour(listing.server):
        return passed("conditional_create", f"{printable(listing.server)} honours If-None-Match, as is known of it.")
    if not listing.first:
        return unknown("conditional_create", f"There is no object yet to try it on. {learnt}", fix="")
    parts = {"Parts": [{"ETag": "0" * 32, "PartNumber": 1}]}
    parameters = {"Key": listing.first, "UploadId": no_upload(), "MultipartUpload": parts, "IfNoneMatch": "*"}
    try:
        calls.once("complete_multipart_upload", f"Trying a condition in {calls.address}", **parameters)
    except LocationError as error:
        if error.code == "key_exists":
            return passed("conditional_create", "If-None-Match is honoured.")
        if error.code == "unsupported_by_store":
            return unsupported("conditional_create", f"The store does not know If-None-Match. {learnt}")
    return unknown("conditional_create", f"What the store answers does not tell. {learnt}", fix="")


_SEAWEEDFS: t.Final = re.compile(r"SeaweedFS .{0,40}?(\d{1,4})\.(\d{1,4})")
_HONOURS: t.Final = (4, 48)


def known_to_honour(server: str) -> bool:
    """Whether a store is known to honour If-None-Match by what it calls itself. SeaweedFS looks for an upload before it looks
    at the condition, so that it cannot be asked; of 4.48 it was tried. Pure."""
    found = _SEAWEEDFS.fullmatch(server)
    return found is not None and (int(found[1]), int(found[2])) >= _HONOURS
