# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a directory has of its own: modes, links, full disks, and file systems that can do less."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import disk
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem import (
    FilesystemLocation,
    open_filesystem,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory that is not there yet."""
    return tmp_path / "backups"


@pytest.fixture
def location(root: Path) -> FilesystemLocation:
    """A location in it, with a prefix."""
    return open_filesystem({"path": str(root), "prefix": "fleet"}, {})


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    return caught.value.code


def every_action(location: FilesystemLocation, key: str) -> list[Callable[[], object]]:
    """All that one can do with a key."""
    return [
        lambda: location.create(key, b"evil"),
        lambda: location.read(key, limit=100),
        lambda: location.read_range(key, 0, 1),
        lambda: location.open(key),
        lambda: location.stat(key),
    ]


def test_files_are_private_whatever_the_umask_says(root: Path, location: FilesystemLocation) -> None:
    before = os.umask(0)
    try:
        location.create("clusters/c/a", b"x")
        writer = location.writer("clusters/c/b")
        writer.write(b"x")
        pending = next(path for path in root.rglob("*") if path.is_file() and ".stowage-uploads" in path.parts)
        assert stat.S_IMODE(pending.stat().st_mode) == 0o600
        writer.commit()
    finally:
        os.umask(before)
    for path in (root, *root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert not (root / "fleet" / ".stowage-uploads").exists()


def test_nothing_is_made_before_the_first_write(root: Path, location: FilesystemLocation) -> None:
    assert list(location.list("")) == []
    assert location.stat("a") is None
    assert code_of(lambda: location.read("a", limit=1)) == "key_not_found"
    assert list(location.uploads("")) == []
    assert list(location.delete(["a"])) == []
    assert not root.exists()


def test_the_directory_is_made_if_its_parent_is_there(tmp_path: Path) -> None:
    assert code_of(lambda: list(open_filesystem({"path": str(tmp_path / "a/b")}, {}).list(""))) == "bucket_not_found"
    assert code_of(lambda: open_filesystem({"path": str(tmp_path / "a/b")}, {}).create("x", b"")) == "bucket_not_found"
    open_filesystem({"path": str(tmp_path / "a")}, {}).create("x", b"")
    assert (tmp_path / "a/x").exists()


@pytest.mark.parametrize("path", ["", "relative", "./x", "a\0b"])
def test_paths_that_are_not_absolute(path: str) -> None:
    assert code_of(lambda: open_filesystem({"path": path}, {})) == "invalid_option"


def test_the_path_itself_may_lead_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    open_filesystem({"path": str(tmp_path / "link")}, {}).create("a", b"x")
    assert (tmp_path / "real/a").read_bytes() == b"x"


@pytest.mark.parametrize("where", ["fleet", "fleet/clusters", "fleet/clusters/c", "fleet/clusters/c/a"])
def test_links_below_it_are_not_followed(root: Path, tmp_path: Path, location: FilesystemLocation, where: str) -> None:
    outside = tmp_path / "outside"
    (outside / "clusters/c").mkdir(parents=True)
    (outside / "clusters/c/a").write_bytes(b"private")
    link = root / where
    link.parent.mkdir(parents=True)
    target = outside / Path(*Path(where).parts[1:])
    link.symlink_to(target)
    codes = [code_of(action) for action in every_action(location, "clusters/c/a")]
    assert set(codes) <= {"archive_hostile", "key_exists"}
    assert codes[1] == "archive_hostile"
    assert not any("private" in str(info) for info in list_or_nothing(location))
    assert [failure.code for failure in location.delete(["clusters/c/a"])] == ["archive_hostile"]
    assert (outside / "clusters/c/a").read_bytes() == b"private"
    assert sorted(path.name for path in outside.rglob("*")) == ["a", "c", "clusters"]


def list_or_nothing(location: FilesystemLocation) -> list[str]:
    """The keys that a listing gives; none if it fails."""
    keys: list[str] = []
    with contextlib.suppress(StowageError):
        keys += [info.key for info in location.list("")]
    return keys


def test_a_link_in_place_of_the_uploads_is_not_followed(
    root: Path, tmp_path: Path, location: FilesystemLocation
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "fleet").mkdir(parents=True)
    (root / "fleet/.stowage-uploads").symlink_to(outside)
    assert code_of(lambda: location.create("a", b"x")) == "archive_hostile"
    assert list(outside.iterdir()) == []


def test_a_pipe_is_no_object_and_blocks_nobody(root: Path, location: FilesystemLocation) -> None:
    (root / "fleet").mkdir(parents=True)
    os.mkfifo(root / "fleet/pipe")
    assert code_of(lambda: location.read("pipe", limit=1)) == "key_not_found"
    assert location.stat("pipe") is None
    assert list(location.list("")) == []
    assert code_of(lambda: location.create("pipe", b"")) == "key_exists"


def test_names_that_are_no_utf8_are_left_out(root: Path, location: FilesystemLocation) -> None:
    location.create("a", b"")
    (Path(os.fsdecode(os.fsencode(root / "fleet") + b"/\xff\xfe"))).write_bytes(b"")
    assert [info.key for info in location.list("")] == ["a"]


def test_the_folder_of_uploads_is_no_place_for_keys(location: FilesystemLocation) -> None:
    assert code_of(lambda: location.create(".stowage-uploads/a", b"")) == "invalid_name"
    location.create("x/.stowage-uploads/a", b"")
    assert [info.key for info in location.list("")] == ["x/.stowage-uploads/a"]


def test_unfinished_uploads_are_in_no_listing(location: FilesystemLocation) -> None:
    with location.writer("a/b") as writer:
        writer.write(b"x")
        assert list(location.list("")) == []
        assert list(location.list_folders("")) == []
        assert [upload.key for upload in location.uploads("a/")] == ["a/b"]
        assert list(location.uploads("b")) == []


def test_a_file_where_a_folder_is_needed(location: FilesystemLocation) -> None:
    location.create("a", b"")
    assert code_of(lambda: location.create("a/b", b"")) == "key_exists"
    assert location.stat("a/b") is None
    assert list(location.list("a/")) == []


def test_folders_that_others_empty_meanwhile(location: FilesystemLocation) -> None:
    """Writers and deleters of one folder: nobody fails, nothing is lost."""
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for _dummy in range(40):
                location.create(f"deep/er/{name}", b"x")
                assert location.read(f"deep/er/{name}", limit=1) == b"x"
                assert list(location.delete([f"deep/er/{name}"])) == []
        except BaseException as error:  # noqa: BLE001 - it is reported by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(location.list("")) == []


FULL = """
import resource, sys
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem import open_filesystem
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
location = open_filesystem({"path": sys.argv[1]}, {})
try:
    with location.writer("big") as writer:
        for _ in range(4):
            writer.write(bytes(1 << 19))
        writer.commit()
except StowageError as error:
    print(error.code)
print([info.key for info in location.list("")], list(location.uploads("")))
"""


def test_a_full_disk_leaves_nothing(root: Path) -> None:
    """A limit on the size of files stands for the disk: the system's answers differ in the number only (see below)."""
    done = subprocess.run([sys.executable, "-c", FULL, str(root)], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["quota", "[] []"]
    assert [path for path in root.rglob("*") if path.is_file()] == []


DENIED = """
import os, sys
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem import open_filesystem
location = open_filesystem({"path": sys.argv[1]}, {})
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for action in (lambda: location.create("b", b""), lambda: location.read("a", limit=1), lambda: list(location.list(""))):
    try:
        print(action())
    except StowageError as error:
        print(error.code)
print([failure.code for failure in location.delete(["a"])])
"""


def test_a_directory_that_may_not_be_entered(root: Path) -> None:
    open_filesystem({"path": str(root)}, {}).create("a", b"x")
    root.chmod(0)
    try:
        done = subprocess.run([sys.executable, "-c", DENIED, str(root)], capture_output=True, text=True, check=True)
    finally:
        root.chmod(0o700)
    assert done.stdout.split() == ["permission_denied"] * 3 + ["['permission_denied']"]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "quota"),
        (errno.EDQUOT, "quota"),
        (errno.EFBIG, "quota"),
        (errno.EACCES, "permission_denied"),
        (errno.EROFS, "permission_denied"),
        (errno.ENAMETOOLONG, "invalid_name"),
        (errno.EIO, "store_error"),
    ],
)
def test_what_the_system_says(number: int, code: str) -> None:
    error = disk.translate(OSError(number, "canary", "canary"), "Writing /x/y")
    assert error.code == code
    assert error.message.startswith("Writing /x/y: ")
    assert "canary" not in str(error.as_result())


def test_a_disk_that_fills_up_at_the_end(location: FilesystemLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems tell only at fsync."""

    def full(_dummy: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    with location.writer("a") as writer:
        writer.write(b"x")
        monkeypatch.setattr(os, "fsync", full)
        assert code_of(writer.commit) == "quota"
        monkeypatch.undo()
    assert list(location.list("")) == []
    assert list(location.uploads("")) == []


def no_links(*_dummy: object, **__: object) -> None:
    """link(2) of a file system without hard links."""
    raise OSError(errno.EPERM, "no links")


def test_without_hard_links(location: FilesystemLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_links)
    location.create("a", b"first")
    assert code_of(lambda: location.create("a", b"second")) == "key_exists"
    assert location.read("a", limit=10) == b"first"
    assert location.capabilities.conditional_create
    assert list(location.uploads("")) == []


def test_without_hard_links_and_renameat2(location: FilesystemLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(disk, "_rename_no_replace", lambda *_dummy: False)
    location.create("a", b"first")
    assert not location.capabilities.conditional_create
    assert code_of(lambda: location.create("a", b"second")) == "key_exists"
    assert location.read("a", limit=10) == b"first"
    assert list(location.uploads("")) == []


def test_a_link_that_was_made_although_it_says_no(
    location: FilesystemLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system that lost the answer and repeated the request."""
    link = os.link

    def twice(*arguments: str, **options: int) -> None:
        link(*arguments, **options)  # type: ignore[arg-type]  # passed on as they came
        link(*arguments, **options)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(os, "link", twice)
    location.create("a", b"x")
    assert location.read("a", limit=1) == b"x"


def test_a_file_that_shrinks_while_it_is_read(root: Path, location: FilesystemLocation) -> None:
    location.create("a", bytes(1000))
    stream = location.open("a", 10)
    os.truncate(root / "fleet/a", 500)
    assert code_of(lambda: stream.read(990)) == "backup_damaged"
    stream.close()
