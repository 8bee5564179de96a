# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters that a cloud runs: part by part, names and labels only, and nothing of who asks."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.clouds import (
    aks_in,
    eks_in,
    find_in_cloud,
    find_in_parts,
    gke_in,
)
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.hosts import build
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster, Failure, Outcome
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import (
    Cloud,
    Source,
    read_options,
)

CANARY: t.Final = "canary-5d1f"
AUTH: t.Final = {"method": "access_key", "access_key": "AKIDEXAMPLE", "secret_key": CANARY}


@dataclasses.dataclass
class Fake:
    """EKS with two names a page."""

    names: list[str]

    def ask(self, operation: str, **parameters: t.Any) -> dict[str, t.Any]:
        assert operation == "list_clusters"
        begin = int(parameters.get("nextToken", 0))
        more = {"nextToken": str(begin + 2)} if begin + 2 < len(self.names) else {}
        return {"clusters": self.names[begin : begin + 2], **more}


def source(**eks: t.Any) -> Source:
    return read_options(
        {"cloud": {"eks": {"regions": ["eu-west-1", "us-east-1"], "auth": AUTH, **eks}}}, None, None
    ).sources[0]


def find(there: dict[str, list[str]], **eks: t.Any) -> tuple[list[Cluster], list[Failure]]:
    origin = source(**eks).origin
    assert isinstance(origin, Cloud)

    def ask(region: str) -> tuple[list[Cluster], list[Failure]]:
        if region not in there:
            raise StowageError("permission_denied", "Access is denied.", "Allow it.")
        return eks_in(region, Fake(there[region]), origin.reached)

    found = find_in_parts(origin, "EKS in", ask)
    assert CANARY not in repr(found) + repr(origin)
    return found


def test_clusters_of_all_regions_page_by_page() -> None:
    clusters, failures = find({"eu-west-1": list("abcde"), "us-east-1": ["a"]})
    assert failures == []
    assert [one.name for one in clusters] == list("abcdea")
    assert clusters[-1].access == {
        "stowage_cluster_auth": "eks",
        "stowage_eks": {"name": "a", "region": "us-east-1"},
    }


def test_an_endpoint_of_your_own_is_a_part_of_the_reference() -> None:
    clusters, _failures = find(
        {"eu-west-1": ["a"]}, regions=["eu-west-1"], endpoint="https://eks.example", ca_cert="/ca"
    )
    assert clusters[0].access["stowage_eks"]["endpoint"] == "https://eks.example"
    assert clusters[0].access["stowage_eks"]["ca_cert"] == "/ca"


def test_a_region_that_cannot_be_asked_hides_no_other() -> None:
    clusters, failures = find({"us-east-1": ["a", "b"]}, clusters=["a", "gone"])
    assert [one.name for one in clusters] == ["a"]
    assert [(one.part, one.error.code) for one in failures] == [("eu-west-1", "permission_denied")]


def test_a_cluster_that_is_named_must_be_there() -> None:
    there = {"eu-west-1": ["prod-1", "prod-old"], "us-east-1": ["test"]}
    clusters, failures = find(there, clusters=["prod-*", "gone"], excluded_clusters=["*-old"])
    assert [one.name for one in clusters] == ["prod-1"]
    assert ["'gone'" in one.error.message for one in failures] == [True]


@pytest.mark.parametrize("names", [["{{ x }}"], ["a/b"], [""], [None], "abc"])
def test_what_is_no_name_of_a_cluster_is_refused(names: t.Any) -> None:
    with pytest.raises(StowageError) as caught:
        eks_in("eu-west-1", Fake(names), {})
    assert caught.value.code == "cluster_api_error"


def test_a_list_that_does_not_end_is_given_up() -> None:
    class Endless(Fake):
        def ask(self, operation: str, **parameters: t.Any) -> dict[str, t.Any]:
            return super().ask(operation, **parameters) | {"nextToken": "0"}

    with pytest.raises(StowageError, match="does not end"):
        eks_in("eu-west-1", Endless([]), {})


def test_without_credentials_each_region_says_so() -> None:
    origin = source(auth={"method": "web_identity"}).origin
    assert isinstance(origin, Cloud)
    clusters, failures = find_in_cloud(origin, {})
    assert clusters == []
    assert [one.error.code for one in failures] == ["credentials_missing"] * 2


@pytest.mark.parametrize(
    ("eks", "says"),
    [
        ({"regions": None}, "sources.cloud.eks.regions is no list of regions"),
        ({"regions": ["eu-west-1/../x"]}, "sources.cloud.eks.regions is no list of regions"),
        ({"auth": {"method": {}}}, "sources.cloud.eks.auth has a value that is no text"),
        ({"auth": "x"}, "sources.cloud.eks.auth is no dictionary"),
        ({"profile": "x"}, "sources.cloud.eks has no option 'profile'"),
    ],
)
def test_an_error_names_its_place(eks: dict[str, t.Any], says: str) -> None:
    with pytest.raises(StowageError) as caught:
        source(**eks)
    assert caught.value.message.startswith(says)


def test_no_secret_is_a_part_of_the_fingerprint() -> None:
    other = source(auth={**AUTH, "secret_key": "another"})
    assert source().fingerprint == other.fingerprint
    assert source().fingerprint != source(auth={**AUTH, "access_key": "AKIDOTHER"}).fingerprint


class Gke:
    """GKE with one answer."""

    def __init__(self, **answer: t.Any) -> None:
        self.answer = answer

    def clusters(self, project: str) -> dict[str, t.Any]:
        assert project == "shop"
        return self.answer


def test_clusters_of_gke_with_their_labels() -> None:
    here = {"name": "prod", "location": "europe-west1", "resourceLabels": {"env": "prod"}, "endpoint": "192.0.2.1"}
    there = {"name": "test", "location": "us-east1-b"}
    clusters, failures = gke_in("shop", Gke(clusters=[here, there]), {"address": "dns"})
    assert failures == []
    assert [(one.name, one.labels) for one in clusters] == [("prod", {"env": "prod"}), ("test", {})]
    reference = {"name": "prod", "location": "europe-west1", "project": "shop", "address": "dns"}
    assert clusters[0].access == {"stowage_cluster_auth": "gke", "stowage_gke": reference}
    assert gke_in("shop", Gke(), {}) == ([], [])


def test_of_a_zone_that_did_not_answer_clusters_are_kept() -> None:
    here = {"name": "prod", "location": "europe-west1"}
    clusters, failures = gke_in("shop", Gke(clusters=[here], missingZones=["us-east1-b", "us-east1-c"]), {})
    assert [one.name for one in clusters] == ["prod"]
    assert [one.part for one in failures] == ["shop/us-east1"]
    known, _failures = gke_in(
        "shop",
        Gke(clusters=[{"name": "a", "location": "us-east1-b"}, {"name": "b", "location": "us-east1"}, here]),
        {},
    )
    assert [one.name for one in known if failures[0].is_about(one)] == ["a", "b"]


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "{{ x }}", "location": "us-east1"},
        {"name": "a/b", "location": "us-east1"},
        {"name": "a", "location": "us-east1/../x"},
        {"name": "a"},
        None,
        "a",
    ],
)
def test_what_is_no_cluster_of_gke_is_refused(entry: t.Any) -> None:
    with pytest.raises(StowageError) as caught:
        gke_in("shop", Gke(clusters=[entry]), {})
    assert caught.value.code == "cluster_api_error"


SUBSCRIPTION: t.Final = "11111111-2222-3333-4444-555555555555"


class Aks:
    """AKS with these resources."""

    def __init__(self, *entries: t.Any) -> None:
        self.entries = entries

    def clusters(self, subscription: str) -> t.Iterable[dict[str, t.Any]]:
        assert subscription == SUBSCRIPTION
        return self.entries


def resource(group: str, name: str) -> str:
    provider = "providers/Microsoft.ContainerService/managedClusters"
    return f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{group}/{provider}/{name}"


def test_clusters_of_aks_with_their_tags() -> None:
    entries = {"id": resource("Rg-1", "prod"), "tags": {"Cost centre": "7"}}, {"id": resource("rg.2", "test")}
    clusters, failures = aks_in(SUBSCRIPTION, Aks(*entries), {"cloud": "china"})
    assert failures == []
    assert [(one.name, one.labels) for one in clusters] == [("prod", {"Cost centre": "7"}), ("test", {})]
    reference = {"name": "prod", "resource_group": "Rg-1", "subscription": SUBSCRIPTION, "cloud": "china"}
    assert clusters[0].access == {"stowage_cluster_auth": "aks", "stowage_aks": reference}


@pytest.mark.parametrize("entry", [{}, {"id": "/x"}, {"id": resource("a", "{{ x }}")}, {"id": resource("a/..", "b")}])
def test_what_is_no_cluster_of_aks_is_refused(entry: t.Any) -> None:
    with pytest.raises(StowageError) as caught:
        aks_in(SUBSCRIPTION, Aks(entry), {})
    assert caught.value.code == "cluster_api_error"


@pytest.mark.parametrize(
    ("cloud", "says"),
    [
        ({"gke": {"projects": ["Shop/.."]}}, "sources.cloud.gke.projects is no list of projects"),
        ({"gke": {"projects": ["shop"], "address": "x"}}, "sources.cloud.gke.address is none of auto, public"),
        ({"gke": {"projects": ["shop"], "auth": {"credentials_json": {}}}}, "sources.cloud.gke.auth has a value"),
        ({"aks": {"subscriptions": ["prod"]}}, "sources.cloud.aks.subscriptions is no list of subscriptions"),
        ({"aks": {"subscriptions": [SUBSCRIPTION], "cloud": "x"}}, "sources.cloud.aks.cloud is none of public"),
        ({"aks": {"subscriptions": [SUBSCRIPTION], "regions": []}}, "sources.cloud.aks has no option 'regions'"),
    ],
)
def test_an_error_of_another_cloud_names_its_place(cloud: dict[str, t.Any], says: str) -> None:
    with pytest.raises(StowageError) as caught:
        read_options({"cloud": cloud}, None, None)
    assert caught.value.message.startswith(says)


@pytest.mark.parametrize(
    "cloud",
    [
        {"gke": {"projects": ["shop"], "auth": {"method": "service_account_key"}, "endpoint": "https://gke.example"}},
        {"aks": {"subscriptions": [SUBSCRIPTION]}},
    ],
)
def test_without_credentials_each_part_says_so(cloud: dict[str, t.Any]) -> None:
    origin = read_options({"cloud": cloud}, None, None).sources[0].origin
    assert isinstance(origin, Cloud)
    clusters, failures = find_in_cloud(origin, {})
    assert clusters == []
    assert [(one.part, one.error.code) for one in failures] == [(origin.parts[0], "credentials_missing")]


def test_equal_names_are_told_apart_by_where_the_clusters_are() -> None:
    given = read_options({"cloud": {"gke": {"projects": ["shop"]}}}, None, None)
    entries = [{"name": "prod", "location": location} for location in ("europe-west1", "us-east1-b")]
    clusters, _failures = gke_in("shop", Gke(clusters=entries), {})
    with pytest.raises(StowageError) as caught:
        build(given, [Outcome(given.sources[0], tuple(clusters))], lambda _source, name, _variables: name)
    assert "'prod in shop/europe-west1'" in caught.value.message
    assert "'prod in shop/us-east1-b'" in caught.value.message
