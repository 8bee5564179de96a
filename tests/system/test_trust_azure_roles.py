# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else the principal of a trust at Azure may do: roles that others gave it, and folders of other clusters that are there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from support.azure import World, failed, verdicts
from testbed import Azurite
from testbed.azure import AzureCloud
from testbed.azure_rbac import ACCESS_ADMINISTRATOR, ACCOUNT_CONTRIBUTOR, CONTRIBUTOR, READER


@pytest.fixture(scope="module")
def cloud(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureCloud]:
    """Servers whose identities these tests change."""
    found = AzureCloud(tmp_path_factory.mktemp("azure"), azurite)
    yield found
    found.stop()


@pytest.fixture
def alone(cloud: AzureCloud) -> Iterator[World]:
    """A new container, and trust for a service principal: without a cluster."""
    found = World(cloud)
    yield found
    found.run(state="absent")


@pytest.mark.parametrize(
    ("role", "lines"),
    [
        (
            CONTRIBUTOR,
            {
                "read_refused",
                "delete_refused",
                "document_delete_refused",
                "other_cluster_create_refused",
                "outside_prefix_delete_refused",
                "container_settings_refused",
            },
        ),
        (
            READER,
            {
                "read_refused",
                "other_cluster_list_refused",
                "other_cluster_record_read_refused",
                "outside_prefix_list_refused",
                "outside_prefix_read_refused",
            },
        ),
        (ACCOUNT_CONTRIBUTOR, {"no_account_keys"}),
        (ACCESS_ADMINISTRATOR, {"no_role_administration"}),
    ],
    ids=["contributor", "reader", "account_contributor", "access_administrator"],
)
@pytest.mark.parametrize("by_group", [False, True])
def test_another_role_of_the_principal_is_found_out(alone: World, role: str, lines: set[str], by_group: bool) -> None:
    alone.present()
    group = str(uuid.uuid4())
    alone.rbac.members[group] = {alone.object_id()}
    scope = alone.cloud.storage.id if role in {ACCOUNT_CONTRIBUTOR, ACCESS_ADMINISTRATOR} else alone.scope
    theirs = alone.rbac.assign(group if by_group else alone.object_id(), scope, role)
    found = alone.run()
    assert found["changed"] is False, "what others set up is kept"
    assert lines <= set(failed(found))
    assert [one["scope"] for one in found["trust"]["foreign"]["assignments"]] == [scope]
    alone.rbac.assignments.remove(theirs)
    assert set(verdicts(alone.present()).values()) == {"passed"}


@pytest.mark.parametrize(
    ("action", "line"),
    [
        ("Microsoft.Storage/storageAccounts/listAccountSas/action", "no_account_keys"),
        ("Microsoft.Storage/storageAccounts/regenerateKey/action", "no_account_keys"),
        ("Microsoft.Authorization/roleAssignments/write", "no_role_administration"),
        ("Microsoft.Authorization/roleDefinitions/write", "no_role_administration"),
    ],
    ids=["account_sas", "new_key", "assign", "define"],
)
def test_a_role_that_leads_to_every_right_is_found_out(alone: World, action: str, line: str) -> None:
    alone.present()
    name = str(uuid.uuid4())
    alone.rbac.roles[name] = {"roleName": "theirs", "permissions": [{"actions": [action]}], "assignableScopes": []}
    theirs = alone.rbac.assign(alone.object_id(), alone.cloud.storage.id, name)
    assert failed(alone.run()) == [line]
    # What nobody can read here may have any action.
    del alone.rbac.roles[name]
    seen = verdicts(alone.run()["trust"])
    assert seen["no_account_keys"] == seen["no_role_administration"] == "unknown"
    alone.rbac.assignments.remove(theirs)


def test_another_cluster_that_is_there_is_tried(alone: World) -> None:
    """What lets in one other cluster, here for want of a slash, a folder that nobody has does not show."""
    alone.cloud.azurite.write(alone.bucket, "fleet/clusters/prod-10/backups/b/velero-backup.json", b"{}")
    alone.cloud.azurite.write(alone.bucket, "fleet/clusters/a-b/backups/b/velero-backup.json", b"{}")
    trust = alone.present()
    tried = {line["what"] for line in trust["checks"] if line["id"].startswith("other_cluster_")}
    assert {one for one in ("a-b", "prod-10", "stowage-trust-check") if any(one in what for what in tried)} == {
        "a-b",
        "prod-10",
    }

    def forget_slash() -> None:
        properties = alone.assignment().properties
        properties["condition"] = properties["condition"].replace("clusters/prod-1/", "clusters/prod-1*/")

    alone.rbac.meanwhile = forget_slash
    found = alone.run()
    lines = {one["what"] for one in found["trust"]["checks"] if one["verdict"] == "failed"}
    assert {"other_cluster_list_refused", "other_cluster_create_refused"} <= set(failed(found))
    assert all("prod-10" in what for what in lines)


def test_clusters_of_other_trusts_are_tried_too_by_who_cannot_list(alone: World) -> None:
    alone.rbac.assignments[:] = [
        one for one in alone.rbac.assignments if one.properties["principalId"] != alone.owner.object_id
    ]
    unseen = verdicts(alone.present())
    assert {name for name, one in unseen.items() if one == "unknown"} == {"existing_clusters_refused"}
    required = alone.run(verify_required=["existing_clusters_refused"])
    assert required["error_details"]["checks"] == ["existing_clusters_refused"]
    other = alone.beside()
    other.present(clusters=["edge-1"])
    trust = alone.present()
    assert set(verdicts(trust).values()) == {"passed"}
    assert any("clusters/edge-1/" in one["what"] for one in trust["checks"])
    other.run(state="absent")


def test_a_role_of_the_control_plane_lets_nobody_at_data(alone: World) -> None:
    alone.present()
    theirs = alone.rbac.assign(alone.object_id(), alone.cloud.storage.id, ACCOUNT_CONTRIBUTOR)
    alone.rbac.meanwhile = lambda: alone.rbac.assignments.remove(alone.assignment())
    found = alone.run()
    assert set(failed(found)) == {"list_allowed", "read_allowed", "create_allowed", "no_account_keys"}
    seen = next(one["seen"] for one in found["trust"]["checks"] if one["id"] == "list_allowed")
    assert "AuthorizationPermissionMismatch" in seen
    alone.rbac.assignments.remove(theirs)
