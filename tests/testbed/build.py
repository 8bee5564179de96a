# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the servers from the Go modules in `go/` and installs those in `node/`, once for each content of what makes them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from testbed import paths, toolchain
from testbed.errors import TestbedError

KUBERNETES_VERSION = "v1.35.4"
VELERO_VERSION = "v1.18.2"

_COMPONENT = "k8s.io/component-base/version"
_BUILDINFO = "github.com/vmware-tanzu/velero/pkg/buildinfo"

# Words in Go's output after which trying again makes sense.
NETWORK_TROUBLE = ("dial tcp", "i/o timeout", "connection reset", "TLS handshake", "unexpected EOF", "502 ", "503 ")
ATTEMPTS = 3
SHOW_SECONDS = 5.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Server:
    """One program: the module folder in `go/`, the package in it to build, linker flags, and its usual cold build time."""

    name: str
    package: str
    minutes: int
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def module(self) -> Path:
        """The folder of its Go module."""
        return paths.GO_MODULES / self.name

    @property
    def ldflags(self) -> str:
        """The linker's flags: no debug tables, and the version that the program is to say."""
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables)])

    def sources(self) -> list[Path]:
        """The files that decide what is built."""
        return sorted(
            path for path in self.module.iterdir() if path.name in ("go.mod", "go.sum") or path.suffix == ".go"
        )

    def digest(self, go_release: str) -> str:
        """A hash of all that decides what is built."""
        parts = [self.name, self.package, self.ldflags, go_release]
        parts += [f"{path.name}\0{path.read_text(encoding='utf-8')}" for path in self.sources()]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


SERVERS = {
    server.name: server
    for server in (
        Server(
            "kubernetes",
            ".",
            5,
            (
                (f"{_COMPONENT}.gitVersion", KUBERNETES_VERSION),
                (f"{_COMPONENT}.gitMajor", "1"),
                (f"{_COMPONENT}.gitMinor", "35"),
                (f"{_COMPONENT}.gitTreeState", "clean"),
            ),
        ),
        Server("minio", "github.com/minio/minio", 3),
        Server(
            "velero",
            "github.com/vmware-tanzu/velero/cmd/velero",
            5,
            (
                (f"{_BUILDINFO}.Version", VELERO_VERSION),
                # Velero leaves this listener at port 8080 of all addresses, where a second server finds it taken.
                ("sigs.k8s.io/controller-runtime/pkg/metrics/server.DefaultBindAddress", "0"),
            ),
        ),
        Server("velero-plugin-for-aws", "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws", 2),
    )
}


def say_on_stderr(text: str) -> None:
    """Prints one line of progress at once."""
    print(f"testbed: {text}", file=sys.stderr, flush=True)


def binary(name: str, say: Say = say_on_stderr) -> Path:
    """The path of a server's program; builds it when its cache has no build of just this content."""
    server = SERVERS[name]
    go = toolchain.go()
    home = paths.cache() / f"{name}-{server.digest(toolchain.go_release(go))}"
    program = home / name
    if program.exists():
        return program
    with paths.locked(home.with_name(home.name + ".lock")):
        if not program.exists():
            _build(server, go, home, say)
    return program


def build(names: Iterable[str] = (), say: Say = say_on_stderr) -> dict[str, Path]:
    """Builds or installs these servers (all, if none is named) ahead of use; returns their paths."""
    others: dict[str, Callable[[], Path]] = {
        "seaweedfs": toolchain.seaweedfs,
        "azurite": lambda: azurite(say),
        "chromium": lambda: toolchain.chromium()[1],
    }
    wanted = list(names) or [*SERVERS, *others]
    unknown = sorted(set(wanted) - {*SERVERS, *others})
    if unknown:
        raise TestbedError(f"no such server: {', '.join(unknown)}; there are {', '.join([*SERVERS, *others])}")
    return {name: others[name]() if name in others else binary(name, say) for name in wanted}


def azurite(say: Say = say_on_stderr) -> Path:
    """The script of Azurite's Blob service; installs it from the npm registry, with all that `package-lock.json` pins, when its
    cache has no installation of just this content."""
    source = paths.NODE_PACKAGES / "azurite"
    files = [source / "package.json", source / "package-lock.json"]
    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]
    home = paths.cache() / f"azurite-{digest}"
    script = home / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    with paths.locked(home.with_name(home.name + ".lock")):
        if not script.exists():
            _npm_install(files, home, say)
    return script


def _npm_install(files: Iterable[Path], home: Path, say: Say) -> None:
    """Installs into a directory beside `home` and renames that into place."""
    say("installing azurite")
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as temporary:
        staged = Path(temporary) / "installed"
        staged.mkdir()
        for file in files:
            shutil.copy(file, staged)
        # Its packages are JavaScript: no script of theirs has to run here.
        command = [*toolchain.npm(toolchain.node()), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        for attempt in range(1, ATTEMPTS + 1):
            done = subprocess.run(command, cwd=staged, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
            if attempt == ATTEMPTS:
                raise TestbedError(f"installing azurite failed with {done.returncode}:\n{done.stderr[-4000:]}")
            say("installing azurite: it failed, trying again")
        shutil.rmtree(home, ignore_errors=True)
        staged.rename(home)


def _build(server: Server, go: Path, home: Path, say: Say) -> None:
    """Builds into a directory beside `home` and renames that into place."""
    started = time.monotonic()
    say(f"building {server.name}, about {server.minutes} minutes the first time")
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as temporary:
        staged = Path(temporary) / "built"
        staged.mkdir()
        log = home.with_name(home.name + ".log")
        for attempt in range(1, ATTEMPTS + 1):
            status = _run(server, go, staged / server.name, log, say)
            text = log.read_text(encoding="utf-8", errors="replace")
            if status == 0:
                break
            if attempt == ATTEMPTS or not any(word in text for word in NETWORK_TROUBLE):
                tail = "\n".join(text.splitlines()[-20:])
                raise TestbedError(f"building {server.name} failed with {status}; the log is {log}:\n{tail}")
            say(f"building {server.name}: the network failed, trying again")
        staged.rename(home)
    say(f"built {server.name} in {time.monotonic() - started:.0f} s")


def _run(server: Server, go: Path, output: Path, log: Path, say: Say) -> int:
    """Runs `go build`, saying now and then how far it is; returns its exit status."""
    command: list[str | Path] = [
        go,
        "build",
        "-v",
        "-trimpath",
        "-ldflags",
        server.ldflags,
        "-o",
        output,
        server.package,
    ]
    started = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=server.module,
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            env=toolchain.go_environment(),
        )
        try:
            while True:
                try:
                    return process.wait(SHOW_SECONDS)
                except subprocess.TimeoutExpired:
                    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
                    compiled = sum(1 for line in lines if not line.startswith("go: "))
                    say(f"building {server.name}: {time.monotonic() - started:.0f} s, {compiled} packages compiled")
        finally:
            process.kill()
            process.wait()
