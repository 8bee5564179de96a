# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading S3 objects: as a stream, a span, whole. Private to the collection."""

from __future__ import annotations

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.streams import Sent, StoredObject


def stored(calls: S3Calls, full_key: str, what: str) -> StoredObject:
    """An object, to be read. ``what`` says what is done."""
    return StoredObject(
        calls,
        what,
        lambda span, version: _fetch(calls, full_key, what, span, version),
        lambda error: classify(error, what),
    )


def _fetch(calls: S3Calls, full_key: str, what: str, span: str, etag: str) -> Sent:
    parameters = {name: value for name, value in (("Range", span), ("IfMatch", etag)) if value}
    answer = calls.once("get_object", what, Key=full_key, **parameters)
    content_range, version = str(answer.get("ContentRange") or ""), str(answer.get("ETag") or "")
    return Sent.of(answer["Body"], answer.get("ContentLength"), content_range, version, what)
