# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests sent again where that helps, and the store's clock, whatever the provider. Private to the collection.

SDKs' own retries are off. They hide what happened: a write that was carried out and whose answer was lost is sent again
and comes back as "it exists already". Here a caller decides what may be sent twice.
"""

from __future__ import annotations

import datetime
import email.utils
import random
import threading
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError

ATTEMPTS: t.Final = 6
FIRST_WAIT: t.Final = 0.4
LONGEST_WAIT: t.Final = 8.0


def interrupted() -> StowageError:
    """The error of a wait that ended because the task was asked to stop."""
    return StowageError("interrupted", "The task was asked to stop.")


class Retries:
    """What is known of a store from its answers so far, and when a request is worth another try. Safe for several threads."""

    def __init__(self, stopped: threading.Event) -> None:
        """:param stopped: see :class:`~.base.Location`."""
        self.stopped = stopped
        self.attempts = ATTEMPTS
        self.first_wait = FIRST_WAIT
        self._answered = False
        self._clock: tuple[datetime.datetime, float] | None = None

    def note_answer(self, headers: t.Mapping[str, str]) -> None:
        """The store answered, with these headers (names in lower case)."""
        self._answered = True
        try:
            date = email.utils.parsedate_to_datetime(headers["date"])
        except (KeyError, ValueError, TypeError):
            return
        if date.tzinfo is None:
            date = date.replace(tzinfo=datetime.UTC)
        self._clock = date.astimezone(datetime.UTC), time.monotonic()

    def retried(self, attempt: t.Callable[[], t.Any], give_up: t.Callable[[], bool] | None = None) -> t.Any:
        """Runs ``attempt`` until it succeeds, fails for good, or ``give_up`` says so."""
        for number in range(1, self.attempts + 1):
            try:
                return attempt()
            except LocationError as error:
                if number == self.attempts or not self.may_pass(error.failure, number) or (give_up and give_up()):
                    raise
            self.wait(number)
        raise AssertionError("unreachable")

    def may_pass(self, failure: Failure, number: int) -> bool:
        """Whether to try again after attempt ``number``. A store that never answered is not there, rather than away for a
        moment: it gets one more chance."""
        return failure.transient and (self._answered or number == 1)

    def wait(self, number: int) -> None:
        """Waits before attempt ``number + 1``; raises ``interrupted`` when asked to stop."""
        longest = min(self.first_wait * 2 ** (number - 1), LONGEST_WAIT)
        # Not for secrets: the jitter keeps many clients from coming back at once.
        if self.stopped.wait(longest * random.uniform(0.5, 1.0)):  # noqa: S311
            raise interrupted()

    def clock(self, ask: t.Callable[[], object]) -> datetime.datetime:
        """The store's clock; this machine's if the store never says a date.

        :param ask: sends some request, if none was answered yet. Whoever may not do that gets an answer all the same.
        """
        if self._clock is None:
            try:
                ask()
            except LocationError as error:
                if error.failure.code != "permission_denied":
                    raise
        return self.now() or datetime.datetime.now(datetime.UTC)

    def now(self) -> datetime.datetime | None:
        """The store's clock by the last answer's Date; ``None`` before the first."""
        if self._clock is None:
            return None
        date, seen = self._clock
        return date + datetime.timedelta(seconds=time.monotonic() - seen)
