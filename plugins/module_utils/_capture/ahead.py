# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Begins lists before their turn, so that many small kinds do not cost a round trip each. Private to the collection."""

from __future__ import annotations

import collections
import concurrent.futures
import typing as t

Begun = t.TypeVar("Begun")
Task = t.TypeVar("Task")

_THREADS: t.Final = 4
_BUDGET: t.Final = 8 << 20
_WORTH: t.Final = 64 << 10
"""What a task counts at least: answers have a frame, and guesses are rough."""


def begun(
    tasks: t.Iterable[Task], begin: t.Callable[[Task], Begun], size: t.Callable[[Task], int]
) -> t.Generator[tuple[Task, concurrent.futures.Future[Begun]], None, None]:
    """Pairs of task and its beginning, in order; the next few are begun in threads meanwhile.

    :param begin: fetches a first page.
    :param size: a guess at its bytes: what is begun and not yet taken stays within 8 MiB, but for one task.
    """
    pool = concurrent.futures.ThreadPoolExecutor(_THREADS, "list-begin")
    waiting: collections.deque[tuple[Task, int, concurrent.futures.Future[Begun]]] = collections.deque()
    rest = collections.deque(tasks)
    spent = 0

    def fill() -> int:
        added = 0
        while rest and len(waiting) < 2 * _THREADS:
            cost = _cost(size(rest[0]))
            if waiting and spent + added + cost > _BUDGET:
                break
            task = rest.popleft()
            waiting.append((task, cost, pool.submit(begin, task)))
            added += cost
        return added

    try:
        spent += fill()
        while waiting:
            task, cost, future = waiting.popleft()
            spent -= cost
            spent += fill()
            yield task, future
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _cost(size: int) -> int:
    return max(size, _WORTH)
