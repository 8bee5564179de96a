# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters whose discovery, lists and definitions do not agree, and selections that hit nothing."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import MAX_OBJECT, Limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture import attempt as attempt_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture import intake
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.capture import (
    BackupResult,
    CaptureOptions,
    capture,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.plan import plan_capture
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.status import Cause
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from support import fake_cluster as fake
from support.fake_cluster import FakeCluster
from support.memory_location import MemoryLocation

WIDGETS: t.Final = "/apis/example.com/v1/widgets"
DEFINITIONS: t.Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    monkeypatch.setattr(attempt_file, "_PAUSE", 0.0)
    cluster = FakeCluster()
    cluster.add(fake.NAMESPACES, "shop")
    cluster.add(fake.CONFIGMAPS, "settings", "shop")
    cluster.define(fake.WIDGETS)
    cluster.add(fake.WIDGETS, "w", "shop")
    return cluster


@pytest.fixture
def location() -> MemoryLocation:
    return MemoryLocation()


def options(**selection: t.Any) -> CaptureOptions:
    return CaptureOptions(cluster="prod", name="b1", selection=Selection.from_params(selection))


def run(cluster: FakeCluster, location: MemoryLocation, **selection: t.Any) -> BackupResult:
    progress = Progress()
    return capture(cluster.connection(progress), location, options(**selection), progress)


def plan(cluster: FakeCluster, **selection: t.Any) -> BackupResult:
    progress = Progress()
    return plan_capture(cluster.connection(progress), options(**selection), progress)


def refusing(path: str, status: int, *, times: int = 10**6, cause: str = "") -> t.Callable[..., None]:
    """A hook that answers requests for a path with an error, so many times."""
    left = [times]

    def hook(_method: str, asked: str, _query: dict[str, str]) -> None:
        if asked == path and left[0]:
            left[0] -= 1
            causes = (Cause(cause, ""),) if cause else ()
            raise ApiStatusError("No.", status=status, reason="Refused", causes=causes, retry_after=0.01)

    return hook


@pytest.mark.parametrize("status", [404, 405])
def test_a_kind_that_discovery_names_and_its_api_does_not_know_is_not_complete(
    cluster: FakeCluster, location: MemoryLocation, status: int
) -> None:
    cluster.hook = refusing(WIDGETS, status)
    result = run(cluster, location)
    assert result.phase == "PartiallyFailed"
    assert list(result.incomplete) == ["widgets.example.com"]
    record = catalog.read_manifest(location, catalog.read_backup(location, "prod", "b1"))
    (kind,) = [one for one in record.kinds if one.plural == "widgets"]
    assert not kind.complete
    assert plan(cluster).phase == "PartiallyFailed"


def test_a_kind_that_one_of_several_servers_does_not_know_yet_is_asked_for_again(
    cluster: FakeCluster, location: MemoryLocation
) -> None:
    cluster.hook = refusing(WIDGETS, 404, times=2)
    result = run(cluster, location)
    assert (result.phase, result.counts["widgets.example.com"]) == ("Completed", 1)


def test_a_kind_that_is_gone_from_discovery_too_is_no_loss(cluster: FakeCluster, location: MemoryLocation) -> None:
    def hook(_method: str, path: str, _query: dict[str, str]) -> None:
        if path == WIDGETS and fake.WIDGETS in cluster.kinds:
            cluster.kinds.remove(fake.WIDGETS)
            cluster.remove(fake.CRDS, fake.WIDGETS.resource)

    cluster.hook = hook
    result = run(cluster, location)
    assert (result.phase, result.incomplete) == ("Completed", {})
    assert "widgets.example.com was served, and then no longer." in str(result.warnings)


def test_a_server_that_lags_behind_the_pin_is_waited_for(cluster: FakeCluster, location: MemoryLocation) -> None:
    seen: list[str] = []

    def hook(_method: str, path: str, query: dict[str, str]) -> None:
        if path == DEFINITIONS and "resourceVersion" in query and len(seen) < 3:
            seen.append(path)
            raise ApiStatusError(
                "Too large resource version",
                status=504,
                reason="Timeout",
                causes=(Cause("ResourceVersionTooLarge", ""),),
                retry_after=0.01,
            )

    cluster.hook = hook
    assert run(cluster, location).phase == "Completed"
    assert len(seen) == 3


def test_definitions_that_cannot_be_held_against_discovery_cost_no_capture(
    cluster: FakeCluster, location: MemoryLocation
) -> None:
    def hook(_method: str, path: str, query: dict[str, str]) -> None:
        if path == DEFINITIONS and query.get("limit") == "500":
            raise ApiStatusError("Broken.", status=500, reason="InternalError")

    cluster.hook = hook
    result = run(cluster, location)
    assert result.phase == "PartiallyFailed"
    assert any("held against discovery" in text for text in result.errors)
    assert result.counts["configmaps"] == 1


def test_a_definition_that_may_not_be_read_counts_as_served(cluster: FakeCluster, location: MemoryLocation) -> None:
    late = fake.kind("comets.late.example.com", "Comet")
    cluster.put_definition(late)
    cluster.allows = lambda verb, resource, _namespace: not (verb == "get" and resource == fake.CRDS.resource)
    result = run(cluster, location)
    assert result.phase == "PartiallyFailed"
    assert any("comets.late.example.com is defined" in text for text in result.errors)


def test_an_api_that_answers_errors_shows_in_the_plan(cluster: FakeCluster, location: MemoryLocation) -> None:
    cluster.hook = refusing(WIDGETS, 503)
    planned, made = plan(cluster), run(cluster, location)
    assert (planned.phase, made.phase) == ("PartiallyFailed", "PartiallyFailed")
    assert list(planned.incomplete) == list(made.incomplete) == ["widgets.example.com"]


def test_an_api_that_hangs_costs_its_own_kinds_only(cluster: FakeCluster, location: MemoryLocation) -> None:
    def hook(_method: str, path: str, _query: dict[str, str]) -> None:
        if path == WIDGETS:
            raise StowageError("cluster_unreachable", "It did not answer in time.")

    cluster.hook = hook
    result = run(cluster, location)
    assert result.phase == "PartiallyFailed"
    assert list(result.incomplete) == ["widgets.example.com"]
    assert result.counts["configmaps"] == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["prod-*"], "The cluster prod has no namespace prod-*."),
        (["x*", "zzz-?"], "none of the namespaces that are asked for: x*, zzz-?."),
        (["shpo"], "The cluster prod has no namespace shpo."),
    ],
)
def test_a_selection_that_no_namespace_fits_leaves_nothing_in_the_location(
    cluster: FakeCluster, location: MemoryLocation, names: list[str], said: str
) -> None:
    for attempt in (plan, lambda each, **options: run(each, location, **options)):
        with pytest.raises(StowageError) as error:
            attempt(cluster, included_namespaces=names)
        assert error.value.code == "namespace_not_found"
        assert said in error.value.message
        assert error.value.details == {"missing": names}
        assert ("Did you mean shop?" in error.value.hint) == (names == ["shpo"])
    assert not list(location.list(""))


def test_a_missing_namespace_beside_one_that_is_there_is_the_first_error(
    cluster: FakeCluster, location: MemoryLocation
) -> None:
    def hook(*asked: t.Any) -> None:
        for path in (WIDGETS, fake.WIDGETS.path("shop")):
            refusing(path, 503)(*asked)

    cluster.hook = hook
    names = ["shop", "shpo"]
    for result in (plan(cluster, included_namespaces=names), run(cluster, location, included_namespaces=names)):
        assert result.phase == "PartiallyFailed"
        assert result.errors[0].startswith(
            "The namespace shpo is included by its name and does not exist. Did you mean shop?"
        )
        assert len(result.errors) > 1


def test_an_account_that_may_not_list_namespaces_is_told_which_are_missing(
    cluster: FakeCluster, location: MemoryLocation
) -> None:
    cluster.allows = lambda verb, resource, _namespace: not (verb == "list" and resource == "namespaces")
    with pytest.raises(StowageError) as error:
        run(cluster, location, included_namespaces=["shpo", "shap"], include_cluster_resources="never")
    assert error.value.code == "namespace_not_found"
    assert not list(location.list(""))


def test_a_named_namespace_that_is_being_deleted_is_an_error_and_another_a_warning(
    cluster: FakeCluster, location: MemoryLocation
) -> None:
    metadata = {"name": "gone", "deletionTimestamp": "2026-11-01T00:00:00Z"}
    cluster.put(fake.NAMESPACES, {"metadata": metadata, "status": {"phase": "Terminating"}})
    assert plan(cluster, included_namespaces=["gone", "shop"]).phase == "PartiallyFailed"
    assert run(cluster, location, included_namespaces=["gone", "shop"]).phase == "PartiallyFailed"
    assert run(cluster, MemoryLocation(), included_namespaces=["gon*", "shop"]).phase == "Completed"


def test_an_object_that_no_reader_takes_is_named_and_left_out(
    cluster: FakeCluster, location: MemoryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_OBJECT", 5000)
    cluster.add(fake.CONFIGMAPS, "huge", "shop", data={"x": "y" * 5000})
    result = run(cluster, location)
    assert result.phase == "PartiallyFailed"
    assert "shop/huge" in result.incomplete["configmaps"]
    assert result.counts["configmaps"] == 1


def test_the_largest_object_can_be_read_back(location: MemoryLocation) -> None:
    cluster = FakeCluster()
    cluster.add(fake.NAMESPACES, "shop")
    cluster.add(fake.CONFIGMAPS, "large", "shop", data={"x": "y" * (MAX_OBJECT - 1000)})
    assert run(cluster, location).phase == "Completed"
    record = catalog.read_backup(location, "prod", "b1")
    with BackupReader.open(location, record, progress=Progress()) as reader:
        assert [entry.name for entry, _body in reader.objects(fake.CONFIGMAPS)] == ["large"]


def test_owners_with_endless_uids_do_not_make_a_backup_unreadable(location: MemoryLocation) -> None:
    cluster = FakeCluster()
    cluster.add(fake.NAMESPACES, "shop")
    reference = {"apiVersion": "v1", "kind": "X", "name": "x"}
    for number in range(40):
        owners = [reference | {"uid": "u" * 300_000}, reference | {"uid": f"real-{number}"}]
        metadata = {"name": f"odd-{number:02}", "namespace": "shop", "ownerReferences": owners}
        cluster.put(fake.CONFIGMAPS, {"metadata": metadata})
    for number in range(100):
        owners = [reference | {"uid": f"{number}-{one}-" + "v" * 400} for one in range(100)]
        metadata = {"name": f"zz-{number:03}", "namespace": "shop", "ownerReferences": owners}
        cluster.put(fake.CONFIGMAPS, {"metadata": metadata})
    assert run(cluster, location).phase == "Completed"
    record = catalog.read_backup(location, "prod", "b1")
    limits = Limits(block_bytes=2 << 20)
    with BackupReader.open(location, record, progress=Progress(), limits=limits) as reader:
        found = {entry.name: entry.owners for entry, _body in reader.objects(fake.CONFIGMAPS)}
    assert len(found) == 140
    assert found["odd-00"] == ("real-0",)


def test_backups_that_may_lack_a_group_are_told_from_those_that_may_not() -> None:
    with_all, without = (
        CaptureOptions(cluster="c", name="b", selection=Selection(), ignored_api_groups=frozenset(groups))
        for groups in ((), ("example.com",))
    )
    assert with_all.fingerprint != without.fingerprint
    assert with_all.fingerprint == Selection().fingerprint()


@pytest.mark.parametrize(
    "metadata", [{"name": "none"}, {"name": "", "namespace": "shop"}, {"name": "a/b", "namespace": "shop"}]
)
def test_names_that_no_server_accepts_cost_their_object_alone(
    metadata: dict[str, str], cluster: FakeCluster, location: MemoryLocation
) -> None:
    cluster.put(fake.WIDGETS, {"metadata": metadata})
    cluster.add(fake.WIDGETS, "z", "shop")
    result = run(cluster, location)
    assert result.phase == "PartiallyFailed"
    assert (
        result.incomplete["widgets.example.com"]
        == "1 of its objects have a name or namespace that no API server accepts"
    )
    record = catalog.read_backup(location, "prod", "b1")
    with BackupReader.open(location, record, progress=Progress()) as reader:
        assert [entry.name for entry, _body in reader.objects(fake.WIDGETS)] == ["w", "z"]
        assert [entry.name for entry, _body in reader.objects(fake.CONFIGMAPS)] == ["settings"]


@pytest.mark.parametrize(
    ("words", "phase"),
    [
        ((), "PartiallyFailed"),
        (("configmaps",), "Completed"),
        (("configmaps", "gadgets"), "PartiallyFailed"),
        (("configmaps", "gadgets.down.io"), "PartiallyFailed"),
        (("configmaps", "gadgets.up.io"), "Completed"),
        (("configmaps", "*.io"), "PartiallyFailed"),
    ],
)
def test_a_group_that_cannot_be_seen_matters_if_it_may_be_wanted(
    words: tuple[str, ...], phase: str, cluster: FakeCluster, location: MemoryLocation
) -> None:
    cluster.stale["down.io"] = "v1"
    result = run(cluster, location, included_resources=list(words))
    assert result.phase == phase
    assert any("down.io/v1 cannot be seen" in text for text in (*result.warnings, *result.errors))
