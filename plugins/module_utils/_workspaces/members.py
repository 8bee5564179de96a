# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts of an inventory are the clusters of a workspace. Private to the collection. Pure."""

from __future__ import annotations

import fnmatch
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.definition import (
    VARIABLE,
    Members,
    Workspace,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.names import ALL

Groups = t.Mapping[str, t.Sequence[str]]


def choose(workspaces: t.Mapping[str, Workspace], chosen: str | t.Sequence[str]) -> list[Workspace]:
    """The workspaces that ``stowage_workspace`` names: one, several, or ``all``; in the order of their definition.

    :raises StowageError: ``invalid_option``.
    """
    names = [name.strip() for name in chosen.split(",")] if isinstance(chosen, str) else [str(name) for name in chosen]
    if ALL in names:
        names = list(workspaces)
    strangers = [name for name in names if name not in workspaces]
    if strangers or not names:
        what = f"There is no workspace {strangers[0][:80]!r}." if strangers else "There are no workspaces."
        hint = (
            f"{VARIABLE} has: {', '.join(workspaces)}."
            if workspaces
            else f"Set {VARIABLE}, such as {{production: {{}}}} for a group."
        )
        raise StowageError("invalid_option", what, hint)
    return [workspace for name, workspace in workspaces.items() if name in names]


def members(workspace: Workspace, groups: Groups, *, strict: bool) -> list[str]:
    """The hosts of a workspace, in the inventory's order.

    :param groups: hosts by group, with ``all`` among them.
    :param strict: whether the inventory is whole. A slice of a job sees a part of it, where nothing can be missed.
    :raises StowageError: ``invalid_option``: a host or group is not there, or there is no cluster at all.
    """
    where = f"{VARIABLE}.{workspace.name}"
    hosts = list(dict.fromkeys(groups.get("all", ())))
    wanted = _meant(workspace.clusters, hosts, groups, f"{where}.clusters", strict=strict)
    excluded = _meant(workspace.excluded_clusters, hosts, groups, f"{where}.excluded_clusters", strict=False)
    found = [host for host in hosts if host in wanted and host not in excluded]
    if strict and not found:
        raise StowageError(
            "invalid_option", f"{where} has no cluster in this inventory.", "A run over none backs up nothing."
        )
    return found


def _meant(said: Members, hosts: t.Sequence[str], groups: Groups, where: str, *, strict: bool) -> set[str]:
    found: set[str] = set()
    for group in said.groups:
        if strict and group not in groups:
            raise StowageError(
                "invalid_option", f"{where} names the group {group[:80]!r}, which is not in this inventory."
            )
        found.update(groups.get(group, ()))
    for name in said.names:
        fitting = {host for host in hosts if host == name or fnmatch.fnmatchcase(host, name)}
        if strict and not fitting and not set("*?[") & set(name):
            raise StowageError("invalid_option", f"{where} names {name[:80]!r}, which is not in this inventory.")
        found |= fitting
    return found
