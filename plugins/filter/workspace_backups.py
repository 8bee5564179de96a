# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cluster's task of several runs is told."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._workspaces import workspace_backups

DOCUMENTATION = r"""
name: workspace_backups
short_description: Say what is backed up of a cluster, for each run of its workspaces
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes the option O(stowage.kubernetes.workspace_backup#module:backups) of M(stowage.kubernetes.workspace_backup).
  - Workspaces that are paused, and those that the host is not in, are left out.
options:
  _input:
    description: What P(stowage.kubernetes.workspace_plan#filter) returns.
    type: dict
    required: true
  runs:
    description: What P(stowage.kubernetes.workspace_runs#filter) returns.
    type: dict
    required: true
  locations:
    description: The names of the locations that there are. A backup that goes elsewhere gets a problem.
    type: list
    elements: str
    required: true
  default:
    description: The name of the location of runs, and of backups, where nothing else says one.
    type: str
    default: ""
  own:
    description: The name of the location of the cluster's backups, where the workspace says none.
    type: str
    default: ""
  problem:
    description: Why nothing can be tried, an error code, a colon and a sentence.
    type: str
    default: ""
  host:
    description: The cluster's host in the inventory. If not set, all workspaces count.
    type: str
    default: ""
seealso:
  - module: stowage.kubernetes.workspace_backup
"""

EXAMPLES = r"""
- name: Show what is backed up of a cluster
  ansible.builtin.debug:
    msg: "{{ plan | stowage.kubernetes.workspace_backups({'shop': '4711'}, ['primary'], default='primary', host='prod-1') }}"
  vars:
    plan: "{{ {'shop': {}} | stowage.kubernetes.workspace_plan({'all': ['prod-1'], 'shop': ['prod-1']}) }}"
"""

RETURN = r"""
_value:
  description: What to back up, in the order of the workspaces.
  type: list
  elements: dict
  sample:
    - workspace: shop
      run: "4711"
      records: primary
      location: primary
      problem: ""
      include_cluster_resources: auto
      allow_partial: false
      labels: {stowage.io/workspace: shop}
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"workspace_backups": workspace_backups}
