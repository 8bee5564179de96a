# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two tasks for one cluster, in processes of their own, with a bucket or a directory between them."""

from __future__ import annotations

import concurrent.futures
import datetime
import json
import secrets
import signal
import subprocess
import sys
import threading
import typing as t
import uuid
from pathlib import Path

import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import statements
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import grants
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import leases
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.holding import Lease
from support import fake_cluster as fake
from support import modules
from support.clusters import config_map, namespace
from support.fake_cluster import FakeCluster
from support.killed import kill_at
from support.scripted_api import ScriptedApi
from support.served_cluster import served
from testbed import Cluster, MinIO
from testbed.process import wait_until

if t.TYPE_CHECKING:
    from conftest import ClusterFactory

Options = dict[str, t.Any]
HOLDER: t.Final = """
import datetime, json, sys, threading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import holding, leases
location = open_location(json.loads(sys.argv[1]), {})
seconds = datetime.timedelta(seconds=3)
with holding.Lease(location, sys.argv[2], Progress(), what="it", who="backup", times=holding.Times(seconds, seconds)):
    print("held", flush=True)
    threading.Event().wait()
"""


def bucket(store: MinIO) -> Options:
    where = {"provider": "minio", "endpoint": store.endpoint, "ca_cert": str(store.ca_cert), "prefix": "fleet"}
    auth = {"method": "access_key", "access_key": store.access_key, "secret_key": store.secret_key}
    return where | {"bucket": store.create_bucket(f"leases-{uuid.uuid4().hex[:12]}"), "auth": auth}


@pytest.fixture(params=["bucket", "directory"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Options:
    if request.param == "bucket":
        return bucket(request.getfixturevalue("minio"))
    return {"provider": "filesystem", "path": str(tmp_path / "backups"), "prefix": ""}


@pytest.fixture
def location(where: Options) -> t.Iterator[Location]:
    found = open_location(where, {})
    yield found
    found.close()


class SlowCluster(FakeCluster):
    """A cluster that answers for its ConfigMaps when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.add(fake.NAMESPACES, "shop")
        self.add(fake.CONFIGMAPS, "settings", "shop")
        self.asked, self.answer = threading.Event(), threading.Event()
        self.hook = self._wait

    def _wait(self, _method: str, path: str, query: dict[str, str]) -> None:
        if path.endswith("/configmaps") and query.get("limit") != "1":
            self.asked.set()
            self.answer.wait(600)


@pytest.fixture
def slow() -> t.Iterator[SlowCluster]:
    cluster = SlowCluster()
    yield cluster
    cluster.answer.set()


@pytest.fixture
def api(slow: SlowCluster) -> t.Iterator[ScriptedApi]:
    with served(slow).running() as api:
        yield api


def asks_who_it_is(api: ScriptedApi) -> int:
    return sum(request.path.endswith("/namespaces/kube-system") for request in api.requests)


def test_the_second_waits_and_takes_what_the_first_made(where: Options, slow: SlowCluster, api: ScriptedApi) -> None:
    args: Options = {"location": where, "cluster": "east", "host": api.url, "api_key": "x", "max_age": "24h"}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(modules.run, "backup", args)
        assert slow.asked.wait(120)
        with pytest.raises(modules.Failed) as caught:
            modules.run("backup", {**args, "lease_wait": "0"})
        assert caught.value.result["error_code"] == "lease_held"
        assert "Another task holds the cluster east: backup on " in caught.value.result["msg"]
        asked = asks_who_it_is(api)
        second = pool.submit(modules.run, "backup", args)
        wait_until(lambda: asks_who_it_is(api) > asked or None, seconds=120, what="the second task")
        slow.answer.set()
        made, found = first.result(), second.result()
    assert (made["changed"], found["changed"]) == (True, False)
    assert found["backup"]["name"] == made["backup"]["name"]
    assert made["lease"] == {"held": True, "waited": 0.0, "message": ""}


def test_what_is_killed_lets_go_when_its_time_is_over(where: Options, location: Location) -> None:
    chain = leases.of_cluster("east", "uid")
    command = [sys.executable, "-c", HOLDER, json.dumps(where), chain]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        # It is renewed as long as its holder lives.
        first = leases.read_last(location, chain)
        wait_until(
            lambda: leases.read_last(location, chain).expires > first.expires or None, seconds=60, what="a renewal"
        )
        holder.send_signal(signal.SIGKILL)
    assert leases.read_last(location, chain).holders
    wait = datetime.timedelta(seconds=60)
    with Lease(location, chain, Progress(), what="it", who="backup", wait=wait) as lease:
        assert lease.held
    assert not leases.read_last(location, chain).holders


def test_a_killed_module_leaves_its_lease_behind(where: Options, slow: SlowCluster, api: ScriptedApi) -> None:
    args: Options = {"location": where, "cluster": "east", "host": api.url, "api_key": "x", "name": "b1"}
    kill_at(slow.asked, "backup", args)
    slow.answer.set()
    with pytest.raises(modules.Failed) as caught:
        modules.run("backup", {**args, "name": "b2", "lease_wait": "0"})
    assert caught.value.result["error_code"] == "lease_held"


def as_reader(store: MinIO, where: Options) -> Options:
    """The same bucket as somebody who may read and write nothing."""
    pool = urllib3.PoolManager(ca_certs=str(store.ca_cert))
    provider = StaticProvider(store.access_key, store.secret_key)
    admin = MinioAdmin(endpoint=store.endpoint.removeprefix("https://"), credentials=provider, http_client=pool)
    name, secret = f"user-{uuid.uuid4().hex[:10]}", secrets.token_urlsafe(24)
    allowed = statements(grants("reader", ["east"]), where["bucket"], where["prefix"])
    admin.user_add(name, secret)
    admin.policy_add(name, policy={"Version": "2012-10-17", "Statement": allowed})
    admin.attach_policy([name], user=name)
    return where | {"auth": {"method": "access_key", "access_key": name, "secret_key": secret}}


def test_who_may_only_read_restores_without_a_lease_and_says_so(
    minio: MinIO, cluster: ClusterFactory, tmp_path: Path
) -> None:
    target: Cluster = cluster()
    for document in (namespace("leased"), config_map("leased", "settings", a="b")):
        target.api.apply(document, field_manager="test")
    where = bucket(minio)
    args: Options = {"cluster": "east", "kubeconfig": str(target.kubeconfig), "included_namespaces": ["leased"]}
    modules.run("backup", {**args, "location": where, "name": "b1"})
    target.api.delete("v1", "ConfigMap", "settings", "leased")
    reader: Options = {**args, "location": as_reader(minio, where), "backup": "b1", "report_dir": str(tmp_path)}
    before = minio.keys(where["bucket"])
    restored = modules.run("restore", reader)
    assert restored["restore"]["counts"]["created"] == 1
    assert restored["lease"]["held"] is False
    assert "No lease could be taken on the backup b1: " in restored["lease"]["message"]
    assert minio.keys(where["bucket"]) == before
    # Who may write holds both while it reads.
    again = modules.run("restore", {**args, "location": where, "backup": "b1"})
    assert again["lease"] == {"held": True, "waited": 0.0, "message": ""}
    target.api.delete("v1", "Namespace", "leased")
