# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import needs
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.scope import Part
from support.fake_cluster import CONFIGMAPS, NAMESPACES, FakeCluster

SPACES: t.Final = Part(NAMESPACES, ("",), frozenset({"n"}), 1)
UNCHOSEN: t.Final = Part(NAMESPACES, ("",), frozenset({"n"}), 1, chosen=False)
MAPS: t.Final = Part(CONFIGMAPS, ("n",), None, 1)


@pytest.fixture
def cluster() -> FakeCluster:
    """An account of the namespace ``n`` that may look at namespaces."""
    found = FakeCluster()
    found.add(NAMESPACES, "n")
    found.allows = lambda verb, resource, inside: (
        (inside == "n" and verb in {"get", "list", "create", "update", "patch"})
        or (resource == "namespaces" and verb in {"get", "list"})
    )
    return found


def missing(cluster: FakeCluster, *parts: Part, update: bool = False) -> list[str]:
    return [str(need) for need in needs.access(cluster.connection(), parts, update=update).missing]


@pytest.mark.parametrize("update", [True, False])
@pytest.mark.parametrize("spaces", [SPACES, UNCHOSEN])
def test_an_account_of_a_namespace_may_restore_into_it(cluster: FakeCluster, spaces: Part, update: bool) -> None:
    assert missing(cluster, spaces, MAPS, update=update) == []
    found = needs.access(cluster.connection(), [spaces, MAPS], update=update)
    assert found.by_namespace == {"configmaps"}


def test_a_namespace_must_be_changeable_only_to_be_changed(cluster: FakeCluster) -> None:
    whole = cluster.allows
    cluster.allows = lambda verb, resource, inside: (
        whole(verb, resource, inside) and (resource != "namespaces" or verb in {"get", "list"})
    )
    assert missing(cluster, UNCHOSEN, MAPS, update=True) == []
    assert missing(cluster, SPACES, MAPS) == []
    assert missing(cluster, SPACES, MAPS, update=True) == ["patch namespaces in n", "update namespaces in n"]


def test_a_namespace_that_is_missing_must_be_made(cluster: FakeCluster) -> None:
    cluster.remove(NAMESPACES, "n")
    assert missing(cluster, UNCHOSEN, MAPS) == ["create namespaces", "patch namespaces"]
    everything = Part(NAMESPACES, ("",), None, 1)
    assert missing(cluster, everything, MAPS) == ["create namespaces", "patch namespaces"]
