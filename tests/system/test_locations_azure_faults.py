# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Azure locations do when connections break and the account is busy: a real Azurite behind a proxy that does it to them."""

from __future__ import annotations

import functools
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_writer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure import AzureLocation
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.parts import PartsWriter
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from faults import Fault, FaultProxy, answer, cut_answer, cut_request, hold, reset, swallow
from faults.proxy import Action, Exchange, relay
from testbed import Azurite, Testbed

PREFIX = "fleet"
BLOCK = 2 << 20
LARGE = 2 * BLOCK + 77


def error(code: str) -> bytes:
    """The body of an error answer."""
    return f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()


def refuse(status: int, code: str) -> Action:
    """An answer of the service that tells of an error, as it does in a header too."""
    return answer(status, error(code), x_ms_error_code=code)


BUSY = refuse(503, "ServerBusy")
DENIED = refuse(403, "AuthorizationPermissionMismatch")


@dataclass
class Broken:
    """A container, the proxy in front of it, and a location that goes through it."""

    store: Azurite
    proxy: FaultProxy
    bucket: str

    def open(self, **changes: Any) -> AzureLocation:
        """A location through the proxy that waits little between attempts."""
        options = {
            "provider": "azure",
            "storage_account": self.store.account,
            "endpoint": self.proxy.endpoint,
            "bucket": self.bucket,
            "prefix": PREFIX,
            "auth": {"method": "account_key", "account_key": self.store.key},
        }
        location = open_location({**options, **changes}, {})
        assert isinstance(location, AzureLocation)
        location.calls.first_wait = 0.01
        return location

    def keys(self) -> list[str]:
        """What is really in the container."""
        return self.store.keys(self.bucket)

    def content(self, key: str) -> bytes:
        """What is really in a blob."""
        return self.store.read(self.bucket, f"{PREFIX}/{key}")

    def uploads(self) -> list[str]:
        """What has blocks that nobody committed."""
        return self.store.uploads(self.bucket)


@pytest.fixture(scope="module")
def plain_azurite(testbed: Testbed) -> Azurite:
    """An Azurite without TLS, for the proxy to read along."""
    return testbed.azurite(tls=False)


@pytest.fixture
def broken(plain_azurite: Azurite) -> Iterator[Broken]:
    """A new container behind a proxy without faults yet."""
    bucket = plain_azurite.create_bucket(f"faults-{uuid.uuid4().hex[:12]}")
    with FaultProxy(plain_azurite.endpoint) as proxy:
        yield Broken(plain_azurite, proxy, bucket)


@pytest.fixture
def location(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureLocation]:
    """A location through the proxy that has talked to the store already. Its blocks are small."""
    monkeypatch.setattr(azure_writer, "FIRST_BLOCK_BYTES", BLOCK)
    found = broken.open()
    assert list(found.list("")) == []
    found.create("warm-up", b"")
    yield found
    found.close()


@functools.cache
def content(size: int = LARGE) -> bytes:
    """Bytes in which a block that is missing or twice there shows."""
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


COMMIT = ("PUT", r"comp=blocklist")
BLOCKS = ("PUT", r"comp=block&")
PUT = ("PUT", r"/fleet/small$")
LIST = ("GET", r"comp=list")


def test_a_lost_answer_to_commit_is_a_success(broken: Broken, location: AzureLocation) -> None:
    lost = broken.proxy.add(Fault(swallow(), *COMMIT))
    upload(location, "big", content())
    assert lost.hits == 1
    assert broken.content("big") == content()
    assert len(broken.proxy.seen(*COMMIT)) == 1, "it was looked for before it was sent again"
    assert broken.uploads() == []


def test_a_lost_answer_to_commit_is_a_success_where_nothing_may_be_read(
    broken: Broken, location: AzureLocation
) -> None:
    """A SAS that lists and does not read finds its object by the metadata in a listing."""
    broken.proxy.add(Fault(swallow(), *COMMIT))
    head = broken.proxy.add(Fault(DENIED, "HEAD", times=None))
    upload(location, "big", content())
    assert head.hits
    assert broken.content("big") == content()


def test_what_cannot_be_learnt_is_said_and_nothing_removed(broken: Broken, location: AzureLocation) -> None:
    broken.proxy.add(Fault(swallow(), *COMMIT))
    blind = threading.Event()

    def act(exchange: Exchange) -> int | None:
        lost = any(seen.faulty and seen.status is None for seen in broken.proxy.seen(*COMMIT))
        return DENIED(exchange) if blind.is_set() and lost else relay(exchange)

    for method, target in (("HEAD", "big"), LIST, COMMIT):
        broken.proxy.add(Fault(act, method, target, times=None))
    with location.writer("big") as writer:
        writer.write(content())
        blind.set()
        assert code_of(writer.commit) == "outcome_unknown"
    assert broken.content("big") == content()
    assert not broken.proxy.seen("DELETE")


def test_a_lost_answer_to_a_small_write_is_a_success(broken: Broken, location: AzureLocation) -> None:
    lost = broken.proxy.add(Fault(swallow(), *PUT))
    location.create("small", b"ours")
    assert lost.hits == 1
    assert broken.content("small") == b"ours"
    assert len(broken.proxy.seen(*PUT)) == 1, "it was looked for before it was sent again"


def test_a_lost_request_is_sent_again(broken: Broken, location: AzureLocation) -> None:
    lost = broken.proxy.add(Fault(cut_request(3), *PUT))
    location.create("small", b"our content")
    assert lost.hits == 1
    assert broken.content("small") == b"our content"


def test_a_lost_request_and_somebody_elses_object(broken: Broken, location: AzureLocation) -> None:
    def beaten(exchange: Exchange) -> None:
        broken.store.write(broken.bucket, f"{PREFIX}/small", b"theirs")
        return reset()(exchange)  # type: ignore[return-value]  # it gives None

    broken.proxy.add(Fault(beaten, *PUT))
    assert code_of(lambda: location.create("small", b"ours")) == "key_exists"
    assert broken.content("small") == b"theirs"


def test_blocks_that_somebody_elses_object_took_away(broken: Broken, location: AzureLocation) -> None:
    """A Put Blob drops the blocks of all who write the key, so that the commit is refused for another reason."""
    with location.writer("big") as writer:
        writer.write(content())
        broken.store.write(broken.bucket, f"{PREFIX}/big", b"theirs")
        assert code_of(writer.commit) == "key_exists"
    assert broken.content("big") == b"theirs"


def test_an_abort_leaves_alone_what_was_committed_meanwhile(broken: Broken, location: AzureLocation) -> None:
    """Whoever wrote it: an uncommitted blob is deleted by the very request that would delete a committed one."""
    writer = location.writer("big")
    writer.write(content())
    broken.store.write(broken.bucket, f"{PREFIX}/big", b"theirs")
    writer.abort()
    assert broken.content("big") == b"theirs"
    between = location.writer("other")
    between.write(content())

    def late(exchange: Exchange) -> int:
        server = exchange.forward()
        head = exchange.answer_head(server)
        body = exchange.answer_body(server, head)
        broken.store.write(broken.bucket, f"{PREFIX}/other", b"theirs")
        exchange.client.send(bytes(head) + b"".join(body))
        return int(head.line.split(b" ")[1])

    broken.proxy.add(Fault(late, "HEAD", "other"))
    between.abort()
    assert [seen.status for seen in broken.proxy.ended("DELETE", "other")] == [412], "the condition held it"
    assert broken.content("other") == b"theirs"


def test_a_block_that_comes_after_the_abort_goes_with_the_next(broken: Broken, location: AzureLocation) -> None:
    """It makes the upload anew, for uploads have no ids with Azure. Nobody sees it, and it is found again."""
    late, aborted = threading.Event(), threading.Event()

    def hold_back(exchange: Exchange) -> int | None:
        late.set()
        return relay(exchange) if aborted.wait(60) else None

    broken.proxy.add(Fault(hold_back, *BLOCKS, skip=1))
    with location.writer("big") as writer:
        writer.write(content(BLOCK))
        assert late.wait(60)
        (found,) = location.uploads("big")
        location.abort_upload(found)
        assert broken.uploads() == []
        aborted.set()
        assert isinstance(writer, PartsWriter)
        writer._parts.wait_idle(60)
        assert broken.uploads() == [f"{PREFIX}/big"]
        assert [info.key for info in location.list("")] == ["warm-up"]
    assert broken.uploads() == []
    assert broken.keys() == [f"{PREFIX}/warm-up"]


def test_a_store_that_fails_half_way_through_commit(broken: Broken, location: AzureLocation) -> None:
    broken.proxy.add(Fault(answer(200, b""), *COMMIT))
    broken.proxy.add(Fault(answer(201, b""), *COMMIT))
    broken.proxy.add(Fault(refuse(500, "OperationTimedOut"), *COMMIT))
    broken.proxy.add(Fault(answer(504, b""), *COMMIT))
    upload(location, "big", content())
    assert len(broken.proxy.seen(*COMMIT)) == 5
    assert broken.content("big") == content()


def test_a_busy_store_is_asked_again(broken: Broken, location: AzureLocation) -> None:
    faults = [broken.proxy.add(Fault(BUSY, *target, times=3)) for target in (BLOCKS, COMMIT, LIST)]
    upload(location, "big", content())
    assert sorted(info.key for info in location.list("")) == ["big", "warm-up"]
    assert [fault.hits for fault in faults] == [3, 3, 3]
    assert broken.content("big") == content()


@pytest.mark.parametrize("target", [BLOCKS, COMMIT])
def test_a_store_that_stays_busy_ends_the_upload(
    broken: Broken, location: AzureLocation, target: tuple[str, str]
) -> None:
    broken.proxy.add(Fault(BUSY, *target, times=None))
    assert code_of(lambda: upload(location, "big", content())) == "throttled"
    broken.proxy.clear()
    assert broken.uploads() == []
    assert broken.keys() == [f"{PREFIX}/warm-up"]


def test_a_full_store(broken: Broken, location: AzureLocation) -> None:
    fault = broken.proxy.add(Fault(refuse(409, "BlockCountExceedsLimit"), *BLOCKS, skip=1, times=None))
    assert code_of(lambda: upload(location, "big", content(BLOCK))) == "quota"
    assert fault.hits == 1, "a full store is not asked again"
    assert broken.uploads() == []


def test_blocks_survive_broken_connections(broken: Broken, location: AzureLocation) -> None:
    faults = [
        broken.proxy.add(Fault(cut_request(1 << 20), *BLOCKS)),
        broken.proxy.add(Fault(swallow(), *BLOCKS)),
        broken.proxy.add(Fault(reset(), *BLOCKS)),
    ]
    upload(location, "big", content())
    assert [fault.hits for fault in faults] == [1, 1, 1]
    assert broken.content("big") == content()


def test_a_block_that_was_damaged_on_its_way_is_sent_again(broken: Broken, location: AzureLocation) -> None:
    damaged = broken.proxy.add(Fault(refuse(400, "Md5Mismatch"), *BLOCKS))
    upload(location, "big", content())
    assert damaged.hits == 1
    assert broken.content("big") == content()


def test_a_stream_goes_on_where_it_broke(broken: Broken, location: AzureLocation) -> None:
    upload(location, "big", content())
    for after in (0, 1_000_000, 2_000_000):
        broken.proxy.add(Fault(cut_answer(after), "GET", "big"))
    stream, pieces = location.open("big", 5), []
    while piece := stream.read(1_000_001):
        pieces.append(piece)
    stream.close()
    assert b"".join(pieces) == content()[5:]
    assert len(broken.proxy.seen("GET", "big")) == 4
    assert {len(piece) for piece in pieces[:-1]} == {1_000_001}


def test_a_stream_whose_object_changed_is_not_pieced_together(broken: Broken, location: AzureLocation) -> None:
    upload(location, "big", content())
    stream = location.open("big")
    broken.store.write(broken.bucket, f"{PREFIX}/big", bytes(LARGE))
    stream.close()
    assert code_of(lambda: stream.read(LARGE)) == "backup_damaged"


def test_reads_are_whole_or_fail(broken: Broken, location: AzureLocation) -> None:
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
def test_a_listing_cut_short_is_not_an_empty_one(broken: Broken, location: AzureLocation, after: int) -> None:
    cut = broken.proxy.add(Fault(cut_answer(after), *LIST, times=2))
    assert [info.key for info in location.list("")] == ["warm-up"]
    assert cut.hits == 2
    broken.proxy.add(Fault(cut_answer(after), *LIST, times=None))
    assert code_of(lambda: list(location.list(""))) in {"store_error", "endpoint_unreachable"}
    assert code_of(lambda: list(location.uploads(""))) in {"store_error", "endpoint_unreachable"}


def test_a_login_page_is_not_an_empty_container(broken: Broken) -> None:
    page = b"<html><head><title>Log in</title></head><body>Welcome</body></html>"
    broken.proxy.add(Fault(answer(200, page, "text/html"), times=None))
    location = broken.open()
    assert code_of(lambda: list(location.list(""))) == "store_error"
    assert code_of(lambda: list(location.uploads(""))) == "store_error"
    assert code_of(lambda: location.create("a", b"")) == "outcome_unknown"


def test_a_redirect_is_not_followed(broken: Broken) -> None:
    elsewhere = broken.proxy.add(Fault(answer(302, location="https://127.0.0.1:1/"), times=None))
    assert code_of(lambda: list(broken.open().list(""))) == "store_error"
    assert elsewhere.hits == 1


def test_a_store_that_went_away(broken: Broken, location: AzureLocation) -> None:
    writer = location.writer("big")
    writer.write(content())
    broken.proxy.add(Fault(reset(), times=None))
    assert code_of(writer.commit) in {"endpoint_unreachable", "outcome_unknown"}
    writer.abort()
    assert code_of(lambda: location.read("warm-up", limit=1)) == "endpoint_unreachable"
    broken.proxy.clear()
    assert broken.keys() == [f"{PREFIX}/warm-up"]


def test_a_hanging_store_does_not_hold_up_a_stop(broken: Broken, location: AzureLocation) -> None:
    never = threading.Event()
    held = broken.proxy.add(Fault(hold(never), *BLOCKS, skip=1, times=None))
    caught: list[str] = []

    def write() -> None:
        with location.writer("big") as writer:
            try:
                while True:
                    writer.write(content())
            except StowageError as failure:
                caught.append(failure.code)

    thread = threading.Thread(target=write)
    thread.start()
    assert held.hit.wait(60)
    location.stopped.set()
    thread.join(60)
    never.set()
    assert not thread.is_alive()
    assert caught == ["interrupted"]
    assert broken.keys() == [f"{PREFIX}/warm-up"]


def test_deletes_report_each_key(broken: Broken, location: AzureLocation) -> None:
    location.create("a", b"")
    broken.proxy.add(Fault(refuse(409, "BlobImmutableDueToPolicy"), "DELETE", "/fleet/a$"))
    broken.proxy.add(Fault(DENIED, "DELETE", "/fleet/b$"))
    failures = location.delete(["a", "b", "c", "warm-up"])
    assert [(failure.key, failure.code) for failure in failures] == [("a", "locked"), ("b", "permission_denied")]
    assert broken.keys() == [f"{PREFIX}/a"]


def test_what_is_wrong_with_the_store_ends_a_delete(broken: Broken, location: AzureLocation) -> None:
    broken.proxy.add(Fault(refuse(403, "AuthenticationFailed"), "DELETE", times=None))
    assert code_of(lambda: location.delete([f"k/{number}" for number in range(100)])) == "credentials_invalid"
    assert len(broken.proxy.seen("DELETE")) < 100


def test_the_first_request_ever_is_lost(broken: Broken) -> None:
    broken.proxy.add(Fault(reset()))
    assert list(broken.open().list("")) == []


def test_a_hint_names_what_to_allow(broken: Broken, location: AzureLocation) -> None:
    broken.proxy.add(Fault(DENIED, times=None))
    actions: tuple[tuple[Callable[[], object], str, str], ...] = (
        (lambda: list(location.list("")), "blobs/read", "(in a SAS: l)"),
        (lambda: location.read("a", limit=1), "blobs/read", "(in a SAS: r)"),
        (lambda: location.create("a", b""), "blobs/write", "(in a SAS: c or w)"),
    )
    for action, data_action, letter in actions:
        with pytest.raises(StowageError) as caught:
            action()
        assert caught.value.code == "permission_denied"
        assert data_action in caught.value.hint
        assert letter in caught.value.hint


def test_clocks_that_differ(broken: Broken) -> None:
    """The service says only that authentication failed; its Date tells why."""
    location = broken.open()
    skewed = answer(403, error("AuthenticationFailed"), date="Wed, 01 Jan 2020 00:00:00 GMT")
    broken.proxy.add(Fault(skewed, times=None))
    assert code_of(lambda: list(location.list(""))) == "clock_skew"


def test_a_key_of_another_account(broken: Broken) -> None:
    location = broken.open(auth={"method": "account_key", "account_key": "Y2FuYXJ5"})
    # Azure answers AuthenticationFailed, Azurite AuthorizationFailure.
    assert code_of(lambda: list(location.list(""))) in {"credentials_invalid", "permission_denied"}


def test_no_secret_and_no_header_of_a_request_is_in_an_error(broken: Broken) -> None:
    """A store can echo what it got; what it says is not passed on."""
    location = broken.open()
    echo = error("AuthorizationFailure").replace(b">no<", f">canary {broken.store.key}<".encode())
    broken.proxy.add(Fault(answer(403, echo), times=None))
    actions: tuple[Callable[[], object], ...] = (
        lambda: list(location.list("")),
        lambda: location.create("a", b""),
        lambda: location.read("a", limit=1),
    )
    for action in actions:
        with pytest.raises(StowageError) as caught:
            action()
        told = str(caught.value.as_result())
        assert "canary" not in told
        assert broken.store.key not in told
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert location.secrets() == {broken.store.key}
