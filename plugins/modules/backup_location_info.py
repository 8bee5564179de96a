#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Validates and describes a location without changing it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_location_info
short_description: Validate a location of backups
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Looks at everything that backups need of a location, and says what is wrong, why it matters and how to fix it.
  - The checks are made in layers - address, network, TLS, clock, identity, bucket, permissions, integrity, posture, prefix.
    The first layer with a failure is the last that is looked at, but all of it is, so that all missing permissions are
    named at once.
  - Nothing is left behind, also in a bucket with versions or object lock. No object, version or delete marker is made.
    What must be tried is tried by an upload that is aborted. If the task is killed meanwhile, that upload stays, and the
    next run with the same O(cluster) aborts it once it is an hour old. Google drops it by itself after a week.
    With O(location.provider=azure) it is a block of one byte that nobody sees, and that Azure removes a week later.
  - With O(location.provider=azure), settings of the storage account are read of Azure Resource Manager, if the method is one with
    a token and O(location.subscription) is known. It takes C(Microsoft.Storage/storageAccounts/read),
    C(Microsoft.Storage/storageAccounts/blobServices/read),
    C(Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/read) and
    C(Microsoft.Storage/storageAccounts/managementPolicies/read), which backups do not need. Without them less is known.
  - Check mode makes no difference.
options:
  cluster:
    description:
      - A cluster's folder in the location. Permissions are tried, and backups looked at, there.
        Set it when the permissions are limited to one cluster.
      - If not set, permissions are tried for the whole location.
    type: str
  cluster_uid:
    description:
      - The uid of the namespace C(kube-system) of the cluster whose folder O(cluster) is.
        Backups of another cluster in it are then a failure. Needs O(cluster).
    type: str
  access:
    description:
      - What the identity is used for. Permissions for other things are not asked for. Listing is always needed.
      - V(write) is what backups need, V(read) what restores need, and V(delete) what retention needs.
    type: list
    elements: str
    choices: [read, write, delete]
    default: [read, write, delete]
  engine:
    description:
      - What writes the backups.
      - With V(velero), a default retention of the bucket is a warning, for Velero rewrites its files. Folders in O(cluster)
        that Velero does not know and the lack of C(s3:ListMultipartUploadParts) are failures instead of warnings. At Google,
        writing needs C(storage.objects.delete), too.
    type: str
    choices: [stowage, velero]
    default: stowage
  fail_on:
    description:
      - What makes the task fail with the error code V(location_unfit). RV(location) is returned all the same.
      - V(failed) is a failed check, or a permission that remained unknown. V(warning) is a warning, too.
      - Options that make no sense always make it fail.
    type: str
    choices: [never, failed, warning]
    default: never
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
  - module: stowage.kubernetes.backup_info
"""

EXAMPLES = r"""
- name: Look at a location
  stowage.kubernetes.backup_location_info:
    location:
      provider: minio
      endpoint: https://minio.example.com:9000
      bucket: backups
      ca_cert: /etc/ssl/private-ca.pem
  register: looked

- name: Show what is wrong and what to do
  ansible.builtin.debug:
    msg: "{{ looked.location.checks | selectattr('verdict', 'in', ['failed', 'warning']) | map(attribute='fix') }}"

- name: Show the permissions that are missing
  ansible.builtin.debug:
    msg: "{{ looked.location.permissions.missing }}"

- name: Stop unless the writer of one cluster may write its backups, and nothing else is needed of it
  stowage.kubernetes.backup_location_info:
    location:
      provider: aws
      bucket: acme-backups
      prefix: fleet
      region: eu-west-1
      auth:
        method: assume_role
        role_arn: arn:aws:iam::222222222222:role/stowage-writer
    cluster: prod-1
    access: [write]
    fail_on: failed

- name: Look at a bucket that Velero writes to
  stowage.kubernetes.backup_location_info:
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    cluster: prod-1
    engine: velero
"""

RETURN = r"""
location:
  description: What was found.
  returned: success, or if the error code is V(location_unfit)
  type: dict
  contains:
    address:
      description: Bucket and prefix, or the directory.
      returned: always
      type: str
      sample: s3://acme-backups/fleet
    endpoint:
      description: The endpoint that the location names. Empty if it is the provider's own.
      returned: always
      type: str
      sample: ""
    provider:
      description: The provider.
      returned: always
      type: str
      sample: aws
    fit:
      description: Whether nothing failed, every layer was looked at, and no permission remained unknown.
      returned: always
      type: bool
      sample: false
    stopped_at:
      description: The layer with a failure, after which nothing was looked at. Empty if there is none.
      returned: always
      type: str
      sample: permission
    not_reached:
      description: The layers that were not looked at.
      returned: always
      type: list
      elements: str
      sample: [integrity, posture, prefix]
    counts:
      description: How many checks ended with each verdict.
      returned: always
      type: dict
      sample: {passed: 14, failed: 1, warning: 0, unknown: 1, unsupported: 1}
    checks:
      description: The checks, layer by layer.
      returned: always
      type: list
      elements: dict
      contains:
        id:
          description: Its name, the same with each provider.
          returned: always
          type: str
          sample: may_delete
        layer:
          description:
            - V(parse), V(network), V(tls), V(clock), V(identity), V(bucket), V(permission), V(integrity), V(posture) or
              V(prefix).
          returned: always
          type: str
          sample: permission
        verdict:
          description:
            - V(passed), V(failed), V(warning), V(unknown) if it could not be looked at, or V(unsupported) if the store has
              no such thing.
          returned: always
          type: str
          sample: failed
        seen:
          description: What was seen.
          returned: always
          type: str
          sample: s3:DeleteObject is denied.
        why:
          description: Why it matters.
          returned: always
          type: str
          sample: Retention, and sweeping up after captures that were killed.
        fix:
          description: What can be done. Empty if there is nothing to do.
          returned: always
          type: str
          sample: Allow s3:DeleteObject on arn:aws:s3:::acme-backups/fleet/* (and look for an explicit deny).
        error_code:
          description: The code of the error that the store, or the way to it, ends with. Mostly empty unless it failed.
          returned: always
          type: str
          sample: permission_denied
    identity:
      description:
        - Whom the store takes the task for, as far as it tells, by C(access_key), C(account), C(arn) and C(user).
        - At Google, whose credentials they are, by C(email), C(project) and, of a workload identity, C(pool).
        - With O(location.provider=azure), by C(storage_account), C(tenant), C(object_id) and C(client_id), and the kind of a
          SAS by C(sas), which is V(account), V(service) or V(user).
      returned: always
      type: dict
      sample: {access_key: AKIAIOSFODNN7EXAMPLE, account: "222222222222", arn: "arn:aws:sts::222222222222:assumed-role/a/b"}
    permissions:
      description:
        - The provider's names of actions and what they are for, as C(action) and C(resource).
        - Of a SAS for O(location.provider=azure), its fields and what has to be in them, such as C(sp=w).
      returned: always
      type: dict
      contains:
        allowed:
          description: Those that the identity has.
          returned: always
          type: list
          elements: dict
          sample: [{action: "s3:ListBucket", resource: "arn:aws:s3:::acme-backups"}]
        missing:
          description: Those that it lacks.
          returned: always
          type: list
          elements: dict
          sample: [{action: "s3:DeleteObject", resource: "arn:aws:s3:::acme-backups/fleet/*"}]
        unknown:
          description: Those that could not be told.
          returned: always
          type: list
          elements: dict
          sample: []
    settings:
      description:
        - Settings of the bucket, those that could be read, by C(versioning), C(encryption), C(object_lock) and
          C(default_retention). V(none) if it is not set or not known; the check of the same name tells which.
        - At Google, C(encryption) is V(AES256) or V(KMS), C(object_lock) whether single objects can be retained, and
          C(default_retention) V(LOCKED) or V(UNLOCKED) if the bucket has a retention policy.
        - With O(location.provider=azure) also C(legal_hold), C(public_access) and C(soft_delete_days). Where Azure Resource
          Manager may be asked, C(tls_only), C(minimum_tls), C(block_public_access), C(shared_key_access) and C(retention_days),
          too, and C(default_retention) is as at Google.
      returned: always
      type: dict
      sample: {versioning: Enabled, encryption: AES256, object_lock: true, default_retention: null}
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: location_unfit
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Allow s3:DeleteObject on arn:aws:s3:::acme-backups/fleet/* (and look for an explicit deny).
error_details:
  description: Facts about the failure, for programs. With V(location_unfit) the names of the checks, as C(checks).
  returned: if there are any
  type: dict
  sample: {checks: [may_delete], first_error_code: permission_denied}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.validate import validate_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module

ARGUMENTS: ArgumentSpec = {
    "cluster": {"type": "str"},
    "cluster_uid": {"type": "str"},
    "access": {
        "type": "list",
        "elements": "str",
        "choices": ["read", "write", "delete"],
        "default": ["read", "write", "delete"],
    },
    "engine": {"type": "str", "choices": ["stowage", "velero"], "default": "stowage"},
    "fail_on": {"type": "str", "choices": ["never", "failed", "warning"], "default": "never"},
}


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, ARGUMENTS), validate_location)


if __name__ == "__main__":
    main()
