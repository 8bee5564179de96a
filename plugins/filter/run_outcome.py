# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a backup went, for the record."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._workspaces import run_outcome

DOCUMENTATION = r"""
name: run_outcome
short_description: Say how a backup went, for the record of a run
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes the option O(stowage.kubernetes.workspace_run#module:outcome) of M(stowage.kubernetes.workspace_run) from what M(stowage.kubernetes.backup) returned,
    whether it succeeded or failed.
options:
  _input:
    description: The registered result.
    type: dict
    required: true
  location:
    description: The name of the location.
    type: str
    default: ""
seealso:
  - module: stowage.kubernetes.workspace_run
"""

EXAMPLES = r"""
- name: Show how a backup went
  ansible.builtin.debug:
    msg: "{{ {'error_code': 'cluster_unreachable', 'msg': 'It does not answer.'} | stowage.kubernetes.run_outcome('primary') }}"
"""

RETURN = r"""
_value:
  description: The outcome.
  type: dict
  sample:
    phase: Failed
    location: primary
    error_code: cluster_unreachable
    reason: It does not answer.
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"run_outcome": run_outcome}
