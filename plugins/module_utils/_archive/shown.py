# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How text from a bucket is shown. Private to the collection. Pure."""

from __future__ import annotations

import typing as t

_FEW: t.Final = 100
_NAMED: t.Final = 5


def printable(text: str, most: int = 1024) -> str:
    """Text from a bucket as it may be shown: no control characters, not endless."""
    cut = text[:most]
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode("ascii")[:most]


def few(names: t.Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(printable(name, 253) for name in names[:_NAMED]) + more


def brief(value: t.Any) -> t.Any:
    """What a file says, cut to what fits a result: a hundred of everything, a thousand characters each."""
    if isinstance(value, dict):
        return {printable(str(key)): brief(each) for key, each in list(value.items())[:_FEW]}
    if isinstance(value, list):
        return [brief(each) for each in value[:_FEW]]
    return printable(value) if isinstance(value, str) else value
