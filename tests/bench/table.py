# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of figures."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class Row:
    """One measurement. ``floor`` is in seconds for the same work; ``kept`` whether the wanted figure was met."""

    work: str
    seconds: float
    objects: int
    peak_mb: float
    floor: float | None = None
    wanted: str = ""
    kept: bool = True
    note: str = ""


def render(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    head = ["work", "time", "rate", "memory", "floor", "ratio", "wanted", "met", "remark"]
    lines = [head, ["---"] * len(head), *map(_cells, rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _cells(row: Row) -> list[str]:
    return [
        row.work,
        f"{row.seconds:.2f} s",
        f"{row.objects / row.seconds:,.0f}/s",
        f"{row.peak_mb:.0f} MB",
        f"{row.floor:.2f} s" if row.floor else "",
        f"{row.seconds / row.floor:.2f}" if row.floor else "",
        row.wanted,
        ("yes" if row.kept else "**no**") if row.wanted else "",
        row.note,
    ]
