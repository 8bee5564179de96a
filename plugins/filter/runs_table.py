# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show runs as a table."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._run_rows import run_rows

DOCUMENTATION = r"""
name: runs_table
short_description: Show runs as a table
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes lines of text, to be shown with C(ansible.builtin.debug), of runs as M(stowage.kubernetes.workspace_run_info) returns them.
    Times are UTC.
options:
  _input:
    description: The runs.
    type: list
    elements: dict
    required: true
seealso:
  - module: stowage.kubernetes.workspace_run_info
"""

EXAMPLES = r"""
- name: Look for runs
  stowage.kubernetes.workspace_run_info:
    location:
      provider: filesystem
      path: /srv/backups
  register: found

- name: Show them
  ansible.builtin.debug:
    msg: "{{ found.runs | stowage.kubernetes.runs_table }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
  sample:
    - "WORKSPACE  RUN   STARTED           PHASE            CLUSTERS  FAILED  MISSING  WHICH"
    - "shop       4711  2026-11-25 02:00  PartiallyFailed  20        0       1        prod-7 (missing)"
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"runs_table": run_rows}
