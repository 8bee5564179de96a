# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When backups are due. Private to the collection. Pure.

A schedule is five fields of cron in a time zone, and perhaps an anchor that picks every other week. The parser is our own:
libraries for cron each have another idea of what happens when clocks change, and here it must be one: a local time that does
not exist is the first instant after the gap, and one that there is twice is the first.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import re
import typing as t
import zoneinfo

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

NEVER: t.Final = "never"
CUSTOM: t.Final = "custom"
TWO_WEEKS: t.Final = "every_two_weeks"
PRESETS: t.Final[t.Mapping[str, str]] = {
    "weekly": "0 0 * * 0",
    TWO_WEEKS: "0 0 * * 0",
    "monthly": "0 0 1 * *",
    "every_two_months": "0 0 1 */2 *",
}
"""Palette's presets in fields of cron: Sundays, and first days of months, at midnight."""

_FIELDS: t.Final = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_MONTHS: t.Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: t.Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART: t.Final = re.compile(r"(\*|[0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?(?:/([0-9]{1,2}))?")
_FAR: t.Final = 366 * 9
"""Days within which every schedule has an instant: 29 February is missing in 2100."""
_HINT: t.Final = "Five fields, such as 30 2 * * 1-5: minute, hour, day of the month, month, day of the week."


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Local times at which backups are scheduled.

    :param fields: minutes, hours, days, months, and weekdays of which 0 is Sunday.
    :param any_day: which of days and weekdays are not restricted. If both are, one of them has to fit, as with cron.
    :param anchor: a day in the first of the weeks that count; every other one does not. ``None``: all do.
    """

    fields: tuple[frozenset[int], ...]
    any_day: tuple[bool, bool]
    zone: zoneinfo.ZoneInfo
    anchor: datetime.date | None = None
    cron: str = ""
    """The fields as they were given, in lower case."""

    def fits(self, day: datetime.date) -> bool:
        """Whether there are instants on a local day."""
        _minutes, _hours, days, months, weekdays = self.fields
        if day.month not in months or (self.anchor and _week(day) % 2 != _week(self.anchor) % 2):
            return False
        fit = (day.day in days, day.isoweekday() % 7 in weekdays)
        return any(fit) if self.any_day == (False, False) else all(fit)

    def on(self, day: datetime.date) -> list[datetime.datetime]:
        """The instants (UTC) of a local day, in order."""
        if not self.fits(day):
            return []
        times = [datetime.time(hour, minute) for hour in self.fields[1] for minute in self.fields[0]]
        return sorted({resolve(datetime.datetime.combine(day, time), self.zone) for time in times})

    def between(self, after: datetime.datetime, until: datetime.datetime) -> list[datetime.datetime]:
        """The instants (UTC) after one and not after the other, in order."""
        day, last = _day_before(after, self.zone), until.astimezone(self.zone).date()
        found: set[datetime.datetime] = set()
        while day <= last:
            found.update(instant for instant in self.on(day) if after < instant <= until)
            day += datetime.timedelta(days=1)
        return sorted(found)

    def following(self, after: datetime.datetime) -> datetime.datetime | None:
        """The first instant (UTC) after one; ``None`` if there is none in nine years."""
        first = _day_before(after, self.zone)
        for ahead in range(_FAR):
            later = [instant for instant in self.on(first + datetime.timedelta(days=ahead)) if instant > after]
            if later:
                return later[0]
        return None

    def latest(self, now: datetime.datetime) -> datetime.datetime | None:
        """The newest instant (UTC) that is not after now; ``None`` if there is none in nine years."""
        day = now.astimezone(self.zone).date()
        for back in range(_FAR):
            passed = [instant for instant in self.on(day - datetime.timedelta(days=back)) if instant <= now]
            if passed:
                return passed[-1]
        return None


def parse(options: t.Mapping[str, t.Any] | None) -> Schedule | None:
    """What :func:`read` gives, and ``None`` while it is paused as well."""
    schedule = read(options)
    return None if (options or {}).get("paused") else schedule


def read(options: t.Mapping[str, t.Any] | None) -> Schedule | None:
    """A schedule from ``preset``, ``cron``, ``time_zone`` and ``anchor``; ``None`` if nothing is ever due.

    :raises StowageError: ``invalid_option``.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    cron, anchor = given.get("cron"), given.get("anchor")
    if options is not None and not given.keys() & {"preset", "cron"}:
        raise _unfit("schedule needs preset or cron.", _HINT)
    preset = given.get("preset", CUSTOM if cron else NEVER)
    if preset not in (NEVER, CUSTOM) and preset not in PRESETS:
        raise _unfit(f"schedule.preset must be one of {', '.join([*PRESETS, CUSTOM, NEVER])}.")
    if (preset == CUSTOM) != bool(cron):
        raise _unfit("schedule.cron goes with schedule.preset: custom, and with no other.", _HINT)
    if (preset == TWO_WEEKS) != bool(anchor):
        raise _unfit(f"schedule.anchor goes with schedule.preset: {TWO_WEEKS}, and with no other.", _ANCHOR)
    zone = check_zone("schedule.time_zone", str(given.get("time_zone", "UTC")))
    if preset == NEVER:
        return None
    text = str(cron or PRESETS[preset])
    fields, any_day = parse_cron(text)
    return Schedule(fields, any_day, zone, _anchor(anchor) if anchor else None, " ".join(text.lower().split()))


def due(schedule: Schedule | None, last: datetime.datetime | None, now: datetime.datetime) -> datetime.datetime | None:
    """The scheduled instant for which a backup has to be made now, ``None`` if none has. However many were missed, it is one.

    :param last: when the last good backup was begun.
    """
    instant = schedule.latest(now) if schedule else None
    return instant if instant and (last is None or last < instant) else None


def jitter(longest: datetime.timedelta, cluster: str, workspace: str) -> datetime.timedelta:
    """How long a trigger waits: whole seconds below ``longest``, always the same for a cluster of a workspace."""
    seconds = int(longest.total_seconds())
    digest = hashlib.sha256(f"{workspace}\0{cluster}".encode()).digest()
    return datetime.timedelta(seconds=int.from_bytes(digest[:8], "big") % seconds if seconds > 0 else 0)


def resolve(local: datetime.datetime, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    """The instant (UTC) of a local time: the first of two, and the first after a gap."""
    early = local.replace(tzinfo=zone, fold=0).astimezone(datetime.UTC)
    if early.astimezone(zone).replace(tzinfo=None) == local:
        return early
    # In a gap, fold=1 takes the offset after it, and so gives an instant before it.
    before, after = local.replace(tzinfo=zone, fold=1).astimezone(datetime.UTC), early
    offset = before.astimezone(zone).utcoffset()
    while after - before > datetime.timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def parse_cron(text: str) -> tuple[tuple[frozenset[int], ...], tuple[bool, bool]]:
    """Five fields of cron, and which of days and weekdays are not restricted (``*``, as Debian's cron takes it).

    :raises StowageError: ``invalid_option``, also when no day can fit.
    """
    words = text.lower().split()
    if len(words) != len(_FIELDS):
        raise _unfit(f"schedule.cron must have five fields, not {len(words)}.", _HINT)
    fields = [_field(word, *limits) for word, limits in zip(words, _FIELDS, strict=True)]
    fields[4] = frozenset(day % 7 for day in fields[4])
    any_day = (words[2].startswith("*"), words[4].startswith("*"))
    days_of = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
    if any(any_day) and all(min(fields[2]) > days_of.get(month, 31) for month in fields[3]):
        raise _unfit("schedule.cron names a day that no month has.", _HINT)
    return tuple(fields), any_day


def check_zone(option: str, name: str) -> zoneinfo.ZoneInfo:
    """A time zone by its IANA name.

    :raises StowageError: ``invalid_option``.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        hint = "If it is spelt right, the machine lacks time zones: install the package tzdata."
        raise _unfit(f"{option} is no time zone: {name[:80]!r}.", hint) from None


_ANCHOR: t.Final = "Give the date of a day in one of the weeks that count, such as 2026-01-04. A week begins on Sunday."


def _field(word: str, name: str, least: int, most: int) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise _unfit(f"schedule.cron has a {name} that cannot be read: {part[:20]!r}.", _HINT)
        first, last, step = match.groups()
        if first == "*":
            low, high = least, most
        else:
            low = _number(first, name)
            high = _number(last, name) if last else most if step else low
        fits = least <= low <= high <= most and not (first == "*" and last) and step not in {"0", "00"}
        if not fits:
            raise _unfit(f"schedule.cron has a {name} out of bounds: {part[:20]!r}.", _HINT)
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def _number(word: str, name: str) -> int:
    names: t.Mapping[str, tuple[str, ...]] = {"month": ("", *_MONTHS), "weekday": _WEEKDAYS}
    if word.isdigit():
        return int(word)
    known = names.get(name, ())
    return known.index(word) if word in known else -1


def _anchor(value: object) -> datetime.date:
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError:
        raise _unfit("schedule.anchor must be a date.", _ANCHOR) from None


def _week(day: datetime.date) -> int:
    """The number of a week that begins on Sunday."""
    return day.toordinal() // 7


def _day_before(instant: datetime.datetime, zone: zoneinfo.ZoneInfo) -> datetime.date:
    return instant.astimezone(zone).date() - datetime.timedelta(days=1)


def _unfit(message: str, hint: str = "") -> StowageError:
    return StowageError("invalid_option", message, hint)
