# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buckets made, changed and deleted as Google Cloud Storage does, for the server in `testbed.google`. The sources of its answers:

* https://cloud.google.com/storage/docs/json_api/v1/buckets/insert, .../patch and .../delete (a patch is merged, `null` takes
  away; 409 for a name that is taken and for a bucket that is not empty);
* metagenerations: https://cloud.google.com/storage/docs/request-preconditions;
* retention policies, of which a locked one only gets longer: https://cloud.google.com/storage/docs/bucket-lock;
* retention of objects, enabled when the bucket is made: https://cloud.google.com/storage/docs/object-lock;
* conditions that a rule may have: https://cloud.google.com/storage/docs/lifecycle#abort-mpu.
"""

from __future__ import annotations

from typing import Any

from testbed.google_objects import PROJECT_NUMBER, Bucket, Objects, Refused, no_condition
from testbed.google_tokens import PROJECT

_ABORT = "AbortIncompleteMultipartUpload"


def create(objects: Objects, query: dict[str, str], document: dict[str, Any]) -> dict[str, Any]:
    """Makes a bucket; its resource."""
    name = str(document["name"])
    if query.get("project") not in {PROJECT, PROJECT_NUMBER}:
        raise Refused(400, "invalid", f"Unknown project id: {query.get('project')}")
    if name in objects.buckets:
        raise Refused(
            409, "conflict", "Your previous request to create the named bucket succeeded and you already own it."
        )
    access = document.get("iamConfiguration") or {}
    settings: dict[str, Any] = {
        "location": str(document.get("location", "US")).upper(),
        "iamConfiguration": {
            "uniformBucketLevelAccess": access.get("uniformBucketLevelAccess", {"enabled": False}),
            "publicAccessPrevention": access.get("publicAccessPrevention", "inherited"),
        },
        "labels": document.get("labels"),
    }
    if query.get("enableObjectRetention") == "true":
        settings["objectRetention"] = {"mode": "Enabled"}
    objects.buckets[name] = Bucket(name, settings=settings)
    return objects.buckets[name].resource()


def patch(held: Bucket, query: dict[str, str], document: dict[str, Any]) -> dict[str, Any]:
    """Changes a bucket; its resource."""
    before = held.resource()
    _check_condition(before, query)
    after = _merged(before, document)
    _check_retention(before, after)
    _check_rules(after)
    after["metageneration"] = str(int(before["metageneration"]) + 1)
    held.settings = {**dict.fromkeys(before), **after}
    held.versioning = bool((after.get("versioning") or {}).get("enabled"))
    return held.resource()


def delete(objects: Objects, name: str, query: dict[str, str]) -> None:
    """Deletes a bucket."""
    held = objects.bucket(name)
    _check_condition(held.resource(), query)
    if held.live or held.older:
        raise Refused(409, "conflict", "The bucket you tried to delete is not empty.")
    del objects.buckets[name]


def not_live(held: Bucket, query: dict[str, str]) -> list[dict[str, Any]] | None:
    """The items of a listing that asks for more than what is live; `None` if it does not."""
    if query.get("softDeleted") == "true":
        return [one.resource() for one in held.gone]
    if query.get("versions") == "true":
        return [one.resource() for one in (*held.live.values(), *held.older)]
    return None


def _check_condition(resource: dict[str, Any], query: dict[str, str]) -> None:
    if query.get("ifMetagenerationMatch", resource["metageneration"]) != resource["metageneration"]:
        raise no_condition()


def _check_retention(before: dict[str, Any], after: dict[str, Any]) -> None:
    was, now = before.get("retentionPolicy") or {}, after.get("retentionPolicy") or {}
    shorter = int(now.get("retentionPeriod", 0)) < int(was.get("retentionPeriod", 0))
    if was.get("isLocked") and (shorter or not now.get("isLocked")):
        raise Refused(403, "forbidden", "Cannot reduce retention duration of a locked Retention Policy for bucket.")
    if now:
        now.setdefault("effectiveTime", "2026-01-01T00:00:00.000Z")


def _check_rules(after: dict[str, Any]) -> None:
    for rule in (after.get("lifecycle") or {}).get("rule", []):
        other = rule["condition"].keys() - {"age", "matchesPrefix", "matchesSuffix"}
        if rule["action"]["type"] == _ABORT and other:
            raise Refused(400, "invalid", f"{_ABORT} supports age, matchesPrefix and matchesSuffix only.")


def _merged(before: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    merged = dict(before)
    for name, value in document.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = _merged(merged[name], value)
        else:
            merged[name] = value
    return merged
