# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever fires, a backup is due at the same instants: over ten years and every change of clocks."""

from __future__ import annotations

import datetime
import itertools
import typing as t
import zoneinfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import schedule as schedules
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import triggers
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.schedule import Schedule

UTC: t.Final = datetime.UTC
MINUTE: t.Final = datetime.timedelta(minutes=1)
HOUR: t.Final = datetime.timedelta(hours=1)
DAY: t.Final = datetime.timedelta(days=1)
START: t.Final = datetime.date(2026, 1, 4)
BEGIN: t.Final = datetime.datetime(2026, 1, 4, 18, tzinfo=UTC)
END: t.Final = datetime.datetime(2036, 1, 4, 18, tzinfo=UTC)
ZONES: t.Final = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "America/Nuuk",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
)
NAMES: t.Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
Instants = list[datetime.datetime]
PRESETS: t.Final = [
    {"preset": "weekly"},
    {"preset": "every_two_weeks", "anchor": "2026-01-07"},
    {"preset": "monthly"},
    {"preset": "every_two_months"},
    {"cron": "30 2 * * *"},
    {"cron": "15 23 * * sat"},
    {"cron": "30 1,2 13 * fri"},
    {"cron": "0 0 29 2 *"},
]


def wanted(**options: t.Any) -> Schedule:
    found = schedules.parse(options)
    assert found is not None
    return found


# -- what fires, each read from its own words


def numbers(text: str, least: int, most: int) -> set[int]:
    """The numbers of a field, by counting."""
    if text.startswith("*"):
        return {each for each in range(least, most + 1) if (each - least) % int(text[2:] or 1) == 0}
    return {int(each) for each in text.split(",")}


def of_cron(text: str, zone: zoneinfo.ZoneInfo) -> Instants:
    """When Kubernetes' cron fires: it compares the clock on the wall, so what is skipped is left out and what is there twice
    fires twice."""
    minute, hour, day, month, weekday = text.split()
    minutes, hours = numbers(minute, 0, 59), numbers(hour, 0, 23)
    days, months, weekdays = numbers(day, 1, 31), numbers(month, 1, 12), numbers(weekday, 0, 6)

    def on(local: datetime.datetime) -> bool:
        fit = (local.day in days, local.isoweekday() % 7 in weekdays)
        return local.month in months and (any(fit) if "*" not in day[0] + weekday[0] else all(fit))

    found = []
    at = BEGIN
    while at < END:
        if not on(at.astimezone(zone)) and not on((at + 12 * HOUR).astimezone(zone)):
            at += 12 * HOUR
            continue
        for number in range(12 * 4):  # offsets are of whole quarters of an hour
            local = (at + number * HOUR / 4).astimezone(zone)
            if local.hour in hours and on(local):
                quarter = at + number * HOUR / 4
                found += [quarter + number * MINUTE for number in range(15) if local.minute + number in minutes]
        at += 12 * HOUR
    return [each for each in found if each < END]


def of_calendar(texts: list[str]) -> Instants:
    """When a systemd timer elapses: a time that is skipped is normalised to one that is as much later."""
    found: set[datetime.datetime] = set()
    for text in texts:
        words = text.split()
        zone = zoneinfo.ZoneInfo(words[-1])
        weekdays = words[0].split(",") if len(words) == 4 else NAMES
        (_year, month, day), (hour, minute, _second) = words[-3].split("-"), words[-2].split(":")
        date = START
        while date < END.date():
            if (
                NAMES[date.weekday()] in weekdays
                and date.month in numbers(month, 1, 12)
                and date.day in numbers(day, 1, 31)
            ):
                for each in sorted(numbers(hour, 0, 23)):
                    for other in sorted(numbers(minute, 0, 59)):
                        found.add(datetime.datetime.combine(date, datetime.time(each, other), zone).astimezone(UTC))
            date += DAY
    return sorted(each for each in found if BEGIN <= each < END)


def of_rrule(text: str, zone: zoneinfo.ZoneInfo) -> Instants:
    """When AWX launches: dateutil's rule, in local times."""
    rules = rrulestr(text.replace(" ", "\n"), forceset=True, tzids=lambda _name: zone)
    found = {each.astimezone(UTC) for each in rules.between(BEGIN - DAY, END + DAY)}
    return sorted(each for each in found if BEGIN <= each < END)


def accepted(schedule: Schedule, fired: Instants) -> Instants:
    """The scheduled instants for which a backup is made, if that is asked whenever something fires."""
    last: datetime.datetime | None = BEGIN
    found = []
    for now in fired:
        instant = schedules.due(schedule, last, now)
        if instant:
            found.append(instant)
            last = now
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("options", PRESETS, ids=lambda options: " ".join(map(str, options.values())))
def test_whatever_fires_a_backup_is_due_at_the_same_instants(options: dict[str, str], zone: str) -> None:
    schedule = wanted(**options, time_zone=zone)
    often = triggers.with_gaps(schedule, START)
    expected = schedule.between(BEGIN, END - DAY * 2)
    assert expected
    # A wait is the trigger's. It is none of the instants', as long as it ends before the next.
    wait = schedules.jitter(min([HOUR, *(later - one for one, later in itertools.pairwise(expected))]), zone, "shop")
    by_rule = of_rrule(triggers.rrule(often, START), schedule.zone)
    for fired in (
        of_cron(triggers.cron(often), schedule.zone),
        of_calendar(triggers.calendars(often)),
        by_rule,
        [each + wait for each in by_rule],
    ):
        assert [each for each in accepted(schedule, fired) if each <= END - DAY * 2] == expected


@pytest.mark.parametrize(
    ("zone", "cron", "day", "instants"),
    [
        # Berlin: 2026-03-29 02:00 CET becomes 03:00 CEST, at 01:00 UTC.
        ("Europe/Berlin", "30 2 * * *", "2026-03-29", ["2026-03-29T01:00"]),
        ("Europe/Berlin", "0,30 2,3 * * *", "2026-03-29", ["2026-03-29T01:00", "2026-03-29T01:30"]),
        # Berlin: 2026-10-25 03:00 CEST becomes 02:00 CET, at 01:00 UTC. The first half past two is summer time's.
        ("Europe/Berlin", "30 2 * * *", "2026-10-25", ["2026-10-25T00:30"]),
        # New York: 2026-03-08 02:00 EST becomes 03:00 EDT, at 07:00 UTC; 2026-11-01 02:00 EDT becomes 01:00 EST, at 06:00 UTC.
        ("America/New_York", "59 2 * * *", "2026-03-08", ["2026-03-08T07:00"]),
        ("America/New_York", "30 1 * * *", "2026-11-01", ["2026-11-01T05:30"]),
        # Lord Howe: 2026-10-04 02:00 +10:30 becomes 02:30 +11, at 15:30 UTC of the day before.
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-04", ["2026-10-03T15:30"]),
        ("Asia/Kathmandu", "0 0 * * *", "2026-05-01", ["2026-04-30T18:15"]),
        # Santiago: 2026-09-06 00:00 -04 becomes 01:00 -03, at 04:00 UTC, so that Sunday has no midnight. 2026-04-05 00:00 -03 becomes
        # 23:00 -04 of Saturday, at 03:00 UTC, so that Saturday has the hour from 23:00 on twice.
        ("America/Santiago", "0 0 * * 0", "2026-09-06", ["2026-09-06T04:00"]),
        ("America/Santiago", "0,30 0,1 * * 0", "2026-09-06", ["2026-09-06T04:00", "2026-09-06T04:30"]),
        ("America/Santiago", "0 0 * * 0", "2026-04-05", ["2026-04-05T04:00"]),
        ("America/Santiago", "15 23 * * 6", "2026-04-04", ["2026-04-05T02:15"]),
        # Cairo: 2026-04-24 00:00 +02 becomes 01:00 +03, at 22:00 UTC of the day before.
        ("Africa/Cairo", "0 0 * * *", "2026-04-24", ["2026-04-23T22:00"]),
        # Apia left out 2011-12-30 as a whole: what is scheduled on it is at the beginning of the next day.
        ("Pacific/Apia", "0 12 30 12 *", "2011-12-30", ["2011-12-30T10:00"]),
    ],
)
def test_a_table_of_changes_of_clocks(zone: str, cron: str, day: str, instants: list[str]) -> None:
    found = wanted(cron=cron, time_zone=zone).on(datetime.date.fromisoformat(day))
    assert [each.isoformat()[:16] for each in found] == instants


@pytest.mark.parametrize(
    ("options", "instants"),
    [
        ({"preset": "weekly"}, ["01-04", "01-11", "01-18", "01-25", "02-01", "02-08", "02-15", "02-22", "03-01"]),
        ({"preset": "every_two_weeks", "anchor": "2026-01-10"}, ["01-04", "01-18", "02-01", "02-15", "03-01"]),
        ({"preset": "every_two_weeks", "anchor": "2026-01-11"}, ["01-11", "01-25", "02-08", "02-22"]),
        ({"preset": "monthly"}, ["01-01", "02-01", "03-01"]),
        ({"preset": "every_two_months"}, ["01-01", "03-01"]),
        (
            {"cron": "0 0 13 * 5"},
            ["01-02", "01-09", "01-13", "01-16", "01-23", "01-30", "02-06", "02-13", "02-20", "02-27"],
        ),
    ],
)
def test_presets(options: dict[str, str], instants: list[str]) -> None:
    begin, end = (datetime.datetime(year, month, 1, 12, tzinfo=UTC) for year, month in ((2025, 12), (2026, 3)))
    days = [each for each in wanted(**options).between(begin, end) if each.year == 2026]
    assert [f"{each:%m-%d}" for each in days] == instants


@pytest.mark.parametrize(
    ("options", "instants"),
    [
        # Sundays at midnight in Santiago, over the spring of 2026, in which 6 September begins at 01:00.
        (
            {"preset": "weekly"},
            ["08-23T04", "08-30T04", "09-06T04", "09-13T03", "09-20T03", "09-27T03", "10-04T03", "10-11T03"],
        ),
        (
            {"preset": "every_two_weeks", "anchor": "2026-09-06"},
            ["08-23T04", "09-06T04", "09-20T03", "10-04T03"],
        ),
        ({"preset": "monthly"}, ["09-01T04", "10-01T03"]),
        ({"preset": "every_two_months"}, ["09-01T04"]),
        ({"preset": "custom", "cron": "30 0 6 * *"}, ["09-06T04", "10-06T03"]),
        ({"preset": "never"}, []),
    ],
)
def test_presets_over_a_change_of_clocks(options: dict[str, str], instants: list[str]) -> None:
    """By a calendar, and the rule that Chile's clocks go forward on the first Sunday of September after a first Saturday."""
    begin, end = (datetime.datetime(2026, *day, 12, tzinfo=UTC) for day in ((8, 20), (10, 15)))
    schedule = schedules.parse({**options, "time_zone": "America/Santiago"})
    found = schedule.between(begin, end) if schedule else []
    assert [f"{each:%m-%dT%H}" for each in found] == instants


def test_what_was_missed_is_caught_up_once() -> None:
    weekly = wanted(preset="weekly")
    now = datetime.datetime(2026, 2, 3, 7, tzinfo=UTC)
    instant = schedules.due(weekly, datetime.datetime(2026, 1, 4, tzinfo=UTC), now)
    assert instant == datetime.datetime(2026, 2, 1, tzinfo=UTC)
    assert schedules.due(weekly, now, now + HOUR) is None
    assert schedules.due(weekly, None, now) == instant


def test_never_and_paused_are_never_due() -> None:
    for options in ({"preset": "never"}, {"preset": "weekly", "paused": True}, None):
        assert schedules.due(schedules.parse(options), None, BEGIN) is None


@given(st.text("abc", min_size=1), st.text("abc"), st.timedeltas(datetime.timedelta(0), DAY))
def test_jitter_is_always_the_same_and_bounded(cluster: str, workspace: str, longest: datetime.timedelta) -> None:
    waits = schedules.jitter(longest, cluster, workspace)
    assert waits == schedules.jitter(longest, cluster, workspace)
    assert datetime.timedelta(0) <= waits <= longest


def test_jitter_spreads() -> None:
    assert len({schedules.jitter(HOUR, f"c{number}", "w") for number in range(100)}) > 90
    assert schedules.jitter(HOUR, "a", "b") != schedules.jitter(HOUR, "a", "c")


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "daily"},
        {"preset": "custom"},
        {"preset": "weekly", "cron": "0 0 * * *"},
        {"preset": "every_two_weeks"},
        {"preset": "every_two_weeks", "anchor": "soon"},
        {"preset": "weekly", "anchor": "2026-01-04"},
        {"preset": "weekly", "time_zone": "../etc/passwd"},
        *(
            {"cron": cron}
            for cron in ("0 0 * *", "60 0 * * *", "0 0 0 * *", "0 0 30 2 *", "*/0 * * * *", "5-1 0 * * *", "x * * * *")
        ),
        *({"cron": cron} for cron in ("0 0 * * 8", "0 0 * jan-foo *", "*-3 0 * * *", "@daily", "0 jan * * *")),
    ],
)
def test_what_makes_no_sense(options: dict[str, str]) -> None:
    with pytest.raises(StowageError) as caught:
        schedules.parse(options)
    assert caught.value.code == "invalid_option"


@settings(max_examples=30)
@given(
    st.sampled_from(PRESETS),
    st.sampled_from(ZONES),
    st.timedeltas(datetime.timedelta(0), 3650 * DAY),
)
def test_the_latest_is_the_last_of_all(options: dict[str, str], zone: str, later: datetime.timedelta) -> None:
    schedule, now = wanted(**options, time_zone=zone), BEGIN + later
    assert schedule.latest(now) == schedule.between(now - 366 * 5 * DAY, now)[-1]
