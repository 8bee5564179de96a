#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Begins a run over a workspace, records how a cluster's part went, and sums it up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace_run
short_description: Keep account of a run over a workspace of Kubernetes clusters
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - A run is one execution over a workspace. Before any cluster is backed up, O(state=started) writes down which clusters it is
    about. Each cluster's own task then records how its part went, and O(state=finished) sums them up.
  - A cluster that is expected and has no record is C(Missing). So nothing is skipped silently, whether a task died, a slice of a
    job was lost, or C(--limit) left a cluster out.
  - All of it is in the location, below C(workspaces/). Nothing is ever overwritten. No cluster is contacted.
  - The playbook C(workspace_backup) does all of this. See the role P(stowage.kubernetes.workspace#role).
options:
  workspace:
    description:
      - The workspace.
    type: str
    required: true
  run:
    description:
      - The run. All tasks of it have to say the same, so none of them makes it.
      - Required unless O(state=pruned).
    type: str
  state:
    description:
      - V(started) ensures that the run is begun, with these O(clusters). A run that was begun with others is an error.
      - V(pending) says whether O(cluster) still has to be done, and writes nothing.
      - V(recorded) records the O(outcome) of one attempt of O(cluster). The last record of a cluster counts.
      - V(finished) sums up. The task fails unless all clusters did what they should.
      - V(absent) deletes what is written about the run. Its backups stay, see O(stowage.kubernetes.backup#module:state=absent).
      - V(pruned) deletes what is written about old runs of the workspace. One is kept for O(keep_within), as long as any backup is
        there that its records name, and as long as there is none newer.
    type: str
    choices:
      - started
      - pending
      - recorded
      - finished
      - absent
      - pruned
    required: true
  clusters:
    description:
      - The folders of all clusters of the run. Required if O(state=started).
    type: list
    elements: str
  owner:
    description:
      - Whose workspace it is, noted for people if O(state=started).
    type: str
  cluster:
    description:
      - The folder of the cluster that the task is about. Required if O(state=pending) or O(state=recorded).
    type: str
  outcome:
    description:
      - How it went. Required if O(state=recorded).
    type: dict
    suboptions:
      phase:
        description:
          - That of the backup, or V(Failed) if there is none.
        type: str
        choices:
          - Completed
          - PartiallyFailed
          - Failed
        required: true
      backup:
        description:
          - The name of the backup.
        type: str
      made:
        description:
          - Whether it was made for the run. If not, one that was there was fresh enough.
        type: bool
      cluster_uid:
        description:
          - The uid of the namespace C(kube-system) of the cluster. Two clusters of a run with the same one have failed.
        type: str
      location:
        description:
          - The name of the location that the backup is in.
        type: str
      objects:
        description:
          - How many objects it holds.
        type: int
      size:
        description:
          - Bytes of its files.
        type: int
      seconds:
        description:
          - How long it took.
        type: float
      warning_count:
        description:
          - How many warnings there were.
        type: int
      error_count:
        description:
          - How many errors there were.
        type: int
      error_code:
        description:
          - What went wrong, for programs.
        type: str
      reason:
        description:
          - What went wrong, for people. At most 1000 characters of it are kept.
        type: str
  allow_partial:
    description:
      - A cluster whose backup is V(PartiallyFailed) has done what it should, for O(state=pending) and O(state=finished).
    type: bool
    default: false
  max_failures:
    description:
      - So many clusters may have failed or be missing without O(state=finished) failing, as long as there is any that has not.
    type: int
    default: 0
  keep_within:
    description:
      - With O(state=pruned), runs that were begun within this time stay. A duration such as V(90d).
    type: str
    default: 90d
  location_name:
    description:
      - With O(state=pruned), the name that records have for O(location). A run with a backup in a location of another name stays, for nobody
        looks there. If not set, so does each run with a backup whose record names a location.
    type: str
extends_documentation_fragment:
  - stowage.kubernetes.location
  - stowage.kubernetes.attributes
  - stowage.kubernetes.attributes.group_location
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: Not O(state=recorded), since each record is of an attempt of its own.
  async:
    support: full
seealso:
  - module: stowage.kubernetes.backup
"""

EXAMPLES = r"""
- name: Begin a run
  stowage.kubernetes.workspace_run:
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    workspace: shop
    run: "4711"
    state: started
    clusters:
      - prod-1
      - prod-2
  delegate_to: localhost

- name: Record that a cluster could not be reached
  stowage.kubernetes.workspace_run:
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    workspace: shop
    run: "4711"
    state: recorded
    cluster: prod-2
    outcome:
      phase: Failed
      error_code: cluster_unreachable
      reason: The API server does not answer.

- name: Say how it went, and fail unless all is well
  stowage.kubernetes.workspace_run:
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    workspace: shop
    run: "4711"
    state: finished
  delegate_to: localhost

- name: Forget runs of which no backup is left
  stowage.kubernetes.workspace_run:
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    workspace: shop
    state: pruned
    keep_within: 180d
  delegate_to: localhost
"""

RETURN = r"""
run:
  description: The run.
  returned: success, and if it is not what it should be, unless O(state=pruned)
  type: dict
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
    started:
      description: When it was begun, by the location's clock.
      returned: O(state=started) and O(state=finished)
      type: str
      sample: "2026-11-23T02:00:04+00:00"
    clusters_count:
      description: How many clusters it is about.
      returned: O(state=started) and O(state=finished)
      type: int
      sample: 2
    pending:
      description: Whether the cluster still has to be done.
      returned: O(state=pending)
      type: bool
      sample: true
    record:
      description: The cluster's last record, as one of RV(run.clusters). V(null) if there is none.
      returned: O(state=pending) and O(state=recorded)
      type: dict
      sample: {cluster: prod-1, phase: Completed, attempt: 1}
    phase:
      description:
        - V(Completed) if each cluster is, V(Failed) if none has a backup, and else V(PartiallyFailed).
      returned: O(state=finished)
      type: str
      sample: PartiallyFailed
    owner:
      description: Whose workspace it is.
      returned: O(state=finished)
      type: str
      sample: Team Shop
    counts:
      description: How many clusters have which phase. V(Missing) are those without a record.
      returned: O(state=finished)
      type: dict
      sample: {Completed: 1, PartiallyFailed: 0, Failed: 1, Missing: 0}
    failed_count:
      description: How many clusters count as failed, missing ones included.
      returned: O(state=finished)
      type: int
      sample: 1
    clusters:
      description: The clusters, those that failed first, at most 500.
      returned: O(state=finished)
      type: list
      elements: dict
      contains:
        cluster:
          description: Its folder.
          returned: always
          type: str
          sample: prod-2
        phase:
          description: How its last attempt went.
          returned: always
          type: str
          sample: Failed
        attempt:
          description: The number of that attempt, 0 if there was none.
          returned: always
          type: int
          sample: 1
        written:
          description: When it was recorded, by the location's clock.
          returned: always
          type: str
          sample: "2026-11-23T02:00:10+00:00"
        backup:
          description: The name of the backup.
          returned: always
          type: str
          sample: ""
        made:
          description: Whether the backup was made for the run.
          returned: always
          type: bool
          sample: false
        cluster_uid:
          description: The uid of the namespace C(kube-system).
          returned: always
          type: str
          sample: ""
        location:
          description: The name of the location that the backup is in.
          returned: always
          type: str
          sample: primary
        objects:
          description: How many objects the backup holds.
          returned: always
          type: int
          sample: 0
        size:
          description: Bytes of its files.
          returned: always
          type: int
          sample: 0
        seconds:
          description: How long it took.
          returned: always
          type: float
          sample: 2.1
        warning_count:
          description: How many warnings there were.
          returned: always
          type: int
          sample: 0
        error_count:
          description: How many errors there were.
          returned: always
          type: int
          sample: 0
        error_code:
          description: What went wrong, for programs.
          returned: always
          type: str
          sample: cluster_unreachable
        reason:
          description: What went wrong, for people.
          returned: always
          type: str
          sample: The API server does not answer.
        host:
          description: The machine that its task ran on.
          returned: always
          type: str
          sample: awx-node-3
    deleted_count:
      description: How many files went.
      returned: O(state=absent)
      type: int
      sample: 21
    unexpected:
      description: Clusters that have records and were not expected, the first 100.
      returned: O(state=finished)
      type: list
      elements: str
      sample: []
runs:
  description: What became of the runs of the workspace.
  returned: O(state=pruned)
  type: dict
  contains:
    workspace:
      description: The workspace.
      returned: always
      type: str
      sample: shop
    total:
      description: How many runs there were.
      returned: always
      type: int
      sample: 120
    deleted:
      description: The runs that went, the first 500, oldest first.
      returned: always
      type: list
      elements: str
      sample: ["4711"]
    deleted_count:
      description: How many went.
      returned: always
      type: int
      sample: 1
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: run_partial
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: "Run it again by the same name (-e stowage_workspace=shop -e stowage_run=4711): only what is missing or failed is done."
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.run_task import run_workspace

ARGUMENTS: ArgumentSpec = {
    "workspace": {"type": "str", "required": True},
    "run": {"type": "str"},
    "state": {
        "type": "str",
        "choices": ["started", "pending", "recorded", "finished", "absent", "pruned"],
        "required": True,
    },
    "clusters": {"type": "list", "elements": "str"},
    "owner": {"type": "str"},
    "cluster": {"type": "str"},
    "outcome": {
        "type": "dict",
        "options": {
            "phase": {"type": "str", "choices": ["Completed", "PartiallyFailed", "Failed"], "required": True},
            "backup": {"type": "str"},
            "made": {"type": "bool"},
            "cluster_uid": {"type": "str"},
            "location": {"type": "str"},
            "objects": {"type": "int"},
            "size": {"type": "int"},
            "seconds": {"type": "float"},
            "warning_count": {"type": "int"},
            "error_count": {"type": "int"},
            "error_code": {"type": "str"},
            "reason": {"type": "str"},
        },
    },
    "allow_partial": {"type": "bool", "default": False},
    "max_failures": {"type": "int", "default": 0},
    "keep_within": {"type": "str", "default": "90d"},
    "location_name": {"type": "str"},
}


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, ARGUMENTS), run_workspace)


if __name__ == "__main__":
    main()
