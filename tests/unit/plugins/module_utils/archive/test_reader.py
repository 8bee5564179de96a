# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import gzip
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, codec, index, writer
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.entries import Entry
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.cutting import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from support.archives import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PATHS, Notes, make_backup, make_item
from support.memory_location import MemoryLocation

OBJECTS: t.Final = [
    (NAMESPACES, make_item(NAMESPACES, "", "a")),
    (NAMESPACES, make_item(NAMESPACES, "", "b")),
    *((CONFIG_MAPS, make_item(CONFIG_MAPS, "a", f"c{n:02}", data=str(n) * 50)) for n in range(30)),
    *((CONFIG_MAPS, make_item(CONFIG_MAPS, "b", f"c{n:02}", data=str(n) * 50)) for n in range(30)),
    (CONFIG_MAPS, make_item(CONFIG_MAPS, "b", "z" * 252)),
    (DEPLOYMENTS, make_item(DEPLOYMENTS, "a", "web", owners=["one", "two"])),
]


def open_backup(location: MemoryLocation, progress: Notes | None = None) -> BackupReader:
    record = catalog.read_backup(location, PATHS.cluster, PATHS.backup)
    return BackupReader.open(location, record, progress=progress or Notes())


def read_all(reader: BackupReader) -> list[tuple[Kind, str, str, str, tuple[str, ...], bytes]]:
    return [
        (kind, entry.namespace, entry.name, entry.uid, entry.owners, body)
        for kind in reader.kinds
        for entry, body in reader.objects(kind)
    ]


def expected(objects: t.Iterable[tuple[Kind, Item]]) -> list[tuple[Kind, str, str, str, tuple[str, ...], bytes]]:
    return [(kind, item.namespace, item.name, item.uid, item.owners, item.body) for kind, item in objects]


@pytest.fixture
def small_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few objects make several members and blocks."""
    monkeypatch.setattr(writer, "MEMBER_WORTH", 2048)
    monkeypatch.setattr(writer, "MEMBER_FULL", 8192)
    monkeypatch.setattr(writer, "BLOCK_FULL", 13)


@pytest.fixture
def location(small_members: None) -> MemoryLocation:
    location = MemoryLocation()
    make_backup(location, OBJECTS)
    return location


@pytest.fixture(params=["through the index", "without the index"])
def reader(request: pytest.FixtureRequest, location: MemoryLocation) -> t.Iterator[BackupReader]:
    if request.param == "without the index":
        del location.objects[PATHS.index]
    with open_backup(location) as reader:
        yield reader


def test_what_was_written_is_read(reader: BackupReader) -> None:
    found = read_all(reader)
    assert sorted(found) == sorted(expected(OBJECTS))
    assert [entry[:3] for entry in found if entry[0] == CONFIG_MAPS] == [
        (kind, item.namespace, item.name) for kind, item in OBJECTS if kind == CONFIG_MAPS
    ]
    assert {(block.kind, block.namespace): block.count for block in reader.blocks} == {
        (NAMESPACES, ""): 2,
        (CONFIG_MAPS, "a"): 30,
        (CONFIG_MAPS, "b"): 31,
        (DEPLOYMENTS, "a"): 1,
    }


def test_entries_tell_the_same_without_objects(reader: BackupReader) -> None:
    for kind in reader.kinds:
        entries = list(reader.entries(kind))
        assert entries == [entry for entry, _body in reader.objects(kind)]
        assert [entry.size for entry in entries] == [len(body) for _entry, body in reader.objects(kind)]


def test_one_namespace_alone(reader: BackupReader) -> None:
    wanted = [entry.key for entry in reader.entries(CONFIG_MAPS, lambda namespace: namespace == "b")]
    assert wanted == [f"b/{item.name}" for kind, item in OBJECTS if kind == CONFIG_MAPS and item.namespace == "b"]
    assert [entry.key for entry, _body in reader.objects(CONFIG_MAPS, lambda namespace: namespace == "b")] == wanted
    assert not list(reader.objects(CONFIG_MAPS, lambda _namespace: False))


def test_cluster_scoped_kinds_are_not_filtered_by_namespace(reader: BackupReader) -> None:
    assert len(list(reader.entries(NAMESPACES, lambda _namespace: False))) == 2


def test_single_objects(reader: BackupReader) -> None:
    entries = {entry.key: entry for entry in reader.entries(CONFIG_MAPS)}
    for kind, item in reversed(OBJECTS):
        if kind == CONFIG_MAPS:
            assert reader.get(entries[f"{item.namespace}/{item.name}"]) == item.body


def test_some_objects_alone(reader: BackupReader) -> None:
    """Whether an object is wanted is asked once for each, in order."""
    asked: list[str] = []

    def wanted(entry: Entry) -> bool:
        asked.append(entry.key)
        return entry.name.endswith("7")

    found = list(reader.objects(CONFIG_MAPS, lambda namespace: namespace == "b", wanted=wanted))
    assert [(entry.key, body) for entry, body in found] == [
        (f"b/{item.name}", item.body)
        for kind, item in OBJECTS
        if kind == CONFIG_MAPS and item.namespace == "b" and item.name.endswith("7")
    ]
    assert asked == [entry.key for entry in reader.entries(CONFIG_MAPS, lambda namespace: namespace == "b")]


def test_a_kind_that_is_not_there_has_no_objects(reader: BackupReader) -> None:
    assert not list(reader.entries(Kind("", "v1", "secrets", "Secret", True)))
    assert not list(reader.objects(Kind("", "v1", "secrets", "Secret", True)))


def test_only_what_is_asked_for_is_read(location: MemoryLocation) -> None:
    with open_backup(location) as reader:
        opened = reader.index_bytes_read
        assert reader.bytes_read == 0
        assert len(list(reader.objects(CONFIG_MAPS, lambda namespace: namespace == "b"))) == 31
        assert reader.bytes_read < len(location.objects[PATHS.tarball]) / 2
        assert opened < reader.index_bytes_read < len(location.objects[PATHS.index])
        before = reader.bytes_read
        assert len(list(reader.entries(CONFIG_MAPS))) == 61
        assert reader.bytes_read == before
    assert location.calls["open"] == 0  # nothing was read as a stream


def test_kinds_that_share_a_member_read_it_once() -> None:
    location = MemoryLocation()
    kinds = [Kind("example.com", "v1", f"kind{n}s", f"Kind{n}", True) for n in range(20)]
    make_backup(location, [(kind, make_item(kind, "a", "x")) for kind in kinds])
    with open_backup(location) as reader:
        assert len(read_all(reader)) == 20
        assert reader.bytes_read == len(location.objects[PATHS.tarball])


def test_the_manifest_is_there(location: MemoryLocation) -> None:
    with open_backup(location) as reader:
        assert reader.manifest is not None
        assert reader.manifest.objects == len(OBJECTS)
        assert not reader.warnings


@pytest.mark.parametrize("key", [PATHS.index, PATHS.manifest])
@pytest.mark.parametrize("damage", ["missing", "empty", "short", "changed"])
def test_without_a_usable_index_the_archive_is_read_in_full(location: MemoryLocation, key: str, damage: str) -> None:
    data = location.objects.pop(key)
    if damage != "missing":
        location.objects[key] = {"empty": b"", "short": data[:-1], "changed": data[:-9] + b"x" + data[-8:]}[damage]
    progress = Notes()
    with open_backup(location, progress) as reader:
        assert sorted(read_all(reader)) == sorted(expected(OBJECTS))
        assert reader.bytes_read == len(location.objects[PATHS.tarball])
        assert key in reader.warnings[0]
        assert progress.notes == reader.warnings


def test_an_index_that_turns_out_damaged_on_the_way_is_left(location: MemoryLocation) -> None:
    """Blocks behind the first are damaged: what was not handed out yet comes from the whole archive."""
    with open_backup(location) as sound:
        handed_out = list(sound.entries(CONFIG_MAPS))
    data = bytearray(location.objects[PATHS.index])
    data[len(data) // 2] ^= 1
    location.objects[PATHS.index] = bytes(data)
    with open_backup(location) as reader:
        found = read_all(reader)
        assert sorted(found) == sorted(expected(OBJECTS))
        assert reader.warnings
        assert [entry.key for entry in reader.entries(CONFIG_MAPS)] == [entry.key for entry in handed_out]
        # Entries of before still serve.
        assert [reader.get(entry) for entry in handed_out] == [i.body for k, i in OBJECTS if k == CONFIG_MAPS]


class Forger(MemoryLocation):
    """Hands out members of the tarball that are sound but changed, each with a sound checksum."""

    change: t.Callable[[bytes], bytes]

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        data = super().read_range(key, offset, length)
        return gzip.compress(self.change(gzip.decompress(data))) if key == PATHS.tarball else data


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b'"c07"', b'"c70"'),
        lambda content: content[:-512],
        lambda content: content + bytes(512),
        lambda content: content[:0],
    ],
    ids=["another object", "shorter", "longer", "empty"],
)
def test_objects_are_compared_with_their_hash(location: MemoryLocation, change: t.Callable[[bytes], bytes]) -> None:
    forger = Forger()
    forger.objects, forger.change = location.objects, change
    error = damaged_reads(forger)
    assert error.code == "backup_damaged"
    assert error.details["file"] == PATHS.tarball
    with open_backup(forger) as reader:
        entry = next(entry for entry in reader.entries(CONFIG_MAPS) if entry.name == "c07")
        with pytest.raises(StowageError) as caught:
            reader.get(entry)
    assert caught.value.code == "backup_damaged"


def test_an_index_out_of_order_is_not_used(small_members: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who merges its entries with a list of the cluster relies on their order."""
    location = MemoryLocation()
    with monkeypatch.context() as patch:
        patch.setattr(index, "encode_block", lambda lines: codec.compress(index._json().encode_lines(lines[::-1])))
        make_backup(location, OBJECTS)
    with open_backup(location) as reader:
        assert sorted(read_all(reader)) == sorted(expected(OBJECTS))
        assert "not in order" in reader.warnings[0]


def test_an_object_is_asked_for_once_even_if_the_index_is_left(location: MemoryLocation) -> None:
    data = bytearray(location.objects[PATHS.index])
    data[len(data) // 2] ^= 1
    location.objects[PATHS.index] = bytes(data)
    asked: list[str] = []

    def wanted(entry: Entry) -> bool:
        asked.append(entry.key)
        return len(asked) % 3 == 0

    with open_backup(location) as reader:
        found = [entry.key for entry, _body in reader.objects(CONFIG_MAPS, wanted=wanted)]
        assert reader.warnings
        assert asked == [entry.key for entry in reader.entries(CONFIG_MAPS)]
        assert found == asked[2::3]


def test_what_is_not_wanted_is_not_fetched(location: MemoryLocation) -> None:
    with open_backup(location) as reader:
        assert not list(reader.objects(CONFIG_MAPS, wanted=lambda _entry: False))
        assert reader.bytes_read == 0
        assert len(list(reader.objects(CONFIG_MAPS, wanted=lambda entry: entry.key == "b/c00"))) == 1
        assert location.log.count(("read_range", PATHS.tarball)) == 1


def damaged_reads(location: MemoryLocation) -> StowageError:
    """The error of reading everything through a backup's index."""

    def read() -> None:
        with open_backup(location) as reader:
            read_all(reader)

    with pytest.raises(StowageError) as caught:
        read()
    return caught.value


@pytest.mark.parametrize("damage", ["missing", "empty", "short", "longer"])
def test_a_tarball_of_the_wrong_size_is_found_at_once(location: MemoryLocation, damage: str) -> None:
    data = location.objects.pop(PATHS.tarball)
    if damage != "missing":
        location.objects[PATHS.tarball] = {"empty": b"", "short": data[:-1], "longer": data + b"x"}[damage]
    with pytest.raises(StowageError) as caught:
        open_backup(location)
    assert caught.value.code == "backup_damaged"
    assert PATHS.tarball in caught.value.message
    assert "open" not in location.calls


@functools.cache
def sound_backup() -> dict[str, bytes]:
    """The files of a backup with several members and blocks."""
    location = MemoryLocation()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "MEMBER_FULL", 4096)
        patch.setattr(writer, "BLOCK_FULL", 10)
        make_backup(location, OBJECTS)
    return location.objects


@settings(max_examples=150)
@given(
    st.sampled_from([PATHS.tarball, PATHS.index, PATHS.manifest]),
    st.floats(0, 1, exclude_max=True),
    st.one_of(st.none(), st.integers(0, 7)),
    st.booleans(),
)
def test_no_damage_brings_other_bytes(key: str, where: float, bit: int | None, use_index: bool) -> None:
    """Whatever bit is flipped or wherever a file ends: what is read is what was written, or there is an error."""
    location = MemoryLocation()
    location.objects = dict(sound_backup())
    content = bytearray(location.objects[key])
    at = int(where * len(content))
    if bit is None:
        del content[at:]
    else:
        content[at] ^= 1 << bit
    location.objects[key] = bytes(content)
    if not use_index:
        location.objects.pop(PATHS.index)
    try:
        with open_backup(location) as reader:
            found = sorted(read_all(reader))
    except StowageError as error:
        found = None
        message = f"{error.code} {error.message}"
        assert (error.code, error.details.get("file")) == ("backup_damaged", key), message  # noqa: PT017 - or no error
    assert found is None or found == sorted(expected(OBJECTS))


NAMES = st.text('abcxyz-.:"\\ é世', min_size=1, max_size=200).filter(lambda name: name not in (".", ".."))


@settings(max_examples=60)
@given(
    st.sets(st.tuples(st.sampled_from(["a", "a-b", "a.b", "b"]), NAMES), min_size=1, max_size=40),
    st.sets(st.sampled_from(["a", "a-b", "b"])),
    st.integers(600, 40_000),
    st.booleans(),
    st.data(),
)
def test_any_backup_comes_back(
    keys: set[tuple[str, str]], wanted: set[str], full: int, use_index: bool, data: st.DataObject
) -> None:
    """Any names and sizes; the index finds what a scan of everything finds."""
    location = MemoryLocation()
    items = [
        make_item(CONFIG_MAPS, namespace, name, data="x" * data.draw(st.integers(0, 3000)))
        for namespace, name in sorted(keys, key="/".join)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "MEMBER_FULL", full)
        patch.setattr(writer, "MEMBER_WORTH", full // 2)
        patch.setattr(writer, "BLOCK_FULL", data.draw(st.integers(1, 20)))
        make_backup(location, [(CONFIG_MAPS, item) for item in items])
    if not use_index:
        del location.objects[PATHS.index]
    with open_backup(location) as reader:
        everything = list(reader.objects(CONFIG_MAPS))
        assert [(entry.key, body) for entry, body in everything] == [
            (f"{item.namespace}/{item.name}", item.body) for item in items
        ]
        some = list(reader.objects(CONFIG_MAPS, wanted.__contains__))
        assert some == [(entry, body) for entry, body in everything if entry.namespace in wanted]
        entry, body = data.draw(st.sampled_from(everything))
        assert reader.get(entry) == body


@pytest.mark.parametrize(
    ("phase", "code"),
    [("Failed", "backup_unusable"), ("Deleting", "backup_unusable"), ("InProgress", "backup_in_progress")],
)
def test_only_whole_backups_are_opened(location: MemoryLocation, phase: str, code: str) -> None:
    location.objects[PATHS.velero_backup] = location.objects[PATHS.velero_backup].replace(
        b'"Completed"', f'"{phase}"'.encode()
    )
    with pytest.raises(StowageError) as caught:
        open_backup(location)
    assert caught.value.code == code


def test_a_format_of_the_future_is_not_guessed_at(location: MemoryLocation) -> None:
    location.objects[PATHS.velero_backup] = location.objects[PATHS.velero_backup].replace(b'"1.1.0"', b'"2.0.0"')
    with pytest.raises(StowageError) as caught:
        open_backup(location)
    assert caught.value.code == "archive_unsupported"


def test_failures_of_the_store_are_not_taken_for_damage(location: MemoryLocation) -> None:
    def fault(operation: str, key: str) -> None:
        if operation == "read_range":
            raise StowageError("permission_denied", "Not you.")

    location.fault = fault
    with pytest.raises(StowageError) as caught:
        open_backup(location)
    assert caught.value.code == "permission_denied"


def test_leaving_a_stream_early_does_no_harm(location: MemoryLocation) -> None:
    with open_backup(location) as reader:
        stream = reader.objects(CONFIG_MAPS)
        first: tuple[Entry, bytes] = next(stream)
        t.cast("t.Generator[object, None, None]", stream).close()
        assert next(reader.objects(CONFIG_MAPS)) == first
