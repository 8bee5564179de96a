# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The runs of the last scheduled instants."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._workspaces import workspace_instants

DOCUMENTATION = r"""
name: workspace_instants
short_description: Say what runs of the last two scheduled instants are called
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - A run that nothing else names is called by the last scheduled instant when it was begun. Whoever looks for it later, and nothing says which
    it is, finds it under one of these names, unless two instants have passed since.
  - Workspaces that are paused or have no schedule are left out.
options:
  _input:
    description: What P(stowage.kubernetes.workspace_plan#filter) returns.
    type: dict
    required: true
seealso:
  - plugin: stowage.kubernetes.workspace_runs
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say what the runs of the last two nights are called
  ansible.builtin.debug:
    msg: "{{ {'shop': {'schedule': {'cron': '0 2 * * *'}, 'paused': false}} | stowage.kubernetes.workspace_instants }}"
"""

RETURN = r"""
_value:
  description: Workspaces and names of runs, of each workspace the newest first.
  type: list
  elements: dict
  sample:
    - {workspace: shop, run: 20261126T020000Z}
    - {workspace: shop, run: 20261125T020000Z}
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"workspace_instants": workspace_instants}
