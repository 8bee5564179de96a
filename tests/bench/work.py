# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One piece of the collection's work in a process of its own, so that its memory can be told.

Reads a job as JSON from standard input, writes one JSON line. Seconds are those of the work; start-up and imports are
told apart. ``ansible.module_utils.basic`` is loaded as in a module, so that the memory is a module's.
"""

from __future__ import annotations

import datetime
import importlib
import json
import sys
import time
import typing as t
import urllib.parse


def _peak_mb() -> float:
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM")


def _imports() -> None:
    for name in ("ansible.module_utils.basic", "botocore.session", "isal.igzip_lib", "msgspec"):
        importlib.import_module(name)


def _connect(job: dict[str, t.Any]) -> tuple[t.Any, t.Any]:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location

    access = ClusterAccess.from_params({"kubeconfig": job["kubeconfig"]}, {})
    return Connection.open(access), open_location(job["location"], {})


def _record_pages(connection: t.Any) -> list[str]:
    """The paths of every list that the connection will be asked for."""
    pages: list[str] = []
    request = connection.request

    def recorded(method: str, path: str, **options: t.Any) -> t.Any:
        query = urllib.parse.urlencode(options.get("query", ()))
        if method == "GET" and "limit=" in query and "limit=1&" not in query + "&":
            pages.append(f"{path}?{query}")
        return request(method, path, **options)

    connection.request = recorded
    return pages


def capture(job: dict[str, t.Any]) -> dict[str, t.Any]:
    """Back up everything, or what ``included_resources`` names."""
    from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.capture import CaptureOptions
    from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.capture import capture as run
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

    connection, location = _connect(job)
    options = CaptureOptions(
        cluster="bench",
        name=job["name"],
        selection=Selection.from_params({"included_resources": job.get("included_resources", [])}),
        labels={},
        expires_in=None,
        ignored_api_groups=frozenset(),
        velero_expiration=False,
        deadline=datetime.timedelta(hours=2),
    )
    pages = _record_pages(connection)
    started = time.perf_counter()
    result = run(connection, location, options, Progress())
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "objects": result.objects,
        "bytes": result.size,
        "phase": result.phase,
        "pages": pages,
    }


def read_namespace(job: dict[str, t.Any]) -> dict[str, t.Any]:
    """Read one namespace of a backup, as a restore of it does, without a cluster."""
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.catalog import read_backup
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

    _dummy, location = _connect(job)
    started = time.perf_counter()
    record = read_backup(location, "bench", job["name"])
    reader = BackupReader.open(location, record, progress=Progress())
    count = 0
    for kind in dict.fromkeys(block.kind for block in reader.blocks):
        count += sum(1 for _dummy in reader.objects(kind, lambda name: name == job["namespace"]))
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "objects": count,
        "bytes": reader.bytes_read,
        "index_bytes": reader.index_bytes_read,
    }


def restore(job: dict[str, t.Any]) -> dict[str, t.Any]:
    """Restore, or restore again."""
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.catalog import read_backup
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.restore import RestoreOptions
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.restore import restore as run
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

    connection, location = _connect(job)
    started = time.perf_counter()
    options = RestoreOptions(
        record=read_backup(location, "bench", job["name"]),
        name=job["restore"],
        selection=Selection.from_params({"included_resources": job.get("included_resources", [])}),
        allow_other_cluster=True,
    )
    result = run(connection, location, options, Progress(), check=False, diff=False)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "objects": sum(result.counts.values()), "counts": result.counts, "phase": result.phase}


def main() -> None:
    """Do the job on standard input."""
    began = time.perf_counter()
    _imports()
    imported = time.perf_counter() - began
    job = json.load(sys.stdin)
    answer = {"capture": capture, "read_namespace": read_namespace, "restore": restore}[job["work"]](job)
    sys.stdout.write(json.dumps({**answer, "import_seconds": imported, "peak_mb": _peak_mb()}) + "\n")


if __name__ == "__main__":
    main()
