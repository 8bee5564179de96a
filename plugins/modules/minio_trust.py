#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensures that a party of its own may use a location in MinIO, and proves it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_trust
short_description: Ensure that somebody may use a location in MinIO, and nobody more
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes a policy that allows one permission set below the location's prefix, and lets somebody have it - a user of its own with
    an access key (O(secret_path)), users that are there (O(members)), users and groups of a directory (O(ldap_users),
    O(ldap_groups)), or identities of an OpenID provider (O(web_identity)).
  - Then proves it. The new key, O(controller_account), or an identity of O(verify_tokens) or O(verify_ldap), does what it is for, and is refused elsewhere -
    in the folder of another cluster, outside of the prefix, and for what the permission set does not have. Nobody gets in
    without a key. All requests of the proof are harmless, also where they are allowed.
  - What others have set up in MinIO is left alone.
options:
  state:
    description:
      - V(absent) deletes the access keys, the user, the group and the policy, if nobody else depends on them. Leave
        O(ldap_users) and O(ldap_groups) as they were, for others of the directory who have the policy keep it from being deleted.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Name of the policy, of the user and of the group.
    type: str
    required: true
  location_account:
    description:
      - The keys of an administrator of MinIO. E(MINIO_ACCESS_KEY) and E(MINIO_SECRET_KEY) are used if they are not set.
      - The C(auth) of O(location) is not used.
    type: dict
    suboptions:
      access_key:
        description:
          - The access key.
        type: str
      secret_key:
        description:
          - The secret key.
        type: str
  controller_account:
    description:
      - The keys of somebody who gets the policy, such as one of O(members), or those of a session of somebody of the directory. The
        permission set is proven with them, by lines that begin with C(controller_). They are never the environment's.
    type: dict
    suboptions:
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
          - The session token, of a session's keys.
        type: str
  secret_path:
    description:
      - The file that keeps the access key and its secret, as JSON with C(access_key) and C(secret_key). It is made with mode 0600.
      - If it is not there, or its key does not work any more, a new key is made.
      - Needed with O(state=present), unless O(members), O(ldap_users), O(ldap_groups) or O(web_identity) say who else has the
        policy. There is no user then.
    type: path
  rotate:
    description:
      - Makes a new access key, proves it, and disables the old one. The next run deletes that.
      - With O(verify=false) the old key stays as it is.
    type: bool
    default: false
  members:
    description:
      - Users of MinIO that are there already. They are put into a group O(name) that has the policy, and others are taken out of it.
      - What else these users may do is not looked at, and nothing is tried as one of them but O(controller_account) - without a key
        or a token of the trust the lines of the permission set are unknown.
    type: list
    elements: str
  web_identity:
    description:
      - Whether identities have the policy whose tokens name it. MinIO gives a session to a token of the OpenID provider that it is
        set up with, and takes the policies from the claim C(policy), or the one that C(claim_name) says.
      - Whoever can choose that claim can choose the policy, so it must be the provider that decides it.
      - A provider with a C(role_policy) of its own does not look at claims, and is not what this is for.
    type: bool
    default: false
  ldap_users:
    description:
      - Distinguished names of users of the directory that MinIO is set up with. They have the policy, and others of the directory
        lose it.
      - A MinIO with a directory has no users and groups of its own, and so neither O(secret_path) nor O(members).
      - A location has no method to log in so. Whoever does gets the keys of a session, or makes an access key with them, which can be
        O(controller_account).
    type: list
    elements: str
  ldap_groups:
    description:
      - The same for groups of the directory.
    type: list
    elements: str
  verify_tokens:
    description:
      - Files with tokens of the OpenID provider, to be tried. Each that gets a session is proven like a key, by lines of its own
        that begin with C(token_NAME_).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Names the lines of the proof.
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
  verify_ldap:
    description:
      - Users of the directory, to be tried. Each that gets a session is proven like a key, by lines of its own that begin with
        C(ldap_NAME_).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Names the lines of the proof.
        type: str
        required: true
      username:
        description:
          - How the user logs in.
        type: str
        required: true
      password:
        description:
          - The password.
        type: str
        required: true
      expected:
        description:
          - Whether the user gets a session. A refusal counts only for want of a policy, and is unknown for a wrong password or a user
            that the directory does not have.
        type: str
        required: true
        choices: [allowed, refused]
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
extends_documentation_fragment:
  - stowage.kubernetes.location
  - stowage.kubernetes.trust
  - stowage.kubernetes.attributes
  - stowage.kubernetes.attributes.group_location
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Each run with O(rotate) makes a new key, and the run after it deletes the old one.
  async:
    support: full
seealso:
  - module: stowage.kubernetes.backup_location_info
"""

EXAMPLES = r"""
- name: Let prod-1 write its backups, and nothing else
  stowage.kubernetes.minio_trust:
    name: stowage-prod-1-writer
    location:
      provider: minio
      endpoint: https://minio.example.com:9000
      bucket: backups
      prefix: fleet
    clusters: [prod-1]
    permissions: writer
    secret_path: /root/keys/prod-1-writer.json
    location_account:
      access_key: admin
      secret_key: "{{ lookup('ansible.builtin.env', 'MINIO_ADMIN_SECRET') }}"

- name: Let whoever is on call restore, with the keys that they have
  stowage.kubernetes.minio_trust:
    name: stowage-on-call-reader
    location:
      provider: minio
      endpoint: https://minio.example.com:9000
      bucket: backups
    clusters: [prod-1, prod-2]
    permissions: reader
    members: [alice, bob]

- name: Let pods write without keys, by tokens that name the policy
  stowage.kubernetes.minio_trust:
    name: stowage-prod-1-writer
    location:
      provider: minio
      endpoint: https://minio.example.com:9000
      bucket: backups
    clusters: [prod-1]
    web_identity: true
    verify_tokens:
      - {name: backup, path: /run/tokens/backup, expected: allowed}
      - {name: other, path: /run/tokens/other, expected: refused}

- name: Show what the administrator of MinIO is asked to do
  stowage.kubernetes.minio_trust:
    name: stowage-prod-1-reader
    location:
      provider: minio
      endpoint: https://minio.example.com:9000
      bucket: backups
    clusters: [prod-1]
    permissions: reader
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
        - {what: user, name: stowage-prod-1-writer, before: null, after: {policies: []}}
    checks:
      description:
        - The lines of the proof. C(verdict) is V(passed), V(failed), or V(unknown) if it could not be decided.
      returned: always
      type: list
      elements: dict
      sample:
        - id: delete_refused
          expected: refused
          verdict: passed
          what: s3:DeleteObject in clusters/prod-1/backups/*/*.tar.gz
          seen: s3:DeleteObject was refused (AccessDenied).
          fix: ""
    auth:
      description:
        - What belongs into C(auth) of a location that uses the trust, beside the secret key of O(secret_path) or the file with the
          token. Empty if neither is.
      returned: if O(render_only) is not set
      type: dict
      sample: {method: access_key, access_key: JKH3L5Q9G2}
    secret_path:
      description: The file with the keys.
      returned: if O(render_only) is not set
      type: str
      sample: /root/keys/prod-1-writer.json
    documents:
      description: The policy, and the group and the names of the directory if there are any.
      returned: always
      type: dict
      sample: {policy: {Version: "2012-10-17", Statement: []}}
    review:
      description: What somebody else is asked to do, as Markdown.
      returned: if O(render_only) is set
      type: str
      sample: "# Trust stowage-prod-1-reader in MinIO at https://minio.example.com:9000"
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: trust_not_proven
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Look for a policy that allows more than this trust does, such as one for a group or for everybody.
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {checks: [delete_refused]}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.minio_task import ensure_minio_trust
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import ARGUMENTS as TRUST

_KEYS: ArgumentSpec = {
    "access_key": {"type": "str", "required": True, "no_log": False},
    "secret_key": {"type": "str", "required": True, "no_log": True},
}
ARGUMENTS: ArgumentSpec = {
    "location_account": {
        "type": "dict",
        "options": {
            "access_key": {"type": "str", "no_log": False},
            "secret_key": {"type": "str", "no_log": True},
        },
    },
    "controller_account": {
        "type": "dict",
        "options": {**_KEYS, "session_token": {"type": "str", "no_log": True}},
    },
    "secret_path": {"type": "path", "no_log": False},
    "rotate": {"type": "bool", "default": False},
    "members": {"type": "list", "elements": "str"},
    "web_identity": {"type": "bool", "default": False},
    "ldap_users": {"type": "list", "elements": "str"},
    "ldap_groups": {"type": "list", "elements": "str"},
    "verify_as": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str", "required": True}, **_KEYS},
    },
    "verify_tokens": {
        "type": "list",
        "elements": "dict",
        "no_log": False,
        "options": {
            "name": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "expected": {"type": "str", "required": True, "choices": ["allowed", "refused"]},
        },
    },
    "verify_ldap": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "username": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "expected": {"type": "str", "required": True, "choices": ["allowed", "refused"]},
        },
    },
}


def main() -> None:
    """Run the module."""
    run_module(merge(LOCATION, TRUST, ARGUMENTS), ensure_minio_trust)


if __name__ == "__main__":
    main()
