# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the collection as it would be published and runs galaxy-importer on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from tools import tree
from tools.environments import Environment
from tools.paths import CACHE, ROOT, ToolError, run, say

# ansible-test is not run here: `make sanity` does, on the same files.
CONFIG = """\
[galaxy-importer]
LOG_LEVEL_MAIN = INFO
RUN_ANSIBLE_LINT = True
RUN_ANSIBLE_TEST = False
ANSIBLE_LOCAL_TMP = {work}/tmp
OFFLINE_ANSIBLE_LINT = True
CHECK_REQUIRED_TAGS = True
"""

# Nothing outside these belongs into what users download.
PUBLISHED = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "COPYING",
    "FILES.json",
    "MANIFEST.json",
    "README.md",
    "bindep.txt",
    "changelogs",
    "docs",
    "extensions",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "roles",
)


def build(environment: Environment, directory: Path | None = None) -> Path:
    """Builds the tarball from what git tracks; returns its path in the directory, which is made anew, `dist/` if not said."""
    dist = directory or ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    with tree.copy("build") as copied:
        run(
            [environment.program("ansible-galaxy"), "collection", "build", "--output-path", dist],
            cwd=copied,
            quiet=True,
        )
    (built,) = dist.glob("stowage-kubernetes-*.tar.gz")
    with tarfile.open(built) as archive:
        names = archive.getnames()
    strangers = sorted({name.split("/")[0] for name in names} - set(PUBLISHED))
    if strangers:
        raise ToolError(
            f"{built.name} holds what does not belong there: {', '.join(strangers)} (see build_ignore in galaxy.yml)"
        )
    say(f"Built {os.path.relpath(built, ROOT)}: {len(names)} entries, {built.stat().st_size:,} bytes")
    return built


def _complains(line: str) -> bool:
    """Whether a line of galaxy-importer's tells of something wrong.

    It has ansible-lint look for collections one folder too low, where it misses our own playbooks, which those of patterns import.
    """
    missed = re.fullmatch(r"WARNING: ERROR    Failed to find stowage\.kubernetes\.(\w+) playbook\.", line)
    if missed and (ROOT / "playbooks" / f"{missed[1]}.yml").is_file():
        return False
    return line.startswith(("WARNING", "ERROR", "CRITICAL"))


def run_importer(builder: Environment, importer: Environment) -> None:
    """Runs galaxy-importer on the built tarball; every warning and error fails."""
    built = build(builder)
    work = CACHE / "importer"
    shutil.rmtree(work, ignore_errors=True)
    (work / "tmp").mkdir(parents=True)
    configuration = work / "galaxy-importer.cfg"
    configuration.write_text(CONFIG.format(work=work), encoding="utf-8")
    done = subprocess.run(
        [importer.program("python"), "-m", "galaxy_importer.main", built],
        cwd=work,
        env={
            **os.environ,
            "GALAXY_IMPORTER_CONFIG": str(configuration),
            "HOME": str(work),
            "PATH": f"{importer.path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stdout.splitlines() if _complains(line)]
    if done.returncode or complaints:
        say(done.stdout)
        raise ToolError(f"galaxy-importer: exit status {done.returncode}, {len(complaints)} warnings or errors")
    result = work / "importer_result.json"
    contents = json.loads(result.read_text(encoding="utf-8"))["contents"] if result.is_file() else []
    say(f"galaxy-importer: no warnings, {len(contents)} modules, plugins, roles and playbooks")
