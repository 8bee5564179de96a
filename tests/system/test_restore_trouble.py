# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores that meet trouble: a busy server, lost answers, a stop, missing permissions, a location that refuses."""

from __future__ import annotations

import gzip
import json
import pathlib
import threading
import time
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import discover
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import pages
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from support import archives, restores
from support.restores import Bench, Between, fates, in_namespace, line_of
from testbed.process import wait_until

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
    from testbed import Api, Cluster

Tree = dict[str, t.Any]


@pytest.fixture
def bench(cluster: t.Callable[[str], Cluster], tmp_path: pathlib.Path) -> Bench:
    return Bench(cluster("restore"), tmp_path)


def namespace(api: Api, name: str) -> str:
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def remove_namespace(api: Api, name: str) -> None:
    api.delete("v1", "Namespace", name)
    wait_until(lambda: api.find("v1", "Namespace", name) is None, seconds=60, what=f"namespace {name} is gone")


def config_map(space: str, name: str) -> Tree:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": space},
        "data": {"a": name},
    }


def lost(bench: Bench, space: str, count: int) -> BackupRecord:
    """A backup of a namespace with some ConfigMaps, which is gone."""
    api = bench.cluster.api
    namespace(api, space)
    for number in range(count):
        api.create(config_map(space, f"c{number:03}"))
    record = bench.backup(in_namespace(space))
    remove_namespace(api, space)
    return record


def names(api: Api, space: str) -> set[str]:
    found = api.list("v1", "ConfigMap", space)
    items = found
    return {one["metadata"]["name"] for one in items if one["metadata"]["name"].startswith("c")}


def too_many(path: str) -> ApiStatusError:
    return ApiStatusError(f"POST {path}: 429", status=429, reason="TooManyRequests", retry_after=0.05)


class Throttle:
    """Answers 429 whenever more than ``most`` creations are in flight."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.refused = 0
        self.peak = 0
        self._active = 0
        self._lock = threading.Lock()

    def __call__(self, method: str, path: str, send: t.Callable[[], t.Any]) -> t.Any:
        if method != "POST" or "/configmaps" not in path:
            return send()
        with self._lock:
            if self._active >= self.most:
                self.refused += 1
                raise too_many(path)
            self._active += 1
            self.peak = max(self.peak, self._active)
        try:
            return send()
        finally:
            with self._lock:
                self._active -= 1


def test_a_server_that_asks_for_less_gets_less_and_everything_comes_back(bench: Bench) -> None:
    record = lost(bench, "throttled", 120)
    throttle = Throttle(2)
    done = bench.restore(record, connection=Between(bench.connection, throttle))
    assert done.phase == "Completed", done
    assert names(bench.cluster.api, "throttled") == {f"c{number:03}" for number in range(120)}
    assert throttle.refused > 0
    assert throttle.refused < 120, "it went on at full rate"


def test_answers_that_are_lost_are_not_taken_for_somebody_else_s_objects(bench: Bench) -> None:
    record = lost(bench, "lost-answers", 20)
    seen: set[str] = set()
    count = iter(range(1000))

    def lose(method: str, path: str, send: t.Callable[[], t.Any]) -> t.Any:
        answer = send()
        if method == "POST" and "/configmaps" in path and next(count) % 4 == 0:
            seen.add(path)
            raise StowageError("cluster_unreachable", "The connection was lost.")
        return answer

    done = bench.restore(record, connection=Between(bench.connection, lose))
    assert done.phase == "Completed", done
    assert seen
    made = {key: action for key, action in fates(done, "configmaps").items() if "/c" in key}
    assert set(made.values()) == {"created"}
    assert len(made) == 20


def test_passing_errors_are_waited_out(bench: Bench) -> None:
    record = lost(bench, "passing", 10)
    failures = {503: 3, 504: 1, 500: 2}

    def fail(method: str, path: str, send: t.Callable[[], t.Any]) -> t.Any:
        if method == "POST" and "/configmaps" in path:
            for status, left in failures.items():
                if left:
                    failures[status] -= 1
                    raise ApiStatusError(f"{method} {path}: {status}", status=status, reason="Passing")
        return send()

    done = bench.restore(record, connection=Between(bench.connection, fail))
    assert done.phase == "Completed", done
    assert not any(failures.values())


def test_an_object_that_a_webhook_refuses_for_now_is_tried_again_and_what_it_owns_too(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "webhook")
    owner = api.create(config_map(space, "c-owner"))
    owned = config_map(space, "c-owned")
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "c-owner", "uid": owner["metadata"]["uid"]}
    ]
    api.create(owned)
    record = bench.backup(in_namespace(space))
    remove_namespace(api, space)
    refusals = iter([True, True])

    def call(method: str, path: str, send: t.Callable[[], t.Any]) -> t.Any:
        if method == "POST" and "/configmaps" in path and next(refusals, False):
            message = "failed calling webhook: connection refused"
            raise ApiStatusError(message, status=500, reason="InternalError")
        return send()

    done = bench.restore(record, connection=Between(bench.connection, call))
    assert done.phase == "Completed", done
    assert next(refusals, False) is False
    uid = api.get("v1", "ConfigMap", "c-owner", space)["metadata"]["uid"]
    assert api.get("v1", "ConfigMap", "c-owned", space)["metadata"]["ownerReferences"][0]["uid"] == uid


def test_a_stop_ends_it_soon_and_says_what_was_done(bench: Bench) -> None:
    record = lost(bench, "stopped", 150)
    progress = Progress()
    count = iter(range(1000))
    after: list[float] = []
    stopped_at: list[float] = []

    def stop(method: str, path: str, send: t.Callable[[], t.Any]) -> t.Any:
        if stopped_at:
            after.append(time.monotonic())
        answer = send()
        if method == "POST" and "/configmaps" in path and next(count) == 40:
            stopped_at.append(time.monotonic())
            progress.stop("a test")
        return answer

    done = bench.restore(record, connection=Between(bench.connection, stop), progress=progress)
    assert done.phase == "PartiallyFailed"
    assert done.error["error_code"] == "interrupted"
    assert time.monotonic() - stopped_at[0] < 3
    reported = [line for line in restores.report(done) if line["action"] == "created" and line["name"].startswith("c0")]
    assert {line["name"] for line in reported} <= names(bench.cluster.api, "stopped")
    assert len(names(bench.cluster.api, "stopped")) < 150
    assert len(after) <= 8, "requests were begun after the stop"
    whole = bench.restore(record)
    assert whole.phase == "Completed"
    assert len(names(bench.cluster.api, "stopped")) == 150


def test_a_cluster_that_stays_away_ends_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import apply

    monkeypatch.setattr(apply, "_OUTAGE_SECONDS", 0.3)
    record = lost(bench, "away", 30)
    count = iter(range(1000))

    def away(method: str, path: str, send: t.Callable[[], t.Any]) -> t.Any:
        if method == "POST" and "/configmaps" in path and next(count) >= 10:
            raise StowageError("cluster_unreachable", "Nobody answers.")
        return send()

    done = bench.restore(record, connection=Between(bench.connection, away))
    assert done.phase == "PartiallyFailed"
    assert done.error["error_code"] == "cluster_unreachable"
    assert 10 <= len(names(bench.cluster.api, "away")) < 30


def account(bench: Bench, name: str, rules: list[Tree]) -> pathlib.Path:
    """A kubeconfig of a service account that has these rules in the whole cluster."""
    api, rbac = bench.cluster.api, "rbac.authorization.k8s.io"
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}})
    api.create({"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
    api.create(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
        }
    )
    return bench.cluster.kubeconfig_for_token(bench.cluster.token_for("default", name), name)


def test_missing_permissions_are_named_in_one_go_before_anything_is_written(bench: Bench) -> None:
    record = lost(bench, "forbidden", 2)
    see = {"apiGroups": [""], "resources": ["namespaces", "configmaps", "serviceaccounts"], "verbs": ["get", "list"]}
    connection = bench.connect(account(bench, "restore-sees", [see]))
    with pytest.raises(StowageError) as caught:
        bench.restore(record, connection=connection)
    assert caught.value.code == "cluster_forbidden"
    for words in ("create configmaps", "create namespaces", "update serviceaccounts"):
        assert words in caught.value.message
    assert bench.cluster.api.find("v1", "Namespace", "forbidden") is None
    assert not list(bench.location.list("clusters/east/restores/"))
    plan = bench.restore(record, connection=connection, check=True)
    assert plan.counts["created"] >= 3
    assert any("create configmaps" in warning for warning in plan.warnings)


def test_listing_goes_by_namespace_where_the_whole_cluster_is_forbidden(bench: Bench) -> None:
    api = bench.cluster.api
    record = lost(bench, "single", 3)
    namespace(api, "single")
    kubeconfig = account(bench, "restore-single", [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["*"]}])
    rbac = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["configmaps", "serviceaccounts"], "verbs": ["*"]}]
    api.create(
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "r", "namespace": "single"}, "rules": rules}
    )
    api.create(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "r", "namespace": "single"},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "restore-single", "namespace": "default"}],
        }
    )
    connection = bench.connect(kubeconfig)
    wait_until(lambda: _may(connection), seconds=60, what="the role is known")
    done = bench.restore(record, connection=connection)
    assert done.phase == "Completed", done
    assert len(names(api, "single")) == 3


def _may(connection: t.Any) -> bool:
    try:
        connection.request("GET", "/api/v1/namespaces/single/configmaps")
    except ApiStatusError:
        return False
    return True


def test_a_restore_s_name_is_used_once_and_its_files_are_velero_s(bench: Bench) -> None:
    record = lost(bench, "named", 2)
    done = bench.restore(record, name="again")
    assert done.phase == "Completed"
    with pytest.raises(StowageError) as caught:
        bench.restore(record, name="again")
    assert caught.value.code == "restore_exists"
    folder = pathlib.Path(bench.location.describe()) / "clusters/east/restores/again"
    assert sorted(path.name for path in folder.iterdir()) == [
        "restore-again-logs.gz",
        "restore-again-resource-list.json.gz",
        "restore-again-results.gz",
        "stowage-report.json.gz",
        "stowage-restore-result.json",
        "stowage-restore.json",
    ]
    resources = json.loads(gzip.decompress((folder / "restore-again-resource-list.json.gz").read_bytes()))
    assert resources["v1/Namespace"] == ["named(created)"]
    assert "named/c000(created)" in resources["v1/ConfigMap"]
    assert json.loads(gzip.decompress((folder / "restore-again-results.gz").read_bytes())) == {
        "warnings": {},
        "errors": {},
    }
    assert b"configmaps named/c001: created" in gzip.decompress((folder / "restore-again-logs.gz").read_bytes())
    assert json.loads((folder / "stowage-restore.json").read_text())["capture_id"] == record.capture_id
    ended = json.loads((folder / "stowage-restore-result.json").read_text())
    assert (ended["phase"], ended["counts"]) == ("Completed", done.counts)


def test_a_location_that_cannot_be_written_does_not_keep_anybody_from_restoring(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = lost(bench, "read-only", 2)

    def refuse(*_dummy: t.Any) -> t.Any:
        raise StowageError("permission_denied", "You may not write here.")

    monkeypatch.setattr(bench.location, "create", refuse)
    monkeypatch.setattr(bench.location, "writer", refuse)
    done = bench.restore(record)
    assert done.phase == "Completed"
    assert any("stays here" in warning for warning in done.warnings)
    path = pathlib.Path(done.report)
    assert path.is_relative_to(bench.path / "reports")
    assert path.stat().st_mode & 0o777 == 0o600
    assert line_of(done, "configmaps", "c000")["action"] == "created"


def test_a_backup_of_velero_s_is_restored(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "from-velero")
    api.create(config_map(space, "c-one"))
    wanted = in_namespace(space)
    found = [
        (kind, item)
        for kind in discover(bench.connection).chosen
        for page in pages(bench.connection, kind)
        for item in page.items
        if wanted(kind, item)
    ]
    paths = BackupPaths("east", "by-velero")
    archives.put_foreign(bench.location, archives.tarball(archives.velero_entries(found)), paths=paths)
    remove_namespace(api, space)
    record = catalog.read_backup(bench.location, "east", "by-velero")
    with pytest.raises(StowageError) as caught:
        bench.restore(record)
    assert caught.value.code == "other_cluster", "nothing says where it comes from"
    done = bench.restore(record, allow_other_cluster=True)
    assert done.phase == "Completed", done
    assert names(api, space) == {"c-one"}
    assert not bench.restore(record, allow_other_cluster=True).changed
