# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about directories, tried on real ones, and that nothing of it stays."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import disk, filesystem_probe, persistence
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem import UPLOADS
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.probe import probe, sweep
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Access, Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Layer, Report, Verdict

GIB = 1 << 30


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory as it should be."""
    found = tmp_path / "backups"
    found.mkdir(mode=0o700)
    return found


def report(path: Path | str, access: set[Access] | None = None, **more: Any) -> Report:
    aim = Aim(access=frozenset(access)) if access else Aim()
    return probe(open_prober({"provider": "filesystem", "path": str(path), **more}, {}, aim))


def by_id(found: Report) -> dict[str, Check]:
    return {check.id: check for check in found.checks}


def failures(found: Report) -> list[tuple[str, str]]:
    return [(check.id, check.error_code) for check in found.of(Verdict.FAILED)]


def test_a_good_directory(place: Path) -> None:
    found = report(place, prefix="teams/a")
    assert found.fit
    assert failures(found) == []
    assert {one.id for one in found.of(Verdict.UNSUPPORTED)} == {"encryption", "object_lock"}
    assert [entry["action"] for entry in found.permissions()["allowed"]] == ["list", "create", "read", "delete"]
    assert list(place.iterdir()) == [], "not even a folder stays"


def test_folders_that_were_there_stay(place: Path) -> None:
    (place / "teams").mkdir()
    (place / "teams" / "file").write_text("x")
    report(place, prefix="teams/a")
    assert sorted(path.name for path in place.rglob("*")) == ["file", "teams"]
    assert report(place, prefix="teams").fit
    assert sorted(path.name for path in place.rglob("*")) == ["file", "teams"]


def test_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    found = report(tmp_path / "new")
    assert found.fit
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("path", "expected", "stopped_at"),
    [
        ("relative/path", ("address", "invalid_option"), Layer.PARSE),
        ("{tmp}/a/b", ("bucket", "bucket_not_found"), Layer.BUCKET),
        ("{tmp}/file", ("bucket", "bucket_not_found"), Layer.BUCKET),
        ("{tmp}/file/below", ("bucket", "key_exists"), Layer.BUCKET),
    ],
)
def test_paths(tmp_path: Path, path: str, expected: tuple[str, str], stopped_at: Layer) -> None:
    (tmp_path / "file").write_text("")
    found = report(path.replace("{tmp}", str(tmp_path)))
    assert failures(found) == [expected]
    assert found.stopped_at is stopped_at


def test_a_container_that_is_thrown_away(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "in_execution_environment", lambda *_dummy: True)
    monkeypatch.setattr(persistence, "survives", lambda *_dummy: False)
    assert failures(report(place)) == [("persistence", "not_persistent")]


@pytest.mark.parametrize(
    ("mode", "verdict"),
    [(0o700, Verdict.PASSED), (0o750, Verdict.WARNING), (0o701, Verdict.WARNING), (0o1777, Verdict.WARNING)],
)
def test_modes(place: Path, mode: int, verdict: Verdict) -> None:
    place.chmod(mode)
    found = report(place)
    assert by_id(found)["directory_mode"].verdict is verdict
    assert found.fit


def test_the_owner(place: Path) -> None:
    with mock.patch.object(os, "geteuid", return_value=os.geteuid() + 1):
        check = filesystem_probe.owner_check(place.stat())
    assert check.verdict is Verdict.WARNING
    assert filesystem_probe.owner_check(place.stat()).verdict is Verdict.PASSED


def denied(*_args: object, **_kwargs: object) -> Any:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.parametrize(
    ("module", "name", "missing"),
    [
        (disk, "create_file", ["create"]),
        (disk, "open_file", ["read"]),
        (os, "scandir", ["list"]),
        (os, "unlink", ["delete"]),
    ],
)
def test_one_right_at_a_time(
    place: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, missing: list[str]
) -> None:
    monkeypatch.setattr(module, name, denied)
    found = report(place)
    monkeypatch.undo()
    assert [entry["action"] for entry in found.permissions()["missing"]] == missing
    assert {code for _name, code in failures(found)} == {"permission_denied"}
    assert found.stopped_at is Layer.PERMISSION


def test_a_full_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    found = report(place)
    monkeypatch.undo()
    assert failures(found) == [("may_create", "quota")]
    assert list(place.iterdir()) == []


def test_without_links_a_look_comes_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.EPERM, "")

    monkeypatch.setattr(disk, "_link", no_links)
    monkeypatch.setattr(disk, "_rename_no_replace", lambda *_dummy: False)
    found = report(place)
    assert by_id(found)["conditional_create"].verdict is Verdict.WARNING
    assert found.fit
    assert list(place.iterdir()) == []


def test_a_file_system_that_does_not_sync(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_sync(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "")

    monkeypatch.setattr(os, "fsync", no_sync)
    assert by_id(report(place))["durable_writes"].verdict is Verdict.WARNING


def test_only_what_is_needed_is_tried(place: Path) -> None:
    place.chmod(0o500)
    found = report(place, {"list", "read"})
    assert [entry["action"] for entry in found.permissions()["allowed"]] == ["list", "read"]
    assert by_id(found)["conditional_create"].verdict is Verdict.UNKNOWN
    assert found.fit


@pytest.mark.parametrize(
    ("free", "total", "verdict"),
    [
        (0, 100 * GIB, Verdict.FAILED),
        (GIB - 1, 2 * GIB, Verdict.WARNING),
        (4 * GIB, 100 * GIB, Verdict.WARNING),
        (6 * GIB, 100 * GIB, Verdict.PASSED),
        (GIB, 0, Verdict.PASSED),
    ],
)
def test_space(free: int, total: int, verdict: Verdict) -> None:
    assert filesystem_probe.space_check(free, total).verdict is verdict


def test_a_folder_that_is_another_file_system(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem_probe, "_elsewhere", lambda path: f"{path}/clusters")
    assert failures(report(place)) == [("one_filesystem", "invalid_option")]


def test_what_a_killed_probe_left_is_swept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is where unfinished uploads are, under a name such as they have."""

    def killed(*_args: object) -> Any:
        raise KeyboardInterrupt

    aim = Aim("c")
    monkeypatch.setattr(filesystem_probe.FilesystemProber, "_removed", killed)
    monkeypatch.setattr(disk, "prune", lambda *_dummy: None)
    with pytest.raises(KeyboardInterrupt):
        probe(open_prober({"provider": "filesystem", "path": str(place)}, {}, aim))
    monkeypatch.undo()
    left = [path for path in place.rglob("*") if path.is_file()]
    assert left
    assert all(path.relative_to(place).parts[0] == UPLOADS for path in left)
    prober = open_prober({"provider": "filesystem", "path": str(place)}, {}, aim)
    probe(prober)
    assert [check.verdict for check in sweep(prober, aim)] == [Verdict.PASSED]
    assert [path for path in place.rglob("*") if path.is_file()] == left, "they may belong to a probe at work"
    for path in left:
        os.utime(path, (0, 0))
    assert [check.verdict for check in sweep(prober, aim)] == [Verdict.WARNING]
    assert [path for path in place.rglob("*") if path.is_file()] == []


def test_errors_are_ours(place: Path) -> None:
    assert isinstance(filesystem_probe.exclusive_check(StowageError("quota", "m")).seen, str)
    assert filesystem_probe.exclusive_check(StowageError("quota", "m")).error_code == "quota"
