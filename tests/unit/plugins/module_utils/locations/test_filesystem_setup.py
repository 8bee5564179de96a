# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A location's directory: made, kept from others, deleted only while it is empty."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import Plan, Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem import UPLOADS
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location, open_setup
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.setup import Outcome, Setup


def setup_of(path: Path, prefix: str = "") -> Setup:
    return open_setup({"provider": "filesystem", "path": str(path), "prefix": prefix}, {})


def bring(path: Path, wanted: Wanted) -> tuple[Plan, Outcome]:
    setup = setup_of(path)
    plan = setup.plan(wanted)
    return plan, setup.apply(plan)


def code_of(setup: Setup, wanted: Wanted | None = None) -> str:
    with pytest.raises(StowageError) as caught:
        setup.plan_removal() if wanted is None else setup.plan(wanted)
    assert caught.value.hint
    return caught.value.code


def test_a_directory_is_made_only_if_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "backups"
    assert code_of(setup_of(path), Wanted()) == "bucket_not_found"
    assert code_of(setup_of(path / "deep"), Wanted(create_bucket=True)) == "bucket_not_found"
    plan = setup_of(path).plan(Wanted(create_bucket=True))
    assert not path.exists()
    assert not plan.present
    outcome = setup_of(path).apply(plan)
    assert outcome.error is None
    assert outcome.done == list(plan.changes)
    assert path.stat().st_mode & 0o7777 == 0o700
    assert setup_of(path).plan(Wanted(create_bucket=True, block_public_access=True)).changes == ()


def test_others_are_kept_out(tmp_path: Path) -> None:
    path = tmp_path / "backups"
    path.mkdir()
    path.chmod(0o2775)
    plan, outcome = bring(path, Wanted(block_public_access=True))
    assert [(change.before, change.after) for change in plan.changes] == [("2775", "2700")]
    assert outcome.done == list(plan.changes)
    assert path.stat().st_mode & 0o7777 == 0o2700
    assert setup_of(path).plan(Wanted(block_public_access=True)).changes == ()


def test_what_a_directory_does_not_have(tmp_path: Path) -> None:
    wanted = Wanted(versioning=True, tls_only=True, abort_stale_uploads=7, block_public_access=False)
    plan = setup_of(tmp_path).plan(wanted)
    assert {one.option for one in plan.unsupported} == set(wanted.settings())
    assert plan.changes == ()


def test_an_empty_directory_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "backups"
    assert setup_of(path).plan_removal().changes == ()
    location = open_location({"provider": "filesystem", "path": str(path), "prefix": "a/b"}, {})
    location.create("x", b"x")
    setup = setup_of(path, "a/b")
    assert code_of(setup) == "bucket_not_empty"
    location.delete(["x"])
    (path / "a" / "b" / UPLOADS).mkdir(parents=True, exist_ok=True)
    assert [change.after for change in setup.plan_removal().changes] == ["absent"]
    assert (path / "a" / "b" / UPLOADS).is_dir()
    setup.remove()
    assert not path.exists()


@pytest.mark.parametrize("inside", ["x", "a/x", "a/b/x", f"a/b/{UPLOADS}/x", "c/x"])
def test_a_directory_with_anything_in_it_stays(tmp_path: Path, inside: str) -> None:
    path = tmp_path / "backups"
    (path / inside).parent.mkdir(parents=True)
    (path / inside).write_text("x")
    assert code_of(setup_of(path, "a/b")) == "bucket_not_empty"
    assert (path / inside).read_text() == "x"


def test_what_comes_between_the_look_and_the_deletion_stays(tmp_path: Path) -> None:
    path = tmp_path / "backups"
    path.mkdir()
    setup = setup_of(path)
    assert setup.plan_removal().changes
    (path / "x").write_text("x")
    with pytest.raises(StowageError) as caught:
        setup.remove()
    assert caught.value.code == "bucket_not_empty"
    assert (path / "x").read_text() == "x"


def test_links_are_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "link")
    assert code_of(setup_of(tmp_path / "link")) == "unsafe_change"
    (tmp_path / "file").write_text("x")
    assert code_of(setup_of(tmp_path / "file")) == "bucket_not_found"
    assert code_of(setup_of(tmp_path / "file"), Wanted(create_bucket=True)) == "bucket_not_found"
