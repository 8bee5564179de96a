# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster of EKS: a real apiserver that has tokens checked by an AWS that enforces IAM, signatures included."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._eks import eks_issue
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support.aws import allow, document
from support.clusters import config_map, namespace
from support.leaks import files, leaks
from support.plays import Plays
from testbed import Cluster, MiniStack, accounts
from testbed.ministack import WORKLOAD_ACCOUNT

if t.TYPE_CHECKING:
    from conftest import ClusterFactory

Tree = dict[str, t.Any]
NAME: t.Final = "prod-eks"
SHOP: t.Final = "eks-shop"
GROUP: t.Final = "stowage-eks"
RBAC: t.Final = "rbac.authorization.k8s.io"
SECRET: t.Final = "known-to-the-webhook"


@dataclasses.dataclass(frozen=True)
class Cloud:
    """An account with a cluster, and who may do what."""

    aws: MiniStack
    cluster: Cluster
    reader: tuple[str, str]

    def options(self, keys: tuple[str, str], **eks: str) -> Tree:
        there = {
            "name": NAME,
            "region": self.aws.region,
            "endpoint": self.aws.endpoint,
            "ca_cert": str(self.aws.ca_cert),
        }
        auth = {"method": "access_key", "access_key": keys[0], "secret_key": keys[1]}
        return {"cluster_auth": "eks", "eks": {**there, **eks}, "eks_auth": auth}

    def connect(self, keys: tuple[str, str], **eks: str) -> Connection:
        params = self.options(keys, **eks)
        return Connection.open(ClusterAccess.from_params(params, {}), issue=eks_issue(params, {}))

    def user(self, name: str, *actions: str, enters: bool) -> tuple[str, str]:
        """A user with these permissions at AWS, who may or may not enter the cluster."""
        keys = self.aws.user(WORKLOAD_ACCOUNT, name, document(allow(list(actions))))
        if enters:
            arn = f"arn:aws:iam::{WORKLOAD_ACCOUNT}:user/{name}"
            self.aws.eks(WORKLOAD_ACCOUNT).create_access_entry(
                clusterName=NAME, principalArn=arn, kubernetesGroups=[GROUP]
            )
        return keys


@pytest.fixture(scope="module")
def cloud(cluster: ClusterFactory, ministack: MiniStack, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    webhook = tmp_path_factory.mktemp("webhook") / "kubeconfig"
    there = {
        "server": ministack.token_webhook(WORKLOAD_ACCOUNT, NAME, SECRET),
        "certificate-authority": str(ministack.ca_cert),
    }
    content = {
        "current-context": "aws",
        "contexts": [{"name": "aws", "context": {"cluster": "aws", "user": "aws"}}],
        "clusters": [{"name": "aws", "cluster": there}],
        "users": [{"name": "aws", "user": {}}],
    }
    webhook.write_text(json.dumps(content), encoding="utf-8")
    one = cluster(
        "eks",
        apiserver_args=[
            f"--authentication-token-webhook-config-file={webhook}",
            "--authentication-token-webhook-version=v1",
            "--authentication-token-webhook-cache-ttl=0s",
        ],
    )
    accounts.ship(one)
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": GROUP},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "stowage-backup-reader"},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": GROUP}],
    }
    for each in (binding, namespace(SHOP), config_map(SHOP, "settings", a="b")):
        one.api.apply(each, field_manager="test")
    authority = yaml.safe_load(one.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
    role = ministack.role(
        WORKLOAD_ACCOUNT, "eks", document({**allow("sts:AssumeRole"), "Principal": {"Service": "eks.amazonaws.com"}})
    )
    ministack.eks(WORKLOAD_ACCOUNT).create_cluster(
        name=NAME,
        roleArn=role,
        resourcesVpcConfig={"subnetIds": []},
        tags={
            "testbed:server": one.server,
            "testbed:authority": authority["certificate-authority-data"],
            "testbed:secret": SECRET,
        },
    )
    made = Cloud(ministack, one, ("", ""))
    return dataclasses.replace(
        made, reader=made.user("eks-reader", "eks:DescribeCluster", "eks:ListClusters", enters=True)
    )


def test_a_cluster_of_eks_lets_in_whom_its_access_entries_name(cloud: Cloud) -> None:
    connection = cloud.connect(cloud.reader)
    uid = connection.get_json("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert uid == cloud.cluster.api.get("v1", "Namespace", "kube-system")["metadata"]["uid"]
    connection.close()


def test_nobody_else_gets_in(cloud: Cloud) -> None:
    stranger = cloud.user("eks-stranger", "eks:DescribeCluster", enters=False)
    with pytest.raises(StowageError) as caught:
        cloud.connect(stranger).get_json("/api/v1/namespaces/kube-system")
    assert caught.value.code == "cluster_unauthorized"
    lost = cloud.user("eks-lost", "s3:ListAllMyBuckets", enters=True)
    with pytest.raises(StowageError) as caught:
        cloud.connect(lost)
    assert caught.value.code == "permission_denied"
    assert "eks:DescribeCluster" in caught.value.hint
    with pytest.raises(StowageError) as caught:
        cloud.connect((cloud.reader[0], "x" * 40))
    assert caught.value.code == "credentials_invalid"
    with pytest.raises(StowageError) as caught:
        cloud.connect(cloud.reader, name="gone")
    assert caught.value.code == "cluster_access_invalid"


def test_a_cluster_that_the_inventory_found_is_backed_up_and_no_secret_is_shown(cloud: Cloud, tmp_path: Path) -> None:
    options = cloud.options(cloud.reader)
    (tmp_path / "backups").mkdir()
    folder = tmp_path / "inventory"
    folder.mkdir()
    there = {name: options["eks"][name] for name in ("endpoint", "ca_cert")}
    eks = {"regions": [cloud.aws.region], "auth": options["eks_auth"], "clusters": ["prod-*"], **there}
    workspaces = {"production": {"clusters": [NAME]}}
    document = {"plugin": "stowage.kubernetes.workspaces", "sources": {"cloud": {"eks": eks}}, "workspaces": workspaces}
    (folder / "cloud.workspaces.yml").write_text(json.dumps(document), encoding="utf-8")
    variables = {
        "stowage_locations": {"primary": {"provider": "filesystem", "path": str(tmp_path / "backups")}},
        "stowage_default_location": "primary",
        "stowage_eks_auth": options["eks_auth"] | {"secret_key": "{{ lookup('env', 'KEY_OF_AWS') }}"},
    }
    (folder / "variables.yml").write_text(json.dumps({"all": {"vars": variables}}), encoding="utf-8")
    plays = dataclasses.replace(Plays.make(tmp_path), inventory=folder)
    try:
        listed = subprocess.run(
            [sys.executable, "-m", "ansible", "inventory", "-i", str(folder), "--list"],
            env=plays.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert json.loads(listed)["production"]["hosts"] == [NAME]
        arguments = (
            "-e",
            "backup_hosts=production",
            "-e",
            f"backup_included_namespaces={SHOP}",
            "-e",
            "backup_name=b1",
        )
        with plays.start("stowage.kubernetes.backup", *arguments, "-vvv", KEY_OF_AWS=cloud.reader[1]) as play:
            output, _errors = play.communicate()
    finally:
        plays.end()
    assert play.returncode == 0, output
    assert (tmp_path / f"backups/clusters/{NAME}/backups/b1/velero-backup.json").exists()
    shown = [("the list", listed.encode()), ("the output", output.encode()), *files(plays.path)]
    assert leaks(shown, [cloud.reader[1]]) == []
    assert "k8s-aws-v1." not in output
