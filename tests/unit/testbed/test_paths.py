# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private directories, their sweeping, and ports."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from testbed import paths, ports
from testbed.errors import TestbedError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def make_old(path: Path) -> None:
    os.utime(path, (0, 0))


def test_private_files_are_private_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old", encoding="utf-8")
    file.chmod(0o644)
    paths.write_private(file, "new")
    assert file.read_text(encoding="utf-8") == "new"
    assert mode(file) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_directory_is_private_and_goes(tmp_path: Path) -> None:
    directory = paths.PrivateDirectory(tmp_path / "bed")
    assert mode(directory.path) == 0o700
    directory.remove()
    assert not directory.path.exists()


def test_sweep_removes_only_what_is_abandoned(tmp_path: Path) -> None:
    owned = paths.PrivateDirectory(tmp_path / f"{paths.PREFIX}owned")
    young, abandoned, other = (tmp_path / name for name in (f"{paths.PREFIX}young", f"{paths.PREFIX}old", "old"))
    for path in (young, abandoned, other):
        path.mkdir()
    for path in (owned.path, abandoned, other):
        make_old(path)
    assert paths.sweep(tmp_path) == [abandoned]
    assert sorted(tmp_path.iterdir()) == sorted([owned.path, young, other])
    owned.remove()


@pytest.mark.parametrize(
    ("own", "general", "wanted"),
    [("here", "general", "here"), ("", "general", "general/stowage-testbed"), ("", "", "home/.cache/stowage-testbed")],
)
def test_cache_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, general: str, wanted: str
) -> None:
    monkeypatch.setenv("STOWAGE_TESTBED_CACHE", str(tmp_path / own) if own else "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / general) if general else "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert paths.cache() == tmp_path / wanted
    assert paths.cache().is_dir()


def test_ports_are_free_and_reserved() -> None:
    taken = ports.take(5)
    assert len(set(taken)) == 5
    for port in taken:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
        assert not ports._reserve(port)
    ports.give_back(taken)
    assert ports._reserve(taken[0])
    ports.give_back(taken)


def test_a_port_in_use_is_not_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert not ports._reserve(other.getsockname()[1])


def test_running_out_of_ports_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = ports.take()
    monkeypatch.setattr(ports, "FIRST", one)
    monkeypatch.setattr(ports, "LAST", one)
    with pytest.raises(TestbedError, match="no 1 free ports"):
        ports.take()
    ports.give_back([one])
