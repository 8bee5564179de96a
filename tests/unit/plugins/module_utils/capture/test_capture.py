# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole capture, from a cluster in memory into a location in memory."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import gzip
import json
import threading
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import Manifest
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture import attempt as attempt_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture import lists
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.capture import (
    BackupResult,
    CaptureOptions,
    capture,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.plan import plan_capture
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import EXCLUDE_LABEL, Selection
from support import fake_cluster as fake
from support.fake_cluster import FakeCluster
from support.memory_location import MemoryLocation

PATHS = BackupPaths("prod", "b1")


@pytest.fixture
def cluster() -> FakeCluster:
    """Two applications, ``shop`` and ``blog``."""
    cluster = FakeCluster()
    for namespace in ("shop", "blog", "blog-x"):
        cluster.add(fake.NAMESPACES, namespace)
        for name in ("default", "app"):
            cluster.add(fake.ACCOUNTS, name, namespace)
        for number in range(3):
            cluster.add(fake.CONFIGMAPS, f"settings-{number}", namespace, {"app": namespace, "n": str(number)})
        cluster.add(fake.SECRETS, "password", namespace)
        cluster.add(fake.EVENTS, "happened", namespace)
        claim = {"persistentVolumeClaim": {"claimName": "data"}}
        cluster.add(fake.PODS, "web", namespace, {"app": namespace}, spec={"volumes": [claim]})
        cluster.add(fake.CLAIMS, "data", namespace, spec={"volumeName": f"pv-{namespace}"})
        cluster.add(fake.VOLUMES, f"pv-{namespace}", spec={"persistentVolumeReclaimPolicy": "Delete"})
        subject = {"kind": "ServiceAccount", "namespace": namespace, "name": "app"}
        role = {"kind": "ClusterRole", "name": f"role-{namespace}"}
        cluster.add(fake.CLUSTER_ROLE_BINDINGS, f"binds-{namespace}", subjects=[subject], roleRef=role)
        cluster.add(fake.CLUSTER_ROLES, f"role-{namespace}")
    cluster.define(fake.WIDGETS)
    cluster.add(fake.WIDGETS, "w", "shop")
    return cluster


@pytest.fixture
def location() -> MemoryLocation:
    return MemoryLocation()


def options(selection: t.Mapping[str, t.Any], **more: t.Any) -> CaptureOptions:
    return CaptureOptions(cluster="prod", name="b1", selection=Selection.from_params(selection), **more)


def run(
    cluster: FakeCluster, location: MemoryLocation, progress: Progress | None = None, **selection: t.Any
) -> BackupResult:
    progress = progress or Progress()
    return capture(cluster.connection(progress), location, options(selection), progress)


def contents(location: MemoryLocation) -> dict[str, dict[str, t.Any]]:
    """Resource -> key -> object, read back from the archive."""
    record = catalog.read_backup(location, "prod", "b1")
    found: dict[str, dict[str, t.Any]] = {}
    with contextlib.closing(BackupReader.open(location, record, progress=Progress())) as reader:
        for kind in reader.kinds:
            for entry, body in reader.objects(kind):
                name = f"{entry.namespace}/{entry.name}" if entry.namespace else entry.name
                found.setdefault(kind.resource, {})[name] = json.loads(body)
    return found


def names(location: MemoryLocation) -> dict[str, list[str]]:
    return {resource: list(objects) for resource, objects in contents(location).items()}


def manifest(location: MemoryLocation) -> Manifest:
    return catalog.read_manifest(location, catalog.read_backup(location, "prod", "b1"))


def sidecar(location: MemoryLocation, key: str) -> t.Any:
    return json.loads(gzip.decompress(location.objects[key]))


def nothing_is_left(location: MemoryLocation) -> bool:
    return not location.objects and not location.pending


def test_everything_is_captured(cluster: FakeCluster, location: MemoryLocation) -> None:
    result = run(cluster, location)
    found = contents(location)
    expected = {kind.resource: cluster.state(kind) for kind in cluster.kinds}
    assert {r: len(o) for r, o in found.items()} == {r: len(o) for r, o in expected.items() if o}
    for kind in cluster.kinds:
        for key, document in expected[kind.resource].items():
            body = found[kind.resource][key.decode()]
            assert body == {"apiVersion": kind.api_version, "kind": kind.kind, **document}
    assert result.phase == "Completed"
    assert result.objects == sum(map(len, expected.values()))
    assert result.counts["configmaps"] == 9
    assert result.consistency == {}
    assert result.incomplete == {}
    assert json.loads(json.dumps(result.as_dict()))["phase"] == "Completed"
    record = manifest(location)
    assert {kind.consistency for kind in record.kinds} == {"pinned"}
    assert {kind.revision for kind in record.kinds} == {result.revision}
    assert sum(kind.count for kind in record.kinds) == result.objects == record.objects
    assert "configmaps: 9 objects" in gzip.decompress(location.objects[PATHS.logs]).decode()


def test_claims_without_data_are_listed_and_warned_of_once(cluster: FakeCluster, location: MemoryLocation) -> None:
    result = run(cluster, location)
    assert result.claims_without_data == 3
    assert [warning for warning in result.warnings if "claims" in warning] == result.warnings
    rows = sidecar(location, PATHS.volume_info)
    assert [(row["pvcNamespace"], row["pvName"], row["pvInfo"]["reclaimPolicy"]) for row in rows] == [
        ("blog", "pv-blog", "Delete"),
        ("blog-x", "pv-blog-x", "Delete"),
        ("shop", "pv-shop", "Delete"),
    ]
    assert manifest(location).claims_without_data == ["blog/data", "blog-x/data", "shop/data"]


def test_a_namespace_brings_what_it_is_tied_to(cluster: FakeCluster, location: MemoryLocation) -> None:
    run(cluster, location, included_namespaces=["shop"])
    found = names(location)
    assert found["namespaces"] == ["shop"]
    assert found["configmaps"] == ["shop/settings-0", "shop/settings-1", "shop/settings-2"]
    assert found["persistentvolumes"] == ["pv-shop"]
    assert found["clusterrolebindings.rbac.authorization.k8s.io"] == ["binds-shop"]
    assert found["clusterroles.rbac.authorization.k8s.io"] == ["role-shop"]
    assert found["customresourcedefinitions.apiextensions.k8s.io"] == ["widgets.example.com"]


def test_an_aggregated_role_comes_with_its_parts(cluster: FakeCluster, location: MemoryLocation) -> None:
    rule = {"clusterRoleSelectors": [{"matchLabels": {"to": "role-shop"}}]}
    cluster.add(fake.CLUSTER_ROLES, "role-shop", aggregationRule=rule)
    cluster.add(fake.CLUSTER_ROLES, "a-part", labels={"to": "role-shop"})
    cluster.add(fake.CLUSTER_ROLES, "of-another", labels={"to": "role-blog"})
    run(cluster, location, included_namespaces=["shop"])
    assert names(location)["clusterroles.rbac.authorization.k8s.io"] == ["a-part", "role-shop"]


@pytest.mark.parametrize(("mode", "roles"), [("always", 3), ("never", 0)])
def test_cluster_scoped_objects_on_demand(
    cluster: FakeCluster, location: MemoryLocation, mode: str, roles: int
) -> None:
    run(cluster, location, included_namespaces=["shop"], include_cluster_resources=mode)
    found = names(location)
    assert len(found.get("clusterroles.rbac.authorization.k8s.io", [])) == roles
    assert len(found.get("persistentvolumes", [])) == roles
    assert found["namespaces"] == ["shop"]


@pytest.mark.parametrize(
    ("more", "pulled"),
    [
        ({}, True),
        ({"included_namespaces": ["shop"]}, True),
        ({"excluded_resources": ["customresourcedefinitions"]}, False),
        ({"include_cluster_resources": "never"}, False),
    ],
)
def test_a_custom_resource_comes_with_its_definition(
    cluster: FakeCluster, location: MemoryLocation, more: dict[str, t.Any], pulled: bool
) -> None:
    cluster.put_definition(Kind("example.com", "v1", "others", "Other", True, fake.VERBS))
    cluster.kinds.append(Kind("example.com", "v1", "others", "Other", True, fake.VERBS))
    run(cluster, location, included_resources=["widgets"], **more)
    expected = {"widgets.example.com": ["shop/w"]}
    if pulled:
        expected["customresourcedefinitions.apiextensions.k8s.io"] = ["widgets.example.com"]
    assert names(location) == expected


def test_patterns_and_excludes(cluster: FakeCluster, location: MemoryLocation) -> None:
    run(cluster, location, included_namespaces=["blog*"], excluded_namespaces=["blog"], excluded_resources=["Secret"])
    found = names(location)
    assert found["namespaces"] == ["blog-x"]
    assert found["pods"] == ["blog-x/web"]
    assert "secrets" not in found


def test_what_velero_leaves_out(cluster: FakeCluster, location: MemoryLocation) -> None:
    cluster.add(fake.CONFIGMAPS, "no-backup", "shop", {EXCLUDE_LABEL: "true"})
    cluster.add(fake.CONFIGMAPS, "wanted", "shop", {EXCLUDE_LABEL: "false"})
    ending = {"name": "ending", "namespace": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    cluster.put(fake.CONFIGMAPS, {"metadata": ending})
    cluster.add(fake.NAMESPACES, "private", labels={EXCLUDE_LABEL: "true"})
    cluster.add(fake.CONFIGMAPS, "x", "private")
    cluster.add(fake.NAMESPACES, "going", status={"phase": "Terminating"})
    cluster.add(fake.CONFIGMAPS, "x", "going")
    result = run(cluster, location)
    found = names(location)
    assert [name for name in found["configmaps"] if "settings" not in name] == ["shop/wanted"]
    assert found["namespaces"] == ["blog", "blog-x", "kube-system", "shop"]
    assert result.phase == "Completed"
    assert any("going is being deleted" in warning for warning in result.warnings)


def test_labels_select_and_their_pods_claims_come_along(cluster: FakeCluster, location: MemoryLocation) -> None:
    result = run(cluster, location, label_selector="app=shop")
    found = names(location)
    assert found["configmaps"] == ["shop/settings-0", "shop/settings-1", "shop/settings-2"]
    assert found["pods"] == ["shop/web"]
    assert found["persistentvolumeclaims"] == ["shop/data"]
    assert found["persistentvolumes"] == ["pv-shop"]
    assert found["namespaces"] == ["shop"]
    assert "serviceaccounts" not in found
    assert "clusterroles.rbac.authorization.k8s.io" not in found
    assert result.phase == "Completed"


def test_labels_select_cluster_scoped_objects_and_claims_for_themselves(
    cluster: FakeCluster, location: MemoryLocation
) -> None:
    cluster.add(fake.CLUSTER_ROLES, "labelled", labels={"app": "roles"})
    cluster.add(fake.CLAIMS, "labelled", "blog", {"app": "roles"}, spec={})
    run(cluster, location, label_selector="app=roles")
    assert names(location) == {
        "clusterroles.rbac.authorization.k8s.io": ["labelled"],
        "namespaces": ["blog"],
        "persistentvolumeclaims": ["blog/labelled"],
    }


def test_one_of_several_selectors(
    cluster: FakeCluster, location: MemoryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "PAGE_BYTES", 4000)
    run(
        cluster,
        location,
        included_resources=["configmaps"],
        or_label_selectors=["n=1", "app=blog", "n in (1,2),app=shop"],
    )
    assert names(location)["configmaps"] == [
        "blog-x/settings-1",
        *(f"blog/settings-{number}" for number in range(3)),
        "shop/settings-1",
        "shop/settings-2",
    ]


def test_many_pages_and_one_namespace_of_many(
    cluster: FakeCluster, location: MemoryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1200):
        cluster.add(fake.CONFIGMAPS, f"many-{number:04}", "blog")
    monkeypatch.setattr(lists, "PAGE_BYTES", 100_000)
    progress = Progress()
    connection = cluster.connection(progress)
    capture(connection, location, options({"included_namespaces": ["blog"]}), progress)
    assert len(names(location)["configmaps"]) == 1203
    paths = {path for _method, path, query in t.cast("t.Any", connection).log if query.get("limit") != "1"}
    assert "/api/v1/namespaces/blog/configmaps" in paths
    assert "/api/v1/configmaps" not in paths


def test_a_kind_that_was_empty_when_it_was_probed_is_listed_if_the_pin_is_later(
    cluster: FakeCluster, location: MemoryLocation
) -> None:
    others = Kind("example.com", "v1", "others", "Other", True, fake.VERBS)
    cluster.define(others)
    readings: list[str] = []

    def hook(_method: str, path: str, query: dict[str, str]) -> None:
        if path == "/api/v1/namespaces" and query == {"limit": "1"}:
            readings.append(path)
            if len(readings) == 3:  # the first reading of the pin, the probe of namespaces, the second reading
                cluster.add(others, "new", "shop")

    cluster.hook = hook
    result = run(cluster, location)
    assert len(readings) == 3
    assert names(location)["others.example.com"] == ["shop/new"]
    assert result.consistency == {}


def test_events_of_another_store_have_a_revision_of_their_own(cluster: FakeCluster, location: MemoryLocation) -> None:
    cluster.elsewhere["events"] = 5000
    result = run(cluster, location)
    assert result.consistency == {"per-kind": ["events"]}
    (record,) = [kind for kind in manifest(location).kinds if kind.plural == "events"]
    assert int(record.revision) > 5000
    assert result.phase == "Completed"


def test_a_store_behind_the_pin_whose_probe_looked_like_it(
    cluster: FakeCluster, location: MemoryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_TOO_LARGE_REVISION_SECONDS", 0.0)

    def fall_behind() -> None:
        cluster.elsewhere["events"] = -50

    cluster.hook = on_list("events", 1, fall_behind)
    result = run(cluster, location)
    assert result.consistency == {"per-kind": ["events"]}
    assert len(names(location)["events"]) == 3


def test_a_busy_cluster_is_still_of_one_instant(cluster: FakeCluster, location: MemoryLocation) -> None:
    count = iter(range(10_000))

    def hook(_method: str, _path: str, _query: dict[str, str]) -> None:
        cluster.add(fake.CONFIGMAPS, "busy", "shop", {"count": str(next(count))})

    cluster.hook = hook
    result = run(cluster, location)
    assert result.consistency == {}
    assert {kind.revision for kind in manifest(location).kinds} == {result.revision}


def test_an_api_that_is_broken_costs_its_kind(cluster: FakeCluster, location: MemoryLocation) -> None:
    def hook(_method: str, path: str, query: dict[str, str]) -> None:
        if path.endswith("/widgets"):
            raise StowageError("cluster_api_error", "The list of widgets is not what the API promises.")

    cluster.hook = hook
    result = run(cluster, location)
    assert result.phase == "PartiallyFailed"
    assert list(result.incomplete) == ["widgets.example.com"]
    assert len(names(location)["configmaps"]) == 9


def test_a_group_that_cannot_be_seen(cluster: FakeCluster, location: MemoryLocation) -> None:
    cluster.stale = {"metrics.k8s.io": "v1beta1"}
    assert run(cluster, location).phase == "Completed"
    location.objects.clear()
    cluster.stale["orders.example.com"] = "v1"
    result = run(cluster, location)
    assert result.phase == "PartiallyFailed"
    assert "orders.example.com/v1" in result.errors[0]
    assert sidecar(location, PATHS.results)["errors"]["velero"] == result.errors
    assert [group.group for group in manifest(location).groups_failed] == ["metrics.k8s.io", "orders.example.com"]
    location.objects.clear()
    progress = Progress()
    ignoring = options({}, ignored_api_groups=frozenset({"orders.example.com"}))
    assert capture(cluster.connection(progress), location, ignoring, progress).phase == "Completed"


def test_missing_permissions_are_named_in_one_go_before_anything_is_written(
    cluster: FakeCluster, location: MemoryLocation
) -> None:
    refused = {"secrets", "widgets.example.com", "clusterroles.rbac.authorization.k8s.io"}
    cluster.allows = lambda _verb, resource, _namespace: resource not in refused
    with pytest.raises(StowageError) as caught:
        run(cluster, location)
    assert caught.value.code == "cluster_forbidden"
    named = {f"{n['resource']}.{n['group']}".strip(".") for n in caught.value.details["missing"]}
    assert named == refused
    assert not location.log
    with pytest.raises(StowageError, match="secrets"):
        plan_capture(cluster.connection(), options({}), Progress())
    wanted = [*refused, *(["customresourcedefinitions"])]
    assert run(cluster, location, excluded_resources=wanted).phase == "Completed"


def namespaced_account(verb: str, resource: str, namespace: str) -> bool:
    """May do everything in ``shop``, and read what identifies a cluster."""
    return namespace == "shop" or (verb, resource, namespace) == ("get", "namespaces", "kube-system")


def test_an_account_of_one_namespace(cluster: FakeCluster, location: MemoryLocation) -> None:
    cluster.allows = namespaced_account
    result = run(cluster, location, included_namespaces=["shop"], include_cluster_resources="never")
    assert result.phase == "Completed", result.errors
    found = names(location)
    assert found["namespaces"] == ["shop"]
    assert found["widgets.example.com"] == ["shop/w"]
    assert found["configmaps"] == [f"shop/settings-{number}" for number in range(3)]


def test_what_such_an_account_cannot_see_is_an_error(cluster: FakeCluster, location: MemoryLocation) -> None:
    cluster.allows = namespaced_account
    result = run(cluster, location, included_namespaces=["shop"])
    assert result.phase == "PartiallyFailed"
    assert set(result.incomplete) == {
        "clusterrolebindings.rbac.authorization.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "persistentvolumes",
    }


@pytest.mark.parametrize("included", [[], ["sh*"], ["shop", "blog"]])
def test_such_an_account_needs_namespaces_by_name(
    cluster: FakeCluster, location: MemoryLocation, included: list[str]
) -> None:
    cluster.allows = namespaced_account
    with pytest.raises(StowageError) as caught:
        run(cluster, location, included_namespaces=included, include_cluster_resources="never")
    assert caught.value.code == "cluster_forbidden"
    assert not location.log


def test_a_definition_that_may_not_be_read_is_an_error_only_where_it_is_needed(
    cluster: FakeCluster, location: MemoryLocation
) -> None:
    cluster.allows = lambda _verb, resource, _namespace: not resource.startswith("customresourcedefinitions")
    assert run(cluster, location, included_resources=["pods"]).phase == "Completed"
    location.objects.clear()
    result = run(cluster, location, included_resources=["widgets"])
    assert list(result.incomplete) == ["customresourcedefinitions.apiextensions.k8s.io"]
    assert names(location) == {"widgets.example.com": ["shop/w"]}


def test_a_namespace_that_does_not_exist_is_an_error(cluster: FakeCluster, location: MemoryLocation) -> None:
    result = run(cluster, location, included_namespaces=["shop", "gone"])
    assert result.phase == "PartiallyFailed"
    assert any("gone" in error for error in result.errors)
    assert names(location)["namespaces"] == ["shop"]


def test_a_resource_that_does_not_exist_is_a_warning_and_nothing_at_all_an_error(
    cluster: FakeCluster, location: MemoryLocation
) -> None:
    with pytest.raises(StowageError, match="no resource") as caught:
        run(cluster, location, included_resources=["gadgets"])
    assert caught.value.code == "invalid_option"
    assert not location.log
    result = run(cluster, location, included_resources=["gadgets", "pods"])
    assert result.phase == "Completed"
    assert any("gadgets" in warning for warning in result.warnings)


def on_list(resource: str, number: int, action: t.Callable[[], object]) -> t.Callable[[str, str, dict[str, str]], None]:
    """A hook that does something before the n-th page of a resource."""
    count = iter(range(1, 10_000))
    lock = threading.Lock()

    def hook(_method: str, path: str, query: dict[str, str]) -> None:
        if path.endswith(f"/{resource}") and query.get("limit") != "1":
            with lock:
                if next(count) == number:
                    action()

    return hook


def fill(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several pages of Secrets."""
    monkeypatch.setattr(lists, "PAGE_BYTES", 40_000)
    for number in range(300):
        cluster.add(fake.SECRETS, f"many-{number:04}", "shop")


def test_one_compaction_starts_over(
    cluster: FakeCluster, location: MemoryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cluster, monkeypatch)

    def happen() -> None:
        cluster.add(fake.SECRETS, "new", "shop")
        cluster.compact()

    cluster.hook = on_list("secrets", 2, happen)
    result = run(cluster, location)
    assert result.started_over
    assert result.phase == "Completed"
    assert result.consistency == {}
    assert len(names(location)["secrets"]) == 304
    assert not location.pending


def test_a_second_compaction_keeps_what_is_there(
    cluster: FakeCluster, location: MemoryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cluster, monkeypatch)
    pages: list[str] = []

    def hook(_method: str, path: str, query: dict[str, str]) -> None:
        if path == "/api/v1/secrets" and "continue" in query:
            pages.append(path)
            if len(pages) in (1, 3):
                cluster.remove(fake.SECRETS, "many-0299", "shop") if len(pages) == 3 else None
                cluster.add(fake.SECRETS, f"zz-{len(pages)}", "shop")
                cluster.compact()

    cluster.hook = hook
    result = run(cluster, location)
    assert result.phase == "Completed"
    assert result.consistency["inconsistent"] == ["secrets"]
    assert any("more than one revision" in warning for warning in result.warnings)
    found = names(location)
    assert "shop/zz-3" in found["secrets"]
    assert "shop/many-0299" not in found["secrets"]
    assert found["secrets"] == sorted(set(found["secrets"]), key=str.encode)
    pinned = [kind.plural for kind in manifest(location).kinds if kind.consistency == "pinned"]
    assert "configmaps" in pinned


def test_a_kind_that_fails_half_way_costs_that_kind(
    cluster: FakeCluster, location: MemoryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cluster, monkeypatch)

    def forbid() -> None:
        cluster.allows = lambda _verb, resource, _namespace: resource != "secrets"

    cluster.hook = on_list("secrets", 3, forbid)
    result = run(cluster, location)
    assert result.phase == "PartiallyFailed"
    assert list(result.incomplete) == ["secrets"]
    found = names(location)
    assert 0 < len(found["secrets"]) < 300
    assert len(found["configmaps"]) == 9


def raising(code: str) -> t.Callable[[], None]:
    def action() -> None:
        raise StowageError(code, "It happened.", "Do something.")

    return action


@pytest.mark.parametrize("code", ["cluster_unauthorized", "cluster_unreachable"])
def test_a_credential_that_expires_half_way_leaves_nothing(
    cluster: FakeCluster, location: MemoryLocation, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    fill(cluster, monkeypatch)
    gone: list[str] = []

    def hook(method: str, path: str, query: dict[str, str]) -> None:
        if gone or (path.endswith("/secrets") and query.get("continue")):
            gone.append(path)
            raising(code)()

    cluster.hook = hook
    with pytest.raises(StowageError) as caught:
        run(cluster, location)
    assert caught.value.code == code
    assert caught.value.details["leftovers"] == []
    assert nothing_is_left(location)


def test_a_stop_half_way_leaves_nothing(
    cluster: FakeCluster, location: MemoryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cluster, monkeypatch)
    progress = Progress()
    cluster.hook = on_list("secrets", 2, lambda: progress.stop("a test wants it"))
    with pytest.raises(StowageError) as caught:
        run(cluster, location, progress)
    assert caught.value.code == "interrupted"
    assert nothing_is_left(location)


@pytest.mark.parametrize("operation", ["write", "commit", "create"])
def test_a_full_store_leaves_nothing(cluster: FakeCluster, location: MemoryLocation, operation: str) -> None:
    def fault(what: str, key: str) -> None:
        if what == operation and key != PATHS.reservation:
            raise StowageError("quota", "The store is full.", "Make room.")

    location.fault = fault
    with pytest.raises(StowageError) as caught:
        run(cluster, location)
    assert caught.value.code == "quota"
    assert nothing_is_left(location)


def test_what_may_not_be_deleted_is_named(cluster: FakeCluster, location: MemoryLocation) -> None:
    def fault(what: str, key: str) -> None:
        if what == "delete":
            raise StowageError("permission_denied", "No.")
        if what == "create" and key == PATHS.manifest:
            raise StowageError("quota", "The store is full.", "Make room.")

    location.fault = fault
    with pytest.raises(StowageError) as caught:
        run(cluster, location)
    assert PATHS.reservation in caught.value.details["leftovers"]
    assert "state: absent" in caught.value.hint
    assert PATHS.velero_backup not in location.objects


def test_a_lost_answer_to_the_commit_is_success(cluster: FakeCluster, location: MemoryLocation) -> None:
    location.lost.add(PATHS.velero_backup)
    assert run(cluster, location).phase == "Completed"
    assert contents(location)


def test_nothing_is_cleaned_up_while_the_outcome_is_unknown(cluster: FakeCluster, location: MemoryLocation) -> None:
    progress = Progress()

    def fault(what: str, key: str) -> None:
        if (what, key) == ("create", PATHS.velero_backup):
            progress.stop("a test wants it")
            raise StowageError("interrupted", "The request was broken off.")

    location.fault = fault
    with pytest.raises(StowageError):
        run(cluster, location, progress)
    assert "delete" not in location.calls
    assert PATHS.tarball in location.objects


def test_two_captures_of_one_name_make_one_backup(cluster: FakeCluster, location: MemoryLocation) -> None:
    def one(_number: int) -> str:
        try:
            return run(cluster, location).phase
        except StowageError as error:
            return error.code

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(one, range(4)))
    assert outcomes[0] == "Completed"
    assert set(outcomes[1:]) <= {"backup_exists", "backup_in_progress"}
    assert contents(location)


def test_a_definition_that_discovery_had_not_seen(
    cluster: FakeCluster, location: MemoryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt_file, "_PAUSE", 0.0)
    gadgets = Kind("example.com", "v1", "gadgets", "Gadget", True, fake.VERBS)
    asked: list[str] = []

    def hook(_method: str, path: str, _query: dict[str, str]) -> None:
        if path == "/apis":
            asked.append(path)
            if len(asked) == 3:
                cluster.kinds.append(gadgets)

    cluster.put_definition(gadgets)
    cluster.add(gadgets, "g", "shop")
    cluster.hook = hook
    result = run(cluster, location)
    assert names(location)["gadgets.example.com"] == ["shop/g"]
    assert result.phase == "Completed"
    assert result.consistency == {}


def test_a_definition_that_is_never_served_is_an_error(
    cluster: FakeCluster, location: MemoryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt_file, "_PAUSE", 0.0)
    gadgets = Kind("example.com", "v1", "gadgets", "Gadget", True, fake.VERBS)
    cluster.put_definition(gadgets)
    result = run(cluster, location)
    assert result.phase == "PartiallyFailed"
    assert "gadgets.example.com" in result.errors[0]
    location.objects.clear()
    assert run(cluster, location, excluded_resources=["gadgets.example.com"]).phase == "Completed"


def test_a_definition_that_is_being_deleted_is_not_waited_for(cluster: FakeCluster, location: MemoryLocation) -> None:
    gadgets = Kind("example.com", "v1", "gadgets", "Gadget", True, fake.VERBS)
    cluster.put_definition(gadgets)
    definition = cluster.state(fake.CRDS)[b"gadgets.example.com"]
    cluster.put(
        fake.CRDS,
        {**definition, "metadata": {"name": gadgets.resource, "deletionTimestamp": "2026-01-01T00:00:00Z"}},
    )
    assert run(cluster, location).phase == "Completed"


def test_a_definition_that_is_not_established_is_not_waited_for(cluster: FakeCluster, location: MemoryLocation) -> None:
    spec = {"group": "example.com", "names": {"plural": "gadgets"}, "versions": [{"name": "v1", "served": True}]}
    cluster.add(fake.CRDS, "gadgets.example.com", spec=spec, status={"conditions": []})
    assert run(cluster, location).phase == "Completed"


def test_an_api_without_order_is_sorted(cluster: FakeCluster, location: MemoryLocation) -> None:
    cluster.elsewhere["widgets.example.com"] = 10_000
    cluster.add(fake.WIDGETS, "a", "shop")
    state = cluster.state

    def backwards(of: Kind, at: int | None = None) -> dict[bytes, t.Any]:
        found = state(of, at)
        return dict(reversed(found.items())) if of == fake.WIDGETS else found

    cluster.state = backwards  # type: ignore[method-assign]  # the fake misbehaves
    run(cluster, location, included_resources=["widgets"])
    assert names(location)["widgets.example.com"] == ["shop/a", "shop/w"]


def test_names_that_velero_cannot_restore_are_said(cluster: FakeCluster, location: MemoryLocation) -> None:
    cluster.add(fake.CONFIGMAPS, "x" * 252, "shop")
    result = run(cluster, location)
    assert any("Velero cannot restore" in warning for warning in result.warnings)
    assert manifest(location).long_names == ["configmaps/shop/" + "x" * 252]
    assert result.counts["configmaps"] == 10


def test_a_capture_past_its_deadline_gives_up(cluster: FakeCluster, location: MemoryLocation) -> None:
    progress = Progress()
    late = options({}, deadline=datetime.timedelta(0))
    with pytest.raises(StowageError) as caught:
        capture(cluster.connection(progress), location, late, progress)
    assert caught.value.code == "timeout"
    assert nothing_is_left(location)


def test_a_plan_writes_nothing_and_agrees_with_the_capture(cluster: FakeCluster, location: MemoryLocation) -> None:
    cluster.stale = {"orders.example.com": "v1"}
    progress = Progress()
    connection = cluster.connection(progress)
    plan = plan_capture(connection, options({}), progress)
    methods = {(method, path) for method, path, _query in t.cast("t.Any", connection).log if method != "GET"}
    assert not methods
    result = run(cluster, location)
    assert plan.planned
    assert plan.phase == result.phase == "PartiallyFailed"
    assert plan.fingerprint == result.fingerprint
    assert plan.cluster_uid == result.cluster_uid == "the-uid"
    assert plan.objects == result.objects
    assert plan.errors == result.errors
    assert json.loads(json.dumps(plan.as_dict())) == plan.as_dict()


def test_a_plan_counts_in_named_namespaces_and_misses_those_that_are_not_there(
    cluster: FakeCluster, location: MemoryLocation
) -> None:
    selection: dict[str, t.Any] = {"included_namespaces": ["shop", "gone"], "include_cluster_resources": "never"}
    plan = plan_capture(cluster.connection(), options(selection), Progress())
    result = run(cluster, location, **selection)
    assert plan.phase == result.phase == "PartiallyFailed"
    assert plan.errors == result.errors
    assert {**plan.counts, "namespaces": 1} == result.counts


def test_progress_is_told(cluster: FakeCluster, location: MemoryLocation) -> None:
    told: list[tuple[str, str, int, int | None, int]] = []

    class Listening(Progress):
        def report(
            self, step: str, detail: str = "", *, objects: int = 0, total: int | None = None, size: int = 0
        ) -> None:
            told.append((step, detail, objects, total, size))

    result = run(cluster, location, Listening())
    assert {step for step, *_rest in told} == {"capture"}
    assert told[-1][2] == told[-1][3] == result.objects
    assert told[-1][4] == result.raw_size
