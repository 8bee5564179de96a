# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading decoded objects whatever they hold, and managedFields. Private to the collection. Pure.

An archive is input from a bucket: any field may be of any type, so nothing here trusts one.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Tree

FIELD_MANAGER: t.Final = "stowage"
"""Who is named as manager of fields when the archive names nobody."""

TOKEN_TYPE: t.Final = "kubernetes.io/service-account-token"  # noqa: S105 - a type of Secret, no token
LAST_APPLIED: t.Final = "kubectl.kubernetes.io/last-applied-configuration"
_COMPONENTS: t.Final = frozenset(
    {"cloud-controller-manager", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"}
)


def mapping(tree: t.Any, *path: str) -> Tree:
    """The mapping at a path, an empty one when there is none (changes to that one are lost)."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def items(tree: t.Any, *path: str) -> list[Tree]:
    """The mappings in the list at a path."""
    value = mapping(tree, *path[:-1]).get(path[-1])
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def name_of(tree: Tree) -> str:
    """``metadata.name``."""
    return str(mapping(tree, "metadata").get("name") or "")


def namespace_of(tree: Tree) -> str:
    """``metadata.namespace``."""
    return str(mapping(tree, "metadata").get("namespace") or "")


def labels_of(tree: Tree) -> dict[str, str]:
    """``metadata.labels``."""
    return mapping(tree, "metadata", "labels")


def annotations_of(tree: Tree) -> dict[str, str]:
    """``metadata.annotations``."""
    return mapping(tree, "metadata", "annotations")


def owner_references(tree: Tree) -> list[Tree]:
    """``metadata.ownerReferences``."""
    return items(tree, "metadata", "ownerReferences")


def owner_words(tree: Tree) -> t.Iterator[tuple[str, str, str]]:
    """apiVersion, kind and name of each owner."""
    for one in owner_references(tree):
        yield str(one.get("apiVersion") or ""), str(one.get("kind") or ""), str(one.get("name") or "")


def is_token_secret(tree: Tree) -> bool:
    """Whether a Secret holds a service account's token."""
    return tree.get("type") == TOKEN_TYPE


def managed(tree: Tree) -> list[Tree]:
    """``metadata.managedFields``."""
    return items(tree, "metadata", "managedFields")


def managers_of(tree: Tree, *path: str) -> set[str]:
    """The managers that own the field at a path of fieldsV1 keys (``f:spec``, ``f:clusterIP``)."""
    return {
        str(entry.get("manager") or "") for entry in managed(tree) if path[-1] in mapping(entry, "fieldsV1", *path[:-1])
    }


def has_apply(tree: Tree) -> bool:
    """Whether somebody owns fields by having applied them: a POST would lose that."""
    return any(entry.get("operation") == "Apply" and not entry.get("subresource") for entry in managed(tree))


def is_written_only_by(tree: Tree, manager: str) -> bool:
    """Whether nobody but that manager, by create or update, owns fields of an object, those of subresources aside."""
    return {
        (entry.get("manager"), entry.get("operation")) for entry in managed(tree) if not entry.get("subresource")
    } == {(manager, "Update")}


def creator(tree: Tree) -> str:
    """The manager to write an object as: the one that wrote it first by create or update, else ours.

    So an object that kubectl created stays kubectl's, and its next apply meets no conflict with us. The cluster's own
    components come after others of the same second: who made a token Secret is told by its managers.
    """
    entries = [
        (entry["manager"] in _COMPONENTS, str(entry.get("time") or ""), str(entry["manager"]))
        for entry in managed(tree)
        if entry.get("operation") == "Update"
        and not entry.get("subresource")
        and isinstance(entry.get("manager"), str)
        and 0 < len(entry["manager"]) <= 128
        and entry["manager"].isprintable()
    ]
    return min(entries, default=(False, "", FIELD_MANAGER))[2]


def merged_managers(archived: list[Tree], live: list[Tree], written_as: str) -> list[Tree]:
    """The managedFields to put back: the archived ones, and those of controllers that wrote since.

    :param archived: as archived; those of subresources are left out, for status is not restored.
    :param live: as the object has them now.
    :param written_as: the manager under which we wrote it, whose entry the archived ones replace.
    """
    kept = [entry for entry in archived if not entry.get("subresource")]
    known = {_manager_key(entry) for entry in kept}
    for entry in live:
        ours = (
            entry.get("manager") == written_as and entry.get("operation") == "Update" and not entry.get("subresource")
        )
        if not ours and _manager_key(entry) not in known:
            kept.append(entry)
    return kept


def _manager_key(entry: Tree) -> tuple[str, ...]:
    return tuple(str(entry.get(key) or "") for key in ("manager", "operation", "apiVersion", "subresource"))
