# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and groups: who is a member, that no two clusters are one host, and that nothing is left out in silence."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory import known
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.contexts import Place
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.hosts import (
    Host,
    build,
    complaints,
    empty_workspaces,
    told_errors,
)
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster, Failure, Outcome
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import Options, Source, read_options
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.read import read_source, with_known

HERE: t.Final = {"kubeconfig": {"paths": ["a"]}}
BROKEN: t.Final = StowageError("cluster_unreachable", "It does not answer.", "Wait.")


def options(workspaces: dict[str, t.Any] | None = None, **sources: t.Any) -> Options:
    return read_options(sources or {"here": HERE}, workspaces or {}, None)


def cluster(name: str, *parts: str, **labels: str) -> Cluster:
    access = {"stowage_cluster_auth": "kubeconfig", "stowage_context": name}
    return Cluster(name, parts or ("kc",), access, labels)


def own_name(_source: Source, name: str, _variables: t.Mapping[str, t.Any]) -> str:
    return name


def hosts_of(given: Options, *outcomes: Outcome) -> dict[str, Host]:
    found = build(given, outcomes, own_name)
    assert len({host.name for host in found}) == len(found)
    return {host.name: host for host in found}


def of(given: Options, *clusters: Cluster, number: int = 0) -> Outcome:
    return Outcome(given.sources[number], clusters)


def test_a_cluster_may_be_in_several_workspaces() -> None:
    given = options(
        {
            "every-one": {"clusters": ["*"]},
            "gold": {"selector": "tier=gold"},
            "named": {"clusters": ["prod-1", "~test-.*"], "excluded_clusters": ["test-2"]},
            "both": {"clusters": ["prod-*"], "selector": "tier in (gold,silver)"},
        }
    )
    found = hosts_of(
        given, of(given, cluster("prod-1", tier="gold"), cluster("test-1"), cluster("test-2", tier="gold"))
    )
    assert found["prod-1"].groups == ("every_one", "gold", "named", "both")
    assert found["test-1"].groups == ("every_one", "named")
    assert found["test-2"].groups == ("every_one", "gold")


def test_labels_the_users_count_most_and_a_clusters_own_least() -> None:
    source = {**HERE, "labels": {"env": "mine"}, "label_patterns": ["(?P<zone>eu|us)", "(?P<env>prod)"]}
    given = options({"pattern": {"selector": "zone=eu"}}, here=source)
    found = hosts_of(given, of(given, cluster("prod-eu", env="theirs", zone="theirs", other="x")))
    assert found["prod-eu"].variables["stowage_cluster_labels"] == {"env": "mine", "zone": "eu", "other": "x"}
    assert found["prod-eu"].groups == ("pattern",)


@pytest.mark.parametrize("pair", [("a", "a"), ("a@b", "a-b"), ("{{a}}", "a")])
def test_two_clusters_are_never_one_host(pair: tuple[str, str]) -> None:
    given = options()
    with pytest.raises(StowageError, match="would both be the host") as caught:
        hosts_of(given, of(given, *map(cluster, pair)))
    assert "hostname" in caught.value.hint


def test_a_naming_tells_them_apart() -> None:
    given = options(one=HERE, two=HERE)
    outcomes = (of(given, cluster("a")), of(given, cluster("a"), number=1))
    with pytest.raises(StowageError, match=r"source one.*source two"):
        build(given, outcomes, own_name)
    found = build(given, outcomes, lambda _source, name, variables: f"{variables['stowage_source']}-{name}")
    assert [host.name for host in found] == ["one-a", "two-a"]


def test_a_host_never_has_the_name_of_a_group() -> None:
    given = options({"prod": {"clusters": ["*"]}})
    with pytest.raises(StowageError, match="name of the workspace's group prod"):
        hosts_of(given, of(given, cluster("prod")))


def test_a_source_that_fails_is_a_host_of_all_workspaces() -> None:
    given = options({"a": {"clusters": ["x-*"]}, "b": {"selector": "never=true"}}, down=HERE, up=HERE)
    outcomes = [Outcome(given.sources[0], failures=(Failure(None, BROKEN),)), of(given, cluster("x-1"), number=1)]
    found = hosts_of(given, *outcomes)
    assert found["down"].groups == ("a", "b")
    error = found["down"].variables["stowage_error"]
    assert error["error_code"] == "cluster_unreachable"
    assert "down" in error["msg"]
    assert "It does not answer." in error["msg"]
    assert found["x-1"].groups == ("a",)
    assert complaints(outcomes) == ["Source down: It does not answer. Wait."]
    assert told_errors(found.values())


def test_clusters_that_are_known_stand_for_the_source() -> None:
    given = options()
    outcome = with_known(Outcome(given.sources[0], failures=(Failure(None, BROKEN),)), [cluster("a"), cluster("b")])
    found = hosts_of(given, outcome)
    assert found.keys() == {"a", "b"}
    assert "stowage_error" not in found["a"].variables
    assert found["a"].variables["stowage_source_error"]["error_code"] == "cluster_unreachable"


def test_a_part_that_fails_has_its_own_clusters_known() -> None:
    given = options()
    before = [cluster("a", "d/1", "d"), cluster("b", "d/2", "d"), cluster("gone", "d/0", "d")]
    read = Outcome(given.sources[0], (cluster("a", "d/1", "d"),), (Failure("d/2", BROKEN), Failure("d/3", BROKEN)))
    found = hosts_of(given, with_known(read, before))
    assert found.keys() == {"a", "b", "here"}  # of d/3 nothing is known
    assert "stowage_source_error" in found["b"].variables
    assert "stowage_source_error" not in found["a"].variables
    folder = Outcome(given.sources[0], (), (Failure("d", BROKEN),))
    assert hosts_of(given, with_known(folder, before)).keys() == {"a", "b", "gone"}


def test_a_cluster_that_a_workspace_names_and_nobody_has_is_a_host_with_an_error() -> None:
    given = options({"a": {"clusters": ["x", "y"]}, "b": {"clusters": ["y"]}})
    found = hosts_of(given, of(given, cluster("x")))
    assert found["y"].groups == ("a", "b")
    assert "No source has the cluster y" in found["y"].variables["stowage_error"]["msg"]


def test_a_cluster_without_a_name_is_an_error_of_its_source() -> None:
    given = options()
    found = hosts_of(given, of(given, cluster("a"), cluster("日本"), cluster("localhost")))
    assert found.keys() == {"a", "here"}
    assert "'localhost'" in found["here"].variables["stowage_error"]["msg"]


def test_the_host_of_a_source_takes_no_clusters_place() -> None:
    given = options()
    found = hosts_of(given, Outcome(given.sources[0], (cluster("here"),), (Failure("x", BROKEN),)))
    assert "stowage_error" in found["here-source"].variables
    assert "stowage_error" not in found["here"].variables


def test_workspaces_without_clusters_are_told() -> None:
    given = options({"a": {"clusters": ["x"]}, "none": {"selector": "x=y"}})
    found = hosts_of(given, of(given, cluster("x")))
    assert empty_workspaces(given.workspaces, found.values()) == ["Workspace none has no clusters."]


NAMES: t.Final = st.text(alphabet="abp-1", min_size=1, max_size=5)


@given(st.lists(st.builds(cluster, NAMES), max_size=6), st.lists(NAMES, max_size=3), st.booleans())
def test_no_cluster_is_lost(clusters: list[Cluster], wanted: list[str], fails: bool) -> None:
    """Each cluster is a host, or the error of one, or the inventory fails."""
    given = options({"w": {"clusters": ["*", *(f"a{name}a" for name in wanted)]}})
    failures = (Failure("x", BROKEN),) if fails else ()
    try:
        found = build(given, [Outcome(given.sources[0], tuple(clusters), failures)], own_name)
    except StowageError:
        return
    contexts = {host.variables.get("stowage_context") for host in found}
    lost = [one for one in clusters if one.name not in contexts]
    errors = [host for host in found if "stowage_error" in host.variables and host.variables["stowage_source"]]
    assert bool(errors) == bool(lost or fails)
    assert all(host.groups == ("w",) for host in found)


def test_listed_clusters() -> None:
    listed = {
        "a": {"kubeconfig": "k", "context": "c", "cluster_uid": "u", "labels": {"x": "y"}},
        "b": {"kubeconfig": "m", "kubeconfig_secret": {"namespace": "n", "name": "s"}},
        "c": None,
    }
    given = options(here={"clusters": listed})
    found = hosts_of(given, read_source(given.sources[0], Place("/", {})))
    assert found["a"].variables == {
        "stowage_cluster_auth": "kubeconfig",
        "stowage_kubeconfig": "k",
        "stowage_context": "c",
        "stowage_cluster_uid": "u",
        "stowage_source": "here",
        "stowage_cluster_labels": {"x": "y"},
    }
    assert found["b"].variables["stowage_cluster_auth"] == "capi"
    assert found["b"].variables["stowage_kubeconfig_secret"] == {"namespace": "n", "name": "s", "key": "value"}


def test_what_is_kept_comes_back() -> None:
    given = options()
    source = given.sources[0]
    outcome = Outcome(source, (cluster("a", "p", x="y"),))
    document = json.loads(json.dumps(known.write({"here": known.after(outcome, 100.0)})))
    kept = known.read(document, given.sources)["here"]
    assert kept.clusters == outcome.clusters
    assert kept.is_fresh(101.0, 60)
    assert not kept.is_fresh(161.0, 60)
    assert not kept.is_fresh(99.0, 60), "the clock was put back"
    assert kept.is_fresh(1e9, 0)
    failed = known.after(with_known(Outcome(source, (), (Failure(None, BROKEN),)), kept.clusters), 200.0)
    assert failed.clusters == outcome.clusters
    assert not failed.is_fresh(200.0, 60), "what failed is tried again"
    other = options(here={"kubeconfig": {"paths": ["other"]}})
    assert known.read(document, other.sources) == {}


GOOD: t.Final = {"name": "a", "parts": ["p"], "access": {"stowage_context": "a"}, "labels": {}}


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1},
        {"parts": "p"},
        {"access": {"ansible_connection": "ssh"}},
        {"access": {"stowage_api_key": "x"}},
        {"access": {"stowage_context": ["a"]}},
        {"labels": {"a": 1}},
        {"more": "x"},
    ],
)
def test_a_cache_that_is_not_ours_counts_for_nothing(change: dict[str, t.Any]) -> None:
    given = options()

    def document(entry: dict[str, t.Any]) -> dict[str, t.Any]:
        source = {"fingerprint": given.sources[0].fingerprint, "read_at": 1, "clusters": [entry]}
        return {"format": 1, "sources": {"here": source}}

    assert known.read(document(GOOD), given.sources)
    assert not known.read(document({**GOOD, **change}), given.sources)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda part: st.lists(part) | st.dictionaries(st.text(), part))
)
def test_any_cache_is_read_without_a_word(document: object) -> None:
    assert known.read(document, options().sources) == {}
