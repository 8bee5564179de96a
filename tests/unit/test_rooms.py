# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports point one way, as docs/architecture.md says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

UTILS: Final = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"
PACKAGE: Final = "ansible_collections.stowage.kubernetes.plugins.module_utils."
# A room may import those of the lines below it, and the shared words.
FLOORS: Final = (
    {"_capture", "_restore", "_inspect", "_trust", "_report", "_copy"},
    {"_workspaces"},
    {"_archive"},
    {"_cluster", "_locations"},
)
FLOOR: Final = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# What a report's forms are made of: text in, text out.
PURE: Final = {
    "as_html",
    "as_json",
    "as_junit",
    "as_prometheus",
    "charts",
    "found",
    "judge",
    "markup",
    "model",
    "page_parts",
    "page_rows",
    "page_script",
    "page_style",
    "words",
    "assemble",
    "wanted",
}
OUTSIDE: Final = {
    "os",
    "socket",
    "subprocess",
    "urllib",
    "urllib3",
    "http",
    "pathlib",
    "tempfile",
    "threading",
    "concurrent",
    "jinja2",
}


def imported(path: Path) -> Iterator[str]:
    """The names of modules that a file imports, those for types only included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_of(path: Path) -> set[str]:
    return {
        name.removeprefix(PACKAGE).partition(".")[0] for name in imported(path) if name.startswith(PACKAGE)
    } & FLOOR.keys()


@pytest.mark.parametrize("room", sorted(FLOOR))
def test_a_room_imports_only_what_is_below_it(room: str) -> None:
    files = sorted((UTILS / room).rglob("*.py"))
    assert files
    for path in files:
        wrong = {other for other in rooms_of(path) - {room} if FLOOR[other] <= FLOOR[room]}
        assert not wrong, path


def test_all_rooms_are_known() -> None:
    assert {path.name for path in UTILS.iterdir() if path.is_dir() and path.name != "__pycache__"} == FLOOR.keys()


def test_what_a_report_is_made_of_is_pure() -> None:
    there = {path.stem for path in (UTILS / "_report").glob("*.py")}
    assert there == PURE | {"__init__", "collect", "files", "task"}
    for name in PURE:
        found = set(imported(UTILS / "_report" / f"{name}.py"))
        assert not {one.partition(".")[0] for one in found} & OUTSIDE, name
        assert not {one for one in found if one.startswith(f"{PACKAGE}_locations")}, name
