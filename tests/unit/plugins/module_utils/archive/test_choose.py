# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest

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


def is_fresh(*records: BackupRecord) -> str | None:
    found = fresh(records, now=NOW, max_age=DAY, cluster_uid="uid", fingerprint="print")
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
    assert is_fresh(record(expires_at=NOW + datetime.timedelta(minutes=1))) == "b"


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
