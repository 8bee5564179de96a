# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What servers keep is no difference; everything else is."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect.content import same_content

Tree = dict[str, t.Any]

OBJECT: t.Final[Tree] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "uid": "1",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2026-11-01T12:00:00Z",
        "labels": {"app": "web"},
        "annotations": {"team": "a"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "2", "controller": True}],
        "managedFields": [{"manager": "kubectl", "time": "2026-11-01T12:00:00Z"}],
    },
    "spec": {"replicas": 1, "template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}},
    "status": {"readyReplicas": 1},
}


def encoded(tree: Tree) -> bytes:
    return json.dumps(tree).encode()


def changed(*path: str, to: t.Any) -> Tree:
    """The object with one field set, or without it."""
    tree = copy.deepcopy(OBJECT)
    parent: t.Any = tree
    for key in path[:-1]:
        parent = parent[int(key)] if isinstance(parent, list) else parent[key]
    if to is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = to
    return tree


def same(one: Tree, other: Tree) -> bool:
    found = same_content(encoded(one), encoded(other))
    assert found == same_content(encoded(other), encoded(one))
    return found


@pytest.mark.parametrize(
    "other",
    [
        changed("status", to={"readyReplicas": 0}),
        changed("status", to=...),
        changed("apiVersion", to="apps/v1beta1"),
        changed("metadata", "uid", to="other"),
        changed("metadata", "resourceVersion", to="8"),
        changed("metadata", "generation", to=2),
        changed("metadata", "creationTimestamp", to="2026-11-02T12:00:00Z"),
        changed("metadata", "managedFields", to=[]),
        changed("metadata", "managedFields", to=...),
        changed("metadata", "selfLink", to="/x"),
        changed("metadata", "finalizers", to=[]),
        changed("metadata", "ownerReferences", "0", "uid", to="new"),
        changed("metadata", "annotations", "control-plane.alpha.kubernetes.io/leader", to="me"),
        changed("spec", "template", "metadata", to=None),
    ],
    ids=str,
)
def test_what_servers_keep_is_no_change(other: Tree) -> None:
    assert other != OBJECT
    assert same(OBJECT, other)


@pytest.mark.parametrize(
    "other",
    [
        changed("kind", to="StatefulSet"),
        changed("spec", "replicas", to=2),
        changed("spec", "replicas", to=True),
        changed("spec", "replicas", to="1"),
        changed("spec", "replicas", to=...),
        changed("spec", "status", to="a field of this name elsewhere"),
        changed("spec", "template", "spec", "volumes", "0", "emptyDir", to=...),
        changed("metadata", "labels", to={}),
        changed("metadata", "labels", "app", to="other"),
        changed("metadata", "annotations", "team", to="b"),
        changed("metadata", "annotations", "team", to=...),
        changed("metadata", "finalizers", to=["mine"]),
        changed("metadata", "ownerReferences", to=[]),
        changed("metadata", "ownerReferences", "0", "name", to="y"),
        changed("metadata", "deletionTimestamp", to="2026-11-02T12:00:00Z"),
        changed("data", to={}),
    ],
    ids=str,
)
def test_everything_else_is_one(other: Tree) -> None:
    assert not same(OBJECT, other)


def test_the_order_of_keys_and_white_space_are_no_change_that_of_lists_is() -> None:
    turned = dict(reversed(OBJECT.items()))
    assert same_content(json.dumps(OBJECT, indent=4).encode(), encoded(turned))
    assert not same({"args": ["a", "b"]}, {"args": ["b", "a"]})


DEEP: t.Final = b'{"a":' * 200_000 + b"1" + b"}" * 200_000


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"1", b'{"a":', b'{"a":"\xff"}', b'{"a":1e999}', DEEP])
def test_what_cannot_be_decoded_is_only_like_itself(body: bytes) -> None:
    assert same_content(body, bytes(bytearray(body)))
    assert not same_content(body, encoded(OBJECT))
    assert not same_content(encoded(OBJECT), body)


@pytest.mark.parametrize("metadata", [None, 1, "x", [], {"annotations": 1, "ownerReferences": "x"}, {"labels": None}])
def test_metadata_may_be_anything(metadata: t.Any) -> None:
    assert same({"metadata": metadata, "status": 1}, {"metadata": metadata, "status": 2})


@pytest.mark.parametrize(("size", "same"), [(1 << 20, True), (9 << 20, False)])
def test_what_is_far_too_large_is_not_decoded(size: int, same: bool) -> None:
    one, other = (encoded({"data": "x" * size, "status": status}) for status in ("a", "b"))
    assert same_content(one, other) is same
    assert same_content(one, bytes(bytearray(one)))


def deep(depth: int, leaf: bytes) -> bytes:
    return b'{"a":' * depth + leaf + b"}" * depth


@pytest.mark.parametrize("depth", [10, 500, 900, 5000, 50_000])
def test_depth_does_no_harm(depth: int) -> None:
    """Whatever the decoder takes: what differs is told apart, and nothing is raised."""
    assert not same_content(deep(depth, b"1"), deep(depth, b"2"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
TREES = st.dictionaries(st.sampled_from(["data", "metadata", "spec", "status", "apiVersion", "kind"]), VALUES)


def plain(value: t.Any) -> t.Any:
    """A value without nulls in objects, in which a truth is no number: another way to say what is the same."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return (type(value).__name__, repr(value))


@given(TREES, TREES)
def test_it_is_equality_of_what_is_left(one: Tree, other: Tree) -> None:
    left = [
        {key: plain(value) for key, value in tree.items() if value is not None and key not in ("status", "apiVersion")}
        for tree in (one, other)
    ]
    if all(not isinstance(tree.get("metadata"), dict) for tree in (one, other)):
        assert same(one, other) == (left[0] == left[1])


@given(TREES, TREES)
def test_whatever_the_status_is(tree: Tree, status: Tree) -> None:
    assert same({**tree, "status": status}, {key: value for key, value in tree.items() if key != "status"})
