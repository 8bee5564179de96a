# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small files beside the tarball that Velero's ``describe`` and ``logs`` read. Private to the collection."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import codec
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.create import create_once
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.sink import FileDigest

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import Manifest
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

_REQUESTS: t.Final = 4
_ROWS: t.Final = 4096


@dataclasses.dataclass(slots=True)
class Messages:
    """Messages by scope, as Velero's results file has them (``pkg/util/results``). Never captured data."""

    velero: list[str] = dataclasses.field(default_factory=list)
    """About the run as a whole."""
    cluster: list[str] = dataclasses.field(default_factory=list)
    """About cluster-scoped objects."""
    namespaces: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.velero) + len(self.cluster) + sum(map(len, self.namespaces.values()))

    def as_dict(self) -> dict[str, t.Any]:
        """What is empty is left out, as Velero does it."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value}


@dataclasses.dataclass(slots=True)
class Sidecars:
    """What goes into the small files.

    :param log: lines of the backup's log.
    :param volume_info: Velero's record of each volume (``internal/volume``), empty when no volume data is held.
    """

    warnings: Messages = dataclasses.field(default_factory=Messages)
    errors: Messages = dataclasses.field(default_factory=Messages)
    log: t.Sequence[str] = ()
    volume_info: t.Iterable[t.Mapping[str, t.Any]] = ()


def write_sidecars(location: Location, paths: BackupPaths, sidecars: Sidecars) -> dict[str, FileDigest]:
    """Create them, several at once; returns what the manifest says of each, by file name.

    :raises StowageError: location errors; some files may have been created then.
    """
    files = {
        paths.results: _json({"warnings": sidecars.warnings.as_dict(), "errors": sidecars.errors.as_dict()}),
        paths.logs: codec.compress("".join(f"{line}\n" for line in sidecars.log).encode()),
        paths.volume_info: _json_list(sidecars.volume_info),
        paths.pod_volume_backups: _json([]),
        paths.volume_snapshots: _json([]),
        paths.item_operations: _json([]),
    }
    with concurrent.futures.ThreadPoolExecutor(_REQUESTS, "sidecars") as pool:
        for done in [pool.submit(create_once, location, key, data) for key, data in files.items()]:
            done.result()
    return {key.rpartition("/")[2]: FileDigest.of(data) for key, data in files.items()}


def write_manifest(location: Location, paths: BackupPaths, manifest: Manifest) -> str:
    """Create the manifest, when all files that it names are there; returns its sha256 for the commit.

    :raises StowageError: location errors.
    """
    data = manifest.to_json()
    create_once(location, paths.manifest, data)
    return hashlib.sha256(data).hexdigest()


def _json_list(values: t.Iterable[t.Any]) -> bytes:
    """A list as gzip members, some rows each: all of it at once would take many times the room."""
    members, rows = [], []
    separator = b"["
    for value in values:
        rows.append(separator + json.dumps(value, ensure_ascii=False).encode())
        separator = b","
        if len(rows) == _ROWS:
            members.append(codec.compress(b"".join(rows)))
            rows = []
    members.append(codec.compress(b"".join(rows) + (b"]" if separator == b"," else b"[]")))
    return b"".join(members)


def _json(value: t.Any) -> bytes:
    return codec.compress(json.dumps(value, ensure_ascii=False).encode())
