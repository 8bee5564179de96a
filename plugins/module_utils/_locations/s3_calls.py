# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to an S3 store, errors made ours. Private to the collection."""

from __future__ import annotations

import dataclasses
import re
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries import Retries
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify

# What to allow when a request is denied.
ACTIONS: t.Final[t.Mapping[str, str]] = {
    "head_object": "s3:GetObject",
    "get_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "list_parts": "s3:ListMultipartUploadParts",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "list_objects_v2": "s3:ListBucket",
    "delete_object": "s3:DeleteObject",
    "delete_objects": "s3:DeleteObject",
    "list_object_versions": "s3:ListBucketVersions",
    "list_buckets": "s3:ListAllMyBuckets",
    "create_bucket": "s3:CreateBucket",
    "delete_bucket": "s3:DeleteBucket",
    "get_bucket_versioning": "s3:GetBucketVersioning",
    "put_bucket_versioning": "s3:PutBucketVersioning",
    "get_bucket_encryption": "s3:GetEncryptionConfiguration",
    "put_bucket_encryption": "s3:PutEncryptionConfiguration",
    "get_object_lock_configuration": "s3:GetBucketObjectLockConfiguration",
    "put_object_lock_configuration": "s3:PutBucketObjectLockConfiguration",
    "get_public_access_block": "s3:GetBucketPublicAccessBlock",
    "put_public_access_block": "s3:PutBucketPublicAccessBlock",
    "get_bucket_acl": "s3:GetBucketAcl",
    "get_bucket_replication": "s3:GetReplicationConfiguration",
    "get_bucket_policy": "s3:GetBucketPolicy",
    "put_bucket_policy": "s3:PutBucketPolicy",
    "delete_bucket_policy": "s3:DeleteBucketPolicy",
    "get_bucket_lifecycle_configuration": "s3:GetLifecycleConfiguration",
    "put_bucket_lifecycle_configuration": "s3:PutLifecycleConfiguration",
    "delete_bucket_lifecycle": "s3:PutLifecycleConfiguration",
    "get_bucket_ownership_controls": "s3:GetBucketOwnershipControls",
    "put_bucket_ownership_controls": "s3:PutBucketOwnershipControls",
}
_AMAZON: t.Final = "amazons3"
_OF_OBJECTS: t.Final = frozenset(
    {
        "head_object",
        "get_object",
        "put_object",
        "create_multipart_upload",
        "upload_part",
        "complete_multipart_upload",
        "abort_multipart_upload",
        "list_parts",
        "delete_object",
        "delete_objects",
    }
)
# Whose credentials have what is denied, of the permission sets of trust; and the providers that it is set up with.
_WHOSE: t.Final[t.Mapping[str, str]] = {
    "s3:PutObject": "writer",
    "s3:AbortMultipartUpload": "writer",
    "s3:ListMultipartUploadParts": "writer",
    "s3:GetObject": "reader",
    "s3:DeleteObject": "pruner",
}
_TRUSTED: t.Final = frozenset({"aws", "minio"})
# Not of a name that policies read as wildcards, nor the one that stands for no cluster when a location is looked at.
_FOLDER: t.Final = re.compile(r"clusters/(?!stowage-probe/)[A-Za-z0-9._-]{1,253}/")


def keys_of(parameters: t.Mapping[str, t.Any]) -> list[str]:
    """The keys that a request is about."""
    several = (parameters.get("Delete") or {}).get("Objects") or []
    return [str(one["Key"]) for one in [parameters, *several] if one.get("Key")]


def folder_of(keys: t.Iterable[str], prefix: str) -> str:
    """The cluster's folder below a prefix that all keys are in, so that nobody is told to open all clusters for one; empty if there is none."""
    found = {_FOLDER.match(key.removeprefix(prefix)) if key.startswith(prefix) else None for key in keys}
    folders = {one[0] if one else "" for one in found}
    return folders.pop() if len(folders) == 1 else ""


class S3Calls(Retries):
    """One bucket of a store, request by request. Safe for several threads."""

    def __init__(self, client: t.Any, settings: S3Settings, stopped: threading.Event) -> None:
        super().__init__(stopped)
        self._client = client
        self.settings = settings
        self._owner = {"ExpectedBucketOwner": settings.bucket_owner} if settings.bucket_owner else {}
        self._owner_lock = threading.Lock()
        self._owner_is_wrong: bool | None = None
        self.server = ""
        """What the store calls itself, in lower case; empty before its first answer."""

    @property
    def aws(self) -> bool:
        """Whether the store is Amazon S3: AWS's own endpoint, or another of which the location says so and that calls itself
        what S3 does. The location's word alone is not enough: to take another store for S3 can cost backups."""
        return self.settings.own_endpoint or (self.settings.provider == "aws" and self.server == _AMAZON)

    @property
    def address(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.settings.bucket}/{self.settings.prefix}".rstrip("/")

    def once(self, operation: str, what: str, **parameters: t.Any) -> dict[str, t.Any]:
        """Sends one request, in snake case as botocore names it, and returns its answer. :raises LocationError: if it failed."""
        # A bucket that is being made has no owner yet.
        owner = {} if operation == "create_bucket" else self._owner
        bucket = {} if operation == "list_buckets" else {"Bucket": self.settings.bucket, **owner}
        try:
            answer: dict[str, t.Any] = getattr(self._client, operation)(**{**bucket, **parameters})
        except StowageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever botocore raises becomes an error of ours
            response = getattr(error, "response", None)
            if response is not None:
                self.note_answer(_headers(response))
            raise LocationError(
                self._explained(classify(error, what, region=self.settings.region), operation, keys_of(parameters))
            ) from None
        self.note_answer(_headers(answer))
        return answer

    def note_answer(self, headers: t.Mapping[str, str]) -> None:
        super().note_answer(headers)
        self.server = str(headers.get("server") or "")[:100].lower() or self.server

    def call(
        self, operation: str, what: str, *, give_up: t.Callable[[], bool] | None = None, **parameters: t.Any
    ) -> t.Any:
        """Like :meth:`once`, but what may pass is tried again, with growing waits. For requests that may be carried out
        twice."""
        return self.retried(lambda: self.once(operation, what, **parameters), give_up)

    def _explained(self, failure: Failure, operation: str, keys: t.Sequence[str]) -> Failure:
        """What to allow, where access is denied."""
        if failure.code != "permission_denied" or failure.hint:
            return failure
        if self._owner and self._is_of_another_owner():
            message = f"{failure.message} The bucket is not of the account {self.settings.bucket_owner}."
            hint = "Check the bucket's name, and the location's bucket_owner."
            return dataclasses.replace(failure, code="bucket_wrong_owner", message=message, hint=hint)
        action = ACTIONS.get(operation, operation)
        resource = f"arn:{self.settings.partition}:s3:::{self.settings.bucket}"
        folder = folder_of(keys, self.settings.prefix)
        resource += f"/{self.settings.prefix}{folder}*" if operation in _OF_OBJECTS else ""
        hint = f"Allow {action} on {resource} (and look for an explicit deny)"
        restored = all(key.startswith(f"{self.settings.prefix}{folder}restores/") for key in keys)
        whose = "reader with writes_restores" if restored and action == "s3:PutObject" else _WHOSE.get(action)
        # Outside of clusters' folders it depends on who does what in a run.
        known = folder and whose and self.settings.provider in _TRUSTED
        hint += (
            f", or use the credentials of a {whose}: the role stowage.kubernetes.trust makes them." if known else "."
        )
        return dataclasses.replace(failure, hint=hint)

    def _is_of_another_owner(self) -> bool:
        """Whether the denials are because of ``bucket_owner``: S3 gives the same answer as for a missing permission. A listing
        that is denied with it and not without it tells. Learnt once."""
        with self._owner_lock:
            if self._owner_is_wrong is None:
                self._owner_is_wrong = self._listing_status(**self._owner) == 403 and self._listing_status() == 200
            return self._owner_is_wrong

    def _listing_status(self, **owner: str) -> int:
        """The status of the answer to a listing below the prefix; 0 for none, or for one that is no listing."""
        bucket = self.settings.bucket
        try:
            found = self._client.list_objects_v2(Bucket=bucket, Prefix=self.settings.prefix, MaxKeys=1, **owner)
        except Exception as error:  # noqa: BLE001 - whatever it is, it says nothing about the owner
            answer = getattr(error, "response", None) or {}
            return int((answer.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)
        return 200 if found.get("Name") == bucket else 0


def _headers(answer: t.Any) -> t.Mapping[str, str]:
    return ((answer or {}).get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
