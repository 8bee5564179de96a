# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m bench.fleet``: how long a workspace backup of a fleet takes, against its slowest cluster alone.

The clusters are real API servers on this machine, so that they and the controller share its processors. One is down, one refuses
the credential, and one is slow: a relay in front of it holds back whatever it answers. They are in three workspaces that overlap.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
import resource
import socket
import tempfile
import threading
import time
import typing as t
from pathlib import Path

from support.clusters import config_map, namespace
from support.fleets import inventory
from testbed import Cluster, Testbed

Tree = dict[str, t.Any]
PLAYBOOK: t.Final = "stowage.kubernetes.workspace_backup"
WORKSPACES: t.Final[Tree] = {
    "every": {"clusters": ["*"]},
    "shop": {"clusters": ["prod-0*"], "namespaces": [{"labels": "team=shop"}]},
    "edge": {"clusters": [{"group": "edge"}], "namespaces": ["shop-*"]},
}
"""At 20 clusters: 20, 10 and 4 of them."""


@dataclasses.dataclass(frozen=True)
class Figures:
    """Of one run of the playbook.

    :param sums: how each workspace's run ended.
    :param processors: seconds of all processes of the play, not of the servers.
    """

    seconds: float
    processors: float
    sums: list[str]


class Relay:
    """Hands bytes on, those of the server after a delay; a context manager. One thread for each direction of a connection."""

    def __init__(self, server: str, delay: float) -> None:
        """:param server: a host and a port."""
        self._server, self._delay = server.rpartition(":"), delay
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._socket.accept()
                server = socket.create_connection((self._server[0], int(self._server[2])))
                for ends in ((client, server, 0.0), (server, client, self._delay)):
                    threading.Thread(target=self._hand_on, args=ends, daemon=True).start()

    @staticmethod
    def _hand_on(source: socket.socket, target: socket.socket, delay: float) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                time.sleep(delay)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def start(bed: Testbed, names: t.Sequence[str]) -> dict[str, Cluster]:
    """Clusters with a little in them; the second is down."""
    found = dict(zip(names, bed.fleet(*names), strict=True))
    for name, cluster in found.items():
        inside = namespace("shop-1")
        inside["metadata"]["labels"] = {"team": "shop"}
        for document in (inside, config_map("shop-1", "settings", cluster=name)):
            cluster.api.apply(document, field_manager="bench")
    found[names[1]].stop_part("kube-apiserver")
    return found


def hosts_of(fleet: t.Mapping[str, Cluster], names: t.Sequence[str], relay: Relay) -> Tree:
    """The inventory: the third has a wrong token, the fourth is reached through the relay."""
    hosts = {name: {"stowage_kubeconfig": str(cluster.kubeconfig)} for name, cluster in fleet.items()}
    hosts[names[2]] = {"stowage_kubeconfig": str(fleet[names[2]].kubeconfig_for_token("wrong-token", "wrong"))}
    slow = fleet[names[3]].kubeconfig
    text = slow.read_text(encoding="utf-8").replace(fleet[names[3]].server, f"https://127.0.0.1:{relay.port}")
    through = slow.with_name("slow.kubeconfig")
    _write(through, text)
    hosts[names[3]] = {"stowage_kubeconfig": str(through)}
    return hosts


def _write(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8", opener=_private) as file:
        file.write(text)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def play(hosts: Tree, forks: int) -> Figures:
    """One workspace backup of these hosts into a directory of its own."""
    edge = {"edge": {"hosts": dict.fromkeys(list(hosts)[-4:])}}
    with tempfile.TemporaryDirectory() as folder:
        plays = inventory(Path(folder), hosts, WORKSPACES, children=edge)
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        _code, output = plays.run(PLAYBOOK, "-e", "stowage_run=bench", "-f", str(forks))
        seconds, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        plays.end()
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figures(
        seconds, processors, sorted(set(re.findall(r"\w+, run bench: [^\"]*\)", output))) or [output[-2000:]]
    )


def main() -> None:
    """Measures, and prints a line for each figure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.fleet", description="Measures a workspace backup of a fleet."
    )
    parser.add_argument("--clusters", type=int, default=20)
    parser.add_argument(
        "--delay", type=float, default=0.1, help="seconds by which the slow cluster's answers are held back"
    )
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    names = [f"prod-{number:02d}" for number in range(options.clusters)]
    with Testbed() as bed:
        fleet = start(bed, names)
        with Relay(fleet[names[3]].server.partition("//")[2], options.delay) as relay:
            hosts = hosts_of(fleet, names, relay)
            for number in range(options.runs):
                alone = play({names[3]: hosts[names[3]]}, 1)
                fast = play({names[0]: hosts[names[0]]}, 1)
                whole = play(hosts, options.clusters)
                each = (whole.seconds - 1.3 * alone.seconds) / options.clusters
                print(
                    f"run {number + 1}: {options.clusters} clusters {whole.seconds:.1f} s ({whole.processors:.1f} s of processors), the slow one alone"
                    f" {alone.seconds:.1f} s, another alone {fast.seconds:.1f} s ({fast.processors:.1f} s of processors):"
                    f" 1.3 times the slow one and {each:.2f} s a cluster",
                    flush=True,
                )
                if not number:
                    print(*whole.sums, sep="\n", flush=True)


if __name__ == "__main__":
    main()
