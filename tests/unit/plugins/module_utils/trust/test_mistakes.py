# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each mistake about trust that is known has a test, or a reason why none can be had (mistakes.toml)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.tables import TESTS, Named

HERE = Path(__file__).parent
TABLE = tomllib.loads((HERE / "mistakes.toml").read_text(encoding="utf-8"))
NAMED = Named(
    {"unit": HERE, "system": TESTS / "system"},
    [test for rows in TABLE.values() for row in rows.values() for test in row.get("tests") or []],
)
ROWS = {f"{provider}.{name}": row for provider, rows in TABLE.items() for name, row in rows.items()}


def faults(row: dict[str, Any]) -> list[str]:
    """What is wrong with a row."""
    tests, why_not = row.get("tests") or [], str(row.get("why_not") or "")
    found = [] if bool(tests) is not bool(why_not) else ["it has neither a test nor a reason, or both"]
    found += [] if str(row.get("what", "")).endswith(".") else ["it does not say what is wrong"]
    return found + [fault for test in tests if (fault := NAMED.missing(test))]


@pytest.mark.parametrize("name", ROWS)
def test_each_mistake_has_a_test_or_a_reason(name: str) -> None:
    assert faults(ROWS[name]) == []


def test_a_fault_of_the_table_is_found() -> None:
    fine = {"what": "It is wrong.", "tests": ["unit/test_sets.py::test_other_partitions"]}
    assert faults(fine) == []
    assert faults({"what": "It is wrong.", "why_not": "No server can."}) == []
    assert faults({"what": "It is wrong."}) == ["it has neither a test nor a reason, or both"]
    assert faults({**fine, "tests": ["unit/test_sets.py::test_nothing"]}) == [
        "unit/test_sets.py has no test test_nothing"
    ]
