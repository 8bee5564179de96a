# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How runs, and the clusters of a location, are shown to a person."""

from __future__ import annotations

from typing import Any

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._run_rows import (
    cluster_rows,
    hosts_by_folder,
    run_rows,
)

RUN: dict[str, Any] = {
    "workspace": "shop",
    "name": "4711",
    "started": "2026-11-25T02:00:00+00:00",
    "phase": "PartiallyFailed",
    "counts": {"Completed": 18, "PartiallyFailed": 0, "Failed": 1, "Missing": 1},
    "clusters_count": 20,
    "failed_count": 2,
    "failed": ["prod-3"],
    "missing": ["prod-7"],
    "message": "",
}


def test_runs_are_rows_that_name_who_is_missing() -> None:
    unknown = {**RUN, "name": "x", "phase": "Unknown", "counts": {}, "clusters_count": 0, "failed_count": 0}
    unknown |= {"failed": [], "missing": [], "message": "\x1b[2J makes no sense."}
    head, first, second = run_rows([RUN, unknown])
    assert head.split() == ["WORKSPACE", "RUN", "STARTED", "PHASE", "CLUSTERS", "FAILED", "MISSING", "WHICH"]
    assert (
        first
        == "shop       4711  2026-11-25 02:00  PartiallyFailed  20        1       1        prod-3, prod-7 (missing)"
    )
    assert second.isprintable()
    assert second.endswith("makes no sense.")
    assert run_rows([]) == []


def test_clusters_of_a_location_are_those_that_have_backups_and_those_that_will() -> None:
    has = {"cluster": "old", "total": 1200, "size": 2048, "last_good": "n", "last_good_started": RUN["started"]}
    uses = {"new": {"b": ["backups"], "a": ["workspace shop", "backups"]}, "old": {"old": ["records of \x1b[2Jedge"]}}
    assert cluster_rows([has], uses) == [
        "CLUSTER  HOSTS  FOR                      BACKUPS  SIZE     LAST GOOD  STARTED",
        "new      a, b   workspace shop, backups  0        -        -          -",
        "old      old    records of ?[2Jedge      1,200    2.0 KiB  n          2026-11-25 02:00",
    ]
    assert cluster_rows([has], {})[1].split("  ")[3:5] == ["not in the inventory", "-"]
    assert cluster_rows([], {}) == []


def test_hosts_are_found_by_their_location_and_folder() -> None:
    hosts: list[dict[str, Any]] = [
        {"inventory_hostname": "a"},
        {"inventory_hostname": "b", "stowage_location": "second"},
        {"inventory_hostname": "c", "stowage_cluster_name": "a"},
        {"inventory_hostname": "d", "stowage_location": "", "stowage_cluster_name": None},
    ]
    assert hosts_by_folder(hosts, "primary", "primary") == {"a": ["a", "c"], "d": ["d"]}
    assert hosts_by_folder(hosts, "second", "primary") == {"b": ["b"]}
    assert hosts_by_folder(hosts, "primary") == {}
