# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes a lease, renews it while work goes on, and lets go of it. Private to the collection.

A lease keeps tasks from getting into each other's way; it is no lock that anything could be built on. Who may not write
one goes on without, and says so. Who loses one, because it could not be renewed in time, goes on as well and says so: a backup
has its reservation, and a restore that stops half-way is worse than two.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import platform
import secrets
import threading
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.create import create_once
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import parse_duration
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import leases
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.leases import Holder, Link

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

_ATTEMPTS: t.Final = 60
_POLL: t.Final = 5.0
_PATIENCE: t.Final = 2.0
"""Seconds that a renewal under way may take when the work is done."""
_GIVES_UP: t.Final = frozenset({"permission_denied", "locked", "quota", "unsupported_by_store", "interrupted"})
"""What waiting does not change."""


@dataclasses.dataclass(frozen=True)
class Times:
    """How long a lease lasts.

    :param first: at the beginning, so that a task which is killed early keeps others waiting for no longer. Each renewal, after
        a third of it, doubles it.
    :param longest: at last, so that a task of a day makes few keys.
    """

    first: datetime.timedelta = datetime.timedelta(minutes=2)
    longest: datetime.timedelta = datetime.timedelta(minutes=30)


def parse_wait(text: str | None) -> datetime.timedelta:
    """The option ``lease_wait``: a duration, or ``0``.

    :raises StowageError: ``invalid_option``.
    """
    if not text or text.strip() in ("0", "0s"):
        return datetime.timedelta(0)
    return parse_duration("lease_wait", text)


class Lease:
    """A lease of this task, as a context manager that waits for it, and releases it at the end of the block.

    :param chain: the folder of its chain.
    :param what: what others are told that this task holds: ``the cluster prod-1``.
    :param who: what others are told about this task: ``backup``.
    :param shared: whether several may hold it at once.
    :param wait: how long others are waited for.
    """

    def __init__(
        self,
        location: Location,
        chain: str,
        progress: Progress,
        *,
        what: str,
        who: str,
        shared: bool = False,
        wait: datetime.timedelta = datetime.timedelta(0),
        times: Times | None = None,
    ) -> None:
        self._location = location
        self._chain = chain
        self._progress = progress
        self._what = what
        self._who = f"{who} on {platform.node()}"
        self._shared = shared
        self._wait = wait
        self._times = times or Times()
        self._lifetime = self._times.first
        self._id = secrets.token_hex(8)
        self._last: Link | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._freed: datetime.datetime | None = None
        self.held = False
        self.waited = 0.0
        """Seconds."""
        self.message = ""
        """Why it is not held, or not as well as it should be."""

    def as_dict(self) -> dict[str, t.Any]:
        """As a module returns it."""
        return {"held": self.held, "waited": round(self.waited, 1), "message": self.message}

    def others_since(self, instant: datetime.datetime) -> bool:
        """Whether somebody else held it after an instant, by the store's clock."""
        return self.waited > 0 or (self._freed is not None and self._freed > instant - leases.CLOCKS)

    def __enter__(self) -> Lease:
        """:raises StowageError: ``lease_held`` when others hold it for longer than is waited, ``interrupted``."""
        try:
            self._take()
        except StowageError as error:
            if error.code in ("lease_held", "interrupted"):
                raise
            self.message = f"No lease could be taken on {self._what}: {error.message}"
            return self
        self.held = True
        if not self._location.capabilities.conditional_create:
            self.message = (
                f"The store cannot refuse a key that exists. If another task asked for the lease on {self._what} in the same "
                "instant, both go on."
            )
        self._thread = threading.Thread(target=self._renew, name="stowage-lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
            # What cannot be released ends by itself, and whatever keeps it must not hide what the block ended with.
            with contextlib.suppress(Exception):
                self._advance(lambda last, now: None if self._id not in last.holders else last.others(self._id, now))

    def _take(self) -> None:
        shown = who = ""
        until = self._location.now()
        while True:
            last = self._looked(sure=not shown)
            if last is not None:
                if self._id in last.holders:
                    return
                now = self._location.now()
                until, who = max(
                    ((one.until, one.who) for one in last.others(self._id, now).values()), default=(now, shown)
                )
            left = self._wait.total_seconds() - self.waited
            if left <= 0:
                raise self._refused(who, until)
            if who != shown:
                shown = who
                self._progress.note(f"Waiting for {who}, which holds {self._what}.")
            delay = min(_POLL, max(0.2, self.waited / 4), left)
            if self._progress.stopped.wait(delay):
                self._progress.check()
            self.waited += delay

    def _looked(self, *, sure: bool) -> Link | None:
        """The link that counts, this task's own if it could be had.

        :param sure: whether every failure is one. If not, somebody was seen to hold it: an answer that fails does not mean that they let
            go, and ``None`` is returned.
        """
        try:
            return self._advance(self._taken)
        except StowageError as error:
            if sure or error.code in _GIVES_UP:
                raise
            return None

    def _taken(self, last: Link, now: datetime.datetime) -> dict[str, Holder] | None:
        others = last.others(self._id, now)
        if others and not self._shared:
            return None
        self._freed = min(last.expires, now)
        return others | {self._id: Holder(now + self._lifetime, self._who)}

    def _refused(self, who: str, until: datetime.datetime) -> StowageError:
        return StowageError(
            "lease_held",
            f"Another task holds {self._what}: {who}, until {until.isoformat(timespec='seconds')} unless it goes on.",
            "Run the task again later, or let it wait longer with lease_wait. What was killed lets go by itself at that time.",
            details={"until": until.isoformat(), "holder": who},
        )

    def _advance(self, change: t.Callable[[Link, datetime.datetime], t.Mapping[str, Holder] | None]) -> Link:
        """Create the next link.

        :param change: the holders after a link; ``None`` to leave all as it is.
        :returns: the link that counts now.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            last = self._last or leases.read_last(self._location, self._chain)
            self._last = None
            now = self._location.now()
            holders = change(last, now)
            if holders is None:
                return last
            link = Link(last.number + 1, holders, now)
            try:
                self._create(link)
            except StowageError as error:
                if error.code not in ("key_exists", "outcome_unknown") or attempt == _ATTEMPTS:
                    raise
                self._progress.stopped.wait(0.01 * secrets.randbelow(2 * attempt))
                continue
            self._last = link
            return link
        raise AssertionError("unreachable")

    def _create(self, link: Link) -> None:
        key, data = leases.key_of(self._chain, link.number), link.to_json()
        create_once(self._location, key, data)
        if not self._location.capabilities.conditional_create and self._location.read(key, limit=len(data) + 1) != data:
            raise StowageError("key_exists", f"{key} was written by another task in the same instant.")

    def _renew(self) -> None:
        pause = self._lifetime / 3
        until = time.monotonic() + self._lifetime.total_seconds()
        while not self._over.wait(pause.total_seconds()):
            longer = min(self._lifetime * 2, self._times.longest)
            begun = time.monotonic()
            try:
                last = self._advance(self._renewed(longer))
            except Exception as error:  # noqa: BLE001 - a thread that ends with it would leave the lease said to be held
                pause = self._lifetime / 12
                if time.monotonic() >= until:
                    self._lose(error.message if isinstance(error, StowageError) else type(error).__name__)
                continue
            if self._id not in last.holders:
                self._lose("Another task has taken it over.")
                return
            self._lifetime = longer
            until = begun + longer.total_seconds()
            pause = longer / 3

    def _renewed(
        self, lifetime: datetime.timedelta
    ) -> t.Callable[[Link, datetime.datetime], t.Mapping[str, Holder] | None]:
        def change(last: Link, now: datetime.datetime) -> t.Mapping[str, Holder] | None:
            others = last.others(self._id, now)
            if self._over.is_set() or (others and not self._shared):
                return None
            return others | {self._id: Holder(now + lifetime, self._who)}

        return change

    def _lose(self, why: str) -> None:
        self.held = False
        self.message = f"The lease on {self._what} could not be kept. {why}"
