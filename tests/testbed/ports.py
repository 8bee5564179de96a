# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Free loopback ports that no other testbed takes: each is locked by a file for the life of the process that took it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

from testbed.errors import TestbedError

# Below the range from which Linux takes the ports of outgoing connections (32768 on).
FIRST, LAST = 15000, 32000
ATTEMPTS = 400

_held: dict[int, IO[str]] = {}


def take(count: int = 1) -> list[int]:
    """Returns `count` ports on 127.0.0.1 that are free and stay reserved among testbeds until `give_back`."""
    ports: list[int] = []
    for _dummy in range(ATTEMPTS):
        if len(ports) == count:
            return ports
        port = random.randint(FIRST, LAST)
        if port not in _held and _reserve(port):
            ports.append(port)
    give_back(ports)
    raise TestbedError(f"no {count} free ports between {FIRST} and {LAST} on 127.0.0.1")


def give_back(ports: list[int]) -> None:
    """Ends the reservation of these ports."""
    for port in ports:
        lock = _held.pop(port, None)
        if lock is not None:
            lock.close()


def _locks() -> Path:
    path = Path(tempfile.gettempdir()) / f".stowage-testbed-ports-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _reserve(port: int) -> bool:
    file = (_locks() / str(port)).open("a")
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _free(port):
            _held[port] = file
            return True
    file.close()
    return False


def _free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False
