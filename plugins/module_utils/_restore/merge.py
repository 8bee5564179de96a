# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archive and cluster side by side. Private to the collection. Pure.

Both come in the order of etcd's keys (bytes of ``namespace/name``), so one pass and one page of memory are enough.
"""

from __future__ import annotations

import typing as t


class Keyed(t.Protocol):
    """What has a place in that order."""

    @property
    def namespace(self) -> str: ...

    @property
    def name(self) -> str: ...


Archived = t.TypeVar("Archived", bound=Keyed)
Live = t.TypeVar("Live", bound=Keyed)
Payload = t.TypeVar("Payload")


def key(item: Keyed) -> str:
    """``namespace/name``; code points sort as their UTF-8 bytes do."""
    return f"{item.namespace}/{item.name}"


def merged(
    archived: t.Iterable[tuple[Archived, Payload]], live: t.Iterator[Live]
) -> t.Iterator[tuple[Archived, Payload, Live | None]]:
    """Each archived object with the one in the cluster that bears its name.

    ``live`` is not touched before the first archived object comes. An API that lists out of order makes objects look
    absent that are there: who then creates one is told so by the server, and compares.
    """
    current: Live | None = None
    current_key = ""
    started = False
    for entry, payload in archived:
        wanted = key(entry)
        while not started or (current is not None and current_key < wanted):
            started = True
            current = next(live, None)
            current_key = key(current) if current is not None else ""
        found = current if current is not None and current_key == wanted else None
        yield entry, payload, found
