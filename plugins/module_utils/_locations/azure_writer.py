# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A streaming upload to Azure with constant memory. Private to the collection."""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_create import AzureCreator
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_wire import md5_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import ObjectInfo
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.parts import PartsWriter
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import NewObject

FIRST_BLOCK_BYTES: t.Final = 8 << 20
BLOCKS_OF_A_SIZE: t.Final = 5000
MOST_BLOCK_BYTES: t.Final = 64 << 20
MOST_BLOCKS: t.Final = 50_000
_BEFORE_AZURE: t.Final = "Sat, 01 Jan 2000 00:00:00 GMT"


def block_bytes(number: int) -> int:
    """The size of block ``number`` (from 1): 8 MiB, and twice as much after each 5,000 up to 64 MiB: Azure's 50,000
    blocks hold 2.4 TiB then, and the three that are in memory never take more than 192 MiB. Azure takes blocks of 4,000 MiB."""
    return min(FIRST_BLOCK_BYTES << ((number - 1) // BLOCKS_OF_A_SIZE), MOST_BLOCK_BYTES)


def block_id(writer: str, number: int) -> str:
    """The id of a block. All ids of a blob have one length, and a blob's uncommitted blocks are those of all who write it:
    the writer's own id keeps them apart."""
    return base64.b64encode(f"{writer}-{number:05}".encode()).decode()


def drop_blocks(calls: AzureCalls, full_key: str, what: str) -> None:
    """Removes a blob that has only blocks which nobody committed. One that was committed is left alone, whoever wrote it.

    The service has no request to remove blocks, but Delete Blob on such a blob takes them away, as azcopy does after a
    failed upload; what stays is removed by the service a week after the last block.

    :raises LocationError: what the store said; a blob that is gone is no failure.
    """
    if _committed(calls, full_key, what):
        return
    try:
        # The condition is for a commit between the look and this. If-None-Match would say it better, and is heeded by requests
        # that create only.
        calls.once("DELETE", what, full_key, headers={"If-Unmodified-Since": _BEFORE_AZURE})
    except LocationError as error:
        if error.failure.code not in {"key_not_found", "key_exists"}:
            raise


def _committed(calls: AzureCalls, full_key: str, what: str) -> bool:
    """Whether a blob was committed; by a listing, where it may not be read."""
    try:
        calls.once("HEAD", what, full_key)
    except LocationError as error:
        if error.failure.code == "permission_denied":
            return azure_listing.find(calls, full_key) is not None
        if error.failure.code != "key_not_found":
            raise
        return False
    return True


class AzureWriter(PartsWriter):
    """An object of one block is one conditional Put Blob; a larger one is staged in blocks, two of them on their way while the
    next is filled, and committed by one conditional Put Block List."""

    most_parts = MOST_BLOCKS

    def __init__(self, creator: AzureCreator, new: NewObject) -> None:
        super().__init__(creator.calls, new)
        self._creator = creator
        self._calls = creator.calls

    def _part_bytes(self, number: int) -> int:
        return block_bytes(number)

    def _begin(self) -> None:
        """A block of one byte that is never committed, and so goes with the commit: from here on ``uploads`` finds the
        upload, and who may not write learns it before the first large block."""
        self._stage(0, b"\0")

    def _send(self, number: int, body: bytearray) -> str:
        content = bytes(body)
        body.clear()
        return self._stage(number, content)

    def _stage(self, number: int, content: bytes) -> str:
        block = block_id(self._new.writer, number)
        self._calls.call(
            "PUT",
            self._what,
            self._new.full_key,
            give_up=self._parts.cancelled.is_set,
            parameters={"comp": "block", "blockid": block},
            headers={"Content-MD5": md5_of(content), "Content-Type": "application/octet-stream"},
            content=content,
        )
        return block

    def _put(self, new: NewObject, body: bytearray) -> ObjectInfo:
        return self._creator.put(new, body)

    def _complete(self, new: NewObject, parts: t.Sequence[str]) -> ObjectInfo:
        return self._creator.commit(new, parts)

    def _abort_once(self) -> None:
        drop_blocks(self._calls, self._new.full_key, self._what)
