# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show why backups stay."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._retention_rows import rows

DOCUMENTATION = r"""
name: retention_table
short_description: Show why backups stay
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes lines of text, to be shown with C(ansible.builtin.debug), of RV(stowage.kubernetes.backup_retention#module:retention).
    Times are UTC.
options:
  _input:
    description: What the module returned.
    type: dict
    required: true
  most:
    description: Show so many of the newest backups.
    type: int
    default: 50
seealso:
  - module: stowage.kubernetes.backup_retention
"""

EXAMPLES = r"""
- name: See what would stay, and why
  stowage.kubernetes.backup_retention:
    location:
      provider: filesystem
      path: /srv/backups
    cluster: prod-1
    keep_daily: 7
  check_mode: true
  register: pruned

- name: Show it
  ansible.builtin.debug:
    msg: "{{ pruned.retention | stowage.kubernetes.retention_table }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
  sample:
    - "NAME       PHASE      STARTED           STAYS BECAUSE"
    - "nightly-1  Completed  2026-11-25 02:00  It is the last good one."
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"retention_table": rows}
