# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import headers, writer
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.writer import ArchiveWriter
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.cutting import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from support.archives import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PATHS, make_item, write_archive
from support.memory_location import MemoryLocation


def files(location: MemoryLocation) -> dict[str, bytes]:
    """The tarball's content by path; every rule that holds for each entry is checked."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(location.objects[PATHS.tarball]), mode="r:gz") as archive:
        for info in archive:
            assert info.isreg()
            assert info.mode == 0o755
            assert info.name not in found
            content = archive.extractfile(info)
            assert content is not None
            found[info.name] = content.read()
    return found


def members(data: bytes) -> list[bytes]:
    """The contents of the gzip members of a file."""
    import zlib

    contents = []
    while data:
        inflater = zlib.decompressobj(wbits=31)
        contents.append(inflater.decompress(data))
        assert inflater.eof
        data = inflater.unused_data
    return contents


def paths_in(member: bytes) -> list[str]:
    """The paths of a member's entries: a member begins and ends between entries."""
    with tarfile.open(
        fileobj=io.BytesIO(member.removesuffix(headers.END_OF_ARCHIVE) + bytes(1024)), mode="r:"
    ) as archive:
        return archive.getnames()


def test_each_object_is_there_twice_as_velero_wants_it() -> None:
    location = MemoryLocation()
    shop = make_item(NAMESPACES, "", "shop")
    web = make_item(DEPLOYMENTS, "shop", "web")
    write_archive(location, [(NAMESPACES, shop), (DEPLOYMENTS, web)])
    assert list(files(location).items()) == [
        ("metadata/version", b"1.1.0\n"),
        ("resources/namespaces/cluster/shop.json", shop.body),
        ("resources/namespaces/v1-preferredversion/cluster/shop.json", shop.body),
        ("resources/deployments.apps/namespaces/shop/web.json", web.body),
        ("resources/deployments.apps/v1-preferredversion/namespaces/shop/web.json", web.body),
    ]
    resources = json.loads(gzip.decompress(location.objects[PATHS.resource_list]))
    assert resources == {"v1/Namespace": ["shop"], "apps/v1/Deployment": ["shop/web"]}
    assert sorted(location.objects) == sorted([PATHS.tarball, PATHS.index, PATHS.resource_list])


def test_an_empty_archive_is_one() -> None:
    location = MemoryLocation()
    summary = write_archive(location, [])
    assert files(location) == {"metadata/version": b"1.1.0\n"}
    assert json.loads(gzip.decompress(location.objects[PATHS.resource_list])) == {}
    assert (summary.objects, summary.raw_bytes, summary.counts) == (0, 0, {})


def test_the_summary_tells_what_was_written() -> None:
    location = MemoryLocation()
    items = [make_item(CONFIG_MAPS, "a", f"c{n}") for n in range(3)]
    summary = write_archive(
        location, [(NAMESPACES, make_item(NAMESPACES, "", "a")), *((CONFIG_MAPS, item) for item in items)]
    )
    assert summary.counts == {NAMESPACES: 1, CONFIG_MAPS: 3}
    assert summary.objects == 4
    assert summary.bytes_out == sum(len(data) for data in location.objects.values())
    assert {name: (digest.size, digest.sha256) for name, digest in summary.files.items()} == {
        key.rpartition("/")[2]: (len(data), hashlib.sha256(data).hexdigest()) for key, data in location.objects.items()
    }
    directory = location.objects[PATHS.index][summary.directory.offset :]
    assert len(directory) == summary.directory.size
    assert hashlib.sha256(directory).hexdigest() == summary.directory.sha256


def test_members_end_between_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MEMBER_WORTH", 8 * 1024)
    monkeypatch.setattr(writer, "MEMBER_FULL", 16 * 1024)
    location = MemoryLocation()
    # `a` is small, and shares its member with `b`; `c` is too large for one.
    counts = {"a": 2, "b": 3, "c": 12, "d": 1}
    objects = [
        (CONFIG_MAPS, make_item(CONFIG_MAPS, namespace, f"c{n:02}", data="x" * 300))
        for namespace, count in counts.items()
        for n in range(count)
    ]
    write_archive(location, objects)
    contents = members(location.objects[PATHS.tarball])
    found = [paths_in(content) for content in contents]
    assert [[path.rsplit("/", 2)[1] for path in paths if "preferredversion" not in path] for paths in found] == [
        ["version", *"aabbb"],
        list("cccccccc"),
        list("cccc"),
        ["d"],
    ]
    for paths in found:
        pairs = [path for path in paths if path != "metadata/version"]
        assert [path.replace("/v1-preferredversion/", "/") for path in pairs[1::2]] == pairs[::2]
    assert b"".join(contents) == gzip.decompress(location.objects[PATHS.tarball])
    assert contents[-1].endswith(headers.END_OF_ARCHIVE)


def test_the_same_members_are_written_by_any_number_of_threads() -> None:
    objects = [(CONFIG_MAPS, make_item(CONFIG_MAPS, "a", f"c{n:04}", data=str(n) * 3000)) for n in range(900)]
    contents = []
    for threads in (1, 4):
        location = MemoryLocation()
        with ArchiveWriter(location, PATHS, threads=threads) as archive:
            for kind, item in objects:
                archive.add(kind, item)
            archive.finish()
        contents.append([paths_in(member) for member in members(location.objects[PATHS.tarball])])
    assert contents[0] == contents[1]
    assert len(contents[0]) > 4


def test_a_name_too_long_for_a_file_is_put_where_velero_does_not_look() -> None:
    location = MemoryLocation()
    long = make_item(CONFIG_MAPS, "a", "n" * 251)
    longest = make_item(CONFIG_MAPS, "a", "m" * 250)
    summary = write_archive(location, [(CONFIG_MAPS, longest), (CONFIG_MAPS, long)])
    sha256 = hashlib.sha256(long.body).hexdigest()
    assert sorted(files(location)) == sorted(
        [
            "metadata/version",
            f"metadata/stowage/long-names/{sha256}.json",
            f"resources/configmaps/namespaces/a/{longest.name}.json",
            f"resources/configmaps/v1-preferredversion/namespaces/a/{longest.name}.json",
        ]
    )
    assert files(location)[f"metadata/stowage/long-names/{sha256}.json"] == long.body
    assert [(found.kind, found.namespace, found.name) for found in summary.long_names] == [
        (CONFIG_MAPS, "a", long.name)
    ]


def test_length_is_counted_in_bytes() -> None:
    location = MemoryLocation()
    summary = write_archive(location, [(NAMESPACES, make_item(NAMESPACES, "", "ä" * 126))])
    assert len(summary.long_names) == 1


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../x", "/x", "a\0b", "\ud800"])
def test_names_that_would_lead_elsewhere_are_refused(name: str) -> None:
    location = MemoryLocation()
    item = dataclasses.replace(make_item(CONFIG_MAPS, "a", "x"), name=name)
    with pytest.raises(StowageError) as caught:
        write_archive(location, [(CONFIG_MAPS, item)])
    assert caught.value.code == "cluster_api_error"
    assert not location.objects
    assert not location.pending


@pytest.mark.parametrize("namespace", ["..", "a/b", "/", ".", "-a", "ä", ""])
def test_namespaces_that_would_lead_elsewhere_are_refused(namespace: str) -> None:
    item = dataclasses.replace(make_item(CONFIG_MAPS, "a", "x"), namespace=namespace)
    with pytest.raises(StowageError) as caught:
        write_archive(MemoryLocation(), [(CONFIG_MAPS, item)])
    assert caught.value.code == "cluster_api_error"


@pytest.mark.parametrize("field", ["group", "version", "plural"])
@pytest.mark.parametrize("value", ["..", "a/b", "."])
def test_kinds_that_would_lead_elsewhere_are_refused(field: str, value: str) -> None:
    changes: t.Any = {field: value}
    kind = dataclasses.replace(CONFIG_MAPS, **changes)
    with pytest.raises(StowageError) as caught:
        write_archive(MemoryLocation(), [(kind, make_item(kind, "a", "x"))])
    assert caught.value.code == "cluster_api_error"


@pytest.mark.parametrize(
    "order",
    [
        [(CONFIG_MAPS, "a", "y"), (CONFIG_MAPS, "a", "x")],
        [(CONFIG_MAPS, "a", "x"), (CONFIG_MAPS, "a", "x")],
        [(CONFIG_MAPS, "b", "x"), (CONFIG_MAPS, "a", "x")],
        [(CONFIG_MAPS, "a", "x"), (CONFIG_MAPS, "a-b", "x")],  # "a-b/x" comes before "a/x"
        [(CONFIG_MAPS, "a", "x"), (DEPLOYMENTS, "a", "x"), (CONFIG_MAPS, "b", "x")],
        [(CONFIG_MAPS, "a", "x"), (dataclasses.replace(CONFIG_MAPS, version="v2"), "b", "x")],
    ],
)
def test_objects_out_of_order_are_refused(order: list[tuple[Kind, str, str]]) -> None:
    location = MemoryLocation()
    with pytest.raises(StowageError) as caught:
        write_archive(location, [(kind, make_item(kind, namespace, name)) for kind, namespace, name in order])
    assert caught.value.code == "internal_error"
    assert not location.objects


def test_etcds_order_is_accepted() -> None:
    location = MemoryLocation()
    order = [("a-b", "x"), ("a", "x"), ("a", "x.y"), ("a", "xy")]
    write_archive(location, [(CONFIG_MAPS, make_item(CONFIG_MAPS, *names)) for names in order])
    names = json.loads(gzip.decompress(location.objects[PATHS.resource_list]))["v1/ConfigMap"]
    assert names == ["a-b/x", "a/x", "a/x.y", "a/xy"] == sorted(names)


@pytest.mark.parametrize("operation", ["writer", "write", "commit"])
@pytest.mark.parametrize("key", [PATHS.tarball, PATHS.index, PATHS.resource_list])
def test_a_store_that_fails_leaves_no_upload(operation: str, key: str) -> None:
    location = MemoryLocation()

    def fault(found: str, at: str) -> None:
        if (found, at) == (operation, key):
            raise StowageError("throttled", "Slow down.")

    location.fault = fault
    objects = [(CONFIG_MAPS, make_item(CONFIG_MAPS, "a", f"c{n}")) for n in range(10)]
    with pytest.raises(StowageError, match="Slow down"):
        write_archive(location, objects)
    assert not location.pending
    assert operation == "commit" or not location.objects


def test_what_fails_meanwhile_is_raised_while_adding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MEMBER_FULL", 1024)
    location = MemoryLocation()

    def fault(operation: str, key: str) -> None:
        if operation == "write":
            raise StowageError("quota", "The store is full.")

    location.fault = fault
    taken = 0

    def endless() -> t.Iterator[tuple[Kind, Item]]:
        nonlocal taken
        for taken in range(10_000):
            yield CONFIG_MAPS, make_item(CONFIG_MAPS, "a", f"c{taken:05}", data="x" * 1000)

    with pytest.raises(StowageError, match="The store is full"):
        write_archive(location, endless())
    assert taken < 100
    assert not location.pending


def test_leaving_without_finishing_drops_everything() -> None:
    location = MemoryLocation()
    with ArchiveWriter(location, PATHS) as archive:
        archive.add(CONFIG_MAPS, make_item(CONFIG_MAPS, "a", "x"))
        assert len(location.pending) == 3
    assert not location.pending
    assert not location.objects
    archive.close()  # a second time
    with pytest.raises(StowageError):
        archive.finish()


NAMES = st.text('abcxyz-.:"\\ é世', min_size=1, max_size=40).filter(lambda name: name not in (".", ".."))


@given(
    st.sets(st.tuples(st.sampled_from(["a", "a-b", "a.b", "b" * 63]), NAMES), max_size=40),
    st.integers(600, 40_000),
    st.data(),
)
def test_any_names_come_through(keys: set[tuple[str, str]], full: int, data: st.DataObject) -> None:
    location = MemoryLocation()
    ordered = sorted(keys, key="/".join)
    items = [
        make_item(CONFIG_MAPS, namespace, name, data="x" * data.draw(st.integers(0, 2000)))
        for namespace, name in ordered
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "MEMBER_FULL", full)
        patch.setattr(writer, "MEMBER_WORTH", full // 2)
        patch.setattr(writer, "BLOCK_FULL", 7)
        summary = write_archive(location, [(CONFIG_MAPS, item) for item in items])
    found = files(location)
    assert len(found) == 1 + 2 * len(items)
    for item in items:
        for version in ("", "v1-preferredversion/"):
            path = f"resources/configmaps/{version}namespaces/{item.namespace}/{item.name}.json"
            assert found[path] == item.body
    names = json.loads(gzip.decompress(location.objects[PATHS.resource_list])).get("v1/ConfigMap", [])
    assert names == ["/".join(key) for key in ordered]
    assert summary.raw_bytes == sum(len(item.body) for item in items)
