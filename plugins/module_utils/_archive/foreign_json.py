# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what is needed of a ``velero-backup.json``, whoever wrote it. Private to the collection. Pure.

A few megabytes of JSON can become a hundred times as much in Python. So only the fields that count are decoded, each for
itself, and none that is larger than it has any reason to be.
"""

from __future__ import annotations

import functools
import hashlib
import re
import typing as t

_LARGEST: t.Final = 64 << 10
"""Bytes of one field: a list of namespaces, all labels."""

SELECTION_FIELDS: t.Final = (
    "includedNamespaces",
    "excludedNamespaces",
    "includedResources",
    "excludedResources",
    "includedClusterScopedResources",
    "excludedClusterScopedResources",
    "includedNamespaceScopedResources",
    "excludedNamespaceScopedResources",
    "includeClusterResources",
    "labelSelector",
    "orLabelSelectors",
    "resourcePolicy",
)
_STATUS: t.Final = (
    "phase",
    "startTimestamp",
    "completionTimestamp",
    "expiration",
    "formatVersion",
    "warnings",
    "errors",
    "progress",
)


def read_backup_document(data: bytes, annotations: t.Collection[str]) -> dict[str, t.Any] | None:
    """``kind``, ``metadata``, ``spec`` and ``status`` of a Backup, with the fields that count; ``None`` when it is no JSON
    object of that form. A field that is too large is left out; of a selection, its hash stands for it.

    :param annotations: which of them count.
    """
    import msgspec

    try:
        found = _decoder(tuple(sorted(annotations)))(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return {
        "kind": _value(found.kind),
        "metadata": {
            "name": _value(found.metadata.name),
            "labels": _value(found.metadata.labels),
            "annotations": _fields(found.metadata.annotations),
        },
        "spec": _fields(found.spec, hashed=True),
        "status": _fields(found.status),
    }


def _fields(struct: t.Any, *, hashed: bool = False) -> dict[str, t.Any]:
    names = zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    values = {encoded: _value(getattr(struct, name), hashed=hashed) for name, encoded in names}
    return {name: value for name, value in values.items() if value is not None}


def _value(raw: t.Any, *, hashed: bool = False) -> t.Any:
    import msgspec

    text = bytes(raw)
    if len(text) > _LARGEST:
        return hashlib.sha256(text).hexdigest() if hashed else None
    try:
        return msgspec.json.decode(text) if text else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


@functools.cache
def _decoder(annotations: tuple[str, ...]) -> t.Callable[[bytes], t.Any]:
    import msgspec

    def struct(name: str, fields: t.Sequence[str], **parts: t.Any) -> t.Any:
        rename = {re.sub("[^A-Za-z0-9]", "_", field): field for field in fields}
        members: list[t.Any] = [(attribute, msgspec.Raw, msgspec.Raw()) for attribute in rename]
        members += [(part, kind, msgspec.field(default_factory=kind)) for part, kind in parts.items()]
        return msgspec.defstruct(name, members, rename=rename)

    metadata = struct("Metadata", ("name", "labels"), annotations=struct("Annotations", annotations))
    spec, status = struct("Spec", SELECTION_FIELDS), struct("Status", _STATUS)
    return msgspec.json.Decoder(struct("Backup", ("kind",), metadata=metadata, spec=spec, status=status)).decode
