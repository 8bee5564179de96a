# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a cluster has the namespaces that are asked for, before anything is written. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _misspelt as misspelt
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.namespaces import Namespaces
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Page, cut, pages

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.survey import Target
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection


def read_namespaces(conn: Connection, selection: Selection, target: Target, cluster: str) -> Namespaces | None:
    """The cluster's namespaces, told apart by the selection; ``None`` if it is about all of them.

    :param target: the kind, as the survey found it.
    :param cluster: its name, for messages.
    :raises StowageError: ``namespace_not_found`` when nothing fits what is asked for: a backup of nothing is none.
    """
    if selection.all_namespaces:
        return None
    namespaces = Namespaces(selection)
    listed = (
        pages(conn, target.kind, size_hint=target.size_hint) if target.namespaces is None else one_by_one(conn, target)
    )
    for page in listed:
        for item in page.items:
            namespaces.note(item)
    if namespaces.nothing_fits:
        raise misspelt.no_namespace(selection, namespaces.known, f"The cluster {cluster}")
    return namespaces


def one_by_one(conn: Connection, target: Target) -> t.Iterator[Page]:
    """Pages of one namespace each: those that may be read but not listed. One that does not exist has none."""
    for name in sorted(target.namespaces or ()):
        try:
            body = conn.request("GET", target.kind.path(name=name)).body
        except ApiStatusError as error:
            if error.status == 404:
                continue
            raise
        yield cut(b'{"metadata":{},"items":[' + body + b"]}", target.kind)
