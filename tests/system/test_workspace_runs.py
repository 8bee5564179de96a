# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs in a bucket and in a directory, and in a bucket by who may write no more than a cluster's own records."""

from __future__ import annotations

import concurrent.futures
import secrets
import typing as t
import uuid
from pathlib import Path

import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import statements
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import grants
from support import modules
from testbed import MinIO

Options = dict[str, t.Any]
GOOD: t.Final = {"phase": "Completed", "backup": "b1", "made": True}


def bucket(store: MinIO) -> Options:
    where = {"provider": "minio", "endpoint": store.endpoint, "ca_cert": str(store.ca_cert), "prefix": "fleet"}
    auth = {"method": "access_key", "access_key": store.access_key, "secret_key": store.secret_key}
    return where | {"bucket": store.create_bucket(f"runs-{uuid.uuid4().hex[:12]}"), "auth": auth}


@pytest.fixture(params=["bucket", "directory"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Options:
    if request.param == "bucket":
        return bucket(request.getfixturevalue("minio"))
    return {"provider": "filesystem", "path": str(tmp_path / "backups"), "prefix": ""}


def run(location: Options, state: str, **args: t.Any) -> Options:
    return modules.run(
        "workspace_run", {"location": location, "workspace": "shop", "run": "r1", "state": state, **args}
    )


def test_a_run_from_its_begin_to_its_end(where: Options) -> None:
    clusters = ["a", "b", "c"]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        begun = list(pool.map(lambda _number: run(where, "started", clusters=clusters)["changed"], range(3)))
        assert sorted(begun) == [False, False, True]
        # Three tasks of one cluster at once write three records.
        written = pool.map(lambda _number: run(where, "recorded", cluster="a", outcome=GOOD), range(3))
        assert sorted(one["run"]["record"]["attempt"] for one in written) == [1, 2, 3]
    assert not run(where, "pending", cluster="a")["run"]["pending"]
    run(where, "recorded", cluster="b", outcome={"phase": "Failed", "error_code": "timeout", "reason": "Too long."})
    with pytest.raises(modules.Failed) as caught:
        run(where, "finished")
    assert caught.value.result["error_code"] == "run_partial"
    assert caught.value.result["run"]["counts"] == {"Completed": 1, "PartiallyFailed": 0, "Failed": 1, "Missing": 1}
    with pytest.raises(modules.Failed) as caught:
        run(where, "started", clusters=["a"])
    assert caught.value.result["error_code"] == "run_exists"
    for one in "bc":
        run(where, "recorded", cluster=one, outcome=GOOD)
    assert run(where, "finished")["run"]["phase"] == "Completed"


def test_a_writer_of_one_cluster_writes_its_records_and_no_others(minio: MinIO) -> None:
    owner = bucket(minio)
    pool = urllib3.PoolManager(ca_certs=str(minio.ca_cert))
    provider = StaticProvider(minio.access_key, minio.secret_key)
    admin = MinioAdmin(endpoint=minio.endpoint.removeprefix("https://"), credentials=provider, http_client=pool)
    name, secret = f"user-{uuid.uuid4().hex[:10]}", secrets.token_urlsafe(24)
    allowed = statements(grants("writer", ["a"]), owner["bucket"], owner["prefix"])
    admin.user_add(name, secret)
    admin.policy_add(name, policy={"Version": "2012-10-17", "Statement": allowed})
    admin.attach_policy([name], user=name)
    writer = owner | {"auth": {"method": "access_key", "access_key": name, "secret_key": secret}}

    run(owner, "started", clusters=["a", "b"])
    assert run(writer, "pending", cluster="a")["run"]["pending"]
    failed = {"phase": "Failed", "reason": "Too long."}
    assert run(writer, "recorded", cluster="a", outcome=failed)["run"]["record"]["attempt"] == 1
    assert run(writer, "recorded", cluster="a", outcome=GOOD)["run"]["record"]["attempt"] == 2
    assert not run(writer, "pending", cluster="a")["run"]["pending"]
    for state, args in (
        ("recorded", {"cluster": "b", "outcome": GOOD}),
        ("started", {"clusters": ["a", "b"], "run": "r2"}),
        ("finished", {}),
    ):
        with pytest.raises(modules.Failed) as caught:
            run(writer, state, **args)
        assert caught.value.result["error_code"] == "permission_denied", state
    with pytest.raises(modules.Failed) as caught:
        run(owner, "finished")
    assert caught.value.result["run"]["counts"] == {"Completed": 1, "PartiallyFailed": 0, "Failed": 0, "Missing": 1}
