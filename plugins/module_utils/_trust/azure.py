# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings trust at Azure into the wanted state: looks, says what differs, makes it so. Private to the collection."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import azure_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_federation import (
    credential_steps,
    removal_steps,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Tree, Wanted, Who
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_steps import Apis, Found, Step, plain
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Clock
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change, in_use

_PAUSE: t.Final = 2.0
# What is new is not known everywhere at once, and what was deleted is for a while.
_SPREADING: t.Final = frozenset({"PrincipalNotFound", "RoleDefinitionDoesNotExist", "RoleDefinitionHasAssignments"})


def look(apis: Apis, wanted: Wanted) -> Found:
    """Reads all that the trust may consist of.

    :raises StowageError: ``trust_in_use`` for what somebody else made under a name of ours; ``invalid_option`` for an identity
        that is of another tenant, or neither there nor to be made.
    """
    identity = apis.cluster.identity(wanted.identity.id) if wanted.identity else None
    who = _who(wanted, identity)
    store = apis.store(wanted) if identity or not wanted.identity else None
    credentials = store[0].credentials(store[1]) if store else {}
    role = apis.location.role(azure_policy.role_path(wanted))
    if role is not None and role.get("description") != wanted.marker:
        raise in_use(wanted.name, [f"the role {role.get('roleName')} was not made by this trust"])
    every = apis.location.assignments(wanted.group if role else wanted.scope)
    held = apis.location.assignments(wanted.scope, f"assignedTo('{who.object_id}')") if who.object_id else []
    return Found(who, identity, credentials, role, tuple(every), tuple(held))


def _who(wanted: Wanted, identity: Tree | None) -> Who:
    if wanted.given:
        return wanted.given
    found = (identity or {}).get("properties") or {}
    tenant = str(found.get("tenantId") or "").lower()
    if tenant and tenant != wanted.tenant:
        raise azure_policy.unfit(
            f"The identity is of the tenant {tenant}, and Azure knows it in no other, such as the storage account's {wanted.tenant}.",
            "Make an identity in the storage account's tenant: federation lets clusters of any tenant act as it.",
        )
    return Who(str(found.get("principalId") or "").lower(), str(found.get("clientId") or "").lower())


def made_by_us(wanted: Wanted, identity: Tree | None) -> bool:
    """Whether an identity is the trust's own."""
    tags = (identity or {}).get("tags") or {}
    return bool(tags.get(azure_policy.TAG)) and wanted.tags.items() <= tags.items()


# present


def plan(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    """What is to be done, in order."""
    steps = [*_identity_steps(apis, wanted, found), *credential_steps(apis, wanted, found)]
    return [*steps, *_role_steps(apis, wanted, found), *_assignment_steps(apis, wanted, found)]


def _identity_steps(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    identity = wanted.identity
    if identity is None or found.identity is not None:
        return []
    if not identity.region:
        raise azure_policy.unfit(
            f"There is no identity {identity.name} in the resource group {identity.group}.",
            "Set identity.region to have it made there.",
        )
    after = {"region": identity.region, "tags": wanted.tags}

    def make(_dummy: Who) -> Who:
        return _who(wanted, apis.cluster.put_identity(identity.id, identity.region, wanted.tags))

    return [Step(Change("identity", identity.name, None, after), make)]


def _role_steps(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    if not wanted.custom_role:
        return []
    want = azure_policy.role(wanted)
    if found.role is not None and azure_policy.same_role(found.role, want):
        return []
    make = functools.partial(apis.location.put_role, azure_policy.role_path(wanted), want)
    return [Step(Change("role", want["roleName"], found.role, want), plain(make))]


@dataclasses.dataclass(frozen=True)
class _Assigned:
    """An assignment that is wanted: at a scope, with properties that depend on who the principal is."""

    scope: str
    role: str
    of: t.Callable[[Wanted, Who], Tree]


def _wanted_assignments(wanted: Wanted) -> list[_Assigned]:
    found = [_Assigned(wanted.scope, azure_policy.role_title(wanted), azure_policy.assignment)]
    if wanted.sas:
        title = azure_policy.role_title(wanted, azure_policy.DELEGATOR)
        found.append(_Assigned(wanted.account_id, title, azure_policy.delegation))
    return found


def _assignment_steps(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    steps, kept = [], set()
    for one in _wanted_assignments(wanted):
        properties = one.of(wanted, found.who)
        path = azure_policy.assignment_path(one.scope, properties)
        kept.add(path.lower())
        before = next((_properties(have) for have in found.assignments if _id(have) == path.lower()), None)
        if _is_held(wanted, found, one, properties):
            continue
        if before is not None and azure_policy.told(before) == azure_policy.told(properties):
            continue
        shown = {"scope": one.scope, "role": one.role, "condition": properties.get("condition", "")}
        change = Change(
            "role_assignment",
            f"{one.role} for {wanted.principal}",
            None if before is None else {**shown, "condition": before.get("condition") or ""},
            shown,
        )
        steps.append(Step(change, functools.partial(_assign, apis, wanted, one)))
    return [*_stale(apis, wanted, found, kept), *steps]


def _assign(apis: Apis, wanted: Wanted, one: _Assigned, who: Who) -> None:
    properties = one.of(wanted, who)
    apis.location.put_assignment(azure_policy.assignment_path(one.scope, properties), properties)


def _is_held(wanted: Wanted, found: Found, one: _Assigned, properties: Tree) -> bool:
    """Whether somebody else gave the principal the same: it has one assignment of a role at a scope.

    :raises StowageError: ``trust_in_use`` if that has a condition, or lacks the one that is wanted.
    """
    for have in found.assignments:
        theirs = _properties(have)
        same = _role(theirs) == _role(properties) and str(theirs.get("principalId")) == properties["principalId"]
        if same and _scope(have) == one.scope.lower() and theirs.get("description") != wanted.marker:
            if azure_policy.told(theirs) == azure_policy.told(properties):
                return True
            raise in_use(wanted.name, [f"somebody else assigned the same role to {wanted.principal} there"])
    return False


def _stale(apis: Apis, wanted: Wanted, found: Found, kept: t.Collection[str]) -> list[Step]:
    """Assignments of ours that are not wanted any more, such as those of an identity that was made again."""
    return [_unassign(apis, have) for have in ours_of(wanted, found) if _id(have) not in kept]


def ours_of(wanted: Wanted, found: Found) -> list[Tree]:
    """The assignments that the trust made."""
    scopes = {wanted.scope.lower(), wanted.account_id.lower()}
    every = {_id(one): one for one in (*found.assignments, *found.held)}.values()
    return [one for one in every if _properties(one).get("description") == wanted.marker and _scope(one) in scopes]


def _unassign(apis: Apis, have: Tree) -> Step:
    properties = _properties(have)
    shown = {**azure_policy.told(properties), "scope": str(properties.get("scope"))}
    name = f"{shown['role']} for object {properties.get('principalId')}"
    make = functools.partial(apis.location.delete, str(have.get("id")))
    return Step(Change("role_assignment", name, shown, None), plain(make))


# absent


def plan_removal(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    """What is to be taken away, in order.

    :raises StowageError: ``trust_in_use`` while others depend on it.
    """
    _check_unused(wanted, found)
    steps = [_unassign(apis, have) for have in ours_of(wanted, found)]
    if found.role is not None:
        make = functools.partial(apis.location.delete, azure_policy.role_path(wanted))
        steps.append(Step(Change("role", str(found.role.get("roleName")), found.role, None), plain(make)))
    steps += removal_steps(apis, wanted, found)
    if wanted.identity and made_by_us(wanted, found.identity):
        change = Change("identity", wanted.identity.name, {"name": wanted.identity.name}, None)
        steps.append(Step(change, plain(functools.partial(apis.cluster.delete_identity, wanted.identity.id))))
    return steps


def _check_unused(wanted: Wanted, found: Found) -> None:
    role = azure_policy.role_name(wanted)
    ours = {_id(one) for one in ours_of(wanted, found)}
    holders = [
        f"the role is assigned to {_properties(one).get('principalId')} at {_properties(one).get('scope')}"
        for one in found.assignments
        if _id(one) not in ours and _role(_properties(one)) == role
    ]
    if made_by_us(wanted, found.identity):
        strangers = foreign(wanted, found)
        holders += [f"the identity has {one['role']} at {one['scope']}" for one in strangers["assignments"]]
        holders += [f"credential {name} of the identity" for name in strangers["credentials"]]
    if holders:
        raise in_use(wanted.name, holders)


def foreign(wanted: Wanted, found: Found) -> Tree:
    """What others have given the principal, for people to see."""
    ours = {_id(one) for one in ours_of(wanted, found)}
    mine = [one for one in found.assignments if _properties(one).get("principalId") == found.who.object_id]
    every = {_id(one): one for one in (*found.held, *mine) if _id(one) not in ours}.values()
    shown = [{**azure_policy.told(_properties(one)), "scope": str(_properties(one).get("scope"))} for one in every]
    return {
        "assignments": shown,
        "credentials": [name for name, one in found.credentials.items() if not azure_policy.is_ours(wanted, name, one)],
    }


def roles_with(apis: Apis, wanted: Wanted, who: Who, actions: t.Sequence[str]) -> list[str]:
    """Roles of the principal at the storage account that have one of some actions of the control plane.

    :raises StowageError: ``store_error`` for a role that cannot be read, which may have it.
    """
    held = apis.location.assignments(wanted.account_id, f"assignedTo('{who.object_id}')")
    names = sorted({_role(_properties(one)) for one in held})
    roles = {one: apis.location.role(azure_policy.role_path(wanted, one)) for one in names}
    unread = [name for name, one in roles.items() if one is None]
    if unread:
        raise StowageError(
            "store_error", f"A role of the principal cannot be read: {unread[0]}.", "Let location_account read it."
        )
    return [
        str(one.get("roleName"))
        for one in roles.values()
        if one and any(azure_policy.may(one, action) for action in actions)
    ]


def apply(steps: t.Iterable[Step], who: Who, *, clock: Clock, patience: float) -> Who:
    """Makes the changes, in order, and says who the principal is then.

    :raises LocationError: what was done before stays, and a second run goes on.
    """
    until = clock.now() + patience
    for step in steps:
        while True:
            try:
                who = step.make(who) or who
                break
            except LocationError as error:
                if error.failure.store_code == "RoleAssignmentExists":
                    raise in_use(step.change.name, ["somebody else assigned the same role meanwhile"]) from None
                if error.failure.store_code not in _SPREADING or clock.now() + _PAUSE > until:
                    raise
                clock.pause(_PAUSE)
    return who


def require_known(who: Who) -> Who:
    """:raises StowageError: ``store_error`` if Azure did not say who an identity is."""
    if not who.object_id:
        raise StowageError("store_error", "Azure does not say who the identity is.", "Try again later.")
    return who


def _properties(document: Tree) -> Tree:
    found = document.get("properties")
    return found if isinstance(found, dict) else {}


def _id(document: Tree) -> str:
    return str(document.get("id")).lower()


def _role(properties: Tree) -> str:
    """The name of an assignment's role: ids begin with whatever scope they were asked at."""
    return str(properties.get("roleDefinitionId")).rpartition("/")[2].lower()


def _scope(document: Tree) -> str:
    return str(_properties(document).get("scope")).lower()
