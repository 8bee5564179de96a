# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters in memory behind sockets, as many as a test wants, with an inventory of them."""

from __future__ import annotations

import contextlib
import datetime
import typing as t
import zoneinfo
from pathlib import Path

from support import fake_cluster as fake
from support.fake_cluster import FakeCluster
from support.plays import Plays
from support.scripted_api import Reply, Request, ScriptedApi, as_status
from support.served_cluster import served

Tree = dict[str, t.Any]


def quiet_hour(zone: str = "UTC") -> int:
    """An hour of the day that no test runs into: half a day from now."""
    return (datetime.datetime.now(zoneinfo.ZoneInfo(zone)) + datetime.timedelta(hours=12)).hour


class Fleet:
    """Clusters by name.

    :param down: no request arrives at these.
    :param strangers: these accept nobody's token.
    :param asked: is told the name of the cluster before each answer, and may take its time.
    """

    def __init__(self, names: t.Sequence[str]) -> None:
        self.clusters = {name: FakeCluster() for name in names}
        self.down: set[str] = set()
        self.strangers: set[str] = set()
        self.asked: t.Callable[[str], object] = str
        for name, cluster in self.clusters.items():
            cluster.put(fake.NAMESPACES, {"metadata": {"name": "kube-system", "uid": f"uid-of-{name}"}})
            cluster.add(fake.NAMESPACES, "shop")
            cluster.add(fake.CONFIGMAPS, "settings", "shop")

    @contextlib.contextmanager
    def running(self) -> t.Iterator[dict[str, Tree]]:
        """The hosts of an inventory, by the clusters' names."""
        with contextlib.ExitStack() as stack:
            yield {
                name: {"stowage_host": stack.enter_context(self._server(name).running()).url, "stowage_api_key": "any"}
                for name in self.clusters
            }

    def _server(self, name: str) -> ScriptedApi:
        api = served(self.clusters[name])
        answer = api.answer

        def judged(request: Request) -> t.Any:
            self.asked(name)
            if name in self.strangers:
                return as_status(401, "Unauthorized", "Unauthorized")
            if name in self.down:
                return Reply(reset=True)
            return answer(request)

        api.answer = judged
        return api


def inventory(path: Path, hosts: t.Mapping[str, Tree], workspaces: Tree, **more: t.Any) -> Plays:
    """Plays on these hosts, with a directory as their location."""
    (path / "backups").mkdir()
    variables = {
        "stowage_locations": {"primary": {"provider": "filesystem", "path": str(path / "backups")}},
        "stowage_default_location": "primary",
        "stowage_workspaces": workspaces,
    }
    return Plays.make(path, hosts=dict(hosts), vars=variables, **more)
