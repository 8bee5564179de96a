# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a cluster of a workspace: its status, its objective, and why."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.choose import fresh
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.assemble import assemble
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.found import FoundCluster, FoundLocation
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.judge import Part, judge
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    Member,
    Row,
    Wanted,
    WantedWorkspace,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import schedule
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Record
from support.report_fleets import DAY, NOW, backup, failed, record

HOUR: t.Final = datetime.timedelta(hours=1)
DAILY: t.Final = schedule.parse({"cron": "0 2 * * *"})
"""NOW is at 7:00 UTC: the last instant was five hours ago."""


def row(
    *phases: tuple[str, datetime.timedelta], wanted: Wanted | None = None, now: datetime.datetime = NOW, **fields: t.Any
) -> Row:
    """What is said of backups with these phases and ages."""
    own = {name: fields.pop(name) for name in ("paused", "allow_partial", "jitter") if name in fields}
    plan = fields.pop("plan", DAILY)
    backups = sorted((backup("a", "shop", NOW - age, phase) for phase, age in phases), key=lambda one: one.order)
    part = Part(workspace=WantedWorkspace(name="shop", schedule=plan, **own), cluster="a", backups=backups, **fields)
    return judge(part, wanted or Wanted(), now)


def test_a_good_backup_after_the_last_instant() -> None:
    found = row(("Completed", 5 * HOUR - HOUR / 60), ("Completed", 29 * HOUR))
    assert (found.status, found.reasons) == ("ok", ())
    assert found.good is found.tried or found.good == found.tried
    assert found.deadline == NOW + 21 * HOUR
    assert found.next_due == NOW + 19 * HOUR
    assert found.due is None


def test_late_and_due() -> None:
    found = row(("Completed", 29 * HOUR - HOUR / 60))
    assert found.status == "late"
    assert found.reasons == ("It is late by 3 h.",)
    found = row(("Completed", 29 * HOUR - HOUR / 60), wanted=Wanted(grace=6 * HOUR))
    assert (found.status, found.due) == ("due", NOW - 5 * HOUR)
    assert found.reasons == ("One is due since 2026-11-26 02:00 UTC, and late after 2026-11-26 08:00 UTC.",)
    found = row(("Completed", 29 * HOUR - HOUR / 60), jitter=4 * HOUR)
    assert found.status == "due", "a trigger may wait that long"


def test_only_completed_is_good() -> None:
    phases = ["PartiallyFailed", "Failed", "FailedValidation", "InProgress", "Whatever"]
    for phase in phases:
        assert row((phase, HOUR)).status == "missing"
    assert row().status == "missing"
    assert row(("PartiallyFailed", HOUR), allow_partial=True).status == "missing"
    # What is yet to come proves nothing.
    assert row(("Completed", -HOUR)).status == "missing"
    assert row(("Completed", -HOUR / 30)).status == "ok", "clocks differ a little"


@pytest.mark.parametrize("phase", ["PartiallyFailed", "Failed"])
def test_what_failed_since(phase: str) -> None:
    found = row(("Completed", 4 * HOUR), (phase, 2 * HOUR))
    assert found.status == "failing"
    assert found.reasons[0].startswith("The last attempt (run 20261126T050000Z) ")
    assert row((phase, 4 * HOUR), ("Completed", 2 * HOUR)).status == "ok"
    allowed = row(("Completed", 4 * HOUR), (phase, 2 * HOUR), allow_partial=True)
    assert allowed.status == ("ok" if phase == "PartiallyFailed" else "failing")
    assert row(("Completed", 4 * HOUR), ("InProgress", HOUR / 9)).status == "ok"


def test_records_are_attempts() -> None:
    made = backup("a", "shop", NOW - 4 * HOUR)
    gone = backup("a", "shop", NOW - 28 * HOUR)
    records = [
        ("r1", record(gone, seconds=40.0)),
        ("r2", record(made)),
        ("r3", failed("a", NOW - HOUR, "timeout", "Too slow.")),
    ]
    found = judge(
        Part(workspace=WantedWorkspace(name="shop", schedule=DAILY), cluster="a", backups=[made], records=records),
        Wanted(),
        NOW,
    )
    assert [(one.run, one.kept, one.phase) for one in found.history] == [
        ("r1", False, "Completed"),
        ("r2", True, "Completed"),
        ("r3", False, "Failed"),
    ]
    assert found.good is not None
    assert found.good.backup == made.name
    assert found.status == "failing"
    assert found.reasons == ("The last attempt (run r3) failed at 2026-11-26 06:00 UTC: timeout: Too slow.",)
    # A good backup that is gone is none.
    lost = judge(Part(workspace=WantedWorkspace(name="shop"), cluster="a", records=records[:1]), Wanted(), NOW)
    assert (lost.status, lost.good) == ("missing", None)


def test_two_names_for_one_cluster_are_a_failure() -> None:
    made = backup("a", "shop", NOW - HOUR)
    both = Record(
        cluster="a",
        phase="Failed",
        attempt=1,
        written=NOW,
        backup=made.name,
        error_code="invalid_option",
        reason="Two.",
    )
    found = judge(
        Part(workspace=WantedWorkspace(name="shop"), cluster="a", backups=[made], records=[("r", both)]), Wanted(), NOW
    )
    assert [(one.phase, one.code) for one in found.history] == [("Failed", "invalid_option")]


def test_ages_without_a_schedule() -> None:
    day = Wanted(max_age=26 * HOUR)
    assert row(("Completed", 25 * HOUR), plan=None, wanted=day).status == "ok"
    assert row(("Completed", 27 * HOUR), plan=None, wanted=day).status == "late"
    assert row(("Completed", 999 * HOUR), plan=None).status == "unwatched"
    assert row(("Completed", 999 * HOUR), plan=None, wanted=day, watched=False, expected=False).status == "unwatched"
    # The schedule wins.
    assert row(("Completed", 4 * HOUR), wanted=Wanted(max_age=HOUR)).status == "ok"


def test_paused_and_unreadable() -> None:
    assert row(("Completed", 99 * DAY), paused=True).status == "paused"
    assert row(paused=True).status == "paused"
    assert row(("Completed", 99 * DAY), paused=True).deadline is None
    found = row(readable=False, problems=("store_error: It is away.",))
    assert (found.status, found.reasons) == ("unknown", ("store_error: It is away.",))
    assert row(expected=False).status == "unwatched"


def test_what_nobody_knows_whose_it_is() -> None:
    loose = [
        backup("a", "", NOW, phase, name=f"b{number}") for phase in ("Damaged", "Abandoned") for number in range(3)
    ]
    found = row(("Completed", HOUR), loose=loose)
    assert found.status == "ok"
    assert found.reasons == (
        "3 backups make no sense: velero-backup.json is damaged: b0, b1 and 1 more.",
        "3 backups were begun and never finished: b0, b1 and 1 more.",
    )


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"expires_at": NOW + DAY}, "it is not said to be needed for as long as its workspace says (expires_in)"),
        ({}, "it is not said to be needed for as long as its workspace says (expires_in)"),
        ({"expires_at": NOW - HOUR}, "it has expired"),
        ({"expires_at": NOW + 40 * DAY, "ours": False}, "Velero made it"),
    ],
)
def test_what_backup_would_make_another_for_is_of_no_account(fields: dict[str, t.Any], why: str) -> None:
    gold = WantedWorkspace(name="shop", schedule=DAILY, expires_in=30 * DAY)
    before = backup("a", "shop", NOW - 20 * HOUR, expires_at=NOW + 40 * DAY)
    made = backup("a", "shop", NOW - 4 * HOUR, **fields)
    for grace, status in ((2 * HOUR, "late"), (6 * HOUR, "due")):
        found = judge(Part(workspace=gold, cluster="a", backups=[before, made]), Wanted(grace=grace), NOW)
        assert (found.status, found.due) == (status, NOW - 5 * HOUR)
        assert found.good is not None
        assert found.good.backup == made.name
        assert found.reasons[-1] == f"The last good backup is of no account: {why}."
    good = backup("a", "shop", NOW - 4 * HOUR, expires_at=NOW + 30 * DAY - 4 * HOUR)
    assert judge(Part(workspace=gold, cluster="a", backups=[before, good]), Wanted(), NOW).status == "ok"


BACKUPS = st.lists(
    st.tuples(
        st.integers(0, 100),
        st.sampled_from(["Completed", "PartiallyFailed"]),
        st.sampled_from(["shop", "other", ""]),
        st.none() | st.integers(1, 40),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda one: one[0],
)


@given(BACKUPS, st.none() | st.integers(1, 40))
def test_it_is_due_when_the_module_backup_would_make_one(
    given_backups: list[tuple[int, str, str, int | None, bool]], days: int | None
) -> None:
    expires_in = days * DAY if days else None
    backups = [
        backup(
            "a",
            workspace,
            NOW - age * HOUR,
            phase,
            expires_at=NOW - age * HOUR + kept * DAY if kept else None,
            ours=ours,
            fingerprint="print",
        )
        for age, phase, workspace, kept, ours in given_backups
    ]
    member = Member(host="a", cluster="a", location="primary")
    shop = WantedWorkspace(name="shop", members=(member,), schedule=DAILY, expires_in=expires_in)
    place = FoundLocation(NOW, clusters={"a": FoundCluster(sorted(backups, key=lambda one: one.order))})
    (found,) = assemble(Wanted(workspaces=(shop,), others=False), {"primary": place}, {}, NOW).rows
    taken = fresh(
        backups,
        now=NOW,
        max_age=5 * HOUR,
        cluster_uid="uid-of-a",
        fingerprint="print",
        labels={"stowage.io/workspace": "shop"},
        expires_in=expires_in,
    )
    assert (found.due is None) is (taken is not None)
    assert (found.status in ("missing", "late")) is (taken is None), "it was due five hours ago"


ATTEMPTS = st.lists(
    st.tuples(st.sampled_from(["Completed", "PartiallyFailed", "Failed"]), st.integers(0, 24 * 10)),
    max_size=12,
    unique_by=lambda one: one[1],
)


@given(ATTEMPTS, st.integers(0, 30), st.sampled_from([6, 12, 24]))
def test_a_model_says_the_same(attempts: list[tuple[str, int]], grace: int, every: int) -> None:
    """As a person would say it: go through all instants, and look what was made after each."""
    plan = schedule.parse({"cron": f"0 */{every} * * *" if every < 24 else "0 0 * * *"})
    found = row(*((phase, age * HOUR) for phase, age in attempts), plan=plan, wanted=Wanted(grace=(grace + 0.5) * HOUR))
    good = [age for phase, age in attempts if phase == "Completed"]
    instants = [age for age in range(24 * 40) if (NOW - age * HOUR).hour % every == 0]
    # An instant that was so long ago that its grace is over, and at or since which none was begun.
    owed = [age for age in instants if not any(one <= age for one in good)]
    late = any(age > grace for age in owed)
    newest = min(attempts, key=lambda one: one[1], default=None)
    if not good:
        expected = "missing"
    elif late:
        expected = "late"
    elif newest is not None and newest[0] != "Completed":
        expected = "failing"
    else:
        expected = "due" if owed else "ok"
    assert found.status == expected
    if good:
        assert found.deadline is not None
        assert (found.deadline < NOW) is late


@given(st.integers(0, 24 * 400), st.sampled_from(["0 2 * * *", "30 */6 * * 1-5", "0 0 1 */2 *", "0 3 29 2 *"]))
def test_the_next_instant_is_the_first_after(hours: int, cron: str) -> None:
    plan = schedule.parse({"cron": cron, "time_zone": "Europe/Berlin"})
    assert plan is not None
    after = NOW + hours * HOUR
    following = plan.following(after)
    assert following is not None
    assert plan.between(after, following) == [following]
