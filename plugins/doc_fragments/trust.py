# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that all modules of trust share; their specification is in module_utils/_trust/request.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  clusters:
    description:
      - The clusters that it is for, by the names of their folders in the location.
      - Needed with O(state=present), except for O(permissions=coordinator), which is for the runs of all clusters and takes none.
    type: list
    elements: str
  permissions:
    description:
      - What is allowed.
      - A V(writer) makes backups of the clusters, cannot read archives back, and deletes nothing.
      - A V(reader) reads everything of the clusters, for restores, and which backups runs made of them.
      - A V(pruner) deletes, and reads only what it needs to decide.
      - An V(auditor) sees which backups there are, and no content.
      - A V(coordinator) begins runs over workspaces and sums them up. It reads and lists what is below C(workspaces/) in
        the location, for all clusters, creates nothing but each run's list of clusters, and has no part in backups.
    type: str
    choices: [writer, reader, pruner, auditor, coordinator]
    default: writer
  writes_restores:
    description:
      - Whether a V(reader) also keeps the reports of its restores in the location.
    type: bool
    default: false
  verify:
    description:
      - Whether the trust is proven.
      - A warning says so if nothing of it could be, which is to say that no line that expects somebody to be let in has passed. Where
        those can be tried from here, put them into O(verify_required), so that a wrong endpoint or credential makes the task fail.
    type: bool
    default: true
  verify_required:
    description:
      - The ids of lines that may not remain unknown.
    type: list
    elements: str
  verify_timeout:
    description:
      - For how many seconds in all lines that are not as expected are tried again. Changes of permissions take
        time to be seen everywhere, up to some minutes at clouds.
    type: int
    default: 60
  render_only:
    description:
      - Sends no request, and returns what would exist as documents and as command lines, for somebody else to do.
    type: bool
    default: false
"""
