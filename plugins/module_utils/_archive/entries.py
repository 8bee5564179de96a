# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a backup's reader hands out. Private to the collection. Pure."""

from __future__ import annotations

import abc
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

Wanted: t.TypeAlias = "t.Callable[[str], bool] | None"
"""Tells whether a namespace is wanted; asked for namespaced kinds only. ``None`` wants all."""


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """Objects of one kind in one namespace (empty for cluster-scoped kinds)."""

    kind: Kind
    namespace: str
    count: int


class Entry(t.NamedTuple):
    """One object of a backup, without its content.

    :param owners: uids of its owners.
    :param size: bytes of its JSON.
    :param position: where it is: number of a gzip member and offset in it; negative first in a temporary file.
    """

    namespace: str
    name: str
    uid: str
    owners: tuple[str, ...]
    size: int
    sha256: str
    position: tuple[int, int]

    @property
    def key(self) -> str:
        """``namespace/name`` or ``name``: etcd's order of a kind is that of its UTF-8 bytes, which is a string's order."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Lost(t.NamedTuple):
    """An object of an archive that cannot be handed out, because it is not known which resource it is of."""

    kind: str
    namespace: str
    name: str


Chosen: t.TypeAlias = "t.Callable[[Entry], bool] | None"
"""Tells whether an object is wanted. ``None`` wants all."""


class Store(abc.ABC):
    """The objects of one archive, however they are reached. Used by one thread at a time."""

    blocks: t.Sequence[Block]
    """In the archive's order: kind by kind, each kind in key order."""

    bytes_read: int
    """Bytes of the tarball that were read from the location."""

    index_bytes_read: int
    """Bytes of the index that were read."""

    @abc.abstractmethod
    def entries(self, kind: Kind, wanted: Wanted) -> t.Iterator[Entry]:
        """A kind's entries in key order."""

    @abc.abstractmethod
    def objects(self, kind: Kind, wanted: Wanted, chosen: Chosen = None) -> t.Iterator[tuple[Entry, bytes]]:
        """A kind's objects in key order, without those that are not ``chosen``; each was compared with its hash."""

    @abc.abstractmethod
    def get(self, entry: Entry) -> bytes:
        """One object, compared with its hash."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of threads and temporary files."""
