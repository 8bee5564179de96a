# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs all tests, several files at a time, and the few that failed once more by themselves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

from tools.paths import CACHE, ROOT, VENV, ToolError, say

# More than these are no accident of a busy machine, and are not run again.
FEW = 3
_FAILED = 1
_LAST_FAILED = CACHE / "pytest" / "v" / "cache" / "lastfailed"


def run_tests(arguments: Sequence[str]) -> None:
    """Runs `tests/unit` and `tests/system`; raises ToolError when a test fails.

    Dozens of servers on a few cores now and then disturb a test. If no more than `FEW` failed, these run again with the
    machine to themselves; the first run's failures stay in the output, and what passes then is named as unsteady.
    """
    status = _pytest(
        "--cache-clear", "--numprocesses", "3", "--dist", "loadfile", "tests/unit", "tests/system", *arguments
    )
    if not status:
        return
    failed = sorted(json.loads(_LAST_FAILED.read_text("utf-8"))) if status == _FAILED and _LAST_FAILED.is_file() else []
    if not 0 < len(failed) <= FEW:
        raise ToolError(f"pytest ended with status {status}")
    for test in failed:
        say(f"UNSTEADY if it passes now, and then to be mended all the same: {test}")
    if status := _pytest(*failed):
        raise ToolError(f"pytest ended with status {status}, also without other tests beside it")


def _pytest(*arguments: str) -> int:
    command = [str(VENV / "bin" / "python"), "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode
