# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show a number of bytes to people."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._lines import format_size

DOCUMENTATION = r"""
name: human_size
short_description: Show a number of bytes to people
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes a text of a number of bytes as the collection's tables and progress have it, in units of 1024. Results of modules
    are plain numbers of bytes.
options:
  _input:
    description: Bytes.
    type: int
    required: true
seealso:
  - module: stowage.kubernetes.backup
"""

EXAMPLES = r"""
- name: Say how large a backup is
  ansible.builtin.debug:
    msg: "{{ 1380291 | stowage.kubernetes.human_size }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
  sample: 1.3 MiB
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"human_size": format_size}
