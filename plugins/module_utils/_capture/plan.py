# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a capture would do, by requests for one object of each kind. Private to the collection. Writes nothing."""

from __future__ import annotations

import concurrent.futures
import datetime
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.asked import read_namespaces
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.findings import Findings
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.options import CaptureOptions
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.report import report_namespaces, report_survey
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.result import (
    SHOWN_MESSAGES,
    BackupResult,
    largest,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.survey import NAMESPACES, Target, survey
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.identity import cluster_identity
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import probe
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.permissions import forbidden_error

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

_ASKED: t.Final = 10
_THREADS: t.Final = 8


def plan_capture(conn: Connection, options: CaptureOptions, progress: Progress) -> BackupResult:
    """Predict a capture.

    ``counts`` are exact but for concurrent changes when all is selected, or up to ten namespaces by their names; with
    patterns or labels they are those of the whole cluster, and so upper bounds. ``raw_size`` is a guess from one object of
    each kind. Cluster-scoped objects that come along with others are not counted.

    :raises StowageError: what the capture would fail with before its first page: ``cluster_forbidden`` above all, and
        ``namespace_not_found``.
    """
    BackupPaths(options.cluster, options.name)  # checks the names
    begun, requests = time.monotonic(), conn.requests
    now = datetime.datetime.now(datetime.UTC)
    progress.report("capture", "discovery")
    identity = cluster_identity(conn)
    found = survey(conn, options.selection, options.ignored_api_groups)
    if found.unmet:
        raise forbidden_error(sorted(found.unmet))
    namespaces = read_namespaces(conn, options.selection, found.targets[NAMESPACES], options.cluster)
    findings = Findings()
    if namespaces is not None:
        report_namespaces(namespaces, options.selection, findings)
    report_survey(found, findings, options.selection)
    targets = [found.targets[resource] for resource in found.selected]
    incomplete = {each.kind.resource: problem for each in targets if (problem := _problem(each))}
    for resource, problem in incomplete.items():
        findings.error(f"{resource} would not be complete: {problem}")
    counts = _counts(conn, options.selection, targets)
    return BackupResult(
        name=options.name,
        cluster=options.cluster,
        phase="PartiallyFailed" if findings.error_count else "Completed",
        started=now,
        expires_at=now + options.expires_in if options.expires_in is not None else None,
        fingerprint=options.fingerprint,
        cluster_uid=identity.uid,
        objects=sum(counts.values()),
        raw_size=sum(counts[target.kind.resource] * target.size_hint for target in targets),
        seconds=round(time.monotonic() - begun, 3),
        requests=conn.requests - requests,
        revision=found.after,
        kinds=sum(1 for count in counts.values() if count),
        counts=largest(counts),
        incomplete=incomplete,
        labels=dict(options.labels),
        warnings=findings.first(findings.warnings, SHOWN_MESSAGES),
        warning_count=findings.warning_count,
        errors=findings.first(findings.errors, SHOWN_MESSAGES),
        error_count=findings.error_count,
        planned=True,
    )


def _named(selection: Selection) -> tuple[str, ...]:
    """The namespaces that are asked about one by one."""
    names = selection.included_namespaces if selection.exact_namespaces else ()
    return names if len(names) <= _ASKED else ()


def _problem(target: Target) -> str:
    """Why a kind would not be complete, as far as its probe tells."""
    if target.missing:
        return "discovery names it, but its API answers that there is no such resource"
    return target.problem or (target.unavailable and f"its API answered {target.unavailable}")


def _counts(conn: Connection, selection: Selection, targets: t.Sequence[Target]) -> dict[str, int]:
    """By resource; of cluster-scoped kinds only those of which all objects are selected."""
    names = [name for name in _named(selection) if selection.wants_namespace(name)]

    def count(target: Target) -> int:
        if not target.kind.namespaced:
            if target.kind.resource == NAMESPACES and names:
                return len(names)
            return target.count or 0 if selection.cluster_scope == "all" or target.kind.resource == NAMESPACES else 0
        if not names or target.namespaces is not None or target.count == 0:
            return target.count or 0
        return sum(probe(conn, target.kind, name).count or 0 for name in names)

    with concurrent.futures.ThreadPoolExecutor(_THREADS, "count") as threads:
        found = zip(targets, threads.map(count, targets), strict=True)
        return {target.kind.resource: number for target, number in found}
