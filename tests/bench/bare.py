# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bare client: what the API server itself can do with the same requests, nothing else done on our side."""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import queue
import threading
import time
import typing as t

if t.TYPE_CHECKING:
    from testbed.api import Api

THREADS: t.Final = 8


def replay(api: Api, paths: t.Sequence[str]) -> tuple[float, int]:
    """GET the paths one after the other. Seconds and bytes."""
    size = 0
    started = time.perf_counter()
    for path in paths:
        size += len(api.raw("GET", path))
    return time.perf_counter() - started, size


def pages(api: Api, path: str, limit: int = 500) -> list[str]:
    """The paths of a list's pages, found by reading it once."""
    found, token = [], ""
    while True:
        one = f"{path}?limit={limit}" + (f"&continue={token}" if token else "")
        found.append(one)
        token = json.loads(api.raw("GET", one))["metadata"].get("continue", "")
        if not token:
            return found


def create(api: Api, path_and_body: t.Iterable[tuple[str, bytes]]) -> tuple[float, int]:
    """POST all bodies from eight threads. Seconds and objects."""
    work: queue.Queue[tuple[str, bytes] | None] = queue.Queue(maxsize=THREADS * 4)
    done = itertools.count()
    failed = threading.Event()

    def worker() -> None:
        while (one := work.get()) is not None:
            try:
                if not failed.is_set():
                    api.raw("POST", one[0], body=one[1])
                    next(done)
            except BaseException:
                failed.set()
                raise

    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        workers = [pool.submit(worker) for _dummy in range(THREADS)]
        for one in path_and_body:
            work.put(one)
        for _dummy in range(THREADS):
            work.put(None)
        for finished in workers:
            finished.result()
    return time.perf_counter() - started, next(done)
