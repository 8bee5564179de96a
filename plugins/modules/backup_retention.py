#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deletes the backups that no rule keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_retention
short_description: Delete the backups of a Kubernetes cluster that no rule keeps
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Keeps the backups in a cluster's folder that at least one of the rules keeps, and deletes the others. Nothing but the
    location is needed, and no cluster is contacted.
  - Backups of one selection are a series, and the rules are applied to each series for itself. A backup of a few namespaces
    takes no place of one of the whole cluster.
  - Only Completed backups take the places that O(keep_last) and the rules of periods give out. One that is not Completed
    stays while O(keep_within) keeps it, or until a Completed one of its series is newer. The latter does not hold for one without
    any object.
  - The time of a backup is when its capture began.
  - Whatever the rules say, these stay. The last good backup of each series; one that will be needed according to its
    C(expires_in); one that is being made, or that somebody holds by a lease; one of another cluster;
    one whose time is not known or yet to come; and what the store keeps from being deleted.
  - Backups that Velero made are never deleted, since only Velero knows what else hangs on them. They take no places either, since
    Velero may delete them at any time.
  - The permission set V(pruner) of M(stowage.kubernetes.aws_trust) and M(stowage.kubernetes.minio_trust) is all it needs.
  - M(stowage.kubernetes.restore) holds such a lease while it reads a backup, if it may write in the location. Where it may not, and says
    so, do not prune a backup while it is being restored; a O(min_age) of a day keeps what the rules have only just let go.
  - In check mode the result says exactly what would be deleted, except for what the store itself will refuse.
options:
  cluster:
    description:
      - The cluster's folder in the location.
    type: str
    required: true
  cluster_uid:
    description:
      - The uid of the namespace C(kube-system) of the cluster whose backups these are. If not set, it is that of the newest
        Completed backup.
    type: str
  accept_new_identity:
    description:
      - Go on even though the folder holds backups of another cluster as well. These stay.
    type: bool
    default: false
  labels:
    description:
      - Only backups that have all of these labels, such as those of one workspace, are of concern. All others stay, and take no
        places.
    type: dict
  keep_within:
    description:
      - Keep what is younger than this. A duration such as V(36h), V(30d) or V(2w).
    type: str
  keep_last:
    description:
      - Keep that many of the newest backups.
    type: int
  keep_hourly:
    description:
      - Keep the newest backup of each of that many of the newest hours that have any.
    type: int
  keep_daily:
    description:
      - Keep the newest backup of each of that many of the newest days that have any.
    type: int
  keep_weekly:
    description:
      - Keep the newest backup of each of that many of the newest weeks that have any. Weeks begin on Monday (ISO 8601).
    type: int
  keep_monthly:
    description:
      - Keep the newest backup of each of that many of the newest months that have any.
    type: int
  keep_yearly:
    description:
      - Keep the newest backup of each of that many of the newest years that have any.
    type: int
  keep_at_least:
    description:
      - Keep at least that many of the newest Completed backups of each series that this collection made, however old they are.
    type: int
    default: 1
  min_age:
    description:
      - A backup is deleted only when the rules have let go of it for that long. What nobody finished is swept only that long after
        its deadline.
      - It is reckoned from the rules as they are now, so it is no protection from a change of the rules. Use check mode for that.
    type: str
    default: 24h
  time_zone:
    description:
      - Where hours, days, weeks, months and years begin. A name of the IANA database, such as V(Europe/Berlin).
    type: str
    default: UTC
  sweep:
    description:
      - Sweep what belongs to nothing as well. That is what captures left that were never finished and what is left of
        interrupted deletions, both known by a reservation of ours past its deadline, and the reports of restores whose
        backup is gone. So are keys of leases that say nothing any more.
      - Files without a reservation may be another tool's, and stay.
    type: bool
    default: true
  max_deletions:
    description:
      - How many backups are deleted at most, the oldest first. The next run goes on.
    type: int
    default: 500
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
seealso:
  - module: stowage.kubernetes.backup
  - module: stowage.kubernetes.backup_info
"""

EXAMPLES = r"""
- name: Keep a week of days, a month of weeks, a year of months
  stowage.kubernetes.backup_retention:
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    cluster: prod-1
    keep_daily: 7
    keep_weekly: 5
    keep_monthly: 12
    time_zone: Europe/Berlin

- name: See what of a workspace's backups would go, and why the others stay
  stowage.kubernetes.backup_retention:
    location:
      provider: filesystem
      path: /srv/backups
    cluster: prod-1
    labels:
      stowage.io/workspace: shop
    keep_within: 30d
    keep_at_least: 3
  check_mode: true
  diff: true
"""

RETURN = r"""
retention:
  description: What was deleted, or in check mode would be, and why the rest stays.
  returned: success, and if something could not be deleted
  type: dict
  contains:
    cluster:
      description: The cluster's folder.
      returned: always
      type: str
      sample: prod-1
    total:
      description: How many backups there were. At most the newest 500 are in RV(retention.backups).
      returned: always
      type: int
      sample: 25
    backups:
      description:
        - The backups, oldest first, each with its C(name), C(phase), C(started), with C(stays), and with C(reasons), which are empty
          for those that go.
      returned: always
      type: list
      elements: dict
      sample:
        - name: nightly-1
          phase: Completed
          started: "2026-11-25T02:00:04+00:00"
          stays: true
          reasons: [It is the last good one.]
    deleted:
      description: Names of the backups that went, the first 500, oldest first.
      returned: always
      type: list
      elements: str
      sample: [nightly-0]
    deleted_count:
      description: How many went.
      returned: always
      type: int
      sample: 1
    deleted_bytes:
      description: Bytes of their files.
      returned: always
      type: int
      sample: 1380291
    left:
      description: How many are left for the next run because of O(max_deletions).
      returned: always
      type: int
      sample: 0
    swept_captures:
      description: Names of unfinished captures, and of interrupted deletions, whose files went; the first 500.
      returned: always
      type: list
      elements: str
      sample: []
    swept_restores:
      description: Names of restores whose report went because their backup is gone; the first 500.
      returned: always
      type: list
      elements: str
      sample: []
    swept_leases:
      description: How many keys of leases went that said nothing any more.
      returned: always
      type: int
      sample: 12
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: cluster_identity_changed
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Give each cluster a folder of its own.
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.prune import prune_backups

ARGUMENTS: ArgumentSpec = {
    "cluster": {"type": "str", "required": True},
    "cluster_uid": {"type": "str"},
    "accept_new_identity": {"type": "bool", "default": False},
    "labels": {"type": "dict"},
    "keep_within": {"type": "str"},
    "keep_last": {"type": "int"},
    "keep_hourly": {"type": "int"},
    "keep_daily": {"type": "int"},
    "keep_weekly": {"type": "int"},
    "keep_monthly": {"type": "int"},
    "keep_yearly": {"type": "int"},
    "keep_at_least": {"type": "int", "default": 1},
    "min_age": {"type": "str", "default": "24h"},
    "time_zone": {"type": "str", "default": "UTC"},
    "sweep": {"type": "bool", "default": True},
    "max_deletions": {"type": "int", "default": 500},
}


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, ARGUMENTS), prune_backups)


if __name__ == "__main__":
    main()
