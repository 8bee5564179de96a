# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Federated credentials of applications at the testbed's Microsoft Graph: which requests are sent, and what comes of answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import azure_credentials
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import (
    CLOUDS,
    AzureSettings,
    make_transport,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_arguments import graph_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_graph import GraphApi, GraphCalls
from testbed.arm import MANAGEMENT
from testbed.entra import Entra
from testbed.entra_applications import Application, FederatedCredential

WANTED: dict[str, Any] = {
    "issuer": "https://issuer.example/",
    "subject": "system:serviceaccount:a:b",
    "audiences": ["x"],
}
HELD = FederatedCredential("https://issuer.example/", "system:serviceaccount:a:b", "x")


class World:
    """An application and its owner."""

    def __init__(self, entra: Entra) -> None:
        self.entra, self.application, self.owner = entra, entra.register(), entra.register()
        entra.graph.owners[self.application.client_id] = {self.owner.object_id}
        entra.graph.seen.clear()
        self.name = self.application.client_id

    def api(self, who: Application | None = None, scope: str = "") -> GraphApi:
        caller = who or self.owner
        auth = {"method": "service_principal", "tenant": self.entra.tenant, "authority": self.entra.authority}
        auth |= {"client_id": caller.client_id, "secret": caller.secret}
        location = {
            "provider": "azure",
            "storage_account": "acme",
            "bucket": "backups",
            "endpoint": self.entra.authority,
        }
        settings, verify = AzureSettings.from_options(location, {}), str(self.entra.ca_cert)
        wanted = f"{scope or self.entra.graph_endpoint}/.default"
        credentials = azure_credentials(auth, {}, settings, verify, scope=wanted)
        calls = GraphCalls(make_transport(verify), self.entra.graph_endpoint, credentials, threading.Event())
        calls.first_wait = 0.0
        return GraphApi(calls, "cluster_account")

    def asked(self) -> list[tuple[str, str]]:
        """Methods and what paths end with."""
        start = f"/v1.0/applications/{self.application.object}/"
        return [(method, path.removeprefix(start)) for method, path in self.entra.graph.seen]


@pytest.fixture(scope="module")
def entra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entra]:
    with Entra(tmp_path_factory.mktemp("entra")) as server:
        yield server


@pytest.fixture
def world(entra: Entra) -> World:
    return World(entra)


def test_credentials_are_made_changed_and_deleted_by_documented_requests(world: World) -> None:
    api = world.api()
    assert api.credentials(world.name) == {}
    api.put_credential(world.name, "one", WANTED)
    api.put_credential(world.name, "two", {**WANTED, "subject": "other"})
    found = api.credentials(world.name)
    assert {name: {key: one[key] for key in WANTED} for name, one in found.items()} == {
        "one": WANTED,
        "two": {**WANTED, "subject": "other"},
    }
    api.put_credential(world.name, "one", {**WANTED, "audiences": ["y"]})
    api.delete_credential(world.name, "two")
    api.delete_credential(world.name, "two")
    api.delete_credential(world.name, "never")
    assert world.application.federated == {"one": FederatedCredential(HELD.issuer, HELD.subject, "y")}
    many, one, two = "federatedIdentityCredentials", found["one"]["id"], found["two"]["id"]
    assert world.asked() == [
        ("GET", "/v1.0/applications"),
        ("GET", many),
        ("POST", many),
        ("POST", many),
        ("GET", many),
        ("GET", many),
        ("PATCH", f"{many}/{one}"),
        ("DELETE", f"{many}/{two}"),
        ("DELETE", f"{many}/{two}"),
    ]


def test_a_credential_whose_answer_got_lost_is_there(world: World) -> None:
    api = world.api()
    api.credentials(world.name)
    world.entra.graph.lost = 1
    api.put_credential(world.name, "one", WANTED)
    assert world.application.federated == {"one": HELD}
    assert [method for method, _path in world.asked()] == ["GET", "GET", "POST", "POST", "GET", "PATCH"]


def test_a_credential_that_cannot_be_is_an_error(world: World) -> None:
    api = world.api()
    world.application.federated["theirs"] = HELD
    with pytest.raises(StowageError) as caught:
        api.put_credential(world.name, "one", WANTED)
    assert (caught.value.code, caught.value.details["store_code"]) == (
        "store_error",
        "InvalidFederatedIdentityCredentialValue",
    )


def test_who_does_not_own_the_application_is_told_what_is_missing(world: World) -> None:
    with pytest.raises(StowageError) as caught:
        world.api(world.entra.register()).credentials(world.name)
    assert (caught.value.code, caught.value.details["store_code"]) == (
        "permission_denied",
        "Authorization_RequestDenied",
    )
    assert "cluster_account" in caught.value.hint
    assert "Application.ReadWrite.OwnedBy" in caught.value.hint


def test_an_application_that_is_not_there(world: World) -> None:
    with pytest.raises(StowageError) as caught:
        world.api().credentials("00000000-0000-0000-0000-000000000000")
    assert (caught.value.code, "cluster_account" in caught.value.hint) == ("wrong_account", True)


def test_a_token_for_something_else_is_not_taken(world: World) -> None:
    with pytest.raises(StowageError) as caught:
        world.api(scope=MANAGEMENT).credentials(world.name)
    assert caught.value.code == "credentials_invalid"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_each_cloud_has_a_graph_of_its_own(cloud: str) -> None:
    location = {"provider": "azure", "storage_account": "acme", "bucket": "backups", "cloud": cloud}
    settings = AzureSettings.from_options(location, {})
    found = graph_of({"graph_endpoint": None}, settings)
    assert found == CLOUDS[cloud].graph
    assert graph_of({"graph_endpoint": "https://graph.example/"}, settings) == "https://graph.example"
    elsewhere = AzureSettings.from_options({**location, "endpoint": "https://127.0.0.1:1"}, {})
    with pytest.raises(StowageError):
        graph_of({"graph_endpoint": None}, elsewhere)


def test_no_two_clouds_share_a_graph() -> None:
    assert len({one.graph for one in CLOUDS.values()}) == len(CLOUDS)
    assert all(one.graph.startswith("https://") for one in CLOUDS.values())
