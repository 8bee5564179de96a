# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Listings of an S3 bucket. Private to the collection."""

from __future__ import annotations

import datetime
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import PendingUpload
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls

PAGE: t.Final = 1000


def pages(calls: S3Calls, prefix: str, *, delimiter: str = "", most: int = PAGE) -> t.Iterator[dict[str, t.Any]]:
    """Pages of ListObjectsV2 for keys that begin with ``prefix`` (the location's own included). botocore asks for keys
    encoded as in URLs and decodes them."""
    what = f"Listing {calls.address}"
    more: dict[str, t.Any] = {"Delimiter": delimiter} if delimiter else {}
    seen: set[str] = set()
    while True:
        answer = _page(calls, "list_objects_v2", "Name", what, {"Prefix": prefix, "MaxKeys": most, **more})
        yield answer
        token = str(answer.get("NextContinuationToken") or "")
        if not answer.get("IsTruncated") or not token:
            return
        if token in seen:
            raise StowageError("store_error", f"{what}: the store goes round in circles.")
        seen.add(token)
        more["ContinuationToken"] = token


def names(calls: S3Calls, prefix: str) -> t.Iterator[str]:
    """The keys that begin with ``prefix``, each up to the next slash. SeaweedFS keeps folders whose last object is gone, for
    minutes or for good: there each is looked into."""
    for page in pages(calls, prefix, delimiter="/"):
        headers = (page.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
        may_be_empty = str(headers.get("server", "")).startswith("SeaweedFS")
        for found in page.get("CommonPrefixes", []):
            folder = str(found["Prefix"])
            if not may_be_empty or next(pages(calls, folder, most=1), {}).get("Contents"):
                yield folder
        yield from (str(found["Key"]) for found in page.get("Contents", []))


def find(calls: S3Calls, full_key: str) -> dict[str, t.Any] | None:
    """What a listing says of one key: where its content may not be read, this still may be allowed."""
    for page in pages(calls, full_key, most=10):
        for found in page.get("Contents", []):
            if found["Key"] == full_key:
                return dict(found)
            if found["Key"].encode() > full_key.encode():
                return None
    return None


def pending(calls: S3Calls, prefix: str) -> t.Iterator[PendingUpload]:
    """Unfinished multipart uploads for keys that begin with ``prefix`` (the location's own included).

    MinIO takes the prefix for a whole key, and answers with all uploads that it remembers since its start when there is
    none: stores that are not AWS are asked both ways. Keys are asked for as in URLs of AWS only: SeaweedFS says that it
    encodes them and does not.
    """
    seen: set[str] = set()
    asked = [prefix] if calls.settings.own_endpoint or not prefix else [prefix, ""]
    for number, asked_prefix in enumerate(asked):
        try:
            for upload in _uploads(calls, asked_prefix):
                if upload.key.startswith(prefix) and upload.token not in seen:
                    seen.add(upload.token)
                    yield upload
        except StowageError as error:
            # Whoever may list below the prefix only cannot ask without one.
            if number == 0 or error.code != "permission_denied":
                raise


def _uploads(calls: S3Calls, prefix: str) -> t.Iterator[PendingUpload]:
    what = f"Listing uploads in {calls.address}"
    encoding = {"EncodingType": "url"} if calls.settings.own_endpoint else {}
    markers: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    while True:
        parameters = {"Prefix": prefix, "MaxUploads": PAGE, **encoding, **markers}
        answer = _page(calls, "list_multipart_uploads", "Bucket", what, parameters)
        encoded = bool(encoding) and answer.get("EncodingType") == "url"
        for upload in answer.get("Uploads", []):
            key = urllib.parse.unquote_plus(upload["Key"]) if encoded else str(upload["Key"])
            started = upload.get("Initiated") or datetime.datetime.fromtimestamp(0, datetime.UTC)
            yield PendingUpload(key, str(upload["UploadId"]), started)
        following = str(answer.get("NextKeyMarker") or ""), str(answer.get("NextUploadIdMarker") or "")
        if not answer.get("IsTruncated") or following == ("", ""):
            return
        if following in seen:
            raise StowageError("store_error", f"{what}: the store goes round in circles.")
        seen.add(following)
        key_marker = urllib.parse.unquote_plus(following[0]) if encoded else following[0]
        markers = {"KeyMarker": key_marker, "UploadIdMarker": following[1]}


def _page(calls: S3Calls, operation: str, name: str, what: str, parameters: dict[str, t.Any]) -> dict[str, t.Any]:
    """One page. What is no listing (a login page, an answer cut short before its first byte) reads like an empty one: the
    bucket's name, which each listing has, tells them apart."""

    def attempt() -> dict[str, t.Any]:
        answer = calls.once(operation, what, **parameters)
        if answer.get(name) == calls.settings.bucket:
            return answer
        hint = "Check that the endpoint is the S3 API of the store (not its console), and proxies on the way."
        raise LocationError(
            Failure("store_error", f"{what}: the answer is no listing of the bucket.", hint, transient=True)
        )

    page: dict[str, t.Any] = calls.retried(attempt)
    return page
