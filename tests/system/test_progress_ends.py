# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever ends a play ends its module too, in the middle of a request, in time, and with nothing left behind.

The cluster is one that does not answer for its ConfigMaps. tests/unit/plugins/action has the same for a module that ignores
that it is to stop.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.capture import CaptureOptions, capture
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.leases import read_last
from support import fake_cluster as fake
from support.fake_cluster import FakeCluster
from support.plays import Plays
from support.scripted_api import ScriptedApi
from support.served_cluster import served
from testbed.process import wait_until

BOUND: t.Final = 5.0
"""Seconds that anything may go on after the play was ended."""


class SlowCluster:
    """A cluster that does not answer for its ConfigMaps once :attr:`slow` is set."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.cluster.add(fake.NAMESPACES, "shop")
        self.cluster.add(fake.CONFIGMAPS, "settings", "shop")
        self.cluster.hook = self._wait
        self.slow = False
        self.asked, self.over = threading.Event(), threading.Event()

    def _wait(self, _method: str, path: str, query: dict[str, str]) -> None:
        if self.slow and path.endswith("/configmaps") and query.get("limit") != "1":
            self.asked.set()
            self.over.wait(600)


@pytest.fixture
def slow() -> t.Iterator[SlowCluster]:
    slow = SlowCluster()
    yield slow
    slow.over.set()


@pytest.fixture
def api(slow: SlowCluster) -> t.Iterator[ScriptedApi]:
    with served(slow.cluster).running() as api:
        yield api


@pytest.fixture
def plays(tmp_path: Path, api: ScriptedApi) -> t.Iterator[Plays]:
    """Plays on that cluster, and a directory with one backup of it."""
    (tmp_path / "backups").mkdir()
    variables = {
        "stowage_locations": {"primary": {"provider": "filesystem", "path": str(tmp_path / "backups")}},
        "stowage_default_location": "primary",
    }
    plays = Plays.make(tmp_path, hosts={"prod-1": {"stowage_host": api.url, "stowage_api_key": "any"}}, vars=variables)
    yield plays
    plays.end()


def ctrl_c(process: int) -> None:
    os.killpg(process, signal.SIGINT)


def sigterm(process: int) -> None:
    os.kill(process, signal.SIGTERM)


def sigkill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def timeout(_process: int) -> None:
    """It comes by itself."""


BACKUP: t.Final = ("stowage.kubernetes.backup", "-e", "backup_name=b1")
RESTORE: t.Final = (
    *("stowage.kubernetes.restore", "-e", "restore_backup=b0", "-e", "restore_hosts=prod-1"),
    *("-e", "restore_allow_other_cluster=true"),
)


@pytest.mark.parametrize(
    ("command", "way"),
    [
        pytest.param(command, way, id=f"{command[0].rpartition('.')[2]}-{way.__name__}")
        for command in (BACKUP, RESTORE)
        for way in (ctrl_c, sigterm, sigkill, timeout)
    ],
)
def test_the_module_ends_with_its_play(
    command: tuple[str, ...], way: t.Callable[[int], None], plays: Plays, slow: SlowCluster, api: ScriptedApi
) -> None:
    directory = plays.inventory.with_name("backups")
    location = open_location({"provider": "filesystem", "path": str(directory), "prefix": ""}, {})
    options = CaptureOptions(cluster="prod-1", name="b0", selection=Selection.from_params({}))
    capture(slow.cluster.connection(), location, options, Progress())
    before = {info.key for info in location.list("")}
    slow.slow = True

    settings = {"ANSIBLE_TASK_TIMEOUT": "25"} if way is timeout else {}
    with plays.start(*command, **settings) as play:
        assert play.stdout is not None
        while not slow.asked.wait(0.1):
            assert play.poll() is None, play.stdout.read()
        if way is timeout:
            assert "Timed out after 25 second(s)" in play.communicate()[0]
        way(play.pid)
        since = time.monotonic()
        wait_until(lambda: not plays.processes() or None, seconds=60, what="the module's end")
        assert time.monotonic() - since < BOUND
        asked = len(api.requests)
        play.wait()
    assert play.returncode != 0
    assert len(api.requests) == asked
    left = {info.key for info in location.list("")} - before
    chains = {key[: key.rindex("/") + 1] for key in left if "/leases/" in key}
    said = ("/stowage-restore.json", "/stowage-restore-result.json")  # that it was begun, and how it ended
    left -= {key for key in left if "/leases/" in key or key.endswith(said)}
    assert left == set()
    assert chains
    assert [chain for chain in chains if read_last(location, chain).holders] == []
    assert [record.name for record in catalog.list_backups(location, "prod-1")] == ["b0"]
    location.close()


def test_progress_of_a_backup_is_shown(plays: Plays) -> None:
    code, output = plays.run("stowage.kubernetes.backup", "-e", "backup_name=b1")
    assert code == 0, output
    assert "[prod-1] capture discovery" in output
    assert "prod-1: made b1 in primary, Completed, " in output
