# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbooks of workspaces work from."""

from __future__ import annotations

import datetime
import fnmatch
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.arguments import BACKUP
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.definition import Members, Workspace
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.members import members
from ansible_collections.stowage.kubernetes.plugins.modules import workspace_run
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._workspaces import (
    run_outcome,
    run_table,
    workspace_backups,
    workspace_instants,
    workspace_plan,
    workspace_restores,
    workspace_runs,
    workspace_targets,
)

Tree = dict[str, t.Any]
GROUPS: t.Final = {"all": ["a-1", "a-2", "b-1"], "ungrouped": ["a-1", "a-2"], "edge": ["b-1"]}


def test_who_is_in_a_workspace() -> None:
    said: Tree = {
        "two": {"clusters": ["a-*", {"group": "edge"}], "excluded_clusters": ["a-2"]},
        "edge": {},
        "every": {"clusters": [{"group": "all"}]},
    }
    plans = workspace_plan(said, GROUPS)
    assert {name: plan["hosts"] for name, plan in plans.items()} == {
        "two": ["a-1", "b-1"],
        "edge": ["b-1"],
        "every": ["a-1", "a-2", "b-1"],
    }
    assert list(workspace_plan(said, GROUPS, "every, two")) == ["two", "every"]
    assert list(workspace_plan(said, GROUPS, ["edge"])) == ["edge"]


def test_a_slice_of_the_inventory_can_miss_nothing() -> None:
    said = {"two": {"clusters": ["a-1", "z", {"group": "gone"}]}, "edge": {}}
    plans = workspace_plan(said, {"all": ["a-1"]}, strict=False)
    assert {name: plan["hosts"] for name, plan in plans.items()} == {"two": ["a-1"], "edge": []}
    with pytest.raises(AnsibleFilterError, match=r"stowage_workspaces\.two\.clusters names"):
        workspace_plan(said, {"all": ["a-1"]})


NAMES: t.Final = st.lists(st.text("ab*?-", min_size=1, max_size=4), max_size=4)


@given(hosts=st.lists(st.text("ab-", min_size=1, max_size=3), unique=True), names=NAMES, without=NAMES)
def test_members_are_what_a_simple_model_says(hosts: list[str], names: list[str], without: list[str]) -> None:
    one = Workspace(name="w", clusters=Members(tuple(names)), excluded_clusters=Members(tuple(without)))

    def fits(host: str, patterns: list[str]) -> bool:
        return any(fnmatch.fnmatchcase(host, pattern) for pattern in patterns)

    found = members(one, {"all": hosts}, strict=False)
    assert found == [host for host in hosts if fits(host, names) and not fits(host, without)]


def test_a_plan_has_options_of_the_module_by_their_names() -> None:
    said: Tree = {
        "namespaces": ["shop", {"regex": "x+"}, {"labels": "a=b"}],
        "selection": {"include_cluster_resources": "never"},
        "schedule": {"preset": "weekly", "paused": True},
        "failure": {"partial_backups": False, "max_clusters": 3},
        "labels": {"tier": "gold"},
    }
    plan = workspace_plan({"edge": said}, GROUPS)["edge"]
    own = {"hosts", "location", "paused", "retention", "owner", "max_failures"}
    assert plan.keys() - own <= BACKUP.keys() | {
        *("included_namespaces", "excluded_namespaces", "included_resources", "excluded_resources"),
        *("label_selector", "or_label_selectors", "include_cluster_resources"),
    }
    assert (plan["included_namespaces"], plan["namespace_patterns"], plan["namespace_selectors"]) == (
        ["shop"],
        ["x+"],
        ["a=b"],
    )
    assert plan["labels"] == {"tier": "gold", "stowage.io/workspace": "edge"}
    assert (plan["allow_partial"], plan["max_failures"], plan["paused"]) == (True, 3, True)
    assert plan["schedule"] == {"preset": "weekly", "paused": True}
    at_once = workspace_plan({"edge": said}, GROUPS, at_once=True)["edge"]
    assert (at_once["schedule"], at_once["paused"]) == (None, False)
    assert workspace_plan({"edge": {"schedule": {"preset": "never"}}}, GROUPS)["edge"]["schedule"] is None


def test_a_cluster_is_told_what_to_back_up_for_each_run() -> None:
    said: Tree = {
        "edge": {"namespaces": ["shop"], "location": "far", "failure": {"partial_backups": False}},
        "whole": {"clusters": ["*"], "labels": {"tier": "gold"}},
        "paused": {"clusters": ["*"], "schedule": {"preset": "weekly", "paused": True}},
    }
    plans = workspace_plan(said, GROUPS)
    host = plans["edge"]["hosts"][0]
    told = workspace_backups(plans, dict.fromkeys(plans, "r1"), ["far", "near", "own"], default="near", host=host)
    assert [(one["workspace"], one["records"], one["location"], one["problem"]) for one in told] == [
        ("edge", "far", "far", ""),
        ("whole", "near", "near", ""),
    ]
    assert told[0]["included_namespaces"] == ["shop"]
    assert told[0]["allow_partial"] is True
    assert told[1]["labels"] == {"tier": "gold", "stowage.io/workspace": "whole"}
    outside = next(name for name in GROUPS["all"] if name not in plans["edge"]["hosts"])
    runs = dict.fromkeys(plans, "r1")
    told = workspace_backups(plans, runs, ["near"], default="near", own="own", host=outside)
    assert [(one["workspace"], one["records"], one["location"]) for one in told] == [("whole", "near", "own")]
    assert told[0]["problem"] == "invalid_option: There is no location own."
    told = workspace_backups(plans, runs, ["near"], default="near", problem="cluster_access_missing: No.", host=outside)
    assert told[0]["problem"] == "cluster_access_missing: No."
    odd = {"provider": "aws", "auth": {"secret_key": "hush-hush"}}
    told = workspace_backups(plans, runs, ["near"], default="near", own=odd, host=outside)
    assert "stowage_location is not text" in told[0]["problem"]
    assert "hush-hush" not in str(told)


def test_runs_have_names() -> None:
    plans = workspace_plan({"edge": {"schedule": {"cron": "0 2 * * *"}}, "all-of-it": {"clusters": ["*"]}}, GROUPS)
    assert workspace_runs(plans, job=4711) == {"edge": "4711", "all-of-it": "4711"}
    made = "20261126T140000Z-ab12"
    assert workspace_runs(plans, None, None, None, made) == {"edge": "20261126T020000Z", "all-of-it": made}
    begun = {"edge": "20261125T020000Z"}
    assert workspace_runs(plans, made=made, begun=begun) == {"edge": "20261125T020000Z", "all-of-it": made}
    assert workspace_runs(plans, job=4711, begun=begun)["edge"] == "4711"
    with pytest.raises(AnsibleFilterError, match="Nothing says which run of all-of-it is meant"):
        workspace_runs(plans)
    with pytest.raises(AnsibleFilterError, match="invalid_name"):
        workspace_runs(plans, "a/b")


def test_a_run_is_looked_for_under_the_names_of_the_last_two_instants() -> None:
    said = {
        "edge": {"schedule": {"cron": "0 2,14 * * *"}},
        "paused": {"clusters": ["*"], "schedule": {"cron": "0 2 * * *", "paused": True}},
        "by-hand": {"clusters": ["*"]},
        "never": {"clusters": ["*"], "schedule": {"preset": "never"}},
    }
    plans = workspace_plan(said, GROUPS)
    found = workspace_instants(plans)
    assert [one["workspace"] for one in found] == ["edge", "edge"]
    newest, before = (datetime.datetime.fromisoformat(one["run"]) for one in found)
    assert newest - before == datetime.timedelta(hours=12)
    assert workspace_runs({"edge": plans["edge"]})["edge"] == found[0]["run"]


@pytest.mark.parametrize(
    ("told", "hosts"),
    [
        ("same", "all"),
        ("", "all"),
        (None, "all"),
        ({"prod-1": "spare", "prod-2": "spare", "prod-3": "a"}, "spare,a"),
        ("prod-1: spare", "spare"),
        ('{"prod-1": "spare", "prod-2": "b"}', "spare,b"),
        ("{}", ""),
    ],
)
def test_targets_of_a_restore(told: t.Any, hosts: str) -> None:
    assert workspace_targets(told) == hosts


def test_a_map_may_be_text() -> None:
    found = workspace_restores("prod-1: spare", '{"all": {"existing_resource_policy": "update"}}', ["spare"])
    assert found == workspace_restores({"prod-1": "spare"}, {"all": {"existing_resource_policy": "update"}}, ["spare"])
    for wrong in ("prod-1: [", "- prod-1", "prod-1: gone"):
        with pytest.raises(AnsibleFilterError, match="invalid_option"):
            workspace_restores(wrong, None, ["spare"])
    with pytest.raises(AnsibleFilterError, match="is no YAML"):
        workspace_targets("prod-1: [")


MADE: t.Final[Tree] = {
    "changed": True,
    "backup": {"name": "b1", "phase": "Completed", "objects": 3, "size": None, "seconds": 1.5, "cluster_uid": "u"},
}


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (MADE, {"phase": "Completed", "backup": "b1", "made": True, "objects": 3, "size": 0, "error_code": ""}),
        ({**MADE, "changed": False}, {"phase": "Completed", "made": False}),
        (
            {
                "failed": True,
                "error_code": "backup_partial",
                "msg": "m",
                "backup": {"name": "b1", "phase": "PartiallyFailed"},
            },
            {"phase": "PartiallyFailed", "error_code": "backup_partial", "reason": "m", "backup": "b1"},
        ),
        ({"failed": True, "msg": "m"}, {"phase": "Failed", "error_code": "", "reason": "m"}),
        ({"error_code": "timeout", "msg": "m"}, {"phase": "Failed", "error_code": "timeout", "reason": "m"}),
        ({"changed": False, "backup": None}, {"phase": "Failed", "reason": "Its task ended without a backup."}),
        ({}, {"phase": "Failed", "reason": "Its task ended without a backup."}),
        ({**MADE, "error_code": "permission_denied", "msg": "m"}, {"phase": "Completed", "error_code": ""}),
    ],
)
def test_an_outcome_is_what_the_module_takes(result: Tree, outcome: Tree) -> None:
    found = run_outcome(result, "primary")
    assert outcome.items() <= found.items()
    assert found["location"] == "primary"
    assert found.keys() <= workspace_run.ARGUMENTS["outcome"]["options"].keys()


def test_a_table_of_a_run() -> None:
    none = {"backup": "", "made": False, "error_code": "", "reason": ""}
    run: Tree = {
        "workspace": "shop",
        "name": "4711",
        "phase": "PartiallyFailed",
        "counts": {"Completed": 1, "PartiallyFailed": 0, "Failed": 1, "Missing": 0},
        "clusters_count": 3,
        "clusters": [
            {**none, "cluster": "b", "phase": "Failed", "error_code": "timeout", "reason": "It took too long."},
            {**none, "cluster": "aa", "phase": "Completed", "backup": "b1"},
        ],
    }
    assert run_table(run) == [
        "shop, run 4711: PartiallyFailed (1 Completed, 1 Failed)",
        "aa  Completed        b1 (was there)",
        "b   Failed           timeout: It took too long.",
        "… and 1 more clusters",
    ]
