# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role report works from, and what it shows."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.stowage.kubernetes.plugins.module_utils._report.task import describe
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.wanted import read_wanted
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._report import report_table, report_workspaces
from support import modules
from support.report_fleets import Fleet

GROUPS: t.Final = {"all": ["a", "b", "c"], "shop": ["a", "b"]}
DEFINITIONS: t.Final[dict[str, t.Any]] = {
    "shop": {"schedule": {"cron": "0 2 * * *", "jitter": "10m"}, "owner": "me", "failure": {"partial_backups": False}},
    "all-of-it": {"clusters": ["*"], "location": "vault", "expires_in": "30d"},
}


def test_workspaces_of_an_inventory() -> None:
    wrong = {"error_code": "endpoint_unreachable", "msg": "It is away."}
    hosts = [("a", "folder-a", "near", {}), ("b", "", "", ""), ("c", "", "", wrong)]
    found = report_workspaces(DEFINITIONS, GROUPS, hosts, default_location="primary")
    assert [one["name"] for one in found] == ["shop", "all-of-it"]
    shop, everything = found
    assert (shop["location"], everything["location"]) == ("primary", "vault")
    assert shop["schedule"] == {"cron": "0 2 * * *", "paused": False, "jitter": "10m"}
    assert shop["allow_partial"]
    assert [(one["cluster"], one["location"]) for one in shop["clusters"]] == [("folder-a", "near"), ("b", "primary")]
    assert [(one["host"], one["location"], one["problem"]) for one in everything["clusters"]] == [
        ("a", "vault", ""),
        ("b", "vault", ""),
        ("c", "vault", "endpoint_unreachable: It is away."),
    ]
    assert [one["name"] for one in report_workspaces(DEFINITIONS, GROUPS, hosts, "shop")] == ["shop"]
    assert report_workspaces({}, GROUPS, hosts) == []
    left = report_workspaces(DEFINITIONS, GROUPS, hosts, default_location="primary", left_out=["vault", "near"])
    assert [[one["host"] for one in each["clusters"]] for each in left] == [["b"], []]
    # The module takes what the filter gives.
    spec, _task = modules._parts("report")
    names = {"workspaces", "max_age", "grace", "max_runs", "title", "others"}
    params = {name: spec[name].get("default") for name in names} | {"workspaces": found}
    assert [(one.name, one.expires_in) for one in read_wanted(params).workspaces] == [
        ("shop", None),
        ("all-of-it", datetime.timedelta(days=30)),
    ]


def test_definitions_that_make_no_sense() -> None:
    with pytest.raises(AnsibleFilterError, match=r"stowage_workspaces\.shop\.schedule"):
        report_workspaces({"shop": {"schedule": {"cron": "often"}}}, GROUPS)
    with pytest.raises(AnsibleFilterError, match="There is no workspace"):
        report_workspaces(DEFINITIONS, GROUPS, (), "shopp")


def test_the_table_is_of_what_is_not_as_it_should_be() -> None:
    said = describe(Fleet(40, 3, 5, trouble=80).report())
    lines = report_table(said)
    assert lines[0].startswith("120 clusters of workspaces: ")
    assert lines[1].split() == ["STATUS", "WORKSPACE", "CLUSTER", "LAST", "GOOD", "WHY"]
    assert not [line for line in lines[2:] if line.startswith("good")]
    assert len(lines) <= 1 + 1 + 50 + 1 + 3
    assert lines[52].startswith("... and ")
    good = next(one["last_good"] for one in said["clusters"] if one["status"] == "late" and one["last_good"])
    assert any(good[:16].replace("T", " ") in line for line in lines), "to the minute"
    calm = describe(Fleet(3, 1, 5, trouble=0).report())
    assert report_table(calm) == ["3 clusters of workspaces: 3 good"]
