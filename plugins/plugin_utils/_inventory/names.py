# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of hosts, and patterns that choose among names. Private to the collection. Pure.

Names come from kubeconfigs and management clusters, so anything may be in them.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
import typing as t

LONGEST: t.Final = 253
_FIT: t.Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9._]*[A-Za-z0-9])?")
_UNFIT: t.Final = re.compile(r"[^-A-Za-z0-9._]+")
_ENDS: t.Final = "-._"
_GROUP: t.Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED: t.Final = frozenset({"all", "ungrouped", "localhost", "127.0.0.1"})
"""Names that Ansible gives a meaning of their own: a cluster of that name would be this machine, or every cluster."""


def is_fit(name: str) -> bool:
    """Whether a host, and with it the cluster's folder in a location, may have this name."""
    return len(name) <= LONGEST and bool(_FIT.fullmatch(name)) and name.lower() not in _RESERVED


def fit_name(text: str) -> str:
    """A host's name made of any text: what cannot be in a name becomes ``-``. Empty when nothing is left of it."""
    if len(text) > LONGEST:
        return ""
    name = _UNFIT.sub("-", text).strip(_ENDS)
    return name if is_fit(name) else ""


def group_name(workspace: str) -> str:
    """The group of a workspace: its name, with ``_`` for what a group's name cannot hold. Empty when there is none."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", workspace)
    return name if _GROUP.fullmatch(name) and name not in _RESERVED else ""


@dataclasses.dataclass(frozen=True)
class Patterns:
    """Names, globs (``prod-*``) and regular expressions (``~prod-[0-9]+``, from the beginning, as in Ansible's host patterns)."""

    exact: frozenset[str] = frozenset()
    globs: tuple[str, ...] = ()
    expressions: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def of(cls, texts: t.Iterable[str]) -> Patterns:
        """Patterns as they are written.

        :raises ValueError: a regular expression that is none; the text says which and why.
        """
        exact, globs, expressions = set(), [], []
        for text in texts:
            if text.startswith("~"):
                expressions.append(compiled(text[1:]))
            elif any(character in text for character in "*?["):
                globs.append(text)
            else:
                exact.add(text)
        return cls(frozenset(exact), tuple(globs), tuple(expressions))

    def fit(self, name: str) -> bool:
        """Whether one of them fits a name."""
        return (
            name in self.exact
            or any(fnmatch.fnmatchcase(name, glob) for glob in self.globs)
            or any(expression.match(name) for expression in self.expressions)
        )


def compiled(text: str) -> re.Pattern[str]:
    """A regular expression.

    :raises ValueError: it is none; the text says which and why.
    """
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{text!r} is no regular expression ({error})") from None


def labels_in(name: str, expressions: t.Iterable[re.Pattern[str]]) -> dict[str, str]:
    """Labels that regular expressions find in a name: each named group that took part is one. The first that finds a label decides."""
    found: dict[str, str] = {}
    for expression in expressions:
        if match := expression.search(name):
            for label, value in match.groupdict().items():
                if value:
                    found.setdefault(label, value)
    return found
