# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that keeps a key that was made."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import key_file


def test_it_is_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    assert key_file.read_keys(str(path)) is None
    old = os.umask(0)
    try:
        key_file.write_keys(str(path), "a", "canary")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        key_file.write_keys(str(path), "b", "other")
    finally:
        os.umask(old)
    assert key_file.read_keys(str(path)) == ("b", "other")
    assert os.listdir(tmp_path) == ["keys.json"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"access_key": "a"}', "not json", "\x00" * 100])
def test_something_else_is_not_taken_for_keys(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content, encoding="ascii")
    with pytest.raises(StowageError) as caught:
        key_file.read_keys(str(path))
    assert caught.value.code == "invalid_option"
    assert path.read_text(encoding="ascii") == content


def test_where_it_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(StowageError) as caught:
        key_file.write_keys(str(tmp_path / "nowhere" / "keys.json"), "a", "canary")
    assert "canary" not in str(caught.value.as_result())
    with pytest.raises(StowageError):
        key_file.check_writable(str(tmp_path / "nowhere" / "keys.json"))
    with pytest.raises(StowageError):
        key_file.read_keys(str(tmp_path))
    key_file.check_writable(str(tmp_path / "keys.json"))
