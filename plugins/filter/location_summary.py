# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report of backup_location_info comes down to."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._location_rows import summarize

DOCUMENTATION = r"""
name: location_summary
short_description: Sum up a report about a location
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Takes what a task with M(stowage.kubernetes.backup_location_info) registered, and leaves the few facts that a table, a
    notification or the next job of a workflow needs.
options:
  _input:
    description: What the task registered. Of a task with a loop, each of its results.
    type: dict
    required: true
seealso:
  - module: stowage.kubernetes.backup_location_info
  - plugin: stowage.kubernetes.location_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at a location
  stowage.kubernetes.backup_location_info:
    location:
      provider: filesystem
      path: /srv/backups
  register: looked

- name: Tell the next job of the workflow
  ansible.builtin.set_stats:
    data:
      primary_location: "{{ looked | stowage.kubernetes.location_summary }}"
"""

RETURN = r"""
_value:
  description: The summary. It holds no secrets.
  type: dict
  contains:
    verdict:
      description:
        - V(passed), V(warning) if it is fit with warnings, V(failed) if it is not fit, or V(error) if there is no report, since
          the task failed, as it does if options make no sense.
      returned: always
      type: str
      sample: failed
    address:
      description: Bucket and prefix and, if the location names one, the endpoint; or the directory.
      returned: always
      type: str
      sample: s3://acme-backups/fleet
    provider:
      description: The provider.
      returned: always
      type: str
      sample: aws
    fit:
      description: Whether backups can be kept there.
      returned: always
      type: bool
    failed:
      description: How many checks failed.
      returned: always
      type: int
    warnings:
      description: How many checks ended with a warning.
      returned: always
      type: int
    unknown:
      description: How many checks could not be made.
      returned: always
      type: int
    findings:
      description:
        - What keeps it from being fit, at most ten, which are checks that failed and permissions that could not be looked at. Without
          such, the warnings.
      returned: always
      type: list
      elements: dict
      contains:
        finding:
          description: The check, and what was seen.
          returned: always
          type: str
          sample: "bucket: There is no such bucket."
        fix:
          description: What can be done about it.
          returned: always
          type: str
          sample: Create it, or correct its name, the endpoint or the region.
        error_code:
          description: Its error code. Mostly empty unless something failed.
          returned: always
          type: str
          sample: bucket_not_found
    more_findings:
      description: How many more there are.
      returned: always
      type: int
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"location_summary": summarize}
