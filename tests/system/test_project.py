# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The project of docs/awx at a terminal, as somebody has it who wrote their own location into it and nothing else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from support.awx_jobs import PROJECT
from support.fleets import Fleet
from support.plays import Plays
from tools import tree

NAMES: t.Final = ("prod-1", "prod-2")


@pytest.fixture
def run(tmp_path: Path) -> t.Iterator[t.Callable[..., tuple[int, str]]]:
    """Runs a program of Ansible in a copy of the project."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    (tmp_path / "backups").mkdir()
    variables = project / "inventory" / "variables.yml"
    document = yaml.safe_load(variables.read_text(encoding="utf-8"))
    document["all"]["vars"]["stowage_locations"] = {
        "primary": {"provider": "filesystem", "path": str(tmp_path / "backups")}
    }
    variables.write_text(yaml.safe_dump(document), encoding="utf-8")
    plays = Plays.make(tmp_path)
    with Fleet(NAMES).running() as hosts:
        contexts = [{"name": name, "context": {"cluster": name, "user": name}} for name in hosts]
        servers = [{"name": name, "cluster": {"server": host["stowage_host"]}} for name, host in hosts.items()]
        users = [{"name": name, "user": {"token": "any"}} for name in hosts]
        fleet = {"apiVersion": "v1", "kind": "Config", "clusters": servers, "users": users, "contexts": contexts}
        (tmp_path / "fleet.kubeconfig").write_text(json.dumps(fleet), encoding="utf-8")
        environment = {name: value for name, value in plays.environment.items() if name != "ANSIBLE_CONFIG"}

        def call(program: str, *arguments: str) -> tuple[int, str]:
            done = subprocess.run(
                [sys.executable, "-m", "ansible", program, *arguments],
                cwd=project,
                env=environment | {"STOWAGE_KUBECONFIG": str(tmp_path / "fleet.kubeconfig")},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            return done.returncode, done.stdout

        yield call
        plays.end()


def test_it_backs_up_the_contexts_of_a_kubeconfig(run: t.Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, output = run("inventory", "--graph")
    assert code == 0, output
    assert all(f"--{name}" in output for name in NAMES)
    code, output = run("config", "dump", "--only-changed", "--format", "json")
    changed = {one["name"]: one["value"] for one in json.loads(output) if "name" in one}
    assert (changed["DEFAULT_FORKS"], changed["ANSIBLE_PIPELINING"]) == (20, True)
    assert changed["INVENTORY_ANY_UNPARSED_IS_FAILED"] is True
    code, output = run(
        "playbook", "playbooks/workspace_backup.yml", "-e", "stowage_run=first", "-e", "workspace_now=true"
    )
    assert code == 0, output
    assert "everything, run first: Completed (2 Completed)" in output
    code, output = run("playbook", "playbooks/report.yml")
    assert code == 0, output
    assert "2 clusters of workspaces: 2 " in output
    assert "location primary" not in output
    assert (tmp_path / "project" / "reports" / "report.html").is_file()
    made = [path.parent.parent.parent.name for path in (tmp_path / "backups").rglob("velero-backup.json")]
    assert sorted(made) == list(NAMES)


def test_each_playbook_is_one_of_the_collection(run: t.Callable[..., tuple[int, str]]) -> None:
    playbooks = sorted(str(path.relative_to(PROJECT)) for path in (PROJECT / "playbooks").glob("*.yml"))
    code, output = run("playbook", "--syntax-check", *playbooks)
    assert code == 0, output


def test_what_it_requires_is_enough_for_it(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    required = project / "collections" / "requirements.yml"
    text = required.read_text(encoding="utf-8")
    plays = Plays.make(tmp_path)
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    # Nothing but what is installed is found.
    environment = plays.environment | nowhere | {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections")}
    del environment["ANSIBLE_CONFIG"]

    def call(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ansible", program, *arguments],
            cwd=project,
            env=environment | {"STOWAGE_KUBECONFIG": "unused"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    with tree.copy("required") as repository:
        subprocess.run(["git", "branch", "--quiet", "--move", "--force", "main"], cwd=repository, check=True)
        here = re.sub(r"https://github\.com/\S+\.git", f"file://{repository}", text)
        assert here != text
        required.write_text(here, encoding="utf-8")
        call("galaxy", "collection", "install", "-r", "collections/requirements.yml")
    installed = tmp_path / "collections" / "ansible_collections" / "stowage" / "kubernetes"
    assert (installed / "playbooks" / "report.yml").is_file()
    playbooks = sorted(str(path.relative_to(project)) for path in (project / "playbooks").glob("*.yml"))
    call("playbook", "-i", "localhost,", "--syntax-check", *playbooks)
    plays.end()


def test_a_kubeconfig_that_is_not_there_is_no_empty_fleet(
    run: t.Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "fleet.kubeconfig").unlink()
    code, output = run("playbook", "playbooks/workspace_backup.yml", "-e", "stowage_run=first")
    assert code != 0, output
