# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cuts a page of a LIST into objects without building Python trees. Private to the collection. Pure.

Of each object only the metadata that decides something is decoded; its body stays the bytes that the server sent.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

Buffer: t.TypeAlias = "bytes | bytearray | memoryview"


@dataclasses.dataclass(slots=True)
class Item:
    """One object of a page.

    :param revision: its ``resourceVersion``.
    :param deleting: whether it has a ``deletionTimestamp``.
    :param owners: uids of its owner references.
    :param body: the whole object as JSON, with ``apiVersion`` and ``kind``.
    """

    namespace: str
    name: str
    uid: str
    revision: str
    labels: t.Mapping[str, str] | None
    deleting: bool
    owners: tuple[str, ...]
    body: bytes

    @property
    def key(self) -> bytes:
        """What etcd orders objects of a kind by."""
        return f"{self.namespace}/{self.name}".encode() if self.namespace else self.name.encode()


@dataclasses.dataclass(slots=True)
class Page:
    """One answer to a LIST.

    :param revision: the list's ``resourceVersion``.
    :param continue_token: where the next page begins; empty on the last.
    :param size: bytes that were read.
    :param remaining: how many objects follow, where the server says so.
    :param ordered: whether the keys (``namespace/name``, as bytes) increase strictly, from the page before this one on.
        False for duplicates, too.
    """

    items: list[Item]
    revision: str
    continue_token: str
    size: int
    remaining: int | None
    ordered: bool = True


@dataclasses.dataclass(frozen=True)
class _Decoders:
    listing: t.Callable[[Buffer], t.Any]
    item: t.Callable[[t.Any], t.Any]
    error: type[Exception]


@functools.cache
def _decoders() -> _Decoders:
    try:
        import msgspec
    except ImportError as error:
        raise StowageError(
            "dependency_missing", "The Python package msgspec is missing.", "Install msgspec."
        ) from error

    # Made by a function: the annotations of classes in a function cannot be evaluated.
    define = functools.partial(msgspec.defstruct, gc=False)
    owner = define("Owner", [("uid", str, "")])
    metadata = define(
        "Metadata",
        [
            ("name", str, ""),
            *((name, str | None, None) for name in ("namespace", "uid", "resourceVersion", "deletionTimestamp")),
            ("labels", dict[str, str] | None, None),
            ("ownerReferences", list[owner] | None, None),  # type: ignore[valid-type]  # a class, made above
        ],
    )
    whole = define("Object", [("metadata", metadata), ("apiVersion", str | None, None), ("kind", str | None, None)])
    list_metadata = define(
        "ListMetadata",
        [
            ("resourceVersion", str | None, None),
            ("continue_", str | None, None),
            ("remainingItemCount", int | None, None),
        ],
        rename={"continue_": "continue"},
    )
    listing = define(
        "Listing",
        [
            ("metadata", list_metadata, msgspec.field(default_factory=list_metadata)),
            ("items", list[msgspec.Raw] | None, None),
        ],
    )
    return _Decoders(msgspec.json.Decoder(listing).decode, msgspec.json.Decoder(whole).decode, msgspec.MsgspecError)


def cut(data: Buffer, kind: Kind) -> Page:
    """The objects of a LIST answer, in its order.

    ``apiVersion`` and ``kind`` are put in front where an object lacks them, as those of built-in kinds do; custom
    resources have them, and their list's metadata comes last.

    :param kind: names what an object that lacks them is.
    :raises StowageError: ``cluster_api_error`` when it is no list.
    """
    decoders = _decoders()
    try:
        listing = decoders.listing(data)
        items = _items(listing.items or (), decoders.item, kind)
    except decoders.error as error:
        # Its text names fields and types, never values.
        message = f"The list of {kind.resource} is not what the API promises: {error}."
        raise StowageError("cluster_api_error", message, "") from None
    metadata = listing.metadata
    keys = [item.key for item in items]
    return Page(
        items=items,
        revision=metadata.resourceVersion or "",
        continue_token=metadata.continue_ or "",
        size=len(data),
        remaining=metadata.remainingItemCount,
        ordered=all(before < after for before, after in itertools.pairwise(keys)),
    )


def _items(raw: t.Iterable[t.Any], decode: t.Callable[[t.Any], t.Any], kind: Kind) -> list[Item]:
    version_only = b'{"apiVersion":%b,' % json.dumps(kind.api_version).encode()
    kind_only = b'{"kind":%b,' % json.dumps(kind.kind).encode()
    both = version_only + kind_only[1:]
    found: list[Item] = []
    for each in raw:
        document = decode(each)
        metadata = document.metadata
        if document.apiVersion is not None and document.kind is not None:
            body = bytes(each)
        else:
            lacking = (
                version_only if document.kind is not None else kind_only if document.apiVersion is not None else both
            )
            body = lacking + memoryview(each)[1:]
        owners = metadata.ownerReferences
        found.append(
            Item(
                metadata.namespace or "",
                metadata.name,
                metadata.uid or "",
                metadata.resourceVersion or "",
                metadata.labels,
                metadata.deletionTimestamp is not None,
                () if owners is None else tuple([owner.uid for owner in owners]),
                body,
            )
        )
    return found
