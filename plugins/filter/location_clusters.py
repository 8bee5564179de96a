# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show which clusters use a location."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._run_rows import cluster_rows

DOCUMENTATION = r"""
name: location_clusters
short_description: Show which clusters use a location
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes lines of text, to be shown with C(ansible.builtin.debug), of RV(stowage.kubernetes.backup_info#module:by_cluster).
    Times are UTC.
  - A cluster whose use is nothing but C(records of) a workspace has its backups elsewhere.
options:
  _input:
    description: The clusters of the location.
    type: list
    elements: dict
    required: true
  uses:
    description: What P(stowage.kubernetes.location_uses#filter) said of the location.
    type: dict
    required: true
seealso:
  - plugin: stowage.kubernetes.location_uses
    plugin_type: filter
  - module: stowage.kubernetes.backup_info
"""

EXAMPLES = r"""
- name: Look what there is
  stowage.kubernetes.backup_info:
    location:
      provider: filesystem
      path: /srv/backups
  register: found

- name: Show who uses the location
  ansible.builtin.debug:
    msg: "{{ found.by_cluster | stowage.kubernetes.location_clusters({'prod-1': {'prod-1.example.com': ['backups']}}) }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
  sample:
    - "CLUSTER  HOSTS               FOR                      BACKUPS  SIZE     LAST GOOD  STARTED"
    - "prod-1   prod-1.example.com  backups, workspace shop  12       1.3 MiB  nightly-1  2026-11-25 02:00"
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"location_clusters": cluster_rows}
