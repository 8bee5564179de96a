# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup is there whole or not at all: captures that are killed, that meet each other, that fail."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, delete
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from support import captures
from testbed.process import wait_until

if t.TYPE_CHECKING:
    import pathlib

    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from testbed import Cluster, MinIO

PATHS = BackupPaths(captures.FOLDER, captures.NAME)

# Stops for ever before Roles are listed, when the reservation and perhaps uploads are there.
HANGING = """
import json, pathlib, sys, time
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from support import captures
kubeconfig, location = sys.argv[1], json.loads(sys.argv[2])
def hang(method, path, query):
    if path == "/apis/rbac.authorization.k8s.io/v1/roles" and query.get("limit") != "1":
        print("hanging", flush=True)
        time.sleep(600)
captures.run(pathlib.Path(kubeconfig), open_location(location, {}), before=hang)
"""


@pytest.fixture(params=["filesystem", "minio"])
def options(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> dict[str, t.Any]:
    """A location of each kind of store, as its options."""
    if request.param == "filesystem":
        return {"provider": "filesystem", "path": str(tmp_path), "prefix": ""}
    store: MinIO = request.getfixturevalue("minio")
    auth = {"method": "access_key", "access_key": store.access_key, "secret_key": store.secret_key}
    bucket = store.create_bucket(f"ends-{abs(hash(request.node.name)) % 10**8}")
    return {
        "provider": "minio",
        "bucket": bucket,
        "prefix": "",
        "endpoint": store.endpoint,
        "region": store.region,
        "ca_cert": str(store.ca_cert),
        "auth": auth,
    }


@pytest.fixture
def location(options: dict[str, t.Any]) -> t.Iterator[Location]:
    location = open_location(options, {})
    yield location
    location.close()


def test_a_killed_capture_leaves_no_backup(
    cluster: t.Callable[[], Cluster], options: dict[str, t.Any], location: Location
) -> None:
    kubeconfig = cluster().kubeconfig
    command = [sys.executable, "-c", HANGING, str(kubeconfig), json.dumps(options)]
    paths = os.pathsep.join(sys.path)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}, text=True
    ) as capture:
        assert capture.stdout is not None
        assert capture.stdout.readline() == "hanging\n"
        capture.send_signal(signal.SIGKILL)
        capture.wait(30)
    (record,) = catalog.list_backups(location, captures.FOLDER)
    assert record.phase == "InProgress"
    assert location.stat(PATHS.velero_backup) is None
    with pytest.raises(StowageError) as caught:
        captures.run(kubeconfig, location)
    assert caught.value.code == "backup_in_progress"
    assert "state: absent" in caught.value.hint

    delete.delete_backup(location, delete.plan_delete(location, PATHS))
    assert list(location.list("")) == []
    assert list(location.uploads("")) == []
    assert captures.run(kubeconfig, location).phase == "Completed"


def test_of_two_captures_of_one_name_exactly_one_exists(
    cluster: t.Callable[[], Cluster], options: dict[str, t.Any], location: Location
) -> None:
    kubeconfig = cluster().kubeconfig

    def one(_number: int) -> str:
        own = open_location(options, {})
        try:
            return captures.run(kubeconfig, own).phase
        except StowageError as error:
            return error.code
        finally:
            own.close()

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        outcomes = sorted(pool.map(one, range(3)))
    assert outcomes[0] == "Completed"
    assert set(outcomes[1:]) <= {"backup_exists", "backup_in_progress"}
    assert [record.phase for record in catalog.list_backups(location, captures.FOLDER)] == ["Completed"]
    assert len(captures.objects(location)) == captures.manifest(location).objects
    assert list(location.uploads("")) == []


def test_a_cluster_that_goes_away_leaves_nothing(
    new_cluster: t.Callable[..., Cluster], options: dict[str, t.Any], location: Location
) -> None:
    cluster = new_cluster("going")
    gone: list[str] = []

    def before(_method: str, path: str, query: dict[str, str]) -> None:
        if path == "/apis/rbac.authorization.k8s.io/v1/roles" and query.get("limit") != "1" and not gone:
            gone.append(path)
            cluster.stop_part("kube-apiserver")

    with pytest.raises(StowageError) as caught:
        captures.run(cluster.kubeconfig, location, before=before)
    assert gone
    assert caught.value.code == "cluster_unreachable"
    assert caught.value.details["leftovers"] == []
    wait_until(lambda: not list(location.uploads("")), seconds=10, what="the uploads' end")
    assert list(location.list("")) == []
