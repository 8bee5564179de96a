# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets are found in parameters of any shape, and harmless words are not taken for secrets."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import CLUSTER, LOCATION, Option
from ansible_collections.stowage.kubernetes.plugins.module_utils._secrets import secrets_of

SECRET: t.Final = "canary-0123"
KUBECONFIG: t.Final = {
    "clusters": [
        {"name": "prod", "cluster": {"server": "https://prod.example.com", "certificate-authority-data": "Q0E="}}
    ],
    "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "admin"}}],
    "current-context": "prod",
}


def kubeconfig(user: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"kubeconfig": {**KUBECONFIG, "users": [{"name": "admin", "user": user}]}}


@pytest.mark.parametrize(
    "params",
    [
        {"eks_auth": {"method": "access_key", "access_key": "AKIDEXAMPLE", "secret_key": SECRET}},
        {"eks_auth": {"session_token": SECRET}},
        {"eks_auth": f"method=access_key secret_key={SECRET}"},
        {"eks": {"auth": {"secret_key": SECRET}}},
        {"gke_auth": {"method": "service_account_key", "credentials_json": {"private_key": SECRET}}},
        {"aks_auth": {"method": "service_principal", "secret": SECRET}},
        {"kubeconfig_secret": {"users": [{"user": {"token": SECRET}}]}},
        {"kubeconfig_secret": f"apiVersion: v1\nusers:\n- user: {{token: {SECRET}}}"},
        {"location": {"auth": {"secret_key": SECRET}}},
        {"location": {"auth": {"session_token": SECRET}}},
        {"location": {"auth": {"secretkey": SECRET}}},
        {"location": {"auth": {"account_key": SECRET}}},
        {"location": {"auth": {"accountkey": SECRET}}},
        {"location": {"auth": {"sas_token": "?sv=1&sig=" + SECRET, "sig": SECRET}}},
        {"location": {"auth": {"secret": [SECRET]}}},
        {"location": {"endpoint": "https://acme.blob.core.windows.net/backups?sv=1&sig=" + SECRET}},
        {"location": {"auth": {"x509_certificate_password": {"x": SECRET}}}},
        {"location": f"provider=azure account_key={SECRET}"},
        {"location": {"auth": SECRET}},
        {"location": {"auth": [SECRET]}},
        {"location": {"auth": json.dumps({"secret_key": SECRET})}},
        {"location": {"secret_key": SECRET}},
        {"location": SECRET},
        {"location": [SECRET]},
        {"location": f"provider=minio secret_key={SECRET}"},
        {"location": f"provider=minio secret_key='{SECRET}'"},
        {"location": json.dumps({"auth": {"secret_key": SECRET}})},
        {"location": {"endpoint": f"https://who:{SECRET}@minio.example.com"}},
        {"location": {"auth": {"credentials_json": SECRET}}},
        {"location": {"auth": {"credentials_json": [SECRET]}}},
        {"location": {"auth": {"credentials_json": {"private_key": SECRET}}}},
        {"location": {"auth": {"credentials_json": json.dumps({"private_key": SECRET})}}},
        {"location": {"auth": {"credentials_json": {"credential_source": {"headers": {"Authorization": SECRET}}}}}},
        {"location": {"auth": {"credentials_json": {"refresh_token": SECRET}}}},
        {"location": {"auth": {"credentials_file": {"private_key": SECRET}}}},
        {"location": {"credentials_json": SECRET}},
        {"api_key": SECRET},
        {"api_key": [SECRET]},
        {"password": SECRET},
        {"proxy": f"http://who:{SECRET}@proxy.example.com"},
        {"proxy_headers": {"basic_auth": SECRET}},
        {"proxy_headers": {"proxy_basic_auth": SECRET}},
        {"proxy_headers": SECRET},
        kubeconfig({"token": SECRET}),
        kubeconfig({"password": SECRET}),
        kubeconfig({"client-key-data": SECRET}),
        kubeconfig({"auth-provider": {"name": "oidc", "config": {"refresh-token": SECRET}}}),
        kubeconfig({"exec": {"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": SECRET}]}}),
        {"kubeconfig": {"users": {"admin": {"token": SECRET}}}},
        {"kubeconfig": {"users": SECRET}},
        {"kubeconfig": {"users": [SECRET]}},
        {"kubeconfig": {"users": [{"name": "admin", "user": SECRET}]}},
        {"kubeconfig": [{"token": SECRET}]},
        {"kubeconfig": f"users:\n- name: admin\n  user:\n    token: {SECRET}\n"},
        {"kubeconfig": f"users:\n- user: {{token: '{SECRET}'}}\n"},
        {"kubeconfig": json.dumps(kubeconfig({"token": SECRET})["kubeconfig"])},
    ],
)
def test_a_secret_is_found_wherever_it_is(params: dict[str, t.Any]) -> None:
    assert SECRET in secrets_of(params)


def test_a_secret_of_many_lines_is_found_line_by_line() -> None:
    lines = ["-----BEGIN RSA PRIVATE KEY-----", "c2VjcmV0IGxpbmU=", "x", "-----END RSA PRIVATE KEY-----"]
    found = secrets_of({"location": {"auth": {"private_key": "\n".join(lines)}}})
    assert {lines[0], lines[1], "\n".join(lines)} <= found
    assert "x" not in found


def test_a_key_where_the_path_of_one_belongs() -> None:
    text = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"
    assert {text, SECRET} <= secrets_of({"location": {"client_key": text}})


def test_harmless_words_stay_readable() -> None:
    params = {
        "cluster": "prod",
        "kubeconfig": "/etc/prod.kubeconfig",
        "context": "prod",
        "kubeconfig_secret": {"namespace": "prod", "name": "prod-kubeconfig", "key": "value"},
        "eks": {"name": "prod", "region": "eu-west-1", "endpoint": "https://prod.example", "ca_cert": "/etc/prod.pem"},
        "eks_auth": {"method": "assume_role", "role_arn": "arn:aws:iam::1:role/x", "access_key": "prod"},
        "gke_auth": {"method": "impersonation", "service_account": "a@prod.example", "credentials_file": "/etc/prod"},
        "aks_auth": {"method": "service_principal", "tenant": "prod.example", "client_id": "prod-app"},
        "location": {
            "provider": "aws",
            "bucket": "prod",
            "prefix": "eu",
            "region": "eu-west-1",
            "auth": {
                "method": "assume_role",
                "role_arn": "arn:aws:iam::1:role/x",
                "external_id": "prod",
                "profile": "prod",
                "account": "222222222222",
                "duration": "1h",
                "session_policy": {"Statement": [{"Action": "s3:GetObject", "Resource": "prod"}]},
                "source_role_arn": "prod",
                "sts_endpoint": "https://prod.example",
            },
            "bucket_owner": "222222222222",
            "client_cert": "/etc/prod.pem",
            "client_key": "/etc/prod-key.pem",
        },
        "proxy_headers": {"user_agent": "prod"},
    }
    assert not secrets_of(params)
    params["location"] = {
        "provider": "azure",
        "bucket": "prod",
        "storage_account": "prod",
        "cloud": "public",
        "subscription": "prod",
        "resource_group": "prod",
        "management_endpoint": "https://prod.example",
        "auth": {
            "method": "service_principal",
            "tenant": "prod.example",
            "client_id": "prod-app",
            "x509_certificate_path": "/etc/prod.pem",
            "federated_token_file": "/run/token",
            "authority": "https://login.example",
        },
    }
    assert not secrets_of(params)
    user = {"exec": {"command": "aws", "args": ["eks", "get-token"], "env": [{"name": "AWS_PROFILE", "value": "prod"}]}}
    assert not secrets_of(kubeconfig({**user, "client-key": "/etc/prod.pem", "tokenFile": "/run/token"}))


def test_of_a_credentials_document_only_what_is_secret_is_masked() -> None:
    document = {
        "type": "service_account",
        "project_id": "prod",
        "private_key_id": "0123abcd",
        "private_key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
        "client_email": "backup@prod.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    auth = {"method": "service_account_key", "account": "prod", "service_account": "a@prod.example", "duration": 3600}
    found = secrets_of({"location": {"provider": "gcp", "auth": {**auth, "credentials_json": document}}})
    assert SECRET in found
    assert document["private_key"] in found
    assert not found & {"prod", "service_account", document["client_email"], document["token_uri"], "3600"}
    text = json.dumps(document)
    assert {text, SECRET} <= secrets_of({"location": {"auth": {"credentials_json": text}}})


def _no_log(spec: t.Mapping[str, Option], path: tuple[str, ...] = ()) -> t.Iterator[tuple[str, ...]]:
    for name, option in spec.items():
        if option.get("no_log"):
            yield (*path, name)
        yield from _no_log(option.get("options", {}), (*path, name))


@pytest.mark.parametrize("path", list(_no_log({**LOCATION, **CLUSTER})))
def test_every_option_that_a_spec_calls_secret_is_known_here(path: tuple[str, ...]) -> None:
    params: t.Any = SECRET
    for name in reversed(path):
        params = {name: params}
    assert SECRET in secrets_of(params)


_DOCUMENTS: t.Final = {"kubeconfig", "credentials_json", "session_policy", "eks_auth", "gke_auth", "aks_auth"}


def _shown(spec: t.Mapping[str, Option], path: tuple[str, ...] = ()) -> t.Iterator[tuple[str, ...]]:
    for name, option in spec.items():
        if option.get("options"):
            yield from _shown(option["options"], (*path, name))
        elif not option.get("no_log") and name not in _DOCUMENTS:
            yield (*path, name)


@pytest.mark.parametrize("path", list(_shown({**LOCATION, **CLUSTER})), ids=".".join)
def test_what_no_spec_calls_secret_is_not_masked(path: tuple[str, ...]) -> None:
    """The options that are left out hold documents, of which a part is secret or nothing is."""
    params: t.Any = "prod"
    for name in reversed(path):
        params = {name: params}
    assert not secrets_of(params)


_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.just(SECRET))
_SHAPES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
)


@given(
    st.dictionaries(st.sampled_from(["location", "kubeconfig", "api_key", "proxy", "proxy_headers", "name"]), _SHAPES)
)
def test_it_takes_anything(params: dict[str, t.Any]) -> None:
    assert all(secrets_of(params))


@given(_SHAPES)
def test_parameters_may_be_anything(params: t.Any) -> None:
    secrets_of(params)


def test_a_location_in_place_of_its_name_is_hidden() -> None:
    misplaced = {"provider": "aws", "bucket": "acme-backups", "auth": {"secret_key": "hush-hush"}}
    backups = [
        {"workspace": "shop", "run": "r1", "records": "primary", "location": misplaced, "labels": {"a": "harmless"}}
    ]
    assert secrets_of({"backups": backups}) == {"hush-hush"}
    assert secrets_of({"backups": "nonsense"}) == secrets_of({"backups": [None, "nonsense"]}) == frozenset()
