# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists a kind page by page. Private to the collection.

A first page may be pinned to a revision (``resourceVersionMatch=Exact``); the pages after it carry ``continue`` and
``limit`` alone, as the API demands. See "API concepts" of the Kubernetes documentation.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import (
    ApiStatusError,
    Connection,
    PageTooLarge,
    Response,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.cutting import Item, Page, cut
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

__all__ = ["Gone", "Item", "Page", "Probe", "cut", "pages", "probe", "reached"]

_FIRST_LIMIT: t.Final = 16
# The first object may be small and the rest Helm releases: a server builds a page whole before it sends any of it.
_FIRST_LIMIT_HINTED: t.Final = 128
_GROWTH: t.Final = 4
_LARGEST_LIMIT: t.Final = 2000
# A page is aimed at a quarter of what it may have: objects differ, and three pages are in memory at a time.
_AIM: t.Final = 0.25
# A server that ignores `limit` sends all at once; better that than a kind that cannot be backed up.
_LARGEST_PAGE: t.Final = 256 << 20
_TOO_LARGE_REVISION_SECONDS: t.Final = 10.0
LIST_SECONDS: t.Final = 75.0
"""Silence that a list may take: API servers give up after 60 s, and say so."""
_WAKE_SECONDS: t.Final = 0.5


class Gone(StowageError):  # noqa: N818 (what the API calls it)
    """The server no longer has the revision that was asked for (410).

    :ivar continue_token: continues the list at a newer revision, with what changed in between missing or twice; empty
        when the server offers none.
    """

    def __init__(self, message: str, continue_token: str) -> None:
        super().__init__("cluster_api_error", message, "The list took longer than the cluster keeps old revisions.")
        self.continue_token = continue_token


@dataclasses.dataclass(frozen=True)
class Probe:
    """What one object's worth of a list tells.

    :param revision: the list's revision, empty when it could not be listed.
    :param forbidden: the account may not list it here.
    :param missing: it is not served (any more).
    :param unavailable: why the server of this API could not answer (5xx after retries); empty when it did.
    :param size_hint: bytes of the first object, 0 when there is none.
    :param count: how many there are, where the server says so.
    """

    kind: Kind
    revision: str = ""
    forbidden: bool = False
    missing: bool = False
    unavailable: str = ""
    size_hint: int = 0
    count: int | None = None


def probe(conn: Connection, kind: Kind, namespace: str = "") -> Probe:
    """Ask for one object at no particular revision: the revision that comes back tells which store the kind is in.

    :param namespace: ask in this namespace only; empty for all, and for cluster-scoped kinds.
    :raises StowageError: any other failure than 403, 404, 405 and 5xx.
    """
    path = kind.path(namespace)
    try:
        response = conn.request("GET", path, query=(("limit", "1"),), max_bytes=_LARGEST_PAGE, timeout=LIST_SECONDS)
    except ApiStatusError as error:
        if error.status == 403:
            return Probe(kind, forbidden=True)
        if error.status in (404, 405):
            return Probe(kind, missing=True)
        if error.status >= 500:
            return Probe(kind, unavailable=f"{error.status} {error.reason}")
        raise
    except PageTooLarge:
        raise _too_large(kind) from None
    page = cut(response.body, kind)
    size = max((len(item.body) for item in page.items), default=0)
    count = len(page.items) + (page.remaining or 0) if page.remaining is not None or not page.continue_token else None
    return Probe(kind, page.revision, size_hint=size, count=count)


def pages(
    conn: Connection,
    kind: Kind,
    *,
    namespace: str = "",
    label_selector: str = "",
    revision: str | None = None,
    token: str = "",
    page_bytes: int = 16 << 20,
    size_hint: int = 0,
    ahead: int = 1,
) -> t.Generator[Page, None, None]:
    """All pages of a list. Closing the iterator stops fetching.

    :param revision: list at exactly this revision; ``None`` for the newest.
    :param token: begin in the middle, at a continue token; ``revision`` is not used then.
    :param page_bytes: what a page may have; the limit adapts to the sizes of the objects seen. One object alone, or a
        server that ignores limits, may exceed it.
    :param size_hint: bytes of an object, from a probe.
    :param ahead: how many pages are fetched before they are asked for, in a thread.
    :raises Gone: the revision, or that of the token, is compacted.
    :raises StowageError: whatever else fails.
    """
    lister = _Lister(
        conn, kind, path=kind.path(namespace), label_selector=label_selector, page_bytes=page_bytes, size_hint=size_hint
    )
    if ahead < 1:
        yield from lister.run(revision, token)
        return
    yield from _ahead(lister.run(revision, token), ahead, conn)


class _Lister:
    """Fetches pages one after the other, with a limit that adapts."""

    def __init__(
        self, conn: Connection, kind: Kind, *, path: str, label_selector: str, page_bytes: int, size_hint: int
    ) -> None:
        self._conn, self._kind, self._path = conn, kind, path
        self._selector = label_selector
        self._page_bytes = page_bytes
        self._aim = int(page_bytes * _AIM)
        self._limit = min(_FIRST_LIMIT_HINTED, max(1, self._aim // size_hint)) if size_hint > 0 else _FIRST_LIMIT

    def run(self, revision: str | None, token: str) -> t.Iterator[Page]:
        """The pages, each fetched when it is asked for."""
        last = b""
        while True:
            page = cut(self._fetch(revision, token).body, self._kind)
            if page.items:
                page.ordered = page.ordered and last < page.items[0].key
                last = page.items[-1].key
            self._adapt(page)
            token = page.continue_token
            # Let go of a page before the next is fetched: each may be as large as pages may be.
            handed_over = [page]
            del page
            yield handed_over.pop()
            if not token:
                return

    def _fetch(self, revision: str | None, token: str) -> Response:
        """One page; asked again with a smaller limit while it is too large."""
        while True:
            alone = self._limit == 1
            largest = _LARGEST_PAGE if alone else self._page_bytes
            try:
                return reached(self._conn, self._path, self._query(revision, token), max_bytes=largest)
            except PageTooLarge:
                if alone:
                    raise _too_large(self._kind) from None
                self._limit = max(1, self._limit // _GROWTH)
            except ApiStatusError as error:
                if error.status == 410:
                    raise Gone(error.message, error.continue_token) from None
                raise

    def _query(self, revision: str | None, token: str) -> list[tuple[str, str]]:
        query = [("limit", str(self._limit))]
        if self._selector:
            query.append(("labelSelector", self._selector))
        if token:
            query.append(("continue", token))
        elif revision is not None:
            query += [("resourceVersion", revision), ("resourceVersionMatch", "Exact")]
        return query

    def _adapt(self, page: Page) -> None:
        if not page.items:
            return
        average = max(1, page.size // len(page.items))
        self._limit = max(1, min(self._limit * _GROWTH, self._aim // average, _LARGEST_LIMIT))


def reached(conn: Connection, path: str, query: t.Sequence[tuple[str, str]], **options: t.Any) -> Response:
    """GET a list at a revision; one that the server has not reached yet is waited for. ``options`` are those of
    :meth:`Connection.request`, errors too."""
    deadline = time.monotonic() + _TOO_LARGE_REVISION_SECONDS
    while True:
        try:
            return conn.request("GET", path, query=query, timeout=LIST_SECONDS, **options)
        except ApiStatusError as error:
            if not error.has_cause("ResourceVersionTooLarge") or time.monotonic() >= deadline:
                raise
            # Another API server, or the watch cache, is behind the one that named the revision.
            conn.progress.stopped.wait(min(1.0, error.retry_after or 0.2))


def _too_large(kind: Kind) -> StowageError:
    message = f"One page of {kind.resource} with a limit of one has more than {_LARGEST_PAGE >> 20} MiB."
    return StowageError("cluster_api_error", message, "The API ignores `limit`; exclude the resource.")


def _ahead(source: t.Iterator[Page], count: int, conn: Connection) -> t.Iterator[Page]:
    """The same pages, fetched by a thread at most ``count`` ahead of the one that is being used."""
    fetched: queue.SimpleQueue[Page | BaseException | None] = queue.SimpleQueue()
    # A permit for each page that may be fetched but not yet taken: the thread holds no page while it waits.
    room = threading.Semaphore(count)
    closed = threading.Event()

    def fetch() -> None:
        try:
            while True:
                room.acquire()
                page = None if closed.is_set() else next(source, None)
                fetched.put(page)
                if page is None:
                    return
                del page
        except BaseException as error:  # noqa: BLE001 (raised again where the page is awaited)
            fetched.put(error)

    thread = threading.Thread(target=fetch, name="list-ahead", daemon=True)
    thread.start()
    try:
        while True:
            page = _next(fetched, conn)
            if page is None:
                return
            room.release()
            handed_over = [page]
            del page
            yield handed_over.pop()
    finally:
        closed.set()
        room.release()


def _next(fetched: queue.SimpleQueue[Page | BaseException | None], conn: Connection) -> Page | None:
    while True:
        try:
            result = fetched.get(timeout=_WAKE_SECONDS)
        except queue.Empty:
            conn.progress.check()
            continue
        if isinstance(result, BaseException):
            raise result
        return result
