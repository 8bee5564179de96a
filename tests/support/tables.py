# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that hold cases against the tests that show them: whether each test that is named is there."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


@functools.cache
def functions(path: Path) -> dict[str, str]:
    """The tests of a file with their text, decorators included, and what the file says outside of functions."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    outside = "".join(ast.unparse(node) for node in tree.body if not isinstance(node, ast.FunctionDef))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    return {node.name: ast.unparse(node) + outside for node in tests}


def missing(name: str, folders: Mapping[str, Path]) -> str:
    """What is wrong with the name of a test, `folder/file::test[parameter]`; empty if it is there."""
    place, _colons, test = name.partition("::")
    folder, _slash, file = place.partition("/")
    path = folders.get(folder, TESTS / "nowhere") / file
    if not path.is_file():
        return f"there is no file {place}"
    function, _bracket, parameter = test.partition("[")
    text = functions(path).get(function)
    if text is None:
        return f"{place} has no test {function}"
    return "" if parameter.removesuffix("]") in text else f"{test} has no such parameter"
