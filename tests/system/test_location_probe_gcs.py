# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What validation finds out about buckets of the testbed's server that stands for Google and of fake-gcs-server, and that it
leaves nothing there."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.probe import probe
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_prober
from faults import Fault, FaultProxy, answer, hold, reset, swallow
from faults.proxy import Action
from support import modules
from support.killed import kill_at
from testbed import FakeGcs, GcpEmulator, GoogleServer, Testbed
from testbed.google_objects import PROJECT_NUMBER
from testbed.google_tokens import PROJECT, SKEWED, refused

PREFIX = "fleet"
CLUSTER = "c"
LIST, CREATE, GET, DELETE, LOOK = (
    "storage.objects.list",
    "storage.objects.create",
    "storage.objects.get",
    "storage.objects.delete",
    "storage.buckets.get",
)
RIGHTS = (LIST, CREATE, GET, DELETE, LOOK)
OF_BUCKET = {LIST, LOOK}
LOCKED = {"retentionPeriod": "86400", "effectiveTime": "2026-01-01T00:00:00.000Z", "isLocked": True}


def options(store: GoogleServer | FakeGcs, bucket: str, **more: Any) -> dict[str, Any]:
    """A location in a bucket."""
    where = {"endpoint": store.endpoint, "bucket": bucket, "prefix": PREFIX, "ca_cert": str(store.ca_cert)}
    return {"provider": "gcp", **where, "auth": store.auth(), **more}


def look(location: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the module returns about a location; no secret is in it."""
    shown = json.dumps(modules.run("backup_location_info", {"location": location, **more}))
    assert "ya29." not in shown
    assert "PRIVATE KEY" not in shown
    assert "upload_id" not in shown
    result: dict[str, Any] = json.loads(shown)["location"]
    return result


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {check["id"]: check["verdict"] for check in found["checks"]}


def failures(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(check["id"], check["error_code"]) for check in found["checks"] if check["verdict"] == "failed"]


def actions(found: dict[str, Any], kind: str) -> set[str]:
    return {entry["action"] for entry in found["permissions"][kind]}


def resource(bucket: str, permission: str) -> str:
    return f"projects/_/buckets/{bucket}" + ("" if permission in OF_BUCKET else f"/objects/{PREFIX}/*")


def traces(google: GoogleServer, bucket: str) -> list[str]:
    """Everything that is in a bucket, or was: objects, older generations, uploads that were not ended."""
    held = google.objects.bucket(bucket)
    found = [f"object {name}" for name in google.keys(bucket)] + [f"older {one.name}" for one in held.older]
    sessions = [one for one in google.objects.sessions.values() if one.bucket == bucket]
    return found + [f"upload {one.document['name']}" for one in sessions if not (one.finished or one.cancelled)]


@pytest.fixture(scope="module")
def own(testbed: Testbed) -> GoogleServer:
    """A server whose permissions these tests change."""
    return testbed.google()


@pytest.fixture
def server(own: GoogleServer) -> Iterator[GoogleServer]:
    """That server, with all permissions again afterwards."""
    yield own
    own.denied, own.conditional, own.says_permissions, own.says, own.hides = set(), set(), True, None, False
    own.tokens.fail_with = None


def new_bucket(google: GoogleServer, **settings: Any) -> str:
    return google.create_bucket(f"probe-{uuid.uuid4().hex[:12]}", **settings)


# what is fine


def test_a_bucket_that_is_fit(server: GoogleServer) -> None:
    bucket = new_bucket(server, versioning=True)
    server.write(bucket, f"{PREFIX}/clusters/{CLUSTER}/backups/b/x", b"x")
    before = traces(server, bucket)
    found = look(options(server, bucket), cluster=CLUSTER)
    assert [check for check in found["checks"] if check["verdict"] in {"failed", "warning"}] == []
    assert found["fit"] is True
    assert found["address"] == f"gs://{bucket}/{PREFIX}"
    assert actions(found, "allowed") == set(RIGHTS)
    assert actions(found, "missing") == actions(found, "unknown") == set()
    unsupported = {name for name, verdict in verdicts(found).items() if verdict == "unsupported"}
    assert unsupported == {"tls_only", "lifecycle_archive", "leftovers"}
    unknown = {name for name, verdict in verdicts(found).items() if verdict == "unknown"}
    assert unknown == {"bucket_owner", "checksums"}, "an id cannot be compared with a number"
    assert found["identity"] == {"email": f"backup@{PROJECT}.iam.gserviceaccount.com", "project": PROJECT}
    assert found["settings"] == {
        "versioning": "Enabled",
        "encryption": "AES256",
        "object_lock": False,
        "default_retention": None,
    }
    assert traces(server, bucket) == before


def test_conditions_cannot_be_tried_in_an_empty_bucket(server: GoogleServer) -> None:
    assert verdicts(look(options(server, new_bucket(server))))["conditional_create"] == "unknown"


def test_check_mode_is_the_same(server: GoogleServer) -> None:
    location = options(server, new_bucket(server))
    plain = modules.run("backup_location_info", {"location": location})
    checked = modules.run("backup_location_info", {"location": location}, check=True)
    assert plain["changed"] is checked["changed"] is False
    assert verdicts(plain["location"]) == verdicts(checked["location"])


def test_an_emulator_of_other_people(fake_gcs: FakeGcs) -> None:
    """It knows neither testIamPermissions nor most settings, which is not the same as that they are off."""
    bucket = fake_gcs.create_bucket(f"probe-{uuid.uuid4().hex[:12]}")
    found = look(options(fake_gcs, bucket))
    assert failures(found) == [("anonymous_listing", "bucket_public")], "it asks nobody for a token"
    assert actions(found, "allowed") == set(RIGHTS)
    seen = verdicts(found)
    assert seen["upload"] == "passed"
    assert seen["region"] == "passed"
    for name in ("encryption", "default_retention", "ownership", "public_access_block", "soft_delete"):
        assert seen[name] == "unsupported", name
    assert fake_gcs.keys(bucket) == []


def test_an_emulator_that_says_that_everything_is_allowed(gcp_emulator: GcpEmulator) -> None:
    """What it then does not do is found by doing it: a session of an upload cannot be cancelled there."""
    bucket = gcp_emulator.create_bucket(f"probe-{uuid.uuid4().hex[:12]}")
    found = look(options(gcp_emulator, bucket))
    assert failures(found) == [("upload", "unsupported_by_store")]
    assert actions(found, "allowed") == set(RIGHTS)
    assert found["stopped_at"] == "permission"
    assert gcp_emulator.keys(bucket) == []


# permissions


@pytest.mark.parametrize("hides", [False, True], ids=["", "hidden"])
@pytest.mark.parametrize("forbidden", RIGHTS)
def test_exactly_what_is_forbidden_is_named(server: GoogleServer, forbidden: str, hides: bool) -> None:
    bucket = new_bucket(server)
    server.denied, server.hides = {forbidden}, hides
    found = look(options(server, bucket))
    assert found["permissions"]["missing"] == [{"action": forbidden, "resource": resource(bucket, forbidden)}]
    assert actions(found, "unknown") == set()
    assert actions(found, "allowed") == set(RIGHTS) - {forbidden}
    named = [check for check in found["checks"] if forbidden in check["fix"] and check["layer"] == "permission"]
    assert [check["error_code"] for check in named] == ["permission_denied"]
    needed = forbidden != LOOK
    assert found["fit"] is not needed
    assert found["stopped_at"] == ("permission" if needed else "")
    assert traces(server, bucket) == []


@pytest.mark.parametrize("forbidden", RIGHTS)
def test_also_where_the_store_cannot_be_asked_for_permissions(server: GoogleServer, forbidden: str) -> None:
    server.denied, server.says_permissions = {forbidden}, False
    bucket = new_bucket(server)
    found = look(options(server, bucket))
    assert actions(found, "missing") == {forbidden}
    assert actions(found, "unknown") == set()
    assert traces(server, bucket) == []


def test_what_is_hidden_and_cannot_be_asked_for_is_unknown(server: GoogleServer) -> None:
    server.denied, server.says_permissions, server.hides = {LIST}, False, True
    found = look(options(server, new_bucket(server)))
    assert actions(found, "missing") == {LIST}
    assert actions(found, "unknown") == {GET, DELETE}


@pytest.mark.parametrize("says", [True, False])
def test_all_that_is_missing_is_named_in_one_go(server: GoogleServer, says: bool) -> None:
    server.denied, server.says_permissions = set(RIGHTS), says
    bucket = new_bucket(server)
    found = look(options(server, bucket))
    missing = actions(found, "missing")
    assert missing == set(RIGHTS) if says else missing >= {LIST, CREATE, LOOK}
    assert verdicts(found)["bucket"] == "unknown"
    assert verdicts(found)["upload"] == "unknown"
    assert traces(server, bucket) == []


def test_the_request_counts_and_not_the_word(server: GoogleServer) -> None:
    """Emulators say yes to everything, and deny policies are not looked at."""
    server.denied, server.says = {DELETE}, set(RIGHTS)
    found = look(options(server, new_bucket(server)))
    assert actions(found, "missing") == {DELETE}
    assert any("denied all the same" in check["seen"] for check in found["checks"])


def test_what_is_granted_for_a_prefix_only(server: GoogleServer) -> None:
    server.conditional = {CREATE, GET, DELETE}
    found = look(options(server, new_bucket(server)), cluster=CLUSTER)
    assert found["fit"] is True
    assert actions(found, "allowed") == set(RIGHTS)


def test_an_answer_that_says_nothing_is_no_answer(server: GoogleServer) -> None:
    server.says = set()
    found = look(options(server, new_bucket(server)))
    assert actions(found, "allowed") == set(RIGHTS)


def test_a_writer_needs_no_delete_unless_it_is_velero(server: GoogleServer) -> None:
    server.denied = {DELETE, GET}
    location = options(server, new_bucket(server))
    assert look(location, access=["write"])["fit"] is True
    found = look(location, access=["write"], engine="velero")
    assert actions(found, "missing") == {DELETE}


# nothing is left behind


def test_a_hundred_probes_leave_nothing_under_a_retention_policy(server: GoogleServer) -> None:
    bucket = new_bucket(server, versioning=True, retentionPolicy=LOCKED)
    location = options(server, bucket)
    for _dummy in range(100):
        prober = open_prober(location, {}, Aim(CLUSTER))
        found = probe(prober)
        assert found.fit, found
        assert len(found.permissions()["allowed"]) == len(RIGHTS)
        prober.close()
    sessions = [one for one in server.objects.sessions.values() if one.bucket == bucket]
    assert [one.cancelled for one in sessions] == [True] * 100
    assert all(one.persisted for one in sessions), "nothing was really sent"
    assert traces(server, bucket) == []


def test_retention_matters_to_velero(server: GoogleServer) -> None:
    bucket = new_bucket(server, retentionPolicy=LOCKED)
    ours, velero = (look(options(server, bucket), engine=engine) for engine in ("stowage", "velero"))
    assert verdicts(ours)["default_retention"] == "passed"
    assert verdicts(velero)["default_retention"] == "warning"
    assert ours["settings"]["default_retention"] == "LOCKED"


@pytest.fixture
def broken(testbed: Testbed) -> Iterator[tuple[GoogleServer, FaultProxy, str]]:
    """A new bucket behind a proxy without faults yet."""
    google = testbed.google(tls=False)
    with FaultProxy(google.endpoint, tls=(google.pair.certificate, google.pair.key)) as proxy:
        yield google, proxy, new_bucket(google)
    testbed.stop(google)


def through(google: GoogleServer, proxy: FaultProxy, bucket: str) -> dict[str, Any]:
    """The bucket's location through the proxy."""
    document = google.tokens.key_document(proxy.endpoint)
    auth = {"method": "service_account_key", "credentials_json": json.dumps(document)}
    return options(google, bucket, endpoint=proxy.endpoint, auth=auth)


def problem(status: int, reason: str, message: str = "no") -> Action:
    """An error of the JSON API."""
    entry = {"message": message, "domain": "global", "reason": reason}
    body = json.dumps({"error": {"code": status, "message": message, "errors": [entry]}}).encode()
    return answer(status, body, "application/json; charset=UTF-8")


BUSY = problem(503, "backendError")
SESSION = "upload_id="
LISTING = "maxResults"


@pytest.mark.parametrize(
    ("fault", "fails"),
    [
        (Fault(swallow(), "DELETE", SESSION), []),
        (Fault(reset(), "DELETE", SESSION, times=2), []),
        (Fault(BUSY, "DELETE", SESSION), []),
        (Fault(BUSY, "PUT", SESSION), [("upload", "throttled")]),
        (Fault(reset(), "PUT", SESSION), [("upload", "endpoint_unreachable")]),
        (Fault(swallow(), "PUT", SESSION), [("upload", "endpoint_unreachable")]),
        (
            Fault(problem(403, "forbidden", "Permission denied on Cloud KMS key."), "PUT", SESSION),
            [("may_use_key", "permission_denied")],
        ),
    ],
    ids=["lost cancel", "reset cancel", "busy cancel", "busy chunk", "reset chunk", "lost chunk", "key"],
)
def test_what_breaks_in_the_middle_leaves_nothing(
    broken: tuple[GoogleServer, FaultProxy, str], fault: Fault, fails: list[tuple[str, str]]
) -> None:
    google, proxy, bucket = broken
    proxy.add(fault)
    found = look(through(google, proxy, bucket))
    assert fault.hits
    assert failures(found) == fails
    assert found["fit"] is not bool(fails)
    assert traces(google, bucket) == []


def test_a_probe_that_is_killed_leaves_no_object(broken: tuple[GoogleServer, FaultProxy, str]) -> None:
    google, proxy, bucket = broken
    google.objects.bucket(bucket).settings["retentionPolicy"] = LOCKED
    location, never = through(google, proxy, bucket), threading.Event()
    held = proxy.add(Fault(hold(never), "DELETE", SESSION))
    kill_at(held.hit, "backup_location_info", {"location": location, "cluster": CLUSTER})
    left = f"upload {PREFIX}/{Aim(CLUSTER).upload_key}"
    assert traces(google, bucket) == [left], "which nobody sees, and Google drops after a week"
    assert look(location, cluster=CLUSTER)["fit"] is True
    assert traces(google, bucket) == [left]


# what is wrong


@pytest.mark.parametrize(
    ("action", "fails"),
    [
        (answer(200, b"<html>Log in</html>", "text/html"), ("listing", "store_error")),
        (answer(200, b"{}", "application/json"), ("listing", "store_error")),
        (
            answer(200, b'{"kind": "storage#objects", "items": [{"name": "fleet/x", "bucket": "other"}]}'),
            ("listing", "store_error"),
        ),
        (problem(302, "moved"), ("listing", "store_error")),
        (problem(404, "notFound", "The specified bucket does not exist."), ("bucket", "bucket_not_found")),
        (
            problem(400, "required", "Bucket is a requester pays bucket but no user project provided."),
            ("bucket", "permission_denied"),
        ),
        (
            problem(403, "vpcServiceControls", "Request is prohibited by organization's policy."),
            ("bucket", "permission_denied"),
        ),
        (problem(401, "authError", "Invalid Credentials"), ("credentials", "credentials_invalid")),
        (BUSY, ("listing", "throttled")),
        (reset(), ("listing", "endpoint_unreachable")),
    ],
    ids=["html", "empty", "other bucket", "elsewhere", "no bucket", "payer", "perimeter", "token", "busy", "reset"],
)
def test_what_a_listing_says(
    broken: tuple[GoogleServer, FaultProxy, str], action: Action, fails: tuple[str, str]
) -> None:
    google, proxy, bucket = broken
    proxy.add(Fault(action, "GET", LISTING, times=None))
    found = look(through(google, proxy, bucket))
    assert failures(found) == [fails]
    assert all(check["fix"] for check in found["checks"] if check["verdict"] == "failed")
    assert traces(google, bucket) == []


@pytest.mark.parametrize("body", [b"", b"{}", b"<html/>", b'{"kind": "storage#bucket", "name": "other"}'])
def test_settings_that_are_not_told_are_unknown(broken: tuple[GoogleServer, FaultProxy, str], body: bytes) -> None:
    google, proxy, bucket = broken
    proxy.add(Fault(answer(200, body), "GET", f"/b/{bucket}$", times=None))
    found = look(through(google, proxy, bucket))
    seen = verdicts(found)
    for name in ("versioning", "soft_delete", "default_retention", "default_hold", "ownership", "region"):
        assert seen[name] == "unknown", name
    assert found["settings"] == {}
    assert found["fit"] is True, "backups do not need them"
    assert actions(found, "unknown") == {LOOK}


def test_what_is_wrong_with_credentials(server: GoogleServer) -> None:
    bucket = new_bucket(server)
    assert failures(look(options(server, "there-is-no-such-bucket"))) == [("bucket", "bucket_not_found")]
    document = server.tokens.key_document(server.endpoint, "nobody@elsewhere.iam.gserviceaccount.com")
    auth = {"method": "service_account_key", "credentials_json": json.dumps(document)}
    assert failures(look(options(server, bucket, auth=auth))) == [("credentials", "credentials_invalid")]
    other = {**server.auth(), "account": "another-project"}
    assert failures(look(options(server, bucket, auth=other))) == [("account", "wrong_account")]
    right = look(options(server, bucket, auth={**server.auth(), "account": PROJECT}))
    assert verdicts(right)["account"] == "passed"
    server.tokens.fail_with = refused("invalid_grant", SKEWED)
    assert failures(look(options(server, bucket))) == [("credentials", "clock_skew")]
    none = look(options(server, bucket, auth={"method": "default_chain"}))
    assert failures(none) == [("credentials", "credentials_missing")]


def test_who_may_not_be_impersonated(server: GoogleServer, tmp_path: Path) -> None:
    account, token = f"writer@{PROJECT}.iam.gserviceaccount.com", tmp_path / "token"
    document = server.tokens.pool_document(server.endpoint, str(token), account)
    auth = {"method": "workload_identity", "credentials_json": json.dumps(document)}
    location = options(server, new_bucket(server), auth=auth)
    assert failures(look(location)) == [("credentials", "credentials_missing")], "there is no token yet"
    token.write_text("subject-2")
    server.tokens.subjects.add("subject-2")
    assert failures(look(location)) == [("credentials", "permission_denied")]
    server.tokens.creators.add(("principal:subject-2", account))
    found = look(location)
    assert found["fit"] is True
    assert found["identity"] == {"email": account, "project": PROJECT}


def test_a_pool_s_identity_and_the_bucket_s_owner(server: GoogleServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("subject-1")
    server.tokens.subjects.add("subject-1")
    auth = {
        "method": "workload_identity",
        "credentials_json": json.dumps(server.tokens.pool_document(server.endpoint, str(token))),
    }
    found = look(options(server, new_bucket(server), auth=auth))
    assert found["fit"] is True
    assert found["identity"]["project"] == PROJECT_NUMBER
    assert "pool" in found["identity"]
    assert verdicts(found)["bucket_owner"] == "passed"
    elsewhere = look(options(server, new_bucket(server, projectNumber="999"), auth=auth))
    assert verdicts(elsewhere)["bucket_owner"] == "warning"


def test_tls_that_is_not_trusted(server: GoogleServer) -> None:
    found = look(options(server, new_bucket(server), ca_cert=None))
    assert failures(found) == [("tls", "tls_untrusted")]


@pytest.mark.parametrize(
    ("public", "fails"),
    [({LIST, GET}, {"policy_status", "anonymous_listing"}), ({GET}, {"policy_status"}), (set(), set())],
    ids=["list and get", "get", "nothing"],
)
def test_a_public_bucket(server: GoogleServer, public: set[str], fails: set[str]) -> None:
    bucket = new_bucket(server)
    server.objects.bucket(bucket).public = public
    found = look(options(server, bucket))
    assert {name for name, _code in failures(found)} == fails
    assert {code for _name, code in failures(found)} <= {"bucket_public"}
    assert verdicts(found)["policy_status"] == ("failed" if fails else "passed")
