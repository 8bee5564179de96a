# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which claims' data a backup does not hold. Private to the collection. Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _shapes as shapes

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item

_REASON: t.Final = "only objects were captured; the data of volumes is not in this backup"


class Volumes:
    """Rows of Velero's ``<backup>-volumeinfo.json.gz``, one for each captured claim that has a volume.

    A row without ``backupMethod`` that is ``skipped`` makes Velero and our restore provision a volume whose reclaim
    policy is ``Delete`` anew (Velero ``pkg/restore/restore.go``).
    """

    def __init__(self) -> None:
        # Bytes: there may be a hundred thousand claims, and a dictionary for each would be what a capture needs most room for.
        self._claims: list[bytes] = []
        self._volumes: dict[bytes, bytes] = {}

    def note_claim(self, item: Item) -> None:
        """Remember a captured PersistentVolumeClaim. One that cannot be decoded counts as one with a volume."""
        claim = shapes.read(shapes.Claim, item.body)
        volume = (claim.spec.volumeName or "") if claim is not None else ""
        if volume or claim is None:
            self._claims.append("\0".join((item.namespace, item.name, volume)).encode())
            if volume:
                self._volumes[volume.encode()] = b""

    def note_volume(self, item: Item) -> None:
        """Remember a captured PersistentVolume, after the claims."""
        name = item.name.encode()
        volume = shapes.read(shapes.Volume, item.body) if name in self._volumes else None
        if volume is not None:
            policy = volume.spec.persistentVolumeReclaimPolicy or ""
            self._volumes[name] = json.dumps({"reclaimPolicy": policy, "labels": dict(item.labels or {})}).encode()

    @property
    def count(self) -> int:
        """How many claims' data the backup does not hold."""
        return len(self._claims)

    def names(self, most: int | None = None) -> list[str]:
        """``namespace/name`` of the claims, in order."""
        return ["/".join(claim.decode().split("\0")[:2]) for claim in sorted(self._claims)[:most]]

    def rows(self) -> t.Iterator[dict[str, t.Any]]:
        """The rows in order of claims."""
        for claim in sorted(self._claims):
            namespace, name, volume = claim.decode().split("\0")
            row = {
                "pvcName": name,
                "pvcNamespace": namespace,
                "pvName": volume,
                "snapshotDataMoved": False,
                "preserveLocalSnapshot": False,
                "skipped": True,
                "skippedReason": _REASON,
            }
            info = self._volumes.get(volume.encode())
            yield row | {"pvInfo": json.loads(info)} if info else row

    def warning(self) -> str:
        """One sentence about all of them, empty when there are none."""
        if not self.count:
            return ""
        more = f" and {self.count - 3} more" if self.count > 3 else ""
        noun = "1 claim" if self.count == 1 else f"{self.count} claims"
        return (
            f"The data of {noun} ({', '.join(self.names(3))}{more}) is not in this backup; the volume information file"
            " lists them all."
        )
