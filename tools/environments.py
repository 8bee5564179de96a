# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments, each rebuilt only when what it is made of has changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from tools import pythons, uv
from tools.paths import CACHE, COLLECTION_PATH, COLLECTIONS, REQUIREMENTS, ROOT, VENV, run, say
from tools.pythons import Python

STAMP = "stowage-stamp"
# Raise it when the way in which environments are made changes.
RECIPE = 2


@dataclass(frozen=True)
class Environment:
    """What a virtual environment is made of."""

    path: Path
    files: tuple[Path, ...]
    packages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    python: Python = field(default_factory=pythons.current)

    def digest(self) -> str:
        """A hash of all that decides what is in the environment."""
        parts = [str(RECIPE), str(self.path), str(self.python), *self.packages, *self.options]
        parts += [path.read_text(encoding="utf-8") for path in self.files]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def program(self, name: str) -> Path:
        """The path of a program in the environment."""
        return self.path / "bin" / name

    def ensure(self) -> Path:
        """Makes the environment if it is missing or out of date; returns its directory."""
        if self._is_current():
            return self.path
        CACHE.mkdir(exist_ok=True)
        # Two makes at once: the second waits and finds it made.
        with (CACHE / f"{self.path.name.lstrip('.')}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._is_current():
                self._make()
        return self.path

    def _is_current(self) -> bool:
        stamp = self.path / STAMP
        return (
            stamp.is_file() and stamp.read_text(encoding="utf-8") == self.digest() and self.program("python").exists()
        )

    def _has_the_same_python(self) -> bool:
        """Whether it can be updated in place, under programs that are running from it."""
        settings = self.path / "pyvenv.cfg"
        wanted = f"home = {self.python.path.parent}\n"
        return settings.is_file() and wanted in settings.read_text(encoding="utf-8") and self.program("python").exists()

    def _make(self) -> None:
        started = time.monotonic()
        name = os.path.relpath(self.path, ROOT)
        say(f"Making {name} with Python {'.'.join(map(str, self.python.version))} ({self.python.path})")
        tool = uv.find()
        if not self._has_the_same_python():
            command: list[str | Path] = [tool, "venv", "--quiet", "--clear", "--python", self.python.path, self.path]
            run(command, env=uv.ENVIRONMENT, quiet=True)
        arguments: list[str | Path] = ["--quiet", "--exact", "--python", self.program("python"), *self.options]
        # Compiled once: make and many users say that Python writes no bytecode, and then every process compiles all it imports.
        arguments.append("--compile-bytecode")
        for file in self.files:
            arguments += ["--requirement", file]
        run([tool, "pip", "install", *arguments, *self.packages], env=uv.ENVIRONMENT, quiet=True)
        (self.path / STAMP).write_text(self.digest(), encoding="utf-8")
        say(f"Made {name} in {time.monotonic() - started:.0f} s")


def development() -> Environment:
    """`.venv`: the newest ansible-core for its Python, the collection's requirements, pytest, mypy, ruff."""
    return Environment(
        VENV, (ROOT / "requirements.txt", REQUIREMENTS / "tests.txt", REQUIREMENTS / "dev.txt"), ("ansible-core",)
    )


def for_core(core: str, python: Python, *, floor: bool = False) -> Environment:
    """An environment of the matrix: this ansible-core (such as `2.20`) with what unit tests need.

    With `floor`, the collection's requirements are the oldest that requirements.txt allows.
    """
    major, minor = core.split(".")
    # A release candidate is taken where there is no release yet.
    package = f"ansible-core>={core}.0rc1,<{major}.{int(minor) + 1}.0.dev0"
    options = ("--resolution", "lowest-direct") if floor else ()
    name = f"core-{core}-python-{python.minor}" + ("-floor" if floor else "")
    files = (ROOT / "requirements.txt", REQUIREMENTS / "tests.txt")
    return Environment(CACHE / "envs" / name, files, (package,), options, python)


def tool(name: str) -> Environment:
    """An environment of its own for a tool whose dependencies clash with others': lint, importer, docs, changelog."""
    return Environment(CACHE / "envs" / name, (REQUIREMENTS / f"{name}.txt",))


def link_collection() -> None:
    """Makes `.cache/collections`, through which Python and Ansible see the working tree as `stowage.kubernetes`."""
    link = COLLECTIONS / COLLECTION_PATH
    target = os.path.relpath(ROOT, link.parent)
    if link.is_symlink() and os.readlink(link) == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def add_paths(environment: Environment) -> None:
    """Lets the environment's Python import the collection and the packages under `tests/` without PYTHONPATH."""
    for packages in environment.path.glob("lib/python3.*/site-packages"):
        (packages / "stowage.pth").write_text(f"{COLLECTIONS}\n{ROOT / 'tests'}\n", encoding="utf-8")


def ensure_development() -> Environment:
    """Makes all that tests need: `.venv` and the link tree."""
    environment = development()
    environment.ensure()
    link_collection()
    add_paths(environment)
    return environment
