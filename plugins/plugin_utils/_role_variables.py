# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables that look like misspelt ones of a role. Private to the collection. Pure."""

from __future__ import annotations

import difflib
import typing as t

# A letter or two: "cluster_id" is somebody's own, next to "cluster", and "include_namespaces" is not.
_LIKE: t.Final = 0.85
# What those are called by who has not looked.
_CALLED: t.Final = {
    "namespace": "included_namespaces",
    "namespaces": "included_namespaces",
    "resource": "included_resources",
    "resources": "included_resources",
}


def misspelt_variables(
    names: t.Sequence[str], options: t.Sequence[str], known: t.Sequence[str] = (), *, prefix: str
) -> str:
    """See the documentation of the filter."""
    there = {name.removeprefix(prefix) for name in options if name.startswith(prefix)}
    found = []
    for name in sorted({*names} - {*options} - {*known}):
        if not name.startswith(prefix):
            continue
        word = name.removeprefix(prefix)
        like = difflib.get_close_matches(word, sorted(there), n=1, cutoff=_LIKE)
        if like or _CALLED.get(word) in there:
            found.append(
                f"{name} is no variable of the role. Did you mean {prefix}{like[0] if like else _CALLED[word]}?"
            )
    return " ".join([*found, "What is your own needs a name that is less like it."]) if found else ""
