# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores a backup into a cluster, or says what that would do. Private to the collection.

Everything that can be known to fail is found before the first write: the wrong cluster, a damaged archive, missing
permissions, the name of a restore that exists.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.gaps import told_gap, told_lost
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import RestorePaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import permissions
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import discover
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.identity import (
    ClusterIdentity,
    cluster_identity,
    expect_uid,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import needs, order, record, spool
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import Pool, Sender
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.around import Surroundings
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.diff import Diff
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.engine import Engine, Tools
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.one import Rules
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.outcome import (
    RestoreOptions,
    RestoreResult,
    summarise,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.owners import OwnerTable
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.plan import Planner
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.report import Report, location_refuses
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.scope import (
    Scope,
    check_namespaces,
    find_scope,
    held_namespaces,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.volumes import Volumes
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.write import ObjectWriter
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

__all__ = ["RestoreOptions", "RestoreResult", "restore"]

_STOP_SECONDS: t.Final = 1.5
"""How long requests in flight may take once the task was asked to stop: a second later it is ended whatever it does."""


def restore(
    connection: Connection,
    location: Location,
    options: RestoreOptions,
    progress: Progress,
    *,
    check: bool = False,
    diff: bool = False,
) -> RestoreResult:
    """Restore, or (``check``) plan to, without a write to cluster or location.

    :param diff: collect the paths at which objects differ.
    :raises StowageError: whatever is found before the first write. After it, failures are in the result: those of single
        objects as results, one that ends the restore as ``error``.
    """
    started = time.monotonic()
    paths = RestorePaths(options.record.cluster, options.name)
    identity = cluster_identity(connection)
    expect_uid(identity, options.expected_cluster_uid)
    with BackupReader.open(location, options.record, progress=progress) as reader:
        own = _check_cluster(options, identity, reader)
        scope = find_scope(reader, options.selection)
        with contextlib.ExitStack() as stack:
            run = _Run(connection, location, options, progress, paths, check=check, diff=diff, target_uid=identity.uid)
            stack.callback(run.close)
            run.prepare(reader, scope, own_cluster=own)
            run.go()
            return run.result(time.monotonic() - started, reader)


def _check_cluster(options: RestoreOptions, identity: ClusterIdentity, reader: BackupReader) -> bool:
    """Whether the target is the cluster that was backed up.

    :raises StowageError: ``other_cluster`` when it is not, or that cannot be known, and nothing allows it.
    """
    source = options.record.cluster_uid or _archived_uid(reader)
    if source == identity.uid:
        return True
    if options.allow_other_cluster or options.expected_cluster_uid:
        return False
    known = f"that of cluster {source}" if source else "of a cluster that is not known"
    raise StowageError(
        "other_cluster",
        f"The backup {options.record.name} is {known}, but the target is {identity.uid}.",
        "Set expected_cluster_uid to the target's uid, or allow_other_cluster: true, to restore into another cluster "
        "(with the role: restore_expected_cluster_uid, restore_allow_other_cluster).",
        details={"source": source, "target": identity.uid},
    )


def _archived_uid(reader: BackupReader) -> str:
    """The uid of kube-system in the archive: a backup of Velero's says nothing else about its cluster."""
    for block in reader.blocks:
        if block.kind.resource == "namespaces":
            for entry in reader.entries(block.kind):
                if entry.name == "kube-system":
                    return entry.uid
            break
    return ""


class _Run:
    """One restore after what it is about is known."""

    def __init__(
        self,
        connection: Connection,
        location: Location,
        options: RestoreOptions,
        progress: Progress,
        paths: RestorePaths,
        *,
        check: bool,
        diff: bool,
        target_uid: str,
    ) -> None:
        self._target_uid = target_uid
        self._connection = connection
        self._location = location
        self._options = options
        self._progress = progress
        self._paths = paths
        self._check = check
        self._update = options.existing_resource_policy == "update"
        self._diff = Diff(options.diff_path) if diff else None
        self._report = Report(files=not check or bool(options.report_dir))
        self._pool = Pool(options.threads)
        self._error: dict[str, t.Any] = {}
        self._local = False
        self._recorded = False
        self._engine: Engine | None = None

    def _check_selection(self, reader: BackupReader) -> None:
        """A restore of nothing must not look like a good one.

        :raises StowageError: ``namespace_not_found``.
        """
        selection = self._options.selection
        unmatched = selection.unmatched_resources(reader.kinds)
        if unmatched:
            self._report.warn(f"The backup holds nothing of: {', '.join(unmatched)}.")
        for text in check_namespaces(held_namespaces(reader), selection, self._options.record.name):
            self._report.error(text)

    def _may_want(self, kind: Kind) -> bool:
        """Whether the restore would bring objects of a kind if the backup held them."""
        selection = self._options.selection
        if kind.resource == order.CRDS and selection.cluster_scope != "none":
            return not selection.excludes_kind(kind)
        return selection.wants_kind(kind) and (kind.namespaced or selection.cluster_scope != "none")

    def prepare(self, reader: BackupReader, scope: Scope, *, own_cluster: bool) -> None:
        """Find what keeps the restore from working.

        :raises StowageError: ``namespace_not_found``, ``cluster_forbidden``, ``restore_exists``, ``invalid_option``.
        """
        if self._diff is not None:
            self._diff.open()
        gap = told_gap(self._options.record, reader.manifest, self._may_want)
        if gap:
            self._report.warn(gap)
        self._check_selection(reader)
        access = needs.access(self._connection, scope.parts, update=self._update)
        if access.missing:
            error = permissions.forbidden_error(access.missing)
            if not self._check or any(need.verb in {"get", "list"} for need in access.missing):
                raise error
            self._report.warn(f"A restore would fail. {error.message}")
        sender = Sender(self._connection, self._progress, self._options.threads)
        table = OwnerTable()
        around = Surroundings(sender, discover(self._connection))
        volumes = Volumes(self._options.restore_volumes, own_cluster=own_cluster)
        planner = Planner(
            table, around, volumes, preserve_node_ports=self._options.preserve_node_ports, update=self._update
        )
        named = frozenset(self._options.selection.included_namespaces)
        self._engine = Engine(
            Tools(
                connection=self._connection,
                reader=reader,
                scope=scope,
                selection=self._options.selection,
                progress=self._progress,
                sender=sender,
                pool=self._pool,
                table=table,
                around=around,
                planner=planner,
                writer=ObjectWriter(sender, planner),
                rules=Rules(self._check, self._update, named),
                report=self._report,
                diff=self._diff,
                by_namespace=access.by_namespace,
            )
        )
        if not self._check:
            self._reserve()

    def _tell_of(self, reader: BackupReader) -> None:
        """What of the archive could not be read as it should; all of that is known at the end only."""
        for warning in reader.warnings:
            self._report.warn(warning)
        selection = self._options.selection
        wants_rest = selection.cluster_scope != "none"
        lost = [
            one for one in reader.lost if (selection.wants_namespace(one.namespace) if one.namespace else wants_rest)
        ]
        if lost:
            self._report.error(told_lost(lost))

    def _reserve(self) -> None:
        """:raises StowageError: ``restore_exists``, and location errors that are no refusal."""
        try:
            record.begin(self._location, self._paths, self._options, self._target_uid)
            self._recorded = True
        except StowageError as error:
            if not location_refuses(error):
                raise
            self._keep_local(error)

    def _keep_local(self, error: StowageError) -> None:
        self._local = True
        self._report.warn(f"The report cannot be written to the location, so it stays here: {error.message}")

    def go(self) -> None:
        """Do it. A failure that ends it early is kept for the result."""
        if self._engine is None:
            raise RuntimeError("prepare() comes first")
        try:
            self._engine.run()
        except StowageError as error:
            self._error = {"error_code": error.code, "msg": error.message, "hint": error.hint}
            self._pool.close(_STOP_SECONDS)
            self._engine.flush()
            return
        if not self._report.objects and self._options.selection != Selection():
            self._report.error("The selection leaves nothing of what the backup holds.")

    def result(self, seconds: float, reader: BackupReader) -> RestoreResult:
        """The summary; the report is saved."""
        self._pool.close(_STOP_SECONDS)
        self._tell_of(reader)
        if self._diff is not None:
            self._diff.finish()
            if self._diff.problem:
                self._report.warn(f"{self._options.diff_path} could not be written: {self._diff.problem}.")
        report = self._save()
        found = summarise(
            self._options,
            self._report,
            self._diff,
            check=self._check,
            seconds=seconds,
            error=self._error,
            bytes_read=reader.bytes_read + reader.index_bytes_read,
        )
        found.report = report
        if self._recorded:
            try:
                record.end(self._location, self._paths, found)
            except StowageError as error:
                found.warnings.append(f"How it went could not be written to the location: {error.message}")
        return found

    def _save(self) -> str:
        """Put the report where it belongs; where that is."""
        if not self._check and not self._local:
            try:
                self._report.save(self._location, self._paths)
            except StowageError as error:
                self._keep_local(error)
            else:
                return f"{self._location.describe()}/{self._paths.report}" if self._report.has_files else ""
        if self._check and not self._options.report_dir:
            return ""
        return self._report.keep(spool.state_directory(os.environ, self._options.report_dir, self._options.name))

    def close(self) -> None:
        """Let go of threads and temporary files."""
        self._pool.close(0.0)
        if self._diff is not None:
            self._diff.close()
        self._report.discard()
