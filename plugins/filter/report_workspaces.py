# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The workspaces that a report is about."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._report import report_workspaces

DOCUMENTATION = r"""
name: report_workspaces
short_description: Say which workspaces and clusters a report is about
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes the option O(stowage.kubernetes.report#module:workspaces) of M(stowage.kubernetes.report) from definitions of workspaces, whose form the role
    P(stowage.kubernetes.workspace#role) describes.
options:
  _input:
    description: Definitions of workspaces by name.
    type: dict
    required: true
  groups:
    description: The hosts of each group of the inventory, Ansible's variable C(groups).
    type: dict
    required: true
  hosts:
    description:
      - For each host a list of its name, its cluster's folder, the name of its location, and what the inventory says is wrong with it,
        C(stowage_error). What is empty is not known.
    type: list
    elements: list
    default: []
  chosen:
    description: The workspaces that are meant. A name, several joined by commas, a list, or V(all).
    type: raw
    default: all
  default_location:
    description: The name of the location of clusters and workspaces that have none.
    type: str
    default: ""
  left_out:
    description: Names of locations that the report is not about. Clusters whose backups are there are left out.
    type: list
    elements: str
    default: []
seealso:
  - module: stowage.kubernetes.report
"""

EXAMPLES = r"""
- name: See what a report would be about
  ansible.builtin.debug:
    msg: "{{ stowage_workspaces | stowage.kubernetes.report_workspaces(groups, default_location='primary') }}"
  vars:
    stowage_workspaces:
      shop:
        clusters: [prod-*]
        schedule: {cron: 0 2 * * *}
"""

RETURN = r"""
_value:
  description: The option of the module.
  type: list
  elements: dict
  sample:
    - name: shop
      owner: ""
      location: primary
      schedule: {cron: 0 2 * * *, paused: false}
      expires_in: null
      allow_partial: false
      clusters:
        - {host: prod-1, cluster: prod-1, location: primary, problem: ""}
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"report_workspaces": report_workspaces}
