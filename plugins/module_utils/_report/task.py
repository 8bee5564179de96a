# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``report``. Private to the collection."""

from __future__ import annotations

import datetime
import os
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.persistence import check_persistent
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_other
from ansible_collections.stowage.kubernetes.plugins.module_utils._report import (
    as_html,
    as_json,
    as_junit,
    as_prometheus,
    files,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.assemble import assemble
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.collect import collect
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.found import FoundLocation
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    BAD,
    WARNING,
    Report,
    Row,
    Wanted,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.wanted import read_wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError

Result = dict[str, t.Any]
Render = t.Callable[[Report, str], bytes]

FORMATS: t.Final[t.Mapping[str, tuple[str, Render]]] = {
    "html": ("report.html", as_html.render),
    "json": ("report.json", as_json.render),
    "junit": ("report.xml", as_junit.render),
    "prometheus": ("report.prom", as_prometheus.render),
}
_SHOWN: t.Final = 500
"""Clusters in one result: AWX drops a result of more than 700,000 characters as a whole."""
_REASON: t.Final = 300
_LOSS: t.Final = (
    "Only what this task returns stays. Mount a directory of the host or a volume there (in AWX: 'Paths to expose to isolated jobs', or a "
    "container group's pod specification) to keep the files."
)


def make_report(task: Task) -> Result:
    """Run the module.

    :raises StowageError: ``invalid_option``, ``invalid_name``, ``dependency_missing``, ``interrupted``.
    :raises TaskFailedError: ``report_failed``, with the result, once all is written.
    """
    wanted = read_wanted(task.params)
    mode = files.read_mode(task.params["mode"])
    targets = _targets(task.params)
    _warn_of_loss(task, targets)
    found = {str(name): _look(task, str(name), given, wanted) for name, given in task.params["locations"].items()}
    checks = {str(name): one for name, one in (task.params["location_checks"] or {}).items() if isinstance(one, dict)}
    report = assemble(wanted, found, checks, datetime.datetime.now(datetime.UTC))
    result = _write(task, report, targets, mode) | {"report": describe(report)}
    failures = _counted(report, task.params["fail_on"])
    if failures:
        raise TaskFailedError(
            StowageError(
                "report_failed", f"Of {len(report.rows)} clusters of workspaces, {failures}.", "The report says why."
            ),
            result,
        )
    return result


def _look(task: Task, name: str, given: object, wanted: Wanted) -> FoundLocation:
    """What a location holds, or why it could not be read, which stands in no other's way."""
    task.progress.check()
    try:
        with reach_other(task, f"locations.{name}", given) as location:
            return collect(location, name, wanted, task.progress.check)
    except StowageError as error:
        if error.code in ("interrupted", "dependency_missing"):
            raise
        return FoundLocation(datetime.datetime.now(datetime.UTC), error=error)


def _targets(params: t.Mapping[str, t.Any]) -> dict[str, tuple[str, Render]]:
    """Where each file goes, and what makes it."""
    found = {}
    for form in params["formats"]:
        name, render = FORMATS[form]
        folder = params["prometheus_path"] if form == "prometheus" and params["prometheus_path"] else params["path"]
        found[os.path.join(folder, name)] = (form, render)
    return found


def _warn_of_loss(task: Task, targets: t.Iterable[str]) -> None:
    """Files that vanish with the job are no reason to fail: its output says the worst of what is in them."""
    for folder in sorted({os.path.dirname(path) for path in targets}):
        try:
            check_persistent(folder, task.environ)
        except StowageError as error:
            task.warn(f"{error.code}: {error.message} {_LOSS}")


def _write(task: Task, report: Report, targets: t.Mapping[str, tuple[str, Render]], mode: int) -> Result:
    """Each file is written anew, for its time is part of what it says; it counts as changed if anything else differs."""
    digest = as_json.digest_of(report)
    written = []
    for path, (form, render) in targets.items():
        changed = files.differs(path, digest, mode)
        content = render(report, digest)
        if not task.check:
            files.make_folder(os.path.dirname(path))
            files.write(path, content, mode)
        written.append({"format": form, "path": path, "changed": changed, "size": len(content)})
    return {"changed": any(one["changed"] for one in written), "files": written}


def _counted(report: Report, fail_on: str) -> str:
    wanted = {"never": frozenset[str](), "failed": BAD, "warning": BAD | WARNING}[fail_on]
    counts = [f"{count} {status}" for status, count in report.counts.items() if count and status in wanted]
    return " and ".join(counts)


def describe(report: Report) -> Result:
    """What the module returns: small, the worst first. Pure."""
    return {
        "generated": report.generated.isoformat(timespec="seconds"),
        "verdict": report.verdict,
        "counts": report.counts,
        "clusters_count": len(report.rows),
        "clusters": [_brief(row) for row in report.rows[:_SHOWN]],
        "locations": [
            {"name": one.name, "verdict": one.verdict, "problem": one.problem[:_REASON]}
            for one in report.locations[:_SHOWN]
        ],
        "notes": [note[:_REASON] for note in report.notes[:20]],
    }


def _brief(row: Row) -> Result:
    return {
        "workspace": row.workspace,
        "cluster": row.cluster,
        "location": row.location,
        "status": row.status,
        "last_good": row.good.at.isoformat(timespec="seconds") if row.good else None,
        "last_good_name": row.good.backup if row.good else "",
        "deadline": row.deadline.isoformat(timespec="seconds") if row.deadline else None,
        "reason": " ".join(row.reasons)[:_REASON],
    }
