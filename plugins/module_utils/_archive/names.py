# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which names can be names of files in an archive: those that an API server accepts. Private to the collection."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item
    from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

_RESOURCE: t.Final = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_]*")
_GROUP: t.Final = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.]*")
_NAMESPACE: t.Final = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.]*")


def well_named(kind: Kind, items: t.Sequence[Item]) -> list[Item]:
    """Those of a page that :meth:`ArchiveWriter.add` takes. An aggregated API may send others, too, whose names no API server
    accepts."""
    if not takes_kind(kind):
        return []
    takes = {namespace: takes_namespace(kind, namespace) for namespace in {item.namespace for item in items}}
    return [item for item in items if takes[item.namespace] and takes_name(item.name)]


def takes_kind(kind: Kind) -> bool:
    """Whether a kind's resource and version can be directories."""
    group = not kind.group or _GROUP.fullmatch(kind.group)
    return bool(_RESOURCE.fullmatch(kind.plural) and _GROUP.fullmatch(kind.version) and group)


def takes_namespace(kind: Kind, namespace: str) -> bool:
    """Whether objects of a kind can be in a namespace; empty stands for none."""
    return kind.namespaced == bool(namespace) and (not namespace or bool(_NAMESPACE.fullmatch(namespace)))


def takes_name(name: str) -> bool:
    """Whether an object's name can be that of a file."""
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        return False
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)
