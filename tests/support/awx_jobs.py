# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as AWX runs them: ansible-runner in a private data directory, over an inventory script that may be a slice.

AWX's own: ``Inventory.get_script_data`` in awx/main/models/inventory.py, ``write_inventory_file`` and ``build_extra_vars_file`` in
awx/main/tasks/jobs.py, ``awx_meta_vars`` in awx/main/models/unified_jobs.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml

from support.plays import Plays

Tree = dict[str, t.Any]
ROOT: t.Final = Path(__file__).resolve().parents[2]
PROJECT: t.Final = ROOT / "docs" / "awx" / "project"
_RUNNER: t.Final = """
import json, sys, ansible_runner
sys.exit(ansible_runner.run(**json.load(sys.stdin)).rc)
"""


@dataclasses.dataclass(frozen=True)
class Inventory:
    """An inventory as AWX keeps it."""

    hosts: t.Mapping[str, Tree]
    groups: t.Mapping[str, t.Sequence[str]]
    variables: Tree

    def script_data(self, number: int = 1, count: int = 1) -> Tree:
        """What the script of a slice prints; all groups are in each, with the slice's own hosts."""
        names = sorted(self.hosts)
        if count > 1:
            names = names[number - 1 :: count]
        grouped = {host for members in self.groups.values() for host in members}
        data: Tree = {
            "all": {
                "vars": self.variables,
                "hosts": [name for name in names if name not in grouped],
                "children": list(self.groups),
            },
            "_meta": {
                "hostvars": {
                    name: {**self.hosts[name], "remote_host_enabled": "true", "remote_host_id": number}
                    for number, name in enumerate(names, start=1)
                }
            },
        }
        for group, members in self.groups.items():
            mine = [host for host in members if host in names]
            if mine:
                data[group] = {"hosts": mine}
        return data


class _Extra(yaml.SafeDumper):
    """AWX lets no extra variable be a template."""


_Extra.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text))


@dataclasses.dataclass
class Controller:
    """Starts jobs, with numbers that go up.

    :param environment: what the credentials of all jobs set.
    """

    plays: Plays
    inventory: Inventory
    environment: dict[str, str]
    last: int = 100

    def number(self) -> int:
        """The id of another job."""
        self.last += 1
        return self.last

    def start(self, playbook: str, extra: Tree, *, piece: tuple[int, int] = (1, 1), check: bool = False) -> Job:
        """Begin a job.

        :param extra: answers to surveys and artifacts of nodes before it.
        :param piece: number and count of slices.
        """
        number = self.number()
        folder = self.plays.path / "jobs" / str(number)
        shutil.copytree(PROJECT, folder / "project")
        for part in ("env", "inventory"):
            (folder / part).mkdir()
        script = folder / "inventory" / "hosts"
        data = json.dumps(self.inventory.script_data(*piece))
        script.write_text(f"#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({data!r})\n", encoding="utf-8")
        script.chmod(0o700)
        told = {"awx_job_id": number, "tower_job_id": number, "awx_job_launch_type": "workflow", **extra}
        options = ["-u", "root", *(["--check", "--diff"] if check else []), "--forks=4"]
        environment = {"JOB_ID": str(number), "MAX_EVENT_RES": "700000", "AWX_HOST": "https://awx.example.com"}
        for name, text in (
            ("extravars", yaml.dump(told, Dumper=_Extra)),
            ("envvars", yaml.safe_dump({**self.environment, **environment})),
            ("cmdline", " ".join(options)),
            ("settings", json.dumps({"suppress_ansible_output": True})),
        ):
            (folder / "env" / name).write_text(text, encoding="utf-8")
        variables = {key: value for key, value in self.plays.environment.items() if key != "ANSIBLE_CONFIG"}
        process = subprocess.Popen(
            [sys.executable, "-c", _RUNNER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=variables,
            text=True,
            start_new_session=True,
        )
        settings = {"private_data_dir": str(folder), "ident": str(number), "playbook": f"playbooks/{playbook}.yml"}
        assert process.stdin
        json.dump(settings, process.stdin)
        process.stdin.close()
        return Job(folder / "artifacts" / str(number), process)

    def lose(self, job: Job) -> None:
        """The node of a job is gone, while no other job runs: all processes at once, so that none sees another one go and says so."""
        for sent in (signal.SIGSTOP, signal.SIGKILL):
            for process in self.plays.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, sent)
        job.wait()

    def run(self, playbook: str, extra: Tree, **options: t.Any) -> Job:
        """Run a job to its end."""
        job = self.start(playbook, extra, **options)
        job.wait()
        return job


@dataclasses.dataclass
class Job:
    """A job that was begun. ``artifacts`` is where the runner writes what AWX reads."""

    artifacts: Path
    process: subprocess.Popen[str]

    def wait(self) -> int:
        """Its exit code."""
        assert self.process.stdout
        self.process.stdout.read()
        return self.process.wait()

    @property
    def code(self) -> int:
        return int((self.artifacts / "rc").read_text(encoding="ascii"))

    @property
    def output(self) -> str:
        return (self.artifacts / "stdout").read_text(encoding="utf-8")

    def events(self) -> list[tuple[Tree, int]]:
        """Each event with its size in bytes, in order."""
        files = (self.artifacts / "job_events").glob("*.json")
        ordered = sorted(files, key=lambda path: int(path.name.split("-")[0]))
        return [(json.loads(path.read_bytes()), path.stat().st_size) for path in ordered]

    def left(self) -> Tree:
        """What it leaves to later nodes of a workflow, by ``set_stats``."""
        found: Tree = {}
        for event, _size in self.events():
            found |= event.get("event_data", {}).get("artifact_data", {})
        return found
