# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each failure that a location can meet has a test for each provider, or a reason why none can be had (failures.toml)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.tables import TESTS, Named

HERE = Path(__file__).parent
PROVIDERS = ("aws", "minio", "azure", "gcp")
TABLE = tomllib.loads((HERE / "failures.toml").read_text(encoding="utf-8"))
NAMED = Named(
    {"unit": HERE, "system": TESTS / "system"},
    [
        name
        for rows in TABLE.values()
        for row in rows.values()
        for tests in row.values()
        if isinstance(tests, list)
        for name in tests
    ],
)
ROWS = {f"{layer}.{name}": row for layer, rows in TABLE.items() for name, row in rows.items()}


def faults(row: dict[str, Any]) -> list[str]:
    """What is wrong with a row."""
    found = [f"it says nothing of {provider}" for provider in PROVIDERS if not row.get(provider)]
    found += [f"{key} is no provider" for key in row.keys() - {*PROVIDERS, "all", "what"}]
    found += [] if str(row.get("what", "")).endswith(".") else ["it does not say what happens"]
    named = [test for value in row.values() if isinstance(value, list) for test in value]
    return found + [fault for test in named if (fault := NAMED.missing(test))]


@pytest.mark.parametrize("name", ROWS)
def test_each_failure_has_a_test_or_a_reason(name: str) -> None:
    assert faults(ROWS[name]) == []


def test_the_table_is_whole() -> None:
    layers = {"transport": 12, "credentials": 7, "bucket": 4, "permission": 9, "protection": 6, "load": 4}
    assert {layer: len(rows) for layer, rows in TABLE.items()} == layers


def test_a_fault_of_the_table_is_found() -> None:
    fine = {
        "what": "It fails.",
        "aws": "No.",
        "minio": "No.",
        "azure": "No.",
        "gcp": ["unit/test_keys.py::test_no_prefix"],
    }
    assert faults(fine) == []
    assert faults({**fine, "aws": ""}) == ["it says nothing of aws"]
    assert faults({**fine, "aws": []}) == ["it says nothing of aws"]
    assert faults({**fine, "gpc": "No."}) == ["gpc is no provider"]
    assert faults({**fine, "gcp": ["unit/test_nothing.py::test_x"]}) == ["there is no file unit/test_nothing.py"]
    assert faults({**fine, "gcp": ["unit/test_keys.py::test_x"]}) == ["unit/test_keys.py has no test test_x"]
    odd = "unit/test_s3_errors.py::test_error_codes_of_stores[NoSuchThing]"
    assert faults({**fine, "aws": [odd]}) == ["test_error_codes_of_stores[NoSuchThing] has no such parameter"]
    # It is in the file, and in the text of the test, and no parameter of it.
    assert faults({**fine, "aws": [odd.replace("NoSuchThing", "pytest")]})
    assert faults({**fine, "aws": [odd.replace("NoSuchThing", "NoSuch")]})
    assert faults({**fine, "aws": [odd.replace("NoSuchThing", "NoSuchBucket")]}) == []
