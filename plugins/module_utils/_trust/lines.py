# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proof that trust lets in whom it should and nobody else, line by line. Private to the collection.

Each line is one harmless request. A line that expects a refusal proves something only while the same caller gets in
otherwise: a caller whose credentials do not work yet is refused everything. So it counts only if the caller's control, a request
that is allowed, succeeded just before and again after. What cannot be decided is ``unknown``, never ``passed``.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable

Expectation = t.Literal["allowed", "refused"]
Verdict = t.Literal["passed", "failed", "unknown"]
_LONGEST: t.Final = 400
FIRST_PAUSE: t.Final = 0.5
LONGEST_PAUSE: t.Final = 8.0


class Answer(enum.Enum):
    """What a request showed."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNDECIDED = "undecided"


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a request showed, and the answer in words, without secrets.

    :param final: waiting will not change it.
    :param vague: it is a refusal that may be about something else: only a control of the same kind tells, where the caller may list as here.
    :param own: it is a refusal by policies of the caller's own side, so that what was asked for refused nothing.
    """

    answer: Answer
    words: str
    final: bool = False
    vague: bool = False
    own: bool = False


def never(words: str) -> Seen:
    """What cannot be tried from here, and will not be able to be by waiting."""
    return Seen(Answer.UNDECIDED, words, final=True)


@dataclasses.dataclass(frozen=True)
class Trial:
    """A line to be tried.

    :param id: stable, such as ``other_cluster_create``.
    :param what: what is tried, as a person says it.
    :param attempt: sends the request. It is harmless, also if it succeeds.
    :param control: of a line that expects a refusal: what the same caller may do. ``None`` for a caller who may do nothing
        at all, such as an anonymous one.
    :param fix: what to do if it fails.
    """

    id: str
    expected: Expectation
    what: str
    attempt: t.Callable[[], Seen]
    control: t.Callable[[], Seen] | None = None
    fix: str = ""


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of the proof."""

    id: str
    expected: Expectation
    verdict: Verdict
    what: str
    seen: str
    fix: str = ""

    def as_result(self) -> dict[str, str]:
        """The line as a module returns it."""
        return {name: printable(str(value), _LONGEST) for name, value in dataclasses.asdict(self).items()}


class Clock(t.Protocol):
    """Time, for waiting until changes have spread."""

    def now(self) -> float:
        """Seconds that only grow."""

    def pause(self, seconds: float) -> None:
        """Wait; raises ``interrupted`` when the task is asked to stop."""


def prove(trials: t.Sequence[Trial], clock: Clock, *, patience: float) -> list[Line]:
    """Tries all lines in order.

    :param patience: seconds in all for which lines that are not as expected are tried again, since changes of permissions take
        time to be seen everywhere.
    """
    until = clock.now() + patience
    return [_prove(trial, clock, until) for trial in trials]


def unproven(lines: t.Iterable[Line], required: t.Collection[str]) -> list[Line]:
    """The lines that keep trust from being proven: those that failed, and those that may not be unknown. One that is required and
    not there is unknown, too, unless nothing is proven at all."""
    lines = list(lines)
    missing = sorted(set(required) - {line.id for line in lines}) if lines else []
    bad = [line for line in lines if line.verdict == "failed" or (line.verdict == "unknown" and line.id in required)]
    return bad + [Line(id_, "allowed", "unknown", id_, "There is no such line in this proof.") for id_ in missing]


def not_tried(trials: t.Iterable[Trial], why: str) -> list[Line]:
    """Lines about something that does not exist yet, or that nobody asked to try."""
    return [Line(one.id, one.expected, "unknown", one.what, why) for one in trials]


def _prove(trial: Trial, clock: Clock, until: float) -> Line:
    pause = FIRST_PAUSE
    while True:
        line, final = _once(trial)
        if final or clock.now() + pause > until:
            return line
        clock.pause(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _once(trial: Trial) -> tuple[Line, bool]:
    """The line, and whether waiting will not change it."""
    controlled = trial.control if trial.expected == "refused" else None
    if controlled is not None:
        before = controlled()
        if before.answer is not Answer.ALLOWED:
            words = f"The same caller is not let in otherwise: {before.words}"
            return _line(trial, "unknown", words), before.final
    seen = trial.attempt()
    if seen.answer is Answer.UNDECIDED or (seen.vague and trial.expected == "allowed"):
        return _line(trial, "unknown", seen.words), seen.final
    if seen.answer.value != trial.expected:
        return _line(trial, "failed", seen.words), False
    if controlled is not None:
        after = controlled()
        if after.answer is not Answer.ALLOWED:
            words = f"The same caller was not let in any more afterwards: {after.words}"
            return _line(trial, "unknown", words), False
    return _line(trial, "passed", seen.words), True


def _line(trial: Trial, verdict: Verdict, seen: str) -> Line:
    return Line(trial.id, trial.expected, verdict, trial.what, seen, "" if verdict == "passed" else trial.fix)
