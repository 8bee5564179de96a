# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What trust at Azure consists of, as documents: a role, its assignment with a condition, federated credentials. Private to the
collection. Pure.

Conditions: https://learn.microsoft.com/azure/role-based-access-control/conditions-format, and the attributes of blobs in
https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes (a listing has a prefix and no path). A principal has one
assignment of a role at a scope, so one condition is for all clusters; it has at most 8 KiB. Which request wants which action:
https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import uuid

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import (
    Grant,
    Operation,
    PermissionSet,
    folders,
    grants,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.subjects import subject_of

_CONTAINERS: t.Final = "Microsoft.Storage/storageAccounts/blobServices/containers"
BLOBS: t.Final = f"{_CONTAINERS}/blobs"
ACTIONS: t.Final[t.Mapping[Operation, str]] = {
    "read": f"{BLOBS}/read",
    "list": f"{BLOBS}/read",
    "create": f"{BLOBS}/write",
    "delete": f"{BLOBS}/delete",
}
"""Blocks that nobody committed are staged by who writes, and go by themselves a week later; to drop them is to delete."""
_ACCOUNTS: t.Final = "Microsoft.Storage/storageAccounts"
KEYS: t.Final = tuple(
    f"{_ACCOUNTS}/{one}/action" for one in ("listkeys", "regeneratekey", "listAccountSas", "listServiceSas")
)
"""With each of these one gets the account's keys, or what they sign."""
ROLES: t.Final = tuple(f"Microsoft.Authorization/{one}/write" for one in ("roleAssignments", "roleDefinitions"))
"""With each of these one gives oneself every other right."""
READER: t.Final = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
"""Storage Blob Data Reader: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage"""
DELEGATOR: t.Final = "db58b8e5-c6ad-4a2a-8342-4190687cbf4a"
"""Storage Blob Delegator, which gives nothing but keys that sign a SAS of what its holder may do."""
_BUILT_IN: t.Final[t.Mapping[str, str]] = {READER: "Storage Blob Data Reader", DELEGATOR: "Storage Blob Delegator"}
AUDIENCE: t.Final = "api://AzureADTokenExchange"
AUDIENCES: t.Final[t.Mapping[str, str]] = {"usgovernment": f"{AUDIENCE}USGov", "china": f"{AUDIENCE}China"}
"""Of clouds that have one of their own: https://learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust"""
MOST_CREDENTIALS: t.Final = 20
TAG: t.Final = "stowage-trust"
_LONGEST_CONDITION: t.Final = 8 << 10
_IDS: t.Final = uuid.uuid5(uuid.NAMESPACE_DNS, "stowage.kubernetes")
_PATH: t.Final = f"@Resource[{BLOBS}:path]"
_PREFIX: t.Final = f"@Request[{BLOBS}:prefix]"
_LETTERS: t.Final[t.Mapping[Operation, str]] = {"read": "r", "create": "cw", "delete": "d", "list": "l"}
_UUID: t.Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Tree = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Identity:
    """A user-assigned identity. ``region`` is where it is made if it is not there; empty if it has to be."""

    subscription: str
    group: str
    name: str
    region: str = ""

    @property
    def id(self) -> str:
        """Its resource id."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{self.name}"


@dataclasses.dataclass(frozen=True)
class Federation:
    """A cluster's own issuer of tokens: who may come, by ``namespace/account``, with tokens for whom."""

    issuer: str
    subjects: tuple[str, ...]
    audience: str = AUDIENCE


@dataclasses.dataclass(frozen=True)
class Sas:
    """A SAS that the principal signs. ``addresses`` is an address or a range of them, empty for all."""

    hours: int
    path: str
    addresses: str = ""


@dataclasses.dataclass(frozen=True)
class Who:
    """The principal: its object id in the location's tenant, and its application's id. Empty what is not known yet."""

    object_id: str = ""
    client_id: str = ""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be there.

    :param account_id: the resource id of the storage account.
    :param tenant: the location's.
    :param given: the service principal, if it is not an identity's.
    """

    name: str
    account_id: str
    container: str
    prefix: str
    tenant: str
    clusters: tuple[str, ...]
    permissions: PermissionSet
    writes_restores: bool = False
    custom_role: bool = True
    given: Who | None = None
    identity: Identity | None = None
    federation: Federation | None = None
    sas: Sas | None = None

    @property
    def scope(self) -> str:
        """The container's, at which the role is assigned."""
        return f"{self.account_id}/blobServices/default/containers/{self.container}"

    @property
    def group(self) -> str:
        """The resource group of the storage account, in which the custom role can be assigned."""
        return self.account_id.partition("/providers/")[0]

    @property
    def marker(self) -> str:
        """The description of what we make."""
        return f"Made by stowage.kubernetes for the trust {self.name} in {self.container}."

    @property
    def tags(self) -> dict[str, str]:
        """The tags of an identity that we make."""
        return {TAG: f"{self.name} in {self.account_id.rpartition('/')[2]}/{self.container}"}

    @property
    def principal(self) -> str:
        """The principal, as people are told of it."""
        return f"identity {self.identity.name}" if self.identity else f"object {(self.given or Who()).object_id}"

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What it may do."""
        return grants(self.permissions, self.clusters, writes_restores=self.writes_restores)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that it is about."""
        return folders(self.permissions, self.clusters)


def check_uuid(option: str, value: str) -> str:
    """:raises StowageError: ``invalid_option`` for what is no UUID."""
    if not _UUID.fullmatch(value.lower()):
        raise unfit(f"{option} must be a UUID.")
    return value.lower()


# the role


def role_name(wanted: Wanted) -> str:
    """The name of the custom role's resource: the same for each run."""
    return made_id(wanted.scope, wanted.name, "role")


def role_id(wanted: Wanted, name: str = "") -> str:
    """The id of a role as assignments have it; that of the trust if none is named."""
    subscription = "/".join(wanted.account_id.split("/")[:3])
    chosen = name or (role_name(wanted) if wanted.custom_role else READER)
    return f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{chosen}"


def role_path(wanted: Wanted, name: str = "") -> str:
    """Where a role is asked for: at the resource group, for who administers that may not see the subscription's."""
    return f"{wanted.group}/providers/Microsoft.Authorization/roleDefinitions/{name or role_name(wanted)}"


def role_title(wanted: Wanted, name: str = "") -> str:
    """What people call the role."""
    account = wanted.account_id.rpartition("/")[2]
    custom = f"stowage {wanted.name} {account} {wanted.container}"
    return _BUILT_IN[name] if name else (custom if wanted.custom_role else _BUILT_IN[READER])


def data_actions(wanted: Wanted) -> list[str]:
    """The data actions that the permission set needs."""
    used = {operation for grant in wanted.grants for operation in grant.operations}
    return sorted({action for operation, action in ACTIONS.items() if operation in used})


def role(wanted: Wanted) -> Tree:
    """The properties of the custom role. It has no action of the control plane."""
    permissions = {"actions": [], "notActions": [], "dataActions": data_actions(wanted), "notDataActions": []}
    return {
        "roleName": role_title(wanted),
        "type": "CustomRole",
        "description": wanted.marker,
        "permissions": [permissions],
        "assignableScopes": [wanted.group],
    }


def same_role(found: Tree, wanted: Tree) -> bool:
    """Whether a role's properties are as they should be."""
    return _normal_role(found) == _normal_role(wanted)


def _normal_role(properties: Tree) -> Tree:
    parts = [
        {
            name: sorted(str(one) for one in part.get(name) or ())
            for name in ("actions", "notActions", "dataActions", "notDataActions")
        }
        for part in properties.get("permissions") or ()
    ]
    scopes = sorted(str(one).lower() for one in properties.get("assignableScopes") or ())
    return {"title": properties.get("roleName"), "permissions": parts, "scopes": scopes}


def may(role_properties: Tree, action: str) -> bool:
    """Whether a role has an action of the control plane."""
    return any(
        any(_matches(str(one), action) for one in part.get("actions") or ())
        and not any(_matches(str(one), action) for one in part.get("notActions") or ())
        for part in role_properties.get("permissions") or ()
    )


def _matches(pattern: str, action: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), action, re.IGNORECASE) is not None


# its assignment


def condition(wanted: Wanted) -> str:
    """The condition of the assignment: which paths each action is for.

    :raises StowageError: ``invalid_option`` where there are too many clusters for one condition.
    """
    start = f"{wanted.prefix}/" if wanted.prefix else ""
    parts = []
    for operation, action in ACTIONS.items():
        paths = sorted(start + one.path for one in wanted.grants if operation in one.operations)
        if action in data_actions(wanted):
            parts.append(_part(operation, action, paths))
    found = " AND ".join(parts)
    if len(found) > _LONGEST_CONDITION:
        raise unfit("The condition for so many clusters is longer than Azure allows.", "Make more than one trust.")
    return found


def _part(operation: Operation, action: str, paths: t.Sequence[str]) -> str:
    sub = {"list": " AND SubOperationMatches{'Blob.List'}", "read": " AND NOT SubOperationMatches{'Blob.List'}"}
    attribute = _PREFIX if operation == "list" else _PATH
    other = f"!(ActionMatches{{'{action}'}}{sub.get(operation, '')})"
    if not paths:
        return f"({other})"
    values = ", ".join(f"'{path}'" for path in paths)
    told = f"StringLike {values}" if len(paths) == 1 else f"ForAnyOfAnyValues:StringLike {{{values}}}"
    return f"(({other}) OR ({attribute} {told}))"


def assignment(wanted: Wanted, who: Who) -> Tree:
    """The properties of the role's assignment. With its type a principal that is new is taken at once."""
    return {**_assigned(wanted, who, ""), "condition": condition(wanted), "conditionVersion": "2.0"}


def delegation(wanted: Wanted, who: Who) -> Tree:
    """The properties of the assignment by which the principal gets keys to sign a SAS with."""
    return _assigned(wanted, who, DELEGATOR)


def _assigned(wanted: Wanted, who: Who, name: str) -> Tree:
    return {
        "roleDefinitionId": role_id(wanted, name),
        "principalId": who.object_id,
        "principalType": "ServicePrincipal",
        "description": wanted.marker,
    }


def assignment_path(scope: str, properties: Tree) -> str:
    """The id of an assignment: the same for each run, so that none is made twice."""
    name = made_id(scope, str(properties["roleDefinitionId"]), str(properties["principalId"]))
    return f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"


def told(properties: Tree) -> Tree:
    """What of an assignment is compared and shown."""
    name = str(properties.get("roleDefinitionId")).rpartition("/")[2].lower()
    return {"role": _BUILT_IN.get(name, name), "condition": str(properties.get("condition") or "")}


def made_id(*parts: str) -> str:
    """A UUID made of names, whatever their case."""
    return str(uuid.uuid5(_IDS, "|".join(part.lower() for part in parts)))


# federated credentials


def credentials(wanted: Wanted) -> dict[str, Tree]:
    """Name to properties of the federated credentials, one for each subject."""
    if wanted.federation is None:
        return {}
    found = {}
    for subject in wanted.federation.subjects:
        properties = {
            "issuer": wanted.federation.issuer,
            "subject": subject_of(subject),
            "audiences": [wanted.federation.audience],
        }
        found[credential_name(wanted, properties)] = properties
    return found


def credential_name(wanted: Wanted, properties: Tree) -> str:
    """The name of a credential of ours: the same for each run."""
    made = made_id(wanted.scope, str(properties.get("issuer")), str(properties.get("subject")))
    return f"{credential_start(wanted)}{made[:8]}"


def credential_start(wanted: Wanted) -> str:
    """What the names of the trust's credentials begin with."""
    return f"stowage-{wanted.name}-"


def is_ours(wanted: Wanted, name: str, properties: Tree) -> bool:
    """Whether a credential of an identity is the trust's, also one that somebody changed, or that is not wanted any more."""
    return name in credentials(wanted) or name == credential_name(wanted, properties)


def lets_in(wanted: Wanted, properties: Tree) -> bool:
    """Whether a credential lets in somebody who is meant, and nobody else, whoever made it."""
    told_ = {name: properties.get(name) for name in ("issuer", "subject", "audiences")}
    return told_ in credentials(wanted).values()


def letters(wanted: Wanted) -> str:
    """The permissions of a SAS, in the order that the service wants."""
    used = {operation for grant in wanted.grants for operation in grant.operations}
    return "".join(letter for operation, letter in _LETTERS.items() if operation in used)


def auth_of(wanted: Wanted, who: Who, token_file: str, authority: str) -> Tree:
    """What a location's ``auth`` is through the trust. No secrets."""
    own = {"authority": authority} if authority else {}
    client = {"client_id": who.client_id} if who.client_id else {}
    if wanted.federation:
        return {
            "method": "workload_identity",
            "tenant": wanted.tenant,
            **client,
            "federated_token_file": token_file,
            **own,
        }
    if wanted.identity:
        return {"method": "managed_identity", **client}
    return {"method": "service_principal", "tenant": wanted.tenant, **client, **own}


def unfit(message: str, hint: str = "See the documentation of azure_trust.") -> StowageError:
    """What makes no sense."""
    return StowageError("invalid_option", message, hint)
