# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs ansible-playbook, by itself or under ansible-runner, with a home and a temporary directory of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import typing as t
import uuid
from pathlib import Path

from ansible_collections.stowage.kubernetes.plugins.module_utils import _progress

COLLECTIONS: t.Final = Path(_progress.__file__).parents[5]
_MARK: t.Final = "STOWAGE_TEST_RUN"
_RUNNER: t.Final = """
import json, sys, ansible_runner
print(ansible_runner.run(**json.load(sys.stdin)).rc, file=sys.stderr)
"""


@dataclasses.dataclass(frozen=True)
class Plays:
    """Where plays run. What they write lies below ``path``, apart from the inventory, which is the user's.

    :param path: an empty directory.
    :param inventory: hosts and variables, as in a YAML inventory's group ``all``.
    """

    path: Path
    inventory: Path
    mark: str

    @classmethod
    def make(cls, path: Path, **inventory: t.Any) -> Plays:
        """In an empty directory."""
        made = cls(path / "run", path / "inventory.yml", uuid.uuid4().hex)
        for part in ("home", "tmp", "runner"):
            (made.path / part).mkdir(parents=True, mode=0o700)
        (made.path / "ansible.cfg").write_text("[defaults]\n", encoding="ascii")
        made.inventory.write_text(json.dumps({"all": inventory}), encoding="utf-8")
        made.short.symlink_to(made.path / "tmp")
        return made

    @property
    def short(self) -> Path:
        """The temporary directory by a name that leaves room for Ansible's sockets in it, whose paths are at most 107 bytes."""
        return Path(tempfile.gettempdir()) / f"plays-{self.mark[:12]}"

    @property
    def environment(self) -> dict[str, str]:
        """What plays see. Nothing names a cluster or holds a credential."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("K8S_AUTH_", "ANSIBLE_", "AWS_"))
        }
        return kept | {
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CONFIG": str(self.path / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.path / "home" / ".ansible"),
            "ANSIBLE_INJECT_INVOCATION": "1",  # as before ansible-core 2.21: results hold the arguments
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(self.path / "home"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(self.short),
            _MARK: self.mark,
        }

    def start(self, playbook: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Begin a play in a session of its own, its output in a pipe."""
        return subprocess.Popen(
            [sys.executable, "-m", "ansible", "playbook", playbook, "-i", str(self.inventory), *arguments],
            cwd=self.path,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, playbook: str, *arguments: str) -> tuple[int, str]:
        """Run a play; its exit code and output."""
        with self.start(playbook, *arguments) as play:
            output, _errors = play.communicate()
            return play.returncode, output

    def run_by_runner(self, ident: str, playbook: str, *arguments: str) -> tuple[int, str]:
        """Run a play as AWX does; its exit code and output. Events are kept below ``path``."""
        settings = {
            "private_data_dir": str(self.path / "runner"),
            "ident": ident,
            "playbook": playbook,
            "inventory": str(self.inventory),
            "cmdline": " ".join(arguments),
        }
        done = subprocess.run(
            [sys.executable, "-c", _RUNNER],
            input=json.dumps(settings),
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stderr.split()[-1]), done.stdout

    def processes(self) -> list[int]:
        """All processes of these plays that are alive: ansible-playbook, its workers, modules."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                variables = (process / "environ").read_bytes().split(b"\0")
                if f"{_MARK}={self.mark}".encode() in variables:
                    found.append(int(process.name))
        return found

    def end(self) -> None:
        """End whatever is still alive, for tests that failed."""
        self.short.unlink(missing_ok=True)
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
