# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings trust at Google into the wanted state: looks, says what differs, makes it so. Private to the collection."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import gcp_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_api import GoogleApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_policy import Tree, Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change, in_use

POOL_KIND: t.Final = "workloadIdentityPoolId"
PROVIDER_KIND: t.Final = "workloadIdentityPoolProviderId"


@dataclasses.dataclass(frozen=True)
class Apis:
    """Who asks: ``location`` owns the bucket and what is made, ``account`` the service account."""

    location: GoogleApi
    account: GoogleApi


@dataclasses.dataclass(frozen=True)
class Found:
    """What is there. ``policy`` is the bucket's, ``acting`` says who may act as the account; ``others`` are providers of the pool
    that somebody else made."""

    account: Tree | None
    policy: Tree
    acting: Tree
    roles: t.Mapping[str, Tree | None]
    pool: Tree | None
    provider: Tree | None
    others: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Step:
    """A change, and how it is made."""

    change: Change
    make: t.Callable[[], None]


def pool_path(wanted: Wanted) -> str:
    """The pool, in requests."""
    return gcp_policy.pool_name(wanted.project, wanted.name)


def provider_path(wanted: Wanted) -> str:
    """The pool's provider, in requests."""
    return f"{pool_path(wanted)}/providers/{wanted.name}"


def look(apis: Apis, wanted: Wanted, role_ids: t.Iterable[str]) -> Found:
    """Reads all that the trust may consist of.

    :raises StowageError: ``location_unfit`` without uniform access; ``bucket_wrong_owner``; ``trust_in_use`` for what somebody else
        made under one of our names.
    """
    bucket = apis.location.bucket(wanted.bucket)
    _check_bucket(wanted, bucket)
    account = apis.account.account(wanted.account)
    pool = apis.location.federated(pool_path(wanted))
    live = pool is not None and pool.get("state") != "DELETED"
    provider = apis.location.federated(provider_path(wanted)) if live else None
    others = [str(one.get("name")) for one in apis.location.providers(pool_path(wanted))] if live else []
    found = Found(
        account=account,
        policy=apis.location.bucket_policy(wanted.bucket),
        acting=apis.account.account_policy(wanted.account) if account else {},
        roles={name: apis.location.role(wanted.project, name) for name in role_ids},
        pool=pool,
        provider=provider,
        others=tuple(one for one in others if not one.endswith(f"/{wanted.name}")),
    )
    _check_ours(wanted, found)
    return found


def _check_bucket(wanted: Wanted, bucket: Tree) -> None:
    access = ((bucket.get("iamConfiguration") or {}).get("uniformBucketLevelAccess") or {}).get("enabled")
    if access is not True:
        raise StowageError(
            "location_unfit",
            f"The bucket gs://{wanted.bucket} has no uniform access: lists of objects could let others in, and conditions cannot be set.",
            "Turn uniform bucket-level access on: gcloud storage buckets update --uniform-bucket-level-access.",
        )
    number = str(bucket.get("projectNumber") or "")
    if number != wanted.number:
        raise StowageError(
            "bucket_wrong_owner",
            f"The bucket gs://{wanted.bucket} is of the project {number}, and {wanted.project} is {wanted.number}.",
            "Set location_account to the project that the bucket is of.",
        )


def _check_ours(wanted: Wanted, found: Found) -> None:
    """What has a name of ours and somebody else made is not touched."""
    held: list[tuple[str, Tree | None]] = [("the identity pool", found.pool), ("its provider", found.provider)]
    held += [(f"the role {name}", role) for name, role in found.roles.items()]
    if not wanted.given:
        held.append(("the service account", found.account))
    named = [what for what, document in held if document and document.get("description") != wanted.marker]
    if named:
        raise in_use(wanted.name, [f"{what} was not made by this trust" for what in named])
    if wanted.given and found.account is None:
        message = f"There is no service account {wanted.account}."
        raise StowageError("invalid_option", message, "Make it first, or leave service_account out.")


# present


def plan(apis: Apis, wanted: Wanted, found: Found, *, exclusive: bool) -> list[Step]:
    """What is to be done, in order.

    :param exclusive: others lose the roles by which they may act as the account.
    """
    steps = [*_account_steps(apis, wanted, found), *_role_steps(apis, wanted, found)]
    steps += _federation_steps(apis, wanted, found)
    steps += _acting_steps(apis, wanted, found, exclusive)
    return steps + _bucket_steps(apis, wanted, found)


def _account_steps(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    if found.account or wanted.given:
        return []
    name = wanted.account.partition("@")[0]
    change = Change("service_account", wanted.account, None, {"description": wanted.marker})
    return [Step(change, lambda: apis.account.create_account(wanted.project, name, wanted.marker))]


def _role_steps(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    steps = []
    for name, permissions in gcp_policy.roles(wanted).items():
        document = {
            "title": f"stowage {name}",
            "description": wanted.marker,
            "includedPermissions": permissions,
            "stage": "GA",
        }
        before = found.roles.get(name)
        held = None if before is None or before.get("deleted") else sorted(before.get("includedPermissions") or ())
        if held != permissions:
            make = functools.partial(apis.location.put_role, wanted.project, name, document, before)
            steps.append(Step(Change("role", name, held, permissions), make))
    return steps


def _federation_steps(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    if wanted.federation is None:
        return []
    steps: list[Step] = []
    pool: Tree = {"displayName": f"stowage {wanted.name}"[:32], "description": wanted.marker, "disabled": False}
    provider = {**gcp_policy.provider(wanted, wanted.federation), "disabled": False}
    for what, path, kind, document, before in (
        ("pool", pool_path(wanted), POOL_KIND, pool, found.pool),
        ("provider", provider_path(wanted), PROVIDER_KIND, provider, found.provider),
    ):
        held = _alike(document, before)
        if held != document:
            make = functools.partial(_put_federated, apis.location, path, kind, document, before)
            steps.append(Step(Change(what, wanted.name, held, document), make))
    return steps


def _put_federated(api: GoogleApi, path: str, kind: str, document: Tree, before: Tree | None) -> None:
    """A provider that was deleted with its pool comes back with it, so it is looked for again."""
    api.put_federated(path, kind, document, before or api.federated(path))


def _alike(document: Tree, before: Tree | None) -> Tree | None:
    """What is there of a document's fields, as they are compared."""
    if before is None or before.get("state") == "DELETED":
        return None
    found = {name: before.get(name, False if name == "disabled" else None) for name in document}
    held = found.get("oidc")
    if isinstance(held, dict):
        oidc = {key: value for key, value in held.items() if value}
        found["oidc"] = {**oidc, "allowedAudiences": sorted(oidc.get("allowedAudiences") or ())}
    return found


def _acting_steps(apis: Apis, wanted: Wanted, found: Found, exclusive: bool) -> list[Step]:
    want = gcp_policy.members(wanted)
    have = gcp_policy.member_bindings(found.acting)
    add = {role: sorted(set(who) - set(have.get(role, ()))) for role, who in want.items()}
    roles = (gcp_policy.WORKLOAD_USER, gcp_policy.TOKEN_CREATOR)
    drop = {role: sorted(set(have.get(role, ())) - set(want.get(role, ()))) for role in roles} if exclusive else {}
    if not any(add.values()) and not any(drop.values()):
        return []
    after = {
        role: sorted((set(have.get(role, ())) | set(add.get(role, ()))) - set(drop.get(role, ()))) for role in roles
    }
    change = Change("service_account_policy", wanted.account, {role: have.get(role, []) for role in roles}, after)
    return [_acting_step(apis, wanted, change, add, drop)]


def _acting_step(
    apis: Apis, wanted: Wanted, change: Change, add: t.Mapping[str, list[str]], drop: t.Mapping[str, list[str]]
) -> Step:
    def changed(policy: Tree) -> Tree:
        return gcp_policy.with_members(policy, add, drop)

    return Step(change, lambda: apis.account.change_account_policy(wanted.account, changed))


def _bucket_steps(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    want, have = gcp_policy.bindings(wanted), gcp_policy.ours_of(found.policy, wanted.name)
    return [_bucket_step(apis, wanted, have, want)] if want != have else []


def _bucket_step(apis: Apis, wanted: Wanted, before: list[Tree], after: list[Tree]) -> Step:
    def changed(policy: Tree) -> Tree:
        return gcp_policy.replaced(policy, wanted.name, after)

    change = Change("bucket_policy", wanted.bucket, before or None, after or None)
    return Step(change, lambda: apis.location.change_bucket_policy(wanted.bucket, changed))


# absent


def plan_removal(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    """What is to be taken away, in order.

    :raises StowageError: ``trust_in_use`` while others depend on it.
    """
    _check_unused(wanted, found)
    steps: list[Step] = []
    if have := gcp_policy.ours_of(found.policy, wanted.name):
        steps.append(_bucket_step(apis, wanted, have, []))
    if wanted.given:
        steps += _leave_account(apis, wanted, found)
    if found.pool and found.pool.get("state") != "DELETED":
        if found.provider and found.provider.get("state") != "DELETED":
            steps.append(_gone("provider", wanted.name, lambda: apis.location.delete_federated(provider_path(wanted))))
        steps.append(_gone("pool", wanted.name, lambda: apis.location.delete_federated(pool_path(wanted))))
    for name, role in found.roles.items():
        if role and not role.get("deleted"):
            steps.append(_gone("role", name, functools.partial(apis.location.delete_role, wanted.project, name)))
    if found.account and not wanted.given:
        steps.append(_gone("service_account", wanted.account, lambda: apis.account.delete_account(wanted.account)))
    return steps


def _gone(what: str, name: str, make: t.Callable[[], None]) -> Step:
    return Step(Change(what, name, {"name": name}, None), make)


def _leave_account(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    have, ours = gcp_policy.member_bindings(found.acting), gcp_policy.members(wanted)
    drop = {role: sorted(set(who) & set(have.get(role, ()))) for role, who in ours.items()}
    drop = {role: who for role, who in drop.items() if who}
    if not drop:
        return []
    return [_acting_step(apis, wanted, Change("service_account_policy", wanted.account, drop, None), {}, drop)]


def _check_unused(wanted: Wanted, found: Found) -> None:
    holders = [f"provider {one.rpartition('/')[2]} in the identity pool" for one in found.others]
    holders += [
        f"binding of {one['role']} in gs://{wanted.bucket}"
        for one in gcp_policy.foreign_of(found.policy, wanted.name)
        if wanted.member in one["members"] and not wanted.given
    ]
    if not wanted.given:
        holders += [
            f"{who} has {role} on the account" for role, members in strangers(wanted, found).items() for who in members
        ]
    if holders:
        raise in_use(wanted.name, holders)


def strangers(wanted: Wanted, found: Found) -> dict[str, list[str]]:
    """Who has roles on the account that the trust does not give. The members of our own pool are ours."""
    ours = gcp_policy.members(wanted)
    pool = f"principal://iam.googleapis.com/{gcp_policy.pool_name(wanted.number, wanted.name)}/subject/"
    kept = {
        role: [one for one in who if one not in ours.get(role, ()) and not one.startswith(pool)]
        for role, who in gcp_policy.member_bindings(found.acting).items()
    }
    return {role: who for role, who in kept.items() if who}


def foreign(wanted: Wanted, found: Found) -> Tree:
    """What others have set up around the trust, for people to see."""
    return {
        "bucket": gcp_policy.foreign_of(found.policy, wanted.name),
        "service_account": strangers(wanted, found),
        "providers": list(found.others),
    }


def apply(steps: t.Iterable[Step]) -> list[Change]:
    """Makes the changes, in order."""
    done = []
    for step in steps:
        step.make()
        done.append(step.change)
    return done
