# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts whose own location it is, by their folders in it."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._run_rows import hosts_by_folder

DOCUMENTATION = r"""
name: hosts_by_folder
short_description: Say which hosts have a location of their own, by their folders in it
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Looks at C(stowage_location) and C(stowage_cluster_name) of hosts, as the roles do. P(stowage.kubernetes.location_uses#filter) looks at workspaces as well.
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
    description: The name of the location of hosts that have none.
    type: str
    default: ""
seealso:
  - plugin: stowage.kubernetes.location_uses
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say which hosts have a location of their own
  ansible.builtin.debug:
    msg: "{{ groups.all | map('extract', hostvars) | stowage.kubernetes.hosts_by_folder('primary', stowage_default_location) }}"
"""

RETURN = r"""
_value:
  description: Names of hosts by the folders that they use.
  type: dict
  sample: {prod-1: [prod-1.example.com]}
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"hosts_by_folder": hosts_by_folder}
