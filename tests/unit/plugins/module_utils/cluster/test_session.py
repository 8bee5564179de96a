# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading credentials: files, plugins, proxies, TLS, and that nothing of it is left behind or shown."""

from __future__ import annotations

import base64
import json
import os
import ssl
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import access as access_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.package import (
    kubernetes_package,
    whole_kubernetes_package,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.session import open_session
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support.scripted_api import Reply, Request, ScriptedApi, as_json
from testbed.pki import Authority, Pair

CANARY = "canary-77aa"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "ca")


def serving(pair: Pair, clients: Authority | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if clients is not None:
        context.load_verify_locations(clients.pair.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def kubeconfig_for(server: str, user: dict[str, Any], **cluster: Any) -> dict[str, Any]:
    return {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
    }


def opened(document: dict[str, Any], **options: Any) -> Connection:
    return Connection.open(ClusterAccess.from_params({"kubeconfig": document, **options}, {}))


def data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def ok(_request: Request) -> Reply:
    return as_json({"ok": True})


def test_client_key_data_is_used_and_leaves_no_file(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[int] = []
    real = ssl.SSLContext.load_cert_chain

    def looking(context: ssl.SSLContext, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        paths = (certfile, keyfile, Path(keyfile).parent)
        seen.extend(stat.S_IMODE(os.stat(path).st_mode) & 0o077 for path in paths)
        real(context, certfile, keyfile, password)

    server = serving(authority.server("server"), clients=authority)
    pair = authority.client("client", "admin")
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", looking)
    with ScriptedApi(ok, server).running() as api:
        document = kubeconfig_for(
            api.url,
            {"client-certificate-data": data(pair.certificate), "client-key-data": data(pair.key)},
            **{"certificate-authority-data": data(authority.pair.certificate)},
        )
        for _twice in range(2):  # the package remembers the names of its files
            assert opened(document).get_json("/x") == {"ok": True}
            assert list(tmp_path.iterdir()) == []
    assert seen == [0] * 6


def test_paths_in_a_kubeconfig_start_at_its_folder_and_the_first_file_decides(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "one").mkdir()
    (tmp_path / "one/ca.crt").write_bytes(authority.pair.certificate.read_bytes())
    (tmp_path / "one/token").write_text("from-file")
    (tmp_path / "one/bin").mkdir()
    with ScriptedApi(ok, serving(authority.server("server"))).running() as api:
        first = kubeconfig_for(api.url, {"tokenFile": "token"}, **{"certificate-authority": "ca.crt"})
        other = kubeconfig_for("https://far.example", {"token": "other"})
        other["current-context"] = "y"
        other["contexts"].append({"name": "y", "context": {"cluster": "c", "user": "u"}})
        (tmp_path / "one/config").write_text(yaml.safe_dump(first))
        (tmp_path / "other").write_text(yaml.safe_dump(other))
        paths = f"{tmp_path}/one/config:{tmp_path}/other"
        connection = Connection.open(ClusterAccess.from_params({"kubeconfig": paths}, {}))
        assert connection.get_json("/x") == {"ok": True}
        by_plugin = kubeconfig_for(
            api.url, plugin(tmp_path / "one/bin", CREDENTIAL), **{"certificate-authority": "ca.crt"}
        )
        by_plugin["users"][0]["user"]["exec"]["command"] = "bin/give-token"
        (tmp_path / "one/config").write_text(yaml.safe_dump(by_plugin))
        Connection.open(ClusterAccess.from_params({"kubeconfig": paths}, {})).get_json("/x")
    assert [request.token for request in api.requests] == ["from-file", f"tok-{CANARY}"]
    assert "from-file" in connection.secrets


def test_sessions_are_opened_by_many_threads_at_once(authority: Authority) -> None:
    pair = authority.client("client", "admin")
    with ScriptedApi(ok, serving(authority.server("server"), clients=authority)).running() as api:
        document = kubeconfig_for(
            api.url,
            {"client-certificate-data": data(pair.certificate), "client-key-data": data(pair.key)},
            **{"certificate-authority-data": data(authority.pair.certificate)},
        )
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(lambda _n: opened(document).get_json("/x"), range(24))) == [{"ok": True}] * 24


def test_the_given_ca_counts_and_no_other(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Authority(tmp_path, "stranger")
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(variable, str(authority.pair.certificate))
    with ScriptedApi(ok, serving(authority.server("server"))).running() as api:
        document = kubeconfig_for(api.url, {"token": "t"})
        with pytest.raises(StowageError) as caught:
            opened(document, ca_cert=str(stranger.pair.certificate)).get_json("/x")
        assert caught.value.code == "cluster_tls_untrusted"
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(variable, str(stranger.pair.certificate))
        assert opened(document, ca_cert=str(authority.pair.certificate)).get_json("/x") == {"ok": True}


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    server = serving(authority.server("elsewhere", hosts=("elsewhere.example",)))
    with ScriptedApi(ok, server).running() as api:
        ca = {"certificate-authority-data": data(authority.pair.certificate)}
        with pytest.raises(StowageError) as caught:
            opened(kubeconfig_for(api.url, {"token": "t"}, **ca)).get_json("/x")
        assert caught.value.code == "cluster_tls_untrusted"
        assert "another name" in caught.value.message
        named = kubeconfig_for(api.url, {"token": "t"}, **ca, **{"tls-server-name": "elsewhere.example"})
        assert opened(named).get_json("/x") == {"ok": True}


def test_certificates_are_not_checked_when_told_so(authority: Authority, recwarn: pytest.WarningsRecorder) -> None:
    with ScriptedApi(ok, serving(authority.server("server"))).running() as api:
        document = kubeconfig_for(api.url, {"token": "t"})
        assert opened(document, validate_certs=False).get_json("/x") == {"ok": True}
        insecure = kubeconfig_for(api.url, {"token": "t"}, **{"insecure-skip-tls-verify": True})
        assert opened(insecure).get_json("/x") == {"ok": True}
        with pytest.raises(StowageError) as caught:
            opened(insecure, validate_certs=True).get_json("/x")
        assert caught.value.code == "cluster_tls_untrusted"
    assert not [w for w in recwarn if "Insecure" in w.category.__name__]


def test_an_option_credential_replaces_all_of_the_kubeconfigs(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = authority.client("client", "admin")
    document = kubeconfig_for(
        "https://127.0.0.1:1",
        {"token": "old", "client-certificate-data": data(pair.certificate), "client-key-data": data(pair.key)},
    )
    certificates: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", lambda _self, *files, **_options: certificates.append(files))
    session = open_session(ClusterAccess.from_params({"kubeconfig": document, "api_key": "new"}, {}), 4)
    assert session.headers == (("Authorization", "Bearer new"),)
    assert certificates == []
    kept = open_session(ClusterAccess.from_params({"kubeconfig": document}, {}), 4)
    assert kept.headers == (("Authorization", "Bearer old"),)
    assert kept.digest != session.digest
    assert len(certificates) == 1


def test_basic_authentication_and_impersonation() -> None:
    with ScriptedApi(ok).running() as api:
        params = {
            "host": api.url,
            "username": "me",
            "password": CANARY,
            "impersonate_user": "bob",
            "impersonate_groups": ["dev", "ops"],
        }
        Connection.open(ClusterAccess.from_params(params, {})).get_json("/x")
    headers = api.requests[0].headers
    assert headers["authorization"] == "Basic " + base64.b64encode(f"me:{CANARY}".encode()).decode()
    assert headers["impersonate-user"] == "bob"
    assert headers.get_all("impersonate-group") == ["dev", "ops"]


def test_the_kubeconfigs_impersonation_is_not_ignored() -> None:
    extra = {"example.com/reason": ["a", "b"]}
    user = {"token": "t", "as": "bob", "as-uid": "7", "as-groups": ["dev"], "as-user-extra": extra}
    document = kubeconfig_for("https://far.example", user)
    headers = open_session(ClusterAccess.from_params({"kubeconfig": document}, {}), 1).headers
    assert headers[1:] == (
        ("Impersonate-User", "bob"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Extra-example.com%2Freason", "a"),
        ("Impersonate-Extra-example.com%2Freason", "b"),
    )
    by_option = {"kubeconfig": document, "impersonate_user": "eve"}
    assert open_session(ClusterAccess.from_params(by_option, {}), 1).headers[1:] == (("Impersonate-User", "eve"),)


@pytest.mark.parametrize(
    "user", [{"as-groups": ["g"]}, {"as": "b", "as-groups": "g"}, {"as": "b", "as-user-extra": [1]}]
)
def test_impersonation_that_makes_no_sense(user: dict[str, Any]) -> None:
    with pytest.raises(StowageError) as caught:
        opened(kubeconfig_for("https://far.example", user))
    assert caught.value.code == "cluster_access_invalid"


def plugin(tmp_path: Path, script: str) -> dict[str, Any]:
    path = tmp_path / "give-token"
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(0o700)
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": str(path), "env": [{"name": "PLUGIN_SECRET", "value": CANARY}]}}


CREDENTIAL = """
import json, os
token = "tok-" + os.environ["PLUGIN_SECRET"]
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}))
"""


def test_an_exec_plugins_token_is_used_and_masked(tmp_path: Path) -> None:
    with ScriptedApi(ok).running() as api:
        connection = opened(kubeconfig_for(api.url, plugin(tmp_path, CREDENTIAL)))
        connection.get_json("/x")
    assert api.requests[0].token == f"tok-{CANARY}"
    assert f"tok-{CANARY}" in connection.secrets


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"import sys; sys.exit('{CANARY}')", "ended with status 1"),
        (f"print('{CANARY}')", "gave no credential"),
        ("print('{}')", "gave no credential"),
        ("import json; print(json.dumps({'apiVersion': 'other/v1', 'kind': 'x', 'status': {}}))", "gave no credential"),
    ],
)
def test_a_failing_exec_plugin_is_named_and_its_output_is_not_shown(
    tmp_path: Path, script: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StowageError) as caught:
        opened(kubeconfig_for("https://127.0.0.1:1", plugin(tmp_path, script)))
    assert caught.value.code == "cluster_access_invalid"
    assert f"give-token {said}" in caught.value.message
    captured = capfd.readouterr()
    assert CANARY not in caught.value.message + caught.value.hint + captured.out + captured.err


def test_a_missing_exec_plugin_is_named(tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(tmp_path / "absent-plugin")}}
    with pytest.raises(StowageError) as caught:
        opened(kubeconfig_for("https://127.0.0.1:1", user))
    assert "absent-plugin" in caught.value.message


@pytest.mark.parametrize(
    "user",
    [
        {"client-certificate": "/absent/file.crt", "client-key": "/absent/file.key"},
        {
            "client-certificate-data": data(Path(__file__)),
            "client-key-data": base64.b64encode(CANARY.encode()).decode(),
        },
        {"auth-provider": {"name": "oidc", "config": {CANARY: CANARY}}},
        {"exec": CANARY},
        {"exec": {"args": [CANARY]}},
        {"token": [CANARY]},
    ],
)
def test_an_unusable_user_is_one_error_without_its_values(
    user: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StowageError) as caught:
        opened(kubeconfig_for("https://127.0.0.1:1", user))
    assert caught.value.code == "cluster_access_invalid"
    captured = capfd.readouterr()
    assert CANARY not in caught.value.message + caught.value.hint + captured.out + captured.err


def test_a_token_never_travels_in_clear() -> None:
    with pytest.raises(StowageError) as caught:
        opened(kubeconfig_for("http://far.example", {"token": CANARY}))
    assert caught.value.code == "cluster_access_invalid"
    assert CANARY not in caught.value.message


def test_the_pods_account(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("pod-token")
    monkeypatch.setattr(access_module, "TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setattr(access_module, "CA_FILE", str(authority.pair.certificate))
    with ScriptedApi(ok, serving(authority.server("server"))).running() as api:
        for name, value in (("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", str(api.port))):
            monkeypatch.setenv(name, value)
        access = ClusterAccess.from_params({}, {**os.environ, "HOME": str(tmp_path), "KUBECONFIG": ""})
        assert access.in_cluster
        Connection.open(access).get_json("/x")
    assert api.requests[0].headers["authorization"].lower() == "bearer pod-token"


def proxy_of(server: str, user: dict[str, Any] | None = None, **options: Any) -> str | None:
    document = kubeconfig_for(server, user or {"token": "t"}, **options.pop("cluster", {}))
    access = ClusterAccess.from_params({"kubeconfig": document, **options}, {})
    proxy = getattr(open_session(access, 1).pool, "proxy", None)
    return str(proxy) if proxy else None


def test_which_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    far = "https://far.example:6443"
    assert proxy_of(far) is None
    assert proxy_of(far, proxy="http://option:1") == "http://option:1"
    assert proxy_of(far, cluster={"proxy-url": "http://cluster:2"}) == "http://cluster:2"
    assert proxy_of(far, proxy="http://option:1", cluster={"proxy-url": "http://cluster:2"}) == "http://option:1"
    assert proxy_of(far, proxy="http://option:1", no_proxy="other.example,.example") is None
    monkeypatch.setenv("HTTPS_PROXY", "http://environment:3")
    monkeypatch.setenv("HTTP_PROXY", "http://wrong:4")
    assert proxy_of(far) == "http://environment:3"
    assert proxy_of("https://127.0.0.1:6443") is None
    monkeypatch.setenv("NO_PROXY", "far.example")
    assert proxy_of(far) is None


def test_proxy_headers_go_to_the_proxy() -> None:
    access = ClusterAccess.from_params(
        {
            "host": "https://far.example",
            "api_key": "t",
            "proxy": "http://proxy.example:1",
            "proxy_headers": {"proxy_basic_auth": f"me:{CANARY}"},
        },
        {},
    )
    headers: dict[str, str] = open_session(access, 1).pool.proxy_headers  # type: ignore[attr-defined]  # a ProxyManager
    assert headers == {"proxy-authorization": "Basic " + base64.b64encode(f"me:{CANARY}".encode()).decode()}


def test_user_and_password_of_the_proxys_address_go_to_the_proxy() -> None:
    document = kubeconfig_for(
        "https://far.example", {"token": "t"}, **{"proxy-url": f"http://me:{CANARY}%21@proxy.example"}
    )
    access = ClusterAccess.from_params({"kubeconfig": document}, {})
    headers: dict[str, str] = open_session(access, 1).pool.proxy_headers  # type: ignore[attr-defined]  # a ProxyManager
    assert headers == {"proxy-authorization": "Basic " + base64.b64encode(f"me:{CANARY}!".encode()).decode()}
    assert f"{CANARY}%21" in access.secrets


def test_compression_is_asked_for_but_on_loopback_and_where_the_kubeconfig_says_no() -> None:
    def compress(server: str, **cluster: Any) -> bool:
        access = ClusterAccess.from_params({"kubeconfig": kubeconfig_for(server, {"token": "t"}, **cluster)}, {})
        return open_session(access, 1).compress

    assert compress("https://far.example")
    assert not compress("https://far.example", **{"disable-compression": True})
    assert not compress("https://127.0.0.1:1")


def test_a_token_that_an_auth_provider_keeps_is_used() -> None:
    parts: tuple[dict[str, Any], ...] = ({"alg": "none"}, {"exp": 32503680000}, {})
    token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    provider = {"name": "oidc", "config": {"id-token": token, "idp-issuer-url": "https://issuer.example"}}
    access = ClusterAccess.from_params(
        {"kubeconfig": kubeconfig_for("https://far.example", {"auth-provider": provider})}, {}
    )
    assert open_session(access, 1).headers == (("Authorization", f"Bearer {token}"),)


SLIM = """
import json, sys
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.package import kubernetes_package
package = kubernetes_package()
loaded = sorted(name for name in sys.modules if name.startswith(("kubernetes", "google", "oauthlib", "requests")))
import kubernetes.client
print(json.dumps([package.slim, loaded, kubernetes.client.V1Pod.__name__, kubernetes.config.__name__]))
"""


def test_models_are_left_out_and_the_package_stays_whole_for_others() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SLIM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert json.loads(run.stdout) == [True, [], "V1Pod", "kubernetes.config"]


def test_a_package_built_otherwise_is_imported_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import package as package_module

    def fail() -> None:
        raise AttributeError("built otherwise")

    monkeypatch.setattr(package_module, "_import_slim", fail)
    for name in [name for name in sys.modules if name.partition(".")[0] == "kubernetes"]:
        monkeypatch.delitem(sys.modules, name)
    whole_kubernetes_package.cache_clear()
    whole = kubernetes_package.__wrapped__()
    assert not whole.slim
    assert whole.configuration().verify_ssl


def test_a_missing_package_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "kubernetes"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("kubernetes", "kubernetes.client"):
        monkeypatch.setitem(sys.modules, name, None)
    whole_kubernetes_package.cache_clear()
    with pytest.raises(StowageError) as caught:
        kubernetes_package.__wrapped__()
    assert caught.value.code == "dependency_missing"
