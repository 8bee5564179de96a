# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables that look like misspelt ones of a role."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._role_variables import misspelt_variables

DOCUMENTATION = r"""
name: misspelt_variables
short_description: Say which variables look like misspelt ones of a role
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Ansible takes any variable, also one that nobody reads. Those that are almost called like an option of a role, such as
    C(restore_included_namespace), or as someone who has not looked calls it, such as C(restore_namespaces), were meant to be it.
    Others with the role's prefix are somebody's own.
options:
  _input:
    description: Names of the variables that there are.
    type: list
    elements: str
    required: true
  options:
    description: Names of the role's variables.
    type: list
    elements: str
    required: true
  known:
    description: Further names that mean something.
    type: list
    elements: str
    default: []
  prefix:
    description: What the names of the role's variables begin with.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Require that no variable is misspelt
  ansible.builtin.fail:
    msg: "{{ misspelt }}"
  vars:
    misspelt: "{{ query('ansible.builtin.varnames', '^app_') | stowage.kubernetes.misspelt_variables(['app_port', 'app_hosts'], prefix='app_') }}"
  when: misspelt | length > 0
"""

RETURN = r"""
_value:
  description: Each of them, and what was meant, in words. Empty if there is none.
  type: str
  sample: restore_included_namespace is no variable of the role. Did you mean restore_included_namespaces? What is your own needs a name that is less like it.
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"misspelt_variables": misspelt_variables}
