#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backs up a cluster for each of its workspaces."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace_backup
short_description: Back up a Kubernetes cluster for each of its workspaces
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - A cluster's part in the runs of its workspaces. For each run in turn, it looks whether the run has a good backup of the cluster already,
    makes one as M(stowage.kubernetes.backup) does, with the labels of the workspace and the run, and records how that went as
    M(stowage.kubernetes.workspace_run) does.
  - What fails for one workspace does not keep the others from having their turn. The task fails in the end.
  - The role P(stowage.kubernetes.workspace#role) runs it, in the playbook C(workspace_backup).
options:
  cluster:
    description:
      - The cluster's folder in the locations.
    type: str
    required: true
  locations:
    description:
      - The locations by name, each with the same options as the option O(stowage.kubernetes.backup#module:location).
    type: dict
    required: true
  backups:
    description:
      - What to back up, and for which runs. P(stowage.kubernetes.workspace_backups#filter) makes it of workspaces.
      - Each has C(workspace), C(run), and C(records), which is the name of the location that the run is kept in. C(location) is that of
        the backup, C(records) if not set.
      - C(problem) says why it cannot be tried, an error code, a colon and a sentence. It is only recorded.
      - The others are options of M(stowage.kubernetes.backup) that say what is backed up, O(stowage.kubernetes.backup#module:name_prefix),
        O(stowage.kubernetes.backup#module:schedule), O(stowage.kubernetes.backup#module:labels),
        O(stowage.kubernetes.backup#module:expires_in), O(stowage.kubernetes.backup#module:allow_partial),
        O(stowage.kubernetes.backup#module:namespace_patterns), O(stowage.kubernetes.backup#module:namespace_selectors),
        O(stowage.kubernetes.backup#module:ignored_api_groups), and those of the selection, such as
        O(stowage.kubernetes.backup#module:included_namespaces).
    type: list
    elements: dict
    required: true
  accept_new_identity:
    description:
      - Back up even though the folder holds the backups of another cluster, because the cluster was made anew.
    type: bool
    default: false
  lease_wait:
    description:
      - How long to wait while another task works on the cluster. A duration such as V(30m), or V(0).
    type: str
    default: 10m
extends_documentation_fragment:
  - stowage.kubernetes.cluster
  - stowage.kubernetes.attributes
  - stowage.kubernetes.attributes.group_cluster
attributes:
  check_mode:
    support: full
    details: Asks the clusters what there is and what may be read, and writes nothing.
  diff_mode:
    support: full
  idempotent:
    support: full
    details: A run that has a good backup of the cluster is not given another one.
  async:
    support: full
    details: No progress is shown then.
seealso:
  - module: stowage.kubernetes.backup
  - module: stowage.kubernetes.workspace_run
"""

EXAMPLES = r"""
- name: Back up a cluster for two workspaces
  stowage.kubernetes.workspace_backup:
    kubeconfig: ~/.kube/config
    cluster: prod-1
    locations:
      primary:
        provider: aws
        bucket: acme-backups
        region: eu-west-1
    backups:
      - workspace: shop
        run: "4711"
        records: primary
        included_namespaces: [shop]
      - workspace: whole
        run: "4711"
        records: primary
        expires_in: 30d
"""

RETURN = r"""
backups:
  description: How it went for each workspace, in the order of O(backups).
  returned: success, and if not all are as they should be
  type: list
  elements: dict
  contains:
    workspace:
      description: The workspace.
      returned: always
      type: str
      sample: shop
    changed:
      description: Whether a backup was made.
      returned: always
      type: bool
      sample: true
    backup:
      description: The backup, as RV(stowage.kubernetes.backup#module:backup). V(null) if the run had one.
      returned: unless it failed
      type: dict
      sample: {name: backup-prod-1-20261127t020004z-ab12, phase: Completed}
    run:
      description: What was recorded, as RV(stowage.kubernetes.workspace_run#module:run.clusters[]).
      returned: unless it could not be
      type: dict
      sample: {cluster: prod-1, phase: Completed, attempt: 1}
    lease:
      description: The lease on the cluster, as RV(stowage.kubernetes.backup#module:lease).
      returned: if something was made, or waited for
      type: dict
      sample: {held: true, waited: 0.0, message: ""}
    error_code:
      description: What went wrong, for programs.
      returned: if it failed
      type: str
      sample: cluster_unreachable
    msg:
      description: What went wrong, for people.
      returned: if it failed
      type: str
      sample: The API server does not answer.
error_code:
  description: What went wrong, for programs. One of a list that only grows. V(run_partial) if some backups failed, V(run_failed) if all did.
  returned: failure
  type: str
  sample: run_partial
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: ""
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import CLUSTER, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.workspaces import back_up_workspaces
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module

ARGUMENTS: ArgumentSpec = {
    "cluster": {"type": "str", "required": True},
    "locations": {"type": "dict", "required": True},
    "backups": {"type": "list", "elements": "dict", "required": True},
    "accept_new_identity": {"type": "bool", "default": False},
    "lease_wait": {"type": "str", "default": "10m"},
}


def main() -> None:
    """Run the module."""
    run_module(merge(CLUSTER, ARGUMENTS), back_up_workspaces)


if __name__ == "__main__":
    main()
