# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a bucket of Google Cloud Storage, read and typed. Private to the collection.

All of them are in the bucket's resource: https://cloud.google.com/storage/docs/json_api/v1/buckets#resource. What was never
set is absent there. Emulators leave out what they do not know, which must not read like "off": ``None`` is what was not told.
"""

from __future__ import annotations

import dataclasses
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import readings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import GRANTS, GcsCalls, Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading, state_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check

MAX_RULES: t.Final = 1000
"""Google allows 100."""
MADE_LABEL: t.Final = "stowage-made"
"""The label of a bucket that was made here, with an id of the request that made it."""


@dataclasses.dataclass(frozen=True)
class Retention:
    """The bucket's retention policy: no object is deleted or replaced before it is so old."""

    seconds: int
    locked: bool


@dataclasses.dataclass(frozen=True)
class Rule:
    """A lifecycle rule, as far as backups care.

    :param action: ``Delete``, ``SetStorageClass`` or ``AbortIncompleteMultipartUpload``.
    :param prefixes: of the names that it is for; empty for all.
    :param live: whether it is for objects that are neither noncurrent nor have a custom time. Ours have none.
    """

    action: str
    prefixes: tuple[str, ...] = ()
    live: bool = True

    @property
    def deletes(self) -> bool:
        """Whether it takes away what backups consist of."""
        return self.action == "Delete" and self.live


@dataclasses.dataclass(frozen=True)
class Bucket:
    """A bucket, as the store describes it. ``None``, and an empty text, is what it does not tell.

    :param uniform: uniform bucket-level access.
    :param public_access_prevention: ``enforced`` or ``inherited``.
    :param soft_delete: for how many seconds what is deleted is kept.
    :param object_retention: whether single objects can be retained.
    :param hold: whether new objects get an event-based hold.
    :param key: the Cloud KMS key of new objects; empty for Google's own.
    :param retention: ``None`` also when there is none; see ``whole``.
    :param whole: it is described in full, so that what is absent is not set.
    :param metageneration: counts changes of the settings.
    :param lifecycle: the lifecycle rules as the store gave them, with all that is in them.
    :param made: the value of the label that a bucket gets which is made here.
    """

    project_number: str = ""
    location: str = ""
    location_type: str = ""
    uniform: bool | None = None
    public_access_prevention: str = ""
    versioning: bool | None = None
    soft_delete: int | None = None
    retention: Retention | None = None
    object_retention: bool | None = None
    hold: bool | None = None
    key: str = ""
    requester_pays: bool | None = None
    rules: tuple[Rule, ...] | None = None
    whole: bool = False
    metageneration: str = ""
    lifecycle: tuple[t.Mapping[str, t.Any], ...] | None = None
    made: str = ""


def read_bucket(calls: GcsCalls) -> Reading[Bucket]:
    """Reads all settings in one request; nothing raises for what is answered."""
    what = f"Reading the settings of {calls.address}"
    try:
        document = calls.once(Request("GET", calls.bucket_path(), "look", of_bucket=True), what).document()
    except LocationError as error:
        return Reading(state_of(error.failure), failure=error.failure)
    found = parse_bucket(document, calls.settings.bucket)
    return Reading("set", found) if found else Reading("unknown", failure=_no_answer(what))


def held_permissions(calls: GcsCalls, permissions: t.Sequence[str]) -> Reading[frozenset[str]]:
    """Which permissions the caller has on the bucket; asking needs none:
    https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions. Conditions on names of objects do not hold
    for the bucket, so what is granted for a prefix only is not among them."""
    what = f"Asking for permissions on {calls.address}"
    query = urllib.parse.urlencode([("permissions", one) for one in permissions])
    try:
        path = f"{calls.bucket_path()}/iam/testPermissions?{query}"
        document = calls.once(Request("GET", path, "look", of_bucket=True), what).document()
    except LocationError as error:
        absent = error.failure.status == 404
        return Reading("unsupported" if absent else state_of(error.failure), failure=error.failure)
    found = parse_permissions(document)
    return Reading("unknown", failure=_no_answer(what)) if found is None else Reading("set", found)


def parse_permissions(document: t.Mapping[str, t.Any] | None) -> frozenset[str] | None:
    """From testIamPermissions' answer: none, if it says of which kind it is and names none; ``None`` for what is no such
    answer."""
    if document is None or document.get("kind") != "storage#testIamPermissionsResponse":
        return None
    names = document.get("permissions", [])
    return frozenset(str(name) for name in names) if isinstance(names, list) else None


def not_read(name: str, reading: Reading[Bucket]) -> Check | None:
    """The check of a setting when the bucket's could not be read; ``None`` when they could."""
    return readings.unread(name, reading, GRANTS["look"])


def parse_bucket(document: t.Mapping[str, t.Any] | None, bucket: str) -> Bucket | None:
    """From a bucket's resource; ``None`` for what is no resource of this bucket."""
    if document is None or document.get("kind") != "storage#bucket" or document.get("name") != bucket:
        return None
    # Google always tells this; who does, tells all.
    whole = isinstance(document.get("iamConfiguration"), dict)

    def flag(*path: str) -> bool | None:
        return _flag(document, path, whole)

    mode = _at(document, "objectRetention", "mode")
    return Bucket(
        project_number=_text(document, "projectNumber"),
        location=_text(document, "location"),
        location_type=_text(document, "locationType"),
        uniform=flag("iamConfiguration", "uniformBucketLevelAccess", "enabled"),
        public_access_prevention=_prevention(document),
        versioning=flag("versioning", "enabled"),
        soft_delete=_number(_at(document, "softDeletePolicy", "retentionDurationSeconds")),
        retention=_retention(document),
        object_retention=str(mode) == "Enabled" if whole or mode is not None else None,
        hold=flag("defaultEventBasedHold"),
        key=_text(document, "encryption", "defaultKmsKeyName"),
        requester_pays=flag("billing", "requesterPays"),
        rules=None if (rules := _lifecycle(document, whole)) is None else tuple(map(parse_rule, rules)),
        whole=whole,
        metageneration=_text(document, "metageneration"),
        lifecycle=rules,
        made=_text(document, "labels", MADE_LABEL),
    )


def _at(document: t.Mapping[str, t.Any], *path: str) -> t.Any:
    """What lies under the names; ``None`` if nothing does."""
    found: t.Any = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _text(document: t.Mapping[str, t.Any], *path: str) -> str:
    found = _at(document, *path)
    return str(found) if isinstance(found, str | int) else ""


def _flag(document: t.Mapping[str, t.Any], path: t.Sequence[str], whole: bool) -> bool | None:
    found = _at(document, *path)
    if isinstance(found, bool):
        return found
    return False if whole and found is None else None


def _number(value: t.Any) -> int | None:
    """A 64-bit number, which JSON of Google's has as a text."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _prevention(document: t.Mapping[str, t.Any]) -> str:
    # "unspecified" is the old name of "inherited".
    found = _text(document, "iamConfiguration", "publicAccessPrevention")
    return "inherited" if found == "unspecified" else found


def _retention(document: t.Mapping[str, t.Any]) -> Retention | None:
    seconds = _number(_at(document, "retentionPolicy", "retentionPeriod"))
    return Retention(seconds, _at(document, "retentionPolicy", "isLocked") is True) if seconds else None


def _lifecycle(document: t.Mapping[str, t.Any], whole: bool) -> tuple[t.Mapping[str, t.Any], ...] | None:
    found = _at(document, "lifecycle", "rule")
    if found is None and whole:
        return ()
    # In part they would be written back in part.
    if not isinstance(found, list) or len(found) > MAX_RULES or not all(isinstance(rule, dict) for rule in found):
        return None
    return tuple(found)


def parse_rule(rule: t.Mapping[str, t.Any]) -> Rule:
    """From a lifecycle rule: https://cloud.google.com/storage/docs/lifecycle#conditions. All of its conditions must hold.
    A suffix is not looked at, for names of backups' files have many."""
    condition = _at(rule, "condition")
    condition = condition if isinstance(condition, dict) else {}
    newer = _number(condition.get("numNewerVersions")) or 0
    noncurrent = {"daysSinceNoncurrentTime", "noncurrentTimeBefore", "daysSinceCustomTime", "customTimeBefore"}
    live = condition.get("isLive") is not False and newer < 1 and not noncurrent & condition.keys()
    prefixes = condition.get("matchesPrefix")
    named = tuple(str(one) for one in prefixes) if isinstance(prefixes, list) else ()
    return Rule(_text(rule, "action", "type"), named, live)


def _no_answer(what: str) -> Failure:
    hint = "Check that the endpoint is Google's JSON API, and proxies on the way."
    return Failure("store_error", f"{what}: what is answered is something else.", hint)
