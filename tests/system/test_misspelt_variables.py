# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A role's variable that is misspelt is no success: without it, all would be backed up or restored."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from support.plays import Plays

RESTORE: t.Final = ("stowage.kubernetes.restore", "-e", "restore_hosts=prod-1", "-e", "restore_backup=latest")
LOCATIONS: t.Final = {"primary": {"provider": "filesystem", "path": "/nowhere"}}


@pytest.fixture
def plays(tmp_path: Path) -> t.Iterator[Plays]:
    variables = {
        "stowage_locations": LOCATIONS,
        "stowage_default_location": "primary",
        "stowage_workspaces": {"shop": {"clusters": ["prod-1"]}},
        "stowage_kubeconfig": "/nowhere/kubeconfig",
    }
    found = Plays.make(tmp_path, hosts={"prod-1": {}}, vars=variables)
    yield found
    found.end()


@pytest.mark.parametrize(
    ("command", "name", "meant"),
    [
        (RESTORE, "restore_included_namespace", "restore_included_namespaces"),
        (("stowage.kubernetes.backup",), "backup_include_namespaces", "backup_included_namespaces"),
        (("stowage.kubernetes.retention",), "retention_keep_dayly", "retention_keep_daily"),
        (("stowage.kubernetes.workspace_backup",), "workspace_name", "workspace_names"),
        (("stowage.kubernetes.workspace_backup",), "stowage_workpace", "stowage_workspace"),
        (("stowage.kubernetes.workspace_restore",), "workspace_restore_option", "workspace_restore_options"),
    ],
)
def test_it_is_refused_and_the_right_one_is_named(
    command: tuple[str, ...], name: str, meant: str, plays: Plays
) -> None:
    code, output = plays.run(*command, "-e", f"{name}=5")
    assert code == 2, output
    assert f"invalid_option: {name} is no variable of the role. Did you mean {meant}?" in output


@pytest.mark.parametrize("command", [RESTORE, ("stowage.kubernetes.backup",)])
def test_other_variables_are_in_nobodys_way(command: tuple[str, ...], plays: Plays) -> None:
    prefix = command[0].rpartition(".")[2]
    code, output = plays.run(*command, "-e", f"{prefix}_directory=/mine", "-e", f"{prefix}_hosts=prod-1")
    assert code == 2, output
    assert "is no variable of the role" not in output
    assert "/nowhere/kubeconfig" in output  # so far it came
