# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables that look like misspelt ones of a role, and those that are somebody's own."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._role_variables import misspelt_variables

ROLES: t.Final = Path(__file__).parents[4] / "roles"


def options(role: str) -> list[str]:
    defaults = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    return [*defaults, *(["restore_backup"] if role == "restore" else [])]


@pytest.mark.parametrize(
    ("role", "name", "meant"),
    [
        ("restore", "included_namespace", "included_namespaces"),
        ("restore", "namespaces", "included_namespaces"),
        ("restore", "resources", "included_resources"),
        ("restore", "backups", "backup"),
        ("backup", "include_namespaces", "included_namespaces"),
        ("backup", "exclude_namespaces", "excluded_namespaces"),
        ("backup", "labelselector", "label_selector"),
        ("backup", "locaton", "location"),
        ("retention", "keep_dayly", "keep_daily"),
        ("workspace", "restore_option", "restore_options"),
    ],
)
def test_the_option_that_was_meant_is_named(role: str, name: str, meant: str) -> None:
    prefix = f"{role}_"
    said = misspelt_variables([*options(role), prefix + name], options(role), prefix=prefix)
    assert said.startswith(f"{prefix}{name} is no variable of the role. Did you mean {prefix}{meant}?"), said


@pytest.mark.parametrize(
    "name", ["cluster_id", "directory", "server", "user", "retention", "hostname", "result", "cluster_info"]
)
def test_others_with_the_prefix_are_somebodys_own(name: str) -> None:
    assert not misspelt_variables(
        [*options("backup"), f"backup_{name}", "include_namespaces"], options("backup"), prefix="backup_"
    )


def test_what_else_means_something_is_not_misspelt() -> None:
    hosts = [*options("backup"), "backup_hosts"]
    assert "backup_host?" in misspelt_variables(hosts, options("backup"), prefix="backup_")
    assert not misspelt_variables(hosts, options("backup"), ["backup_hosts"], prefix="backup_")


def test_what_people_call_an_option_is_refused_only_where_there_is_one() -> None:
    assert not misspelt_variables(["retention_namespaces"], options("retention"), prefix="retention_")


def test_all_are_named() -> None:
    said = misspelt_variables(["backup_namespaces", "backup_nam"], options("backup"), prefix="backup_")
    assert "backup_nam is no variable of the role. Did you mean backup_name?" in said
    assert "backup_namespaces is no variable" in said


@pytest.mark.parametrize("role", ["backup", "restore", "retention", "workspace"])
def test_nothing_that_the_collection_itself_sets_is_refused(role: str) -> None:
    """``workspace_name`` is a loop variable, and is not there yet where the variables are looked at; one is a playbook."""
    folders = [*(ROLES / role).rglob("*.yml"), *(ROLES.parent / "playbooks").glob("*.yml")]
    named = {
        name for one in folders for name in re.findall(rf"(?<![\w.]){role}_[a-z_]+", one.read_text(encoding="utf-8"))
    }
    known = [f"{role}_hosts"]
    if role == "workspace":
        known = [
            *yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text(encoding="utf-8")),
            "workspace_name",
            "workspace_clusters",
        ]
    assert len(named) > 20
    assert not misspelt_variables(sorted(named), options(role), known, prefix=f"{role}_")


def test_no_variable_of_the_inventory_is_taken_for_another() -> None:
    common = yaml.safe_load((ROLES / "workspace" / "vars" / "main.yml").read_text(encoding="utf-8"))["workspace_common"]
    folders = [one for part in ("roles", "playbooks", "docs") for one in (ROLES.parent / part).rglob("*.yml")]
    named = {
        name for one in folders for name in re.findall(r"(?<![\w.])stowage_[a-z_]+", one.read_text(encoding="utf-8"))
    }
    assert {*common} < named
    assert not misspelt_variables(sorted(named), common, prefix="stowage_")
    assert misspelt_variables([*named, "stowage_workpace"], common, prefix="stowage_")
