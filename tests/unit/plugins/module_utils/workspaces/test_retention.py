# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stays is what the rules say: an independent model, over years of simulated runs, and the cases that may never go."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.retention import Rules, _short, decide
from support.retention_model import HOUR, backup, stays_by_model, two_years

UTC: t.Final = datetime.UTC
START: t.Final = datetime.datetime(2024, 1, 1, tzinfo=UTC)
NOW: t.Final = datetime.datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY: t.Final = datetime.timedelta(days=1)
SECOND: t.Final = datetime.timedelta(seconds=1)
ZONES: t.Final = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia")


def names(records: t.Sequence[BackupRecord], rules: Rules, **options: t.Any) -> list[str]:
    """What stays."""
    options = {"now": NOW, "cluster_uid": "uid", **options}
    return [one.record.name for one in decide(records, rules, **options) if one.stays]


def reasons(records: t.Sequence[BackupRecord], rules: Rules, **options: t.Any) -> dict[str, str]:
    options = {"now": NOW, "cluster_uid": "uid", **options}
    return {one.record.name: " ".join(one.reasons) for one in decide(records, rules, **options)}


RULES: t.Final = st.builds(
    Rules,
    within=st.none() | st.timedeltas(HOUR, 200 * DAY),
    last=st.integers(0, 20),
    hourly=st.integers(0, 30),
    daily=st.integers(0, 15),
    weekly=st.integers(0, 9),
    monthly=st.integers(0, 14),
    yearly=st.integers(0, 3),
    at_least=st.integers(1, 5),
    min_age=st.timedeltas(HOUR, 3 * DAY),
    zone=st.sampled_from(ZONES).map(zoneinfo.ZoneInfo),
)
MINUTES: t.Final = st.integers(0, int((NOW - START).total_seconds()) // 60 - 2)


@settings(max_examples=15)
@given(st.integers(0, 1 << 30), RULES)
def test_400_runs_over_two_years_come_down_to_what_the_rules_say(seed: int, rules: Rules) -> None:
    records = two_years(seed, NOW)
    assert names(records, rules) == [one.name for one in records if stays_by_model(one, records, rules, NOW)]


@settings(max_examples=40)
@given(st.lists(MINUTES, unique=True, max_size=60), RULES)
def test_pruning_twice_prunes_once(minutes: list[int], rules: Rules) -> None:
    records = [backup(START + minute * HOUR / 60) for minute in sorted(minutes)]
    first = names(records, rules)
    left = [one for one in records if one.name in first]
    assert names(left, rules) == first
    if records:
        assert records[-1].name in first
    assert len(first) >= min(rules.at_least, len(records))


def test_each_reason_is_said() -> None:
    records = [backup(NOW - days * DAY) for days in range(40, 1, -1)]
    said = reasons(records, Rules(daily=2, monthly=2, last=1))
    assert said["b-20251230120000"] == (
        "It is the last good one. It is one of the newest 1 (keep_at_least). It is one of the newest 1 (keep_last). "
        "It is the newest of 2025-12-30 (keep_daily). It is the newest of 2025-12 (keep_monthly)."
    )
    assert said["b-20251130120000"] == "It is the newest of 2025-11 (keep_monthly)."
    assert said["b-20251201120000"] == ""


def test_days_begin_in_the_zone() -> None:
    records = [
        backup(datetime.datetime(2025, 6, 1, 21, 30, tzinfo=UTC)),
        backup(datetime.datetime(2025, 6, 1, 22, 30, tzinfo=UTC)),
    ]
    assert len(names(records, Rules(daily=5))) == 1
    assert len(names(records, Rules(daily=5, zone=zoneinfo.ZoneInfo("Europe/Berlin")))) == 2


def test_an_hour_that_there_is_twice_is_two_hours() -> None:
    records = [backup(datetime.datetime(2025, 10, 26, hour, 30, tzinfo=UTC)) for hour in (0, 1)]
    assert len(names(records, Rules(hourly=5, zone=zoneinfo.ZoneInfo("Europe/Berlin")))) == 2


OLD: t.Final = [backup(NOW - days * DAY) for days in (9, 8, 7)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cluster_uid": "other"}, "It is of another cluster."),
        ({"ours": False, "cluster_uid": ""}, "Velero made it, and has to delete it."),
        ({"phase": "InProgress"}, "It is being made."),
        ({"phase": "Abandoned"}, "It was never finished; what it left is an orphan."),
        ({"phase": "Incomplete"}, "It has no velero-backup.json: another tool may be writing it."),
        ({"phase": "Damaged"}, "Its velero-backup.json makes no sense; state: absent of backup removes it."),
        ({"phase": "Deleting"}, "Its phase is Deleting."),
        ({"started": None, "completed": None}, "Its time is not known."),
        ({"expires_at": NOW + DAY}, "It will be needed until 2026-01-02T12:00:00+00:00 (expires_in)."),
    ],
)
def test_what_no_rule_takes_away(change: dict[str, t.Any], why: str) -> None:
    assert reasons(OLD, Rules(last=1))[OLD[0].name] == ""
    records = [dataclasses.replace(OLD[0], **change), *OLD[1:]]
    assert reasons(records, Rules(last=1))[OLD[0].name] == why


def test_one_from_the_future_stays_and_takes_no_place() -> None:
    coming = backup(NOW + DAY)
    assert names([*OLD, coming], Rules(last=1)) == [OLD[2].name, coming.name]


def test_what_is_held_stays() -> None:
    said = reasons(OLD, Rules(last=1), held=lambda record: record.name == OLD[1].name)
    assert said[OLD[0].name] == ""
    assert said[OLD[1].name] == "Somebody holds it: it is being restored."


def test_the_last_good_one_stays_beside_newer_failures_and_veleros() -> None:
    failed = backup(NOW - 5 * DAY, phase="PartiallyFailed")
    foreign = backup(NOW - 3 * DAY, ours=False, cluster_uid="")
    said = reasons([*OLD, failed, foreign], Rules(last=1))
    assert said[OLD[2].name].startswith("It is the last good one. It is one of the newest 1 (keep_at_least).")
    assert said[OLD[1].name] == ""
    assert said[failed.name] == "Nothing good of its selection is newer."


def test_selections_are_series_of_their_own() -> None:
    """Also where Velero's words for them are the same: some options have none."""
    part = backup(NOW - 2 * DAY, fingerprint="without an API group")
    assert names([*OLD, part], Rules(last=1)) == [OLD[2].name, part.name]


def test_what_velero_made_takes_no_place() -> None:
    theirs = [backup(NOW - days * DAY + HOUR, ours=False, cluster_uid="") for days in (9, 8, 7)]
    kept = names([*OLD, *theirs], Rules(daily=3))
    assert set(kept) == {one.name for one in [*OLD, *theirs]}


def test_other_labels_are_of_no_concern_and_take_no_place() -> None:
    records = [dataclasses.replace(one, labels={"workspace": "a"}) for one in OLD[:2]] + OLD[2:]
    said = reasons(records, Rules(last=1), labels={"workspace": "a"})
    assert said[OLD[0].name] == ""
    assert said[OLD[1].name].startswith("It is the last good one.")
    assert said[OLD[2].name] == "It does not have the labels."


def test_what_became_deletable_today_stays_until_tomorrow() -> None:
    records = [backup(NOW - 3 * DAY), backup(NOW - HOUR)]
    (ended,) = {one.completed for one in records[1:]}
    assert ended is not None
    until = ended + DAY
    assert reasons(records, Rules(last=1))[records[0].name] == (
        f"The rules let go of it less than min_age (24h) ago: it stays until {until.isoformat(timespec='seconds')}."
    )
    assert names(records, Rules(last=1), now=until - SECOND) == [one.name for one in records]
    assert names(records, Rules(last=1), now=until) == [records[1].name]


@settings(max_examples=15)
@given(st.integers(0, 1 << 30), RULES)
def test_until_when_something_stays_is_said(seed: int, rules: Rules) -> None:
    """If nothing else is backed up until then."""
    records = two_years(seed, NOW)
    for name, said in reasons(records, rules).items():
        if found := re.search(r"less than min_age \(\w+\) ago: it stays until (\S+)\.$", said):
            until = datetime.datetime.fromisoformat(found[1]) + SECOND  # it is said in whole seconds
            assert NOW < until <= NOW + rules.min_age + SECOND
            assert name not in names(records, rules, now=until)
            assert name in names(records, rules, now=max(until - 2 * SECOND, NOW))


@pytest.mark.parametrize(
    ("min_age", "said"),
    [(DAY, "24h"), (30 * DAY, "30d"), (HOUR / 2, "30m"), (HOUR * 1.5, "90m"), (SECOND, "1s")],
)
def test_min_age_is_said_in_short(min_age: datetime.timedelta, said: str) -> None:
    assert _short(min_age) == said


@pytest.mark.parametrize(("objects", "stays"), [(0, False), (1, True), (None, True)])
def test_what_is_not_whole_stays_until_a_good_one_is_newer_unless_it_holds_nothing(
    objects: int | None, stays: bool
) -> None:
    failed = backup(NOW - 5 * DAY, phase="PartiallyFailed", objects=objects, fingerprint="misspelt")
    assert (failed.name in names([*OLD, failed], Rules(last=1))) == stays
    young = backup(NOW - HOUR, phase="PartiallyFailed", objects=objects, fingerprint="misspelt")
    assert young.name in names([young], Rules(last=1)), "min_age"
