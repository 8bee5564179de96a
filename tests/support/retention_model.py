# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An independent model of the rules of retention, and two years of runs to try them on.

It looks at each backup alone and counts what is newer, where the collection goes through all of them once.
"""

from __future__ import annotations

import datetime
import functools
import typing as t
import zoneinfo
from random import Random

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.retention import Rules

HOUR: t.Final = datetime.timedelta(hours=1)
YEARS: t.Final = datetime.timedelta(days=731)


def backup(started: datetime.datetime, name: str = "", **fields: t.Any) -> BackupRecord:
    """A record of a Completed backup of ours, unless fields say otherwise."""
    given: dict[str, t.Any] = {"phase": "Completed", "ours": True, "cluster_uid": "uid", **fields}
    return BackupRecord(
        name or f"b-{started:%Y%m%d%H%M%S}", "east", started=started, completed=started + HOUR / 60, **given
    )


def kept_by_model(one: BackupRecord, there: list[BackupRecord], rules: Rules, now: datetime.datetime) -> bool:
    """Whether a rule keeps a backup, said as a person would: how many newer ones, or newer periods, are there?"""
    assert one.started is not None
    newer = [other for other in there if other.ours and t.cast("datetime.datetime", other.started) > one.started]
    good = [other for other in newer if other.phase == "Completed"]
    if rules.within is not None and now - one.started < rules.within:
        return True
    if one.phase != "Completed":
        return not good and one.objects != 0
    if len(good) < rules.at_least:
        return True
    if len(good) < rules.last:
        return True
    counts = (rules.hourly, rules.daily, rules.weekly, rules.monthly, rules.yearly)
    mine = periods(one.started, rules.zone)
    others = [periods(t.cast("datetime.datetime", other.started), rules.zone) for other in good]
    for number, count in enumerate(counts):
        newer_periods = {every[number] for every in others}
        if mine[number] not in newer_periods and len(newer_periods) < count:
            return True
    return False


@functools.cache
def periods(instant: datetime.datetime, zone: zoneinfo.ZoneInfo) -> tuple[t.Any, ...]:
    """The hour, day, week, month and year of an instant."""
    at = instant.astimezone(zone)
    return (
        (at.date(), at.hour, at.utcoffset()),
        at.date(),
        tuple(at.isocalendar())[:2],
        (at.year, at.month),
        at.year,
    )


def stays_by_model(one: BackupRecord, records: list[BackupRecord], rules: Rules, now: datetime.datetime) -> bool:
    """Whether a backup stays at an instant."""
    then = now - rules.min_age
    before = [other for other in records if t.cast("datetime.datetime", other.completed) <= then]
    return (
        not one.ours
        or one not in before
        or kept_by_model(one, records, rules, now)
        or kept_by_model(one, before, rules, then)
    )


def two_years(seed: int, now: datetime.datetime) -> list[BackupRecord]:
    """400 runs over two years: nights, and now and then an hour, a failure or one of Velero's."""
    random = Random(seed)
    minutes = set(random.sample(range(int(YEARS.total_seconds()) // 60 - 2), 400))
    if random.random() < 0.5:  # the last days are full
        minutes = {*random.sample(range(max(minutes) - 20_000, max(minutes)), 150), *sorted(minutes)[:250]}
    records = []
    for minute in sorted(minutes):
        ours = random.random() > 0.05
        phase = "PartiallyFailed" if random.random() < 0.1 else "Completed"
        uid = "uid" if ours else ""
        objects = 0 if phase != "Completed" and random.random() < 0.5 else 3
        fields: dict[str, t.Any] = {"ours": ours, "phase": phase, "cluster_uid": uid, "objects": objects}
        records.append(backup(now - YEARS + minute * HOUR / 60, **fields))
    return records
