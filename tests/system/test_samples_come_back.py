# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job: real applications are backed up, and come back equal in another, empty cluster."""

from __future__ import annotations

import typing as t

import pytest

from compare import beds
from support import modules
from testbed import Cluster, extras, samples

if t.TYPE_CHECKING:
    import pathlib

    from compare.stored import Snapshot
    from testbed import Azurite, GoogleServer, Testbed
    from testbed.store import S3Store


@pytest.fixture(scope="module")
def source(testbed: Testbed) -> Cluster:
    """A cluster with the sample applications and some awkward objects."""
    cluster = testbed.cluster("samples")
    samples.load(cluster.api)
    extras.load_extras(cluster.api)
    return cluster


@pytest.fixture(scope="module")
def snapshot(source: Cluster) -> Snapshot:
    """What the source holds."""
    return beds.snapshot(source)


def s3(store: S3Store, bucket: str, provider: str = "minio") -> dict[str, t.Any]:
    """A location in one of the testbed's stores."""
    return {
        "provider": provider,
        "bucket": store.create_bucket(bucket),
        "endpoint": store.endpoint,
        "region": store.region,
        "ca_cert": str(store.ca_cert),
        "auth": {"method": "access_key", "access_key": store.access_key, "secret_key": store.secret_key},
    }


def azure(account: Azurite, container: str) -> dict[str, t.Any]:
    """A location in the testbed's Azurite."""
    return {
        "provider": "azure",
        "bucket": account.create_bucket(container),
        "storage_account": account.account,
        "endpoint": account.endpoint,
        "ca_cert": str(account.ca_cert),
        "auth": {"method": "account_key", "account_key": account.key},
    }


@pytest.fixture(params=["filesystem", "ministack", "minio", "seaweedfs", "google", "azurite"])
def location(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> dict[str, t.Any]:
    """A location of each kind of store."""
    if request.param == "filesystem":
        return {"provider": "filesystem", "path": str(tmp_path)}
    if request.param == "google":
        google: GoogleServer = request.getfixturevalue("google")
        where = {"endpoint": google.endpoint, "ca_cert": str(google.ca_cert), "auth": google.auth()}
        return {"provider": "gcp", "bucket": google.create_bucket("samples"), **where}
    if request.param == "azurite":
        return azure(request.getfixturevalue("azurite"), "samples")
    return s3(request.getfixturevalue(request.param), "samples", "aws" if request.param == "ministack" else "minio")


def test_the_samples_come_back(
    source: Cluster, snapshot: Snapshot, location: dict[str, t.Any], new_cluster: t.Callable[[str], Cluster]
) -> None:
    target = new_cluster("target")
    common = {"location": location, "cluster": "source"}
    made = modules.run("backup", {**common, "name": "night", "kubeconfig": str(source.kubeconfig)})
    assert made["changed"]
    assert made["backup"]["phase"] == "Completed", made

    into = {**common, "kubeconfig": str(target.kubeconfig), "backup": "night", "allow_other_cluster": True}
    plan = modules.run("restore", into, check=True, diff=True)
    assert plan["changed"]
    done = modules.run("restore", into)
    assert done["restore"]["phase"] == "Completed", done
    assert [plan["restore"][key] for key in ("counts", "kinds")] == [
        done["restore"][key] for key in ("counts", "kinds")
    ]

    report = beds.settled(snapshot, target)
    assert report.equal, str(report)
    again = modules.run("restore", into)
    assert not again["changed"], again
