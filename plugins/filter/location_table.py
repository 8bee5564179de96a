# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table of summaries of locations."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._location_rows import table

DOCUMENTATION = r"""
name: location_table
short_description: Show what was found about locations as a table
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes lines of text, to be shown with C(ansible.builtin.debug), of what the filter
    P(stowage.kubernetes.location_summary#filter) returned.
positional: clusters
options:
  _input:
    description: The summaries by name of their location.
    type: dict
    required: true
  clusters:
    description: Summaries by host that were made from there, each with the name of its location as C(location).
    type: dict
    default: {}
  width:
    description: The longest line. The default suits 80 columns with what C(ansible.builtin.debug) puts around it.
    type: int
    default: 69
seealso:
  - plugin: stowage.kubernetes.location_summary
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at a location
  stowage.kubernetes.backup_location_info:
    location:
      provider: filesystem
      path: /srv/backups
  register: looked

- name: Show what was found
  ansible.builtin.debug:
    msg: "{{ {'primary': looked | stowage.kubernetes.location_summary} | stowage.kubernetes.location_table }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
  sample:
    - "LOCATION  PROVIDER    FIT  FAIL  WARN  ADDRESS"
    - "primary   filesystem  yes  0     0     /srv/backups"
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"location_table": table}
