# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings of a bucket mean, and what answers say about permissions: by resources and errors as Google's reference
of the JSON API shows them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import gcs_judge
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.gcp import GoogleIdentity
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_bucket import (
    Listing,
    bucket_checks,
    names_of,
    owner_check,
    region_check,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import GRANTS
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_errors import Refusal, classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_identity import caller, identity_check
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_probe import (
    anonymous_check,
    credentials_check,
    shown,
    trusted_file,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_rights import (
    Held,
    Right,
    judge,
    narrowed,
    resource,
    rights,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_settings import (
    Bucket,
    Rule,
    parse_bucket,
    parse_permissions,
    parse_rule,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Access, Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict

KEY = "projects/acme/locations/europe-west1/keyRings/r/cryptoKeys/k"
# https://cloud.google.com/storage/docs/json_api/v1/buckets#resource
PLAIN: dict[str, Any] = {
    "kind": "storage#bucket",
    "selfLink": "https://www.googleapis.com/storage/v1/b/backups",
    "id": "backups",
    "name": "backups",
    "projectNumber": "123456789012",
    "metageneration": "1",
    "location": "EUROPE-WEST1",
    "storageClass": "STANDARD",
    "etag": "CAE=",
    "timeCreated": "2026-01-01T00:00:00.000Z",
    "updated": "2026-01-01T00:00:00.000Z",
    "softDeletePolicy": {"retentionDurationSeconds": "604800", "effectiveTime": "2026-01-01T00:00:00.000Z"},
    "iamConfiguration": {
        "bucketPolicyOnly": {"enabled": False},
        "uniformBucketLevelAccess": {"enabled": False},
        "publicAccessPrevention": "inherited",
    },
    "locationType": "region",
    "rpo": "DEFAULT",
}
GUARDED = {
    **PLAIN,
    "versioning": {"enabled": True},
    "softDeletePolicy": {"retentionDurationSeconds": "0"},
    "retentionPolicy": {"retentionPeriod": "7776000", "effectiveTime": "2026-01-01T00:00:00.000Z", "isLocked": True},
    "objectRetention": {"mode": "Enabled"},
    "defaultEventBasedHold": True,
    "encryption": {"defaultKmsKeyName": KEY},
    "billing": {"requesterPays": True},
    "iamConfiguration": {
        "uniformBucketLevelAccess": {"enabled": True, "lockedTime": "2026-04-01T00:00:00.000Z"},
        "publicAccessPrevention": "enforced",
    },
}
EMULATED = {"kind": "storage#bucket", "name": "backups", "versioning": {"enabled": False}, "location": "US-CENTRAL1"}
BARE = {**PLAIN, "softDeletePolicy": {"retentionDurationSeconds": "0"}}


def reading(document: dict[str, Any]) -> Reading[Bucket]:
    bucket = parse_bucket(document, "backups")
    assert bucket is not None
    return Reading("set", bucket)


def judged(document: dict[str, Any], engine: str = "stowage", prefix: str = "fleet/") -> dict[str, Check]:
    return gcs_judge.judge(reading(document), engine, prefix)


def verdicts(checks: dict[str, Check]) -> dict[str, Verdict]:
    return {name: found.verdict for name, found in checks.items()}


P, W, U, N = Verdict.PASSED, Verdict.WARNING, Verdict.UNKNOWN, Verdict.UNSUPPORTED


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (PLAIN, {"public_access_block": W, "ownership": W}),
        (GUARDED, {"default_hold": W, "requester_pays": W}),
        (BARE, {"versioning": W, "soft_delete": W, "public_access_block": W, "ownership": W}),
    ],
    ids=["plain", "guarded", "bare"],
)
def test_buckets(document: dict[str, Any], expected: dict[str, Verdict]) -> None:
    found = judged(document)
    assert verdicts(found) == dict.fromkeys(found, P) | expected
    assert all(check.fix for check in found.values() if check.verdict is W)


def test_what_an_emulator_leaves_out_is_not_off() -> None:
    found = judged(EMULATED)
    assert verdicts(found) == dict.fromkeys(found, N) | {"versioning": W}


@pytest.mark.parametrize("state", ["denied", "unknown", "unsupported"])
def test_what_could_not_be_read_is_not_off(state: Any) -> None:
    unread: Reading[Bucket] = Reading(state, failure=Failure("permission_denied", "no", ""))
    found = gcs_judge.judge(unread, "stowage", "")
    found |= {check.id: check for check in (region_check(unread), owner_check(unread, {"1"}))}
    assert set(verdicts(found).values()) == {N if state == "unsupported" else U}
    if state == "denied":
        assert all("storage.buckets.get" in check.fix for check in found.values())


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"kind": "storage#objects"},
        {"kind": "storage#bucket"},
        {"kind": "storage#bucket", "name": "other"},
    ],
)
def test_what_is_no_bucket_s_resource(document: Any) -> None:
    assert parse_bucket(document, "backups") is None


def test_a_resource_of_odd_types_is_not_told() -> None:
    names = (
        "iamConfiguration",
        "softDeletePolicy",
        "retentionPolicy",
        "billing",
        "encryption",
        "versioning",
        "lifecycle",
    )
    odd = {name: [1] for name in names}
    bucket = parse_bucket({**PLAIN, **odd, "objectRetention": 5, "defaultEventBasedHold": "yes"}, "backups")
    assert bucket == Bucket("123456789012", "EUROPE-WEST1", "region", metageneration="1")


def test_retention() -> None:
    ours, velero = judged(GUARDED)["default_retention"], judged(GUARDED, "velero")["default_retention"]
    assert ours.verdict is P
    assert ours.seen == "90 days, locked for ever."
    assert "locked" in ours.fix
    assert velero.verdict is W
    unlocked = judged({**PLAIN, "retentionPolicy": {"retentionPeriod": "3600"}})["default_retention"]
    assert unlocked.seen.startswith("1 hour, not locked")
    assert judged(PLAIN)["default_retention"].seen == "None."


def test_encryption() -> None:
    assert KEY in judged(GUARDED)["encryption"].seen
    assert "Google" in judged(PLAIN)["encryption"].seen


def test_settings_that_are_returned() -> None:
    def values(document: dict[str, Any]) -> list[Any]:
        bucket = reading(document).value
        assert bucket is not None
        return [shown(bucket)[name] for name in ("versioning", "encryption", "object_lock", "default_retention")]

    assert values(PLAIN) == [None, "AES256", False, None]
    assert values(GUARDED) == ["Enabled", "KMS", True, "LOCKED"]
    assert values(EMULATED) == [None, None, None, None]


# https://cloud.google.com/storage/docs/lifecycle-configurations
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"action": {"type": "Delete"}, "condition": {"age": 30}}, Rule("Delete")),
        ({"action": {"type": "Delete"}, "condition": {"age": 30, "isLive": False}}, Rule("Delete", live=False)),
        ({"action": {"type": "Delete"}, "condition": {"age": 30, "isLive": True}}, Rule("Delete")),
        ({"action": {"type": "Delete"}, "condition": {"numNewerVersions": 3}}, Rule("Delete", live=False)),
        ({"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 7}}, Rule("Delete", live=False)),
        ({"action": {"type": "Delete"}, "condition": {"daysSinceCustomTime": 7}}, Rule("Delete", live=False)),
        (
            {"action": {"type": "Delete"}, "condition": {"age": 1, "matchesPrefix": ["tmp/", "log/"]}},
            Rule("Delete", ("tmp/", "log/")),
        ),
        ({"action": {"type": "Delete"}}, Rule("Delete")),
        (
            {"action": {"type": "SetStorageClass", "storageClass": "ARCHIVE"}, "condition": {"age": 365}},
            Rule("SetStorageClass"),
        ),
        (
            {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}},
            Rule("AbortIncompleteMultipartUpload"),
        ),
        ({}, Rule("")),
    ],
)
def test_rules(rule: dict[str, Any], expected: Rule) -> None:
    assert parse_rule(rule) == expected


@pytest.mark.parametrize(
    ("prefixes", "prefix", "hit"),
    [
        ((), "fleet/", True),
        (("fleet/",), "fleet/", True),
        (("fleet/clusters/a/",), "fleet/", True),
        (("fl",), "fleet/", True),
        (("tmp/",), "fleet/", False),
        (("tmp/",), "", True),
    ],
)
def test_rules_that_delete_backups(prefixes: tuple[str, ...], prefix: str, hit: bool) -> None:
    condition = {"age": 30, **({"matchesPrefix": list(prefixes)} if prefixes else {})}
    document = {**PLAIN, "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": condition}]}}
    found = judged(document, prefix=prefix)["lifecycle_expiry"]
    assert found.verdict is (W if hit else P)


def test_uploads_need_no_rule() -> None:
    found = gcs_judge.always()
    assert found["stale_uploads"].verdict is P
    assert "AbortIncompleteMultipartUpload" in found["stale_uploads"].seen


# permissions


def error(status: int, reason: str, message: str, permission: str = "") -> LocationError:
    """As the classifier makes it of an answer that names a permission, or of none (see gcs_calls)."""
    found = classify(Refusal(status, reason, message), "Trying")
    assert found.denied == permission
    return LocationError(found)


def denied(permission: str) -> LocationError:
    message = f"a@b.iam.gserviceaccount.com does not have {permission} access to the Google Cloud Storage object."
    return error(403, "forbidden", message, permission)


GET = next(right for right in rights(Aim()) if right.id == "may_read")
LOOK = next(right for right in rights(Aim()) if right.id == "may_read_settings")
UNSAID: Held = Reading("unsupported")
NONE: Held = Reading("set", frozenset())
ALL: Held = Reading("set", frozenset(GRANTS.values()))


@pytest.mark.parametrize(
    ("right", "failed", "held", "hidden", "ended"),
    [
        (GET, None, UNSAID, False, (P, "allowed")),
        (GET, error(404, "notFound", "No such object: b/o"), NONE, False, (P, "allowed")),
        (GET, error(404, "notFound", "No such object: b/o"), NONE, True, (P, "allowed")),
        (GET, denied("storage.objects.get"), ALL, False, (Verdict.FAILED, "missing")),
        (GET, denied("storage.objects.get"), UNSAID, False, (Verdict.FAILED, "missing")),
        (GET, denied("storage.objects.get"), ALL, True, (P, "allowed")),
        (GET, denied("storage.objects.get"), NONE, True, (Verdict.FAILED, "missing")),
        (GET, denied("storage.objects.get"), UNSAID, True, (U, "unknown")),
        (LOOK, denied("storage.buckets.get"), ALL, True, (W, "missing")),
        (LOOK, error(503, "backendError", ""), ALL, False, (W, "unknown")),
        (GET, error(503, "backendError", ""), ALL, False, (U, "unknown")),
        (
            GET,
            error(403, "vpcServiceControls", "Request is prohibited by organization's policy."),
            NONE,
            False,
            (U, "unknown"),
        ),
        (GET, error(403, "rateLimitExceeded", ""), NONE, True, (U, "unknown")),
    ],
)
def test_what_an_answer_says_about_a_permission(
    right: Right, failed: LocationError | None, held: Held, hidden: bool, ended: tuple[Verdict, str]
) -> None:
    found = judge(right, failed, held, "projects/_/buckets/b", hidden=hidden)
    assert (found.verdict, found.granted) == ended
    assert found.action == right.permission
    if found.granted == "missing":
        assert right.permission in found.fix
        assert right.role in found.fix


@pytest.mark.parametrize(
    ("failed", "held", "ended"),
    [
        (denied("storage.objects.get"), NONE, (U, "unknown")),
        (denied("storage.objects.get"), ALL, (P, "allowed")),
        (error(404, "notFound", "No such object: b/o"), NONE, (P, "allowed")),
        (None, NONE, (P, "allowed")),
    ],
)
def test_what_may_be_listed_below_a_prefix_only_hides_what_is_missing(
    failed: LocationError | None, held: Held, ended: tuple[Verdict, str]
) -> None:
    found = judge(GET, failed, held, "projects/_/buckets/b", hidden=False, below_only=True)
    assert (found.verdict, found.granted) == ended


def test_who_lists_below_a_prefix_only() -> None:
    refused = denied("storage.objects.list")
    assert narrowed(None, NONE)
    assert not any((narrowed(None, ALL), narrowed(None, UNSAID), narrowed(refused, NONE)))


def test_the_project_that_is_to_pay() -> None:
    message = "Caller does not have required permission to use project acme. serviceusage.services.use"
    found = judge(GET, error(403, "forbidden", message, "serviceusage.services.use"), ALL, "b", hidden=False)
    assert (found.verdict, found.action) == (Verdict.FAILED, "serviceusage.services.use")


@pytest.mark.parametrize(
    ("access", "engine", "ids"),
    [
        ({"list"}, "stowage", ["may_list", "may_read_settings"]),
        ({"list", "write"}, "stowage", ["may_list", "may_create", "may_read_settings"]),
        ({"list", "write"}, "velero", ["may_list", "may_create", "may_delete", "may_read_settings"]),
        ({"list", "read", "delete"}, "velero", ["may_list", "may_read", "may_delete", "may_read_settings"]),
    ],
)
def test_permissions_that_are_needed(access: set[Access], engine: str, ids: list[str]) -> None:
    assert [right.id for right in rights(Aim(access=frozenset(access), engine=engine))] == ids


def test_resources_are_named_as_in_conditions() -> None:
    assert resource(GET, "b", "fleet/") == "projects/_/buckets/b/objects/fleet/*"
    assert resource(LOOK, "b", "fleet/") == "projects/_/buckets/b"


KIND = "storage#testIamPermissionsResponse"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"kind": KIND, "permissions": ["a", "b"]}, {"a", "b"}),
        ({"kind": KIND}, set()),
        ({"permissions": ["a"]}, None),
        ({"kind": KIND, "permissions": "a"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_what_is_held(document: Any, expected: set[str] | None) -> None:
    assert parse_permissions(document) == expected


def test_what_anybody_may_do() -> None:
    def check(held: Held) -> Verdict:
        return gcs_judge.anonymous_permissions_check(held).verdict

    assert check(ALL) is Verdict.FAILED
    assert check(NONE) is P
    assert check(Reading("denied", failure=Failure("credentials_invalid", "", "", status=401))) is P
    assert check(UNSAID) is N
    assert check(Reading("unknown", failure=Failure("throttled", "", "", status=503))) is U


# the bucket, and who looks


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"kind": "storage#objects"}, []),
        ({"kind": "storage#objects", "items": [{"name": "p/a", "bucket": "b"}]}, ["p/a"]),
        ({"kind": "storage#objects", "items": [{"name": "p/a", "bucket": "other"}]}, None),
        ({"kind": "storage#objects", "items": [{"name": "q/a", "bucket": "b"}]}, None),
        ({"kind": "storage#objects", "items": {"a": 1}}, None),
        ({"kind": "storage#objects", "items": ["a"]}, None),
        ({"items": []}, None),
        ({}, None),
        (None, None),
    ],
)
def test_what_is_a_listing(document: Any, names: list[str] | None) -> None:
    assert names_of(document, "b", "p/") == names


def test_a_bucket_that_may_not_be_listed() -> None:
    refused = Listing("", denied("storage.objects.list"))
    unread: Reading[Bucket] = Reading("denied", failure=Failure("permission_denied", "", ""))
    assert [check.verdict for check in bucket_checks(refused, "backups", unread)] == [U, U]
    assert [check.verdict for check in bucket_checks(refused, "backups", reading(PLAIN))] == [P, U]


@pytest.mark.parametrize(
    ("projects", "verdict"),
    [({"123456789012"}, P), ({"999"}, W), ({"acme"}, U), (set(), U)],
)
def test_whose_bucket_it_is(projects: set[str], verdict: Verdict) -> None:
    assert owner_check(reading(PLAIN), projects).verdict is verdict
    assert owner_check(reading(EMULATED), projects).verdict is N


def test_where_a_bucket_is() -> None:
    assert region_check(reading(PLAIN)).seen == "EUROPE-WEST1 (region)."
    assert region_check(reading({**EMULATED, "location": None})).verdict is N


@pytest.mark.parametrize(
    ("code", "status", "verdict"),
    [
        ("credentials_invalid", 401, Verdict.FAILED),
        ("permission_denied", 403, None),
        ("throttled", 503, None),
        ("permission_denied", 0, Verdict.FAILED),
        ("credentials_expired", 0, Verdict.FAILED),
        ("clock_skew", 0, Verdict.FAILED),
        ("endpoint_unreachable", 0, U),
    ],
)
def test_whether_the_credentials_are_at_fault(code: str, status: int, verdict: Verdict | None) -> None:
    found = credentials_check(LocationError(Failure(code, "m", "", status=status)))
    assert (found.verdict if found else None) is verdict
    assert credentials_check(None) is None


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Listing("", genuine=True), Verdict.FAILED),
        (Listing("", LocationError(Failure("credentials_invalid", "", "", status=401))), P),
        (Listing("", LocationError(Failure("throttled", "", "", status=503))), U),
        (Listing(""), U),
    ],
)
def test_a_listing_without_credentials(found: Listing, verdict: Verdict) -> None:
    assert anonymous_check(found).verdict is verdict


@pytest.mark.parametrize(
    ("credentials", "expected", "verdict"),
    [
        (
            {"service_account_email": "a@acme.iam.gserviceaccount.com"},
            {"email": "a@acme.iam.gserviceaccount.com", "project": "acme"},
            P,
        ),
        ({"service_account_email": "default"}, {}, U),
        ({"account": "person@example.com"}, {"email": "person@example.com"}, P),
        (
            {"_audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q"},
            {
                "project": "1",
                "pool": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
            },
            P,
        ),
        ({}, {}, U),
    ],
)
def test_who_credentials_say_they_are(credentials: dict[str, str], expected: dict[str, str], verdict: Verdict) -> None:
    found = caller(GoogleIdentity(SimpleNamespace(**credentials), frozenset()))
    assert found == expected
    assert identity_check(found).verdict is verdict


def test_the_variables_count_only_without_ca_cert() -> None:
    assert trusted_file("ca", {"REQUESTS_CA_BUNDLE": "other"}) == "ca"
    assert trusted_file(None, {"REQUESTS_CA_BUNDLE": "other", "CURL_CA_BUNDLE": "third"}) == "other"
    assert trusted_file(None, {"CURL_CA_BUNDLE": "third"}) == "third"
    assert trusted_file(None, {})
