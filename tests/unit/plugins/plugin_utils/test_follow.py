# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A follower shows what a module writes, whatever that is, and lets it know when nobody listens any more."""

from __future__ import annotations

import errno
import os
import queue
import select
import signal
import stat
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import FIFO_VARIABLE, open_progress
from ansible_collections.stowage.kubernetes.plugins.plugin_utils import _follow
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._follow import Follower, Limit

LONG: t.Final = 60.0


def writer(follower: Follower) -> int:
    return os.open(follower.path, os.O_WRONLY | os.O_NONBLOCK)


def has_reader(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return not poll.poll(0)


def wait_for_no_reader(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, 0)
    assert poll.poll(LONG * 1000)


def test_the_fifo_is_private_and_goes_with_the_follower(tmp_path: Path) -> None:
    with Follower("h", print, str(tmp_path)) as follower:
        mode = os.stat(follower.path).st_mode
        assert stat.S_ISFIFO(mode)
        assert stat.S_IMODE(mode) == 0o600
        assert stat.S_IMODE(os.stat(os.path.dirname(follower.path)).st_mode) == 0o700
    assert not os.path.exists(os.path.dirname(follower.path))


def test_what_a_module_reports_is_shown(tmp_path: Path) -> None:
    shown: queue.Queue[str] = queue.Queue()
    with Follower("prod-1", shown.put, str(tmp_path)) as follower:
        progress = open_progress({FIFO_VARIABLE: follower.path})
        progress.report("capture", "pods", objects=3)
        assert shown.get(timeout=LONG) == "[prod-1] capture pods: 3 objects"
        progress.note("about it")
        assert shown.get(timeout=LONG) == "[prod-1] about it"


def test_rubbish_is_passed_over(tmp_path: Path) -> None:
    shown: queue.Queue[str] = queue.Queue()
    with Follower("h", shown.put, str(tmp_path)) as follower:
        descriptor = writer(follower)
        os.write(descriptor, b'\xff\x00\n[]\n{"step": []}\nnull\n{"note": {"a": 1}}\n')
        assert shown.get(timeout=LONG) == "[h] {'a': 1}"
        assert has_reader(descriptor)
        os.close(descriptor)


def test_a_screen_that_fails_does_not_stop_the_module(tmp_path: Path) -> None:
    asked = threading.Event()

    def show(_line: str) -> None:
        asked.set()
        raise BrokenPipeError

    with Follower("h", show, str(tmp_path)) as follower:
        descriptor = writer(follower)
        os.write(descriptor, b'{"note": "x"}\n')
        assert asked.wait(LONG)
        assert has_reader(descriptor)
        os.write(descriptor, b'{"note": "y"}\n')
    wait_for_no_reader(descriptor)
    os.close(descriptor)


def test_a_module_that_ends_early_is_waited_for_quietly(tmp_path: Path) -> None:
    with Follower("h", print, str(tmp_path)) as follower:
        os.close(writer(follower))
        late = writer(follower)
        assert has_reader(late)
    wait_for_no_reader(late)
    os.close(late)


def test_the_end_of_the_follower_is_seen_by_the_module(tmp_path: Path) -> None:
    with Follower("h", print, str(tmp_path)) as follower:
        descriptor = writer(follower)
    wait_for_no_reader(descriptor)
    with pytest.raises(BrokenPipeError) as caught:
        os.write(descriptor, b"x")
    assert caught.value.errno == errno.EPIPE
    os.close(descriptor)


def test_the_death_of_the_play_is_seen_by_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Follower("h", print, str(tmp_path)) as follower:
        descriptor = writer(follower)
        monkeypatch.setattr("os.getppid", lambda: 1)
        wait_for_no_reader(descriptor)
        os.close(descriptor)


def test_its_thread_takes_no_signal_away_from_the_main_thread(tmp_path: Path) -> None:
    def blocked() -> int:
        status = Path(f"/proc/self/task/{threading.get_native_id()}/status").read_text(encoding="ascii")
        return int(status.partition("SigBlk:")[2].split()[0], 16)

    masks: queue.Queue[int] = queue.Queue()
    with Follower("h", lambda _line: masks.put(blocked()), str(tmp_path)) as follower:
        descriptor = writer(follower)
        os.write(descriptor, b'{"note": "x"}\n')
        mask = masks.get(timeout=LONG)
        os.close(descriptor)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        bit = 1 << (number - 1)
        assert mask & bit
        assert not blocked() & bit


def test_the_limit_is_shared_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    path = tmp_path / "limit"
    limits = [Limit(str(path), f"host{number}") for number in range(30)]
    granted = 0
    for tick in range(100):
        now = 100.0 + tick / 100
        granted += sum(each.allows() for each in limits)
    assert granted == 10
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_limit_whose_file_is_damaged_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "limit"
    path.write_text("{", encoding="ascii")
    assert Limit(str(path), "h").allows()
    assert not Limit(str(path), "h").allows()


@pytest.fixture
def ended() -> t.Iterator[list[str]]:
    """What happened, with the end of the worker by a signal in it; Ansible's handler would not return."""
    happened: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda *_dummy: happened.append("ended"))
    yield happened
    signal.signal(signal.SIGTERM, before)


def test_a_worker_is_not_ended_in_the_middle_of_a_line(tmp_path: Path, ended: list[str]) -> None:
    begun, told = threading.Event(), threading.Event()

    def show(_line: str) -> None:
        begun.set()
        told.wait(LONG)
        ended.append("shown")

    with Follower("h", show, str(tmp_path)) as follower:
        descriptor = writer(follower)
        os.write(descriptor, b'{"note": "x"}\n')
        assert begun.wait(LONG)
        threading.Timer(0.2, told.set).start()
        os.kill(os.getpid(), signal.SIGTERM)
        os.close(descriptor)
    assert ended == ["shown", "ended"]
    os.kill(os.getpid(), signal.SIGTERM)
    assert ended == ["shown", "ended", "ended"], "the handler is Ansible's again"


def test_a_line_that_never_ends_does_not_keep_a_worker(
    tmp_path: Path, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_follow, "_LINE_SECONDS", 0.05)
    begun, told = threading.Event(), threading.Event()

    def show(_line: str) -> None:
        begun.set()
        told.wait(LONG)

    with Follower("h", show, str(tmp_path)) as follower:
        descriptor = writer(follower)
        os.write(descriptor, b'{"note": "x"}\n')
        assert begun.wait(LONG)
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended == ["ended"]
        told.set()
        os.close(descriptor)
