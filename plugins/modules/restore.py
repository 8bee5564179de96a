#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores a backup into a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Restore a backup into a Kubernetes cluster
version_added: 0.1.0
author:
  - Stowage contributors (@stowage)
description:
  - Brings the objects of a backup back, all or some of them, into the cluster that was backed up or into another one.
    Nothing but the location and the target cluster is needed.
  - Takes backups of M(stowage.kubernetes.backup) and of Velero.
  - Nothing is ever deleted. What a controller makes from another object is left to it. Nodes, events, leases and the like are
    never restored.
  - The data in volumes is not restored. Claims are provisioned anew, and named in the result, unless O(restore_volumes=reuse)
    or the target is the cluster that was backed up.
options:
  cluster:
    description:
      - The folder, in the location, of the cluster that was backed up.
    type: str
    required: true
  backup:
    description:
      - Name of the backup.
      - V(latest) is the newest Completed one. If the folder holds backups of different selections, O(backup_labels) or
        O(backup_selection) has to say which ones are meant; the error lists what there is.
    type: str
    required: true
  backup_labels:
    description:
      - With O(backup=latest), only backups that have all of these labels are looked at.
    type: dict
  backup_selection:
    description:
      - With O(backup=latest), only backups of this selection are looked at.
      - V(unfiltered) is everything, without any filter. Otherwise it is the fingerprint of the selection, as
        M(stowage.kubernetes.backup_info) returns it, or its first eight characters or more.
    type: str
    version_added: 0.2.0
  name:
    description:
      - Name of the restore, under which its report is kept. It must be a new one. If not set, one is made of V(restore), O(cluster),
        the time and four random characters.
    type: str
  existing_resource_policy:
    description:
      - What to do about objects that exist in the target and are not as they were backed up.
      - V(none) leaves them alone and reports that they differ.
      - V(update) makes them as they were backed up, but for volumes that another claim uses by now.
      - Namespaces that are not selected themselves are made if a selected object needs them, and are never changed.
    type: str
    choices:
      - none
      - update
    default: none
  restore_volumes:
    description:
      - What to do about volumes that are elsewhere.
      - V(own) restores a volume only into the cluster that it came from. Elsewhere its claim gets a new, empty volume, so that
        two clusters never write one disk.
      - V(reuse) restores volumes as they are, because the target takes them over.
      - Snapshots of volumes are treated like volumes. Where they are restored, they stand for the snapshot that was taken, with
        C(deletionPolicy=Retain).
    type: str
    choices:
      - own
      - reuse
    default: own
  preserve_node_ports:
    description:
      - Keep the node ports of services, also those that the cluster had chosen.
    type: bool
    default: false
  allow_other_cluster:
    description:
      - Restore into a cluster that is not the one that was backed up. A matching O(expected_cluster_uid) allows it as well.
    type: bool
    default: false
  allow_partial:
    description:
      - Let the task succeed, with a warning, if the restore ends V(PartiallyFailed).
    type: bool
    default: false
  lease_wait:
    description:
      - How long to wait while another restore into the cluster, or a backup of it, is under way with the same location. A duration such as
        V(30m), or V(0). What happens in folders that the location does not let be read is not seen.
      - After that the task fails with C(lease_held). What was killed holds its lease for two minutes at least, and for up to half
        an hour if it had worked for long.
      - While a backup is restored, M(stowage.kubernetes.backup_retention) and O(stowage.kubernetes.backup#module:state=absent) do not
        remove it.
    type: str
    default: 10m
    version_added: 0.2.0
  run:
    description:
      - The run of a workspace that the restore is part of, noted in its record. The playbook C(workspace_restore) sets it.
    type: dict
    version_added: 0.2.0
    suboptions:
      workspace:
        description:
          - The workspace.
        type: str
        required: true
      name:
        description:
          - The run whose backups are restored.
        type: str
        required: true
  diff_path:
    description:
      - In diff mode, file on the machine where the task runs for the whole diff, one JSON document a line. It gets mode 0600.
        One that is there is replaced when the task has looked at everything; anything but a regular file is refused.
        Values in Secrets are never shown.
    type: path
  report_dir:
    description:
      - Directory on the machine where the task runs for the report, if the location does not let it be written.
        If not set, a private one is made then.
    type: path
extends_documentation_fragment:
  - stowage.kubernetes.location
  - stowage.kubernetes.cluster
  - stowage.kubernetes.selection
  - stowage.kubernetes.attributes
  - stowage.kubernetes.attributes.group_cluster
attributes:
  check_mode:
    support: full
    details: Returns the plan. Each object's fate says whether the server decided it, a comparison, or an assumption.
  diff_mode:
    support: full
    details: Names the paths that differ, for at most 200 objects and 64 KiB. O(diff_path) gets all of it.
  idempotent:
    support: partial
    details: Not with O(name), for a restore's name can be used only once.
  async:
    support: full
    details: No progress is shown then.
seealso:
  - module: stowage.kubernetes.backup
  - module: stowage.kubernetes.backup_info
"""

EXAMPLES = r"""
- name: See what a restore would do, before anything is done
  stowage.kubernetes.restore:
    location:
      provider: filesystem
      path: /srv/backups
    cluster: prod-1
    backup: before-upgrade
  check_mode: true
  diff: true
  register: plan

- name: Bring back one namespace in the cluster that was backed up
  stowage.kubernetes.restore:
    kubeconfig: /etc/stowage/prod.kubeconfig
    context: prod-1
    location:
      provider: filesystem
      path: /srv/backups
    cluster: prod-1
    backup: latest
    backup_labels:
      tier: daily
    included_namespaces:
      - shop
    existing_resource_policy: update

- name: Bring a lost cluster back as another one
  stowage.kubernetes.restore:
    kubeconfig: /etc/stowage/standby.kubeconfig
    expected_cluster_uid: 0d5f7a64-1f0c-4c58-8f0e-2b6f2f9d8c11
    location:
      provider: minio
      endpoint: https://minio.example.com:9000
      bucket: backups
    cluster: prod-1
    backup: latest
"""

RETURN = r"""
restore:
  description: What was done, or in check mode what would be.
  returned: success, and failure after the first object was looked at
  type: dict
  contains:
    name:
      description: Its name.
      returned: always
      type: str
      sample: restore-prod-1-20261123020004-1f3a
    backup:
      description: Name of the backup.
      returned: always
      type: str
      sample: before-upgrade
    cluster:
      description: The folder that the backup is in.
      returned: always
      type: str
      sample: prod-1
    phase:
      description:
        - V(Completed), V(PartiallyFailed) if some objects could not be restored, V(Failed) if nothing was done.
      returned: always
      type: str
      sample: Completed
    planned:
      description: Whether it is only a plan, in check mode.
      returned: always
      type: bool
      sample: false
    counts:
      description: How many objects had which fate.
      returned: always
      type: dict
      sample: {created: 120, updated: 0, unchanged: 3, differs: 0, skipped: 184, left_to_controller: 33, failed: 0}
    kinds:
      description: The same for each resource.
      returned: always
      type: dict
      sample: {configmaps: {created: 12, unchanged: 1}}
    objects:
      description: The first objects of each fate that says something. All of them are in RV(restore.report).
      returned: always
      type: list
      elements: dict
      contains:
        kind:
          description: The resource.
          returned: always
          type: str
          sample: deployments.apps
        namespace:
          description: Its namespace.
          returned: if it has one
          type: str
          sample: shop
        name:
          description: Its name.
          returned: always
          type: str
          sample: cart
        action:
          description:
            - V(created), V(updated), V(unchanged), V(differs) if it exists otherwise and was left alone, V(skipped) if such objects are never
              restored, V(left_to_controller) if a controller makes it from another object, V(failed).
          returned: always
          type: str
          sample: created
        known:
          description:
            - How that is known. V(server) if the API server said so, V(local) if a comparison did, V(assumed) if what it needs is itself
              only planned, or if a controller makes it first, as the ServiceAccount V(default) of a new namespace.
          returned: always
          type: str
          sample: server
        reason:
          description: Why.
          returned: if there is something to say
          type: str
          sample: ""
        code:
          description: The error code.
          returned: if it failed
          type: str
          sample: cluster_forbidden
        paths:
          description: Paths at which it differs. Values are never shown.
          returned: if it differs or was updated
          type: list
          elements: str
          sample: [spec.replicas]
        data_not_restored:
          description: Whether it is a claim, volume or snapshot whose data is not brought back.
          returned: if it is so
          type: bool
          sample: true
        warning:
          description: Whether RV(restore.objects[].reason) is worth reading although it did not fail.
          returned: if it is so
          type: bool
          sample: true
    data_not_restored:
      description: Claims, volumes and snapshots whose data is not brought back, the first 100.
      returned: always
      type: list
      elements: str
      sample: [shop/redis-data]
    data_not_restored_count:
      description: How many there are.
      returned: always
      type: int
      sample: 1
    warnings:
      description: The first warnings.
      returned: always
      type: list
      elements: str
      sample: []
    errors:
      description: The first errors.
      returned: always
      type: list
      elements: str
      sample: []
    report:
      description: Where there is a line for each object, in the location or on the machine where the task ran.
      returned: always
      type: str
      sample: s3://backups/clusters/prod-1/restores/restore-prod-1-20261123020004-1f3a/stowage-report.json.gz
    bytes_read:
      description: Bytes read from the location.
      returned: always
      type: int
      sample: 1380291
    seconds:
      description: How long it took.
      returned: always
      type: float
      sample: 4.8
lease:
  description: The lease on the cluster, and that on the backup which is read.
  returned: if something was done
  type: dict
  contains:
    held:
      description: Whether it was held to the end. It is not if the location cannot be written, which RV(lease.message) says.
      returned: always
      type: bool
      sample: true
    waited:
      description: Seconds that other tasks were waited for.
      returned: always
      type: float
      sample: 0.0
    message:
      description: Why it was not held, or not as well as it should be.
      returned: always
      type: str
      sample: ""
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: other_cluster
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: "Say allow_other_cluster: true, or set expected_cluster_uid to the target's uid."
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import (
    CLUSTER,
    LOCATION,
    SELECTION,
    ArgumentSpec,
    merge,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.request import restore_backup

ARGUMENTS: ArgumentSpec = {
    "cluster": {"type": "str", "required": True},
    "backup": {"type": "str", "required": True},
    "backup_labels": {"type": "dict"},
    "backup_selection": {"type": "str"},
    "run": {
        "type": "dict",
        "options": {"workspace": {"type": "str", "required": True}, "name": {"type": "str", "required": True}},
    },
    "name": {"type": "str"},
    "existing_resource_policy": {"type": "str", "choices": ["none", "update"], "default": "none"},
    "restore_volumes": {"type": "str", "choices": ["own", "reuse"], "default": "own"},
    "preserve_node_ports": {"type": "bool", "default": False},
    "allow_other_cluster": {"type": "bool", "default": False},
    "allow_partial": {"type": "bool", "default": False},
    "lease_wait": {"type": "str", "default": "10m"},
    "diff_path": {"type": "path"},
    "report_dir": {"type": "path"},
}


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, CLUSTER, SELECTION, ARGUMENTS), restore_backup)


if __name__ == "__main__":
    main()
