# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore does to objects that are new, equal or different, against a real API server."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from support import restores
from support.restores import Bench, fates, in_namespace, line_of
from testbed import ApiError
from testbed.process import wait_until

if t.TYPE_CHECKING:
    from testbed import Api, Cluster

Tree = dict[str, t.Any]


@pytest.fixture
def bench(cluster: t.Callable[[str], Cluster], tmp_path: pathlib.Path) -> Bench:
    """The cluster that these tests share; each has its own namespace."""
    return Bench(cluster("restore"), tmp_path)


def namespace(api: Api, name: str) -> str:
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": "a"}}})
    return name


def config_map(space: str, name: str, **data: str) -> Tree:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space}, "data": data}


def remove_namespace(api: Api, name: str) -> None:
    api.delete("v1", "Namespace", name)
    wait_until(lambda: api.find("v1", "Namespace", name) is None, seconds=60, what=f"namespace {name} is gone")


def test_a_lost_namespace_comes_back_and_a_second_restore_changes_nothing(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "lost")
    for number in range(30):
        api.create(config_map(space, f"c{number:02}", key=str(number)))
    record = bench.backup(in_namespace(space))
    remove_namespace(api, space)

    done = bench.restore(record)
    assert done.phase == "Completed", done
    assert done.counts["created"] == 31
    assert fates(done)["serviceaccounts/default"] == "unchanged"
    assert api.get("v1", "Namespace", space)["metadata"]["labels"]["team"] == "a"
    assert api.get("v1", "ConfigMap", "c07", space)["data"] == {"key": "7"}

    again = bench.restore(record)
    assert again.phase == "Completed"
    assert not again.changed
    assert set(fates(again).values()) <= {"unchanged", "skipped"}


def test_a_plan_writes_nothing_and_says_what_a_restore_then_does(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "planned")
    api.create(config_map(space, "same"))
    api.create(config_map(space, "other", key="old"))
    api.create(config_map(space, "gone"))
    record = bench.backup(in_namespace(space))
    api.delete("v1", "ConfigMap", "gone", space)
    api.merge_patch("v1", "ConfigMap", "other", {"data": {"key": "new"}}, namespace=space)

    mark = bench.cluster.audit.mark()
    before = {info.key for info in bench.location.list("")}
    plan = bench.restore(record, check=True, diff=True, existing_resource_policy="update")
    writes = {"create", "update", "patch", "delete", "deletecollection"}
    asked = [one for one in bench.cluster.audit.since(mark) if one.verb in writes and "stowage" in one.agent]
    assert {one.resource for one in asked} <= {"selfsubjectaccessreviews"}, asked
    assert {info.key for info in bench.location.list("")} == before
    assert fates(plan, "configmaps") == {
        "configmaps/gone": "created",
        "configmaps/other": "updated",
        "configmaps/same": "unchanged",
        "configmaps/kube-root-ca.crt": "skipped",
    }
    assert line_of(plan, "configmaps", "gone")["known"] == "local"
    assert plan.diff == [
        {"kind": "configmaps", "name": "gone", "namespace": space, "action": "created"},
        {"kind": "configmaps", "name": "other", "namespace": space, "action": "updated", "paths": ["data.key"]},
    ]
    done = bench.restore(record, existing_resource_policy="update")
    assert fates(done) == fates(plan)
    assert api.get("v1", "ConfigMap", "other", space)["data"] == {"key": "old"}
    assert not bench.restore(record, existing_resource_policy="update").changed


def test_a_plan_for_a_namespace_that_is_only_planned_is_an_assumption(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "assumed")
    api.create(config_map(space, "one"))
    record = bench.backup(in_namespace(space))
    remove_namespace(api, space)
    plan = bench.restore(record, check=True)
    assert line_of(plan, "namespaces", space)["known"] == "local"
    assert line_of(plan, "configmaps", "one")["known"] == "assumed"
    assert line_of(plan, "serviceaccounts", "default")["known"] == "assumed"
    assert api.find("v1", "Namespace", space) is None
    assert fates(bench.restore(record)) == fates(plan)


def test_what_exists_is_left_and_said_to_differ(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "left")
    api.create(config_map(space, "other", key="old"))
    api.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", "namespace": space},
            "stringData": {"k": "hidden-1"},
        }
    )
    record = bench.backup(in_namespace(space))
    api.merge_patch("v1", "ConfigMap", "other", {"data": {"key": "new"}}, namespace=space)
    api.merge_patch("v1", "Secret", "s", {"stringData": {"k": "hidden-2"}}, namespace=space)
    path = bench.path / "diff"
    done = bench.restore(record, diff=True, diff_path=str(path))
    assert done.phase == "Completed"
    assert not done.changed
    line = line_of(done, "configmaps", "other")
    assert (line["action"], line["paths"]) == ("differs", ["data.key"])
    assert "existing_resource_policy" in line["reason"]
    assert api.get("v1", "ConfigMap", "other", space)["data"] == {"key": "new"}
    text = path.read_text()
    assert '"archived": "old", "live": "new"' in text
    assert "data.k" in text
    assert path.stat().st_mode & 0o777 == 0o600
    for encoded in ("hidden", "aGlkZGVu"):
        assert encoded not in text + str(done.as_dict()) + str(restores.report(done))


def test_who_applied_an_object_can_apply_it_again_without_conflict(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "applied")
    applied = config_map(space, "applied", mine="1")
    api.apply(applied, field_manager="gitops")
    api.apply(config_map(space, "applied", theirs="1"), field_manager="other")
    api.create(config_map(space, "created", key="1"), field_manager="tool")
    before = api.get("v1", "ConfigMap", "applied", space)["metadata"]["managedFields"]
    record = bench.backup(in_namespace(space))
    remove_namespace(api, space)
    bench.restore(record)
    restored = api.get("v1", "ConfigMap", "applied", space)
    assert restored["metadata"]["managedFields"] == before
    managers = api.get("v1", "ConfigMap", "created", space)["metadata"]["managedFields"]
    assert [(one["manager"], one["operation"]) for one in managers] == [("tool", "Update")]
    api.apply({**applied, "data": {"mine": "2"}}, field_manager="gitops")
    with pytest.raises(ApiError, match="409"):
        api.apply(config_map(space, "applied", mine="3"), field_manager="other")

    # An update takes fields away from who applied them; that is put back as well.
    bench.restore(record, existing_resource_policy="update")
    updated = api.get("v1", "ConfigMap", "applied", space)
    assert updated["data"] == {"mine": "1", "theirs": "1"}
    assert {one["manager"] for one in updated["metadata"]["managedFields"]} == {"gitops", "other"}
    api.apply(applied, field_manager="gitops")


def test_an_update_keeps_what_servers_and_controllers_set(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "updated")
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": space}}
    api.create({**service, "spec": {"type": "NodePort", "selector": {"app": "a"}, "ports": ports}})
    record = bench.backup(in_namespace(space))
    api.delete("v1", "Service", "web", space)
    api.create({**service, "spec": {"type": "NodePort", "selector": {"app": "b"}, "ports": ports}})
    before = api.get("v1", "Service", "web", space)
    done = bench.restore(record, existing_resource_policy="update")
    line = line_of(done, "services", "web")
    assert (line["action"], line["paths"]) == ("updated", ["spec.selector.app"])
    after = api.get("v1", "Service", "web", space)
    assert after["spec"] == {**before["spec"], "selector": {"app": "a"}}
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


def test_defaults_that_only_the_server_knows_are_told_from_changes_by_a_dry_run(bench: Bench) -> None:
    """An archive of an older version lacks fields that this one fills in."""
    api, space = bench.cluster.api, namespace(bench.cluster.api, "defaults")
    for name in ("same", "labelled"):
        spec = {"selector": {"app": "a"}, "ports": [{"port": 80}]}
        api.create(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": space}, "spec": spec}
        )
    record = bench.backup(in_namespace(space))

    def older(body: bytes) -> bytes:
        tree = json.loads(body)
        if tree["kind"] == "Service":
            del tree["spec"]["internalTrafficPolicy"], tree["spec"]["sessionAffinity"]
        return json.dumps(tree).encode()

    old = bench.archive(_changed(bench, record, lambda kind, body: (kind, older(body))))
    api.merge_patch("v1", "Service", "labelled", {"metadata": {"labels": {"new": "1"}}}, namespace=space)
    done = bench.restore(old)
    same, labelled = line_of(done, "services", "same"), line_of(done, "services", "labelled")
    assert (same["action"], same["known"]) == ("unchanged", "server")
    assert (labelled["action"], labelled["known"]) == ("differs", "server")
    assert "metadata.labels" in labelled["paths"]


def test_a_kind_that_cannot_be_listed_is_restored_object_by_object(bench: Bench) -> None:
    """As custom resources whose conversion webhook is not back yet."""
    api, space = bench.cluster.api, namespace(bench.cluster.api, "unlisted")
    for name in ("there", "gone"):
        api.create(config_map(space, name))
    record = bench.backup(in_namespace(space))
    api.delete("v1", "ConfigMap", "gone", space)

    def fail(method: str, path: str, send: t.Callable[[], t.Any]) -> t.Any:
        if method == "GET" and path.endswith("/configmaps"):
            raise ApiStatusError("conversion webhook failed", status=500, reason="InternalError")
        return send()

    connection = restores.Between(bench.connection, fail)
    plan = bench.restore(record, connection=connection, check=True)
    assert line_of(plan, "configmaps", "there")["known"] == "assumed"
    done = bench.restore(record, connection=connection)
    assert done.phase == "Completed", done
    found = fates(done, "configmaps")
    assert (found["configmaps/there"], found["configmaps/gone"]) == ("unchanged", "created")
    assert any("configmaps cannot be listed" in warning for warning in done.warnings)


def test_what_cannot_be_updated_is_an_error_of_that_object(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "immutable")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": space}, "immutable": True}
    api.create({**secret, "stringData": {"k": "hidden-1"}})
    record = bench.backup(in_namespace(space))
    api.delete("v1", "Secret", "s", space)
    api.create({**secret, "stringData": {"k": "hidden-2"}})
    api.create(config_map(space, "fine"))
    done = bench.restore(record, existing_resource_policy="update")
    assert done.phase == "PartiallyFailed"
    line = line_of(done, "secrets", "s")
    assert (line["action"], line["code"]) == ("failed", "cluster_api_error")
    assert "422" in line["reason"]
    assert "hidden" not in str(done.as_dict())


def test_accounts_that_exist_are_merged(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "accounts")
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "robot", "namespace": space, "labels": {"l": "1"}},
    }
    api.create({**account, "imagePullSecrets": [{"name": "registry"}]})
    record = bench.backup(in_namespace(space))
    api.delete("v1", "ServiceAccount", "robot", space)
    api.create({**account, "metadata": {"name": "robot", "namespace": space}, "imagePullSecrets": [{"name": "other"}]})
    done = bench.restore(record)
    assert line_of(done, "serviceaccounts", "robot")["action"] == "updated"
    merged = api.get("v1", "ServiceAccount", "robot", space)
    assert merged["imagePullSecrets"] == [{"name": "other"}, {"name": "registry"}]
    assert merged["metadata"]["labels"] == {"l": "1"}
    assert not bench.restore(record).changed


def test_hand_made_tokens_are_made_anew_and_waited_for(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "tokens")
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": space}})
    for name, account in (("mine", "robot"), ("orphan", "nobody")):
        annotations = {"kubernetes.io/service-account.name": account}
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": space, "annotations": annotations},
        }
        api.create({**body, "type": "Opaque" if account == "nobody" else "kubernetes.io/service-account-token"})
    wait_until(lambda: "token" in api.get("v1", "Secret", "mine", space).get("data", {}), seconds=60, what="a token")
    old = api.get("v1", "Secret", "mine", space)["data"]["token"]
    record = bench.backup(in_namespace(space))
    remove_namespace(api, space)
    done = bench.restore(record)
    assert done.phase == "Completed", done
    assert "new token" in line_of(done, "secrets", "mine")["reason"]
    assert api.get("v1", "Secret", "mine", space)["data"]["token"] not in {"", old}


def test_what_exists_in_system_namespaces_changes_only_when_named(bench: Bench) -> None:
    api, space = bench.cluster.api, "kube-public"
    for name in ("restore-there", "restore-gone"):
        api.create(config_map(space, name, key="old"))
    record = bench.backup(lambda _kind, item: item.name.startswith("restore-"))
    api.merge_patch("v1", "ConfigMap", "restore-there", {"data": {"key": "new"}}, namespace=space)
    api.delete("v1", "ConfigMap", "restore-gone", space)
    done = bench.restore(record, existing_resource_policy="update")
    assert fates(done, "configmaps") == {"configmaps/restore-there": "differs", "configmaps/restore-gone": "created"}
    assert "not named" in line_of(done, "configmaps", "restore-there")["reason"]
    named = bench.restore(record, existing_resource_policy="update", selection={"included_namespaces": [space]})
    assert fates(named, "configmaps")["configmaps/restore-there"] == "updated"


def test_labels_and_namespaces_select(bench: Bench) -> None:
    api = bench.cluster.api
    spaces = [namespace(api, name) for name in ("chosen-1", "chosen-2", "unchosen")]
    for space in spaces:
        for name, app in (("web", "a"), ("db", "b")):
            api.create(
                {**config_map(space, name), "metadata": {"name": name, "namespace": space, "labels": {"app": app}}}
            )
    record = bench.backup(in_namespace(*spaces))
    for space in spaces:
        remove_namespace(api, space)
    done = bench.restore(record, selection={"included_namespaces": ["chosen-*"], "label_selector": "app=a"})
    found = [
        (line["kind"], line.get("namespace", ""), line["name"])
        for line in restores.report(done)
        if line["action"] == "created"
    ]
    assert sorted(found) == [
        ("configmaps", "chosen-1", "web"),
        ("configmaps", "chosen-2", "web"),
        ("namespaces", "", "chosen-1"),
        ("namespaces", "", "chosen-2"),
    ]
    assert api.find("v1", "Namespace", "unchosen") is None


def test_related_cluster_scoped_objects_come_with_a_namespace(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "related")
    rbac = "rbac.authorization.k8s.io"
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": space}})
    for name in ("related-role", "unrelated-role"):
        api.create({"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": []})
    api.create(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "related-binding"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "related-role"},
            "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": space}],
        }
    )
    record = bench.backup(lambda kind, item: in_namespace(space)(kind, item) or "related-" in item.name)
    for kind, name in (
        ("ClusterRoleBinding", "related-binding"),
        ("ClusterRole", "related-role"),
        ("ClusterRole", "unrelated-role"),
    ):
        api.delete(f"{rbac}/v1", kind, name)
    done = bench.restore(record, selection={"included_namespaces": [space]})
    assert done.phase == "Completed", done
    found = fates(done)
    assert found[f"clusterrolebindings.{rbac}/related-binding"] == "created"
    assert found[f"clusterroles.{rbac}/related-role"] == "created"
    assert f"clusterroles.{rbac}/unrelated-role" not in found


def test_a_kind_in_another_version_only_is_sent_in_that_one(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "versions")
    metadata = {"name": "hpa", "namespace": space}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 1,
        "maxReplicas": 3,
    }
    api.create({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec})
    api.create(config_map(space, "other"))
    record = bench.backup(in_namespace(space))
    with_old = bench.archive(_as_version(bench, record, "autoscaling", "v2beta9"))
    remove_namespace(api, space)
    done = bench.restore(with_old)
    line = line_of(done, "horizontalpodautoscalers.autoscaling", "hpa")
    assert line["action"] == "created", line
    assert "sent as autoscaling/" in line["reason"]
    assert line["warning"]


def test_a_kind_that_the_target_does_not_serve_fails_by_name(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "unserved")
    api.create(config_map(space, "other"))
    record = bench.backup(in_namespace(space))
    unserved = bench.archive(_as_version(bench, record, "", "v1", group_now="nowhere.example.com"))
    done = bench.restore(unserved)
    assert done.phase == "PartiallyFailed"
    line = line_of(done, "configmaps.nowhere.example.com", "other")
    assert line["action"] == "failed"
    assert "does not serve configmaps.nowhere.example.com" in line["reason"]
    assert "configmaps.nowhere.example.com" in done.errors[0]


def _as_version(bench: Bench, record: t.Any, group: str, version: str, *, group_now: str | None = None) -> list[t.Any]:
    """A backup's objects, with those of one group in another version or group."""

    def change(kind: Kind, body: bytes) -> tuple[Kind, bytes]:
        if kind.group != group or kind.resource == "namespaces":
            return kind, body
        now = dataclasses.replace(kind, version=version, group=group if group_now is None else group_now)
        return now, body.replace(f'"{kind.api_version}"'.encode(), f'"{now.api_version}"'.encode(), 1)

    return _changed(bench, record, change)


def _changed(bench: Bench, record: t.Any, change: t.Callable[[Kind, bytes], tuple[Kind, bytes]]) -> list[t.Any]:
    """A backup's objects, each changed."""
    found = []
    with BackupReader.open(bench.location, record, progress=Progress()) as reader:
        for kind in reader.kinds:
            for entry, body in reader.objects(kind):
                now, text = change(kind, body)
                found.append((now, Item(entry.namespace, entry.name, entry.uid, "1", None, False, entry.owners, text)))
    return found


def test_another_cluster_s_backup_is_refused_unless_that_is_meant(bench: Bench) -> None:
    api, space = bench.cluster.api, namespace(bench.cluster.api, "foreign")
    api.create(config_map(space, "one"))
    record = bench.backup(in_namespace(space), cluster_uid="another")
    with pytest.raises(StowageError) as caught:
        bench.restore(record)
    assert caught.value.code == "other_cluster"
    with pytest.raises(StowageError) as caught:
        bench.restore(record, expected_cluster_uid="another")
    assert caught.value.code == "cluster_uid_mismatch"
    assert bench.restore(record, expected_cluster_uid=bench.uid).phase == "Completed"
    assert bench.restore(record, allow_other_cluster=True).phase == "Completed"


def bound_claim(bench: Bench, name: str, source: Tree) -> str:
    """A namespace with a claim that is bound to a volume of the same name."""
    api, space = bench.cluster.api, namespace(bench.cluster.api, name)
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": space, "name": "data"},
        **source,
    }
    api.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "volumeName": name,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata = {"name": "data", "namespace": space}
    api.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim})
    wait_until(lambda: is_bound(api, space), seconds=60, what="the claim is bound")
    return space


def is_bound(api: Api, space: str) -> bool:
    found = api.find("v1", "PersistentVolumeClaim", "data", space)
    return found is not None and found.get("status", {}).get("phase") == "Bound"


CSI: t.Final = {"csi": {"driver": "csi.example.com", "volumeHandle": "vol-1"}}


@pytest.mark.parametrize(
    ("mode", "own", "restored"), [("own", False, False), ("reuse", False, True), ("own", True, True)]
)
def test_volumes_with_a_handle_are_not_shared_by_two_clusters(
    bench: Bench, mode: str, own: bool, restored: bool
) -> None:
    api, name = bench.cluster.api, f"volume-{mode}-{own}".lower()
    space = bound_claim(bench, name, CSI)
    wanted = in_namespace(space)
    record = bench.backup(
        lambda kind, item: wanted(kind, item) or item.name == name, cluster_uid=None if own else "other"
    )
    remove_namespace(api, space)
    api.delete("v1", "PersistentVolume", name)
    wait_until(lambda: api.find("v1", "PersistentVolume", name) is None, seconds=60, what="the volume is gone")
    done = bench.restore(record, allow_other_cluster=True, restore_volumes=mode)
    assert done.phase == "Completed", done
    assert (api.find("v1", "PersistentVolume", name) is not None) == restored
    line = line_of(done, "persistentvolumeclaims", "data")
    if restored:
        wait_until(lambda: is_bound(api, space), seconds=60, what="the claim is bound again")
        assert "data_not_restored" not in line
    else:
        assert api.get("v1", "PersistentVolumeClaim", "data", space)["spec"].get("volumeName") is None
        assert line["data_not_restored"]
        assert f"{space}/data" in done.data_not_restored


def test_a_volume_that_was_kept_is_bound_again_when_it_may_be_updated(bench: Bench) -> None:
    """A namespace was deleted; its volume, with the reclaim policy Retain, is still there, but released."""
    api = bench.cluster.api
    space = bound_claim(bench, "retained", CSI)
    wanted = in_namespace(space)
    record = bench.backup(lambda kind, item: wanted(kind, item) or item.name == space)
    remove_namespace(api, space)
    wait_until(
        lambda: api.get("v1", "PersistentVolume", space)["status"]["phase"] == "Released", seconds=60, what="released"
    )
    left = bench.restore(record)
    assert line_of(left, "persistentvolumes", space)["action"] == "differs"
    assert "released" in line_of(left, "persistentvolumeclaims", "data")["reason"]
    done = bench.restore(record, existing_resource_policy="update")
    assert line_of(done, "persistentvolumes", space)["action"] == "updated"
    wait_until(lambda: is_bound(api, space), seconds=60, what="the claim is bound again")
