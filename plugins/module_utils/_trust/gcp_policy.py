# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What trust at Google consists of, as documents: roles, bindings with conditions, members, federation. Private to the
collection. Pure.

Conditions: https://cloud.google.com/iam/docs/conditions-attribute-reference (of ``resource.name`` they know startsWith, endsWith
and extract; a list request is about the bucket, and tells its prefix by an attribute of the API). An expression has at most 12
logical operators, and a role at most 20 conditional bindings for one member: https://cloud.google.com/iam/quotas. So there is
one binding for each operation and cluster.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import (
    RUNS,
    Operation,
    PermissionSet,
    folders,
    grants,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.subjects import is_subject, subject_of

PERMISSIONS: t.Final[t.Mapping[Operation, str]] = {
    "list": "storage.objects.list",
    "read": "storage.objects.get",
    "create": "storage.objects.create",
    "delete": "storage.objects.delete",
}
"""Uploads that are neither finished nor listed need no permission of their own in the JSON API."""
# https://cloud.google.com/storage/docs/access-control/iam-roles. Each has more than one permission, and the condition leaves one.
_PREDEFINED: t.Final[t.Mapping[Operation, str]] = {
    "list": "roles/storage.objectViewer",
    "read": "roles/storage.objectViewer",
    "create": "roles/storage.objectCreator",
}
MOST_CLUSTERS: t.Final = 10
"""objectViewer is bound twice for each cluster, to list and to read."""
PUBLIC_TOKENS: t.Final = "https://iamcredentials.googleapis.com"
WORKLOAD_USER: t.Final = "roles/iam.workloadIdentityUser"
TOKEN_CREATOR: t.Final = "roles/iam.serviceAccountTokenCreator"  # noqa: S105 - a role
_EMAIL: t.Final = re.compile(r"[a-z0-9.-]+@[a-z0-9.-]+\.gserviceaccount\.com")
_NAME: t.Final = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_PROJECT: t.Final = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9](?::[a-z0-9-]+)?")
_PERSON: t.Final = re.compile(r"(?:serviceAccount|user|group):[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+")
_POOL_SUBJECT: t.Final = re.compile(
    r"principal://iam\.googleapis\.com/projects/[0-9]+/locations/global/workloadIdentityPools/[^/*]+/subject/[^*]+"
)

Tree = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Federation:
    """A cluster's own issuer of tokens, trusted at Google: who may come, by ``namespace/account``.

    :param jwks: the issuer's keys, for one that Google cannot reach.
    """

    issuer: str
    audiences: tuple[str, ...]
    subjects: tuple[str, ...]
    jwks: str = ""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be there.

    :param account: the address of the service account.
    :param given: somebody else made the account.
    :param number: of the location's project, by which Google names pools.
    """

    name: str
    project: str
    number: str
    bucket: str
    prefix: str
    account: str
    given: bool
    clusters: tuple[str, ...]
    permissions: PermissionSet
    writes_restores: bool
    custom_role: bool
    gke: tuple[tuple[str, str], ...] = ()
    federation: Federation | None = None
    impersonators: tuple[str, ...] = ()

    @property
    def member(self) -> str:
        """The account, as bindings name it."""
        return f"serviceAccount:{self.account}"

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that it is about."""
        return folders(self.permissions, self.clusters)

    @property
    def marker(self) -> str:
        """The description of what we make."""
        return f"Made by stowage.kubernetes for the trust {self.name}."


def account_of(name: str, project: str) -> str:
    """The address of an account that is to be made.

    :raises StowageError: ``invalid_name``.
    """
    if not _NAME.fullmatch(name) or name.startswith("gcp-"):
        hint = "Google wants 6 to 30 lower-case letters, digits and hyphens, beginning with a letter and not with gcp-."
        raise StowageError("invalid_name", "The option name is no name of a service account.", hint)
    return f"{name}@{project}.iam.gserviceaccount.com"


def check_account_name(email: str) -> str:
    """:raises StowageError: ``invalid_option`` for what is no service account's address."""
    if not _EMAIL.fullmatch(email):
        raise _unfit("service_account is no address of a service account.")
    return email


def check_project(option: str, project: str) -> str:
    """:raises StowageError: ``invalid_option`` for what is no project's id."""
    if not _PROJECT.fullmatch(project):
        raise _unfit(f"{option} is no id of a Google project.", "The id is text such as my-project-1, not its number.")
    return project


def check_subject(option: str, subject: str) -> str:
    """:raises StowageError: ``invalid_option`` for what is no ``namespace/account``. There are no wildcards."""
    if not is_subject(subject):
        raise _unfit(f"{option} must be namespace/account, without wildcards.")
    return subject


def check_impersonator(member: str) -> str:
    """:raises StowageError: ``invalid_option`` for more than one identity, or everybody."""
    if not _PERSON.fullmatch(member) and not _POOL_SUBJECT.fullmatch(member):
        hint = "Name each by serviceAccount:, user:, group: or principal://; principalSet://, domain: and allUsers are too wide."
        raise _unfit("impersonators has a member that is not one identity.", hint)
    return member


# bindings of the bucket


def bindings(wanted: Wanted) -> list[Tree]:
    """The bindings of the bucket's policy, sorted."""
    found: list[Tree] = []
    for cluster in wanted.clusters or (RUNS.strip("/"),):
        allowed = grants(wanted.permissions, [cluster], writes_restores=wanted.writes_restores)
        for operation in PERMISSIONS:
            paths = [grant.path for grant in allowed if operation in grant.operations]
            if paths:
                found.append(_binding(wanted, cluster, operation, paths))
    return sorted(found, key=title)


def _binding(wanted: Wanted, cluster: str, operation: Operation, paths: t.Sequence[str]) -> Tree:
    condition = {
        "title": f"{_start(wanted.name)}{cluster}:{operation}",
        "expression": expression(wanted.bucket, wanted.prefix, operation, paths),
    }
    return {"role": role_of(wanted, operation), "members": [wanted.member], "condition": condition}


def role_of(wanted: Wanted, operation: Operation) -> str:
    """The role that a binding gives.

    :raises StowageError: ``invalid_option`` where no predefined role is narrow enough.
    """
    if wanted.custom_role:
        return f"projects/{wanted.project}/roles/{role_id(wanted.name, operation)}"
    if operation not in _PREDEFINED:
        hint = "Set custom_role: true."
        raise _unfit("Google has no role that deletes objects and neither reads nor writes them.", hint)
    return _PREDEFINED[operation]


def role_id(name: str, operation: Operation) -> str:
    """The id of a role of ours: letters, digits, underscores and dots only."""
    return f"{name.replace('-', '_')}.{operation}"


def roles(wanted: Wanted) -> dict[str, list[str]]:
    """The custom roles that are needed: id to permissions."""
    if not wanted.custom_role:
        return {}
    allowed = grants(wanted.permissions, wanted.clusters, writes_restores=wanted.writes_restores)
    used = {operation for grant in allowed for operation in grant.operations}
    return {role_id(wanted.name, one): [permission] for one, permission in PERMISSIONS.items() if one in used}


def expression(bucket: str, prefix: str, operation: Operation, paths: t.Sequence[str]) -> str:
    """The condition of a binding: what it is about begins, ends and goes as one of the paths says."""
    start = f"{prefix}/" if prefix else ""
    if operation == "list":
        attribute = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "")'
        # What is listed can only be compared from its beginning. Who may not list records reads them one after the other.
        starts = [start + path.removesuffix("*") for path in sorted(paths)]
        return " || ".join(f"{attribute}.startsWith({_text(one)})" for one in starts if "*" not in one)
    root = f"projects/_/buckets/{bucket}/objects/{start}"
    parts = [_matches(root, path) for path in sorted(paths)]
    return " || ".join(f"({part})" if " && " in part and len(parts) > 1 else part for part in parts)


def _matches(root: str, path: str) -> str:
    """A path with ``*`` for any characters, as CEL."""
    first, *rest = path.split("*")
    found = [f"resource.name.startsWith({_text(root + first)})"]
    if rest and rest[-1]:
        found.append(f"resource.name.endsWith({_text(rest[-1])})")
    for number, between in enumerate(rest[:-1]):
        before = root + first if number == 0 else rest[number - 1]
        found.append(f"resource.name.extract({_text(before + '{any}' + between)}) != {_text('')}")
    return " && ".join(found)


def _text(value: str) -> str:
    """A string of CEL, which reads JSON's escapes."""
    return json.dumps(value)


def _start(name: str) -> str:
    return f"stowage:{name}:"


def title(binding: Tree) -> str:
    """The title of a binding's condition; empty without."""
    return str((binding.get("condition") or {}).get("title") or "")


def is_ours(binding: Tree, name: str) -> bool:
    """Whether a binding of a bucket is the trust's."""
    return title(binding).startswith(_start(name))


def normal(binding: Tree) -> Tree:
    """A binding as it is compared: members in order, nothing that is empty."""
    found = {"role": binding.get("role"), "members": sorted(set(binding.get("members") or ()))}
    condition = {key: value for key, value in (binding.get("condition") or {}).items() if value}
    return {**found, "condition": condition} if condition else found


def ours_of(policy: Tree, name: str) -> list[Tree]:
    """Our bindings in a bucket's policy, sorted."""
    return sorted((normal(one) for one in policy.get("bindings") or () if is_ours(one, name)), key=title)


def foreign_of(policy: Tree, name: str) -> list[Tree]:
    """Everybody else's bindings in a bucket's policy."""
    return [normal(one) for one in policy.get("bindings") or () if not is_ours(one, name)]


def replaced(policy: Tree, name: str, wanted: t.Sequence[Tree]) -> Tree:
    """A bucket's policy with our bindings in place of those that it has; the rest, and the etag, as they were read."""
    kept = [one for one in policy.get("bindings") or () if not is_ours(one, name)]
    return {**policy, "version": 3, "bindings": [*kept, *wanted]}


# who may act as the account


def members(wanted: Wanted) -> dict[str, list[str]]:
    """Role to members, of the service account's policy."""
    users = [f"serviceAccount:{project}.svc.id.goog[{subject}]" for project, subject in wanted.gke]
    if wanted.federation:
        users += [subject_member(wanted, subject) for subject in wanted.federation.subjects]
    found = {WORKLOAD_USER: sorted(set(users)), TOKEN_CREATOR: sorted(set(wanted.impersonators))}
    return {role: who for role, who in found.items() if who}


def pool_name(number: str, name: str) -> str:
    """A pool, as tokens' audiences and members name it."""
    return f"projects/{number}/locations/global/workloadIdentityPools/{name}"


def subject_member(wanted: Wanted, subject: str) -> str:
    """One service account of a cluster; never a set of them."""
    return f"principal://iam.googleapis.com/{pool_name(wanted.number, wanted.name)}/subject/{subject_of(subject)}"


def provider(wanted: Wanted, federation: Federation) -> Tree:
    """The provider of the pool: one issuer, some audiences, and a condition that lets in only the subjects that are named."""
    subjects = ", ".join(_text(subject_of(one)) for one in sorted(federation.subjects))
    oidc: Tree = {"issuerUri": federation.issuer, "allowedAudiences": sorted(federation.audiences)}
    if federation.jwks:
        oidc["jwksJson"] = federation.jwks
    return {
        "displayName": f"stowage {wanted.name}"[:32],
        "description": wanted.marker,
        "attributeMapping": {"google.subject": "assertion.sub"},
        "attributeCondition": f"assertion.sub in [{subjects}]",
        "oidc": oidc,
    }


def audience_of(wanted: Wanted) -> str:
    """What the security token service takes for the provider's name."""
    return f"//iam.googleapis.com/{pool_name(wanted.number, wanted.name)}/providers/{wanted.name}"


def member_bindings(policy: Tree) -> dict[str, list[str]]:
    """Role to members, of bindings without a condition."""
    found: dict[str, set[str]] = {}
    for one in policy.get("bindings") or ():
        if not one.get("condition"):
            found.setdefault(str(one.get("role")), set()).update(map(str, one.get("members") or ()))
    return {role: sorted(who) for role, who in sorted(found.items())}


def with_members(policy: Tree, add: t.Mapping[str, t.Sequence[str]], drop: t.Mapping[str, t.Sequence[str]]) -> Tree:
    """An account's policy with more and fewer members; bindings with conditions stay as they are."""
    plain = {role: set(who) for role, who in member_bindings(policy).items()}
    for role, who in add.items():
        plain.setdefault(role, set()).update(who)
    for role, who in drop.items():
        plain.setdefault(role, set()).difference_update(who)
    conditional = [one for one in policy.get("bindings") or () if one.get("condition")]
    held = [{"role": role, "members": sorted(who)} for role, who in sorted(plain.items()) if who]
    version = 3 if conditional else int(policy.get("version") or 1)
    return {**policy, "version": version, "bindings": [*conditional, *held]}


def auth_of(wanted: Wanted, endpoints: t.Mapping[str, str], token_file: str) -> Tree:
    """What a location's ``auth`` is through the trust. No secrets."""
    if wanted.federation:
        document = {
            "type": "external_account",
            "audience": audience_of(wanted),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{endpoints['sts']}/v1/token",
            "service_account_impersonation_url": f"{endpoints['iamcredentials']}/v1/projects/-/serviceAccounts/{wanted.account}"
            ":generateAccessToken",
            "credential_source": {"file": token_file},
        }
        return {"method": "workload_identity", "credentials_json": document}
    if wanted.gke:
        return {"method": "default_chain"}
    return impersonation_of(wanted.account, endpoints)


def impersonation_of(account: str, endpoints: t.Mapping[str, str]) -> Tree:
    """A location's ``auth`` of whoever may act as an account, apart from their own credentials."""
    own = endpoints["iamcredentials"]
    elsewhere = {} if own == PUBLIC_TOKENS else {"iam_endpoint": own}
    return {"method": "impersonation", "service_account": account, **elsewhere}


def _unfit(message: str, hint: str = "See the documentation of gcp_trust.") -> StowageError:
    return StowageError("invalid_option", message, hint)
