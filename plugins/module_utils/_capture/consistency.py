# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""At which revision each kind is listed, and what becomes of it when the server has forgotten it.

Private to the collection. Decides only; requests are made through :class:`Source`.

All kinds of one store are listed at one pinned revision. A kind whose probe answered with a revision outside of two
readings of the pin is on another store: it is listed at a revision of its own (``per-kind``). When the pinned revision
is compacted under a listing (410), the capture starts over once; after a second time, kinds that are complete stay
``pinned``, the one that was begun is ended at whatever revision the server offers (``inconsistent``), and the rest are
listed each at its own (``per-kind``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Page

Consistency = t.Literal["pinned", "per-kind", "inconsistent"]

_FRUITLESS_LIMIT: t.Final = 3
"""410s in a row without a page between them, after which a kind is given up."""


class StartOver(Exception):  # noqa: N818 - a course of events, no error
    """The pinned revision is gone: what was captured so far is thrown away, and the capture begins again."""


class RevisionGone(Exception):  # noqa: N818 - as above
    """A source's answer to a revision or a continue token that the server has compacted.

    :param token: where to go on at a later revision; empty when the server offers nothing.
    """

    def __init__(self, token: str = "") -> None:
        super().__init__("the revision is gone")
        self.token = token


class RevisionUnknown(Exception):  # noqa: N818 - as above
    """A source's answer to a revision that its store has not reached: it is not the store that was pinned."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stream:
    """One list: a kind, in one namespace or all, with one label selector or none."""

    kind: Kind
    namespace: str = ""
    label_selector: str = ""


class Source(t.Protocol):
    """Where pages come from."""

    def __call__(self, stream: Stream, revision: str | None, token: str) -> t.Generator[Page, None, None]:
        """Pages in key order: from the beginning at exactly ``revision``, or at a current one for ``None``, or after ``token``.

        :raises RevisionGone: also in the middle.
        :raises RevisionUnknown: before the first page.
        """


class Course:
    """What one attempt at a capture knows of revisions. What follows from a 410 is decided here and nowhere else.

    Streams in several threads may share it: each call is one step that needs no lock.

    :param before: the pin's revision, read before the probes.
    :param after: the same, read after them; this is what kinds are listed at.
    :param probes: the revisions that the kinds' stores answered with in between.
    :param last: whether this is the attempt that keeps what it has.
    """

    def __init__(self, before: str, after: str, probes: t.Iterable[tuple[Kind, str]], *, last: bool) -> None:
        self.pin = after
        self.last = last
        self.pin_lost = False
        self._elsewhere = {kind for kind, revision in probes if not _between(before, revision, after)}

    def revision(self, kind: Kind) -> str | None:
        """What to ask for in a first page; ``None`` is a current one."""
        return None if self.pin_lost or self.is_elsewhere(kind) else self.pin

    def elsewhere(self, kind: Kind) -> None:
        """A kind turned out to be on another store after all."""
        self._elsewhere.add(kind)

    def is_elsewhere(self, kind: Kind) -> bool:
        """Whether a kind is on another store than the pin's."""
        return kind in self._elsewhere

    def lost_pin(self) -> None:
        """The pinned revision was compacted.

        :raises StartOver: unless this is the last attempt.
        """
        if not self.last:
            raise StartOver
        self.pin_lost = True


@dataclasses.dataclass(slots=True)
class Outcome:
    """At which revision a kind was listed, filled in on the way."""

    revisions: set[str] = dataclasses.field(default_factory=set)
    broken: bool = False
    """A stream was ended at another revision than it was begun with."""

    def consistency(self, pin: str, on_pin: bool) -> Consistency:
        """What the backup can promise of the kind."""
        if self.broken or len(self.revisions) > 1:
            return "inconsistent"
        return "pinned" if on_pin and self.revisions == {pin} else "per-kind"

    def revision(self) -> str:
        """The kind's revision: the latest, when there were several."""
        return max(self.revisions, key=_number, default="")


def follow(source: Source, course: Course, stream: Stream, outcome: Outcome) -> t.Generator[Page, None, None]:
    """The pages of one stream, through whatever befalls its revision; no key twice.

    :raises StartOver: see :meth:`Course.lost_pin`.
    """
    walk = _Walk(course, stream, outcome)
    while not walk.done:
        try:
            with contextlib.closing(source(stream, walk.revision, walk.token)) as pages:
                for page in pages:
                    if walk.is_foreign(page):
                        break
                    handed_over = [walk.take(page)]  # lets go of a page before the next is fetched
                    del page
                    yield handed_over.pop()
                else:
                    walk.done = True
        except RevisionGone as gone:
            walk.gone(gone.token)
        except RevisionUnknown:
            walk.unknown()


class _Walk:
    """One stream's state between its requests."""

    def __init__(self, course: Course, stream: Stream, outcome: Outcome) -> None:
        self.done = False
        self.token = ""
        self.revision: str | None = None
        self._course = course
        self._kind = stream.kind
        self._outcome = outcome
        self._at_pin = False
        self._last = b""
        self._pages = 0
        self._fruitless = 0
        self._begin()

    def _begin(self) -> None:
        self.revision = self._course.revision(self._kind)
        self._at_pin = self.revision is not None
        if not self._at_pin and len(self._outcome.revisions) == 1:
            (self.revision,) = self._outcome.revisions  # a further stream of a kind keeps to the kind's revision

    def is_foreign(self, page: Page) -> bool:
        """Whether a first page is of another revision than the pin: its server does not know how to pin."""
        if self._pages or not self._at_pin or page.revision == self._course.pin:
            return False
        self.unknown()
        return True

    def unknown(self) -> None:
        """Begin the stream at a revision that its store has."""
        if self._at_pin:
            self._course.elsewhere(self._kind)
            self._begin()
        elif self.revision is not None:
            self.revision = None
            self._outcome.broken = True
        else:
            raise StowageError(
                "cluster_api_error",
                f"The API server does not know the revision that it gave for {self._kind.resource} itself.",
                "Run the backup again.",
            )

    def take(self, page: Page) -> Page:
        """Note where a page came from, and drop what an earlier page had."""
        self._pages += 1
        self._fruitless = 0
        if page.revision:
            self._outcome.revisions.add(page.revision)
        if self._outcome.broken:
            page.items = [item for item in page.items if item.key > self._last]
        if page.items:
            self._last = page.items[-1].key
        return page

    def gone(self, token: str) -> None:
        """Decide how to go on after a 410."""
        if self._at_pin and not self._course.pin_lost:
            self._course.lost_pin()
        self._fruitless += 1
        if self._fruitless > _FRUITLESS_LIMIT:
            raise StowageError(
                "cluster_api_error",
                f"The API server compacts revisions faster than {self._kind.resource} can be listed.",
                "Look at the interval of compaction (--etcd-compaction-interval) and at the load of etcd.",
            )
        self._at_pin = False
        self.revision = None
        self.token = token if self._pages else ""
        if self._pages or self._outcome.revisions:
            self._outcome.broken = True


def _between(before: str, revision: str, after: str) -> bool:
    return _number(before) <= _number(revision) <= _number(after)


def _number(revision: str) -> int:
    """Revisions of etcd are numbers; what is none lies outside of every range."""
    return int(revision) if revision.isascii() and revision.isdigit() else -1
