# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts a restore of a workspace is about."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._workspaces import workspace_targets

DOCUMENTATION = r"""
name: workspace_targets
short_description: Say which hosts a restore of a workspace is about
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes a pattern of hosts of C(workspace_restore_map), for a play. It is V(all) where each backup goes into its own cluster.
options:
  _input:
    description: The folders of clusters that were backed up, and for each the host that its backup goes into, or V(same). YAML will do.
    type: raw
    required: true
seealso:
  - plugin: stowage.kubernetes.workspace_restores
    plugin_type: filter
"""

EXAMPLES = r"""
- name: See which hosts are meant
  ansible.builtin.debug:
    msg: "{{ 'prod-1: spare-1' | stowage.kubernetes.workspace_targets }}"
"""

RETURN = r"""
_value:
  description: A pattern of hosts.
  type: str
  sample: spare-1,spare-2
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"workspace_targets": workspace_targets}
