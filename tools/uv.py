# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds uv, or installs it into `.cache/` with whichever Python has pip."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools import pythons
from tools.paths import CACHE, ToolError, output, run, say

# A uv of the user's older than this may lack options that are used here.
OLDEST = (0, 6)
HOME = CACHE / "uv-tool"

# uv must not fetch interpreters, nor read settings that belong to another project.
ENVIRONMENT = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "UV_NO_CONFIG": "1"}


def _usable(path: str | os.PathLike[str]) -> bool:
    try:
        words = output([path, "--version"]).split()
        return tuple(int(part) for part in words[1].split(".")[:2]) >= OLDEST
    except (ToolError, IndexError, ValueError):
        return False


def _install_with(python: Path) -> bool:
    """Tries pip of this Python, first as it is, then out of a virtual environment."""
    target = HOME / "lib"
    arguments = ["install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target", str(target), "uv"]
    try:
        run([python, "-m", "pip", *arguments], quiet=True)
    except ToolError:
        try:
            run([python, "-m", "venv", "--clear", HOME / "venv"], quiet=True)
            run([HOME / "venv" / "bin" / "python", "-m", "pip", *arguments], quiet=True)
        except ToolError:
            return False
    return _usable(target / "bin" / "uv")


def _install_pip() -> bool:
    """Installs pip and venv by apt when that is possible (Debian's plain Python has neither)."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    say("No Python here has pip: installing python3-pip and python3-venv with apt-get")
    options = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(["apt-get", "update", "-q"], env=options, quiet=True)
        run(["apt-get", "install", "-y", "-q", "python3-pip", "python3-venv"], env=options, quiet=True)
    except ToolError:
        return False
    return True


def find() -> Path:
    """The path of a uv that runs; installs one when there is none."""
    own = HOME / "lib" / "bin" / "uv"
    if _usable(own):
        return own
    on_path = shutil.which("uv")
    if on_path and _usable(on_path):
        return Path(on_path)
    say("Installing uv into .cache/")
    candidates = list(dict.fromkeys([pythons.current().path, *(python.path for python in pythons.found())]))
    if any(_install_with(python) for python in candidates) or (
        _install_pip() and _install_with(Path("/usr/bin/python3"))
    ):
        return own
    raise ToolError(
        "uv could not be installed: no Python found here has pip or venv that works, or the package index cannot be reached.\n"
        "As root: apt-get install python3-pip python3-venv. Otherwise put a uv on PATH."
    )
