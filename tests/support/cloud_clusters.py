# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters that a cloud runs, for tests: a real apiserver that has tokens checked elsewhere, and backups of what an inventory finds."""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml

from support.clusters import config_map, namespace
from support.leaks import files, leaks
from support.plays import Plays
from testbed import Cluster, accounts

Tree = dict[str, t.Any]
RBAC: t.Final = "rbac.authorization.k8s.io"


def token_webhook(folder: Path, server: str, ca_cert: Path | None) -> list[str]:
    """Arguments of an apiserver that asks a server whose each token is, each time."""
    content = {
        "current-context": "cloud",
        "contexts": [{"name": "cloud", "context": {"cluster": "cloud", "user": "cloud"}}],
        "clusters": [{"name": "cloud", "cluster": {"server": server, "certificate-authority": str(ca_cert)}}],
        "users": [{"name": "cloud", "user": {}}],
    }
    path = folder / "webhook"
    path.write_text(json.dumps(content), encoding="utf-8")
    return [
        f"--authentication-token-webhook-config-file={path}",
        "--authentication-token-webhook-version=v1",
        "--authentication-token-webhook-cache-ttl=0s",
    ]


def prepare(cluster: Cluster, shop: str) -> None:
    """The roles that the collection ships, and something to back up."""
    accounts.ship(cluster)
    for each in (namespace(shop), config_map(shop, "settings", a="b")):
        cluster.api.apply(each, field_manager="test")


def let_in(cluster: Cluster, kind: str, name: str) -> None:
    """Lets a `User` or a `Group` back the cluster up."""
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"cloud-{name}".replace("@", "-")},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "stowage-backup-reader"},
        "subjects": [{"apiGroup": RBAC, "kind": kind, "name": name}],
    }
    cluster.api.apply(binding, field_manager="test")


def authority(cluster: Cluster) -> str:
    """The certificates of a cluster's authorities, in base64."""
    document = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    found = document["clusters"][0]["cluster"]
    if "certificate-authority-data" in found:
        return str(found["certificate-authority-data"])
    return base64.b64encode(Path(found["certificate-authority"]).read_bytes()).decode()


@dataclasses.dataclass(frozen=True)
class Fleet:
    """An inventory with one source of a cloud."""

    plays: Plays
    folder: Path
    backups: Path

    @classmethod
    def make(cls, path: Path, source: Tree, variables: Tree) -> Fleet:
        """In an empty directory. All clusters of the source are in the workspace `production`."""
        backups, folder = path / "backups", path / "inventory"
        backups.mkdir()
        folder.mkdir()
        more = {
            "stowage_locations": {"primary": {"provider": "filesystem", "path": str(backups)}},
            "stowage_default_location": "primary",
            **variables,
        }
        (folder / "variables.yml").write_text(json.dumps({"all": {"vars": more}}), encoding="utf-8")
        made = cls(dataclasses.replace(Plays.make(path), inventory=folder), folder, backups)
        made.write(source)
        return made

    def write(self, source: Tree, **more: t.Any) -> None:
        """The plugin's file."""
        document = {
            "plugin": "stowage.kubernetes.workspaces",
            "sources": {"cloud": source},
            "workspaces": {"production": {"clusters": ["*"]}},
            **more,
        }
        (self.folder / "cloud.workspaces.yml").write_text(json.dumps(document), encoding="utf-8")

    def listed(self, *arguments: str) -> str:
        """What ``ansible-inventory --list`` shows."""
        return subprocess.run(
            [sys.executable, "-m", "ansible", "inventory", "-i", str(self.folder), "--list", *arguments],
            env=self.plays.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def hosts(self) -> list[str]:
        """The members of the workspace."""
        return sorted(json.loads(self.listed())["production"]["hosts"])

    def back_up(self, shop: str, secrets: t.Sequence[str], **environment: str) -> tuple[int, str]:
        """Backs all of the workspace up, as `b1`; the exit code and the output. No secret is in anything that was written."""
        arguments = (
            "-e",
            "backup_hosts=production",
            "-e",
            f"backup_included_namespaces={shop}",
            "-e",
            "backup_name=b1",
        )
        with self.plays.start("stowage.kubernetes.backup", *arguments, "-vvv", **environment) as play:
            output, _errors = play.communicate()
        shown = [("the list", self.listed().encode()), ("the output", output.encode()), *files(self.plays.path)]
        assert leaks(shown, secrets) == []
        return play.returncode, output

    def has_backup(self, cluster: str) -> bool:
        """Whether a cluster was backed up."""
        return (self.backups / f"clusters/{cluster}/backups/b1/velero-backup.json").exists()
