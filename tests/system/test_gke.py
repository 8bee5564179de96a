# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters of GKE: a real apiserver that has Google's access tokens checked by the server that stands for Google."""

from __future__ import annotations

import dataclasses
import json
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._gke import gke_issue
from support.cloud_clusters import Fleet, authority, let_in, prepare, token_webhook
from testbed import Cluster, Testbed
from testbed.google import GoogleServer
from testbed.google_iam import CLUSTER_PROJECT

Tree = dict[str, t.Any]
NAME: t.Final = "prod-gke"
LOCATION: t.Final = "europe-west1"
SHOP: t.Final = "gke-shop"
VIEWER: t.Final = "roles/container.clusterViewer"


@dataclasses.dataclass(frozen=True)
class Cloud:
    """A project with a cluster, and a service account that may read it."""

    google: GoogleServer
    cluster: Cluster
    reader: str

    def account(self, name: str, *, sees: bool, enters: bool) -> str:
        """A service account that may or may not see the project's clusters and enter them."""
        email = self.google.iam.add_account(f"{name}@{CLUSTER_PROJECT}.iam.gserviceaccount.com")
        if sees:
            binding = {"role": VIEWER, "members": [f"serviceAccount:{email}"]}
            self.google.iam.of_projects.setdefault(CLUSTER_PROJECT, []).append(binding)
        if enters:
            let_in(self.cluster, "User", email)
        return email

    def there(self) -> Tree:
        return {"endpoint": self.google.endpoint, "ca_cert": str(self.google.ca_cert)}

    def key(self, email: str) -> str:
        return json.dumps(self.google.tokens.key_document(self.google.endpoint, email))

    def connect(self, email: str, **gke: str) -> Connection:
        place = {"name": NAME, "location": LOCATION, "project": CLUSTER_PROJECT, **self.there(), **gke}
        auth = {"method": "service_account_key", "credentials_json": self.key(email)}
        params = {"cluster_auth": "gke", "gke": place, "gke_auth": auth}
        issue = gke_issue(params, {}, threading.Event())
        return Connection.open(ClusterAccess.from_params(params, {}), issue=issue)


@pytest.fixture(scope="module")
def cloud(testbed: Testbed, google: GoogleServer, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    webhook = token_webhook(tmp_path_factory.mktemp("webhook"), google.clusters.webhook, google.ca_cert)
    one = testbed.cluster("gke", apiserver_args=webhook)
    prepare(one, SHOP)
    for name, location in ((NAME, LOCATION), ("test-gke", "us-east1-b")):
        labels = {"env": name.partition("-")[0]}
        google.clusters.add(CLUSTER_PROJECT, location, name, one.server, authority(one), resourceLabels=labels)
    made = Cloud(google, one, "")
    return dataclasses.replace(made, reader=made.account("gke-reader", sees=True, enters=True))


def uid(connection: Connection) -> str:
    return str(connection.get_json("/api/v1/namespaces/kube-system")["metadata"]["uid"])


def test_a_cluster_of_gke_lets_in_whom_it_knows_and_takes_new_tokens(cloud: Cloud) -> None:
    connection = cloud.connect(cloud.reader)
    expected = cloud.cluster.api.get("v1", "Namespace", "kube-system")["metadata"]["uid"]
    given = len(cloud.google.tokens.given)
    # An apiserver remembers for some seconds what it was told of a token, so this one must end before it is shown.
    cloud.google.tokens.revoke_all()
    assert uid(connection) == expected, "the cluster does not take the token, and no new one was got"
    assert uid(connection) == expected
    assert cloud.google.tokens.given[given:] == [cloud.reader]
    connection.close()


def test_nobody_else_gets_in(cloud: Cloud) -> None:
    stranger = cloud.account("gke-stranger", sees=True, enters=False)
    with pytest.raises(StowageError) as caught:
        cloud.connect(stranger).get_json("/api/v1/namespaces/kube-system")
    assert caught.value.code == "cluster_forbidden"
    lost = cloud.account("gke-lost", sees=False, enters=True)
    with pytest.raises(StowageError) as caught:
        cloud.connect(lost)
    assert caught.value.code == "permission_denied"
    assert "container.clusters.get" in caught.value.hint
    with pytest.raises(StowageError) as caught:
        cloud.connect(cloud.reader, name="gone")
    assert caught.value.code == "cluster_access_invalid"


def fleet_of(cloud: Cloud, path: Path) -> tuple[Fleet, Tree]:
    key = path / "key.json"
    key.write_text(cloud.key(cloud.reader), encoding="utf-8")
    gke = {
        "projects": [CLUSTER_PROJECT],
        "auth": {"method": "service_account_key", "credentials_file": str(key)},
        **cloud.there(),
    }
    variables = {
        "stowage_gke_auth": {
            "method": "service_account_key",
            "credentials_json": "{{ lookup('env', 'KEY_OF_GOOGLE') }}",
        }
    }
    return Fleet.make(path, {"gke": {**gke, "clusters": ["prod-*"]}}, variables), gke


def test_a_cluster_that_the_inventory_found_is_backed_up_and_no_secret_is_shown(cloud: Cloud, tmp_path: Path) -> None:
    fleet, _gke = fleet_of(cloud, tmp_path)
    text = cloud.key(cloud.reader)
    key = json.loads(text)["private_key"]
    try:
        assert fleet.hosts() == [NAME]
        variables = json.loads(fleet.listed())["_meta"]["hostvars"][NAME]
        assert "ya29." not in json.dumps(variables)
        code, output = fleet.back_up(SHOP, [key, key.splitlines()[1]], KEY_OF_GOOGLE=text)
    finally:
        fleet.plays.end()
    assert code == 0, output
    assert fleet.has_backup(NAME)
    assert "ya29." not in output


def test_a_zone_that_does_not_answer_leaves_no_cluster_out_in_silence(cloud: Cloud, tmp_path: Path) -> None:
    fleet, gke = fleet_of(cloud, tmp_path)
    cache = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
    }
    try:
        fleet.write({"gke": gke})
        cloud.google.clusters.missing_zones.append("us-east1-b")
        assert fleet.hosts() == ["cloud", NAME], "a host stands for what is not known"
        cloud.google.clusters.missing_zones.clear()
        fleet.write({"gke": gke}, **cache)
        assert fleet.hosts() == [NAME, "test-gke"]
        kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").iterdir())
        assert b"private_key" not in kept
        cloud.google.clusters.missing_zones.append("us-east1-b")
        found = json.loads(fleet.listed("--flush-cache"))
        assert sorted(found["production"]["hosts"]) == [NAME, "test-gke"], "what is known from the cache stays"
        hosts = found["_meta"]["hostvars"]
        assert "cluster_api_error" in json.dumps(hosts["test-gke"]["stowage_source_error"])
        assert "stowage_source_error" not in hosts[NAME]
    finally:
        cloud.google.clusters.missing_zones.clear()
        fleet.plays.end()
