# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What locations at Google do when connections break, stores are busy and permissions are missing: the testbed's server that
stands for Google, behind a proxy that does it to them."""

from __future__ import annotations

import functools
import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import gcs_writer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs import GcsLocation
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from faults import Fault, FaultProxy, answer, cut_answer, cut_request, hold, reset, swallow
from faults.proxy import Action, Exchange, relay
from testbed import GoogleServer, Testbed
from testbed.google_tokens import TokenAnswer

PREFIX = "fleet"
CHUNK = 1 << 20
LARGE = 2 * CHUNK + 77
CREATE = ("POST", "uploadType=multipart")
BEGIN = ("POST", "uploadType=resumable")
PUT = ("PUT", "upload_id=")
GET = ("GET", "alt=media")
LOOK = ("GET", r"/o/fleet%2F[a-z]+\?fields")
LIST = ("GET", "maxResults")


def problem(status: int, reason: str, message: str = "no") -> Action:
    """An error of the JSON API."""
    entry = {"message": message, "domain": "global", "reason": reason}
    body = json.dumps({"error": {"code": status, "message": message, "errors": [entry]}}).encode()
    return answer(status, body, "application/json; charset=UTF-8")


DENIED = problem(403, "forbidden")
BUSY = problem(503, "backendError")


def chunk(span: str, action: Action) -> Action:
    """Does something to the request for this part of an upload only (`bytes 0-`)."""

    def act(exchange: Exchange) -> int | None:
        mine = exchange.request.get(b"content-range").decode().startswith(span)
        return action(exchange) if mine else relay(exchange)

    return act


def last(action: Action) -> Action:
    """Does something to the request with the end of an upload only."""

    def act(exchange: Exchange) -> int | None:
        span = exchange.request.get(b"content-range").decode()
        return relay(exchange) if span.endswith("/*") or span.startswith("bytes */") else action(exchange)

    return act


def once(action: Action) -> Action:
    """Acts the first time it is not a mere relay that is asked for."""
    done: list[int] = []

    def act(exchange: Exchange) -> int | None:
        if done:
            return relay(exchange)
        done.append(1)
        return action(exchange)

    return act


@dataclass
class Broken:
    """A bucket, the proxy in front of its server, and locations that go through it."""

    google: GoogleServer
    proxy: FaultProxy
    bucket: str

    def open(self, **changes: Any) -> GcsLocation:
        """A location through the proxy that waits little between attempts."""
        document = self.google.tokens.key_document(self.proxy.endpoint)
        where = {"endpoint": self.proxy.endpoint, "bucket": self.bucket, "prefix": PREFIX}
        auth = {"method": "service_account_key", "credentials_json": document}
        options = {"provider": "gcp", **where, "ca_cert": str(self.google.ca_cert), "auth": auth}
        location = open_location({**options, **changes}, {})
        assert isinstance(location, GcsLocation)
        location.calls.first_wait = 0.01
        return location

    def keys(self) -> list[str]:
        """What is really in the bucket."""
        return self.google.keys(self.bucket)

    def content(self, key: str) -> bytes:
        """What is really in an object."""
        return self.google.read(self.bucket, f"{PREFIX}/{key}")


@pytest.fixture
def broken(testbed: Testbed) -> Iterator[Broken]:
    """A new bucket behind a proxy without faults yet."""
    google = testbed.google(tls=False)
    bucket = google.create_bucket(f"faults-{uuid.uuid4().hex[:12]}")
    with FaultProxy(google.endpoint, tls=(google.pair.certificate, google.pair.key)) as proxy:
        yield Broken(google, proxy, bucket)
    testbed.stop(google)


@pytest.fixture
def location(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsLocation]:
    """A location through the proxy that has talked to the store already, and sends small chunks."""
    monkeypatch.setattr(gcs_writer, "CHUNK_BYTES", CHUNK)
    found = broken.open()
    assert list(found.list("")) == []
    found.create("warm", b"")
    broken.proxy.requests.clear()
    yield found
    found.close()


@functools.cache
def content(size: int = LARGE) -> bytes:
    """Bytes in which a part that is missing or twice there shows."""
    return b"".join(number.to_bytes(8, "big") for number in range(size // 8 + 1))[:size]


def error_of(action: Callable[[], object]) -> StowageError:
    """The error that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    return caught.value


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    return error_of(action).code


def upload(location: Location, key: str, data: bytes) -> None:
    """Writes a large object."""
    with location.writer(key) as writer:
        writer.write(data)
        writer.commit()


def test_a_lost_answer_to_the_end_is_a_success(broken: Broken, location: GcsLocation) -> None:
    broken.proxy.add(Fault(once_last(swallow()), *PUT, times=None))
    upload(location, "big", content())
    assert broken.content("big") == content()
    assert any(seen.faulty and seen.status is None for seen in broken.proxy.ended(*PUT))
    assert len(broken.proxy.seen(*PUT)) == 3, "it was looked for before it was sent again"


def once_last(action: Action) -> Action:
    """Does something to the first request with the end of an upload."""
    return last(once(action))


def test_a_lost_answer_is_a_success_where_nothing_may_be_read(broken: Broken, location: GcsLocation) -> None:
    """A writer that may not read its archives finds its object, with its writer's id, in a listing."""
    broken.proxy.add(Fault(once_last(swallow()), *PUT, times=None))
    broken.google.denied.add("storage.objects.get")
    upload(location, "big", content())
    assert broken.proxy.seen(*LIST)
    assert broken.content("big") == content()


def test_a_lost_answer_is_a_success_where_nothing_may_be_seen(broken: Broken, location: GcsLocation) -> None:
    """The upload itself says that it is finished."""
    broken.proxy.add(Fault(once_last(swallow()), *PUT, times=None))
    broken.google.denied |= {"storage.objects.get", "storage.objects.list"}
    upload(location, "big", content())
    assert broken.content("big") == content()


def test_what_cannot_be_learnt_is_said_and_nothing_removed(broken: Broken, location: GcsLocation) -> None:
    blind = threading.Event()

    def lose(exchange: Exchange) -> int | None:
        if blind.is_set():
            return DENIED(exchange)
        blind.set()
        return swallow()(exchange)

    broken.proxy.add(
        Fault(lambda exchange: DENIED(exchange) if blind.is_set() else last(lose)(exchange), *PUT, times=None)
    )
    broken.google.denied |= {"storage.objects.get", "storage.objects.list"}
    with location.writer("big") as writer:
        writer.write(content())
        error = error_of(writer.commit)
    assert error.code == "outcome_unknown"
    assert broken.content("big") == content()
    assert not broken.proxy.seen("DELETE")


def test_a_lost_answer_to_a_small_write_is_a_success(broken: Broken, location: GcsLocation) -> None:
    lost = broken.proxy.add(Fault(swallow(), *CREATE))
    location.create("small", b"ours")
    assert lost.hits == 1
    assert broken.content("small") == b"ours"
    assert len(broken.proxy.seen(*CREATE)) == 1, "it was looked for before it was sent again"


def test_a_lost_answer_to_the_first_object_ever(broken: Broken) -> None:
    """Then it is not known yet either whether the store keeps writers apart."""
    location = broken.open()
    broken.proxy.add(Fault(swallow(), *CREATE))
    location.create("small", b"ours")
    assert broken.content("small") == b"ours"
    assert location.capabilities.conditional_create
    assert code_of(lambda: location.create("small", b"again")) == "key_exists"


def test_a_lost_request_is_sent_again(broken: Broken, location: GcsLocation) -> None:
    lost = broken.proxy.add(Fault(cut_request(3), *CREATE))
    location.create("small", b"our content")
    assert lost.hits == 1
    assert broken.content("small") == b"our content"


def test_a_lost_request_and_somebody_elses_object(broken: Broken, location: GcsLocation) -> None:
    def beaten(exchange: Exchange) -> int | None:
        broken.google.write(broken.bucket, f"{PREFIX}/small", b"theirs")
        return reset()(exchange)

    broken.proxy.add(Fault(beaten, *CREATE))
    assert code_of(lambda: location.create("small", b"ours")) == "key_exists"
    assert broken.content("small") == b"theirs"


def test_somebody_elses_object_at_the_end_of_an_upload(broken: Broken, location: GcsLocation) -> None:
    with location.writer("big") as writer:
        writer.write(content())
        broken.google.write(broken.bucket, f"{PREFIX}/big", b"theirs")
        assert code_of(writer.commit) == "key_exists"
    assert broken.content("big") == b"theirs"
    assert broken.google.uploads(broken.bucket) == []


def test_a_store_that_looks_at_the_condition_at_once(broken: Broken, location: GcsLocation) -> None:
    broken.proxy.add(Fault(problem(412, "conditionNotMet"), *BEGIN))
    with location.writer("big") as writer:
        assert code_of(lambda: writer.write(content())) == "key_exists"
    assert not broken.proxy.seen(*PUT)


def test_chunks_survive_broken_connections(broken: Broken, location: GcsLocation) -> None:
    faults = [
        once(chunk("bytes 0-", cut_request(700_000))),
        chunk(f"bytes {CHUNK}-", once(swallow())),
        last(once(reset())),
    ]
    for fault in faults:
        broken.proxy.add(Fault(fault, *PUT, times=1 if fault is faults[0] else None, skip=0))
    upload(location, "big", content())
    assert broken.content("big") == content()
    assert sum(seen.faulty and seen.status is None for seen in broken.proxy.ended(*PUT)) >= 2


def cut_in_half(exchange: Exchange) -> None:
    """Half of a chunk arrives, and the server has put it away, when the connection to the client breaks."""
    server, left = exchange.connect(), CHUNK // 2
    server.send(bytes(exchange.request))
    for block in exchange.client.body(exchange.request):
        server.send(block[:left])
        left -= len(block)
        if left <= 0:
            break
    server.socket.shutdown(socket.SHUT_WR)
    while server.socket.recv(1000):
        pass


def test_what_the_store_has_is_not_sent_again(broken: Broken, location: GcsLocation) -> None:
    """A connection broke after half a chunk: the other half follows."""
    spans: list[str] = []

    def note(exchange: Exchange) -> int | None:
        spans.append(exchange.request.get(b"content-range").decode())
        if len(spans) > 1:
            return relay(exchange)
        cut_in_half(exchange)
        return None

    broken.proxy.add(Fault(note, *PUT, times=None))
    upload(location, "big", content())
    assert broken.content("big") == content()
    half = CHUNK // 2
    assert spans[:3] == [f"bytes 0-{CHUNK - 1}/*", "bytes */*", f"bytes {half}-{CHUNK - 1}/*"]


def test_a_store_that_keeps_less_than_was_sent(broken: Broken, location: GcsLocation) -> None:
    """It says so with a success."""

    kept: list[int] = []

    def half(exchange: Exchange) -> int | None:
        if kept or not exchange.request.get(b"content-range").startswith(b"bytes 0-"):
            return relay(exchange)
        kept.append(1)
        for session in broken.google.objects.sessions.values():
            session.path.write_bytes(content()[: CHUNK // 2])
            session.persisted = CHUNK // 2
        return answer(308, b"", Range=f"bytes=0-{CHUNK // 2 - 1}")(exchange)

    broken.proxy.add(Fault(half, *PUT, times=None))
    upload(location, "big", content())
    assert kept
    assert broken.content("big") == content()


def test_a_store_that_lost_what_it_had_confirmed(broken: Broken, location: GcsLocation) -> None:
    broken.proxy.add(Fault(chunk(f"bytes {CHUNK}-", answer(308)), *PUT, times=None))
    assert code_of(lambda: upload(location, "big", content())) == "store_error"
    assert broken.keys() == [f"{PREFIX}/warm"]
    assert broken.google.uploads(broken.bucket) == []


def test_a_session_that_is_gone(broken: Broken, location: GcsLocation) -> None:
    for status in (404, 410, 499):
        broken.proxy.clear()
        broken.proxy.add(Fault(chunk(f"bytes {CHUNK}-", answer(status)), *PUT, times=None))
        assert code_of(lambda: upload(location, "big", content())) in {"key_not_found", "store_error"}
    assert broken.keys() == [f"{PREFIX}/warm"]


def test_damaged_content_is_refused(broken: Broken, location: GcsLocation) -> None:
    """The store compares the checksum of what it got before it makes the object."""

    def damage(exchange: Exchange) -> int | None:
        for session in broken.google.objects.sessions.values():
            with session.path.open("r+b") as file:
                file.write(b"damaged")
        return relay(exchange)

    broken.proxy.add(Fault(last(damage), *PUT, times=None))
    assert code_of(lambda: upload(location, "big", content())) == "store_error"
    assert broken.keys() == [f"{PREFIX}/warm"]


def test_a_busy_store_is_asked_again(broken: Broken, location: GcsLocation) -> None:
    faults = [
        broken.proxy.add(Fault(action, *target, times=3)) for target in (BEGIN, PUT, LIST, CREATE) for action in (BUSY,)
    ]
    upload(location, "big", content())
    location.create("small", b"x")
    assert sorted(info.key for info in location.list("")) == ["big", "small", "warm"]
    assert [fault.hits for fault in faults] == [3, 3, 3, 3]
    assert broken.content("big") == content()
    broken.proxy.clear()
    limited = broken.proxy.add(Fault(problem(429, "rateLimitExceeded"), "DELETE", times=2))
    assert list(location.delete(["big"])) == []
    assert limited.hits == 2


@pytest.mark.parametrize("target", [PUT, BEGIN])
def test_a_store_that_stays_busy_ends_the_upload(
    broken: Broken, location: GcsLocation, target: tuple[str, str]
) -> None:
    broken.proxy.add(Fault(BUSY, *target, times=None))
    assert code_of(lambda: upload(location, "big", content())) == "throttled"
    assert broken.google.uploads(broken.bucket) == []
    assert broken.keys() == [f"{PREFIX}/warm"]


def test_a_used_up_quota_is_not_asked_again(broken: Broken, location: GcsLocation) -> None:
    fault = broken.proxy.add(Fault(problem(403, "quotaExceeded"), *PUT, times=None))
    assert code_of(lambda: upload(location, "big", content())) == "quota"
    assert fault.hits == 1
    assert broken.google.uploads(broken.bucket) == []


def test_a_token_that_ends_within_an_upload(broken: Broken, location: GcsLocation) -> None:
    with location.writer("big") as writer:
        writer.write(content()[:CHUNK])
        broken.google.tokens.revoke_all()
        writer.write(content()[CHUNK:])
        writer.commit()
    assert broken.content("big") == content()


def test_a_stream_goes_on_where_it_broke(broken: Broken, location: GcsLocation) -> None:
    upload(location, "big", content())
    for after in (0, 300_000, 900_000):
        broken.proxy.add(Fault(cut_answer(after), *GET))
    stream, pieces = location.open("big", 5), []
    while piece := stream.read(100_001):
        pieces.append(piece)
    stream.close()
    assert b"".join(pieces) == content()[5:]
    assert len(broken.proxy.seen(*GET)) == 4
    assert all("generation=" in seen.target for seen in broken.proxy.seen(*GET)[1:])
    assert {len(piece) for piece in pieces[:-1]} == {100_001}


@pytest.mark.parametrize("versioning", [False, True])
def test_a_stream_whose_object_changed_is_not_pieced_together(
    broken: Broken, location: GcsLocation, versioning: bool
) -> None:
    """Where the bucket keeps versions, the stream goes on with that of its beginning."""
    broken.google.objects.buckets[broken.bucket].versioning = versioning
    upload(location, "big", content())
    broken.proxy.add(Fault(cut_answer(300_000), *GET))
    stream = location.open("big")
    broken.google.write(broken.bucket, f"{PREFIX}/big", bytes(LARGE))
    if versioning:
        assert stream.read(LARGE) == content()
    else:
        assert code_of(lambda: stream.read(LARGE)) == "backup_damaged"
    stream.close()


def test_reads_are_whole_or_fail(broken: Broken, location: GcsLocation) -> None:
    location.create("a", content(100_000))
    cut = broken.proxy.add(Fault(cut_answer(50_000), *GET, times=2))
    assert location.read("a", limit=100_000) == content(100_000)
    assert cut.hits == 2
    broken.proxy.add(Fault(cut_answer(10), *GET))
    assert location.read_range("a", 7, 50_000) == content(100_000)[7:50_007]
    broken.proxy.clear()
    broken.proxy.add(Fault(cut_answer(50_000), *GET, times=None))
    assert code_of(lambda: location.read("a", limit=100_000)) == "endpoint_unreachable"


@pytest.mark.parametrize("after", [0, 1, 100])
def test_a_listing_cut_short_is_not_an_empty_one(broken: Broken, location: GcsLocation, after: int) -> None:
    cut = broken.proxy.add(Fault(cut_answer(after), *LIST, times=2))
    assert [info.key for info in location.list("")] == ["warm"]
    assert cut.hits == 2
    broken.proxy.add(Fault(cut_answer(after), *LIST, times=None))
    assert code_of(lambda: list(location.list(""))) in {"store_error", "endpoint_unreachable"}


@pytest.mark.parametrize(
    "body", [b"<html><title>Log in</title></html>", b"{}", b'{"kind": "storage#objects", "items": [{}]}', b"null"]
)
def test_what_is_no_listing_is_not_an_empty_bucket(broken: Broken, location: GcsLocation, body: bytes) -> None:
    broken.proxy.add(Fault(answer(200, body, "text/html"), "GET", times=None))
    assert code_of(lambda: list(location.list(""))) == "store_error"
    assert code_of(lambda: location.stat("warm")) == "store_error"
    assert code_of(lambda: location.read("warm", limit=100)) == "store_error"


def test_pages_that_go_round_in_circles(broken: Broken, location: GcsLocation) -> None:
    body = b'{"kind": "storage#objects", "nextPageToken": "again"}'
    broken.proxy.add(Fault(answer(200, body, "application/json"), *LIST, times=None))
    assert code_of(lambda: list(location.list(""))) == "store_error"


def test_an_endless_answer_is_not_read_to_its_end(broken: Broken, location: GcsLocation) -> None:
    broken.proxy.add(Fault(answer(200, b" " * (40 << 20), "application/json"), *LIST, times=None))
    broken.proxy.add(Fault(answer(403, b" " * (40 << 20), "application/json"), *LOOK, times=None))
    assert code_of(lambda: list(location.list(""))) in {"store_error", "endpoint_unreachable"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nobody_is_followed_elsewhere(broken: Broken, location: GcsLocation, testbed: Testbed, status: int) -> None:
    elsewhere = testbed.google(tls=False)
    moved = answer(status, b"", Location=f"{elsewhere.endpoint}/storage/v1/b/x/o")
    broken.proxy.add(Fault(moved, times=None))
    broken.google.tokens.revoke_all()
    assert code_of(lambda: list(location.list(""))) == "store_error"
    assert code_of(lambda: location.create("a", b"x")) == "store_error"
    fresh = broken.open()
    assert code_of(lambda: list(fresh.list(""))) in {"endpoint_unreachable", "credentials_invalid"}
    assert elsewhere.seen == []
    testbed.stop(elsewhere)


def test_an_upload_stays_at_its_endpoint(broken: Broken, location: GcsLocation) -> None:
    """The server behind the proxy names itself as the place of the session."""
    upload(location, "big", content())
    assert len(broken.proxy.seen(*PUT)) == len([1 for method, _dummy in broken.google.seen if method == "PUT"]) == 3
    broken.proxy.add(Fault(answer(200, b"{}", Location="https://elsewhere.example.org"), *BEGIN))
    assert code_of(lambda: upload(location, "more", content())) == "store_error"


def test_a_store_that_went_away(broken: Broken, location: GcsLocation) -> None:
    writer = location.writer("big")
    writer.write(content())
    broken.proxy.add(Fault(reset(), times=None))
    assert code_of(writer.commit) in {"endpoint_unreachable", "outcome_unknown"}
    writer.abort()
    assert code_of(lambda: location.read("warm", limit=1)) == "endpoint_unreachable"
    assert code_of(lambda: location.delete(["warm", "other"])) == "endpoint_unreachable"
    broken.proxy.clear()
    assert broken.keys() == [f"{PREFIX}/warm"]


def test_a_hanging_store_does_not_hold_up_a_stop(broken: Broken, location: GcsLocation) -> None:
    never = threading.Event()
    held = broken.proxy.add(Fault(hold(never), *PUT, times=None))
    caught: list[str] = []

    def write() -> None:
        with location.writer("big") as writer:
            try:
                while True:
                    writer.write(content())
            except StowageError as error:
                caught.append(error.code)

    thread = threading.Thread(target=write)
    thread.start()
    assert held.hit.wait(60)
    location.stopped.set()
    thread.join(60)
    never.set()
    assert not thread.is_alive()
    assert caught == ["interrupted"]
    assert broken.keys() == [f"{PREFIX}/warm"]
    assert broken.google.uploads(broken.bucket) == []


def test_deletes_report_each_key(broken: Broken, location: GcsLocation) -> None:
    for key in ("a", "b", "c"):
        location.create(key, b"")
    broken.google.objects.buckets[broken.bucket].retained.add(f"{PREFIX}/b")
    failures = location.delete(["a", "b", "c", "d"])
    assert [(failure.key, failure.code) for failure in failures] == [("b", "locked")]
    assert broken.keys() == [f"{PREFIX}/b", f"{PREFIX}/warm"]
    broken.google.denied.add("storage.objects.delete")
    assert [failure.code for failure in location.delete(["b", "warm"])] == ["permission_denied"] * 2


@pytest.mark.parametrize(
    ("permission", "action"),
    [
        ("storage.objects.create", lambda location: location.create("a", b"")),
        ("storage.objects.create", lambda location: upload(location, "a", content())),
        ("storage.objects.get", lambda location: location.read("warm", limit=1)),
        ("storage.objects.list", lambda location: list(location.list(""))),
    ],
)
def test_the_missing_permission_is_named(
    broken: Broken, location: GcsLocation, permission: str, action: Callable[[Location], object]
) -> None:
    broken.google.denied.add(permission)
    error = error_of(lambda: action(location))
    assert error.code == "permission_denied"
    assert permission in error.hint
    assert permission in error.message


def test_a_reader_who_may_not_list_and_a_writer_who_may_not_read(broken: Broken, location: GcsLocation) -> None:
    broken.google.denied = {"storage.objects.get"}
    info = location.stat("warm")
    assert info is not None
    assert info.size == 0
    assert location.stat("none") is None
    broken.google.denied = {"storage.objects.list"}
    assert code_of(lambda: broken.open().read("none", limit=1)) == "key_not_found"
    assert broken.open().stat("none") is None


def test_the_first_request_ever_is_lost(broken: Broken) -> None:
    broken.proxy.add(Fault(reset()))
    assert list(broken.open().list("")) == []


def test_a_token_service_that_is_away(broken: Broken) -> None:
    location = broken.open()
    broken.google.tokens.fail_with = TokenAnswer(503, {"error": "temporarily_unavailable"})
    error = error_of(lambda: location.create("a", b"x"))
    assert error.code == "endpoint_unreachable"
    assert "token" in error.message
    broken.google.tokens.fail_with = None
    location.create("a", b"x")


def test_a_store_that_ignores_conditions(testbed: Testbed) -> None:
    """As gcp-storage-emulator does: it is asked before each write, and the capabilities say so."""
    google = testbed.google(conditions=False)
    bucket = google.create_bucket("backups")
    where = {"endpoint": google.endpoint, "bucket": bucket, "ca_cert": str(google.ca_cert), "auth": google.auth()}
    location = open_location({"provider": "gcp", **where}, {})
    location.create("a", b"first")
    assert not location.capabilities.conditional_create
    assert code_of(lambda: location.create("a", b"second")) == "key_exists"
    with location.writer("a") as writer:
        writer.write(b"third")
        assert code_of(writer.commit) == "key_exists"
    assert location.read("a", limit=5) == b"first"
    testbed.stop(google)


@pytest.mark.parametrize("listed", [True, False])
def test_a_store_that_ignores_conditions_and_hides_what_is_there(testbed: Testbed, listed: bool) -> None:
    """Where nobody tells whether there is such an object, nothing is written over it."""
    google = testbed.google(conditions=False)
    bucket = google.create_bucket("backups")
    where = {"endpoint": google.endpoint, "bucket": bucket, "ca_cert": str(google.ca_cert), "auth": google.auth()}
    google.write(bucket, "a", b"theirs")
    google.denied = {"storage.objects.get"} | (set() if listed else {"storage.objects.list"})
    location = open_location({"provider": "gcp", **where}, {})
    assert code_of(lambda: location.create("a", b"ours")) == ("key_exists" if listed else "permission_denied")
    assert google.read(bucket, "a") == b"theirs"
    testbed.stop(google)


def test_no_secret_and_no_session_is_in_an_error(broken: Broken, location: GcsLocation) -> None:
    """A store can echo what it got; what it says is not passed on."""
    echoed: list[str] = []

    def echo(exchange: Exchange) -> int | None:
        head = bytes(exchange.request).decode()
        echoed.append(head)
        return problem(403, "forbidden", head)(exchange)

    broken.proxy.add(Fault(echo, times=None))
    with location.writer("big") as writer:
        broken.proxy.clear()
        writer.write(content())
        broken.proxy.add(Fault(echo, times=None))
        for action in (writer.commit, lambda: location.read("warm", limit=1), lambda: list(location.list(""))):
            error = error_of(action)
            shown = str(error.as_result())
            assert "Bearer" not in shown
            assert "ya29" not in shown
            assert "upload_id" not in shown
            assert error.__cause__ is None
            assert error.__context__ is None or error.__suppress_context__
    assert "upload_id" in echoed[0]
    assert "Bearer ya29" in echoed[0]
