# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which service accounts of clusters act as the principal of a trust at Azure. Private to the collection."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import azure_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Tree, Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_steps import Apis, Found, Step, plain
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change, in_use


def credential_steps(apis: Apis, wanted: Wanted, found: Found) -> list[Step]:
    """What is to be done about federated credentials, in order.

    :raises StowageError: ``trust_in_use`` for a subject that somebody else's credential is for, ``invalid_option`` for too many.
    """
    store = apis.store(wanted)
    if store is None:
        return []
    want = azure_policy.credentials(wanted)
    steps = removal_steps(apis, wanted, found, kept=want)
    others = {name: one for name, one in found.credentials.items() if name not in want}
    made = []
    for name, properties in want.items():
        before = _told(found.credentials.get(name))
        # An identity has one credential for a subject: another trust's does.
        theirs = [one for one in others.values() if _key(one) == _key(properties)]
        if before == properties or any(_told(one) == properties for one in theirs):
            continue
        if theirs:
            raise in_use(wanted.name, [f"another credential of the principal is for {properties['subject']}"])
        make = functools.partial(store[0].put_credential, store[1], name, properties)
        made.append(Step(Change("federated_credential", name, before, properties), plain(make)))
    new = sum(step.change.before is None for step in made)
    _check_room(len(found.credentials) - len(steps) + new)
    return [*steps, *made]


def removal_steps(apis: Apis, wanted: Wanted, found: Found, kept: t.Collection[str] = ()) -> list[Step]:
    """How the trust's own federated credentials are taken away, apart from those that are kept."""
    store = apis.store(wanted)
    if store is None:
        return []
    return [
        Step(
            Change("federated_credential", name, _told(have), None),
            plain(functools.partial(store[0].delete_credential, store[1], name)),
        )
        for name, have in found.credentials.items()
        if azure_policy.is_ours(wanted, name, have) and name not in kept
    ]


def left_behind(apis: Apis, wanted: Wanted) -> str:
    """What to tell who takes a trust away of federated credentials that may stay, since nobody here can see them; empty if somebody can."""
    if wanted.given is None or apis.store(wanted) is not None:
        return ""
    names = sorted(azure_policy.credentials(wanted))
    named = ", ".join(names) if names else f"those whose names begin with {azure_policy.credential_start(wanted)}"
    holder = wanted.given.client_id or f"whose service principal is {wanted.given.object_id}"
    return (
        f"Federated credentials of the application {holder} were not looked at, and may still let accounts of clusters act as it: {named}. "
        "Set cluster_account to the owner of the application to have them deleted, or ask the owner to delete them."
    )


def other_credentials(apis: Apis, wanted: Wanted) -> list[str]:
    """Federated credentials of the principal that let in others than are meant."""
    store = apis.store(wanted)
    held = store[0].credentials(store[1]) if store else {}
    return [
        name
        for name, one in held.items()
        if name not in azure_policy.credentials(wanted) and not azure_policy.lets_in(wanted, one)
    ]


def _check_room(count: int) -> None:
    if count > azure_policy.MOST_CREDENTIALS:
        raise azure_policy.unfit(
            f"The principal would have {count} federated credentials, and Azure allows {azure_policy.MOST_CREDENTIALS}.",
            "Take away others of its credentials, or use another principal for some subjects.",
        )


def _told(properties: Tree | None) -> Tree | None:
    return None if properties is None else {name: properties.get(name) for name in ("issuer", "subject", "audiences")}


def _key(properties: Tree) -> tuple[t.Any, t.Any]:
    return properties.get("issuer"), properties.get("subject")
