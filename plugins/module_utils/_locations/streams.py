# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An object as a stream that survives lost connections, whatever the provider. Private to the collection."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries import Retries

_DISCARD_BYTES: t.Final = 1 << 20


class Body(t.Protocol):
    """What a store sends. ``read`` raises whatever the SDK raises, or LocationError."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end, and when the connection ended before."""

    def close(self) -> None:
        """Drop the connection."""


@dataclasses.dataclass(frozen=True)
class Sent:
    """An answer with an object's bytes: from ``start`` on, ``length`` of them, of an object of ``size`` bytes. ``version``
    changes with its content (ETag, generation); ``ranged`` is whether the answer says that it is a part."""

    body: Body
    start: int
    length: int
    size: int
    version: str
    ranged: bool = True

    @classmethod
    def of(cls, body: Body, length: object, content_range: str, version: str, what: str) -> Sent:
        """Of an answer over HTTP with its ``Content-Length`` and ``Content-Range``, empty if it has none.

        :raises LocationError: ``store_error`` when it does not say how many bytes of what it has, as behind a proxy that
            cuts answers anew: its end could not be told from a lost connection.
        """
        text = str(length if length is not None else "")
        span = re.fullmatch(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})", content_range)
        if not re.fullmatch("[0-9]{1,19}", text) or (content_range and span is None):
            with contextlib.suppress(Exception):
                body.close()
            message = f"{what}: the answer does not say which bytes of what it has."
            hint = "Check that the endpoint is the API of the store, and proxies on the way."
            raise LocationError(Failure("store_error", message, hint, transient=True, doubt="unknown"))
        length = int(text)
        start, size = (int(span[1]), int(span[3])) if span else (0, length)
        return cls(body, start, length, size, version, span is not None)


class ResumingReader:
    """From an offset to the end of the object as it was at first.

    :param fetch: asks for the bytes from an offset to the end, of this version if one is given; LocationError with status
        412 when the object has another by now.
    :param failed: the failure behind an exception of ``Body.read``.
    """

    def __init__(
        self,
        retries: Retries,
        what: str,
        offset: int,
        fetch: t.Callable[[int, str], Sent],
        failed: t.Callable[[Exception], Failure],
    ) -> None:
        self._retries = retries
        self._what = what
        self._position = offset
        self._fetch = fetch
        self._failed = failed
        self._version = ""
        self._body: Body | None = None
        self.size = -1
        retries.retried(self._connect)

    def read(self, size: int, /) -> bytes:
        """See :class:`~.base.Reader`."""
        want = min(size, self.size - self._position)
        pieces: list[bytes] = []
        while want > 0:
            piece = self._retries.retried(lambda: self._piece(want))  # noqa: B023 - called at once
            pieces.append(piece)
            want -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """A connection with bytes still on their way is dropped: reading them would take longer than a new one."""
        body, self._body = self._body, None
        if body is not None:
            with contextlib.suppress(Exception):
                body.close()

    def _piece(self, want: int) -> bytes:
        """At least one byte; LocationError, and no connection any more, when there is none to be had."""
        body = self._body or self._connect()
        try:
            piece = body.read(want)
        except Exception as error:  # noqa: BLE001 - whatever an SDK raises becomes an error of ours
            self.close()
            raise LocationError(self._failed(error)) from None
        if not piece:
            self.close()
            raise LocationError(ended_early(self._what))
        self._position += len(piece)
        return piece

    def _connect(self) -> Body:
        try:
            sent = self._fetch(self._position, self._version)
        except LocationError as error:
            if self._version and error.failure.status == 412:
                raise StowageError("backup_damaged", f"{self._what}: the object changed while it was read.") from None
            raise
        self._body = sent.body
        if self._version and sent.version and sent.version != self._version:
            self.close()
            raise StowageError("backup_damaged", f"{self._what}: the object changed while it was read.")
        self._take_size(sent)
        self._version = self._version or sent.version
        return sent.body

    def _take_size(self, sent: Sent) -> None:
        """The object's whole size, which must stay the same. A store that ignores the range sends from the start."""
        start = sent.start
        if self.size not in {-1, sent.size} or start > self._position or start + sent.length != sent.size:
            self.close()
            raise StowageError("store_error", f"{self._what}: the store sent another part than was asked for.")
        self.size = sent.size
        while start < self._position:
            try:
                skipped = len(sent.body.read(min(_DISCARD_BYTES, self._position - start)))
            except Exception as error:  # noqa: BLE001 - whatever an SDK raises becomes an error of ours
                self.close()
                raise LocationError(self._failed(error)) from None
            if not skipped:
                self.close()
                raise LocationError(ended_early(self._what))
            start += skipped


def ended_early(what: str) -> Failure:
    """A connection that ended before the object did."""
    return Failure(
        "endpoint_unreachable",
        f"{what}: the connection ended before the object did.",
        "",
        transient=True,
        doubt="unknown",
    )


def exactly(body: Body, length: int, what: str, failed: t.Callable[[Exception], Failure]) -> bytes:
    """Reads ``length`` bytes; LocationError when the connection ends before. ``failed`` as in :class:`ResumingReader`."""
    pieces: list[bytes] = []
    while length > 0:
        try:
            piece = body.read(length)
        except Exception as error:  # noqa: BLE001 - whatever an SDK raises becomes an error of ours
            raise LocationError(failed(error)) from None
        if not piece:
            raise LocationError(ended_early(what))
        pieces.append(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def within(size: int, limit: int, what: str) -> None:
    """:raises StowageError: ``archive_hostile`` when an object of ``size`` bytes is larger than ``limit``."""
    if size > limit:
        raise StowageError("archive_hostile", f"{what}: it has {size} bytes, more than the {limit} that it may have.")


class StoredObject:
    """An object as it can be read: as a stream, a span, whole.

    :param fetch: asks for the bytes of a ``Range`` (all, if that is empty), of this version if one is given; LocationError
        with status 412 when the object has another by now.
    :param failed: the failure behind an exception of ``Body.read``.
    """

    def __init__(
        self,
        retries: Retries,
        what: str,
        fetch: t.Callable[[str, str], Sent],
        failed: t.Callable[[Exception], Failure],
    ) -> None:
        self._retries = retries
        self._what = what
        self._fetch = fetch
        self._failed = failed

    def stream(self, offset: int) -> ResumingReader:
        """From an offset to the end."""

        def fetch(position: int, version: str) -> Sent:
            return self._fetch(f"bytes={position}-" if position else "", version)

        return ResumingReader(self._retries, self._what, offset, fetch, self._failed)

    def span(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``offset``, in one request, or again from the start if that breaks."""
        if length == 0:
            return b""

        def take(sent: Sent) -> bytes:
            if not sent.ranged or sent.start != offset:
                raise StowageError("unsupported_by_store", f"{self._what}: the store ignores ranges.")
            if sent.length < length:
                raise StowageError("backup_damaged", f"{self._what}: the object is shorter than it should be.")
            return exactly(sent.body, length, self._what, self._failed)

        return self._once(f"bytes={offset}-{offset + length - 1}", take)

    def whole(self, limit: int) -> bytes:
        """The whole object, if it has at most ``limit`` bytes."""

        def take(sent: Sent) -> bytes:
            within(sent.size, limit, self._what)
            return exactly(sent.body, sent.size, self._what, self._failed)

        return self._once("", take)

    def _once(self, span: str, take: t.Callable[[Sent], bytes]) -> bytes:
        def attempt() -> bytes:
            sent = self._fetch(span, "")
            try:
                return take(sent)
            finally:
                sent.body.close()

        data: bytes = self._retries.retried(attempt)
        return data
