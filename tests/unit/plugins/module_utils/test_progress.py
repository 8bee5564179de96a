# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress goes out by a FIFO; signals and a FIFO that nobody reads ask for a stop, and enforce it."""

from __future__ import annotations

import json
import os
import signal
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils import _progress as progress_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import (
    FIFO_VARIABLE,
    FifoProgress,
    Progress,
    Watch,
    open_progress,
)

LONG: t.Final = 60.0
FOREVER: t.Final = threading.TIMEOUT_MAX
"""A grace that no run of tests outlives: after a stop the watching thread goes on, and would give up in another test."""


@pytest.fixture
def fifo(tmp_path: Path) -> t.Iterator[tuple[Path, int]]:
    """A FIFO, and a descriptor that reads it; a test may close that."""
    path = tmp_path / "fifo"
    os.mkfifo(path, 0o600)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    try:
        os.close(reader)
    except OSError:
        assert path.exists()


def lines(reader: int) -> list[dict[str, t.Any]]:
    return [json.loads(line) for line in os.read(reader, 1 << 16).splitlines()]


def never() -> None:
    raise AssertionError("given up")


def test_without_a_fifo_progress_is_quiet() -> None:
    quiet = open_progress({})
    quiet.report("capture", "pods", objects=1)
    quiet.note("x")
    quiet.check()


def test_reports_and_notes_arrive(fifo: tuple[Path, int]) -> None:
    path, reader = fifo
    progress = open_progress({FIFO_VARIABLE: str(path)})
    progress.report("capture", "pods", objects=3, total=4, size=5)
    progress.note("about it")
    report, note = lines(reader)
    assert report.pop("seconds") >= 0
    assert report == {"step": "capture", "detail": "pods", "objects": 3, "total": 4, "size": 5}
    assert note == {"note": "about it"}


def test_reports_are_thinned_out_but_a_new_step_is_always_told(
    fifo: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, reader = fifo
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    progress = open_progress({FIFO_VARIABLE: str(path)})
    for count in range(1000):
        progress.report("capture", "pods", objects=count)
    progress.report("finish", objects=1000)
    assert [(line["step"], line["objects"]) for line in lines(reader)] == [("capture", 0), ("finish", 1000)]
    now = 101.0
    progress.report("finish", objects=1001)
    assert [(line["objects"], line["seconds"]) for line in lines(reader)] == [(1001, 1.0)]


def test_a_full_fifo_loses_lines_and_not_time(fifo: tuple[Path, int]) -> None:
    path, reader = fifo
    progress = open_progress({FIFO_VARIABLE: str(path)})
    for _count in range(2000):
        progress.note("x" * 300)
    assert all(len(line["note"]) == 256 for line in lines(reader)[:100])


def test_a_long_line_stays_one_write(fifo: tuple[Path, int]) -> None:
    path, reader = fifo
    progress = open_progress({FIFO_VARIABLE: str(path)})
    progress.report("capture", "\N{GRINNING FACE}" * 256, objects=1)
    assert lines(reader)[0]["objects"] == 1


def test_the_first_stop_decides_and_callbacks_are_called_once() -> None:
    progress, called = Progress(), []
    progress.on_stop(lambda: called.append("before"))
    progress.on_stop(lambda: 1 / 0)
    progress.stop("one")
    progress.stop("two")
    progress.on_stop(lambda: called.append("after"))
    assert called == ["before", "after"]
    with pytest.raises(StowageError, match="one") as caught:
        progress.check()
    assert caught.value.code == "interrupted"


def test_a_fifo_that_is_gone_or_that_nobody_reads_asks_for_a_stop_at_once(fifo: tuple[Path, int]) -> None:
    path, reader = fifo
    os.close(reader)
    assert open_progress({FIFO_VARIABLE: str(path)}).stopped.is_set()
    assert open_progress({FIFO_VARIABLE: f"{path}-gone"}).stopped.is_set()


def test_a_file_that_is_no_fifo_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("content", encoding="ascii")
    progress = open_progress({FIFO_VARIABLE: str(file)})
    progress.note("x")
    assert not isinstance(progress, FifoProgress)
    assert file.read_text(encoding="ascii") == "content"
    link = tmp_path / "link"
    link.symlink_to(file)
    assert not isinstance(open_progress({FIFO_VARIABLE: str(link)}), FifoProgress)


def test_closing_the_fifo_asks_for_a_stop(fifo: tuple[Path, int]) -> None:
    path, reader = fifo
    progress = open_progress({FIFO_VARIABLE: str(path)})
    assert isinstance(progress, FifoProgress)
    with Watch(progress, never, grace=FOREVER):
        assert not progress.stopped.is_set()
        os.close(reader)
        assert progress.stopped.wait(LONG)
        progress.note("into nothing")
    assert "gone" in progress.reason


@pytest.fixture
def handlers() -> t.Iterator[None]:
    """Handlers of signals as they were, even after a stop."""
    before = {number: signal.getsignal(number) for number in progress_file._SIGNALS}
    for number in before:
        signal.signal(number, signal.SIG_DFL)  # a job in the background has SIGINT ignored, and so would Watch
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_a_stop(number: signal.Signals) -> None:
    progress = Progress()
    with Watch(progress, never, grace=FOREVER):
        os.kill(os.getpid(), number)
        assert progress.stopped.wait(LONG)
    assert number.name in progress.reason


@pytest.mark.usefixtures("handlers")
def test_a_stop_that_takes_too_long_is_enforced_even_if_a_callback_blocks() -> None:
    progress, given_up, blocked = Progress(), threading.Event(), threading.Event()
    progress.on_stop(lambda: blocked.wait(LONG))
    with Watch(progress, given_up.set, grace=0.01):
        os.kill(os.getpid(), signal.SIGTERM)
        assert given_up.wait(LONG)
    blocked.set()


def test_without_a_stop_everything_is_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Watch(Progress(), never):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.usefixtures("handlers")
def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Watch(Progress(), never):
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
