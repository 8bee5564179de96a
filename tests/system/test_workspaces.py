# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workspaces are backed up by plays: nobody is left out silently, and what went wrong is said where it can be read."""

from __future__ import annotations

import datetime
import json
import re
import typing as t
from pathlib import Path

import pytest

from support.fleets import Fleet, inventory, quiet_hour
from support.plays import Plays

Tree = dict[str, t.Any]
BACKUP: t.Final = "stowage.kubernetes.workspace_backup"
NAMES: t.Final = ("prod-1", "prod-2", "prod-3", "edge-1")
WORKSPACES: t.Final[Tree] = {
    "prod": {"clusters": ["prod-*"], "namespaces": [{"regex": "sho[p]"}], "owner": "Team Prod"},
    "shop": {"clusters": ["prod-1", {"group": "edge"}], "namespaces": ["shop"], "labels": {"tier": "gold"}},
}


class World:
    """A fleet, plays on it, and the directory that they write."""

    def __init__(self, fleet: Fleet, plays: Plays, path: Path) -> None:
        self.fleet = fleet
        self.plays = plays
        self.directory = path / "backups"

    def run(self, *options: str, playbook: str = BACKUP, run: str = "r1") -> tuple[int, str]:
        return self.plays.run(playbook, *(("-e", f"stowage_run={run}") if run else ()), "-f", "8", *options)

    def records(self, workspace: str, run: str = "r1") -> dict[str, list[Tree]]:
        """The records of each cluster, first to last."""
        found: dict[str, list[Tree]] = {}
        folder = self.directory / "workspaces" / workspace / "runs" / run
        for path in sorted(folder.glob("*/*.json")):
            found.setdefault(path.parent.name, []).append(json.loads(path.read_text(encoding="utf-8")))
        return found

    def phases(self, workspace: str, run: str = "r1") -> dict[str, list[str]]:
        return {name: [one["phase"] for one in found] for name, found in self.records(workspace, run).items()}

    def backups(self) -> dict[str, int]:
        folder = self.directory / "clusters"
        return {name: len(list((folder / name / "backups").glob("*/velero-backup.json"))) for name in NAMES}

    def change(self, change: t.Callable[[Tree], None]) -> None:
        """Change the inventory."""
        document = json.loads(self.plays.inventory.read_text(encoding="utf-8"))
        change(document["all"])
        self.plays.inventory.write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
def world(tmp_path: Path) -> t.Iterator[World]:
    fleet = Fleet(NAMES)
    with fleet.running() as hosts:
        plays = inventory(tmp_path, hosts, WORKSPACES, children={"edge": {"hosts": {"edge-1": None}}})
        yield World(fleet, plays, tmp_path)
        plays.end()


LOST = {"error_code": "cluster_unreachable", "msg": "It is lost.", "hint": ""}
"""What the inventory plugin sets for a cluster of which it knows nothing."""


def test_all_clusters_of_all_workspaces_are_backed_up_once(world: World) -> None:
    code, output = world.run()
    assert code == 0, output
    assert "prod, run r1: Completed (3 Completed)" in output
    assert "shop, run r1: Completed (2 Completed)" in output
    assert world.phases("prod") == {name: ["Completed"] for name in ("prod-1", "prod-2", "prod-3")}
    assert world.phases("shop") == {name: ["Completed"] for name in ("edge-1", "prod-1")}
    assert world.backups() == {"prod-1": 2, "prod-2": 1, "prod-3": 1, "edge-1": 1}
    record = world.records("prod")["prod-2"][0]
    assert record["cluster_uid"] == "uid-of-prod-2"
    document = json.loads(
        (world.directory / "clusters" / "prod-2" / "backups" / record["backup"] / "velero-backup.json").read_text(
            encoding="utf-8"
        )
    )
    assert document["spec"]["includedNamespaces"] == ["shop"]
    labels = {"stowage.io/workspace": "prod", "stowage.io/run": "r1"}
    assert labels.items() <= document["metadata"]["labels"].items()
    expected = json.loads((world.directory / "workspaces/prod/runs/r1/expected.json").read_text(encoding="utf-8"))
    assert (expected["clusters"], expected["owner"]) == (["prod-1", "prod-2", "prod-3"], "Team Prod")

    before = sorted(world.directory.rglob("*"))
    code, output = world.run()
    assert code == 0, output
    assert "changed=0" in output
    assert sorted(world.directory.rglob("*")) == before


def test_who_cannot_be_backed_up_is_named_and_done_again(world: World) -> None:
    world.fleet.down.add("prod-1")
    world.fleet.strangers.add("prod-2")
    wrong = {"stowage_host": "https://127.0.0.1:1", "stowage_api_key": "any", "stowage_cluster_auth": "foo"}
    odd = {"prod-4": {}, "prod-5": {"stowage_error": LOST}, "prod-6": wrong}
    world.change(lambda everything: everything["hosts"].update(odd))
    code, output = world.run("-e", "stowage_workspace=prod")
    assert code == 2, output
    assert "prod, run r1: PartiallyFailed (1 Completed, 5 Failed)" in output, output
    assert "prod-2, prod: Failed. " in output
    codes = {name: found[-1]["error_code"] for name, found in world.records("prod").items()}
    assert codes == {
        "prod-1": "cluster_unreachable",
        "prod-2": "cluster_unauthorized",
        "prod-3": "",
        "prod-4": "cluster_access_missing",
        "prod-5": "cluster_unreachable",
        "prod-6": "invalid_option",
    }
    assert world.records("prod")["prod-5"][0]["reason"] == "It is lost."
    assert "5 of 6 clusters failed" in output

    world.fleet.down.clear()
    world.fleet.strangers.clear()
    code, output = world.run("-e", "stowage_workspace=prod")
    assert code == 2, output
    assert "prod, run r1: PartiallyFailed (3 Completed, 3 Failed)" in output
    assert world.phases("prod")["prod-1"] == ["Failed", "Completed"]
    assert world.phases("prod")["prod-3"] == ["Completed"]
    assert world.backups()["prod-3"] == 1


def test_when_all_fail_the_run_is_summed_up_all_the_same(world: World) -> None:
    world.fleet.down.update(NAMES)
    code, output = world.run("-e", "stowage_workspace=shop")
    assert code == 2, output
    assert "shop, run r1: Failed (2 Failed)" in output
    assert world.phases("shop") == {"edge-1": ["Failed"], "prod-1": ["Failed"]}


def test_what_a_limit_leaves_out_is_missing(world: World) -> None:
    code, output = world.run("-e", "stowage_workspace=prod", "--limit", "prod-2", run="")
    assert code == 2, output
    found = re.search(r"prod, run (20\d{6}T\d{6}Z-[0-9a-f]{4}): PartiallyFailed \(1 Completed, 2 Missing\)", output)
    assert found, output
    assert re.search(r"prod-1 +Missing +It has no record", output)
    # The same run, by its name, without what is there already.
    code, output = world.run("-e", "stowage_workspace=prod", run=found[1])
    assert code == 0, output
    assert world.backups() == {"prod-1": 1, "prod-2": 1, "prod-3": 1, "edge-1": 0}


def test_the_parts_run_for_themselves_and_in_slices(world: World) -> None:
    job = ("-e", "awx_workflow_job_id=4711", "-e", "stowage_workspace=prod")
    parts = [f"stowage.kubernetes.workspace_{part}" for part in ("start", "clusters", "end")]
    code, output = world.run(*job, playbook=parts[0], run="")
    assert code == 0, output
    # A slice sees its part of the inventory and nothing else; the other one is lost.
    hosts: Tree = {}

    def cut(everything: Tree) -> None:
        hosts.update(everything["hosts"])
        everything["hosts"] = {"prod-1": hosts["prod-1"]}
        everything["children"] = {}

    world.change(cut)
    code, output = world.run(*job, playbook=parts[1], run="")
    assert code == 0, output
    world.change(lambda everything: everything.update(hosts=hosts))
    code, output = world.run(*job, playbook=parts[2], run="")
    assert code == 2, output
    assert "prod, run 4711: PartiallyFailed (1 Completed, 2 Missing)" in output
    code, output = world.run(*job, playbook=parts[1], run="")
    assert code == 0, output
    code, output = world.run(*job, playbook=parts[2], run="")
    assert code == 0, output
    assert world.backups()["prod-1"] == 1


def test_the_parts_by_themselves_need_a_name(world: World) -> None:
    for part in ("clusters", "end"):
        code, output = world.run(playbook=f"stowage.kubernetes.workspace_{part}", run="")
        assert code == 2, output
        assert "Nothing says which run of prod is meant. Set stowage_run" in output


def test_a_schedule_names_the_run_and_is_asked(world: World) -> None:
    hour = quiet_hour()

    def nightly(everything: Tree) -> None:
        everything["vars"]["stowage_workspaces"] = {
            "prod": {"clusters": ["prod-1"], "schedule": {"cron": f"0 {hour} * * *"}},
            "rest": {"clusters": ["prod-2"], "schedule": {"preset": "weekly", "paused": True}},
        }

    world.change(nightly)
    for _count in range(2):
        code, output = world.run(run="")
        assert code == 0, output
        assert re.search(rf"prod, run 20\d{{6}}T{hour:02}0000Z: Completed", output), output
        assert "Paused, so nothing is done: rest" in output
    assert world.backups() == {"prod-1": 1, "prod-2": 0, "prod-3": 0, "edge-1": 0}
    code, output = world.run("-e", "workspace_now=true", run="")
    assert code == 0, output
    assert world.backups() == {"prod-1": 2, "prod-2": 1, "prod-3": 0, "edge-1": 0}


def scheduled(*hours: int, **clusters: t.Any) -> t.Callable[[Tree], None]:
    """A change of the inventory: one workspace, scheduled at these hours."""
    cron = f"0 {','.join(map(str, sorted(hours)))} * * *"
    one = {"clusters": ["prod-1"], **clusters, "schedule": {"cron": cron}}
    return lambda everything: everything["vars"].update(stowage_workspaces={"prod": one})


def test_parts_find_the_run_although_an_instant_has_passed(world: World) -> None:
    hour = datetime.datetime.now(datetime.UTC).hour
    before = (hour + 12) % 24
    parts = [f"stowage.kubernetes.workspace_{part}" for part in ("start", "clusters", "end")]
    world.change(scheduled(before))
    code, output = world.run(playbook=parts[0], run="")
    assert code == 0, output
    begun = re.search(r"prod: run (20\d{6}T\d{6}Z) over 1 clusters", output)
    assert begun, output
    assert begun[1].endswith(f"T{before:02}0000Z")
    # Now the last scheduled instant is another one.
    world.change(scheduled(before, hour))
    for part in parts[1:]:
        code, output = world.run(playbook=part, run="")
        assert code == 0, output
    assert f"prod, run {begun[1]}: Completed (1 Completed)" in output
    assert [path.name for path in (world.directory / "workspaces/prod/runs").iterdir()] == [begun[1]]
    # What is begun next is of the new instant, and is found before the older one.
    for part in parts:
        code, output = world.run(playbook=part, run="")
        assert code == 0, output
    assert re.search(rf"prod, run 20\d{{6}}T{hour:02}0000Z: Completed \(1 Completed\)", output), output
    assert world.backups()["prod-1"] == 1, "it is fresh enough"


def test_a_trigger_that_fires_when_nothing_is_due_minds_no_other_clusters(world: World) -> None:
    hour = quiet_hour()
    world.change(scheduled(hour))
    code, output = world.run(run="")
    assert code == 0, output
    world.change(scheduled(hour, clusters=["prod-1", "prod-2"]))
    code, output = world.run(run="")
    assert code == 0, output
    assert re.search(r"prod, run 20\d{6}T\d{6}Z-[0-9a-f]{4}: Completed \(2 Completed\)", output), output
    assert world.backups() == {"prod-1": 1, "prod-2": 1, "prod-3": 0, "edge-1": 0}
    # A name that was given is another matter.
    assert world.run()[0] == 0
    world.change(scheduled(hour, clusters=["prod-*"]))
    code, output = world.run()
    assert code == 2, output
    assert "The run r1 of prod was begun without prod-3." in output


def test_a_prediction_writes_nothing(world: World) -> None:
    code, output = world.run("--check")
    assert code == 0, output
    assert list(world.directory.iterdir()) == []


def test_nothing_begins_before_all_makes_sense(world: World) -> None:
    wrong = {"dev": {"clusters": ["prod-1"]}, "prod": {"clusters": ["prod-*"], "namespaces": ["a", "b", "C"]}}
    world.change(lambda everything: everything["vars"].update(stowage_workspaces=wrong))
    code, output = world.run("-e", "stowage_workspace=dev")
    assert code == 2, output
    assert "stowage_workspaces.prod.namespaces[2]" in output
    assert list(world.directory.iterdir()) == []


def test_two_hosts_with_one_folder_begin_nothing(world: World) -> None:
    world.change(lambda everything: everything["hosts"]["prod-2"].update(stowage_cluster_name="prod-1"))
    code, output = world.run()
    assert code == 2, output
    assert "Two clusters of the run have the folder prod-1." in output


def test_two_names_for_one_cluster_are_told(world: World) -> None:
    def twin(everything: Tree) -> None:
        everything["hosts"]["prod-2"] = everything["hosts"]["prod-1"]

    world.change(twin)
    code, output = world.run("-e", "stowage_workspace=prod")
    assert code == 2, output
    assert "prod-1 and prod-2 are one cluster (uid-of-prod-1)." in output


def test_other_clusters_are_another_run(world: World) -> None:
    assert world.run("-e", "stowage_workspace=prod")[0] == 0
    world.change(lambda everything: everything["hosts"].update({"prod-4": {}}))
    code, output = world.run("-e", "stowage_workspace=prod")
    assert code == 2, output
    assert "The run r1 of prod was begun without prod-4." in output


def test_a_variable_that_cannot_be_evaluated_is_a_failed_record(world: World) -> None:
    lost = "{{ lookup('ansible.builtin.file', '/not/there') }}"
    world.change(lambda everything: everything["hosts"]["prod-1"].update(stowage_ca_cert=lost))
    code, output = world.run("-e", "stowage_workspace=prod")
    assert code == 2, output
    assert "prod, run r1: PartiallyFailed (2 Completed, 1 Failed)" in output
    assert "/not/there" in world.records("prod")["prod-1"][0]["reason"]


def test_backups_may_lie_elsewhere_than_the_runs(world: World) -> None:
    elsewhere = world.directory.parent / "elsewhere"
    elsewhere.mkdir()

    def move(everything: Tree) -> None:
        everything["vars"]["stowage_locations"]["second"] = {"provider": "filesystem", "path": str(elsewhere)}
        everything["vars"]["stowage_workspaces"] = {name: {"clusters": ["prod-1", "prod-2"]} for name in ("one", "two")}
        everything["hosts"]["prod-1"]["stowage_location"] = "second"
        everything["hosts"]["prod-2"]["stowage_location"] = "{{ lookup('ansible.builtin.file', '/not/there') }}"

    world.change(move)
    code, output = world.run()
    assert code == 2, output
    for name in ("one", "two"):
        records = world.records(name)
        assert [(one["phase"], one["location"]) for one in records["prod-1"]] == [("Completed", "second")]
        assert [one["phase"] for one in records["prod-2"]] == ["Failed"]
        assert "/not/there" in records["prod-2"][0]["reason"]
    assert len(list(elsewhere.glob("clusters/prod-1/backups/*/velero-backup.json"))) == 2

    code, output = world.run()
    assert code == 2, output
    assert world.phases("one") == {"prod-1": ["Completed"], "prod-2": ["Failed", "Failed"]}
    assert len(list(elsewhere.glob("clusters/prod-1/backups/*/velero-backup.json"))) == 2


def test_a_location_in_place_of_its_name_is_not_shown(world: World) -> None:
    odd = {"provider": "filesystem", "path": "/tmp/x", "auth": {"secret_key": "hush-hush"}}
    world.change(lambda everything: everything["hosts"]["prod-1"].update(stowage_location=odd))
    code, output = world.run("-vvv")
    assert code == 2, output
    assert "hush-hush" not in output
    record = world.records("prod")["prod-1"][0]
    assert (record["phase"], record["error_code"]) == ("Failed", "invalid_option")
    assert not any(b"hush-hush" in path.read_bytes() for path in world.directory.rglob("*.json"))


@pytest.mark.parametrize("serial", ["100%", "1"])
def test_a_location_that_cannot_be_evaluated_is_not_everybodys_concern(world: World, serial: str) -> None:
    def lose(everything: Tree) -> None:
        # For one host alone: the start, on localhost, sees a place that is there.
        path = "{{ lookup('ansible.builtin.file', '/not/there') if inventory_hostname == 'edge-1' else '%s' }}"
        second = {"provider": "filesystem", "path": path % world.directory}
        everything["vars"]["stowage_locations"]["second"] = second
        wide = {"clusters": ["*"], "namespaces": ["shop"]}
        everything["vars"]["stowage_workspaces"] = {"lost": {**wide, "location": "second"}, "wide": wide}

    world.change(lose)
    code, output = world.run("-e", f"workspace_serial={serial}")
    assert code == 2, output
    assert "edge-1, lost: not backed up, and that could not be recorded" in output
    whole = {name: ["Completed"] for name in NAMES}
    assert world.phases("wide") == whole
    assert world.phases("lost") == {name: phases for name, phases in whole.items() if name != "edge-1"}
    assert "lost, run r1: PartiallyFailed (3 Completed, 1 Missing)" in output


def test_a_location_that_is_out_of_reach_costs_its_workspaces_alone(world: World) -> None:
    in_the_way = world.directory.parent / "in-the-way"
    in_the_way.write_text("", encoding="utf-8")

    def lose(everything: Tree) -> None:
        gone = {"provider": "filesystem", "path": str(in_the_way)}
        everything["vars"]["stowage_locations"]["gone"] = gone
        everything["vars"]["stowage_workspaces"]["shop"]["location"] = "gone"

    world.change(lose)
    code, output = world.run()
    assert code == 2, output
    assert "shop: its run could not be begun" in output
    assert "prod, run r1: Completed (3 Completed)" in output
    assert world.phases("prod") == {name: ["Completed"] for name in ("prod-1", "prod-2", "prod-3")}
    assert "How it went could not be recorded" in output
    code, output = world.run("-e", "stowage_workspace=shop")
    assert code == 2, output
    assert "Back up the clusters" not in output, "there is nothing to go on with"


def test_a_prediction_of_a_failure_fails(world: World) -> None:
    world.fleet.down.add("prod-1")
    code, output = world.run("--check")
    assert code == 2, output
    assert "The cluster prod-1 was not backed up for prod, shop" in output
    assert not list(world.directory.rglob("*.json"))


def test_each_to_its_own_cluster_leaves_nobody_and_no_option_out(world: World) -> None:
    prod = ("-e", "stowage_workspace=prod")
    assert world.run(*prod)[0] == 0

    def restore(mapping: t.Any = "same", *more: str, **options: t.Any) -> tuple[int, str]:
        told = json.dumps({"workspace_restore_map": mapping, "workspace_restore_options": options})
        return world.run(*prod, "-e", told, "--check", *more, playbook="stowage.kubernetes.workspace_restore")

    code, output = restore()
    assert code == 0, output
    for name in NAMES[:3]:
        assert f"{name}: plan for backup-{name}-" in output
    # What is left out on purpose is in the inventory.
    code, output = restore("same", "--limit", "prod-2", **{"prod-2": {"included_namespaces": ["shop"]}})
    assert code == 0, output
    assert "prod-2: plan for backup-prod-2-" in output
    assert "prod-1: plan" not in output

    code, output = restore(**{"pord-1": {"included_namespaces": ["shop"]}})
    assert code == 2, output
    assert "workspace_restore_options.pord-1 is about no cluster of the workspace. Did you mean prod-1" in output
    assert "plan for" not in output

    world.change(lambda everything: everything["hosts"].pop("prod-2"))
    world.change(lambda everything: everything["hosts"]["prod-1"].update(stowage_cluster_name="prod-1"))
    for limit in ((), ("--limit", "prod-1")):
        code, output = restore("same", *limit)
        assert code == 2, output
        assert "The run has backups of prod-2, which have no host in the workspace." in output
        assert "plan for" not in output
    # As the message says.
    code, output = restore({"prod-1": "prod-1", "prod-3": "prod-3"})
    assert code == 0, output
    assert "prod-3: plan for backup-prod-3-" in output

    world.change(lambda everything: everything["hosts"]["prod-1"].update(stowage_cluster_name="renamed"))
    code, output = restore()
    assert code == 2, output
    assert "The run has backups of prod-1, prod-2, which have no host in the workspace." in output
    (world.directory / "workspaces" / "prod" / "runs" / "r1" / "expected.json").unlink()
    code, output = restore()
    assert code == 2, output
    assert "Nothing says which clusters the run is about. It was never begun" in output
    world.change(lambda everything: everything["hosts"].clear())
    code, output = restore()
    assert code == 2, output
    assert "workspace_restore_map is same, and the workspace has no hosts in this inventory." in output


def test_each_workspace_has_its_own_backup_of_the_same_namespaces(world: World) -> None:
    """Retention goes by the workspace and by expires_in: what another one's rules keep is no backup of this one."""
    one: Tree = {"clusters": ["prod-1"], "namespaces": ["shop"], "schedule": {"preset": "monthly"}}
    wanted: Tree = {"basic": {**one, "retention": {"keep_last": 1}}, "gold": {**one, "expires_in": "30d"}}
    world.change(lambda everything: everything["vars"].update(stowage_workspaces=wanted))
    for run in ("r1", "r2"):
        code, output = world.run(run=run)
        assert code == 0, output
        assert world.backups()["prod-1"] == 2
    made = {name: world.records(name)["prod-1"][0] for name in wanted}
    assert [each["made"] for each in made.values()] == [True, True]
    again = {name: world.records(name, "r2")["prod-1"][0] for name in wanted}
    assert {name: (each["backup"], each["made"]) for name, each in again.items()} == {
        name: (each["backup"], False) for name, each in made.items()
    }


def test_what_a_bucket_says_is_shown_and_nothing_more(world: World, tmp_path: Path) -> None:
    code, output = world.run("-e", "stowage_workspace=shop", playbook="stowage.kubernetes.workspace_start")
    assert code == 0, output
    folder = world.directory / "workspaces" / "shop" / "runs" / "r1"
    mark = tmp_path / "touched"
    record = {
        "format": "stowage-record/1",
        "workspace": "shop",
        "run": "r1",
        "cluster": "edge-1",
        "attempt": 1,
        "phase": "Failed",
        "written": "2026-11-26T02:00:00+00:00",
        "location": "{{ 1 / 0 }}",
        "reason": f"{{{{ lookup('ansible.builtin.pipe', 'touch {mark}') }}}} \x1b[31m red \x1b]0;title\x07"
        + "x" * 5000,
    }
    (folder / "edge-1").mkdir()
    (folder / "edge-1" / "1.json").write_text(json.dumps(record), encoding="utf-8")
    code, output = world.run("-e", "stowage_workspace=shop", playbook="stowage.kubernetes.workspace_end")
    assert code == 2, output
    assert "shop, run r1: Failed (1 Failed, 1 Missing)" in output
    assert "lookup('ansible.builtin.pipe'" in output
    assert "\x1b" not in output
    assert not mark.exists()
    mapping = json.dumps({"workspace_restore_map": {"edge-1": "prod-1"}})
    code, output = world.run(
        "-e", "stowage_workspace=shop", "-e", mapping, playbook="stowage.kubernetes.workspace_restore"
    )
    assert code == 2, output
    assert "The run r1 has no backup of edge-1 (Failed" in output
    assert not mark.exists()
