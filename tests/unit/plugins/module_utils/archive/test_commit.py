# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime
import gzip
import json
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import commit as committing
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.commit import commit
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import (
    Reservation,
    is_held,
    read_reservation,
    reserve,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import ObjectInfo
from support.archives import CONFIG_MAPS, PATHS, make_backup, make_item, put_foreign, velero_document
from support.memory_location import MemoryLocation

HOUR: t.Final = datetime.timedelta(hours=1)


class Clock:
    """Instead of sleeping."""

    def __init__(self, happening: t.Callable[[], None] = lambda: None) -> None:
        self.pauses: list[float] = []
        self._happening = happening

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._happening()


@pytest.fixture
def location() -> MemoryLocation:
    return MemoryLocation()


@pytest.fixture
def reservation(location: MemoryLocation) -> Reservation:
    return reserve(location, PATHS, location.now(), HOUR, host="here")


def document(reservation: Reservation) -> dict[str, t.Any]:
    return velero_document(PATHS.backup) | {
        "metadata": {"name": PATHS.backup, "annotations": {"stowage.kubernetes/capture-id": reservation.capture_id}}
    }


def failing(location: MemoryLocation, operation: str, key: str, *codes: str) -> None:
    """Let an operation on a key fail, with each code once; it does nothing then."""
    left = list(codes)

    def fault(found: str, at: str) -> None:
        if (found, at) == (operation, key) and left:
            raise StowageError(left.pop(0), "The store failed.")

    location.fault = fault


class TestReservation:
    def test_it_says_who_writes_until_when(self, location: MemoryLocation, reservation: Reservation) -> None:
        found = read_reservation(location, PATHS)
        assert found == reservation
        assert (found.backup, found.host) == ("nightly", "here")
        assert found.deadline - found.started == HOUR
        assert len(found.capture_id) == 32

    def test_there_is_none_before(self, location: MemoryLocation) -> None:
        assert read_reservation(location, PATHS) is None

    def test_a_name_is_reserved_once(self, location: MemoryLocation, reservation: Reservation) -> None:
        with pytest.raises(StowageError) as caught:
            reserve(location, PATHS, location.now(), HOUR)
        assert caught.value.code == "backup_in_progress"
        assert "on here" in caught.value.message
        assert is_held(location, PATHS, reservation)

    def test_a_dead_capture_is_told_from_one_that_runs(self, location: MemoryLocation) -> None:
        deadline = reserve(location, PATHS, location.now(), HOUR).deadline
        with pytest.raises(StowageError, match="is in progress"):
            reserve(location, PATHS, deadline - datetime.timedelta(seconds=1), HOUR)
        with pytest.raises(StowageError, match="never finished"):
            reserve(location, PATHS, deadline, HOUR)

    def test_a_backup_that_exists_is_not_touched(self, location: MemoryLocation) -> None:
        make_backup(location, [(CONFIG_MAPS, make_item(CONFIG_MAPS, "a", "x"))])
        before = dict(location.objects)
        with pytest.raises(StowageError) as caught:
            reserve(location, PATHS, location.now(), HOUR)
        assert caught.value.code == "backup_exists"
        assert location.objects == before

    def test_veleros_backup_is_one_too(self, location: MemoryLocation) -> None:
        put_foreign(location, b"")
        with pytest.raises(StowageError) as caught:
            reserve(location, PATHS, location.now(), HOUR)
        assert caught.value.code == "backup_exists"
        assert PATHS.reservation not in location.objects

    def test_what_velero_is_writing_is_not_mixed_with_ours(self, location: MemoryLocation) -> None:
        location.create(PATHS.logs, b"")
        with pytest.raises(StowageError) as caught:
            reserve(location, PATHS, location.now(), HOUR)
        assert caught.value.code == "backup_exists"
        assert "Velero" in caught.value.hint

    def test_a_lost_answer_is_looked_up(self, location: MemoryLocation) -> None:
        location.lost.add(PATHS.reservation)
        assert is_held(location, PATHS, reserve(location, PATHS, location.now(), HOUR))

    def test_a_repeated_request_that_met_itself_is_ours(self) -> None:
        """The client repeats a request whose answer was lost, and is told that the key exists."""

        class Repeating(MemoryLocation):
            def create(self, key: str, data: bytes) -> ObjectInfo:
                super().create(key, data)
                return super().create(key, data)

        location = Repeating()
        assert is_held(location, PATHS, reserve(location, PATHS, location.now(), HOUR))

    @pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b"[" * 10_000, b"\xff"])
    def test_one_that_makes_no_sense_is_nobodys(
        self, location: MemoryLocation, reservation: Reservation, damage: bytes
    ) -> None:
        location.objects[PATHS.reservation] = damage
        assert not is_held(location, PATHS, reservation)
        with pytest.raises(StowageError) as caught:
            read_reservation(location, PATHS)
        assert caught.value.code == "backup_damaged"


class TestCommit:
    def test_it_makes_the_backup_exist(self, location: MemoryLocation, reservation: Reservation) -> None:
        clock = Clock()
        commit(location, PATHS, reservation, document(reservation), wait=clock.wait)
        assert json.loads(location.objects[PATHS.velero_backup]) == document(reservation)
        assert not clock.pauses
        # The reservation was looked at just before and just after.
        assert location.log[-3:] == [
            ("read", PATHS.reservation),
            ("create", PATHS.velero_backup),
            ("read", PATHS.reservation),
        ]

    def test_a_lost_answer_is_success(self, location: MemoryLocation, reservation: Reservation) -> None:
        location.lost.add(PATHS.velero_backup)
        commit(location, PATHS, reservation, document(reservation), wait=Clock().wait)
        assert location.calls["create"] == 2  # the reservation, and this

    def test_a_refusal_that_our_own_request_caused_is_success(
        self, location: MemoryLocation, reservation: Reservation
    ) -> None:
        location.objects[PATHS.velero_backup] = json.dumps(document(reservation)).encode()
        commit(location, PATHS, reservation, document(reservation), wait=Clock().wait)

    @pytest.mark.parametrize(
        "code", ["outcome_unknown", "endpoint_unreachable", "throttled", "store_error", "key_exists"]
    )
    def test_what_is_absent_is_put_again(self, location: MemoryLocation, reservation: Reservation, code: str) -> None:
        clock = Clock()
        failing(location, "create", PATHS.velero_backup, code, code)
        commit(location, PATHS, reservation, document(reservation), wait=clock.wait)
        assert PATHS.velero_backup in location.objects
        assert len(clock.pauses) == 2

    def test_an_outcome_that_cannot_be_read_is_asked_for_again(
        self, location: MemoryLocation, reservation: Reservation
    ) -> None:
        """The store takes the commit, loses the answer, and is away for a while."""
        away = True

        def fault(operation: str, key: str) -> None:
            if away and operation == "read" and key == PATHS.velero_backup:
                raise StowageError("endpoint_unreachable", "Away.")

        def come_back() -> None:
            nonlocal away
            away = False

        location.fault = fault
        location.lost.add(PATHS.velero_backup)
        clock = Clock(come_back)
        commit(location, PATHS, reservation, document(reservation), wait=clock.wait)
        assert len(clock.pauses) == 1

    @pytest.mark.parametrize("refusal", ["quota", "credentials_expired", "permission_denied"])
    def test_a_refusal_after_a_request_in_doubt_leaves_the_outcome_unknown(
        self, location: MemoryLocation, reservation: Reservation, refusal: str
    ) -> None:
        failing(location, "create", PATHS.velero_backup, "outcome_unknown", refusal)
        with pytest.raises(StowageError) as caught:
            commit(location, PATHS, reservation, document(reservation), wait=Clock().wait)
        assert caught.value.code == "outcome_unknown"

    def test_anothers_backup_is_not_ours(self, location: MemoryLocation, reservation: Reservation) -> None:
        there: t.Any
        for there in (velero_document(PATHS.backup), {}, [], {"metadata": {"annotations": {"x": 1}}}):
            location.objects[PATHS.velero_backup] = json.dumps(there).encode()
            with pytest.raises(StowageError) as caught:
                commit(location, PATHS, reservation, document(reservation), wait=Clock().wait)
            assert caught.value.code == "backup_exists"
            assert json.loads(location.objects[PATHS.velero_backup]) == there

    def test_an_outcome_that_stays_unknown_is_said_and_nothing_is_cleaned_up(
        self, location: MemoryLocation, reservation: Reservation
    ) -> None:
        clock = Clock()
        failing(location, "create", PATHS.velero_backup, *["outcome_unknown"] * 50)
        with pytest.raises(StowageError) as caught:
            commit(location, PATHS, reservation, document(reservation), wait=clock.wait)
        assert caught.value.code == "outcome_unknown"
        assert PATHS.velero_backup in caught.value.hint
        assert 10 < sum(clock.pauses) < 60
        assert location.calls["delete"] == 0

    def test_a_clear_refusal_is_not_repeated(self, location: MemoryLocation, reservation: Reservation) -> None:
        clock = Clock()
        failing(location, "create", PATHS.velero_backup, "permission_denied")
        with pytest.raises(StowageError) as caught:
            commit(location, PATHS, reservation, document(reservation), wait=clock.wait)
        assert caught.value.code == "permission_denied"
        assert not clock.pauses

    @pytest.mark.parametrize("taken_over", [False, True])
    def test_a_backup_deleted_meanwhile_is_not_committed(
        self, location: MemoryLocation, reservation: Reservation, taken_over: bool
    ) -> None:
        location.delete([PATHS.reservation])
        if taken_over:
            reserve(location, PATHS, location.now(), HOUR)
        with pytest.raises(StowageError) as caught:
            commit(location, PATHS, reservation, document(reservation), wait=Clock().wait)
        assert caught.value.code == "backup_not_found"
        assert PATHS.velero_backup not in location.objects

    def test_a_backup_deleted_in_the_last_moment_does_not_stay(
        self, location: MemoryLocation, reservation: Reservation
    ) -> None:
        def fault(operation: str, key: str) -> None:
            if operation == "create":
                location.objects.pop(PATHS.reservation)

        location.fault = fault
        with pytest.raises(StowageError) as caught:
            commit(location, PATHS, reservation, document(reservation), wait=Clock().wait)
        assert caught.value.code == "backup_not_found"
        assert PATHS.velero_backup not in location.objects

    def test_a_store_that_is_away_after_the_commit_changes_nothing(
        self, location: MemoryLocation, reservation: Reservation
    ) -> None:
        def fault(operation: str, key: str) -> None:
            if operation == "read" and PATHS.velero_backup in location.objects:
                raise StowageError("endpoint_unreachable", "Away.")

        location.fault = fault
        commit(location, PATHS, reservation, document(reservation), wait=Clock().wait)
        assert PATHS.velero_backup in location.objects


class TestDocument:
    INFO: t.Final = committing.CommitInfo(
        phase="PartiallyFailed",
        started=datetime.datetime(2026, 11, 1, 12, 0, 0, 999999, tzinfo=datetime.UTC),
        completed=datetime.datetime(2026, 11, 1, 13, 0, 10, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
        capture_id="id",
        manifest_sha256="sha",
        cluster_uid="uid",
        fingerprint="print",
        git_version="v1.35.4",
        major="1",
        minor="35",
        objects=7,
        total=9,
        size=1234,
        warnings=2,
        errors=1,
        selection={"includedNamespaces": ["*"]},
        labels={"team": "x" * 70, "velero.io/schedule-name": "nightly"},
        expires_at=datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.UTC),
    )

    def test_it_is_what_velero_reads(self) -> None:
        found = committing.velero_backup("nightly", self.INFO)
        assert (found["apiVersion"], found["kind"]) == ("velero.io/v1", "Backup")
        assert found["metadata"]["name"] == "nightly"
        assert found["metadata"]["labels"]["velero.io/schedule-name"] == "nightly"
        assert found["metadata"]["annotations"] == {
            "velero.io/source-cluster-k8s-gitversion": "v1.35.4",
            "velero.io/source-cluster-k8s-major-version": "1",
            "velero.io/source-cluster-k8s-minor-version": "35",
            "stowage.kubernetes/capture-id": "id",
            "stowage.kubernetes/manifest-sha256": "sha",
            "stowage.kubernetes/cluster-uid": "uid",
            "stowage.kubernetes/fingerprint": "print",
            "stowage.kubernetes/bytes": "1234",
            "stowage.kubernetes/expires-at": "2026-12-01T12:00:00Z",
        }
        assert set(found["metadata"]["annotations"]) >= set(committing.ANNOTATIONS)
        assert found["status"] == {
            "version": 1,
            "formatVersion": "1.1.0",
            "phase": "PartiallyFailed",
            "startTimestamp": "2026-11-01T12:00:00Z",
            "completionTimestamp": "2026-11-01T12:00:10Z",
            "progress": {"totalItems": 9, "itemsBackedUp": 7},
            "hookStatus": {},
            "warnings": 2,
            "errors": 1,
        }
        assert found["spec"]["includedNamespaces"] == ["*"]

    def test_velero_expires_it_only_when_told_to(self) -> None:
        assert "ttl" not in committing.velero_backup("nightly", self.INFO)["spec"]
        found = committing.velero_backup("nightly", dataclasses.replace(self.INFO, velero_expiration=True))
        assert found["status"]["expiration"] == "2026-12-01T12:00:00Z"
        assert found["spec"]["ttl"] == "720h0m0s"

    def test_long_labels_are_cut_as_velero_does(self) -> None:
        found = committing.velero_backup("nightly", self.INFO)["metadata"]["labels"]["team"]
        # echo -n xxx… (70) | sha256sum
        assert found == "x" * 57 + "c71bd1"
        assert len(found) == 63


class TestSidecars:
    def test_velero_finds_what_it_reads(self, location: MemoryLocation) -> None:
        warnings = committing.Messages(cluster=["one"], namespaces={"a": ["two", "three"]})
        assert len(warnings) == 3
        sidecars = committing.Sidecars(warnings=warnings, log=["level=info msg=x", "level=error msg=y"])
        digests = committing.write_sidecars(location, PATHS, sidecars)
        read = {key: gzip.decompress(data) for key, data in location.objects.items()}
        assert json.loads(read[PATHS.results]) == {
            "warnings": {"cluster": ["one"], "namespaces": {"a": ["two", "three"]}},
            "errors": {},
        }
        assert read[PATHS.logs] == b"level=info msg=x\nlevel=error msg=y\n"
        for key in (PATHS.volume_info, PATHS.pod_volume_backups, PATHS.volume_snapshots, PATHS.item_operations):
            assert json.loads(read[key]) == []
        assert {PATHS.folder + name: digest.size for name, digest in digests.items()} == {
            key: len(data) for key, data in location.objects.items()
        }

    def test_lost_answers_are_looked_up(self, location: MemoryLocation) -> None:
        location.lost |= {PATHS.results, PATHS.logs}
        assert len(committing.write_sidecars(location, PATHS, committing.Sidecars())) == 6

    def test_anothers_file_is_not_taken_for_ours(self, location: MemoryLocation) -> None:
        location.objects[PATHS.results] = b"other"
        with pytest.raises(StowageError) as caught:
            committing.write_sidecars(location, PATHS, committing.Sidecars())
        assert caught.value.code == "key_exists"
        assert location.objects[PATHS.results] == b"other"
