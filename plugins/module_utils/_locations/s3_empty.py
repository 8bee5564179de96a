# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an S3 bucket is empty. Private to the collection.

MinIO tells, after its restart, of no upload that was begun before, and deletes the bucket with it: nothing that a client can
ask shows these.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import ACTIONS, S3Calls

_LOOKS: t.Final[t.Mapping[str, tuple[str, dict[str, t.Any], str, tuple[str, ...]]]] = {
    # operation -> the bucket's name in its answer, parameters, what is found, where in the answer
    "list_object_versions": (
        "Name",
        {"MaxKeys": 1},
        "objects, old versions of objects, or delete markers",
        ("Versions", "DeleteMarkers"),
    ),
    "list_objects_v2": ("Name", {"MaxKeys": 1}, "objects", ("Contents",)),
    "list_multipart_uploads": ("Bucket", {"MaxUploads": 1}, "unfinished uploads", ("Uploads",)),
}


def check_empty(calls: S3Calls) -> list[str]:
    """Looks at the whole bucket, not at the prefix.

    :returns: the actions that are denied and without which it cannot be told.
    :raises StowageError: ``bucket_not_empty``, and what requests end with.
    """
    bucket, refused = calls.settings.bucket, []
    for operation, (named, parameters, kind, parts) in _LOOKS.items():
        what = f"Looking whether the bucket {bucket} is empty"
        try:
            answer = calls.call(operation, what, **parameters)
        except LocationError as error:
            if error.code != "permission_denied":
                raise
            refused.append(ACTIONS[operation])
            continue
        if answer.get(named) != bucket:
            raise StowageError("store_error", f"{what}: the answer is no listing of the bucket.")
        if any(answer.get(part) for part in parts) or answer.get("IsTruncated"):
            hint = "Only an empty bucket is deleted. Look at the whole of it, not only at the location's prefix."
            raise StowageError("bucket_not_empty", f"The bucket {bucket} holds {kind}.", hint)
    return refused
