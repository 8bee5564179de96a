# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module backup_retention: check mode predicts, what is deleted is what was shown, and nothing else is touched."""

from __future__ import annotations

import contextlib
import datetime
import json
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import delete
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths, RestorePaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import reserve
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import leases, prune
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.holding import Lease
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.leases import (
    Holder,
    Link,
    of_backup,
    of_cluster,
)
from ansible_collections.stowage.kubernetes.plugins.modules import backup_retention
from support.archives import make_backup, put_foreign
from support.memory_location import MemoryLocation

DAY: t.Final = datetime.timedelta(days=1)
LEASES: t.Final = "clusters/east/metadata/stowage/leases/backup-b1"
UNSET: t.Final[dict[str, t.Any]] = {
    name: option.get("default") for name, option in merge(LOCATION, backup_retention.ARGUMENTS).items()
}


class World:
    """A location with six daily backups, and the module."""

    def __init__(self) -> None:
        self.location = MemoryLocation()
        self.warnings: list[str] = []
        for number in range(6):
            make_backup(self.location, [], paths=BackupPaths("east", f"b{number}"))
            self.location.clock += DAY
        self.location.clock += DAY

    def run(self, *, check: bool = False, **params: t.Any) -> dict[str, t.Any]:
        task = Task(
            params={**UNSET, "cluster": "east", "keep_last": 3, **params},
            check=check,
            diff=True,
            environ={},
            progress=Progress(),
            warn=self.warnings.append,
            hide=lambda _values: None,
        )
        result = prune.prune_backups(task)
        json.dumps(result)
        return result

    def there(self) -> list[str]:
        return sorted(self.location.list_folders("clusters/east/backups/"))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()

    @contextlib.contextmanager
    def reach(_task: Task) -> t.Iterator[MemoryLocation]:
        yield world.location

    monkeypatch.setattr(prune, "reach_location", reach)
    return world


def test_check_mode_predicts_and_a_second_run_changes_nothing(world: World) -> None:
    before = dict(world.location.objects)
    predicted = world.run(check=True)
    assert world.location.objects == before
    assert predicted["retention"]["deleted"] == ["b0", "b1", "b2"]
    assert "b0: \n" not in predicted["diff"]["after"]
    assert [line.partition(":")[0] for line in predicted["diff"]["after"].splitlines()] == ["b3", "b4", "b5"]
    assert [line.partition(":")[0] for line in predicted["diff"]["before"].splitlines()] == [f"b{n}" for n in range(6)]
    assert world.run() == predicted
    assert world.there() == ["b3", "b4", "b5"]
    assert not any("b0" in key for key in world.location.objects)
    assert not world.run()["changed"]


def test_what_is_held_locked_or_made_again_stays(world: World) -> None:
    now = world.location.clock
    link = Link(1, {"a": Holder(now + datetime.timedelta(minutes=2), "restore")}, now)
    world.location.create(f"{LEASES}/1.json", link.to_json())
    world.location.locked.add(BackupPaths("east", "b0").velero_backup)
    result = world.run()
    assert result["retention"]["deleted"] == ["b2"]
    assert world.there() == ["b0", "b1", "b3", "b4", "b5"]
    shown = {one["name"]: one["reasons"] for one in result["retention"]["backups"]}
    assert shown["b0"] == ["The store keeps it from being deleted (locked)."]
    assert shown["b1"] == ["Somebody holds it: it is being restored."]


def test_a_backup_that_was_made_again_meanwhile_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    look = delete.plan_delete
    paths = BackupPaths("east", "b0")

    def after_somebody(location: t.Any, of: BackupPaths, *more: t.Any) -> t.Any:
        if of == paths:
            for key in [key for key in world.location.objects if key.startswith(paths.folder)]:
                del world.location.objects[key]
            world.location.objects.pop(paths.reservation, None)
            make_backup(world.location, [], paths=paths)
        return look(location, of, *more)

    monkeypatch.setattr(delete, "plan_delete", after_somebody)
    result = world.run()
    assert result["retention"]["deleted"] == ["b1", "b2"]
    assert "b0" in world.there()
    shown = {one["name"]: one["reasons"] for one in result["retention"]["backups"]}
    assert shown["b0"] == ["It has been removed or made again meanwhile."]


def test_a_lease_that_makes_no_sense_holds_for_an_hour_only(world: World) -> None:
    world.location.create(f"{LEASES}/1.json", b"nonsense")
    world.location.clock += leases.LONGEST
    assert "b1" in world.run(check=True)["retention"]["deleted"]


@pytest.mark.parametrize(
    ("chain", "held"),
    [
        ({"1": -10}, False),
        ({"1": 10, "2": -10}, False),
        ({"9": -10, "10": 10}, True),
        ({"1": None}, True),
    ],
)
def test_the_last_link_of_a_lease_holds(world: World, chain: dict[str, int | None], held: bool) -> None:
    for number, minutes in chain.items():
        until = world.location.clock + datetime.timedelta(minutes=minutes or 0)
        link = Link(int(number), {"a": Holder(until, "restore")}, world.location.clock)
        world.location.create(f"{LEASES}/{number}.json", b"nonsense" if minutes is None else link.to_json())
    assert ("b1" in world.run(check=True)["retention"]["deleted"]) is not held


def test_a_failure_names_what_is_left_and_the_rest_goes_on(world: World) -> None:
    refused = BackupPaths("east", "b0").velero_backup

    def fault(operation: str, key: str) -> None:
        if operation == "delete" and key == refused:
            raise StowageError("permission_denied", "No.")

    world.location.fault = fault
    with pytest.raises(TaskFailedError) as caught:
        world.run()
    assert caught.value.error.code == "permission_denied"
    assert caught.value.result["retention"]["deleted"] == ["b1", "b2"]
    assert world.there() == ["b0", "b3", "b4", "b5"]


def test_work_is_bounded_and_goes_on(world: World) -> None:
    first = world.run(max_deletions=2)["retention"]
    assert (first["deleted"], first["left"]) == (["b0", "b1"], 1)
    assert world.run(max_deletions=2)["retention"]["deleted"] == ["b2"]


def test_another_clusters_backups_are_an_error_and_stay(world: World) -> None:
    make_backup(world.location, [], paths=BackupPaths("east", "new"), cluster_uid="new")
    with pytest.raises(StowageError, match="backups of another cluster") as caught:
        world.run()
    assert caught.value.code == "cluster_identity_changed"
    world.location.clock += 3 * DAY
    assert not world.run(accept_new_identity=True)["changed"]
    assert world.run(accept_new_identity=True, cluster_uid="uid-of-east")["retention"]["deleted"] == ["b0", "b1", "b2"]


def test_orphans_are_swept_only_long_after_their_deadline(world: World) -> None:
    location = world.location
    reserve(location, BackupPaths("east", "killed"), location.now(), DAY)
    location.create(BackupPaths("east", "killed").tarball, b"half")
    location.create("clusters/east/backups/strange/x", b"")
    put_foreign(location, b"", paths=BackupPaths("east", "veleros"))
    lost, kept = RestorePaths("east", "lost"), RestorePaths("east", "kept")
    location.create(lost.record, json.dumps({"backup": "gone", "capture_id": "x"}).encode())
    capture_id = json.loads(location.objects[BackupPaths("east", "b5").reservation])["capture_id"]
    location.create(kept.record, json.dumps({"backup": "b5", "capture_id": capture_id}).encode())
    location.create("clusters/east/restores/veleros/restore-veleros-logs.gz", b"")
    location.clock += DAY
    first = world.run()["retention"]
    assert (first["swept_captures"], first["swept_restores"]) == ([], ["lost"])
    location.clock += DAY
    assert world.run(sweep=False)["retention"]["swept_captures"] == []
    assert world.run(check=True)["retention"]["swept_captures"] == ["killed"]
    assert world.run()["retention"]["swept_captures"] == ["killed"]
    assert world.there() == ["b3", "b4", "b5", "strange", "veleros"]
    assert sorted(location.list_folders("clusters/east/restores/")) == ["kept", "veleros"]
    assert not world.run()["changed"]


def test_old_links_of_leases_are_swept_and_the_last_stays(world: World) -> None:
    location = world.location

    def work(chain: str) -> None:
        for _count in range(3):
            with Lease(location, chain, Progress(), what="it", who="backup", shared="/backup-" in chain):
                pass

    cluster, there, gone = of_cluster("east", "uid"), of_backup("east", "b5"), of_backup("east", "deleted")
    for chain in (cluster, there, gone):
        work(chain)
    location.create(f"{LEASES}/strange.txt", b"")
    assert not world.run(keep_last=100)["changed"]
    location.clock += 2 * DAY
    assert world.run(keep_last=100, sweep=False)["retention"]["swept_leases"] == 0
    assert world.run(keep_last=100, check=True)["retention"]["swept_leases"] == 16
    swept = world.run(keep_last=100)
    assert (swept["changed"], swept["retention"]["swept_leases"]) == (True, 16)
    left = [key for key in sorted(location.objects) if "/leases/" in key]
    assert left == [f"{LEASES}/strange.txt", f"{there}000000000000006.json", f"{cluster}000000000000006.json"]
    assert not world.run(keep_last=100)["changed"]
    work(cluster)
    assert f"{cluster}000000000000012.json" in location.objects


@pytest.mark.parametrize(
    "params",
    [
        {"keep_last": None},
        {"keep_last": 0},
        {"keep_daily": -1},
        {"keep_at_least": 0},
        {"time_zone": "Mars"},
        {"min_age": "x"},
    ],
)
def test_rules_that_make_no_sense(world: World, params: dict[str, t.Any]) -> None:
    with pytest.raises(StowageError) as caught:
        world.run(**params)
    assert caught.value.code == "invalid_option"
