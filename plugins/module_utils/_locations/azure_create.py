# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creating an Azure blob that must not exist yet, and being certain that it was. Private to the collection."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_wire import md5_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import ObjectInfo
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import (
    WRITER_METADATA,
    NewObject,
    Sight,
    settle,
)

# Names of metadata are those of C# variables: no hyphens.
_WRITER: t.Final = WRITER_METADATA.replace("-", "_")


class AzureCreator:
    """Creates blobs with ``If-None-Match: *``, which the service honours for every kind of write."""

    def __init__(self, calls: AzureCalls) -> None:
        self.calls = calls

    def put(self, new: NewObject, data: bytes | bytearray) -> ObjectInfo:
        """Creates a blob by one Put Blob."""
        content = bytes(data)
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "Content-MD5": md5_of(content),
            "Content-Type": "application/octet-stream",
        }
        return self._create(new, {}, headers, content)

    def commit(self, new: NewObject, blocks: t.Sequence[str]) -> ObjectInfo:
        """Makes a blob of blocks by Put Block List."""
        entries = "".join(f"<Uncommitted>{block}</Uncommitted>" for block in blocks)
        content = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{entries}</BlockList>'.encode()
        headers = {
            "Content-MD5": md5_of(content),
            "Content-Type": "text/plain; charset=UTF-8",
            "x-ms-blob-content-type": "application/octet-stream",
        }
        return self._create(new, {"comp": "blocklist"}, headers, content)

    def _create(
        self, new: NewObject, parameters: t.Mapping[str, str], headers: dict[str, str], content: bytes
    ) -> ObjectInfo:
        headers |= {"If-None-Match": "*", f"x-ms-meta-{_WRITER}": new.writer}
        settle(
            new.what,
            attempt=lambda: self._send(new, parameters, headers, content),
            look=lambda: self._whose(new),
            pause=self.calls.wait,
            may_pass=self.calls.may_pass,
            attempts=self.calls.attempts,
        )
        return ObjectInfo(new.key, new.size, self.calls.now() or datetime.datetime.now(datetime.UTC))

    def _send(
        self, new: NewObject, parameters: t.Mapping[str, str], headers: t.Mapping[str, str], content: bytes
    ) -> None:
        answer = self.calls.once("PUT", new.what, new.full_key, parameters=parameters, headers=headers, content=content)
        if answer.status != 201 or not answer.headers.get("etag"):
            # What else says that all is well is a proxy, or a login page.
            message = f"{new.what}: the answer is none of the Blob service."
            raise LocationError(Failure("store_error", message, "", transient=True, doubt="unknown"))

    def _whose(self, new: NewObject) -> Sight:
        """Whose blob is there, by the writer's id; where the blob may not be read, by its metadata in a listing."""
        try:
            answer = self.calls.once("HEAD", new.what, new.full_key)
            if not answer.headers.get("etag"):
                return Sight.HIDDEN
            return self._told(new, answer.headers.get(f"x-ms-meta-{_WRITER}", ""))
        except LocationError as error:
            if error.failure.code == "key_not_found":
                return Sight.ABSENT
            if error.failure.status not in {400, 401, 403}:
                return Sight.HIDDEN
        except StowageError:
            return Sight.HIDDEN
        try:
            found = azure_listing.find(self.calls, new.full_key, include="metadata")
        except StowageError:
            return Sight.HIDDEN
        return Sight.ABSENT if found is None else self._told(new, found.metadata.get(_WRITER, ""))

    @staticmethod
    def _told(new: NewObject, writer: str) -> Sight:
        return Sight.OURS if writer == new.writer else Sight.OTHERS
