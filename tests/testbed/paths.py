# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the testbed keeps things: builds outside the tree, one private directory for each running bed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
GO_MODULES = Path(__file__).resolve().parent / "go"
NODE_PACKAGES = Path(__file__).resolve().parent / "node"
SAMPLES = TESTS / "samples"

PREFIX = "stowage-testbed-"
OWNER_LOCK = "owner.lock"
# A directory this young may belong to an owner that has not locked it yet.
SETTLED_SECONDS = 60


def cache() -> Path:
    """The directory of built and installed servers: `$STOWAGE_TESTBED_CACHE`, else below the user's cache directory."""
    own = os.environ.get("STOWAGE_TESTBED_CACHE")
    general = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(own) if own else Path(general) / "stowage-testbed"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on the file for the length of the block; waits for another holder."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class PrivateDirectory:
    """A directory of mode 0700 for one owner. It is swept by a later owner if this one dies without removing it."""

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            sweep(Path(tempfile.gettempdir()))
            path = Path(tempfile.mkdtemp(prefix=PREFIX))
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        self.path = path
        self._lock = (path / OWNER_LOCK).open("a")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Removes the directory and what is in it, and gives the lock up."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def sweep(parent: Path) -> list[Path]:
    """Removes the directories of this user's beds whose owner is gone; returns them."""
    return [path for path in parent.glob(PREFIX + "*") if _abandoned(path) and _removed(path)]


def _abandoned(path: Path) -> bool:
    try:
        state = path.stat()
        if state.st_uid != os.getuid() or time.time() - state.st_mtime < SETTLED_SECONDS:
            return False
        with (path / OWNER_LOCK).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


def _removed(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return True


def write_private(path: Path, text: str) -> Path:
    """Writes a file that only this user can read (mode 0600 from its first byte), replacing what was there."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
    return path
