# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decoding and encoding objects. Private to the collection.

Decoders are made once: with msgspec a whole tree costs about as much as a search for one field in it would.
"""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Tree

Buffer: t.TypeAlias = bytes | bytearray | memoryview


@functools.cache
def _codec() -> tuple[t.Callable[[t.Any], t.Any], t.Callable[[t.Any], bytes]]:
    import msgspec

    return msgspec.json.Decoder(dict[str, t.Any]).decode, msgspec.json.Encoder().encode


def decode(body: Buffer) -> Tree:
    """An object of the API server or of the archive, as a tree of its own.

    :raises StowageError: ``backup_damaged`` when it is no JSON object.
    """
    import msgspec

    try:
        tree: Tree = _codec()[0](body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise StowageError("backup_damaged", "An object in the backup is no JSON object.") from error
    return tree


def encode(tree: t.Any) -> bytes:
    """Compact JSON."""
    return _codec()[1](tree)
