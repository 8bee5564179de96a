# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trust task says about its proof."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Expectation, Line, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import ARGUMENTS, Request, result_of

PARAMS: t.Final[dict[str, t.Any]] = {
    **{name: of.get("default") for name, of in ARGUMENTS.items()},
    "name": "prod-1-writer",
    "location": {"provider": "minio", "endpoint": "https://minio.example.com", "bucket": "backups"},
    "clusters": ["prod-1"],
}


def line(expected: Expectation, verdict: Verdict) -> Line:
    """A line with this verdict."""
    return Line(f"some_{expected}", expected, verdict, "s3:Something", "It was not reached.")


def told(*lines: Line, check: bool = False, **options: t.Any) -> list[str]:
    """The warnings of a task with these lines."""
    warnings: list[str] = []
    task = Task({**PARAMS, **options}, check, False, {}, Progress(), warnings.append, lambda _values: None)
    result_of(task, Request.of(task.params, "minio"), [], lines)
    return warnings


@pytest.mark.parametrize("others", [[], [line("refused", "unknown")], [line("refused", "passed")]])
def test_a_trust_of_which_nothing_was_proven_is_said_to_be(others: list[Line]) -> None:
    (warning,) = told(*others, line("allowed", "unknown"))
    assert warning.startswith("Nothing of this trust was proven")
    assert warning.endswith("s3:Something: It was not reached. verify_required: [some_allowed] makes that fail.")


def test_where_only_refusals_are_tried_the_first_line_says_why() -> None:
    (warning,) = told(line("refused", "unknown"))
    assert "verify_required: [some_refused]" in warning


def test_what_the_warning_names_makes_it_fail() -> None:
    with pytest.raises(TaskFailedError) as failed:
        told(line("allowed", "unknown"), verify_required=["some_allowed"])
    assert failed.value.error.code == "trust_not_proven"


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        ([line("allowed", "passed"), line("allowed", "unknown"), line("refused", "unknown")], {}),
        ([line("allowed", "unknown")], {"verify": False}),
        ([line("allowed", "unknown")], {"check": True}),
        ([], {}),
    ],
    ids=["something", "not_wanted", "a_plan", "taken_away"],
)
def test_there_is_no_warning_of(lines: list[Line], options: dict[str, t.Any]) -> None:
    assert told(*lines, **options) == []
