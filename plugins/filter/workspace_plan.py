# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done for each workspace."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._workspaces import workspace_plan

DOCUMENTATION = r"""
name: workspace_plan
short_description: Check workspaces, and say what is to be done for each
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Checks the definitions of workspaces, whose form the role P(stowage.kubernetes.workspace#role) describes, and finds their clusters in the
    inventory. An error names the place, such as C(stowage_workspaces.prod.namespaces[2]).
options:
  _input:
    description: Definitions of workspaces by name.
    type: dict
    required: true
  groups:
    description: The hosts of each group of the inventory, Ansible's variable C(groups).
    type: dict
    required: true
  chosen:
    description: The workspaces that are meant. A name, several joined by commas, a list, or V(all).
    type: raw
    default: all
  locations:
    description: The names of all locations. Not checked if not set.
    type: list
    elements: str
  strict:
    description:
      - Fail for hosts and groups that are not in the inventory, and for a workspace without clusters. A slice of a job sees only a
        part of the inventory, and cannot.
    type: bool
    default: true
  at_once:
    description: Leave schedules aside, because it is to be done now, due or not, paused or not.
    type: bool
    default: false
seealso:
  - module: stowage.kubernetes.workspace_run
"""

EXAMPLES = r"""
- name: See who is in a workspace
  ansible.builtin.debug:
    msg: "{{ (stowage_workspaces | stowage.kubernetes.workspace_plan(groups, 'shop')).shop.hosts }}"
  vars:
    stowage_workspaces:
      shop:
        clusters: [prod-*, {group: eu}]
        namespaces: [shop, {regex: "shop-[0-9]+"}]
"""

RETURN = r"""
_value:
  description:
    - For each workspace its C(hosts), options of M(stowage.kubernetes.backup) by their names (V(null) if not set), C(location) (empty
      if not set), C(paused), C(retention), C(owner), C(allow_partial) and C(max_failures).
  type: dict
  sample:
    shop:
      hosts: [prod-1, prod-2, edge-1]
      included_namespaces: [shop]
      namespace_patterns: ["shop-[0-9]+"]
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"workspace_plan": workspace_plan}
