# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import dataclasses
import functools
import gzip
import hashlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import codec
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import Limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support.memory_location import MemoryReader

SMALL = Limits(total_bytes=1 << 20, ratio=20, ratio_floor=64 << 10)


def read_all(data: bytes, *, step: int = 100, take: int = 1000, limits: Limits = SMALL) -> bytes:
    reader = codec.GzipReader(MemoryReader(data, step), "file", limits)
    parts = []
    while part := reader.take(take):
        parts.append(part)
    assert reader.bytes_in == len(data)
    assert reader.sha256 == hashlib.sha256(data).hexdigest()
    return b"".join(parts)


def outcome(read: t.Callable[[], bytes]) -> bytes | str:
    """What was read, or the code of the error."""
    try:
        return read()
    except StowageError as error:
        return error.code


@pytest.fixture(params=["isal", "zlib"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[str]:
    """Both implementations; zlib as if isal were not installed."""
    if request.param == "zlib":
        monkeypatch.setitem(__import__("sys").modules, "isal", None)
    codec._engine.cache_clear()
    yield request.param
    codec._engine.cache_clear()


def test_both_engines_make_what_gzip_reads(engine: str) -> None:
    content = b"abc" * 10_000
    member = codec.compress(content)
    assert gzip.decompress(member) == content
    assert codec.decompress(member, limit=len(content), key="file") == content
    assert read_all(member + member) == content * 2
    with pytest.raises(StowageError, match="file is damaged"):
        codec.decompress(member[:-1], limit=len(content), key="file")
    with pytest.raises(StowageError, match="corrupt"):
        read_all(member[:-5] + bytes([member[-5] ^ 1]) + member[-4:])


@given(st.lists(st.binary(max_size=5000), min_size=1, max_size=6), st.integers(1, 300), st.integers(1, 9000))
def test_members_are_one_stream(parts: list[bytes], step: int, take: int) -> None:
    data = b"".join(codec.compress(part) for part in parts)
    assert gzip.decompress(data) == b"".join(parts)
    assert read_all(data, step=step, take=take) == b"".join(parts)


def test_zeros_behind_the_end_are_padding() -> None:
    assert read_all(codec.compress(b"abc") + bytes(700)) == b"abc"


@given(st.binary(min_size=1, max_size=3000), st.data())
def test_a_changed_or_shortened_member_is_found(content: bytes, data: st.DataObject) -> None:
    member = codec.compress(content)
    at = data.draw(st.integers(0, len(member) - 1))
    shorter = member[:at]
    flipped = bytearray(member)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    for damage in (shorter, bytes(flipped)):
        # Some bits of a member's header mean nothing.
        sound = (content, "backup_damaged", "archive_hostile")
        assert outcome(functools.partial(read_all, damage)) in sound
        assert outcome(functools.partial(codec.decompress, damage, limit=SMALL.total_bytes, key="file")) in sound


@pytest.mark.parametrize("data", [b"", b"no gzip at all", codec.compress(b"abc") + b"x"])
def test_what_is_no_gzip_is_damaged(data: bytes) -> None:
    with pytest.raises(StowageError) as caught:
        read_all(data)
    assert caught.value.code == "backup_damaged"
    assert caught.value.details == {"file": "file"}


def test_a_bomb_is_found_soon() -> None:
    bomb = codec.compress(bytes(100 << 20))
    reader = codec.GzipReader(
        MemoryReader(bomb, 1 << 20), "file", dataclasses.replace(SMALL, total_bytes=1 << 40, ratio_floor=4 << 20)
    )
    with pytest.raises(StowageError) as caught:
        collections.deque(iter(functools.partial(reader.take, 1 << 20), b""), maxlen=0)
    assert caught.value.code == "archive_hostile"
    assert reader.bytes_out < 8 << 20


def test_a_floor_lets_small_files_compress_well() -> None:
    assert read_all(codec.compress(bytes(64 << 10))) == bytes(64 << 10)


def test_all_of_a_file_is_bounded() -> None:
    part = codec.compress(b"".join(bytes([n % 251]) * 7 for n in range(8000)))
    with pytest.raises(StowageError) as caught:
        read_all(part * 40)
    assert caught.value.code == "archive_hostile"


def test_a_member_is_bounded() -> None:
    member = codec.compress(b"abcdef")
    assert codec.decompress(member, limit=6, key="file") == b"abcdef"
    with pytest.raises(StowageError) as caught:
        codec.decompress(member, limit=5, key="file")
    assert caught.value.code == "archive_hostile"
    with pytest.raises(StowageError) as caught:
        codec.decompress(member + member, limit=100, key="file")
    assert caught.value.code == "backup_damaged"
