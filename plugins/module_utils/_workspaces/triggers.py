# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What fires when a schedule's instants come: cron, systemd, Kubernetes and AWX in their own words. Private to the collection. Pure.

A trigger may fire more often than a backup is due, for the task asks. So every two weeks is every week; and where clocks
skip a scheduled time, which Kubernetes then leaves out, the trigger fires an hour later as well.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.schedule import Schedule

_DAYS: t.Final = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
_NAMES: t.Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_YEARS: t.Final = 12


def cron(schedule: Schedule) -> str:
    """Five fields as every cron takes them; Kubernetes knows no weekday 7."""
    words = schedule.cron.split()
    if not words[4].startswith("*"):
        words[4] = _numbers(schedule.fields[4])
    return " ".join(words)


def calendars(schedule: Schedule) -> list[str]:
    """Values of ``OnCalendar=`` of a systemd timer (systemd.time(7)); one of them has to fit."""
    minutes, hours, days, months, weekdays = schedule.fields
    time = f"{_numbers(hours)}:{_numbers(minutes)}:00 {schedule.zone.key}"
    month = "*" if len(months) == 12 else _numbers(months)
    found = []
    for by_day, by_weekday in _day_rules(schedule):
        week = ",".join(_NAMES[day] for day in sorted(weekdays)) + " " if by_weekday else ""
        found.append(f"{week}*-{month}-{_numbers(days) if by_day else '*'} {time}")
    return found


def rrule(schedule: Schedule, start: datetime.date) -> str:
    """DTSTART and RRULEs (RFC 5545) in one line, as AWX wants them.

    :param start: the local day on which it begins.
    """
    minutes, hours, days, months, weekdays = schedule.fields
    first = f"DTSTART;TZID={schedule.zone.key}:{start:%Y%m%d}T000000"
    rules = []
    for by_day, by_weekday in _day_rules(schedule):
        parts = ["FREQ=DAILY", "INTERVAL=1"]
        parts += [f"BYMONTH={_numbers(months)}"] if len(months) < 12 else []
        parts += [f"BYMONTHDAY={_numbers(days)}"] if by_day else []
        parts += [f"BYDAY={','.join(_DAYS[day] for day in sorted(weekdays))}"] if by_weekday else []
        parts += [f"BYHOUR={_numbers(hours)}", f"BYMINUTE={_numbers(minutes)}", "BYSECOND=0"]
        rules.append("RRULE:" + ";".join(parts))
    return " ".join([first, *rules])


def with_gaps(schedule: Schedule, start: datetime.date) -> Schedule:
    """The schedule, and an hour later as well if clocks skip one of its times in the twelve years from ``start``."""
    if not any(_skips(schedule, start + datetime.timedelta(days=day)) for day in range(366 * _YEARS)):
        return schedule
    words = schedule.cron.split()
    hours = schedule.fields[1] | {(hour + 1) % 24 for hour in schedule.fields[1]}
    words[1] = _numbers(hours)
    fields = (schedule.fields[0], hours, *schedule.fields[2:])
    any_day = schedule.any_day
    if 23 in schedule.fields[1]:  # the hour after that is another day's
        words[2:] = ["*", "*", "*"]
        fields, any_day = (
            (*fields[:2], frozenset(range(1, 32)), frozenset(range(1, 13)), frozenset(range(7))),
            (True, True),
        )
    return dataclasses.replace(schedule, fields=fields, any_day=any_day, cron=" ".join(words))


def _skips(schedule: Schedule, day: datetime.date) -> bool:
    if not schedule.fits(day):
        return False
    midnight = datetime.datetime.combine(day, datetime.time(), schedule.zone)
    if midnight.utcoffset() == (midnight + datetime.timedelta(days=1)).utcoffset() and not _is_skipped(midnight):
        return False
    times = (midnight.replace(hour=hour, minute=minute) for hour in schedule.fields[1] for minute in schedule.fields[0])
    return any(map(_is_skipped, times))


def _is_skipped(local: datetime.datetime) -> bool:
    return local.astimezone(datetime.UTC).astimezone(local.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None)


def _day_rules(schedule: Schedule) -> list[tuple[bool, bool]]:
    """For each rule that is needed, whether it restricts days, and weekdays."""
    _minutes, _hours, days, _months, weekdays = schedule.fields
    if schedule.any_day == (False, False):
        return [(True, False), (False, True)]
    return [(len(days) < 31, len(weekdays) < 7)]


def _numbers(values: t.Iterable[int]) -> str:
    return ",".join(map(str, sorted(values)))
