# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import index
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import Limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support.archives import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES

LIMITS: t.Final = Limits(directory_bytes=10_000, block_bytes=10_000, member_bytes=1000)
LINES: t.Final[list[index.Line]] = [
    ("a", "uid", (), "0" * 64, 0, 512, 10),
    ('b\n"é', "", ("one", "two"), "1" * 64, 3, 0, 0),
]
HEAD: t.Final[dict[str, t.Any]] = {
    "format": "stowage-index/1",
    "kinds": [["", "v1", "namespaces", "Namespace", False], ["", "v1", "configmaps", "ConfigMap", True]],
    "members": 1,
    "blocks": 2,
}
MEMBERS: t.Final = [[0, 100, 200]]
BLOCKS: t.Final = [[0, "", 1, 0, 50, "0" * 64], [1, "a", 2, 50, 50, "1" * 64]]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def block_of(data: bytes, count: int) -> index.BlockLine:
    return (0, "a", count, 0, len(data), sha256(data))


def read_block(data: bytes, block: index.BlockLine) -> list[index.Line]:
    return index.decode_block(data, block, "the index", LIMITS)


def directory(head: t.Any = None, members: t.Any = None, blocks: t.Any = None) -> bytes:
    """The example, or something else in its parts."""
    parts = [HEAD if head is None else head, *(MEMBERS if members is None else members)]
    parts += BLOCKS if blocks is None else blocks
    return gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in parts), mtime=0)


def read_directory(data: bytes, **changes: t.Any) -> index.Directory:
    place = index.DirectoryPlace(1000, len(data), sha256(data))
    return index.decode_directory(data, dataclasses.replace(place, **changes), "the index", LIMITS)


def code_of(read: t.Callable[[], object]) -> str:
    with pytest.raises(StowageError) as caught:
        read()
    assert "the index" in caught.value.message
    return caught.value.code


@given(
    st.lists(
        st.tuples(
            st.text(),
            st.text(),
            st.lists(st.text(), max_size=3).map(tuple),
            st.text("0123456789abcdef", min_size=64, max_size=64),
            st.integers(0, 2**40),
            st.integers(0, 2**40),
            st.integers(0, 2**40),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_a_block_comes_back(lines: list[index.Line]) -> None:
    data = index.encode_block(lines)
    assert read_block(data, block_of(data, len(lines))) == lines


def test_a_block_can_be_read_by_anybody() -> None:
    text = gzip.decompress(index.encode_block(LINES)).decode()
    assert [json.loads(line) for line in text.splitlines()] == [
        ["a", "uid", [], "0" * 64, 0, 512, 10],
        ['b\n"é', "", ["one", "two"], "1" * 64, 3, 0, 0],
    ]


def test_a_block_is_what_the_directory_says() -> None:
    data = index.encode_block(LINES)
    sound = block_of(data, 2)
    assert read_block(data, sound) == LINES
    assert code_of(lambda: read_block(data, (*sound[:5], "0" * 64))) == "backup_damaged"
    assert code_of(lambda: read_block(data, block_of(data, 3))) == "backup_damaged"
    assert code_of(lambda: read_block(data, block_of(data, 1))) == "backup_damaged"


@pytest.mark.parametrize(
    "content", [b"{}", b'["a"]', b'["a","u",[],"s",0,0,"x"]', b'["a","u",[],"s",0,0,-1.5]', b"\xff", b"[" * 9000, b"x"]
)
def test_lines_that_make_no_sense_are_refused(content: bytes) -> None:
    data = gzip.compress(content)
    assert code_of(lambda: read_block(data, block_of(data, 1))) == "backup_damaged"


def test_blocks_and_directories_are_bounded() -> None:
    data = gzip.compress(b"x" * 10_001)
    assert code_of(lambda: read_block(data, block_of(data, 1))) == "archive_hostile"
    assert code_of(lambda: read_directory(data)) == "archive_hostile"


def test_a_directory_comes_back() -> None:
    members = b"".join(index.encode_line(line) for line in ((0, 10, 20), (30, 5, 9)))
    blocks = b"".join(index.encode_line(line) for line in ((0, "", 2, 0, 7, "0" * 64), (1, "a\n", 1, 7, 8, "1" * 64)))
    found = read_directory(index.encode_directory([NAMESPACES, DEPLOYMENTS], members, blocks))
    assert found.kinds == (NAMESPACES, DEPLOYMENTS)
    assert found.members == [(0, 10, 20), (30, 5, 9)]
    assert found.blocks == [(0, "", 2, 0, 7, "0" * 64), (1, "a\n", 1, 7, 8, "1" * 64)]


def test_the_example_is_a_sound_one() -> None:
    assert read_directory(directory()).kinds == (NAMESPACES, CONFIG_MAPS)


@pytest.mark.parametrize(
    "data",
    [
        directory(head=[]),
        directory(head=HEAD | {"kinds": [["", "v1"]]}),
        directory(head=HEAD | {"kinds": [["", "v1", "x", 5, True]]}),
        directory(head=HEAD | {"kinds": [HEAD["kinds"][0]] * 2}),
        directory(head=HEAD | {"members": 2}),
        directory(head=HEAD | {"members": 9}),
        directory(head=HEAD | {"members": "1"}),
        directory(head=HEAD | {"blocks": 3}),
        directory(head={key: value for key, value in HEAD.items() if key != "blocks"}),
        directory(members=[[0, 100]]),
        directory(members=[[-1, 100, 200]]),
        directory(members=[[0, 0, 200]]),
        directory(members=[[0, 100, -1]]),
        directory(blocks=[BLOCKS[0], [2, "a", 2, 50, 50, "x"]]),
        directory(blocks=[BLOCKS[0], [-1, "a", 2, 50, 50, "x"]]),
        directory(blocks=[BLOCKS[0], [1, "a", 0, 50, 50, "x"]]),
        directory(blocks=[BLOCKS[0], [1, "a", 2, -1, 50, "x"]]),
        directory(blocks=[BLOCKS[0], [1, "a", 2, 50, 0, "x"]]),
        directory(blocks=[BLOCKS[0], [1, "a", 2, 950, 51, "x"]]),
        directory(blocks=[BLOCKS[0], [1, "", 2, 50, 50, "x"]]),
        directory(blocks=[[0, "a", 1, 0, 50, "x"], BLOCKS[1]]),
        gzip.compress(b"", mtime=0),
        gzip.compress(b"[" * 9000, mtime=0),
    ],
)
def test_a_directory_that_makes_no_sense_is_refused(data: bytes) -> None:
    assert code_of(lambda: read_directory(data)) == "backup_damaged"


def test_what_it_names_is_bounded() -> None:
    assert code_of(lambda: read_directory(directory(members=[[0, 100, 1001]]))) == "archive_hostile"
    assert code_of(lambda: read_directory(directory(members=[[0, 1001, 10]]))) == "archive_hostile"
    data = directory(blocks=[BLOCKS[0], [1, "a", 2, 50, 10_001, "x"]])
    assert code_of(lambda: read_directory(data, offset=1 << 20)) == "archive_hostile"


def test_a_directory_is_what_the_manifest_says() -> None:
    assert code_of(lambda: read_directory(directory(), sha256="0" * 64)) == "backup_damaged"


def test_formats_of_the_future_are_not_guessed_at() -> None:
    data = directory(head=HEAD | {"format": "stowage-index/2"})
    assert code_of(lambda: read_directory(data)) == "archive_unsupported"
