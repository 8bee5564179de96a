#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensures that a service account may use a location at Google, who may act as it, and proves both."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_trust
short_description: Ensure that somebody may use a location in Google Cloud Storage, and nobody more
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Gives a service account one permission set in the folders of some clusters, by conditional bindings of the bucket, and says
    who may act as the account - service accounts of GKE, service accounts of any other cluster by federation, or identities that
    may impersonate it.
  - There are no keys. Neither JSON keys nor HMAC keys are made, and the proof fails while the account has any.
  - Then proves it. The account can do what it is for, and is refused elsewhere - in the folder of another cluster, outside of the
    prefix, and for what the permission set does not have. Other service accounts of the cluster, other namespaces and other
    audiences do not become the account, and nobody gets in without a token. All requests of the proof are harmless, also where
    they are allowed.
  - What others have set up is kept, and shown in RV(trust.foreign).
  - It is for at most 10 O(clusters), since Google allows no more bindings of a role with conditions.
options:
  state:
    description:
      - V(absent) deletes what the trust made, if nobody else depends on it. Leave the other options as they were, for they say
        who was allowed to act as a given account.
      - Google keeps the names of deleted identity pools and roles for 30 and 7 days. The module takes its own back.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Name of the trust, of the service account, and of the identity pool and its provider. 6 to 30 characters.
    type: str
    required: true
  location_account:
    description:
      - Who owns the bucket, and makes what is made.
      - It needs C(roles/storage.admin) on the bucket, and in the project C(roles/iam.serviceAccountAdmin), C(roles/browser), and
        C(roles/iam.roleAdmin) with O(custom_role), C(roles/iam.workloadIdentityPoolAdmin) with O(federation).
    type: dict
    required: true
    suboptions:
      account:
        description:
          - The id of the project that the bucket is of, and the credentials too. Nothing is written if they are of another.
        type: str
        required: true
      auth: &auth
        description:
          - How to log in, with the options of a location's O(location.auth).
          - Application default credentials are used if it is not set.
        type: dict
        suboptions:
          method:
            description:
              - The kind of credentials.
            type: str
            required: true
            choices: [default_chain, service_account_key, impersonation, workload_identity]
          credentials_file:
            description:
              - A file with a credentials document of Google's.
            type: path
          credentials_json:
            description:
              - The document itself, as a dictionary or text.
            type: raw
          service_account:
            description:
              - The account to act as, with V(impersonation).
            type: str
          delegates:
            description:
              - Accounts in between, with V(impersonation).
            type: list
            elements: str
          duration:
            description:
              - How long tokens live, in seconds.
            type: str
  cluster_account:
    description:
      - Who owns the account of O(service_account), if that is of another project. It does not use the environment.
    type: dict
    suboptions:
      account:
        description:
          - The id of its project. Nothing is written if the credentials are of another.
        type: str
        required: true
      auth: *auth
  controller_account:
    description:
      - Somebody who may act as the account, and does for the proof. It does not use the environment.
      - Not needed with O(federation) and access to the cluster.
    type: dict
    suboptions:
      account:
        description:
          - The id of its project.
        type: str
        required: true
      auth: *auth
  service_account:
    description:
      - The address of a service account that is there already. It gets permissions, and is not deleted.
      - If not set, an account O(name) is made in the project of O(location_account).
    type: str
  custom_role:
    description:
      - Whether custom roles with one permission each are made in the project of O(location_account), instead of using the
        predefined C(storage.objectViewer) and C(storage.objectCreator). With O(permissions=pruner) they are needed.
    type: bool
    default: false
  gke_subjects:
    description:
      - Service accounts of GKE clusters that may act as the account.
      - Google takes the same account in the same namespace of all clusters of a project for one.
    type: list
    elements: dict
    suboptions:
      project:
        description:
          - The id of the project that the clusters are of.
        type: str
        required: true
      subject:
        description:
          - C(namespace/account).
        type: str
        required: true
  federation:
    description:
      - Lets service accounts of a cluster anywhere act as the account, by tokens that the cluster signs.
      - Makes an identity pool O(name) with one provider, which takes tokens of this issuer, for these audiences, and of these
        subjects only. Each subject is bound by itself, never the pool.
    type: dict
    suboptions:
      issuer:
        description:
          - The C(iss) of the cluster's tokens.
        type: str
        required: true
      jwks:
        description:
          - What the cluster answers at C(/openid/v1/jwks), for issuers that Google cannot reach.
        type: raw
      audiences:
        description:
          - For whom tokens must be made. The first is used for the proof.
        type: list
        elements: str
        required: true
      subjects:
        description:
          - Who may come, each as C(namespace/account). There are no wildcards.
        type: list
        elements: str
        required: true
  impersonators:
    description:
      - Who may impersonate the account (C(roles/iam.serviceAccountTokenCreator), on the account only).
      - Each is one identity, as C(serviceAccount:), C(user:), C(group:) or C(principal://).
    type: list
    elements: str
  exclusive:
    description:
      - Whether others lose the roles by which they may act as the account. They are only shown otherwise.
    type: bool
    default: false
  token_file:
    description:
      - Where the cluster mounts the token, for RV(trust.auth) with O(federation).
    type: str
    default: /var/run/secrets/stowage/token
  api_endpoint:
    description:
      - Where IAM, Resource Manager and the token services are, if not at Google. The credentials of the environment are not sent
        there.
    type: str
  verify_as:
    description:
      - Others who must be refused, such as the writer of another cluster. They must not become the account either.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Names the lines of the proof.
        type: str
        required: true
      auth: *auth
extends_documentation_fragment:
  - stowage.kubernetes.location
  - stowage.kubernetes.trust
  - stowage.kubernetes.cluster
  - stowage.kubernetes.attributes
  - stowage.kubernetes.attributes.group_location
  - stowage.kubernetes.attributes.group_cluster
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  async:
    support: full
notes:
  - Access to a cluster is optional. With it, and O(federation), the cluster's own tokens are tried. It is only used if one of
    O(kubeconfig), O(context), O(host) and O(api_key) is set.
seealso:
  - module: stowage.kubernetes.backup_location_info
"""

EXAMPLES = r"""
- name: Let a cluster anywhere write its backups, and nothing else
  stowage.kubernetes.gcp_trust:
    name: stowage-prod-1-writer
    location:
      provider: gcp
      bucket: example-backups
      prefix: fleet
    clusters: [prod-1]
    permissions: writer
    location_account:
      account: example-backup-project
    federation:
      issuer: https://oidc.example.com/prod-1
      audiences: [https://oidc.example.com/prod-1/google]
      subjects: [stowage/backup]
    kubeconfig: /etc/stowage/prod-1.kubeconfig
  register: made

- name: Let a service account of GKE in another project read them
  stowage.kubernetes.gcp_trust:
    name: stowage-prod-1-reader
    location:
      provider: gcp
      bucket: example-backups
      prefix: fleet
    clusters: [prod-1]
    permissions: reader
    location_account:
      account: example-backup-project
    gke_subjects:
      - project: example-cluster-project
        subject: stowage/restore
    impersonators:
      - serviceAccount:controller@example-awx.iam.gserviceaccount.com

- name: Show what somebody else is asked to do
  stowage.kubernetes.gcp_trust:
    name: stowage-prod-1-reader
    location:
      provider: gcp
      bucket: example-backups
    clusters: [prod-1]
    permissions: reader
    location_account:
      account: example-backup-project
    impersonators:
      - user:alice@example.com
    render_only: true
  register: asked
"""

RETURN = r"""
trust:
  description: What was done, and whether it is proven.
  returned: success, and if the proof failed
  type: dict
  contains:
    name:
      description: Its name.
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
        - what: service_account
          name: stowage-prod-1-writer@example-backup-project.iam.gserviceaccount.com
          before: null
          after: {description: Made by stowage.kubernetes for the trust stowage-prod-1-writer.}
    checks:
      description:
        - The lines of the proof. C(verdict) is V(passed), V(failed), or V(unknown) if it could not be decided.
        - Google hides from who may not list whether an object exists. So reading, deleting and changing are decided by objects that are
          there, and unknown before the first backup.
        - C(bucket_changes_refused) is what Google says of the bucket, and so does not see what is granted for some objects only.
          C(object_changes_refused) tries to change an object of the cluster, which an update of its holds, its retention or its metadata is.
        - C(plain_http_refused) lists the bucket by Google's XML API, without a token. It is passed where the constraint
          C(storage.secureHttpTransport) of the organization is named as the reason, failed where the listing is answered, and unknown otherwise.
          The JSON API, which this collection uses, never takes plain HTTP.
      returned: always
      type: list
      elements: dict
      sample:
        - id: other_account_refused
          expected: refused
          verdict: passed
          what: another account of the namespace
          seen: A token was refused (unauthorized_client).
          fix: ""
    service_account:
      description: The address of the service account.
      returned: if O(render_only) is not set
      type: str
      sample: stowage-prod-1-writer@example-backup-project.iam.gserviceaccount.com
    auth:
      description: What C(auth) of a location is that uses the trust. There are no secrets in it.
      returned: if O(render_only) is not set
      type: dict
      sample: {method: impersonation, service_account: stowage-prod-1-writer@example-backup-project.iam.gserviceaccount.com}
    controller_auth:
      description:
        - The same for somebody of O(impersonators), apart from their own credentials. Empty if there is nobody.
      returned: if O(render_only) is not set
      type: dict
      sample: {method: impersonation, service_account: stowage-prod-1-writer@example-backup-project.iam.gserviceaccount.com}
    documents:
      description: The bindings, roles and the provider, as Google's APIs have them.
      returned: always
      type: dict
      sample: {bucket_bindings: [], service_account_members: {}}
    foreign:
      description: Bindings of the bucket, members of the account's policy, and providers of the pool that the trust did not make.
      returned: if O(render_only) is not set
      type: dict
      sample: {bucket: [], service_account: {}, providers: []}
    review:
      description: What somebody else is asked to do, as Markdown.
      returned: if O(render_only) is set
      type: str
      sample: "# Trust stowage-prod-1-reader at Google, in the project example-backup-project"
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: trust_not_proven
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Delete the account's keys. They do not expire.
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {checks: [no_keys]}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import (
    CLUSTER,
    LOCATION,
    ArgumentSpec,
    merge,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_parties import auth_option, party_option
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_task import ensure_gcp_trust
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import ARGUMENTS as TRUST

ARGUMENTS: ArgumentSpec = {
    "location_account": party_option(required=True),
    "cluster_account": party_option(),
    "controller_account": party_option(),
    "service_account": {"type": "str"},
    "custom_role": {"type": "bool", "default": False},
    "gke_subjects": {
        "type": "list",
        "elements": "dict",
        "options": {"project": {"type": "str", "required": True}, "subject": {"type": "str", "required": True}},
    },
    "federation": {
        "type": "dict",
        "options": {
            "issuer": {"type": "str", "required": True},
            "jwks": {"type": "raw"},
            "audiences": {"type": "list", "elements": "str", "required": True},
            "subjects": {"type": "list", "elements": "str", "required": True},
        },
    },
    "impersonators": {"type": "list", "elements": "str"},
    "exclusive": {"type": "bool", "default": False},
    "token_file": {"type": "str", "default": "/var/run/secrets/stowage/token", "no_log": False},
    "api_endpoint": {"type": "str"},
    "verify_as": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str", "required": True}, "auth": auth_option()},
    },
}


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, CLUSTER, TRUST, ARGUMENTS), ensure_gcp_trust)


if __name__ == "__main__":
    main()
