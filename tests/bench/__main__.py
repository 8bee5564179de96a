# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m bench``: loads clusters of the testbed, measures, and prints a table.

Each figure is the median of several runs of a process of its own, with the permissions that docs/rbac gives; each floor
is measured beside it, by the same account on the same or an equal cluster. Servers and clients share the machine, as they do
not in real life: read the ratios, not the seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import typing as t

from bench import bare, data, table, velero
from testbed import Testbed, accounts
from testbed.api import Api

if t.TYPE_CHECKING:
    from testbed import Cluster
    from testbed.minio import MinIO

CONFIG_MAPS: t.Final = "/api/v1/configmaps"


def say(text: str) -> None:
    """What is being done, on standard error; the table goes to standard output."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Bench:
    """The servers of one run and what was measured on them."""

    def __init__(self, bed: Testbed, runs: int) -> None:
        self.bed = bed
        self.runs = runs
        self.rows: list[table.Row] = []
        self.store: MinIO = bed.minio(tls=False)
        self.store.create_bucket("bench")
        self._number = 0

    def location(self) -> dict[str, t.Any]:
        """The location that all runs use."""
        keys = {"method": "access_key", "access_key": self.store.access_key, "secret_key": self.store.secret_key}
        return {"provider": "minio", "bucket": "bench", "endpoint": self.store.endpoint, "auth": keys}

    def name(self, what: str) -> str:
        """A name that no other run has."""
        self._number += 1
        return f"{what}-{self._number}"

    def work(self, work: str, cluster: Cluster, **job: t.Any) -> dict[str, t.Any]:
        """One job in a process of its own."""
        account = "restore" if work == "restore" else "backup"
        kubeconfig = accounts.kubeconfig(cluster, account)
        told = {"work": work, "kubeconfig": str(kubeconfig), "location": self.location(), **job}
        done = subprocess.run(
            [sys.executable, "-m", "bench.work"],
            input=json.dumps(told),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=os.environ,
        )
        answer: dict[str, t.Any] = json.loads(done.stdout)
        return answer

    def cluster(self, name: str) -> Cluster:
        """A new cluster with the accounts that the collection's users make."""
        cluster = self.bed.cluster(name, audit=False)
        accounts.ship(cluster)
        return cluster

    def load(self, cluster: Cluster, config_maps: int, pods: int) -> None:
        """Fill a cluster."""
        say(f"loading {config_maps} ConfigMaps and {pods} pods")
        bare.create(cluster.api, data.namespace_bodies())
        wait_for_accounts(cluster)
        bare.create(cluster.api, data.config_maps(config_maps))
        bare.create(cluster.api, data.pods(pods))

    def captures(self, title: str, cluster: Cluster, *, limit_mb: float, ratio: float | None) -> str:
        """Capture several times, each with the floor of its own pages just behind it; returns the last backup's name."""
        answers, floors, name = [], [], ""
        client = Api(accounts.kubeconfig(cluster, "backup"))
        for _dummy in range(self.runs):
            name = self.name("backup")
            answer = self.work("capture", cluster, name=name)
            seconds, _dummy = bare.replay(client, answer["pages"])
            answers.append(answer)
            floors.append(seconds)
            say(f"{title}: {answer['seconds']:.2f} s, the same pages alone {seconds:.2f} s, {answer['peak_mb']:.0f} MB")
        seconds = statistics.median(answer["seconds"] for answer in answers)
        floor = statistics.median(floors)
        wanted = f"≤ {ratio} times + 1 s, ≤ {limit_mb:.0f} MB" if ratio else f"≤ {limit_mb:.0f} MB"
        self.rows.append(
            table.Row(
                title,
                seconds=seconds,
                objects=answers[-1]["objects"],
                peak_mb=max(answer["peak_mb"] for answer in answers),
                floor=floor,
                wanted=wanted,
                kept=max(a["peak_mb"] for a in answers) <= limit_mb and (not ratio or seconds <= ratio * floor + 1),
                note=f"{answers[-1]['bytes'] / 1e6:.1f} MB out",
            )
        )
        return name

    def namespace(self, cluster: Cluster, name: str) -> None:
        """Read one namespace of fifty."""
        answer = self.work("read_namespace", cluster, name=name, namespace=data.namespaces()[7])
        key = f"clusters/bench/backups/{name}/{name}.tar.gz"
        whole = self.store.client().head_object(Bucket="bench", Key=key)["ContentLength"]
        self.rows.append(
            table.Row(
                "read one namespace of fifty",
                seconds=answer["seconds"],
                objects=answer["objects"],
                peak_mb=answer["peak_mb"],
                wanted="≤ 1/20 of the tarball",
                kept=answer["bytes"] <= whole / 20,
                note=f"1/{whole / answer['bytes']:.0f} of {whole / 1e6:.1f} MB, index {answer['index_bytes'] / 1e3:.0f} kB",
            )
        )

    def restores(self, name: str, config_maps: int) -> None:
        """Restore the ConfigMaps into an empty cluster, beside a bare client that creates the same in another; then again
        with nothing to change."""
        job = {"name": name, "included_resources": ["configmaps", "namespaces"]}
        bare_rates, rates, answers = [], [], []
        target: Cluster | None = None
        for number in range(self.runs):
            bare_rates.append(self.bare_rate(f"bare-{number}", config_maps))
            if target is not None:
                self.bed.stop(target)
            target = self.cluster(f"target-{number}")
            answers.append(self.work("restore", target, restore=self.name("restore"), **job))
            rates.append(answers[-1]["counts"]["created"] / answers[-1]["seconds"])
            say(f"restored at {rates[-1]:.0f}/s, the bare client created {bare_rates[-1]:.0f}/s")
        if target is None:
            return
        share = statistics.median(rate / bare_rate for rate, bare_rate in zip(rates, bare_rates, strict=True))
        seconds = statistics.median(answer["seconds"] for answer in answers)
        self.rows.append(
            table.Row(
                "restore the ConfigMaps",
                seconds=seconds,
                objects=answers[-1]["counts"]["created"],
                peak_mb=max(answer["peak_mb"] for answer in answers),
                floor=seconds * share,
                wanted="≥ 70 % of the bare client's rate",
                kept=share >= 0.7,
                note=f"{100 * share:.0f} % of {statistics.median(bare_rates):.0f}/s",
            )
        )
        self.again(target, job)
        self.bed.stop(target)

    def bare_rate(self, name: str, config_maps: int) -> float:
        """How many objects a second a bare client creates in an empty cluster."""
        cluster = self.cluster(name)
        client = Api(accounts.kubeconfig(cluster, "restore"))
        spaces, made = bare.create(client, data.namespace_bodies())
        seconds, count = bare.create(client, data.config_maps(config_maps))
        self.bed.stop(cluster)
        return (made + count) / (spaces + seconds)

    def again(self, target: Cluster, job: dict[str, t.Any]) -> None:
        """Restore what is there already."""
        client = Api(accounts.kubeconfig(target, "restore"))
        pages = bare.pages(client, CONFIG_MAPS)
        answers, floors = [], []
        for _dummy in range(self.runs):
            answers.append(self.work("restore", target, restore=self.name("restore"), **job))
            floors.append(bare.replay(client, pages)[0])
        floor = statistics.median(floors)
        seconds = statistics.median(answer["seconds"] for answer in answers)
        self.rows.append(
            table.Row(
                "restore again, nothing to change",
                seconds=seconds,
                objects=answers[-1]["objects"],
                peak_mb=max(answer["peak_mb"] for answer in answers),
                floor=floor,
                wanted="≤ 3 times",
                kept=seconds <= 3 * floor and answers[-1]["counts"].get("created", 0) == 0,
                note=json.dumps(answers[-1]["counts"]),
            )
        )


def wait_for_accounts(cluster: Cluster) -> None:
    """Pods are refused until their namespace has its service account."""
    from testbed.process import wait_until

    for name in data.namespaces():
        find = functools.partial(cluster.api.find, "v1", "ServiceAccount", "default", name)
        wait_until(find, seconds=60, what=f"the service account of {name}")


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--objects", type=int, nargs="+", default=[20_000, 200_000], help="ConfigMaps, each a round")
    parser.add_argument("--pods", type=int, default=2_000)
    parser.add_argument("--secrets", type=int, default=500, help="Secrets of 900 kB; 0 leaves them out")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-velero", action="store_true")
    parser.add_argument("--no-restores", action="store_true")
    parser.add_argument("--markdown", type=pathlib.Path, help="write the table to this file too")
    return parser.parse_args()


def large_secrets(bench: Bench, count: int) -> None:
    """A capture of what is mostly bytes."""
    cluster = bench.cluster("secrets")
    bare.create(cluster.api, data.namespace_bodies())
    bare.create(cluster.api, data.secrets(count))
    bench.captures(f"back up {count} Secrets of 900 kB", cluster, limit_mb=200, ratio=None)
    bench.bed.stop(cluster)


def main() -> int:
    """Measure everything; exit status 1 when a figure is not kept."""
    told = options()
    with contextlib.ExitStack() as stack:
        bench = Bench(stack.enter_context(Testbed()), told.runs)
        for number, count in enumerate(told.objects):
            cluster = bench.cluster(f"source-{count}")
            bench.load(cluster, count, told.pods)
            title = f"back up {count:,} ConfigMaps and {told.pods:,} pods"
            name = bench.captures(title, cluster, limit_mb=150, ratio=1.5)
            bench.namespace(cluster, name)
            if number == 0 and not told.no_velero:
                bench.rows += velero.measure(bench.bed, bench.store, cluster, say)
            bench.bed.stop(cluster)
            if number == 0 and not told.no_restores:
                bench.restores(name, count)
        if told.secrets:
            large_secrets(bench, told.secrets)
    text = table.render(bench.rows)
    print(text)
    if told.markdown:
        told.markdown.write_text(text + "\n", encoding="utf-8")
    return 0 if all(row.kept for row in bench.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
