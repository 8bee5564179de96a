# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compares two backups, from the location alone. Private to the collection.

Both are read side by side, kind by kind in key order, so memory does not grow with them. The indexes tell by hashes which
objects have the same bytes; only those that have not are fetched, and only if their content is what counts.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.gaps import told_gap, told_lost
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader, Entry
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import few
from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect.content import LEFT_OUT, same_content
from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect.differences import Differences, Fate, paired
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import Manifest
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

Basis = t.Literal["content", "bytes"]
"""What makes an object changed: what people decide about, or any byte."""

_REPORT_EVERY: t.Final = 100


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What was found.

    :param left_out: the kinds that are there and were not compared.
    :param caveats: what makes counts mean less than they seem to.
    :param notes: what else a user should know.
    :param bytes_read: of both tarballs.
    :param index_bytes_read: of both indexes.
    """

    differences: Differences
    left_out: list[str]
    caveats: list[str]
    notes: list[str]
    bytes_read: int
    index_bytes_read: int

    def as_dict(self) -> dict[str, t.Any]:
        """What a module returns."""
        return {
            **self.differences.as_dict(),
            "left_out": self.left_out,
            "notes": [*self.caveats, *self.notes],
            "bytes_read": self.bytes_read,
            "index_bytes_read": self.index_bytes_read,
        }


def compare_backups(
    location: Location, record: BackupRecord, other: BackupRecord, *, basis: Basis, progress: Progress
) -> Comparison:
    """What differs in one backup from another.

    :param record: the backup that is looked at: what only it has was added.
    :param other: what it is compared with: what only this has was removed.
    :raises StowageError: ``backup_in_progress``, ``backup_unusable``, ``backup_damaged``, ``archive_hostile``,
        ``archive_unsupported``, ``quota``, ``interrupted``, and location errors.
    """
    with (
        BackupReader.open(location, record, progress=progress) as reader,
        BackupReader.open(location, other, progress=progress) as other_reader,
    ):
        sides = _Sides(reader, other_reader, basis, progress)
        left_out = sides.compare()
        return Comparison(
            sides.differences,
            left_out,
            list(caveats(record, reader.manifest, other, other_reader.manifest)),
            [*dict.fromkeys([*_told(reader), *_told(other_reader)]), *sides.notes()],
            reader.bytes_read + other_reader.bytes_read,
            reader.index_bytes_read + other_reader.index_bytes_read,
        )


def _told(reader: BackupReader) -> t.Iterator[str]:
    yield from reader.warnings
    yield from filter(None, (told_lost(reader.lost),))


class _Sides:
    """Two open backups."""

    def __init__(self, reader: BackupReader, other: BackupReader, basis: Basis, progress: Progress) -> None:
        self._reader = reader
        self._other = other
        self._basis = basis
        self._progress = progress
        self._seen = 0
        self.differences = Differences()

    def compare(self) -> list[str]:
        """Compare kind by kind; returns the kinds that were left out."""
        kinds = {kind.resource: kind for kind in self._reader.kinds}
        others = {kind.resource: kind for kind in self._other.kinds}
        resources = sorted(kinds.keys() | others.keys())
        left_out = LEFT_OUT if self._basis == "content" else frozenset()
        for resource in resources:
            if resource not in left_out:
                self._compare_kind(resource, kinds.get(resource), others.get(resource))
        return [resource for resource in resources if resource in left_out]

    def notes(self) -> list[str]:
        """What should be known of the differences."""
        notes = self.differences.notes()
        if two := self.differences.of_two_versions:
            notes.append(
                f"The backups have {few(two)} in different versions: fields that these name differently count as changed."
            )
        return notes

    def _compare_kind(self, resource: str, kind: Kind | None, other: Kind | None) -> None:
        self.differences.begin(resource, kind.version if kind else "", other.version if other else "")
        entries = self._reader.entries(kind) if kind else iter(())
        others = self._other.entries(other) if other else iter(())
        for one, namesake in paired(entries, others):
            self._progress.check()
            there = one or namesake
            if there is not None:
                self.differences.add(resource, self._fate(one, namesake), there.namespace, there.name)
            self._seen += 1
            if self._seen % _REPORT_EVERY == 0:
                self._progress.report("compare", resource, objects=self._seen)

    def _fate(self, one: Entry | None, other: Entry | None) -> Fate:
        if one is None:
            return Fate.REMOVED
        if other is None:
            return Fate.ADDED
        if one.sha256 == other.sha256:
            return Fate.UNCHANGED
        if self._basis == "content" and same_content(self._reader.get(one), self._other.get(other)):
            return Fate.UNCHANGED
        return Fate.CHANGED


def caveats(
    record: BackupRecord, manifest: Manifest | None, other: BackupRecord, other_manifest: Manifest | None
) -> t.Iterator[str]:
    """Why two backups may differ though the clusters do not. Pure."""
    if record.cluster_uid and other.cluster_uid and record.cluster_uid != other.cluster_uid:
        yield "The backups are of different clusters."
    if record.ours != other.ours:
        yield "One backup was made by Velero: whether both are of the same selection cannot be told."
    elif record.fingerprint != other.fingerprint:
        yield "The backups are of different selections: what only one of them selects counts as added or removed."
    yield from filter(None, (told_gap(record, manifest), told_gap(other, other_manifest)))
