# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs targets of the Makefile one after the other and says how long each took."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from tools.paths import ROOT, ToolError, say


def run_steps(names: Sequence[str]) -> None:
    """Runs `make <name>` for each name; the first that fails raises ToolError.

    The times are printed before the last step, so that what the last step prints (pytest's summary) ends the output.
    """
    took: list[tuple[str, float]] = []
    for number, name in enumerate(names, start=1):
        if number == len(names) and took:
            say("Steps so far: " + ", ".join(f"{done} {seconds:.0f} s" for done, seconds in took))
        say(f"== {number}/{len(names)} make {name}")
        started = time.monotonic()
        status = subprocess.run(
            ["make", "--no-print-directory", name], cwd=ROOT, stdin=subprocess.DEVNULL, check=False
        ).returncode
        seconds = time.monotonic() - started
        if status:
            raise ToolError(f"FAILED: make {name} (step {number} of {len(names)}), after {seconds:.0f} s")
        took.append((name, seconds))
        if number < len(names):
            say(f"== {name}: passed in {seconds:.0f} s")
