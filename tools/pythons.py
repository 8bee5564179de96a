# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python interpreters of this machine that really run."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.paths import ROOT, output


@dataclass(frozen=True)
class Python:
    """An interpreter outside any virtual environment."""

    version: tuple[int, int, int]
    path: Path

    @property
    def minor(self) -> str:
        """The version as `3.13`."""
        return f"{self.version[0]}.{self.version[1]}"


def current() -> Python:
    """The interpreter that runs this program, or the one that its virtual environment was made from."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    return Python(sys.version_info[:3], Path(os.path.realpath(base)))


@functools.cache
def found() -> tuple[Python, ...]:
    """Every interpreter from 3.11 up, newest first."""
    pythons = []
    for line in output([ROOT / "tools" / "find-python", "--all"]).splitlines():
        version, path = line.split(" ", 1)
        major, minor, micro = (int(part) for part in version.split("."))
        pythons.append(Python((major, minor, micro), Path(path)))
    return tuple(pythons)


def newest_of_each() -> dict[str, Python]:
    """The newest interpreter of each minor version, by `3.13`, newest first."""
    newest: dict[str, Python] = {}
    for python in found():
        newest.setdefault(python.minor, python)
    return newest
