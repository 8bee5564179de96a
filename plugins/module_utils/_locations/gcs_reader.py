# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading objects of Google Cloud Storage: as a stream, a span, whole. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import GcsCalls, Request, lower
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.streams import Sent, StoredObject


class _Body:
    """The bytes of an answer as the store keeps them: what was uploaded compressed stays so."""

    def __init__(self, response: t.Any) -> None:
        self._response = response

    def read(self, size: int, /) -> bytes:
        data: bytes = self._response.raw.read(size, decode_content=False)
        return data

    def close(self) -> None:
        self._response.close()


def stored(calls: GcsCalls, full_key: str, what: str) -> StoredObject:
    """An object, to be read. ``what`` says what is done."""
    return StoredObject(
        calls,
        what,
        lambda span, version: _fetch(calls, full_key, what, span, version),
        lambda error: classify(error, what),
    )


def _fetch(calls: GcsCalls, full_key: str, what: str, span: str, generation: str) -> Sent:
    """The answer to a request for an object's bytes. ``Accept-Encoding: gzip`` keeps the store from unpacking:
    https://cloud.google.com/storage/docs/transcoding"""
    query = {"alt": "media", **({"generation": generation} if generation else {})}
    headers = {"Accept-Encoding": "gzip", **({"Range": span} if span else {})}
    request = Request("GET", calls.object_path(full_key), "read", query=query, headers=headers, expected=(200, 206))
    try:
        response = calls.stream(request, what)
    except LocationError as error:
        if generation and error.failure.status == 404:
            # Where a bucket keeps no versions, an object's generation goes with the next one.
            raise LocationError(dataclasses.replace(error.failure, status=412)) from None
        raise
    return _sent(response, what)


def _sent(response: t.Any, what: str) -> Sent:
    headers = lower(response.headers)
    try:
        length, generation = int(headers["content-length"]), headers["x-goog-generation"]
        return Sent.of(_Body(response), length, headers.get("content-range", ""), generation, what)
    except (KeyError, ValueError):
        response.close()
        hint = "Check that the endpoint is Google's JSON API, and proxies on the way."
        message = f"{what}: the answer does not say which bytes of what it has."
        raise LocationError(Failure("store_error", message, hint, transient=True)) from None
