# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of EKS: what a token says, where the cluster is, and when a new token is made."""

from __future__ import annotations

import base64
import json
import ssl
import typing as t
import urllib.parse
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils import _eks
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._eks import EksAccess, eks_issue
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support.scripted_api import Reply, Request, ScriptedApi, as_json, as_status
from testbed.pki import Authority

SECRET: t.Final = "secret-canary-8d77"
KEYS: t.Final = {"method": "access_key", "access_key": "AKIDEXAMPLE", "secret_key": SECRET}
EKS: t.Final = {"name": "prod", "region": "eu-west-1"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    authority = Authority(tmp_path_factory.mktemp("pki"), "ca")
    pair = authority.server("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context, str(authority.pair.certificate)


def url_in(token: str) -> urllib.parse.SplitResult:
    encoded = token.removeprefix("k8s-aws-v1.")
    return urllib.parse.urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())


@pytest.mark.parametrize(
    ("region", "host"),
    [("eu-west-1", "sts.eu-west-1.amazonaws.com"), ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn")],
)
def test_a_token_is_a_signed_question_who_the_caller_is(region: str, host: str) -> None:
    access = EksAccess.of({"name": "prod", "region": region}, {**KEYS, "session_token": "session-canary"}, {})
    token = access.token("prod")
    assert "=" not in token
    url = url_in(token)
    query = dict(urllib.parse.parse_qsl(url.query))
    assert (url.scheme, url.netloc, url.path) == ("https", host, "/")
    assert query["Action"] == "GetCallerIdentity"
    assert query["X-Amz-Credential"].startswith("AKIDEXAMPLE/")
    assert query["X-Amz-Credential"].endswith(f"/{region}/sts/aws4_request")
    assert query["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"
    assert query["X-Amz-Expires"] == "60"
    assert query["X-Amz-Security-Token"] == "session-canary"
    assert SECRET not in str(query)
    assert token != access.token("other"), "the cluster's name is not signed"


def test_the_environment_says_who_asks_but_not_at_another_endpoint() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIDENVIRON", "AWS_SECRET_ACCESS_KEY": SECRET}
    assert "AKIDENVIRON" in url_in(EksAccess.of(EKS, None, environ).token("prod")).query
    with pytest.raises(StowageError) as caught:
        EksAccess.of({**EKS, "endpoint": "https://eks.example"}, None, environ)
    assert caught.value.code == "credentials_missing"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"eks": None}, "cluster_access_invalid"),
        ({"eks_auth": {"method": "account_key"}}, "invalid_option"),
        ({"eks_auth": {**KEYS, "account": "111111111111"}}, "invalid_option"),
        ({"eks": {**EKS, "endpoint": "http://eks.example"}}, "invalid_option"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, t.Any], code: str) -> None:
    with pytest.raises(StowageError) as caught:
        eks_issue({"eks": EKS, "eks_auth": KEYS, **options}, {})
    assert caught.value.code == code
    assert SECRET not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"cluster_auth": "eks", "kubeconfig": "x"},
        {"cluster_auth": "eks", "host": "https://x.example"},
        {"cluster_auth": "eks", "api_key": "x"},
        {"cluster_auth": "eks", "kubeconfig_secret": {"namespace": "a", "name": "b"}},
        {"eks": EKS},
        {"eks": EKS, "cluster_auth": "capi"},
    ],
)
def test_two_ways_at_once_are_refused(options: dict[str, t.Any]) -> None:
    with pytest.raises(StowageError) as caught:
        ClusterAccess.from_params(options, {"K8S_AUTH_HOST": "https://other.example", "K8S_AUTH_API_KEY": "k"})
    assert caught.value.code == "cluster_access_invalid"


def connect(eks: ScriptedApi, ca: str, **options: t.Any) -> Connection:
    params = {
        "cluster_auth": "eks",
        "eks": {**EKS, "endpoint": eks.url, "ca_cert": ca},
        "eks_auth": KEYS,
        **options,
    }
    # What the environment holds is another cluster's.
    environ = {"K8S_AUTH_HOST": "https://other.example", "K8S_AUTH_API_KEY": "k"}
    return Connection.open(ClusterAccess.from_params(params, environ), issue=eks_issue(params, environ))


def described(server: str, ca: str, **more: t.Any) -> Reply:
    authority = {"data": base64.b64encode(Path(ca).read_bytes()).decode()}
    return as_json({"cluster": {"endpoint": server, "certificateAuthority": authority, **more}})


def refused(status: int, kind: str) -> Reply:
    return Reply(b'{"message": "x"}', status, headers={"x-amzn-errortype": kind})


def test_a_new_token_is_made_when_the_cluster_no_longer_takes_the_old(
    tls: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, ca = tls
    tokens = iter(("first", "second", "third"))
    monkeypatch.setattr(_eks.EksAccess, "token", lambda _self, name: f"{next(tokens)}-{name}")
    ended = {"first-prod"}

    def answer(request: Request) -> Reply:
        return as_status(401, "Unauthorized") if request.token in ended else as_json({"token": request.token})

    with ScriptedApi(answer, context).running() as cluster:
        with ScriptedApi(lambda _request: described(cluster.url, ca), context).running() as eks:
            connection = connect(eks, ca, impersonate_user="auditor")
            assert connection.get_json("/x") == {"token": "second-prod"}
            ended.add("second-prod")
            assert connection.get_json("/x") == {"token": "third-prod"}
            assert [request.path for request in eks.requests] == ["/clusters/prod"], "the address is asked for once"
        assert {request.headers["impersonate-user"] for request in cluster.requests} == {"auditor"}
    assert {"first-prod", "second-prod", "third-prod", SECRET} <= connection.secrets


@pytest.mark.parametrize(
    ("reply", "code", "says"),
    [
        (refused(404, "ResourceNotFoundException"), "cluster_access_invalid", "no cluster 'prod' in eu-west-1"),
        (refused(403, "AccessDeniedException"), "permission_denied", "eks:DescribeCluster"),
        (refused(403, "UnrecognizedClientException"), "credentials_invalid", "access key"),
        (refused(403, "InvalidSignatureException"), "credentials_invalid", "secret key"),
        (as_json({"cluster": {"status": "CREATING"}}), "cluster_access_invalid", "CREATING"),
        (as_json({}), "cluster_access_invalid", "no address"),
    ],
)
def test_what_eks_says_is_told(reply: Reply, code: str, says: str, tls: tuple[ssl.SSLContext, str]) -> None:
    context, ca = tls
    with ScriptedApi(lambda _request: reply, context).running() as eks, pytest.raises(StowageError) as caught:
        connect(eks, ca)
    assert caught.value.code == code
    assert says in caught.value.message + caught.value.hint
    assert SECRET not in json.dumps(caught.value.as_result())
