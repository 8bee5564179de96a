# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts with less than all permissions on a real API server, and tokens that end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError, Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import discover
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import pages, probe
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.permissions import Need, missing, rules
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from conftest import ClusterFactory
from support.clusters import config_map, connect, namespace
from testbed import Cluster
from testbed.pki import Authority

CONFIG_MAPS = Kind("", "v1", "configmaps", "ConfigMap", namespaced=True)
SECRETS = Kind("", "v1", "secrets", "Secret", namespaced=True)
RBAC = "rbac.authorization.k8s.io"


def account(cluster: Cluster, name: str, granted: Sequence[dict[str, Any]], *, within: str | None = None) -> None:
    """A service account `name` in the namespace `name` with these rules, in one namespace or the whole cluster."""
    cluster.api.create(namespace(name))
    cluster.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": name, "name": name}})
    place = {"namespace": within} if within else {}
    prefix = "" if within else "Cluster"
    meta = {"name": name, **place}
    cluster.api.create({"apiVersion": f"{RBAC}/v1", "kind": f"{prefix}Role", "metadata": meta, "rules": list(granted)})
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{prefix}RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": RBAC, "kind": f"{prefix}Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "namespace": name, "name": name}],
    }
    cluster.api.create(binding)


def as_account(cluster: Cluster, name: str) -> Connection:
    return connect(cluster.kubeconfig_for_token(cluster.token_for(name, name), name))


def lists(conn: Connection) -> list[Need]:
    return [Need("list", kind.group, kind.plural) for kind in discover(conn).chosen]


def rule(groups: list[str], resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": groups, "resources": resources, "verbs": verbs}


def test_gaps_are_found_before_the_first_page(cluster: ClusterFactory) -> None:
    shared = cluster()
    account(shared, "gaps", [rule([""], ["configmaps", "pods"], ["list"]), rule(["apps"], ["*"], ["list"])])
    conn = as_account(shared, "gaps")
    needs = lists(conn)
    found = missing(conn, needs)
    assert {need.resource for need in needs if need.group == "apps"} >= {"deployments", "replicasets"}
    assert not [need for need in found if need.group == "apps"]
    assert not {Need("list", "", "configmaps"), Need("list", "", "pods")} & set(found)
    assert {Need("list", "", "secrets"), Need("list", "batch", "jobs")} <= set(found)
    assert not probe(conn, CONFIG_MAPS).forbidden
    assert probe(conn, SECRETS).forbidden
    for need in needs:
        kind = discover(conn).find(need.group, "", need.resource)
        assert kind is not None
        assert probe(conn, kind).forbidden == (need in found)


def test_the_rules_of_the_hint_are_what_was_missing(cluster: ClusterFactory) -> None:
    shared = cluster()
    account(shared, "hinted", [])
    conn = as_account(shared, "hinted")
    needs = [*lists(conn)[:12], Need("update", "apps", "deployments", "", "status"), Need("escalate", RBAC, "roles")]
    found = missing(conn, needs)
    assert found == sorted(needs)
    granted = [yaml.safe_load(line)[0] for line in rules(found)]
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "hinted"}, "rules": granted}
    shared.api.replace(role)
    until_nothing_is_missing(conn, needs)


def until_nothing_is_missing(conn: Connection, needs: list[Need]) -> None:
    """The authorizer learns of a changed role by a watch."""
    for _attempt in range(500):
        if not missing(conn, needs):
            return
    raise AssertionError(missing(conn, needs))


def test_everything_and_everything_readable(cluster: ClusterFactory) -> None:
    shared = cluster()
    assert missing(connect(shared), [Need("escalate", RBAC, "clusterroles"), Need("list", "x.example", "y")]) == []
    account(shared, "reader", [rule(["*"], ["*"], ["list"])])
    conn = as_account(shared, "reader")
    assert missing(conn, [*lists(conn), Need("get", "", "pods")]) == [Need("get", "", "pods")]


def test_one_namespace_only(cluster: ClusterFactory) -> None:
    shared = cluster()
    account(shared, "team", [rule([""], ["*"], ["list"])], within="team")
    conn = as_account(shared, "team")
    inside = [Need("list", "", plural, "team") for plural in ("pods", "secrets", "configmaps", "services")]
    everywhere = [Need("list", "", "pods")]
    assert missing(conn, inside + everywhere) == everywhere
    assert probe(conn, CONFIG_MAPS).forbidden
    assert not probe(conn, CONFIG_MAPS, "team").forbidden
    with pytest.raises(ApiStatusError) as caught:
        list(pages(conn, CONFIG_MAPS))
    assert caught.value.code == "cluster_forbidden"
    assert [item.name for page in pages(conn, CONFIG_MAPS, namespace="team") for item in page.items]


def test_impersonation_is_that_accounts_view(cluster: ClusterFactory) -> None:
    shared = cluster()
    account(shared, "acted", [rule([""], ["configmaps"], ["list"])])
    conn = connect(
        shared, impersonate_user="system:serviceaccount:acted:acted", impersonate_groups=["system:authenticated"]
    )
    needs = [Need("list", "", "configmaps"), Need("list", "", "secrets")]
    assert missing(conn, needs) == [Need("list", "", "secrets")]


def with_token_file(cluster: Cluster, path: Path) -> Connection:
    document = yaml.safe_load(cluster.kubeconfig.read_text())
    document["users"][0]["user"] = {"tokenFile": str(path)}
    return Connection.open(ClusterAccess.from_params({"kubeconfig": document}, {}))


def use_up(conn: Connection, name: str) -> StowageError:
    """Lists until the token is refused. It ends after 3 s, and the server remembers it for 10 s more."""
    for _attempt in range(1_000_000):
        try:
            found = list(pages(conn, CONFIG_MAPS, namespace=name))
        except StowageError as error:
            return error
        assert found
    raise AssertionError("the token was never refused")


def test_a_token_that_ends_half_way(cluster: ClusterFactory, tmp_path: Path) -> None:
    shared = cluster()
    account(shared, "ending", [rule([""], ["configmaps"], ["list"])])
    shared.api.create(config_map("ending", "a"))
    short = shared.token_for("ending", "ending", 3)
    error = use_up(connect(shared.kubeconfig_for_token(short, "ending")), "ending")
    assert error.code == "cluster_unauthorized"
    assert error.hint
    assert short not in f"{error.message}{error.hint}{error.details}"

    (tmp_path / "token").write_text(short)
    conn = with_token_file(shared, tmp_path / "token")
    assert use_up(conn, "ending").code == "cluster_unauthorized"
    # Whoever renews the file while the task runs lets it go on.
    (tmp_path / "token").write_text(shared.token_for("ending", "ending"))
    assert list(pages(conn, CONFIG_MAPS, namespace="ending"))


def test_a_wrong_ca_and_no_credential(cluster: ClusterFactory, tmp_path: Path) -> None:
    shared = cluster()
    stranger = Authority(tmp_path, "stranger").pair.certificate
    with pytest.raises(StowageError) as caught:
        connect(shared, ca_cert=str(stranger)).get_json("/version")
    assert caught.value.code == "cluster_tls_untrusted"
    with pytest.raises(StowageError) as caught:
        connect(shared, api_key="not-a-token").get_json("/api/v1/pods")
    assert caught.value.code == "cluster_unauthorized"


def test_a_secret_that_is_refused_is_not_quoted(cluster: ClusterFactory) -> None:
    shared = cluster()
    body = b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"},"data":{"not a key canary":"Y2FuYXJ5"},"type":"Canary Value"}'
    with pytest.raises(ApiStatusError) as caught:
        connect(shared).request("POST", "/api/v1/namespaces/default/secrets", body=body)
    assert caught.value.reason == "Invalid"
    assert "canary" not in caught.value.message.lower().replace("not a key canary", "")
