# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks and roles, run as the service accounts that the collection ships, and what they and the modules return."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml

from support import modules
from support.plays import Plays
from testbed import Cluster, accounts
from testbed.process import wait_until

if t.TYPE_CHECKING:
    from conftest import ClusterFactory

Tree = dict[str, t.Any]
SHIPPED: t.Final = (*accounts.WHOLE_CLUSTER, "restore-writer-namespaced")
RBAC: t.Final = "rbac.authorization.k8s.io"
SHOP: t.Final = "roles-shop"
MINE: t.Final = ("-e", f"backup_included_namespaces={SHOP}")
INTO: t.Final = ("-e", "restore_hosts=spare", "-e", "restore_cluster=prod-1", "-e", "restore_backup=latest")


def named(api_version: str, kind: str, name: str, namespace: str = "", **rest: t.Any) -> Tree:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def application(namespace: str) -> t.Iterator[Tree]:
    """Something of each kind that needs a permission of its own."""
    yield named("v1", "Namespace", namespace)
    yield named("v1", "ConfigMap", "settings", namespace, data={"a": "b"})
    yield named("v1", "Secret", "password", namespace, stringData={"password": "x"})
    yield named("v1", "ServiceAccount", "app", namespace)
    labels = {"app": "web"}
    container = {"name": "web", "image": "registry.example.com/web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "serviceAccountName": "app"}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    yield named("apps/v1", "Deployment", "web", namespace, spec=spec)
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]  # more than the restoring account has itself
    yield named(f"{RBAC}/v1", "Role", "app", namespace, rules=rules)
    subjects = [{"kind": "ServiceAccount", "name": "app", "namespace": namespace}]
    role = {"apiGroup": RBAC, "kind": "Role", "name": "app"}
    yield named(f"{RBAC}/v1", "RoleBinding", "app", namespace, roleRef=role, subjects=subjects)
    admin = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"}
    yield named(f"{RBAC}/v1", "RoleBinding", "admin", namespace, roleRef=admin, subjects=subjects)


@dataclasses.dataclass(frozen=True)
class World:
    """Two clusters, a directory, and plays as the shipped accounts."""

    source: Cluster
    target: Cluster
    location: Tree
    plays: Plays

    def kubeconfig(self, cluster: Cluster, account: str) -> str:
        return str(accounts.kubeconfig(cluster, account))


@pytest.fixture(scope="module")
def clusters(cluster: ClusterFactory) -> t.Iterator[tuple[Cluster, Cluster]]:
    found = (cluster(), cluster("other"))
    for one in found:
        accounts.ship(one, SHIPPED)
    for document in application(SHOP):
        found[0].api.apply(document, field_manager="test")
    yield found
    for one in found:
        if one.api.find("v1", "Namespace", SHOP):
            one.api.delete("v1", "Namespace", SHOP)


@pytest.fixture
def world(clusters: tuple[Cluster, Cluster], tmp_path: Path) -> t.Iterator[World]:
    source, target = clusters
    (tmp_path / "backups").mkdir()
    location = {"provider": "filesystem", "path": str(tmp_path / "backups")}
    # A location that cannot be evaluated must not be in the way of the others.
    locations = {"primary": location, "unset": {"provider": "minio", "bucket": "{{ not_defined_anywhere }}"}}
    plays = Plays.make(tmp_path, vars={"stowage_locations": locations, "stowage_default_location": "primary"})
    world = World(source, target, location, plays)
    inventory = json.loads(plays.inventory.read_text(encoding="utf-8"))
    inventory["all"]["hosts"] = {
        "prod-1": {"stowage_kubeconfig": world.kubeconfig(source, "backup")},
        "spare": {"stowage_kubeconfig": world.kubeconfig(target, "restore")},
        "nothing": {},
    }
    plays.inventory.write_text(json.dumps(inventory), encoding="utf-8")
    yield world
    plays.end()


def counts(output: str) -> dict[str, int]:
    """What the summary of a restore counts."""
    line = re.search(r"created: .*?failed: \d+", output)
    assert line, output
    return {name: int(count) for name, count in (part.split(": ") for part in line[0].split(", "))}


def test_the_shipped_accounts_are_enough_for_a_backup_and_a_restore(world: World) -> None:
    plays = world.plays
    code, output = plays.run("stowage.kubernetes.backup", *MINE, "--limit", "prod-1", "-e", "backup_max_age=24h")
    assert code == 0, output
    assert re.search(r"prod-1: made backup-prod-1-\S+ in primary, Completed, \d+ objects", output), output
    code, output = plays.run("stowage.kubernetes.backup", *MINE, "--limit", "prod-1", "-e", "backup_max_age=24h")
    assert code == 0, output
    assert "prod-1: found backup-prod-1-" in output

    code, output = plays.run("stowage.kubernetes.restore", *INTO)
    assert code == 2
    assert "allow_other_cluster: true" in output
    there = (*INTO, "-e", "restore_allow_other_cluster=true")
    code, output = plays.run("stowage.kubernetes.restore", *there, "--check", "--diff")
    assert code == 0, output
    assert "spare: plan for backup-prod-1-" in output
    planned = counts(output)["created"]
    assert world.target.api.find("v1", "Namespace", SHOP) is None

    code, output = plays.run("stowage.kubernetes.restore", *there)
    assert code == 0, output
    # One less if the target's controller was quicker to make the service account that every namespace has.
    assert counts(output)["created"] in (planned, planned - 1)
    assert planned > 5
    for one in application(SHOP):
        namespace = one["metadata"].get("namespace")
        assert world.target.api.find(one["apiVersion"], one["kind"], one["metadata"]["name"], namespace), one["kind"]
    code, output = plays.run("stowage.kubernetes.restore", *there)
    assert code == 0, output
    assert counts(output)["created"] == 0
    world.target.api.delete("v1", "Namespace", SHOP)


def test_backups_are_listed_and_a_location_that_cannot_be_read_is_no_success(world: World) -> None:
    code, output = world.plays.run("stowage.kubernetes.backup", *MINE, "--limit", "prod-1", "-e", "backup_name=listed")
    assert code == 0, output
    code, output = world.plays.run("stowage.kubernetes.backups", "-e", "backups_locations=primary", "--limit", "prod-1")
    assert code == 0, output
    assert re.search(r"listed +prod-1 +Completed +20\d\d-", output), output
    code, output = world.plays.run("stowage.kubernetes.backups")
    assert code == 2, output
    assert "listed  " in output
    assert "Not all locations could be read: unset." in output
    code, output = world.plays.run("stowage.kubernetes.backups", "-e", "backups_locations=primary,other")
    assert code == 2, output
    assert "There is no location other." in output


def test_an_account_of_one_namespace_restores_into_it(world: World) -> None:
    api = world.target.api
    namespace = "roles-single"
    for document in application(namespace):
        world.source.api.apply(document, field_manager="test")
    api.apply(named("v1", "Namespace", namespace), field_manager="test")
    api.apply(named("v1", "ServiceAccount", "single", "stowage"), field_manager="test")
    subjects = [{"kind": "ServiceAccount", "name": "single", "namespace": "stowage"}]
    for kind, name, inside in (("RoleBinding", "namespaced", namespace), ("ClusterRoleBinding", "identity", "")):
        role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": f"stowage-restore-writer-{name}"}
        api.apply(
            named(f"{RBAC}/v1", kind, f"single-{name}", inside, roleRef=role, subjects=subjects), field_manager="test"
        )
    args: Tree = {"location": world.location, "cluster": "prod-1", "included_namespaces": [namespace]}
    modules.run("backup", {**args, "name": "single", "kubeconfig": world.kubeconfig(world.source, "backup")})
    args |= {
        "include_cluster_resources": "never",
        "excluded_resources": ["namespaces"],
        "backup": "single",
        "allow_other_cluster": True,
        "kubeconfig": world.kubeconfig(world.target, "single"),
    }
    restored = modules.run("restore", args)
    assert restored["restore"]["phase"] == "Completed", restored
    assert restored["restore"]["counts"]["created"] >= 6, restored
    for one in application(namespace):
        inside = one["metadata"].get("namespace")
        assert api.find(one["apiVersion"], one["kind"], one["metadata"]["name"], inside), one["kind"]

    # The namespace itself is changed where that is asked for, and only there: a role in it covers that.
    labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    api.merge_patch("v1", "Namespace", namespace, labels)
    args["existing_resource_policy"] = "update"
    left = modules.run("restore", args)
    assert not left["changed"], left
    del args["excluded_resources"]
    updated = modules.run("restore", args)
    assert [one["name"] for one in updated["restore"]["objects"] if one["action"] == "updated"] == [namespace], updated
    assert "pod-security.kubernetes.io/enforce" not in api.get("v1", "Namespace", namespace)["metadata"]["labels"]
    api.delete("v1", "Namespace", namespace)
    wait_until(lambda: api.find("v1", "Namespace", namespace) is None, seconds=60, what="the namespace is gone")
    with pytest.raises(modules.Failed) as caught:
        modules.run("restore", args)
    assert caught.value.result["error_code"] == "cluster_forbidden"
    assert "create namespaces" in caught.value.result["msg"]
    api.apply(named("v1", "Namespace", namespace), field_manager="test")
    for where in (world.source, world.target):
        where.api.delete("v1", "Namespace", namespace)


def test_no_cluster_is_taken_from_the_environment(world: World) -> None:
    admin = str(world.source.kubeconfig)
    mark = world.source.audit.mark()
    for playbook, options in (
        ("backup", ()),
        ("restore", ("-e", "restore_backup=latest", "-e", "restore_hosts=nothing")),
    ):
        command = (f"stowage.kubernetes.{playbook}", *options, "--limit", "nothing")
        with world.plays.start(*command, KUBECONFIG=admin, K8S_AUTH_KUBECONFIG=admin) as play:
            output, _errors = play.communicate()
        assert play.returncode == 2
        assert "cluster_access_missing: Nothing says how to reach the cluster of nothing." in output
    assert [request for request in world.source.audit.since(mark) if "stowage" in request.agent] == []


@pytest.mark.parametrize(
    "options", [(), ("--limit", "spare"), ("-e", "restore_hosts=spare"), ("-e", "restore_backup=x")]
)
def test_a_restore_has_no_default_target_and_no_default_backup(options: tuple[str, ...], world: World) -> None:
    code, output = world.plays.run("stowage.kubernetes.restore", *options)
    assert code == 2
    assert "Say which clusters to restore into and which backup" in output


@pytest.mark.parametrize("limit", [(), ("--limit", "spare")])
@pytest.mark.parametrize("playbook", ["backup", "restore"])
def test_a_pattern_that_fits_no_host_is_no_success(playbook: str, limit: tuple[str, ...], world: World) -> None:
    hosts = "prod-1" if limit else "prod-0ne"
    options = ("-e", f"{playbook}_hosts={hosts}", "-e", "restore_backup=latest", *limit)
    code, output = world.plays.run(f"stowage.kubernetes.{playbook}", *options)
    assert code == 2
    assert f"No cluster of the inventory fits {playbook}_hosts ({hosts})" in output


def test_a_host_that_fails_leaves_the_others_alone(world: World) -> None:
    code, output = world.plays.run("stowage.kubernetes.backup", *MINE, "--limit", "prod-1,nothing")
    assert code == 2
    assert "prod-1: made backup-prod-1-" in output


@pytest.mark.parametrize("playbook", ["backup", "restore"])
def test_hosts_that_are_one_cluster_fail_before_anything_is_written(playbook: str, world: World) -> None:
    code, output = world.plays.run("stowage.kubernetes.backup", *MINE, "--limit", "prod-1", "-e", "backup_name=twins")
    assert code == 0, output
    inventory = json.loads(world.plays.inventory.read_text(encoding="utf-8"))
    hosts = inventory["all"]["hosts"]
    host = "prod-1" if playbook == "backup" else "spare"
    hosts["twin"] = hosts[host]
    world.plays.inventory.write_text(json.dumps(inventory), encoding="utf-8")
    into = {"restore_hosts": f"{host},twin", "restore_cluster": "prod-1", "restore_backup": "twins"}
    options = {**into, "backup_hosts": f"{host},twin,nothing", "restore_allow_other_cluster": True}
    before = sorted(Path(world.location["path"]).rglob("*"))
    code, output = world.plays.run(f"stowage.kubernetes.{playbook}", *MINE, "-e", json.dumps(options))
    assert code == 2
    for one in (host, "twin"):
        assert re.search(rf"fatal: \[{one}\]: .*{host} and twin are one cluster", output), output
    assert sorted(Path(world.location["path"]).rglob("*")) == before
    assert world.target.api.find("v1", "Namespace", SHOP) is None


def documented(name: str) -> dict[str, set[str]]:
    """Return value -> the keys that it always has, and all that it may have."""
    documentation = yaml.safe_load(importlib.import_module(f"{modules.PACKAGE}{name}").RETURN)
    found = {}
    for value, field in documentation.items():
        contains = field.get("contains", {})
        found[f"{value} always"] = {key for key, one in contains.items() if one["returned"] == "always"}
        found[f"{value} ever"] = set(contains)
    return found


def test_results_are_as_documented(world: World) -> None:
    source: Tree = {"location": world.location, "cluster": "prod-1"}
    source["kubeconfig"] = world.kubeconfig(world.source, "backup")
    source["included_namespaces"] = [SHOP]
    keys = documented("backup")
    planned = modules.run("backup", {**source, "name": "b1"}, check=True)
    made = modules.run("backup", {**source, "name": "b1"})
    found = modules.run("backup", {**source, "name": "b1"})
    assert planned["backup"].keys() == made["backup"].keys() == keys["backup ever"]
    assert found["backup"].keys() == keys["backup always"]
    assert (planned["changed"], made["changed"], found["changed"]) == (True, True, False)

    info = modules.run("cluster_info", {"kubeconfig": source["kubeconfig"]})
    assert info.pop("version").startswith("v1.")
    assert info == {"changed": False, "uid": made["backup"]["cluster_uid"]}

    keys = documented("backup_info")
    listed = modules.run("backup_info", {"location": world.location})
    described = modules.run("backup_info", {"location": world.location, "cluster": "prod-1", "name": "b1"})
    assert described.keys() == {"changed", "clusters", "total", "backups"}
    assert listed.keys() == described.keys() | {"by_cluster"}
    assert listed["backups"][0].keys() == keys["backups always"]
    assert described["backups"][0].keys() == keys["backups ever"]
    two: Tree = {"location": world.location, "cluster": "prod-1", "name": "b1", "compare_with": "b1"}
    compared = modules.run("backup_info", two)
    assert compared.keys() == described.keys() | {"comparison"}
    assert compared["comparison"].keys() == keys["comparison ever"]

    keys = documented("restore")
    target: Tree = {"location": world.location, "cluster": "prod-1"}
    target["kubeconfig"] = world.kubeconfig(world.target, "restore")
    target |= {"backup": "b1", "included_namespaces": [SHOP], "allow_other_cluster": True}
    for check in (True, False):
        restored = modules.run("restore", target, check=check)
        assert restored["restore"].keys() == keys["restore ever"]
        assert restored["changed"]
        objects = yaml.safe_load(importlib.import_module(f"{modules.PACKAGE}restore").RETURN)["restore"]["contains"][
            "objects"
        ]
        always = {key for key, one in objects["contains"].items() if one["returned"] == "always"}
        for one in restored["restore"]["objects"]:
            assert always <= one.keys() <= objects["contains"].keys()
    world.target.api.delete("v1", "Namespace", SHOP)

    keys = documented("backup")
    removed = modules.run("backup", {**source, "name": "b1", "state": "absent"})
    assert removed.keys() == {"changed", "backup", "deleted"}
    assert removed["deleted"].keys() == keys["deleted ever"]
