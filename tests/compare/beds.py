# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes snapshots of the testbed's clusters."""

from __future__ import annotations

import contextlib
import typing as t

from compare import clusters
from compare.stored import Snapshot, take

if t.TYPE_CHECKING:
    from testbed import Cluster


class _Stores:
    """All etcds of a cluster as one."""

    def __init__(self, cluster: Cluster) -> None:
        self._stores = [cluster.etcd] + ([cluster.events_etcd] if cluster.events_etcd else [])

    def keys(self, prefix: str) -> list[str]:
        return [key for store in self._stores for key, _dummy in store.pairs(prefix, keys_only=True)]

    def value(self, key: str) -> bytes:
        for store in self._stores:
            for found, value in store.pairs(key):
                if found == key:
                    return value
        raise KeyError(key)


class _Api:
    def __init__(self, cluster: Cluster) -> None:
        self._api = cluster.api

    def get(self, path: str) -> t.Any:
        return self._api.json("GET", path)


def snapshot(cluster: Cluster) -> Snapshot:
    """Everything that a cluster stores now."""
    return take(_Api(cluster), _Stores(cluster))


def settled(source: Snapshot, cluster: Cluster, *, seconds: float = 60.0, **options: t.Any) -> clusters.Report:
    """Compare with a cluster, giving its controllers time to make what they make; returns the last report."""
    from testbed.errors import TestbedError
    from testbed.process import wait_until

    report = clusters.Report()

    def done() -> bool:
        nonlocal report
        report = clusters.compare(source, snapshot(cluster), **options)
        return not (report.dependents or report.different)

    with contextlib.suppress(TestbedError):
        wait_until(done, seconds=seconds, what="the controllers' objects")
    return report
