# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts of an inventory use a location, and for what. Private to the collection. Pure.

As the role workspace has it: backups go where their workspace says, else where the cluster's own variable says, else into the default
location; records of runs go where the workspace says, else into the default location, whatever the clusters say.
"""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import definition, members
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.definition import Workspace

Tree = t.Mapping[str, t.Any]
Uses = dict[str, dict[str, list[str]]]

_BACKUPS: t.Final = "backups"


def location_uses(
    hosts: t.Iterable[Tree],
    location: str,
    default: str = "",
    workspaces: t.Any = None,
    groups: members.Groups | None = None,
) -> Uses:
    """For each folder of the location the hosts that use it, and for what.

    :param hosts: their variables, of which two are looked at.
    :param default: the location of hosts and workspaces that have none.
    :param workspaces: their definitions by name.
    :param groups: the hosts of each group of the inventory.
    :raises AnsibleFilterError: a definition makes no sense.
    """
    try:
        known = definition.read_workspaces(workspaces or {}).values()
        within = [(one, frozenset(members.members(one, groups or {}, strict=False))) for one in known]
    except StowageError as error:
        raise AnsibleFilterError(f"{error.code}: {error.message} {error.hint}".rstrip()) from None
    found: Uses = {}
    for host in hosts:
        name = str(host["inventory_hostname"])
        own = host.get("stowage_location") or default
        uses = [_BACKUPS] if own == location else []
        uses += [_use(one, location, own, default) for one, clusters in within if name in clusters]
        if any(uses):
            folder = str(host.get("stowage_cluster_name") or name)
            found.setdefault(folder, {})[name] = [use for use in uses if use]
    return found


def _use(workspace: Workspace, location: str, own: str, default: str) -> str:
    """What a cluster has a location for because of a workspace. Empty if for nothing, or for nothing but its backups anyway."""
    if workspace.location:
        return f"workspace {workspace.name}" if workspace.location == location else ""
    return f"records of {workspace.name}" if default == location != own else ""
