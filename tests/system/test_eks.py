# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster of EKS: a real apiserver that has tokens checked by an AWS that enforces IAM, signatures included."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._eks import eks_issue
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support.aws import allow, document
from support.cloud_clusters import Fleet, authority, let_in, prepare, token_webhook
from testbed import Cluster, MiniStack, Testbed
from testbed.ministack import WORKLOAD_ACCOUNT

Tree = dict[str, t.Any]
NAME: t.Final = "shop-eks"
SHOP: t.Final = "eks-shop"
GROUP: t.Final = "stowage-eks"
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
def cloud(testbed: Testbed, ministack: MiniStack, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    server = ministack.token_webhook(WORKLOAD_ACCOUNT, NAME, SECRET)
    webhook = token_webhook(tmp_path_factory.mktemp("webhook"), server, ministack.ca_cert)
    one = testbed.cluster("eks", apiserver_args=webhook)
    prepare(one, SHOP)
    let_in(one, "Group", GROUP)
    role = ministack.role(
        WORKLOAD_ACCOUNT, "eks", document({**allow("sts:AssumeRole"), "Principal": {"Service": "eks.amazonaws.com"}})
    )
    ministack.eks(WORKLOAD_ACCOUNT).create_cluster(
        name=NAME,
        roleArn=role,
        resourcesVpcConfig={"subnetIds": []},
        tags={
            "testbed:server": one.server,
            "testbed:authority": authority(one),
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
    there = {name: options["eks"][name] for name in ("endpoint", "ca_cert")}
    eks = {"regions": [cloud.aws.region], "auth": options["eks_auth"], "clusters": ["shop-*"], **there}
    auth = options["eks_auth"] | {"secret_key": "{{ lookup('env', 'KEY_OF_AWS') }}"}
    fleet = Fleet.make(tmp_path, {"eks": eks}, {"stowage_eks_auth": auth})
    try:
        assert fleet.hosts() == [NAME]
        code, output = fleet.back_up(SHOP, [cloud.reader[1]], KEY_OF_AWS=cloud.reader[1])
    finally:
        fleet.plays.end()
    assert code == 0, output
    assert fleet.has_backup(NAME)
    assert "k8s-aws-v1." not in output
