# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a finished capture writes about itself: manifest, Backup, result. Private to the collection. Pure."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import importlib.metadata
import platform
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.commit import CommitInfo
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import (
    MOST_CLAIMS,
    GroupRecord,
    Manifest,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.result import (
    SHOWN_MESSAGES,
    BackupResult,
    largest,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import VERSION

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reservation import Reservation
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.sink import FileDigest
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.writer import ArchiveSummary
    from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.attempt import Attempt
    from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.options import CaptureOptions
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.identity import ClusterIdentity


@dataclasses.dataclass(frozen=True, kw_only=True)
class Captured:
    """A capture whose files are written, all but manifest and Backup.

    :param files: by name, with size and hash.
    :param completed: by the store's clock.
    :param timings: seconds of each step.
    """

    options: CaptureOptions
    identity: ClusterIdentity
    reservation: Reservation
    attempt: Attempt
    summary: ArchiveSummary
    files: dict[str, FileDigest]
    completed: datetime.datetime
    conditional_create: bool
    timings: dict[str, float]


def manifest(captured: Captured) -> Manifest:
    """``stowage-manifest.json``."""
    attempt, summary, selection = captured.attempt, captured.summary, captured.options.selection
    failures = attempt.survey.discovery.failures
    return Manifest(
        backup=captured.options.name,
        cluster=captured.options.cluster,
        capture_id=captured.reservation.capture_id,
        cluster_uid=captured.identity.uid,
        server_version=captured.identity.git_version,
        selection=selection.as_dict(),
        fingerprint=captured.options.fingerprint,
        started=captured.reservation.started,
        completed=captured.completed,
        files=captured.files,
        index=summary.directory,
        objects=summary.objects,
        raw_bytes=summary.raw_bytes,
        kinds=attempt.records,
        groups_failed=[GroupRecord(one.group, one.version, one.message, one.stateless) for one in failures],
        long_names=[f"{long.kind.resource}/{long.namespace}/{long.name}" for long in summary.long_names],
        claims_without_data=attempt.intake.volumes.names(MOST_CLAIMS),
        claims_without_data_count=attempt.intake.volumes.count,
        warnings=attempt.findings.warning_count,
        errors=attempt.findings.error_count,
        conditional_create=captured.conditional_create,
        tools=_tools(),
        timings=captured.timings,
    )


def commit_info(captured: Captured, manifest_sha256: str) -> CommitInfo:
    """What ``velero-backup.json`` is made from."""
    options, identity, findings = captured.options, captured.identity, captured.attempt.findings
    started = captured.reservation.started
    return CommitInfo(
        phase="PartiallyFailed" if findings.error_count else "Completed",
        started=started,
        completed=captured.completed,
        capture_id=captured.reservation.capture_id,
        manifest_sha256=manifest_sha256,
        cluster_uid=identity.uid,
        fingerprint=options.fingerprint,
        git_version=identity.git_version,
        major=identity.major,
        minor=identity.minor,
        objects=captured.summary.objects,
        total=captured.summary.objects,
        size=sum(file.size for file in captured.files.values()),
        warnings=findings.warning_count,
        errors=findings.error_count,
        selection=options.selection.to_velero_spec(captured.attempt.namespaces.wanted),
        labels=options.labels,
        expires_at=started + options.expires_in if options.expires_in is not None else None,
        velero_expiration=options.velero_expiration,
    )


def result(captured: Captured, info: CommitInfo, seconds: float, requests: int, results: str) -> BackupResult:
    """What the caller gets.

    :param seconds: how long it took, by this machine's clock.
    :param requests: to the cluster.
    :param results: the key of all warnings and errors.
    """
    attempt, findings = captured.attempt, captured.attempt.findings
    return BackupResult(
        name=captured.options.name,
        cluster=captured.options.cluster,
        phase=info.phase,
        started=info.started,
        completed=info.completed,
        expires_at=info.expires_at,
        fingerprint=info.fingerprint,
        cluster_uid=info.cluster_uid,
        capture_id=info.capture_id,
        objects=info.objects,
        size=info.size,
        raw_size=captured.summary.raw_bytes,
        seconds=round(seconds, 3),
        rate=round(info.objects / seconds, 1),
        requests=requests,
        revision=attempt.course.pin,
        kinds=sum(1 for record in attempt.records if record.count),
        counts=largest({kind.resource: count for kind, count in captured.summary.counts.items()}),
        consistency=attempt.unpinned(),
        incomplete=attempt.incomplete(),
        claims_without_data=attempt.intake.volumes.count,
        labels=dict(info.labels),
        started_over=attempt.course.last,
        warnings=findings.first(findings.warnings, SHOWN_MESSAGES),
        warning_count=findings.warning_count,
        errors=findings.first(findings.errors, SHOWN_MESSAGES),
        error_count=findings.error_count,
        results=results,
    )


def _tools() -> dict[str, str]:
    versions = {"stowage.kubernetes": VERSION, "python": platform.python_version()}
    for package in ("kubernetes", "msgspec"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
