# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backups go into which clusters."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._workspaces import workspace_restores

DOCUMENTATION = r"""
name: workspace_restores
short_description: Check which backups of a run go into which clusters, and how
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Checks the map and the options of a restore of a workspace. An error names the place.
options:
  _input:
    description: The folders of clusters that were backed up, and for each the host that its backup goes into. A dictionary, or YAML of one.
    type: raw
    required: true
  options:
    description: Options of M(stowage.kubernetes.restore) by cluster that was backed up, and for V(all) of them. A dictionary, or YAML of one.
    type: raw
  hosts:
    description: The hosts of the inventory. Not checked if not set.
    type: list
    elements: str
  same:
    description: Whether the map is of the clusters of a workspace and their own hosts, made of the inventory. An error says so then.
    type: bool
    default: false
  shared:
    description: Whether one host may get backups of several clusters that no C(included_namespaces) keep apart.
    type: bool
    default: true
seealso:
  - module: stowage.kubernetes.restore
"""

EXAMPLES = r"""
- name: See what goes where
  ansible.builtin.debug:
    msg: "{{ {'prod-1': 'spare-1'} | stowage.kubernetes.workspace_restores({'prod-1': {'included_namespaces': ['shop']}}) }}"
"""

RETURN = r"""
_value:
  description: For each cluster its C(source), its C(target), and options of M(stowage.kubernetes.restore).
  type: list
  elements: dict
  sample:
    - source: prod-1
      target: spare-1
      included_namespaces: [shop]
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"workspace_restores": workspace_restores}
