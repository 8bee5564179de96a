# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work in threads, results in order, never too much at once. Private to the collection."""

from __future__ import annotations

import collections
import dataclasses
import threading
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

Work = t.Callable[[], t.Callable[[], None]]
"""Done in any worker thread; returns what the delivering thread then does, in the order of submission."""


@dataclasses.dataclass(slots=True, eq=False)
class _Job:
    work: Work
    deliver: t.Callable[[], None] | None = None


class Pipeline:
    """Worker threads do jobs side by side; one more thread delivers the results in the order of submission.

    The first failure of any thread ends everything: it is raised by the next call of :meth:`submit` or :meth:`drain`.
    Threads are daemons, so that a store that hangs cannot keep the process alive.

    :param threads: how many jobs are worked on at once.
    :param depth: how many jobs may be submitted and not delivered; :meth:`submit` blocks beyond.
    """

    def __init__(self, threads: int, depth: int, name: str) -> None:
        self._depth = depth
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: collections.deque[_Job] = collections.deque()
        self._undelivered: collections.deque[_Job] = collections.deque()
        self._failure: BaseException | None = None
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(threads)]
        self._threads.append(threading.Thread(target=self._deliver, name=f"{name}-deliver", daemon=True))
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work) -> None:
        """Hand a job over, waiting while there are too many."""
        job = _Job(work)
        with self._lock:
            while len(self._undelivered) >= self._depth and not self._ended():
                self._changed.wait()
            self._check()
            self._waiting.append(job)
            self._undelivered.append(job)
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until all that was submitted has been delivered."""
        with self._lock:
            while self._undelivered and not self._ended():
                self._changed.wait()
            self._check()

    def close(self, timeout: float) -> None:
        """Drop what was not begun and wait for the threads, at most ``timeout`` seconds in all. Never raises."""
        end = time.monotonic() + timeout
        with self._lock:
            self._closed = True
            self._waiting.clear()
            self._undelivered.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))

    def _ended(self) -> bool:
        return self._failure is not None or self._closed

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise StowageError("internal_error", "The archive was used after it had been closed.")

    def _work(self) -> None:
        while (job := self._take()) is not None:
            try:
                deliver = job.work()
            except BaseException as error:  # noqa: BLE001 - handed to the thread that submits
                self._fail(error)
                return
            with self._lock:
                job.deliver = deliver
                self._changed.notify_all()

    def _take(self) -> _Job | None:
        with self._lock:
            while not self._waiting and not self._ended():
                self._changed.wait()
            return None if self._ended() else self._waiting.popleft()

    def _deliver(self) -> None:
        while (deliver := self._first_done()) is not None:
            try:
                deliver()
            except BaseException as error:  # noqa: BLE001 - handed to the thread that submits
                self._fail(error)
                return
            with self._lock:
                if self._undelivered:
                    self._undelivered.popleft()
                self._changed.notify_all()

    def _first_done(self) -> t.Callable[[], None] | None:
        with self._lock:
            while not self._ended() and not (self._undelivered and self._undelivered[0].deliver):
                self._changed.wait()
            return None if self._ended() else self._undelivered[0].deliver

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = error
            self._changed.notify_all()
