# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust at an Azurite behind the testbed's guard: what is of others, who may set it up, a SAS, and a backup and a restore by it."""

from __future__ import annotations

import json
import stat
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import azure_task
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import lines as proof_lines
from support import modules
from support.azure import AUDIENCE, World, changes, drop_condition, failed, pod_token, verdicts, with_accounts
from testbed import Azurite
from testbed.azure import CLUSTER_GROUP, AzureCloud
from testbed.azure_rbac import DELEGATOR, READER
from testbed.cluster import Cluster
from testbed.entra_applications import FederatedCredential

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


# what is of others


def test_an_identity_that_was_there_is_used_and_kept(world: World) -> None:
    world.cloud.identities.put(world.identity_id, {"location": "westeurope", "tags": {"team": "data"}})
    theirs = FederatedCredential("https://elsewhere.example", "system:serviceaccount:a:b", AUDIENCE)
    world.identity.federated["theirs"] = theirs
    trust = world.run(identity={"resource_group": CLUSTER_GROUP})["trust"]
    assert [one["what"] for one in changes(trust)] == ["federated_credential", "role", "role_assignment"]
    assert [line["id"] for line in trust["checks"] if line["verdict"] == "failed"] == ["no_other_credentials"]
    world.run(state="absent")
    assert world.identity.federated == {"theirs": theirs}
    assert world.traces() == [world.identity_id.lower()]
    del world.cloud.identities.found[world.identity_id.lower()]


def test_an_identity_that_is_nowhere_is_not_made_without_a_region(world: World) -> None:
    assert world.run(identity={"resource_group": CLUSTER_GROUP})["error_code"] == "invalid_option"
    assert world.traces() == []


def test_an_identity_with_roles_elsewhere_is_not_deleted(world: World) -> None:
    world.present()
    theirs = world.rbac.assign(world.object_id(), world.cloud.storage.id, DELEGATOR)
    refused = world.run(state="absent")
    assert (refused["error_code"], len(refused["error_details"]["holders"])) == ("trust_in_use", 1)
    assert len(world.traces()) == 3
    world.rbac.assignments.remove(theirs)


def test_an_identity_that_was_made_again_gets_the_role_and_the_old_assignment_goes(world: World) -> None:
    world.present()
    old = world.assignment()
    world.cloud.identities.found.pop(world.identity_id.lower())
    world.cloud.entra.applications.pop(world.cloud.identities.of.pop(world.identity_id.lower()).client_id)
    trust = world.present()
    made = ["identity", "federated_credential", "role_assignment", "role_assignment"]
    assert [one["what"] for one in changes(trust)] == made
    assert old not in world.rbac.assignments
    assert set(verdicts(trust).values()) == {"passed"}


def test_a_role_that_others_assigned_is_not_deleted(alone: World) -> None:
    alone.present()
    role = str(alone.assignment().properties["roleDefinitionId"]).rpartition("/")[2]
    other = alone.cloud.entra.register().object_id
    theirs = alone.rbac.assign(other, alone.scope, role)
    before = alone.traces()
    refused = alone.run(state="absent")
    assert refused["error_code"] == "trust_in_use"
    assert refused["error_details"]["holders"] == [f"the role is assigned to {other} at {alone.scope}"]
    assert alone.traces() == before
    alone.rbac.assignments.remove(theirs)


def test_an_assignment_of_others_is_not_taken_over(alone: World) -> None:
    theirs = alone.rbac.assign(alone.object_id(), alone.scope, READER)
    options: Tree = {"permissions": "reader", "custom_role": False}
    assert alone.run(**options)["error_code"] == "trust_in_use"
    assert alone.run(state="absent", **options)["changed"] is False
    assert theirs in alone.rbac.assignments
    alone.rbac.assignments.remove(theirs)
    seen = verdicts(alone.present(**options))
    assert set(seen.values()) == {"passed"}
    assert "container_settings_refused" not in seen, "that role reads them"


def test_a_role_of_others_is_not_taken_over(alone: World) -> None:
    alone.present()
    (role,) = [one for one in alone.rbac.roles.values() if alone.mine(one)]
    role["description"] = "somebody's"
    assert alone.run()["error_code"] == alone.run(state="absent")["error_code"] == "trust_in_use"
    role["description"] = f"Made by stowage.kubernetes for the trust {alone.name} in {alone.bucket}."


def test_two_trusts_of_one_container_live_side_by_side(alone: World) -> None:
    alone.present()
    other = alone.beside()
    other.present(permissions="reader", clusters=["prod-1", "prod-2"])
    assert set(verdicts(alone.present()).values()) == {"passed"}
    other.run(state="absent")
    assert other.traces() == []
    assert alone.run()["changed"] is False


def test_two_trusts_share_an_identity(world: World, cloud: AzureCloud, source: Cluster) -> None:
    world.present()
    other = World(cloud, source)
    shared = {"name": world.name, "resource_group": CLUSTER_GROUP}
    made = other.present(identity=shared)
    assert [one["what"] for one in changes(made)] == ["role", "role_assignment"], "the identity has the credential"
    assert set(verdicts(made).values()) == {"passed"}
    assert world.run()["changed"] is False
    refused = world.run(state="absent")
    assert refused["error_code"] == "trust_in_use"
    assert other.scope in str(refused["error_details"]["holders"])
    other.run(state="absent", identity=shared)
    assert (other.traces(), len(world.identity.federated)) == ([], 1)
    assert set(verdicts(world.present()).values()) == {"passed"}


def test_two_trusts_of_a_principal_share_the_right_to_sign(alone: World, cloud: AzureCloud, tmp_path: Path) -> None:
    alone.present(sas={"secret_path": str(tmp_path / "one.json")})
    other = World(cloud)
    other.principal = alone.principal
    made = other.present(sas={"secret_path": str(tmp_path / "other.json")})
    assert [one["what"] for one in changes(made)] == ["role", "role_assignment", "sas"]
    other.run(state="absent", sas={"secret_path": str(tmp_path / "other.json")})
    assert other.traces() == []
    assert alone.run(sas={"secret_path": str(tmp_path / "one.json")})["changed"] is False


# who may do it


@pytest.mark.parametrize("party", ["location_account", "cluster_account", "controller_account"])
@pytest.mark.parametrize("part", ["tenant", "subscription"])
def test_another_account_is_noticed_before_anything_is_written(
    world: World, alone: World, party: str, part: str
) -> None:
    tried = alone if party == "controller_account" else world
    given = tried.arguments()[party]
    tenant, _dummy, subscription = given["account"].partition("/")
    account = f"{uuid.uuid4()}/{subscription}" if part == "tenant" else f"{tenant}/{uuid.uuid4()}"
    if party == "controller_account" and part == "subscription":
        # It has none; but it must be the principal's.
        account, given["auth"] = tenant, tried.cloud.auth(tried.cloud.entra.register())
    account = account.rstrip("/")
    parties: dict[str, Any] = {party: {**given, "account": account}}
    found = tried.run(**parties)
    assert (found["error_code"], bool(found["hint"])) == ("wrong_account", True)
    assert tried.traces() == []


def test_a_storage_account_of_another_subscription_is_noticed(alone: World) -> None:
    other = alone.cloud.owner(alone.cloud.storage.subscription, alone.cloud.cluster_subscription)
    party = alone.party(other, alone.cloud.cluster_subscription)
    assert alone.run(location_account=party)["error_code"] == "wrong_account"
    assert alone.traces() == []


@pytest.mark.parametrize("party", ["cluster_account", "controller_account"])
@pytest.mark.parametrize("auth", [None, {"method": "managed_identity"}, {"method": "service_principal"}])
def test_only_the_owner_uses_the_environment(world: World, party: str, auth: Tree | None) -> None:
    given = {**world.arguments()["cluster_account"], "auth": auth}
    parties: dict[str, Any] = {party: given}
    assert world.run(**parties)["error_code"] == "credentials_missing"
    assert world.traces() == []


def test_who_may_not_is_told_what_is_missing(alone: World) -> None:
    stranger = alone.cloud.entra.register()
    alone.cloud.identities.subscriptions[alone.cloud.storage.subscription].add(stranger.object_id)
    found = alone.run(location_account=alone.party(stranger))
    assert found["error_code"] == "permission_denied"
    assert "location_account" in found["hint"]
    assert "Microsoft.Authorization/role" in found["hint"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"clusters": None}, "invalid_option"),
        ({"name": "x"}, "invalid_name"),
        ({"clusters": ["../x"]}, "invalid_name"),
        ({"clusters": [f"cluster-{number:060}" for number in range(60)]}, "invalid_option"),
        ({"permissions": "writer", "custom_role": False}, "invalid_option"),
        ({"permissions": "reader", "writes_restores": True, "custom_role": False}, "invalid_option"),
        ({"service_principal": None}, "invalid_option"),
        ({"identity": {"resource_group": "clusters"}}, "invalid_option"),
        ({"service_principal": {"object_id": "x"}}, "invalid_option"),
        ({"federation": {"issuer": "http://x", "subjects": ["a/b"]}}, "invalid_option"),
        pytest.param({"federation": {"issuer": "https://x", "subjects": ["*/b"]}}, "invalid_option", id="wildcard"),
        ({"federation": {"issuer": "https://x", "subjects": []}}, "invalid_option"),
        ({"federation": {"issuer": "https://x", "subjects": [f"a/b{one}" for one in range(21)]}}, "invalid_option"),
        ({"location_account": {"account": "x"}}, "invalid_option"),
        ({"authority": "http://127.0.0.1"}, "invalid_option"),
        pytest.param({"sas": {"secret_path": "/nowhere/x", "hours": 169}}, "invalid_option", id="longer_than_a_week"),
        ({"sas": {"secret_path": "/nowhere/x", "hours": 0}}, "invalid_option"),
        ({"sas": {"secret_path": "/nowhere/x", "addresses": "all"}}, "invalid_option"),
        ({"sas": {"secret_path": "/nowhere/x"}, "controller_account": None}, "invalid_option"),
        ({"sas": {"secret_path": "/nowhere/x"}}, "invalid_option"),
    ],
)
def test_what_makes_no_sense(alone: World, options: Tree, code: str) -> None:
    found = alone.run(**options)
    assert (found.get("error_code"), bool(found.get("hint"))) == (code, True), found
    assert alone.traces() == []


def test_places_that_get_no_credentials(alone: World) -> None:
    """Neither those of the environment at another endpoint than Azure's, nor any over plain HTTP."""
    party = {"account": alone.arguments()["location_account"]["account"]}
    assert alone.run(location_account=party)["error_code"] == "credentials_missing"
    for name in ("endpoint", "management_endpoint"):
        plain = {**alone.where, name: alone.where[name].replace("https:", "http:")}
        assert alone.run(location=plain)["error_code"] == "invalid_option"
    without = {name: value for name, value in alone.where.items() if name != "management_endpoint"}
    assert alone.run(location=without)["error_code"] == "invalid_option"
    assert alone.run(location={**alone.where, "subscription": str(uuid.uuid4())})["error_code"] == "invalid_option"


def test_somebody_else_can_be_asked_to_do_it(world: World) -> None:
    before = len(world.cloud.entra.arm.seen), len(world.cloud.guard.seen), len(world.cloud.entra.asked)
    trust = world.present(render_only=True)
    after = len(world.cloud.entra.arm.seen), len(world.cloud.guard.seen), len(world.cloud.entra.asked)
    assert before == after
    for command in (
        f"az identity create --name {world.name}",
        "az identity federated-credential create",
        "az role definition create",
        "az role assignment create",
    ):
        assert command in trust["review"]
    assert "--audiences api://AzureADTokenExchange" in trust["review"]
    assert "nobody of this tenant can" in trust["review"]
    assert trust["documents"]["role"]["permissions"][0]["actions"] == []
    assert world.traces() == []


def test_a_module_of_its_own_process_keeps_secrets(alone: World) -> None:
    found = modules.run("azure_trust", alone.arguments())
    assert found["changed"] is True
    assert alone.cloud.storage.subscription in json.dumps(found), "an id is no secret"
    assert alone.principal.secret not in json.dumps(found)
    assert "eyJ" not in json.dumps(found)


# SAS


def test_a_sas_does_what_its_signer_may(alone: World, tmp_path: Path) -> None:
    path = tmp_path / "sas.json"
    sas = {"secret_path": str(path), "hours": 4}
    planned = alone.run(check=True, sas=sas)
    assert not path.exists()
    made = alone.present(sas=sas)
    assert changes(made) == changes(planned["trust"])
    assert [one["what"] for one in changes(made)] == ["role", "role_assignment", "role_assignment", "sas"]
    seen = verdicts(made)
    assert set(seen.values()) == {"passed"}
    assert {"sas_create_allowed", "sas_delete_refused", "sas_other_cluster_create_refused"} <= seen.keys()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = json.loads(path.read_text(encoding="ascii"))["sas_token"]
    fields = dict(urllib.parse.parse_qsl(token))
    assert (fields["sp"], fields["spr"], fields["sr"]) == ("rcwl", "https", "c")
    assert alone.run(sas=sas)["changed"] is False
    assert path.read_text(encoding="ascii").count(urllib.parse.quote(fields["sig"], safe="")) == 1

    # It is made again for another use, and when half of its time has gone.
    again = alone.present(sas={**sas, "addresses": "127.0.0.1"})
    assert [one["what"] for one in changes(again)] == ["sas"]
    again = alone.present(sas={**sas, "hours": 20})
    assert [one["what"] for one in changes(again)] == ["sas"]

    # Its signer may more, and so may the SAS as far as it goes.
    alone.rbac.meanwhile = lambda: drop_condition(alone)
    assert "sas_other_cluster_create_refused" in failed(alone.run(sas={**sas, "hours": 20}))
    alone.present(sas=sas)
    gone = alone.run(state="absent", sas=sas)
    assert (changes(gone["trust"])[-1]["what"], path.exists(), alone.traces()) == ("sas", False, [])


def test_the_right_to_sign_is_waited_for(alone: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_task, "_PAUSE", 0.01)
    monkeypatch.setattr(proof_lines, "FIRST_PAUSE", 0.01)
    path = tmp_path / "sas.json"
    alone.rbac.spread = 4
    try:
        late = alone.run(sas={"secret_path": str(path)})
        assert (late["error_code"], path.exists()) == ("permission_denied", False)
        assert "verify_timeout" in late["hint"]
        trust = alone.present(sas={"secret_path": str(path)}, verify_timeout=60)
    finally:
        alone.rbac.spread = 0
    assert [one["what"] for one in changes(trust)] == ["sas"], "what was done before stayed"
    assert set(verdicts(trust).values()) == {"passed"}


def test_a_file_with_something_else_is_not_overwritten(alone: World, tmp_path: Path) -> None:
    path = tmp_path / "sas.json"
    path.write_text("mine", encoding="ascii")
    assert alone.run(sas={"secret_path": str(path)})["error_code"] == "invalid_option"
    assert (path.read_text(encoding="ascii"), alone.traces()) == ("mine", [])


# for what it is


def test_a_backup_and_a_restore_with_nothing_but_trust(
    world: World, cluster: Any, source: Cluster, tmp_path: Path
) -> None:
    target: Cluster = cluster("other")
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "trust-b"},
        "data": {"a": "b"},
    }
    source.api.apply(settings, field_manager="test")
    reader = world.beside()
    file = tmp_path / "token"
    file.write_text(pod_token(source), encoding="ascii")
    writes, reads = (
        {**world.where, "auth": one["auth"]}
        for one in (world.present(token_file=str(file)), reader.present(permissions="reader", token_file=str(file)))
    )
    given = {"location": writes, "cluster": "prod-1", "kubeconfig": str(source.kubeconfig)}
    selected = {"included_namespaces": ["trust-b"], "name": "by-trust"}
    world.cloud.guard.seen.clear()
    made = modules.run("backup", {**given, **selected})
    assert made["backup"]["phase"] == "Completed"
    assert modules.run("backup", {**given, **selected})["changed"] is False
    restored = modules.run(
        "restore",
        {
            "location": reads,
            "cluster": "prod-1",
            "backup": "by-trust",
            "kubeconfig": str(target.kubeconfig),
            "allow_other_cluster": True,
            "report_dir": str(tmp_path),
        },
    )
    assert restored["restore"]["phase"] == "Completed"
    found = target.api.find("v1", "ConfigMap", "settings", "trust-b")
    assert found is not None
    assert found["data"] == {"a": "b"}
    assert {kind for _dummy, _dummy_path, kind in world.cloud.guard.seen} == {"Bearer"}
    reader.run(state="absent")
    target.api.delete("v1", "Namespace", "trust-b")
