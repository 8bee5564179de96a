# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module under a LongAction, run by ansible-playbook: shows progress, and ends with whoever ran it.

The module is made up: it pretends to send a request every twentieth of a second, and can be told to ignore that it has to
stop, as a thread in a long request does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.plugin_utils import _long_action

COLLECTIONS = Path(_long_action.__file__).parents[5]
BOUND: t.Final = 5.0
"""Seconds that a module may go on after whoever ran it is gone."""
PATIENCE: t.Final = 120.0
COUNT: t.Final = 30
"""Made-up requests: long enough that each host gets its turn on the screen."""

MODULE: t.Final = """
    #!/usr/bin/python
    from __future__ import annotations
    import os, time
    from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module

    def task(told):
        with open(told.params["log"], "a", buffering=1) as log:
            log.write(f"{os.getpid()}\\n")
            for count in range(told.params["count"]):
                told.progress.report("capture", "pods\\x1b[31m", objects=count + 1, size=count << 20)
                log.write(f"{time.monotonic()}\\n")
                if not told.params["stubborn"]:
                    told.progress.check()
                time.sleep(0.05)
        return {"seen": os.environ.get("SEEN", "")}

    run_module({
        "log": {"type": "path", "required": True},
        "count": {"type": "int", "default": 3},
        "stubborn": {"type": "bool", "default": False},
    }, task)
"""
ACTION: t.Final = """
    from ansible_collections.stowage.kubernetes.plugins.plugin_utils._long_action import LongAction

    class ActionModule(LongAction):
        pass
"""
CONNECTION: t.Final = """
    from ansible.plugins.connection.local import Connection as Local

    DOCUMENTATION = '''
    name: elsewhere
    short_description: Pretends to be another machine
    description: Pretends to be another machine.
    author: Stowage
    extends_documentation_fragment: [connection_pipelining]
    options: {become_success_timeout: {type: int, default: 10, description: x}, become_strip_preamble: {type: bool, default: true, description: x}}
    '''

    class Connection(Local):
        transport = "elsewhere"
"""


@dataclasses.dataclass(frozen=True)
class Project:
    """A directory with the made-up module, and how to run a play in it."""

    path: Path
    plays: list[subprocess.Popen[str]] = dataclasses.field(default_factory=list)

    def write(self, name: str, content: str) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(content).lstrip(), encoding="utf-8")

    def start(self, tasks: list[dict[str, t.Any]]) -> subprocess.Popen[str]:
        play = {"hosts": "all", "gather_facts": False, "tasks": tasks}
        (self.path / "play.json").write_text(json.dumps([play]), encoding="utf-8")
        settings = {
            # Without it, the wrapper writes below $HOME, and what asks for the result reads below the account's home.
            "ANSIBLE_ASYNC_DIR": str(self.path / "async"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CONFIG": str(self.path / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.path / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
        }
        variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"hosts": {"a": None, "b": None}, "vars": variables}}
        (self.path / "inventory.yml").write_text(json.dumps(inventory), encoding="utf-8")
        started = subprocess.Popen(
            [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.yml", "play.json"],
            cwd=self.path,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.plays.append(started)
        return started

    def end(self) -> None:
        """End what a failed test left running."""
        for play in self.plays:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(play.pid, signal.SIGKILL)
            play.communicate()

    def log(self, host: str) -> list[str]:
        file = self.path / f"log-{host}"
        return file.read_text(encoding="ascii").splitlines() if file.exists() else []


@pytest.fixture
def project(tmp_path: Path) -> t.Iterator[Project]:
    found = Project(tmp_path)
    found.write("ansible.cfg", "[defaults]\n")
    found.write("library/slow.py", MODULE)
    found.write("action_plugins/slow.py", ACTION)
    found.write("connection_plugins/elsewhere.py", CONNECTION)
    yield found
    found.end()


def task(name: str, count: int = COUNT, *, stubborn: bool = False, **keywords: t.Any) -> dict[str, t.Any]:
    args = {"log": "{{ playbook_dir }}/log-{{ inventory_hostname }}", "count": count, "stubborn": stubborn}
    return {"name": name, "slow": args, "register": "result", **keywords}


def test_progress_is_shown_where_it_can_be_and_the_module_runs_everywhere(project: Project) -> None:
    tasks = [
        task("shown", environment={"SEEN": "its own"}),
        {"name": "seen", "debug": {"msg": "{{ result.seen }}"}},
        {**task("asynchronous"), "async": 100, "poll": 1},
        task("secret", no_log=True),
        task("elsewhere", vars={"ansible_connection": "elsewhere"}),
        task("twice", retries=1, delay=0, until="result.attempts == 2"),
    ]
    output, _errors = project.start(tasks).communicate(timeout=PATIENCE)
    assert len(re.findall(r"^[ab] +: ok=6 ", output, re.MULTILINE)) == 2, output
    parts = dict(re.findall(r"TASK \[(\w+)\] \*+\n(.*?)(?=\n(?:TASK|PLAY) )", output, re.DOTALL))
    for host in "ab":
        shown = rf"^\[{host}\] capture pods\?\[31m: \d+ objects"
        assert [name for name, part in parts.items() if re.search(shown, part, re.MULTILINE)] == ["shown", "twice"], (
            output
        )
    assert parts["seen"].count("its own") == 2
    assert "\x1b" not in output
    assert [len(project.log(host)) for host in "ab"] == [6 * (COUNT + 1)] * 2


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait(until: t.Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _running(project: Project, play: subprocess.Popen[str]) -> list[int]:
    """Wait until the module is at work for both hosts; their process numbers."""
    wait(lambda: play.poll() is not None or all(len(project.log(host)) > 3 for host in "ab"))
    assert play.poll() is None, play.communicate()[0]
    return [int(project.log(host)[0]) for host in "ab"]


def _end(project: Project, processes: list[int], since: float) -> None:
    """The modules are gone, their last request was in time, and nothing of theirs is left in the temporary directory."""
    wait(lambda: not any(map(alive, processes)))
    assert max(float(project.log(host)[-1]) for host in "ab") - since < BOUND


WAYS: t.Final[dict[str, t.Callable[[int], None]]] = {
    "Ctrl-C": lambda process: os.killpg(process, signal.SIGINT),
    "SIGTERM": lambda process: os.kill(process, signal.SIGTERM),
    "SIGKILL": lambda process: os.kill(process, signal.SIGKILL),
}


@pytest.mark.parametrize("stubborn", [False, True], ids=["willing", "stubborn"])
@pytest.mark.parametrize("way", WAYS)
def test_the_module_ends_with_the_play(way: str, stubborn: bool, project: Project) -> None:
    play = project.start([task("long", 100_000, stubborn=stubborn)])
    processes = _running(project, play)
    since = time.monotonic()
    WAYS[way](play.pid)
    _end(project, processes, since)
    play.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("no_log", [False, True], ids=["shown", "hidden"])
def test_the_module_ends_with_a_play_that_is_killed_even_if_it_must_not_be_shown(
    no_log: bool, project: Project
) -> None:
    play = project.start([task("long", 100_000, no_log=no_log)])
    processes = _running(project, play)
    since = time.monotonic()
    os.kill(play.pid, signal.SIGKILL)
    _end(project, processes, since)
    play.communicate(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("stubborn", "no_log"), [(False, False), (True, False), (False, True)], ids=["willing", "stubborn", "hidden"]
)
def test_the_module_ends_when_its_task_takes_too_long(stubborn: bool, no_log: bool, project: Project) -> None:
    play = project.start([task("long", 100_000, stubborn=stubborn, no_log=no_log, timeout=20)])
    processes = _running(project, play)
    output, _errors = play.communicate(timeout=PATIENCE)
    assert no_log or output.count("Timed out after 20 second(s).") >= 2
    _end(project, processes, time.monotonic())
