#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists restores."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_info
short_description: List the restores that a location knows of and how they went
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - A restore leaves a record in the folder of the cluster that was backed up when it begins, and how it went at its end, if it may write there.
    Nothing but the location is needed, and no cluster is contacted.
  - Records go with their backups.
options:
  cluster:
    description:
      - The folder of the cluster that was backed up. All of the location if not set.
    type: str
  backup:
    description:
      - Only restores of this backup.
    type: str
  workspace:
    description:
      - Only restores of this workspace's runs.
    type: str
  run:
    description:
      - Only restores of this run.
    type: str
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
  - module: stowage.kubernetes.restore
"""

EXAMPLES = r"""
- name: See which restores there were from a cluster's backups
  stowage.kubernetes.restore_info:
    location:
      provider: filesystem
      path: /srv/backups
    cluster: prod-1
  register: found

- name: Show them
  ansible.builtin.debug:
    msg: "{{ found.restores | stowage.kubernetes.restores_table }}"
"""

RETURN = r"""
total:
  description: How many restores were found. At most the newest 500 of them are in RV(restores).
  returned: success
  type: int
  sample: 2
restores:
  description: The restores, oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      returned: always
      type: str
      sample: restore-prod-1-20261123020004-1f3a
    cluster:
      description: The folder of the cluster that was backed up.
      returned: always
      type: str
      sample: prod-1
    backup:
      description: The backup. Empty if that is not known, as for a restore that Velero did.
      returned: always
      type: str
      sample: before-upgrade
    phase:
      description: V(Completed), V(PartiallyFailed), V(Failed), or V(Unknown) if it is under way, died, or was Velero's.
      returned: always
      type: str
      sample: Completed
    started:
      description: When it began (UTC), by the clock of the machine that it ran on.
      returned: always
      type: str
      sample: "2026-11-25T02:00:04+00:00"
    completed:
      description: When it ended (UTC).
      returned: always
      type: str
      sample: "2026-11-25T02:01:04+00:00"
    seconds:
      description: How long it took.
      returned: always
      type: float
      sample: 60.1
    counts:
      description: How many objects had which fate.
      returned: always
      type: dict
      sample: {created: 120, failed: 0}
    warning_count:
      description: How many warnings there were, of those that the task returned.
      returned: always
      type: int
      sample: 0
    error_count:
      description: How many errors there were, of those that the task returned.
      returned: always
      type: int
      sample: 0
    error_code:
      description: What ended it early. Empty if nothing did.
      returned: always
      type: str
      sample: ""
    target_uid:
      description: The uid of the namespace C(kube-system) of the cluster that it went into.
      returned: always
      type: str
      sample: 0d5f7a64-1f0c-4c58-8f0e-2b6f2f9d8c11
    workspace:
      description: The workspace, if it is part of a run's restore.
      returned: always
      type: str
      sample: shop
    run:
      description: The run whose backups were restored, if it is part of that.
      returned: always
      type: str
      sample: "4711"
    host:
      description: The machine that it ran on.
      returned: always
      type: str
      sample: awx-node-3
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: permission_denied
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Allow s3:ListBucket.
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect.restores import describe_restores
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module

ARGUMENTS: ArgumentSpec = {
    "cluster": {"type": "str"},
    "backup": {"type": "str"},
    "workspace": {"type": "str"},
    "run": {"type": "str"},
}


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, ARGUMENTS), describe_restores)


if __name__ == "__main__":
    main()
