# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole backups are compared as naively as two dictionaries would be, and with a fraction of the reading."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import tracemalloc
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, indexed, writer
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import GroupRecord, KindRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.cutting import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect.compare import (
    Basis,
    Comparison,
    caveats,
    compare_backups,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from support.archives import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PATHS,
    Notes,
    make_backup,
    make_item,
    put_foreign,
    tarball,
    velero_entries,
)
from support.memory_location import MemoryLocation

Objects = list[tuple[Kind, Item]]
Key = tuple[str, str, str]

NEW: t.Final = PATHS
OLD: t.Final = BackupPaths("east", "before")
EVENTS: t.Final = Kind("", "v1", "events", "Event", True)
LEASES: t.Final = Kind("coordination.k8s.io", "v1", "leases", "Lease", True)
CANARY: t.Final = "canary-in-an-object"


def touched(kind: Kind, namespace: str, name: str, *, data: str = "", status: t.Any = None) -> Item:
    """An object with what servers write into it."""
    item = make_item(kind, namespace, name, data=data)
    tree = json.loads(item.body)
    tree["status"] = status
    return dataclasses.replace(item, body=json.dumps(tree).encode())


def compare(
    location: MemoryLocation,
    basis: Basis = "content",
    *,
    new: BackupPaths = NEW,
    old: BackupPaths = OLD,
    progress: Progress | None = None,
) -> Comparison:
    records = (catalog.read_backup(location, paths.cluster, paths.backup) for paths in (new, old))
    return compare_backups(location, *records, basis=basis, progress=progress or Notes())


def made(new: Objects, old: Objects) -> MemoryLocation:
    location = MemoryLocation()
    make_backup(location, new, paths=NEW)
    make_backup(location, old, paths=OLD)
    return location


def keys(listed: t.Iterable[t.Mapping[str, str]]) -> set[Key]:
    return {(one["resource"], one["namespace"], one["name"]) for one in listed}


# -- against dictionaries

KINDS: t.Final = {kind.resource: kind for kind in (CONFIG_MAPS, DEPLOYMENTS, NAMESPACES)}
OBJECT_KEYS = st.one_of(
    st.tuples(
        st.sampled_from(["configmaps", "deployments.apps"]),
        st.sampled_from(["a", "a-b", "a.b", "b"]),
        st.text("ab-.é世", min_size=1, max_size=3).filter(lambda name: name.strip(".")),
    ),
    st.tuples(st.just("namespaces"), st.just(""), st.sampled_from(["a", "a-b", "a.b", "b"])),
)
STATES = st.tuples(st.sampled_from(["x", "y"]), st.sampled_from(["ready", "not ready"]))
CLUSTERS = st.dictionaries(OBJECT_KEYS, STATES, max_size=25)
Cluster = dict[Key, tuple[str, str]]


def captured(cluster: Cluster) -> Objects:
    """A cluster's objects in the order in which a capture brings them."""
    found: Objects = []
    for key in sorted(cluster, key=lambda key: (key[0], f"{key[1]}/{key[2]}")):
        resource, namespace, name = key
        data, status = cluster[key]
        found.append((KINDS[resource], touched(KINDS[resource], namespace, name, data=data, status=status)))
    return found


def put(location: MemoryLocation, paths: BackupPaths, cluster: Cluster, how: str) -> None:
    """A backup of a cluster: with an index, without, or Velero's."""
    if how == "velero":
        put_foreign(location, tarball(velero_entries(reversed(captured(cluster)))), paths=paths)
        return
    make_backup(location, captured(cluster), paths=paths)
    if how == "without index":
        del location.objects[paths.index]


@settings(max_examples=80)
@given(
    CLUSTERS,
    CLUSTERS,
    st.tuples(*[st.sampled_from(["index", "without index", "velero"])] * 2),
    st.sampled_from(t.get_args(Basis)),
    st.integers(1, 10),
)
def test_it_is_what_two_dictionaries_would_tell(
    new: Cluster, old: Cluster, how: tuple[str, str], basis: Basis, block: int
) -> None:
    location = MemoryLocation()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "MEMBER_FULL", 2048)
        patch.setattr(writer, "BLOCK_FULL", block)
        put(location, NEW, new, how[0])
        put(location, OLD, old, how[1])
    found = compare(location, basis).as_dict()
    both = new.keys() & old.keys()
    differs = {key for key in both if (new[key][0] != old[key][0] if basis == "content" else new[key] != old[key])}
    assert keys(found["added"]) == new.keys() - old.keys()
    assert keys(found["removed"]) == old.keys() - new.keys()
    assert keys(found["changed"]) == differs
    assert found["counts"] == {
        "added": len(new.keys() - old.keys()),
        "removed": len(old.keys() - new.keys()),
        "changed": len(differs),
        "unchanged": len(both - differs),
    }
    assert found["equal"] == (new.keys() == old.keys() and not differs)
    for fate, count in found["counts"].items():
        assert sum(kind[fate] for kind in found["kinds"]) == count
    assert [kind["resource"] for kind in found["kinds"]] == sorted({key[0] for key in new.keys() | old.keys()})

    turned = compare(location, basis, new=OLD, old=NEW).as_dict()
    assert (turned["added"], turned["removed"], turned["changed"]) == (
        found["removed"],
        found["added"],
        found["changed"],
    )
    assert turned["equal"] == found["equal"]


# -- what is compared


def test_what_runs_by_itself_is_left_out_of_contents_but_not_of_bytes() -> None:
    running = [
        (kind, touched(kind, "a", f"{name}-{kind.plural}", data=name))
        for kind in (EVENTS, LEASES)
        for name in ("x", "y")
    ]
    location = made(running[:3], running[1:])
    found = compare(location).as_dict()
    assert found["equal"]
    assert found["kinds"] == []
    assert found["left_out"] == ["events", "leases.coordination.k8s.io"]
    found = compare(location, "bytes").as_dict()
    assert found["counts"] == {"added": 1, "removed": 1, "changed": 0, "unchanged": 2}
    assert found["left_out"] == []


def test_kinds_are_matched_whatever_their_version() -> None:
    beta = Kind("apps", "v1beta1", "deployments", "Deployment", True)
    location = made(
        [
            (DEPLOYMENTS, touched(DEPLOYMENTS, "a", "other", data="2")),
            (DEPLOYMENTS, touched(DEPLOYMENTS, "a", "same")),
        ],
        [(beta, touched(beta, "a", "other", data="1")), (beta, touched(beta, "a", "same"))],
    )
    found = compare(location).as_dict()
    assert found["kinds"] == [
        {
            "resource": "deployments.apps",
            "version": "v1",
            "compare_with_version": "v1beta1",
            "added": 0,
            "removed": 0,
            "changed": 1,
            "unchanged": 1,
        }
    ]
    assert keys(found["changed"]) == {("deployments.apps", "a", "other")}
    assert [note for note in found["notes"] if "deployments.apps in different versions" in note]


def test_a_kind_that_became_cluster_scoped_has_other_objects() -> None:
    wide = Kind("example.com", "v1", "things", "Thing", False)
    narrow = Kind("example.com", "v1", "things", "Thing", True)
    location = made(
        [(wide, touched(wide, "", name)) for name in ("a", "b")],
        [(narrow, touched(narrow, "a", name)) for name in ("a", "b")],
    )
    found = compare(location).as_dict()
    assert keys(found["added"]) == {("things.example.com", "", "a"), ("things.example.com", "", "b")}
    assert keys(found["removed"]) == {("things.example.com", "a", "a"), ("things.example.com", "a", "b")}


def test_no_content_is_in_a_result() -> None:
    location = made(
        [(CONFIG_MAPS, touched(CONFIG_MAPS, "a", "x", data=CANARY)), (CONFIG_MAPS, touched(CONFIG_MAPS, "a", "y"))],
        [(CONFIG_MAPS, touched(CONFIG_MAPS, "a", "x")), (CONFIG_MAPS, touched(CONFIG_MAPS, "a", "z", data=CANARY))],
    )
    found = json.dumps(compare(location).as_dict())
    assert CANARY not in found
    assert '"changed": 1' in found


def test_only_the_first_of_many_are_listed() -> None:
    location = made(
        [(CONFIG_MAPS, touched(CONFIG_MAPS, "a", f"c{n:03}", data="2")) for n in range(150)],
        [(CONFIG_MAPS, touched(CONFIG_MAPS, "a", f"c{n:03}", data="1")) for n in range(150)],
    )
    found = compare(location).as_dict()
    assert found["counts"]["changed"] == 150
    assert [one["name"] for one in found["changed"]] == [f"c{n:03}" for n in range(100)]
    assert found["notes"] == ["Only the first 100 of 150 changed objects are listed."]


# -- what is read


@pytest.fixture
def large() -> MemoryLocation:
    """Backups of several members and blocks; one object in the middle differs, one in its status alone."""

    def objects(data: str, status: str) -> Objects:
        return [
            (
                CONFIG_MAPS,
                touched(
                    CONFIG_MAPS,
                    "a",
                    f"c{n:04}",
                    data=(data if n == 700 else "") + hashlib.sha256(str(n).encode()).hexdigest() * 9,
                    status=status if n == 300 else "",
                ),
            )
            for n in range(1000)
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "MEMBER_FULL", 20_000)
        patch.setattr(writer, "BLOCK_FULL", 50)
        return made(objects("new", "ready"), objects("old", "not ready"))


def tarballs(location: MemoryLocation) -> int:
    return sum(len(location.objects[paths.tarball]) for paths in (NEW, OLD))


def test_bytes_are_compared_by_the_indexes_alone(large: MemoryLocation) -> None:
    found = compare(large, "bytes")
    assert [one["name"] for one in found.as_dict()["changed"]] == ["c0300", "c0700"]
    assert found.bytes_read == 0
    assert 0 < found.index_bytes_read <= sum(len(large.objects[paths.index]) for paths in (NEW, OLD))
    assert not [key for operation, key in large.log if "read" in operation and key.endswith(".tar.gz")]
    assert "open" not in large.calls


def test_of_contents_only_what_has_other_bytes_is_fetched(large: MemoryLocation) -> None:
    found = compare(large)
    assert [one["name"] for one in found.as_dict()["changed"]] == ["c0700"]
    assert 0 < found.bytes_read < tarballs(large) / 5
    assert "open" not in large.calls


def test_memory_does_not_grow_with_the_backups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexed, "_CACHE", 100_000)
    monkeypatch.setattr(indexed, "_RANGE", 10_000)
    monkeypatch.setattr(writer, "MEMBER_FULL", 50_000)
    monkeypatch.setattr(writer, "BLOCK_FULL", 200)

    def peak(count: int) -> int:
        def objects(data: str) -> Objects:
            return [(CONFIG_MAPS, touched(CONFIG_MAPS, "a", f"c{n:05}", data=f"{data}{n}" * 200)) for n in range(count)]

        location = made(objects("new"), objects("old"))
        tracemalloc.start()
        try:
            assert compare(location).as_dict()["counts"]["changed"] == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # what is made once
    assert peak(4000) < 1.5 * peak(1000)


# -- trouble


@functools.cache
def differing() -> dict[str, bytes]:
    """The files of two backups with several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "MEMBER_FULL", 4096)
        patch.setattr(writer, "BLOCK_FULL", 10)
        new = [(CONFIG_MAPS, touched(CONFIG_MAPS, "a", f"c{n:03}", data=str(n % 3))) for n in range(100)]
        old = [(CONFIG_MAPS, touched(CONFIG_MAPS, "a", f"c{n:03}", data=str(n % 4))) for n in range(5, 105)]
        return made(new, old).objects


@settings(max_examples=100)
@given(
    st.sampled_from([NEW, OLD]),
    st.sampled_from(["tarball", "index", "manifest"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 7),
    st.sampled_from(t.get_args(Basis)),
)
def test_damage_makes_no_other_result(paths: BackupPaths, file: str, where: float, bit: int, basis: Basis) -> None:
    """Without a sound index the archives are read in full; without a sound archive it is said which one."""
    location = MemoryLocation()
    location.objects = dict(differing())
    sound = compare(location, basis).differences.as_dict()
    key = getattr(paths, file)
    content = bytearray(location.objects[key])
    content[int(where * len(content))] ^= 1 << bit
    location.objects[key] = bytes(content)
    try:
        found = compare(location, basis)
    except StowageError as error:
        assert (error.code, error.details["file"]) == ("backup_damaged", paths.tarball), error.message  # noqa: PT017
        assert file == "tarball"
    else:
        assert found.differences.as_dict() == sound
        if file == "index":
            assert [note for note in found.notes if key in note and "read in full" in note]


def test_backups_that_are_not_whole_are_refused() -> None:
    location = made([], [])
    del location.objects[OLD.velero_backup]
    for new, old in ((NEW, OLD), (OLD, NEW)):
        with pytest.raises(StowageError) as caught:
            compare(location, new=new, old=old)
        assert caught.value.code == "backup_in_progress"


def test_a_stop_ends_it_soon() -> None:
    objects: Objects = [(CONFIG_MAPS, touched(CONFIG_MAPS, "a", f"c{n:03}")) for n in range(500)]
    location = made(objects, objects)
    progress = Progress()
    seen = 0

    def report(step: str, detail: str = "", *, objects: int = 0, total: int | None = None, size: int = 0) -> None:
        nonlocal seen
        seen = objects
        progress.stop("enough")

    t.cast("t.Any", progress).report = report
    with pytest.raises(StowageError) as caught:
        compare(location, progress=progress)
    assert caught.value.code == "interrupted"
    assert 0 < seen <= 100


# -- what makes counts mean less


def test_whole_backups_of_one_selection_need_no_caveat() -> None:
    found = compare(made([], []))
    assert (found.caveats, found.notes) == ([], [])
    assert found.as_dict()["equal"]


def test_other_clusters_selections_and_gaps_are_told() -> None:
    location = MemoryLocation()
    make_backup(location, [], paths=NEW)
    make_backup(location, [], paths=OLD, fingerprint="other", cluster_uid="another", phase="PartiallyFailed")
    told = " ".join(compare(location).caveats)
    assert "different clusters" in told
    assert "different selections" in told
    assert "before of east is PartiallyFailed" in told


def test_what_a_backup_may_lack_is_named() -> None:
    location = MemoryLocation()
    make_backup(location, [(CONFIG_MAPS, touched(CONFIG_MAPS, "a", "x"))], phase="PartiallyFailed")
    record = catalog.read_backup(location, NEW.cluster, NEW.backup)
    manifest = catalog.read_manifest(location, record)
    manifest.kinds = [
        KindRecord.of(DEPLOYMENTS, complete=False),
        KindRecord.of(NAMESPACES),
        *(KindRecord.of(dataclasses.replace(CONFIG_MAPS, plural=f"k{n}"), complete=False) for n in range(7)),
    ]
    manifest.groups_failed = [GroupRecord("lost.example.com", "v1", "no answer"), GroupRecord("m", "v1", "", True)]
    assert list(caveats(record, manifest, record, None)) == [
        "The backup nightly of east is PartiallyFailed: it may lack objects, in deployments.apps, k0, k1, k2, k3 and 4 more.",
        "The backup nightly of east is PartiallyFailed: it may lack objects.",
    ]
    manifest.kinds = []
    assert next(caveats(record, manifest, record, None)).endswith("it may lack objects, in lost.example.com.")


def test_veleros_selections_are_not_compared_with_ours() -> None:
    location = MemoryLocation()
    make_backup(location, [], paths=NEW)
    put_foreign(location, tarball(velero_entries([])), paths=OLD)
    assert compare(location).caveats == [
        "One backup was made by Velero: whether both are of the same selection cannot be told."
    ]
