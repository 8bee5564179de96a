# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator does by playbooks: a backup by name, lists, copies, moves, and deletions that have to be confirmed."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from support.fleets import Fleet, inventory, quiet_hour
from support.plays import Plays

Tree = dict[str, t.Any]
NAMES: t.Final = ("prod-1", "prod-2")
WORKSPACES: t.Final[Tree] = {"shop": {"clusters": ["prod-*"], "namespaces": ["shop"], "location": "primary"}}


class World:
    """Two clusters that a run was over, and two locations."""

    def __init__(self, fleet: Fleet, plays: Plays, path: Path) -> None:
        self.fleet = fleet
        self.plays = plays
        self.primary = path / "backups"
        self.second = path / "second"
        self.second.mkdir()
        document = json.loads(plays.inventory.read_text(encoding="utf-8"))
        locations = document["all"]["vars"]["stowage_locations"]
        locations["second"] = {"provider": "filesystem", "path": str(self.second)}
        document["all"]["hosts"]["edge-9"] = {"stowage_location": "second"}
        plays.inventory.write_text(json.dumps(document), encoding="utf-8")

    def run(self, playbook: str, *options: str, fails: bool = False) -> str:
        given = [part for option in options for part in (("-e", option) if "=" in option else (option,))]
        code, output = self.plays.run(f"stowage.kubernetes.{playbook}", *given)
        assert (code != 0) == fails, output
        return output

    def files(self, directory: Path) -> dict[str, bytes]:
        """What there is, but for leases."""
        found = {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in found.items() if "/leases/" not in name}

    def backups(self, directory: Path, cluster: str) -> set[str]:
        return {path.parent.name for path in directory.glob(f"clusters/{cluster}/backups/*/velero-backup.json")}


@pytest.fixture
def world(tmp_path: Path) -> t.Iterator[World]:
    fleet = Fleet(NAMES)
    with fleet.running() as hosts:
        plays = inventory(tmp_path, hosts, WORKSPACES)
        made = World(fleet, plays, tmp_path)
        made.run("workspace_backup", "stowage_run=r1")
        made.run("backup", "backup_hosts=prod-1", "backup_name=by-hand")
        yield made
        plays.end()


def test_backups_runs_and_clusters_are_listed(world: World) -> None:
    assert "by-hand" in world.backups(world.primary, "prod-1")
    world.fleet.down.add("prod-2")
    world.run("workspace_backup", "stowage_run=r2", fails=True)
    output = world.run("runs")
    lines = [" ".join(line.strip(' ",').split()) for line in output.splitlines()]
    assert any(line.startswith("shop r1 ") and line.endswith("Completed 2 0 0") for line in lines), output
    assert any(line.startswith("shop r2 ") and line.endswith("PartiallyFailed 2 1 0 prod-2") for line in lines), output
    output = world.run("runs", "stowage_workspace=shop", "stowage_run=r2")
    assert "shop, run r2: PartiallyFailed (1 Completed, 1 Failed)" in output
    assert "cluster_unreachable" in output
    output = world.run("runs", "stowage_workspace=shop", "stowage_run=r3", fails=True)
    assert "run_not_found" in output
    assert "by-hand" in world.run("backups")

    output = world.run("location_clusters")
    lines = [" ".join(line.strip(' ",').split()) for line in output.splitlines()]
    assert any(line.startswith("prod-1 prod-1 backups, workspace shop 3 ") for line in lines), output
    assert "edge-9 edge-9 backups 0 - - -" in lines, output


def test_the_location_of_a_workspace_is_used_by_its_clusters(world: World) -> None:
    document = json.loads(world.plays.inventory.read_text(encoding="utf-8"))
    workspaces = document["all"]["vars"]["stowage_workspaces"]
    workspaces |= {"spare": {"clusters": ["prod-2"], "location": "second"}, "rim": {"clusters": ["edge-*"]}}
    world.plays.inventory.write_text(json.dumps(document), encoding="utf-8")
    output = world.run("location_clusters", "location_clusters_locations=second")
    lines = [" ".join(line.strip(' ",').split()) for line in output.splitlines()]
    assert "prod-2 prod-2 workspace spare 0 - - -" in lines, output
    assert "edge-9 edge-9 backups 0 - - -" in lines, output
    assert not any(line.startswith("prod-1 ") for line in lines), output
    output = world.run("location_clusters", "location_clusters_locations=primary")
    lines = [" ".join(line.strip(' ",').split()) for line in output.splitlines()]
    assert "edge-9 edge-9 records of rim 0 - - -" in lines, output
    assert any(line.startswith("prod-2 prod-2 backups, workspace shop 1 ") for line in lines), output

    workspaces["spare"]["cluster"] = ["prod-1"]
    world.plays.inventory.write_text(json.dumps(document), encoding="utf-8")
    output = world.run("location_clusters", fails=True)
    assert "invalid_option: stowage_workspaces.spare has 'cluster'" in output


def test_a_run_is_deleted_when_that_is_confirmed(world: World) -> None:
    before = world.files(world.primary)
    asked = ("delete_location=primary", "stowage_workspace=shop", "stowage_run=r1")
    output = world.run("backups_delete", *asked, fails=True)
    assert "Nothing was deleted." in output
    assert "delete_confirm=r1" in output
    world.run("backups_delete", *asked, "delete_confirm=prod-1", fails=True)
    world.run("backups_delete", *asked, "--check", "--diff")
    assert world.files(world.primary) == before
    world.run("backups_delete", *asked, "delete_confirm=r1")
    assert world.backups(world.primary, "prod-1") == {"by-hand"}
    assert world.backups(world.primary, "prod-2") == set()
    assert not [name for name in world.files(world.primary) if name.startswith("workspaces/")]


def test_a_run_leaves_what_another_made(world: World) -> None:
    # A run that finds a backup fresh enough does not make one.
    document = json.loads(world.plays.inventory.read_text(encoding="utf-8"))
    document["all"]["vars"]["stowage_workspaces"]["shop"]["schedule"] = {"cron": f"0 {quiet_hour()} * * *"}
    world.plays.inventory.write_text(json.dumps(document), encoding="utf-8")
    world.run("workspace_backup", "stowage_run=r2")
    before = world.backups(world.primary, "prod-1")
    world.run(
        "backups_delete", "delete_location=primary", "stowage_workspace=shop", "stowage_run=r2", "delete_confirm=r2"
    )
    assert world.backups(world.primary, "prod-1") == before
    assert {path.name for path in (world.primary / "workspaces/shop/runs").iterdir() if any(path.iterdir())} == {"r1"}


def test_backups_are_deleted_by_their_names(world: World) -> None:
    asked = ("delete_location=primary", "delete_cluster=prod-1", "delete_backups=by-hand,not-there")
    output = world.run("backups_delete", *asked, "delete_confirm=prod-1")
    assert "prod-1/not-there: is not there" in output
    assert len(world.backups(world.primary, "prod-1")) == 1
    for wrong in ("delete_backups=*", "delete_backups=by-*"):
        output = world.run("backups_delete", *asked[:2], wrong, "delete_confirm=prod-1", fails=True)
        assert "invalid_name" in output or "cannot be the name of a backup" in output
    output = world.run("backups_delete", "delete_location=primary", fails=True)
    assert "Say what is to go" in output
    assert len(world.backups(world.primary, "prod-1")) == 1


def test_clusters_move_and_nothing_is_lost(world: World) -> None:
    before = world.files(world.primary)
    asked = ("copy_from=primary", "copy_to=second", "copy_clusters=all", "copy_moving=true")
    output = world.run("backups_copy", *asked, "--check")
    assert "prod-1: would copy 2 backups from primary to second" in output
    assert world.files(world.second) == {}
    output = world.run("backups_copy", *asked)
    assert "prod-1: copied 2 backups from primary to second" in output
    assert "Now set stowage_location: second for these hosts: prod-1, prod-2." in output
    assert "have to say second: shop." in output
    assert world.files(world.primary) == before
    copied = {name: data for name, data in before.items() if "/backups/" in name}
    assert {name: data for name, data in world.files(world.second).items() if "/backups/" in name} == copied
    output = world.run("backups_copy", *asked)
    assert "changed=0" in output
    # A backup that is damaged keeps the others from nothing, and the play from success.
    path = next((world.primary / "clusters/prod-2/backups").glob("*/*.tar.gz"))
    for directory in (world.second / "clusters").rglob("backups"):
        for file in sorted(directory.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
    for reservation in world.second.rglob("reservations/*.json"):
        reservation.unlink()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    output = world.run("backups_copy", *asked, fails=True)
    assert "is damaged" in output
    assert len(world.backups(world.second, "prod-1")) == 2
    assert world.backups(world.second, "prod-2") == set()
    assert "Now set stowage_location" not in output
