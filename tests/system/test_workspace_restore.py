# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run of a workspace is restored, each backup into its own cluster or by a map into others, and all of it is planned first."""

from __future__ import annotations

import json
import secrets
import typing as t
import uuid
from pathlib import Path

import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import statements
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import grants
from support.clusters import config_map, namespace
from support.fleets import Fleet, inventory
from support.plays import Plays
from testbed import Cluster, MinIO

if t.TYPE_CHECKING:
    from conftest import ClusterFactory

Tree = dict[str, t.Any]
INSIDE: t.Final = "workspace-restore"
RESTORE: t.Final = "stowage.kubernetes.workspace_restore"
RUN: t.Final = ("-e", "stowage_workspace=prod", "-e", "stowage_run=r1")


class World:
    def __init__(self, source: Cluster, target: Cluster, plays: Plays) -> None:
        self.source = source
        self.target = target
        self.plays = plays

    def restore(self, mapping: t.Any, *more: str, **options: t.Any) -> tuple[int, str]:
        variables = json.dumps({"workspace_restore_map": mapping, **options})
        return self.plays.run(RESTORE, *RUN, "-e", variables, *more)

    def there(self, cluster: Cluster) -> bool:
        return cluster.api.find("v1", "ConfigMap", "settings", INSIDE) is not None


@pytest.fixture
def world(cluster: ClusterFactory, tmp_path: Path) -> t.Iterator[World]:
    source, target = cluster(), cluster("other")
    for document in (namespace(INSIDE), config_map(INSIDE, "settings", a="b")):
        source.api.apply(document, field_manager="test")
    hosts = {
        "prod-1": {"stowage_kubeconfig": str(source.kubeconfig)},
        "spare": {"stowage_kubeconfig": str(target.kubeconfig)},
    }
    plays = inventory(tmp_path, hosts, {"prod": {"clusters": ["prod-*"], "namespaces": [INSIDE]}})
    yield World(source, target, plays)
    plays.end()
    for one in (source, target):
        if one.api.find("v1", "Namespace", INSIDE):
            one.api.delete("v1", "Namespace", INSIDE)


def test_a_run_is_restored(world: World) -> None:
    code, output = world.plays.run("stowage.kubernetes.workspace_backup", *RUN)
    assert code == 0, output
    code, output = world.plays.run(RESTORE, *RUN)
    assert code == 2, output
    assert "Say which workspace, which of its runs, and where its backups go" in output

    # No cluster is told to be left out for want of a run.
    for wanted in ("same", {"prod-1": "spare"}):
        code, output = world.restore(wanted, "-e", "stowage_run=r2")
        assert code == 2, output
        assert "There is no run r2 of prod. The newest is r1." in " ".join(output.split())
        assert "Leave it out" not in output

    # Nobody would see what the second finds of the first.
    code, output = world.restore({"prod-1": "spare", "prod-2": "spare"})
    assert code == 2, output
    assert "workspace_restore_map sends prod-1 and prod-2 into spare" in " ".join(output.split())
    code, output = world.restore({"prod-1": "spare", "prod-2": "spare"}, workspace_restore_shared_targets=True)
    assert code == 2, output
    assert "The run r1 has no backup of prod-2 (no record)." in output

    # Nothing is restored unless all can be.
    code, output = world.restore({"prod-1": "spare", "prod-2": "prod-1"})
    assert code == 2, output
    assert "The run r1 has no backup of prod-2 (no record)." in output
    assert not world.there(world.target)
    code, output = world.restore(
        "prod-1: spare", "--check", workspace_restore_options='{"all": {"preserve_node_ports": true}}'
    )
    assert code == 0, output
    assert "spare: plan for backup-prod-1-" in output
    assert not world.there(world.target)

    # Its own cluster, by no map.
    world.source.api.delete("v1", "ConfigMap", "settings", INSIDE)
    code, output = world.restore("same")
    assert code == 0, output
    assert world.there(world.source)
    assert not world.there(world.target)

    # Another cluster, and the source is gone.
    document = json.loads(world.plays.inventory.read_text(encoding="utf-8"))
    del document["all"]["hosts"]["prod-1"]
    world.plays.inventory.write_text(json.dumps(document), encoding="utf-8")
    options = {"prod-1": {"excluded_resources": ["secrets"]}}
    code, output = world.restore({"prod-1": "spare"}, workspace_restore_options=options)
    assert code == 0, output
    assert "spare: restored backup-prod-1-" in output
    assert world.there(world.target)
    code, output = world.restore({"prod-1": "gone"})
    assert code == 2, output
    assert "workspace_restore_map.prod-1 names 'gone', which is no host of this inventory." in output


def test_a_reader_who_may_not_list_the_run_restores_and_is_told(minio: MinIO, tmp_path: Path) -> None:
    """Which clusters a run is about is the coordinator's knowledge."""
    owner: Tree = {
        "provider": "minio",
        "endpoint": minio.endpoint,
        "ca_cert": str(minio.ca_cert),
        "prefix": "fleet",
        "bucket": minio.create_bucket(f"restore-{uuid.uuid4().hex[:12]}"),
        "auth": {"method": "access_key", "access_key": minio.access_key, "secret_key": minio.secret_key},
    }
    name, secret = f"user-{uuid.uuid4().hex[:10]}", secrets.token_urlsafe(24)
    admin = MinioAdmin(
        endpoint=minio.endpoint.removeprefix("https://"),
        credentials=StaticProvider(minio.access_key, minio.secret_key),
        http_client=urllib3.PoolManager(ca_certs=str(minio.ca_cert)),
    )
    admin.user_add(name, secret)
    allowed = statements(grants("reader", ["prod-1"]), owner["bucket"], owner["prefix"])
    admin.policy_add(name, policy={"Version": "2012-10-17", "Statement": allowed})
    admin.attach_policy([name], user=name)
    reader = owner | {"auth": {"method": "access_key", "access_key": name, "secret_key": secret}}
    with Fleet(["prod-1"]).running() as hosts:
        variables = {
            "stowage_locations": {"primary": owner},
            "stowage_default_location": "primary",
            "stowage_workspaces": {"prod": {"clusters": ["prod-*"]}},
        }
        plays = Plays.make(tmp_path, hosts=hosts, vars=variables)
        code, output = plays.run("stowage.kubernetes.workspace_backup", *RUN)
        assert code == 0, output
        told = json.dumps({"stowage_locations": {"primary": reader}, "workspace_restore_map": "same"})
        code, output = plays.run(RESTORE, *RUN, "-e", told, "--check")
        plays.end()
    assert code == 0, output
    assert (
        "Whether the run is also about clusters that have left the workspace or the inventory cannot be seen" in output
    )
    assert "prod-1: plan for backup-prod-1-" in output
