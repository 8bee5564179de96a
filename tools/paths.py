# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are in the repository, and how a command is run and shown."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "tools" / "requirements"
COLLECTIONS = CACHE / "collections"
COLLECTION_PATH = Path("ansible_collections", "stowage", "kubernetes")


class ToolError(Exception):
    """A step cannot go on; the text says why and what to do."""


def say(text: str) -> None:
    """Prints one line of progress at once, in order with what commands print."""
    print(text, flush=True)


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> None:
    """Runs a command and shows it; raises ToolError when it fails.

    `env` is added to the environment. With `quiet` the output is shown only after a failure.
    """
    words = [os.fspath(word) for word in command]
    if not quiet:
        say("+ " + shlex.join(words))
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        check=False,
    )
    if done.returncode:
        if quiet:
            sys.stdout.buffer.write(done.stdout)
            sys.stdout.flush()
        raise ToolError(f"exit status {done.returncode}: {shlex.join(words)}")


def output(command: Sequence[str | os.PathLike[str]], *, cwd: Path = ROOT) -> str:
    """Runs a command and returns what it prints on standard output, stripped; raises ToolError when it fails."""
    words = [os.fspath(word) for word in command]
    try:
        done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ToolError(f"{shlex.join(words)}: {error.strerror}") from error
    if done.returncode:
        raise ToolError(f"exit status {done.returncode}: {shlex.join(words)}\n{done.stderr.strip()}")
    return done.stdout.strip()
