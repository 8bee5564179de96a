# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role schedule writes: a real API server takes the CronJobs, the commands run the playbook, and pauses are honoured."""

from __future__ import annotations

import datetime
import json
import shlex
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import schedule, triggers
from support.plays import Plays

if t.TYPE_CHECKING:
    from conftest import ClusterFactory

Tree = dict[str, t.Any]
TWO_WEEKS: t.Final = {"preset": "every_two_weeks", "anchor": "2026-01-04", "time_zone": "Europe/Berlin"}
WORKSPACES: t.Final[Tree] = {
    "shop": {"clusters": ["prod-*"], "schedule": TWO_WEEKS},
    "Night_Shift": {"clusters": ["prod-1"], "schedule": {"cron": "30 2 * * *", "time_zone": "Europe/Berlin"}},
    "resting": {"clusters": ["prod-1"], "schedule": {"preset": "weekly", "paused": True}},
    "by-hand": {"clusters": ["prod-1"]},
}
NAMESPACE: t.Final = "role-schedule"
IMAGE: t.Final = "registry.example.com/stowage-ee:0.2.0"


class Written:
    """The files of a trigger by the end of their names."""

    def __init__(self, folder: Path, name: str) -> None:
        self.texts = {
            path.name.removeprefix(name): path.read_text(encoding="utf-8") for path in folder.glob(f"{name}.*")
        }

    @property
    def awx(self) -> Tree:
        return dict(yaml.safe_load(self.texts[".awx.yml"]))

    @property
    def cronjob(self) -> Tree:
        return dict(yaml.safe_load(self.texts[".cronjob.yml"]))

    @property
    def line(self) -> str:
        return self.texts[".cron"].splitlines()[-1]

    @property
    def calendars(self) -> list[str]:
        lines = self.texts[".timer"].splitlines()
        return [line.removeprefix("OnCalendar=") for line in lines if line.startswith("OnCalendar=")]

    def arguments(self) -> list[list[str]]:
        """What each form passes to ansible-playbook, without the inventory."""
        command = self.cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["command"]
        start = next(line for line in self.texts[".service"].splitlines() if line.startswith("ExecStart="))
        return [command[6:], shlex.split(self.line.partition("; ")[2])[3:], start.split()[3:]]


@pytest.fixture
def plays(tmp_path: Path) -> t.Iterator[Plays]:
    variables = {
        "stowage_workspaces": WORKSPACES,
        "schedule_image": IMAGE,
        "schedule_jitter": "30m",
        "schedule_namespace": NAMESPACE,
    }
    found = Plays.make(tmp_path, hosts={"prod-1": {}, "prod-2": {}}, vars=variables)
    yield found
    found.end()


def write(plays: Plays, playbook: str, *arguments: str) -> Path:
    folder = plays.path / "triggers"
    folder.mkdir(exist_ok=True)
    code, output = plays.run(f"stowage.kubernetes.{playbook}", "-e", f"schedule_directory={folder}", *arguments)
    assert code == 0, output
    return folder


def test_each_workspace_with_a_schedule_gets_what_runs_it(cluster: ClusterFactory, plays: Plays) -> None:
    folder = write(plays, "workspace_schedule")
    names = {path.name.partition(".")[0] for path in folder.iterdir()}
    assert names == {f"stowage-backup-{name}" for name in ("shop", "Night_Shift", "resting")}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    api = cluster().api
    api.apply(namespace, field_manager="test")
    try:
        objects = set()
        for name in ("shop", "Night_Shift", "resting"):
            found = Written(folder, f"stowage-backup-{name}")
            plan = schedule.read(WORKSPACES[name]["schedule"])
            assert plan is not None
            often = triggers.with_gaps(plan, datetime.date(2026, 1, 1))
            spec = found.cronjob["spec"]
            assert (spec["schedule"], spec["timeZone"]) == (triggers.cron(often), plan.zone.key)
            assert found.calendars == triggers.calendars(often)
            assert found.awx["rrule"] == triggers.rrule(often, datetime.date(2026, 1, 1))
            assert found.awx["extra_data"] == {"stowage_workspace": name}
            for arguments in found.arguments():
                assert arguments == [
                    "--forks",
                    "20",
                    "-e",
                    f"stowage_workspace={name}",
                    "stowage.kubernetes.workspace_backup",
                ]
            # The API server itself says whether it is a CronJob.
            made = api.apply(found.cronjob, field_manager="test")
            objects.add(made["metadata"]["name"])
            paused = name == "resting"
            assert made["spec"]["suspend"] == paused
            assert found.awx["enabled"] != paused
            assert found.line.startswith("# paused: ") == paused
            assert ("# paused: WantedBy" in found.texts[".timer"]) == paused
        assert {"stowage-backup-shop", "stowage-backup-resting"} < objects
        assert len(objects) == 3
    finally:
        api.delete("v1", "Namespace", NAMESPACE)


def test_a_workspace_is_resumed_by_writing_it_again(plays: Plays) -> None:
    write(plays, "workspace_schedule", "-e", "stowage_workspace=resting")
    document = json.loads(plays.inventory.read_text(encoding="utf-8"))
    document["all"]["vars"]["stowage_workspaces"]["resting"]["schedule"]["paused"] = False
    plays.inventory.write_text(json.dumps(document), encoding="utf-8")
    folder = write(plays, "workspace_schedule", "-e", "stowage_workspace=resting")
    found = Written(folder, "stowage-backup-resting")
    assert found.awx["enabled"] is True
    assert found.cronjob["spec"]["suspend"] is False
    assert not found.line.startswith("#")
    assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"stowage-backup-resting"}


def test_a_wait_is_of_the_trigger_and_not_of_the_instant(plays: Plays) -> None:
    folder = write(plays, "workspace_schedule")
    waits = set()
    for name in ("shop", "Night_Shift"):
        found = Written(folder, f"stowage-backup-{name}")
        wait = int(found.line.partition("sleep ")[2].partition(";")[0])
        assert f"ExecStartPre=/bin/sleep {wait}\n" in found.texts[".service"]
        assert wait == schedule.jitter(datetime.timedelta(minutes=30), "", name).total_seconds()
        waits.add(wait)
    without = write(plays, "workspace_schedule", "-e", "schedule_jitter=")
    for name, before in (("shop", "0 0"), ("Night_Shift", "30 2,3")):
        found = Written(without, f"stowage-backup-{name}")
        assert found.cronjob["spec"]["schedule"].startswith(before)
        assert not any("sleep" in text for text in found.texts.values())
        assert " stowage /usr/bin/ansible-playbook -i " in found.line
        container = found.cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
        assert container["command"][:3] == ["ansible-playbook", "-i", "/etc/stowage/inventory.yml"]
        assert "Type=oneshot\nUser=stowage\nExecStart=/usr/bin/ansible-playbook -i" in found.texts[".service"]
    assert len(waits) == 2


def test_each_cluster_gets_what_runs_it_too(plays: Plays) -> None:
    more = ("-e", json.dumps({"stowage_schedule": TWO_WEEKS, "schedule_name": "{{ inventory_hostname }}"}))
    folder = write(plays, "schedule", *more)
    found = Written(folder, "prod-1")
    assert found.awx["extra_data"] == {"backup_schedule": TWO_WEEKS}
    assert all(one == ["--limit", "prod-1", "stowage.kubernetes.backup"] for one in found.arguments())
    assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"prod-1", "prod-2"}


def test_only_the_cronjob_needs_an_image(plays: Plays) -> None:
    folder = plays.path / "triggers"
    folder.mkdir()
    code, output = plays.run(
        "stowage.kubernetes.workspace_schedule", "-e", f"schedule_directory={folder}", "-e", "schedule_image="
    )
    assert code == 0, output
    assert "the workspace shop: no CronJob, for schedule_image is not set." in output
    assert {path.name.removeprefix("stowage-backup-shop") for path in folder.glob("stowage-backup-shop.*")} == {
        ".awx.yml",
        ".timer",
        ".service",
        ".cron",
    }


def test_what_makes_no_sense_is_said(plays: Plays) -> None:
    forms = json.dumps({"schedule_image": "", "schedule_forms": ["cronjob"]})
    code, output = plays.run("stowage.kubernetes.workspace_schedule", "-e", forms)
    assert code == 2, output
    assert "schedule_image is not set" in output
    code, output = plays.run("stowage.kubernetes.workspace_schedule", "-e", json.dumps({"stowage_workspaces": {}}))
    assert code == 2, output
    assert "Set stowage_workspaces" in output
    code, output = plays.run("stowage.kubernetes.workspace_schedule", "-e", "stowage_workspace=by-hand")
    assert code == 0, output
    assert "the workspace by-hand: the schedule is never" in output
