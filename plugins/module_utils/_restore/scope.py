# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which entries of an archive a restore is about. Private to the collection.

The rules are those of ``Selection``: namespaced objects by namespace, resource and labels; cluster-scoped ones all, none, or
those that wanted objects name (which is learnt by reading the wanted objects of the kinds that can name others).
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _related as related
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import fields, objects, order

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader, Entry
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One kind of the archive, as far as it is wanted.

    :param namespaces: the namespaces of its wanted blocks, in order; ``("",)`` when it is cluster-scoped.
    :param names: the wanted names of a cluster-scoped kind, whatever their labels; ``None`` for all that pass the labels.
    :param count: how many objects those blocks hold.
    :param chosen: its objects are asked for. If not, they are namespaces that wanted objects may need: made where missing,
        never changed.
    """

    kind: Kind
    namespaces: tuple[str, ...]
    names: frozenset[str] | None
    count: int
    chosen: bool = True

    def wants(self, name: str) -> bool:
        """Whether an object of one of the namespaces is wanted, labels aside."""
        return self.names is None or name in self.names


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """What a restore is about.

    :param parts: in the order in which kinds are restored.
    :param namespaces: the namespaces that wanted objects live in.
    """

    parts: tuple[Part, ...]
    namespaces: frozenset[str]

    @property
    def total(self) -> int:
        """At most so many objects."""
        return sum(part.count for part in self.parts)


def find_scope(reader: BackupReader, selection: Selection) -> Scope:
    """Read what is needed to know what is wanted: mostly the index's directory alone."""
    counts: dict[Kind, dict[str, int]] = {}
    for block in reader.blocks:
        counts.setdefault(block.kind, {})
        counts[block.kind][block.namespace] = counts[block.kind].get(block.namespace, 0) + block.count
    parts: list[Part] = []
    for kind, blocks in counts.items():
        if kind.namespaced and selection.wants_kind(kind):
            wanted = {name: count for name, count in blocks.items() if selection.wants_namespace(name)}
            if wanted:
                parts.append(Part(kind, _sorted(wanted), None, sum(wanted.values())))
    namespaces = frozenset(name for part in parts for name in part.namespaces)
    parts += _cluster_scoped(reader, selection, {k: sum(b.values()) for k, b in counts.items()}, parts, namespaces)
    places = {kind: place for place, kind in enumerate(order.ordered(part.kind for part in parts))}
    return Scope(tuple(sorted(parts, key=lambda part: places[part.kind])), namespaces)


def _sorted(namespaces: t.Iterable[str]) -> tuple[str, ...]:
    """In the order of etcd's keys, in which a slash follows the namespace."""
    return tuple(sorted(namespaces, key=lambda name: f"{name}/"))


def _cluster_scoped(
    reader: BackupReader,
    selection: Selection,
    counts: t.Mapping[Kind, int],
    parts: t.Sequence[Part],
    namespaces: frozenset[str],
) -> t.Iterator[Part]:
    kinds = [kind for kind in counts if not kind.namespaced]
    scope = selection.cluster_scope
    names = _related(reader, selection, kinds, parts) if scope == "related" else {}
    for kind in kinds:
        if kind.resource == order.NAMESPACES:
            yield _namespace_part(reader, kind, selection, namespaces, counts[kind])
        elif scope == "none":
            continue
        elif selection.wants_kind(kind):
            if scope == "all":
                yield Part(kind, ("",), None, counts[kind])
            elif names.get(kind):
                yield Part(kind, ("",), frozenset(names[kind]), counts[kind])
        elif kind.resource == order.CRDS and _unless_excluded(selection).wants_kind(kind):
            yield Part(kind, ("",), frozenset(part.kind.resource for part in parts), counts[kind])


def _unless_excluded(selection: Selection) -> Selection:
    """As Velero does, definitions come with wanted custom resources unless they are excluded by name."""
    return dataclasses.replace(selection, included_resources=())


def _namespace_part(reader: BackupReader, kind: Kind, selection: Selection, used: frozenset[str], count: int) -> Part:
    """Namespaces that pass the filter, if the kind does; else those that wanted objects live in, which are not asked for."""
    if not selection.wants_kind(kind):
        return Part(kind, ("",), used, count, chosen=False)
    if selection.all_namespaces:
        return Part(kind, ("",), None, count)
    passing = {entry.name for entry in reader.entries(kind) if selection.wants_namespace(entry.name)}
    return Part(kind, ("",), used | passing, count)


def _related(
    reader: BackupReader, selection: Selection, kinds: t.Sequence[Kind], parts: t.Sequence[Part]
) -> dict[Kind, set[str]]:
    """The cluster-scoped objects that the wanted namespaced ones name, and what those name in turn."""
    references = related.References()
    for part in parts:
        references.note_kind(part.kind)
        if related.refers(part.kind):
            spaces = frozenset(part.namespaces)
            for entry, body in reader.objects(part.kind, spaces.__contains__):
                item = _item(entry, body, selection)
                if item is not None:
                    references.note(part.kind, item)
    names: dict[Kind, set[str]] = {}
    for kind in sorted(kinds, key=related.order):
        if kind.resource == related.CLUSTER_ROLES:
            for entry, body in reader.objects(kind):
                references.note_role(_plain(entry, body, with_labels=True))
            references.resolve_roles()
        if references.needs(kind):
            names[kind] = _wanted(reader, kind, references)
    return names


def _wanted(reader: BackupReader, kind: Kind, references: related.References) -> set[str]:
    """The wanted names of a cluster-scoped kind; what the wanted objects name is noted."""
    if kind.resource != related.CLUSTER_ROLE_BINDINGS and not related.refers(kind):
        return set(references.names(kind))
    found = set()
    for entry, body in reader.objects(kind):
        item = _plain(entry, body)
        if references.wants(kind, item):
            found.add(item.name)
            references.note(kind, item)
    return found


def _item(entry: Entry, body: bytes, selection: Selection) -> Item | None:
    """An entry as the rules of relation take it; ``None`` when its labels are not wanted."""
    if not selection.label_selectors:
        return _plain(entry, body)
    item = _plain(entry, body, with_labels=True)
    return item if selection.wants_labels(item.labels or {}) else None


def _plain(entry: Entry, body: bytes, *, with_labels: bool = False) -> Item:
    labels = fields.labels_of(objects.decode(body)) if with_labels else None
    return Item(entry.namespace, entry.name, entry.uid, "", labels, False, entry.owners, body)
