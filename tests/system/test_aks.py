# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters of AKS: a real apiserver that has tokens checked by the server that stands for Entra and Azure Resource Manager."""

from __future__ import annotations

import dataclasses
import json
import threading
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.stowage.kubernetes.plugins.module_utils._aks import aks_issue
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support.cloud_clusters import Fleet, authority, let_in, prepare, token_webhook
from testbed import Cluster, Testbed
from testbed.arm_clusters import ACTIONS, SERVER, ManagedClusters
from testbed.entra import Entra
from testbed.entra_applications import Application

Tree = dict[str, t.Any]
NAME: t.Final = "prod-aks"
LOCAL: t.Final = "old-aks"
GROUP: t.Final = "Shop"
SHOP: t.Final = "aks-shop"


@dataclasses.dataclass(frozen=True)
class Cloud:
    """A subscription with a cluster that takes tokens of Entra and one that does not, and an application that may read the first."""

    entra: Entra
    clusters: ManagedClusters
    cluster: Cluster
    reader: Application

    def there(self) -> Tree:
        return {"management_endpoint": self.entra.authority, "ca_cert": str(self.entra.ca_cert)}

    def auth(self, who: Application) -> Tree:
        named = {"tenant": self.entra.tenant, "client_id": who.client_id, "secret": who.secret}
        return {"method": "service_principal", **named, "authority": self.entra.authority}

    def connect(self, who: Application, **aks: str) -> Connection:
        subscription = self.clusters.subscription
        place = {"name": NAME, "resource_group": GROUP, "subscription": subscription, **self.there(), **aks}
        params = {"cluster_auth": "aks", "aks": place, "aks_auth": self.auth(who)}
        issue = aks_issue(params, {}, threading.Event())
        return Connection.open(ClusterAccess.from_params(params, {}), issue=issue)


def certificate(cluster: Cluster) -> Tree:
    """The client certificate of a cluster's administrator, as a kubeconfig holds it."""
    user: Tree = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))["users"][0]["user"]
    return user


@pytest.fixture(scope="module")
def cloud(testbed: Testbed, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Cloud]:
    with Entra(tmp_path_factory.mktemp("entra")) as entra:
        clusters = ManagedClusters(entra)
        webhook = token_webhook(tmp_path_factory.mktemp("webhook"), clusters.webhook, entra.ca_cert)
        one = testbed.cluster("aks", apiserver_args=webhook)
        prepare(one, SHOP)
        reader = entra.register()
        let_in(one, "User", reader.object_id)
        place = {"server": one.server, "certificate-authority-data": authority(one)}
        clusters.add(GROUP, NAME, place, tags={"env": "prod"})
        clusters.add(GROUP, LOCAL, place, certificate(one), tags={"env": "old"})
        yield Cloud(entra, clusters, one, reader)


def uid(connection: Connection) -> str:
    return str(connection.get_json("/api/v1/namespaces/kube-system")["metadata"]["uid"])


def test_a_cluster_of_aks_lets_in_whom_it_knows_and_takes_new_tokens(cloud: Cloud) -> None:
    expected = cloud.cluster.api.get("v1", "Namespace", "kube-system")["metadata"]["uid"]
    connection = cloud.connect(cloud.reader)
    asked, given = len(cloud.entra.asked), len(cloud.clusters.given)
    # An apiserver remembers for some seconds what it was told of a token, so this one must end before it is shown.
    cloud.clusters.refusals = 1
    assert uid(connection) == expected, "the cluster does not take the token, and no new one was got"
    assert uid(connection) == expected
    assert [one["scope"] for one in cloud.entra.asked[asked:]] == [f"{SERVER}/.default"]
    assert len(cloud.clusters.given) == given, "the address is asked for once"
    connection.close()


def test_a_cluster_without_entra_is_reached_by_the_certificate_that_azure_gives(cloud: Cloud) -> None:
    who = cloud.entra.register()
    connection = cloud.connect(who, name=LOCAL)
    assert uid(connection) == cloud.cluster.api.get("v1", "Namespace", "kube-system")["metadata"]["uid"]
    assert {certificate(cloud.cluster)["client-key-data"]} <= connection.secrets


def test_nobody_else_gets_in(cloud: Cloud) -> None:
    stranger = cloud.entra.register()
    with pytest.raises(StowageError) as caught:
        cloud.connect(stranger).get_json("/api/v1/namespaces/kube-system")
    assert caught.value.code == "cluster_forbidden"
    action = f"{ACTIONS}/listClusterUserCredential/action"
    cloud.entra.arm.denied.add(action)
    try:
        with pytest.raises(StowageError) as caught:
            cloud.connect(cloud.reader)
    finally:
        cloud.entra.arm.denied.clear()
    assert caught.value.code == "permission_denied"
    assert action in caught.value.hint
    with pytest.raises(StowageError) as caught:
        cloud.connect(cloud.reader, name="gone")
    assert caught.value.code == "cluster_access_invalid"
    with pytest.raises(StowageError) as caught:
        cloud.connect(dataclasses.replace(cloud.reader, secret="x" * 30))
    assert caught.value.code == "credentials_invalid"


def test_clusters_that_the_inventory_found_are_backed_up_and_no_secret_is_shown(cloud: Cloud, tmp_path: Path) -> None:
    source = {"subscriptions": [cloud.clusters.subscription], "auth": cloud.auth(cloud.reader), **cloud.there()}
    auth = cloud.auth(cloud.reader) | {"secret": "{{ lookup('env', 'KEY_OF_AZURE') }}"}
    fleet = Fleet.make(tmp_path, {"aks": source, "hostname": "stowage_aks.name"}, {"stowage_aks_auth": auth})
    try:
        found = json.loads(fleet.listed())
        assert sorted(found["production"]["hosts"]) == [LOCAL, NAME]
        reference = found["_meta"]["hostvars"][NAME]["stowage_aks"]
        assert reference["resource_group"] == {"__ansible_unsafe": GROUP} or reference["resource_group"] == GROUP
        fleet.write({"aks": {**source, "clusters": ["prod-*"]}})
        secrets = [cloud.reader.secret, certificate(cloud.cluster)["client-key-data"]]
        code, output = fleet.back_up(SHOP, secrets, KEY_OF_AZURE=cloud.reader.secret)
        assert code == 0, output
        assert fleet.has_backup(NAME)
        assert "eyJ" not in output, "a token is shown"
        # A subscription that was never used for clusters, or is another's, is a host that fails.
        fleet.write({"aks": {**source, "subscriptions": ["00000000-0000-0000-0000-000000000000"]}})
        assert fleet.hosts() == ["cloud"]
        assert "MissingSubscriptionRegistration" in fleet.listed()
    finally:
        fleet.plays.end()
