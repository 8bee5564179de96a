# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines about progress, and when one may be shown. Private to the collection. Pure.

What comes out of a FIFO holds names that a cluster chose, so nothing in it is taken to be well-formed or printable.
"""

from __future__ import annotations

import json
import typing as t
import unicodedata

HOST_INTERVAL: t.Final = 1.0
"""Seconds between two lines for one host."""
JOB_INTERVAL: t.Final = 0.1
"""Seconds between two lines of one job: AWX's web socket takes 30 events a second for all of it."""

NOTHING: t.Final = "-"
"""What a table shows for what is not known."""

_GAP: t.Final = "  "
_LONGEST: t.Final = 200
_UNITS: t.Final = ("B", "KiB", "MiB", "GiB", "TiB")


def parse(line: bytes) -> dict[str, t.Any] | None:
    """One line of the FIFO, ``None`` if it is none of ours."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def format_line(host: str, document: t.Mapping[str, t.Any]) -> str:
    """What a person reads: ``[prod-1] capture pods: 12,034 objects, 45.1 MiB, 3.2 MiB/s``."""
    if "note" in document:
        return clean(f"[{host}] {document['note']}")
    words = " ".join(word for word in (str(document.get("step", "")), str(document.get("detail", ""))) if word)
    objects, size, seconds = (_number(document.get(name)) for name in ("objects", "size", "seconds"))
    total = _number(document.get("total"))
    if not objects:
        return clean(f"[{host}] {words}")
    numbers = [f"{int(objects):,}{f' of {int(total):,}' if total else ''} objects"]
    if size:
        numbers.append(format_size(size))
    if seconds >= HOST_INTERVAL:
        numbers.append(f"{format_size(size / seconds)}/s" if size else f"{objects / seconds:,.0f}/s")
    return clean(f"[{host}] {words}: {', '.join(numbers)}")


def format_size(size: float) -> str:
    """Bytes for people."""
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.1f} {unit}" if unit != "B" else f"{int(size)} B"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"


def columns(lines: t.Sequence[t.Sequence[str]]) -> list[str]:
    """Rows of cells as lines of text, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def format_minute(time: object) -> str:
    """A time as modules return it, to the minute; a dash for none."""
    return clean(str(time or NOTHING))[:16].replace("T", " ")


def clean(text: str, longest: int = _LONGEST) -> str:
    """Text without control and formatting characters (terminal escapes, bidirectional overrides), of bounded length."""
    shown = "".join(
        "?" if unicodedata.category(character)[0] in "CZ" and character != " " else character for character in text
    )
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def grant(state: object, host: str, now: float) -> tuple[dict[str, float], bool]:
    """Whether a line may be shown, and what is to be remembered for the next question.

    :param state: what the last call returned; anything else counts as nothing.
    :param now: seconds on a clock that all processes of the job share.
    """
    known = state if isinstance(state, dict) else {}
    # A key is the name of a host, whose last line is remembered while it matters; the empty one is the job's.
    last = {
        str(key): float(at)
        for key, at in known.items()
        if isinstance(at, (int, float)) and 0 <= now - at < HOST_INTERVAL
    }
    if host in last or now - last.get("", float("-inf")) < JOB_INTERVAL:
        return last, False
    return {**last, host: now, "": now}, True


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e18 else 0.0
