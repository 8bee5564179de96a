# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventories of docs/trust, and the credential types of docs/awx that set the variables they read."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "docs" / "trust").glob("*.yml"))
_LOOKUP = re.compile(r"\{\{ lookup\('ansible\.builtin\.env', '([A-Z_]+)'\) \}\}")
Tree = dict[str, Any]


@functools.cache
def variables(path: Path) -> Tree:
    """What an inventory says."""
    found: Tree = yaml.safe_load(path.read_text(encoding="utf-8"))["all"]["vars"]
    return found


@functools.cache
def credential_types() -> list[Tree]:
    """The credential types, as `awx.awx.credential_type` takes them."""
    found: list[Tree] = yaml.safe_load((ROOT / "docs" / "awx" / "credential_types.yml").read_text(encoding="utf-8"))
    return found


def values(kind: Tree) -> dict[str, str]:
    """A value for each field of a credential type, by the field's id."""
    return {field["id"]: f"value-of-{field['id']}-{kind['name']}" for field in kind["inputs"]["fields"]}


def injected(kind: Tree, given: dict[str, str], file: str = "/runner/env/file") -> dict[str, str]:
    """The variables that AWX sets for a credential, rendered as AWX does: what is not defined is an error."""
    made = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - as AWX does
    names = {**given, "tower": {"filename": file}}
    return {name: made.from_string(text).render(names) for name, text in kind["injectors"]["env"].items()}


def lookups(tree: Any, *path: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each variable of the environment that an inventory reads, with the path of its option."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from lookups(value, *path, str(name))
    elif isinstance(tree, list):
        for value in tree:
            yield from lookups(value, *path)
    elif isinstance(tree, str) and "lookup(" in tree:
        match = _LOOKUP.fullmatch(tree)
        assert match, f"{'.'.join(path)}: {tree}"
        yield path, match[1]


def filled(tree: Any, environment: dict[str, str]) -> Any:
    """A part of an inventory with the values of the variables that it reads."""
    if isinstance(tree, dict):
        return {name: filled(value, environment) for name, value in tree.items()}
    if isinstance(tree, list):
        return [filled(value, environment) for value in tree]
    match = _LOOKUP.fullmatch(tree) if isinstance(tree, str) else None
    return environment[match[1]] if match else tree
