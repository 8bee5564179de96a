# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts use a location: their own, the default one, and those of their workspaces."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._location_uses import location_uses
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._workspaces import workspace_backups, workspace_plan

HOSTS: list[dict[str, Any]] = [
    {"inventory_hostname": "a"},
    {"inventory_hostname": "b", "stowage_location": "second", "stowage_cluster_name": "b-folder"},
    {"inventory_hostname": "c", "stowage_location": "", "stowage_cluster_name": None},
]
GROUPS = {"all": ["a", "b", "c"], "edge": ["b", "c"]}
PLACES = ("primary", "second", "third")
WORKSPACES: dict[str, Any] = {
    "shop": {"clusters": ["a", "b"], "location": "third"},
    "edge": {},
    "none": {"clusters": ["gone"], "location": "third"},
}


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("primary", {"a": {"a": ["backups"]}, "b-folder": {"b": ["records of edge"]}, "c": {"c": ["backups"]}}),
        ("second", {"b-folder": {"b": ["backups"]}}),
        ("third", {"a": {"a": ["workspace shop"]}, "b-folder": {"b": ["workspace shop"]}}),
        ("fourth", {}),
    ],
)
def test_a_location_is_used_by_hosts_and_by_workspaces(location: str, expected: dict[str, Any]) -> None:
    assert location_uses(HOSTS, location, "primary", WORKSPACES, GROUPS) == expected


def test_a_host_has_one_location_for_several_things() -> None:
    workspaces = {"shop": {"clusters": ["b"], "location": "second"}, "edge": {"location": "second"}}
    uses = location_uses(HOSTS, "second", "primary", workspaces, GROUPS)
    assert uses["b-folder"] == {"b": ["backups", "workspace shop", "workspace edge"]}
    assert uses["c"] == {"c": ["workspace edge"]}


def test_without_workspaces_hosts_count_by_themselves() -> None:
    assert location_uses(HOSTS, "second") == {"b-folder": {"b": ["backups"]}}
    assert location_uses(HOSTS, "primary") == {}
    assert location_uses(HOSTS, "primary", "primary", None, None) == {"a": {"a": ["backups"]}, "c": {"c": ["backups"]}}


def test_nothing_is_used_for_what_has_no_location() -> None:
    """The inventory has no default: a run over it does not begin."""
    assert location_uses(HOSTS, "second", "", {"edge": {}}, GROUPS) == {"b-folder": {"b": ["backups"]}}


def test_it_says_what_the_role_does() -> None:
    """The role's own word for where each host's backups and records go, for each of its workspaces."""
    given = WORKSPACES | {"none": {"clusters": ["c"]}}
    plan = workspace_plan(given, GROUPS, "all", PLACES)
    for host in HOSTS:
        name, own = host["inventory_hostname"], host.get("stowage_location") or ""
        mine = {key: one for key, one in plan.items() if name in one["hosts"]}
        done = workspace_backups(mine, dict.fromkeys(mine, "1"), PLACES, default="primary", own=own)
        places = {one[key] for one in done for key in ("records", "location")} | {own or "primary"}
        uses = {
            place
            for place in PLACES
            if any(name in hosts for hosts in location_uses(HOSTS, place, "primary", given, GROUPS).values())
        }
        assert uses == places, name


def test_a_definition_that_makes_no_sense_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match=r"invalid_option: stowage_workspaces\.shop"):
        location_uses(HOSTS, "primary", "primary", {"shop": {"cluster": ["a"]}}, GROUPS)
