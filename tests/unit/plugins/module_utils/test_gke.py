# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of GKE: where they are, who asks, and when a new token is got."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._gke import address_of, gke_issue
from support.scripted_api import Reply, Request, ScriptedApi, as_json, as_status
from testbed.google_tokens import Tokens
from testbed.pki import Authority

GKE: t.Final = {"name": "prod", "location": "europe-west1", "project": "shop"}
PATH: t.Final = "/v1/projects/shop/locations/europe-west1/clusters/prod"
ACCOUNTS: t.Final = Tokens()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    authority = Authority(tmp_path_factory.mktemp("pki"), "ca")
    pair = authority.server("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context, str(authority.pair.certificate)


class Google:
    """GKE with one answer, and what gives tokens: first, second and so on."""

    def __init__(self, reply: Reply, context: ssl.SSLContext) -> None:
        self.reply = reply
        self.scopes: list[str] = []
        self.api = ScriptedApi(self._answer, context)

    def _answer(self, request: Request) -> Reply:
        if request.path != "/token":
            return self.reply
        assertion = request.body.decode().partition("assertion=")[2].split(".")[1]
        self.scopes.append(json.loads(base64.urlsafe_b64decode(assertion + "=" * (-len(assertion) % 4)))["scope"])
        return as_json({"access_token": f"token-{len(self.scopes)}", "expires_in": 3600, "token_type": "Bearer"})


def options(url: str, ca: str) -> dict[str, t.Any]:
    auth = {"method": "service_account_key", "credentials_json": json.dumps(ACCOUNTS.key_document(url))}
    return {"cluster_auth": "gke", "gke": {**GKE, "endpoint": url, "ca_cert": ca}, "gke_auth": auth}


def connect(url: str, ca: str, **more: t.Any) -> Connection:
    params = {**options(url, ca), **more}
    # What the environment holds is another cluster's.
    environ = {"K8S_AUTH_HOST": "https://other.example", "K8S_AUTH_API_KEY": "k"}
    issue = gke_issue(params, environ, threading.Event())
    return Connection.open(ClusterAccess.from_params(params, environ), issue=issue)


def described(host: str, ca: str = "", **more: t.Any) -> dict[str, t.Any]:
    authority = base64.b64encode(Path(ca).read_bytes() if ca else b"x").decode()
    return {"endpoint": host, "masterAuth": {"clusterCaCertificate": authority}, "status": "RUNNING", **more}


def test_a_new_token_is_got_when_the_cluster_no_longer_takes_the_old(tls: tuple[ssl.SSLContext, str]) -> None:
    context, ca = tls
    ended = {"token-1"}

    def answer(request: Request) -> Reply:
        return as_status(401, "Unauthorized") if request.token in ended else as_json({"token": request.token})

    with ScriptedApi(answer, context).running() as cluster:
        google = Google(as_json(described(cluster.url.removeprefix("https://"), ca)), context)
        with google.api.running() as api:
            connection = connect(api.url, ca, impersonate_user="auditor")
            assert connection.get_json("/x") == {"token": "token-2"}
            ended.add("token-2")
            assert connection.get_json("/x") == {"token": "token-3"}
            assert api.paths().count(PATH) == 1, "the address is asked for once"
        assert {request.headers["impersonate-user"] for request in cluster.requests} == {"auditor"}
    assert set(google.scopes) == {"https://www.googleapis.com/auth/cloud-platform"}
    key = json.loads(options("", "")["gke_auth"]["credentials_json"])["private_key"]
    assert {"token-1", "token-2", "token-3", key} <= connection.secrets


DNS: t.Final = {"endpoint": "gke-1.europe-west1.gke.goog", "allowExternalTraffic": True}
ADDRESSES: t.Final = {"enabled": True, "publicEndpoint": "192.0.2.7", "privateEndpoint": "10.0.0.7"}
CONFIG: t.Final = {"dnsEndpointConfig": DNS, "ipEndpointsConfig": ADDRESSES}
BY_NAME: t.Final = {**CONFIG, "ipEndpointsConfig": {"enabled": False}}


@pytest.mark.parametrize(
    ("kind", "more", "server"),
    [
        ("auto", {}, "https://192.0.2.1"),
        ("auto", {"controlPlaneEndpointsConfig": CONFIG}, "https://192.0.2.1"),
        ("auto", {"controlPlaneEndpointsConfig": BY_NAME, "endpoint": ""}, "https://gke-1.europe-west1.gke.goog"),
        ("dns", {"controlPlaneEndpointsConfig": CONFIG}, "https://gke-1.europe-west1.gke.goog"),
        ("public", {"controlPlaneEndpointsConfig": CONFIG}, "https://192.0.2.7"),
        ("private", {"controlPlaneEndpointsConfig": CONFIG}, "https://10.0.0.7"),
        ("private", {"privateClusterConfig": {"privateEndpoint": "10.0.0.9"}}, "https://10.0.0.9"),
        ("public", {"privateClusterConfig": {"publicEndpoint": "192.0.2.9"}}, "https://192.0.2.9"),
    ],
)
def test_a_cluster_has_several_addresses(kind: str, more: dict[str, t.Any], server: str) -> None:
    found = address_of(described("192.0.2.1", **more), "prod", kind)
    assert found["server"] == server
    # A name has a certificate that everybody trusts.
    assert ("certificate-authority-data" in found) == ("goog" not in server)


@pytest.mark.parametrize(
    ("kind", "cluster"),
    [
        ("auto", {}),
        ("auto", described("")),
        ("auto", described("192.0.2.1/../x")),
        ("auto", described("user@192.0.2.1")),
        ("auto", {"endpoint": "192.0.2.1"}),
        ("private", described("192.0.2.1")),
        ("dns", described("192.0.2.1", controlPlaneEndpointsConfig={"dnsEndpointConfig": None})),
    ],
)
def test_a_cluster_without_such_an_address_is_refused(kind: str, cluster: dict[str, t.Any]) -> None:
    with pytest.raises(StowageError) as caught:
        address_of(cluster, "prod", kind)
    assert caught.value.code == "cluster_access_invalid"


def refused(code: int, **error: t.Any) -> Reply:
    return as_json({"error": {"code": code, "message": "canary-text", **error}}, code)


@pytest.mark.parametrize(
    ("reply", "code", "says"),
    [
        (refused(404, status="NOT_FOUND"), "cluster_access_invalid", "no cluster 'prod' in shop/europe-west1"),
        (refused(403, status="PERMISSION_DENIED"), "permission_denied", "container.clusters.get"),
        (refused(403, details=[{"reason": "SERVICE_DISABLED"}]), "permission_denied", "the API is not enabled"),
        (refused(401, status="UNAUTHENTICATED"), "credentials_invalid", "Google says"),
        (as_json({"status": "PROVISIONING"}), "cluster_access_invalid", "PROVISIONING"),
        (Reply(b"<html>"), "store_error", "no JSON object"),
    ],
)
def test_what_gke_says_is_told(reply: Reply, code: str, says: str, tls: tuple[ssl.SSLContext, str]) -> None:
    context, ca = tls
    with Google(reply, context).api.running() as api, pytest.raises(StowageError) as caught:
        connect(api.url, ca)
    assert caught.value.code == code
    assert says in caught.value.message + caught.value.hint
    assert "canary-text" not in json.dumps(caught.value.as_result())
    assert "the store" not in caught.value.message


def test_the_environment_says_who_asks_but_not_at_another_endpoint() -> None:
    environ = {"GCP_SERVICE_ACCOUNT_CONTENTS": json.dumps(ACCOUNTS.key_document("https://oauth2.example"))}
    gke_issue({"gke": GKE}, environ, threading.Event())
    with pytest.raises(StowageError) as caught:
        gke_issue({"gke": {**GKE, "endpoint": "https://gke.example"}}, environ, threading.Event())
    assert caught.value.code == "credentials_missing"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"gke": None}, "cluster_access_invalid"),
        ({"gke": {**GKE, "name": "../prod"}}, "invalid_option"),
        ({"gke": {**GKE, "location": "-"}}, "invalid_option"),
        ({"gke": {**GKE, "project": "shop/x"}}, "invalid_option"),
        ({"gke": {**GKE, "endpoint": "http://gke.example"}}, "invalid_option"),
        ({"gke_auth": {"method": "account_key"}}, "invalid_option"),
        ({"gke_auth": {"method": "default_chain", "account": "shop"}}, "invalid_option"),
    ],
)
def test_options_that_make_no_sense(more: dict[str, t.Any], code: str) -> None:
    with pytest.raises(StowageError) as caught:
        gke_issue({**options("https://gke.example", ""), **more}, {}, threading.Event())
    assert caught.value.code == code


@pytest.mark.parametrize("cloud", ["gke", "aks"])
@pytest.mark.parametrize(
    "more", [{"kubeconfig": "x"}, {"host": "https://x.example"}, {"api_key": "x"}, {"eks": {"name": "x"}}]
)
def test_two_ways_at_once_are_refused(cloud: str, more: dict[str, t.Any]) -> None:
    with pytest.raises(StowageError) as caught:
        ClusterAccess.from_params({"cluster_auth": cloud, cloud: {"name": "prod"}, **more}, {})
    assert caught.value.code == "cluster_access_invalid"
    with pytest.raises(StowageError) as caught:
        ClusterAccess.from_params({"cluster_auth": "kubeconfig", cloud: {"name": "prod"}}, {})
    assert f"cluster_auth: {cloud}" in caught.value.hint
