# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From which namespaces a capture takes objects. Private to the collection. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _shapes as shapes
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import EXCLUDE_LABEL, Selection

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item

_ONE_PAGE: t.Final = 500
_LISTS_FOR_A_PAGE: t.Final = 4
"""Lists of one namespace that cost about as much as a page of a list of all."""


class Namespaces:
    """The namespaces of a cluster, told apart by the selection.

    Excluded are also those with the label ``velero.io/exclude-from-backup=true``, as in Velero, and those that are being
    deleted, with all in them.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._admitted: dict[str, bool] = {}
        self.wanted: list[str] = []
        self.labelled: list[str] = []
        self.ending: list[str] = []
        self._noted: set[str] = set()

    def note(self, item: Item) -> None:
        """Take a Namespace object into account."""
        name = item.name
        self._noted.add(name)
        self._admitted[name] = False
        if not self._selection.wants_namespace(name, item.labels or {}):
            return
        namespace = shapes.read(shapes.Namespace, item.body)
        if (item.labels or {}).get(EXCLUDE_LABEL) == "true":
            self.labelled.append(name)
        elif item.deleting or (namespace is not None and namespace.status.phase not in ("", "Active")):
            self.ending.append(name)
        else:
            self._admitted[name] = True
            self.wanted.append(name)

    @property
    def known(self) -> frozenset[str]:
        """The names of all that were noted."""
        return frozenset(self._noted)

    @property
    def nothing_fits(self) -> bool:
        """Whether namespaces are asked for, and none that there is fits."""
        return bool(self._selection.namespace_words) and not (self.wanted or self.labelled or self.ending)

    @property
    def all_admitted(self) -> bool:
        """Whether :meth:`admits` is true for every namespace."""
        return self._selection.all_namespaces and not self.labelled and not self.ending

    def admits(self, name: str) -> bool:
        """Whether objects of a namespace are captured. One that was not noted is younger than the list of namespaces."""
        admitted = self._admitted.get(name)
        if admitted is None:
            admitted = self._admitted[name] = self._selection.wants_namespace(name)
        return admitted

    def absent(self) -> list[str]:
        """Namespaces that are included by name and do not exist."""
        return [n for n in self._selection.included_namespaces if not set("*?[") & set(n) and n not in self._noted]

    def lists(self, count: int | None) -> tuple[str, ...]:
        """Where to list a kind of which there are ``count`` objects: in these namespaces, in etcd's order, or everywhere.

        :returns: ``("",)`` for everywhere. A few namespaces are listed one by one when all would be many pages.
        """
        if self._selection.all_namespaces or len(self.wanted) == len(self._noted):
            return ("",)
        pages = 1 if count is None else count // _ONE_PAGE
        return ("",) if len(self.wanted) > pages * _LISTS_FOR_A_PAGE else self.in_order()

    def in_order(self) -> tuple[str, ...]:
        """The wanted namespaces in the order in which etcd has their objects."""
        return tuple(sorted(self.wanted, key=lambda name: f"{name}/"))
