# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a line of a proof has passed, when it has failed, and when nothing can be said."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import (
    Answer,
    Expectation,
    Line,
    Seen,
    Trial,
    never,
    not_tried,
    prove,
    unproven,
)

ALLOWED, REFUSED, UNDECIDED = Answer.ALLOWED, Answer.REFUSED, Answer.UNDECIDED


class Clock:
    """Time that passes while somebody waits."""

    def __init__(self) -> None:
        self.time = 0.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds


def answers(*told: Answer) -> Callable[[], Seen]:
    """Gives these answers one after the other, and the last one from then on."""
    left = list(told)
    return lambda: Seen(left.pop(0) if len(left) > 1 else left[0], "so it was")


def trial(
    expected: Expectation, attempt: Iterable[Answer], control: Iterable[Answer] | None = None, name: str = "line"
) -> Trial:
    """A line with these answers."""
    return Trial(name, expected, "x", answers(*attempt), None if control is None else answers(*control), "Mend it.")


@pytest.mark.parametrize(
    ("expected", "attempt", "control", "verdict"),
    [
        ("allowed", [ALLOWED], None, "passed"),
        ("allowed", [REFUSED], None, "failed"),
        ("allowed", [UNDECIDED], None, "unknown"),
        ("refused", [REFUSED], None, "passed"),
        ("refused", [ALLOWED], None, "failed"),
        ("refused", [UNDECIDED], None, "unknown"),
        ("refused", [REFUSED], [ALLOWED, ALLOWED], "passed"),
        ("refused", [REFUSED], [REFUSED], "unknown"),
        ("refused", [REFUSED], [ALLOWED, REFUSED], "unknown"),
        ("refused", [REFUSED], [UNDECIDED], "unknown"),
        ("refused", [ALLOWED], [ALLOWED, REFUSED], "failed"),
    ],
)
def test_verdicts(expected: Expectation, attempt: list[Answer], control: list[Answer] | None, verdict: str) -> None:
    (line,) = prove([trial(expected, attempt, control)], Clock(), patience=0)
    assert line.verdict == verdict
    assert bool(line.fix) is (verdict != "passed")


@pytest.mark.parametrize(("expected", "verdict"), [("allowed", "unknown"), ("refused", "passed")])
def test_a_refusal_that_may_be_about_something_else_needs_a_control(expected: Expectation, verdict: str) -> None:
    vague = Seen(REFUSED, "so it was", vague=True)
    (line,) = prove([Trial("a", expected, "x", lambda: vague, answers(ALLOWED))], Clock(), patience=0)
    assert line.verdict == verdict
    (line,) = prove([Trial("a", "refused", "x", lambda: vague, lambda: vague)], Clock(), patience=0)
    assert line.verdict == "unknown"


def test_changes_take_time() -> None:
    clock = Clock()
    (line,) = prove([trial("allowed", [REFUSED, REFUSED, UNDECIDED, ALLOWED])], clock, patience=60)
    assert line.verdict == "passed"
    assert clock.pauses == [0.5, 1.0, 2.0]


def test_what_waiting_does_not_change_is_not_waited_for() -> None:
    clock = Clock()
    attempt = Trial("a", "refused", "x", lambda: never("nobody can"))
    control = Trial("b", "refused", "x", answers(REFUSED), lambda: never("nobody can"))
    assert [line.verdict for line in prove([attempt, control], clock, patience=60)] == ["unknown", "unknown"]
    assert clock.pauses == []


def test_patience_is_for_all_lines_together() -> None:
    clock = Clock()
    lines = prove([trial("allowed", [REFUSED]), trial("refused", [ALLOWED])], clock, patience=30)
    assert [line.verdict for line in lines] == ["failed", "failed"]
    assert clock.time <= 30


@given(st.floats(0, 1000), st.lists(st.sampled_from(list(Answer)), min_size=1, max_size=30))
def test_a_proof_ends(patience: float, told: list[Answer]) -> None:
    clock = Clock()
    (line,) = prove([trial("refused", told, [ALLOWED])], clock, patience=patience)
    assert clock.time <= patience
    assert (line.verdict == "passed") <= (REFUSED in told)


def test_what_keeps_trust_from_being_proven() -> None:
    lines = [
        Line("a", "allowed", "failed", "", ""),
        Line("b", "refused", "unknown", "", ""),
        Line("c", "refused", "passed", "", ""),
    ]
    assert [line.id for line in unproven(lines, ())] == ["a"]
    assert [line.id for line in unproven(lines, {"b", "c"})] == ["a", "b"]
    assert [line.id for line in unproven(lines, {"c", "nowhere"})] == ["a", "nowhere"]
    assert unproven([], {"b"}) == [], "nothing is proven of what goes"


def test_what_is_not_there_yet_is_never_passed() -> None:
    def tried() -> Seen:
        raise AssertionError("it was tried")

    (line,) = not_tried([Trial("a", "refused", "x", tried)], "Nothing is there yet.")
    assert (line.verdict, line.seen) == ("unknown", "Nothing is there yet.")


def test_what_a_store_says_is_one_printable_line() -> None:
    shown = Line("a", "allowed", "failed", "x", "\x1b[2J\n" + "y" * 5000).as_result()
    assert shown["seen"].isprintable()
    assert len(shown["seen"]) <= 400
