# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an object in the cluster is as archived, but for what servers and controllers set. Private to the collection.

Pure. Both sides have been through ``reset`` with the same rules; what controllers write later is forgotten here.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import fields
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Tree
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.reset import drop_annotations

MAX_PATHS: t.Final = 100
"""Paths kept for one object; one more says that there are more."""

_REVISION: t.Final = ("deployment.kubernetes.io/revision",)
CONTROLLER_ANNOTATIONS: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    "deployments.apps": _REVISION,
    "replicasets.apps": (
        *_REVISION,
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
    ),
    "daemonsets.apps": ("deprecated.daemonset.template.generation",),
    "horizontalpodautoscalers.autoscaling": (
        "autoscaling.alpha.kubernetes.io/conditions",
        "autoscaling.alpha.kubernetes.io/current-metrics",
    ),
}
"""What built-in controllers write into annotations of objects that people make."""

_CA_INJECTORS: t.Final = (
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
    "service.beta.openshift.io/inject-cabundle",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """Where two objects differ.

    :param paths: sorted; the first :data:`MAX_PATHS` and, if there are more, a line that says so.
    :param only_added: the one in the cluster has fields more and is otherwise equal: they may be another version's
        defaults, which only the server can tell.
    """

    paths: tuple[str, ...]
    only_added: bool
    changes: tuple[Change, ...] = ()
    """With values, for a diff in a file."""


def compare(kind: Kind, desired: Tree, actual: Tree) -> Difference | None:
    """``None`` when they are equal. Both trees were reset, and are changed here.

    :param desired: the archived object as it would be written, with the target's uids in its owner references.
    :param actual: the one in the cluster.
    """
    _forget(kind, desired, actual)
    if desired == actual:
        return None
    found = changes(desired, actual)
    if not found:
        return None
    paths = tuple(change.path for change in found)
    if len(paths) > MAX_PATHS:
        paths = (*paths[:MAX_PATHS], f"… and {len(paths) - MAX_PATHS} more")
    return Difference(paths, all(change.added for change in found), found)


def _forget(kind: Kind, desired: Tree, actual: Tree) -> None:
    """Take off both what a controller may have set on one only."""
    metadata, other = fields.mapping(desired, "metadata"), fields.mapping(actual, "metadata")
    _forget_subset(metadata, other, "finalizers", lambda one: one)
    _forget_subset(metadata, other, "ownerReferences", lambda one: one.get("uid") if isinstance(one, dict) else None)
    names = CONTROLLER_ANNOTATIONS.get(kind.resource)
    if names is not None:
        drop_annotations(desired, names)
        drop_annotations(actual, names)
    if ca_is_injected(desired):
        drop_ca_bundles(desired)
        drop_ca_bundles(actual)
    if kind.resource == "clusterroles.rbac.authorization.k8s.io" and desired.get("aggregationRule"):
        desired.pop("rules", None)
        actual.pop("rules", None)


def _forget_subset(metadata: Tree, other: Tree, key: str, identity: t.Callable[[t.Any], t.Any]) -> None:
    """What controllers added to a list of metadata is no difference; what is missing there is one."""
    wanted, there = metadata.get(key) or [], other.get(key) or []
    if not (isinstance(wanted, list) and isinstance(there, list)):
        return
    present = [identity(one) for one in there]
    if all(identity(one) in present for one in wanted):
        metadata.pop(key, None)
        other.pop(key, None)


def ca_is_injected(tree: Tree) -> bool:
    """Whether a controller writes CA bundles into the object."""
    annotations = fields.annotations_of(tree)
    return any(name in annotations for name in _CA_INJECTORS)


def ca_holders(tree: Tree) -> list[Tree]:
    """The parts of a webhook configuration, definition or APIService that hold a ``caBundle``."""
    holders = [fields.mapping(one, "clientConfig") for one in fields.items(tree, "webhooks")]
    holders.append(fields.mapping(tree, "spec", "conversion", "webhook", "clientConfig"))
    if tree.get("kind") == "APIService":
        holders.append(fields.mapping(tree, "spec"))
    return holders


def drop_ca_bundles(tree: Tree) -> None:
    """Remove every ``caBundle``."""
    for holder in ca_holders(tree):
        holder.pop("caBundle", None)


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One path at which two trees differ; ``None`` stands for nothing there."""

    path: str
    archived: t.Any
    live: t.Any

    @property
    def added(self) -> bool:
        """Only the one in the cluster has it."""
        return self.archived is None


class Walk:
    """Collects the paths at which two trees differ. ``null`` and a missing key are the same."""

    def __init__(self) -> None:
        self.found: list[Change] = []

    def compare(self, path: str, archived: t.Any, live: t.Any) -> None:
        """Compare two values; goes as deep as JSON does (the decoder bounds that)."""
        if archived == live:
            return
        if isinstance(archived, dict) and isinstance(live, dict):
            for key in archived.keys() | live.keys():
                self.compare(join(path, key), archived.get(key), live.get(key))
        elif isinstance(archived, list) and isinstance(live, list) and len(archived) == len(live):
            for index, (one, other) in enumerate(zip(archived, live, strict=True)):
                self.compare(f"{path}[{_label(one, other, index)}]", one, other)
        elif archived is not None or live is not None:
            self.found.append(Change(path, archived, live))


def _label(one: t.Any, other: t.Any, index: int) -> str:
    """An element's name, where both have the same, else its number."""
    if isinstance(one, dict) and isinstance(other, dict):
        name = one.get("name")
        if isinstance(name, str) and name == other.get("name"):
            return name
    return str(index)


def join(path: str, key: str) -> str:
    """A path one key longer; keys that are no plain words are quoted."""
    if key.isidentifier() or key.replace("-", "_").isidentifier():
        return f"{path}.{key}" if path else key
    return f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def changes(desired: Tree, actual: Tree) -> tuple[Change, ...]:
    """All paths at which two trees differ, with both values, in order."""
    walk = Walk()
    walk.compare("", desired, actual)
    return tuple(sorted(walk.found, key=lambda change: change.path))
