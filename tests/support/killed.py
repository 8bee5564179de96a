# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that are killed in the middle of their work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

_RUN = """
import json, sys
from support.modules import run
run(sys.argv[1], json.load(sys.stdin))
"""


def kill_at(event: threading.Event, module: str, parameters: dict[str, Any]) -> None:
    """Runs a module in processes of its own, and kills all of them when the event is set."""
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, module],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(parameters).encode())
        process.stdin.close()
        assert event.wait(120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
