# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What validation finds out about real stores, and that it leaves nothing there."""

from __future__ import annotations

import json
import secrets
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import probe as probe_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import STALE, Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location, open_prober
from faults import Fault, FaultProxy, cut_request, hold, reset, slow_down, swallow
from support import modules
from support.killed import kill_at
from testbed import MinIO, SeaweedFS, Testbed
from testbed.store import S3Store

PREFIX = "fleet"
CLUSTER = "c"
COMPLIANCE: Any = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}
RIGHTS = (
    "s3:ListBucket",
    "s3:PutObject",
    "s3:GetObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
    "s3:ListBucketMultipartUploads",
)
OF_BUCKET = {"s3:ListBucket", "s3:ListBucketMultipartUploads"}


def options(store: S3Store, bucket: str, keys: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A location in a bucket, as the administrator or with other keys."""
    access, secret = keys or (store.access_key, store.secret_key)
    return {
        "provider": "minio",
        "endpoint": store.endpoint,
        "bucket": bucket,
        "prefix": PREFIX,
        "ca_cert": str(store.ca_cert) if store.ca_cert else None,
        "auth": {"method": "access_key", "access_key": access, "secret_key": secret},
        **more,
    }


def look(location: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the module returns about a location; no secret is in it."""
    found = modules.run("backup_location_info", {"location": location, **more})
    secret = (location.get("auth") or {}).get("secret_key")
    assert not secret or secret not in json.dumps(found)
    result: dict[str, Any] = found["location"]
    return result


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {check["id"]: check["verdict"] for check in found["checks"]}


def failures(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(check["id"], check["error_code"]) for check in found["checks"] if check["verdict"] == "failed"]


def actions(found: dict[str, Any], kind: str) -> set[str]:
    return {entry["action"] for entry in found["permissions"][kind]}


def traces(store: S3Store, bucket: str) -> list[str]:
    """Everything that is in a bucket, or was: versions, delete markers, unfinished uploads."""
    client = store.client()
    answer = client.list_object_versions(Bucket=bucket)
    found = [f"version {one['Key']}" for one in answer.get("Versions", [])]
    found += [f"marker {one['Key']}" for one in answer.get("DeleteMarkers", [])]
    # MinIO finds uploads by their whole key, or all of them without a prefix.
    return found + [f"upload {key}" for key in store.uploads(bucket)]


class Users:
    """Makes users of a MinIO with policies of their own."""

    def __init__(self, store: MinIO) -> None:
        pool = urllib3.PoolManager(ca_certs=str(store.ca_cert))
        provider = StaticProvider(store.access_key, store.secret_key)
        host = store.endpoint.removeprefix("https://")
        self._admin = MinioAdmin(endpoint=host, credentials=provider, http_client=pool)

    def add(self, bucket: str, allowed: tuple[str, ...] | list[str], below: str = f"{PREFIX}/*") -> tuple[str, str]:
        """The keys of a new user who may do just this."""
        name, secret = f"user-{uuid.uuid4().hex[:10]}", secrets.token_urlsafe(24)
        self._admin.user_add(name, secret)
        statements = [
            {
                "Effect": "Allow",
                "Action": [action],
                "Resource": [f"arn:aws:s3:::{bucket}" + ("" if action in OF_BUCKET else f"/{below}")],
            }
            for action in allowed
        ]
        self._admin.policy_add(name, policy={"Version": "2012-10-17", "Statement": statements})
        self._admin.attach_policy([name], user=name)
        return name, secret


@pytest.fixture(scope="module")
def users(minio: MinIO) -> Users:
    """Users of the session's MinIO."""
    return Users(minio)


@pytest.fixture(scope="module")
def shared(minio: MinIO) -> str:
    """A bucket that tests of permissions share."""
    return minio.create_bucket(f"rights-{uuid.uuid4().hex[:12]}", versioning=True)


@pytest.fixture(params=["minio", "seaweedfs"])
def store(request: pytest.FixtureRequest) -> S3Store:
    """Each store."""
    found: S3Store = request.getfixturevalue(request.param)
    return found


def new_bucket(store: S3Store, **more: Any) -> str:
    return store.create_bucket(f"probe-{uuid.uuid4().hex[:12]}", **more)


# what is fine


def test_a_bucket_that_is_fit(store: S3Store) -> None:
    bucket = new_bucket(store, versioning=True)
    store.write(bucket, f"{PREFIX}/clusters/{CLUSTER}/backups/b/x", b"x")
    before = traces(store, bucket)
    found = look(options(store, bucket), cluster=CLUSTER)
    assert failures(found) == []
    assert found["fit"] is True
    assert actions(found, "allowed") == set(RIGHTS)
    assert actions(found, "missing") == actions(found, "unknown") == set()
    seen = verdicts(found)
    for name in ("tls", "certificate_expiry", "clock", "credentials", "bucket", "listing", "upload", "versioning"):
        assert seen[name] == "passed", name
    assert seen["conditional_create"] == "passed"
    for name in ("anonymous_listing", "anonymous_reading", "anonymous_writing", "policy_status", "bucket_acl"):
        assert seen[name] == "passed", name
    assert seen["account_public_access_block"] == "unsupported"
    assert seen["replication"] in {"passed", "unsupported"}
    assert found["settings"]["versioning"] == "Enabled"
    assert traces(store, bucket) == before


def test_conditions_cannot_be_tried_in_an_empty_bucket(minio: MinIO) -> None:
    assert verdicts(look(options(minio, new_bucket(minio))))["conditional_create"] == "unknown"


def test_who_minio_takes_us_for(minio: MinIO, users: Users, shared: str) -> None:
    keys = users.add(shared, RIGHTS)
    found = look(options(minio, shared, keys))
    assert found["identity"] == {"access_key": keys[0], "user": keys[0]}


def test_who_seaweedfs_takes_us_for_it_does_not_say(seaweedfs: SeaweedFS) -> None:
    found = look(options(seaweedfs, new_bucket(seaweedfs)))
    assert found["identity"] == {"access_key": seaweedfs.access_key}
    assert verdicts(found)["identity"] == "unsupported"


def test_check_mode_is_the_same(minio: MinIO) -> None:
    location = options(minio, new_bucket(minio))
    plain = modules.run("backup_location_info", {"location": location})
    checked = modules.run("backup_location_info", {"location": location}, check=True)
    assert plain["changed"] is checked["changed"] is False
    assert verdicts(plain["location"]) == verdicts(checked["location"])


# permissions


@pytest.mark.parametrize("forbidden", RIGHTS)
def test_exactly_what_is_forbidden_is_named(minio: MinIO, users: Users, shared: str, forbidden: str) -> None:
    keys = users.add(shared, [action for action in RIGHTS if action != forbidden])
    found = look(options(minio, shared, keys), engine="velero")
    named = found["permissions"]["missing"]
    resource = f"arn:aws:s3:::{shared}" + ("" if forbidden in OF_BUCKET else f"/{PREFIX}/*")
    assert named == [{"action": forbidden, "resource": resource}]
    assert actions(found, "unknown") == set()
    assert found["fit"] is False
    assert found["stopped_at"] == "permission"
    assert any(forbidden in check["fix"] for check in found["checks"] if check["verdict"] == "failed")
    assert traces(minio, shared) == []


def test_all_that_is_missing_is_named_in_one_go(minio: MinIO, users: Users, shared: str) -> None:
    found = look(options(minio, shared, users.add(shared, ["s3:GetBucketLocation"])), engine="velero")
    assert actions(found, "missing") == set(RIGHTS)
    assert traces(minio, shared) == []


def test_a_writer_of_one_cluster(minio: MinIO, users: Users, shared: str) -> None:
    mine = f"{PREFIX}/clusters/{CLUSTER}/metadata/stowage/*"
    keys = users.add(shared, ["s3:ListBucket", "s3:PutObject", "s3:AbortMultipartUpload"], below=mine)
    found = look(options(minio, shared, keys), cluster=CLUSTER, access=["write"])
    assert found["fit"] is True
    assert actions(found, "missing") == {"s3:ListMultipartUploadParts"}
    assert verdicts(found)["may_list_parts"] == "warning"
    assert "may_delete" not in verdicts(found)
    elsewhere = look(options(minio, shared, keys), cluster="d", access=["write"])
    assert {"s3:PutObject", "s3:AbortMultipartUpload"} <= actions(elsewhere, "missing")
    assert traces(minio, shared) == []


def test_who_may_not_abort_begins_no_upload(minio: MinIO, users: Users, shared: str) -> None:
    keys = users.add(shared, [action for action in RIGHTS if action != "s3:AbortMultipartUpload"])
    found = look(options(minio, shared, keys))
    assert verdicts(found)["upload"] == "unknown"
    assert traces(minio, shared) == []


@pytest.mark.parametrize(
    ("actions_given", "missing"),
    [
        (["Read", "List"], {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}),
        (["Read", "Write", "List"], set()),
    ],
)
def test_permissions_with_seaweedfs(testbed: Testbed, actions_given: list[str], missing: set[str]) -> None:
    bucket = f"probe-{uuid.uuid4().hex[:12]}"
    own = testbed.seaweedfs(identities={"user": [f"{action}:{bucket}" for action in actions_given]})
    try:
        own.create_bucket(bucket)
        found = look(options(own, bucket, own.users["user"]))
        assert missing <= actions(found, "missing")
        assert bool(missing) is bool(failures(found))
        assert traces(own, bucket) == []
    finally:
        testbed.stop(own)


# nothing is left behind


def test_a_hundred_probes_leave_nothing_under_lock(store: S3Store) -> None:
    bucket = new_bucket(store, object_lock=True)
    store.client().put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=COMPLIANCE)
    location = options(store, bucket)
    for _dummy in range(100):
        prober = open_prober(location, {}, Aim(CLUSTER))
        found = probe_file.probe(prober)
        assert found.fit, found
        assert len(found.permissions()["allowed"]) == len(RIGHTS)
        prober.close()
    settings = prober.settings()
    assert (settings["versioning"], settings["default_retention"]) == ("Enabled", "COMPLIANCE")
    assert traces(store, bucket) == []


@pytest.mark.parametrize("kind", [{"versioning": True}, {"object_lock": True}, {}])
def test_probes_leave_nothing(store: S3Store, kind: dict[str, bool]) -> None:
    bucket = new_bucket(store, **kind)
    found = look(options(store, bucket))
    assert failures(found) == []
    assert found["fit"] is True
    look(options(store, bucket), cluster=CLUSTER)
    assert traces(store, bucket) == []


def test_retention_matters_to_velero(minio: MinIO) -> None:
    bucket = new_bucket(minio, object_lock=True)
    minio.client().put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=COMPLIANCE)
    ours, velero = (look(options(minio, bucket), engine=engine) for engine in ("stowage", "velero"))
    assert verdicts(ours)["default_retention"] == "passed"
    assert verdicts(velero)["default_retention"] == "warning"
    assert ours["settings"]["object_lock"] is True
    assert ours["settings"]["default_retention"] == "COMPLIANCE"


@pytest.fixture(scope="module")
def plain_minio(testbed: Testbed) -> MinIO:
    """A MinIO without TLS, for a proxy to read along."""
    return testbed.minio(tls=False)


# Ids of uploads that are made up are 64 digits; these requests are about one that was really begun.
REAL = r"uploadId=(?![0-9a-f]{64}(&|$))"


@pytest.mark.parametrize(
    ("fault", "fails"),
    [
        (Fault(swallow(), "DELETE", REAL), []),
        (Fault(reset(), "DELETE", REAL, times=2), []),
        (Fault(slow_down(), "DELETE", REAL), []),
        (Fault(slow_down(), "PUT", REAL), [("upload", "throttled")]),
        (Fault(cut_request(3), "PUT", REAL), [("upload", "endpoint_unreachable")]),
        (Fault(reset(), "GET", REAL), [("upload", "endpoint_unreachable")]),
        (Fault(swallow(), "POST", "uploads"), [("upload", "endpoint_unreachable")]),
        (Fault(reset(), "POST", "uploads"), [("upload", "endpoint_unreachable")]),
        (Fault(slow_down(), "POST", "uploads"), [("upload", "throttled")]),
    ],
    ids=[
        "lost abort",
        "reset abort",
        "busy abort",
        "busy part",
        "cut part",
        "reset list",
        "lost beginning",
        "reset beginning",
        "busy beginning",
    ],
)
def test_what_breaks_in_the_middle_leaves_nothing(
    plain_minio: MinIO, fault: Fault, fails: list[tuple[str, str]]
) -> None:
    bucket = new_bucket(plain_minio, versioning=True)
    with FaultProxy(plain_minio.endpoint) as proxy:
        proxy.add(fault)
        found = look(options(plain_minio, bucket, endpoint=proxy.endpoint))
    assert fault.hits
    assert failures(found) == fails
    assert found["fit"] is not bool(fails)
    assert traces(plain_minio, bucket) == []


def test_a_probe_that_is_killed_leaves_at_most_an_upload_and_that_is_swept(
    plain_minio: MinIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = new_bucket(plain_minio, object_lock=True)
    plain_minio.client().put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=COMPLIANCE)
    aim, never = Aim(CLUSTER), threading.Event()
    with FaultProxy(plain_minio.endpoint) as proxy:
        location = options(plain_minio, bucket, endpoint=proxy.endpoint)
        held = proxy.add(Fault(hold(never), "DELETE", REAL, times=None))
        kill_at(held.hit, "backup_location_info", {"location": location, "cluster": CLUSTER})
    assert traces(plain_minio, bucket) == [f"upload {PREFIX}/{aim.upload_key}"]
    location = options(plain_minio, bucket)
    found = look(location, cluster=CLUSTER)
    assert verdicts(found)["leftovers"] == "passed", "it may be a probe at work"
    assert any("1 of probes began less than an hour ago" in check["seen"] for check in found["checks"])
    assert traces(plain_minio, bucket) == [f"upload {PREFIX}/{aim.upload_key}"]
    monkeypatch.setattr(probe_file, "STALE", STALE * 0)
    prober = open_prober(location, {}, aim)
    probe_file.probe(prober)
    assert [check.verdict.value for check in probe_file.sweep(prober, aim)] == ["warning"]
    prober.close()
    assert traces(plain_minio, bucket) == []


# what is wrong


def test_what_is_wrong_with_buckets_and_keys(store: S3Store) -> None:
    bucket = new_bucket(store)
    assert failures(look(options(store, "there-is-no-such-bucket"))) == [("bucket", "bucket_not_found")]
    wrong = options(store, bucket, (store.access_key, "not-the-secret"))
    assert failures(look(wrong)) == [("credentials", "credentials_invalid")]
    unknown = options(store, bucket, ("nobody-knows-me", "not-the-secret"))
    assert failures(look(unknown)) == [("credentials", "credentials_invalid")]
    untrusting = options(store, bucket, ca_cert=None)
    assert failures(look(untrusting)) == [("tls", "tls_untrusted")]
    plain = options(store, bucket, endpoint=store.endpoint.replace("https", "http"))
    assert failures(look(plain)) == [("tls", "endpoint_unreachable")]


def test_a_public_bucket(minio: MinIO) -> None:
    bucket = new_bucket(minio)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": ["*"]},
                "Action": ["s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{bucket}"],
            }
        ],
    }
    minio.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    found = look(options(minio, bucket))
    assert ("anonymous_listing", "bucket_public") in failures(found)
    assert found["fit"] is False


def let_anybody(store: S3Store, bucket: str, action: str, below: str) -> None:
    """Lets anybody do something with the objects below a prefix."""
    resource = f"arn:aws:s3:::{bucket}/{below}*"
    statement = {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": [action], "Resource": [resource]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    store.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


@pytest.mark.parametrize("there", [True, False], ids=["an object", "nothing"])
@pytest.mark.parametrize(
    ("action", "tried"),
    [
        ("s3:GetObject", "anonymous_reading"),
        ("s3:PutObject", "anonymous_writing"),
        ("s3:DeleteObject", "anonymous_writing"),
    ],
)
def test_a_bucket_that_anybody_may_use(store: S3Store, action: str, tried: str, there: bool) -> None:
    """MinIO says of each of these policies that it is not public. SeaweedFS lets nobody write all the same."""
    bucket = new_bucket(store, versioning=True)
    if there:
        store.write(bucket, f"{PREFIX}/clusters/{CLUSTER}/backups/b/x", b"x")
    let_anybody(store, bucket, action, f"{PREFIX}/")
    before = traces(store, bucket)
    found = look(options(store, bucket))
    expected = ["policy_status", *([tried] if store.name == "minio" or action == "s3:GetObject" else [])]
    assert failures(found) == [(name, "bucket_public") for name in sorted(expected, reverse=True)]
    assert found["fit"] is False
    assert any(action in check["seen"] for check in found["checks"] if check["id"] == "policy_status")
    assert traces(store, bucket) == before


def test_what_anybody_may_read_elsewhere_is_not_the_location(minio: MinIO) -> None:
    bucket = new_bucket(minio)
    for below, verdict in (("photos/", "passed"), ("fle", "failed")):
        let_anybody(minio, bucket, "s3:GetObject", below)
        assert verdicts(look(options(minio, bucket)))["policy_status"] == verdict


def test_a_rule_that_expires_backups(minio: MinIO) -> None:
    bucket = new_bucket(minio)
    rules: Any = [{"ID": "tidy", "Status": "Enabled", "Filter": {"Prefix": PREFIX}, "Expiration": {"Days": 30}}]
    minio.client().put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    found = look(options(minio, bucket))
    assert verdicts(found)["lifecycle_expiry"] == "warning"
    assert any("tidy" in check["seen"] for check in found["checks"])


def test_a_prefix_that_others_use(store: S3Store) -> None:
    bucket = new_bucket(store)
    store.write(bucket, f"{PREFIX}/dump.sql.gz", b"x")
    store.write(bucket, f"{PREFIX}/clusters/{CLUSTER}/notes/x", b"x")
    found = look(options(store, bucket), cluster=CLUSTER, engine="velero")
    assert verdicts(found)["foreign_names"] == "warning"
    assert failures(found) == [("cluster_folder", "location_unfit")]


def test_another_cluster_s_backups(minio: MinIO) -> None:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.document import CLUSTER_UID

    location = options(minio, new_bucket(minio))
    opened = open_location(location, {})
    record = {
        "kind": "Backup",
        "metadata": {"name": "b", "annotations": {CLUSTER_UID: "theirs"}},
        "status": {"phase": "Completed"},
    }
    opened.create(f"clusters/{CLUSTER}/backups/b/velero-backup.json", json.dumps(record).encode())
    opened.close()
    found = look(location, cluster=CLUSTER, cluster_uid="mine")
    assert failures(found) == [("cluster_identity", "cluster_identity_changed")]
    assert failures(look(location, cluster=CLUSTER, cluster_uid="theirs")) == []


def test_a_task_that_is_to_fail(minio: MinIO) -> None:
    with pytest.raises(modules.Failed) as caught:
        modules.run("backup_location_info", {"location": options(minio, "no-such-bucket"), "fail_on": "failed"})
    result = caught.value.result
    assert result["error_code"] == "location_unfit"
    assert result["error_details"]["first_error_code"] == "bucket_not_found"
    assert result["location"]["stopped_at"] == "bucket"
    assert minio.secret_key not in json.dumps(result)


def test_a_directory(tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir(mode=0o700)
    found = look({"provider": "filesystem", "path": str(place)}, cluster=CLUSTER)
    assert found["fit"] is True
    assert list(place.iterdir()) == []
