# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two years of runs in a bucket and in a directory come down to what the rules say, deleted by who may do no more than that."""

from __future__ import annotations

import concurrent.futures
import datetime
import json
import secrets
import typing as t
import uuid
import zoneinfo
from pathlib import Path

import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import document as fields
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths, RestorePaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import Reservation
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import statements
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import grants
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.retention import Rules
from support import modules
from support.archives import velero_document
from support.retention_model import stays_by_model, two_years
from testbed import MinIO

Options = dict[str, t.Any]
RULES: t.Final = Rules(last=5, daily=10, weekly=8, monthly=12, yearly=2, zone=zoneinfo.ZoneInfo("Europe/Berlin"))
ASKED: t.Final[Options] = {
    "cluster": "east",
    "keep_last": 5,
    "keep_daily": 10,
    "keep_weekly": 8,
    "keep_monthly": 12,
    "keep_yearly": 2,
    "time_zone": "Europe/Berlin",
}


def bucket(store: MinIO) -> tuple[Options, Options]:
    """A location as its owner has it, and as a pruner of the cluster has it."""
    where: Options = {
        "provider": "minio",
        "endpoint": store.endpoint,
        "bucket": store.create_bucket("retention"),
        "prefix": "fleet",
        "ca_cert": str(store.ca_cert),
    }
    provider = StaticProvider(store.access_key, store.secret_key)
    admin = MinioAdmin(
        endpoint=store.endpoint.removeprefix("https://"),
        credentials=provider,
        http_client=urllib3.PoolManager(ca_certs=str(store.ca_cert)),
    )
    name, secret = f"user-{uuid.uuid4().hex[:10]}", secrets.token_urlsafe(24)
    allowed = statements(grants("pruner", ["east"]), where["bucket"], "fleet")
    admin.user_add(name, secret)
    admin.policy_add(name, policy={"Version": "2012-10-17", "Statement": allowed})
    admin.attach_policy([name], user=name)
    owner = {"method": "access_key", "access_key": store.access_key, "secret_key": store.secret_key}
    return where | {"auth": owner}, where | {"auth": {"method": "access_key", "access_key": name, "secret_key": secret}}


@pytest.fixture(params=["bucket", "directory"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Options, Options]:
    if request.param == "bucket":
        return bucket(request.getfixturevalue("minio"))
    directory: Options = {"provider": "filesystem", "path": str(tmp_path / "backups")}
    return directory, directory


def files(record: BackupRecord) -> dict[str, bytes]:
    """What a record is read from, and one file more."""
    assert record.started is not None
    assert record.completed is not None
    paths = BackupPaths("east", record.name)
    document = velero_document(record.name, phase=record.phase)
    document["status"] |= {
        "startTimestamp": record.started.isoformat(),
        "completionTimestamp": record.completed.isoformat(),
        "progress": {"itemsBackedUp": record.objects},
    }
    found = {paths.tarball: b"x"}
    if record.ours:
        document["metadata"]["annotations"] = {fields.CAPTURE_ID: record.name, fields.CLUSTER_UID: "uid"}
        reservation = Reservation(record.name, record.name, record.started, record.started + datetime.timedelta(days=1))
        found[paths.reservation] = reservation.to_json()
    return found | {paths.velero_backup: json.dumps(document).encode()}


def report(name: str) -> dict[str, bytes]:
    return {RestorePaths("east", f"of-{name}").record: json.dumps({"backup": name, "capture_id": name}).encode()}


def test_400_runs_come_down_to_what_the_rules_say(location: tuple[Options, Options]) -> None:
    owners, pruners = location
    opened = open_location(owners, {})
    now = opened.now()
    # Far enough from the instants at which min_age lets go, whatever the test takes.
    records = two_years(7, now - datetime.timedelta(days=3))
    keys = [item for one in records for item in {**files(one), **report(one.name)}.items()]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: opened.create(*item), keys))
    stay = [one for one in records if stays_by_model(one, records, RULES, now)]
    gone = [one.name for one in records if one not in stay]
    assert gone

    args = {"location": pruners, **ASKED}
    predicted = modules.run("backup_retention", args, check=True)
    assert predicted["retention"]["deleted"] == gone
    assert modules.run("backup_retention", args)["retention"] == predicted["retention"]
    left = {info.key for info in opened.list("clusters/east/")}
    assert left == {key for one in stay for key in {**files(one), **report(one.name)}}
    assert not modules.run("backup_retention", args)["changed"]
