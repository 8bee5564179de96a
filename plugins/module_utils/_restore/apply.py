# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests of a restore: several in flight, fewer when the server asks for it, each tried again while that can help.

Private to the collection.
"""

from __future__ import annotations

import collections
import dataclasses
import random
import threading
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection, Response

METADATA_ONLY: t.Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
"""An answer without what we sent: less to read, and no captured values in it."""
MERGE_PATCH: t.Final = "application/merge-patch+json"

_OUTAGE_SECONDS: t.Final = 120.0
_BUSY_SECONDS: t.Final = 600.0
_LONGEST_PAUSE: t.Final = 10.0
_TRIES_OF_500: t.Final = 3
_FEWER: t.Final = 0.5
_FEWER_EVERY: t.Final = 0.5
"""Seconds: the 429s of one burst count once."""


class Limiter:
    """How many requests may be in flight: halved on 429, one more after as many successes as there are in flight."""

    def __init__(self, most: int) -> None:
        self._most = float(max(1, most))
        self._limit = self._most
        self._active = 0
        self._fewer_at = float("-inf")
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """The present limit."""
        return int(self._limit)

    def acquire(self) -> None:
        """Wait for a place."""
        with self._changed:
            while self._active >= int(self._limit):
                self._changed.wait()
            self._active += 1

    def release(self) -> None:
        """Give the place back."""
        with self._changed:
            self._active -= 1
            self._changed.notify()

    def throttled(self, now: float | None = None) -> None:
        """The server asked for less."""
        moment = time.monotonic() if now is None else now
        with self._changed:
            if moment - self._fewer_at >= _FEWER_EVERY:
                self._fewer_at = moment
                self._limit = max(1.0, self._limit * _FEWER)

    def succeeded(self) -> None:
        """The server took a request."""
        if self._limit < self._most:
            with self._changed:
                self._limit = min(self._most, self._limit + 1.0 / self._limit)
                self._changed.notify()


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer.

    :param uncertain: a connection was lost before, so an earlier try may have been carried out.
    """

    response: Response
    uncertain: bool = False


class RefusedError(StowageError):
    """The server refused, after all tries. ``uncertain`` as for :class:`Answer`; ``error`` is what it said."""

    def __init__(self, error: ApiStatusError, *, uncertain: bool) -> None:
        super().__init__(error.code, error.message, error.hint, details=error.details)
        self.error = error
        self.status = error.status
        self.reason = error.reason
        self.uncertain = uncertain


class Sender:
    """Sends requests under a :class:`Limiter`. For any thread."""

    def __init__(self, connection: Connection, progress: Progress, most: int) -> None:
        self._connection = connection
        self._progress = progress
        self.limiter = Limiter(most)
        self.throttled = 0
        """How often the server asked for less."""

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        query: t.Sequence[tuple[str, str]] = (),
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Answer:
        """Send until there is an answer that repetition would not change.

        429 and unavailability are waited out for minutes, a 500 is tried three times (most are about this one object).

        :raises RefusedError: an error that stays.
        :raises StowageError: ``cluster_unreachable``, ``cluster_tls_untrusted``, ``cluster_unauthorized``,
            ``interrupted``: errors that every other request would meet too.
        """
        tries = _Tries(self._progress)
        while True:
            self.limiter.acquire()
            try:
                self._progress.check()
                response = self._connection.request(
                    method, path, query=query, body=body, content_type=content_type, accept=accept, retry=False
                )
            except StowageError as error:
                problem = error
            else:
                self.limiter.succeeded()
                return Answer(response, tries.uncertain)
            finally:
                self.limiter.release()
            self._note(problem)
            tries.failed(problem)

    def _note(self, problem: StowageError) -> None:
        if isinstance(problem, ApiStatusError) and problem.status == 429:
            self.throttled += 1
            self.limiter.throttled()


class _Tries:
    """Decides whether and when a request is tried again."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._began = time.monotonic()
        self._count = 0
        self._fives = 0
        self.uncertain = False

    def failed(self, problem: StowageError) -> None:
        """Wait before the next try, or raise."""
        self._progress.check()
        self._count += 1
        wanted: float | None = None
        if isinstance(problem, ApiStatusError):
            if not self._may_pass(problem):
                if problem.code == "cluster_unauthorized":
                    raise problem
                raise RefusedError(problem, uncertain=self.uncertain) from None
            wanted = problem.retry_after
            self.uncertain = self.uncertain or problem.status in {500, 502, 504}
        elif problem.code == "cluster_unreachable" and self._elapsed() < _OUTAGE_SECONDS:
            self.uncertain = True
        else:
            raise problem
        pause = min(_LONGEST_PAUSE, 0.1 * 2**self._count) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
        if wanted is not None:
            pause = min(wanted, _LONGEST_PAUSE) + random.uniform(0.0, 0.25)  # noqa: S311
        self._progress.stopped.wait(pause)
        self._progress.check()

    def _may_pass(self, problem: ApiStatusError) -> bool:
        if problem.status == 429:
            return self._elapsed() < _BUSY_SECONDS
        if problem.status in {502, 503, 504}:
            return self._elapsed() < _OUTAGE_SECONDS
        if problem.status != 500 or problem.callout:  # what it calls may be restored yet
            return False
        self._fives += 1
        return self._fives < _TRIES_OF_500

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


Task: t.TypeAlias = t.Callable[[], None]


class Pool:
    """Threads that run tasks. What waits is bounded in number and in bytes, so that reading ahead costs no memory.

    A task that raises is fatal: nothing more is begun, and :meth:`submit` and :meth:`drain` raise its error.
    """

    def __init__(self, threads: int, *, most_bytes: int = 32 << 20) -> None:
        self._most = 8 * threads
        self._most_bytes = most_bytes
        self._tasks: collections.deque[tuple[Task, int]] = collections.deque()
        self._bytes = 0
        self._busy = 0
        self._closed = False
        self._fatal: BaseException | None = None
        lock = threading.Lock()
        self._ready = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._threads = [
            threading.Thread(target=self._work, name=f"stowage-restore-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task, size: int = 0) -> None:
        """Have a task run; waits while enough others wait.

        :param size: bytes that it holds.
        """
        with self._room:
            while not self._fatal and (
                len(self._tasks) >= self._most or (self._tasks and self._bytes + size > self._most_bytes)
            ):
                self._room.wait()
            self._raise()
            self._tasks.append((task, size))
            self._bytes += size
            self._ready.notify()

    def drain(self) -> None:
        """Wait until all tasks have run."""
        with self._room:
            while not self._fatal and (self._tasks or self._busy):
                self._room.wait()
            self._raise()

    def close(self, wait: float) -> bool:
        """Begin no other task, and wait for those that run; whether they ended within ``wait`` seconds."""
        with self._room:
            self._closed = True
            self._tasks.clear()
            self._ready.notify_all()
        end = time.monotonic() + wait
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _raise(self) -> None:
        if self._fatal is not None:
            raise self._fatal

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._tasks and not self._closed:
                    self._ready.wait()
                if self._closed:
                    return
                task, size = self._tasks.popleft()
                self._busy += 1
                if not self._tasks:
                    self._room.notify_all()
            failure: BaseException | None = None
            try:
                task()
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits for the task
                failure = error
            with self._room:
                self._busy -= 1
                self._bytes -= size
                if failure is not None:
                    self._fatal = self._fatal or failure
                    self._tasks.clear()
                if self._fatal or len(self._tasks) <= self._most // 2:
                    self._room.notify_all()
