# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backups of a run go into which clusters, and how."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import SELECTION, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.restores import OPTIONS, read_restores
from ansible_collections.stowage.kubernetes.plugins.modules import restore


def test_each_source_has_its_target_and_options() -> None:
    options = {"all": {"existing_resource_policy": "update"}, "b": {"included_namespaces": ["shop"]}}
    found = read_restores({"a": "x", "b": "x", "gone": "y"}, options, ["x", "y"])
    assert [(one["source"], one["target"]) for one in found] == [("a", "x"), ("b", "x"), ("gone", "y")]
    assert found[0] == {**OPTIONS, "source": "a", "target": "x", "existing_resource_policy": "update"}
    assert found[1] == {**found[0], "source": "b", "included_namespaces": ["shop"]}


def test_null_is_as_if_nothing_was_said() -> None:
    (found,) = read_restores({"a": "x"}, {"all": {"existing_resource_policy": None, "allow_partial": None}})
    assert found == {**OPTIONS, "source": "a", "target": "x"}


def test_options_are_those_of_the_module() -> None:
    spec = merge(SELECTION, restore.ARGUMENTS)
    assert {name: spec[name].get("default") for name in OPTIONS} == OPTIONS


@pytest.mark.parametrize(
    ("mapping", "options", "message", "hint"),
    [
        ({}, None, "workspace_restore_map is same, and the workspace has no hosts in this inventory.", ""),
        (
            {"prod-1": "x", "prod-2": "y"},
            {"all": {}, "pord-1": {"included_namespaces": ["shop"]}},
            "workspace_restore_options.pord-1 is about no cluster of the workspace.",
            "Did you mean prod-1 or prod-2?",
        ),
    ],
)
def test_options_for_nobody_are_an_error_without_a_map_too(
    mapping: t.Any, options: t.Any, message: str, hint: str
) -> None:
    with pytest.raises(StowageError) as caught:
        read_restores(mapping, options, ["x", "y"], same=True)
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("invalid_option", message, hint)


@pytest.mark.parametrize(
    ("mapping", "options", "message"),
    [
        (None, None, "workspace_restore_map must be a dictionary"),
        ({}, None, "workspace_restore_map must be a dictionary"),
        ("same", None, "workspace_restore_map must be a dictionary"),
        ({"a": "z"}, None, "workspace_restore_map.a names 'z', which is no host"),
        ({"a": ["x"]}, None, "workspace_restore_map.a names"),
        ({"a/b": "x"}, None, "'a/b' cannot be"),
        ({"a": "x"}, [], "workspace_restore_options must be a dictionary."),
        ({"a": "x"}, {"b": {}}, "workspace_restore_options.b is about no cluster"),
        ({"a": "x"}, {"a": []}, "workspace_restore_options.a must be a dictionary."),
        ({"a": "x"}, {"a": {"namespaces": []}}, "workspace_restore_options.a has 'namespaces'"),
        ({"a": "x"}, {"all": {"included_namespaces": ["A"]}}, "workspace_restore_options.all: included_namespaces has"),
    ],
)
def test_an_error_names_the_place(mapping: t.Any, options: t.Any, message: str) -> None:
    with pytest.raises(StowageError) as caught:
        read_restores(mapping, options, ["x", "y"])
    assert caught.value.message.startswith(message)


def only(*namespaces: str) -> dict[str, list[str]]:
    return {"included_namespaces": list(namespaces)}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"a": only("shop")},
        {"b": only("shop")},
        {"a": only("shop", "blog"), "b": only("blog")},
        {"a": only("shop"), "b": only("team-*")},
        {"a": only("team-[12]"), "b": only("shop")},
        {"all": only("shop")},
        {"a": only("shop"), "b": only("blog"), "c": only("shop")},
        {"a": only("shop"), "b": only("blog"), "c": {}},
    ],
)
def test_backups_that_nothing_keeps_apart_go_into_one_host_only_if_that_is_said(options: t.Any) -> None:
    mapping = dict.fromkeys("abc" if "c" in options else "ab", "x")
    with pytest.raises(StowageError) as caught:
        read_restores(mapping, options, shared=False)
    assert caught.value.message.startswith("workspace_restore_map sends a and ")
    assert caught.value.message.endswith(" into x, and no included_namespaces keep them apart.")
    assert len(read_restores(mapping, options)) == len(mapping)


def test_backups_that_namespaces_keep_apart_go_into_one_host() -> None:
    options = {"a": only("shop"), "b": only("blog"), "c": only("mail")}
    assert len(read_restores({"a": "x", "b": "x", "c": "x", "d": "y"}, options, shared=False)) == 4
