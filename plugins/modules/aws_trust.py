#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensures that somebody in another AWS account may use a location, and proves it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_trust
short_description: Ensure that a location in one AWS account can be used from another, and by nobody else
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes a role in the account of the bucket, with one permission set below the location's prefix, that named principals or service
    accounts of clusters may take over; and, if asked to, the permission to do so in the other account.
  - Then proves it. Who is trusted gets a session and can do with it what it is for, and is refused elsewhere - in the folders of other
    clusters, outside of the prefix, and for what the permission set does not have. Without the external
    id, with another one, and as somebody else the role cannot be taken over. Nobody gets in without credentials. All requests of
    the proof are harmless, also where they are allowed.
  - The role is known as ours by its tag C(stowage-trust), which names the bucket. Statements of others in its trust policy, and policies of others in it,
    are kept and shown.
options:
  state:
    description:
      - V(absent) deletes the role and the permission to take it over, if nobody has put anything else into the role. A provider of web
        identities that was made for it, as its tag C(stowage-trust) says, goes with the last role that names it.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Name of the role. With O(method=bucket_policy) there is none, and the name still tells what is this trust's at keys, and in
        O(cluster_account.role) or O(cluster_account.user), from what is others'.
      - A name is for one bucket. If a role of this name is there for another bucket or without the tag C(stowage-trust), or the permission in
        the other account names another bucket, the task fails and changes nothing, with either O(method), and also with O(state=absent).
        Where no role and no permission of the other trust can be seen, that is not noticed, so choose names that no other trust has.
    type: str
    required: true
  method:
    description:
      - How principals get in.
      - With V(role), they take a role over in the account of the bucket. With V(bucket_policy), the policy of the bucket has the permission
        set for them, for tools that cannot take a role over; there is no external id then, and no session that ends. The object
        ownership of the bucket must be C(BucketOwnerEnforced), for what they write would be theirs otherwise.
      - A role that was made for the same trust goes when V(bucket_policy) is chosen, and the statements go when V(role) is.
    type: str
    choices: [role, bucket_policy]
    default: role
  principals:
    description:
      - Who may take the role over, or is named in the bucket's policy, as ARNs of roles and users, or as numbers of
        accounts. An account means all of it that has the permission there, unless O(principal_arns) narrows it.
    type: list
    elements: str
  principal_arns:
    description:
      - The roles and users of the accounts in O(principals) that are meant, as C(aws:PrincipalArn) has them.
    type: list
    elements: str
  organization:
    description:
      - The organisation that principals must be in, such as V(o-a1b2c3d4e5).
    type: str
  external_id:
    description:
      - What principals have to say when they take the role over.
      - V(auto) keeps the one that is there, and makes one if there is none. An empty one asks for none, which is not safe where a
        third party takes roles over for several customers.
    type: str
    default: auto
  service_accounts:
    description:
      - Service accounts of clusters that may take the role over by their tokens. The provider of web identities for each issuer
        is made in the account of the role, where STS looks for it. The names must be exact.
    type: list
    elements: dict
    suboptions:
      issuer:
        description:
          - The issuer of the cluster's tokens, an https:// URL that AWS can reach.
        type: str
        required: true
      namespace:
        description:
          - The namespace.
        type: str
        required: true
      name:
        description:
          - The service account.
        type: str
        required: true
  pod_identities:
    description:
      - Service accounts of EKS clusters in O(cluster_account) whose pods get the role by EKS Pod Identity.
      - EKS takes over the role O(cluster_account.role) for them, which is made if it is not there, and with it this one. Both are narrowed to
        the cluster, the namespace and the service account by the tags that EKS gives to sessions, the first also to the account
        and cluster that EKS acts for. The association in the cluster is made, too. The cluster needs the add-on
        C(eks-pod-identity-agent).
      - One that is not listed any more loses the role; its association stays without effect, until it is removed with O(state=absent).
    type: list
    elements: dict
    suboptions:
      cluster:
        description:
          - Name of the EKS cluster.
        type: str
        required: true
      region:
        description:
          - Its region, if it is not that of the location.
        type: str
      namespace:
        description:
          - The namespace.
        type: str
        required: true
      name:
        description:
          - The service account.
        type: str
        required: true
  guard_rails:
    description:
      - Statements in the policy of the bucket that only deny, whatever else allows it, and whoever asks.
      - They belong to this trust, and go with it. One trust of a bucket with them is enough.
    type: dict
    suboptions:
      tls_only:
        description:
          - Nobody may do anything without TLS.
        type: bool
        default: false
      organization:
        description:
          - Nobody of another organisation than this one may do anything, such as V(o-a1b2c3d4e5). Principals of the bucket's own account, and
            AWS's services, are not meant.
        type: str
      keep_versions:
        description:
          - Nobody may delete versions of objects. Lifecycle rules still may.
        type: bool
        default: false
      version_deleters:
        description:
          - ARNs of roles and users who may all the same.
        type: list
        elements: str
  kms_key_arn:
    description:
      - The key that the bucket is encrypted with, if it is one of your own. The role is allowed to use it through S3. The key's own policy
        has to allow that as well, see O(key_policy) and O(key_grant).
      - Where another key was named before, or one is not named any more, what this trust has at the old one goes first, its grants and its
        statement in that key's policy. Which key that was is read from the permissions of the role, or with O(method=bucket_policy) from
        those of O(cluster_account.role) or O(cluster_account.user). If these are somebody else's to write, the old key cannot be known.
        Run the task once with the old key and without O(key_grant) and O(key_policy) then, before another is named.
      - What was written stays encrypted with the key of then, also where the bucket gets another one. Where a key is not named any more, backups
        that are encrypted with it can no longer be read through this trust, of which the task warns, in check mode as well. Re-encrypt them
        first, or keep a second trust, of another O(name), with the old key.
    type: str
  key_policy:
    description:
      - Whether the policy of the key gets a statement that lets the role, or O(principals) with O(method=bucket_policy), use it through S3.
        Needed if the policy does not leave it to IAM policies, and always with O(method=bucket_policy).
      - The key must be in the account of O(location_account).
    type: bool
    default: false
  key_grant:
    description:
      - Whether the key gets a grant for the role, or one for each of O(principals) with O(method=bucket_policy), in place of a statement in its
        policy (O(key_policy)), for keys whose policy is not to be changed. With O(method=bucket_policy) they must be roles and users.
      - Grants know nothing of S3, so permissions deny the use of the key outside of it. The role denies that for all keys, also without this
        option, so that a grant that nobody knows of any more is held, too. With O(method=bucket_policy) the permissions of
        O(cluster_account.role) or O(cluster_account.user) deny it for this key, for they may need others; or they are somebody else's to write.
        The task warns of each of O(principals) that is not that role or user, for their grants may reach outside S3. A trust of its own for each,
        with an O(cluster_account) of its own, avoids that, and so does O(key_policy), which needs no denial.
      - A grant is made after the denial is there, and revoked before permissions change. KMS may take some minutes until a grant that was revoked
        has no effect anywhere. A grant cannot be changed. Where another is needed, it is made before the old one is revoked.
      - If permissions say that there are grants, and these cannot be listed or revoked, the task fails and changes nothing more. Where grants
        cannot be listed and none is expected, it warns.
      - What cannot be found are grants of a former key if its name is in no permissions any more, since somebody else deleted or changed these, or
        since they are somebody else's to write. C(aws kms list-grants) for that key shows them, by the name that RV(trust.documents) has for
        those that are wanted, and C(aws kms revoke-grant) takes them back.
      - The key must be in the account of O(location_account), whose credentials need C(kms:CreateGrant), C(kms:ListGrants) and
        C(kms:RevokeGrant).
    type: bool
    default: false
  max_session_duration:
    description:
      - The longest session, in seconds. A role that is taken over from another role's session gets one hour at most.
    type: int
    default: 3600
  permissions_boundary:
    description:
      - ARN of a policy that bounds what the role may do.
    type: str
  tags:
    description:
      - More tags of the role.
    type: dict
  location_account:
    description:
      - The account that has the bucket, and credentials there. The C(auth) of O(location) is not used.
    type: dict
    required: true
    suboptions:
      account:
        description:
          - The number of the account. It is compared with that of the credentials before anything is changed.
        type: str
        required: true
      auth:
        description:
          - As the C(auth) of a location of provider V(aws). If not set, the default chain is used.
        type: dict
  cluster_account:
    description:
      - The account of who takes the role over, with credentials there that never come from the environment.
      - With O(cluster_account.role) or O(cluster_account.user) it gets the permission to take the role over, or with O(method=bucket_policy)
        the permission set. The credentials must be those of somebody who may change IAM there then.
      - Unless O(controller_account) has credentials, the proof is made with these, too. Who administers IAM is rarely who is trusted, so
        set O(controller_account) in earnest.
    type: dict
    suboptions:
      account:
        description:
          - The number of the account. It is compared with that of the credentials before anything is changed.
        type: str
        required: true
      auth:
        description:
          - As the C(auth) of a location of provider V(aws), with C(method) V(access_key) or V(assume_role).
        type: dict
      role:
        description:
          - Name of the role in this account that takes the other one over. With O(pod_identities), that which pods have first.
        type: str
      user:
        description:
          - Name of the user in this account who takes the role over.
        type: str
      control_role_arn:
        description:
          - With O(pod_identities), a role that these credentials may take over. With it the line C(pod_tags_by_hand_refused) shows that they are not
            let in as a pod is; without it the line is V(unknown), as with O(verify_as).
        type: str
  controller_account:
    description:
      - The account of who is trusted, with credentials of one of O(principals), which the proof is made with. They never come from the
        environment, and need no permission but to take the role over.
      - With O(pod_identities) only EKS gets into the role that pods have first. If the credentials are a session of that role all the same, what
        pods can do is tried with it; without one, those lines are unknown.
    type: dict
    suboptions:
      account:
        description:
          - The number of the account. It is compared with that of the credentials.
        type: str
        required: true
      auth:
        description:
          - As the C(auth) of a location of provider V(aws), with C(method) V(access_key) or V(assume_role).
        type: dict
  secret_path:
    description:
      - The file that keeps an access key of O(cluster_account.user) and its secret, as JSON with C(access_key) and C(secret_key), of mode 0600.
        If it is not there, or its key is disabled, a new key is made. Not set, keys are somebody else's to make.
      - The proof is made with the key, and O(controller_account) has no credentials then. O(cluster_account.auth) are those of somebody who may
        manage the user's keys.
      - A user belongs to one such trust. Which of its two keys are ours is in its tag C(stowage-trust-keys); one that is in the file
        already counts as ours. O(state=absent) deletes them, and the file.
    type: path
  rotate:
    description:
      - Replaces the key of O(secret_path). The old one is disabled as soon as the new one is proven, and deleted by the next run. Without
        O(verify) it stays.
    type: bool
    default: false
  iam_endpoint:
    description:
      - The endpoint of IAM, if it is not AWS's own.
    type: str
  eks_endpoint:
    description:
      - The endpoint of EKS, if it is not AWS's own.
    type: str
  kms_endpoint:
    description:
      - The endpoint of KMS, if it is not AWS's own.
    type: str
  http_endpoint:
    description:
      - Where the store answers plain HTTP, to try that it refuses it. Known for AWS's own endpoints.
      - What is sent there is signed with a session of 15 minutes that may only read one key with a random name.
    type: str
  sts_endpoint:
    description:
      - The endpoint of STS that the proof uses, if it is not AWS's own.
    type: str
  verify_as:
    description:
      - Others who must be refused, even though they know the external id. With O(method=bucket_policy) or O(guard_rails.organization)
        they also try to list and to write.
      - That they are refused counts only if their own account lets them come, which O(verify_as[].control_role_arn) and
        O(verify_as[].control_bucket) show just before and again after. Somebody of another account needs them. Without them the lines are
        V(unknown), or V(failed) if they get in. That AWS knows their keys is not enough, since a policy of their own account, or one of its
        organisation, may be what refuses them, and AWS does not tell another account which it was. Within the role's account it does, and no
        role is needed for what it says to be the role's trust policy.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Names the lines of the proof.
        type: str
        required: true
      access_key:
        description:
          - The access key.
        type: str
        required: true
      secret_key:
        description:
          - The secret key.
        type: str
        required: true
      session_token:
        description:
          - The token of a session.
        type: str
      control_role_arn:
        description:
          - A role that this one may take over, with a permission that would be good for the role of the trust, too, such as C(sts:AssumeRole) for
            all roles. Needed for the line C(as_NAME_assume_refused) to pass, if this one is of another account than the role.
        type: str
      control_bucket:
        description:
          - A bucket that this one may list and write, in the same region, with a permission that would be good for the location's bucket, too,
            such as C(s3:ListBucket) and C(s3:PutObject) of all buckets. Needed for the lines C(as_NAME_list_refused) and
            C(as_NAME_create_refused) to pass, each of which needs its own of the two.
          - What is tried at the location is tried there just before and again after, with names as at the location. It leaves nothing.
            Writing is a part of an upload that does not exist. If AWS says that this one's own account refused it at the location, the line is
            V(unknown).
        type: str
  verify_tokens:
    description:
      - Files with tokens of service accounts, as the cluster's TokenRequest API issues them, to be tried.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Names the line of the proof.
        type: str
        required: true
      path:
        description:
          - The file.
        type: path
        required: true
      expected:
        description:
          - Whether it gets a session.
        type: str
        required: true
        choices: [allowed, refused]
extends_documentation_fragment:
  - stowage.kubernetes.location
  - stowage.kubernetes.trust
  - stowage.kubernetes.attributes
  - stowage.kubernetes.attributes.group_location
attributes:
  check_mode:
    support: full
    details:
      - An external id that is yet to be made shows as a placeholder.
  diff_mode:
    support: full
  idempotent:
    support: full
  async:
    support: full
seealso:
  - module: stowage.kubernetes.backup_location_info
  - module: stowage.kubernetes.minio_trust
"""

EXAMPLES = r"""
- name: Let the clusters' account write the backups of prod-1 into another account
  stowage.kubernetes.aws_trust:
    name: stowage-prod-1-writer
    location:
      provider: aws
      bucket: acme-backups
      prefix: fleet
      region: eu-west-1
    clusters: [prod-1]
    permissions: writer
    principals: [arn:aws:iam::111111111111:role/stowage-controller]
    location_account:
      account: "222222222222"
    cluster_account:
      account: "111111111111"
      role: stowage-controller
      auth:
        method: access_key
        access_key: "{{ lookup('ansible.builtin.env', 'CLUSTER_AWS_ACCESS_KEY_ID') }}"
        secret_key: "{{ lookup('ansible.builtin.env', 'CLUSTER_AWS_SECRET_ACCESS_KEY') }}"

- name: Let a service account of an EKS cluster do the same, without any key
  stowage.kubernetes.aws_trust:
    name: stowage-prod-1-pod
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    clusters: [prod-1]
    service_accounts:
      - issuer: https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E
        namespace: stowage
        name: backup
    location_account:
      account: "222222222222"

- name: Let the pods of a service account do it by EKS Pod Identity
  stowage.kubernetes.aws_trust:
    name: stowage-prod-1-eks
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    clusters: [prod-1]
    pod_identities:
      - {cluster: prod-1, namespace: stowage, name: backup}
    location_account:
      account: "222222222222"
    cluster_account:
      account: "111111111111"
      role: stowage-pods
      auth:
        method: access_key
        access_key: "{{ lookup('ansible.builtin.env', 'CLUSTER_AWS_ACCESS_KEY_ID') }}"
        secret_key: "{{ lookup('ansible.builtin.env', 'CLUSTER_AWS_SECRET_ACCESS_KEY') }}"

- name: Let a user of another account in by the bucket's policy, deny everybody else more, and let the key be used
  stowage.kubernetes.aws_trust:
    name: stowage-edge-writer
    method: bucket_policy
    location:
      provider: aws
      bucket: acme-backups
      region: eu-west-1
    clusters: [edge-1]
    principals: [arn:aws:iam::111111111111:user/edge-1]
    guard_rails:
      tls_only: true
      organization: o-a1b2c3d4e5
      keep_versions: true
    kms_key_arn: arn:aws:kms:eu-west-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab
    key_policy: true
    location_account:
      account: "222222222222"
"""

RETURN = r"""
trust:
  description: What was done, and whether it is proven.
  returned: success, and if the proof failed
  type: dict
  contains:
    name:
      description: Name of the role.
      returned: always
      type: str
      sample: stowage-prod-1-writer
    state:
      description: Whether it is to be there.
      returned: always
      type: str
      sample: present
    changes:
      description: What was made, changed or deleted; in check mode, what would be. Of each its kind, its name, and how it was and is.
      returned: always
      type: list
      elements: dict
      sample:
        - {what: max_session_duration, name: stowage-prod-1-writer, before: 3600, after: 7200}
    checks:
      description:
        - The lines of the proof. C(verdict) is V(passed), V(failed), or V(unknown) if it could not be decided. What would decide it is in C(seen).
        - With O(kms_key_arn), C(key_through_s3_allowed) is V(unknown) for permission sets that create nothing, since only an object that is there
          could be read. C(key_outside_s3_refused) and C(key_decrypt_outside_s3_refused) ask KMS whether a key of data would be made, and whether a
          text would be decrypted. The text is encrypted by O(location_account), which needs C(kms:Encrypt) of the key for it. Without that
          permission the latter line still passes where KMS says that it refuses, and is V(unknown) where KMS only says that there is nothing to
          decrypt, which it tells whoever may.
        - Those about the permission set are C(list_allowed), C(read_refused) and the like in its own folders, C(document_delete_refused) and
          C(document_create_refused) for the document by which a backup exists, C(other_cluster_read_refused) and more for archives,
          documents, metadata, restores and records of other clusters, and C(outside_prefix_list_refused), C(outside_prefix_read_refused),
          C(outside_prefix_create_refused) and C(outside_prefix_delete_refused) beside the location's prefix.
        - With O(method=bucket_policy), AWS does not say whether what is read elsewhere is missing or refused. It is tried with objects that
          O(location_account) sees there, of which nothing is sent, and V(unknown) if there are none.
      returned: always
      type: list
      elements: dict
      sample:
        - id: assume_without_external_id_refused
          expected: refused
          verdict: passed
          what: sts:AssumeRole without an external id
          seen: It was refused (AccessDenied).
          fix: ""
    auth:
      description:
        - What belongs into C(auth) of a location that uses the trust, beside the credentials of who takes the role over. With O(secret_path) the
          id of the access key is among it, and its secret is in the file.
      returned: if O(state=present) and O(render_only) is not set
      type: dict
      sample: {method: assume_role, role_arn: "arn:aws:iam::222222222222:role/stowage-prod-1-writer", external_id: acme-7f3c}
    foreign:
      description:
        - Statements and policies of others in the role, and in the policies of the bucket and of its key if there are statements of ours. They
          were left as they are.
      returned: if O(state=present) and O(render_only) is not set
      type: list
      elements: str
      sample: []
    documents:
      description: The trust policy, the permissions, what the other side needs, our statements in policies of others, and grants of the key.
      returned: if O(state=present)
      type: dict
      sample: {assume_permission: {Version: "2012-10-17", Statement: []}}
    secret_path:
      description: The file that keeps the access key, empty without O(secret_path).
      returned: if O(state=present) and O(render_only) is not set
      type: str
      sample: ""
    review:
      description: What somebody else is asked to do, as Markdown.
      returned: if O(render_only) is set
      type: str
      sample: "# Trust stowage-prod-1-writer at AWS"
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: trust_not_proven
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Look for a statement in the role's trust policy that lets others in, or leaves the external id out.
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {checks: [assume_without_external_id_refused]}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_arguments import ARGUMENTS
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_task import ensure_aws_trust
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import ARGUMENTS as TRUST

SPEC: ArgumentSpec = merge(LOCATION, TRUST, ARGUMENTS)


def main() -> None:
    """Run the module."""
    run_module(SPEC, ensure_aws_trust)


if __name__ == "__main__":
    main()
