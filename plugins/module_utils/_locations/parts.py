# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A streaming upload in parts with constant memory, whatever the provider. Private to the collection."""

from __future__ import annotations

import abc
import dataclasses
import threading
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import ObjectInfo, Writer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries import Retries, interrupted
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import NewObject

IN_FLIGHT: t.Final = 2
POLL_SECONDS: t.Final = 0.2
ABORT_SECONDS: t.Final = 4.0


class Parts:
    """The parts of an upload that are on their way, and those that arrived."""

    def __init__(self, stopped: threading.Event, most: int = IN_FLIGHT) -> None:
        """:param most: how many are on their way at once; one: in order, each when the one before it arrived."""
        self._most = most
        self.begun = 0
        self.cancelled = threading.Event()
        self._stopped = stopped
        self._change = threading.Condition()
        self._running = 0
        self._told: dict[int, str] = {}
        self._error: BaseException | None = None

    def begin(self) -> int:
        """Waits for a free place and takes it; returns the part's number. Raises what went wrong with another part."""
        with self._change:
            self._wait(lambda: self._running < self._most)
            self._running += 1
            self.begun += 1
            return self.begun

    def done(self, number: int, told: str) -> None:
        """A part arrived. ``told``: what the end of the upload needs of it, such as an ETag."""
        with self._change:
            self._told[number] = told
            self._running -= 1
            self._change.notify_all()

    def failed(self, error: BaseException) -> None:
        """A part did not arrive."""
        with self._change:
            self._error = self._error or error
            self._running -= 1
            self._change.notify_all()

    def all_done(self) -> list[str]:
        """Waits for all parts; what was told of them, in order."""
        with self._change:
            self._wait(lambda: self._running == 0)
            return [self._told[number] for number in sorted(self._told)]

    def cancel(self) -> None:
        """No part is tried again."""
        self.cancelled.set()

    def wait_idle(self, seconds: float) -> None:
        """Waits a while until nothing is on its way."""
        with self._change:
            self._change.wait_for(lambda: self._running == 0, seconds)

    def _wait(self, ready: t.Callable[[], bool]) -> None:
        while True:
            if self._error is not None:
                raise self._error
            if ready():
                return
            if self._stopped.is_set():
                raise interrupted()
            self._change.wait(POLL_SECONDS)


class PartsWriter(Writer):
    """An object of one part is one conditional request; a larger one is an upload, some parts of it on their way while the
    next is filled."""

    most_parts: int
    """How many parts the provider allows."""
    at_once: int = IN_FLIGHT
    """How many of them are on their way at once; one: in order."""
    last_makes_object: bool = False
    """The last part is never empty and is kept back: the request that has it makes the object."""

    def __init__(self, calls: Retries, new: NewObject) -> None:
        self._new = new
        self._what = new.what
        self._retries = calls
        self._buffer = bytearray()
        self._size = 0
        self._begun = False
        self._parts = Parts(calls.stopped, self.at_once)
        self._state: t.Literal["open", "committed", "aborted", "unknown"] = "open"

    @abc.abstractmethod
    def _part_bytes(self, number: int) -> int:
        """The size of part ``number`` (from 1)."""

    @abc.abstractmethod
    def _begin(self) -> None:
        """Begins the upload, before its first part."""

    @abc.abstractmethod
    def _send(self, number: int, body: bytearray) -> str:
        """Sends a part, in a thread of its own; returns what :meth:`_complete` needs of it."""

    @abc.abstractmethod
    def _put(self, new: NewObject, body: bytearray) -> ObjectInfo:
        """Creates an object of one part."""

    @abc.abstractmethod
    def _complete(self, new: NewObject, parts: t.Sequence[str]) -> ObjectInfo:
        """Makes an object of the parts, and of what :attr:`last_makes_object` kept back."""

    @abc.abstractmethod
    def _abort_once(self) -> None:
        """Sends one request to drop the upload. :raises LocationError: when that may be worth another."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._must_be_open()
        if self._retries.stopped.is_set():
            raise interrupted()
        with memoryview(data) as view, view.cast("B") as rest:
            done = 0
            while done < len(rest):
                full = self._part_bytes(self._parts.begun + 1)
                with rest[done : done + full - len(self._buffer)] as piece:
                    self._buffer += piece
                    done += len(piece)
                if len(self._buffer) == full and not (self.last_makes_object and done == len(rest)):
                    self._send_part()
        self._size += done

    def commit(self) -> ObjectInfo:
        self._must_be_open()
        try:
            new = dataclasses.replace(self._new, size=self._size)
            info = self._finish(new) if self._begun else self._put(new, self._buffer)
        except StowageError as error:
            if error.code == "outcome_unknown":
                self._state = "unknown"
            raise
        self._state = "committed"
        self._buffer = bytearray()
        return info

    def abort(self) -> None:
        if self._state != "open":
            return
        self._state = "aborted"
        self._buffer = bytearray()
        self._parts.cancel()
        if not self._begun:
            return
        # In a thread of its own, so that a store that hangs does not hold up a task that was asked to stop. What could
        # not be aborted is found by uploads() later, or seen by nobody and ended by the store.
        worker = threading.Thread(target=self._drop, name="stowage-abort", daemon=True)
        worker.start()
        worker.join(ABORT_SECONDS)

    def _must_be_open(self) -> None:
        if self._state != "open":
            raise ValueError("the upload has ended")

    def _send_part(self) -> None:
        body, self._buffer = self._buffer, bytearray()
        if not self._begun:
            self._begin()
            self._begun = True
        number = self._parts.begin()
        if number > self.most_parts:
            raise StowageError("store_error", f"{self._what}: it has become larger than is written in its parts.")
        arguments = (number, body)
        threading.Thread(target=self._put_part, args=arguments, name=f"stowage-part-{number}", daemon=True).start()

    def _put_part(self, number: int, body: bytearray) -> None:
        try:
            self._parts.done(number, self._send(number, body))
        except BaseException as error:  # noqa: BLE001 - it is raised where the caller is
            self._parts.failed(error)

    def _finish(self, new: NewObject) -> ObjectInfo:
        if self._buffer and not self.last_makes_object:
            self._send_part()
        return self._complete(new, self._parts.all_done())

    def _drop(self) -> None:
        """Aborts the upload; a part that arrives later is refused by the store, or gone with the next abort."""
        deadline = time.monotonic() + ABORT_SECONDS
        self._parts.wait_idle(ABORT_SECONDS / 2)
        while True:
            try:
                self._abort_once()
            except LocationError as error:
                if not error.failure.transient or time.monotonic() > deadline:
                    return
                time.sleep(POLL_SECONDS)
            except StowageError:
                return
            else:
                return
