# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is to copy of a backup, and what its files have to be like. Private to the collection."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.document import ANNOTATIONS
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.faults import damaged, hostile
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.foreign_json import read_backup_document
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import MANIFEST, BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

_MOST_FILES: t.Final = 1000
_FILE: t.Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]*")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What one file has to be like: its size, and its sha256 if that is known."""

    size: int
    sha256: str = ""


@dataclasses.dataclass(frozen=True)
class Source:
    """One backup that is whole.

    :param document: the bytes of its ``velero-backup.json``.
    :param files: all others by their names.
    :param capture_id: what its copy is reserved with: its own; for one of Velero's, one that follows from the document.
    :param ours: there are hashes of all files; else only their sizes are known.
    :param strangers: names of files that the manifest does not name. They are not copied.
    """

    paths: BackupPaths
    document: bytes
    files: t.Mapping[str, Wanted]
    capture_id: str
    ours: bool
    strangers: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return sum(one.size for one in self.files.values()) + len(self.document)

    @property
    def checked(self) -> str:
        """What a copy is checked by."""
        return "sha256" if self.ours else "size"


def read_source(location: Location, record: BackupRecord) -> Source:
    """Look at a backup. Nothing of its content is read but the manifest.

    :raises StowageError: ``backup_damaged`` when a file is missing or not as the manifest says, ``backup_not_found`` when it has
        just been removed, ``backup_unusable``, ``backup_in_progress``, and location errors.
    """
    catalog.check_restorable(record)
    paths = BackupPaths(record.cluster, record.name)
    document = _document(location, paths, record)
    there: dict[str, int] = {}
    for info in location.list(paths.folder):
        name = info.key[len(paths.folder) :]
        if len(there) >= _MOST_FILES:
            raise hostile(paths.folder, f"holds more than {_MOST_FILES} files")
        if not _FILE.fullmatch(name):
            raise hostile(f"{paths.folder}{printable(name, 80)}", "has a name that leads elsewhere")
        there[name] = info.size
    there.pop(paths.velero_backup[len(paths.folder) :], None)
    if not record.ours:
        made = f"copy-{hashlib.sha256(document).hexdigest()[:32]}"
        return Source(paths, document, {name: Wanted(size) for name, size in there.items()}, made, ours=False)
    manifest = catalog.read_manifest(location, record)
    wanted = {name: Wanted(digest.size, digest.sha256) for name, digest in manifest.files.items()}
    for name, one in wanted.items():
        if there.get(name) != one.size:
            raise damaged(
                paths.folder + name, "it is missing" if name not in there else "its size is not what was written"
            )
    wanted[MANIFEST] = Wanted(there[MANIFEST], record.manifest_sha256)
    strangers = tuple(sorted(there.keys() - wanted.keys()))
    return Source(paths, document, wanted, record.capture_id, ours=True, strangers=strangers)


def _document(location: Location, paths: BackupPaths, record: BackupRecord) -> bytes:
    try:
        data = location.read(paths.velero_backup, limit=limits.MAX_VELERO_BACKUP)
    except StowageError as error:
        if error.code != "key_not_found":
            raise
        raise StowageError("backup_not_found", f"The backup {paths.backup} has just been removed.") from None
    document = read_backup_document(data, ANNOTATIONS)
    if document is None or catalog.record_of(paths.cluster, document) != record:
        raise damaged(paths.velero_backup, "it has just changed")
    return data
