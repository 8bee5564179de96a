# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import fields

Tree = dict[str, t.Any]


def entry(manager: str, operation: str = "Update", time: str = "2026-01-01T00:00:00Z", **more: t.Any) -> Tree:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "time": time, **more}


def managed(*entries: Tree) -> Tree:
    return {"metadata": {"managedFields": list(entries)}}


@pytest.mark.parametrize(
    ("tree", "manager"),
    [
        (managed(entry("helm", time="2026-01-02T00:00:00Z"), entry("kubectl", time="2026-01-01T00:00:00Z")), "kubectl"),
        (managed(entry("kube-controller-manager"), entry("kubectl-create")), "kubectl-create"),
        (managed(entry("kube-controller-manager")), "kube-controller-manager"),
        (managed(entry("argocd", "Apply")), "stowage"),
        (managed(entry("kubelet", subresource="status")), "stowage"),
        (managed(entry("a\nb"), entry("x" * 200), entry("")), "stowage"),
        ({"metadata": {"managedFields": [None, "x", {"manager": 5, "operation": "Update"}]}}, "stowage"),
        ({}, "stowage"),
    ],
)
def test_an_object_is_written_as_by_who_made_it(tree: Tree, manager: str) -> None:
    assert fields.creator(tree) == manager


def test_apply_counts_unless_it_was_of_status() -> None:
    assert fields.has_apply(managed(entry("a"), entry("b", "Apply")))
    assert not fields.has_apply(managed(entry("a"), entry("b", "Apply", subresource="status")))


def test_managers_are_put_back_beside_those_that_came_since() -> None:
    archived = [
        entry("argocd", "Apply", fieldsV1={"f:data": {}}),
        entry("kubelet", subresource="status"),
        entry("hand"),
    ]
    live = [
        entry("stowage", fieldsV1={"f:data": {}}),
        entry("hand", fieldsV1={"other": {}}),
        entry("deployment-controller"),
        entry("kubelet", subresource="status", fieldsV1={"f:status": {}}),
    ]
    found = fields.merged_managers(archived, live, "stowage")
    assert [(one["manager"], one.get("subresource", "")) for one in found] == [
        ("argocd", ""),
        ("hand", ""),
        ("deployment-controller", ""),
        ("kubelet", "status"),
    ]
    assert found[1] == archived[2]


def test_who_owns_a_field() -> None:
    tree = managed(
        entry("a", fieldsV1={"f:spec": {"f:clusterIP": {}}}),
        entry("b", fieldsV1={"f:spec": {}}),
        entry("c", fieldsV1="x"),
    )
    assert fields.managers_of(tree, "f:spec", "f:clusterIP") == {"a"}
    assert fields.managers_of(tree, "f:spec") == {"a", "b"}


@pytest.mark.parametrize(
    "tree", [{}, {"metadata": None}, {"metadata": []}, {"metadata": {"labels": [], "annotations": "x"}}]
)
def test_any_form_is_read(tree: Tree) -> None:
    assert fields.labels_of(tree) == {}
    assert fields.annotations_of(tree) == {}
    assert fields.name_of(tree) == fields.namespace_of(tree) == ""
    assert list(fields.owner_words(tree)) == []
    assert fields.items(tree, "metadata", "labels") == []
