# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.catalog import (
    BackupRecord,
    check_existing,
    check_identity,
    check_restorable,
    fresh,
    latest,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.choose import check_selection
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.retention import Rules, decide

NOW: t.Final = datetime.datetime(2026, 11, 2, 12, tzinfo=datetime.UTC)
DAY: t.Final = datetime.timedelta(days=1)


def record(name: str = "b", age: datetime.timedelta = datetime.timedelta(hours=1), **changes: t.Any) -> BackupRecord:
    sound = BackupRecord(
        name,
        "east",
        "Completed",
        started=NOW - age,
        completed=NOW - age + datetime.timedelta(minutes=5),
        ours=True,
        capture_id="id",
        cluster_uid="uid",
        fingerprint="print",
    )
    return dataclasses.replace(sound, **changes)


def is_fresh(*records: BackupRecord, **options: t.Any) -> str | None:
    found = fresh(records, **{"now": NOW, "max_age": DAY, "cluster_uid": "uid", "fingerprint": "print", **options})
    return found.name if found else None


def test_the_newest_good_backup_is_fresh() -> None:
    assert is_fresh() is None
    assert is_fresh(record("old", 2 * DAY)) is None
    assert is_fresh(record("old", DAY), record("new"), record("middle", DAY / 2)) == "new"


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": "PartiallyFailed"},
        {"phase": "InProgress"},
        {"ours": False},
        {"cluster_uid": "other"},
        {"fingerprint": "other"},
        {"started": None},
        {"expires_at": NOW},
        {"started": NOW - DAY - datetime.timedelta(seconds=1)},
        {"started": NOW + datetime.timedelta(hours=1)},
    ],
)
def test_any_other_backup_is_not(changes: dict[str, t.Any]) -> None:
    assert is_fresh(record("other", **changes)) is None
    assert is_fresh(record("other", **changes), record("good", DAY)) == "good"


def test_clocks_may_differ_a_little() -> None:
    assert is_fresh(record(started=NOW + datetime.timedelta(minutes=1))) == "b"
    until = NOW + datetime.timedelta(minutes=1)
    assert is_fresh(record(expires_at=until), expires_in=datetime.timedelta(minutes=61)) == "b"


def test_what_retention_would_treat_differently_is_not_good_enough() -> None:
    basic, gold, bare = record("basic", labels={"w": "basic"}), record("gold", labels={"w": "gold"}), record("bare")
    assert is_fresh(basic, bare, labels={"w": "gold"}) is None
    assert is_fresh(basic, gold, bare, labels={"w": "gold"}) == "gold"
    assert is_fresh(basic) == "basic"


@pytest.mark.parametrize(
    ("kept", "wanted", "enough"),
    [
        (None, None, True),
        # Retention may delete it any day.
        (None, 30 * DAY, False),
        (30 * DAY, 30 * DAY, True),
        (31 * DAY, 30 * DAY, True),
        # What a record says is cut to whole seconds.
        (30 * DAY - datetime.timedelta(milliseconds=999), 30 * DAY, True),
        (30 * DAY - datetime.timedelta(seconds=1), 30 * DAY, False),
        (DAY, 30 * DAY, False),
        (30 * DAY, None, False),
    ],
)
def test_what_need_not_be_kept_as_long_is_not_good_enough(
    kept: datetime.timedelta | None, wanted: datetime.timedelta | None, enough: bool
) -> None:
    one = record(started=NOW - DAY / 2, expires_at=NOW - DAY / 2 + kept if kept else None)
    assert (is_fresh(one, expires_in=wanted) == "b") is enough


WORKSPACES: t.Final = st.sampled_from(["", "basic", "gold"])
KEPT: t.Final = st.none() | st.integers(1, 100).map(lambda days: days * DAY)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 20), WORKSPACES, KEPT), unique_by=lambda one: one[0], max_size=8),
    WORKSPACES.filter(bool),
    KEPT,
    st.integers(0, 60),
)
def test_what_is_good_enough_is_kept_as_what_would_be_made(
    backups: list[tuple[int, str, datetime.timedelta | None]],
    workspace: str,
    expires_in: datetime.timedelta | None,
    later: int,
) -> None:
    records = [
        record(
            f"b{age}",
            age * DAY,
            labels={"w": label} if label else {},
            expires_at=NOW - age * DAY + kept if kept else None,
        )
        for age, label, kept in backups
    ]
    found = is_fresh(*records, max_age=40 * DAY, labels={"w": workspace}, expires_in=expires_in)
    if found is None:
        return
    taken = next(one for one in records if one.name == found)
    assert taken.started is not None
    made = record(found, NOW - taken.started, labels={"w": workspace})
    if expires_in is not None:
        made = dataclasses.replace(made, expires_at=taken.started + expires_in)

    def stays(one: BackupRecord) -> bool:
        """Once each workspace has been pruned, by the rules that it has, and more were made."""
        there = [*(other for other in records if other.name != found), one]
        there += [record(f"{w}{n}", -n * DAY, labels={"w": w}) for w in ("basic", "gold") for n in range(1, later)]
        rules = {"basic": Rules(min_age=DAY / 24), "gold": Rules(min_age=DAY / 24)}
        rules[workspace] = Rules(last=3, min_age=DAY / 24)
        for name, its in rules.items():
            fates = decide(there, its, now=NOW + later * DAY, cluster_uid="uid", labels={"w": name})
            there = [fate.record for fate in fates if fate.stays]
        return one in there

    assert stays(taken) or not stays(made)


def test_the_latest_is_the_newest_completed() -> None:
    records = [record("old", DAY), record("new"), record("failed", DAY / 48, phase="PartiallyFailed")]
    assert latest(records).name == "new"


def test_different_selections_are_not_mixed() -> None:
    shop = "velero:0123456789abcdef"
    records = [
        record("all", DAY, labels={"team": "a"}),
        record("shop", fingerprint=shop, filters="includedNamespaces: shop", labels={"team": "b"}),
    ]
    with pytest.raises(StowageError) as caught:
        latest(records)
    assert caught.value.code == "backup_ambiguous"
    assert caught.value.details == {
        "backups": ["shop", "all"],
        "selections": ["backup_selection: velero:0123456789ab", "backup_selection: unfiltered"],
    }
    assert "meant by backup_selection: velero:0123456789ab or backup_selection: unfiltered, or" in caught.value.hint
    assert "The newest of each: shop (includedNamespaces: shop); all (no filter)." in caught.value.message
    assert latest(records, selection="unfiltered").name == "all"
    assert latest(records, selection="print").name == "all"
    assert latest(records, selection="velero:0123456789ab").name == "shop"
    with pytest.raises(StowageError, match=r"no Completed backup of the selection 00000000\."):
        latest(records, selection="00000000")
    assert latest(records, labels={"team": "a"}).name == "all"
    assert latest(records, labels={"team": "b"}).name == "shop"


def test_different_clusters_are_not_mixed() -> None:
    records = [record("before", DAY), record("after", cluster_uid="new")]
    with pytest.raises(StowageError) as caught:
        latest(records)
    assert caught.value.code == "backup_ambiguous"
    assert latest(records, cluster_uid="uid").name == "before"


def test_only_completed_backups_make_it_ambiguous() -> None:
    assert latest([record("a"), record("b", fingerprint="other", phase="Failed")]).name == "a"


def test_there_may_be_none() -> None:
    for records, labels in (([], None), ([record(phase="Failed")], None), ([record()], {"team": "a"})):
        with pytest.raises(StowageError) as caught:
            latest(records, labels=labels)
        assert caught.value.code == "backup_not_found"


def test_a_folder_is_one_clusters() -> None:
    check_identity([], "uid")
    check_identity([record(), record("velero", ours=False, cluster_uid="")], "uid")
    with pytest.raises(StowageError) as caught:
        check_identity([record("mine"), record("other", cluster_uid="other")], "uid")
    assert caught.value.code == "cluster_identity_changed"
    assert "other" in caught.value.message
    assert "mine" not in caught.value.message
    check_identity([record("other", cluster_uid="other")], "uid", accept_new_identity=True)


def test_a_name_that_exists_is_what_is_asked_for_or_refused() -> None:
    assert check_existing(record(), cluster_uid="uid", fingerprint="print") == record()
    for changes, code in (
        ({"phase": "PartiallyFailed"}, "backup_exists"),
        ({"cluster_uid": "other"}, "backup_exists"),
        ({"fingerprint": "other"}, "backup_exists"),
        ({"ours": False}, "backup_exists"),
        ({"phase": "InProgress"}, "backup_in_progress"),
        ({"phase": "Abandoned"}, "backup_in_progress"),
        ({"phase": "Damaged"}, "backup_exists"),
    ):
        with pytest.raises(StowageError) as caught:
            check_existing(record(**t.cast("dict[str, t.Any]", changes)), cluster_uid="uid", fingerprint="print")
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("phase", "code"),
    [
        ("Failed", "backup_unusable"),
        ("Deleting", "backup_unusable"),
        ("Finalizing", "backup_unusable"),
        ("InProgress", "backup_in_progress"),
        ("Abandoned", "backup_in_progress"),
        ("Incomplete", "backup_in_progress"),
        ("Damaged", "backup_damaged"),
    ],
)
def test_what_is_not_whole_is_not_restored(phase: str, code: str) -> None:
    with pytest.raises(StowageError) as caught:
        check_restorable(record(phase=phase))
    assert caught.value.code == code


def test_what_is_whole_is_restored() -> None:
    check_restorable(record())
    check_restorable(record(phase="PartiallyFailed"))


@pytest.mark.parametrize("selection", ["", "unfiltered", "0123abcd", "velero:0123abcd", "f" * 64])
def test_a_selection_is_said_by_a_word_or_a_fingerprint(selection: str) -> None:
    assert check_selection(selection) == selection


@pytest.mark.parametrize("selection", ["all", "0123abc", "xyzxyzxyz", "f" * 65, "velero:", "0123ABCD"])
def test_what_says_no_selection_is_refused(selection: str) -> None:
    with pytest.raises(StowageError) as caught:
        check_selection(selection)
    assert caught.value.code == "invalid_option"
