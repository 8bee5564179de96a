# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/find-python takes what really runs. The interpreters are scripts that answer as the real ones do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def _interpreter(directory: Path, name: str, version: str) -> Path:
    """A script that answers the probe like a Python of that version that lies here."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{version} {path}'\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def _shim(directory: Path, name: str) -> None:
    """What pyenv leaves for a version that is not installed."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\necho 'pyenv: {name}: command not found' >&2\nexit 127\n", encoding="utf-8")
    path.chmod(0o755)


def _find(home: Path, *path: Path, option: str = "") -> list[str]:
    """What the script prints, without what this machine itself has in /usr."""
    done = subprocess.run(
        [ROOT / "tools" / "find-python", *([option] if option else [])],
        env={"HOME": str(home), "PATH": os.pathsep.join([*map(str, path), "/usr/bin", "/bin"])},
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in done.stdout.splitlines() if "/usr/" not in line]


def test_a_shim_that_points_at_nothing_is_passed_over(tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    _shim(shims, "python3.13")
    good = _interpreter(tmp_path / "bin", "python3.12", "3.12.4")
    assert _find(tmp_path, shims, tmp_path / "bin") == [str(good)]


def test_versions_behind_shims_are_found_without_a_home(tmp_path: Path) -> None:
    shims = tmp_path / "pyenv" / "shims"
    _shim(shims, "python3.13")
    good = _interpreter(tmp_path / "pyenv" / "versions" / "3.13.0" / "bin", "python3.13", "3.13.0")
    assert _find(Path("/nonexistent"), shims) == [str(good)]


def test_the_newest_that_is_not_too_new_is_taken(tmp_path: Path) -> None:
    _interpreter(tmp_path / "bin", "python3.14", "3.14.1")
    good = _interpreter(tmp_path / "bin", "python3.13", "3.13.10")
    _interpreter(tmp_path / "other", "python3.13", "3.13.9")
    assert _find(tmp_path, tmp_path / "other", tmp_path / "bin") == [str(good)]


def test_all_are_listed_newest_first_and_once(tmp_path: Path) -> None:
    for version in ("3.11.9", "3.14.0", "3.12.10", "3.12.9"):
        directory = tmp_path / "pyenv" / "versions" / version / "bin"
        _interpreter(directory, f"python{version.rsplit('.', 1)[0]}", version)
    shims = tmp_path / "pyenv" / "shims"
    listed = _find(tmp_path, shims, shims, option="--all")
    assert [line.split()[0] for line in listed] == ["3.14.0", "3.12.10", "3.12.9", "3.11.9"]


def test_a_path_with_spaces_is_kept(tmp_path: Path) -> None:
    good = _interpreter(tmp_path / "my pythons", "python3.13", "3.13.1")
    assert _find(tmp_path, tmp_path / "my pythons") == [str(good)]
