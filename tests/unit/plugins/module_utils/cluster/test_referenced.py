# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster whose kubeconfig lies in a Secret of its management cluster: read, renewed, and not obeyed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.referenced import (
    SecretReference,
    kubeconfig_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support.scripted_api import Reply, Request, ScriptedApi, as_json, as_status

CANARY = "canary-77c0de"
REFERENCE = {"namespace": "fleet", "name": "prod-1-kubeconfig"}
PATH = "/api/v1/namespaces/fleet/secrets/prod-1-kubeconfig"


def kubeconfig(server: str, cluster: dict[str, Any] | None = None, **user: Any) -> dict[str, Any]:
    return {
        "current-context": "admin@prod-1",
        "contexts": [{"name": "admin@prod-1", "context": {"cluster": "prod-1", "user": "admin"}}],
        "clusters": [{"name": "prod-1", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "admin", "user": user}],
    }


def secret(document: object, key: str = "value") -> dict[str, Any]:
    text = document if isinstance(document, str) else json.dumps(document)
    return {"kind": "Secret", "data": {key: base64.b64encode(text.encode()).decode()}}


def params(host: str, **more: Any) -> dict[str, Any]:
    return {
        "host": host,
        "api_key": "management-token",
        "cluster_auth": "capi",
        "kubeconfig_secret": REFERENCE,
        **more,
    }


def refused(options: dict[str, Any], environ: dict[str, str] | None = None) -> StowageError:
    with pytest.raises(StowageError) as caught:
        Connection.open(ClusterAccess.from_params(options, environ or {}))
    assert CANARY not in caught.value.message + caught.value.hint + repr(caught.value)
    return caught.value


def test_the_kubeconfig_of_the_secret_is_used_and_the_management_clusters_credential_stays_there() -> None:
    with ScriptedApi(lambda _request: as_json({"who": "prod-1"})).running() as workload:
        held = kubeconfig(workload.url, token=CANARY)
        with ScriptedApi(lambda _request: as_json(secret(held))).running() as management:
            connection = Connection.open(ClusterAccess.from_params(params(management.url), {}))
            assert connection.get_json("/version") == {"who": "prod-1"}
            assert [request.path for request in management.requests] == [PATH]
            assert {request.token for request in management.requests} == {"management-token"}
        assert [request.token for request in workload.requests] == [CANARY]
    assert {CANARY, "management-token"} <= connection.secrets


def test_the_secret_is_read_again_when_the_credential_has_ended() -> None:
    tokens = ["old", "new"]

    def workload_answer(request: Request) -> Reply:
        return as_json({"ok": True}) if request.token == "new" else as_status(401, "Unauthorized")

    with ScriptedApi(workload_answer).running() as workload:

        def management_answer(_request: Request) -> Reply:
            return as_json(secret(kubeconfig(workload.url, token=tokens.pop(0), password=CANARY)))

        with ScriptedApi(management_answer).running() as management:
            keeper = kubeconfig(management.url, token="management-token")
            options = {"kubeconfig": keeper, "cluster_auth": "capi", "kubeconfig_secret": REFERENCE}
            keeper["contexts"][0]["name"] = keeper["current-context"] = "management"
            connection = Connection.open(ClusterAccess.from_params(options, {}))
            assert connection.get_json("/x") == {"ok": True}
    assert tokens == []
    assert {"old", "new", "management-token", CANARY} <= connection.secrets


def test_a_secret_that_moves_to_another_server_meanwhile_is_not_followed() -> None:
    with ScriptedApi(lambda _request: as_status(401, "Unauthorized")).running() as workload:
        servers = [workload.url, "https://elsewhere.example:6443"]

        def management_answer(_request: Request) -> Reply:
            return as_json(secret(kubeconfig(servers.pop(0), token="t")))

        with ScriptedApi(management_answer).running() as management:
            connection = Connection.open(ClusterAccess.from_params(params(management.url), {}))
            with pytest.raises(StowageError) as caught:
                connection.get_json("/x")
    assert caught.value.code == "cluster_access_invalid"


def test_the_management_clusters_refusal_is_told(tmp_path: Path) -> None:
    with ScriptedApi(lambda _request: as_status(403, "Forbidden")).running() as management:
        assert refused(params(management.url)).code == "cluster_forbidden"
    with ScriptedApi(lambda _request: as_status(404, "NotFound")).running() as management:
        error = refused(params(management.url))
    assert error.code == "cluster_access_invalid"
    assert "fleet/prod-1-kubeconfig" in error.message


@pytest.mark.parametrize(
    "user",
    [
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": ["PATH"]}},
        {"exec": {}},
        {"auth-provider": {"name": "gcp", "config": {"cmd-path": "touch", "cmd-args": "PATH"}}},
        {"tokenFile": "PATH"},
        {"client-certificate": "PATH", "client-key": "PATH"},
        {"token": CANARY, "client-key": "PATH"},
    ],
)
def test_a_kubeconfig_in_a_secret_runs_no_command_and_reads_no_file(user: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "touched"
    filled = json.loads(json.dumps(user).replace("PATH", str(path)))
    with ScriptedApi(lambda _request: as_json({})).running() as workload:
        held = kubeconfig(workload.url, **filled)
        with ScriptedApi(lambda _request: as_json(secret(held))).running() as management:
            assert refused(params(management.url)).code == "cluster_access_invalid"
        assert workload.requests == []
    assert not path.exists()


def test_no_certificate_authority_of_this_machine_either() -> None:
    held = kubeconfig("https://prod-1.example", {"certificate-authority": "/etc/passwd"}, token=CANARY)
    with pytest.raises(StowageError, match="certificate-authority"):
        kubeconfig_of(secret(held), SecretReference("fleet", "prod-1-kubeconfig"))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"data": None},
        {"data": {"other": "eA=="}},
        {"data": {"value": 5}},
        {"data": {"value": f"{CANARY}!"}},
        secret(f"{CANARY}: ["),
        secret(CANARY),
        secret({"token": CANARY}),
        secret(kubeconfig("ftp-" + CANARY, token=CANARY) | {"current-context": "none"}),
    ],
)
def test_what_is_no_kubeconfig_is_refused_without_showing_it(answer: object) -> None:
    with pytest.raises(StowageError) as caught:
        kubeconfig_of(answer, SecretReference("fleet", "x"))
    assert caught.value.code == "cluster_access_invalid"
    assert CANARY not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"kubeconfig_secret": REFERENCE},
        {"kubeconfig_secret": REFERENCE, "cluster_auth": "kubeconfig"},
        {"cluster_auth": "capi"},
        {"cluster_auth": "capi", "kubeconfig_secret": {"namespace": "a/../b", "name": "x"}},
        {"cluster_auth": "capi", "kubeconfig_secret": {"namespace": "a", "name": "../../x"}},
        {"cluster_auth": "capi", "kubeconfig_secret": {"namespace": "a", "name": "x?y=z"}},
        {"cluster_auth": "capi", "kubeconfig_secret": {"namespace": "a", "name": "x\n"}},
        {"cluster_auth": "capi", "kubeconfig_secret": {"namespace": "a", "name": "x", "key": "a/b"}},
        {"cluster_auth": "capi", "kubeconfig_secret": {"namespace": "", "name": "x"}},
        {"cluster_auth": "capi", "kubeconfig_secret": "fleet/prod-1"},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    assert refused({"host": "https://m.example", "api_key": "k", **options}).code == "cluster_access_invalid"


def test_another_key_can_be_named() -> None:
    held = kubeconfig("https://prod-1.example", token="t")
    reference = SecretReference("fleet", "x", "kubeconfig")
    assert kubeconfig_of(secret(held, "kubeconfig"), reference) == held


def test_access_without_commands_refuses_those_of_a_users_own_kubeconfig(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    document = kubeconfig("https://m.example", exec={"command": "touch", "args": [str(marker)], "apiVersion": "v1"})
    with pytest.raises(StowageError) as caught:
        Connection.open(ClusterAccess(kubeconfig=document, commands=False))
    assert caught.value.code == "cluster_access_invalid"
    assert not marker.exists()
