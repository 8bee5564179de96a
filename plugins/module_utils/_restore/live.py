# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the target has of a kind, learnt from lists. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Gone, Item, pages
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.scope import Part

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection

_FEW_NAMESPACES: t.Final = 20
_OF_ONE_KIND: t.Final = frozenset({"cluster_api_error", "cluster_forbidden"})
"""Also what is no list, and a page that is too large; other errors every request would meet."""
_RESTARTS: t.Final = 5
_SIZE_HINT: t.Final = 2048
"""Bytes of a usual object: the first page of a list is not a small one to find that out."""


class LiveObjects:
    """Lists kinds of the target in key order.

    :ivar unlisted: resource -> why it could not be listed. What is there of it is then learnt when it is created.
    """

    def __init__(self, connection: Connection, *, all_namespaces: bool, by_namespace: frozenset[str]) -> None:
        self._connection = connection
        self._all_namespaces = all_namespaces
        self._by_namespace = by_namespace
        self.unlisted: dict[str, str] = {}

    def of(self, part: Part, served: Kind) -> t.Iterator[Item]:
        """The objects of a kind in the namespaces of a part. Nothing is asked before the first is wanted."""
        few = not self._all_namespaces and len(part.namespaces) <= _FEW_NAMESPACES
        apart = served.namespaced and (few or part.kind.resource in self._by_namespace)
        for namespace in part.namespaces if apart else ("",):
            try:
                yield from self._list(served, namespace)
            except StowageError as error:
                if error.code not in _OF_ONE_KIND:
                    raise
                # 404: a new definition that one of several API servers does not know yet; nothing is there.
                if not (isinstance(error, ApiStatusError) and error.status == 404):
                    self.unlisted[part.kind.resource] = error.message

    def _list(self, served: Kind, namespace: str) -> t.Iterator[Item]:
        """A list that goes on where it broke when the cluster has dropped its revision."""
        token, last = "", ""
        for restart in range(_RESTARTS):
            try:
                for page in pages(self._connection, served, namespace=namespace, token=token, size_hint=_SIZE_HINT):
                    for item in page.items:
                        if token or restart == 0 or merge.key(item) > last:
                            yield item
                    if page.items:
                        last = merge.key(page.items[-1])
            except Gone as gone:
                if restart + 1 == _RESTARTS:
                    raise
                token = gone.continue_token
            else:
                return
