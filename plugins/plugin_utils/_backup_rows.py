# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How backups are shown to a person. Private to the collection. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._lines import clean, format_size

_HEADS: t.Final = ("NAME", "CLUSTER", "PHASE", "STARTED", "OBJECTS", "SIZE", "FILTERS")
_NOTHING: t.Final = "-"
_GAP: t.Final = "  "
_LONGEST: t.Final = 60


def rows(backups: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Lines that show backups as ``backup_info`` returns them, in their order; none for none."""
    if not backups:
        return []
    lines = [_HEADS, *map(_cells, backups)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _cells(backup: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    objects, size = backup["objects"], backup["size"]
    filters = str(backup["filters"]) or "none"
    return (
        clean(str(backup["name"])),
        clean(str(backup["cluster"])),
        clean(str(backup["phase"])),
        str(backup["started"] or _NOTHING)[:16].replace("T", " "),
        _NOTHING if objects is None else f"{int(objects):,}",
        _NOTHING if size is None else format_size(int(size)),
        clean(filters if len(filters) <= _LONGEST else f"{filters[: _LONGEST - 3]}..."),
    )
