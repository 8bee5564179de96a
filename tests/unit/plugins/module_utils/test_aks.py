# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of AKS: what of Azure's kubeconfig counts, who asks, and when a new token is got."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._aks import SERVER, Aks, aks_issue, taken_from
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import CLOUDS, AzureSettings
from support.scripted_api import Reply, Request, ScriptedApi, as_json, as_status
from testbed.pki import Authority

SECRET: t.Final = "secret-canary-41f0"
SUBSCRIPTION: t.Final = "11111111-2222-3333-4444-555555555555"
AKS: t.Final = {"name": "prod", "resource_group": "shop", "subscription": SUBSCRIPTION}
LIST: t.Final = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/managedClusters"
RESOURCE: t.Final = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shop/providers/Microsoft.ContainerService/managedClusters/prod"
)
WHO: t.Final = {"tenant": "testbed", "client_id": "backup", "secret": SECRET}
EXEC: t.Final = {"exec": {"command": "kubelogin", "args": ["get-token", "--server-id", SERVER]}}
PAIR: t.Final = {"client-certificate-data": "Q0VSVA==", "client-key-data": "S0VZ"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    authority = Authority(tmp_path_factory.mktemp("pki"), "ca")
    pair = authority.server("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context, str(authority.pair.certificate)


def given(user: t.Any, server: str = "https://prod.hcp.example:443", ca: str = "") -> dict[str, t.Any]:
    """What Azure answers: a kubeconfig, which may hold more than counts."""
    cluster = {
        "server": server,
        "certificate-authority-data": base64.b64encode(Path(ca).read_bytes() if ca else b"x").decode(),
        "proxy-url": "http://proxy.example",
        "insecure-skip-tls-verify": True,
    }
    document = {
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "clusterUser_shop_prod"}}],
        "clusters": [{"name": "prod", "cluster": cluster}],
        "users": [{"name": "clusterUser_shop_prod", "user": user}],
    }
    value = base64.b64encode(json.dumps(document).encode()).decode()
    return {"kubeconfigs": [{"name": "clusterUser", "value": value}]}


class Azure:
    """Azure Resource Manager with one answer, and Entra, which gives tokens first, second and so on."""

    def __init__(self, reply: Reply, context: ssl.SSLContext) -> None:
        self.reply = reply
        self.scopes: list[str] = []
        self.api = ScriptedApi(self._answer, context)

    def _answer(self, request: Request) -> Reply:
        if "openid-configuration" in request.path:
            base = f"{self.api.url}/testbed"
            urls = {"authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/oauth2/v2.0/token"}
            return as_json({"issuer": f"{base}/v2.0", **urls})
        if request.path.endswith("/token"):
            form = request.body.decode()
            self.scopes.append(form.partition("scope=")[2].partition("&")[0])
            token = f"token-{len(self.scopes)}"
            return as_json({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})
        return self.reply


def options(azure: Azure, ca: str, **aks: t.Any) -> dict[str, t.Any]:
    auth = {"method": "service_principal", **WHO, "authority": azure.api.url}
    place = {**AKS, "management_endpoint": azure.api.url, "ca_cert": ca, **aks}
    return {"cluster_auth": "aks", "aks": place, "aks_auth": auth}


def connect(azure: Azure, ca: str, **aks: t.Any) -> Connection:
    params = options(azure, ca, **aks)
    environ = {"K8S_AUTH_HOST": "https://other.example", "K8S_AUTH_API_KEY": "k"}
    issue = aks_issue(params, environ, threading.Event())
    return Connection.open(ClusterAccess.from_params(params, environ), issue=issue)


def test_a_new_token_is_got_when_the_cluster_no_longer_takes_the_old(tls: tuple[ssl.SSLContext, str]) -> None:
    context, ca = tls
    ended = {"token-2"}

    def answer(request: Request) -> Reply:
        return as_status(401, "Unauthorized") if request.token in ended else as_json({"token": request.token})

    with ScriptedApi(answer, context).running() as cluster:
        azure = Azure(as_json(given(EXEC, cluster.url, ca)), context)
        with azure.api.running() as api:
            connection = connect(azure, ca)
            assert connection.get_json("/x") == {"token": "token-3"}
            ended.add("token-3")
            assert connection.get_json("/x") == {"token": "token-4"}
            asked = [one for one in api.requests if one.path.startswith("/subscriptions/")]
    assert [(one.path, one.query["format"], one.query.get("server-fqdn")) for one in asked] == [
        (f"{RESOURCE}/listClusterUserCredential", "exec", None)
    ], "the address is asked for once"
    assert set(azure.scopes[1:]) == {f"{SERVER}%2F.default"}
    assert {"token-2", "token-3", "token-4", SECRET} <= connection.secrets


def test_the_public_name_of_a_private_cluster_is_asked_for(tls: tuple[ssl.SSLContext, str]) -> None:
    context, ca = tls
    azure = Azure(as_json(given(EXEC, ca=ca)), context)
    with azure.api.running() as api:
        assert connect(azure, ca, address="public").server == "https://prod.hcp.example:443"
        assert [one.query.get("server-fqdn") for one in api.requests if one.query] == ["public"]


def test_only_address_and_certificates_of_the_kubeconfig_count() -> None:
    where, pair = taken_from(given({**EXEC, **PAIR, "token": "another-canary"}), "prod")
    assert where == {"server": "https://prod.hcp.example:443", "certificate-authority-data": "eA=="}
    assert pair == {}
    where, pair = taken_from(given({**PAIR, "token": "another-canary", "as": "admin"}), "prod")
    assert pair == PAIR


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (given({}), "Turn the cluster's integration with Entra on"),
        (given({"client-certificate-data": "Q0VSVA=="}), "Turn the cluster's integration with Entra on"),
        (given({"token": SECRET}), "Turn the cluster's integration with Entra on"),
        (given({"exec": {"command": "kubelogin", "args": ["--server-id", "mine"]}}), "application of its own"),
        (given({"auth-provider": {"name": "azure", "config": {"apiserver-id": "mine"}}}), "application of its own"),
        (given(EXEC, "http://prod.example"), "https://"),
        ({"kubeconfigs": []}, "no kubeconfig"),
        ({"kubeconfigs": [{"value": f"!{SECRET}"}]}, "no kubeconfig"),
        ({"kubeconfigs": [{"value": base64.b64encode(SECRET.encode()).decode()}]}, "no kubeconfig"),
        ({}, "no kubeconfig"),
    ],
)
def test_what_cannot_be_used_is_refused(answer: dict[str, t.Any], says: str) -> None:
    with pytest.raises(StowageError) as caught:
        taken_from(answer, "prod")
    assert caught.value.code == "cluster_access_invalid"
    assert says in caught.value.message + caught.value.hint
    assert SECRET not in json.dumps(caught.value.as_result())


@pytest.mark.parametrize(
    "plugin",
    [
        EXEC["exec"],
        {"args": None},
        {"args": ["--server-id"]},
        {"args": [{}, 1]},
        {"name": "azure", "config": {"apiserver-id": SERVER}},
        {"config": ["x"]},
        "kubelogin",
    ],
)
def test_the_application_that_clusters_share_is_known(plugin: t.Any) -> None:
    assert taken_from(given({"exec": plugin}), "prod")[1] == {}


def refused(status: int, code: str, message: str = "canary-text") -> Reply:
    return as_json({"error": {"code": code, "message": message}}, status)


ACTION: t.Final = "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"


@pytest.mark.parametrize(
    ("reply", "code", "says"),
    [
        (refused(404, "ResourceNotFound"), "cluster_access_invalid", "no cluster 'prod'"),
        (refused(403, "AuthorizationFailed"), "permission_denied", ACTION),
        (refused(403, "AuthorizationFailed", f"cannot perform action '{ACTION}' over"), "permission_denied", ACTION),
        (refused(401, "InvalidAuthenticationToken"), "credentials_invalid", "Azure says"),
        (refused(409, "MissingSubscriptionRegistration"), "cluster_access_invalid", "Microsoft.ContainerService"),
        (Reply(b"{}"), "cluster_access_invalid", "no kubeconfig"),
    ],
)
def test_what_azure_says_is_told(reply: Reply, code: str, says: str, tls: tuple[ssl.SSLContext, str]) -> None:
    context, ca = tls
    azure = Azure(reply, context)
    with azure.api.running(), pytest.raises(StowageError) as caught:
        connect(azure, ca)
    assert caught.value.code == code
    assert says in caught.value.message + caught.value.hint
    assert "canary-text" not in json.dumps(caught.value.as_result())
    assert "the store" not in caught.value.message


def test_a_list_is_read_page_by_page_from_the_same_address(tls: tuple[ssl.SSLContext, str]) -> None:
    context, ca = tls
    azure = Azure(Reply(), context)
    asked: list[tuple[str, t.Mapping[str, str]]] = []

    def answer(request: Request) -> Reply:
        if not request.path.startswith("/subscriptions"):
            return azure._answer(request)
        asked.append((request.path, request.query))
        if "$skiptoken" in request.query:
            return as_json({"value": [{"name": "b"}, "no resource"]})
        link = "https://elsewhere.example/x?api-version=1999-01-01&%24skiptoken=a%3D%3D"
        return as_json({"value": [{"name": "a"}], "nextLink": link})

    azure.api.answer = answer
    with azure.api.running():
        params = options(azure, ca)
        found = list(Aks.of(params["aks"], params["aks_auth"], {}).clusters(SUBSCRIPTION))
    assert [one["name"] for one in found] == ["a", "b"]
    assert [path for path, _query in asked] == [LIST, LIST]
    version = asked[0][1]["api-version"]
    assert asked[1][1] == {"api-version": version, "$skiptoken": "a=="}


def test_a_list_that_does_not_end_is_given_up(tls: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_arm

    monkeypatch.setattr(azure_arm, "_MOST_PAGES", 3)
    context, ca = tls
    azure = Azure(as_json({"value": [], "nextLink": "https://x.example/?$skiptoken=a"}), context)
    params = options(azure, ca)
    with azure.api.running(), pytest.raises(StowageError, match="does not end"):
        list(Aks.of(params["aks"], params["aks_auth"], {}).clusters(SUBSCRIPTION))


def test_the_environment_says_who_asks_but_not_at_another_endpoint() -> None:
    environ = {"AZURE_TENANT": "t", "AZURE_CLIENT_ID": "c", "AZURE_SECRET": SECRET}
    aks_issue({"aks": AKS}, environ, threading.Event())
    with pytest.raises(StowageError) as caught:
        aks_issue({"aks": {**AKS, "management_endpoint": "https://arm.example"}}, environ, threading.Event())
    assert caught.value.code == "credentials_missing"


@pytest.mark.parametrize("name", list(CLOUDS))
def test_each_cloud_has_its_own_resource_manager(name: str) -> None:
    settings = AzureSettings.of_management({"cloud": name}, {})
    assert (settings.management, settings.own_endpoint) == (CLOUDS[name].management, True)
    names = {"china": "AzureChinaCloud", "usgovernment": "AzureUSGovernment", "public": "AzureCloud"}
    assert AzureSettings.of_management({}, {"AZURE_CLOUD_ENVIRONMENT": names[name]}) == settings


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"aks": None}, "cluster_access_invalid"),
        ({"aks": {**AKS, "name": "../prod"}}, "invalid_option"),
        ({"aks": {**AKS, "resource_group": "a/b"}}, "invalid_option"),
        ({"aks": {**AKS, "subscription": "prod"}}, "invalid_option"),
        ({"aks": {**AKS, "management_endpoint": "http://arm.example"}}, "invalid_option"),
        ({"aks": {**AKS, "cloud": "moon"}}, "invalid_option"),
        ({"aks_auth": {"method": "account_key", "account_key": "eA=="}}, "invalid_option"),
        ({"aks_auth": {"method": "service_principal", "account": "x"}}, "invalid_option"),
        ({"aks_auth": {"method": "default_chain"}}, "invalid_option"),
    ],
)
def test_options_that_make_no_sense(more: dict[str, t.Any], code: str) -> None:
    params = {"aks": AKS, "aks_auth": {"method": "service_principal", **WHO}, **more}
    with pytest.raises(StowageError) as caught:
        aks_issue(params, {}, threading.Event())
    assert caught.value.code == code
    assert SECRET not in caught.value.message + caught.value.hint
