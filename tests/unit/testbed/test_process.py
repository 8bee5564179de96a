# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers end with their owner, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed import paths
from testbed.errors import TestbedError
from testbed.process import Process, wait_until

# A server that starts a process in a session of its own, which a signal to the process group does not reach.
FAMILY = ["sh", "-c", 'setsid sleep 1000 & echo "$!" > child; wait']

OWNER = """
import sys, threading, time
from pathlib import Path
from testbed.process import Process
def start():
    process = Process("family", sys.argv[2:], log=Path(sys.argv[1]) / "log")
    print(process.pid, process._guard.pid, flush=True)
    holder.append(process)
holder = []
thread = threading.Thread(target=start)
thread.start()
thread.join()
time.sleep(1000)
"""


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before the file was opened, or read
        return False


def soon(check: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not (answer := check()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


def child_of(directory: Path) -> int:
    file = directory / "child"
    assert soon(lambda: file.exists() and file.read_text(encoding="utf-8").endswith("\n"))
    return int(file.read_text(encoding="utf-8"))


def start_owner(directory: Path) -> tuple[subprocess.Popen[str], int, int]:
    """An owner that has started a family from a thread that ended; returns it, the server's id and the guard's."""
    command = [sys.executable, "-c", OWNER, str(directory), *FAMILY]
    environment = os.environ | {"PYTHONPATH": str(paths.TESTS)}
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert owner.stdout is not None
    server, guard = map(int, owner.stdout.readline().split())
    owner.stdout.close()
    return owner, server, guard


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_owner_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    owner, server, guard = start_owner(tmp_path)
    child = child_of(tmp_path)
    assert alive(server)
    assert alive(child)
    owner.send_signal(number)
    owner.wait()
    assert soon(lambda: not any(map(alive, (server, child, guard))))


def test_killed_guard_takes_the_server_along(tmp_path: Path) -> None:
    owner, server, guard = start_owner(tmp_path)
    child = child_of(tmp_path)
    os.kill(guard, signal.SIGKILL)
    assert soon(lambda: not alive(server))
    os.kill(child, signal.SIGKILL)  # nobody is left to end it
    owner.kill()
    owner.wait()


def test_terminated_guard_ends_all(tmp_path: Path) -> None:
    owner, server, guard = start_owner(tmp_path)
    child = child_of(tmp_path)
    os.kill(guard, signal.SIGTERM)
    assert soon(lambda: not alive(server) and not alive(child))
    owner.kill()
    owner.wait()


def test_stop_ends_descendants_and_may_be_repeated(tmp_path: Path) -> None:
    process = Process("family", FAMILY, log=tmp_path / "log")
    child = child_of(tmp_path)
    assert process.exited() is None
    process.stop()
    assert not alive(process.pid)
    assert not alive(child)
    process.stop()
    assert process.exited() == 128 + signal.SIGKILL


def test_polite_stop_lets_the_server_finish(tmp_path: Path) -> None:
    command = ["sh", "-c", 'trap "echo finished > done; exit 0" TERM; echo up > ready; while :; do sleep 0.05; done']
    process = Process("polite", command, log=tmp_path / "log", stop_signal=signal.SIGTERM, grace_seconds=20)
    assert soon((tmp_path / "ready").exists)
    process.stop()
    assert (tmp_path / "done").exists()
    assert process.exited() == 0


def test_stubborn_server_is_killed_after_its_grace(tmp_path: Path) -> None:
    command = ["sh", "-c", 'trap "" TERM; echo up > ready; while :; do sleep 0.05; done']
    process = Process("stubborn", command, log=tmp_path / "log", stop_signal=signal.SIGTERM, grace_seconds=0.2)
    assert soon((tmp_path / "ready").exists)
    process.stop()
    assert not alive(process.pid)


def test_signals_blocked_in_the_owner_reach_the_server(tmp_path: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        process = Process("sleep", ["sleep", "1000"], log=tmp_path / "log")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    process.signal(signal.SIGTERM)
    assert soon(lambda: process.exited() is not None)
    assert process.exited() == 128 + signal.SIGTERM
    process.stop()


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match=r"(?s)absent could not be started.*No such file"):
        Process("absent", [tmp_path / "absent"], log=tmp_path / "log")


def test_waiting_reports_the_log_of_a_server_that_ended(tmp_path: Path) -> None:
    process = Process("failing", ["sh", "-c", "echo the reason; exit 3"], log=tmp_path / "log")
    with pytest.raises(TestbedError, match=r"(?s)failing ended with 3.*the reason"):
        wait_until(lambda: None, seconds=20, what="the server", processes=[process])
    process.stop()


def test_waiting_ends(tmp_path: Path) -> None:
    def refused() -> None:
        raise ConnectionRefusedError("nobody there")

    with pytest.raises(TestbedError, match=r"the server: not after 0 s \(last: nobody there\)"):
        wait_until(refused, seconds=0, what="the server")


def test_servers_see_nothing_of_our_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    process = Process("env", ["env"], log=tmp_path / "log")
    assert soon(lambda: process.exited() is not None)
    process.stop()
    seen = process.tail()
    assert "SSL_CERT_FILE" not in seen
    assert "AWS_PROFILE" not in seen
    assert f"TMPDIR={tmp_path / 'tmp'}" in seen
