#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists the backups in a location, describes one, compares two."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: List, describe and compare the backups of Kubernetes clusters in a location
version_added: 0.1.0
author:
  - Stowage contributors (@stowage)
description:
  - Lists and describes what a location holds. Nothing but the location is needed, and no cluster is contacted.
  - Captures that are in progress or were killed are listed too, with the phases V(InProgress) and V(Abandoned).
    Backups that Velero made are listed with RV(backups[].ours=false).
  - Two backups are compared without reading them in full. The indexes tell which objects have the same bytes, and only the
    others are fetched, or none at all with O(compare_by=bytes). A backup that Velero made, or whose index is damaged, is
    read once in full and kept in a temporary file (mode 0600, without a name) of the size of its objects.
  - A comparison names objects and never shows what is in them. It needs to read the archives all the same, so whoever
    runs it can read every Secret in them.
options:
  cluster:
    description:
      - The cluster's folder in the location. If not set, all folders are looked through.
    type: str
  name:
    description:
      - Name of a single backup, which is then described in more detail. Needs O(cluster).
    type: str
  labels:
    description:
      - Only backups that have all of these labels.
    type: dict
  compare_with:
    description:
      - Name of another backup, mostly an older one, with which O(name) is compared. Needs O(name).
      - The result says what happened on the way from O(compare_with) to O(name). What only O(name) has was added, what
        only O(compare_with) has was removed.
      - Objects are matched by resource, namespace and name, whatever the version of the API that they were captured in.
    type: str
  compare_with_cluster:
    description:
      - The folder of O(compare_with), if it is not that of O(name). So a cluster is compared with the one that it was
        restored from.
    type: str
  compare_by:
    description:
      - What makes an object a changed one.
      - With V(content) it is what people and controllers decide about. Not compared are C(status); the uid,
        C(resourceVersion), C(generation), C(creationTimestamp) and C(managedFields) of the metadata; the uids of owners;
        the C(apiVersion); fields that are null; and the annotation C(control-plane.alpha.kubernetes.io/leader). Events and
        Leases are left out as a whole. An object that was deleted and made again as it was is unchanged. Each object
        whose bytes differ is fetched from both archives; one of more than 8 MiB is then taken for a changed one.
      - With V(bytes) it is any difference of the archived bytes, a newer C(resourceVersion) or C(status) included, and all
        kinds are compared. Only the indexes are read. The bytes of one object in a backup of Velero's and in one of this
        collection's may always differ.
    type: str
    choices: [content, bytes]
    default: content
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
  - module: stowage.kubernetes.backup
  - module: stowage.kubernetes.restore
"""

EXAMPLES = r"""
- name: List all backups of a cluster in a directory
  stowage.kubernetes.backup_info:
    location:
      provider: filesystem
      path: /srv/backups
    cluster: prod-1
  register: found

- name: Show when they were made
  ansible.builtin.debug:
    msg: "{{ found.backups | map(attribute='started') }}"

- name: List the backups of all clusters in a bucket that were labelled as monthly ones
  stowage.kubernetes.backup_info:
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    labels:
      tier: monthly

- name: Describe one backup
  stowage.kubernetes.backup_info:
    location:
      provider: minio
      endpoint: https://minio.example.com:9000
      bucket: backups
    cluster: prod-1
    name: before-upgrade

- name: See what happened since last night
  stowage.kubernetes.backup_info:
    location:
      provider: filesystem
      path: /srv/backups
    cluster: prod-1
    name: after-upgrade
    compare_with: before-upgrade
  register: since

- name: Show how many objects were added, removed and changed, and which Deployments are others now
  ansible.builtin.debug:
    msg:
      - "{{ since.comparison.counts }}"
      - "{{ since.comparison.changed | selectattr('resource', 'equalto', 'deployments.apps') }}"

- name: Compare a cluster with the one that it was restored from
  stowage.kubernetes.backup_info:
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    cluster: spare
    name: drill
    compare_with: nightly
    compare_with_cluster: prod-1
"""

RETURN = r"""
clusters:
  description: The folders that were looked through.
  returned: success
  type: list
  elements: str
  sample: [prod-1, prod-2]
total:
  description: How many backups were found. At most the newest 500 of them are in RV(backups).
  returned: success
  type: int
  sample: 12
by_cluster:
  description: What each cluster has, the first 500, of the backups that have the labels.
  returned: unless O(name) is set
  type: list
  elements: dict
  contains:
    cluster:
      description: The cluster's folder.
      returned: always
      type: str
      sample: prod-1
    total:
      description: How many backups it has.
      returned: always
      type: int
      sample: 12
    completed:
      description: How many of them are V(Completed).
      returned: always
      type: int
      sample: 12
    size:
      description: Bytes of their files, as far as the backups say.
      returned: always
      type: int
      sample: 1380291
    last_good:
      description: The newest that is V(Completed). Empty if there is none.
      returned: always
      type: str
      sample: nightly-1
    last_good_started:
      description: When it was begun (UTC).
      returned: always
      type: str
      sample: "2026-11-25T02:00:04+00:00"
  version_added: 0.2.0
backups:
  description: The backups, oldest first.
  returned: success
  type: list
  elements: dict
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
        - V(Completed), V(PartiallyFailed), or another phase of Velero's.
        - V(InProgress) while it is being captured, V(Abandoned) if that should have ended long ago, V(Incomplete) for files
          that belong to nothing known, V(Damaged) if C(velero-backup.json) makes no sense.
      returned: always
      type: str
      sample: Completed
    started:
      description: When its capture began.
      returned: always
      type: str
      sample: "2026-11-23T02:00:04+00:00"
    completed:
      description: When it was complete.
      returned: always
      type: str
      sample: "2026-11-23T02:00:09+00:00"
    expires_at:
      description: When it is no longer needed.
      returned: always
      type: str
      sample: "2026-12-23T02:00:04+00:00"
    ours:
      description: Whether this collection made it, not Velero.
      returned: always
      type: bool
      sample: true
    capture_id:
      description: What tells it from any other backup of the same name.
      returned: always
      type: str
      sample: 4be1aa2cbd6d2a0cd0b0ba0d4a1f3a77
    cluster_uid:
      description: The uid of the namespace C(kube-system) of its cluster. Empty if Velero made it.
      returned: always
      type: str
      sample: 5a6e7e66-8f0e-4d4d-9d2f-0a6a6f8f3d19
    fingerprint:
      description: Backups of the same selection have the same.
      returned: always
      type: str
      sample: 0a61b6a7f0cb0f3a2d4f3a2b1f7d3c8a5c8f3b7e3f2d1a0b9c8d7e6f5a4b3c2d
    filters:
      description: Its selection in short, in Velero's words. Empty if it is everything.
      returned: always
      type: str
      sample: "includedNamespaces: shop"
    labels:
      description: Its labels.
      returned: always
      type: dict
      sample: {tier: monthly}
    objects:
      description: How many objects it holds.
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
      sample: 0
    error_count:
      description: How many errors there were.
      returned: always
      type: int
      sample: 0
    format_version:
      description: Version of Velero's archive format.
      returned: always
      type: str
      sample: 1.1.0
    message:
      description: What is wrong or unusual about it.
      returned: always
      type: str
      sample: ""
    server_version:
      description: Version of the cluster.
      returned: if O(name) is set and this collection made it
      type: str
      sample: v1.35.4
    selection:
      description: The selection in normal form.
      returned: if O(name) is set and this collection made it
      type: dict
      sample: {included_namespaces: [shop]}
    kinds:
      description: How each kind was captured.
      returned: if O(name) is set and this collection made it
      type: list
      elements: dict
      sample:
        - {resource: deployments.apps, version: v1, count: 12, consistency: pinned, complete: true, reason: ""}
    groups_failed:
      description: API groups that could not be seen.
      returned: if O(name) is set and this collection made it
      type: list
      elements: dict
      sample: []
    claims_without_data:
      description: Claims of volumes whose data is not in it, the first 100.
      returned: if O(name) is set and this collection made it
      type: list
      elements: str
      sample: [shop/redis-data]
    claims_without_data_count:
      description: How many claims there are whose data is not in it.
      returned: if O(name) is set and this collection made it
      type: int
      sample: 1
    long_names:
      description: Objects that Velero cannot restore because their names are too long for a file, the first 100.
      returned: if O(name) is set and this collection made it
      type: list
      elements: str
      sample: []
    files:
      description: Its files and their bytes.
      returned: if O(name) is set and this collection made it
      type: dict
      sample: {before-upgrade.tar.gz: 1337012}
    raw_bytes:
      description: Bytes of its objects before compression.
      returned: if O(name) is set and this collection made it
      type: int
      sample: 14920331
    tools:
      description: Versions of what made it.
      returned: if O(name) is set and this collection made it
      type: dict
      sample: {python: 3.13.0}
    timings:
      description: Seconds of each step.
      returned: if O(name) is set and this collection made it
      type: dict
      sample: {capture: 3.2}
comparison:
  description: How O(name) differs from O(compare_with).
  returned: if O(compare_with) is set
  type: dict
  contains:
    name:
      description: The backup that was compared.
      returned: always
      type: str
      sample: after-upgrade
    cluster:
      description: Its cluster's folder.
      returned: always
      type: str
      sample: prod-1
    compare_with:
      description: The backup that it was compared with.
      returned: always
      type: str
      sample: before-upgrade
    compare_with_cluster:
      description: The cluster's folder of that one.
      returned: always
      type: str
      sample: prod-1
    compare_by:
      description: What makes an object a changed one.
      returned: always
      type: str
      sample: content
    equal:
      description: Whether nothing was added, removed or changed.
      returned: always
      type: bool
      sample: false
    counts:
      description:
        - How many objects only O(name) has (C(added)), only O(compare_with) has (C(removed)), both have but not alike
          (C(changed)), and both have alike (C(unchanged)).
      returned: always
      type: dict
      sample: {added: 2, removed: 1, changed: 3, unchanged: 1868}
    kinds:
      description:
        - The same for each kind, and the versions in which the two backups have it, empty where one has none of it. If
          there are more than 500 kinds, those that do not differ give way.
      returned: always
      type: list
      elements: dict
      sample:
        - resource: deployments.apps
          version: v1
          compare_with_version: v1
          added: 1
          removed: 0
          changed: 3
          unchanged: 8
    added:
      description: The first 100 objects that only O(name) has. The namespace of cluster-scoped ones is empty.
      returned: always
      type: list
      elements: dict
      sample:
        - {resource: configmaps, namespace: shop, name: prices}
        - {resource: deployments.apps, namespace: shop, name: prices}
    removed:
      description: The first 100 objects that only O(compare_with) has.
      returned: always
      type: list
      elements: dict
      sample:
        - {resource: clusterroles.rbac.authorization.k8s.io, namespace: "", name: old-operator}
    changed:
      description: The first 100 objects that both have, but not alike.
      returned: always
      type: list
      elements: dict
      sample:
        - {resource: deployments.apps, namespace: shop, name: cart}
    left_out:
      description: Kinds that are there but were not compared, because they differ between any two instants.
      returned: always
      type: list
      elements: str
      sample: [events, leases.coordination.k8s.io]
    notes:
      description:
        - What should be known of the comparison. That more objects differ than are listed, that the backups are of
          different clusters or selections, that one may lack objects, that an archive had to be read in full.
      returned: always
      type: list
      elements: str
      sample: [Only the first 100 of 250 added objects are listed.]
    bytes_read:
      description: Bytes of both archives that were read.
      returned: always
      type: int
      sample: 120310
    index_bytes_read:
      description: Bytes of both indexes that were read.
      returned: always
      type: int
      sample: 152004
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: bucket_not_found
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Create the bucket, or correct its name.
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect.info import describe_backups
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module

ARGUMENTS: ArgumentSpec = {
    "cluster": {"type": "str"},
    "name": {"type": "str"},
    "labels": {"type": "dict"},
    "compare_with": {"type": "str"},
    "compare_with_cluster": {"type": "str"},
    "compare_by": {"type": "str", "choices": ["content", "bytes"], "default": "content"},
}


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, ARGUMENTS), describe_backups)


if __name__ == "__main__":
    main()
