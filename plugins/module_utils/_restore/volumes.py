# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which volumes are restored, and which claims keep theirs. Private to the collection. Pure.

Two clusters must not write one disk: a PersistentVolume with a volume handle is restored into the cluster that it came
from, or when the user says that the volume may be reused. Otherwise its claim is provisioned anew, without its data.
"""

from __future__ import annotations

import enum
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import fields
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action, Tree, Verdict

RestoreVolumes: t.TypeAlias = t.Literal["own", "reuse"]

_NODE_LOCAL: t.Final = ("hostPath", "local")


class Kept(enum.Enum):
    """What became of an archived PersistentVolume."""

    YES = "yes"
    NODE_LOCAL = "node-local"
    """Restored into another cluster, whose nodes do not have its data."""
    RELEASED = "released"
    """There, but still reserved for a claim that is gone: the new one cannot bind to it."""
    TAKEN = "taken"
    """There, but for another claim than the archived one."""
    NO = "no"


class Volumes:
    """Decides about volumes, and remembers it for their claims. Grows with the number of volumes."""

    def __init__(self, mode: RestoreVolumes, *, own_cluster: bool) -> None:
        self._mode = mode
        self._own = own_cluster
        self._kept: dict[str, Kept] = {}

    def decide(self, tree: Tree, *, exists: bool, as_it_is: Kept = Kept.YES) -> Verdict | None:
        """A verdict about an archived PersistentVolume; ``None`` when it is restored (or compared with what exists).

        :param as_it_is: what one that exists is to the archived claim.
        """
        name = fields.name_of(tree)
        if exists and (self.usable or is_node_local(tree)):
            self._kept[name] = as_it_is
            return None
        if is_node_local(tree):
            self._kept[name] = Kept.YES if self._own else Kept.NODE_LOCAL
            return None
        why = self._why_not(tree)
        self._kept[name] = Kept.NO if why else Kept.YES
        return Verdict(Action.SKIPPED, why) if why else None

    def _why_not(self, tree: Tree) -> str:
        if self._mode == "reuse":
            return ""
        if not self._own:
            return (
                "its volume belongs to another cluster; the claim is provisioned anew (restore_volumes: reuse keeps it)"
            )
        deleted = fields.mapping(tree, "spec").get("persistentVolumeReclaimPolicy") == "Delete"
        if deleted and "pv.kubernetes.io/provisioned-by" in fields.annotations_of(tree):
            return "its volume was deleted with it; the claim is provisioned anew (restore_volumes: reuse keeps it)"
        return ""

    @property
    def usable(self) -> bool:
        """Whether what is outside the source cluster may be used: the target is the source, or takes it over."""
        return self._own or self._mode == "reuse"

    def kept(self, name: str) -> Kept | None:
        """What became of a volume; ``None`` when it is not in this restore."""
        return self._kept.get(name)


def is_node_local(tree: Tree) -> bool:
    """Whether a PersistentVolume is a directory or disk of a node rather than a volume elsewhere."""
    spec = fields.mapping(tree, "spec")
    return any(source in spec for source in _NODE_LOCAL)


def is_released(volume: Tree) -> bool:
    """Whether a PersistentVolume of the target has lost its claim, and so can be bound by no other."""
    return fields.mapping(volume, "status").get("phase") == "Released"


def is_taken(archived: Tree, live: Tree) -> bool:
    """Whether a PersistentVolume of the target is reserved for, or bound to, another claim than the archived one."""
    claim = fields.mapping(live, "spec", "claimRef")
    wanted = fields.mapping(archived, "spec", "claimRef")
    return bool(claim.get("name") and wanted.get("name")) and not (
        is_released(live) or belongs_to(live, str(wanted.get("namespace")), str(wanted.get("name")))
    )


def as_it_is(archived: Tree, live: Tree, *, update: bool) -> Kept:
    """What a PersistentVolume of the target is to the archived claim.

    :param update: a released one is made as archived.
    """
    if is_taken(archived, live):
        return Kept.TAKEN
    return Kept.RELEASED if is_released(live) and not update else Kept.YES


def volume_of(claim: Tree) -> str:
    """The volume that an archived claim was bound to, empty when to none."""
    return str(fields.mapping(claim, "spec").get("volumeName") or "")


def belongs_to(volume: Tree, namespace: str, name: str) -> bool:
    """Whether a PersistentVolume is reserved for, or bound to, the claim."""
    claim = fields.mapping(volume, "spec", "claimRef")
    return (claim.get("namespace"), claim.get("name")) == (namespace, name)
