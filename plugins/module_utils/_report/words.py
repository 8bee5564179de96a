# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations and sizes for people, in a report. Private to the collection. Pure."""

from __future__ import annotations

import datetime
import typing as t

_UNITS: t.Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_SIZES: t.Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def span(length: datetime.timedelta | float) -> str:
    """A duration by its two largest units: ``3 d 4 h``, ``12 min``; ``0.4 s`` if it is short."""
    seconds = length.total_seconds() if isinstance(length, datetime.timedelta) else length
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s".replace(".0 ", " ")
    rest = int(seconds)
    for number, (unit, worth) in enumerate(_UNITS):
        if rest >= worth:
            count, rest = divmod(rest, worth)
            lesser = _UNITS[number + 1 : number + 2]
            more = [f"{rest // size} {name}" for name, size in lesser if rest >= size and count < 100]
            return " ".join([f"{count} {unit}", *more])
    return "0 s"


def instant(time: datetime.datetime) -> str:
    """An instant: ``2026-11-26 02:00 UTC``."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def size(count: int) -> str:
    """Bytes: ``1.2 GiB``."""
    value = float(count)
    for unit in _SIZES[:-1]:
        if value < 1024:
            return f"{value:.1f} {unit}" if unit != "B" else f"{count} B"
        value /= 1024
    return f"{value:.1f} {_SIZES[-1]}"


def many(count: int, noun: str, plural: str = "") -> str:
    """A number and what it is of: ``1 backup``, ``1,200 backups``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
