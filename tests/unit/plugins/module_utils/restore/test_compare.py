# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import typing as t

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import compare
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.compare import Difference

Tree = dict[str, t.Any]


def kind(resource: str) -> Kind:
    plural, _dot, group = resource.partition(".")
    return Kind(group, "v1", plural, plural.title(), True)


def differ(resource: str, desired: Tree, actual: Tree) -> Difference | None:
    return compare.compare(kind(resource), copy.deepcopy(desired), copy.deepcopy(actual))


def paths(resource: str, desired: Tree, actual: Tree) -> list[str]:
    found = differ(resource, desired, actual)
    return list(found.paths) if found else []


def test_paths_name_keys_elements_and_awkward_keys() -> None:
    one = {
        "spec": {"containers": [{"name": "web", "image": "a"}, {"image": "x"}], "a-b": 1},
        "metadata": {"annotations": {"a.b/c": "1"}},
    }
    other = {
        "spec": {"containers": [{"name": "web", "image": "b"}, {"image": "y"}], "a-b": 2},
        "metadata": {"annotations": {"a.b/c": "2"}},
    }
    assert paths("pods", one, other) == [
        'metadata.annotations["a.b/c"]',
        "spec.a-b",
        "spec.containers[1].image",
        "spec.containers[web].image",
    ]


def test_lists_of_another_length_differ_as_a_whole() -> None:
    assert paths("configmaps", {"a": [1, 2]}, {"a": [1]}) == ["a"]


def test_null_and_nothing_are_the_same_but_false_and_zero_are_not() -> None:
    assert differ("configmaps", {"a": None, "b": {}}, {"b": {"c": None}}) is None
    assert paths("configmaps", {"a": False}, {}) == ["a"]
    assert paths("configmaps", {"a": 0}, {}) == ["a"]


def test_fields_more_in_the_cluster_may_be_defaults() -> None:
    assert differ("configmaps", {"a": {}}, {"a": {"new": 1}, "b": 2}) == Difference(
        ("a.new", "b"), True, (compare.Change("a.new", None, 1), compare.Change("b", None, 2))
    )
    less = differ("configmaps", {"a": 1, "b": 2}, {"a": 1, "c": 1})
    assert less is not None
    assert not less.only_added


def test_many_paths_are_cut() -> None:
    found = differ("configmaps", {"data": {f"k{n:04}": "1" for n in range(500)}}, {"data": {}})
    assert found is not None
    assert len(found.paths) == compare.MAX_PATHS + 1
    assert found.paths[-1] == "… and 400 more"
    assert len(found.changes) == 500


def test_what_controllers_added_is_no_difference_what_is_missing_is() -> None:
    mine, theirs = {"uid": "1", "kind": "A"}, {"uid": "2", "kind": "B"}
    for key, one, other in (("finalizers", "a", "b"), ("ownerReferences", mine, theirs)):
        desired, actual = {"metadata": {key: [one]}}, {"metadata": {key: [other, one]}}
        assert differ("configmaps", desired, actual) is None
        assert differ("configmaps", {"metadata": {}}, actual) is None
        assert paths("configmaps", actual, desired) == [f"metadata.{key}"]


def test_annotations_of_controllers_are_forgotten_where_they_write_them() -> None:
    one = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "3", "mine": "1"}}}
    other = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1", "mine": "1"}}}
    assert differ("deployments.apps", one, other) is None
    assert differ("deployments.apps", one, {"metadata": {"annotations": {"mine": "1"}}}) is None
    assert paths("configmaps", one, other) == ['metadata.annotations["deployment.kubernetes.io/revision"]']


def test_rules_of_aggregated_roles_are_their_controller_s() -> None:
    role = "clusterroles.rbac.authorization.k8s.io"
    one: Tree = {"aggregationRule": {"a": 1}, "rules": []}
    assert differ(role, one, {**one, "rules": [1]}) is None
    assert paths(role, {"rules": []}, {"rules": [1]}) == ["rules"]


def test_injected_certificates_are_forgotten_others_are_not() -> None:
    def configuration(bundle: str, **annotations: str) -> Tree:
        return {
            "metadata": {"annotations": annotations},
            "webhooks": [{"name": "w", "clientConfig": {"caBundle": bundle}}],
        }

    resource = "validatingwebhookconfigurations.admissionregistration.k8s.io"
    injected = {"cert-manager.io/inject-ca-from": "ns/cert"}
    assert differ(resource, configuration("a", **injected), configuration("b", **injected)) is None
    assert paths(resource, configuration("a"), configuration("b")) == ["webhooks[w].clientConfig.caBundle"]


json_values = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
trees = st.dictionaries(st.text(min_size=1, max_size=3), json_values, max_size=4)


@given(trees)
def test_everything_equals_itself(tree: Tree) -> None:
    assert differ("configmaps", tree, tree) is None


@given(trees, trees)
def test_different_objects_differ_and_say_where(one: Tree, other: Tree) -> None:
    for resource in ("configmaps", "deployments.apps"):
        found = differ(resource, {"data": one}, {"data": other})
        assert (found is None) == (one == other)
        if found:
            assert all(path.startswith("data") for path in found.paths)
