# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Permission sets as statements of IAM policies, which AWS and MinIO both read. Private to the collection. Pure.

Sources: AWS's service authorization reference ("Actions, resources, and condition keys for Amazon S3"); MinIO's
``docs/iam/policies`` uses the same names.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Grant, Operation

SID: t.Final = "Stowage"
"""What the Sid of each statement of ours begins with."""

_ACTIONS: t.Final[t.Mapping[Operation, str]] = {
    "create": "s3:PutObject",
    "read": "s3:GetObject",
    "delete": "s3:DeleteObject",
    "abort": "s3:AbortMultipartUpload",
    "list_parts": "s3:ListMultipartUploadParts",
    "list": "s3:ListBucket",
    "list_uploads": "s3:ListBucketMultipartUploads",
}
_OUR_SID: t.Final = re.compile(rf"{SID}(Bucket|(Abort|Delete|Get|List|Put)+)")
_OF_BUCKET: t.Final = frozenset({"list", "list_uploads"})

Statement = dict[str, t.Any]


def action(operation: Operation) -> str:
    """The action that an operation is, as policies name it."""
    return _ACTIONS[operation]


def statements(grants: t.Iterable[Grant], bucket: str, prefix: str, *, partition: str = "aws") -> list[Statement]:
    """One statement for each set of operations, with all paths that have it.

    :param prefix: the location's, without slashes around it.
    """
    objects: dict[frozenset[str], list[str]] = {}
    listed: list[str] = []
    of_bucket: set[str] = set()
    for grant in grants:
        path = f"{prefix}/{grant.path}" if prefix else grant.path
        actions = frozenset(_ACTIONS[one] for one in grant.operations - _OF_BUCKET)
        if actions:
            objects.setdefault(actions, []).append(path)
        if "list" in grant.operations:
            listed.append(path)
        if "list_uploads" in grant.operations:
            of_bucket.add(_ACTIONS["list_uploads"])
    arn = f"arn:{partition}:s3:::{bucket}"
    # MinIO's and other clients ask where a bucket is before anything else; it tells nothing more.
    found = [_statement("Bucket", {*of_bucket, "s3:GetBucketLocation"}, [arn])]
    if listed:
        condition = {"StringLike": {"s3:prefix": sorted(listed)}}
        found.append({**_statement("List", {_ACTIONS["list"]}, [arn]), "Condition": condition})
    for actions, paths in sorted(objects.items(), key=lambda item: sorted(item[0])):
        found.append(_statement("".join(sorted(map(_short, actions))), actions, [f"{arn}/{path}" for path in paths]))
    return found


def policy(found: t.Iterable[Statement]) -> dict[str, t.Any]:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(found)}


def is_ours(document: t.Any, bucket: str) -> bool:
    """Whether all statements of a policy are such as :func:`statements` makes for the bucket, by their Sids and resources."""
    found = document.get("Statement") if isinstance(document, dict) else None
    found = found if isinstance(found, list) else [found]
    return bool(found) and all(isinstance(one, dict) and _is_ours(one, bucket) for one in found)


def _is_ours(statement: t.Mapping[str, t.Any], bucket: str) -> bool:
    resources = statement.get("Resource")
    named = [str(one).partition(":s3:::")[2] for one in (resources if isinstance(resources, list) else [resources])]
    return bool(_OUR_SID.fullmatch(str(statement.get("Sid", "")))) and all(
        one == bucket or one.startswith(f"{bucket}/") for one in named
    )


def _statement(name: str, actions: t.Iterable[str], resources: t.Iterable[str]) -> Statement:
    return {
        "Sid": f"{SID}{name}",
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": sorted(resources),
    }


def _short(name: str) -> str:
    return (
        name.removeprefix("s3:")
        .removesuffix("Object")
        .removesuffix("MultipartUpload")
        .removesuffix("MultipartUploadParts")
    )
