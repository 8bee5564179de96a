# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Follows the progress of a module that runs on this machine, and shows it. Private to the collection.

The module writes into a FIFO in a private directory; a thread reads it and prints. Closing the FIFO tells the module that
nobody waits for it any more, which is how it learns of a task timeout, and of a play that was killed: this process outlives
that, sees that it has another parent, and closes.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import threading
import time
import types
import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils import _lines

_TICK: t.Final = 0.25
_MOST_NOTES: t.Final = 20
_LONGEST: t.Final = 1 << 16
_LINE_SECONDS: t.Final = 1.5
"""How long a signal waits for a line that is being shown. With what a module has to end in order (`GRACE` of `_progress.py`), all is
over within the five seconds that a play's end may take."""


class Follower:
    """A FIFO and the thread that reads it; a context manager. Nothing that goes wrong here makes the task fail."""

    def __init__(self, host: str, show: t.Callable[[str], object], folder: str) -> None:
        """
        :param host: whose progress it is.
        :param show: prints a line; called from the thread.
        :param folder: a private directory that all processes of the job share.
        """
        self._host = host
        self._show = show
        self._limit = Limit(os.path.join(folder, "stowage-progress"), host)
        self._folder = tempfile.mkdtemp(prefix="stowage-", dir=folder)
        self.path = os.path.join(self._folder, "progress")
        """The FIFO."""
        os.mkfifo(self.path, 0o600)
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._parent = os.getppid()
        self._closing = threading.Event()
        self._latest: dict[str, t.Any] | None = None
        self._notes: collections.deque[dict[str, t.Any]] = collections.deque(maxlen=_MOST_NOTES)
        self._showing = threading.Lock()
        self._handlers: dict[int, t.Callable[[int, types.FrameType | None], t.Any]] = {}
        self._thread = threading.Thread(target=self._run, name="stowage-follow", daemon=True)

    def __enter__(self) -> Follower:
        # The kernel may hand a signal of the process to any thread, but Python's handlers (Ansible's for SIGTERM, which ends
        # the module, and for a task timeout) run in the main thread only, and that one would sleep on.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._shield()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._thread.join(timeout=2 * _TICK)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _shield(self) -> None:
        """Ansible ends its workers from handlers of these signals. A line goes through a queue that all workers write to: ended in
        the middle of one, a worker would leave the queue locked, and ansible-playbook would wait for it for ever."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                self._handlers[number] = handler
                signal.signal(number, self._after_the_line)

    def _after_the_line(self, number: int, frame: types.FrameType | None) -> None:
        """Runs in the main thread. No line is begun from here on, unless the handler returns."""
        shown = self._showing.acquire(timeout=_LINE_SECONDS)
        try:
            self._handlers[number](number, frame)
        finally:
            if shown:
                self._showing.release()

    def _run(self) -> None:
        try:
            with contextlib.suppress(Exception):
                self._follow()
            while not self._orphaned():  # whatever went wrong: an early close would stop the module
                if self._closing.wait(_TICK):
                    return
        finally:
            os.close(self._descriptor)

    def _orphaned(self) -> bool:
        return os.getppid() != self._parent

    def _follow(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        rest = b""
        while not self._closing.is_set() and not self._orphaned():
            events = dict(poll.poll(_TICK * 1000)).get(self._descriptor, 0)
            if events & select.POLLIN:
                *lines, rest = (rest + os.read(self._descriptor, _LONGEST)).split(b"\n")
                rest = rest[-_LONGEST:]
                self._take(lines)
            elif events:  # the module has opened and closed it: it is at its end
                return
            self._print()

    def _take(self, lines: t.Iterable[bytes]) -> None:
        for line in lines:
            document = _lines.parse(line)
            if document is None:
                continue
            if "note" in document:
                self._notes.append(document)
            else:
                self._latest = document

    def _print(self) -> None:
        if not (self._notes or self._latest) or not self._limit.allows():
            return
        document = self._notes.popleft() if self._notes else self._latest
        if document is self._latest:
            self._latest = None
        line = _lines.format_line(self._host, document or {})
        with self._showing:
            self._show(line)


class Limit:
    """How often lines are shown, for all processes of a job together: a locked file says when the last ones were."""

    def __init__(self, path: str, host: str) -> None:
        self._path = path
        self._host = host
        self._next = 0.0

    def allows(self) -> bool:
        """Whether a line may be shown now; if so, it counts as shown."""
        now = time.monotonic()  # one clock for all processes of a machine
        if now < self._next:
            return False
        with open(self._path, "a+", encoding="ascii", opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            state, granted = _lines.grant(_decoded(file.read(_LONGEST)), self._host, now)
            if granted:
                file.seek(0)
                file.truncate()
                json.dump(state, file)
        if granted:
            self._next = now + _lines.HOST_INTERVAL
        return granted


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
