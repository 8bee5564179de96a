#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensures that a principal may use a location at Azure, who may act as it, and proves both."""

from __future__ import annotations

DOCUMENTATION = r"""
module: azure_trust
short_description: Ensure that somebody may use a location in Azure Blob Storage, and nobody more
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Assigns a role to a principal, at the container and with a condition on names of blobs, so that it has one permission set in the
    folders of some clusters and nothing else. The role has only the data actions that the set needs.
  - The principal is a service principal that is there already, or a user-assigned identity that is made or found. Service accounts
    of any cluster act as an identity by federated credentials, of one issuer, one subject and one audience each.
  - Then proves it. The principal can do what it is for, and is refused elsewhere - in the folder of another cluster, outside of the
    prefix, and for what the permission set does not have. Other service accounts of the cluster, other namespaces and other
    audiences do not become the principal, and nobody gets in without a token. All requests of the proof are harmless, also where
    they are allowed.
  - What others have given the principal is kept, and shown in RV(trust.foreign).
  - The ids of assignments and of the role are made of what they are about, so that none is made twice.
  - Azure has no right to create blobs that does not also replace them. What a V(writer) wrote is safe from it by versions or
    immutability of the container, which M(stowage.kubernetes.backup_location) sets up.
  - Accounts with a hierarchical namespace evaluate names of folders otherwise, and are not what the conditions are made for.
  - Across tenants, an identity is made in the tenant of the storage account, for Azure knows it in no other; clusters of any tenant
    act as it by federation. An application of another tenant needs a service principal in the storage account's, and its
    federated credentials are kept in its own tenant, by Microsoft Graph. O(cluster_account) is who owns it there; without, the module
    only proves that they work.
options:
  state:
    description:
      - V(absent) deletes what the trust made, if nobody else depends on it. A SAS ends with the role of who signed it. Leave the
        other options as they were - federated credentials of the application of O(service_principal) are deleted with
        O(cluster_account) only, and named in a warning without it.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Name of the trust. It is in the names of the role and of federated credentials, and is that of the identity unless
        O(identity.name) is set.
    type: str
    required: true
  location_account:
    description:
      - Who owns the storage account, and makes the role and its assignments.
      - At the resource group of the storage account it needs C(Microsoft.Authorization/roleAssignments/*) and
        C(Microsoft.Authorization/roleDefinitions/*), as User Access Administrator has them, and Reader. With Storage Blob Data Reader
        at the container, it also knows which folders of other clusters are there, in which the proof then tries what must be
        refused. Without, these are the folders that conditions of other roles there name; if there are none, the line
        C(existing_clusters_refused) is unknown.
    type: dict
    required: true
    suboptions:
      account:
        description:
          - The ids of the tenant and of the subscription that the storage account is of, with a slash between them. Nothing is
            written if the credentials or the storage account are of others.
        type: str
        required: true
      auth: &auth
        description:
          - How to log in, with the options of a location's O(location.auth).
          - V(managed_identity) is for O(location_account) only.
        type: dict
        suboptions:
          method:
            description:
              - The kind of credentials.
            type: str
            required: true
            choices: [service_principal, managed_identity, workload_identity]
          tenant:
            description:
              - The tenant that gives the tokens.
            type: str
          client_id:
            description:
              - The id of the application, or of the identity.
            type: str
          secret:
            description:
              - The application's secret.
            type: str
          x509_certificate_path:
            description:
              - A file with the application's certificate and key.
            type: path
          x509_certificate_password:
            description:
              - What the file is encrypted with.
            type: str
          federated_token_file:
            description:
              - A file with a service account's token, with V(workload_identity).
            type: path
          authority:
            description:
              - Where the tokens come from, if not the cloud's own.
            type: str
  cluster_account:
    description:
      - Who owns the identity, if that is in another subscription, or the application of O(service_principal), which may be in another
        tenant. It does not use the environment.
      - It needs Managed Identity Contributor at the resource group of the identity; of an application, to be its owner, and
        C(Application.ReadWrite.OwnedBy) of Microsoft Graph.
    type: dict
    suboptions:
      account:
        description:
          - The ids of its tenant and subscription, with a slash between them. Nothing is written if the credentials are of others.
            The owner of an application needs no subscription.
        type: str
        required: true
      auth: *auth
  controller_account:
    description:
      - The principal itself, by its own credentials, for the proof and for O(sas). It does not use the environment.
      - Not needed with O(federation) and access to the cluster.
    type: dict
    suboptions:
      account:
        description:
          - The id of the tenant of its tokens. They must be those of the principal.
        type: str
        required: true
      auth: *auth
  service_principal:
    description:
      - A service principal of the storage account's tenant. It gets the role. Its application gets federated credentials if
        O(cluster_account) says who owns it, and is not changed otherwise.
    type: dict
    suboptions:
      object_id:
        description:
          - Its object id, which is not that of the application.
        type: str
        required: true
      client_id:
        description:
          - The id of its application, for RV(trust.auth). Needed with O(federation) and O(cluster_account).
        type: str
  identity:
    description:
      - A user-assigned identity in the subscription of O(cluster_account), or of O(location_account) if that is not set.
      - One that the module makes has the tag C(stowage-trust), and is deleted with O(state=absent). One that is found is not.
    type: dict
    suboptions:
      name:
        description:
          - Its name. O(name) if not set.
        type: str
      resource_group:
        description:
          - Its resource group, which must exist.
        type: str
        required: true
      region:
        description:
          - Where it is made if it is not there, such as V(westeurope). If not set, it has to be there.
        type: str
  custom_role:
    description:
      - Whether the role is one of the trust's own. V(false) uses Storage Blob Data Reader, which also reads the container's settings,
        and is enough for O(permissions=reader) and O(permissions=auditor).
    type: bool
    default: true
  federation:
    description:
      - Lets service accounts of a cluster anywhere act as the principal, by tokens that the cluster signs for
        C(api://AzureADTokenExchange), or for what another cloud has instead.
      - One federated credential is made for each subject. Those of an application are its owner's to set (O(cluster_account)), and
        without are only proven here.
    type: dict
    suboptions:
      issuer:
        description:
          - The C(iss) of the cluster's tokens, exactly as it is there, with or without a slash at its end.
        type: str
        required: true
      subjects:
        description:
          - Who may come, each as C(namespace/account). There are no wildcards, and a principal has at most 20 credentials, with
            those that others made.
        type: list
        elements: str
        required: true
  sas:
    description:
      - Makes a SAS of the container for what has no other way in. The principal signs it, so that it allows what both the
        permission set and the principal's role allow, and only over TLS.
      - It gives the principal Storage Blob Delegator at the storage account, too, unless somebody else has. Trusts for one principal
        share that, so it goes with the trust that made it.
      - It is made again when half of its time has gone by.
    type: dict
    suboptions:
      secret_path:
        description:
          - A file on the machine where the task runs, with mode 0600, that gets the SAS as C(sas_token), in JSON. Its directory must
            exist. The SAS is in no result.
        type: path
        required: true
      hours:
        description:
          - How long it lives, at most 168 hours.
        type: int
        default: 24
      addresses:
        description:
          - An IPv4 address, or two with a hyphen between them, that it may be used from.
        type: str
  token_file:
    description:
      - Where the cluster mounts the token, for RV(trust.auth) with O(federation).
    type: str
    default: /var/run/secrets/azure/tokens/azure-identity-token
  authority:
    description:
      - Where the principal's tokens come from, if not the cloud's own.
    type: str
  graph_endpoint:
    description:
      - Where Microsoft Graph is, if not the cloud's own. Only the owner of an application needs it.
    type: str
  verify_as:
    description:
      - Others who must be refused, such as the writer of another cluster.
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
  - Azure may take ten minutes until an assignment counts everywhere, so a larger O(verify_timeout) makes sense there.
seealso:
  - module: stowage.kubernetes.backup_location_info
"""

EXAMPLES = r"""
- name: Let a cluster anywhere write its backups, and nothing else
  stowage.kubernetes.azure_trust:
    name: stowage-prod-1-writer
    location:
      provider: azure
      storage_account: examplebackups
      resource_group: backups
      bucket: backups
      prefix: fleet
    clusters: [prod-1]
    permissions: writer
    location_account:
      account: 11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222
    identity:
      resource_group: backups
      region: westeurope
    federation:
      issuer: https://oidc.example.com/prod-1
      subjects: [stowage/backup]
    kubeconfig: /etc/stowage/prod-1.kubeconfig
    verify_timeout: 600
  register: made

- name: Let a service principal read them, proven with its own secret
  stowage.kubernetes.azure_trust:
    name: stowage-prod-1-reader
    location:
      provider: azure
      storage_account: examplebackups
      resource_group: backups
      bucket: backups
      prefix: fleet
    clusters: [prod-1]
    permissions: reader
    location_account:
      account: 11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222
    service_principal:
      object_id: 33333333-3333-3333-3333-333333333333
      client_id: 44444444-4444-4444-4444-444444444444
    controller_account:
      account: 11111111-1111-1111-1111-111111111111
      auth:
        method: service_principal
        tenant: 11111111-1111-1111-1111-111111111111
        client_id: 44444444-4444-4444-4444-444444444444
        secret: "{{ lookup('ansible.builtin.env', 'READER_SECRET') }}"

- name: Let a cluster of another company write, as an application of that company's tenant
  stowage.kubernetes.azure_trust:
    name: stowage-branch-1-writer
    location:
      provider: azure
      storage_account: examplebackups
      resource_group: backups
      bucket: backups
      prefix: fleet
    clusters: [branch-1]
    location_account:
      account: 11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222
    service_principal:
      object_id: 55555555-5555-5555-5555-555555555555
      client_id: 66666666-6666-6666-6666-666666666666
    cluster_account:
      account: 77777777-7777-7777-7777-777777777777
      auth:
        method: service_principal
        tenant: 77777777-7777-7777-7777-777777777777
        client_id: 88888888-8888-8888-8888-888888888888
        secret: "{{ lookup('ansible.builtin.env', 'OWNER_SECRET') }}"
    federation:
      issuer: https://oidc.example.org/branch-1
      subjects: [stowage/backup]
    kubeconfig: /etc/stowage/branch-1.kubeconfig

- name: Show what somebody else is asked to do
  stowage.kubernetes.azure_trust:
    name: stowage-prod-1-reader
    location:
      provider: azure
      storage_account: examplebackups
      resource_group: backups
      bucket: backups
    clusters: [prod-1]
    permissions: reader
    location_account:
      account: 11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222
    service_principal:
      object_id: 33333333-3333-3333-3333-333333333333
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
        - what: identity
          name: stowage-prod-1-writer
          before: null
          after: {region: westeurope, tags: {stowage-trust: stowage-prod-1-writer in examplebackups/backups}}
    checks:
      description:
        - The lines of the proof. C(verdict) is V(passed), V(failed), or V(unknown) if it could not be decided.
        - Those about the permission set are C(list_allowed), C(read_refused) and the like in its own folders, C(document_delete_refused) and
          C(document_create_refused) for the document by which a backup exists, C(other_cluster_read_refused) and more for archives,
          documents, metadata, restores and records of other clusters, and C(outside_prefix_list_refused), C(outside_prefix_read_refused),
          C(outside_prefix_create_refused) and C(outside_prefix_delete_refused) beside the location's prefix.
        - Those of a SAS begin with C(sas_).
      returned: always
      type: list
      elements: dict
      sample:
        - id: other_account_refused
          expected: refused
          verdict: passed
          what: another account of the namespace
          seen: No token was given (AADSTS700213).
          fix: ""
    object_id:
      description: The object id of the principal. Empty before it is made.
      returned: if O(render_only) is not set
      type: str
      sample: 33333333-3333-3333-3333-333333333333
    client_id:
      description: The id of its application. Empty if it is not known.
      returned: if O(render_only) is not set
      type: str
      sample: 44444444-4444-4444-4444-444444444444
    auth:
      description: What C(auth) of a location is that uses the trust. There are no secrets in it.
      returned: if O(render_only) is not set
      type: dict
      sample:
        method: workload_identity
        tenant: 11111111-1111-1111-1111-111111111111
        client_id: 44444444-4444-4444-4444-444444444444
        federated_token_file: /var/run/secrets/azure/tokens/azure-identity-token
    secret_path:
      description: The file that has the SAS.
      returned: if O(sas) is set
      type: str
      sample: /root/keys/prod-1-writer.json
    documents:
      description: The role, its assignments and the federated credentials, as Azure has them.
      returned: always
      type: dict
      sample: {role_assignments: [], federated_credentials: {}}
    foreign:
      description: Assignments of the principal, and its federated credentials, as far as they are to be seen, that the trust did not make.
      returned: if O(render_only) is not set
      type: dict
      sample: {assignments: [], credentials: []}
    review:
      description: What somebody else is asked to do, as Markdown.
      returned: if O(render_only) is set
      type: str
      sample: "# Trust stowage-prod-1-reader at Azure, in the tenant 11111111-1111-1111-1111-111111111111"
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: trust_not_proven
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Look for federated credentials that let others in (trust.foreign).
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {checks: [other_account_refused]}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import CLUSTER, LOCATION, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_arguments import ARGUMENTS
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_task import ensure_azure_trust
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import ARGUMENTS as TRUST


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, CLUSTER, TRUST, ARGUMENTS), ensure_azure_trust)


if __name__ == "__main__":
    main()
