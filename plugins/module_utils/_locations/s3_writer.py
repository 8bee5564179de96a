# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A streaming upload to S3 with constant memory. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import ObjectInfo
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.parts import PartsWriter
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_create import S3Creator
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import NewObject

FIRST_PART_BYTES: t.Final = 8 << 20
PARTS_OF_A_SIZE: t.Final = 1000
MOST_PART_BYTES: t.Final = 64 << 20
MOST_PARTS: t.Final = 10_000


def part_bytes(number: int) -> int:
    """The size of part ``number`` (from 1): 8 MiB, and twice as much after each thousand up to 64 MiB. A backup of ordinary
    size is sent in small ones, S3's 10,000 parts hold 492 GiB, many times what etcd does, and the three that are in memory
    never take more than 192 MiB. S3's 5 TiB would take gigabytes."""
    return min(FIRST_PART_BYTES << ((number - 1) // PARTS_OF_A_SIZE), MOST_PART_BYTES)


class S3Writer(PartsWriter):
    """An object of one part is one conditional PUT; a larger one is a multipart upload, two parts of it on their way
    while the next is filled."""

    most_parts = MOST_PARTS

    def __init__(self, creator: S3Creator, new: NewObject) -> None:
        super().__init__(creator.calls, new)
        self._creator = creator
        self._calls = creator.calls
        self._upload = ""

    def _part_bytes(self, number: int) -> int:
        return part_bytes(number)

    def _begin(self) -> None:
        answer = self._calls.call(
            "create_multipart_upload", self._what, Key=self._new.full_key, Metadata=self._new.metadata()
        )
        self._upload = str(answer.get("UploadId") or "")
        if not self._upload:
            raise StowageError("store_error", f"{self._what}: the store began no multipart upload.")

    def _send(self, number: int, body: bytearray) -> str:
        answer = self._calls.call(
            "upload_part",
            self._what,
            give_up=self._parts.cancelled.is_set,
            Key=self._new.full_key,
            UploadId=self._upload,
            PartNumber=number,
            Body=body,
        )
        return str(answer["ETag"])

    def _put(self, new: NewObject, body: bytearray) -> ObjectInfo:
        return self._creator.put(new, body)

    def _complete(self, new: NewObject, parts: t.Sequence[str]) -> ObjectInfo:
        return self._creator.complete(new, self._upload, parts)

    def _abort_once(self) -> None:
        self._calls.once("abort_multipart_upload", self._what, Key=self._new.full_key, UploadId=self._upload)
