# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating objects in stores that know conditions, that do not, and that only pretend; and the shape of uploads."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_writer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Writer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.parts import IN_FLIGHT
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3 import S3Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_create import whole_etag
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_writer import MOST_PARTS, part_bytes


def refusal(code: str, status: int) -> ClientError:
    """An error answer."""
    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PutObject")


class FakeClient:
    """A bucket in memory. `conditions`: whether If-None-Match is known, ignored, or refused as unknown."""

    def __init__(self, conditions: str = "known") -> None:
        self.conditions = conditions
        self.objects: dict[str, dict[str, Any]] = {}
        self.requests: list[str] = []
        self.before_put: list[Any] = []

    def put_object(self, **request: Any) -> Any:
        key, body, metadata = request["Key"], request["Body"], request["Metadata"]
        condition = request.get("IfNoneMatch", "")
        self.requests.append(f"PUT{'?' if condition else ''} {key}")
        if self.before_put:
            self.before_put.pop(0)()
        if condition and self.conditions == "refused":
            raise refusal("NotImplemented", 501)
        if condition and self.conditions == "known" and key in self.objects:
            raise refusal("PreconditionFailed", 412)
        self.objects[key] = {"Body": bytes(body), "Metadata": dict(metadata)}
        return {"ETag": '"x"'}

    def head_object(self, *, Key: str, **_dummy: Any) -> Any:  # noqa: N803
        self.requests.append(f"HEAD {Key}")
        if Key not in self.objects:
            raise refusal("404", 404)
        from datetime import UTC, datetime

        found = self.objects[Key]
        return {"ContentLength": len(found["Body"]), "LastModified": datetime.now(UTC), "Metadata": found["Metadata"]}

    def list_objects_v2(self, **_dummy: Any) -> Any:
        self.requests.append("LIST")
        return {"Name": "bucket", "IsTruncated": False}

    def close(self) -> None:
        pass


def location(client: FakeClient, *, own: bool = False) -> S3Location:
    """A location in the bucket, of AWS or another store."""
    settings = S3Settings("aws", "bucket", "", "" if own else "http://store", "us-east-1", True, "")
    found = S3Location(client, settings)
    found.calls.first_wait = 0.0
    return found


def test_aws_is_asked_once() -> None:
    client = FakeClient()
    location(client, own=True).create("a", b"x")
    assert client.requests == ["PUT? a"]


def test_what_another_store_does_is_learnt_with_the_first_object() -> None:
    client = FakeClient()
    store = location(client)
    store.create("a", b"x")
    store.create("b", b"x")
    assert client.requests == ["HEAD a", "LIST", "PUT? a", "PUT? a", "HEAD b", "PUT? b"]
    assert store.capabilities.conditional_create


@pytest.mark.parametrize("conditions", ["ignored", "refused"])
def test_a_store_without_conditions(conditions: str) -> None:
    client = FakeClient(conditions)
    store = location(client)
    store.create("a", b"x")
    assert not store.capabilities.conditional_create
    with pytest.raises(StowageError) as caught:
        store.create("a", b"y")
    assert caught.value.code == "key_exists"
    assert client.objects["a"]["Body"] == b"x"
    client.requests.clear()
    store.create("b", b"y")
    assert client.requests == ["HEAD b", "PUT b", "HEAD b"]


def test_two_writers_in_a_store_without_conditions_are_told_apart_afterwards() -> None:
    client = FakeClient("ignored")
    store = location(client)
    store.create("a", b"x")

    def overwritten() -> None:
        found = client.head_object

        def head_object(**parameters: Any) -> Any:
            client.objects["b"] = {"Body": b"theirs", "Metadata": {"stowage-writer": "somebody"}}
            return found(**parameters)

        client.head_object = head_object  # type: ignore[method-assign]  # the next look finds another's object

    client.before_put = [overwritten]
    with pytest.raises(StowageError) as caught:
        store.create("b", b"ours")
    assert caught.value.code == "key_exists"


def test_an_object_whose_metadata_was_lost_is_nobodys_but_somebody_elses() -> None:
    client = FakeClient()
    store = location(client, own=True)

    def lost() -> None:
        client.objects["a"] = {"Body": b"x", "Metadata": {}}
        raise ConnectionClosedError(endpoint_url="x")

    client.before_put = [lost]
    with pytest.raises(StowageError) as caught:
        store.create("a", b"x")
    assert caught.value.code == "key_exists"


def test_the_sizes_of_parts_are_what_s3_allows_and_memory_holds() -> None:
    """Two are on their way while a third is filled, so three times the largest is what an object of any size takes."""
    sizes = [part_bytes(number) for number in range(1, MOST_PARTS + 1)]
    assert sum(sizes) >= 492 << 30
    assert min(sizes) >= 5 << 20
    assert (IN_FLIGHT + 1) * max(sizes) <= 192 << 20
    assert sizes == sorted(sizes)
    assert sum(sizes[:1000]) > 7 << 30, "a backup of ordinary size stays with the smallest parts"


def test_the_etag_of_parts() -> None:
    """Of two parts of 5 MiB of zeros, as AWS and MinIO give it."""
    part = '"5f363e0e58a95f06cbe9bbc662c5dfb6"'
    assert whole_etag([part, part]) == "a7d414b9133d6483d9a1c4e04e856e3b-2"
    assert whole_etag(["no hash"]) == ""


class Uploads(FakeClient):
    """Takes multipart uploads; parts wait for `gate`."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.parts: dict[int, bytes] = {}
        self.running = 0
        self.most_running = 0
        self.lock = threading.Lock()
        self.aborted = 0

    def create_multipart_upload(self, **parameters: Any) -> Any:
        self.objects.setdefault("pending", {})["Metadata"] = parameters["Metadata"]
        return {"UploadId": "u"}

    def upload_part(self, *, PartNumber: int, Body: bytearray, **_dummy: Any) -> Any:  # noqa: N803
        with self.lock:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        assert self.gate.wait(60)
        with self.lock:
            self.running -= 1
            self.parts[PartNumber] = bytes(Body)
        return {"ETag": f'"{PartNumber:032x}"'}

    def complete_multipart_upload(self, *, MultipartUpload: Any, Key: str, **_dummy: Any) -> Any:  # noqa: N803
        numbers = [part["PartNumber"] for part in MultipartUpload["Parts"]]
        assert numbers == sorted(self.parts)
        self.objects[Key] = {"Body": b"".join(self.parts[number] for number in numbers), "Metadata": {}}
        return {"ETag": '"x-1"'}

    def abort_multipart_upload(self, **_dummy: Any) -> Any:
        self.aborted += 1
        return {}


def test_writing_goes_on_while_parts_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_writer, "FIRST_PART_BYTES", 1000)
    client = Uploads()
    writer = location(client, own=True).writer("a")
    data = bytes(range(256)) * 20
    # Two parts are on their way and a third is being filled: none of this waits for the store.
    writer.write(data[:2999])
    assert client.parts == {}
    client.gate.set()
    writer.write(data[2999:])
    assert writer.commit().size == len(data)
    assert client.objects["a"]["Body"] == data
    assert client.most_running <= 2


def write_for_ever(writer: Writer) -> None:
    """Writes until an error comes."""
    for _dummy in range(100_000):
        writer.write(bytes(1000))


def test_the_error_of_a_part_reaches_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_writer, "FIRST_PART_BYTES", 1000)
    client = Uploads()

    def refuse(**_part: Any) -> Any:
        raise refusal("AccessDenied", 403)

    monkeypatch.setattr(client, "upload_part", refuse)
    with location(client, own=True).writer("a") as writer:
        with pytest.raises(StowageError) as caught:
            write_for_ever(writer)
        assert caught.value.code == "permission_denied"
        assert "s3:PutObject" in caught.value.hint
        with pytest.raises(StowageError):
            writer.commit()
    assert client.aborted == 1
    assert "a" not in client.objects


def test_an_object_that_no_number_of_parts_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_writer, "FIRST_PART_BYTES", 1000)
    monkeypatch.setattr(s3_writer.S3Writer, "most_parts", 3)
    client = Uploads()
    client.gate.set()
    with location(client, own=True).writer("a") as writer:
        with pytest.raises(StowageError) as caught:
            write_for_ever(writer)
        assert caught.value.code == "store_error"
        assert "larger" in caught.value.message
    assert client.aborted == 1
