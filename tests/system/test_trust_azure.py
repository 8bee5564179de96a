# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust at an Azurite behind the testbed's guard, which enforces roles as Azure does: who gets in, who does not, and that the proof
sees when somebody does who should not. Tokens are those of a real cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.azure import World, verdicts
from testbed import Azurite, controlplane
from testbed.azure import AzureCloud
from testbed.cluster import Cluster

SETS = ("writer", "reader", "pruner", "auditor")
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
    found: Cluster = cluster()
    for namespace in ("trust-a", "trust-b"):
        found.api.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, field_manager="test"
        )
        for account in ("backup", "default"):
            meta = {"name": account, "namespace": namespace}
            found.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}, field_manager="test")
    keys = json.loads(found.api.raw("GET", "/openid/v1/jwks", accept="application/jwk-set+json"))
    cloud.publish(controlplane.ISSUER, keys)
    return found


@pytest.fixture
def world(cloud: AzureCloud, source: Cluster) -> Iterator[World]:
    """A new container, and trust by federation that is removed in the end."""
    found = World(cloud, source)
    yield found
    cloud.entra.lax = set()
    found.run(state="absent")


@pytest.fixture
def alone(cloud: AzureCloud) -> Iterator[World]:
    """A new container, and trust for a service principal: without a cluster."""
    found = World(cloud)
    yield found
    found.run(state="absent")


def changes(trust: Tree) -> list[Tree]:
    found: list[Tree] = trust["changes"]
    return found


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
