# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Azure does and Azurite does not, by a small container in memory that keeps to Microsoft's documentation.

Its rules, and where they are from: entries of uncommitted blobs have neither ETag nor Last-Modified ("List Blobs"); blocks go
with the blob that is deleted or written otherwise, and a block list that names one which is gone is refused with
InvalidBlockList ("Put Block List"); Delete Blob works on a blob that has only blocks (azure-storage-node issue 350, azcopy pull
request 576); a condition that is not met answers 412 ("Specifying conditional headers"); `If-None-Match: *` on a create answers
409 BlobAlreadyExists. Real servers are in tests/system.
"""

from __future__ import annotations

import email.utils
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any
from xml.sax.saxutils import escape

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure, azure_writer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure import AzureLocation, open_azure
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import PendingUpload

BLOCK = 1000


class Reply:
    """An answer as azure-core's transport gives it."""

    def __init__(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.status_code = status
        self.headers = {"Date": email.utils.formatdate(usegmt=True), "Content-Length": str(len(body))}
        self.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        self._body = body
        self.closed = False

    def iter_raw(self) -> Iterator[bytes]:
        for start in range(0, len(self._body), 700):
            yield self._body[start : start + 700]

    def close(self) -> None:
        self.closed = True


def failed(status: int, code: str) -> Reply:
    """An error answer."""
    return Reply(status, f"<Error><Code>{code}</Code></Error>".encode(), x_ms_error_code=code)


class Container:
    """A container, as a transport of azure-core. `refuse` answers a request in its place, if it gives something."""

    def __init__(self) -> None:
        self.blobs: dict[str, tuple[bytes, dict[str, str], str]] = {}
        self.blocks: dict[str, dict[str, bytes]] = {}
        self.requests: list[tuple[str, str]] = []
        self.refuse: Callable[[str, str], Reply | None] = lambda _method, _target: None
        self.directories: list[str] = []
        self.closed = False

    def send(self, request: Any, **_dummy: Any) -> Reply:
        parts = urllib.parse.urlsplit(request.url)
        key = urllib.parse.unquote(parts.path).partition("/backups")[2].removeprefix("/")
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, f"{key}?{parts.query}"))
        refused = self.refuse(request.method, f"{key}?{parts.query}")
        if refused is not None:
            return refused
        content = request.content or b""
        if not key:
            return self._list(query)
        if request.method == "PUT":
            return self._put(key, query, headers, content)
        if request.method == "DELETE":
            return self._delete(key, headers)
        if key not in self.blobs:
            return failed(404, "BlobNotFound")
        data, metadata, etag = self.blobs[key]
        if headers.get("if-match", etag) != etag:
            return failed(412, "ConditionNotMet")
        return Reply(200, data, ETag=etag, Last_Modified=email.utils.formatdate(usegmt=True), **metadata)

    def close(self) -> None:
        self.closed = True

    def _put(self, key: str, query: dict[str, str], headers: dict[str, str], content: bytes) -> Reply:
        if query.get("comp") == "block":
            ids = {*self.blocks.get(key, {}), query["blockid"]}
            if len({len(one) for one in ids}) != 1:
                return failed(400, "InvalidBlobOrBlock")
            self.blocks.setdefault(key, {})[query["blockid"]] = content
            return Reply(201)
        if headers.get("if-none-match") == "*" and key in self.blobs:
            return failed(409, "BlobAlreadyExists")
        if query.get("comp") == "blocklist":
            wanted = re.findall(r"<Uncommitted>([^<]+)</Uncommitted>", content.decode())
            have = self.blocks.get(key, {})
            if not all(one in have for one in wanted):
                return failed(400, "InvalidBlockList")
            content = b"".join(have[one] for one in wanted)
        self.write(key, content, {name: value for name, value in headers.items() if name.startswith("x-ms-meta-")})
        return Reply(201, ETag=self.blobs[key][2])

    def write(self, key: str, content: bytes, metadata: dict[str, str] | None = None) -> None:
        """A blob, by whoever; its uncommitted blocks go."""
        self.blobs[key] = content, metadata or {}, f'"{time.monotonic_ns():x}"'
        self.blocks.pop(key, None)

    def _delete(self, key: str, headers: dict[str, str]) -> Reply:
        if key not in self.blobs:
            return Reply(202) if self.blocks.pop(key, None) else failed(404, "BlobNotFound")
        if "if-unmodified-since" in headers:
            return failed(412, "ConditionNotMet")
        del self.blobs[key]
        self.blocks.pop(key, None)
        return Reply(202)

    def _list(self, query: dict[str, str]) -> Reply:
        prefix = query.get("prefix", "")
        names = set(self.blobs) | (set(self.blocks) if query.get("include") == "uncommittedblobs" else set())
        entries = "".join(self._entry(name, query) for name in sorted(names) if name.startswith(prefix))
        entries += "".join(
            f"<Blob><Name>{name}</Name><Properties><Etag>0x1</Etag><ResourceType>directory</ResourceType>"
            "<Content-Length>0</Content-Length></Properties></Blob>"
            for name in self.directories
        )
        body = f'<EnumerationResults ContainerName="backups"><Blobs>{entries}</Blobs><NextMarker/></EnumerationResults>'
        return Reply(200, body.encode())

    def _entry(self, name: str, query: dict[str, str]) -> str:
        head = f"<Blob><Name>{escape(name)}</Name><Properties>"
        if name not in self.blobs:
            return f"{head}<Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
        data, metadata, etag = self.blobs[name]
        inner = "".join(f"<{key[10:]}>{value}</{key[10:]}>" for key, value in metadata.items())
        told = f"<Metadata>{inner}</Metadata>" if query.get("include") == "metadata" else ""
        return f"{head}<Etag>{etag}</Etag><Content-Length>{len(data)}</Content-Length></Properties>{told}</Blob>"


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Container:
    """An empty container, and small blocks."""
    made = Container()
    monkeypatch.setattr(azure, "make_transport", lambda *_options: made)
    monkeypatch.setattr(azure_writer, "FIRST_BLOCK_BYTES", BLOCK)
    return made


@pytest.fixture
def location(container: Container) -> AzureLocation:
    """A location in the container."""
    assert not container.blobs
    auth = {"method": "account_key", "account_key": "a2V5"}
    found = open_azure({"storage_account": "acme", "bucket": "backups", "prefix": "fleet", "auth": auth}, {})
    found.calls.first_wait = 0.001
    return found


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    return caught.value.code


def test_uncommitted_blobs_are_uploads_and_aborting_takes_them_away(
    container: Container, location: AzureLocation
) -> None:
    location.create("small", b"x")
    writer = location.writer("big")
    writer.write(bytes(3 * BLOCK + 1))
    assert [info.key for info in location.list("")] == ["small"]
    found = list(location.uploads(""))
    assert [(upload.key, upload.token) for upload in found] == [("big", "fleet/big")]
    assert not [one for one in container.requests if one[0] == "HEAD"], "what has no ETag needs no look"
    location.abort_upload(found[0])
    assert container.blocks == {}
    location.abort_upload(found[0])
    assert code_of(writer.commit) == "key_not_found"
    assert list(container.blobs) == ["fleet/small"]


def test_what_was_committed_is_never_taken_for_an_upload(container: Container, location: AzureLocation) -> None:
    """Blocks that were staged for a blob which is there are the service's to remove."""
    with location.writer("big") as writer:
        writer.write(bytes(2 * BLOCK))
        container.write("fleet/big", b"theirs")
        assert code_of(writer.commit) == "key_exists"
    upload = PendingUpload("big", "fleet/big", location.now())
    location.abort_upload(upload)
    assert container.blobs["fleet/big"][0] == b"theirs"
    assert not [one for one in container.requests if one[0] == "DELETE"]


def test_a_commit_between_the_look_and_the_delete_of_an_abort(container: Container, location: AzureLocation) -> None:
    container.blocks["fleet/big"] = {"x": b""}
    upload = next(location.uploads(""))

    def late(method: str, _target: str) -> None:
        if method == "DELETE":
            container.write("fleet/big", b"theirs")

    container.refuse = late
    location.abort_upload(upload)
    assert container.blobs["fleet/big"][0] == b"theirs"


def test_blocks_of_another_length_of_id_are_in_the_way(container: Container, location: AzureLocation) -> None:
    """Another tool's upload of the same key. The service says so; nothing of it is lost."""
    container.blocks["fleet/big"] = {"short": b"x"}
    with location.writer("big") as writer, pytest.raises(StowageError) as caught:
        writer.write(bytes(BLOCK))
    assert caught.value.code == "store_error"
    assert "InvalidBlobOrBlock" in caught.value.message


@pytest.mark.parametrize("code", ["UnauthorizedBlobOverwrite", "BlobAlreadyExists"])
def test_a_role_that_creates_only_meets_what_exists(container: Container, location: AzureLocation, code: str) -> None:
    container.write("fleet/a", b"theirs")
    container.refuse = lambda method, _target: failed(403, code) if method == "PUT" else None
    assert code_of(lambda: location.create("a", b"ours")) == "key_exists"


def test_a_writer_that_may_neither_look_nor_list_is_told_that_it_cannot_be_learnt(
    container: Container, location: AzureLocation
) -> None:
    def blind(method: str, target: str) -> Reply | None:
        if method == "PUT":
            if "fleet/a" not in container.blobs:
                container.write("fleet/a", b"ours")
            return failed(500, "OperationTimedOut")
        return failed(403, "AuthorizationPermissionMismatch")

    container.refuse = blind
    assert code_of(lambda: location.create("a", b"ours")) == "outcome_unknown"
    assert container.blobs["fleet/a"][0] == b"ours"


def test_folders_of_a_hierarchical_namespace_are_no_objects(container: Container, location: AzureLocation) -> None:
    container.directories = ["fleet/clusters", "fleet/clusters/c"]
    location.create("clusters/c/a", b"x")
    assert [info.key for info in location.list("")] == ["clusters/c/a"]
    assert list(location.uploads("")) == []


def test_a_missing_container_is_no_missing_key(container: Container, location: AzureLocation) -> None:
    container.refuse = lambda _method, _target: failed(404, "ContainerNotFound")
    actions: tuple[Callable[[], object], ...] = (
        lambda: location.stat("a"),
        lambda: location.read("a", limit=1),
        lambda: location.create("a", b""),
        lambda: list(location.list("")),
        lambda: location.delete(["a"]),
    )
    assert {code_of(action) for action in actions} == {"bucket_not_found"}
    container.refuse = lambda _method, _target: Reply(404)
    assert location.stat("a") is None
    assert code_of(lambda: list(location.list(""))) == "bucket_not_found"


@pytest.mark.parametrize("key", ["../b", "a/../../b", "./b", "a/./b", "..", "a/.."])
def test_a_key_with_dots_deletes_no_other_blob(container: Container, location: AzureLocation, key: str) -> None:
    """URLs with such parts are made shorter on the way, as by the HTTP client: to the name of somebody else's blob."""
    for name in ("b", "fleet/b", "fleet/a/b"):
        container.write(name, b"x")
    (failure,) = location.delete([key])
    assert failure.key == key
    assert failure.code == "invalid_name"
    assert sorted(container.blobs) == ["b", "fleet/a/b", "fleet/b"]
    assert [target for method, target in container.requests if method == "DELETE"] == []
    assert list(location.delete(["a..b", "..b", "b..."])) == [], "dots within a name are no parts"


def test_the_stores_clock_and_the_end_of_a_sas(container: Container) -> None:
    auth = {"method": "sas", "sas_token": "?sv=1&se=2020-01-01T00:00:00Z&sig=canary"}
    location = open_azure({"storage_account": "acme", "bucket": "backups", "auth": auth}, {})
    container.refuse = lambda _method, _target: failed(403, "AuthorizationFailure")
    with pytest.raises(StowageError) as caught:
        location.stat("a")
    assert caught.value.code == "credentials_expired"
    assert "canary" not in str(caught.value.as_result())
    assert container.requests[0][1].endswith("sig=canary")
    location.close()
    assert container.closed


def test_an_endless_answer_is_not_read_to_its_end(container: Container, location: AzureLocation) -> None:
    class Endless(Reply):
        def iter_raw(self) -> Iterator[bytes]:
            while True:
                yield bytes(1 << 20)

    endless = Endless(200)
    container.refuse = lambda _method, _target: endless
    assert code_of(lambda: list(location.list(""))) == "store_error"
    assert endless.closed
    forbidden = Endless(403)
    container.refuse = lambda _method, _target: forbidden
    assert code_of(lambda: list(location.list(""))) == "permission_denied"
    assert forbidden.closed
