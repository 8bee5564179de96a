# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which permissions an identity has in an S3 bucket, learnt without leaving anything there. Private to the collection.

Each permission is asked for by a request that cannot do anything: it is about an upload, an object or a version that does
not exist. Stores look at permissions first; so whoever hears that there is no such thing may do it.
"""

from __future__ import annotations

import dataclasses
import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    check,
    failed,
    of_error,
    passed,
    unknown,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import UPLOAD_NAME, Access, Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls, folder_of, keys_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import Versioning

_ABSENT: t.Final = frozenset({"NoSuchUpload", "NoSuchKey", "NoSuchVersion", "PreconditionFailed", "404", "412"})


@dataclasses.dataclass(frozen=True)
class Right:
    """A permission, and the request that asks for it.

    :param access: what it is needed for.
    :param needed: whether backups cannot do without.
    """

    id: str
    action: str
    access: Access
    operation: str
    parameters: t.Mapping[str, t.Any]
    of_bucket: bool = False
    needed: bool = True


def rights(aim: Aim, prefix: str, *, aws: bool, versioning: Reading[Versioning]) -> list[Right]:
    """The permissions that a location needs. Pure but for random names.

    :param prefix: the location's, with a slash at its end or empty.
    :param aws: whether the store is Amazon S3.
    :param versioning: decides how the right to delete is asked for.
    """
    key = prefix + aim.upload_key
    nothing = {"Key": f"{prefix}{aim.folder}{UPLOAD_NAME}-{random.token_hex(16)}"}
    upload = {"Key": key, "UploadId": no_upload()}
    deletion = nothing | _harmless(aws, versioning)
    part = {"PartNumber": 1, "Body": b"x"}
    listed = {"Prefix": prefix + aim.listed, "MaxKeys": 1}
    every = [
        Right("may_list", "s3:ListBucket", "list", "list_objects_v2", listed, of_bucket=True),
        Right("may_create", "s3:PutObject", "write", "upload_part", upload | part),
        Right("may_read", "s3:GetObject", "read", "get_object", nothing),
        Right("may_delete", "s3:DeleteObject", "delete", "delete_object", deletion),
        Right("may_abort_uploads", "s3:AbortMultipartUpload", "write", "abort_multipart_upload", upload),
        Right(
            "may_list_parts",
            "s3:ListMultipartUploadParts",
            "write",
            "list_parts",
            upload,
            needed=aim.engine == "velero",
        ),
        Right(
            "may_list_uploads",
            "s3:ListBucketMultipartUploads",
            "delete",
            "list_multipart_uploads",
            {"Prefix": key, "MaxUploads": 1},
            of_bucket=True,
        ),
    ]
    return [right for right in every if right.access in aim.access]


def no_upload() -> str:
    """The id of an upload that does not exist, in the form that most stores give theirs."""
    return random.token_hex(32)


def _harmless(aws: bool, versioning: Reading[Versioning]) -> dict[str, str]:
    """What keeps a deletion of an object that does not exist from leaving a delete marker.

    With ``If-Match: *`` AWS deletes only what exists, answers 404 otherwise, and wants no other permission (user guide,
    "How to perform conditional deletes"); a version id would ask for s3:DeleteObjectVersion. MinIO and SeaweedFS do not
    know the condition; there a version that does not exist is deleted, for which they want s3:DeleteObject.
    """
    if aws:
        return {"IfMatch": "*"}
    return {} if versioning.state == "unset" else {"VersionId": "null"}


def resource(right: Right, bucket: str, prefix: str, partition: str) -> str:
    """What a permission is for, as policies name it. Pure."""
    return f"arn:{partition}:s3:::{bucket}" + (
        "" if right.of_bucket else f"/{prefix}{folder_of(keys_of(right.parameters), prefix)}*"
    )


def ask(calls: S3Calls, right: Right, prefix: str, *, hidden: bool, undoes: S3Calls | None = None) -> Check:
    """Asks for a permission. Nothing raises for what the store answers.

    :param hidden: the bucket may not be listed, and so the store hides that an object is missing.
    :param undoes: takes back what should not have been made, if ``calls`` might not.
    """
    settings = calls.settings
    named = {"action": right.action, "resource": resource(right, settings.bucket, prefix, settings.partition)}
    try:
        answer = calls.once(right.operation, f"Trying {right.action} in {calls.address}", **right.parameters)
    except LocationError as error:
        return judge(right, error, named, hidden=hidden)
    if right.operation == "get_object":
        answer["Body"].close()
    _undo(undoes or calls, right, answer)
    return passed(right.id, "Allowed.", granted="allowed", **named)


def _undo(calls: S3Calls, right: Right, answer: t.Mapping[str, t.Any]) -> None:
    """Takes back a delete marker, should a store have made one against what it documents."""
    if right.operation == "delete_object" and answer.get("DeleteMarker") and answer.get("VersionId"):
        key, version = right.parameters["Key"], str(answer["VersionId"])
        if version != "null":
            calls.call("delete_object", f"Removing a delete marker in {calls.address}", Key=key, VersionId=version)


def judge(right: Right, error: LocationError, named: dict[str, str], *, hidden: bool) -> Check:
    """What a refusal says about a permission. Pure."""
    failure = error.failure
    if failure.store_code in _ABSENT or failure.code == "key_not_found":
        return passed(right.id, "Allowed.", granted="allowed", **named)
    if failure.code != "permission_denied":
        return of_error(right.id, error, Verdict.UNKNOWN, **named)
    if failure.denied == "s3:ListBucket" and right.action != "s3:ListBucket":
        # It went as far as hiding that there is no such object.
        return passed(right.id, "Allowed.", granted="allowed", **named)
    if right.operation == "get_object" and hidden and failure.denied != right.action:
        seen = "It cannot be told apart from the missing s3:ListBucket."
        return unknown(right.id, seen, fix="Allow s3:ListBucket first.", **named)
    return _missing(right, failure, named)


def _missing(right: Right, failure: Failure, named: dict[str, str]) -> Check:
    if failure.denied.startswith("kms:"):
        return key_check(failure)
    verdict = Verdict.FAILED if right.needed else Verdict.WARNING
    seen = f"{right.action} is denied."
    fix = f"Allow {right.action} on {named['resource']} (and look for an explicit deny)."
    return check(right.id, verdict, seen, fix=fix, error_code=failure.code, granted="missing", **named)


def key_check(failure: Failure) -> Check:
    """The check of the permission for an encryption key that was denied."""
    action = failure.denied if failure.denied.startswith("kms:") else "kms:GenerateDataKey"
    return failed(
        "may_use_key",
        f"{action} is denied.",
        failure.code,
        action=action,
        resource="the bucket's encryption key",
        granted="missing",
        fix=f"Allow {action} on the key that the bucket encrypts with, here and in the key's own policy if it is of another "
        "account. Writing needs kms:GenerateDataKey, multipart uploads and reading kms:Decrypt.",
    )
