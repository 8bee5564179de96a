# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locations with as few rights as a role needs, on a real MinIO: what works, and how the rest fails."""

from __future__ import annotations

import datetime
import secrets
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from testbed import MinIO

LARGE = (8 << 20) + 5
BACKUP = "clusters/c/backups/b/b.tar.gz"


class Users:
    """Makes users of a MinIO with policies of their own."""

    def __init__(self, store: MinIO) -> None:
        self.store = store
        pool = urllib3.PoolManager(ca_certs=str(store.ca_cert))
        provider = StaticProvider(store.access_key, store.secret_key)
        self.admin = MinioAdmin(
            endpoint=store.endpoint.removeprefix("https://"), credentials=provider, http_client=pool
        )

    def open(self, bucket: str, statements: list[dict[str, Any]]) -> Location:
        """A location as a new user who may do just this."""
        name, secret = f"user-{uuid.uuid4().hex[:10]}", secrets.token_urlsafe(24)
        self.admin.user_add(name, secret)
        self.admin.policy_add(name, policy={"Version": "2012-10-17", "Statement": statements})
        self.admin.attach_policy([name], user=name)
        auth = {"access_key": name, "secret_key": secret}
        where = {
            "endpoint": self.store.endpoint,
            "bucket": bucket,
            "prefix": "fleet",
            "ca_cert": str(self.store.ca_cert),
        }
        return open_location({"provider": "minio", "auth": auth, **where}, {})


@pytest.fixture
def users(minio: MinIO) -> Users:
    """Users of the session's MinIO."""
    return Users(minio)


@pytest.fixture
def bucket(minio: MinIO) -> str:
    """A new bucket."""
    return minio.create_bucket(f"rights-{uuid.uuid4().hex[:12]}")


def allow(actions: list[str], *resources: str, **condition: Any) -> dict[str, Any]:
    """A statement of a policy."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": [f"s3:{action}" for action in actions],
        "Resource": [f"arn:aws:s3:::{resource}" for resource in resources],
    }
    return statement | ({"Condition": condition} if condition else {})


def writer(bucket: str) -> list[dict[str, Any]]:
    """The writer of cluster c: creates its backups, and cannot read its archives back."""
    mine = f"{bucket}/fleet/clusters/c"
    return [
        allow(["PutObject", "AbortMultipartUpload"], f"{mine}/backups/*", f"{mine}/metadata/stowage/*"),
        allow(["GetObject"], f"{mine}/backups/*/velero-backup.json", f"{mine}/metadata/stowage/*"),
        allow(["ListBucket"], bucket, StringLike={"s3:prefix": ["fleet/clusters/c/*"]}),
        allow(["ListBucketMultipartUploads"], bucket),
    ]


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    assert caught.value.hint or caught.value.code != "permission_denied"
    return caught.value.code


def test_a_writer_writes_and_reads_nothing_back(users: Users, bucket: str) -> None:
    location = users.open(bucket, writer(bucket))
    assert list(location.list("clusters/c/")) == []
    location.create("clusters/c/metadata/stowage/reservations/b.json", b"{}")
    assert location.capabilities.conditional_create
    with location.writer(BACKUP) as upload:
        upload.write(bytes(LARGE))
        upload.commit()
    location.create("clusters/c/backups/b/small.gz", b"x")
    assert code_of(lambda: location.create("clusters/c/backups/b/small.gz", b"y")) == "key_exists"
    with location.writer(BACKUP) as again:
        again.write(bytes(LARGE))
        assert code_of(again.commit) == "key_exists"
    found = location.stat(BACKUP)
    assert found is not None
    assert found.size == LARGE
    assert location.stat("clusters/c/backups/b/none") is None
    assert code_of(lambda: location.read(BACKUP, limit=LARGE)) == "permission_denied"
    assert code_of(lambda: location.open(BACKUP)) == "permission_denied"
    assert [(failure.key, failure.code) for failure in location.delete([BACKUP])] == [(BACKUP, "permission_denied")]
    assert sorted(users.store.keys(bucket)) == [
        f"fleet/{BACKUP}",
        "fleet/clusters/c/backups/b/small.gz",
        "fleet/clusters/c/metadata/stowage/reservations/b.json",
    ]
    assert users.store.uploads(bucket) == []


def test_who_may_not_list_the_whole_location_learns_the_time(users: Users, bucket: str) -> None:
    location = users.open(bucket, writer(bucket))
    assert abs(location.now() - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=5)


def test_a_writer_stays_in_its_cluster(users: Users, bucket: str) -> None:
    location = users.open(bucket, writer(bucket))
    assert code_of(lambda: location.create("clusters/d/backups/b/x", b"")) == "permission_denied"
    assert code_of(lambda: list(location.list("clusters/d/"))) == "permission_denied"
    assert code_of(lambda: list(location.list(""))) == "permission_denied"
    assert code_of(lambda: location.stat("clusters/d/x")) == "permission_denied"
    assert users.store.keys(bucket) == []


def test_a_reader_writes_nothing(users: Users, bucket: str) -> None:
    users.store.write(bucket, f"fleet/{BACKUP}", b"content")
    location = users.open(bucket, [allow(["GetObject"], f"{bucket}/*"), allow(["ListBucket"], bucket)])
    assert location.read(BACKUP, limit=10) == b"content"
    assert [info.key for info in location.list("")] == [BACKUP]
    with pytest.raises(StowageError) as caught:
        location.create("clusters/c/new", b"")
    assert caught.value.code == "permission_denied"
    assert caught.value.hint.startswith(f"Allow s3:PutObject on arn:aws:s3:::{bucket}/fleet/clusters/c/* ")
    with location.writer("clusters/c/new") as upload:
        assert code_of(lambda: upload.write(bytes(LARGE))) == "permission_denied"
    assert code_of(lambda: list(location.uploads(""))) == "permission_denied"
    assert users.store.keys(bucket) == [f"fleet/{BACKUP}"]


def test_nobody(users: Users, bucket: str) -> None:
    location = users.open(bucket, [allow(["GetBucketLocation"], bucket)])
    for action in (
        lambda: list(location.list("")),
        lambda: location.stat("a"),
        lambda: location.read("a", limit=1),
        lambda: location.create("a", b""),
        lambda: list(location.uploads("")),
    ):
        assert code_of(action) == "permission_denied"


def test_an_object_under_lock(users: Users, minio: MinIO) -> None:
    bucket = minio.create_bucket(f"locked-{uuid.uuid4().hex[:12]}", object_lock=True)
    retention: Any = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}
    minio.client().put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=retention)
    location = users.open(bucket, [allow(["*"], bucket, f"{bucket}/*")])
    location.create("a", b"x")
    with location.writer("b") as upload:
        upload.write(bytes(LARGE))
        upload.commit()
    assert location.capabilities.conditional_create
    versions = minio.client().list_object_versions(Bucket=bucket)
    assert len(versions["Versions"]) == 2, "learning whether the store knows conditions left no version"
    # Without a version id MinIO hides the object behind a marker, as AWS does; its content stays.
    assert list(location.delete(["a"])) == []
    assert code_of(lambda: location.read("a", limit=1)) == "key_not_found"
