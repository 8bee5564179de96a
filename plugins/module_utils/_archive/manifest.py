# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest of a backup: what is in it, how it was captured, and what every file's hash is. Private to the collection.

``stowage-manifest.json`` is written when all other files are there; ``velero-backup.json`` carries its sha256. It lists no
objects, so it stays small however large the cluster is.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.faults import damaged, unsupported
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.index import DirectoryPlace
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.sink import FileDigest
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

FORMAT: t.Final = "stowage-manifest/1"
MOST_CLAIMS: t.Final = 10_000
MOST_NAMES: t.Final = 1_000

Consistency = t.Literal["pinned", "per-kind", "inconsistent"]
"""At the backup's one revision; at a revision of its own; pieced together from more than one."""

_SHA256: t.Final = re.compile(r"[0-9a-f]{64}")
_FILE: t.Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]*")


@dataclasses.dataclass(slots=True)
class KindRecord:
    """How one kind was captured."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    count: int = 0
    revision: str = ""
    """The resourceVersion of the list that it was read at."""
    consistency: Consistency = "pinned"
    complete: bool = True
    reason: str = ""
    """Why not, when it is not complete."""

    @classmethod
    def of(cls, kind: Kind, **fields: t.Any) -> KindRecord:
        """The record of a kind; ``fields`` are those after ``namespaced``."""
        return cls(kind.group, kind.version, kind.plural, kind.kind, kind.namespaced, **fields)

    def to_kind(self) -> Kind:
        return Kind(self.group, self.version, self.plural, self.kind, self.namespaced)


@dataclasses.dataclass(slots=True)
class _Head:
    """What tells formats apart."""

    format: str = ""


@dataclasses.dataclass(slots=True)
class GroupRecord:
    """An API group, or one version of it, that discovery could not see."""

    group: str
    version: str
    message: str
    stateless: bool = False


@dataclasses.dataclass(slots=True)
class Manifest:
    """What ``stowage-manifest.json`` says. Times are UTC, sizes in bytes."""

    backup: str
    cluster: str
    capture_id: str
    cluster_uid: str
    """The uid of the namespace kube-system."""
    server_version: str
    selection: dict[str, t.Any]
    """In normal form."""
    fingerprint: str
    started: datetime.datetime
    completed: datetime.datetime
    files: dict[str, FileDigest]
    """By file name: all files of the backup but this one and ``velero-backup.json``."""
    index: DirectoryPlace
    objects: int
    raw_bytes: int
    kinds: list[KindRecord]
    groups_failed: list[GroupRecord] = dataclasses.field(default_factory=list)
    long_names: list[str] = dataclasses.field(default_factory=list)
    """``resource/namespace/name`` of what Velero cannot restore, at most ``MOST_NAMES``."""
    claims_without_data: list[str] = dataclasses.field(default_factory=list)
    """``namespace/name`` of claims whose data the backup does not hold, at most ``MOST_CLAIMS``; Velero's file of volume
    information has all of them."""
    claims_without_data_count: int = 0
    warnings: int = 0
    errors: int = 0
    conditional_create: bool = True
    """Whether the store itself refused to overwrite; else it was asked first whether the key is free."""
    tools: dict[str, str] = dataclasses.field(default_factory=dict)
    """Versions: of the collection, Python, the kubernetes package ..."""
    timings: dict[str, float] = dataclasses.field(default_factory=dict)
    """Seconds of each step."""
    format: str = FORMAT

    def to_json(self) -> bytes:
        """The file, indented for people."""
        import msgspec

        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @classmethod
    def from_json(cls, data: bytes, key: str) -> Manifest:
        """Read the file, and check that its values make sense.

        :param key: what the file is called, for messages.
        :raises StowageError: ``backup_damaged``, ``archive_unsupported``.
        """
        import msgspec

        try:
            if msgspec.json.decode(data, type=_Head).format != FORMAT:
                raise unsupported(key, "has a format that this version does not know")
            manifest = msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise damaged(key, "it cannot be decoded") from None
        if not manifest._makes_sense():
            raise damaged(key, "it has values that make no sense")
        return manifest

    def _makes_sense(self) -> bool:
        place = self.index
        return (
            all(_FILE.fullmatch(name) for name in self.files)
            and all(digest.size >= 0 and _SHA256.fullmatch(digest.sha256) for digest in self.files.values())
            and place.offset >= 0
            and place.size > 0
            and _SHA256.fullmatch(place.sha256) is not None
            and all(kind.plural and kind.kind and kind.version and kind.count >= 0 for kind in self.kinds)
            and self.started.tzinfo is not None
            and self.completed.tzinfo is not None
        )
