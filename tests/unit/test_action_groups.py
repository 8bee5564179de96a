# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action groups hold exactly the modules that take their options.

`module_defaults: group/stowage.kubernetes.location` hands its values to every module of the group, and a module that lacks one
of them fails. So a group stands for one documentation fragment: each module of the group takes all of its options, and no
module outside the group takes any.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.module_utils import basic

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = "ansible_collections.stowage.kubernetes.plugins"
GROUPS = ("cluster", "location")
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[!_]*.py"))


class _BuiltError(Exception):
    """Raised instead of building an AnsibleModule."""


@functools.cache
def _argument_spec(module: str) -> dict[str, Any]:
    """The argument spec that the module hands to AnsibleModule."""
    seen: list[dict[str, Any]] = []

    def build(_self: object, argument_spec: dict[str, Any], **_options: Any) -> None:
        seen.append(argument_spec)
        raise _BuiltError

    with mock.patch.object(basic.AnsibleModule, "__init__", build), pytest.raises(_BuiltError):
        importlib.import_module(f"{PLUGINS}.modules.{module}").main()
    return seen[0]


def _fragment_options(name: str) -> set[str]:
    fragment = importlib.import_module(f"{PLUGINS}.doc_fragments.{name}").ModuleDocFragment
    return set(yaml.safe_load(fragment.DOCUMENTATION)["options"])


def _fragments_of(module: str) -> set[str]:
    documentation = yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.{module}").DOCUMENTATION)
    return set(documentation.get("extends_documentation_fragment", []))


def _action_groups() -> dict[str, set[str]]:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    return {name: set(members) for name, members in runtime["action_groups"].items()}


def test_the_groups_are_those_of_the_fragments() -> None:
    assert set(_action_groups()) == set(GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_holds_exactly_the_modules_that_take_its_options(group: str) -> None:
    options = _fragment_options(group)
    assert options
    takers = {module for module in MODULES if options & set(_argument_spec(module))}
    assert _action_groups()[group] == takers


@pytest.mark.parametrize("group", GROUPS)
def test_each_module_of_a_group_takes_all_of_its_options_and_says_so(group: str) -> None:
    options = _fragment_options(group)
    for module in _action_groups()[group]:
        assert options <= set(_argument_spec(module)), module
        assert f"stowage.kubernetes.{group}" in _fragments_of(module), module


@pytest.mark.parametrize("group", GROUPS)
def test_the_modules_of_a_group_agree_on_its_options(group: str) -> None:
    for option in _fragment_options(group):
        specs = [_argument_spec(module)[option] for module in _action_groups()[group]]
        assert all(spec == specs[0] for spec in specs), option


def test_no_option_belongs_to_two_groups() -> None:
    assert not _fragment_options("cluster") & _fragment_options("location")
