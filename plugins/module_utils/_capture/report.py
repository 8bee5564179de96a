# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts into words what a survey and an attempt have found. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _misspelt as misspelt

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.writer import ArchiveSummary
    from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.attempt import Attempt
    from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.findings import Findings
    from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.namespaces import Namespaces
    from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.survey import Survey
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

_SHOWN_NAME: t.Final = 40


def report_namespaces(namespaces: Namespaces, selection: Selection, findings: Findings) -> None:
    """Say which namespaces a selection names or means and does not get: an empty backup must not look like a good one."""
    # In no scope of their own, so that they are said before all else.
    for name in namespaces.absent():
        hint = misspelt.meant([name], namespaces.known)
        findings.error(f"The namespace {name} is included by its name and does not exist. {hint}".rstrip())
    for name in namespaces.ending:
        tell = findings.error if name in selection.included_namespaces else findings.warn
        tell(f"The namespace {name} is being deleted and was not captured.", namespace=name)
    for name in namespaces.labelled:
        findings.info(f"The namespace {name} is excluded by its label.")
    if not namespaces.wanted and not selection.all_namespaces:
        findings.error("No namespace matches the selection.")


def report_survey(found: Survey, findings: Findings, selection: Selection) -> None:
    """Say which groups could not be seen, and which resources were asked for and are not there."""
    for failure in found.discovery.failures:
        group = f"{failure.group}/{failure.version}"
        if failure.stateless:
            findings.warn(f"The API group {group} cannot be seen; it holds no state: {failure.message}")
        elif not selection.may_want_group(failure.group):
            findings.warn(f"The API group {group} cannot be seen; nothing of it was asked for: {failure.message}")
        else:
            findings.error(f"The API group {group} cannot be seen, and nothing of it was captured: {failure.message}")
    for word in selection.unmatched_resources(found.discovery.kinds):
        findings.warn(f"This cluster has no resource {word}.")


def report_attempt(attempt: Attempt, summary: ArchiveSummary, selection: Selection) -> None:
    """Say what the records of the kinds do not."""
    findings, intake = attempt.findings, attempt.intake
    report_survey(attempt.survey, findings, selection)
    if attempt.course.pin_lost:
        findings.warn("The cluster compacted the pinned revision twice; some kinds were read at other revisions.")
    for long in summary.long_names:
        findings.warn(
            f"{long.kind.resource} {long.name[:_SHOWN_NAME]}...: Velero cannot restore an object with so long a name.",
            namespace=long.namespace,
            cluster=not long.namespace,
        )
    if intake.deleted:
        findings.info(f"{intake.deleted} objects that are being deleted were left out.")
    if intake.labelled:
        findings.info(f"{intake.labelled} objects were left out by their label.")
    if warning := intake.volumes.warning():
        findings.warn(warning)
