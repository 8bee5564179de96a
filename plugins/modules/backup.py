#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensures that a backup exists."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Back up a Kubernetes cluster to object storage
version_added: 0.1.0
author:
  - Stowage contributors (@stowage)
description:
  - Ensures that a backup of a cluster exists, by its name, or one that is fresh enough. Running it again does nothing then.
  - All objects are captured at one instant, as far as the cluster allows. They are kept in Velero's format, and no other service
    is needed to restore them.
  - A backup holds objects, Secrets included, and not the data in volumes. What it does not hold is named in its result.
  - Whoever can read the location can read every Secret that was captured.
options:
  cluster:
    description:
      - The cluster's folder in the location. A cluster keeps its folder, and has it to itself.
    type: str
    required: true
  name:
    description:
      - Name of the backup.
      - If it exists, is Completed, and is of the same cluster and selection, nothing is done. If it is anything else,
        the task fails.
      - If not set, one is made of O(name_prefix), O(cluster), the time and four random characters.
      - Cannot be used together with O(name_prefix) and O(max_age), and is required if O(state=absent).
    type: str
  name_prefix:
    description:
      - What a made name begins with. V(backup) if not set.
    type: str
  max_age:
    description:
      - Do nothing if there is a Completed backup of this cluster and selection that is younger than this, by the
        location's clock. A duration such as V(90m), V(24h), V(7d) or V(2w).
      - The backup has to be kept as this one would be. With O(expires_in) it has to say that it is needed for as long at least, and without it
        must not say until when it is needed. If O(labels) have C(stowage.io/workspace), or with O(run), it has to be of the same workspace, since
        retention of another one goes by other rules.
    type: str
  schedule:
    description:
      - Make a backup only if a scheduled instant has passed, by the location's clock, since the last Completed backup of this
        cluster and selection was begun. However many instants were missed, one backup is made. Which backups count is as for O(max_age).
      - What runs the task may do so more often than that. The role P(stowage.kubernetes.schedule#role) makes what runs it from the
        same definition.
      - A local time that does not exist because clocks change is the first instant after the gap. One that there is twice is
        the first of the two.
      - Cannot be used together with O(name) and O(max_age).
    type: dict
    version_added: 0.2.0
    suboptions:
      preset:
        description:
          - V(weekly) is Sunday at midnight, V(every_two_weeks) every other Sunday, V(monthly) the first day of a month, and
            V(every_two_months) the first day of January, March, May and so on, at midnight.
          - V(custom) takes O(schedule.cron), and is what it is if that is set alone. V(never) makes no backup.
        type: str
        choices: [weekly, every_two_weeks, monthly, every_two_months, custom, never]
      cron:
        description:
          - Minute, hour, day of the month, month and day of the week, as cron has them. V(30 2 * * 1-5) is half past two from
            Monday to Friday.
        type: str
      time_zone:
        description:
          - Where these times are local. A name of the IANA database, such as V(Europe/Berlin).
        type: str
        default: UTC
      anchor:
        description:
          - A date in one of the weeks that count, with O(schedule.preset=every_two_weeks), which needs it. Weeks begin on Sunday.
        type: str
      paused:
        description:
          - Make no backup for now.
        type: bool
        default: false
  namespace_patterns:
    description:
      - Regular expressions, as Python has them. A namespace whose whole name fits one of them is taken, as if
        O(included_namespaces) named it.
      - It is the expressions that make the selection, not what they fit. So backups from before and after a namespace was made are
        of the same selection.
    type: list
    elements: str
    version_added: 0.2.0
  namespace_selectors:
    description:
      - Selectors of labels, written as for C(kubectl --selector). A namespace whose own labels fit one of them is taken, as if
        O(included_namespaces) named it, with all that is in it.
    type: list
    elements: str
    version_added: 0.2.0
  labels:
    description:
      - Labels of the backup, by which it can be found. With O(run), it also has C(stowage.io/workspace) and C(stowage.io/run).
    type: dict
  expires_in:
    description:
      - How long the backup will be needed. A duration such as V(30d).
      - It is noted in the backup. Nothing is deleted because of it, unless O(velero_expiration=true).
    type: str
  velero_expiration:
    description:
      - Let a Velero server that uses the location delete the backup after O(expires_in), which is required then.
    type: bool
    default: false
  ignored_api_groups:
    description:
      - API groups that hold nothing worth keeping. If one of them does not answer, this is a warning and not an error.
      - The groups of metrics are always among them.
    type: list
    elements: str
  accept_new_identity:
    description:
      - Use the folder even though it holds backups of another cluster, because this cluster replaces that one.
    type: bool
    default: false
  allow_partial:
    description:
      - Let the task succeed, with a warning, if the backup ends V(PartiallyFailed).
    type: bool
    default: false
  lease_wait:
    description:
      - How long to wait while another backup of the cluster, or a restore into it, is under way from the same folder. A duration such as V(30m), or V(0).
      - After that the task fails with C(lease_held). What was killed holds its lease for two minutes at least, and for up to half
        an hour if it had worked for long.
      - A backup that was made meanwhile, and is what O(name), O(max_age), O(schedule) or O(run) ask for, is taken.
    type: str
    default: 10m
    version_added: 0.2.0
  run:
    description:
      - The run over a workspace that the backup is for. If the run has a good record of the cluster already, nothing is done. Else
        it is recorded there how it went, also if the task fails, in the same location.
      - A Completed backup of the same selection that another job made for the run, or one that died before it could record it, is taken, whatever
        its age. With O(allow_partial), so is one that is PartiallyFailed.
      - M(stowage.kubernetes.workspace_run) begins runs and sums them up.
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
          - The run.
        type: str
        required: true
      location_name:
        description:
          - What the location is called, for the record.
        type: str
  state:
    description:
      - V(present) ensures that the backup exists.
      - V(absent) removes the backup O(name), also what a killed capture of that name left. What Velero made is refused.
        No cluster is contacted.
    type: str
    choices:
      - present
      - absent
    default: present
extends_documentation_fragment:
  - stowage.kubernetes.location
  - stowage.kubernetes.cluster
  - stowage.kubernetes.selection
  - stowage.kubernetes.attributes
  - stowage.kubernetes.attributes.group_cluster
attributes:
  check_mode:
    support: full
    details: Asks the cluster what there is and what may be read, and writes nothing.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: With O(name), O(max_age) or O(schedule). Otherwise each run makes another backup.
  async:
    support: full
    details: No progress is shown then.
seealso:
  - module: stowage.kubernetes.backup_info
  - module: stowage.kubernetes.restore
"""

EXAMPLES = r"""
- name: Back up the cluster of the current context to a directory
  stowage.kubernetes.backup:
    location:
      provider: filesystem
      path: /srv/backups
    cluster: prod-1
    name: before-upgrade

- name: Have a backup of two namespaces that is at most a day old
  stowage.kubernetes.backup:
    kubeconfig: /etc/stowage/prod.kubeconfig
    context: prod-1
    expected_cluster_uid: 5a6e7e66-8f0e-4d4d-9d2f-0a6a6f8f3d19
    location: "{{ stowage_locations.primary }}"
    cluster: prod-1
    included_namespaces:
      - shop
      - shop-*
    max_age: 24h
    expires_in: 30d
    labels:
      tier: daily
  vars:
    stowage_locations:
      primary:
        provider: aws
        bucket: acme-backups
        prefix: fleet
        region: eu-west-1
        auth:
          method: assume_role
          role_arn: arn:aws:iam::222222222222:role/stowage
          external_id: acme-7f3c

- name: Back up everything but Secrets to MinIO
  stowage.kubernetes.backup:
    location:
      provider: minio
      endpoint: https://minio.example.com:9000
      bucket: backups
      ca_cert: /etc/ssl/private-ca.pem
      auth:
        method: access_key
        access_key: stowage
        secret_key: "{{ lookup('ansible.builtin.env', 'MINIO_PASSWORD') }}"
    cluster: prod-1
    excluded_resources:
      - secrets

- name: Back up the namespaces of a team
  stowage.kubernetes.backup:
    location:
      provider: filesystem
      path: /srv/backups
    cluster: prod-1
    namespace_patterns:
      - shop-[0-9]+
    namespace_selectors:
      - team=shop

- name: Remove a backup
  stowage.kubernetes.backup:
    location:
      provider: filesystem
      path: /srv/backups
    cluster: prod-1
    name: before-upgrade
    state: absent
"""

RETURN = r"""
backup:
  description: The backup that was made or found. In check mode, what would be made. V(null) with O(state=absent), and while O(schedule) is paused or V(never).
  returned: success, and if it is V(PartiallyFailed)
  type: dict
  contains:
    name:
      description: Its name.
      returned: always
      type: str
      sample: before-upgrade
    cluster:
      description: The cluster's folder.
      returned: always
      type: str
      sample: prod-1
    phase:
      description:
        - V(Completed), or V(PartiallyFailed) if something could not be captured.
      returned: always
      type: str
      sample: Completed
    planned:
      description: Whether it was only predicted, in check mode.
      returned: always
      type: bool
      sample: false
    started:
      description: When its capture began, by the location's clock.
      returned: always
      type: str
      sample: "2026-11-23T02:00:04+00:00"
    completed:
      description: When it was complete. V(null) if it was only predicted.
      returned: always
      type: str
      sample: "2026-11-23T02:00:09+00:00"
    expires_at:
      description: When it is no longer needed. V(null) without O(expires_in).
      returned: always
      type: str
      sample: "2026-12-23T02:00:04+00:00"
    capture_id:
      description: What tells it from any other backup of the same name.
      returned: always
      type: str
      sample: 4be1aa2cbd6d2a0cd0b0ba0d4a1f3a77
    cluster_uid:
      description: The uid of the namespace C(kube-system) of the cluster.
      returned: always
      type: str
      sample: 5a6e7e66-8f0e-4d4d-9d2f-0a6a6f8f3d19
    fingerprint:
      description: Backups of the same selection have the same.
      returned: always
      type: str
      sample: c6b729745a5f8194a4f5567507927b02e1118b7b7256c44ca488f50dd78669ca
    labels:
      description: Its labels.
      returned: always
      type: dict
      sample: {tier: daily}
    objects:
      description: How many objects it holds. In check mode, how many there are of these kinds, whatever the other filters are.
      returned: always
      type: int
      sample: 1874
    size:
      description: Bytes of its files.
      returned: always
      type: int
      sample: 1380291
    warning_count:
      description: How many warnings there were.
      returned: always
      type: int
      sample: 1
    error_count:
      description: How many errors there were.
      returned: always
      type: int
      sample: 0
    warnings:
      description: The first warnings.
      returned: if it was made, or would be
      type: list
      elements: str
      sample: ["The data of 2 claims is not in the backup."]
    errors:
      description: The first errors.
      returned: if it was made, or would be
      type: list
      elements: str
      sample: []
    results:
      description: Where the warnings and errors are, the first thousand of each, a key in the location. Empty if it was only predicted.
      returned: if it was made, or would be
      type: str
      sample: clusters/prod-1/backups/before-upgrade/before-upgrade-results.gz
    raw_size:
      description: Bytes of its objects before compression. In check mode a guess.
      returned: if it was made, or would be
      type: int
      sample: 14920331
    kinds:
      description: How many kinds were captured.
      returned: if it was made, or would be
      type: int
      sample: 61
    counts:
      description: Objects of each resource, of the 200 resources with most.
      returned: if it was made, or would be
      type: dict
      sample: {configmaps: 211, deployments.apps: 40}
    consistency:
      description: Resources that were not read at the one revision of the backup, by how they were read.
      returned: if it was made, or would be
      type: dict
      sample: {per-kind: [events]}
    incomplete:
      description: Resources of which something could not be read, and why.
      returned: if it was made, or would be
      type: dict
      sample: {}
    claims_without_data:
      description: How many claims of volumes there are whose data it does not hold.
      returned: if it was made, or would be
      type: int
      sample: 2
    revision:
      description: The revision of the cluster that it shows.
      returned: if it was made, or would be
      type: str
      sample: "616"
    started_over:
      description: Whether the cluster had compacted that revision once, so that the capture began again.
      returned: if it was made, or would be
      type: bool
      sample: false
    seconds:
      description: How long it took.
      returned: if it was made, or would be
      type: float
      sample: 3.2
    rate:
      description: Objects a second.
      returned: if it was made, or would be
      type: float
      sample: 585.6
    requests:
      description: Requests to the cluster.
      returned: if it was made, or would be
      type: int
      sample: 108
run:
  description:
    - What was recorded, as RV(stowage.kubernetes.workspace_run#module:run.clusters[]). If the run had a good record already, this one, and
      RV(backup) is V(null).
  returned: with O(run), also on failure
  type: dict
  sample: {cluster: prod-1, phase: Completed, attempt: 1}
lease:
  description: The lease on the cluster.
  returned: if something was made, or waited for
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
  sample: cluster_forbidden
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Bind the ClusterRole stowage-backup-reader to the account.
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {missing: [{verb: list, group: "", resource: secrets, namespace: "", subresource: ""}]}
deleted:
  description: What was deleted, or would be.
  returned: O(state=absent)
  type: dict
  contains:
    files:
      description: How many files, those of its restores included.
      returned: always
      type: int
      sample: 12
    uploads:
      description: How many uploads that had never ended.
      returned: always
      type: int
      sample: 0
    bytes:
      description: Bytes of the files.
      returned: always
      type: int
      sample: 1380291
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import CLUSTER, LOCATION, SELECTION, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.arguments import BACKUP
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.ensure import ensure_backup
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, CLUSTER, SELECTION, BACKUP), ensure_backup)


if __name__ == "__main__":
    main()
