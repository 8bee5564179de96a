# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who begins runs and sums them up may do that and nothing else, and writers do the rest, in a real MinIO."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from support import modules
from support.aws import allow
from support.fleets import Fleet
from support.minio_trust import World, verdicts
from support.plays import Plays
from testbed import MinIO

NAMES: t.Final = ("prod-1", "prod-2")
COORDINATOR: t.Final[dict[str, t.Any]] = {"permissions": "coordinator", "clusters": None}


@pytest.fixture
def world(minio: MinIO, tmp_path: Path) -> t.Iterator[World]:
    """A bucket with a backup in it, and a trust that is removed in the end."""
    found = World(minio, tmp_path)
    minio.client().put_object(Bucket=found.bucket, Key="fleet/clusters/prod-1/backups/b/b.tar.gz", Body=b"x")
    yield found
    found.run(state="absent")


def test_it_is_made_proven_and_taken_away(world: World) -> None:
    trust = world.present(**COORDINATOR)
    assert set(verdicts(trust).values()) == {"passed"}
    tried = {line["id"]: line["what"] for line in trust["checks"]}
    assert tried["create_allowed"] == "s3:PutObject in workspaces/*/runs/*/expected.json"
    assert tried["create_refused"] == "s3:PutObject in workspaces/*/runs/*/*/1.json"
    assert tried["other_cluster_list_refused"] == "s3:ListBucket in clusters/prod-1/backups/"
    assert world.run(**COORDINATOR)["changed"] is False
    assert world.run(state="absent")["changed"] is True


@pytest.mark.parametrize(
    ("action", "path", "line"),
    [
        ("s3:PutObject", "fleet/workspaces/*", "create_refused"),
        ("s3:DeleteObject", "fleet/workspaces/*", "delete_refused"),
        ("s3:GetObject", "fleet/clusters/*", "other_cluster_read_refused"),
    ],
)
def test_who_may_do_more_is_found_out(world: World, action: str, path: str, line: str) -> None:
    world.present(**COORDINATOR)
    more = world.add_policy(allow(action, f"arn:aws:s3:::{world.bucket}/{path}"))
    world.admin.attach_policy([more], user=world.name)
    assert line in world.run(**COORDINATOR)["error_details"]["checks"]
    world.admin.detach_policy([more], user=world.name)


@pytest.mark.parametrize(
    "options", [{"permissions": "coordinator", "clusters": ["prod-1"]}, {"permissions": "auditor", "clusters": None}]
)
def test_it_has_no_clusters_and_others_have(world: World, options: dict[str, t.Any]) -> None:
    assert world.run(**options)["error_code"] == "invalid_option"


def test_a_run_needs_a_coordinator_at_its_ends_and_writers_between(world: World, tmp_path: Path) -> None:
    writers = {}
    world.present(**COORDINATOR)
    for name in NAMES:
        writers[name] = World(world.store, tmp_path)
        writers[name].bucket, writers[name].where = world.bucket, world.where
        writers[name].present(clusters=[name])
    with Fleet(NAMES).running() as hosts:
        plays = Plays.make(
            tmp_path,
            hosts=hosts,
            vars={
                "stowage_locations": {"primary": {**world.where, "auth": {"method": "access_key"}}},
                "stowage_default_location": "primary",
                "stowage_workspaces": {"shop": {"clusters": ["prod-*"]}},
            },
        )

        def run(part: str, by: World, *arguments: str) -> tuple[int, str]:
            environment = {f"MINIO_{name.upper()}": value for name, value in by.keys().items()}
            named = ("-e", "stowage_run=r1", *arguments)
            with plays.start(f"stowage.kubernetes.workspace_{part}", *named, **environment) as play:
                output, _errors = play.communicate()
            return play.returncode, output

        code, output = run("start", world)
        assert code == 0, output
        code, output = run("start", writers["prod-1"])
        assert (code, "permission_denied" in output or "not allowed" in output) == (2, True), output
        for name, writer in writers.items():
            code, output = run("clusters", writer, "--limit", name)
            assert code == 0, output
        code, output = run("end", writers["prod-1"])
        assert code == 2, output
        code, output = run("end", world)
        assert (code, "shop, run r1: Completed (2 Completed)" in output) == (0, True), output
        plays.end()
    # It can neither pretend that a backup was made, nor see which there are.
    record = {
        "workspace": "shop",
        "run": "r1",
        "state": "recorded",
        "cluster": "prod-1",
        "outcome": {"phase": "Completed"},
    }
    for module, options in (("workspace_run", record), ("backup_info", {"cluster": "prod-1"})):
        with pytest.raises(modules.Failed) as caught:
            modules.run(module, {"location": world.location(), **options})
        assert caught.value.result["error_code"] == "permission_denied", module
    reader = World(world.store, tmp_path)
    reader.bucket, reader.where = world.bucket, world.where
    reader.present(permissions="reader")
    asked = {**record, "state": "pending", "outcome": None, "location": reader.location()}
    assert modules.run("workspace_run", asked)["run"]["record"]["backup"].startswith("backup-prod-1-")
    for one in (*writers.values(), reader):
        one.run(state="absent")
