# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Captures a test cluster with the collection's own code, without a module around it, and reads the backup back."""

from __future__ import annotations

import contextlib
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import Manifest
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.capture import (
    BackupResult,
    CaptureOptions,
    capture,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from compare.stored import Id, Object

if t.TYPE_CHECKING:
    import pathlib

Before = t.Callable[[str, str, dict[str, str]], None]

FOLDER = "tested"
NAME = "backup"


class WatchedConnection(Connection):
    """Calls ``before`` with method, path and query ahead of each request."""

    before: Before

    def request(self, method: str, path: str, *, query: t.Any = (), **options: t.Any) -> t.Any:
        self.before(method, path, dict(query))
        return super().request(method, path, query=query, **options)


def _nothing(_method: str, _path: str, _query: dict[str, str]) -> None:
    """Watches without doing anything."""


def connect(kubeconfig: pathlib.Path, before: Before = _nothing) -> Connection:
    """A connection as the kubeconfig says."""
    access = ClusterAccess.from_params({"kubeconfig": str(kubeconfig)}, {})
    connection = WatchedConnection.open(access)
    t.cast("WatchedConnection", connection).before = before
    return connection


def run(
    kubeconfig: pathlib.Path,
    location: Location,
    selection: t.Mapping[str, t.Any] | None = None,
    *,
    name: str = NAME,
    before: Before = _nothing,
) -> BackupResult:
    """Capture into a location.

    :param selection: options as of the module ``backup``.
    :param before: called ahead of each request to the cluster.
    """
    with contextlib.closing(connect(kubeconfig, before)) as connection:
        options = CaptureOptions(cluster=FOLDER, name=name, selection=Selection.from_params(selection or {}))
        return capture(connection, location, options, Progress())


def objects(location: Location, name: str = NAME) -> dict[Id, Object]:
    """All objects of a backup."""
    found: dict[Id, Object] = {}
    record = catalog.read_backup(location, FOLDER, name)
    with contextlib.closing(BackupReader.open(location, record, progress=Progress())) as reader:
        for kind in reader.kinds:
            for entry, body in reader.objects(kind):
                found[Id(kind.resource, entry.namespace, entry.name)] = json.loads(body)
    return found


def manifest(location: Location, name: str = NAME) -> Manifest:
    """The manifest of a backup."""
    return catalog.read_manifest(location, catalog.read_backup(location, FOLDER, name))
