# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Few failed tests run once more, by themselves; many, or a run that broke, are a failure at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import tests
from tools.paths import ToolError


class Runs:
    """What pytest was called with, and ended with."""

    def __init__(self, statuses: Sequence[int]) -> None:
        self.left = list(statuses)
        self.seen: list[tuple[str, ...]] = []

    def __call__(self, *arguments: str) -> int:
        self.seen.append(arguments)
        return self.left.pop(0)


def prepare(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failed: Sequence[str] | None, statuses: Sequence[int]
) -> Runs:
    """A pytest that ends so, and leaves this list of failed tests."""
    runs = Runs(statuses)
    listed = tmp_path / "lastfailed"
    if failed is not None:
        listed.write_text(json.dumps(dict.fromkeys(failed, True)), encoding="utf-8")
    monkeypatch.setattr(tests, "_LAST_FAILED", listed)
    monkeypatch.setattr(tests, "_pytest", runs)
    return runs


def test_what_passes_runs_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runs = prepare(monkeypatch, tmp_path, None, [0])
    tests.run_tests(["-x"])
    assert runs.seen[0][-3:] == ("tests/unit", "tests/system", "-x")


def test_few_failures_run_again_alone_and_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = prepare(monkeypatch, tmp_path, ["b::two[x y]", "a::one"], [1, 0])
    tests.run_tests([])
    assert runs.seen[1] == ("a::one", "b::two[x y]")
    assert capsys.readouterr().out.count("UNSTEADY") == 2


def test_what_fails_twice_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepare(monkeypatch, tmp_path, ["a::one"], [1, 1])
    with pytest.raises(ToolError):
        tests.run_tests([])


@pytest.mark.parametrize(
    ("failed", "status"),
    [([f"a::{number}" for number in range(tests.FEW + 1)], 1), ([], 1), (None, 1), (["a::one"], 2), (["a::one"], 3)],
)
def test_anything_else_fails_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failed: Sequence[str] | None, status: int
) -> None:
    runs = prepare(monkeypatch, tmp_path, failed, [status])
    with pytest.raises(ToolError):
        tests.run_tests([])
    assert len(runs.seen) == 1
