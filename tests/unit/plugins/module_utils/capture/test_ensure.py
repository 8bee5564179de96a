# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module backup: a backup is made when one is missing, and only then."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import CLUSTER, LOCATION, SELECTION, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture import ensure
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.arguments import BACKUP
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.holding import Lease
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.leases import of_backup, of_cluster
from support import fake_cluster as fake
from support.fake_cluster import FakeCluster
from support.memory_location import MemoryLocation

Params = dict[str, t.Any]
Result = dict[str, t.Any]
UNSET: t.Final[Params] = {
    name: option.get("default") for name, option in merge(LOCATION, CLUSTER, SELECTION, BACKUP).items()
}
WRITES: t.Final = frozenset({"create", "write", "commit", "delete"})


@dataclasses.dataclass
class World:
    """A cluster, a location, and the module between them."""

    cluster: FakeCluster = dataclasses.field(default_factory=FakeCluster)
    location: MemoryLocation = dataclasses.field(default_factory=MemoryLocation)
    warnings: list[str] = dataclasses.field(default_factory=list)
    connected: int = 0

    def task(self, *, check: bool = False, diff: bool = False, **params: t.Any) -> Task:
        return Task(
            params={**UNSET, "cluster": "prod", **params},
            check=check,
            diff=diff,
            environ={},
            progress=Progress(),
            warn=self.warnings.append,
            hide=lambda _values: None,
        )

    def run(self, *, check: bool = False, diff: bool = False, **params: t.Any) -> Result:
        result = ensure.ensure_backup(self.task(check=check, diff=diff, **params))
        json.dumps(result)
        return result

    def refused(self, **params: t.Any) -> str:
        with pytest.raises(StowageError) as caught:
            self.run(**params)
        return caught.value.code

    def later(self, hours: float) -> None:
        self.location.clock += datetime.timedelta(hours=hours)

    @property
    def writes(self) -> int:
        return sum(count for operation, count in self.location.calls.items() if operation in WRITES)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    world.cluster.add(fake.NAMESPACES, "shop")
    world.cluster.add(fake.CONFIGMAPS, "settings", "shop")

    @contextlib.contextmanager
    def reach_cluster(task: Task) -> t.Iterator[t.Any]:
        world.connected += 1
        yield world.cluster.connection(task.progress)

    @contextlib.contextmanager
    def reach_location(_task: Task) -> t.Iterator[MemoryLocation]:
        yield world.location

    monkeypatch.setattr(ensure, "reach_cluster", reach_cluster)
    monkeypatch.setattr(ensure, "reach_location", reach_location)
    return world


def test_a_named_backup_is_made_once(world: World) -> None:
    made = world.run(name="b1")
    assert (made["changed"], made["backup"]["name"], made["backup"]["phase"]) == (True, "b1", "Completed")
    writes = world.writes
    found = world.run(name="b1")
    assert (found["changed"], world.writes) == (False, writes)
    same = found["backup"].keys() - {"expires_at"}
    assert {name: found["backup"][name] for name in same} == {name: made["backup"][name] for name in same}


def test_a_location_says_what_ends_before_a_backup_is_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.location, "warnings", lambda: ["The session cannot be renewed."])
    world.run(name="b1", check=True)
    assert world.warnings == []
    world.run(name="b1")
    assert world.warnings == ["The session cannot be renewed."]
    world.run(name="b1")
    assert len(world.warnings) == 1, "nothing is made, so nothing takes long"


def test_what_is_made_and_what_is_found_say_the_same_of_the_backup(world: World) -> None:
    made = world.run(name="b1", expires_in="30d", labels={"tier": 1})["backup"]
    found = world.run(name="b1", expires_in="30d", labels={"tier": 1})["backup"]
    assert made["labels"] == {"tier": "1"}
    assert found["labels"] == made["labels"]
    assert found["expires_at"][:19] == made["expires_at"][:19]


def test_a_prediction_writes_nothing(world: World) -> None:
    predicted = world.run(name="b1", check=True, diff=True)
    assert (predicted["changed"], predicted["backup"]["planned"], world.writes) == (True, True, 0)
    assert predicted["diff"] == {"before": {}, "after": {"name": "b1", "cluster": "prod", "phase": "Completed"}}
    world.run(name="b1")
    assert not world.run(name="b1", check=True)["changed"]


def test_a_name_that_is_taken_by_something_else_is_an_error(world: World) -> None:
    world.run(name="b1")
    assert world.refused(name="b1", included_namespaces=["shop"]) == "backup_exists"


def test_a_made_name_is_new_each_time(world: World) -> None:
    names = {world.run(name_prefix="nightly")["backup"]["name"] for _count in range(3)}
    assert len(names) == 3
    assert all(name.startswith("nightly-prod-20261101") for name in names)
    assert world.run()["backup"]["name"].startswith("backup-prod-")


def test_a_fresh_backup_is_good_enough(world: World) -> None:
    first = world.run(max_age="24h")["backup"]["name"]
    world.later(23)
    assert world.run(max_age="24h")["backup"]["name"] == first
    assert world.run(max_age="24h", included_namespaces=["shop"])["changed"]
    world.later(2)
    again = world.run(max_age="24h")
    assert again["changed"]
    assert again["backup"]["name"] != first


def test_another_clusters_folder_is_refused_unless_that_is_accepted(world: World) -> None:
    world.run(name="b1")
    world.cluster.put(fake.NAMESPACES, {"metadata": {"name": "kube-system", "uid": "another"}})
    assert world.refused(name="b2") == "cluster_identity_changed"
    assert world.refused(name="b1") == "backup_exists"
    assert world.run(name="b2", accept_new_identity=True)["changed"]


def test_another_cluster_than_expected_is_refused_before_anything_is_written(world: World) -> None:
    assert world.refused(name="b1", expected_cluster_uid="another") == "cluster_uid_mismatch"
    assert world.writes == 0
    assert world.run(name="b1", expected_cluster_uid="the-uid")["changed"]


def test_a_partial_backup_fails_unless_that_is_allowed(world: World) -> None:
    world.cluster.stale["example.com"] = "v1"
    with pytest.raises(TaskFailedError) as caught:
        world.run(name="b1")
    assert caught.value.error.code == "backup_partial"
    assert (caught.value.result["changed"], caught.value.result["backup"]["phase"]) == (True, "PartiallyFailed")
    with pytest.raises(TaskFailedError):
        world.run(name="b2", check=True)
    assert world.run(name="b3", allow_partial=True)["backup"]["phase"] == "PartiallyFailed"
    assert "PartiallyFailed" in world.warnings[0]
    assert world.run(name="b4", ignored_api_groups=["example.com"])["backup"]["phase"] == "Completed"


def test_a_partial_backup_is_not_good_enough_later(world: World) -> None:
    world.cluster.stale["example.com"] = "v1"
    world.run(name="b1", allow_partial=True)
    world.cluster.stale.clear()
    assert world.refused(name="b1") == "backup_exists"
    assert world.run(max_age="24h")["changed"]


def test_a_backup_is_removed_without_a_cluster(world: World) -> None:
    world.run(name="b1")
    connected = world.connected
    predicted = world.run(name="b1", state="absent", check=True, diff=True)
    assert predicted["changed"]
    assert "velero-backup.json" in predicted["diff"]["before"]
    assert world.run(name="b1")["changed"] is False
    removed = world.run(name="b1", state="absent")
    assert (removed["changed"], removed["deleted"]) == (True, predicted["deleted"])
    assert [key for key in world.location.objects if "/leases/" not in key] == []
    assert world.run(name="b1", state="absent")["changed"] is False
    assert world.connected == connected + 1


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"name": "Not_A_Name"}, "invalid_name"),
        ({"name_prefix": "Not_A_Name"}, "invalid_name"),
        ({"name_prefix": "x" * 60}, "invalid_name"),
        ({"cluster": "a/b", "name": "b1"}, "invalid_name"),
        ({"name": "latest"}, "invalid_option"),
        ({"name": "b1", "name_prefix": "x"}, "invalid_option"),
        ({"name": "b1", "max_age": "24h"}, "invalid_option"),
        ({"state": "absent"}, "invalid_option"),
        ({"velero_expiration": True}, "invalid_option"),
        ({"max_age": "soon"}, "invalid_option"),
        ({"expires_in": "0d"}, "invalid_option"),
        ({"labels": {"a b": "c"}}, "invalid_option"),
        ({"label_selector": "a=b", "or_label_selectors": ["c=d", "e=f"]}, "invalid_option"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_contacted(params: Params, code: str, world: World) -> None:
    assert world.refused(**params) == code
    assert (world.connected, world.location.calls) == (0, {})


def other_task(world: World) -> Lease:
    return Lease(world.location, of_cluster("prod", "the-uid"), Progress(), what="the cluster prod", who="backup")


def test_the_second_of_two_tasks_gives_way(world: World) -> None:
    with other_task(world):
        assert world.refused(lease_wait="0") == "lease_held"
        assert world.run(check=True)["changed"]
    assert world.run(lease_wait="0")["lease"] == {"held": True, "waited": 0.0, "message": ""}


@pytest.mark.parametrize("options", [{"max_age": "24h"}, {"schedule": {"preset": "weekly"}}, {"name": "b1"}])
def test_the_second_of_two_tasks_takes_what_the_first_has_made(world: World, options: Params) -> None:
    first = other_task(world)
    first.__enter__()
    made: list[Result] = []

    def finish(operation: str, key: str) -> None:
        """Ends the first task, with a backup, when the second looks at the lease again."""
        if operation == "list" and "/leases/cluster-" in key and not made:
            made.append({})
            first.__exit__()
            made.append(world.run(**options))

    world.location.fault = finish
    found = world.run(**options)
    assert (made[1]["changed"], found["changed"]) == (True, False)
    assert found["backup"]["name"] == made[1]["backup"]["name"]


def test_the_second_of_two_tasks_waits(world: World) -> None:
    first = other_task(world)
    first.__enter__()
    seen: list[str] = []

    def finish(operation: str, key: str) -> None:
        if operation == "list" and "/leases/cluster-" in key:
            seen.append(key)
            if len(seen) == 3:
                first.__exit__()

    world.location.fault = finish
    made = world.run(max_age="24h")
    assert made["changed"]
    assert made["lease"]["waited"] > 0
    assert made["lease"]["held"]


def test_a_lease_that_cannot_be_written_is_said_and_in_nobodys_way(world: World) -> None:
    def refuse(operation: str, key: str) -> None:
        if operation == "create" and "/leases/" in key:
            raise StowageError("permission_denied", "It may not be written.")

    world.location.fault = refuse
    made = world.run(name="b1")
    assert (made["changed"], made["lease"]["held"]) == (True, False)
    assert made["lease"]["message"] == "No lease could be taken on the cluster prod: It may not be written."
    assert world.warnings == [made["lease"]["message"]]


def test_a_backup_that_somebody_reads_is_not_removed(world: World) -> None:
    world.run(name="b1")
    with Lease(world.location, of_backup("prod", "b1"), Progress(), what="", who="restore", shared=True):
        assert world.refused(name="b1", state="absent") == "lease_held"
    assert world.run(name="b1", state="absent")["changed"]


RUN: t.Final[Params] = {"workspace": "shop", "name": "r1", "location_name": "primary"}


def records(world: World) -> list[Result]:
    return [
        json.loads(world.location.objects[key])
        for key in sorted(world.location.objects)
        if key.startswith("workspaces/")
    ]


def test_a_backup_is_recorded_in_its_run_and_made_once(world: World) -> None:
    made = world.run(run=RUN)
    (record,) = records(world)
    assert made["run"].items() <= record.items()
    assert (record["phase"], record["backup"], record["made"]) == ("Completed", made["backup"]["name"], True)
    assert (record["location"], record["attempt"], record["cluster_uid"]) == ("primary", 1, "the-uid")
    connected = world.connected
    again = world.run(run=RUN)
    assert (again["changed"], again["backup"], again["run"]) == (False, None, made["run"])
    assert (world.connected, len(records(world))) == (connected, 1)
    assert world.run(run={**RUN, "name": "r2"})["changed"]


def test_a_failure_is_recorded_and_then_made_good(world: World) -> None:
    world.cluster.allows = lambda _verb, resource, _namespace: resource != "secrets"
    with pytest.raises(TaskFailedError) as caught:
        world.run(run=RUN)
    assert caught.value.error.code == "cluster_forbidden"
    assert caught.value.result["run"]["error_code"] == "cluster_forbidden"
    world.cluster.allows = lambda _verb, _resource, _namespace: True
    assert world.run(run=RUN)["run"]["attempt"] == 2
    assert [one["phase"] for one in records(world)] == ["Failed", "Completed"]


def test_a_partial_backup_is_recorded_as_what_it_is(world: World) -> None:
    world.cluster.stale["example.com"] = "v1"
    with pytest.raises(TaskFailedError) as caught:
        world.run(run=RUN)
    assert caught.value.result["run"]["phase"] == "PartiallyFailed"
    assert caught.value.result["backup"]["phase"] == "PartiallyFailed"
    assert world.run(run=RUN, allow_partial=True)["backup"] is None
    with pytest.raises(TaskFailedError):
        world.run(run=RUN)
    assert [one["attempt"] for one in records(world)] == [1, 2]


def test_a_fresh_backup_is_recorded_as_found(world: World) -> None:
    world.run(max_age="24h", labels={"stowage.io/workspace": "shop"})
    assert world.run(max_age="24h", run=RUN)["run"]["made"] is False


def test_a_workspace_is_content_with_no_backup_of_another(world: World) -> None:
    """Retention goes by the label: another's may be deleted any day."""
    first = world.run(max_age="24h", run={**RUN, "workspace": "basic"})
    gold = world.run(max_age="24h", run={**RUN, "workspace": "gold"}, expires_in="30d")
    assert (gold["changed"], gold["run"]["made"]) == (True, True)
    assert gold["backup"]["labels"] == {"stowage.io/workspace": "gold", "stowage.io/run": "r1"}
    bare = world.run(max_age="24h")
    assert bare["backup"]["name"] == first["backup"]["name"], "the newest that is kept as long, whoever's it is"


def test_a_backup_that_expires_earlier_satisfies_no_schedule(world: World) -> None:
    monthly = {"preset": "monthly"}
    assert world.run(expires_in="1d")["changed"]
    made = world.run(schedule=monthly)
    assert made["changed"]
    assert world.run(schedule=monthly)["backup"]["name"] == made["backup"]["name"]
    kept = world.run(max_age="1h", expires_in="30d", included_namespaces=["shop"])["backup"]["name"]
    assert world.run(max_age="1h", expires_in="30d", included_namespaces=["shop"])["backup"]["name"] == kept
    assert world.run(max_age="1h", expires_in="31d", included_namespaces=["shop"])["changed"]


@pytest.mark.parametrize("allow_partial", [False, True])
def test_the_second_of_two_jobs_of_a_run_takes_what_the_first_has_made(world: World, allow_partial: bool) -> None:
    if allow_partial:
        world.cluster.stale["example.com"] = "v1"
    first = other_task(world)
    first.__enter__()
    made: list[Result] = []

    def finish(operation: str, key: str) -> None:
        """Ends the first job, with a backup but before its record, when the second looks at the lease again."""
        if operation == "list" and "/leases/cluster-" in key and not made:
            made.append({})
            first.__exit__()
            labels = {"stowage.io/workspace": "shop", "stowage.io/run": "r1"}
            made.append(world.run(labels=labels, allow_partial=allow_partial))

    world.location.fault = finish
    found = world.run(run=RUN, allow_partial=allow_partial)
    assert (made[1]["changed"], found["changed"]) == (True, False)
    assert found["backup"]["name"] == found["run"]["backup"] == made[1]["backup"]["name"]
    assert found["run"]["made"], "it was made for the run"


def test_a_run_makes_again_what_was_not_whole(world: World) -> None:
    world.cluster.stale["example.com"] = "v1"
    with pytest.raises(TaskFailedError):
        world.run(run=RUN)
    world.cluster.stale.clear()
    assert world.run(run=RUN)["changed"]
    assert world.run(run=RUN, included_namespaces=["shop"])["backup"] is None
    assert world.run(run={**RUN, "name": "r2"}, included_namespaces=["shop"])["changed"]


def test_a_prediction_records_nothing(world: World) -> None:
    assert world.run(run=RUN, check=True)["run"]["phase"] == "Completed"
    assert world.writes == 0


def test_a_run_that_makes_no_sense_is_refused(world: World) -> None:
    assert world.refused(run={**RUN, "name": "a/b"}) == "invalid_name"
    assert (world.connected, world.location.calls) == (0, {})


def test_a_schedule_is_caught_up_once_and_then_waits(world: World) -> None:
    nightly = {"cron": "0 2 * * *", "time_zone": "UTC"}
    first = world.run(schedule=nightly)
    assert first["changed"]
    world.later(13.9)  # from noon to just before two
    assert world.run(schedule=nightly)["backup"]["name"] == first["backup"]["name"]
    world.later(0.2)
    assert world.run(schedule=nightly, check=True)["changed"]
    assert world.run(schedule=nightly)["changed"]
    assert not world.run(schedule=nightly)["changed"]
    world.later(24 * 10)
    assert world.run(schedule=nightly)["changed"]
    assert not world.run(schedule=nightly)["changed"]


@pytest.mark.parametrize("schedule", [{"preset": "never"}, {"preset": "weekly", "paused": True}])
def test_what_is_paused_contacts_nothing(world: World, schedule: Params) -> None:
    assert world.run(schedule=schedule) == {"changed": False, "backup": None}
    assert world.connected == 0


def test_a_schedule_goes_with_neither_name_nor_max_age(world: World) -> None:
    assert world.refused(name="b1", schedule={"preset": "weekly"}) == "invalid_option"
    assert world.refused(max_age="24h", schedule={"preset": "weekly"}) == "invalid_option"
    assert world.refused(schedule={}) == "invalid_option"
