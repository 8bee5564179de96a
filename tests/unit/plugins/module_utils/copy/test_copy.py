# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy has the same bytes or does not exist, whatever goes wrong on the way, and the next attempt goes on with it."""

from __future__ import annotations

import contextlib
import datetime
import random
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, delete
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import reserve
from ansible_collections.stowage.kubernetes.plugins.module_utils._copy import one as one_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._copy import task as task_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from support import archives
from support.memory_location import MemoryLocation

Result = dict[str, t.Any]
HOUR: t.Final = datetime.timedelta(hours=1)
NOISE: t.Final = random.Random(7).randbytes(40_000).hex()
PATHS: t.Final = BackupPaths("east", "nightly")


class Named(MemoryLocation):
    """A location that is told from others."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def describe(self) -> str:
        return f"memory://{self.name}"


class World:
    """Two locations, one of which has a backup with a file that is streamed, and a task."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.origin = Named("origin")
        self.target = Named("target")
        monkeypatch.setattr(one_file, "_SMALL", 20_000)
        monkeypatch.setattr(one_file, "_CHUNK", 8192)
        monkeypatch.setattr(task_file, "reach_location", lambda _task: contextlib.nullcontext(self.origin))
        monkeypatch.setattr(task_file, "reach_destination", lambda _task: contextlib.nullcontext(self.target))
        self.warnings: list[str] = []
        self.backup("nightly")

    def backup(self, name: str, **options: t.Any) -> BackupPaths:
        paths = BackupPaths("east", name)
        objects = [(archives.CONFIG_MAPS, archives.make_item(archives.CONFIG_MAPS, "shop", "a", data=NOISE))]
        archives.make_backup(self.origin, objects, paths=paths, **options)
        return paths

    def run(self, *, check: bool = False, **params: t.Any) -> Result:
        defaults: Result = {
            "cluster": "east",
            "names": None,
            "labels": None,
            "verify": False,
            "accept_new_identity": False,
            "lease_wait": "0",
        }
        task = Task(
            params={**defaults, **params},
            check=check,
            diff=False,
            environ={},
            progress=Progress(),
            warn=self.warnings.append,
            hide=lambda _values: None,
        )
        copies: Result = task_file.copy_backups(task)["copies"]
        return copies

    def refused(self, **params: t.Any) -> StowageError:
        with pytest.raises(TaskFailedError) as caught:
            self.run(**params)
        return caught.value.error

    def same(self, paths: BackupPaths = PATHS) -> bool:
        def files(location: MemoryLocation) -> dict[str, bytes]:
            return {key: data for key, data in location.objects.items() if key.startswith(paths.folder)}

        return files(self.origin) == files(self.target)

    def there(self) -> list[str]:
        """Backups that the target has, and their phases."""
        return [f"{one.name} {one.phase}" for one in catalog.list_backups(self.target, "east")]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_copy_is_the_same_backup(world: World) -> None:
    planned = world.run(check=True)
    assert (planned["copied_count"], world.target.objects) == (1, {})
    made = world.run(verify=True)
    assert made == planned
    assert (made["backups"][0]["state"], made["backups"][0]["checked"]) == ("copied", "sha256")
    assert world.same()
    assert world.there() == ["nightly Completed"]
    copied, original = (catalog.read_backup(one, "east", "nightly") for one in (world.target, world.origin))
    assert copied == original
    again = world.run(verify=True)
    assert (again["copied_count"], again["there_count"]) == (0, 1)
    # It is deleted like any other.
    delete.delete_backup(world.target, delete.plan_delete(world.target, PATHS))
    assert world.there() == []


def test_the_commit_comes_last_and_the_reservation_first(world: World) -> None:
    world.run()
    written = [key for operation, key in world.target.log if operation in ("create", "commit") and "leases" not in key]
    assert written[0] == PATHS.reservation
    assert written[-1] == PATHS.velero_backup
    assert PATHS.tarball in [key for operation, key in world.target.log if operation == "writer"], "it is streamed"


def test_all_that_are_whole_or_those_that_are_named(world: World) -> None:
    world.backup("half", phase="PartiallyFailed", labels={"tier": "gold"})
    reserve(world.origin, BackupPaths("east", "busy"), world.origin.now(), HOUR)
    assert world.run(labels={"tier": "gold"}, check=True)["copied_count"] == 1
    assert world.run(names=["nightly"])["total"] == 1
    made = world.run()
    assert {one["name"]: one["state"] for one in made["backups"]} == {
        "nightly": "there",
        "half": "copied",
        "busy": "left",
    }
    assert "busy (InProgress)" in str(world.warnings)
    assert world.refused(names=["busy"]).code == "backup_in_progress"
    with pytest.raises(StowageError) as caught:
        world.run(names=["nightlu"])
    assert (caught.value.code, caught.value.hint) == ("backup_not_found", "Did you mean nightly?")


@pytest.mark.parametrize("file", ["tarball", "results", "manifest", "index"])
@pytest.mark.parametrize("change", ["flipped", "short", "gone"])
def test_a_damaged_backup_is_not_copied(world: World, file: str, change: str) -> None:
    world.backup("other")
    key = getattr(PATHS, file)
    data = world.origin.objects[key]
    world.origin.objects[key] = bytes([data[0] ^ 1]) + data[1:] if change == "flipped" else data[:-1]
    if change == "gone":
        del world.origin.objects[key]
    assert world.refused().code == "backup_damaged"
    assert world.there() == ["other Completed"], "the others are copied, and nothing is left of this one"
    assert not [key for key in world.target.objects if "nightly/" in key and "leases" not in key]


def test_a_copy_that_changed_is_found_by_reading_it_back(world: World) -> None:
    world.run()
    data = world.target.objects[PATHS.tarball]
    world.target.objects[PATHS.tarball] = data[:-1] + bytes([data[-1] ^ 1])
    assert world.run()["there_count"] == 1
    assert world.refused(verify=True).code == "backup_damaged"


@pytest.mark.parametrize("file", ["reservation", "results", "tarball", "manifest", "velero_backup"])
def test_an_interrupted_copy_goes_on(world: World, file: str) -> None:
    key = getattr(PATHS, file)

    def fault(operation: str, touched: str) -> None:
        if touched == key and operation in ("create", "commit"):
            raise StowageError("permission_denied", "Not now.")

    world.target.fault = fault
    assert world.refused().code == "permission_denied"
    assert "nightly Completed" not in world.there()
    world.target.fault = lambda _operation, _key: None
    world.target.log.clear()
    assert world.run()["copied_count"] == 1
    assert world.same()
    written = [one for operation, one in world.target.log if operation in ("create", "commit")]
    assert (PATHS.reservation in written) == (file == "reservation")


def test_what_is_left_of_an_attempt_is_not_believed(world: World) -> None:
    world.target.fault = lambda operation, key: _refuse(operation, key, PATHS.velero_backup)
    world.refused()
    world.target.fault = lambda _operation, _key: None
    data = world.target.objects[PATHS.tarball]
    world.target.objects[PATHS.tarball] = data[:-1] + bytes([data[-1] ^ 1])
    assert world.refused().code == "backup_damaged"
    # And what could not be used is taken away, so that the next attempt can.
    assert world.run()["copied_count"] == 1
    assert world.same()


def _refuse(operation: str, key: str, refused: str) -> None:
    if operation == "create" and key == refused:
        raise StowageError("permission_denied", "Not now.")


def test_an_old_attempt_is_taken_away_first(world: World) -> None:
    world.target.fault = lambda operation, key: _refuse(operation, key, PATHS.velero_backup)
    world.refused()
    world.target.fault = lambda _operation, _key: None
    world.target.clock += 25 * HOUR
    assert world.run()["copied_count"] == 1
    assert world.same()
    assert world.there() == ["nightly Completed"]


def test_lost_answers_are_looked_up(world: World) -> None:
    world.target.lost = {PATHS.reservation, PATHS.results, PATHS.velero_backup}
    assert world.run()["copied_count"] == 1
    assert world.same()


def test_another_backup_of_that_name_is_left_alone(world: World) -> None:
    reserve(world.target, PATHS, world.target.now(), HOUR)
    before = dict(world.target.objects)
    assert world.refused().code == "backup_in_progress"
    assert world.target.objects == before
    world.target.objects.clear()
    archives.make_backup(world.target, [], paths=PATHS)
    assert world.refused(check=True).code == "backup_exists"
    world.target.objects.clear()
    world.target.create(PATHS.tarball, b"Velero's")
    assert world.refused().code == "backup_exists"


def test_a_folder_of_another_cluster_is_left_alone(world: World) -> None:
    archives.make_backup(world.target, [], paths=BackupPaths("east", "theirs"), cluster_uid="uid-of-west")
    with pytest.raises(StowageError) as caught:
        world.run()
    assert caught.value.code == "cluster_identity_changed"
    assert world.run(accept_new_identity=True)["copied_count"] == 1


def test_a_backup_that_is_removed_meanwhile_is_no_copy(world: World) -> None:
    def fault(operation: str, key: str) -> None:
        if (operation, key) == ("writer", PATHS.tarball):
            world.target.fault = lambda _operation, _key: None
            delete.delete_backup(world.target, delete.plan_delete(world.target, PATHS))

    world.target.fault = fault
    assert world.refused().code == "backup_not_found"
    assert "nightly Completed" not in world.there()


def test_veleros_backups_are_copied_by_size_and_it_is_said(world: World) -> None:
    world.origin.objects.clear()
    archive = archives.tarball([archives.regular("metadata/version", b"1.1.0")])
    archives.put_foreign(world.origin, archive)
    world.origin.create(f"{PATHS.folder}nightly-logs.gz", b"log")
    made = world.run(verify=True)
    assert [(one["state"], one["checked"], one["files"]) for one in made["backups"]] == [("copied", "size", 3)]
    assert "checked by size" in world.warnings[0]
    assert world.same()
    (record,) = catalog.list_backups(world.target, "east")
    assert not record.ours
    assert world.run()["there_count"] == 1
    # An interrupted one is known again.
    del world.target.objects[PATHS.velero_backup]
    assert world.run()["copied_count"] == 1
    assert world.same()


@pytest.mark.parametrize("name", ["../../x/y", "a/b", ".hidden"])
def test_names_that_lead_elsewhere_are_refused(world: World, name: str) -> None:
    world.origin.objects[PATHS.folder + name] = b"x"
    assert world.refused().code == "archive_hostile"
    assert world.there() == []


def test_what_the_manifest_does_not_name_is_left_and_said(world: World) -> None:
    world.origin.create(f"{PATHS.folder}stray.txt", b"x")
    world.run()
    assert f"{PATHS.folder}stray.txt" not in world.target.objects
    assert "stray.txt" in world.warnings[0]


def test_a_location_is_no_copy_of_itself(world: World) -> None:
    world.target = world.origin
    with pytest.raises(StowageError, match="destination is location"):
        world.run()
