# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Velero's archives, and those of enemies."""

from __future__ import annotations

import copy
import dataclasses
import errno
import gzip
import hashlib
import io
import json
import os
import tarfile
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, codec, spool
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import Limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.cutting import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from support.archives import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PATHS,
    Notes,
    make_backup,
    make_item,
    put_foreign,
    regular,
    tarball,
    velero_entries,
)
from support.memory_location import MemoryLocation

Entries = list[tuple[tarfile.TarInfo, bytes]]

OBJECTS: t.Final = [
    (DEPLOYMENTS, make_item(DEPLOYMENTS, "b", "web", owners=["one"])),
    (CONFIG_MAPS, make_item(CONFIG_MAPS, "b", "z")),
    (NAMESPACES, make_item(NAMESPACES, "", "b")),
    (CONFIG_MAPS, make_item(CONFIG_MAPS, "a", "x")),
    (CONFIG_MAPS, make_item(CONFIG_MAPS, "a-b", "x")),
    (CONFIG_MAPS, make_item(CONFIG_MAPS, "b", "a")),
    (NAMESPACES, make_item(NAMESPACES, "", "a")),
]
SMALL: t.Final = Limits(total_bytes=4 << 20, entry_bytes=64 << 10, entries=100, ratio=50, ratio_floor=1 << 20)


def open_foreign(archive: bytes, limits: Limits = SMALL, format_version: str = "1.1.0") -> BackupReader:
    location = MemoryLocation()
    location.read_size = 10_000
    put_foreign(location, archive, format_version=format_version)
    record = catalog.read_backup(location, PATHS.cluster, PATHS.backup)
    return BackupReader.open(location, record, progress=Notes(), limits=limits)


def refused(archive: bytes, limits: Limits = SMALL, format_version: str = "1.1.0") -> str:
    """The code with which an archive is refused; the message names the file."""
    with pytest.raises(StowageError) as caught:
        open_foreign(archive, limits, format_version=format_version)
    assert PATHS.tarball in caught.value.message
    return caught.value.code


def link(name: str, kind: bytes, target: str = "x") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize(("versions", "format_version"), [(True, "1.1.0"), (False, "1"), (False, "1.0.0"), (False, "")])
def test_a_velero_backup_is_read(form: int, versions: bool, format_version: str) -> None:
    archive = tarball(velero_entries(OBJECTS, versions=versions), form)
    with open_foreign(archive, format_version=format_version) as reader:
        assert reader.kinds == (CONFIG_MAPS, DEPLOYMENTS, NAMESPACES)
        assert [(block.kind, block.namespace, block.count) for block in reader.blocks] == [
            (CONFIG_MAPS, "a-b", 1),
            (CONFIG_MAPS, "a", 1),
            (CONFIG_MAPS, "b", 2),
            (DEPLOYMENTS, "b", 1),
            (NAMESPACES, "", 2),
        ]
        found = [
            (kind, entry.key, entry.uid, entry.owners, body)
            for kind in reader.kinds
            for entry, body in reader.objects(kind)
        ]
        assert [one[:2] for one in found] == [
            (CONFIG_MAPS, "a-b/x"),
            (CONFIG_MAPS, "a/x"),
            (CONFIG_MAPS, "b/a"),
            (CONFIG_MAPS, "b/z"),
            (DEPLOYMENTS, "b/web"),
            (NAMESPACES, "a"),
            (NAMESPACES, "b"),
        ]
        items = {(kind, f"{i.namespace}/{i.name}" if i.namespace else i.name): i for kind, i in OBJECTS}
        for kind, key, uid, owners, body in found:
            item = items[kind, key]
            assert (uid, owners, body) == (item.uid, item.owners, item.body)
        assert not reader.warnings
        assert reader.bytes_read == len(archive)


def test_names_longer_than_ustar_takes_are_read() -> None:
    item = make_item(CONFIG_MAPS, "n" * 63, "x" * 250)
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with open_foreign(tarball(velero_entries([(CONFIG_MAPS, item)]), form)) as reader:
            assert [(entry.name, body) for entry, body in reader.objects(CONFIG_MAPS)] == [(item.name, item.body)]


def test_the_preferred_version_is_the_directorys() -> None:
    """Velero keeps an old CRD in the version that it was stored in."""
    kind = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False)
    old = dataclasses.replace(kind, version="v1beta1")
    item = make_item(old, "", "x.example.com")
    with open_foreign(tarball(velero_entries([(kind, item)]))) as reader:
        assert reader.kinds == (kind,)
    with open_foreign(tarball(velero_entries([(kind, item)], versions=False))) as reader:
        assert reader.kinds == (old,)


def test_other_versions_beside_the_preferred_one_are_passed_over() -> None:
    kind, item = OBJECTS[0]
    other = regular(f"resources/deployments.apps/v1beta1/namespaces/b/{item.name}.json", b"{}")
    with open_foreign(tarball([*velero_entries([(kind, item)]), other])) as reader:
        assert [body for _entry, body in reader.objects(kind)] == [item.body]


def test_members_directories_and_a_leading_dot_do_no_harm() -> None:
    directory = tarfile.TarInfo("./resources")
    directory.type = tarfile.DIRTYPE
    entries = [(directory, b"")]
    for info, content in velero_entries(OBJECTS):
        info.name = "./" + info.name
        entries.append((info, content))
    raw = gzip.decompress(tarball(entries))
    archive = b"".join(codec.compress(raw[start : start + 700]) for start in range(0, len(raw), 700))
    with open_foreign(archive) as reader:
        assert sum(block.count for block in reader.blocks) == len(OBJECTS)


def test_stray_files_are_ignored_and_strange_resources_said() -> None:
    strays = [regular("README", b"x"), regular("metadata/other", b"x")]
    strange = [
        regular("resources/x", b"x"),
        regular("resources/pods/a/b/c/d/e.json", b"x"),
        regular("resources/a/cluster/b.txt", b""),
    ]
    with open_foreign(tarball([*strays, *velero_entries(OBJECTS)])) as reader:
        assert not reader.warnings
    with open_foreign(tarball([*strange, *velero_entries(OBJECTS)])) as reader:
        assert "3 entries" in reader.warnings[0]
        assert sum(block.count for block in reader.blocks) == len(OBJECTS)


def test_an_archive_without_resources_is_empty() -> None:
    with open_foreign(tarball([regular("metadata/version", b"1.1.0\n")])) as reader:
        assert not reader.blocks


def test_bodies_that_are_cut_without_uid_or_owners() -> None:
    body = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x","namespace":"a","ownerReferences":null}}'
    with open_foreign(tarball([regular("resources/configmaps/namespaces/a/x.json", body)])) as reader:
        (entry,) = reader.entries(CONFIG_MAPS)
        assert (entry.uid, entry.owners) == ("", ())


OBJECT: t.Final = next(iter(velero_entries([OBJECTS[3]], versions=False)))


def renamed(path: str) -> tuple[tarfile.TarInfo, bytes]:
    return regular(path, OBJECT[1])


@pytest.mark.parametrize(
    "entry",
    [
        renamed("/resources/configmaps/namespaces/a/x.json"),
        renamed("../resources/configmaps/namespaces/a/x.json"),
        renamed("resources/../../configmaps/namespaces/a/x.json"),
        renamed("resources/configmaps/namespaces/../x.json"),
        renamed("resources/configmaps//namespaces/a/x.json"),
        renamed("resources/configmaps/./namespaces/a/x.json"),
        renamed("README/.."),
        renamed("r" * 2000),
        link("resources/configmaps/namespaces/a/x.json", tarfile.SYMTYPE, "/etc/passwd"),
        link("resources/configmaps/namespaces/a/x.json", tarfile.LNKTYPE, "metadata/version"),
        link("resources/configmaps/namespaces/a/x.json", tarfile.CHRTYPE),
        link("resources/configmaps/namespaces/a/x.json", tarfile.BLKTYPE),
        link("resources/configmaps/namespaces/a/x.json", tarfile.FIFOTYPE),
        link("resources/configmaps/namespaces/a/x.json", tarfile.CONTTYPE),
        link("resources/configmaps/namespaces/a/x.json", tarfile.GNUTYPE_SPARSE),
        # the content is not what the path says
        renamed("resources/configmaps/namespaces/kube-system/x.json"),
        renamed("resources/configmaps/namespaces/a/y.json"),
        renamed("resources/configmaps/cluster/x.json"),
        renamed("resources/configmaps.example.com/namespaces/a/x.json"),
        regular("resources/configmaps/namespaces/a/big.json", bytes(100 << 10)),
    ],
    ids=lambda entry: f"{entry[0].type.decode('latin-1')} {entry[0].name[:50]}",
)
def test_what_no_backup_tool_writes_is_refused(entry: tuple[tarfile.TarInfo, bytes]) -> None:
    assert refused(tarball([*velero_entries(OBJECTS[:2]), entry])) == "archive_hostile"


def test_two_kinds_in_one_place_are_refused() -> None:
    secret = make_item(Kind("", "v1", "secrets", "Secret", True), "a", "s")
    entries = [*velero_entries(OBJECTS), regular("resources/configmaps/namespaces/a/s.json", secret.body)]
    assert refused(tarball(entries)) == "archive_hostile"


@pytest.mark.parametrize(
    "path", ["resources/configmaps/namespaces/a/x.json", "resources/configmaps/v1-preferredversion/namespaces/a/x.json"]
)
def test_an_entry_that_is_there_twice_is_refused(path: str) -> None:
    assert refused(tarball([*velero_entries(OBJECTS), renamed(path)])) == "archive_hostile"


def test_two_preferred_versions_are_refused() -> None:
    entry = renamed("resources/configmaps/v2-preferredversion/namespaces/a/x.json")
    assert refused(tarball([*velero_entries(OBJECTS), entry])) == "archive_hostile"


def test_too_many_entries_are_refused() -> None:
    entries = [regular(f"x{n}", b"") for n in range(101)]
    assert refused(tarball(entries)) == "archive_hostile"
    with open_foreign(tarball(entries[:100])) as reader:
        assert not reader.blocks


def test_bombs_are_refused() -> None:
    files = [regular(f"x{n}", bytes(60 << 10)) for n in range(90)]
    assert refused(tarball(files)) == "archive_hostile"  # the ratio
    files = [regular(f"x{n}", os.urandom(60 << 10)) for n in range(90)]
    assert refused(tarball(files)) == "archive_hostile"  # the total


def test_a_size_without_content_is_no_bomb() -> None:
    """A header may promise more than memory holds: nothing is allocated for it."""
    info = tarfile.TarInfo("resources/configmaps/namespaces/a/x.json")
    info.size = 1 << 40
    archive = gzip.compress(info.tobuf(tarfile.GNU_FORMAT))
    assert refused(archive) in ("archive_hostile", "backup_damaged")
    info.size = 8**11 - 1
    assert refused(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT))) == "archive_hostile"


@pytest.mark.parametrize("headers", [{"path": "resources/configmaps/namespaces/a/x.json"}, {"size": "5"}])
def test_one_header_for_all_is_refused(headers: dict[str, str]) -> None:
    raw = tarfile.TarInfo.create_pax_global_header(headers)
    archive = gzip.compress(raw + gzip.decompress(tarball(velero_entries(OBJECTS))))
    assert refused(archive) == "archive_hostile"


def test_harmless_headers_for_all_are_ignored() -> None:
    raw = tarfile.TarInfo.create_pax_global_header({"comment": "x"})
    archive = gzip.compress(raw + gzip.decompress(tarball(velero_entries(OBJECTS))))
    with open_foreign(archive) as reader:
        assert reader.blocks


def test_a_pax_path_that_escapes_is_refused() -> None:
    info, content = renamed("harmless")
    info.pax_headers = {"path": "../" + "x" * 120}
    assert refused(tarball([(info, content)])) == "archive_hostile"


@pytest.mark.parametrize("record", [b"5 x\n", b"x", b"0 path=x\n", b"999 path=x\n", b"9 path=xy"])
def test_pax_headers_that_make_no_sense_are_damaged(record: bytes) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    raw = info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")
    assert refused(gzip.compress(raw + gzip.decompress(tarball([OBJECT])))) == "backup_damaged"


def test_something_behind_the_end_is_refused() -> None:
    raw = gzip.decompress(tarball(velero_entries(OBJECTS)))
    assert refused(gzip.compress(raw + b"x")) == "archive_hostile"
    hidden = gzip.decompress(tarball([renamed("resources/configmaps/namespaces/b/hidden.json")]))
    assert refused(gzip.compress(raw + hidden)) == "archive_hostile"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"{",
        b'{"kind":"ConfigMap"}',
        b"\xff",
        b"[" * 60_000,
        b'{"apiVersion":"v1","kind":1,"metadata":{"name":"x"}}',
    ],
)
def test_entries_that_are_no_objects_are_damaged(body: bytes) -> None:
    assert refused(tarball([regular("resources/configmaps/namespaces/a/x.json", body)])) == "backup_damaged"


def test_a_broken_header_is_damaged() -> None:
    raw = bytearray(gzip.decompress(tarball(velero_entries(OBJECTS))))
    raw[3] ^= 1
    assert refused(gzip.compress(raw)) == "backup_damaged"


def test_an_archive_that_ends_early_is_damaged() -> None:
    """Also when gzip does not notice."""
    raw = gzip.decompress(tarball(velero_entries(OBJECTS)))
    end = len(raw.rstrip(b"\0"))
    for length in (0, 100, 512, end - 600, end, end + (-end % 512), end + (-end % 512) + 512):
        assert refused(gzip.compress(raw[:length])) == "backup_damaged", length


def test_a_missing_tarball_is_damaged() -> None:
    location = MemoryLocation()
    put_foreign(location, b"")
    del location.objects[PATHS.tarball]
    record = catalog.read_backup(location, PATHS.cluster, PATHS.backup)
    with pytest.raises(StowageError) as caught:
        BackupReader.open(location, record, progress=Notes())
    assert caught.value.code == "backup_damaged"
    assert PATHS.tarball in caught.value.message


def test_formats_of_the_future_are_not_guessed_at() -> None:
    assert refused(tarball([regular("metadata/version", b"2.0.0\n")])) == "archive_unsupported"
    with pytest.raises(StowageError) as caught:
        open_foreign(tarball([]), format_version="2.0.0")
    assert caught.value.code == "archive_unsupported"


@settings(max_examples=60)
@given(st.floats(0, 1, exclude_max=True), st.one_of(st.none(), st.integers(0, 7)))
def test_damage_is_found(where: float, bit: int | None) -> None:
    sound = tarball(velero_entries(OBJECTS))
    archive = bytearray(sound)
    at = int(where * len(archive))
    if bit is None:
        del archive[at:]
    else:
        archive[at] ^= 1 << bit
    try:
        with open_foreign(bytes(archive)) as reader:
            found: list[bytes] | None = sorted(body for kind in reader.kinds for _entry, body in reader.objects(kind))
    except StowageError as error:
        found = None
        assert error.code == "backup_damaged", error.message  # noqa: PT017 - or no error
    assert found is None or found == sorted(item.body for _kind, item in OBJECTS)


def test_the_manifests_hash_is_compared_when_all_is_read() -> None:
    """A tarball of ours that was replaced by a sound one."""
    location = MemoryLocation()
    make_backup(location, [(CONFIG_MAPS, make_item(CONFIG_MAPS, "a", "x", data="1"))])
    other = MemoryLocation()
    make_backup(other, [(CONFIG_MAPS, make_item(CONFIG_MAPS, "a", "x", data="2"))])
    location.objects[PATHS.tarball] = other.objects[PATHS.tarball]
    del location.objects[PATHS.index]
    record = catalog.read_backup(location, PATHS.cluster, PATHS.backup)
    with pytest.raises(StowageError) as caught:
        BackupReader.open(location, record, progress=Notes())
    assert caught.value.code == "backup_damaged"
    assert PATHS.tarball in caught.value.message
    # Of the same size, too.
    manifest = json.loads(location.objects[PATHS.manifest])
    manifest["files"][PATHS.tarball.rpartition("/")[2]]["size"] = len(location.objects[PATHS.tarball])
    location.objects[PATHS.manifest] = json.dumps(manifest).encode()
    sha256 = hashlib.sha256(location.objects[PATHS.manifest]).hexdigest()
    with pytest.raises(StowageError) as caught:
        BackupReader.open(location, dataclasses.replace(record, manifest_sha256=sha256), progress=Notes())
    assert caught.value.message == f"{PATHS.tarball} is damaged: it is not what was written."


@pytest.mark.parametrize("manifest", [True, False], ids=["with manifest", "without"])
def test_long_names_without_an_index_are_found_by_kind(manifest: bool) -> None:
    location = MemoryLocation()
    long = make_item(CONFIG_MAPS, "a", "n" * 252)
    lone = make_item(NAMESPACES, "", "l" * 252)
    make_backup(location, [(CONFIG_MAPS, long), (CONFIG_MAPS, make_item(CONFIG_MAPS, "a", "x")), (NAMESPACES, lone)])
    del location.objects[PATHS.index]
    record = catalog.read_backup(location, PATHS.cluster, PATHS.backup)
    if not manifest:
        del location.objects[PATHS.manifest]
    with BackupReader.open(location, record, progress=Notes()) as reader:
        assert [entry.name for entry in reader.entries(CONFIG_MAPS)] == [long.name, "x"]
        assert [entry.name for entry in reader.entries(NAMESPACES)] == ([lone.name] if manifest else [])
        assert list(reader.lost) == ([] if manifest else [("Namespace", "", lone.name)])


def test_the_temporary_file_is_private_and_has_no_name(tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with open_foreign(tarball(velero_entries(OBJECTS))) as reader:
        assert reader._spooled is not None
        stat = os.fstat(reader._spooled._file.fileno())
        assert stat.st_mode & 0o777 == 0o600
        assert stat.st_nlink == 0
        assert stat.st_size > 0
        assert not os.listdir(tmp_path)


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, _data: t.Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_options: Full())
    with pytest.raises(StowageError) as caught:
        open_foreign(tarball(velero_entries(OBJECTS)))
    assert caught.value.code == "quota"
    assert "TMPDIR" in caught.value.hint


def test_a_stop_is_heeded_while_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_REPORT_EVERY", 2)

    class Stopped(Notes):
        def check(self) -> None:
            raise StowageError("interrupted", "Stop.")

    location = MemoryLocation()
    put_foreign(location, tarball(velero_entries(OBJECTS)))
    record = catalog.read_backup(location, PATHS.cluster, PATHS.backup)
    with pytest.raises(StowageError) as caught:
        BackupReader.open(location, record, progress=Stopped())
    assert caught.value.code == "interrupted"


NAMES = st.text('abcxyz-.:" é世', min_size=1, max_size=120).filter(lambda name: name not in (".", ".."))


@settings(max_examples=60)
@given(
    st.sets(st.tuples(st.sampled_from(["a", "a-b", "a.b"]), NAMES), max_size=20),
    st.randoms(),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_any_order_is_brought_into_etcds(keys: set[tuple[str, str]], random: t.Any, form: int) -> None:
    items = [make_item(CONFIG_MAPS, *key) for key in sorted(keys, key="/".join)]
    shuffled: list[Item] = copy.copy(items)
    random.shuffle(shuffled)
    archive = tarball(velero_entries([(CONFIG_MAPS, item) for item in shuffled]), form)
    with open_foreign(archive) as reader:
        assert [body for _entry, body in reader.objects(CONFIG_MAPS)] == [item.body for item in items]
        assert [json.loads(reader.get(entry))["metadata"]["name"] for entry in reader.entries(CONFIG_MAPS)] == [
            item.name for item in items
        ]
