# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What S3 locations do when connections break and stores are busy: real stores behind a proxy that does it to them."""

from __future__ import annotations

import functools
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_writer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3 import S3Location
from faults import Fault, FaultProxy, answer, cut_answer, cut_request, hold, reset, slow_down, swallow
from testbed import Testbed
from testbed.store import S3Store

PREFIX = "fleet"
PART = 5 << 20
LARGE = 2 * PART + 77
DENIED = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


@dataclass
class Broken:
    """A bucket of a store, the proxy in front of it, and a location that goes through it."""

    store: S3Store
    proxy: FaultProxy
    bucket: str

    def open(self, **changes: Any) -> S3Location:
        """A location through the proxy that waits little between attempts."""
        auth = {"access_key": self.store.access_key, "secret_key": self.store.secret_key}
        options = {
            "provider": "minio",
            "endpoint": self.proxy.endpoint,
            "bucket": self.bucket,
            "prefix": PREFIX,
            "auth": auth,
        }
        location = open_location({**options, **changes}, {})
        assert isinstance(location, S3Location)
        location.calls.first_wait = 0.01
        return location

    def keys(self) -> list[str]:
        """What is really in the bucket."""
        return self.store.keys(self.bucket)

    def content(self, key: str) -> bytes:
        """What is really in an object."""
        return self.store.read(self.bucket, f"{PREFIX}/{key}")


@pytest.fixture(scope="module")
def plain_minio(testbed: Testbed) -> S3Store:
    """A MinIO without TLS, for the proxy to read along."""
    return testbed.minio(tls=False)


@pytest.fixture(scope="module")
def plain_seaweedfs(testbed: Testbed) -> S3Store:
    """A SeaweedFS without TLS."""
    return testbed.seaweedfs(tls=False)


@pytest.fixture(params=["plain_minio", "plain_seaweedfs"])
def broken(request: pytest.FixtureRequest) -> Iterator[Broken]:
    """A new bucket behind a proxy without faults yet."""
    store: S3Store = request.getfixturevalue(request.param)
    bucket = store.create_bucket(f"faults-{uuid.uuid4().hex[:12]}")
    with FaultProxy(store.endpoint) as proxy:
        yield Broken(store, proxy, bucket)


@pytest.fixture
def location(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Location]:
    """A location through the proxy that has talked to the store already. Its parts are the smallest that S3 allows."""
    monkeypatch.setattr(s3_writer, "FIRST_PART_BYTES", PART)
    found = broken.open()
    assert list(found.list("")) == []
    found.create("warm-up", b"")
    yield found
    found.close()


@functools.cache
def content(size: int = LARGE) -> bytes:
    """Bytes in which a part that is missing or twice there shows."""
    return b"".join(number.to_bytes(8, "big") for number in range(size // 8 + 1))[:size]


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    return caught.value.code


def upload(location: Location, key: str, data: bytes) -> None:
    """Writes a large object."""
    with location.writer(key) as writer:
        writer.write(data)
        writer.commit()


COMPLETE = ("POST", r"[?&]uploadId=")
PUT = ("PUT", r"/fleet/small$")


def test_a_lost_answer_to_complete_is_a_success(broken: Broken, location: S3Location) -> None:
    lost = broken.proxy.add(Fault(swallow(), *COMPLETE))
    upload(location, "big", content())
    assert lost.hits == 1
    assert broken.content("big") == content()
    assert broken.store.uploads(broken.bucket) == []


def test_a_lost_answer_to_complete_is_a_success_where_nothing_may_be_read(broken: Broken, location: S3Location) -> None:
    """A writer that may not read its archives finds its object by size and ETag in a listing."""
    broken.proxy.add(Fault(swallow(), *COMPLETE))
    head = broken.proxy.add(Fault(answer(403), "HEAD", times=None))
    upload(location, "big", content())
    assert head.hits
    assert broken.content("big") == content()


def test_what_cannot_be_learnt_is_said_and_nothing_removed(broken: Broken, location: S3Location) -> None:
    broken.proxy.add(Fault(swallow(), *COMPLETE))
    blind = threading.Event()
    for method, target in (("HEAD", "big"), ("GET", "list-type"), COMPLETE):
        broken.proxy.add(Fault(_once_lost(broken, blind), method, target, times=None))
    with location.writer("big") as writer:
        writer.write(content())
        blind.set()
        assert code_of(writer.commit) == "outcome_unknown"
    assert broken.content("big") == content()
    assert not broken.proxy.seen("DELETE")


def _once_lost(broken: Broken, blind: threading.Event) -> Any:
    """Denies everything once the answer to the commit was swallowed."""
    from faults.proxy import Exchange, relay

    def act(exchange: Exchange) -> int | None:
        lost = any(seen.faulty and seen.status is None for seen in broken.proxy.seen(*COMPLETE))
        return answer(403, DENIED)(exchange) if blind.is_set() and lost else relay(exchange)

    return act


def test_a_lost_answer_to_a_small_write_is_a_success(broken: Broken, location: S3Location) -> None:
    lost = broken.proxy.add(Fault(swallow(), *PUT))
    location.create("small", b"ours")
    assert lost.hits == 1
    assert broken.content("small") == b"ours"
    assert len(broken.proxy.seen(*PUT)) == 1, "it was looked for before it was sent again"


def test_a_lost_request_is_sent_again(broken: Broken, location: S3Location) -> None:
    lost = broken.proxy.add(Fault(cut_request(3), *PUT))
    location.create("small", b"our content")
    assert lost.hits == 1
    assert broken.content("small") == b"our content"


def test_a_lost_request_and_somebody_elses_object(broken: Broken, location: S3Location) -> None:
    def beaten(exchange: Any) -> None:
        broken.store.write(broken.bucket, f"{PREFIX}/small", b"theirs")
        return reset()(exchange)  # type: ignore[return-value]  # it gives None

    broken.proxy.add(Fault(beaten, *PUT))
    assert code_of(lambda: location.create("small", b"ours")) == "key_exists"
    assert broken.content("small") == b"theirs"


def test_a_lost_answer_to_the_first_object_ever(broken: Broken) -> None:
    """Then it is not known yet either whether the store keeps writers apart."""
    location = broken.open()
    broken.proxy.add(Fault(swallow(), *PUT))
    location.create("small", b"ours")
    assert broken.content("small") == b"ours"
    assert location.capabilities.conditional_create
    assert code_of(lambda: location.create("small", b"again")) == "key_exists"


def test_a_store_that_fails_half_way_through_complete(broken: Broken, location: S3Location) -> None:
    error = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
    broken.proxy.add(Fault(answer(200, b""), *COMPLETE))
    broken.proxy.add(Fault(answer(200, error), *COMPLETE))
    broken.proxy.add(Fault(answer(500, error), *COMPLETE))
    broken.proxy.add(Fault(answer(504, b""), *COMPLETE))
    upload(location, "big", content())
    assert len(broken.proxy.seen(*COMPLETE)) == 5
    assert broken.content("big") == content()


def test_a_busy_store_is_asked_again(broken: Broken, location: S3Location) -> None:
    faults = [broken.proxy.add(Fault(slow_down(), method, target, times=3)) for method, target in
              (("POST", "uploads"), ("PUT", "partNumber=2"), COMPLETE, ("GET", "list-type"))]  # fmt: skip
    upload(location, "big", content())
    assert sorted(info.key for info in location.list("")) == ["big", "warm-up"]
    assert [fault.hits for fault in faults] == [3, 3, 3, 3]
    assert broken.content("big") == content()


@pytest.mark.parametrize("target", [("PUT", "partNumber"), COMPLETE, ("POST", "uploads")])
def test_a_store_that_stays_busy_ends_the_upload(broken: Broken, location: S3Location, target: tuple[str, str]) -> None:
    broken.proxy.add(Fault(slow_down(), *target, times=None))
    assert code_of(lambda: upload(location, "big", content())) == "throttled"
    broken.proxy.clear()
    assert broken.store.uploads(broken.bucket) == []
    assert broken.keys() == [f"{PREFIX}/warm-up"]


def test_a_full_store(broken: Broken, location: S3Location) -> None:
    full = b"<Error><Code>XMinioStorageFull</Code><Message>Storage backend has reached its minimum free drive threshold.</Message></Error>"
    fault = broken.proxy.add(Fault(answer(507, full), "PUT", "partNumber=2", times=None))
    assert code_of(lambda: upload(location, "big", content())) == "quota"
    assert fault.hits == 1, "a full store is not asked again"
    assert broken.store.uploads(broken.bucket) == []


def test_parts_survive_broken_connections(broken: Broken, location: S3Location) -> None:
    faults = [
        broken.proxy.add(Fault(cut_request(1 << 20), "PUT", "partNumber=1(&|$)")),
        broken.proxy.add(Fault(swallow(), "PUT", "partNumber=2(&|$)")),
        broken.proxy.add(Fault(reset(), "PUT", "partNumber=3(&|$)")),
    ]
    upload(location, "big", content())
    assert [fault.hits for fault in faults] == [1, 1, 1]
    assert broken.content("big") == content()


def test_a_stream_goes_on_where_it_broke(broken: Broken, location: S3Location) -> None:
    upload(location, "big", content())
    for after in (0, 1_000_000, 5_000_000):
        broken.proxy.add(Fault(cut_answer(after), "GET", "big"))
    stream, pieces = location.open("big", 5), []
    while piece := stream.read(1_000_001):
        pieces.append(piece)
    stream.close()
    assert b"".join(pieces) == content()[5:]
    assert len(broken.proxy.seen("GET", "big")) == 4
    assert {len(piece) for piece in pieces[:-1]} == {1_000_001}


def test_a_stream_whose_object_changed_is_not_pieced_together(broken: Broken, location: S3Location) -> None:
    upload(location, "big", content())
    stream = location.open("big")
    broken.store.write(broken.bucket, f"{PREFIX}/big", bytes(LARGE))
    stream.close()
    assert code_of(lambda: stream.read(LARGE)) == "backup_damaged"


def test_reads_are_whole_or_fail(broken: Broken, location: S3Location) -> None:
    location.create("a", content(100_000))
    cut = broken.proxy.add(Fault(cut_answer(50_000), "GET", "/fleet/a", times=2))
    assert location.read("a", limit=100_000) == content(100_000)
    assert cut.hits == 2
    broken.proxy.add(Fault(cut_answer(10), "GET", "/fleet/a"))
    assert location.read_range("a", 7, 50_000) == content(100_000)[7:50_007]
    broken.proxy.clear()
    broken.proxy.add(Fault(cut_answer(50_000), "GET", "/fleet/a", times=None))
    assert code_of(lambda: location.read("a", limit=100_000)) == "endpoint_unreachable"


@pytest.mark.parametrize("after", [0, 1, 200])
def test_a_listing_cut_short_is_not_an_empty_one(broken: Broken, location: S3Location, after: int) -> None:
    cut = broken.proxy.add(Fault(cut_answer(after), "GET", "list-type", times=2))
    assert [info.key for info in location.list("")] == ["warm-up"]
    assert cut.hits == 2
    broken.proxy.add(Fault(cut_answer(after), "GET", "list-type", times=None))
    assert code_of(lambda: list(location.list(""))) in {"store_error", "endpoint_unreachable"}
    broken.proxy.clear()
    broken.proxy.add(Fault(cut_answer(after), "GET", "uploads", times=2))
    assert list(location.uploads("")) == []


def test_a_login_page_is_not_an_empty_bucket(broken: Broken) -> None:
    page = b"<html><head><title>Log in</title></head><body>Welcome</body></html>"
    broken.proxy.add(Fault(answer(200, page, "text/html"), times=None))
    location = broken.open()
    assert code_of(lambda: list(location.list(""))) == "store_error"
    assert code_of(lambda: list(location.uploads(""))) == "store_error"


def test_another_region_is_said_and_not_followed(broken: Broken) -> None:
    moved = (
        b"<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message><Bucket>b</Bucket>"
        b"<Endpoint>127.0.0.1:1</Endpoint></Error>"
    )
    malformed = (
        b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong</Message>"
        b"<Region>eu-west-1</Region></Error>"
    )
    location = broken.open()
    for status, body in ((301, moved), (400, malformed)):
        broken.proxy.clear()
        fault = broken.proxy.add(Fault(answer(status, body, x_amz_bucket_region="eu-west-1"), times=None))
        with pytest.raises(StowageError) as caught:
            list(location.list(""))
        assert (caught.value.code, fault.hits) == ("region_mismatch", 1)
        assert "eu-west-1" in caught.value.hint
    # HEAD answers have no body: what is wrong is asked once more.
    broken.proxy.clear()
    broken.proxy.add(Fault(answer(301, x_amz_bucket_region="eu-west-1"), "HEAD", times=None))
    assert code_of(lambda: location.stat("a")) == "region_mismatch"


def test_a_store_that_went_away(broken: Broken, location: S3Location) -> None:
    writer = location.writer("big")
    writer.write(content())
    broken.proxy.add(Fault(reset(), times=None))
    assert code_of(writer.commit) in {"endpoint_unreachable", "outcome_unknown"}
    writer.abort()
    assert code_of(lambda: location.read("warm-up", limit=1)) == "endpoint_unreachable"
    broken.proxy.clear()
    assert broken.keys() == [f"{PREFIX}/warm-up"]


def test_a_hanging_store_does_not_hold_up_a_stop(broken: Broken, location: S3Location) -> None:
    never = threading.Event()
    held = broken.proxy.add(Fault(hold(never), "PUT", "partNumber", times=None))
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
    assert broken.keys() == [f"{PREFIX}/warm-up"]
    assert broken.store.uploads(broken.bucket) == []


def test_deletes_report_each_key(broken: Broken, location: S3Location) -> None:
    location.create("a", b"")
    body = (
        b"<DeleteResult><Error><Key>fleet/a</Key><Code>AccessDenied</Code><Message>object protected by object lock</Message></Error>"
        b"<Error><Key>fleet/b</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
        b"<Error><Key>fleet/c</Key><Code>NoSuchKey</Code><Message>no</Message></Error></DeleteResult>"
    )
    broken.proxy.add(Fault(answer(200, body), "POST", "delete"))
    failures = location.delete(["a", "b", "c"])
    assert [(failure.key, failure.code) for failure in failures] == [("a", "locked"), ("b", "permission_denied")]


def test_the_first_request_ever_is_lost(broken: Broken) -> None:
    broken.proxy.add(Fault(reset()))
    assert list(broken.open().list("")) == []


def test_no_secret_and_no_header_of_a_request_is_in_an_error(broken: Broken) -> None:
    """A store can echo what it got; what it says is not passed on."""
    location = broken.open(
        auth={"access_key": "AKIACANARY", "secret_key": "canary-secret", "session_token": "canary-token"}
    )
    echo = b"<Error><Code>AccessDenied</Code><Message>AKIACANARY canary-secret canary-token</Message></Error>"
    broken.proxy.add(Fault(answer(403, echo), times=None))
    for action in (
        lambda: list(location.list("")),
        lambda: location.create("a", b""),
        lambda: location.read("a", limit=1),
    ):
        with pytest.raises(StowageError) as caught:
            action()
        assert "canary" not in str(caught.value.as_result()).lower()
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
    assert location.secrets() == {"canary-secret", "canary-token"}
