# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store whose answers get lost, or that is full: the backup is whole, or there is none."""

from __future__ import annotations

import contextlib
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from faults.proxy import Fault, FaultProxy, answer, slow_down, swallow
from support import captures

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from testbed import Cluster, MinIO, Testbed

PATHS = BackupPaths(captures.FOLDER, captures.NAME)
QUOTA = b"<Error><Code>QuotaExceeded</Code><Message>The quota is used up.</Message></Error>"


@pytest.fixture(scope="module")
def store(testbed: Testbed) -> MinIO:
    """A MinIO without TLS, for a proxy to stand in front of."""
    return testbed.minio(tls=False)


@pytest.fixture
def proxy(store: MinIO) -> t.Iterator[FaultProxy]:
    with FaultProxy(store.endpoint) as proxy:
        yield proxy


@pytest.fixture
def location(request: pytest.FixtureRequest, store: MinIO, proxy: FaultProxy) -> t.Iterator[Location]:
    bucket = store.create_bucket(f"captures-{abs(hash(request.node.name)) % 10**8}")
    auth = {"method": "access_key", "access_key": store.access_key, "secret_key": store.secret_key}
    options = {"provider": "minio", "bucket": bucket, "prefix": "", "region": store.region, "auth": auth}
    with contextlib.closing(open_location({**options, "endpoint": proxy.endpoint}, {})) as location:
        yield location


@pytest.mark.parametrize("file", ["reservation", "tarball", "index", "results", "manifest", "velero_backup"])
def test_a_lost_answer_to_any_write_costs_nothing(
    cluster: t.Callable[[], Cluster], location: Location, proxy: FaultProxy, file: str
) -> None:
    lost = proxy.add(Fault(swallow(), "PUT", getattr(PATHS, file)))
    result = captures.run(cluster().kubeconfig, location)
    assert lost.hits == 1
    assert result.phase == "Completed"
    assert len(captures.objects(location)) == captures.manifest(location).objects == result.objects


def test_a_store_that_asks_for_patience_gets_it(
    cluster: t.Callable[[], Cluster], location: Location, proxy: FaultProxy
) -> None:
    slow = proxy.add(Fault(slow_down(), "PUT", PATHS.folder, times=3))
    assert captures.run(cluster().kubeconfig, location).phase == "Completed"
    assert slow.hits == 3


@pytest.mark.parametrize("file", ["tarball", "manifest", "velero_backup"])
def test_a_full_store_leaves_nothing(
    cluster: t.Callable[[], Cluster], location: Location, proxy: FaultProxy, file: str
) -> None:
    proxy.add(Fault(answer(403, QUOTA), "PUT", getattr(PATHS, file), times=None))
    with pytest.raises(StowageError) as caught:
        captures.run(cluster().kubeconfig, location)
    assert caught.value.code == "quota"
    assert caught.value.details["leftovers"] == []
    proxy.clear()
    assert catalog.list_backups(location, captures.FOLDER) == []
    assert list(location.list("")) == []
    assert list(location.uploads("")) == []
