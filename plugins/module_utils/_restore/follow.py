# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which objects of an archive wanted ones are tied to. Private to the collection.

The rules are those of a capture, so that a restore by labels brings what a backup by the same labels takes: the claims of
pods that labels select, and the cluster-scoped objects that wanted ones name, whatever labels these have.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _related as related
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import fields, objects

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader, Entry
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.scope import Part
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection


def needed(selection: Selection) -> bool:
    """Whether wanted objects decide on others. Pure."""
    return selection.cluster_scope == "related" or bool(selection.label_selectors)


def follow(
    reader: BackupReader, selection: Selection, parts: t.Sequence[Part], kinds: t.Iterable[Kind]
) -> dict[Kind, frozenset[str]]:
    """Read what can name others; the keys (``namespace/name`` or ``name``) of what is named, by kind.

    :param parts: the namespaced kinds, as far as they are wanted.
    :param kinds: the cluster-scoped ones that may come along.
    """
    walk = _Walk(reader, selection)
    for part in sorted(parts, key=lambda part: part.kind.resource == related.CLAIMS):
        walk.namespaced(part)
    for kind in sorted(kinds, key=related.order):
        walk.cluster_scoped(kind)
    return {kind: frozenset(keys) for kind, keys in walk.tied.items()}


class _Walk:
    """One walk through the wanted objects, those that name others before those that are named."""

    def __init__(self, reader: BackupReader, selection: Selection) -> None:
        self.tied: dict[Kind, set[str]] = {}
        self._reader = reader
        self._selection = selection
        self._references = related.References()
        self._by_labels = bool(selection.label_selectors)
        self._defined = frozenset(
            entry.name for kind in reader.kinds if kind.resource == related.CRDS for entry in reader.entries(kind)
        )

    def namespaced(self, part: Part) -> None:
        """Note what the wanted objects of a kind name."""
        if not self._by_labels:
            self._references.note_kind(part.kind)
        if related.refers(part.kind):
            self._read(part.kind, frozenset(part.namespaces), chosen=True)

    def cluster_scoped(self, kind: Kind) -> None:
        """Find the objects of a kind that wanted ones name, and note what they name in turn."""
        if kind.resource == related.CLUSTER_ROLES and self._references.needs(kind):
            self._resolve_roles(kind)
        chosen = self._selection.cluster_scope == "all" and self._selection.wants_kind(kind)
        if kind.resource == related.CLUSTER_ROLE_BINDINGS or related.refers(kind):
            if chosen or self._references.needs(kind):
                self._read(kind, frozenset({""}), chosen=chosen)
            return
        self.tied[kind] = set(self._references.names(kind))
        if chosen and kind.resource in self._defined:
            self._read(kind, frozenset({""}), chosen=True)

    def _resolve_roles(self, kind: Kind) -> None:
        for entry, body in self._reader.objects(kind):
            self._references.note_role(_item(entry, body, with_labels=True))
        self._references.resolve_roles()

    def _read(self, kind: Kind, namespaces: frozenset[str], *, chosen: bool) -> None:
        """Note what the wanted objects of a kind name.

        :param chosen: they are wanted for themselves if labels, where these matter, select them; else only if tied.
        """
        for entry, body in self._reader.objects(kind, namespaces.__contains__):
            item = _item(entry, body, with_labels=self._by_labels and chosen)
            tied = self._is_tied(kind, item)
            if tied:
                self.tied.setdefault(kind, set()).add(entry.key)
            if tied or (chosen and self._selection.wants_labels(item.labels or {})):
                self._references.note_kind(kind)
                self._references.note(kind, item)

    def _is_tied(self, kind: Kind, item: Item) -> bool:
        if kind.namespaced and not (self._by_labels and kind.resource == related.CLAIMS):
            return False
        return self._references.wants(kind, item)


def _item(entry: Entry, body: bytes, *, with_labels: bool) -> Item:
    """An entry as the rules of relation take it."""
    labels = fields.labels_of(objects.decode(body)) if with_labels else None
    return Item(entry.namespace, entry.name, entry.uid, "", labels, False, entry.owners, body)
