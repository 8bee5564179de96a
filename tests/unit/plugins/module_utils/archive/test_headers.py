# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import tarfile

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import headers

PARTS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.:", min_size=1, max_size=90)


def expected(path: str, size: int, mtime: int) -> bytes:
    """The standard library's header: ustar where it has room, else PAX."""
    info = tarfile.TarInfo(path)
    info.size, info.mtime, info.mode = size, mtime, 0o755
    try:
        return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except (ValueError, UnicodeEncodeError):
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8")


@given(
    st.lists(PARTS, min_size=1, max_size=5),
    st.lists(st.tuples(PARTS, st.integers(0, 8**11 - 1)), min_size=1, max_size=5),
    st.integers(0, 2**33 - 1),
)
def test_headers_are_those_of_the_standard_library(
    directory: list[str], files: list[tuple[str, int]], mtime: int
) -> None:
    path = "/".join(directory)
    factory = headers.Directory(path, mtime)
    for name, size in files:
        file, field = name.encode(), headers.size_field(size)
        weight = sum(file) + sum(field)
        assert factory.header(file, field, weight) == expected(f"{path}/{name}", size, mtime)


@given(st.text(min_size=1, max_size=300).filter(lambda text: "\0" not in text and text.isprintable()))
def test_any_header_is_that_of_the_standard_library(path: str) -> None:
    assert headers.any_header(path, 5, 7) == expected(path, 5, 7)


def test_padding_fills_a_block() -> None:
    for size in range(1100):
        assert (size + len(headers.padding(size))) % 512 == 0
        assert len(headers.padding(size)) < 512
