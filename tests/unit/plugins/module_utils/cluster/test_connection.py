# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests against a server that misbehaves in every way that API servers, proxies and networks do."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import connection as connection_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import transport
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import (
    ApiStatusError,
    Connection,
    PageTooLarge,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.session import open_session
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from support.patience import Clock, Waiting
from support.scripted_api import Reply, Request, ScriptedApi, as_json, as_status
from testbed.pki import Authority

CANARY = "canary-90c1"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(connection_module, "_now", found)
    return found


@pytest.fixture
def progress(clock: Clock) -> Progress:
    found = Progress()
    found.stopped = Waiting(clock)
    return found


def connect(api: ScriptedApi | str, progress: Progress | None = None, **options: Any) -> Connection:
    host = api if isinstance(api, str) else api.url
    return Connection.open(
        ClusterAccess.from_params({"host": host, "api_key": "t-1", **options}, {}), progress=progress
    )


def script(*replies: Reply | Callable[[Request], Reply]) -> Callable[[Request], Reply]:
    """One reply after the other; the last for ever."""
    rest = itertools.chain(replies, itertools.repeat(replies[-1]))
    lock = threading.Lock()

    def answer(request: Request) -> Reply:
        with lock:
            reply = next(rest)
        return reply(request) if callable(reply) else reply

    return answer


OK = as_json({"ok": True})


@pytest.mark.parametrize(
    "trouble",
    [
        as_status(429, "TooManyRequests"),
        as_status(500, "InternalError"),
        Reply(b"<html>", 502, "text/html"),
        Reply(b"", 503, "text/plain"),
        as_status(504, "Timeout"),
        Reply(reset=True),
        Reply(b'{"ok": true}' * 10, cut_after=5),
    ],
)
def test_passing_troubles_are_tried_again(trouble: Reply, progress: Progress, clock: Clock) -> None:
    with ScriptedApi(script(trouble, trouble, OK)).running() as api:
        assert connect(api, progress).get_json("/x") == {"ok": True}
        assert len(api.requests) == 3
    assert len(clock.waits) == 2
    assert all(0 < wait <= 10 for wait in clock.waits)


@pytest.mark.parametrize("trouble", [as_status(503, "ServiceUnavailable"), Reply(reset=True), as_status(429, "Slow")])
def test_not_when_told_not_to(trouble: Reply, progress: Progress, clock: Clock) -> None:
    with ScriptedApi(script(trouble)).running() as api:
        with pytest.raises(StowageError):
            connect(api, progress).request("POST", "/x", body=b"{}", retry=False)
        assert len(api.requests) == 1
    assert clock.waits == []


@pytest.mark.parametrize(
    ("first", "bound"), [(OK, 30.0), (Reply(reset=True), 10.0)], ids=["after an answer", "before any answer"]
)
def test_retries_are_bounded_in_sum(first: Reply, bound: float, progress: Progress, clock: Clock) -> None:
    with ScriptedApi(script(first, Reply(reset=True))).running() as api:
        connection = connect(api, progress)
        if first is OK:
            connection.get_json("/x")
        with pytest.raises(StowageError) as caught:
            connection.get_json("/x")
    assert caught.value.code == "cluster_unreachable"
    assert sum(clock.waits) == pytest.approx(bound)


def test_retry_after_is_honoured_and_capped(progress: Progress, clock: Clock) -> None:
    short, long = (as_status(429, "TooManyRequests", retry_after=value) for value in ("3", "3600"))
    with ScriptedApi(script(short, long, OK)).running() as api:
        connect(api, progress).get_json("/x")
    assert 3.0 <= clock.waits[0] <= 3.3
    assert 10.0 <= clock.waits[1] <= 10.3


def test_an_error_of_the_servers_own_is_tried_a_few_times_only(progress: Progress, clock: Clock) -> None:
    with ScriptedApi(script(as_status(500, "InternalError", "failed calling webhook"))).running() as api:
        with pytest.raises(ApiStatusError) as caught:
            connect(api, progress).request("POST", "/x", body=b"{}")
        assert len(api.requests) == 3
    assert "failed calling webhook" in caught.value.message


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 413, 415, 422, 302])
def test_answers_about_the_request_are_not_tried_again(status: int, progress: Progress, clock: Clock) -> None:
    with ScriptedApi(script(as_status(status, "Because", "no"))).running() as api:
        with pytest.raises(ApiStatusError) as caught:
            connect(api, progress).get_json("/x")
        assert len(api.requests) == 1
    assert (caught.value.status, caught.value.reason) == (status, "Because")


def test_a_redirect_is_not_followed() -> None:
    with ScriptedApi(script(OK)).running() as other:
        moved = Reply(b"", 302, headers={"Location": other.url})
        with ScriptedApi(script(moved)).running() as api, pytest.raises(ApiStatusError):
            connect(api).get_json("/x")
        assert other.requests == []


def test_codes_by_status() -> None:
    codes = {401: "cluster_unauthorized", 403: "cluster_forbidden", 404: "cluster_api_error", 422: "cluster_api_error"}
    for status, code in codes.items():
        with ScriptedApi(script(as_status(status, "R", "text"))).running() as api:
            with pytest.raises(ApiStatusError) as caught:
                connect(api).get_json("/x")
            assert caught.value.code == code
            assert caught.value.details == {"status": status, "reason": "R"}


def test_what_a_410_brings() -> None:
    gone = as_status(410, "Expired", "too old", metadata={"continue": "tok", "resourceVersion": "5"})
    with ScriptedApi(script(gone)).running() as api, pytest.raises(ApiStatusError) as caught:
        connect(api).get_json("/x")
    assert caught.value.continue_token == "tok"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/v1/namespaces/n/secrets", "secrets"),
        ("/api/v1/namespaces/n/secrets/s", ""),
        ("/api/v1/namespaces/n/%73ecrets", ""),
        ("/apis/example.com/v1/things", "Secret"),
    ],
)
def test_messages_about_secrets_are_cut_to_field_reason_and_code(path: str, kind: str) -> None:
    causes = [{"reason": "FieldValueInvalid", "message": f'Invalid value: "{CANARY}"', "field": "data.key"}]
    message = f'Secret "s" is invalid: data.key: Invalid value: "{CANARY}"'
    refusal = as_status(422, "Invalid", message, details={"kind": kind, "name": "s", "causes": causes})
    with ScriptedApi(script(refusal)).running() as api, pytest.raises(ApiStatusError) as caught:
        connect(api).request("POST", path, body=b"{}")
    error = caught.value
    assert CANARY not in f"{error.message}{error.hint}{error.details}{error.causes}{error!r}"
    assert "422 Invalid" in error.message
    assert "data.key: FieldValueInvalid" in error.message


def test_messages_are_short_and_printable() -> None:
    with (
        ScriptedApi(script(as_status(422, "Invalid", "a\x1b[31m\n\rb" + "x" * 5000))).running() as api,
        pytest.raises(ApiStatusError) as caught,
    ):
        connect(api).get_json("/api/v1/pods")
    assert "\x1b" not in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 600


def test_a_login_page_is_no_answer() -> None:
    with (
        ScriptedApi(script(Reply(f"<html>{CANARY}".encode(), 200, "text/html"))).running() as api,
        pytest.raises(ApiStatusError) as caught,
    ):
        connect(api).get_json("/version")
    assert caught.value.code == "cluster_api_error"
    assert "text/html" in caught.value.message
    assert CANARY not in caught.value.message
    assert caught.value.hint


def test_an_error_page_of_a_proxy(progress: Progress, clock: Clock) -> None:
    with (
        ScriptedApi(script(Reply(f"<html>{CANARY}".encode(), 502, "text/html"))).running() as api,
        pytest.raises(ApiStatusError) as caught,
    ):
        connect(api, progress).get_json("/version")
    assert "text/html" in caught.value.message
    assert CANARY not in caught.value.message


def token_file(path: Path, token: str) -> None:
    path.write_text(token)


def with_token_file(api: ScriptedApi, path: Path) -> Connection:
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": api.url}}],
        "users": [{"name": "u", "user": {"tokenFile": str(path)}}],
    }
    return Connection.open(ClusterAccess.from_params({"kubeconfig": document}, {}))


def only(*tokens: str) -> Callable[[Request], Reply]:
    return lambda request: OK if request.token in tokens else as_status(401, "Unauthorized", "Unauthorized")


def test_after_a_401_the_credential_is_loaded_again(tmp_path: Path) -> None:
    token_file(tmp_path / "t", "old")
    with ScriptedApi(only("old")).running() as api:
        connection = with_token_file(api, tmp_path / "t")
        connection.get_json("/x")
        api.answer = only("new")
        token_file(tmp_path / "t", "new")
        assert connection.get_json("/x") == {"ok": True}
        assert [request.token for request in api.requests] == ["old", "old", "new"]
        assert connection.secrets >= {"old", "new"}


def kubeconfig(path: Path, current: str, **servers: str) -> Path:
    """One context for each server, of the same name."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in servers],
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
        "users": [{"name": "u", "user": {"tokenFile": str(path.parent / "t")}}],
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    path.chmod(0o600)
    return path


def test_a_credential_that_is_loaded_again_stays_with_its_context(tmp_path: Path) -> None:
    token_file(tmp_path / "t", "old")
    with ScriptedApi(only("old")).running() as here, ScriptedApi(only("new")).running() as there:
        path = kubeconfig(tmp_path / "k", "a", a=here.url, b=there.url)
        connection = Connection.open(ClusterAccess.from_params({"kubeconfig": str(path)}, {}))
        connection.get_json("/x")
        here.answer = only("new")
        token_file(tmp_path / "t", "new")
        kubeconfig(path, "b", a=here.url, b=there.url)
        assert connection.get_json("/x") == {"ok": True}
        assert not there.requests


def test_a_credential_for_another_cluster_is_not_used_to_go_on(tmp_path: Path) -> None:
    token_file(tmp_path / "t", "old")
    with ScriptedApi(only("old")).running() as here, ScriptedApi(only("new")).running() as there:
        path = kubeconfig(tmp_path / "k", "a", a=here.url)
        connection = Connection.open(ClusterAccess.from_params({"kubeconfig": str(path)}, {}))
        connection.get_json("/x")
        here.answer = only("new")
        token_file(tmp_path / "t", "new")
        kubeconfig(path, "a", a=there.url)
        with pytest.raises(StowageError) as caught:
            connection.request("POST", "/x", body=b"{}")
        assert caught.value.code == "cluster_access_invalid"
        assert not there.requests


@pytest.mark.parametrize("path", ["/api/v1/namespaces/a/secrets", "/api/v1/namespaces/a/configmaps"])
def test_what_may_pass_is_known_of_secrets_too_though_their_messages_are_cut(path: str) -> None:
    webhook = as_status(500, "InternalError", f"failed calling webhook x with {CANARY}")
    quota = as_status(403, "Forbidden", f"status unknown for quota: q, resources: {CANARY}")
    for reply, expected in ((webhook, (True, False)), (quota, (False, True))):
        with ScriptedApi(script(reply)).running() as api, pytest.raises(ApiStatusError) as caught:
            connect(api).request("POST", path, body=b"{}", retry=False)
        assert (caught.value.callout, caught.value.too_early) == expected
        assert (CANARY in caught.value.message) == path.endswith("configmaps")


def test_a_static_token_that_is_refused_is_an_error_at_once(progress: Progress, clock: Clock) -> None:
    with ScriptedApi(only("other")).running() as api:
        with pytest.raises(ApiStatusError) as caught:
            connect(api, progress).get_json("/x")
        assert len(api.requests) == 1
    assert caught.value.code == "cluster_unauthorized"
    assert "expired" in caught.value.hint
    assert clock.waits == []


def test_a_new_token_that_is_refused_too_is_an_error(tmp_path: Path) -> None:
    token_file(tmp_path / "t", "old")

    def refuse(_request: Request) -> Reply:
        token_file(tmp_path / "t", f"token-{len(api.requests)}")
        return as_status(401, "Unauthorized")

    with ScriptedApi(refuse).running() as api:
        with pytest.raises(ApiStatusError) as caught:
            with_token_file(api, tmp_path / "t").get_json("/x")
        assert len(api.requests) == 2
    assert caught.value.code == "cluster_unauthorized"


def test_many_threads_load_a_new_credential_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token_file(tmp_path / "t", "old")
    together = threading.Barrier(8)

    def answer(request: Request) -> Reply:
        if request.token == "old":
            together.wait(10)
        return only("new")(request)

    with ScriptedApi(answer).running() as api:
        connection = with_token_file(api, tmp_path / "t")
        token_file(tmp_path / "t", "new")
        loaded: list[int] = []
        real = open_session

        def counting(access: ClusterAccess, pool_size: int) -> Any:
            loaded.append(1)
            return real(access, pool_size)

        monkeypatch.setattr(connection_module, "open_session", counting)
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(lambda _n: connection.get_json("/x"), range(8))) == [{"ok": True}] * 8
    assert len(loaded) == 1


def test_reading_is_given_up_when_the_answer_is_too_large() -> None:
    asked: list[int] = []

    def endless() -> Iterator[bytes]:
        for number in itertools.count():
            asked.append(number)
            yield b"x" * 65536

    with ScriptedApi(lambda _request: Reply(parts=endless())).running() as api, pytest.raises(PageTooLarge) as caught:
        connect(api).request("GET", "/x", max_bytes=1 << 20)
    assert caught.value.size == 1 << 20
    # What lies in socket buffers may have been produced in vain; the rest was not.
    assert len(asked) * 65536 < 64 << 20


def test_an_answer_of_exactly_the_limit_is_read() -> None:
    with ScriptedApi(script(Reply(b"x" * 1000))).running() as api:
        assert len(connect(api).request("GET", "/x", max_bytes=1000).body) == 1000
        with pytest.raises(PageTooLarge):
            connect(api).request("GET", "/x", max_bytes=999)


def test_the_limit_counts_what_was_decompressed(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedApi(script(Reply(b"x" * (4 << 20)))).running() as api:
        connection = connect(api)
        object.__setattr__(connection._session, "compress", True)  # as if it were not loopback
        assert connection.request("GET", "/x").body == b"x" * (4 << 20)
        with pytest.raises(PageTooLarge):
            connection.request("GET", "/x", max_bytes=1 << 20)
        assert api.requests[0].headers["accept-encoding"] == "gzip"


def test_an_answer_that_trickles_for_ever_is_given_up(progress: Progress, clock: Clock) -> None:
    def trickle() -> Iterator[bytes]:
        for _number in range(1000):
            clock.now += 30
            yield b" "

    with ScriptedApi(lambda _request: Reply(parts=trickle())).running() as api, pytest.raises(StowageError) as caught:
        connect(api, progress).request("GET", "/x", timeout=20)
    assert caught.value.code == "cluster_unreachable"
    assert "more than 200 s" in caught.value.message


def test_silence_ends_in_an_error(progress: Progress, clock: Clock) -> None:
    release = threading.Event()

    def silent(_request: Request) -> Reply:
        release.wait(30)
        return OK

    with ScriptedApi(silent).running() as api:
        with pytest.raises(StowageError) as caught:
            connect(api, progress).request("GET", "/x", timeout=0.05)
        release.set()
    assert caught.value.code == "cluster_unreachable"
    assert "in time" in caught.value.message


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nobody_listens(scheme: str, progress: Progress, clock: Clock) -> None:
    with pytest.raises(StowageError) as caught:
        connect(f"{scheme}://127.0.0.1:{free_port()}", progress).get_json("/x")
    assert caught.value.code == "cluster_unreachable"
    assert "Connection refused" in caught.value.message
    assert caught.value.hint


def test_a_name_that_does_not_exist(progress: Progress, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: Any, **_options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(StowageError) as caught:
        connect("https://absent.example", progress).get_json("/x")
    assert caught.value.code == "cluster_unreachable"
    assert "cannot be resolved" in caught.value.message


def test_a_proxy_that_is_not_there(progress: Progress, clock: Clock) -> None:
    proxy = f"http://user:{CANARY}@127.0.0.1:{free_port()}"
    with pytest.raises(StowageError) as caught:
        connect("https://far.example", progress, proxy=proxy).get_json("/x")
    assert caught.value.code == "cluster_unreachable"
    assert "proxy" in caught.value.message
    assert CANARY not in caught.value.message + caught.value.hint


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    authority = Authority(tmp_path_factory.mktemp("pki"), "ca")
    pair = authority.server("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context, str(authority.pair.certificate)


def test_an_unknown_ca_is_not_tried_again(
    tls: tuple[ssl.SSLContext, str], progress: Progress, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedApi(script(OK), tls[0]).running() as api:
        with pytest.raises(StowageError) as caught:
            connect(api, progress).get_json("/x")
        assert api.requests == []
        assert connect(api, progress, ca_cert=tls[1]).get_json("/x") == {"ok": True}
    assert caught.value.code == "cluster_tls_untrusted"
    assert clock.waits == []
    assert "ca_cert" in caught.value.hint


def test_plain_http_where_tls_is_expected(progress: Progress, clock: Clock) -> None:
    with ScriptedApi(script(OK)).running() as api, pytest.raises(StowageError) as caught:
        connect(api.url.replace("http:", "https:"), progress).get_json("/x")
    assert caught.value.code == "cluster_unreachable"
    assert "TLS" in caught.value.message
    assert clock.waits == []


def test_a_client_certificate_that_the_server_does_not_take() -> None:
    refusal = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required")
    refusal.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    failure = transport.describe(urllib3.exceptions.SSLError(refusal), "https://a.example")
    assert failure.error.code == "cluster_unauthorized"
    assert not failure.transient


def test_a_stop_breaks_off_requests_under_way() -> None:
    release, arrived = threading.Event(), threading.Barrier(5)

    def hang(_request: Request) -> Reply:
        arrived.wait(10)
        release.wait(60)
        return OK

    def failed(_number: int) -> str:
        with pytest.raises(StowageError) as caught:
            connection.get_json("/x")
        return caught.value.code

    progress = Progress()
    with ScriptedApi(hang).running() as api, ThreadPoolExecutor(4) as threads:
        connection = connect(api, progress)
        codes = threads.map(failed, range(4))
        arrived.wait(10)
        progress.stop("test")
        # Without the break this would end after the server's minute, in another code or none.
        assert list(codes) == ["interrupted"] * 4
        assert not release.is_set()
        count = len(api.requests)
        with pytest.raises(StowageError):
            connection.get_json("/x")
        assert len(api.requests) == count
        release.set()


def test_a_stop_while_waiting_ends_the_wait(clock: Clock) -> None:
    class Stopping(Waiting):
        def wait(self, timeout: float | None = None) -> bool:
            self.set()
            return super().wait(timeout)

    progress = Progress()
    progress.stopped = Stopping(clock)
    with ScriptedApi(script(as_status(503, "ServiceUnavailable"))).running() as api:
        with pytest.raises(StowageError) as caught:
            connect(api, progress).get_json("/x")
        assert len(api.requests) == 1
    assert caught.value.code == "interrupted"


def test_connections_are_kept_and_bounded() -> None:
    peers: set[Any] = set()
    lock = threading.Lock()

    def answer(request: Request) -> Reply:
        return OK

    with ScriptedApi(answer).running() as api:
        accept = api._server.get_request

        def counting() -> Any:
            found = accept()
            with lock:
                peers.add(found[1])
            return found

        api._server.get_request = counting  # type: ignore[method-assign]  # counts connections
        access = ClusterAccess.from_params({"host": api.url}, {})
        connection = Connection.open(access, pool_size=3)
        with ThreadPoolExecutor(12) as threads:
            list(threads.map(lambda _n: connection.get_json("/x"), range(60)))
        assert connection.requests == 60
        connection.close()
    assert 1 <= len(peers) <= 3


def test_the_request_as_it_arrives() -> None:
    with ScriptedApi(script(OK)).running() as api:
        connect(api).request(
            "PATCH",
            "/a/b%2Fc",
            query=[("x", "1 2"), ("y", "&")],
            body=b"[]",
            content_type="application/json-patch+json",
        )
    request = api.requests[0]
    assert (request.method, request.path, request.query, request.body) == (
        "PATCH",
        "/a/b%2Fc",
        {"x": "1 2", "y": "&"},
        b"[]",
    )
    assert request.headers["content-type"] == "application/json-patch+json"
    assert request.headers["user-agent"].startswith("stowage.kubernetes/")
    assert request.headers["accept-encoding"] == "identity"
    assert request.token == "t-1"
