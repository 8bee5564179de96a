# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that are asked for and not there, and what may have been meant. Private to the collection. Pure."""

from __future__ import annotations

import difflib
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

_NAMED: t.Final = 5
_NEAR: t.Final = 3
_MOST_COMPARED: t.Final = 20_000


def near(name: str, known: t.Iterable[str]) -> list[str]:
    """The few names that are most like one that is not there, the likest first."""
    there = sorted(set(known))[:_MOST_COMPARED]
    return difflib.get_close_matches(name, there, n=_NEAR, cutoff=0.6)


def meant(names: t.Iterable[str], known: t.Collection[str]) -> str:
    """What may have been meant by names that are not there, for a hint; empty if nothing is like them."""
    found: dict[str, None] = {}
    for name in names:
        found |= dict.fromkeys(near(name, known))
    return f"Did you mean {' or '.join(list(found)[:_NAMED])}?" if found else ""


def named(names: t.Sequence[str]) -> str:
    """The first few names."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def no_namespace(selection: Selection, known: t.Collection[str], where: str) -> StowageError:
    """What to say when no namespace fits a selection that asks for some.

    :param known: names of the namespaces that are there, as far as they can be known.
    :param where: such as ``The cluster prod-1``, to begin a sentence with.
    """
    words = selection.namespace_words
    what = "no namespace" if len(words) == 1 else "none of the namespaces that are asked for:"
    return StowageError(
        "namespace_not_found",
        f"{where} has {what} {named(words)}.",
        meant(words, known) or "Check included_namespaces: nothing there has a name like it.",
        details={"missing": list(words[:100])},
    )
