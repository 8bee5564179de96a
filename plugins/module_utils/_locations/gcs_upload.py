# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A resumable upload of Google Cloud Storage: bytes in order, each kept until the store has confirmed it. Private to the
collection. The protocol: https://cloud.google.com/storage/docs/performing-resumable-uploads

The URI of a session lets anybody who has it write the object, so it is in no message. Only its path and query are used:
data and tokens go to the location's endpoint, whatever host an answer names.
"""

from __future__ import annotations

import json
import re
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import Answer, GcsCalls, Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_listing import made_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import NewObject

UNIT: t.Final = 256 << 10
"""All requests of an upload but the last have a multiple of this."""
CONTENT_TYPE: t.Final = "application/octet-stream"
_CONFIRMED: t.Final = re.compile(r"bytes=0-(\d+)")
_SESSION_GONE: t.Final = 499
"""What Google answers to a cancellation."""


class ResumableUpload:
    """One session. Used by one thread at a time."""

    def __init__(self, calls: GcsCalls, new: NewObject) -> None:
        self._calls = calls
        self._new = new
        self._session = ""
        self._begun = 0
        self._confirmed = 0
        self._doubtful = False
        self.done = False

    @property
    def begun(self) -> bool:
        """Whether there is a session to end."""
        return bool(self._session)

    def begin(self, conditional: bool) -> None:
        """Opens the session. :raises LocationError: ``key_exists`` too, for stores that look at the condition already."""
        query = {"uploadType": "resumable", "name": self._new.full_key}
        request = Request(
            "POST",
            self._calls.objects_path("/upload/storage/v1"),
            "create",
            query={**query, **create_only(conditional)},
            headers={"Content-Type": "application/json; charset=UTF-8", "X-Upload-Content-Type": CONTENT_TYPE},
            body=json.dumps({"metadata": self._new.metadata(), "contentType": CONTENT_TYPE}).encode(),
            of_bucket=True,
        )
        answer = self._calls.call(request, self._new.what)
        self._session = _relative(answer.headers.get("location", ""))
        if not self._session:
            raise StowageError("store_error", f"{self._new.what}: the store began no resumable upload.")

    def send(self, data: bytearray, give_up: t.Callable[[], bool]) -> None:
        """Sends what is not the end, a multiple of :data:`UNIT`. Returns when all of it is confirmed."""
        first, self._begun = self._begun, self._begun + len(data)

        def attempt() -> None:
            self._settle_position(first, "*")
            while self._confirmed < self._begun:
                before = self._confirmed
                with memoryview(data) as view, view[before - first :] as rest:
                    self._put(rest, f"bytes {before}-{self._begun - 1}/*", first)
                if self._confirmed == before:
                    raise LocationError(_stuck(self._new.what))

        self._calls.retried(attempt, give_up)

    def finish(self, data: bytearray, md5: str) -> None:
        """Sends the end and makes the object visible, or learns that an earlier try did. One attempt.

        :param md5: of the whole content, base64: the store refuses content that does not fit it.
        """
        first, size = self._begun, self._begun + len(data)
        self._settle_position(first, str(size))
        if self.done:
            return
        rest = memoryview(data)[self._confirmed - first :]
        span = f"{self._confirmed}-{size - 1}" if rest else "*"
        self._put(rest, f"bytes {span}/{size}", first, {"X-Goog-Hash": f"md5={md5}"})
        if not self.done:
            raise LocationError(_stuck(self._new.what))

    def cancel(self) -> None:
        """Ends the session; one that is gone is no failure."""
        request = Request("DELETE", self._session, "create", expected=(200, 204, 404, 410, _SESSION_GONE))
        self._calls.once(request, self._new.what)

    def _settle_position(self, first: int, size: str) -> None:
        """After a request whose answer was lost: how much the store has."""
        if self._doubtful:
            self._put(b"", f"bytes */{size}", first)

    def _put(self, data: t.Any, span: str, first: int, headers: t.Mapping[str, str] | None = None) -> None:
        self._doubtful = True
        request = Request(
            "PUT",
            self._session,
            "create",
            headers={"Content-Range": span, **(headers or {})},
            body=data if len(data) else None,
            expected=(200, 201, 308),
        )
        answer = self._calls.once(request, self._new.what)
        if answer.status == 308:
            self._take_position(answer, first)
        else:
            made_of(answer, self._new.full_key, self._new.what)
            self.done = True
        self._doubtful = False

    def _take_position(self, answer: Answer, first: int) -> None:
        """The store may have kept less than was sent, but nothing that it confirmed before may be missing."""
        found = _CONFIRMED.fullmatch(answer.headers.get("range", ""))
        position = int(found[1]) + 1 if found else 0
        if position < first:
            raise StowageError("store_error", f"{self._new.what}: the store lost a part of the upload.")
        self._confirmed = position


def create_only(conditional: bool) -> dict[str, str]:
    """The condition that there is no such object: https://cloud.google.com/storage/docs/request-preconditions"""
    return {"ifGenerationMatch": "0"} if conditional else {}


def _relative(location: str) -> str:
    """The path and query of a session's URI; nothing for what is no URI."""
    try:
        parts = urllib.parse.urlsplit(location)
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.path.startswith("/") and parts.query else ""


def _stuck(what: str) -> Failure:
    return Failure("store_error", f"{what}: the store took nothing.", "", transient=True, doubt="unknown")
