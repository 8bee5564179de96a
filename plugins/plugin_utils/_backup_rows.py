# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How backups are shown to a person. Private to the collection. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._lines import (
    NOTHING,
    clean,
    columns,
    format_minute,
    format_size,
)

_HEADS: t.Final = ("NAME", "CLUSTER", "PHASE", "STARTED", "OBJECTS", "SIZE", "FILTERS")
_LONGEST: t.Final = 60


def rows(backups: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Lines that show backups as ``backup_info`` returns them, in their order; none for none."""
    return columns([_HEADS, *map(_cells, backups)]) if backups else []


def _cells(backup: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    objects, size = backup["objects"], backup["size"]
    filters = str(backup["filters"]) or "none"
    return (
        clean(str(backup["name"])),
        clean(str(backup["cluster"])),
        clean(str(backup["phase"])),
        format_minute(backup["started"]),
        NOTHING if objects is None else f"{int(objects):,}",
        NOTHING if size is None else format_size(int(size)),
        clean(filters if len(filters) <= _LONGEST else f"{filters[: _LONGEST - 3]}..."),
    )
