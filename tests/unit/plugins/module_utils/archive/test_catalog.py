# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import Manifest
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import reserve
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support.archives import CONFIG_MAPS, PATHS, make_backup, make_item, put_foreign, velero_document
from support.memory_location import MemoryLocation

HOUR: t.Final = datetime.timedelta(hours=1)
OBJECTS: t.Final = [(CONFIG_MAPS, make_item(CONFIG_MAPS, "a", "x"))]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def named(name: str) -> BackupPaths:
    return BackupPaths(PATHS.cluster, name)


def test_a_location_is_listed_without_anything_else() -> None:
    location = MemoryLocation()
    make_backup(location, OBJECTS, paths=named("first"), labels={"team": "a"})
    location.clock += HOUR
    make_backup(
        location, OBJECTS, paths=named("a-later-one"), phase="PartiallyFailed", expires_at=location.clock + HOUR
    )
    location.clock += HOUR
    reserve(location, named("running"), location.now(), HOUR)
    make_backup(location, OBJECTS, paths=BackupPaths("west", "elsewhere"))
    records = catalog.list_backups(location, "east")
    assert [(record.name, record.phase) for record in records] == [
        ("first", "Completed"),
        ("a-later-one", "PartiallyFailed"),
        ("running", "InProgress"),
    ]
    first, later, running = records
    assert first.ours
    assert first.labels["team"] == "a"
    assert first.started is not None
    assert first.started.isoformat() == "2026-11-01T12:00:00+00:00"
    assert (first.objects, first.cluster_uid, first.fingerprint) == (1, "uid-of-east", "fingerprint")
    assert first.size is not None
    assert first.size > 100
    assert later.expires_at is not None
    assert running.capture_id
    assert running.message
    location.objects["clusters/.snapshot/nightly\n.0/x"] = b""
    assert catalog.list_clusters(location) == (["east", "west"], [".snapshot"])
    assert [record.name for record in catalog.in_progress(location, "east")] == ["running"]
    location.clock += HOUR
    assert [(record.name, record.phase) for record in catalog.in_progress(location, "east")] == [
        ("running", "Abandoned")
    ]


def test_a_record_can_be_returned_by_a_module() -> None:
    location = MemoryLocation()
    make_backup(location, OBJECTS)
    document = catalog.read_backup(location, "east", "nightly").as_dict()
    assert json.loads(json.dumps(document)) == document
    assert "document" not in document


def test_velero_backups_are_listed_with_what_they_say() -> None:
    location = MemoryLocation()
    put_foreign(location, b"")
    (record,) = catalog.list_backups(location, "east")
    assert (record.phase, record.ours, record.objects) == ("Completed", False, 3)
    assert record.fingerprint.startswith("velero:")
    assert record.format_version == "1.1.0"


def test_selections_of_velero_backups_are_told_apart() -> None:
    everything, same, shop = (velero_document(name) for name in "abc")
    shop["spec"]["includedNamespaces"] = ["shop"]
    prints = [catalog.record_of("east", document).fingerprint for document in (everything, same, shop)]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("spec", "filters"),
    [
        ({}, ""),
        ({"includedNamespaces": ["*"], "excludedResources": None}, ""),
        ({"includedNamespaces": ["shop", "cart"], "includeClusterResources": False},
         "includedNamespaces: shop, cart; includeClusterResources: false"),
        ({"labelSelector": {"matchLabels": {"a": "b"}}}, 'labelSelector: {"matchLabels": {"a": "b"}}'),
        ({"includedNamespaces": ["\x1b[2J" * 100]}, None),
    ],
)  # fmt: skip
def test_a_selection_is_told_in_short(spec: dict[str, t.Any], filters: str | None) -> None:
    found = catalog.record_of("east", velero_document("a") | {"spec": spec}).filters
    assert found == filters or (filters is None and len(found) == 200 and found.isprintable())


def test_there_may_be_nothing() -> None:
    location = MemoryLocation()
    assert catalog.list_backups(location, "east") == []
    assert catalog.list_clusters(location) == ([], [])
    with pytest.raises(StowageError) as caught:
        catalog.read_backup(location, "east", "nightly")
    assert caught.value.code == "backup_not_found"
    with pytest.raises(StowageError) as caught:
        catalog.read_backup(location, "east", "../x")
    assert caught.value.code == "invalid_name"


def test_files_without_a_commit_are_incomplete() -> None:
    location = MemoryLocation()
    location.create(PATHS.logs, b"")
    assert [record.phase for record in catalog.list_backups(location, "east")] == ["Incomplete"]
    assert catalog.read_backup(location, "east", "nightly").phase == "Incomplete"


def test_a_reservation_that_goes_away_meanwhile_is_nothing() -> None:
    location = MemoryLocation()
    reserve(location, PATHS, location.now(), HOUR)

    def fault(operation: str, key: str) -> None:
        if operation == "read" and key == PATHS.reservation:
            location.objects.pop(key, None)

    location.fault = fault
    assert catalog.list_backups(location, "east") == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 200_000,
        b"{}",
        json.dumps(velero_document("other")).encode(),
        json.dumps(velero_document("nightly", phase="Excellent")).encode(),
        json.dumps(velero_document("nightly") | {"kind": "Restore"}).encode(),
        b" " * (9 << 20),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_a_damaged_file_is_a_record_and_no_crash(data: bytes) -> None:
    location = MemoryLocation()
    location.create(PATHS.velero_backup, data)
    (record,) = catalog.list_backups(location, "east")
    assert (record.name, record.phase, record.ours) == ("nightly", "Damaged", False)
    assert record.message
    location.create(PATHS.manifest, b"")
    assert catalog.read_backup(location, "east", "nightly").ours


def test_folders_with_names_that_nobody_makes() -> None:
    location = MemoryLocation()
    location.create("clusters/east/backups/A\x1b[2J/velero-backup.json", b"{}")
    (record,) = catalog.list_backups(location, "east")
    assert (record.name, record.phase) == ("A\\x1b[2J", "Damaged")


@given(JSON, JSON, JSON)
def test_no_document_can_make_it_crash(metadata: t.Any, spec: t.Any, status: t.Any) -> None:
    location = MemoryLocation()
    document = {"kind": "Backup", "metadata": metadata, "spec": spec, "status": status}
    if isinstance(metadata, dict):
        metadata = metadata | {"name": "nightly", "annotations": spec, "labels": status}
    if isinstance(status, dict):
        status = status | {"phase": "Completed", "progress": spec, "startTimestamp": metadata, "warnings": spec}
    location.create(PATHS.velero_backup, json.dumps(document).encode())
    (record,) = catalog.list_backups(location, "east")
    assert record.name == "nightly"
    json.dumps(record.as_dict())


def test_what_is_shown_has_no_control_characters() -> None:
    document = velero_document("nightly")
    document["metadata"]["labels"] = {"a\x1b": "b\r\n"}
    record = catalog.record_of("east", document)
    assert record.labels == {"a\\x1b": "b\\r\\n"}


def test_failures_of_the_store_are_raised() -> None:
    location = MemoryLocation()
    make_backup(location, OBJECTS)

    def fault(operation: str, key: str) -> None:
        if operation == "read":
            raise StowageError("permission_denied", "Not you.")

    location.fault = fault
    with pytest.raises(StowageError) as caught:
        catalog.list_backups(location, "east")
    assert caught.value.code == "permission_denied"


class TestManifest:
    def read(self, location: MemoryLocation) -> Manifest:
        return catalog.read_manifest(location, catalog.read_backup(location, "east", "nightly"))

    def test_it_tells_what_was_captured(self) -> None:
        location = MemoryLocation()
        make_backup(location, OBJECTS)
        manifest = self.read(location)
        assert manifest.kinds[0].to_kind() == CONFIG_MAPS
        assert (manifest.kinds[0].count, manifest.objects) == (1, 1)
        files = {
            key.rpartition("/")[2]: len(data) for key, data in location.objects.items() if key.startswith(PATHS.folder)
        }
        del files["velero-backup.json"], files["stowage-manifest.json"]
        assert {name: digest.size for name, digest in manifest.files.items()} == files
        assert Manifest.from_json(manifest.to_json(), "x") == manifest

    @pytest.mark.parametrize("change", ["missing", "changed"])
    def test_it_is_compared_with_the_commit(self, change: str) -> None:
        location = MemoryLocation()
        make_backup(location, OBJECTS)
        if change == "missing":
            del location.objects[PATHS.manifest]
        else:
            location.objects[PATHS.manifest] += b" "
        with pytest.raises(StowageError) as caught:
            self.read(location)
        assert caught.value.code == "backup_damaged"
        assert PATHS.manifest in caught.value.message

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("index", "offset"), -1),
            (("index", "size"), 0),
            (("index", "sha256"), "x"),
            (("objects",), "many"),
            (("started",), "yesterday"),
            (("started",), "2026-11-01T12:00:00"),
            (("kinds",), [{"kind": "X"}]),
            (("files",), {"../x": {"size": 1, "sha256": "0" * 64}}),
            (("files",), {"x": {"size": -1, "sha256": "0" * 64}}),
        ],
    )
    def test_values_that_make_no_sense_are_refused(self, path: tuple[str, ...], value: t.Any) -> None:
        location = MemoryLocation()
        make_backup(location, OBJECTS)
        document = json.loads(location.objects[PATHS.manifest])
        inner = document
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = value
        with pytest.raises(StowageError) as caught:
            Manifest.from_json(json.dumps(document).encode(), "x")
        assert caught.value.code == "backup_damaged"

    @pytest.mark.parametrize("data", [b"", b"[]", b"{", b"[" * 100_000])
    def test_what_is_no_manifest_is_refused(self, data: bytes) -> None:
        with pytest.raises(StowageError) as caught:
            Manifest.from_json(data, "x")
        assert caught.value.code == "backup_damaged"

    def test_formats_of_the_future_are_not_guessed_at(self) -> None:
        with pytest.raises(StowageError) as caught:
            Manifest.from_json(b'{"format":"stowage-manifest/2"}', "x")
        assert caught.value.code == "archive_unsupported"
