# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs `ansible-test sanity` without anything that was installed by hand, and without Ansible's own file host."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tools import pip_settings, pythons, tree
from tools.environments import Environment
from tools.paths import CACHE, ToolError, run, say

# ansible-test keeps its virtual environments and pip's bootstrap under the home directory: this one is ours.
HOME = CACHE / "ansible-test"

# ansible-test downloads get-pip.py unless it finds a file of this purpose in its cache. The real one unpacks pip from its
# own text; this one takes the pip that comes with Python, and has it install the versions that ansible-test asks for.
GET_PIP = '''\
"""Stands in for get-pip.py: bootstraps pip from the standard library's copy."""
import ensurepip
import os
import runpy
import sys

before = dict(os.environ)
ensurepip.bootstrap(default_pip=True)
os.environ.clear()
os.environ.update(before)  # ensurepip turns pip's configuration off for the whole process
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.argv = ["pip", "install", *wanted, "pip=={version}"]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
'''


def _pip_version(environment: Environment) -> str:
    """The version of pip that this environment's ansible-test asks for, read from its source."""
    sources = sorted(environment.path.glob("lib/python3.*/site-packages/ansible_test/_internal/python_requirements.py"))
    versions = re.findall(r"\bpip='([0-9.]+)'", sources[0].read_text(encoding="utf-8")) if sources else []
    if len(set(versions)) != 1:
        raise ToolError(f"{environment.path}: cannot tell which pip this ansible-test bootstraps with")
    return str(versions[0])


def prepare_home(environment: Environment) -> None:
    """Puts into ansible-test's home directory what pip needs."""
    version = _pip_version(environment)
    path = HOME / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GET_PIP.format(version=version), encoding="utf-8")
    configuration = HOME / ".config" / "pip" / "pip.conf"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.touch(mode=0o600)  # an index may be named with a password
    configuration.write_text(pip_settings.as_file(os.environ), encoding="utf-8")


def _require_shellcheck() -> None:
    """ansible-test only warns when shellcheck is missing, so it is made sure of here."""
    if shutil.which("shellcheck"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("Installing shellcheck with apt-get")
        options = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], env=options, quiet=True)
        run(["apt-get", "install", "-y", "-q", "--no-install-recommends", "shellcheck"], env=options, quiet=True)
    if not shutil.which("shellcheck"):
        raise ToolError("shellcheck is missing. Install your distribution's package: apt-get install shellcheck")


def search_path() -> str:
    """PATH with the directories of real interpreters first and without pyenv's shims."""
    real = [str(python.path.parent) for python in pythons.newest_of_each().values()]
    others = [entry for entry in os.environ["PATH"].split(os.pathsep) if Path(entry).name != "shims"]
    return os.pathsep.join(dict.fromkeys([*real, *others]))


def run_sanity(environment: Environment, arguments: Sequence[str] = ()) -> None:
    """Runs the sanity tests of the environment's ansible-core on a copy of what git tracks."""
    _require_shellcheck()
    prepare_home(environment)
    with tree.copy(f"sanity-{environment.path.name.lstrip('.')}") as copied:
        run(
            [environment.program("ansible-test"), "sanity", "--color", "no", *arguments],
            cwd=copied,
            env={"HOME": str(HOME), "PATH": search_path(), "PYTHONPATH": "", "ANSIBLE_COLLECTIONS_PATH": ""},
        )
