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

from ansible_collections.stowage.kubernetes.plugins.module_utils import _misspelt as misspelt
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import follow, order

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One kind of the archive, as far as it is wanted.

    :param namespaces: the namespaces of its wanted blocks, in order; ``("",)`` when it is cluster-scoped.
    :param names: the wanted names of a cluster-scoped kind, whatever their labels; ``None`` for all that pass the labels.
    :param count: how many objects those blocks hold.
    :param tied: the keys of objects that are wanted whatever their labels, because wanted ones need them.
    :param chosen: its objects are asked for. If not, they are namespaces that wanted objects may need: made where missing,
        never changed.
    """

    kind: Kind
    namespaces: tuple[str, ...]
    names: frozenset[str] | None
    count: int
    chosen: bool = True
    tied: frozenset[str] = frozenset()

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


def held_namespaces(reader: BackupReader) -> frozenset[str]:
    """The namespaces of which a backup holds anything."""
    held = {block.namespace for block in reader.blocks} - {""}
    for kind in reader.kinds:
        if kind.resource == order.NAMESPACES:
            held |= {entry.name for entry in reader.entries(kind)}
    return frozenset(held)


def check_namespaces(held: frozenset[str], selection: Selection, backup: str) -> list[str]:
    """Make sure that a selection of namespaces leaves any of those that a backup holds. Pure.

    :return: what is to be said of those that it does not hold, one sentence each.
    :raises StowageError: ``namespace_not_found``: it holds none of them.
    """
    if selection.namespace_words and not any(selection.wants_namespace(name) for name in held):
        raise misspelt.no_namespace(selection, held, f"The backup {backup}")
    return [
        f"The namespace {name} is included by its name, and the backup does not hold it. {misspelt.meant([name], held)}".rstrip()
        for name in selection.unmatched_namespaces(held)
    ]


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
    others = {kind: sum(blocks.values()) for kind, blocks in counts.items() if not kind.namespaced}
    coming = {kind: count for kind, count in others.items() if _may_come(selection, kind)}
    tied = follow.follow(reader, selection, parts, coming) if follow.needed(selection) else {}
    parts = [dataclasses.replace(part, tied=tied.get(part.kind, frozenset())) for part in parts]
    parts += [
        _namespace_part(reader, kind, selection, namespaces, count)
        for kind, count in others.items()
        if kind.resource == order.NAMESPACES
    ]
    parts += list(_cluster_scoped(selection, coming, tied, parts))
    places = {kind: place for place, kind in enumerate(order.ordered(part.kind for part in parts))}
    return Scope(tuple(sorted(parts, key=lambda part: places[part.kind])), namespaces)


def _sorted(namespaces: t.Iterable[str]) -> tuple[str, ...]:
    """In the order of etcd's keys, in which a slash follows the namespace."""
    return tuple(sorted(namespaces, key=lambda name: f"{name}/"))


def _cluster_scoped(
    selection: Selection, counts: t.Mapping[Kind, int], tied: t.Mapping[Kind, frozenset[str]], parts: t.Sequence[Part]
) -> t.Iterator[Part]:
    """Cluster-scoped kinds but namespaces: all, those that wanted objects are tied to, or none."""
    for kind, count in counts.items():
        if selection.wants_kind(kind) and selection.cluster_scope == "all":
            yield Part(kind, ("",), None, count, tied=tied.get(kind, frozenset()))
        elif follow.needed(selection):
            if tied.get(kind):
                yield Part(kind, ("",), tied[kind], count)
        else:
            wanted = {part.kind.resource for part in parts} | {one.resource for one in counts}
            yield Part(kind, ("",), frozenset(wanted), count)


def _may_come(selection: Selection, kind: Kind) -> bool:
    """Whether objects of a cluster-scoped kind can belong to a selection.

    As Velero does, definitions come with wanted custom resources unless they are excluded by name.
    """
    if selection.cluster_scope == "none" or kind.resource == order.NAMESPACES:
        return False
    return selection.wants_kind(kind) or (kind.resource == order.CRDS and not selection.excludes_kind(kind))


def _namespace_part(reader: BackupReader, kind: Kind, selection: Selection, used: frozenset[str], count: int) -> Part:
    """Namespaces that pass the filter, if the kind does; else those that wanted objects live in, which are not asked for."""
    if not selection.wants_kind(kind):
        return Part(kind, ("",), used, count, chosen=False)
    if selection.all_namespaces:
        return Part(kind, ("",), None, count)
    passing = {entry.name for entry in reader.entries(kind) if selection.wants_namespace(entry.name)}
    return Part(kind, ("",), used | passing, count)
