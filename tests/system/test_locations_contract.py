# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every location must do, for each provider: against a directory, MinIO, SeaweedFS, an emulator of AWS,
fake-gcs-server, gcp-storage-emulator, a server of the testbed's that stands for Google, and Azurite."""

from __future__ import annotations

import datetime
import hashlib
import json
import random
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_client
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location, PendingUpload
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.parts import PartsWriter
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3 import S3Location
from testbed import FakeGcs, GoogleServer
from testbed.azurite import Azurite
from testbed.store import S3Store

PREFIX = "fleet/one"
# What stands for a provider that runs nowhere else.
SERVERS = {"aws": "ministack"}
MIB = 1 << 20
# More than two parts of a multipart upload, the last one short.
LARGE = 20 * MIB + 12345
WEIRD_KEYS = (
    "w/with space.gz",
    "w/a+b%41&c=d?e#f",
    "w/ünïcode/日本語",
    "w/quotes'\"<>",
    "w/~!@$^*(){}[]|:;,`",
    "w/%2e%2e/percent%20",
    "w/.hidden",
    "w/...",
    "w/" + "n" * 200,
)
HOSTILE_KEYS = ("", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\0b", "a\nb", "a\\b", "x" * 1025, "\udcff")


@dataclass
class Place:
    """Somewhere to have locations: options that open one, and the objects that are really there."""

    name: str
    options: dict[str, Any]
    keys: Callable[[], list[str]]
    sees_uploads: bool = True
    """Whether the store lists uploads that were begun: Google does not."""
    conditional: bool = True
    """Whether the store refuses to create what exists. gcp-storage-emulator ignores conditions, so it is asked before, and two at
    once may both find nothing."""
    locations: list[Location] = field(default_factory=list)

    def open(self, **changes: Any) -> Location:
        """A location with these options changed; it is closed with the test."""
        location = open_location({**self.options, **changes}, {})
        self.locations.append(location)
        return location


@pytest.fixture(params=["filesystem", "minio", "seaweedfs", "aws", "google", "fake_gcs", "gcp_emulator", "azure"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A new, empty directory or bucket of each provider."""
    if request.param == "filesystem":
        root = tmp_path / "backups"
        options = {"provider": "filesystem", "path": str(root), "prefix": PREFIX}
        found = Place(
            request.param, options, lambda: [str(f.relative_to(root)) for f in root.rglob("*") if f.is_file()]
        )
    elif request.param in {"google", "fake_gcs", "gcp_emulator"}:
        google: GoogleServer | FakeGcs = request.getfixturevalue(request.param)
        bucket = google.create_bucket(f"contract-{uuid.uuid4().hex[:12]}")
        found = Place(request.param, google_options(google, bucket), lambda: google.keys(bucket), sees_uploads=False)
        found.conditional = request.param != "gcp_emulator"
    elif request.param == "azure":
        account: Azurite = request.getfixturevalue("azurite")
        container = account.create_bucket(f"contract-{uuid.uuid4().hex[:12]}")
        found = Place(request.param, azure_options(account, container), lambda: account.keys(container))
    else:
        store: S3Store = request.getfixturevalue(SERVERS.get(request.param, request.param))
        bucket = store.create_bucket(f"contract-{uuid.uuid4().hex[:12]}")
        options = store_options(store, bucket) | ({"provider": "aws"} if request.param == "aws" else {})
        found = Place(request.param, options, lambda: store.keys(bucket))
    yield found
    for location in found.locations:
        location.close()


def store_options(store: S3Store, bucket: str) -> dict[str, Any]:
    """The options of a location in a bucket of a store."""
    auth = {"method": "access_key", "access_key": store.access_key, "secret_key": store.secret_key}
    ca_cert = str(store.ca_cert) if store.ca_cert else None
    where = {"endpoint": store.endpoint, "bucket": bucket, "prefix": PREFIX, "ca_cert": ca_cert}
    return {"provider": "minio", "auth": auth, **where}


def google_options(google: GoogleServer | FakeGcs, bucket: str) -> dict[str, Any]:
    """The options of a location in a bucket of a server that stands for Google."""
    where = {"endpoint": google.endpoint, "bucket": bucket, "prefix": PREFIX, "ca_cert": str(google.ca_cert)}
    return {"provider": "gcp", "auth": google.auth(), **where}


def azure_options(account: Azurite, container: str) -> dict[str, Any]:
    """The options of a location in a container."""
    where = {"endpoint": account.endpoint, "storage_account": account.account, "ca_cert": str(account.ca_cert)}
    auth = {"method": "account_key", "account_key": account.key}
    return {"provider": "azure", "bucket": container, "prefix": PREFIX, "auth": auth, **where}


def content(size: int, seed: int = 0) -> bytes:
    """Bytes that no two places of are alike."""
    return random.Random(seed).randbytes(size)


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    return caught.value.code


def all_keys(location: Location, prefix: str = "") -> list[str]:
    """The keys that a listing gives, sorted."""
    return sorted(info.key for info in location.list(prefix))


def test_a_new_location_is_empty(place: Place) -> None:
    location = place.open()
    assert list(location.list("")) == []
    assert list(location.list_folders("")) == []
    assert list(location.uploads("")) == []
    assert location.stat("clusters/a") is None
    assert list(location.delete(["clusters/a"])) == []
    assert code_of(lambda: location.read("clusters/a", limit=10)) == "key_not_found"
    assert code_of(lambda: location.read_range("clusters/a", 0, 1)) == "key_not_found"
    assert code_of(lambda: location.open("clusters/a")) == "key_not_found"


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_what_was_created_is_read_back(place: Place, size: int) -> None:
    location, data = place.open(), content(size)
    made = location.create("clusters/c/a.json", data)
    assert (made.key, made.size) == ("clusters/c/a.json", size)
    assert location.read("clusters/c/a.json", limit=size) == data
    found = location.stat("clusters/c/a.json")
    assert found is not None
    assert (found.key, found.size) == ("clusters/c/a.json", size)
    assert found.modified.utcoffset() == datetime.timedelta(0)
    assert [(info.key, info.size) for info in location.list("")] == [("clusters/c/a.json", size)]
    assert place.keys() == [f"{PREFIX}/clusters/c/a.json"]


def test_creating_what_exists_changes_nothing(place: Place) -> None:
    location, other = place.open(), place.open()
    location.create("a", b"first")
    assert code_of(lambda: location.create("a", b"second")) == "key_exists"
    assert code_of(lambda: other.create("a", b"second")) == "key_exists"
    with other.writer("a") as writer:
        writer.write(content(LARGE))
        assert code_of(writer.commit) == "key_exists"
    assert location.read("a", limit=100) == b"first"
    assert list(location.uploads("")) == []
    assert location.capabilities.conditional_create is place.conditional


def test_of_two_creators_at_once_one_wins(place: Place) -> None:
    one, two = place.open(), place.open()
    one.create("warm-up", b"")
    two.create("warm-up-too", b"")
    for number in range(20):
        key, start = f"race/{number}", threading.Barrier(2)

        def run(location: Location, data: bytes, key: str = key, start: threading.Barrier = start) -> str:
            start.wait()
            try:
                location.create(key, data)
            except StowageError as error:
                return error.code
            return data.decode()

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(run, (one, two), (b"one", b"two")))
        if place.conditional:
            assert sorted(results) in (["key_exists", "one"], ["key_exists", "two"])
        assert set(results) & {"one", "two"}
        assert one.read(key, limit=10).decode() in results


def test_of_two_large_writers_at_once_one_wins(place: Place) -> None:
    one, two, start = place.open(), place.open(), threading.Barrier(2)
    contents = {"one": content(LARGE, 1), "two": content(LARGE, 2)}

    def run(location: Location, name: str) -> str:
        with location.writer("big/a") as writer:
            writer.write(contents[name])
            start.wait()
            try:
                writer.commit()
            except StowageError as error:
                return error.code
            return name

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, (one, two), ("one", "two")))
    winner = next(name for name in results if name in contents)
    if place.name in {"fake_gcs", "gcp_emulator"}:
        # They ignore the conditions of resumable uploads: that there is nothing yet may be true for both.
        assert set(results) <= {*contents, "key_exists"}
        return
    assert sorted(results) == sorted([winner, "key_exists"])
    assert one.read("big/a", limit=LARGE) == contents[winner]
    assert list(one.uploads("")) == []
    assert all_keys(one) == ["big/a"]


def test_a_large_object_is_streamed_in_and_out(place: Place) -> None:
    location, data = place.open(), content(LARGE)
    with location.writer("big/a") as writer:
        reused = bytearray(300_000)
        for start in range(0, LARGE, len(reused)):
            piece = data[start : start + len(reused)]
            reused[: len(piece)] = piece
            writer.write(memoryview(reused)[: len(piece)])
        assert all_keys(location) == []
        info = writer.commit()
    assert info.size == LARGE
    stream = location.open("big/a")
    digest = hashlib.sha256()
    while block := stream.read(777_777):
        digest.update(block)
    stream.close()
    assert digest.digest() == hashlib.sha256(data).digest()
    assert stat_size(location, "big/a") == LARGE
    assert list(location.uploads("")) == []


def stat_size(location: Location, key: str) -> int | None:
    """The size of an object."""
    info = location.stat(key)
    return info.size if info else None


def test_ranges(place: Place) -> None:
    location, data = place.open(), content(100_000)
    location.create("a", data)
    assert location.read_range("a", 0, 100_000) == data
    assert location.read_range("a", 12_345, 678) == data[12_345:13_023]
    assert location.read_range("a", 99_999, 1) == data[-1:]
    assert location.read_range("a", 5, 0) == b""
    assert code_of(lambda: location.read_range("a", 99_999, 2)) == "backup_damaged"
    assert code_of(lambda: location.read_range("a", 100_001, 1)) == "backup_damaged"
    assert code_of(lambda: location.read("a", limit=99_999)) == "archive_hostile"
    stream = location.open("a", 40_000)
    assert [stream.read(50_000), stream.read(50_000), stream.read(1)] == [data[40_000:90_000], data[90_000:], b""]
    stream.close()


@pytest.mark.parametrize("size", [10, LARGE])
def test_an_aborted_upload_leaves_nothing(place: Place, size: int) -> None:
    location = place.open()
    with location.writer("a/b/c") as writer:
        writer.write(content(size))
    writer.abort()
    with pytest.raises(ValueError, match="ended"):
        writer.write(b"more")
    with pytest.raises(RuntimeError, match="on purpose"):
        fail_while_writing(location, size)
    assert list(location.uploads("")) == []
    assert list(location.list("")) == []
    assert place.keys() == []


def fail_while_writing(location: Location, size: int) -> None:
    """An upload that something else breaks."""
    with location.writer("a/b/c") as broken:
        broken.write(content(size))
        raise RuntimeError("on purpose")


CHILD = """
import json, sys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
job = json.loads(sys.stdin.readline())
location = open_location(job["options"], {})
"""


def child(place: Place, code: str) -> subprocess.Popen[str]:
    """A process that has opened the location and runs the code."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"options": place.options}) + "\n")
    process.stdin.flush()
    return process


def test_a_killed_writer_leaves_an_upload_to_be_found(place: Place) -> None:
    code = """
writer = location.writer("clusters/c/backups/b/b.tar.gz")
for _ in range(20):
    writer.write(bytes(1 << 20))
print("written", flush=True)
sys.stdin.read()
"""
    process = child(place, code)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.kill()
    process.communicate()
    location = place.open()
    assert list(location.list("")) == []
    found = list(location.uploads("clusters/c/backups/b/"))
    if not place.sees_uploads:
        assert found == []
        assert place.keys() == []
        return
    assert [upload.key for upload in found] == ["clusters/c/backups/b/b.tar.gz"]
    assert list(location.uploads("clusters/c/backups/b/b.tar.gz")) == found or place.name == "minio"
    assert list(location.uploads("clusters/d/")) == []
    assert found[0].started.utcoffset() == datetime.timedelta(0)
    location.abort_upload(found[0])
    location.abort_upload(found[0])
    assert list(location.uploads("")) == []
    assert place.keys() == []


def test_another_key_in_the_way_of_an_upload_is_left_alone(place: Place) -> None:
    location = place.open()
    with location.writer("a/b") as first, location.writer("a/c") as second:
        first.write(content(LARGE))
        second.write(content(LARGE, 1))
        if isinstance(first, PartsWriter):
            # A block that is still on its way makes an upload anew with Azure, which knows no ids of uploads.
            first._parts.wait_idle(60)
        for upload in location.uploads("a/b"):
            location.abort_upload(upload)
        if not place.sees_uploads:
            first.abort()
        else:
            assert [upload.key for upload in location.uploads("")] == ["a/c"]
        second.commit()
        if place.name == "azure":
            # Of a blob that is deleted Azure drops the blocks; Azurite keeps them, and would commit them.
            first.abort()
        elif place.sees_uploads:
            assert code_of(first.commit) in {"key_not_found", "bucket_not_found", "store_error"}
    assert all_keys(location) == ["a/c"]


def test_abort_upload_takes_no_path(place: Place) -> None:
    location = place.open()
    location.create("victim", b"x")
    hostile = PendingUpload("a", "../../victim", datetime.datetime.now(datetime.UTC))
    if place.name == "filesystem":
        assert code_of(lambda: location.abort_upload(hostile)) == "invalid_name"
    assert location.read("victim", limit=1) == b"x"


def test_more_keys_than_a_page(place: Place) -> None:
    location = place.open()
    keys = [f"many/{number:04}" for number in range(1050)] + ["many-more/a", "many.b"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: location.create(key, b"x"), keys))
    listed = [info.key for info in location.list("many/")]
    assert listed == sorted(keys[:1050])
    assert all_keys(location) == sorted(keys)
    assert all_keys(location, "many/104") == keys[1040:1050]
    assert all_keys(location, "man") == sorted(keys)
    assert all_keys(location, "nothing") == []
    assert sorted(location.list_folders("")) == ["many", "many-more"]
    assert list(location.delete([*keys, "many/nothing"])) == []
    assert place.keys() == []


def test_keys_are_listed_in_the_order_of_their_bytes(place: Place) -> None:
    location = place.open()
    keys = ["a-b", "a.b", "a/b", "a/B", "a/b-c", "a/bü", "a/b~", "a0", "B"]
    for key in keys:
        location.create(key, b"")
    listed = [info.key for info in location.list("")]
    if place.name == "seaweedfs":
        assert sorted(listed) == sorted(keys)
        assert listed != sorted(keys), "base.py says that SeaweedFS orders folder by folder"
    else:
        assert listed == sorted(keys, key=str.encode)


def test_folders(place: Place) -> None:
    location = place.open()
    for key in ("clusters/one/a", "clusters/two words/b/c", "clusters/file", "workspaces/x/y"):
        location.create(key, b"")
    assert sorted(location.list_folders("")) == ["clusters", "workspaces"]
    assert sorted(location.list_folders("clusters/")) == ["one", "two words"]
    assert list(location.list_folders("clusters/one/")) == []
    assert list(location.list_folders("clusters/none/")) == []


def test_names_of_one_level(place: Place) -> None:
    location = place.open()
    assert list(location.list_names("")) == []
    for key in ("clusters/one/a", "clusters/two words/b/c", "clusters/file", "clusters/one-file", "file"):
        location.create(key, b"")
    assert sorted(location.list_names("")) == ["clusters/", "file"]
    assert sorted(location.list_names("clusters/")) == ["file", "one-file", "one/", "two words/"]
    assert sorted(location.list_names("clusters/one/")) == ["a"]
    assert list(location.list_names("clusters/none/")) == []
    assert list(location.delete(["clusters/one/a"])) == []
    assert sorted(location.list_names("clusters/")) == ["file", "one-file", "two words/"]


@pytest.mark.parametrize("key", WEIRD_KEYS)
def test_keys_with_unusual_characters(place: Place, key: str) -> None:
    location = place.open()
    location.create(key, b"weird")
    with location.writer(key + ".big") as writer:
        writer.write(content(LARGE))
        assert [upload.key for upload in location.uploads(key)] == ([key + ".big"] if place.sees_uploads else [])
        writer.commit()
    assert place.keys().count(f"{PREFIX}/{key}") == 1
    assert all_keys(location) == [key, key + ".big"]
    assert all_keys(location, key) == [key, key + ".big"]
    assert location.read(key, limit=10) == b"weird"
    assert stat_size(location, key) == 5
    assert list(location.delete([key, key + ".big"])) == []
    assert place.keys() == []


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_keys_that_are_no_plain_paths_are_refused(place: Place, key: str) -> None:
    location = place.open()
    refusals = (
        lambda: location.create(key, b""),
        lambda: location.writer(key),
        lambda: location.read(key, limit=1),
        lambda: location.read_range(key, 0, 1),
        lambda: location.open(key),
        lambda: location.stat(key),
    )
    assert {code_of(refusal) for refusal in refusals} == {"invalid_name"}
    assert place.keys() == []


def test_deleting_takes_the_named_keys_only(place: Place) -> None:
    location = place.open()
    for key in ("a/b/c", "a/b/d", "a/bc", "e/f/g"):
        location.create(key, b"")
    assert list(location.delete(["a/b/c", "e/f/g", "not/there"])) == []
    assert all_keys(location) == ["a/b/d", "a/bc"]
    assert list(location.list_folders("")) == ["a"]
    assert code_of(lambda: location.read("a/b/c", limit=1)) == "key_not_found"
    location.create("a/b/c", b"again")
    assert location.read("a/b/c", limit=5) == b"again"


def test_prefixes_do_not_mix(place: Place) -> None:
    location, deeper, beside = place.open(), place.open(prefix=PREFIX + "/clusters"), place.open(prefix=PREFIX + "-two")
    location.create("clusters/a", b"1")
    beside.create("b", b"2")
    assert all_keys(deeper) == ["a"]
    assert all_keys(location) == ["clusters/a"]
    assert all_keys(beside) == ["b"]
    assert all_keys(place.open(prefix="")) == [f"{PREFIX}-two/b", f"{PREFIX}/clusters/a"]


def test_the_clock_is_near(place: Place) -> None:
    now = place.open().now()
    assert now.utcoffset() == datetime.timedelta(0)
    assert abs(now - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=10)


def test_secrets_are_told_and_never_described(place: Place) -> None:
    location = place.open()
    auth = place.options.get("auth", {})
    secret = auth.get("secret_key") or auth.get("account_key")
    if "credentials_json" in auth:
        assert json.loads(auth["credentials_json"])["private_key"] in location.secrets()
    else:
        assert location.secrets() == (frozenset({secret}) if secret else frozenset())
    assert not any(value in location.describe() for value in location.secrets())


def test_a_task_that_was_asked_to_stop_writes_no_more(place: Place) -> None:
    location = place.open()
    location.create("a", b"x")
    writer = location.writer("b")
    writer.write(content(LARGE))
    location.stopped.set()
    assert code_of(lambda: writer.write(b"more")) == "interrupted"
    writer.abort()
    assert list(location.uploads("")) == []
    # What was begun can still be recorded and cleaned up.
    location.create("record", b"")
    assert list(location.delete(["a"])) == []
    assert all_keys(location) == ["record"]


MEMORY = """
import resource
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
location.create("warm-up", b"")
before = peak()
block = bytes(range(256)) * 4096
with location.writer("big") as writer:
    for _ in range(300):
        writer.write(block)
    writer.commit()
stream, size = location.open("big"), 0
while piece := stream.read(1 << 20):
    size += len(piece)
print(json.dumps({"growth": peak() - before, "size": size}))
"""


def test_memory_does_not_grow_with_the_object(place: Place) -> None:
    process = child(place, MEMORY)
    output, _dummy = process.communicate(timeout=300)
    assert process.returncode == 0
    result = json.loads(output)
    assert result["size"] == 300 * MIB
    # Two parts of 8 MiB on their way, one being filled, and what TLS and the allocator keep.
    assert result["growth"] < 60


def test_a_bucket_or_directory_that_is_not_there(place: Place) -> None:
    nowhere = place.open(path="/nonexistent/stowage/backups", bucket="no-such-bucket-here")
    actions: list[Callable[[], object]] = [
        lambda: list(nowhere.list("")),
        lambda: nowhere.stat("a"),
        lambda: nowhere.read("a", limit=1),
        lambda: nowhere.create("a", b""),
    ]
    if place.sees_uploads:
        actions.append(lambda: list(nowhere.uploads("")))
    for action in actions:
        assert code_of(action) == "bucket_not_found"
    if place.name != "filesystem":
        assert code_of(lambda: list(nowhere.list(""))) == "bucket_not_found", "something created the bucket"


def test_what_is_sent_to_aws_only(minio: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checksums as trailers and on answers, keys of uploads as in URLs, no question before a write: MinIO knows them all, so
    it is taken for AWS here."""
    monkeypatch.setattr(s3_client, "is_own_endpoint", lambda _dummy: True)
    bucket = minio.create_bucket(f"contract-{uuid.uuid4().hex[:12]}")
    location = open_location({**store_options(minio, bucket), "provider": "aws"}, {})
    assert isinstance(location, S3Location)
    assert location.calls.settings.own_endpoint
    data, key = content(LARGE), "w/a+b%41&c=d ü.big"
    location.create("small", b"x")
    assert code_of(lambda: location.create("small", b"y")) == "key_exists"
    with location.writer(key) as writer:
        writer.write(data)
        assert [upload.key for upload in location.uploads(key)] == [key]
        writer.commit()
    assert location.read(key, limit=LARGE) == data
    assert location.read("small", limit=1) == b"x"
    assert location.read_range(key, LARGE - 10, 10) == data[-10:]
    assert all_keys(location) == ["small", key]
    head = minio.client().head_object(Bucket=bucket, Key=f"{PREFIX}/small", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"]
    assert list(location.delete([key, "small"])) == []
    assert minio.keys(bucket) == []
    location.close()
