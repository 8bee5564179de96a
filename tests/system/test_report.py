# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook of reports over real backups and runs, in a directory and in a bucket that enforces who may read what."""

from __future__ import annotations

import json
import secrets
import typing as t
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import statements
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import grants
from support.fleets import Fleet, quiet_hour
from support.plays import Plays
from testbed import MinIO

Tree = dict[str, t.Any]
NAMES: t.Final = ("prod-1", "prod-2", "prod-3")
WORKSPACES: t.Final[Tree] = {
    "shop": {
        "clusters": ["prod-*"],
        "schedule": {"cron": f"0 {quiet_hour('Europe/Berlin')} * * *", "time_zone": "Europe/Berlin"},
        "owner": "Team Shop",
    },
    "edge": {"clusters": ["prod-3", "gone"]},
}
SECRET: t.Final = "hunter2-of-the-location"


@pytest.fixture
def backed_up(tmp_path: Path) -> t.Iterator[Plays]:
    """Three clusters, one of them down; a fourth that the inventory could not find; a second location that nobody can evaluate."""
    fleet = Fleet(NAMES)
    fleet.down.add("prod-2")
    (tmp_path / "backups").mkdir()
    with fleet.running() as hosts:
        hosts["gone"] = {
            "stowage_error": {"error_code": "endpoint_unreachable", "msg": "The management cluster is away."}
        }
        elsewhere = {
            "provider": "minio",
            "bucket": "backups",
            "endpoint": "https://127.0.0.1:9",
            "auth": "{{ of_nobody }}",
        }
        unreachable = elsewhere | {"auth": {"method": "access_key", "access_key": "a", "secret_key": SECRET}}
        variables = {
            "stowage_locations": {
                "primary": {"provider": "filesystem", "path": str(tmp_path / "backups")},
                "annex": elsewhere,
                "away": unreachable,
            },
            "stowage_default_location": "primary",
            "stowage_workspaces": WORKSPACES,
            "report_path": str(tmp_path / "report"),
        }
        plays = Plays.make(tmp_path, hosts=hosts, vars=variables)
        code, output = plays.run(
            "stowage.kubernetes.workspace_backup", "-e", '{"stowage_run": "r1", "workspace_now": true}', "-f", "4"
        )
        assert code == 2, output
        yield plays
        plays.end()


def report(plays: Plays, *arguments: str) -> tuple[int, str]:
    return plays.run("stowage.kubernetes.report", *arguments)


def test_a_report_of_an_inventory(backed_up: Plays, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    code, output = report(backed_up, "--check")
    assert code == 0, output
    assert "changed=1" in output
    assert not folder.exists()

    code, output = report(backed_up)
    assert code == 0, output
    assert "changed=1" in output
    found = json.loads((folder / "report.json").read_bytes())
    rows = {(one["workspace"], one["cluster"]): one for one in found["clusters"]}
    assert {key: one["status"] for key, one in rows.items()} == {
        ("shop", "prod-1"): "ok",
        ("shop", "prod-2"): "missing",
        ("shop", "prod-3"): "ok",
        ("edge", "prod-3"): "unwatched",
        ("edge", "gone"): "missing",
    }
    assert "cluster_unreachable" in rows["shop", "prod-2"]["reasons"][1]
    assert rows["edge", "gone"]["reasons"][0] == "endpoint_unreachable: The management cluster is away."
    assert rows["shop", "prod-1"]["last_good"]["run"] == "r1"
    assert rows["shop", "prod-1"]["owner"] == "Team Shop"
    runs = {one["workspace"]: one["phase"] for one in found["runs"]}
    assert runs == {"edge": "PartiallyFailed", "shop": "PartiallyFailed"}
    locations = {one["name"]: one for one in found["locations"]}
    assert (locations["primary"]["problem"], locations["primary"]["backups"]) == ("", 3)
    assert "cannot be evaluated" in locations["annex"]["problem"]
    assert locations["away"]["problem"].startswith("endpoint_unreachable")

    assert "no backup  shop       prod-2" in output
    assert all((folder / name).stat().st_mode & 0o777 == 0o644 for name in ("report.html", "report.prom"))
    assert b"prod-2" in (folder / "report.html").read_bytes()
    assert ET.parse(folder / "report.xml").getroot().get("failures") == "4"  # noqa: S314 - ours
    assert 'stowage_backup_status{workspace="shop",cluster="prod-2",location="primary",status="missing"} 1' in (
        folder / "report.prom"
    ).read_text(encoding="utf-8")
    everything = output.encode() + b"".join(one.read_bytes() for one in folder.iterdir())
    assert SECRET.encode() not in everything

    # Again: newly written, nothing new.
    before = json.loads((folder / "report.json").read_bytes())["digest"]
    code, output = report(backed_up, "--limit", "prod-1")
    assert code == 0, output
    assert "changed=0" in output
    assert json.loads((folder / "report.json").read_bytes())["digest"] == before
    assert sorted(one.name for one in folder.iterdir()) == ["report.html", "report.json", "report.prom", "report.xml"]

    code, output = report(backed_up, "-e", "report_fail_on=failed")
    assert code == 2, output
    assert "report_failed: Of 5 clusters of workspaces, 2 are not" in output


def test_an_auditor_of_the_clusters_is_enough(minio: MinIO, tmp_path: Path) -> None:
    where = {"provider": "minio", "endpoint": minio.endpoint, "ca_cert": str(minio.ca_cert), "prefix": "fleet"}
    owner: Tree = where | {
        "bucket": minio.create_bucket(f"report-{uuid.uuid4().hex[:12]}"),
        "auth": {"method": "access_key", "access_key": minio.access_key, "secret_key": minio.secret_key},
    }
    name, secret = f"user-{uuid.uuid4().hex[:10]}", secrets.token_urlsafe(24)
    admin = MinioAdmin(
        endpoint=minio.endpoint.removeprefix("https://"),
        credentials=StaticProvider(minio.access_key, minio.secret_key),
        http_client=urllib3.PoolManager(ca_certs=str(minio.ca_cert)),
    )
    admin.user_add(name, secret)
    allowed = statements(grants("auditor", NAMES), owner["bucket"], owner["prefix"])
    admin.policy_add(name, policy={"Version": "2012-10-17", "Statement": allowed})
    admin.attach_policy([name], user=name)
    fleet = Fleet(NAMES)
    fleet.down.add("prod-2")
    with fleet.running() as hosts:
        variables = {
            "stowage_locations": {"primary": owner},
            "stowage_default_location": "primary",
            "stowage_workspaces": {"shop": WORKSPACES["shop"]},
            "report_path": str(tmp_path / "report"),
        }
        plays = Plays.make(tmp_path, hosts=hosts, vars=variables)
        code, output = plays.run(
            "stowage.kubernetes.workspace_backup", "-e", '{"stowage_run": "r1", "workspace_now": true}', "-f", "4"
        )
        assert code == 2, output
        auditor = owner | {"auth": {"method": "access_key", "access_key": name, "secret_key": secret}}
        code, output = report(
            plays, "-e", json.dumps({"stowage_locations": {"primary": auditor}, "report_cluster": "prod-1"})
        )
        plays.end()
    assert code == 0, output
    found = json.loads((tmp_path / "report" / "report.json").read_bytes())
    assert {one["cluster"]: one["status"] for one in found["clusters"]} == {
        "prod-1": "ok",
        "prod-2": "missing",
        "prod-3": "ok",
    }
    # What it may not see is said, and its records are read all the same.
    assert "cluster_unreachable" in found["clusters"][0]["reasons"][1]
    assert found["runs"][0]["counts"] == {"Completed": 2, "PartiallyFailed": 0, "Failed": 1, "Missing": 0}
    assert [note for note in found["notes"] if "may not be listed" in note]
    (location,) = found["locations"]
    assert not location["problem"]
    assert location["verdict"] in ("passed", "warning"), location
