# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of runs."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._workspaces import workspace_runs

DOCUMENTATION = r"""
name: workspace_runs
short_description: Say what the runs of workspaces are called
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - A run is called by the first of these that there is. The name that was given, the id of the job of a workflow, the id of the job, the name
    of a run that is known to be begun, the last scheduled instant of the workspace, and a name that was made before any of its tasks began.
options:
  _input:
    description: What P(stowage.kubernetes.workspace_plan#filter) returns.
    type: dict
    required: true
  given:
    description: The name that was given, C(stowage_run).
    type: str
    default: ""
  workflow:
    description: AWX's C(awx_workflow_job_id), which all slices of a job have in common.
    type: str
    default: ""
  job:
    description: AWX's C(awx_job_id).
    type: str
    default: ""
  made:
    description:
      - A name that was made on one machine for all of them. The time in UTC as V(20261126T020000Z), a hyphen, and four hexadecimal digits.
        The scheduled instant is the last before that time.
    type: str
    default: ""
  begun:
    description: Runs that are known to be begun, by workspace.
    type: dict
    default: {}
seealso:
  - module: stowage.kubernetes.workspace_run
"""

EXAMPLES = r"""
- name: Say what the run of a workspace is called
  ansible.builtin.debug:
    msg: "{{ ({'shop': {'schedule': {'cron': '0 2 * * *'}}} | stowage.kubernetes.workspace_runs(job='4711')).shop }}"
"""

RETURN = r"""
_value:
  description: The names of runs by workspace.
  type: dict
  sample: {shop: "4711"}
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"workspace_runs": workspace_runs}
