# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lasting bed says of itself when its owner is there, is gone, or was never there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed import daemon, paths
from testbed.errors import TestbedError


def test_nothing_runs_where_nothing_was(tmp_path: Path) -> None:
    home = daemon.Home(tmp_path / "bed")
    assert not home.running()
    assert home.state() is None
    assert not daemon.down(home)


def test_state_counts_only_while_its_owner_lives(tmp_path: Path) -> None:
    home = daemon.Home(tmp_path)
    owner = paths.PrivateDirectory(home.work)
    assert home.running()
    assert home.state() is None  # it still starts
    paths.write_private(home.state_file, json.dumps({"pid": 1}))
    assert home.state() == {"pid": 1}
    owner._lock.close()  # what the kernel does when the owner dies
    assert not home.running()
    assert home.state() is None
    assert not daemon.down(home)
    assert not home.work.exists()
    assert not home.state_file.exists()


@pytest.mark.parametrize(
    ("wanted", "enough"),
    [
        (daemon.Wanted(1), True),
        (daemon.Wanted(2, minio=True), True),
        (daemon.Wanted(3), False),
        (daemon.Wanted(1, seaweedfs=True), False),
    ],
)
def test_up_twice_shows_what_runs_unless_more_is_wanted(tmp_path: Path, wanted: daemon.Wanted, enough: bool) -> None:
    home = daemon.Home(tmp_path)
    owner = paths.PrivateDirectory(home.work)
    state = {"pid": 1, "wanted": {"clusters": 2, "minio": True, "seaweedfs": False}}
    paths.write_private(home.state_file, json.dumps(state))
    if enough:
        assert daemon.up(home, wanted, lambda _dummy: None) == state
    else:
        with pytest.raises(TestbedError, match="fewer servers"):
            daemon.up(home, wanted, lambda _dummy: None)
    owner.remove()
