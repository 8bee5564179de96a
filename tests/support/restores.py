# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backs up single namespaces of a test cluster and restores them, without the modules in between."""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import json
import pathlib
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import discover
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.identity import cluster_identity
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item, pages
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem import FilesystemLocation
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.outcome import RestoreOptions, RestoreResult
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.restore import restore
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from support import archives

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
    from testbed import Cluster

Line = dict[str, t.Any]
Wanted = t.Callable[[Kind, Item], bool]

_NUMBERS: t.Final = itertools.count(1)


@dataclasses.dataclass
class Bench:
    """A cluster and a location in a directory."""

    cluster: Cluster
    path: pathlib.Path
    kubeconfig: pathlib.Path | None = None

    def __post_init__(self) -> None:
        self.location = FilesystemLocation(str(self.path / "location"))
        self.connection = self.connect(self.kubeconfig or self.cluster.kubeconfig)
        self.uid = cluster_identity(self.connect(self.cluster.kubeconfig)).uid

    def connect(self, kubeconfig: pathlib.Path) -> Connection:
        """A connection of its own."""
        return Connection.open(ClusterAccess.from_params({"kubeconfig": str(kubeconfig)}, {}))

    def backup(self, wanted: Wanted, *, cluster_uid: str | None = None) -> BackupRecord:
        """What the cluster has of the wanted objects, in the version that a backup takes.

        :param cluster_uid: the backup says that it is of this cluster; ``None`` for the true one.
        """
        connection = self.connect(self.cluster.kubeconfig)
        found = [
            (kind, item)
            for kind in discover(connection).chosen
            for page in pages(connection, kind)
            for item in page.items
            if wanted(kind, item)
        ]
        return self.archive(found, cluster_uid=cluster_uid)

    def archive(self, objects: t.Iterable[tuple[Kind, Item]], *, cluster_uid: str | None = None) -> BackupRecord:
        """A backup of given objects."""
        paths = BackupPaths("east", f"backup-{next(_NUMBERS)}")
        archives.make_backup(
            self.location, objects, paths=paths, cluster_uid=self.uid if cluster_uid is None else cluster_uid
        )
        return catalog.read_backup(self.location, paths.cluster, paths.backup)

    def restore(
        self,
        record: BackupRecord,
        *,
        check: bool = False,
        diff: bool = False,
        connection: t.Any = None,
        progress: Progress | None = None,
        selection: t.Mapping[str, t.Any] | None = None,
        **options: t.Any,
    ) -> RestoreResult:
        """Restore it, all of it unless ``selection`` says otherwise."""
        return restore(
            connection or self.connection,
            self.location,
            RestoreOptions(
                record=record,
                name=options.pop("name", f"restore-{next(_NUMBERS)}"),
                selection=Selection.from_params(selection or {}),
                report_dir=options.pop("report_dir", str(self.path / "reports")),
                **options,
            ),
            progress or Progress(),
            check=check,
            diff=diff,
        )


def in_namespace(*namespaces: str) -> Wanted:
    """The objects of namespaces, and these themselves."""
    return lambda kind, item: (item.name if kind.resource == "namespaces" else item.namespace) in namespaces


def report(result: RestoreResult) -> list[Line]:
    """Every line of a restore's report."""
    text = gzip.decompress(pathlib.Path(result.report).read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()]


def fates(result: RestoreResult, *resources: str) -> dict[str, str]:
    """``resource/name`` -> action, of all kinds or of some."""
    return {
        f"{line['kind']}/{line['name']}": line["action"]
        for line in report(result)
        if not resources or line["kind"] in resources
    }


def line_of(result: RestoreResult, resource: str, name: str) -> Line:
    """The line of one object."""
    (found,) = [line for line in report(result) if (line["kind"], line["name"]) == (resource, name)]
    return found


class Between:
    """Stands between restore and cluster: a test can refuse requests, lose answers and count what is in flight."""

    def __init__(self, connection: Connection, fault: t.Callable[[str, str, t.Callable[[], t.Any]], t.Any]) -> None:
        self._connection = connection
        self._fault = fault

    def request(self, method: str, path: str, **options: t.Any) -> t.Any:
        return self._fault(method, path, lambda: self._connection.request(method, path, **options))

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._connection, name)
