# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin under Ansible itself: backups of clusters that it found, and what it neither shows, runs nor trusts."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from support.clusters import config_map, namespace
from support.leaks import files, leaks
from support.plays import Plays
from testbed import Cluster, accounts
from testbed.api import ApiError
from testbed.process import wait_until

if t.TYPE_CHECKING:
    from conftest import ClusterFactory

Tree = dict[str, t.Any]
SHOP: t.Final = "inventory-shop"
FLEET: t.Final = "inventory-fleet"
RBAC: t.Final = "rbac.authorization.k8s.io"
CAPI: t.Final = "cluster.x-k8s.io"
ONLY: t.Final = ("-e", f"backup_included_namespaces={SHOP}")
CANARY: t.Final = "inventory-canary-55c1"


def definition() -> Tree:
    """As much of the Cluster API as its clusters' names and labels."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [
        {"name": name, "served": True, "storage": name == "v1beta2", "schema": schema}
        for name in ("v1beta1", "v1beta2")
    ]
    names = {"plural": "clusters", "singular": "cluster", "kind": "Cluster", "listKind": "ClusterList"}
    spec = {"group": CAPI, "names": names, "scope": "Namespaced", "versions": versions}
    metadata = {"name": f"clusters.{CAPI}"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }


def account(cluster: Cluster, name: str, *rules: Tree) -> Path:
    """A kubeconfig for an account that may do this in the namespace of the fleet, and nothing else."""
    there = {"name": name, "namespace": FLEET}
    cluster.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": there}, field_manager="test")
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": there, "rules": list(rules)}
    cluster.api.apply(role, field_manager="test")
    reference = {"apiGroup": RBAC, "kind": "Role", "name": name}
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": FLEET}]
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": there,
        "roleRef": reference,
        "subjects": subjects,
    }
    cluster.api.apply(binding, field_manager="test")
    return cluster.kubeconfig_for_token(cluster.token_for(FLEET, name), name)


def tokens(path: Path) -> list[str]:
    """The secrets in a kubeconfig."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [user["user"]["token"] for user in document["users"]]


@dataclasses.dataclass(frozen=True)
class World:
    """Two clusters, a directory, and an inventory that is a folder: the plugin's file, and variables for all."""

    source: Cluster
    other: Cluster
    plays: Plays
    backups: Path

    @property
    def folder(self) -> Path:
        return self.plays.inventory

    def kubeconfig(self, cluster: Cluster) -> Path:
        return accounts.kubeconfig(cluster, "backup")

    def write(self, **options: t.Any) -> None:
        document = {"plugin": "stowage.kubernetes.workspaces", **options}
        (self.folder / "fleet.workspaces.yml").write_text(yaml.safe_dump(document), encoding="utf-8")

    def ask(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """What ``ansible-inventory --list`` shows: its exit code, output and errors."""
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "inventory", "-i", str(self.folder), "--list", *arguments],
            cwd=self.plays.path,
            env=self.plays.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def listed(self) -> Tree:
        code, output, errors = self.ask()
        assert code == 0, errors
        found: Tree = json.loads(output)
        return found

    def hostvars(self) -> Tree:
        """Variables of hosts, without the mark that Ansible writes for what is not trusted."""
        found: Tree = self.listed()["_meta"]["hostvars"]
        return {name: plain(variables) for name, variables in found.items()}

    def archives(self) -> list[str]:
        return sorted(path.parent.parent.parent.name for path in self.backups.rglob("velero-backup.json"))


def plain(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        if value.keys() == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {name: plain(part) for name, part in value.items()}
    return value


@pytest.fixture(scope="module")
def clusters(cluster: ClusterFactory) -> t.Iterator[tuple[Cluster, Cluster]]:
    found = (cluster(), cluster("other"))
    for one in found:
        accounts.ship(one)
        one.api.apply(namespace(SHOP), field_manager="test")
        one.api.apply(config_map(SHOP, "settings", a="b"), field_manager="test")
    found[0].api.apply(namespace(FLEET), field_manager="test")
    found[0].api.apply(definition(), field_manager="test")

    def served() -> bool:
        try:
            return bool(found[0].api.raw("GET", f"/apis/{CAPI}/v1beta2/clusters"))
        except ApiError:
            return False

    wait_until(served, seconds=60, what="the Cluster API's definition", processes=list(found[0].processes.values()))
    yield found
    found[0].api.delete("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"clusters.{CAPI}")
    found[0].api.delete("v1", "Namespace", FLEET)
    for one in found:
        one.api.delete("v1", "Namespace", SHOP)


@pytest.fixture
def world(clusters: tuple[Cluster, Cluster], tmp_path: Path) -> t.Iterator[World]:
    source, other = clusters
    backups, folder = tmp_path / "backups", tmp_path / "inventory"
    backups.mkdir()
    folder.mkdir()
    variables = {
        "stowage_locations": {"primary": {"provider": "filesystem", "path": str(backups)}},
        "stowage_default_location": "primary",
    }
    (folder / "variables.yml").write_text(json.dumps({"all": {"vars": variables}}), encoding="utf-8")
    plays = dataclasses.replace(Plays.make(tmp_path), inventory=folder)
    yield World(source, other, plays, backups)
    plays.end()


def two_files(world: World) -> list[str]:
    """A folder of kubeconfigs with a cluster each; the secrets in them."""
    folder = world.plays.path / "kubeconfigs"
    folder.mkdir()
    found = []
    for name, one in {"prod-1": world.source, "test-1": world.other}.items():
        path = world.kubeconfig(one)
        found += tokens(path)
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        document["contexts"][0]["name"] = f"admin@{name}"
        # Nobody uses this one: it must neither be run nor shown.
        plugin = {
            "command": "touch",
            "args": [str(world.plays.path / "ran")],
            "env": [{"name": "TOKEN", "value": CANARY}],
        }
        document["users"].append({"name": "unused", "user": {"exec": plugin, "password": CANARY}})
        document["contexts"].append({"name": f"exec@{name}", "context": {"cluster": name, "user": "unused"}})
        (folder / name).write_text(yaml.safe_dump(document), encoding="utf-8")
    return [*found, CANARY]


def kept_secret(world: World, secrets: list[str], output: str) -> None:
    written = [item for item in files(world.plays.path) if "/kubeconfigs/" not in item[0]]
    assert leaks([("the output", output.encode()), *written], secrets) == []
    assert not (world.plays.path / "ran").exists(), "an exec entry was run"


def test_two_clusters_of_a_folder_are_backed_up_and_no_secret_is_shown(world: World) -> None:
    secrets = two_files(world)
    world.write(
        sources={
            "datacentre": {
                "kubeconfig": {"paths": [str(world.plays.path / "kubeconfigs")], "contexts": ["admin@*"]},
                "hostname": "stowage_context | regex_replace('^admin@', '')",
                "label_patterns": ["^(?P<env>[a-z]+)-"],
            }
        },
        workspaces={"whole-shop": {"clusters": ["*"]}, "production": {"selector": "env=prod"}},
        keyed_groups=[{"key": "stowage_cluster_labels.env", "prefix": "env"}],
        compose={"region": "'here'"},
        groups={"of_a_folder": "'kubeconfigs' in stowage_kubeconfig"},
    )
    code, output, errors = world.ask("-vvv")
    assert code == 0, errors
    kept_secret(world, secrets, output + errors)
    found = json.loads(output[output.index("\n{") :])
    assert found["whole_shop"]["hosts"] == ["prod-1", "test-1"]
    assert found["production"]["hosts"] == found["env_prod"]["hosts"] == ["prod-1"]
    assert found["of_a_folder"]["hosts"] == ["prod-1", "test-1"]
    hosts = plain(found["_meta"]["hostvars"])
    variables = dict(hosts["prod-1"])
    assert variables.pop("stowage_locations")
    assert variables == {
        "stowage_default_location": "primary",
        "stowage_cluster_auth": "kubeconfig",
        "stowage_kubeconfig": str(world.plays.path / "kubeconfigs/prod-1"),
        "stowage_context": "admin@prod-1",
        "stowage_kubeconfig_cluster": world.source.name,
        "stowage_source": "datacentre",
        "stowage_cluster_labels": {"env": "prod"},
        "region": "here",
    }

    arguments = ("-e", "backup_hosts=whole_shop", *ONLY, "-vvv")
    code, output = world.plays.run("stowage.kubernetes.backup", *arguments)
    assert code == 0, output
    assert world.archives() == ["prod-1", "test-1"]
    kept_secret(world, secrets, output)

    # The same variables in a static inventory are as good.
    static = world.plays.path.parent / "static.yml"
    static.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    by_hand = dataclasses.replace(world.plays, inventory=static)
    code, output = by_hand.run("stowage.kubernetes.backup", *ONLY, "-e", "backup_max_age=24h")
    assert code == 0, output
    assert len(re.findall(r"(?:prod|test)-1: found backup-", output)) == 2


def test_a_cluster_of_the_cluster_api_is_reached_by_reference(world: World) -> None:
    management, workload = world.source, world.other
    held = world.kubeconfig(workload)
    metadata = {"name": "prod-9", "namespace": FLEET, "labels": {"tier": "gold"}}
    management.api.apply(
        {"apiVersion": f"{CAPI}/v1beta2", "kind": "Cluster", "metadata": metadata, "spec": {}}, field_manager="test"
    )
    secret = {"name": "prod-9-kubeconfig", "namespace": FLEET}
    data = {"value": base64.b64encode(held.read_bytes()).decode()}
    management.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": secret, "data": data}, field_manager="test")
    # Whoever lists need not be able to read the Secrets; whoever reads one need not be able to list.
    lister = account(management, "lister", {"apiGroups": [CAPI], "resources": ["clusters"], "verbs": ["list"]})
    reader = account(management, "reader", {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})
    secrets = [*tokens(held), *tokens(lister), *tokens(reader)]
    world.write(
        sources={"management": {"capi": {"env": "MANAGEMENT", "context": management.name, "namespaces": [FLEET]}}},
        workspaces={"gold": {"selector": "tier=gold"}},
    )
    code, output, errors = world.ask("-vvv", MANAGEMENT=str(lister))
    assert code == 0, errors
    assert leaks([("the list", (output + errors).encode())], [*secrets, str(lister)]) == []
    assert json.loads(output[output.index("\n{") :])["gold"]["hosts"] == ["prod-9"]

    for path, code_wanted in {str(lister): 2, str(reader): 0}.items():
        (world.folder / "prod-9.yml").write_text(
            json.dumps({"all": {"vars": {"stowage_kubeconfig": path}}}), encoding="utf-8"
        )
        arguments = ("-e", "backup_hosts=gold", *ONLY, "-vvv")
        with world.plays.start("stowage.kubernetes.backup", *arguments, MANAGEMENT=str(lister)) as play:
            output, _errors = play.communicate()
        code = play.returncode
        assert code == code_wanted, output
        assert ("cluster_forbidden" in output) == (code_wanted == 2), output
        assert leaks([("the output", output.encode()), *files(world.plays.path)], secrets) == []
    assert world.archives() == ["prod-9"]
    manifest = json.loads(next(world.backups.rglob("stowage-manifest.json")).read_text(encoding="utf-8"))
    assert workload.api.get("v1", "Namespace", "kube-system")["metadata"]["uid"] in json.dumps(manifest)


SHOW: t.Final = """
- hosts: all
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - ansible.builtin.debug:
        msg: "{{ hostvars[inventory_hostname] | dict2items | selectattr('key', 'match', 'stowage_|copied') | items2dict }}"
    - stowage.kubernetes.cluster_info:
        kubeconfig: "{{ stowage_kubeconfig }}"
        context: "{{ stowage_context }}"
"""


@pytest.mark.parametrize("way", ["plugin", "script"])
def test_names_that_are_templates_are_never_evaluated(world: World, way: str) -> None:
    marker = world.plays.path / "evaluated"
    evil = "{{ lookup('pipe', 'touch " + str(marker) + "') }}"
    document = yaml.safe_load(world.kubeconfig(world.source).read_text(encoding="utf-8"))
    for entry in (*document["contexts"], *document["clusters"], *document["users"]):
        entry["name"] = evil
    document["contexts"][0]["context"] = {"cluster": evil, "user": evil}
    (world.plays.path / "kc").write_text(yaml.safe_dump(document), encoding="utf-8")
    world.write(
        sources={"s": {"kubeconfig": {"paths": str(world.plays.path / "kc")}, "labels": {"a": "b"}}},
        workspaces={"all-of": {"clusters": ["*"]}},
        compose={"copied": "stowage_context"},
        keyed_groups=[{"key": "stowage_context"}],
        groups={"same": "stowage_context == stowage_kubeconfig_cluster"},
    )
    inventory = world.folder
    if way == "script":  # as AWX hands a job what an inventory source gave
        code, output, errors = world.ask()
        assert code == 0, errors
        (world.plays.path / "listed.json").write_text(output, encoding="utf-8")
        inventory = world.plays.path / "script"
        inventory.write_text(f"#!/bin/sh\ncat {world.plays.path}/listed.json\n", encoding="utf-8")
        inventory.chmod(0o700)
    playbook = world.plays.path / "show.yml"
    playbook.write_text(SHOW, encoding="utf-8")
    code, output = dataclasses.replace(world.plays, inventory=inventory).run(str(playbook))
    assert code == 0, output
    assert "ok=2" in output
    assert "{{ lookup('pipe'" in output
    assert not marker.exists()


def test_a_source_that_fails_is_known_from_the_cache_or_a_failed_host(world: World) -> None:
    two_files(world)
    folder = world.plays.path / "kubeconfigs"
    (world.plays.path / "more").mkdir()
    sources = {
        "datacentre": {"kubeconfig": {"paths": [str(folder)], "contexts": ["admin@*"]}},
        "elsewhere": {"kubeconfig": {"paths": [str(world.plays.path / "gone")]}},
    }
    cache = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(world.plays.path / "cache"),
    }
    world.write(sources=sources, workspaces={"shop": {"clusters": ["*", "named"]}}, cache_timeout=1000, **cache)
    assert world.listed()["shop"]["hosts"] == ["admin-prod-1", "admin-test-1", "elsewhere", "named"]
    kept = b"".join(path.read_bytes() for path in (world.plays.path / "cache").iterdir())
    assert b"admin@prod-1" in kept
    assert CANARY.encode() not in kept

    folder.rename(world.plays.path / "moved")
    assert "stowage_source_error" not in world.hostvars()["admin-prod-1"], "it is still read from the cache"
    code, output, errors = world.ask("--flush-cache")
    assert code == 0, errors
    assert "Source datacentre" in errors
    stale = plain(json.loads(output)["_meta"]["hostvars"]["admin-prod-1"])
    assert stale["stowage_context"] == "admin@prod-1"
    assert stale["stowage_source_error"]["error_code"] == "cluster_access_invalid"
    assert "stowage_error" not in stale
    (world.plays.path / "moved").rename(folder)
    assert "stowage_source_error" not in world.hostvars()["admin-prod-1"], "what failed is read again"

    failing = ("-e", "backup_hosts=shop", *ONLY)
    code, output = world.plays.run("stowage.kubernetes.backup", *failing)
    assert code == 2
    assert world.archives() == ["admin-prod-1", "admin-test-1"]
    for name in ("elsewhere", "named"):
        assert re.search(rf"fatal: \[{name}\]", output), output
    assert "Clusters of the source elsewhere are not known" in output

    world.write(sources=sources, strict=True, **cache)
    for strictly, wanted in {"true": 1, "false": 0}.items():
        code, _output, errors = world.ask(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=strictly)
        assert "Source elsewhere" in errors
        assert (code != 0) == bool(wanted)


def test_equal_names_are_an_error_until_they_are_told_apart(world: World) -> None:
    paths = []
    for name in ("a", "b"):
        path = world.plays.path / name
        path.write_text(world.kubeconfig(world.source).read_text(encoding="utf-8"), encoding="utf-8")
        paths.append(str(path))
    world.write(sources={"s": {"kubeconfig": {"paths": paths}}})
    _code, output, errors = world.ask()
    assert "would both be the host" in errors
    assert "hostvars" not in output or world.source.name not in json.loads(output)["_meta"]["hostvars"]
    world.write(sources={"s": {"kubeconfig": {"paths": paths}}}, hostname="stowage_kubeconfig | basename")
    assert world.hostvars().keys() == {"a", "b"}
    # Nor do two files make one host.
    (world.folder / "second.workspaces.yml").write_text(
        (world.folder / "fleet.workspaces.yml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    _code, _output, errors = world.ask()
    assert "Another inventory file has the host a already" in errors
