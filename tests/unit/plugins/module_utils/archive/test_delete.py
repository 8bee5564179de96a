# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.delete import (
    clean_up,
    delete_backup,
    plan_delete,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths, RestorePaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import Reservation, reserve
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support.archives import CONFIG_MAPS, PATHS, make_backup, make_item, put_foreign
from support.memory_location import MemoryLocation

HOUR: t.Final = datetime.timedelta(hours=1)
OBJECTS: t.Final = [(CONFIG_MAPS, make_item(CONFIG_MAPS, "a", "x"))]


@pytest.fixture
def location() -> MemoryLocation:
    """A location with a backup beside the one that is deleted."""
    location = MemoryLocation()
    make_backup(location, OBJECTS, paths=BackupPaths("east", "nightly-2"))
    return location


@pytest.fixture
def others(location: MemoryLocation) -> dict[str, bytes]:
    """What no deletion of ``nightly`` may touch."""
    return dict(location.objects)


def killed(location: MemoryLocation) -> Reservation:
    """What a capture leaves that is killed in its middle."""
    reservation = reserve(location, PATHS, location.now(), HOUR)
    location.create(PATHS.tarball, b"half")
    location.writer(PATHS.index)
    return reservation


def restore_of(location: MemoryLocation, name: str, **record: str) -> list[str]:
    paths = RestorePaths("east", name)
    location.create(paths.record, json.dumps(record).encode())
    location.create(paths.results, b"x")
    return [paths.record, paths.results]


def test_the_commit_goes_first_alone_and_the_reservation_last(
    location: MemoryLocation, others: dict[str, bytes]
) -> None:
    make_backup(location, OBJECTS)
    plan = plan_delete(location, PATHS)
    keys = [key for key in location.objects if key not in others]
    assert sorted(plan.keys()) == sorted(keys)
    assert plan.size == sum(len(location.objects[key]) for key in keys if key != PATHS.reservation)
    batches: list[list[str]] = []
    original = location.delete

    def delete(keys: t.Sequence[str]) -> t.Any:
        batches.append(list(keys))
        return original(keys)

    location.delete = delete  # type: ignore[method-assign] # to see the requests
    delete_backup(location, plan)
    assert location.objects == others
    assert batches[0] == [PATHS.velero_backup]
    assert batches[-1] == [PATHS.reservation]
    assert plan_delete(location, PATHS).empty


def test_looking_deletes_nothing(location: MemoryLocation) -> None:
    make_backup(location, OBJECTS)
    before = dict(location.objects)
    assert not plan_delete(location, PATHS).empty
    assert location.objects == before
    assert location.calls["delete"] == 0


def test_restores_that_belong_to_it_go_too(location: MemoryLocation) -> None:
    capture_id = make_backup(location, OBJECTS).capture_id
    mine = restore_of(location, "mine", backup="nightly", capture_id=capture_id)
    restore_of(location, "of-another", backup="nightly-2", capture_id=capture_id)
    restore_of(location, "of-an-earlier-one", backup="nightly", capture_id="other")
    location.create("clusters/east/restores/veleros/restore-veleros-results.gz", b"")
    location.create(RestorePaths("east", "strange").record, b"[" * 100_000)
    location.create("clusters/east/restores/BAD NAME/x", b"")
    restores = sorted(key for key in location.objects if "/restores/" in key)
    delete_backup(location, plan_delete(location, PATHS))
    assert [key for key in restores if key not in location.objects] == sorted(mine)


def test_what_a_killed_capture_left_is_removed(location: MemoryLocation, others: dict[str, bytes]) -> None:
    killed(location)
    plan = plan_delete(location, PATHS)
    assert plan.commit is None
    assert len(plan.uploads) == 1
    delete_backup(location, plan)
    assert location.objects == others
    assert not location.pending
    with pytest.raises(StowageError):
        catalog.read_backup(location, "east", "nightly")


def test_a_reservation_alone_is_removed(location: MemoryLocation, others: dict[str, bytes]) -> None:
    reserve(location, PATHS, location.now(), HOUR)
    delete_backup(location, plan_delete(location, PATHS))
    assert location.objects == others


def test_what_velero_made_is_refused(location: MemoryLocation) -> None:
    put_foreign(location, b"")
    for _time in range(2):
        before = dict(location.objects)
        with pytest.raises(StowageError) as caught:
            plan_delete(location, PATHS)
        assert caught.value.code == "backup_foreign"
        assert "Velero" in caught.value.hint
        assert location.objects == before
        # The same when a capture of ours had reserved the name.
        location.objects[PATHS.reservation] = b'{"capture_id": "x"}'


def test_what_velero_is_writing_is_refused(location: MemoryLocation) -> None:
    location.create(PATHS.logs, b"")
    with pytest.raises(StowageError) as caught:
        plan_delete(location, PATHS)
    assert caught.value.code == "backup_foreign"


@pytest.mark.parametrize("data", [b"", b"{", b"[]"])
def test_a_damaged_commit_of_ours_is_deleted(location: MemoryLocation, others: dict[str, bytes], data: bytes) -> None:
    make_backup(location, OBJECTS)
    location.objects[PATHS.velero_backup] = data
    delete_backup(location, plan_delete(location, PATHS))
    assert location.objects == others


def test_a_commit_that_cannot_be_deleted_leaves_all(location: MemoryLocation) -> None:
    make_backup(location, OBJECTS)
    location.locked = {PATHS.velero_backup}
    before = dict(location.objects)
    with pytest.raises(StowageError) as caught:
        delete_backup(location, plan_delete(location, PATHS))
    assert caught.value.code == "locked"
    assert "is whole" in caught.value.message
    assert location.objects == before


def test_a_file_that_cannot_be_deleted_is_said_and_found_again(
    location: MemoryLocation, others: dict[str, bytes]
) -> None:
    make_backup(location, OBJECTS)
    location.locked = {PATHS.tarball}
    with pytest.raises(StowageError) as caught:
        delete_backup(location, plan_delete(location, PATHS))
    assert caught.value.code == "locked"
    assert caught.value.details["keys"] == [PATHS.tarball]
    assert sorted(set(location.objects) - set(others)) == sorted([PATHS.tarball, PATHS.reservation])
    location.locked = set()
    delete_backup(location, plan_delete(location, PATHS))
    assert location.objects == others


def test_a_commit_in_the_last_moment_does_not_stay(location: MemoryLocation, others: dict[str, bytes]) -> None:
    """A capture looked at its reservation, then it was deleted, then it committed."""
    reservation = killed(location)
    document = {
        "kind": "Backup",
        "metadata": {"annotations": {"stowage.kubernetes/capture-id": reservation.capture_id}},
    }

    def fault(operation: str, key: str) -> None:
        if (operation, key) == ("delete", PATHS.reservation):
            location.objects[PATHS.velero_backup] = json.dumps(document).encode()

    plan = plan_delete(location, PATHS)
    location.fault = fault
    delete_backup(location, plan)
    assert location.objects == others


def test_a_new_backup_of_the_same_name_stays(location: MemoryLocation) -> None:
    """Somebody made it anew the moment that the name was free."""
    make_backup(location, OBJECTS)
    plan = plan_delete(location, PATHS)
    other = json.dumps({"metadata": {"annotations": {"stowage.kubernetes/capture-id": "another"}}}).encode()

    def fault(operation: str, key: str) -> None:
        if (operation, key) == ("delete", PATHS.reservation):
            location.objects[PATHS.velero_backup] = other

    location.fault = fault
    delete_backup(location, plan)
    assert location.objects[PATHS.velero_backup] == other


class TestCleanUp:
    def test_what_a_failed_capture_wrote_is_taken_away(
        self, location: MemoryLocation, others: dict[str, bytes]
    ) -> None:
        assert clean_up(location, PATHS, killed(location)) == []
        assert location.objects == others
        assert not location.pending

    def test_a_committed_backup_is_not(self, location: MemoryLocation) -> None:
        reservation = make_backup(location, OBJECTS)
        before = dict(location.objects)
        assert clean_up(location, PATHS, reservation) == []
        assert location.objects == before

    def test_anothers_capture_is_not(self, location: MemoryLocation) -> None:
        reservation = killed(location)
        location.objects[PATHS.reservation] = location.objects[PATHS.reservation].replace(
            reservation.capture_id.encode(), b"another"
        )
        before = dict(location.objects)
        assert clean_up(location, PATHS, reservation) == []
        assert location.objects == before

    def test_what_a_deletion_in_between_left_is_named(self, location: MemoryLocation) -> None:
        reservation = killed(location)
        del location.objects[PATHS.reservation]
        left = clean_up(location, PATHS, reservation)
        assert left == sorted(key for key in location.objects if key.startswith(PATHS.folder))
        assert left

    def test_who_may_not_delete_says_what_is_left(self, location: MemoryLocation) -> None:
        reservation = killed(location)
        location.locked = {PATHS.tarball, PATHS.reservation}
        assert clean_up(location, PATHS, reservation) == [PATHS.tarball, PATHS.reservation]

    @pytest.mark.parametrize("operation", ["read", "stat", "list", "uploads", "delete"])
    def test_it_never_raises(self, location: MemoryLocation, operation: str) -> None:
        reservation = killed(location)

        def fault(found: str, key: str) -> None:
            if found == operation:
                raise StowageError("endpoint_unreachable", "Away.")

        location.fault = fault
        left = clean_up(location, PATHS, reservation)
        assert PATHS.reservation in left
        assert PATHS.tarball in location.objects


def test_an_upload_that_nothing_shows_to_be_ours_is_left_alone(location: MemoryLocation) -> None:
    with location.writer(f"{PATHS.folder}nightly-logs.gz") as upload:
        upload.write(b"x" * 10)
        plan = plan_delete(location, PATHS)
    assert plan.empty
    assert not plan.uploads


def test_an_index_without_manifest_and_reservation_is_ours(location: MemoryLocation) -> None:
    location.objects = {PATHS.index: b"x"}
    plan = plan_delete(location, PATHS)
    delete_backup(location, plan)
    assert not location.objects
