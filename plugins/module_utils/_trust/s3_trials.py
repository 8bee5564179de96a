# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Harmless requests that show what a caller may do in an S3 bucket. Private to the collection.

Writing is asked for by a part of an upload that does not exist, deleting by a version that does not exist: nothing can come of
them, also where they are allowed. Keys are random, so that no request is about an object of somebody, but where only one that is
there shows who may read it: nothing of it is sent then.
"""

from __future__ import annotations

import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Seen, never
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import action
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_samples import Find
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation, other_clusters

_ABSENT: t.Final = frozenset({"NoSuchKey", "NoSuchUpload", "NoSuchVersion", "PreconditionFailed", "404", "412"})
_STRANGER: t.Final = "The caller was refused"
_VAGUE: t.Final = "s3:GetObject was refused, or of something that is not there."
_NO_ETAG: t.Final = '"stowage-trust-check"'
"""What no object has: who may read one is told so, and gets nothing of it."""


class S3Caller:
    """Somebody who tries what they may do in a bucket.

    :param calls: with the caller's credentials, or unsigned.
    :param prefix: of all keys, with a slash at its end or empty.
    :param signed: whether the caller is anybody.
    :param find: finds an object that is there, for reading where AWS does not say whether it or something else was refused.
    """

    def __init__(self, calls: S3Calls, prefix: str, *, signed: bool = True, find: Find | None = None) -> None:
        self._calls, self._find = calls, find
        self._nobody = not signed and calls.settings.provider == "aws"
        self._prefix = prefix
        self._is_aws = aws = calls.settings.provider == "aws"
        # Without either, a delete marker would be made. AWS would ask for another permission for a version; MinIO heeds no
        # condition here.
        self._harmless = {"IfMatch": "*"} if aws else {"VersionId": "null"}

    def action(self, operation: Operation) -> str:
        """See :class:`~.set_trials.Tries`."""
        return action(operation)

    def may(self, operation: Operation, path: str) -> Seen:
        """Whether an operation is allowed at a path below the prefix. Nothing comes of it."""
        name, parameters = _request(operation, self._prefix + path.format(random.token_hex(8)))
        if operation == "delete":
            parameters |= self._harmless
        try:
            answer = self._calls.once(name, f"Trying {action(operation)}", **parameters)
        except LocationError as error:
            return self._vague(operation, path, error) or _told(operation, error, nobody=self._nobody)
        if operation == "read":
            answer["Body"].close()
        return Seen(Answer.ALLOWED, f"{action(operation)} was allowed.")

    def _vague(self, operation: Operation, path: str, error: LocationError) -> Seen | None:
        """Whoever may read and not list hears of an object that is not there that access is denied. Within an account AWS says that
        it is the list that was denied; to others it says nothing more."""
        found = error.failure
        named = found.denied or found.code != "permission_denied" or self._nobody or not self._is_aws
        if operation != "read" or named or found.store_code == "403":
            return None
        there = self._find(path) if self._find else ""
        return self._read(there) if there else Seen(Answer.REFUSED, _VAGUE, vague=True)

    def _read(self, key: str) -> Seen:
        """Whether an object that is there may be read."""
        try:
            self._calls.once("get_object", "Trying s3:GetObject", Key=key, IfMatch=_NO_ETAG)["Body"].close()
        except LocationError as error:
            if error.failure.store_code not in _ABSENT:
                return _told("read", error, nobody=False)
        return Seen(Answer.ALLOWED, "s3:GetObject was allowed, of an object that is there.")

    def encrypt(self, path: str, key_arn: str) -> Seen:
        """Whether objects can be encrypted with a key of AWS: an upload is begun with it, and taken back."""
        key = self._prefix + path.format(random.token_hex(8))
        chosen = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_arn}
        try:
            begun = self._calls.once("create_multipart_upload", "Trying the key", Key=key, **chosen)
            self._calls.once("abort_multipart_upload", "Taking it back", Key=key, UploadId=begun["UploadId"])
        except LocationError as error:
            return _told("create", error, nobody=False)
        return Seen(Answer.ALLOWED, "An upload was begun with the key, and taken back.")

    def delete_version(self) -> Seen:
        """Whether versions may be deleted: one that does not exist is."""
        key = f"{self._prefix}stowage-trust-check/{random.token_hex(16)}"
        try:
            self._calls.once("delete_object", "Trying to delete a version", Key=key, VersionId="null")
        except LocationError as error:
            return _told("delete", error, nobody=False)
        return Seen(Answer.ALLOWED, "s3:DeleteObjectVersion was allowed.")

    def known(self) -> Seen:
        """Whether the store knows the caller at all, whatever it may do."""
        seen = self.may("list", "")
        if seen.answer is Answer.REFUSED and not seen.words.startswith(_STRANGER):
            return Seen(Answer.ALLOWED, "The store knows the caller.")
        return seen


def others_of(calls: S3Calls, mine: t.Sequence[str]) -> tuple[str, ...]:
    """Some clusters of the location that are not among ``mine``; none if they are not to be seen.

    :param calls: with the credentials of the bucket's owner.
    """
    start = f"{calls.settings.prefix}clusters/"
    try:
        answer = calls.once("list_objects_v2", "Looking for other clusters", Prefix=start, Delimiter="/")
    except LocationError:
        return ()
    folders = [str(one.get("Prefix")) for one in answer.get("CommonPrefixes") or ()]
    return other_clusters((one.removeprefix(start).removesuffix("/") for one in folders), mine)


def _request(operation: Operation, key: str) -> tuple[str, dict[str, t.Any]]:
    """The request that asks for an operation."""
    upload = {"Key": key, "UploadId": random.token_hex(32)}
    requests: t.Mapping[Operation, tuple[str, dict[str, t.Any]]] = {
        "list": ("list_objects_v2", {"Prefix": key, "MaxKeys": 1}),
        "read": ("get_object", {"Key": key}),
        "create": ("upload_part", {**upload, "PartNumber": 1, "Body": b"x"}),
        "abort": ("abort_multipart_upload", upload),
        "list_parts": ("list_parts", upload),
        "delete": ("delete_object", {"Key": key}),
        "list_uploads": ("list_multipart_uploads", {"Prefix": key, "MaxUploads": 1}),
    }
    return requests[operation]


def _told(operation: Operation, error: LocationError, *, nobody: bool) -> Seen:
    """What a refusal says. Pure.

    :param nobody: who asks is not known to AWS.
    """
    failure = error.failure
    if failure.store_code in _ABSENT or failure.code == "key_not_found":
        return Seen(Answer.ALLOWED, f"{action(operation)} was allowed, of something that does not exist.")
    if failure.code == "permission_denied" and nobody and operation == "read":
        # Whoever may not list hears the same of an object that is not there, whether reading is allowed or not.
        return never("S3 does not tell nobody whether an object is missing or may not be read.")
    if failure.store_code == "403":
        # S3 says why, in words of its own.
        return Seen(Answer.UNDECIDED, "Something refused it without a word, which may not be the store.")
    if failure.code == "permission_denied":
        if failure.denied == "s3:ListBucket" and operation != "list":
            return Seen(Answer.ALLOWED, f"{action(operation)} was allowed, of something that the store hides.")
        words = f"{action(operation)} was refused ({failure.store_code or failure.code})."
        return Seen(Answer.REFUSED, words, own=failure.own_side)
    if failure.code in {"credentials_invalid", "credentials_missing", "credentials_expired"}:
        return Seen(Answer.REFUSED, f"{_STRANGER} ({failure.store_code or failure.code}).")
    return Seen(Answer.UNDECIDED, f"The store answered something else: {failure.message}")
