# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creating objects in Google Cloud Storage, each once. Private to the collection."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import gcs_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import ObjectInfo
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import GcsCalls, Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_upload import (
    CONTENT_TYPE,
    ResumableUpload,
    create_only,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import (
    WRITER_METADATA,
    NewObject,
    Sight,
    settle,
)


class GcsCreator:
    """Creates objects with the condition that none is there.

    Google knows it. Of another endpoint, a proxy or an emulator, it is learnt with the first object: sent a second time,
    it must be refused. Where the condition is not known, the store is asked before each write, and two writers that meet
    are told apart afterwards, by whose object is there.

    :param permitted: is called before each write; raises when nothing may be written.
    :param learnt: is told whether the store knows the condition.
    """

    def __init__(
        self,
        calls: GcsCalls,
        permitted: t.Callable[[], None] = lambda: None,
        learnt: t.Callable[[bool], None] = lambda _dummy: None,
    ) -> None:
        self.calls = calls
        self.permitted = permitted
        self._learnt = learnt
        self._conditional: bool | None = True if calls.settings.own_endpoint else None

    def put(self, new: NewObject, data: bytes | bytearray) -> ObjectInfo:
        """Creates an object in one request, with its metadata and its checksum."""
        self.permitted()
        request = self._whole(new, data)

        def attempt() -> None:
            gcs_listing.made_of(self.calls.once(request, new.what), new.full_key, new.what)

        info = self._create(new, attempt)
        if self._conditional is None:
            self._learn(request)
        return info

    def begin(self, new: NewObject) -> ResumableUpload:
        """Begins an upload in parts."""
        self.permitted()
        upload = ResumableUpload(self.calls, new)
        upload.begin(self._conditional is not False)
        return upload

    def complete(self, new: NewObject, upload: ResumableUpload, rest: bytearray, md5: bytes) -> ObjectInfo:
        """Makes an object of an upload and the rest of its content."""
        digest = base64.b64encode(md5).decode()
        return self._create(new, lambda: upload.finish(rest, digest))

    def _create(self, new: NewObject, attempt: t.Callable[[], None]) -> ObjectInfo:
        if self._conditional is not True and self._is_taken(new):
            raise StowageError("key_exists", f"{new.what}: there already is such an object.")
        settle(
            new.what,
            attempt=attempt,
            look=lambda: self._whose(new),
            pause=self.calls.wait,
            may_pass=self.calls.may_pass,
            attempts=self.calls.attempts,
        )
        if self._conditional is False and self._whose(new) is Sight.OTHERS:
            message = f"{new.what}: another writer was faster, and the store does not keep writers apart."
            raise StowageError("key_exists", message)
        return ObjectInfo(new.key, new.size, self.calls.now() or datetime.datetime.now(datetime.UTC))

    def _whole(self, new: NewObject, data: bytes | bytearray) -> Request:
        """https://cloud.google.com/storage/docs/uploading-objects: metadata and content, as multipart/related."""
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        metadata = {
            "name": new.full_key,
            "contentType": CONTENT_TYPE,
            "md5Hash": base64.b64encode(digest).decode(),
            "metadata": new.metadata(),
        }
        boundary = random.token_hex(24)
        head = f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(metadata)}\r\n"
        content = f"--{boundary}\r\nContent-Type: {CONTENT_TYPE}\r\n\r\n"
        return Request(
            "POST",
            self.calls.objects_path("/upload/storage/v1"),
            "create",
            query={"uploadType": "multipart", **create_only(self._conditional is not False)},
            headers={"Content-Type": f"multipart/related; boundary={boundary}"},
            body=b"".join([head.encode(), content.encode(), data, f"\r\n--{boundary}--\r\n".encode()]),
            of_bucket=True,
        )

    def _learn(self, request: Request) -> None:
        """To a store that ignores the condition the same content is written again, which does no harm."""
        try:
            self.calls.once(request, "Writing again")
        except LocationError as error:
            if error.code != "key_exists":
                return
            self._conditional = True
        else:
            self._conditional = False
        self._learnt(self._conditional)

    def _is_taken(self, new: NewObject) -> bool:
        """Whether there is an object already. :raises StowageError: it cannot be learnt, so nothing may be written."""
        sight = self._whose(new)
        if sight is Sight.HIDDEN:
            return gcs_listing.find(self.calls, new.full_key) is not None
        return sight is Sight.OTHERS

    def _whose(self, new: NewObject) -> Sight:
        """Whose object is there, by the writer's id; where it may not be read, a listing has the id too."""
        request = Request(
            "GET", self.calls.object_path(new.full_key), "read", query={"fields": "name,size,updated,metadata"}
        )
        try:
            found: gcs_listing.Resource | None = gcs_listing.made_of(
                self.calls.once(request, new.what), new.full_key, new.what
            )
        except LocationError as error:
            if error.failure.status == 404:
                return Sight.ABSENT
            if error.failure.status != 403:
                return Sight.HIDDEN
            try:
                found = gcs_listing.find(self.calls, new.full_key)
            except StowageError:
                return Sight.HIDDEN
        if found is None:
            return Sight.ABSENT
        return Sight.OURS if found.metadata.get(WRITER_METADATA) == new.writer else Sight.OTHERS
