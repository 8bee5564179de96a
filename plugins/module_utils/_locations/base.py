# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface to a backup location. Private to the collection.

A key is a path relative to the location's prefix, parts separated by ``/``, never beginning with one. Every method
raises :class:`~._errors.StowageError` with one of the location codes; none raises an SDK's exception. All methods may
be called from several threads at once; a :class:`Writer` belongs to one thread at a time.
"""

from __future__ import annotations

import abc
import dataclasses
import datetime
import threading
import typing as t


@dataclasses.dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object of a location: its key, size in bytes, and the store's time of its last change (UTC)."""

    key: str
    size: int
    modified: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class PendingUpload:
    """An upload that was begun and neither committed nor aborted; ``token`` is the provider's own id of it."""

    key: str
    token: str
    started: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class DeleteFailure:
    """A key that could not be deleted, with the code and message of a location error."""

    key: str
    code: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do, as far as it decides how we write to it."""

    conditional_create: bool
    """Creation of a key can be refused by the store when the key exists (If-None-Match, link(2))."""


class Writer(abc.ABC):
    """A streaming upload of unknown length. Nothing is visible under its key before :meth:`commit`.

    As a context manager it aborts unless it was committed.
    """

    @abc.abstractmethod
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. May block for the network; memory stays bounded whatever the total is. The buffer may be reused
        by the caller once this returns."""

    @abc.abstractmethod
    def commit(self) -> ObjectInfo:
        """Make the object visible, whole, in one step, only if the key does not exist.

        :raises StowageError: ``key_exists`` when somebody else's object is there; ``outcome_unknown`` when it cannot be
            learnt whether ours is. An answer lost on the way is looked up, so that our own object counts as success.
        """

    @abc.abstractmethod
    def abort(self) -> None:
        """Drop what was written. Never raises for what is already gone; safe to call twice and after a failure.
        After ``outcome_unknown`` it deletes nothing."""

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.abort()


class Reader(t.Protocol):
    """A forward stream of an object's bytes."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, fewer only at the end, empty at the end. A stream that ends early raises
        ``StowageError``: a short answer is never taken for the whole."""

    def close(self) -> None:
        """Give the connection back or drop it."""


class Location(abc.ABC):
    """A bucket, container or directory with an optional prefix."""

    capabilities: Capabilities

    def __init__(self, stopped: threading.Event | None = None) -> None:
        """``stopped`` is set by whoever wants the work to end: from then on nothing is retried, and what waits (for a
        retry, for parts on their way) and :meth:`Writer.write` raise ``interrupted``. Single requests still go out, so
        that what was begun can be aborted and recorded."""
        self.stopped = stopped or threading.Event()

    @abc.abstractmethod
    def describe(self) -> str:
        """A short address for messages (``s3://bucket/prefix``); no secrets."""

    @abc.abstractmethod
    def create(self, key: str, data: bytes) -> ObjectInfo:
        """Create a small object in one request, only if the key does not exist.

        :raises StowageError: ``key_exists``, ``outcome_unknown`` as in :meth:`Writer.commit`.
        """

    @abc.abstractmethod
    def writer(self, key: str) -> Writer:
        """Begin a streaming upload."""

    @abc.abstractmethod
    def read(self, key: str, *, limit: int) -> bytes:
        """The whole object. ``key_not_found`` when there is none; ``archive_hostile`` when it is larger than ``limit``."""

    @abc.abstractmethod
    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``offset``; ``backup_damaged`` when the object is too short for that."""

    @abc.abstractmethod
    def open(self, key: str, offset: int = 0) -> Reader:
        """A stream from ``offset`` to the end. A connection lost on the way is taken up again where it broke."""

    @abc.abstractmethod
    def stat(self, key: str) -> ObjectInfo | None:
        """What is known of an object, ``None`` when there is none."""

    @abc.abstractmethod
    def list(self, prefix: str) -> t.Iterator[ObjectInfo]:
        """All objects whose key begins with ``prefix``, fetched page by page, in the store's order. That is the order of
        key bytes, except with SeaweedFS, which orders folder by folder (``a/b`` before ``a-b``): sort where it matters."""

    @abc.abstractmethod
    def list_names(self, prefix: str) -> t.Iterator[str]:
        """Names of what is directly below ``prefix``, which ends with ``/`` or is empty: objects, and folders with a slash at
        their end."""

    def list_folders(self, prefix: str) -> t.Iterator[str]:
        """Names (no slash) of the folders directly below ``prefix``, which ends with ``/`` or is empty."""
        return (name[:-1] for name in self.list_names(prefix) if name.endswith("/"))

    @abc.abstractmethod
    def delete(self, keys: t.Sequence[str]) -> t.Sequence[DeleteFailure]:
        """Delete keys in the given batch; a missing key is no failure. What could not be deleted is returned."""

    @abc.abstractmethod
    def uploads(self, prefix: str) -> t.Iterator[PendingUpload]:
        """Unfinished uploads whose key begins with ``prefix``. MinIO forgets at a restart what it can find by a prefix: ask
        for whole keys too where it matters. Google lists none."""

    @abc.abstractmethod
    def abort_upload(self, upload: PendingUpload) -> None:
        """Drop an unfinished upload; one that is gone is no failure."""

    @abc.abstractmethod
    def now(self) -> datetime.datetime:
        """The store's clock (UTC)."""

    @abc.abstractmethod
    def secrets(self) -> frozenset[str]:
        """Values that must never be shown, for ``no_log_values``: those that are known by now. Sessions bring new ones."""

    def warnings(self) -> t.Sequence[str]:
        """What somebody should know before a long task begins, such as credentials that end and cannot be renewed."""
        return ()

    def close(self) -> None:
        """Let go of connections."""
