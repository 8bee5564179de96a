# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the target has around the objects of a restore: looked up one by one, and remembered. Private to the collection."""

from __future__ import annotations

import collections
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import (
    apply,
    fields,
    objects,
    snapshots,
    volumes,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Tree
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.volumes import Kept

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import Discovery
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import Sender

_MOST: t.Final = 20_000
_SERVICES: t.Final = Kind("", "v1", "services", "Service", True)
_VOLUMES: t.Final = Kind("", "v1", "persistentvolumes", "PersistentVolume", False)


class Surroundings:
    """Answers of the target, each asked for once. What the restore itself did is told to it. For any thread."""

    def __init__(self, sender: Sender, discovery: Discovery) -> None:
        self.discovery = discovery
        self._sender = sender
        self._selects: dict[tuple[str, str], bool] = {}
        self._uids: collections.OrderedDict[tuple[str, str, str, str], str | None] = collections.OrderedDict()
        self._lock = threading.Lock()

    def note_service(self, tree: Tree) -> None:
        """A Service of the archive."""
        spec = fields.mapping(tree, "spec")
        self._selects[fields.namespace_of(tree), fields.name_of(tree)] = bool(spec.get("selector"))

    def service_selects(self, namespace: str, name: str) -> bool | None:
        """Whether the Service of that name has a selector; the archive's counts, then the target's."""
        known = self._selects.get((namespace, name))
        if known is not None:
            return known
        tree = self.get(_SERVICES, namespace, name)
        if tree is None:
            return None
        selects = bool(fields.mapping(tree, "spec").get("selector"))
        self._selects[namespace, name] = selects
        return selects

    def owner_exists(self, api_version: str, kind: str, namespace: str, name: str) -> bool:
        """Whether the target has an object of that kind and name."""
        return self.owner_uid(api_version, kind, namespace, name) is not None

    def owner_uid(self, api_version: str, kind: str, namespace: str, name: str) -> str | None:
        """The uid of an owner in the target; ``namespace`` is that of the dependent.

        One that is being deleted is none: what it owns would be deleted with it.
        """
        served = self._served(api_version, kind)
        if served is None or not name:
            return None
        place = (api_version, kind, namespace if served.namespaced else "", name)
        with self._lock:
            if place in self._uids:
                return self._uids[place]
        tree = self.get(served, place[2], name)
        metadata = fields.mapping(tree, "metadata")
        uid = None if "deletionTimestamp" in metadata else str(metadata.get("uid") or "") or None
        with self._lock:
            self._uids[place] = uid
            if len(self._uids) > _MOST:
                self._uids.popitem(last=False)
        return uid

    def served_version(self, api_version: str, kind: str) -> str:
        """The apiVersion under which the target serves a kind of the archive; the same if it does not serve it."""
        served = self._served(api_version, kind)
        return served.api_version if served is not None else api_version

    def status_is_field(self, kind: Kind) -> bool:
        """Whether the target takes the ``status`` of a kind that it serves as a field like any other."""
        served = self.discovery.find(kind.group, kind.version, kind.plural)
        return served is not None and not self.discovery.has_subresource(served, "status")

    def _served(self, api_version: str, kind: str) -> Kind | None:
        group, _slash, version = api_version.rpartition("/")
        return self.discovery.find(group, version, kind) or self.discovery.find(group, "", kind)

    def kept_volume(self, volume: str, namespace: str, claim: str) -> Kept | None:
        """What a PersistentVolume of the target is to that claim; ``None`` when it is not there, or another's."""
        tree = self.get(_VOLUMES, "", volume)
        if tree is None or not volumes.belongs_to(tree, namespace, claim):
            return None
        return Kept.RELEASED if volumes.is_released(tree) else Kept.YES

    def holds_snapshot(self, content: str, namespace: str, snapshot: str) -> bool:
        """Whether the target has the VolumeSnapshotContent, for that VolumeSnapshot."""
        served = self._served("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent")
        tree = self.get(served, "", content) if served is not None else None
        return tree is not None and snapshots.belongs_to(tree, namespace, snapshot)

    def get(self, kind: Kind, namespace: str, name: str) -> Tree | None:
        """One object of the target; ``None`` when it is not there or may not be seen."""
        try:
            answer = self._sender.send("GET", kind.path(namespace, name))
        except apply.RefusedError as error:
            if error.status in {403, 404}:
                return None
            raise
        return objects.decode(answer.response.body)
