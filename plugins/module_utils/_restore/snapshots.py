# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshots of volumes are restored, and as what. Private to the collection.

A VolumeSnapshotContent says what a PersistentVolume does: which thing outside the cluster is meant. So it is restored where
that is, by the handle of the snapshot and with the policy ``Retain``, as Velero does
(``pkg/restore/actions/csi/volumesnapshotcontent_action.go``): written as captured, it would be a request for a new
snapshot, or delete one that another cluster counts on. A VolumeSnapshot is bound to the content that it had: written as
captured, it would be a new snapshot, of what the claim holds now.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import fields
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action, Tree, Verdict

CONTENTS: t.Final = "volumesnapshotcontents.snapshot.storage.k8s.io"
SNAPSHOTS: t.Final = "volumesnapshots.snapshot.storage.k8s.io"
_GROUP_CONTENTS: t.Final = "volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io"
_GROUPS: t.Final = "volumegroupsnapshots.groupsnapshot.storage.k8s.io"
ALL: t.Final = frozenset({CONTENTS, SNAPSHOTS, _GROUP_CONTENTS, _GROUPS})
CONTENT_ANNOTATIONS: t.Final = (
    "snapshot.storage.kubernetes.io/volumesnapshot-being-created",
    "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted",
)

_ELSEWHERE: t.Final = "its snapshot belongs to another cluster (restore_volumes: reuse keeps it)"
_NOT_TAKEN: t.Final = "its snapshot was not taken yet when it was captured"


class Surroundings(t.Protocol):
    """What decisions need to know of the target."""

    def holds_snapshot(self, content: str, namespace: str, snapshot: str) -> bool:
        """Whether the target has the VolumeSnapshotContent, for that VolumeSnapshot."""


class Snapshots:
    """Decides about snapshots, and remembers it of contents for what is bound to them. Grows with their number.

    :param usable: handles of the source may be used: the target is the source, or takes its volumes over.
    """

    def __init__(self, around: Surroundings, *, usable: bool) -> None:
        self._around = around
        self._usable = usable
        self._why_not: dict[str, str] = {}

    def decide(self, resource: str, tree: Tree, *, exists: bool) -> Verdict | None:
        """A verdict about an archived object of ``ALL``; ``None`` when it is restored (or compared with what exists)."""
        if resource == CONTENTS:
            why = self._why_not[fields.name_of(tree)] = self._of_content(tree, exists=exists)
        elif resource == _GROUP_CONTENTS and not self._usable:
            why = _ELSEWHERE
        elif exists:
            why = ""
        elif resource == SNAPSHOTS:
            why = self._of_snapshot(tree)
        else:
            why = "its snapshots are restored one by one, not as a group" if self._usable else _ELSEWHERE
        return Verdict(Action.SKIPPED, why) if why else None

    def _of_content(self, tree: Tree, *, exists: bool) -> str:
        if not self._usable:
            return _ELSEWHERE
        return "" if exists or _handle(tree) else _NOT_TAKEN

    def _of_snapshot(self, tree: Tree) -> str:
        content = _content_of(tree)
        if not content:
            return _NOT_TAKEN
        why = self._why_not.get(content)
        if why is not None:
            return why
        there = self._around.holds_snapshot(content, fields.namespace_of(tree), fields.name_of(tree))
        return "" if there else "its VolumeSnapshotContent is neither restored nor in the cluster"


def belongs_to(content: Tree, namespace: str, name: str) -> bool:
    """Whether a VolumeSnapshotContent is that of the VolumeSnapshot."""
    reference = fields.mapping(content, "spec", "volumeSnapshotRef")
    return (reference.get("namespace"), reference.get("name")) == (namespace, name)


def reset_content(tree: Tree) -> list[str]:
    """Make a VolumeSnapshotContent one of a snapshot that is there; what a user should know of it. See ``reset``."""
    spec = fields.mapping(tree, "spec")
    handle = _handle(tree)
    if handle:
        spec["source"] = {"snapshotHandle": handle}
    reference = fields.mapping(spec, "volumeSnapshotRef")
    reference.pop("uid", None)
    reference.pop("resourceVersion", None)
    if spec.get("deletionPolicy") == "Retain":
        return []
    spec["deletionPolicy"] = "Retain"
    return ["with deletionPolicy Retain: another cluster may count on its snapshot, or it may be gone"]


def reset_snapshot(tree: Tree) -> list[str]:
    """Make a VolumeSnapshot one of the content that it has. See ``reset``."""
    content = _content_of(tree)
    if content:
        fields.mapping(tree, "spec")["source"] = {"volumeSnapshotContentName": content}
    return []


def _handle(content: Tree) -> str:
    """The snapshot outside the cluster, empty when it was not taken yet."""
    taken = fields.mapping(content, "status").get("snapshotHandle")
    return str(taken or fields.mapping(content, "spec", "source").get("snapshotHandle") or "")


def _content_of(snapshot: Tree) -> str:
    """The name of the content that a VolumeSnapshot has, empty when it has none yet."""
    bound = fields.mapping(snapshot, "status").get("boundVolumeSnapshotContentName")
    return str(bound or fields.mapping(snapshot, "spec", "source").get("volumeSnapshotContentName") or "")
