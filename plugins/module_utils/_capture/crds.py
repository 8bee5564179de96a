# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether discovery has seen every custom resource that the pinned revision defines. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _shapes as shapes
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.consistency import Course
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import cut, reached

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import Discovery
    from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

_NAMES_ONLY: t.Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_LIMIT: t.Final = 500


def names_at(conn: Connection, crds: Kind, course: Course) -> list[str]:
    """The names (``plural.group``) of all definitions at the pin; their schemas are not fetched.

    :raises StartOver: the pin is gone.
    """
    query = [("limit", str(_LIMIT)), ("resourceVersion", course.pin), ("resourceVersionMatch", "Exact")]
    names: list[str] = []
    while True:
        try:
            page = cut(reached(conn, crds.path(), query, accept=_NAMES_ONLY).body, crds)
        except ApiStatusError as error:
            if error.status != 410:
                raise
            course.lost_pin()
            query, names = [("limit", str(_LIMIT))], []
            continue
        names += [item.name for item in page.items if not item.deleting]
        if not page.continue_token:
            return names
        query = [("limit", str(_LIMIT)), ("continue", page.continue_token)]


def unseen(names: t.Iterable[str], discovery: Discovery) -> list[str]:
    """Definitions whose resource discovery does not have, in any version. Pure."""
    found = []
    for name in names:
        plural, _dot, group = name.partition(".")
        if not discovery.versions_of(group, plural):
            found.append(name)
    return found


def is_served(conn: Connection, crds: Kind, name: str) -> bool:
    """Whether a definition should be in discovery: it is there, established, and serves a version. One that may not be read
    counts as served."""
    try:
        body = conn.request("GET", crds.path(name=name)).body
    except ApiStatusError as error:
        if error.status in (403, 404):
            return error.status == 403
        raise
    crd = shapes.read(shapes.Crd, body)
    if crd is None or not any(version.served for version in crd.spec.versions):
        return False
    conditions = crd.status.conditions if crd.status else None
    return any(one.type == "Established" and one.status == "True" for one in conditions or ())
