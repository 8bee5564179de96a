# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creating an S3 object that must not exist yet, and being certain that it was. Private to the collection."""

from __future__ import annotations

import datetime
import hashlib
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import ObjectInfo
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import (
    WRITER_METADATA,
    NewObject,
    Sight,
    settle,
)


def whole_etag(part_etags: t.Sequence[str]) -> str:
    """The ETag that S3 gives an object of these parts, unless it encrypts with KMS: the MD5 of their MD5s."""
    try:
        digests = b"".join(bytes.fromhex(etag.strip('"')) for etag in part_etags)
    except ValueError:
        return ""
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(part_etags)}"


class S3Creator:
    """Creates objects, with ``If-None-Match: *`` where the store knows it.

    AWS does. Of another store it is learnt with the first object: sent a second time, it must be refused. Other stores are
    also asked first, since one may know the condition for one operation and ignore it for another. Where it is not known,
    two writers that meet are told apart afterwards, by whose object is there.

    :param exists: whether there is an object of a key.
    :param learnt: is told whether the store knows the condition.
    """

    def __init__(
        self, calls: S3Calls, exists: t.Callable[[str], bool], learnt: t.Callable[[bool], None] = lambda _dummy: None
    ) -> None:
        self.calls = calls
        self._exists = exists
        self._learnt = learnt
        self._asks_first = not calls.settings.own_endpoint
        self._conditional: bool | None = None if self._asks_first else True

    def put(self, new: NewObject, data: bytes | bytearray) -> ObjectInfo:
        """Creates an object by one PUT."""
        parameters = {"Key": new.full_key, "Body": data, "Metadata": new.metadata()}
        info = self._create("put_object", new, parameters, lambda: hashlib.md5(data, usedforsecurity=False).hexdigest())
        if self._conditional is None:
            self._learn(parameters)
        return info

    def complete(self, new: NewObject, upload: str, etags: t.Sequence[str]) -> ObjectInfo:
        """Makes an object of the parts of an upload."""
        parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(etags, 1)]
        parameters = {"Key": new.full_key, "UploadId": upload, "MultipartUpload": {"Parts": parts}}
        return self._create("complete_multipart_upload", new, parameters, lambda: whole_etag(etags))

    def _create(
        self, operation: str, new: NewObject, parameters: dict[str, t.Any], etag: t.Callable[[], str]
    ) -> ObjectInfo:
        if self._asks_first and self._exists(new.key):
            raise StowageError("key_exists", f"{new.what}: there already is such an object.")
        settle(
            new.what,
            attempt=lambda: self._send(operation, new.what, parameters),
            look=lambda: self._whose(new, etag),
            pause=self.calls.wait,
            may_pass=self.calls.may_pass,
            attempts=self.calls.attempts,
        )
        if self._conditional is False and self._whose(new, etag) is Sight.OTHERS:
            message = f"{new.what}: another writer was faster, and the store does not keep writers apart."
            raise StowageError("key_exists", message)
        return ObjectInfo(new.key, new.size, self.calls.now() or datetime.datetime.now(datetime.UTC))

    def _send(self, operation: str, what: str, parameters: dict[str, t.Any]) -> None:
        """A store that says that it does not know the condition is taken at its word."""
        try:
            answer = self.calls.once(operation, what, **parameters, **self._condition())
        except LocationError as error:
            if not self._asks_first or self._conditional is False or error.code != "unsupported_by_store":
                raise
            self._set_conditional(False)
            answer = self.calls.once(operation, what, **parameters)
        if not (answer.get("ETag") or answer.get("Location")):
            # So looks an answer whose body was lost on the way.
            message = f"{what}: the store's answer is empty."
            raise LocationError(Failure("store_error", message, "", transient=True, doubt="unknown"))

    def _condition(self) -> dict[str, str]:
        return {} if self._conditional is False else {"IfNoneMatch": "*"}

    def _learn(self, parameters: dict[str, t.Any]) -> None:
        """To a store that ignores the condition the same content is written again, which does no harm."""
        try:
            self.calls.once("put_object", "Writing again", IfNoneMatch="*", **parameters)
        except LocationError as error:
            if error.code in {"key_exists", "unsupported_by_store"}:
                self._set_conditional(error.code == "key_exists")
        else:
            self._set_conditional(False)

    def _set_conditional(self, known: bool) -> None:
        self._conditional = known
        self._learnt(known)

    def _whose(self, new: NewObject, etag: t.Callable[[], str]) -> Sight:
        """Whose object is there, by the writer's id; where that may not be read, by size and ETag in a listing."""
        try:
            answer = self.calls.once("head_object", new.what, Key=new.full_key)
        except LocationError as error:
            if error.failure.status == 404:
                return Sight.ABSENT
            if error.failure.status not in {400, 403}:
                return Sight.HIDDEN
        except StowageError:
            return Sight.HIDDEN
        else:
            return Sight.OURS if (answer.get("Metadata") or {}).get(WRITER_METADATA) == new.writer else Sight.OTHERS
        return self._whose_by_listing(new, etag)

    def _whose_by_listing(self, new: NewObject, etag: t.Callable[[], str]) -> Sight:
        try:
            found = s3_listing.find(self.calls, new.full_key)
        except StowageError:
            return Sight.HIDDEN
        if found is None:
            return Sight.ABSENT
        if int(found["Size"]) != new.size:
            return Sight.OTHERS
        expected = etag()
        return Sight.OURS if expected and str(found.get("ETag") or "").strip('"') == expected else Sight.HIDDEN
