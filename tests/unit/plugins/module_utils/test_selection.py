# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters mean what they mean to Velero and kubectl, and equal filters are equal."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils import _label_selectors as selectors
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

PODS = Kind("", "v1", "pods", "Pod", True)
DEPLOYMENTS = Kind("apps", "v1", "deployments", "Deployment", True)
JOBS = Kind("batch", "v1", "jobs", "Job", True)
VOLCANO_JOBS = Kind("batch.volcano.sh", "v1alpha1", "jobs", "Job", True)
METRICS_PODS = Kind("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", True)
OLD_INGRESSES = Kind("extensions", "v1beta1", "ingresses", "Ingress", True)
POLICIES = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True)
ENDPOINTS = Kind("", "v1", "endpoints", "Endpoints", True)
WIDGETS = Kind("example.com", "v1", "widgets", "Widget", True)


def select(**params: t.Any) -> Selection:
    return Selection.from_params(params)


@pytest.mark.parametrize("nothing", [{}, {"included_namespaces": []}, {"included_namespaces": ["*"]}])
def test_no_filter_is_everything(nothing: dict[str, t.Any]) -> None:
    selection = select(**nothing)
    assert selection == Selection()
    assert selection.fingerprint() == Selection().fingerprint()
    assert selection.all_namespaces
    assert selection.cluster_scope == "all"
    assert selection.wants_namespace("any")
    assert selection.wants_kind(PODS)
    assert selection.wants_labels({})


def test_order_and_repetition_do_not_matter() -> None:
    one = select(
        included_namespaces=["b", "a", "b"],
        included_resources=["Pods", "secrets"],
        label_selector="tier in (front, back), app==web",
    )
    other = select(
        included_namespaces=["a", "b"],
        included_resources=["secrets", "pods"],
        label_selector={
            "matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["back", "front"]}],
        },
    )
    assert one == other
    assert one.fingerprint() == other.fingerprint()
    assert one.label_selector == "app=web,tier in (back,front)"
    assert json.loads(json.dumps(one.as_dict())) == one.as_dict()
    assert Selection.from_params(one.as_dict()) == one


@pytest.mark.parametrize(
    "change",
    [
        {"included_namespaces": ["a"]},
        {"excluded_namespaces": ["a"]},
        {"included_resources": ["pods"]},
        {"excluded_resources": ["pods"]},
        {"label_selector": "a"},
        {"or_label_selectors": ["a", "b"]},
        {"include_cluster_resources": "never"},
    ],
)
def test_every_filter_changes_the_fingerprint(change: dict[str, t.Any]) -> None:
    assert select(**change).fingerprint() != Selection().fingerprint()


@pytest.mark.parametrize(
    ("patterns", "excluded", "name", "wanted"),
    [
        (["prod-*"], [], "prod-a", True),
        (["prod-*"], [], "test-prod-a", False),
        (["prod-?"], [], "prod-ab", False),
        (["prod-[ab]"], [], "prod-b", True),
        (["prod-[a-c]1"], [], "prod-d1", False),
        (["prod-*"], ["*-tmp"], "prod-tmp", False),
        ([], ["kube-*"], "kube-system", False),
        ([], ["kube-*"], "default", True),
        (["default"], [], "default2", False),
    ],
)
def test_namespace_patterns(patterns: list[str], excluded: list[str], name: str, wanted: bool) -> None:
    selection = select(included_namespaces=patterns, excluded_namespaces=excluded)
    assert selection.wants_namespace(name) is wanted
    assert not selection.all_namespaces
    assert selection.cluster_scope == "related"


@given(
    st.lists(st.sampled_from(["a", "b", "-", "*", "?", "[ab]", "[a-b]"]), min_size=1, max_size=5).map("".join),
    st.text("ab-", min_size=1, max_size=6),
)
def test_globs_match_as_fnmatch_does(glob: str, name: str) -> None:
    if "**" in glob or glob.startswith("-") or glob.endswith("-") or glob == "*":
        with pytest.raises(StowageError, match=r"pattern|namespace|beside"):
            select(included_namespaces=["x", glob])
    else:
        selection = select(included_namespaces=["x", glob])
        assert selection.wants_namespace(name) == fnmatch.fnmatchcase(name, glob)


@pytest.mark.parametrize(
    ("word", "kind", "meant"),
    [
        ("pods", PODS, True),
        ("pod", PODS, True),
        ("Pod", PODS, True),
        ("po", PODS, False),
        ("pods", METRICS_PODS, False),
        ("pods.metrics.k8s.io", METRICS_PODS, True),
        ("deployments.apps", DEPLOYMENTS, True),
        ("deployment.apps", DEPLOYMENTS, True),
        ("deployments.extensions", DEPLOYMENTS, False),
        ("DEPLOYMENTS", DEPLOYMENTS, True),
        ("jobs", JOBS, True),
        ("jobs", VOLCANO_JOBS, False),
        ("jobs.batch.volcano.sh", VOLCANO_JOBS, True),
        ("ingress", OLD_INGRESSES, True),
        ("networkpolicy", POLICIES, True),
        ("endpoints", ENDPOINTS, True),
        ("widgets", WIDGETS, True),
        ("*.example.com", WIDGETS, True),
        ("*.example.com", PODS, False),
    ],
)
def test_resource_words(word: str, kind: Kind, meant: bool) -> None:
    assert select(included_resources=[word]).wants_kind(kind) is meant
    assert select(excluded_resources=[word]).wants_kind(kind) is not meant
    assert select(included_resources=[word]).unmatched_resources([kind]) == ([] if meant else [word.lower()])


def test_excluded_resources_win() -> None:
    assert not select(included_resources=["pods"], excluded_resources=["Pod"]).wants_kind(PODS)


@pytest.mark.parametrize(
    ("params", "scope"),
    [
        ({}, "all"),
        ({"included_namespaces": ["a"]}, "related"),
        ({"excluded_namespaces": ["a"]}, "related"),
        ({"included_resources": ["pods"]}, "all"),
        ({"included_namespaces": ["a"], "include_cluster_resources": "always"}, "all"),
        ({"include_cluster_resources": "never"}, "none"),
    ],
)
def test_cluster_scope(params: dict[str, t.Any], scope: str) -> None:
    assert select(**params).cluster_scope == scope


@pytest.mark.parametrize(
    "params",
    [
        {"included_namespaces": ["*", "a"]},
        {"included_namespaces": ["a"], "excluded_namespaces": ["a"]},
        {"excluded_namespaces": ["*"]},
        {"included_namespaces": ["**"]},
        {"included_namespaces": ["a{b,c}"]},
        {"included_namespaces": ["a[b"]},
        {"included_namespaces": ["a[]b"]},
        {"included_namespaces": ["a[z-a]b"]},
        {"included_namespaces": ["Prod"]},
        {"included_namespaces": [""]},
        {"included_namespaces": "prod"},
        {"included_resources": ["a/b"]},
        {"excluded_resources": ["*"]},
        {"include_cluster_resources": "sometimes"},
        {"label_selector": "a", "or_label_selectors": ["b", "c"]},
        {"or_label_selectors": [""]},
        {"label_selector": 5},
        {"label_selector": "a=b=c"},
        {"label_selector": "a>5"},
        {"label_selector": "a in b"},
        {"label_selector": "a in (b"},
        {"label_selector": "a,,b"},
        {"label_selector": ",a"},
        {"label_selector": "a b"},
        {"label_selector": "-a"},
        {"label_selector": "a=b/c"},
        {"label_selector": "Bad.Prefix/a=b"},
        {"label_selector": {"matchLabel": {}}},
        {"label_selector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}},
        {"label_selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
        {"label_selector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["1"]}]}},
    ],
)
def test_what_makes_no_sense_is_refused(params: dict[str, t.Any]) -> None:
    with pytest.raises(StowageError) as caught:
        select(**params)
    assert caught.value.code == "invalid_option"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("selector", "labels", "wanted"),
    [
        ("app=web", {"app": "web"}, True),
        ("app==web", {"app": "db"}, False),
        ("app!=web", {}, True),
        ("app != web", {"app": "web"}, False),
        ("app in (a, b)", {"app": "b"}, True),
        ("app notin (a,b)", {}, True),
        ("app notin (a,b)", {"app": "a"}, False),
        ("app", {"app": ""}, True),
        ("!app", {"app": ""}, False),
        ("! app", {}, True),
        ("app=", {"app": ""}, True),
        ("app in ()", {"app": ""}, True),
        ("example.com/app=web,tier", {"example.com/app": "web", "tier": "x"}, True),
        ("example.com/app=web,tier", {"example.com/app": "web"}, False),
        ("in=notin", {"in": "notin"}, True),
    ],
)
def test_label_selectors(selector: str, labels: dict[str, str], wanted: bool) -> None:
    assert select(label_selector=selector).wants_labels(labels) is wanted


def test_one_of_the_or_selectors_is_enough() -> None:
    selection = select(or_label_selectors=["b=2", {"matchLabels": {"a": "1"}}])
    assert selection.or_label_selectors == ("a=1", "b=2")
    assert selection.wants_labels({"b": "2"})
    assert not selection.wants_labels({"c": "3"})
    assert select(or_label_selectors=["a=1", "a==1"]) == select(label_selector="a=1")


_KEYS = st.sampled_from(["app", "tier", "example.com/x", "in", "notin"])
_VALUES = st.sampled_from(["", "a", "b-1", "C.d"])
_REQUIREMENTS = st.builds(
    lambda key, operator, values: selectors.Requirement(
        key, operator, tuple(sorted(values)) if operator in ("in", "notin") else ()
    ),
    _KEYS,
    st.sampled_from(["in", "notin", "exists", "!"]),
    st.sets(_VALUES, min_size=1, max_size=3),
)


@given(st.lists(_REQUIREMENTS, min_size=1, max_size=4))
def test_a_selector_survives_its_text_and_its_document(requirements: list[selectors.Requirement]) -> None:
    normal = tuple(sorted(set(requirements)))
    text = selectors.text(normal)
    assert selectors.parse(text) == normal
    assert selectors.normalise(selectors.to_label_selector(text)) == text


@given(st.text("ab=!(),in <>/.-", max_size=20))
def test_any_text_is_read_or_refused_with_a_code(text: str) -> None:
    normal = ""
    with contextlib.suppress(StowageError):
        normal = selectors.normalise(text)
    assert selectors.normalise(normal) == normal


def test_velero_spec() -> None:
    assert select().to_velero_spec() == {"includedNamespaces": ["*"]}
    assert select(
        included_namespaces=["a"],
        excluded_namespaces=["b"],
        included_resources=["pods"],
        excluded_resources=["secrets"],
        or_label_selectors=["a=1,a=2", "b,!c"],
        include_cluster_resources="never",
    ).to_velero_spec() == {
        "includedNamespaces": ["a"],
        "excludedNamespaces": ["b"],
        "includedResources": ["pods"],
        "excludedResources": ["secrets"],
        "orLabelSelectors": [
            {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["2"]}]},
            {"matchExpressions": [{"key": "b", "operator": "Exists"}, {"key": "c", "operator": "DoesNotExist"}]},
        ],
        "includeClusterResources": False,
    }
    assert select(label_selector="a=1").to_velero_spec()["labelSelector"] == {"matchLabels": {"a": "1"}}


def test_namespaces_by_expression_and_by_label() -> None:
    chosen = Selection.from_params(
        {
            "included_namespaces": ["shop"],
            "excluded_namespaces": ["*-test"],
            "namespace_patterns": ["team-[0-9]+", "shop-.*"],
            "namespace_selectors": ["tier in (b,a)", "tier in (a, b)"],
        }
    )
    labels = {"tier": "a"}
    assert [name for name in ("shop", "team-1", "team-x", "shop-test", "other") if chosen.wants_namespace(name)] == [
        "shop",
        "team-1",
    ]
    assert chosen.wants_namespace("other", labels)
    assert not chosen.wants_namespace("other-test", labels)
    assert not chosen.wants_namespace("other", {"tier": "c"})
    assert (chosen.all_namespaces, chosen.exact_namespaces, chosen.cluster_scope) == (False, False, "related")
    assert chosen.as_dict()["namespace_selectors"] == ["tier in (a,b)"]
    assert chosen.to_velero_spec(["shop", "other"])["includedNamespaces"] == ["other", "shop"]


def test_what_came_later_does_not_change_older_fingerprints() -> None:
    assert not any(name.startswith("namespace_") for name in Selection().as_dict())
    other = Selection.from_params({"namespace_patterns": ["x"]})
    assert other.fingerprint() != Selection().fingerprint()


@pytest.mark.parametrize(
    "params", [{"namespace_patterns": ["("]}, {"namespace_patterns": [""]}, {"namespace_selectors": [""]}]
)
def test_namespaces_by_what_makes_no_sense(params: dict[str, list[str]]) -> None:
    with pytest.raises(StowageError) as caught:
        Selection.from_params(params)
    assert caught.value.code == "invalid_option"
