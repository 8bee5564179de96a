#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists the runs over workspaces."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace_run_info
short_description: List the runs over workspaces and how they went
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Says which runs a location holds, how each went, and which clusters failed or are missing. With O(run), how each cluster of that run did.
  - Nothing is written and no cluster is contacted. A run that did not go well fails nothing here; see M(stowage.kubernetes.workspace_run).
  - A run that is still under way has clusters that are missing so far.
options:
  workspace:
    description:
      - The workspace. All that have runs if not set.
    type: str
  run:
    description:
      - The run. Needs O(workspace). If not set, the newest of each workspace.
    type: str
  excluded_clusters:
    description:
      - With O(run), clusters that RV(runs[].clusters) leaves out, such as those that are known already. They are counted all the same.
    type: list
    elements: str
    default: []
  newest:
    description:
      - How many runs of each workspace are looked at, the newest. At most 500.
    type: int
    default: 20
  allow_partial:
    description:
      - A cluster whose backup is V(PartiallyFailed) has done what it should.
    type: bool
    default: false
extends_documentation_fragment:
  - stowage.kubernetes.location
  - stowage.kubernetes.attributes
  - stowage.kubernetes.attributes.group_location
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing.
  idempotent:
    support: full
  async:
    support: full
seealso:
  - module: stowage.kubernetes.workspace_run
"""

EXAMPLES = r"""
- name: See how the newest runs of all workspaces went
  stowage.kubernetes.workspace_run_info:
    location:
      provider: filesystem
      path: /srv/backups
  register: found

- name: Show them
  ansible.builtin.debug:
    msg: "{{ found.runs | stowage.kubernetes.runs_table }}"

- name: See how each cluster of one run did
  stowage.kubernetes.workspace_run_info:
    location:
      provider: filesystem
      path: /srv/backups
    workspace: shop
    run: "4711"
"""

RETURN = r"""
workspaces:
  description: The workspaces that have runs in the location.
  returned: success
  type: list
  elements: str
  sample: [shop]
total:
  description: How many runs there are, of the workspaces that were looked at.
  returned: success
  type: int
  sample: 120
not_begun_count:
  description:
    - How many there are besides in which something was recorded although they were never begun, or whose removal was interrupted. They are
      in RV(runs) only where there are fewer runs than O(newest), so that whoever can write a cluster's records hides no run.
  returned: success
  type: int
  sample: 0
runs:
  description: The runs, oldest first, those that were never begun before all others.
  returned: success
  type: list
  elements: dict
  contains:
    workspace:
      description: The workspace.
      returned: always
      type: str
      sample: shop
    name:
      description: The run.
      returned: always
      type: str
      sample: "4711"
    phase:
      description: V(Completed), V(PartiallyFailed), V(Failed), or V(Unknown) if RV(runs[].message) says why.
      returned: always
      type: str
      sample: PartiallyFailed
    started:
      description: When it was begun (UTC).
      returned: always
      type: str
      sample: "2026-11-25T02:00:00+00:00"
    begun:
      description: Whether it was begun, and is not being removed. If not, RV(runs[].started) is when the first record was written.
      returned: always
      type: bool
      sample: true
    owner:
      description: Whose workspace it is.
      returned: always
      type: str
      sample: Team Shop
    counts:
      description: How many clusters have which phase.
      returned: always
      type: dict
      sample: {Completed: 19, PartiallyFailed: 0, Failed: 0, Missing: 1}
    clusters_count:
      description: How many clusters it is over.
      returned: always
      type: int
      sample: 20
    failed_count:
      description: How many of them failed or are missing.
      returned: always
      type: int
      sample: 1
    failed:
      description: Clusters that failed, the first 20.
      returned: always
      type: list
      elements: str
      sample: []
    missing:
      description: Clusters without a record, the first 20.
      returned: always
      type: list
      elements: str
      sample: [prod-7]
    message:
      description: What is wrong with what is written about it.
      returned: always
      type: str
      sample: ""
    clusters:
      description: The last record of each cluster, as M(stowage.kubernetes.workspace_run) returns them, the first 500.
      returned: if O(run) is set
      type: list
      elements: dict
      sample: []
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: run_not_found
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: The newest is 4712.
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.run_info import describe_runs

ARGUMENTS: ArgumentSpec = {
    "workspace": {"type": "str"},
    "run": {"type": "str"},
    "excluded_clusters": {"type": "list", "elements": "str", "default": []},
    "newest": {"type": "int", "default": 20},
    "allow_partial": {"type": "bool", "default": False},
}


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, ARGUMENTS), describe_runs)


if __name__ == "__main__":
    main()
