# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run as a table."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._workspaces import run_table

DOCUMENTATION = r"""
name: run_table
short_description: Show a run as a table
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes lines of RV(stowage.kubernetes.workspace_run#module:run) of a run that is summed up.
options:
  _input:
    description: The run.
    type: dict
    required: true
seealso:
  - module: stowage.kubernetes.workspace_run
"""

EXAMPLES = r"""
- name: Show how a run went
  ansible.builtin.debug:
    msg: "{{ result.run | stowage.kubernetes.run_table }}"
  vars:
    result:
      run:
        workspace: shop
        name: "4711"
        phase: Failed
        counts: {Completed: 0, PartiallyFailed: 0, Failed: 0, Missing: 1}
        clusters_count: 1
        clusters:
          - {cluster: prod-1, phase: Missing, backup: "", made: false, error_code: "", reason: It has no record.}
"""

RETURN = r"""
_value:
  description: One line about the run, and one for each cluster.
  type: list
  elements: str
  sample:
    - "shop, run 4711: Failed (1 Missing)"
    - prod-1  Missing          It has no record.
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"run_table": run_table}
