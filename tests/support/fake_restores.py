# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores into a cluster in memory: what a whole restore decides, without a server."""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import json
import pathlib
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Response
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem import FilesystemLocation
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.outcome import RestoreOptions, RestoreResult
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.restore import restore
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from support import archives, fake_cluster
from support.fake_cluster import CRDS, NAMESPACES, Document, FakeCluster, FakeConnection, Query

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection

Archived = tuple[Kind, Item]
Owner = tuple[Kind, str]


def archived(of: Kind, name: str, namespace: str = "", owners: t.Sequence[Owner] = (), **rest: t.Any) -> Archived:
    """An object of a backup; ``metadata`` adds to its metadata. Uids are ``old-<plural>-<name>``."""
    metadata: Document = {"name": name, "uid": f"old-{of.plural}-{name}", **rest.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    if owners:
        metadata["ownerReferences"] = [
            {"apiVersion": kind.api_version, "kind": kind.kind, "name": owner, "uid": f"old-{kind.plural}-{owner}"}
            for kind, owner in owners
        ]
    body = json.dumps({"apiVersion": of.api_version, "kind": of.kind, "metadata": metadata, **rest}).encode()
    uids = tuple(one["uid"] for one in metadata.get("ownerReferences", ()))
    return of, Item(namespace, name, metadata["uid"], "7", metadata.get("labels"), False, uids, body)


def definition(of: Kind, owners: t.Sequence[Owner] = ()) -> Archived:
    """The CustomResourceDefinition of a kind."""
    names = {"plural": of.plural, "kind": of.kind}
    scope = "Namespaced" if of.namespaced else "Cluster"
    versions = [{"name": of.version, "served": True}]
    spec = {"group": of.group, "names": names, "scope": scope, "versions": versions}
    return archived(CRDS, of.resource, owners=owners, spec=spec)


class NoPause(threading.Event):
    """Does not wait: what is tried again later is tried at once."""

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        return self.is_set()


class WritableConnection(FakeConnection):
    """Takes writes too; what a definition defines is served at once."""

    def __init__(self, cluster: FakeCluster, progress: Progress) -> None:
        super().__init__(cluster, progress)
        self.writes: list[tuple[str, str, Document]] = []

    def request(
        self, method: str, path: str, *, query: Query = (), body: bytes | None = None, **rest: t.Any
    ) -> Response:
        if method == "GET" or path.endswith("/selfsubjectaccessreviews"):
            return super().request(method, path, query=query, body=body, **rest)
        self._cluster.hook(method, path, dict(query))
        document = json.loads(body or b"{}")
        if ("dryRun", "All") in query:
            return Response(200, {}, json.dumps(document).encode())
        self.writes.append((method, path, document))
        return Response(200, {}, json.dumps(self._write(method, path, dict(query), document)).encode())

    def _write(self, method: str, path: str, query: dict[str, str], document: Document) -> Document:
        of, namespace, name = self._cluster.place(path)
        name = name or document["metadata"]["name"]
        if namespace and namespace.encode() not in self._cluster.state(NAMESPACES):
            raise fake_cluster.failure(404, "NotFound", f'namespaces "{namespace}" not found')
        before = self._cluster.find(of, name, namespace)
        if method == "POST" and before is not None:
            raise fake_cluster.failure(409, "AlreadyExists", f"{of.plural} {name} already exists")
        if method != "POST" and before is None:
            raise fake_cluster.failure(404, "NotFound", "no such object")
        after = _merged(before, document) if method == "PATCH" and before is not None else document
        metadata = after["metadata"]
        if sum(one.get("controller") is True for one in metadata.get("ownerReferences") or ()) > 1:
            raise fake_cluster.failure(422, "Invalid", "Only one reference can have Controller set to true")
        metadata.pop("uid", None)
        if before is not None:
            metadata["uid"] = before["metadata"]["uid"]
        if method == "POST":
            metadata["managedFields"] = [{"manager": query["fieldManager"], "operation": "Update"}]
        self._cluster.put(of, after)
        if of is CRDS:
            self._cluster.serve(after)
        found = self._cluster.find(of, name, namespace)
        assert found is not None
        return {"apiVersion": of.api_version, "kind": of.kind, **found}


def _merged(target: t.Any, patch: t.Any) -> t.Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        found[key] = _merged(found.get(key), value)
        if value is None:
            del found[key]
    return found


@dataclasses.dataclass
class Done:
    """A restore, and what it asked of the cluster."""

    result: RestoreResult
    lines: list[Document]
    writes: list[tuple[str, str, Document]]

    def fates(self) -> dict[str, str]:
        """``resource/name`` -> action."""
        return {f"{line['kind']}/{line['name']}": line["action"] for line in self.lines}

    def line(self, resource: str, name: str) -> Document:
        """The one line of an object."""
        (found,) = [line for line in self.lines if (line["kind"], line["name"]) == (resource, name)]
        return found


class Stage:
    """A cluster in memory, and a directory for backups of what a test says."""

    def __init__(self, path: pathlib.Path) -> None:
        self.cluster = FakeCluster()
        self._path = path
        self._location = FilesystemLocation(str(path / "location"))
        self._numbers = itertools.count(1)

    def restore(
        self,
        *objects: Archived,
        check: bool = False,
        selection: t.Mapping[str, t.Any] | None = None,
        backup: t.Mapping[str, t.Any] | None = None,
        without: t.Sequence[str] = (),
        **options: t.Any,
    ) -> Done:
        """Back these objects up, and restore them.

        :param backup: what ``make_backup`` is told beside the objects.
        :param without: files that the backup has lost.
        :param options: those of a restore; ``cluster_uid`` says which cluster they are of.
        """
        number = next(self._numbers)
        paths = BackupPaths("east", f"backup-{number}")
        ordered = sorted(objects, key=lambda pair: (pair[0].resource, pair[1].key))
        uid = options.pop("cluster_uid", "the-uid")
        archives.make_backup(self._location, ordered, paths=paths, cluster_uid=uid, **(backup or {}))
        for name in without:
            self._path.joinpath("location", paths.tarball).with_name(name).unlink()
        progress = Progress()
        progress.stopped = NoPause()
        connection = WritableConnection(self.cluster, progress)
        result = restore(
            t.cast("Connection", connection),
            self._location,
            RestoreOptions(
                record=catalog.read_backup(self._location, paths.cluster, paths.backup),
                name=f"restore-{number}",
                selection=Selection.from_params(selection or {}),
                allow_other_cluster=True,
                report_dir=str(self._path / "reports"),
                **options,
            ),
            progress,
            check=check,
            diff=bool(options.get("diff_path")),
        )
        report = pathlib.Path(result.report.removeprefix("file://"))
        text = gzip.decompress(report.read_bytes()).decode() if result.report else ""
        return Done(result, [json.loads(line) for line in text.splitlines()], connection.writes)
