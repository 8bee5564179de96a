# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists are read page by page, whatever sizes, servers and interruptions they meet."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError, Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Gone, Page, pages, probe
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from support.scripted_api import Reply, Request, ScriptedApi, as_json, as_status

KIND = Kind("", "v1", "configmaps", "ConfigMap", namespaced=True)
PATH = "/api/v1/configmaps"


class Store:
    """Answers LISTs as an API server does, from objects of given sizes; remembers how it was asked."""

    def __init__(self, sizes: list[int], *, ignores_limit: bool = False) -> None:
        self.objects = [
            {"metadata": {"namespace": "n", "name": f"{number:06}"}, "data": "x" * size}
            for number, size in enumerate(sizes)
        ]
        self.ignores_limit = ignores_limit

    def __call__(self, request: Request) -> Reply:
        query = request.query
        start = int(query.get("continue", "0"))
        if start and "resourceVersion" in query:
            return as_status(400, "BadRequest", "specifying resource version is not allowed when using continue")
        end = len(self.objects) if self.ignores_limit else min(len(self.objects), start + int(query["limit"]))
        metadata: dict[str, Any] = {"resourceVersion": query.get("resourceVersion", "7")}
        if end < len(self.objects):
            metadata |= {"continue": str(end), "remainingItemCount": len(self.objects) - end}
        return as_json({"kind": "ConfigMapList", "metadata": metadata, "items": self.objects[start:end]})


@contextmanager
def serving(
    answer: Callable[[Request], Reply], progress: Progress | None = None
) -> Iterator[tuple[ScriptedApi, Connection]]:
    with ScriptedApi(answer).running() as api:
        yield api, Connection.open(ClusterAccess.from_params({"host": api.url}, {}), progress=progress)


def names(found: list[Page]) -> list[str]:
    return [item.name for page in found for item in page.items]


@pytest.fixture(scope="module")
def one_server() -> Iterator[tuple[ScriptedApi, Connection]]:
    with serving(Store([])) as found:
        yield found


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 3000), max_size=60),
    page_bytes=st.integers(2000, 20000),
    ahead=st.sampled_from([0, 1, 2]),
    hint=st.sampled_from([0, 100, 5000]),
)
def test_every_object_comes_once_in_order_in_pages_that_are_bounded(
    one_server: tuple[ScriptedApi, Connection], sizes: list[int], page_bytes: int, ahead: int, hint: int
) -> None:
    api, conn = one_server
    api.answer = Store(sizes)
    found = list(pages(conn, KIND, page_bytes=page_bytes, ahead=ahead, size_hint=hint))
    assert names(found) == [f"{number:06}" for number in range(len(sizes))]
    assert all(page.ordered for page in found)
    assert all(page.size <= page_bytes or len(page.items) == 1 for page in found)


def test_limits_start_small_grow_fast_and_are_bounded() -> None:
    with serving(Store([10] * 6000)) as (api, conn):
        found = list(pages(conn, KIND))
        limits = [int(request.query["limit"]) for request in api.requests]
    assert limits[:5] == [16, 64, 256, 1024, 2000]
    assert max(limits) == 2000
    assert len(names(found)) == 6000


def test_a_hint_starts_at_the_right_size() -> None:
    for hint, first in ((100, "128"), (900_000, "4"), (100 << 20, "1")):
        with serving(Store([10])) as (api, conn):
            list(pages(conn, KIND, size_hint=hint))
            assert api.requests[0].query["limit"] == first


def test_a_page_that_is_too_large_is_asked_for_again_in_part() -> None:
    sizes = [10] * 400 + [100_000] * 40
    with serving(Store(sizes)) as (api, conn):
        found = list(pages(conn, KIND, page_bytes=1 << 20))
        asked = [(request.query.get("continue", "0"), int(request.query["limit"])) for request in api.requests]
    assert len(names(found)) == 440
    again = [(before, after) for before, after in itertools.pairwise(asked) if before[0] == after[0]]
    assert again
    assert all(after[1] == before[1] // 4 for before, after in again)
    assert all(page.size <= 1 << 20 for page in found)


def test_one_large_object_is_read_all_the_same() -> None:
    with serving(Store([10, 3_000_000, 10])) as (_api, conn):
        assert len(names(list(pages(conn, KIND, page_bytes=1 << 20)))) == 3


def test_a_server_that_ignores_limits_is_read_all_the_same() -> None:
    with serving(Store([1000] * 3000, ignores_limit=True)) as (_api, conn):
        assert len(names(list(pages(conn, KIND, page_bytes=1 << 20)))) == 3000


def test_even_that_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_LARGEST_PAGE", 1 << 20)
    with serving(Store([1000] * 3000, ignores_limit=True)) as (_api, conn), pytest.raises(StowageError) as caught:
        list(pages(conn, KIND, page_bytes=1 << 18))
    assert caught.value.code == "cluster_api_error"


def test_only_the_first_page_names_the_revision() -> None:
    with serving(Store([10] * 40)) as (api, conn):
        list(pages(conn, KIND, revision="42", label_selector="a in (b)"))
        queries = [dict(request.query) for request in api.requests]
    assert queries[0] == {
        "limit": "16",
        "resourceVersion": "42",
        "resourceVersionMatch": "Exact",
        "labelSelector": "a in (b)",
    }
    assert all(query.keys() == {"limit", "continue", "labelSelector"} for query in queries[1:])
    assert len(queries) == 2


def test_a_list_can_begin_in_the_middle() -> None:
    with serving(Store([10] * 20)) as (api, conn):
        assert names(list(pages(conn, KIND, token="15", revision="42"))) == [f"{n:06}" for n in range(15, 20)]
        assert "resourceVersion" not in api.requests[0].query


def test_one_namespace() -> None:
    with serving(Store([10])) as (api, conn):
        list(pages(conn, KIND, namespace="team-a"))
        assert api.paths() == ["/api/v1/namespaces/team-a/configmaps"]


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_compacted_revision_is_gone_with_the_servers_token(ahead: int) -> None:
    gone = as_status(410, "Expired", "too old", metadata={"continue": "inconsistent"})
    store = Store([10] * 40)

    def answer(request: Request) -> Reply:
        return gone if request.query.get("continue") else store(request)

    with serving(answer) as (_api, conn), pytest.raises(Gone) as caught:
        list(pages(conn, KIND, ahead=ahead))
    assert caught.value.continue_token == "inconsistent"


def too_large() -> Reply:
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return as_status(
        504, "Timeout", "Too large resource version: 9", details={"causes": causes, "retryAfterSeconds": 0.01}
    )


def test_a_revision_that_is_not_there_yet_is_waited_for() -> None:
    store = Store([10])
    with serving(lambda request: too_large() if len(api.requests) < 4 else store(request)) as (api, conn):
        assert len(names(list(pages(conn, KIND, revision="9")))) == 1
        assert len(api.requests) == 4


def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_TOO_LARGE_REVISION_SECONDS", 0.05)
    with serving(lambda _request: too_large()) as (_api, conn), pytest.raises(ApiStatusError) as caught:
        list(pages(conn, KIND, revision="9"))
    assert caught.value.has_cause("ResourceVersionTooLarge")


@pytest.mark.parametrize("second", [range(16), range(31, 47)], ids=["lower", "the last again"])
def test_disorder_between_pages_is_noticed(second: range) -> None:
    store = Store([10] * 47)
    store.objects = [*store.objects[16:32], *(store.objects[number] for number in second)]
    with serving(store) as (_api, conn):
        found = list(pages(conn, KIND))
    assert [len(page.items) for page in found] == [16, 16]
    assert [page.ordered for page in found] == [True, False]


def test_exactly_one_page_is_fetched_ahead() -> None:
    store, third = Store([10] * 2000), threading.Event()

    def answer(request: Request) -> Reply:
        if len(api.requests) >= 3:
            third.set()
        return store(request)

    with serving(answer) as (api, conn):
        source = pages(conn, KIND)
        with closing(source):
            next(source)
            next(source)
            assert third.wait(10)  # while the second is in use
            next(source)
            assert len(api.requests) <= 4


def test_closing_stops_fetching() -> None:
    store = Store([10] * 100_000)
    with serving(store) as (api, conn):
        source = pages(conn, KIND)
        next(source)
        threads = [thread for thread in threading.enumerate() if thread.name == "list-ahead"]
        source.close()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        assert len(api.requests) <= 3


def test_a_stop_ends_the_list() -> None:
    progress, release = Progress(), threading.Event()
    store = Store([10] * 40)

    def answer(request: Request) -> Reply:
        if request.query.get("continue"):
            progress.stop("test")
            release.wait(30)
        return store(request)

    with serving(answer, progress) as (_api, conn):
        with pytest.raises(StowageError) as caught:
            list(pages(conn, KIND))
        assert caught.value.code == "interrupted"
        release.set()


def test_an_error_in_the_thread_reaches_the_caller() -> None:
    with (
        serving(lambda _request: as_status(403, "Forbidden", "no")) as (_api, conn),
        pytest.raises(ApiStatusError) as caught,
    ):
        list(pages(conn, KIND))
    assert caught.value.code == "cluster_forbidden"


def test_a_probe_tells_revision_size_and_count() -> None:
    with serving(Store([1000] * 5)) as (api, conn):
        found = probe(conn, KIND)
        assert dict(api.requests[0].query) == {"limit": "1"}
    assert (found.kind, found.revision, found.count) == (KIND, "7", 5)
    assert 1000 < found.size_hint < 1200
    assert (found.forbidden, found.missing, found.unavailable) == (False, False, "")


def test_a_probe_of_nothing() -> None:
    with serving(Store([])) as (_api, conn):
        found = probe(conn, KIND, "team-a")
    assert (found.revision, found.size_hint, found.count) == ("7", 0, 0)


def test_a_probe_does_not_guess_a_count() -> None:
    answer = as_json({"metadata": {"resourceVersion": "7", "continue": "x"}, "items": [{"metadata": {"name": "a"}}]})
    with serving(lambda _request: answer) as (_api, conn):
        assert probe(conn, KIND).count is None


@pytest.mark.parametrize(
    ("status", "field"),
    [(403, "forbidden"), (404, "missing"), (405, "missing"), (500, "unavailable"), (501, "unavailable")],
)
def test_a_probe_that_is_refused(status: int, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress()
    monkeypatch.setattr(progress.stopped, "wait", lambda _timeout=None: False)
    with serving(lambda _request: as_status(status, "Because", "no"), progress) as (_api, conn):
        found = probe(conn, KIND)
    assert getattr(found, field)
    assert found.revision == ""


def test_a_probe_with_a_refused_token_is_an_error() -> None:
    with serving(lambda _request: as_status(401, "Unauthorized")) as (_api, conn), pytest.raises(ApiStatusError):
        probe(conn, KIND)


def test_bodies_are_whole_objects() -> None:
    with serving(Store([3])) as (_api, conn):
        (page,) = pages(conn, KIND)
    assert json.loads(page.items[0].body) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": "n", "name": "000000"},
        "data": "xxx",
    }
