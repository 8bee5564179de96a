#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies backups to another location."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_copy
short_description: Copy backups of a Kubernetes cluster to another location
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Ensures that a second location has the same backups of a cluster, of whatever provider the two are. No cluster is contacted.
  - A copy has the same name, the same folder and the same bytes. It is made as a backup is, reserved first and committed last, and
    nothing is ever overwritten. It streams, and its memory does not grow with the backups.
  - Every file is hashed on its way and held against the backup's manifest before it can be seen. A backup that does not fit is not copied.
  - Run again, it goes on with what is missing. What an interrupted copy left is read back and used.
  - Backups that Velero made have no hashes, so their copies are checked by size, and the result says so. What Velero keeps of volumes
    elsewhere in the location is not copied. Reports of restores are not either.
  - In check mode the result says what would be copied.
options:
  destination:
    description:
      - Where to copy to. A location with the same options as O(location), and checked as that is.
    type: dict
    required: true
  cluster:
    description:
      - The cluster's folder, in both locations.
    type: str
    required: true
  names:
    description:
      - The backups to copy. If not set, all that are whole, that is V(Completed) or V(PartiallyFailed).
    type: list
    elements: str
  labels:
    description:
      - Only backups that have all of these labels.
    type: dict
  verify:
    description:
      - Read the copies back and compare them again, also those that were there already. That of a Velero's backup is compared with the
        original.
    type: bool
    default: false
  accept_new_identity:
    description:
      - Copy even though the folder of the destination holds backups of another cluster.
    type: bool
    default: false
  lease_wait:
    description:
      - How long to wait while another task copies the same backup. A duration such as V(30m), or V(0).
      - While a backup is copied, M(stowage.kubernetes.backup_retention) and O(stowage.kubernetes.backup#module:state=absent) do not remove it.
    type: str
    default: 10m
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
    support: full
  async:
    support: full
    details: No progress is shown then.
seealso:
  - module: stowage.kubernetes.backup
  - module: stowage.kubernetes.backup_info
"""

EXAMPLES = r"""
- name: Have all backups of a cluster in a second account
  stowage.kubernetes.backup_copy:
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    destination:
      provider: gcp
      bucket: acme-backups-second
    cluster: prod-1
    verify: true

- name: Take one backup along
  stowage.kubernetes.backup_copy:
    location:
      provider: minio
      endpoint: https://minio.example.com:9000
      bucket: backups
    destination:
      provider: filesystem
      path: /media/stick/backups
    cluster: prod-1
    names:
      - before-upgrade
"""

RETURN = r"""
copies:
  description: What was copied, or in check mode would be.
  returned: success, and if backups could not be copied
  type: dict
  contains:
    cluster:
      description: The cluster's folder.
      returned: always
      type: str
      sample: prod-1
    total:
      description: How many backups were looked at. At most 500 are in RV(copies.backups), those that failed first of all.
      returned: always
      type: int
      sample: 25
    backups:
      description: The backups, oldest first.
      returned: always
      type: list
      elements: dict
      contains:
        name:
          description: The name of the backup.
          returned: always
          type: str
          sample: nightly-1
        phase:
          description: Its phase.
          returned: always
          type: str
          sample: Completed
        state:
          description: V(copied), V(there) if it was, V(failed), or V(left) because it is not whole.
          returned: always
          type: str
          sample: copied
        files:
          description: How many files it has.
          returned: always
          type: int
          sample: 9
        size:
          description: Bytes of its files.
          returned: always
          type: int
          sample: 1380291
        checked:
          description: What the copy was held against, V(sha256) of every file, or V(size) if there are no hashes.
          returned: always
          type: str
          sample: sha256
        error_code:
          description: What went wrong, for programs. Empty if nothing did.
          returned: always
          type: str
          sample: ""
        reason:
          description: What went wrong, for people.
          returned: always
          type: str
          sample: ""
    copied_count:
      description: How many were copied.
      returned: always
      type: int
      sample: 1
    copied_bytes:
      description: Bytes of their files.
      returned: always
      type: int
      sample: 1380291
    there_count:
      description: How many were there already.
      returned: always
      type: int
      sample: 24
    failed_count:
      description: How many could not be copied.
      returned: always
      type: int
      sample: 0
    left_count:
      description: How many are not whole and were left.
      returned: always
      type: int
      sample: 0
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: backup_damaged
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Take an earlier version of the file, if the bucket keeps versions, or another backup.
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._copy.task import copy_backups
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module

ARGUMENTS: ArgumentSpec = {
    "destination": {"type": "dict", "required": True},
    "cluster": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str"},
    "labels": {"type": "dict"},
    "verify": {"type": "bool", "default": False},
    "accept_new_identity": {"type": "bool", "default": False},
    "lease_wait": {"type": "str", "default": "10m"},
}


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, ARGUMENTS), copy_backups)


if __name__ == "__main__":
    main()
