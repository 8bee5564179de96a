# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applications whose service principals get the role: their federated credentials, which Microsoft Graph keeps in their own tenant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.azure import AUDIENCE, World, changes, failed, verdicts, with_accounts
from testbed import Azurite, controlplane
from testbed.azure import AzureCloud
from testbed.cluster import Cluster
from testbed.entra_applications import Application, FederatedCredential
from testbed.graph import MOST_CREDENTIALS

Tree = dict[str, Any]
SUBJECT = "system:serviceaccount:trust-a:backup"


@pytest.fixture(scope="module")
def cloud(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureCloud]:
    """Servers whose applications these tests change."""
    found = AzureCloud(tmp_path_factory.mktemp("azure"), azurite)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def source(cluster: Any, cloud: AzureCloud) -> Cluster:
    """A cluster with accounts of the same name in two namespaces, whose keys Entra knows."""
    return with_accounts(cluster(), cloud)


class Applied(World):
    """A container, and trust for an application of another tenant, whose owner takes part unless `owner` is switched off."""

    def __init__(self, cloud: AzureCloud, cluster: Cluster) -> None:
        super().__init__(cloud, cluster)
        self.application = cloud.elsewhere()
        self.object = cloud.entra.consent(self.application, cloud.tenant)
        self.keeper = cloud.entra.register(tenant=self.application.tenant)
        cloud.entra.graph.owners[self.application.client_id] = {self.keeper.object_id}
        cloud.entra.graph.seen.clear()
        self.owned = True

    def arguments(self, **options: Any) -> Tree:
        """See World."""
        owner = {"account": self.application.tenant, "auth": self.cloud.auth(self.keeper)} if self.owned else None
        given: Tree = {
            "identity": None,
            "service_principal": {"object_id": self.object, "client_id": self.application.client_id},
            "cluster_account": owner,
            "graph_endpoint": self.cloud.entra.graph_endpoint,
        }
        return super().arguments(**given | options)

    def asked(self) -> list[str]:
        """What Graph was asked to change since the last time."""
        seen = self.cloud.entra.graph.seen
        found = [method for method, _path in seen if method != "GET"]
        seen.clear()
        return found


@pytest.fixture
def world(cloud: AzureCloud, source: Cluster) -> Iterator[Applied]:
    """A new application with an owner, and its trust, which is removed in the end."""
    found = Applied(cloud, source)
    yield found
    cloud.entra.assertions.lax = set()
    found.run(state="absent")


def theirs(subject: str = "system:serviceaccount:trust-a:default") -> FederatedCredential:
    return FederatedCredential(controlplane.ISSUER, subject, AUDIENCE)


def test_credentials_are_made_proven_and_taken_away(world: Applied) -> None:
    elsewhere = FederatedCredential("https://elsewhere.example", SUBJECT, AUDIENCE)
    world.application.federated["elsewhere"] = elsewhere
    planned = world.run(check=True)
    assert (world.asked(), world.traces()) == ([], [])
    made = world.run()
    assert changes(made["trust"]) == changes(planned["trust"])
    assert [one["what"] for one in changes(made["trust"])] == ["federated_credential", "role", "role_assignment"]
    assert failed(made) == ["no_other_credentials"], "somebody else acts as the application"
    assert made["trust"]["foreign"]["credentials"] == ["elsewhere"]
    del world.application.federated["elsewhere"]
    assert world.asked() == ["POST"]
    trust = world.present()
    assert set(verdicts(trust).values()) == {"passed"}
    assert {"other_account_refused", "other_namespace_refused", "wrong_audience_refused"} <= verdicts(trust).keys()
    assert (trust["auth"]["tenant"], trust["auth"]["client_id"]) == (world.cloud.tenant, world.application.client_id)
    assert (world.run()["changed"], world.run(check=True)["changed"], world.asked()) == (False, False, [])
    ((name, one),) = world.application.federated.items()
    assert name.startswith(f"stowage-{world.name}-")
    assert one == FederatedCredential(controlplane.ISSUER, SUBJECT, AUDIENCE)

    planned, there = world.run(check=True, state="absent"), dict(world.application.federated)
    assert world.application.federated == there
    world.application.federated["elsewhere"] = elsewhere
    gone = world.run(state="absent")
    assert changes(gone["trust"]) == changes(planned["trust"])
    assert (world.asked(), world.traces()) == (["DELETE"], [])
    assert world.application.federated == {"elsewhere": elsewhere}
    assert world.run(state="absent")["changed"] is False


def test_a_credential_that_was_changed_is_put_right(world: Applied) -> None:
    world.present()
    ((name, ours),) = world.application.federated.items()
    for changed in (
        FederatedCredential(ours.issuer + "/", ours.subject, ours.audience),
        FederatedCredential(ours.issuer, "system:serviceaccount:trust-b:backup", ours.audience),
        FederatedCredential(ours.issuer, ours.subject, "stowage-trust-check"),
    ):
        world.application.federated[name] = changed
        world.asked()
        trust = world.present()
        assert [one["what"] for one in changes(trust)] == ["federated_credential"]
        assert world.asked() == ["PATCH"]
        assert world.application.federated == {name: ours}


def test_a_subject_that_is_not_wanted_any_more_is_taken_away(world: Applied) -> None:
    both = {"issuer": controlplane.ISSUER, "subjects": ["trust-a/backup", "trust-b/backup"]}
    assert verdicts(world.present(federation=both))["subject_trust-b/backup_allowed"] == "passed"
    trust = world.present()
    assert [(one["what"], one["after"]) for one in changes(trust)] == [("federated_credential", None)]
    assert verdicts(trust)["other_namespace_refused"] == "passed"


def test_a_part_of_the_token_that_is_not_compared_is_found_out(world: Applied) -> None:
    world.present()
    world.cloud.entra.assertions.lax = {"subject", "audience"}
    lines = {"other_account_refused", "other_namespace_refused", "wrong_audience_refused"}
    assert set(failed(world.run())) == lines


def test_a_credential_of_others_is_found_out(world: Applied) -> None:
    world.present()
    world.application.federated["theirs"] = theirs()
    assert set(failed(world.run())) == {"other_account_refused", "no_other_credentials"}
    # One for whom it is meant is as good as ours.
    world.run(state="absent")
    world.application.federated = {"theirs": theirs(SUBJECT)}
    trust = world.present()
    assert [one["what"] for one in changes(trust)] == ["role", "role_assignment"]
    assert set(verdicts(trust).values()) == {"passed"}
    world.application.federated["theirs"] = FederatedCredential(controlplane.ISSUER, SUBJECT, "other")
    assert world.run()["error_code"] == "trust_in_use", "Azure takes no second one for that subject"


def test_credentials_that_their_owner_set_are_proven_and_left_alone(world: Applied) -> None:
    world.owned = False
    world.application.federated["theirs"] = theirs(SUBJECT)
    seen = verdicts(world.present())
    assert {name for name, one in seen.items() if one == "unknown"} == {"no_other_credentials"}
    assert {"other_account_refused", "wrong_audience_refused"} <= seen.keys()
    world.run(state="absent")
    assert (list(world.application.federated), world.traces(), world.asked()) == (["theirs"], [], [])


@pytest.mark.parametrize("check", [True, False])
def test_credentials_that_nobody_here_sees_are_named_when_the_rest_is_taken_away(world: Applied, check: bool) -> None:
    made = world.run()
    ((name, _credential),) = world.application.federated.items()
    assert not made.get("warnings")
    world.owned = False
    for more, named in (({}, name), ({"federation": None}, f"stowage-{world.name}-")):
        found = world.run(check=check, state="absent", **more)
        (warning,) = found["warnings"]
        assert (world.application.client_id in warning, named in warning, "cluster_account" in warning) == (True,) * 3
    assert (list(world.application.federated), bool(world.traces())) == ([name], check)
    world.owned = True
    gone = world.run(state="absent")
    assert (world.application.federated, gone.get("warnings")) == ({}, None)


def test_there_is_room_for_twenty(world: Applied) -> None:
    many = {f"theirs-{number}": theirs(f"subject-{number}") for number in range(MOST_CREDENTIALS)}
    world.application.federated = dict(many)
    planned = world.run(check=True)
    found = world.run()
    assert found["error_code"] == planned["error_code"] == "invalid_option"
    assert (world.application.federated, world.traces()) == (many, [])
    del world.application.federated["theirs-0"]
    assert failed(world.run()) == ["no_other_credentials"]


@pytest.mark.parametrize("stranger", ["tenant", "owner", "application"])
def test_who_may_not_set_them_is_told_before_anything_is_written(world: Applied, stranger: str) -> None:
    options: Tree = {}
    if stranger == "tenant":
        options["cluster_account"] = {"account": world.cloud.tenant, "auth": world.cloud.auth(world.keeper)}
    elif stranger == "owner":
        world.cloud.entra.graph.owners.clear()
    else:
        # Of the same tenant as the storage account, which does not have the application.
        options["cluster_account"] = {"account": world.cloud.tenant, "auth": world.cloud.auth(world.owner)}
    found = world.run(**options)
    assert found["error_code"] == ("permission_denied" if stranger == "owner" else "wrong_account"), found
    assert ("cluster_account" in found["hint"], world.traces(), world.asked()) == (True, [], [])
    assert world.application.federated == {}
    world.owned = False


def test_places_that_get_no_credentials(world: Applied) -> None:
    assert world.run(graph_endpoint=None)["error_code"] == "invalid_option"
    plain = world.cloud.entra.graph_endpoint.replace("https:", "http:")
    assert world.run(graph_endpoint=plain)["error_code"] == "invalid_option"
    unnamed = world.run(federation=None, service_principal={"object_id": world.object})
    assert unnamed["error_code"] == "invalid_option"
    assert world.traces() == []


def test_a_pod_s_token_becomes_the_application_of_its_own_tenant(cloud: AzureCloud, source: Cluster) -> None:
    """One tenant is enough."""
    world = Applied(cloud, source)
    world.application = cloud.entra.register()
    world.object, world.keeper = world.application.object_id, cloud.entra.register()
    world.application.tenant = world.keeper.tenant = cloud.tenant
    cloud.entra.graph.owners[world.application.client_id] = {world.keeper.object_id}
    assert set(verdicts(world.present()).values()) == {"passed"}
    world.run(state="absent")
    assert (world.application.federated, world.traces()) == ({}, [])


def test_somebody_else_can_be_asked_to_do_it(world: Applied) -> None:
    world.asked()
    trust = world.present(render_only=True)
    assert f"az ad app federated-credential create --id {world.application.client_id}" in trust["review"]
    assert "in the application's own tenant" in trust["review"]
    assert world.cloud.entra.graph.seen == []


def test_an_application_is_not_the_one_of_another_name(world: Applied, cloud: AzureCloud) -> None:
    """Whatever the filter of a listing does."""
    other: Application = cloud.entra.register(tenant=world.application.tenant)
    cloud.entra.graph.owners[other.client_id] = {world.keeper.object_id}
    world.present()
    assert (len(world.application.federated), other.federated) == (1, {})
