# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import (
    ApiStatusError,
    Connection,
    Response,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import apply
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import (
    Limiter,
    Pool,
    RefusedError,
    Sender,
)


def status(code: int, reason: str = "Reason", *, callout: bool = False) -> ApiStatusError:
    return ApiStatusError("no", status=code, reason=reason, callout=callout)


class Script:
    """A connection that answers from a list: an error is raised, ``None`` is success."""

    def __init__(self, *answers: StowageError | None) -> None:
        self.answers = list(answers)
        self.sent = 0

    def request(self, method: str, path: str, **options: t.Any) -> Response:
        assert (method, path, options["retry"]) == ("POST", "/x", False)
        self.sent += 1
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer
        return Response(200, {}, b"{}")


class Hasty(Progress):
    """Waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        progress = self

        class Event(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                progress.waits.append(timeout)
                return self.is_set()

        self.stopped = Event()


def send(*answers: StowageError | None) -> tuple[apply.Answer, Script, Sender, Hasty]:
    script, progress = Script(*answers), Hasty()
    sender = Sender(t.cast(Connection, script), progress, 8)
    return sender.send("POST", "/x"), script, sender, progress


def refused(*answers: StowageError | None) -> tuple[RefusedError, Script]:
    script = Script(*answers)
    with pytest.raises(RefusedError) as caught:
        Sender(t.cast(Connection, script), Hasty(), 8).send("POST", "/x")
    return caught.value, script


def test_passing_errors_are_tried_again() -> None:
    unreachable = StowageError("cluster_unreachable", "gone")
    answer, script, _sender, progress = send(status(503), status(429), unreachable, status(500), status(504), None)
    assert script.sent == 6
    assert answer.uncertain
    assert len(progress.waits) == 5


def test_an_error_that_stays_is_not() -> None:
    for code in (400, 403, 404, 409, 413, 422):
        error, script = refused(status(code), None)
        assert (error.status, script.sent, error.uncertain) == (code, 1, False)


def test_a_500_is_tried_three_times_and_a_webhook_s_once() -> None:
    assert refused(status(500), status(500), status(500), None)[1].sent == 3
    assert refused(status(500, callout=True), None)[1].sent == 1


def test_only_what_may_have_been_carried_out_is_uncertain() -> None:
    assert not send(status(429), status(503), None)[0].uncertain
    assert send(status(504), None)[0].uncertain
    error, _script = refused(StowageError("cluster_unreachable", "gone"), status(409, reason="AlreadyExists"))
    assert error.uncertain


def test_what_every_request_would_meet_ends_it() -> None:
    for code in ("cluster_tls_untrusted", "cluster_access_invalid"):
        with pytest.raises(StowageError) as caught:
            send(StowageError(code, "no"))
        assert caught.value.code == code
    with pytest.raises(StowageError) as caught:
        send(status(401))
    assert caught.value.code == "cluster_unauthorized"


def test_a_server_s_wish_is_granted() -> None:
    error = ApiStatusError("busy", status=429, reason="TooManyRequests", retry_after=4.0)
    _answer, _script, sender, progress = send(error, None)
    assert progress.waits[0] is not None
    assert 4.0 <= progress.waits[0] <= 4.25
    assert sender.throttled == 1
    assert sender.limiter.limit == 4


def test_a_stop_is_noticed_before_a_request_and_between_tries() -> None:
    script, progress = Script(status(503), None), Hasty()
    sender = Sender(t.cast(Connection, script), progress, 8)
    progress.stopped.set()
    with pytest.raises(StowageError) as caught:
        sender.send("POST", "/x")
    assert caught.value.code == "interrupted"
    assert script.sent == 0


def test_fewer_on_429_and_more_again() -> None:
    limiter = Limiter(8)
    limiter.throttled(now=1.0)
    assert limiter.limit == 4
    limiter.throttled(now=1.1)
    assert limiter.limit == 4, "one burst counts once"
    for moment in (2.0, 3.0, 4.0, 5.0):
        limiter.throttled(now=moment)
    assert limiter.limit == 1
    counts = []
    for _dummy in range(60):
        limiter.succeeded()
        counts.append(limiter.limit)
    assert counts == sorted(counts)
    assert counts[2] < 8
    assert counts[-1] == 8


def test_no_more_than_the_limit_are_in_flight() -> None:
    limiter = Limiter(2)
    inside, peak, lock = 0, 0, threading.Lock()
    meet = threading.Barrier(2)

    def work() -> None:
        nonlocal inside, peak
        for _dummy in range(20):
            limiter.acquire()
            with lock:
                inside += 1
                peak = max(peak, inside)
            meet.wait(timeout=30)
            with lock:
                inside -= 1
            limiter.release()

    threads = [threading.Thread(target=work) for _dummy in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert peak == 2


def test_a_pool_runs_everything_and_waits_for_it() -> None:
    pool, done = Pool(4), []
    for number in range(500):
        pool.submit(lambda number=number: done.append(number))  # type: ignore[misc]  # a default argument
    pool.drain()
    assert sorted(done) == list(range(500))
    assert pool.close(5)


def test_a_pool_takes_no_more_bytes_than_it_may_but_always_one() -> None:
    pool, gate, held = Pool(1, most_bytes=100), threading.Event(), []
    pool.submit(lambda: held.append(gate.wait(30)), 1000)
    pool.submit(lambda: None, 60)
    submitted = threading.Event()

    def more() -> None:
        pool.submit(lambda: None, 60)
        submitted.set()

    thread = threading.Thread(target=more)
    thread.start()
    assert not submitted.wait(0.2)
    gate.set()
    assert submitted.wait(30)
    pool.drain()
    thread.join()
    assert pool.close(5)


def test_what_a_task_raises_is_raised_where_it_is_waited_for_and_ends_the_rest() -> None:
    pool, ran, gate = Pool(1), [], threading.Event()

    def fail() -> None:
        gate.wait(30)
        raise StowageError("cluster_unreachable", "gone")

    pool.submit(fail)
    for _dummy in range(3):
        pool.submit(lambda: ran.append(1))
    gate.set()
    with pytest.raises(StowageError, match="gone"):
        pool.drain()
    with pytest.raises(StowageError, match="gone"):
        pool.submit(lambda: ran.append(2))
    assert ran == []
    assert pool.close(5)
