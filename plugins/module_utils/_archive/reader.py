# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a backup, ours or Velero's. Private to the collection.

A backup of ours is read through manifest and index by ranged reads, as much as is asked for. Velero's, and ours when
manifest or index are damaged, are read once in full and checked before anything of them is handed out.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.catalog import read_manifest
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.choose import check_restorable
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.entries import (
    Block,
    Chosen,
    Entry,
    Lost,
    Store,
    Wanted,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.faults import unsupported
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.indexed import IndexedStore
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import Limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.spool import SpooledStore, spool
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import Manifest
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

__all__ = ["BackupReader", "Block", "Entry", "Limits"]

T = t.TypeVar("T")

_WITHOUT_INDEX: t.Final = frozenset({"backup_damaged", "archive_unsupported"})
_DEFAULT_LIMITS: t.Final = Limits()


class BackupReader:
    """The objects of one backup. Made by :meth:`open`; used by one thread at a time; closed by :meth:`close`.

    :ivar manifest: the manifest, ``None`` for Velero's backups and when it is damaged.
    :ivar warnings: what a user should know: an index that could not be used, entries that no backup tool reads.
    """

    def __init__(self, location: Location, record: BackupRecord, progress: Progress, limits: Limits) -> None:
        self.manifest: Manifest | None = None
        self.warnings: list[str] = []
        self._location = location
        self._paths = BackupPaths(record.cluster, record.name)
        self._progress = progress
        self._limits = limits
        self._indexed: IndexedStore | None = None
        self._spooled: SpooledStore | None = None

    @classmethod
    def open(
        cls, location: Location, record: BackupRecord, *, progress: Progress, limits: Limits = _DEFAULT_LIMITS
    ) -> BackupReader:
        """Find out how the backup is to be read, and check what has to be checked first.

        :raises StowageError: ``backup_in_progress``, ``backup_unusable``, ``backup_damaged``, ``archive_hostile``,
            ``archive_unsupported``, ``quota`` (no room for the temporary file), and location errors.
        """
        check_restorable(record)
        if record.format_version.split(".")[0] not in ("", "1"):
            raise unsupported(
                BackupPaths(record.cluster, record.name).velero_backup, "has a format version that is not 1.x"
            )
        reader = cls(location, record, progress, limits)
        if record.ours:
            reader._open_indexed(record)
        if reader._indexed is None:
            reader._spool()
        return reader

    @property
    def blocks(self) -> t.Sequence[Block]:
        """What there is: kind by kind in the archive's order, each kind in key order."""
        return self._store.blocks

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that have objects, in the archive's order."""
        return tuple(dict.fromkeys(block.kind for block in self.blocks))

    @property
    def lost(self) -> t.Sequence[Lost]:
        """Objects that the archive holds and that cannot be handed out; known once it was read in full."""
        return self._spooled.lost if self._spooled else ()

    @property
    def bytes_read(self) -> int:
        """Bytes of the tarball that were read so far."""
        return sum(store.bytes_read for store in (self._indexed, self._spooled) if store)

    @property
    def index_bytes_read(self) -> int:
        """Bytes of the index that were read so far."""
        return self._indexed.index_bytes_read if self._indexed else 0

    def entries(self, kind: Kind, namespaces: Wanted = None) -> t.Iterator[Entry]:
        """What there is of a kind, in key order, without reading objects.

        :param namespaces: tells whether a namespace is wanted; asked for namespaced kinds only.
        :raises StowageError: ``backup_damaged``, and location errors.
        """
        return self._with_fallback(lambda store: ((entry, entry) for entry in store.entries(kind, namespaces)))

    def objects(
        self, kind: Kind, namespaces: Wanted = None, *, wanted: Chosen = None
    ) -> t.Iterator[tuple[Entry, bytes]]:
        """The objects of a kind as JSON, in key order, each compared with its hash. Memory stays constant.

        :param wanted: tells whether an object is wanted; asked once for each, in key order, some time before it comes.
            What is not wanted is not fetched if nothing near it is.
        :raises StowageError: ``backup_damaged``, and location errors.
        """
        asked = _Once(wanted) if wanted else None
        return self._with_fallback(
            lambda store: ((entry, (entry, body)) for entry, body in store.objects(kind, namespaces, asked)), asked
        )

    def get(self, entry: Entry) -> bytes:
        """One object as JSON. Those that lie near each other are cheap to get one after the other.

        May be called from any thread.
        """
        store = self._spooled if entry.position[0] < 0 else self._indexed
        if store is None:
            raise StowageError("internal_error", "An entry was asked for that is another backup's.")
        return store.get(entry)

    def close(self) -> None:
        """Let go of threads and the temporary file."""
        for store in (self._indexed, self._spooled):
            if store is not None:
                store.close()

    def __enter__(self) -> BackupReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- ways to read

    @property
    def _store(self) -> Store:
        store = self._spooled or self._indexed
        if store is None:
            raise StowageError("internal_error", "The backup was not opened.")
        return store

    def _open_indexed(self, record: BackupRecord) -> None:
        """Through the index, if manifest and index are sound; else with a warning not."""
        try:
            self.manifest = read_manifest(self._location, record)
            self._indexed = IndexedStore(self._location, self._paths, self.manifest, self._limits)
        except StowageError as error:
            if error.code not in _WITHOUT_INDEX or error.details.get("file") == self._paths.tarball:
                raise
            self._warn(error)

    def _warn(self, error: StowageError) -> None:
        warning = f"{error.message} The archive is read in full instead."
        self.warnings.append(warning)
        self._progress.note(warning)

    def _spool(self) -> None:
        key = self._paths.tarball
        expected = self.manifest.files.get(key.rpartition("/")[2]) if self.manifest else None
        kinds = [kind.to_kind() for kind in self.manifest.kinds] if self.manifest else []
        self._spooled, warnings = spool(
            self._location, key, limits=self._limits, progress=self._progress, expected=expected, kinds=kinds
        )
        self.warnings += warnings

    def _with_fallback(
        self, read: t.Callable[[Store], t.Iterator[tuple[Entry, T]]], asked: _Once | None = None
    ) -> t.Iterator[T]:
        """Results of one store; when the index turns out to be damaged on the way, the rest from the whole archive."""
        last: str | None = None
        if self._spooled is None and self._indexed is not None:
            try:
                for entry, result in read(self._indexed):
                    last = entry.key
                    if asked:
                        asked.done(last)
                    yield result
                return
            except StowageError as error:
                if error.code != "backup_damaged" or error.details.get("file") != self._paths.index:
                    raise
                self._warn(error)
            self._spool()
        for entry, result in read(self._store):
            if last is None or entry.key > last:
                yield result


class _Once:
    """Asks for each object once, also if the archive is read again from its beginning after a damaged index."""

    def __init__(self, wanted: t.Callable[[Entry], bool]) -> None:
        self._wanted = wanted
        self._last = ""
        self._waiting: set[str] = set()

    def __call__(self, entry: Entry) -> bool:
        key = entry.key
        if key <= self._last:
            return key in self._waiting
        self._last = key
        if not self._wanted(entry):
            return False
        self._waiting.add(key)
        return True

    def done(self, key: str) -> None:
        """The object was handed out."""
        self._waiting.discard(key)
