# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why backups stay, for a person. Private to the collection. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._lines import clean, columns, format_minute

_HEADS: t.Final = ("NAME", "PHASE", "STARTED", "STAYS BECAUSE")
_GOES: t.Final = "(goes)"


def rows(retention: t.Mapping[str, t.Any], most: int = 50) -> list[str]:
    """Lines that show the fate of backups as ``backup_retention`` returns it, oldest first; none for none.

    :param most: so many of the newest.
    """
    backups = retention["backups"][-most:] if most > 0 else []
    if not backups:
        return []
    left = retention["total"] - len(backups)
    older = [f"... and {left:,} more"] if left > 0 else []
    return [*columns([_HEADS, *map(_cells, backups)]), *older]


def _cells(backup: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    return (
        clean(str(backup["name"])),
        clean(str(backup["phase"])),
        format_minute(backup["started"]),
        clean(" ".join(map(str, backup["reasons"])) or _GOES),
    )
