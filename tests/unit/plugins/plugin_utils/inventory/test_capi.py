# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of a management cluster: what is asked for, and what is made of the answers."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.capi import find_clusters
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.contexts import Place
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import Management, read_options
from support.scripted_api import Reply, Request, ScriptedApi, as_json, as_status

CANARY: t.Final = "canary-b2"
GROUP: t.Final = {"preferredVersion": {"version": "v1beta2"}}
LIST: t.Final = "/apis/cluster.x-k8s.io/v1beta2/clusters"


def kubeconfig(path: Path, server: str, **user: t.Any) -> str:
    document = {
        "current-context": "elsewhere",
        "contexts": [
            {"name": "elsewhere", "context": {"cluster": "none", "user": "u"}},
            {"name": "m", "context": {"cluster": "c", "user": "u"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user or {"token": CANARY}}],
    }
    path.write_text(json.dumps(document))
    return str(path)


def cluster(namespace: str, name: str, **labels: str) -> dict[str, t.Any]:
    return {"metadata": {"namespace": namespace, "name": name, "labels": labels}}


def served(*clusters: dict[str, t.Any], size: int = 100) -> t.Callable[[Request], Reply]:
    def answer(request: Request) -> Reply:
        if request.path == "/apis/cluster.x-k8s.io":
            return as_json(GROUP)
        namespace = request.path.removeprefix("/apis/cluster.x-k8s.io/v1beta2/").removesuffix("clusters").strip("/")
        mine = [one for one in clusters if namespace in ("", f"namespaces/{one['metadata']['namespace']}")]
        begin = int(request.query.get("continue", "0"))
        more = {"continue": str(begin + size)} if begin + size < len(mine) else {}
        return as_json({"metadata": more, "items": mine[begin : begin + size]})

    return answer


def find(path: str, environ: dict[str, str] | None = None, **capi: t.Any) -> list[Cluster]:
    given = {"context": "m", **({} if "env" in capi else {"kubeconfig": path}), **capi}
    origin = read_options({"a": {"capi": given}}, None, None).sources[0].origin
    assert isinstance(origin, Management)
    found = find_clusters(origin, Place("/", environ or {}))
    assert CANARY not in repr(found)
    return found


def test_a_cluster_is_a_reference_to_its_secret(tmp_path: Path) -> None:
    with ScriptedApi(served(cluster("fleet", "prod-1", tier="gold"))).running() as api:
        path = kubeconfig(tmp_path / "kc", api.url)
        found = find(path, label_selector="tier=gold")
        assert found == [
            Cluster(
                "prod-1",
                ("fleet",),
                {
                    "stowage_cluster_auth": "capi",
                    "stowage_kubeconfig": path,
                    "stowage_context": "m",
                    "stowage_kubeconfig_secret": {"namespace": "fleet", "name": "prod-1-kubeconfig", "key": "value"},
                    "stowage_capi_cluster": {"namespace": "fleet", "name": "prod-1"},
                },
                {"tier": "gold"},
            )
        ]
        assert [request.path for request in api.requests] == ["/apis/cluster.x-k8s.io", LIST]
        asked = api.requests[-1]
    assert asked.query["labelSelector"] == "tier=gold"
    assert "PartialObjectMetadataList" in asked.headers["accept"]
    assert asked.token == CANARY


def test_lists_are_read_page_by_page(tmp_path: Path) -> None:
    clusters = [cluster("fleet", f"c-{number}") for number in range(7)]
    with ScriptedApi(served(*clusters, size=3)).running() as api:
        found = find(kubeconfig(tmp_path / "kc", api.url))
        assert len(api.requests) == 4
    assert [one.name for one in found] == [f"c-{number}" for number in range(7)]


def test_named_namespaces_are_asked_one_by_one_and_patterns_for_all(tmp_path: Path) -> None:
    clusters = [cluster(namespace, "c") for namespace in ("eu", "us", "eu-old", "other")]
    with ScriptedApi(served(*clusters)).running() as api:
        path = kubeconfig(tmp_path / "kc", api.url)
        assert [one.parts for one in find(path, namespaces=["us", "eu"])] == [("eu",), ("us",)]
        assert [request.path.split("/")[5] for request in api.requests[1:]] == ["eu", "us"]
        api.requests.clear()
        found = find(path, namespaces=["eu*", "us"], excluded_namespaces="*-old")
        assert [one.parts for one in found] == [("eu",), ("us",)]
        assert [request.path for request in api.requests[1:]] == [LIST]


def test_the_context_is_named_even_if_it_is_the_current_one(tmp_path: Path) -> None:
    with ScriptedApi(served(cluster("a", "b"))).running() as api:
        path = kubeconfig(tmp_path / "kc", api.url)
        document = json.loads(Path(path).read_text()) | {"current-context": "m"}
        Path(path).write_text(json.dumps(document))
        assert find(path, context="")[0].access["stowage_context"] == "m"


def test_a_path_of_the_environment_is_in_nothing(tmp_path: Path) -> None:
    with ScriptedApi(served(cluster("a", "b"))).running() as api:
        path = kubeconfig(tmp_path / "injected", api.url)
        found = find("", {"M": path}, env="M")
    assert "injected" not in repr(found)
    with pytest.raises(StowageError) as caught:
        find("", {"M": f"{tmp_path}/injected-gone"}, env="M")
    assert "injected" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("user", [{"exec": {"command": "touch"}}, {"auth-provider": {"name": "gcp", "config": {}}}])
def test_no_command_of_the_kubeconfig_is_run(user: dict[str, t.Any], tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    user = json.loads(
        json.dumps(user).replace(
            '"touch"', f'"touch", "args": ["{marker}"], "apiVersion": "client.authentication.k8s.io/v1"'
        )
    )
    with ScriptedApi(served()).running() as api, pytest.raises(StowageError) as caught:
        find(kubeconfig(tmp_path / "kc", api.url, **user))
    assert api.requests == []
    assert caught.value.code == "cluster_access_invalid"
    assert not marker.exists()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (as_status(404, "NotFound"), "cluster_api_error"),
        (as_status(403, "Forbidden"), "cluster_forbidden"),
        (as_status(401, "Unauthorized"), "cluster_unauthorized"),
        (as_json({"preferredVersion": {"version": "../../../x"}}), "cluster_api_error"),
        (as_json([]), "cluster_api_error"),
    ],
)
def test_a_cluster_that_is_no_management_cluster_says_so(reply: Reply, code: str, tmp_path: Path) -> None:
    with ScriptedApi(lambda _request: reply).running() as api, pytest.raises(StowageError) as caught:
        find(kubeconfig(tmp_path / "kc", api.url))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"items": [{}], "metadata": {}},
        {"items": [1], "metadata": {}},
        {"items": 1, "metadata": {}},
        {"items": [{"metadata": 5}], "metadata": {}},
        "x",
    ],
)
def test_what_is_no_list_is_an_error_and_no_defect(answer: object, tmp_path: Path) -> None:
    with (
        ScriptedApi(lambda request: as_json(answer if request.path == LIST else GROUP)).running() as api,
        pytest.raises(StowageError) as caught,
    ):
        find(kubeconfig(tmp_path / "kc", api.url))
    assert caught.value.code == "cluster_api_error"


def test_a_name_that_no_object_has_is_refused(tmp_path: Path) -> None:
    with ScriptedApi(served(cluster("a", "../../secrets/x"))).running() as api, pytest.raises(StowageError) as caught:
        find(kubeconfig(tmp_path / "kc", api.url))
    assert caught.value.code == "cluster_access_invalid"
