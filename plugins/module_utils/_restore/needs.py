# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore must be allowed to do, found before its first request that matters. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import permissions
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.permissions import Need
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.status import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import skips
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.namespaces import KIND as NAMESPACES
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.scope import Part

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection

_READ: t.Final = ("get", "list")
_WRITE: t.Final = ("create", "patch")
_ROLES: t.Final = frozenset({"clusterroles.rbac.authorization.k8s.io", "roles.rbac.authorization.k8s.io"})
_MOST_NAMESPACES: t.Final = 50


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """What the account may do.

    :param by_namespace: resources that it may list in single namespaces only.
    :param missing: what it lacks.
    """

    by_namespace: frozenset[str]
    missing: tuple[Need, ...]


def verbs(resource: str, *, update: bool) -> tuple[str, ...]:
    """The verbs that a restore needs on a kind. ServiceAccounts that exist are merged whatever the policy. Pure."""
    found = [*_READ, *_WRITE]
    if update or resource == "serviceaccounts":
        found.append("update")
    if resource in _ROLES:
        found += ["bind", "escalate"]
    return tuple(found)


def access(connection: Connection, parts: t.Iterable[Part], *, update: bool) -> Access:
    """Ask the API server, for the whole cluster first and for single namespaces where that is refused."""
    wanted = [part for part in parts if not skips.is_never_restored(part.kind.resource)]
    needs = {
        Need(verb, part.kind.group, part.kind.plural): part
        for part in wanted
        for verb in verbs(part.kind.resource, update=update and part.chosen)
    }
    lacking = permissions.missing(connection, needs)
    spaces = {needs[need].names for need in lacking if _changes_namespace(need, needs[need])}
    there = bool(spaces) and all(_all_there(connection, names) for names in spaces)
    single = {
        need: places
        for need in lacking
        if (places := _places(need, needs[need], there=there, update=update)) is not None
        and len(places) <= _MOST_NAMESPACES
    }
    again = permissions.missing(
        connection,
        [dataclasses.replace(need, namespace=place) for need, places in single.items() for place in places],
    )
    by_namespace = frozenset(needs[need].kind.resource for need in single if need.verb == "list")
    return Access(by_namespace, tuple([need for need in lacking if need not in single] + again))


def _changes_namespace(need: Need, part: Part) -> bool:
    return part.kind == NAMESPACES and need.verb not in _READ


def _places(need: Need, part: Part, *, there: bool, update: bool) -> t.Collection[str] | None:
    """The namespaces in which a permission is enough; ``None`` when it is needed for the whole cluster.

    A role in a namespace covers the namespace itself, but for its creation.

    :param there: all namespaces of the restore exist.
    """
    if part.kind.namespaced:
        return part.namespaces
    if not (there and _changes_namespace(need, part)):
        return None
    return part.names or () if update and part.chosen and need.verb != "create" else ()


def _all_there(connection: Connection, names: frozenset[str] | None) -> bool:
    """Whether every namespace exists, so that an account of single namespaces needs not be able to make any."""
    if names is None or len(names) > _MOST_NAMESPACES:
        return False
    try:
        for name in names:
            connection.request("GET", NAMESPACES.path("", name))
    except ApiStatusError as error:
        if error.status in (403, 404):
            return False
        raise
    return True
