# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two archives side by side, and the sum of their differences. Private to the collection. Pure."""

from __future__ import annotations

import collections
import enum
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable

MOST_OBJECTS: t.Final = 100
"""Objects of one fate in a result: AWX drops a result of more than 700,000 characters as a whole."""
MOST_KINDS: t.Final = 500
_MOST_NAME: t.Final = 253


class Fate(enum.StrEnum):
    """What became of an object from the older backup to the newer one."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


DIFFERENT: t.Final = (Fate.ADDED, Fate.REMOVED, Fate.CHANGED)


class Keyed(t.Protocol):
    """What has a place in the order of a kind."""

    @property
    def key(self) -> str: ...


One = t.TypeVar("One", bound=Keyed)
Other = t.TypeVar("Other", bound=Keyed)


def paired(ones: t.Iterable[One], others: t.Iterable[Other]) -> t.Iterator[tuple[One | None, Other | None]]:
    """Everything of two kinds in key order, each with its namesake, ``None`` where there is none.

    Both come in key order without a key twice, so one object of each is all that is held.
    """
    left, right = iter(ones), iter(others)
    one, other = next(left, None), next(right, None)
    while one is not None and other is not None:
        if one.key < other.key:
            yield one, None
            one = next(left, None)
        elif other.key < one.key:
            yield None, other
            other = next(right, None)
        else:
            yield one, other
            one, other = next(left, None), next(right, None)
    while one is not None:
        yield one, None
        one = next(left, None)
    while other is not None:
        yield None, other
        other = next(right, None)


class Differences:
    """Counts objects by kind and fate, and keeps the first few that differ. Names are made fit to be shown.

    :param most: how many objects of a fate are kept.
    """

    def __init__(self, most: int = MOST_OBJECTS) -> None:
        self._most = most
        self._versions: dict[str, tuple[str, str]] = {}
        self._counts: dict[str, collections.Counter[Fate]] = {}
        self._first: dict[Fate, list[dict[str, str]]] = {fate: [] for fate in DIFFERENT}

    def begin(self, resource: str, version: str, other_version: str) -> None:
        """A kind, with the version in which each side has it; empty where it has none."""
        self._versions[resource] = (version, other_version)
        self._counts[resource] = collections.Counter()

    def add(self, resource: str, fate: Fate, namespace: str, name: str) -> None:
        """One object of a kind that was begun."""
        self._counts[resource][fate] += 1
        if fate is Fate.UNCHANGED or len(self._first[fate]) >= self._most:
            return
        words = {"resource": resource, "namespace": namespace, "name": name}
        self._first[fate].append({word: printable(text, _MOST_NAME) for word, text in words.items()})

    @property
    def total(self) -> dict[Fate, int]:
        """How many objects met each fate."""
        return {fate: sum(counts[fate] for counts in self._counts.values()) for fate in Fate}

    @property
    def of_two_versions(self) -> list[str]:
        """The kinds that the sides have in different versions."""
        return [resource for resource, (one, other) in self._versions.items() if one and other and one != other]

    def as_dict(self) -> dict[str, t.Any]:
        """What a module returns: bounded, JSON-able, no content of objects."""
        total = self.total
        return {
            "equal": not any(total[fate] for fate in DIFFERENT),
            "counts": {fate.value: count for fate, count in total.items()},
            "kinds": [self._kind(resource) for resource in self._reported()],
            **{fate.value: list(first) for fate, first in self._first.items()},
        }

    def notes(self) -> list[str]:
        """What of it was cut off."""
        total = self.total
        notes = [
            f"Only the first {len(first)} of {total[fate]} {fate} objects are listed."
            for fate, first in self._first.items()
            if len(first) < total[fate]
        ]
        if len(self._versions) > MOST_KINDS:
            notes.append(f"Only {MOST_KINDS} of {len(self._versions)} kinds are listed, those that differ first.")
        return notes

    def _reported(self) -> list[str]:
        """The kinds to list; when there are too many, those without a difference give way."""
        if len(self._counts) <= MOST_KINDS:
            return list(self._counts)
        return sorted(self._counts, key=lambda resource: not self._differs(resource))[:MOST_KINDS]

    def _differs(self, resource: str) -> bool:
        return any(self._counts[resource][fate] for fate in DIFFERENT)

    def _kind(self, resource: str) -> dict[str, t.Any]:
        version, other = self._versions[resource]
        return {
            "resource": printable(resource, _MOST_NAME),
            "version": printable(version, _MOST_NAME),
            "compare_with_version": printable(other, _MOST_NAME),
            **{fate.value: self._counts[resource][fate] for fate in Fate},
        }
