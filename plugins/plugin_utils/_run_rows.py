# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs, restores and the clusters of locations, for a person. Private to the collection. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._lines import (
    NOTHING,
    clean,
    columns,
    format_minute,
    format_size,
)

Tree = t.Mapping[str, t.Any]

_RUNS: t.Final = ("WORKSPACE", "RUN", "STARTED", "PHASE", "CLUSTERS", "FAILED", "MISSING", "WHICH")
_RESTORES: t.Final = ("NAME", "BACKUP", "CLUSTER", "INTO", "STARTED", "PHASE", "CREATED", "UPDATED", "FAILED", "RUN")
_CLUSTERS: t.Final = ("CLUSTER", "HOSTS", "FOR", "BACKUPS", "SIZE", "LAST GOOD", "STARTED")


def run_rows(runs: t.Sequence[Tree]) -> list[str]:
    """Lines that show runs as ``workspace_run_info`` returns them, in their order; none for none."""
    return columns([_RUNS, *map(_run, runs)]) if runs else []


def _run(run: Tree) -> tuple[str, ...]:
    missing = int(run["counts"].get("Missing", 0))
    failed = int(run["failed_count"]) - missing
    which = [*map(str, run["failed"]), *(f"{name} (missing)" for name in run["missing"])]
    return (
        clean(str(run["workspace"])),
        clean(str(run["name"])),
        format_minute(run["started"]),
        clean(str(run["phase"])),
        str(int(run["clusters_count"])),
        str(failed),
        str(missing),
        clean(", ".join(which) or str(run["message"])),
    )


def restore_rows(restores: t.Sequence[Tree]) -> list[str]:
    """Lines that show restores as ``restore_info`` returns them, in their order; none for none."""
    return columns([_RESTORES, *map(_restore, restores)]) if restores else []


def _restore(restore: Tree) -> tuple[str, ...]:
    counts = restore["counts"]
    run = f"{restore['workspace']}/{restore['run']}" if restore["run"] else NOTHING
    return (
        clean(str(restore["name"])),
        clean(str(restore["backup"]) or NOTHING),
        clean(str(restore["cluster"])),
        clean(str(restore["target_uid"]) or NOTHING),
        format_minute(restore["started"]),
        clean(str(restore["phase"])),
        *(f"{int(counts[name]):,}" if name in counts else NOTHING for name in ("created", "updated", "failed")),
        clean(run),
    )


def cluster_rows(clusters: t.Sequence[Tree], uses: t.Mapping[str, t.Mapping[str, t.Sequence[str]]]) -> list[str]:
    """Lines that show who uses a location; none for nobody.

    :param clusters: of the location, as ``backup_info`` returns them as ``by_cluster``.
    :param uses: what the hosts of the inventory have the location for, by their folders in it.
    """
    found = {str(one["cluster"]): one for one in clusters}
    names = sorted(found.keys() | uses.keys())
    rows = [_cluster(name, found.get(name), uses.get(name, {})) for name in names]
    return columns([_CLUSTERS, *rows]) if rows else []


def _cluster(name: str, one: Tree | None, uses: t.Mapping[str, t.Sequence[str]]) -> tuple[str, ...]:
    what = dict.fromkeys(str(use) for host in sorted(uses) for use in uses[host])
    shown = (clean(name), clean(", ".join(sorted(uses)) or "not in the inventory"), clean(", ".join(what) or NOTHING))
    if one is None:
        return (*shown, "0", NOTHING, NOTHING, NOTHING)
    return (
        *shown,
        f"{int(one['total']):,}",
        format_size(int(one["size"])),
        clean(str(one["last_good"] or NOTHING)),
        format_minute(one["last_good_started"]),
    )


def hosts_by_folder(hosts: t.Iterable[Tree], location: str, default: str = "") -> dict[str, list[str]]:
    """The hosts whose own location it is, by their folders in it. Workspaces may have others: ``location_uses``.

    :param hosts: their variables, of which two are looked at.
    :param default: the location of those that have none.
    """
    found: dict[str, list[str]] = {}
    for host in hosts:
        if (host.get("stowage_location") or default) == location:
            name = str(host["inventory_hostname"])
            found.setdefault(str(host.get("stowage_cluster_name") or name), []).append(name)
    return found
