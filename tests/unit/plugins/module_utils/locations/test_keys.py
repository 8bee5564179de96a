# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, prefixes, and what of them may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import (
    check_key,
    normal_prefix,
    printable,
)

GOOD = ["a", "a/b.json", "clusters/c-1/backups/b/b.tar.gz", "ü/日本", "...", "a b", ".hidden/x", "x" * 1024]
BAD = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "./a",
    "a/.",
    "a\0",
    "a\x7f",
    "a\n",
    "a\\b",
    "x" * 1025,
    "\ud800",
]


@pytest.mark.parametrize("key", GOOD)
def test_plain_paths_are_keys(key: str) -> None:
    assert check_key(key) == key
    assert normal_prefix(f"/{key}/") == key + "/"


@pytest.mark.parametrize("key", BAD)
def test_other_texts_are_not(key: str) -> None:
    with pytest.raises(StowageError) as caught:
        check_key(key)
    assert caught.value.code == "invalid_name"


@pytest.mark.parametrize("prefix", ["a/../b", "a//b", "a\nb", "x" * 1025])
def test_prefixes_are_plain_paths_too(prefix: str) -> None:
    with pytest.raises(StowageError) as caught:
        normal_prefix(prefix)
    assert caught.value.code == "invalid_option"


@pytest.mark.parametrize("prefix", [None, "", "/", "///"])
def test_no_prefix(prefix: str | None) -> None:
    assert normal_prefix(prefix) == ""


@given(st.text(max_size=40))
def test_an_accepted_key_stays_below_its_folder(key: str) -> None:
    try:
        check_key(key)
    except StowageError:
        return
    parts = key.split("/")
    assert parts
    assert all(part not in {"", ".", ".."} for part in parts)
    key.encode()


@given(st.text(max_size=500), st.integers(1, 300))
def test_what_is_shown_is_one_printable_line(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert all(char.isprintable() for char in shown)
