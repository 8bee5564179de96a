# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How options, variables and kubeconfigs become access to a cluster, and that none of it shows a secret."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import access as access_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import kubeconfig
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess, access_secrets
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

CANARY = "canary-5f2d"


def a_kubeconfig(server: str = "https://one.example:6443", context: str = "main", **user: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user or {"token": f"token-{CANARY}"}}],
    }


def written(path: Path, document: object) -> str:
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return str(path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment with an empty home, outside a pod."""
    monkeypatch.setattr(access_module, "TOKEN_FILE", str(tmp_path / "no-token"))
    return {"HOME": str(tmp_path / "home")}


def refused(params: dict[str, Any], environ: dict[str, str]) -> StowageError:
    with pytest.raises(StowageError) as caught:
        ClusterAccess.from_params(params, environ)
    assert CANARY not in caught.value.message + caught.value.hint + repr(caught.value)
    return caught.value


def test_nothing_at_all_is_missing_access(home: dict[str, str]) -> None:
    assert refused({}, home).code == "cluster_access_missing"


def test_awx_credential_is_enough(home: dict[str, str], tmp_path: Path) -> None:
    ca = written(tmp_path / "ca.crt", "x")
    environ = home | {
        "K8S_AUTH_HOST": "https://awx.example:6443/",
        "K8S_AUTH_API_KEY": CANARY,
        "K8S_AUTH_VERIFY_SSL": "True",
        "K8S_AUTH_SSL_CA_CERT": ca,
    }
    access = ClusterAccess.from_params({"kubeconfig": None, "host": None}, environ)
    assert (access.host, access.api_key, access.validate_certs, access.ca_cert) == (
        "https://awx.example:6443/",
        CANARY,
        True,
        ca,
    )
    assert access.kubeconfig is None
    assert CANARY in access.secrets


@pytest.mark.parametrize(
    ("text", "meant"), [("True", True), ("False", False), ("no", False), ("0", False), ("yes", True)]
)
def test_verify_ssl_is_read_as_awx_writes_it(home: dict[str, str], text: str, meant: bool) -> None:
    environ = home | {"K8S_AUTH_HOST": "https://a.example", "K8S_AUTH_API_KEY": "key", "K8S_AUTH_VERIFY_SSL": text}
    assert ClusterAccess.from_params({}, environ).validate_certs is meant


def test_an_option_wins_over_its_variable(home: dict[str, str]) -> None:
    environ = home | {"K8S_AUTH_API_KEY": "from-environment", "K8S_AUTH_VALIDATE_CERTS": "false"}
    access = ClusterAccess.from_params({"host": "https://a.example", "api_key": "from-option"}, environ)
    assert access.api_key == "from-option"
    assert access.validate_certs is False


def test_a_given_kubeconfig_is_not_mixed_with_another_clusters_variables(home: dict[str, str], tmp_path: Path) -> None:
    path = written(tmp_path / "kc", a_kubeconfig())
    environ = home | {
        "K8S_AUTH_HOST": "https://other.example",
        "K8S_AUTH_API_KEY": CANARY,
        "K8S_AUTH_CONTEXT": "elsewhere",
        "K8S_AUTH_VERIFY_SSL": "False",
    }
    access = ClusterAccess.from_params({"kubeconfig": path}, environ)
    assert (access.host, access.api_key, access.context, access.validate_certs) == (None, None, None, None)
    assert access.kubeconfig == (path,)


def test_a_given_context_is_not_overridden_by_a_host_in_the_environment(home: dict[str, str], tmp_path: Path) -> None:
    path = written(tmp_path / "kc", a_kubeconfig(context="east"))
    environ = home | {"K8S_AUTH_HOST": "https://other.example", "K8S_AUTH_API_KEY": CANARY, "K8S_AUTH_KUBECONFIG": path}
    access = ClusterAccess.from_params({"context": "east"}, environ)
    assert (access.kubeconfig, access.context, access.host, access.api_key) == ((path,), "east", None, None)


def test_a_given_host_never_gets_the_credential_of_a_kubeconfig_lying_about(
    home: dict[str, str], tmp_path: Path
) -> None:
    environ = home | {"KUBECONFIG": written(tmp_path / "kc", a_kubeconfig())}
    assert refused({"host": "https://other.example"}, environ).code == "cluster_access_missing"


def test_kubeconfig_of_the_environment_then_of_the_home_then_the_pod(
    home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "TOKEN_FILE", written(tmp_path / "token", CANARY))
    pod = home | {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    access = ClusterAccess.from_params({}, pod)
    assert access.in_cluster
    assert CANARY in access.secrets
    (tmp_path / "home/.kube").mkdir(parents=True)
    default = written(tmp_path / "home/.kube/config", a_kubeconfig())
    assert ClusterAccess.from_params({}, pod).kubeconfig == (default,)
    named = written(tmp_path / "named", a_kubeconfig())
    assert ClusterAccess.from_params({}, pod | {"KUBECONFIG": named}).kubeconfig == (named,)


def test_a_list_of_paths_the_first_of_which_decides(home: dict[str, str], tmp_path: Path) -> None:
    first = written(tmp_path / "1", a_kubeconfig("https://first.example", "one"))
    second = written(tmp_path / "2", a_kubeconfig("https://second.example", "two"))
    for value in (f"{first}:{second}:{tmp_path}/absent", [first, second]):
        access = ClusterAccess.from_params({"kubeconfig": value}, home)
        assert isinstance(access.kubeconfig, tuple)
        documents = kubeconfig.read(access.kubeconfig)
        assert kubeconfig.current_context(documents, None) == "one"
        cluster, _user = kubeconfig.active(documents, None)
        assert cluster["server"] == "https://first.example"


def test_a_kubeconfig_as_dictionary(home: dict[str, str]) -> None:
    access = ClusterAccess.from_params({"kubeconfig": a_kubeconfig()}, home)
    assert f"token-{CANARY}" in access.secrets
    assert CANARY not in repr(access) + str(access)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"current-context": "gone"}, "no context 'gone'"),
        ({"current-context": None}, "no current-context"),
        ({"clusters": []}, "names a cluster"),
        ({"users": []}, "names a user"),
        ({"clusters": [{"name": "c", "cluster": {}}]}, "no server"),
        ({"contexts": CANARY}, "no context"),
        ({"users": [{"name": "u", "user": {"client-key-data": f"!{CANARY}x"}}]}, "not base64"),
    ],
)
def test_an_unusable_kubeconfig_is_said_to_be_so(home: dict[str, str], change: dict[str, Any], said: str) -> None:
    error = refused({"kubeconfig": a_kubeconfig() | change}, home)
    assert error.code == "cluster_access_invalid"
    assert said in error.message
    assert error.hint


@pytest.mark.parametrize(
    "content",
    [
        f"a: [{CANARY}",
        f"- {CANARY}",
        CANARY,
        "",
        f"\x00{CANARY}",
        "&a [*a, " * 3,
        f"!!python/object:os.system {CANARY}",
    ],
)
def test_a_file_that_is_no_kubeconfig(home: dict[str, str], tmp_path: Path, content: str) -> None:
    error = refused({"kubeconfig": written(tmp_path / "kc", content)}, home)
    assert error.code == "cluster_access_invalid"
    assert str(tmp_path / "kc") in error.message


def test_a_missing_file_is_named(home: dict[str, str], tmp_path: Path) -> None:
    error = refused({"kubeconfig": str(tmp_path / "absent")}, home)
    assert error.code == "cluster_access_invalid"
    assert "absent does not exist" in error.message


def test_a_kubeconfig_pasted_as_text_is_refused_and_masked(home: dict[str, str]) -> None:
    for text in (yaml.safe_dump(a_kubeconfig()), json.dumps(a_kubeconfig())):
        assert refused({"kubeconfig": text}, home).code == "cluster_access_invalid"
        assert f"token-{CANARY}" in access_secrets({"kubeconfig": text}, home)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"host": "https://a.example", "client_cert": "x"}, "client_cert and client_key"),
        ({"host": "https://a.example", "username": "x"}, "username and password"),
        ({"host": "https://a.example", "api_key": "x", "impersonate_groups": ["g"]}, "impersonate_user"),
        ({"host": "https://a.example", "api_key": "x", "ca_cert": f"-----BEGIN\n{CANARY}"}, "ca_cert"),
        ({"host": f"https://me:{CANARY}@a.example", "api_key": "x"}, "holds a user name"),
        ({"host": "a.example:6443", "api_key": "x"}, "no URL"),
        ({"host": "https://a.example:notaport", "api_key": "x"}, "no URL"),
        ({"host": "http://a.example", "api_key": CANARY}, "plain HTTP"),
        ({"kubeconfig": 5}, "neither a path nor a dictionary"),
    ],
)
def test_options_that_make_no_sense(home: dict[str, str], params: dict[str, Any], said: str) -> None:
    error = refused(params, home)
    assert error.code == "cluster_access_invalid"
    assert said in error.message


@pytest.mark.parametrize("host", ["http://127.0.0.1:8001", "http://localhost:8001", "http://[::1]:8001"])
def test_plain_http_to_loopback_is_fine(home: dict[str, str], host: str) -> None:
    assert ClusterAccess.from_params({"host": host}, home).host == host
    assert ClusterAccess.from_params({"host": host, "api_key": "x"}, home).api_key == "x"


def test_every_secret_leaf_of_a_kubeconfig_is_found(tmp_path: Path, home: dict[str, str]) -> None:
    token_file = written(tmp_path / "token", "file-token")
    key = base64.b64encode(b"-----BEGIN KEY-----").decode()
    user: dict[str, Any] = {
        "token": "the-token",
        "tokenFile": Path(token_file).name,
        "password": "the-password",
        "client-key-data": key,
        "auth-provider": {
            "name": "oidc",
            "config": {
                "id-token": "id-t",
                "refresh-token": "ref-t",
                "client-secret": "cl-s",
                "client-id": "public",
            },
        },
        "exec": {
            "command": "get-token",
            "args": ["login", "--region", "eu-1", "--client-secret", "arg-secret", "--api-key=arg-key"],
            "env": [{"name": "VAULT_TOKEN", "value": "env-token"}, {"name": "AWS_PROFILE", "value": "prod"}],
        },
    }
    document = a_kubeconfig(**user)
    document["clusters"][0]["cluster"]["proxy-url"] = "http://proxy-user:proxy-pass@proxy.example"
    found = access_secrets({"kubeconfig": written(tmp_path / "kc", document)}, home)
    assert found >= {
        "the-token", "file-token", "the-password", key, "-----BEGIN KEY-----", "id-t", "ref-t", "cl-s", "arg-secret",
        "arg-key", "env-token", "proxy-pass",
    }  # fmt: skip
    assert not found & {"public", "prod", "login", "eu-1", "get-token", "u"}


def test_secrets_of_options_and_variables_are_found(home: dict[str, str]) -> None:
    params = {"api_key": "k-1", "password": "p-1", "proxy_headers": {"basic_auth": "me:b-1"}, "proxy": "http://u:x-1@p"}
    environ = home | {
        "K8S_AUTH_API_KEY": "k-2",
        "K8S_AUTH_PASSWORD": "p-2",
        "K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH": "a:b-2",
    }
    assert access_secrets(params, environ) >= {"k-1", "p-1", "b-1", "x-1", "k-2", "p-2"}
    assert "b-2" in access_secrets({}, environ)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
_names = st.sampled_from(["users", "user", "clusters", "cluster", "contexts", "context", "exec", "env", "args", "name"])
kubeconfig_like = st.recursive(
    json_values, lambda inner: st.dictionaries(_names, inner, max_size=3) | st.lists(inner, max_size=3), max_leaves=20
)


@given(kubeconfig_like)
def test_collecting_secrets_never_fails(document: Any) -> None:
    assert isinstance(kubeconfig.secrets(document), set)


@given(st.dictionaries(_names | st.just("current-context"), kubeconfig_like, max_size=5))
def test_checking_anything_gives_an_answer_or_one_error(document: dict[str, Any]) -> None:
    code = "fine"
    try:
        kubeconfig.check([document], None)
    except StowageError as error:
        code = error.code
    assert code in ("fine", "cluster_access_invalid")
