# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.pipeline import Pipeline
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError


@pytest.fixture
def pipeline() -> t.Iterator[Pipeline]:
    pipeline = Pipeline(2, 3, "test")
    yield pipeline
    pipeline.close(10)
    assert not any(thread.is_alive() for thread in pipeline._threads)


def test_results_come_in_the_order_of_submission(pipeline: Pipeline) -> None:
    delivered: list[int] = []
    second_done = threading.Event()

    def work(number: int) -> t.Callable[[], None]:
        if number == 0:
            assert second_done.wait(10)  # the first job ends after the second
        if number == 1:
            second_done.set()
        return lambda: delivered.append(number)

    for number in range(50):
        pipeline.submit(lambda number=number: work(number))  # type: ignore[misc] # the default binds the number
    pipeline.drain()
    assert delivered == list(range(50))


def test_no_more_than_its_depth_is_under_way(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = threading.Event()
    submitted: list[int] = []
    submitter = threading.current_thread()
    wait = pipeline._changed.wait

    def noticed_wait(timeout: float | None = None) -> bool:
        if threading.current_thread() is submitter:
            blocked.set()
        return wait(timeout)

    def work() -> t.Callable[[], None]:
        assert blocked.wait(10), "submit() never waited"
        return lambda: None

    monkeypatch.setattr(pipeline._changed, "wait", noticed_wait)
    for number in range(4):
        if number == 3:
            assert not blocked.is_set()
        pipeline.submit(work)
        submitted.append(number)
    pipeline.drain()
    assert submitted == [0, 1, 2, 3]


@pytest.mark.parametrize("where", ["work", "deliver"])
def test_a_failure_ends_everything_and_is_raised(pipeline: Pipeline, where: str) -> None:
    delivered: list[str] = []

    def fail() -> t.NoReturn:
        raise StowageError("throttled", "no more")

    pipeline.submit(lambda: lambda: delivered.append("before"))
    pipeline.submit(fail if where == "work" else lambda: fail)
    with pytest.raises(StowageError, match="no more"):
        pipeline.drain()
    with pytest.raises(StowageError, match="no more"):
        pipeline.submit(lambda: lambda: delivered.append("after"))
    assert "after" not in delivered


def test_closing_wakes_who_waits(pipeline: Pipeline) -> None:
    begun, gate = threading.Event(), threading.Event()
    caught: list[StowageError] = []

    def hang() -> t.Callable[[], None]:
        begun.set()
        gate.wait(10)
        return lambda: None

    def drain() -> None:
        try:
            pipeline.drain()
        except StowageError as error:
            caught.append(error)

    pipeline.submit(hang)
    assert begun.wait(10)
    thread = threading.Thread(target=drain)
    thread.start()
    pipeline.close(0)
    thread.join(10)
    gate.set()
    assert [error.code for error in caught] == ["internal_error"]
