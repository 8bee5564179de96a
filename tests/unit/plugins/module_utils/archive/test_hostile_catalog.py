# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever can write one file into a folder must not keep others from listing, backing up or restoring."""

from __future__ import annotations

import json
import tracemalloc
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.document import ANNOTATIONS, CAPTURE_ID
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.foreign_json import read_backup_document
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import brief
from support.archives import CONFIG_MAPS, make_backup, make_item, velero_document
from support.memory_location import MemoryLocation

KEY: t.Final = "clusters/east/backups/odd/velero-backup.json"


@pytest.fixture
def location() -> MemoryLocation:
    location = MemoryLocation()
    make_backup(location, [(CONFIG_MAPS, make_item(CONFIG_MAPS, "shop", "a"))])
    return location


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon", ""])
def test_a_time_that_is_none_counts_as_absent(location: MemoryLocation, time: str) -> None:
    document = velero_document("odd")
    document["status"] |= {"startTimestamp": time, "completionTimestamp": time, "expiration": time}
    location.objects[KEY] = json.dumps(document).encode()
    records = {record.name: record for record in catalog.list_backups(location, "east")}
    assert records["odd"].started is None
    assert records["nightly"].phase == "Completed"


def test_memory_does_not_grow_with_what_does_not_count(location: MemoryLocation) -> None:
    document = velero_document("odd")
    junk = ",".join(['{"a":[[[]]]}'] * 250_000)
    text = json.dumps(document)[:-1] + f', "junk": [{junk}]}}'
    assert 2 * limits.MIB < len(text) < limits.MAX_VELERO_BACKUP
    location.objects[KEY] = text.encode()
    tracemalloc.start()
    try:
        records = catalog.list_backups(location, "east")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert {record.name: record.phase for record in records} == {"odd": "Completed", "nightly": "Completed"}
    assert peak < 4 * len(text)


def test_a_field_without_an_end_is_left_out_or_hashed() -> None:
    document = velero_document("odd")
    document["metadata"]["labels"] = {f"label-{number}": "x" for number in range(10_000)}
    document["spec"]["includedNamespaces"] = [f"namespace-{number}" for number in range(10_000)]
    found = read_backup_document(json.dumps(document).encode(), ANNOTATIONS)
    assert found is not None
    assert found["metadata"]["labels"] is None
    assert len(found["spec"]["includedNamespaces"]) == 64
    document["spec"]["includedNamespaces"].append("another")
    other = read_backup_document(json.dumps(document).encode(), ANNOTATIONS)
    assert other is not None
    assert other["spec"] != found["spec"]


def test_what_counts_is_read() -> None:
    document = velero_document("odd")
    document["metadata"]["annotations"] = {CAPTURE_ID: "abc", "other": "x"}
    document["spec"]["includedNamespaces"] = ["shop"]
    found = read_backup_document(json.dumps(document).encode(), ANNOTATIONS)
    assert found is not None
    assert found["kind"] == "Backup"
    assert found["metadata"]["name"] == "odd"
    assert found["metadata"]["annotations"] == {CAPTURE_ID: "abc"}
    assert found["spec"]["includedNamespaces"] == ["shop"]
    assert found["status"]["phase"] == document["status"]["phase"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    part=st.sampled_from(["kind", "metadata", "spec", "status"]),
    field=st.sampled_from(["name", "labels", "annotations", "phase", "progress", "includedNamespaces", "warnings"]),
    value=json_values,
    inside=st.booleans(),
)
def test_values_of_any_type_make_no_trouble(part: str, field: str, value: t.Any, inside: bool) -> None:
    document = velero_document("odd")
    if inside and isinstance(document[part], dict):
        document[part][field] = value
    else:
        document[part] = value
    location = MemoryLocation()
    location.objects[KEY] = json.dumps(document).encode()
    (record,) = catalog.list_backups(location, "east")
    assert json.dumps(record.as_dict())


@given(json_values)
def test_what_a_manifest_says_is_cut_to_what_fits_a_result(value: t.Any) -> None:
    shown = brief({"x": value, "long": "y" * 5000, "many": list(range(5000))})
    assert shown["long"] == "y" * 1024
    assert shown["many"] == list(range(100))
