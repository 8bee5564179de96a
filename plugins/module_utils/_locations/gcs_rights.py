# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which permissions an identity has in a bucket of Google Cloud Storage, learnt without leaving anything there. Private to
the collection.

The store is asked for all of them at once (testIamPermissions), and each is tried by a request that cannot do anything: about
an object that does not exist, or an upload that is cancelled. The request decides: what is granted for a prefix only is not
granted on the bucket, what a deny policy takes away may be, and emulators say yes to everything. Where the request cannot
tell, since an object's absence is hidden from who may not list, the store's word counts. It is hidden as well from who may list
below a prefix only, for whoever asks for an object names no prefix, and such a one's other permissions are seldom granted on the
bucket: reading is tried with an object that is there then.
"""

from __future__ import annotations

import dataclasses
import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    check,
    of_error,
    passed,
    unknown,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import GRANTS, GcsCalls, Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import UPLOAD_NAME, Access, Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict

Held = Reading[frozenset[str]]
"""What testIamPermissions says."""


@dataclasses.dataclass(frozen=True)
class Right:
    """A permission.

    :param access: what it is needed for.
    :param tried: the method of a request about an object that does not exist, by which it is tried.
    :param needed: whether backups cannot do without.
    :param role: a predefined role that has it: https://cloud.google.com/storage/docs/access-control/iam-roles
    """

    id: str
    permission: str
    access: Access
    tried: t.Literal["", "GET", "DELETE"] = ""
    of_bucket: bool = False
    needed: bool = True
    role: str = "roles/storage.objectUser"


_EVERY: t.Final = (
    Right("may_list", GRANTS["list"], "list", of_bucket=True),
    Right("may_create", GRANTS["create"], "write"),
    Right("may_read", GRANTS["read"], "read", "GET"),
    Right("may_delete", GRANTS["delete"], "delete", "DELETE"),
    Right(
        "may_read_settings",
        GRANTS["look"],
        "list",
        of_bucket=True,
        needed=False,
        role="roles/storage.legacyBucketReader",
    ),
)
# The permissions of multipart uploads (storage.multipartUploads) are for the XML API, which nothing here uses.


def rights(aim: Aim) -> list[Right]:
    """The permissions that a location needs. Pure.

    Velero replaces its files when it finishes a backup, for which Google wants storage.objects.delete, too:
    https://cloud.google.com/storage/docs/access-control/iam-permissions.
    """
    access = set(aim.access)
    if aim.engine == "velero" and "write" in access:
        access.add("delete")
    return [right for right in _EVERY if right.access in access]


def resource(right: Right, bucket: str, prefix: str) -> str:
    """What a permission is for, as conditions of IAM policies name it. Pure."""
    return f"projects/_/buckets/{bucket}" + ("" if right.of_bucket else f"/objects/{prefix}*")


def narrowed(listed: LocationError | None, held: Held) -> bool:
    """Whether the bucket may be listed below a prefix only. Pure.

    :param listed: how a listing below the prefix failed, ``None`` if it did not.
    """
    return listed is None and held.value is not None and GRANTS["list"] not in held.value


def ask(calls: GcsCalls, right: Right, folder: str, sample: str = "") -> LocationError | None:
    """Tries a permission; nothing raises for what the store answers.

    :param folder: where the object that does not exist would be.
    :param sample: an object that is there, to be read instead.
    """
    path = calls.object_path(sample or f"{folder}{UPLOAD_NAME}-{random.token_hex(16)}")
    method: t.Literal["GET", "DELETE"] = "DELETE" if right.tried == "DELETE" else "GET"
    query = {"fields": "name"} if method == "GET" else {}
    request = Request(method, path, "delete" if method == "DELETE" else "read", query=query)
    try:
        calls.once(request, f"Trying {right.permission} in {calls.address}")
    except LocationError as error:
        return error
    return None


def judge(
    right: Right, error: LocationError | None, held: Held, where: str, *, hidden: bool, below_only: bool = False
) -> Check:
    """What came of a request that tries a permission. Pure.

    :param error: how it failed, ``None`` if it did not.
    :param where: what the permission is for.
    :param hidden: the bucket may not be listed, and so the store may hide that an object is missing.
    :param below_only: the same, because it may be listed below a prefix only.
    """
    named = {"action": right.permission, "resource": where}
    if error is None or error.code == "key_not_found":
        return passed(right.id, "Allowed.", granted="allowed", **named)
    denied = error.failure.denied
    if error.code != "permission_denied" or not denied:
        return of_error(right.id, error, Verdict.UNKNOWN if right.needed else Verdict.WARNING, **named)
    if denied.startswith("serviceusage."):
        # Of the project that is to pay for the request.
        return of_error(right.id, error, granted="missing", action=denied, resource="the quota project")
    if right.tried and below_only and right.permission not in (held.value or ()):
        seen = "It cannot be told: Google hides from who may list below a prefix only that an object is missing."
        return unknown(right.id, seen, fix="Back up once, and look again.", **named)
    if right.tried and (hidden or below_only):
        return _by_word(right, held, named)
    return _missing(right, held, named)


def _by_word(right: Right, held: Held, named: dict[str, str]) -> Check:
    if held.value is None:
        seen = f"It cannot be told apart from the missing {GRANTS['list']}."
        return unknown(right.id, seen, fix=f"Allow {GRANTS['list']} first.", **named)
    if right.permission in held.value:
        return passed(right.id, "Allowed, as the store says when it is asked.", granted="allowed", **named)
    return _missing(right, held, named)


def _missing(right: Right, held: Held, named: dict[str, str]) -> Check:
    verdict = Verdict.FAILED if right.needed else Verdict.WARNING
    seen = f"{right.permission} is denied."
    look = "look for deny policies and conditions"
    if right.permission in (held.value or ()):
        seen = f"{right.permission} is granted on the bucket, and denied all the same."
    fix = f"Grant a role with {right.permission} on {named['resource']}, such as {right.role} (and {look})."
    return check(right.id, verdict, seen, fix=fix, error_code="permission_denied", granted="missing", **named)
