# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets code that waits and measures time run in none."""

from __future__ import annotations

import threading


class Clock:
    """Time that passes only while somebody waits for it. Call it as `time.monotonic`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now


class Waiting(threading.Event):
    """An event for which waiting takes no time but the clock's."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        """Returns at once."""
        self._clock.waits.append(timeout or 0.0)
        self._clock.now += timeout or 0.0
        return self.is_set()
