# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles and their assignments, for `testbed.arm`, and who may do what by them, for `testbed.azure_guard`.

The sources of its answers:

* "Role Assignments - Create, Get, List For Scope, Delete" and "Role Definitions - Create Or Update, Get, Delete", of Microsoft's
  "Azure REST API reference" (https://learn.microsoft.com/rest/api/authorization), version 2022-04-01;
* errors (RoleAssignmentExists, RoleAssignmentUpdateNotPermitted, PrincipalNotFound, RoleDefinitionDoesNotExist,
  RoleDefinitionWithSameNameExists, RoleDefinitionHasAssignments): "Troubleshoot Azure RBAC"
  (https://learn.microsoft.com/azure/role-based-access-control/troubleshooting), and their statuses in issues of
  ansible-collections/azure and Azure/azure-cli;
* what actions and data actions of a role mean: "Understand Azure role definitions"
  (https://learn.microsoft.com/azure/role-based-access-control/role-definitions);
* built-in roles: "Azure built-in roles for Storage", and "for Privileged"
  (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from testbed.arm import Arm, ArmRefused, ArmReply, ArmRequest
from testbed.azure_conditions import Asked, MalformedError, matches, parse

Tree = dict[str, Any]

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
DELEGATION = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
READER, CONTRIBUTOR, DELEGATOR, ACCOUNT_CONTRIBUTOR, ACCESS_ADMINISTRATOR = (
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",
    "17d1049b-9a84-46fb-8f53-869881c3d3ab",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
)
_OPERATIONS = ("read", "write", "delete", "add/action", "move/action")
BUILT_IN: dict[str, tuple[str, list[str], list[str]]] = {
    READER: ("Storage Blob Data Reader", [f"{_CONTAINERS}/read", DELEGATION], [f"{BLOBS}/read"]),
    CONTRIBUTOR: (
        "Storage Blob Data Contributor",
        [*(f"{_CONTAINERS}/{one}" for one in ("read", "write", "delete")), DELEGATION],
        [f"{BLOBS}/{one}" for one in _OPERATIONS],
    ),
    DELEGATOR: ("Storage Blob Delegator", [DELEGATION], []),
    ACCOUNT_CONTRIBUTOR: ("Storage Account Contributor", ["Microsoft.Storage/storageAccounts/*"], []),
    ACCESS_ADMINISTRATOR: ("User Access Administrator", ["*/read", "Microsoft.Authorization/*"], []),
}
_AUTHORIZATION = "/providers/Microsoft.Authorization"


@dataclass
class Assignment:
    """A role assignment. `unseen` is how many more decisions it does not count in, since changes take time to spread."""

    scope: str
    name: str
    properties: Tree
    unseen: int = 0

    @property
    def document(self) -> Tree:
        """Its resource."""
        where = f"{self.scope}{_AUTHORIZATION}/roleAssignments/{self.name}"
        return {"id": where, "name": self.name, "properties": {**self.properties, "scope": self.scope}}


class Rbac:
    """All roles and assignments.

    `admins` are object ids of who may read and change them, each with the scope at which; `principals` knows which principals there are; the next `replicating`
    assignments name a principal that is not known yet; `spread` is for how many decisions a new assignment is not seen yet;
    `meanwhile` is what somebody else does, once, after the assignments of a principal were listed.
    """

    def __init__(self, arm: Arm, principals: Callable[[str], bool]) -> None:
        self.admins: dict[str, str] = {}
        self.assignments: list[Assignment] = []
        self.roles: dict[str, Tree] = {}
        self.members: dict[str, set[str]] = {}
        """Groups: object id to those of its members."""
        self.replicating = 0
        self.spread = 0
        self.meanwhile: Callable[[], object] | None = None
        self._principals = principals
        self._arm = arm
        one = f"(.*?){_AUTHORIZATION}"
        arm.add(f"{one}/roleAssignments", GET=self._list)
        arm.add(f"{one}/roleAssignments/([^/]+)", GET=self._get, PUT=self._put, DELETE=self._delete)
        arm.add(f"{one}/roleDefinitions/([^/]+)", GET=self._role, PUT=self._put_role, DELETE=self._delete_role)

    # decisions

    def may(self, principal: str, scope: str, asked: Asked, *, data: bool) -> bool:
        """Whether a principal may do something at a scope."""
        who = {principal} | {group for group, members in self.members.items() if principal in members}
        return any(
            self._allows(one, scope, asked, data) for one in self.assignments if one.properties["principalId"] in who
        )

    def _allows(self, one: Assignment, scope: str, asked: Asked, data: bool) -> bool:
        if one.unseen:
            one.unseen -= 1
            return False
        if not _within(scope, one.scope):
            return False
        condition = one.properties.get("condition")
        role = self._permissions(one.properties["roleDefinitionId"])
        yes, no = ("dataActions", "notDataActions") if data else ("actions", "notActions")
        allowed = any(
            any(matches(pattern, asked.action) for pattern in part.get(yes) or ())
            and not any(matches(pattern, asked.action) for pattern in part.get(no) or ())
            for part in role
        )
        # Conditions are about data actions only.
        return allowed and (not condition or not data or parse(condition)(asked))

    def _permissions(self, role_id: str) -> list[Tree]:
        name = role_id.rpartition("/")[2].lower()
        if name in BUILT_IN:
            _dummy, actions, data = BUILT_IN[name]
            return [{"actions": actions, "dataActions": data}]
        found: list[Tree] = self.roles.get(name, {}).get("permissions") or []
        return found

    def assign(self, principal: str, scope: str, role: str, condition: str = "") -> Assignment:
        """An assignment that somebody else makes."""
        properties: Tree = {
            "principalId": principal,
            "principalType": "ServicePrincipal",
            "roleDefinitionId": f"/subscriptions/{scope.split('/')[2]}{_AUTHORIZATION}/roleDefinitions/{role}",
            "description": "somebody's",
        }
        if condition:
            properties |= {"condition": condition, "conditionVersion": "2.0"}
        made = Assignment(scope, str(uuid.uuid4()), properties)
        self.assignments.append(made)
        return made

    # assignments

    def _check(self, request: ArmRequest, scope: str, action: str) -> None:
        self._arm.may(request, action)
        outer = self.admins.get(str(request.claims.get("oid")))
        if outer is None or not _within(scope, outer):
            who = f"The client '{request.claims.get('appid')}' with object id '{request.claims.get('oid')}'"
            what = f"does not have authorization to perform action '{action}' over scope '{request.path}'"
            raise ArmRefused(403, "AuthorizationFailed", f"{who} {what} or the scope is invalid.")

    def _find(self, scope: str, name: str) -> Assignment | None:
        same = (
            one for one in self.assignments if one.scope.lower() == scope.lower() and one.name.lower() == name.lower()
        )
        return next(same, None)

    def _list(self, request: ArmRequest, scope: str) -> ArmReply:
        self._check(request, scope, "Microsoft.Authorization/roleAssignments/read")
        text = request.query.get("$filter", "")
        found = [one for one in self.assignments if _within(scope, one.scope)]
        if "atScope()" not in text:
            found += [one for one in self.assignments if _within(one.scope, scope) and one not in found]
        if match := re.search(r"assignedTo\('([^']+)'\)", text):
            who = {match[1]} | {group for group, members in self.members.items() if match[1] in members}
            found = [one for one in found if one.properties["principalId"] in who]
        # One on each page, so that whoever reads only the first does not see all.
        at = int(request.query.get("$skipToken", "0"))
        body: Tree = {"value": [one.document for one in found[at : at + 1]]}
        if at + 1 < len(found):
            body["nextLink"] = f"https://elsewhere.example{request.path}?api-version=2022-04-01&$skipToken={at + 1}"
        if match and self.meanwhile:
            act, self.meanwhile = self.meanwhile, None
            act()
        return ArmReply(body=body)

    def _get(self, request: ArmRequest, scope: str, name: str) -> ArmReply:
        self._check(request, scope, "Microsoft.Authorization/roleAssignments/read")
        found = self._find(scope, name)
        if found is None:
            raise ArmRefused(404, "RoleAssignmentNotFound", f"The role assignment '{name}' is not found.")
        return ArmReply(body=found.document)

    def _put(self, request: ArmRequest, scope: str, name: str) -> ArmReply:
        self._check(request, scope, "Microsoft.Authorization/roleAssignments/write")
        given = request.body["properties"]
        self._check_principal(given)
        self._check_role(scope, given)
        self._check_condition(given)
        before = self._find(scope, name)
        fixed = ("principalId", "roleDefinitionId")
        same = [str(given[one]).lower() for one in fixed]
        if before and [str(before.properties[one]).lower() for one in fixed] != same:
            raise ArmRefused(
                400,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            )
        others = [one for one in self.assignments if one is not before and one.scope.lower() == scope.lower()]
        if any([str(one.properties[key]).lower() for key in fixed] == same for one in others):
            raise ArmRefused(409, "RoleAssignmentExists", "The role assignment already exists.")
        made = Assignment(scope, name, dict(given), self.spread)
        self.assignments = [one for one in self.assignments if one is not before] + [made]
        return ArmReply(200 if before else 201, made.document)

    def _check_principal(self, given: Tree) -> None:
        known = self._principals(given["principalId"])
        if self.replicating:
            self.replicating -= 1
            known = False
        if not known:
            text = f"Principal {given['principalId']} does not exist in the directory."
            raise ArmRefused(400, "PrincipalNotFound", text)
        if given.get("principalType") != "ServicePrincipal":
            raise ArmRefused(400, "UnmatchedPrincipalType", "The PrincipalId has type 'ServicePrincipal'.")

    def _check_role(self, scope: str, given: Tree) -> None:
        name = str(given["roleDefinitionId"]).rpartition("/")[2].lower()
        scopes = ["/"] if name in BUILT_IN else self.roles.get(name, {}).get("assignableScopes", [])
        if not any(_within(scope, one) for one in scopes):
            raise ArmRefused(
                404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{name}' does not exist."
            )

    def _check_condition(self, given: Tree) -> None:
        condition = given.get("condition")
        if not condition:
            return
        if given.get("conditionVersion") != "2.0" or len(condition) > 8 << 10:
            raise ArmRefused(400, "InvalidConditionVersion", "The condition or its version is not valid.")
        try:
            parse(condition)
        except MalformedError as error:
            raise ArmRefused(400, "InvalidCondition", f"The condition is not valid: {error}.") from None

    def _delete(self, request: ArmRequest, scope: str, name: str) -> ArmReply:
        self._check(request, scope, "Microsoft.Authorization/roleAssignments/delete")
        found = self._find(scope, name)
        if found is None:
            return ArmReply(204)
        self.assignments.remove(found)
        return ArmReply(body=found.document)

    # roles

    def _role(self, request: ArmRequest, scope: str, name: str) -> ArmReply:
        self._check(request, scope, "Microsoft.Authorization/roleDefinitions/read")
        where = f"{scope}{_AUTHORIZATION}/roleDefinitions/{name}"
        if name.lower() in BUILT_IN:
            title, actions, data = BUILT_IN[name.lower()]
            permissions = [{"actions": actions, "notActions": [], "dataActions": data, "notDataActions": []}]
            properties: Tree = {"roleName": title, "type": "BuiltInRole", "permissions": permissions}
            return ArmReply(body={"id": where, "name": name, "properties": {**properties, "assignableScopes": ["/"]}})
        if name.lower() not in self.roles:
            raise ArmRefused(404, "RoleDefinitionDoesNotExist", f"The role definition '{name}' does not exist.")
        return ArmReply(body={"id": where, "name": name, "properties": self.roles[name.lower()]})

    def _put_role(self, request: ArmRequest, scope: str, name: str) -> ArmReply:
        self._check(request, scope, "Microsoft.Authorization/roleDefinitions/write")
        given = request.body["properties"]
        if any(one["roleName"] == given["roleName"] for key, one in self.roles.items() if key != name.lower()):
            raise ArmRefused(409, "RoleDefinitionWithSameNameExists", "A custom role with the same name exists.")
        if not all(
            re.match(r"/subscriptions/[0-9a-f-]{36}(/resourceGroups/[^/]+)?$", one) for one in given["assignableScopes"]
        ):
            raise ArmRefused(
                400, "LinkedInvalidPropertyId", "An assignable scope is neither subscription nor resource group."
            )
        self.roles[name.lower()] = {**given, "type": "CustomRole"}
        where = f"{scope}{_AUTHORIZATION}/roleDefinitions/{name}"
        return ArmReply(201, {"id": where, "name": name, "properties": self.roles[name.lower()]})

    def _delete_role(self, request: ArmRequest, scope: str, name: str) -> ArmReply:
        self._check(request, scope, "Microsoft.Authorization/roleDefinitions/delete")
        used = [one for one in self.assignments if one.properties["roleDefinitionId"].lower().endswith(name.lower())]
        if used:
            raise ArmRefused(
                400, "RoleDefinitionHasAssignments", "There are existing role assignments referencing role."
            )
        return ArmReply(200 if self.roles.pop(name.lower(), None) else 204)


def _within(scope: str, outer: str) -> bool:
    """Whether a scope is another, or below it."""
    scope, outer = scope.lower().rstrip("/"), outer.lower().rstrip("/")
    return scope == outer or scope.startswith(outer + "/")
