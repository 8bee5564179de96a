# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Captures with the accounts that the collection ships, with less, and with credentials that expire."""

from __future__ import annotations

import threading
import typing as t

import pytest
import yaml

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support import captures
from support.memory_location import MemoryLocation
from testbed import Api, ApiError, accounts
from testbed.process import wait_until

if t.TYPE_CHECKING:
    import pathlib

    from testbed import Cluster, Testbed

RBAC = "rbac.authorization.k8s.io"
SHIPPED = ("backup-reader", "backup-reader-namespaced", "service-accounts")


@pytest.fixture(scope="module")
def source(testbed: Testbed) -> Cluster:
    """A cluster with the shipped roles, and an account ``ours`` that may read one namespace."""
    cluster = testbed.cluster("accounts")
    accounts.ship(cluster, SHIPPED)
    for namespace in ("ours", "theirs"):
        cluster.api.create(named("v1", "Namespace", namespace))
        for kind in ("ConfigMap", "Secret"):
            cluster.api.create(named("v1", kind, "settings", namespace))
    account(cluster, "ours")
    for kind, name, namespace in (("RoleBinding", "namespaced", "ours"), ("ClusterRoleBinding", "identity", "")):
        bind(cluster, kind, f"stowage-backup-reader-{name}", "ours", namespace)
    return cluster


def named(api_version: str, kind: str, name: str, namespace: str = "", **rest: t.Any) -> dict[str, t.Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def account(cluster: Cluster, name: str) -> None:
    cluster.api.create(named("v1", "ServiceAccount", name, "stowage"))


def bind(cluster: Cluster, kind: str, role: str, name: str, namespace: str = "") -> None:
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "stowage"}
    ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
    cluster.api.create(named(f"{RBAC}/v1", kind, f"{role}-{name}", namespace, roleRef=ref, subjects=[subject]))


def kubeconfig(cluster: Cluster, name: str, seconds: float = 3600) -> pathlib.Path:
    return cluster.kubeconfig_for_token(cluster.token_for("stowage", name, seconds), name)


def test_the_shipped_account_sees_what_an_administrator_sees(source: Cluster) -> None:
    ours, admins = MemoryLocation(), MemoryLocation()
    result = captures.run(kubeconfig(source, "backup"), ours)
    assert result.phase == "Completed", result.errors
    captures.run(source.kubeconfig, admins)
    found, expected = ({o for o in captures.objects(where) if o.resource != "events"} for where in (ours, admins))
    assert found == expected


def test_missing_verbs_are_named_in_one_go(source: Cluster) -> None:
    account(source, "poor")
    groups = ["apps", "batch", RBAC, "apiextensions.k8s.io", "storage.k8s.io"]
    rules = [
        {"apiGroups": [""], "resources": ["configmaps", "pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]},
        {"apiGroups": groups, "resources": ["*"], "verbs": ["list"]},
    ]
    source.api.create(named(f"{RBAC}/v1", "ClusterRole", "poor", rules=rules))
    bind(source, "ClusterRoleBinding", "poor", "poor")
    location = MemoryLocation()
    with pytest.raises(StowageError) as caught:
        captures.run(kubeconfig(source, "poor"), location)
    assert caught.value.code == "cluster_forbidden"
    missing = {(need["group"], need["resource"]) for need in caught.value.details["missing"]}
    assert {("", "secrets"), ("", "services"), ("networking.k8s.io", "ingresses")} <= missing
    assert not {("", "configmaps"), ("apps", "deployments")} & missing
    assert not location.log
    some = {"included_resources": ["configmaps", "pods", "deployments", "namespaces"]}
    assert captures.run(kubeconfig(source, "poor"), location, some).phase == "Completed"


def test_an_account_of_one_namespace(source: Cluster) -> None:
    location = MemoryLocation()
    selection = {"included_namespaces": ["ours"], "include_cluster_resources": "never"}
    result = captures.run(kubeconfig(source, "ours"), location, selection)
    assert result.phase == "Completed", result.errors
    found = captures.objects(location)
    assert {one.namespace for one in found} == {"", "ours"}
    assert {one.name for one in found if one.resource == "secrets"} == {"settings"}
    assert {one.name for one in found if not one.namespace} == {"ours"}


def test_what_that_account_cannot_see_is_no_backup_or_an_error(source: Cluster) -> None:
    config = kubeconfig(source, "ours")
    partly = captures.run(config, MemoryLocation(), {"included_namespaces": ["ours"]})
    assert partly.phase == "PartiallyFailed"
    assert f"clusterrolebindings.{RBAC}" in partly.incomplete
    for selection in ({}, {"included_namespaces": ["our*"]}, {"included_namespaces": ["ours", "theirs"]}):
        location = MemoryLocation()
        with pytest.raises(StowageError) as caught:
            captures.run(config, location, {**selection, "include_cluster_resources": "never"})
        assert caught.value.code == "cluster_forbidden"
        assert not location.log


class Expiry:
    """Waits, before the first page of Secrets, until a token is refused; then does something."""

    def __init__(self, token_config: pathlib.Path, then: t.Callable[[], object]) -> None:
        self.done = False
        self._api = Api(token_config)
        self._then = then
        self._lock = threading.Lock()

    def __call__(self, _method: str, path: str, query: dict[str, str]) -> None:
        with self._lock:
            if path == "/api/v1/secrets" and query.get("limit") != "1" and not self.done:
                wait_until(self._refused, seconds=60, what="the token's end")
                self._then()
                self.done = True

    def _refused(self) -> bool:
        try:
            self._api.json("GET", "/api/v1/namespaces/kube-system")
        except ApiError as error:
            return error.status == 401
        return False


def test_a_token_that_expires_half_way_leaves_nothing(source: Cluster) -> None:
    location = MemoryLocation()
    config = kubeconfig(source, "backup", 8)
    expiry = Expiry(config, lambda: None)
    with pytest.raises(StowageError) as caught:
        captures.run(config, location, before=expiry)
    assert expiry.done
    assert caught.value.code == "cluster_unauthorized"
    assert caught.value.hint
    assert not location.objects
    assert not location.pending
    assert catalog.list_backups(location, captures.FOLDER) == []


def test_a_token_file_that_is_written_anew_in_time_is_read_again(source: Cluster, tmp_path: pathlib.Path) -> None:
    token = tmp_path / "token"
    token.write_text(source.token_for("stowage", "backup", 8))
    frozen = source.kubeconfig_for_token(token.read_text(), "frozen")
    document = yaml.safe_load(frozen.read_text())
    for user in document["users"]:
        user["user"] = {"tokenFile": str(token)}
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump(document))
    expiry = Expiry(frozen, lambda: token.write_text(source.token_for("stowage", "backup")))
    location = MemoryLocation()
    result = captures.run(config, location, before=expiry)
    assert expiry.done
    assert result.phase == "Completed"
    assert any(one.resource == "secrets" for one in captures.objects(location))
