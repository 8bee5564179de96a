# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much is read from a bucket, whatever it says. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

MIB: t.Final = 1 << 20
GIB: t.Final = 1 << 30

MAX_VELERO_BACKUP: t.Final = 4 * MIB
"""``velero-backup.json``: etcd takes 1.5 MiB for an object, and indentation makes it larger."""

MAX_MANIFEST: t.Final = 16 * MIB
MAX_OBJECT: t.Final = 64 * MIB
"""One captured object; etcd takes 1.5 MiB, other stores behind an aggregated API take more."""

MAX_RECORD: t.Final = MIB
"""Reservations and restore records."""


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for reading an archive. What exceeds them is ``archive_hostile``."""

    total_bytes: int = 64 * GIB
    """All of the tarball after decompression."""

    entry_bytes: int = MAX_OBJECT
    """One object."""

    entries: int = 20_000_000

    member_bytes: int = 2 * MAX_OBJECT + 3 * MIB
    """One gzip member that the index names: both copies of one object, and what is before it."""

    ratio: int = 200
    """The tarball may become this many times larger ..."""

    ratio_floor: int = GIB
    """... but always this large: short of it even a bomb does no harm, and equal objects do compress a thousandfold."""

    directory_bytes: int = 64 * MIB
    """The index's directory after decompression."""

    block_bytes: int = 64 * MIB
    """One block of the index after decompression."""

    path_bytes: int = 1024
