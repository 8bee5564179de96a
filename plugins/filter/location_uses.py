# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts that use a location, and what for."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._location_uses import location_uses

DOCUMENTATION = r"""
name: location_uses
short_description: Say which hosts use a location, and what for
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Looks at C(stowage_location) and C(stowage_cluster_name) of hosts, and at the workspaces that they are in, as the role
    P(stowage.kubernetes.workspace#role) does.
options:
  _input:
    description: The variables of hosts, as C(hostvars) has them.
    type: list
    elements: dict
    required: true
  location:
    description: The name of the location.
    type: str
    required: true
  default:
    description: The name of the location of hosts and workspaces that have none.
    type: str
    default: ""
  workspaces:
    description: Definitions of workspaces by name.
    type: dict
  groups:
    description: The hosts of each group of the inventory, Ansible's variable C(groups).
    type: dict
seealso:
  - plugin: stowage.kubernetes.location_clusters
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say which hosts use a location
  ansible.builtin.debug:
    msg: >-
      {{ groups.all | map('extract', hostvars)
         | stowage.kubernetes.location_uses('primary', stowage_default_location, stowage_workspaces, groups) }}
"""

RETURN = r"""
_value:
  description:
    - What each host has the location for, by the folders that the hosts use in it.
    - C(backups) are those that go into the host's own location, or into the default one. C(workspace) and a name is a workspace whose backups and
      records go here, whatever the host's own location is. C(records of) and a name is a workspace without a location of its own, whose records of
      runs go into the default location, while this host's backups go into its own.
  type: dict
  sample: {prod-1: {prod-1.example.com: [backups, workspace shop]}}
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"location_uses": location_uses}
