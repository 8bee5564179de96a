# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A streaming upload to Google Cloud Storage with constant memory. Private to the collection."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import ObjectInfo
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_create import GcsCreator
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_upload import ResumableUpload
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.parts import PartsWriter
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import NewObject

CHUNK_BYTES: t.Final = 16 << 20
"""A session takes one chunk after the other, at a round trip each."""
MOST_BYTES: t.Final = 5 << 40
"""What an object may have: https://cloud.google.com/storage/quotas#objects"""


class GcsWriter(PartsWriter):
    """An object of one chunk is one conditional request; a larger one is a resumable upload, one chunk of it on its way
    while the next is filled. With the last chunk the object becomes visible."""

    most_parts = MOST_BYTES // CHUNK_BYTES
    at_once = 1
    last_makes_object = True

    def __init__(self, creator: GcsCreator, new: NewObject) -> None:
        super().__init__(creator.calls, new)
        self._creator = creator
        self._digest = hashlib.md5(usedforsecurity=False)
        self._upload: ResumableUpload | None = None

    def _part_bytes(self, _dummy: int) -> int:
        return CHUNK_BYTES

    def _begin(self) -> None:
        self._upload = self._creator.begin(self._new)

    def _send(self, _dummy: int, body: bytearray) -> str:
        self._digest.update(body)
        self._session().send(body, self._parts.cancelled.is_set)
        return ""

    def _put(self, new: NewObject, body: bytearray) -> ObjectInfo:
        return self._creator.put(new, body)

    def _complete(self, new: NewObject, _dummy: t.Sequence[str]) -> ObjectInfo:
        self._digest.update(self._buffer)
        return self._creator.complete(new, self._session(), self._buffer, self._digest.digest())

    def _abort_once(self) -> None:
        """A chunk that arrives later is refused by the store."""
        self._session().cancel()

    def _session(self) -> ResumableUpload:
        if self._upload is None:
            raise AssertionError("an upload is begun before anything is sent")
        return self._upload
