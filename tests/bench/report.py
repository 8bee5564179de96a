# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m bench.report``: how long a report of a large fleet takes, how large it is, and what it asks of a store.

Rendering is of 200 clusters in 3 workspaces with 100 runs each. What is read lies in a MinIO of the testbed: as many clusters, fewer
runs, one small file for each backup and record, as real ones are. Each figure is of one run in a process of its own.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import json
import multiprocessing
import resource
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._report import as_json
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.assemble import assemble
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.collect import collect
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.task import FORMATS
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import runs
from support.archives import velero_document
from support.report_fleets import NOW, Fleet
from testbed import MinIO, Testbed

Tree = dict[str, t.Any]
_AT_ONCE: t.Final = 16


def rendering(clusters: int, workspaces: int, nights: int) -> str:
    """What is made of a fleet that has been read."""
    fleet = Fleet(clusters, workspaces, nights)
    begun = time.monotonic()
    report = fleet.report()
    digest = as_json.digest_of(report)
    said = [f"judged in {time.monotonic() - begun:.1f} s"]
    for name, (_file, render) in FORMATS.items():
        begun = time.monotonic()
        size = len(render(report, digest))
        said.append(f"{name} {size / 1e6:.2f} MB in {time.monotonic() - begun:.1f} s")
    return f"{len(report.rows)} rows, {nights} runs a workspace: {', '.join(said)}; {_peak()}"


def reading(clusters: int, workspaces: int, nights: int, place: Tree) -> str:
    """What it takes to read a fleet from a store."""
    fleet = Fleet(clusters, workspaces, nights)
    location = open_location(place, {})
    asked = collections.Counter[str]()
    for name in ("list", "list_names", "read"):
        setattr(location, name, _counted(getattr(location, name), name, asked))
    begun = time.monotonic()
    found = collect(location, "primary", fleet.wanted, lambda: None)
    seconds = time.monotonic() - begun
    report = assemble(fleet.wanted, {"primary": found}, {}, NOW)
    location.close()
    calls = ", ".join(f"{count:,} {name}" for name, count in sorted(asked.items()))
    return f"{len(report.rows)} rows, {nights} runs a workspace, {report.locations[0].backups:,} backups: read in {seconds:.1f} s ({calls}); {_peak()}"


def _counted(call: t.Callable[..., t.Any], name: str, asked: collections.Counter[str]) -> t.Callable[..., t.Any]:
    def counted(*args: t.Any, **options: t.Any) -> t.Any:
        asked[name] += 1
        return call(*args, **options)

    return counted


def _peak() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most"


def fill(store: MinIO, fleet: Fleet) -> Tree:
    """Puts what a fleet left into a new bucket; returns the location."""
    bucket = store.create_bucket("report")
    files: dict[str, bytes] = {}
    for cluster, found in fleet.place.clusters.items():
        for one in found.backups:
            document = velero_document(one.name, phase=one.phase)
            document["metadata"]["labels"] = one.labels
            document["status"]["startTimestamp"] = one.started.isoformat() if one.started else ""
            files[layout.BackupPaths(cluster, one.name).velero_backup] = json.dumps(document).encode()
    for run in fleet.place.runs:
        paths = runs.RunPaths(run.workspace, run.name)
        if run.expected:
            files[paths.expected] = runs.write_expected(paths, run.expected)
        files |= {paths.record(name, one.attempt): one.to_json(paths, "m") for name, one in run.records.items()}
    client = store.client()
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda each: client.put_object(Bucket=bucket, Key=each[0], Body=each[1]), files.items()))
    auth = {"method": "access_key", "access_key": store.access_key, "secret_key": store.secret_key}
    return {"provider": "minio", "bucket": bucket, "endpoint": store.endpoint, "auth": auth}


def main() -> None:
    """Measures, and prints a line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description="Measures reports of a large fleet.")
    parser.add_argument("--clusters", type=int, default=200)
    parser.add_argument("--workspaces", type=int, default=3)
    parser.add_argument("--runs", type=int, default=100, help="of each workspace, where they are rendered")
    parser.add_argument("--read-runs", type=int, default=10, help="of each workspace, where they are read")
    options = parser.parse_args()
    size = (options.clusters, options.workspaces)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool, Testbed() as bed:
        print("rendering:", pool.submit(rendering, *size, options.runs).result(), flush=True)
        place = fill(bed.minio(tls=False), Fleet(*size, options.read_runs))
        print("reading:", pool.submit(reading, *size, options.read_runs, place).result(), flush=True)


if __name__ == "__main__":
    main()
