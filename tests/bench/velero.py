# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same work done by Velero, tuned: no throttling on its side, one item-block worker for each core."""

from __future__ import annotations

import datetime
import os
import typing as t

from bench import table

if t.TYPE_CHECKING:
    from testbed import Cluster, Testbed
    from testbed.minio import MinIO
    from testbed.velero import VeleroServer

TUNED: t.Final = ("--client-qps=2000", "--client-burst=2000", f"--item-block-worker-count={os.cpu_count() or 2}")


def measure(bed: Testbed, store: MinIO, source: Cluster, say: t.Callable[[str], None]) -> list[table.Row]:
    """A backup of the source, and a restore of its ConfigMaps into an empty cluster. Times are those that Velero writes
    into its objects, to the second."""
    store.create_bucket("velero")
    say("the same by Velero")
    server = bed.velero(source, store, "velero", server_args=TUNED)
    rows = [_row("Velero 1.18.2: back up the same", server, server.backup("peer", snapshotVolumes=False))]
    bed.stop(server)
    target = bed.cluster("velero-target", audit=False)
    server = bed.velero(target, store, "velero", server_args=TUNED)
    done = server.restore("peer", "peer", includedResources=["configmaps"])
    rows.append(_row("Velero 1.18.2: restore the ConfigMaps", server, done))
    bed.stop(server)
    bed.stop(target)
    return rows


def _row(title: str, server: VeleroServer, done: dict[str, t.Any]) -> table.Row:
    status = done["status"]
    started, ended = (
        datetime.datetime.fromisoformat(status[name]) for name in ("startTimestamp", "completionTimestamp")
    )
    progress = status["progress"]
    return table.Row(
        title,
        seconds=max((ended - started).total_seconds(), 1.0),
        objects=progress.get("itemsBackedUp", progress.get("itemsRestored", 0)),
        peak_mb=_peak_mb(server.process.pid),
        note=f"{status['phase']}; memory is the server's alone",
    )


def _peak_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
