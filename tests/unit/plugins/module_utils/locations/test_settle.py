# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a write whose answer may be lost: the decision table, and its promises for any course of events."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import Sight, settle

LOST = Failure("endpoint_unreachable", "lost", "", transient=True, doubt="unknown")
REFUSED = Failure("key_exists", "412", "", "PreconditionFailed", 412)
DENIED = Failure("permission_denied", "403", "", "AccessDenied", 403)
BUSY = Failure("throttled", "503", "", "SlowDown", 503, transient=True)
GONE = Failure("key_not_found", "404", "", "NoSuchUpload", 404)
ATTEMPTS = 4


def run(answers: list[Failure | None], sights: list[Sight], pause: Callable[[int], None] = lambda _dummy: None) -> str:
    """Settles a write whose attempts end like this (None: well) and which looks find like that, the last of each going on
    for ever; returns what comes of it."""
    answers, sights = list(answers), list(sights)

    def attempt() -> None:
        failure = answers.pop(0) if len(answers) > 1 else answers[0]
        if failure is not None:
            raise LocationError(failure)

    def look() -> Sight:
        return sights.pop(0) if len(sights) > 1 else sights[0]

    def may_pass(failure: Failure, number: int) -> bool:
        assert number >= 1
        return failure.transient

    try:
        settle("Writing", attempt=attempt, look=look, pause=pause, may_pass=may_pass, attempts=ATTEMPTS)
    except StowageError as error:
        return error.code
    return "success"


@pytest.mark.parametrize(
    ("answers", "sights", "expected"),
    [
        ([None], [Sight.HIDDEN], "success"),
        ([LOST], [Sight.OURS], "success"),
        ([LOST], [Sight.OTHERS], "key_exists"),
        ([LOST, None], [Sight.ABSENT], "success"),
        ([LOST], [Sight.ABSENT], "outcome_unknown"),
        ([LOST], [Sight.HIDDEN], "outcome_unknown"),
        ([LOST, REFUSED], [Sight.HIDDEN, Sight.OURS], "success"),
        ([LOST, REFUSED], [Sight.ABSENT, Sight.OTHERS], "key_exists"),
        ([LOST, REFUSED], [Sight.HIDDEN], "outcome_unknown"),
        ([LOST, DENIED], [Sight.ABSENT], "outcome_unknown"),
        ([LOST, GONE], [Sight.HIDDEN, Sight.OURS], "success"),
        ([LOST, GONE], [Sight.ABSENT], "outcome_unknown"),
        ([REFUSED], [Sight.OTHERS], "key_exists"),
        ([REFUSED], [Sight.HIDDEN], "key_exists"),
        ([REFUSED], [Sight.OURS], "success"),
        ([REFUSED, None], [Sight.ABSENT], "success"),
        ([DENIED], [Sight.OURS], "permission_denied"),
        ([BUSY, BUSY, None], [Sight.HIDDEN], "success"),
        ([BUSY], [Sight.HIDDEN], "throttled"),
        ([GONE], [Sight.ABSENT], "key_not_found"),
        ([GONE], [Sight.OURS], "success"),
    ],
)
def test_decisions(answers: list[Failure | None], sights: list[Sight], expected: str) -> None:
    assert run(answers, sights) == expected


def stop(_dummy: int) -> None:
    """A wait in which the task is asked to stop."""
    raise StowageError("interrupted", "stop")


def test_a_stop_while_waiting() -> None:
    assert run([BUSY], [Sight.ABSENT], stop) == "interrupted"
    assert run([LOST], [Sight.ABSENT], stop) == "outcome_unknown"


def test_another_error_on_the_way() -> None:
    """Credentials that could not be renewed, for one, are no answer of the store."""
    attempts: list[int] = []

    def attempt() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise LocationError(LOST)
        raise StowageError("credentials_missing", "gone")

    with pytest.raises(StowageError) as caught:
        settle(
            "Writing",
            attempt=attempt,
            look=lambda: Sight.ABSENT,
            pause=lambda _dummy: None,
            may_pass=lambda failure, _dummy: failure.transient,
            attempts=ATTEMPTS,
        )
    assert caught.value.code == "outcome_unknown"
    assert caught.value.details == {"last_error_code": "credentials_missing"}


class Store:
    """A store that may carry out a write whose answer is lost, beside another writer, and may be blind to looks."""

    def __init__(self, events: list[tuple[str, bool, bool]]) -> None:
        self.events = events
        self.owner = ""

    def attempt(self) -> None:
        kind, carried_out, beaten = self.events.pop(0) if self.events else ("fine", True, False)
        if beaten and not self.owner:
            self.owner = "others"
        if kind == "busy":
            raise LocationError(BUSY)
        if kind == "denied":
            raise LocationError(DENIED)
        if kind == "lost" and not carried_out:
            raise LocationError(LOST)
        if self.owner:
            raise LocationError(LOST if kind == "lost" else REFUSED)
        self.owner = "ours"
        if kind == "lost":
            raise LocationError(LOST)

    def look(self, blind: bool) -> Sight:
        if blind:
            return Sight.HIDDEN
        return {"": Sight.ABSENT, "ours": Sight.OURS, "others": Sight.OTHERS}[self.owner]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["fine", "lost", "busy", "denied"]), st.booleans(), st.booleans()), max_size=6
)


@given(EVENTS, st.lists(st.booleans(), max_size=6))
def test_what_is_said_is_true(events: list[tuple[str, bool, bool]], blindness: list[bool]) -> None:
    store, blind = Store(events), list(blindness)
    outcome = "success"
    try:
        settle(
            "Writing",
            attempt=store.attempt,
            look=lambda: store.look(blind.pop(0) if blind else False),
            pause=lambda _dummy: None,
            may_pass=lambda failure, _dummy: failure.transient,
            attempts=ATTEMPTS,
        )
    except StowageError as error:
        outcome = error.code
    if outcome == "success":
        assert store.owner == "ours"
    elif outcome == "key_exists":
        assert store.owner == "others"
    elif outcome != "outcome_unknown":
        assert store.owner != "ours"
