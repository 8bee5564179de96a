# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Captures a cluster into a location: survey, reserve, list and write, commit. Private to the collection.

A backup is there whole or not at all: nothing is visible as one before ``velero-backup.json``, which comes last. What
fails before the reservation leaves nothing; what fails after it takes away what it wrote, as far as it is permitted to.
"""

from __future__ import annotations

import contextlib
import platform
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.commit import (
    Sidecars,
    commit,
    velero_backup,
    write_manifest,
    write_sidecars,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.delete import clean_up
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import Reservation, reserve
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.writer import ArchiveSummary, ArchiveWriter
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture import documents, report
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.asked import read_namespaces
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.attempt import Attempt
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.consistency import StartOver
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.findings import Findings
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.options import CaptureOptions
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.result import BackupResult
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.survey import NAMESPACES, Survey, survey
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.identity import (
    ClusterIdentity,
    cluster_identity,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.permissions import forbidden_error
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

__all__ = ["BackupResult", "CaptureOptions", "capture"]

_REFUSED: t.Final = frozenset({"permission_denied", "quota", "locked", "credentials_expired", "bucket_not_found"})
"""Answers to the commit after which ``velero-backup.json`` cannot be there."""


def capture(conn: Connection, location: Location, options: CaptureOptions, progress: Progress) -> BackupResult:
    """Capture a cluster.

    :raises StowageError: no backup was made. ``cluster_forbidden`` names all missing permissions, and ``namespace_not_found``
        namespaces, before anything was written. After the reservation, ``details["leftovers"]`` are keys that could not be taken away. With
        ``outcome_unknown`` the backup may be there, and then it is whole.
    """
    run = _Run(conn, location, options, progress)
    found = run.look()
    run.reserve()
    try:
        return run.write(found)
    except BaseException as error:
        run.give_up(error)
        raise


class _Run:
    """One capture from its survey to its commit."""

    def __init__(self, conn: Connection, location: Location, options: CaptureOptions, progress: Progress) -> None:
        self._conn = conn
        self._location = location
        self._options = options
        self._progress = progress
        self._paths = BackupPaths(options.cluster, options.name)
        self._begun = time.monotonic()
        self._requests = conn.requests
        self._timings: dict[str, float] = {}
        self._committing = False
        self._identity: ClusterIdentity
        self._reservation: Reservation

    def look(self) -> Survey:
        """Survey the cluster; nothing is written before that is done, nothing is missing, and there is what was asked for."""
        self._progress.report("capture", "discovery")
        with self._timed("survey"):
            self._identity = cluster_identity(self._conn)
            found = survey(self._conn, self._options.selection, self._options.ignored_api_groups)
        if found.unmet:
            raise forbidden_error(sorted(found.unmet))
        if self._options.selection.namespace_words:
            read_namespaces(self._conn, self._options.selection, found.targets[NAMESPACES], self._options.cluster)
        return found

    def reserve(self) -> None:
        now = self._location.now()
        self._reservation = reserve(self._location, self._paths, now, self._options.deadline, host=platform.node())

    def write(self, found: Survey) -> BackupResult:
        """List and write; once more from the beginning when the pinned revision is lost the first time."""
        try:
            return self._attempt(found, last=False)
        except StartOver:
            self._progress.note("The cluster compacted the pinned revision; the capture starts over.")
            self._progress.check()
            return self._attempt(self.look(), last=True)

    def give_up(self, error: BaseException) -> None:
        """Take away what was written, unless the backup may be there; the error says what is left."""
        code = error.code if isinstance(error, StowageError) else ""
        if self._committing and code not in _REFUSED:
            left = [self._paths.folder, self._paths.reservation]
        else:
            left = clean_up(self._location, self._paths, self._reservation)
        if isinstance(error, StowageError):
            error.details.setdefault("backup", self._options.name)
            error.details["leftovers"] = left
            if left and not self._committing:
                error.hint = (
                    f"{error.hint} The location still has the reservation of {self._options.name} and perhaps files;"
                    " none of it is a backup. Remove it with state: absent."
                ).lstrip()

    def _attempt(self, found: Survey, *, last: bool) -> BackupResult:
        attempt = Attempt(
            self._conn,
            self._options.selection,
            found,
            ignored_groups=self._options.ignored_api_groups,
            last=last,
            findings=Findings(),
            progress=self._progress,
            check=self._check,
        )
        if last:
            attempt.findings.info("The pinned revision was compacted; this is the second attempt.")
        with ArchiveWriter(self._location, self._paths) as writer:
            with self._timed("list"):
                attempt.run(writer)
            with self._timed("finish"):
                summary = writer.finish()
        report.report_attempt(attempt, summary, self._options.selection)
        return self._commit(attempt, summary)

    def _commit(self, attempt: Attempt, summary: ArchiveSummary) -> BackupResult:
        """Write the small files, the manifest, and last the file that makes it a backup."""
        self._check()
        findings, location, paths = attempt.findings, self._location, self._paths
        sidecars = Sidecars(findings.warnings, findings.errors, findings.log, attempt.intake.volumes.rows())
        captured = documents.Captured(
            options=self._options,
            identity=self._identity,
            reservation=self._reservation,
            attempt=attempt,
            summary=summary,
            files=summary.files | write_sidecars(location, paths, sidecars),
            completed=location.now(),
            conditional_create=location.capabilities.conditional_create,
            timings=self._timings,
        )
        info = documents.commit_info(captured, write_manifest(location, paths, documents.manifest(captured)))
        self._check()
        self._committing = True
        commit(location, paths, self._reservation, velero_backup(paths.backup, info), wait=self._progress.stopped.wait)
        return documents.result(
            captured, info, time.monotonic() - self._begun, self._conn.requests - self._requests, paths.results
        )

    def _check(self) -> None:
        self._progress.check()
        if time.monotonic() - self._begun > self._options.deadline.total_seconds():
            raise StowageError(
                "timeout",
                f"The capture of {self._options.name} took longer than {self._options.deadline}.",
                "Others may take it for dead by now, so it was given up. Capture less at a time.",
            )

    @contextlib.contextmanager
    def _timed(self, step: str) -> t.Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self._timings[step] = round(self._timings.get(step, 0.0) + time.monotonic() - begun, 3)
