# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a long task tells how far it is, and learns that it has to stop. Private to the collection.

A module's output is read once, at its end. So the action plugin makes a FIFO, names it in the environment variable
:data:`FIFO_VARIABLE`, and prints what arrives; the module writes one JSON document a line. The FIFO tells something in
the other direction as well: once nobody has it open for reading, ``ansible-playbook`` has given up (a task timeout) or is
gone (SIGKILL), and the module must end.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import stat
import threading
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

FIFO_VARIABLE: t.Final = "STOWAGE_PROGRESS_FIFO"
GRACE: t.Final = 2.5
"""Seconds that an ordered stop may take; then the process ends, whatever it does."""

_SIGNALS: t.Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NOBODY_LISTENS: t.Final = "the process that ran it is gone or has given it up"
_INTERVAL: t.Final = 0.25
_LONGEST: t.Final = 1024
"""Bytes of a line in the FIFO. Below PIPE_BUF (4096 on Linux, at least 512), so that a write is whole or not at all."""


class Progress:
    """Quiet progress, and the base of the other. All methods may be called from any thread, as often as one likes."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        """Set once a stop was asked for."""
        self.reason = ""
        self._callbacks: list[t.Callable[[], object]] = []
        self._lock = threading.Lock()

    def report(self, step: str, detail: str = "", *, objects: int = 0, total: int | None = None, size: int = 0) -> None:
        """How far the task is.

        :param step: what is being done: ``capture``, ``restore``, ``delete``.
        :param detail: to what: mostly a kind.
        :param objects: how many objects of the whole task are done.
        :param total: how many there will be, if that is known.
        :param size: bytes of the whole task so far.
        """

    def note(self, text: str) -> None:
        """One line worth seeing while the task runs. Never captured data."""

    def check(self) -> None:
        """Call between requests.

        :raises StowageError: ``interrupted`` once a stop was asked for.
        """
        if self.stopped.is_set():
            raise StowageError(
                "interrupted",
                f"The task was asked to stop: {self.reason}.",
                "Run it again; what was left behind is named in the result, if anything was.",
            )

    def on_stop(self, callback: t.Callable[[], object]) -> None:
        """Have something called once when a stop is asked for, to break off what blocks. Its exceptions are dropped."""
        with self._lock:
            if not self.stopped.is_set():
                self._callbacks.append(callback)
                return
        _call(callback)

    def stop(self, reason: str) -> None:
        """Ask for a stop. The first reason stays."""
        with self._lock:
            if self.stopped.is_set():
                return
            self.reason = reason
            self.stopped.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            _call(callback)


class FifoProgress(Progress):
    """Progress through a FIFO. A full FIFO loses lines rather than time."""

    def __init__(self, descriptor: int) -> None:
        """:param descriptor: the FIFO, open for writing without blocking; belongs to this object."""
        super().__init__()
        self._descriptor = descriptor
        self._step = ""
        self._started = self._next = 0.0

    def report(self, step: str, detail: str = "", *, objects: int = 0, total: int | None = None, size: int = 0) -> None:
        """See the base class. At most four lines a second are written, and one whenever the step changes."""
        now = time.monotonic()
        if now < self._next and step == self._step:
            return
        with self._lock:
            if now < self._next and step == self._step:
                return
            if step != self._step:
                self._step, self._started = step, now
            self._next = now + _INTERVAL
        seconds = round(now - self._started, 3)
        self._send(
            {"step": step, "detail": detail[:256], "objects": objects, "total": total, "size": size, "seconds": seconds}
        )

    def note(self, text: str) -> None:
        """See the base class."""
        self._send({"note": text[:256]})

    def fileno(self) -> int:
        """The FIFO, to be polled: it shows an error once nobody reads it any more."""
        return self._descriptor

    def _send(self, document: dict[str, t.Any]) -> None:
        line = json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"
        if len(line) > _LONGEST:  # escapes of other scripts take six bytes a character
            line = json.dumps({**document, "detail": "", "note": ""}, separators=(",", ":")).encode("ascii") + b"\n"
        with contextlib.suppress(OSError):
            os.write(self._descriptor, line)


def open_progress(environ: t.Mapping[str, str]) -> Progress:
    """Progress into the FIFO that the environment names, or quiet progress when there is none within reach."""
    path = environ.get(FIFO_VARIABLE, "")
    if not path:
        return Progress()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        progress = Progress()  # run as another user, who may not open it
        if error.errno in (errno.ENXIO, errno.ENOENT):  # closed or removed before this process had begun
            progress.stop(_NOBODY_LISTENS)
        return progress
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return Progress()
    return FifoProgress(descriptor)


class Watch:
    """Turns SIGINT, SIGTERM, SIGHUP and a FIFO that nobody reads into :meth:`Progress.stop`, and ends the process when
    the stop takes too long. A context manager, for the main thread only."""

    def __init__(self, progress: Progress, give_up: t.Callable[[], object], grace: float = GRACE) -> None:
        """
        :param give_up: called by the watching thread ``grace`` seconds after a stop was asked for. It ends the process.
        """
        self._progress = progress
        self._give_up = give_up
        self._grace = grace
        self._read, self._write = -1, -1
        self._before: dict[int, t.Any] = {}
        self._wakeup = -1
        self._over = threading.Event()

    def __enter__(self) -> Watch:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # The number of a signal is written by the C handler, at once, whatever the main thread is doing; a Python
        # handler that set an Event could deadlock with the code that it interrupts.
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, lambda *_unused: None)
        threading.Thread(target=self._run, name="stowage-watch", daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        """After a stop the thread goes on, for threads that nobody can interrupt may keep the process from ending."""
        if self._progress.stopped.is_set():
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._over.set()
        with contextlib.suppress(OSError):
            os.write(self._write, b"\0")

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        if isinstance(self._progress, FifoProgress):
            poll.register(self._progress.fileno(), 0)  # errors are always reported
        while not self._over.is_set():
            # Without a FIFO left to poll, a stop that was asked for before this began is the reason.
            reason = self._progress.reason or self._reason(dict(poll.poll()))
            if reason:
                threading.Thread(target=self._progress.stop, args=(reason,), daemon=True).start()  # callbacks may block
                if not self._over.wait(self._grace):
                    self._give_up()
                return

    def _reason(self, events: t.Mapping[int, int]) -> str:
        if self._read in events:
            with contextlib.suppress(OSError):
                for number in os.read(self._read, 64):
                    if number in _SIGNALS:
                        return f"it received {signal.Signals(number).name}"
            return ""
        return _NOBODY_LISTENS


def _call(callback: t.Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        callback()
