# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of EKS: region by region, names only, and nothing of who asks."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.eks import (
    cluster_names,
    find_eks,
    find_in_regions,
)
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster, Failure
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import (
    Regions,
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
    assert isinstance(origin, Regions)

    def opened(asked: t.Mapping[str, t.Any]) -> Fake:
        if asked["region"] not in there:
            raise StowageError("permission_denied", "Access is denied.", "Allow it.")
        return Fake(there[asked["region"]])

    found = find_in_regions(origin, opened)
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
        cluster_names(Fake(names))
    assert caught.value.code == "cluster_api_error"


def test_a_list_that_does_not_end_is_given_up() -> None:
    class Endless(Fake):
        def ask(self, operation: str, **parameters: t.Any) -> dict[str, t.Any]:
            return super().ask(operation, **parameters) | {"nextToken": "0"}

    with pytest.raises(StowageError, match="does not end"):
        cluster_names(Endless([]))


def test_without_credentials_each_region_says_so() -> None:
    origin = source(auth={"method": "web_identity"}).origin
    assert isinstance(origin, Regions)
    clusters, failures = find_eks(origin, {})
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
