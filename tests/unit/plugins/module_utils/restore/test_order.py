# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import itertools

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import order
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.order import Position, Positions


def kind(resource: str) -> Kind:
    plural, _dot, group = resource.partition(".")
    return Kind(group, "v1", plural, plural.title(), True)


def places(*resources: str) -> list[str]:
    return [one.resource for one in order.ordered(map(kind, resources))]


def test_velero_s_tiers_come_in_order_and_the_rest_between_them_by_name() -> None:
    wanted = [
        "customresourcedefinitions.apiextensions.k8s.io",
        "namespaces",
        "storageclasses.storage.k8s.io",
        "persistentvolumes",
        "persistentvolumeclaims",
        "clusterroles.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
        "serviceaccounts",
        "secrets",
        "configmaps",
        "limitranges",
        "priorityclasses.scheduling.k8s.io",
        "pods",
        "replicasets.apps",
        "cronjobs.batch",
        "deployments.apps",
        "widgets.example.com",
        "clusters.cluster.x-k8s.io",
    ]
    for shuffled in (wanted, wanted[::-1], sorted(wanted)):
        assert places(*shuffled) == wanted


def test_what_could_stand_in_the_way_comes_last() -> None:
    found = places(
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "apiservices.apiregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "resourcequotas",
        "statefulsets.apps",
        "zebras.zoo.example.com",
    )
    assert found[:2] == ["statefulsets.apps", "zebras.zoo.example.com"]
    assert found[2] == "resourcequotas"
    assert found[3:] == [
        "apiservices.apiregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    ]


def test_services_come_before_endpoints() -> None:
    assert places("endpoints", "services") == ["services", "endpoints"]


@dataclasses.dataclass
class Thing:
    step: int
    owners: tuple[str, ...] = ()


def test_an_owner_of_an_earlier_step_delays_nothing() -> None:
    assert Positions({"a": Thing(2)}).of(5, ["a", "unknown"]) == Position(5, 0)


def test_an_owner_of_a_later_step_or_the_same_one_delays() -> None:
    positions = Positions({"late": Thing(7), "same": Thing(5)})
    assert positions.of(5, ["late"]) == Position(7, 1)
    assert positions.of(5, ["same"]) == Position(5, 1)
    assert positions.of(5, ["same", "late"]) == Position(7, 1)


def test_a_chain_of_owners_goes_round_by_round() -> None:
    """Pod, owned by a ReplicaSet, owned by a Deployment, whose kinds come in just the wrong order."""
    positions = Positions({"deployment": Thing(9), "replica-set": Thing(4, ("deployment",))})
    assert positions.of(4, ["deployment"]) == Position(9, 1)
    assert positions.of(3, ["replica-set"]) == Position(9, 2)


def test_a_cycle_ends() -> None:
    positions = Positions({"a": Thing(1, ("b",)), "b": Thing(2, ("a",)), "self": Thing(3, ("self",))})
    assert positions.of(1, ["b"]).step >= 2
    assert positions.of(0, ["self"]) > Position(3, 0)


def test_a_very_long_chain_is_no_recursion() -> None:
    chain = {str(number): Thing(1, (str(number + 1),)) for number in range(5000)}
    assert Positions(chain).of(1, ["0"]) == Position(1, 5000)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=30),
)
def test_every_owner_comes_before_what_it_owns(steps: list[int], edges: set[tuple[int, int]]) -> None:
    """For any graph without cycles (edges go from higher to lower numbers)."""
    owners: dict[int, list[str]] = {number: [] for number in range(len(steps))}
    for one, other in edges:
        if one < len(steps) and other < one:
            owners[one].append(str(other))
    things = {str(number): Thing(steps[number], tuple(owners[number])) for number in owners}
    positions = Positions(things)
    found = {name: positions.of(thing.step, thing.owners) for name, thing in things.items()}
    for name, thing in things.items():
        assert found[name] >= Position(thing.step, 0)
        for owner in thing.owners:
            assert found[owner] < found[name]
            assert positions.of(thing.step, thing.owners) == found[name]
    assert all(a.round == 0 for (n, a) in found.items() if not things[n].owners)
    assert len(set(itertools.chain(found))) == len(things)
