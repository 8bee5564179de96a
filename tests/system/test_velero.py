# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Velero server reads what is written here, and what it writes is restored here."""

from __future__ import annotations

import re
import typing as t

import pytest

from compare import beds
from support import modules
from testbed import Cluster, extras, samples

if t.TYPE_CHECKING:
    from compare.stored import Id, Snapshot
    from testbed import Testbed
    from testbed.minio import MinIO
    from testbed.velero import VeleroServer

BUCKET: t.Final = "velero"
FOLDER: t.Final = "clusters/source"


@pytest.fixture(scope="module")
def source(testbed: Testbed) -> Cluster:
    """A cluster with the sample applications and some awkward objects."""
    cluster = testbed.cluster("velero-source")
    samples.load(cluster.api)
    extras.load_extras(cluster.api)
    return cluster


@pytest.fixture(scope="module")
def snapshot(source: Cluster) -> Snapshot:
    """What users made in the source, before Velero moves in."""
    return beds.snapshot(source)


@pytest.fixture(scope="module")
def location(minio: MinIO) -> dict[str, t.Any]:
    """The bucket that both tools use."""
    return {
        "provider": "minio",
        "bucket": minio.create_bucket(BUCKET),
        "endpoint": minio.endpoint,
        "region": minio.region,
        "ca_cert": str(minio.ca_cert),
        "auth": {"method": "access_key", "access_key": minio.access_key, "secret_key": minio.secret_key},
    }


@pytest.fixture(scope="module")
def ours(source: Cluster, snapshot: Snapshot, location: dict[str, t.Any]) -> str:
    """A backup made here."""
    assert snapshot.objects
    made = modules.run(
        "backup", {"location": location, "cluster": "source", "name": "ours", "kubeconfig": str(source.kubeconfig)}
    )
    assert made["backup"]["phase"] == "Completed"
    return "ours"


@pytest.fixture
def velero_in(testbed: Testbed, minio: MinIO, ours: str) -> t.Iterator[t.Callable[[Cluster], VeleroServer]]:
    """Gives a Velero server in a cluster, whose location is the source's folder in the bucket. It comes after the backup,
    which must not hold it. One at a time: each listens on port 8080, whatever it is told."""
    assert ours
    running = []

    def start(cluster: Cluster) -> VeleroServer:
        running.append(testbed.velero(cluster, minio, BUCKET, FOLDER))
        return running[0]

    yield start
    for server in running:
        testbed.stop(server)


def is_users(key: Id) -> bool:
    """Not Velero's own, and of a length that Velero can restore."""
    return key.namespace != "velero" and "velero" not in key.resource + key.name and len(key.name) <= 250


BY_VELERO: t.Final[dict[str, t.Any]] = {
    "wanted": is_users,
    **dict.fromkeys(("extra", "owners", "managers", "statuses"), False),
}


def test_velero_lists_describes_and_restores_ours(
    snapshot: Snapshot,
    velero_in: t.Callable[[Cluster], VeleroServer],
    new_cluster: t.Callable[[str], Cluster],
    ours: str,
) -> None:
    target = new_cluster("velero-target")
    velero = velero_in(target)
    found = velero.wait_synced(ours)
    assert found["status"]["phase"] == "Completed"
    described = re.sub(r"\x1b\[\d+m", "", velero.describe(ours))
    assert "Phase:  Completed" in described
    assert "v1/ConfigMap" in described
    assert velero.logs(ours).strip()

    restore = velero.restore("ours-by-velero", ours)
    assert restore["status"]["phase"] == "Completed", restore["status"]
    report = beds.settled(snapshot, target, **BY_VELERO)
    assert report.equal, str(report)


def test_a_backup_of_veleros_is_listed_and_restored_here(
    source: Cluster,
    velero_in: t.Callable[[Cluster], VeleroServer],
    snapshot: Snapshot,
    location: dict[str, t.Any],
    new_cluster: t.Callable[[str], Cluster],
) -> None:
    velero = velero_in(source)
    backup = velero.backup("theirs", includeClusterResources=True, includedNamespaces=["*"])
    assert backup["status"]["phase"] == "Completed", velero.logs("theirs")[-3000:]

    listed = modules.run("backup_info", {"location": location, "cluster": "source"})
    assert {"ours", "theirs"} <= {one["name"] for one in listed["backups"]}
    told = {"location": location, "cluster": "source", "name": "theirs", "compare_with": "ours"}
    compared = modules.run("backup_info", told)["comparison"]
    assert compared["counts"]["unchanged"] > 300
    assert [one for one in compared["changed"] if "velero" not in one["namespace"] + one["name"]] == []

    target = new_cluster("from-velero")
    done = modules.run(
        "restore",
        {
            "location": location,
            "cluster": "source",
            "backup": "theirs",
            "kubeconfig": str(target.kubeconfig),
            "allow_other_cluster": True,
            "excluded_namespaces": ["velero"],
            "include_cluster_resources": "always",
        },
    )
    assert done["restore"]["phase"] == "Completed", done
    report = beds.settled(snapshot, target, wanted=is_users, extra=False)
    assert report.equal, str(report)
