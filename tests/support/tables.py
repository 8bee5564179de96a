# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that hold cases against the tests that show them: whether each test that is named is there."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


@functools.cache
def functions(path: Path) -> frozenset[str]:
    """The tests of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return frozenset(name for name in names if name.startswith("test_"))


def collected(paths: Iterable[Path]) -> frozenset[str]:
    """The tests of files with their parameters, `file::test[parameters]`, as pytest finds them."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-o", f"cache_dir={cache}", *map(str, paths)]
        done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return frozenset(line for line in done.stdout.splitlines() if "::" in line)


class Named:
    """The tests that a table names, as `folder/file::test[parameter]`."""

    def __init__(self, folders: Mapping[str, Path], names: Iterable[str]) -> None:
        self._folders = folders
        self._names = frozenset(names)

    def missing(self, name: str) -> str:
        """What is wrong with the name of a test; empty if it is there."""
        place, _colons, test = name.partition("::")
        path = self._path(name)
        if not path.is_file():
            return f"there is no file {place}"
        function, bracket, rest = test.partition("[")
        if function not in functions(path):
            return f"{place} has no test {function}"
        if bracket and not self._has(path, function, rest.removesuffix("]")):
            return f"{test} has no such parameter"
        return ""

    def _path(self, name: str) -> Path:
        folder, _slash, file = name.partition("::")[0].partition("/")
        return (self._folders.get(folder, TESTS / "nowhere") / file).resolve()

    def _has(self, path: Path, function: str, parameter: str) -> bool:
        """Whether the parameter is the whole of what pytest puts in brackets, or what is between two of its hyphens."""
        start = f"{path.relative_to(TESTS.parent)}::{function}["
        found = [one.removeprefix(start).removesuffix("]") for one in self._collected if one.startswith(start)]
        return any(f"-{parameter}-" in f"-{one}-" for one in found)

    @functools.cached_property
    def _collected(self) -> frozenset[str]:
        """Of all files of which a parameter is named: what takes long is to begin."""
        paths = {self._path(name) for name in self._names if "[" in name}
        return collected(sorted(path for path in paths if path.is_file()))
