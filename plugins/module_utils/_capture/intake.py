# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes listed objects into the archive, and notes what they name. Private to the collection.

As in Velero (``pkg/backup/item_backupper.go``), objects that are being deleted and objects with the label
``velero.io/exclude-from-backup=true`` are left out.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _related as related
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import MAX_OBJECT
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.names import well_named
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.volumes import Volumes
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import EXCLUDE_LABEL

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.writer import ArchiveWriter
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item
    from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

Keep = t.Callable[["Item"], bool]


class Intake:
    """What has come into one archive.

    :param follow: whether what objects name has to be noted, because something else is captured for it.
    """

    def __init__(self, writer: ArchiveWriter, *, follow: bool) -> None:
        self.references = related.References()
        self.volumes = Volumes()
        self.namespaces: set[str] = set()
        """Namespaces of captured objects."""
        self.too_large: list[str] = []
        """Objects that no reader of archives would take, as ``namespace/name``."""
        self.misnamed = 0
        """How many objects of the last list have a name or namespace that no API server accepts."""
        self.deleted = 0
        self.labelled = 0
        self._writer = writer
        self._follow = follow

    def take(self, kind: Kind, items: t.Sequence[Item], keep: Keep | None) -> int:
        """Put a page's objects into the archive; returns how many it took.

        :param keep: which of them; ``None`` for all.
        """
        kept = self._sound(items)
        if keep is not None:
            kept = [item for item in kept if keep(item)]
        if any(len(item.body) > MAX_OBJECT for item in kept):
            self.too_large += [item.key.decode() for item in kept if len(item.body) > MAX_OBJECT]
            kept = [item for item in kept if len(item.body) <= MAX_OBJECT]
        count = len(kept)
        kept = well_named(kind, kept)
        self.misnamed += count - len(kept)
        add = self._writer.add
        for item in kept:
            add(kind, item)
        if kept:
            self._note(kind, kept)
        return len(kept)

    def _sound(self, items: t.Sequence[Item]) -> list[Item]:
        kept = [item for item in items if not item.deleting]
        self.deleted += len(items) - len(kept)
        count = len(kept)
        kept = [item for item in kept if not item.labels or item.labels.get(EXCLUDE_LABEL) != "true"]
        self.labelled += count - len(kept)
        return kept

    def _note(self, kind: Kind, kept: t.Sequence[Item]) -> None:
        if kind.resource == related.CLAIMS:
            for item in kept:
                self.volumes.note_claim(item)
        elif kind.resource == related.VOLUMES:
            for item in kept:
                self.volumes.note_volume(item)
        self.references.note_kind(kind)
        if not self._follow:
            return
        if kind.namespaced:
            self.namespaces.update(item.namespace for item in kept)
        if related.refers(kind):
            for item in kept:
                self.references.note(kind, item)
