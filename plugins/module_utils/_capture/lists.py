# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All pages of a kind, in the archive's order, whatever it takes to list it. Private to the collection."""

from __future__ import annotations

import contextlib
import dataclasses
import heapq
import itertools
import operator
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.consistency import (
    Course,
    Outcome,
    RevisionGone,
    RevisionUnknown,
    Source,
    Stream,
    follow,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Gone, Item, Page, pages
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection

Pages = t.Generator[Page, None, None]

PAGE_BYTES: t.Final = 16 << 20
_SORTED_BYTES: t.Final = 32 << 20
"""How much of a kind that another store serves is held in memory, to put it in order."""

_MERGED_ITEMS: t.Final = 500
_key = operator.attrgetter("key")


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What to list: a kind, the namespaces one after the other (``""``: all at once), and selectors of which one must match."""

    kind: Kind
    namespaces: tuple[str, ...] = ("",)
    selectors: tuple[str, ...] = ()
    size_hint: int = 0


def listing(conn: Connection, course: Course, order: Order, outcome: Outcome) -> Pages:
    """The pages of a kind, its objects in ascending order of their keys, no key twice.

    :param outcome: filled in with the revisions on the way.
    :raises StartOver: see :class:`Course`.
    :raises StowageError: what fails.
    """
    streams = max(1, len(order.selectors))
    source = _source(conn, PAGE_BYTES // streams, order.size_hint)
    parts = (_namespace(source, course, order, namespace, outcome) for namespace in order.namespaces)
    return in_order(_chained(parts), order.kind, lambda: course.is_elsewhere(order.kind))


def _namespace(source: Source, course: Course, order: Order, namespace: str, outcome: Outcome) -> Pages:
    streams = [Stream(order.kind, namespace, selector) for selector in order.selectors or ("",)]
    followed = [follow(source, course, stream, outcome) for stream in streams]
    return followed[0] if len(followed) == 1 else merged(followed)


def _chained(parts: t.Iterable[Pages]) -> Pages:
    for part in parts:
        yield from part


def merged(streams: t.Sequence[Pages]) -> Pages:
    """Several streams of one kind as one; an object that is in more than one is there once."""
    with contextlib.ExitStack() as stack:
        for stream in streams:
            stack.callback(stream.close)
        last = b""
        items: list[Item] = []
        for item in heapq.merge(*map(_items, streams), key=_key):
            if item.key == last:
                continue
            last = item.key
            items.append(item)
            if len(items) >= _MERGED_ITEMS:
                yield _page(items)
                items = []
        yield _page(items)


def in_order(listed: Pages, kind: Kind, elsewhere: t.Callable[[], bool]) -> Pages:
    """The same pages; those of a store that may have an order of its own are sorted, as far as memory permits.

    :param elsewhere: asked after the first page: whether another server than the cluster's own lists the kind.
    :raises StowageError: objects are out of order.
    """
    with contextlib.closing(listed):
        first = next(listed, None)
        if first is None:
            return
        waiting = [first]
        del first
        if elsewhere():
            size = waiting[0].size
            for page in listed:
                waiting.append(page)
                size += page.size
                if size > _SORTED_BYTES:
                    break
            else:
                yield _sorted(waiting)
                return
        for page in itertools.chain(_emptied(waiting), listed):
            if not page.ordered:
                raise StowageError(
                    "cluster_api_error",
                    f"The API does not list {kind.resource} in order, and there is more of it than can be sorted.",
                    "Exclude the resource.",
                )
            handed_over = [page]
            del page
            yield handed_over.pop()


def _emptied(waiting: list[Page]) -> t.Iterator[Page]:
    waiting.reverse()
    while waiting:
        yield waiting.pop()


def _sorted(waiting: t.Sequence[Page]) -> Page:
    by_key = {item.key: item for page in waiting for item in page.items}
    return _page([by_key[key] for key in sorted(by_key)])


def _items(stream: Pages) -> t.Iterator[Item]:
    for page in stream:
        items = page.items
        del page
        yield from items


def _page(items: list[Item]) -> Page:
    return Page(items=items, revision="", continue_token="", size=sum(len(item.body) for item in items), remaining=None)


def _source(conn: Connection, page_bytes: int, size_hint: int) -> Source:
    def source(stream: Stream, revision: str | None, token: str) -> Pages:
        try:
            yield from pages(
                conn,
                stream.kind,
                namespace=stream.namespace,
                label_selector=stream.label_selector,
                revision=revision,
                token=token,
                page_bytes=page_bytes,
                size_hint=size_hint,
            )
        except Gone as gone:
            raise RevisionGone(gone.continue_token) from None
        except ApiStatusError as error:
            if error.has_cause("ResourceVersionTooLarge"):
                raise RevisionUnknown from None
            raise

    return source
