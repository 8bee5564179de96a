# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of the files that git tracks, for tools that must not see anything else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.paths import CACHE, COLLECTION_PATH, ROOT, run

IDENTITY = [
    "-c",
    "user.name=tools",
    "-c",
    "user.email=tools@localhost",
    "-c",
    "commit.gpgsign=false",
    "-c",
    "core.hooksPath=/dev/null",
]


# Manifests of real applications, exactly as published: what they do wrong is not ours to mend.
FOREIGN = "tests/samples/"


def tracked() -> list[str]:
    """Paths that git tracks and that are there, without the samples, relative to the root."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    return sorted(
        name
        for name in os.fsdecode(listing).split("\0")
        if name and not name.startswith(FOREIGN) and os.path.lexists(ROOT / name)
    )


def _sweep(trees: Path) -> None:
    """Removes the copies of runs that were killed."""
    for tree in trees.glob("*.*"):
        if not Path("/proc", tree.suffix[1:]).exists():
            shutil.rmtree(tree, ignore_errors=True)


@contextmanager
def copy(name: str) -> Iterator[Path]:
    """Copies the tracked files, as they are now, to a collection tree below `.cache/trees` with a git repository of its own.

    Gives the root of the copied collection. The copy belongs to this run and is removed with it.
    """
    trees = CACHE / "trees"
    _sweep(trees)
    tree = trees / f"{name}.{os.getpid()}"
    shutil.rmtree(tree, ignore_errors=True)
    destination = tree / COLLECTION_PATH
    for file in tracked():
        target = destination / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, target, follow_symlinks=False)
    try:
        run(["git", "init", "--quiet"], cwd=destination, quiet=True)
        run(["git", "add", "--all", "--force"], cwd=destination, quiet=True)
        run(["git", *IDENTITY, "commit", "--quiet", "--message", "Copy"], cwd=destination, quiet=True)
        yield destination
    finally:
        shutil.rmtree(tree, ignore_errors=True)
