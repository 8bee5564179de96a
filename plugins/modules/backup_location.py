#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensures that the bucket or directory of a location is as backups need it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_location
short_description: Ensure that a location is fit for backups
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Brings the bucket, container or directory of a location into the wanted state - versions, encryption, object lock, no public
    access, TLS only, a rule that ends stale uploads.
  - An option that is not set is not touched. Statements of others in the bucket's policy and rules of others in its lifecycle
    configuration stay as they are. Where those do already what is wanted, nothing is added.
  - What is in the location is never put at risk. No retention gets shorter, versions of a bucket with object lock stay
    enabled, and only an empty bucket or directory is deleted.
  - What the store does not have is said, and makes the task fail before anything is changed unless O(unsupported) says
    otherwise.
  - Tasks for several locations in one bucket should not run at the same time. S3 can only replace policies and lifecycle
    configurations as a whole, and Azure the properties of a Blob service. Google refuses to overwrite what somebody else changed
    meanwhile (by the bucket's metageneration), and Azure so with retention policies (by their ETag). Then it is looked at again.
  - The options have S3's words, whatever the provider. What they mean at Google and Azure, each option says.
  - With O(location.provider=azure) most of them are settings of the storage account, for all of its containers. They belong to
    Azure Resource Manager, which needs a method with a token, O(location.subscription), and a role such as Storage Account
    Contributor. Deleting a container needs a role for data besides, since only the Blob service tells whether it is empty.
    With O(location.auth.method=account_key) and O(location.auth.method=sas) they count as unsupported, and a container can be
    made, but not deleted.
  - With O(location.provider=gcp) the permissions are C(storage.buckets.get) and C(storage.buckets.update), and those to make or
    delete a bucket. Soft delete is left as it is, with both providers.
options:
  state:
    description:
      - V(present) brings the bucket, container or directory into the wanted state.
      - V(absent) deletes the bucket, container or directory of O(location), whatever its prefix, if nothing at all is in it - no
        object, old version, delete marker, snapshot or unfinished upload, and nothing that soft delete could bring back. What
        else is set then makes no sense and is refused. Google does not tell of unfinished uploads, which keep no object.
      - V(absent) fails with S3 stores other than AWS and MinIO, whatever O(location.provider) says. Some (SeaweedFS) delete
        buckets with what is in them, so that nothing would protect a backup that begins at the same moment.
      - MinIO forgets with its restart which uploads are unfinished. One from before it neither shows nor keeps the bucket from
        being deleted, and the capture that writes it then fails.
      - Azure deletes a container with what is in it, too, and knows no condition against that. So the storage account must have
        soft delete of containers, with which one comes back with what began in the last moment, and Azure Resource Manager must
        tell it (C(Microsoft.Storage/storageAccounts/blobServices/read)).
    type: str
    choices: [present, absent]
    default: present
  create_bucket:
    description:
      - Whether to make the bucket, container or directory if it does not exist. The directory gets mode 0700.
      - With O(location.provider=gcp), O(location.region) says where, and O(location.auth.account) in which project; if not set,
        it is that of the credentials, or E(GOOGLE_CLOUD_PROJECT) for a person, who has none. A new bucket has uniform
        bucket-level access and public access prevention, unless O(object_ownership) and O(block_public_access) say otherwise,
        and a label C(stowage-made) by which it is known again if the store's answer is lost.
      - With O(location.provider=azure) the storage account must exist.
    type: bool
    default: false
  object_lock_enabled:
    description:
      - Whether objects can be locked. This needs versions, and cannot be switched off again.
      - Most stores have it only for buckets that are made with it. With O(location.provider=aws) it is switched on for a
        bucket that exists, too, if that has versions.
      - With O(location.provider=gcp), whether single objects can be retained (object retention), of a new bucket.
      - With O(location.provider=azure), whether single versions can be made immutable (version-level immutability), of a new
        container. The account must keep versions.
    type: bool
  object_lock:
    description:
      - The default retention of new objects. It can become longer or stricter, not shorter or less strict.
      - Needs object lock, see O(object_lock_enabled), unless O(location.provider=gcp) or O(location.provider=azure).
      - With O(location.provider=gcp) it is the bucket's retention policy, with O(location.provider=azure) the container's
        time-based retention policy. V(GOVERNANCE) is one that is not locked. V(COMPLIANCE) is one that is locked, which is
        respected and can get longer, but is not made here. Nobody can ever undo that.
      - Velero may fail to finish backups in a bucket with a default retention.
    type: dict
    suboptions:
      mode:
        description:
          - With V(COMPLIANCE) nobody can delete an object before its time, with V(GOVERNANCE) those who may bypass it can.
        type: str
        required: true
        choices: [GOVERNANCE, COMPLIANCE]
      days:
        description:
          - How many days. Either this or O(object_lock.years). A year has 365.25 days at Google and Azure.
        type: int
      years:
        description:
          - How many years.
        type: int
  versioning:
    description:
      - Whether the bucket keeps versions of its objects. V(false) suspends it. Versions that are there stay.
      - With O(location.provider=azure) it is a setting of the account's Blob service.
    type: bool
  encryption:
    description:
      - How new objects are encrypted by default.
    type: dict
    suboptions:
      algorithm:
        description:
          - V(AES256) is with keys of the store (SSE-S3, or Google's or Microsoft's keys), V(aws:kms) with a key of a key
            management service (SSE-KMS, Cloud KMS, or a key in Azure's Key Vault), and V(aws:kms:dsse) the same in two layers,
            which S3 only has.
        type: str
        required: true
        choices: [AES256, "aws:kms", "aws:kms:dsse"]
      kms_key_id:
        description:
          - The key, by its ARN, id or alias. Use the ARN if the key is of another account.
          - If not set, the key that is set already stays. Without one AWS uses its own, which other accounts cannot use. Google
            and Azure need one.
          - With O(location.provider=gcp), C(projects/.../locations/.../keyRings/.../cryptoKeys/...).
          - With O(location.provider=azure), the URL of a key (C(https://....vault.azure.net/keys/...)) for the whole storage
            account, or the name of an encryption scope, which becomes the default of a new container, and which an account key
            can set, too.
        type: str
      bucket_key_enabled:
        description:
          - Whether S3 uses a key of the bucket in between, so that it asks the key management service less often. Other
            providers do not have it.
        type: bool
  block_public_access:
    description:
      - Whether nothing can make the bucket public, neither a policy nor an ACL. These are the four settings of S3's public
        access block. V(false) switches them off.
      - With O(location.provider=gcp) it is public access prevention. With O(location.provider=azure) V(true) makes the container
        private and forbids public access in the storage account, and V(false) allows it in the account.
      - With O(location.provider=filesystem) V(true) takes all access away from the directory's group and from others.
    type: bool
  tls_only:
    description:
      - Whether the bucket's policy denies requests without TLS. The statement has the Sid C(StowageTlsOnly). V(false) removes
        it.
      - A store behind a server that ends TLS sees plain HTTP, and would deny everybody everything. So V(true) counts as
        unsupported unless O(location.provider=aws), or the store says that it is SeaweedFS. Do not set it for a SeaweedFS
        behind such a server.
      - With O(location.provider=azure) the storage account refuses plain HTTP, and with V(true) a TLS before 1.2.
      - With O(location.provider=gcp) it is unsupported. The API that is used here speaks TLS only, and what else Google has is an
        organization's policy (C(storage.secureHttpTransport)), not a bucket's.
    type: bool
  abort_stale_uploads:
    description:
      - After how many days unfinished uploads in the location are dropped, such as V(7d). Choose more than the longest backup
        takes.
      - The lifecycle rule is for the location's prefix, and its ID begins with C(stowage-abort-stale-uploads). V(never) removes it.
      - With O(location.provider=gcp) rules have no ID. A rule is taken for the location's if it aborts multipart uploads by age
        and exactly the location's prefix, and has no other condition. It concerns multipart uploads of the XML API. Those of
        backups are resumable uploads, which end by themselves after a week.
      - With O(location.provider=azure) there is no rule. Azure drops blocks that nobody committed after a week, so that V(7d) and
        more is so already, and all else is unsupported.
    type: str
  object_ownership:
    description:
      - Who owns objects that other accounts write. With V(BucketOwnerEnforced), the bucket's owner does, and ACLs count for
        nothing.
      - With O(location.provider=gcp) V(BucketOwnerEnforced) is uniform bucket-level access, and V(ObjectWriter) is without.
        With O(location.provider=azure) V(BucketOwnerEnforced) is always so.
    type: str
    choices: [BucketOwnerEnforced, BucketOwnerPreferred, ObjectWriter]
  shared_key_access:
    description:
      - Whether the keys of the storage account, and each SAS that is signed with one, let anybody in. Only
        O(location.provider=azure) has such keys.
      - Before setting it to V(false), change all locations in the account that use V(account_key), or a V(sas) that is not of a
        user.
    type: bool
  unsupported:
    description:
      - What to do about options that the store does not have.
      - V(fail) fails with the error code V(unsupported_by_store). V(warn) does the rest, warns, and names them in
        RV(location.unsupported).
    type: str
    choices: [fail, warn]
    default: fail
extends_documentation_fragment:
  - stowage.kubernetes.location
  - stowage.kubernetes.attributes
  - stowage.kubernetes.attributes.group_location
attributes:
  check_mode:
    support: full
    details:
      - Permissions to change something, and what a store says of its abilities only when it is asked to do something (as MinIO
        does of encryption without a key management service), show only in a real run.
  diff_mode:
    support: full
  idempotent:
    support: full
  async:
    support: full
seealso:
  - module: stowage.kubernetes.backup_location_info
"""

EXAMPLES = r"""
- name: Keep the bucket of a location safe
  stowage.kubernetes.backup_location:
    location:
      provider: aws
      bucket: acme-backups
      prefix: fleet
      region: eu-west-1
    versioning: true
    encryption:
      algorithm: aws:kms
      kms_key_id: arn:aws:kms:eu-west-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab
      bucket_key_enabled: true
    block_public_access: true
    tls_only: true
    abort_stale_uploads: 7d
    object_ownership: BucketOwnerEnforced

- name: Make a bucket that nobody can delete backups from within 30 days
  stowage.kubernetes.backup_location:
    location:
      provider: minio
      endpoint: https://minio.example.com:9000
      bucket: backups
      ca_cert: /etc/ssl/private-ca.pem
    create_bucket: true
    object_lock_enabled: true
    object_lock:
      mode: COMPLIANCE
      days: 30

- name: Do what the store can
  stowage.kubernetes.backup_location:
    location:
      provider: minio
      endpoint: https://minio.example.com:9000
      bucket: backups
      ca_cert: /etc/ssl/private-ca.pem
    versioning: true
    tls_only: true
    abort_stale_uploads: 7d
    unsupported: warn

- name: Keep a bucket of Google's safe
  stowage.kubernetes.backup_location:
    location:
      provider: gcp
      bucket: acme-backups
      region: europe-west1
      auth:
        method: service_account_key
        credentials_file: /etc/stowage/admin.json
        account: acme-backups-project
    create_bucket: true
    object_ownership: BucketOwnerEnforced
    block_public_access: true
    encryption:
      algorithm: aws:kms
      kms_key_id: projects/acme-keys/locations/europe-west1/keyRings/backups/cryptoKeys/fleet
    object_lock:
      mode: GOVERNANCE
      days: 14

- name: Keep a container of Azure's safe
  stowage.kubernetes.backup_location:
    location:
      provider: azure
      storage_account: acmebackups
      subscription: 6a7b8c9d-0000-4000-8000-123456789abc
      bucket: fleet
      auth:
        method: service_principal
        tenant: 1f2e3d4c-0000-4000-8000-abcdef123456
        client_id: 0a1b2c3d-0000-4000-8000-fedcba654321
        secret: "{{ lookup('ansible.builtin.env', 'AZURE_ADMIN_SECRET') }}"
    create_bucket: true
    versioning: true
    tls_only: true
    block_public_access: true
    shared_key_access: false

- name: Make a directory that is its owner's alone
  stowage.kubernetes.backup_location:
    location:
      provider: filesystem
      path: /srv/backups
    create_bucket: true
    block_public_access: true

- name: Delete a bucket that is empty
  stowage.kubernetes.backup_location:
    location:
      provider: aws
      bucket: acme-backups-old
      region: eu-west-1
    state: absent
"""

RETURN = r"""
location:
  description: The location, and what was changed. In check mode, what would be.
  returned: success, or if some of it was changed before the task failed
  type: dict
  contains:
    address:
      description: Bucket and prefix, or the directory.
      returned: always
      type: str
      sample: s3://acme-backups/fleet
    provider:
      description: The provider.
      returned: always
      type: str
      sample: aws
    state:
      description: V(present) or V(absent).
      returned: always
      type: str
      sample: present
    changes:
      description: The changes, in the order in which they are made.
      returned: always
      type: list
      elements: dict
      contains:
        setting:
          description: The option, or V(bucket) if the bucket or directory itself was made or deleted.
          returned: always
          type: str
          sample: versioning
        before:
          description:
            - The option's value before. V(none) if it was not set. V(incomplete) if our statement or rule was there and not as it
              should be, or one of several settings was on. A list has those that were on. Of a directory it is the mode. A
              retention policy of Google's that is no whole days is in seconds.
          returned: always
          type: raw
          sample: false
        after:
          description: The option's value afterwards.
          returned: always
          type: raw
          sample: true
    unsupported:
      description: The options that the store does not have.
      returned: always
      type: list
      elements: dict
      contains:
        option:
          description: The option.
          returned: always
          type: str
          sample: block_public_access
        reason:
          description: Why.
          returned: always
          type: str
          sample: The store does not know this setting.
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: unsafe_change
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Leave versioning out, or set it to true. To get rid of object lock, use another bucket.
error_details:
  description:
    - Facts about the failure, for programs. With V(permission_denied) all actions that are missing, as C(actions). With
      V(unsupported_by_store) all options that the store does not have, as C(options).
  returned: if there are any
  type: dict
  sample: {actions: ["s3:PutBucketVersioning", "s3:PutLifecycleConfiguration"]}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.ensure import ensure_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module

ARGUMENTS: ArgumentSpec = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "create_bucket": {"type": "bool", "default": False},
    "object_lock_enabled": {"type": "bool"},
    "object_lock": {
        "type": "dict",
        "options": {
            "mode": {"type": "str", "required": True, "choices": ["GOVERNANCE", "COMPLIANCE"]},
            "days": {"type": "int"},
            "years": {"type": "int"},
        },
    },
    "versioning": {"type": "bool"},
    "encryption": {
        "type": "dict",
        "options": {
            "algorithm": {"type": "str", "required": True, "choices": ["AES256", "aws:kms", "aws:kms:dsse"]},
            "kms_key_id": {"type": "str", "no_log": False},
            "bucket_key_enabled": {"type": "bool", "no_log": False},
        },
    },
    "block_public_access": {"type": "bool"},
    "tls_only": {"type": "bool"},
    "abort_stale_uploads": {"type": "str"},
    "object_ownership": {
        "type": "str",
        "choices": ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"],
    },
    "shared_key_access": {"type": "bool", "no_log": False},
    "unsupported": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
}


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, ARGUMENTS), ensure_location)


if __name__ == "__main__":
    main()
