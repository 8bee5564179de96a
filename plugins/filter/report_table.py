# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as a table."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._report import report_table

DOCUMENTATION = r"""
name: report_table
short_description: Show a report about backups as a table
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes lines of RV(stowage.kubernetes.report#module:report), of all that is not as it should be.
options:
  _input:
    description: The report.
    type: dict
    required: true
seealso:
  - module: stowage.kubernetes.report
"""

EXAMPLES = r"""
- name: Show what is not as it should be
  ansible.builtin.debug:
    msg: "{{ result.report | stowage.kubernetes.report_table }}"
  vars:
    result:
      report:
        counts: {late: 1, ok: 1}
        clusters_count: 2
        clusters:
          - {workspace: shop, cluster: prod-1, status: late, last_good: "2026-11-20T02:00:07+00:00", reason: It is late by 2 d 4 h.}
          - {workspace: shop, cluster: prod-2, status: ok, last_good: "2026-11-23T02:00:09+00:00", reason: ""}
        locations: []
        notes: []
"""

RETURN = r"""
_value:
  description: One line with counts, one for each cluster that is not as it should be (at most 50), and one for each location and note.
  type: list
  elements: str
  sample:
    - "2 clusters of workspaces: 1 LATE, 1 good"
    - STATUS  WORKSPACE  CLUSTER  LAST GOOD         WHY
    - LATE    shop       prod-1   2026-11-20 02:00  It is late by 2 d 4 h.
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"report_table": report_table}
