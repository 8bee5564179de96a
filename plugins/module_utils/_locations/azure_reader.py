# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading Azure blobs: as a stream, a span, whole. Private to the collection."""

from __future__ import annotations

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.streams import Sent, StoredObject


def stored(calls: AzureCalls, full_key: str, what: str) -> StoredObject:
    """An object, to be read. ``what`` says what is done."""
    return StoredObject(
        calls,
        what,
        lambda span, version: _fetch(calls, full_key, what, span, version),
        lambda error: classify(error, what),
    )


def _fetch(calls: AzureCalls, full_key: str, what: str, span: str, etag: str) -> Sent:
    headers = {name: value for name, value in (("x-ms-range", span), ("If-Match", etag)) if value}
    answer = calls.once("GET", what, full_key, headers=headers, stream=True)
    if answer.stream is None:
        raise AssertionError("a stream was asked for")
    told = answer.headers
    content_range, version = told.get("content-range", ""), told.get("etag", "")
    return Sent.of(answer.stream, told.get("content-length"), content_range, version, what)
