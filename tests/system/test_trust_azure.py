# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust at an Azurite behind the testbed's guard, which enforces roles as Azure does: who gets in, who does not, and that the proof
sees when somebody does who should not. Tokens are those of a real cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import azure
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import lines as proof_lines
from support.azure import AUDIENCE, World, changes, drop_condition, failed, verdicts, with_accounts
from testbed import Azurite, controlplane
from testbed.azure import AzureCloud
from testbed.azure_rbac import BLOBS, CONTRIBUTOR
from testbed.cluster import Cluster
from testbed.entra_applications import FederatedCredential

SETS = ("writer", "reader", "pruner", "auditor", "coordinator")
Tree = dict[str, Any]


@pytest.fixture(scope="module")
def cloud(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureCloud]:
    """Servers whose identities these tests change."""
    found = AzureCloud(tmp_path_factory.mktemp("azure"), azurite)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def source(cluster: Any, cloud: AzureCloud) -> Cluster:
    """A cluster with accounts of the same name in two namespaces, whose keys Entra knows."""
    return with_accounts(cluster(), cloud)


@pytest.fixture
def world(cloud: AzureCloud, source: Cluster) -> Iterator[World]:
    """A new container, and trust by federation that is removed in the end."""
    found = World(cloud, source)
    yield found
    cloud.entra.assertions.lax = set()
    found.run(state="absent")


@pytest.fixture
def alone(cloud: AzureCloud) -> Iterator[World]:
    """A new container, and trust for a service principal: without a cluster."""
    found = World(cloud)
    yield found
    found.run(state="absent")


@pytest.mark.parametrize("permissions", SETS)
def test_a_permission_set_is_made_proven_and_taken_away(alone: World, permissions: str) -> None:
    planned = alone.run(check=True, permissions=permissions)
    assert alone.traces() == []
    assert set(verdicts(planned["trust"]).values()) == {"unknown"}, "there is nothing yet that could be proven"
    made = alone.run(permissions=permissions)
    assert made["changed"] is planned["changed"] is True
    assert changes(made["trust"]) == changes(planned["trust"])
    assert [line for line in made["trust"]["checks"] if line["verdict"] != "passed"] == []
    again = alone.run(permissions=permissions)
    assert (again["changed"], again["trust"]["changes"]) == (False, [])
    assert verdicts(again["trust"]) == verdicts(made["trust"])
    checked = alone.run(check=True, permissions=permissions)
    assert (checked["changed"], verdicts(checked["trust"])) == (False, verdicts(made["trust"]))
    assert alone.cloud.azurite.keys(alone.bucket) == []
    assert alone.cloud.azurite.uploads(alone.bucket) == []

    planned = alone.run(check=True, state="absent", permissions=permissions)
    assert alone.traces() != []
    gone = alone.run(state="absent", permissions=permissions)
    assert changes(gone["trust"]) == changes(planned["trust"]) != []
    assert alone.traces() == []
    assert alone.run(state="absent", permissions=permissions)["changed"] is False


def test_service_accounts_of_a_cluster_act_as_an_identity(world: World) -> None:
    planned = world.run(check=True)
    assert world.traces() == []
    made = world.run()
    assert changes(made["trust"]) == changes(planned["trust"])
    assert [one["what"] for one in changes(made["trust"])] == [
        "identity",
        "federated_credential",
        "role",
        "role_assignment",
    ]
    assert [line for line in made["trust"]["checks"] if line["verdict"] != "passed"] == []
    assert {"other_account_refused", "other_namespace_refused", "wrong_audience_refused"} <= verdicts(
        made["trust"]
    ).keys()
    trust = made["trust"]
    assert trust["auth"]["method"] == "workload_identity"
    assert trust["auth"]["client_id"] == world.identity.client_id
    assert (world.run()["changed"], world.run(check=True)["changed"]) == (False, False)
    gone, planned = world.run(check=True, state="absent"), world.run(state="absent")
    assert changes(gone["trust"]) == changes(planned["trust"]) != []
    assert world.traces() == []
    assert world.run(state="absent")["changed"] is False


def test_a_token_of_a_pod_can_be_tried_by_nobody_else(world: World) -> None:
    trust = world.present(kubeconfig=None)
    seen = verdicts(trust)
    assert seen["list_allowed"] == seen["delete_refused"] == seen["subject_trust-a/backup_allowed"] == "unknown"
    assert seen["anonymous_list_refused"] == seen["plain_http_refused"] == seen["no_account_keys"] == "passed"
    found = world.run(kubeconfig=None, verify_required=["list_allowed"])
    assert found["error_details"]["checks"] == ["list_allowed"]


# what the proof finds


def forget_paths(world: World) -> None:
    """Everything below the prefix, as somebody who did not think of other clusters."""
    properties = world.assignment().properties
    properties["condition"] = properties["condition"].replace("fleet/clusters/prod-1/", "fleet/clusters/*/")


def forget_listing(world: World) -> None:
    """Paths are compared, and listings have none, so that whoever writes it so narrows reading only."""
    properties = world.assignment().properties
    parts = properties["condition"].split(" AND ((")
    properties["condition"] = " AND ((".join(part for part in parts if "blobs:prefix" not in part)


def forget(what: str) -> Any:
    """One path of the condition forgets the cluster, and the others do not."""

    def change(world: World) -> None:
        properties = world.assignment().properties
        assert what in properties["condition"]
        properties["condition"] = properties["condition"].replace(what, what.replace("prod-1", "*"))

    return change


def widen(action: str, more: str) -> Any:
    """The condition allows an action at one path more."""

    def change(world: World) -> None:
        properties = world.assignment().properties
        parts = properties["condition"].split(" AND ((")
        found = [one for one in parts if f"{BLOBS}/{action}'}}" in one and "blobs:prefix" not in one]
        assert len(found) == 1, found
        widened = re.sub(r"StringLike (?:\{(.*)\}|('[^']*'))", rf"StringLike {{\1\2, '{more}'}}", found[0])
        widened = widened.replace("] StringLike", "] ForAnyOfAnyValues:StringLike")
        assert widened != found[0]
        properties["condition"] = " AND ((".join(widened if one == found[0] else one for one in parts)

    return change


def add_to_role(world: World, action: str) -> None:
    """The condition says nothing of an action that the role did not have."""
    name = str(world.assignment().properties["roleDefinitionId"]).rpartition("/")[2]
    world.rbac.roles[name]["permissions"][0]["dataActions"].append(f"{BLOBS}/{action}")


@pytest.mark.parametrize(
    ("permissions", "remove", "lines"),
    [
        (
            "writer",
            drop_condition,
            {
                "read_refused",
                "other_cluster_list_refused",
                "other_cluster_read_refused",
                "other_cluster_create_refused",
                "outside_prefix_create_refused",
                "outside_prefix_list_refused",
                "outside_prefix_read_refused",
                "other_cluster_document_read_refused",
                "other_cluster_manifest_read_refused",
                "other_cluster_metadata_read_refused",
                "other_cluster_metadata_create_refused",
                "other_cluster_restore_read_refused",
                "other_cluster_restore_create_refused",
                "other_cluster_record_read_refused",
                "other_cluster_record_create_refused",
            },
        ),
        (
            "writer",
            forget_paths,
            {"other_cluster_list_refused", "other_cluster_create_refused"},
        ),
        ("writer", forget_listing, {"other_cluster_list_refused", "outside_prefix_list_refused"}),
        ("reader", drop_condition, {"other_cluster_list_refused", "other_cluster_read_refused"}),
        (
            "pruner",
            drop_condition,
            {
                "read_refused",
                "other_cluster_delete_refused",
                "outside_prefix_delete_refused",
                "outside_prefix_read_refused",
            },
        ),
        ("coordinator", drop_condition, {"create_refused", "other_cluster_record_create_refused"}),
        ("auditor", drop_condition, {"read_refused", "other_cluster_read_refused"}),
        pytest.param(
            "writer",
            lambda world: add_to_role(world, "delete"),
            {
                "delete_refused",
                "document_delete_refused",
                "other_cluster_delete_refused",
                "outside_prefix_delete_refused",
            },
            id="delete",
        ),
        pytest.param(
            "reader",
            lambda world: add_to_role(world, "write"),
            {
                "create_refused",
                "document_create_refused",
                "other_cluster_create_refused",
                "other_cluster_record_create_refused",
            },
            id="write",
        ),
        pytest.param(
            "reader",
            lambda world: add_to_role(world, "add/action"),
            {"create_refused", "other_cluster_create_refused", "outside_prefix_create_refused"},
            id="add",
        ),
        pytest.param(
            "writer",
            lambda world: add_to_role(world, "deleteBlobVersion/action"),
            {"delete_version_refused"},
            id="versions",
        ),
    ],
)
def test_a_guard_that_is_taken_away_is_found_out(alone: World, permissions: str, remove: Any, lines: set[str]) -> None:
    seen = verdicts(alone.present(permissions=permissions))
    assert {seen[line] for line in lines} == {"passed"}
    # After the look, for what is seen there is put right.
    alone.rbac.meanwhile = lambda: remove(alone)
    found = alone.run(permissions=permissions)
    assert found["changed"] is False
    assert lines <= set(failed(found))
    assert alone.cloud.azurite.keys(alone.bucket) == alone.cloud.azurite.uploads(alone.bucket) == []
    fixed = alone.present(permissions=permissions)
    assert len(changes(fixed)) == 1
    assert set(verdicts(fixed).values()) == {"passed"}


@pytest.mark.parametrize(
    ("remove", "line"),
    [
        (forget("clusters/prod-1/backups/*/velero-backup.json"), "other_cluster_document_read_refused"),
        (forget("clusters/prod-1/backups/*/stowage-manifest.json"), "other_cluster_manifest_read_refused"),
        (widen("read", "fleet/clusters/*/metadata/*"), "other_cluster_metadata_read_refused"),
        (widen("write", "fleet/clusters/*/metadata/*"), "other_cluster_metadata_create_refused"),
        (widen("read", "fleet/clusters/*/restores/*"), "other_cluster_restore_read_refused"),
        (widen("write", "fleet/clusters/*/restores/*"), "other_cluster_restore_create_refused"),
        (widen("read", "fleet/workspaces/*/runs/*"), "other_cluster_record_read_refused"),
        (widen("write", "fleet/workspaces/*/runs/*"), "other_cluster_record_create_refused"),
        (widen("read", "stowage-*"), "outside_prefix_read_refused"),
    ],
    ids=[
        "document",
        "manifest",
        "metadata",
        "metadata_create",
        "restore",
        "restore_create",
        "record",
        "record_create",
        "outside",
    ],
)
def test_a_path_that_is_wider_is_found_out_by_its_own_line(alone: World, remove: Any, line: str) -> None:
    """Archives of other clusters stay closed, so that no other line sees it."""
    assert verdicts(alone.present())[line] == "passed"
    alone.rbac.meanwhile = lambda: remove(alone)
    assert failed(alone.run()) == [line]


def test_a_container_that_is_open_to_everybody_is_found_out(alone: World) -> None:
    alone.present()
    with alone.cloud.azurite.client() as client:
        client.get_container_client(alone.bucket).set_container_access_policy({}, public_access="container")
        assert {"anonymous_list_refused", "anonymous_read_refused"} <= set(failed(alone.run()))


def test_a_proxy_s_refusal_of_who_has_no_token_proves_nothing(alone: World) -> None:
    before = verdicts(alone.present())
    nobody = {name for name in before if name.startswith("anonymous_")}
    assert {before[name] for name in nobody} == {"passed"}
    # The mistake that nobody would notice.
    with alone.cloud.azurite.client() as client:
        client.get_container_client(alone.bucket).set_container_access_policy({}, public_access="container")
    alone.cloud.guard.stopped = {""}
    try:
        after = verdicts(alone.present())
    finally:
        alone.cloud.guard.stopped = set()
    assert {name for name in after if after[name] == "unknown"} == nobody
    assert {after[name] for name in after.keys() - nobody} == {"passed"}


def test_an_account_that_takes_plain_http_is_found_out(alone: World) -> None:
    assert verdicts(alone.present())["plain_http_refused"] == "passed"
    alone.cloud.storage.account["supportsHttpsTrafficOnly"] = False
    try:
        assert failed(alone.run()) == ["plain_http_refused"]
    finally:
        alone.cloud.storage.account["supportsHttpsTrafficOnly"] = True
    plain = {kind for _dummy, _dummy_path, kind in alone.cloud.guard.seen if kind.startswith("plain")}
    assert plain == {"plain"}, "neither a token nor a SAS went over plain HTTP"


@pytest.mark.parametrize(
    ("lax", "lines"),
    [
        ("subject", {"other_account_refused", "other_namespace_refused"}),
        ("audience", {"wrong_audience_refused"}),
    ],
)
def test_a_part_of_the_token_that_is_not_compared_is_found_out(world: World, lax: str, lines: set[str]) -> None:
    seen = verdicts(world.present())
    assert {seen[line] for line in lines} == {"passed"}
    world.cloud.entra.assertions.lax = {lax}
    assert set(failed(world.run())) == lines


def test_a_credential_of_others_is_found_out(world: World) -> None:
    world.present()
    theirs = FederatedCredential(controlplane.ISSUER, "system:serviceaccount:trust-a:default", AUDIENCE)
    world.identity.federated["theirs"] = theirs
    found = world.run()
    assert set(failed(found)) == {"other_account_refused", "no_other_credentials"}
    assert found["trust"]["foreign"]["credentials"] == ["theirs"]
    refused = world.run(state="absent")
    assert (refused["error_code"], refused["error_details"]["holders"]) == (
        "trust_in_use",
        ["credential theirs of the identity"],
    )
    del world.identity.federated["theirs"]


def test_a_credential_that_was_changed_is_put_right(world: World) -> None:
    world.present()
    ((name, ours),) = world.identity.federated.items()
    # The mistake of another slash: the cluster's tokens do not get in.
    for changed in (
        FederatedCredential(ours.issuer + "/", ours.subject, ours.audience),
        FederatedCredential(ours.issuer, "system:serviceaccount:trust-b:backup", ours.audience),
        FederatedCredential(ours.issuer, ours.subject, "stowage-trust-check"),
    ):
        world.identity.federated[name] = changed
        trust = world.present()
        assert [one["what"] for one in changes(trust)] == ["federated_credential"]
        assert world.identity.federated == {name: ours}


def test_a_subject_that_is_not_wanted_any_more_is_taken_away(world: World) -> None:
    both = {"issuer": controlplane.ISSUER, "subjects": ["trust-a/backup", "trust-b/backup"]}
    seen = verdicts(world.present(federation=both))
    assert seen["subject_trust-b/backup_allowed"] == "passed"
    assert seen["other_namespace_refused"] == "unknown", "there is no third namespace with such an account"
    trust = world.present()
    assert [(one["what"], one["after"]) for one in changes(trust)] == [("federated_credential", None)]
    assert verdicts(trust)["other_namespace_refused"] == "passed"


def test_others_must_not_get_in(alone: World) -> None:
    other = alone.cloud.entra.register()
    them = [{"name": "prod-2", "auth": alone.cloud.auth(other)}]
    seen = verdicts(alone.present(verify_as=them))
    assert {one for name, one in seen.items() if name.startswith("as_prod-2")} == {"passed"}
    theirs = alone.rbac.assign(other.object_id, alone.scope, CONTRIBUTOR)
    lines = {f"as_prod-2_{one}_refused" for one in ("list", "create", "read")}
    assert set(failed(alone.run(verify_as=them))) == lines
    alone.rbac.assignments.remove(theirs)
    other.secret_expired = True
    seen = verdicts(alone.present(verify_as=them))
    assert {seen[line] for line in lines} == {"unknown"}, "who is not known is refused anyway"


def test_a_refusal_of_somebody_who_never_gets_in_proves_nothing(alone: World) -> None:
    alone.present()
    alone.rbac.meanwhile = lambda: alone.rbac.assignments.remove(alone.assignment())
    seen = verdicts(alone.run()["trust"])
    assert seen["list_allowed"] == seen["create_allowed"] == "failed"
    assert seen["delete_refused"] == seen["other_cluster_create_refused"] == "unknown"


def test_the_account_s_firewall_is_told_from_roles(alone: World) -> None:
    alone.present()
    alone.cloud.guard.firewall = True
    try:
        found = alone.run()
    finally:
        alone.cloud.guard.firewall = False
    lines = {one["id"]: one for one in found["trust"]["checks"]}
    for line in ("list_allowed", "delete_refused", "anonymous_list_refused", "anonymous_read_refused"):
        assert lines[line]["verdict"] == "unknown", "from elsewhere one may be let in"
    assert "network rules" in lines["list_allowed"]["seen"]


# what takes its time


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof_lines, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(azure, "_PAUSE", 0.01)


@pytest.mark.usefixtures("_impatient")
def test_what_is_new_is_waited_for(world: World) -> None:
    world.rbac.spread, world.rbac.replicating = 3, 2
    try:
        trust = world.present(verify_timeout=60)
    finally:
        world.rbac.spread = world.rbac.replicating = 0
    assert set(verdicts(trust).values()) == {"passed"}


@pytest.mark.usefixtures("_impatient")
def test_what_never_comes_is_not_waited_for_without_an_end(alone: World) -> None:
    alone.rbac.replicating = 1 << 30
    try:
        found = alone.run(verify_timeout=1)
    finally:
        alone.rbac.replicating = 0
    assert (found["error_code"], found["error_details"]["store_code"]) == ("store_error", "PrincipalNotFound")
    alone.rbac.spread = 1 << 30
    try:
        found = alone.run(verify_timeout=1)
    finally:
        alone.rbac.spread = 0
    assert set(failed(found)) == {"list_allowed", "read_allowed", "create_allowed"}
