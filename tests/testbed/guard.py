# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one server and ends it, with all that it started, as soon as its owner is gone. Run as a script; imports nothing of ours.

    guard.py OWNER_PID STOP_SIGNAL GRACE_SECONDS COMMAND...

Standard input is a pipe from the owner: when it closes (the owner stops the server, or dies) the server gets STOP_SIGNAL and,
GRACE_SECONDS later, its whole process group and every other descendant SIGKILL. The server's process id is printed first.
A parent-death signal in the owner itself would not do: it fires when the *thread* that started the process ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None, use_errno=True)
# How often a look is taken at whether the owner still is this process's parent; the pipe tells it sooner.
LOOK_SECONDS = 2.0


def die_with_parent() -> None:
    """Has the kernel kill this process when its parent ends (which here has a single thread)."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def wait_for_end(owner: int, exited: int) -> None:
    """Returns when the server has exited, or its owner has closed the pipe or is gone."""
    poller = select.poll()
    poller.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    poller.register(exited, select.POLLIN)
    while not poller.poll(LOOK_SECONDS * 1000):
        if os.getppid() != owner:
            return


def descendants() -> list[int]:
    """The children of this process; orphans further down become its children, as it is their subreaper."""
    me = os.getpid()
    with open(f"/proc/{me}/task/{me}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def end(server: subprocess.Popen[bytes], stop_signal: int, grace: float) -> None:
    """Stops the server politely if asked to, then kills what is left of it."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        if server.poll() is None and grace > 0:
            server.send_signal(stop_signal)
            server.wait(grace)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    while children := descendants():
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def stopped(number: int, frame: FrameType | None) -> None:
    """A signal to this process ends the server too."""
    raise SystemExit(128 + number)


def main(arguments: list[str]) -> int:
    """Runs the command until it or its owner ends; returns the command's exit status."""
    owner, stop_signal, grace = int(arguments[0]), int(arguments[1]), float(arguments[2])
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(
        signal.SIG_SETMASK, ()
    )  # an owner that waits for signals has them blocked, and that is inherited
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stopped)
    server = subprocess.Popen(
        arguments[3:],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        process_group=0,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - there is one thread here
    )
    try:
        print(server.pid, flush=True)
        wait_for_end(owner, os.pidfd_open(server.pid))
    finally:
        end(server, stop_signal, grace)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
