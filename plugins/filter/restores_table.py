# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show restores as a table."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._run_rows import restore_rows

DOCUMENTATION = r"""
name: restores_table
short_description: Show restores as a table
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes lines of text, to be shown with C(ansible.builtin.debug), of restores as M(stowage.kubernetes.restore_info) returns them.
    Times are UTC.
options:
  _input:
    description: The restores.
    type: list
    elements: dict
    required: true
seealso:
  - module: stowage.kubernetes.restore_info
"""

EXAMPLES = r"""
- name: Look for restores
  stowage.kubernetes.restore_info:
    location:
      provider: filesystem
      path: /srv/backups
  register: found

- name: Show them
  ansible.builtin.debug:
    msg: "{{ found.restores | stowage.kubernetes.restores_table }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
  sample:
    - "NAME  BACKUP     CLUSTER  INTO      STARTED           PHASE      CREATED  UPDATED  FAILED  RUN"
    - "r-1   nightly-1  prod-1   0d5f7a64  2026-11-25 02:00  Completed  120      0        0       shop/4711"
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"restores_table": restore_rows}
