# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One running server: started under a guard that ends it when its owner ends, with its output in a log file."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, Signals
from typing import TypeVar

from testbed.errors import TestbedError

GUARD = Path(__file__).with_name("guard.py")
POLL_SECONDS = 0.05

T = TypeVar("T")


class Process:
    """A server and its guard. `pid` is the server's own process id; its temporary files lie beside its log."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        stop_signal: Signals = SIGKILL,
        grace_seconds: float = 0,
    ) -> None:
        self.name = name
        self.log = log
        self._grace = grace_seconds
        temporary = log.parent / "tmp"
        temporary.mkdir(mode=0o700, exist_ok=True)
        own = dict(environment) if environment is not None else plain_environment()
        guard = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), str(int(stop_signal)), str(grace_seconds)]
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [*guard, *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=own | {"TMPDIR": str(temporary)},
                cwd=log.parent,
                start_new_session=True,
            )
        self.pid = self._server_pid()

    def _server_pid(self) -> int:
        assert self._guard.stdout is not None
        line = self._guard.stdout.readline()
        self._guard.stdout.close()
        if not line.strip():
            self._guard.wait()
            raise TestbedError(f"{self.name} could not be started:\n{self.tail()}")
        return int(line)

    def exited(self) -> int | None:
        """The exit status, or None while the server runs."""
        return self._guard.poll()

    def begin_stop(self) -> None:
        """Has the server ended, without waiting for it."""
        assert self._guard.stdin is not None
        with contextlib.suppress(OSError):
            self._guard.stdin.close()

    def stop(self) -> None:
        """Ends the server and all that it started; returns when it is gone. A second call does nothing."""
        self.begin_stop()
        try:
            self._guard.wait(self._grace + 30)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()

    def signal(self, number: Signals) -> None:
        """Sends a signal to the server (SIGSTOP and SIGCONT make it hang and go on)."""
        os.kill(self.pid, number)

    def tail(self, lines: int = 25) -> str:
        """The end of the server's log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def plain_environment(**more: str) -> dict[str, str]:
    """The environment of a server: only what it needs of ours, so that exported settings of other programs do not reach it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"NO_PROXY": "127.0.0.1,localhost"} | more


def wait_until(check: Callable[[], T | None], *, seconds: float, what: str, processes: Sequence[Process] = ()) -> T:
    """Calls `check` until it returns something other than None or False, and returns that.

    Raises TestbedError after `seconds`, or at once when one of the processes has exited, with the end of its log. What
    `check` raises as OSError counts as not yet.
    """
    deadline = time.monotonic() + seconds
    reason = ""
    while True:
        try:
            answer = check()
            if answer is not None and answer is not False:
                return answer
        except OSError as error:
            reason = f" (last: {error})"
        for process in processes:
            if process.exited() is not None:
                raise TestbedError(f"{what}: {process.name} ended with {process.exited()}:\n{process.tail()}")
        if time.monotonic() > deadline:
            logs = "".join(f"\n--- {process.name}\n{process.tail(8)}" for process in processes)
            raise TestbedError(f"{what}: not after {seconds:.0f} s{reason}{logs}")
        time.sleep(POLL_SECONDS)
