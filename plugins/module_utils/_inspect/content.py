# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether two archived objects are the same in what people decide about them. Private to the collection. Pure.

Two captures of an object that nobody touched seldom have the same bytes: heartbeats and controllers write its status, and
each write moves its resourceVersion and the times in its managedFields. What servers keep is therefore left out on both
sides. Less is left out than before a restore: that a pod is on another node, or a claim on another volume, is a change.
"""

from __future__ import annotations

import functools
import typing as t

LEFT_OUT: t.Final = frozenset(
    {
        "events",
        "events.events.k8s.io",
        "leasecandidates.coordination.k8s.io",
        "leases.coordination.k8s.io",
    }
)
"""Kinds that tell of running processes: they differ between any two instants, and nobody decides about them."""

_SERVER_S: t.Final = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
_MAY_BE_EMPTY: t.Final = ("annotations", "finalizers", "labels", "ownerReferences")
_LARGEST: t.Final = 8 << 20
"""etcd takes 1.5 MiB for an object. What is larger is not decoded: a hostile one could take twenty times its size."""
_LEADER: t.Final = "control-plane.alpha.kubernetes.io/leader"
"""Written every few seconds by who holds a lock of the kind that came before Leases."""


class _Codec(t.NamedTuple):
    decode: t.Callable[[bytes], t.Any]
    encode: t.Callable[[t.Any], bytes]
    errors: tuple[type[Exception], ...]


@functools.cache
def _codec() -> _Codec:
    import msgspec

    return _Codec(
        msgspec.json.Decoder(dict[str, t.Any]).decode,
        msgspec.json.Encoder(order="deterministic").encode,
        (msgspec.MsgspecError, ValueError, OverflowError, RecursionError),
    )


def same_content(one: bytes, other: bytes) -> bool:
    """Whether two objects, as JSON, differ in nothing but what servers and controllers keep.

    Left out are ``status``; of the metadata uid, resourceVersion, generation, creationTimestamp and managedFields; the
    uids of owners; the version of the API, for both are of one resource. ``null`` and a missing field are the same, as
    they are to the API. What cannot be decoded, or is far larger than etcd takes, is the same only as its own bytes.
    """
    if one == other:
        return True
    if max(len(one), len(other)) > _LARGEST:
        return False
    try:
        return _normal(one) == _normal(other)
    except _codec().errors:
        return False


def _normal(body: bytes) -> bytes:
    """An object without what servers keep. As bytes, since to Python ``true`` equals ``1``."""
    tree = _codec().decode(body)
    tree.pop("status", None)
    tree.pop("apiVersion", None)
    metadata = tree.get("metadata")
    if isinstance(metadata, dict):
        _forget(metadata)
    _drop_nulls(tree)
    return _codec().encode(tree)


def _forget(metadata: dict[str, t.Any]) -> None:
    for key in _SERVER_S:
        metadata.pop(key, None)
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        annotations.pop(_LEADER, None)
    owners = metadata.get("ownerReferences")
    for owner in owners if isinstance(owners, list) else ():
        if isinstance(owner, dict):
            owner.pop("uid", None)
    for key in _MAY_BE_EMPTY:
        if metadata.get(key) in ({}, []):
            del metadata[key]


def _drop_nulls(tree: t.Any) -> None:
    """In place. Not by recursion: the decoder goes deeper than Python's stack."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            for key in [key for key, value in part.items() if value is None]:
                del part[key]
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
