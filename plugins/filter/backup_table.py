# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table of backups."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._backup_rows import rows

DOCUMENTATION = r"""
name: backup_table
short_description: Show backups as a table
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes lines of text, to be shown with C(ansible.builtin.debug), of backups as
    M(stowage.kubernetes.backup_info) returns them. Times are UTC.
options:
  _input:
    description: The backups.
    type: list
    elements: dict
    required: true
seealso:
  - module: stowage.kubernetes.backup_info
"""

EXAMPLES = r"""
- name: Look for the backups of a cluster
  stowage.kubernetes.backup_info:
    location:
      provider: filesystem
      path: /srv/backups
    cluster: prod-1
  register: found

- name: Show them
  ansible.builtin.debug:
    msg: "{{ found.backups | stowage.kubernetes.backup_table }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
  sample:
    - "NAME                  CLUSTER  PHASE      STARTED           OBJECTS  SIZE     FILTERS"
    - "nightly-prod-1-4be1   prod-1   Completed  2026-11-25 02:00  1,874    1.3 MiB  none"
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"backup_table": rows}
