# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore is asked for, and what it returns. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.volumes import RestoreVolumes

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.diff import Diff
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.report import Report
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

Phase: t.TypeAlias = t.Literal["Completed", "PartiallyFailed", "Failed"]

_SHOWN: t.Final = (
    (Action.FAILED, 50),
    (Action.DIFFERS, 50),
    (Action.UPDATED, 50),
    (Action.CREATED, 50),
    (Action.SKIPPED, 20),
    (Action.LEFT_TO_CONTROLLER, 20),
)
"""How many results of each action a summary shows; all of them are in the report."""
_MOST_MESSAGES: t.Final = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """What a restore is asked for.

    :param record: the backup.
    :param name: of the restore, a DNS name.
    :param restore_volumes: ``own`` restores PersistentVolumes with a volume handle into the cluster they came from only.
    :param threads: most requests in flight.
    :param diff_path: a file for all differences with their values.
    :param report_dir: where the report goes when the location cannot be written, and that of a plan; empty for the user's
        state directory, and for no plan.
    :param run: the workspace and its run whose backups are restored together, if it is part of one.
    """

    record: BackupRecord
    name: str
    selection: Selection
    existing_resource_policy: t.Literal["none", "update"] = "none"
    restore_volumes: RestoreVolumes = "own"
    preserve_node_ports: bool = False
    allow_other_cluster: bool = False
    expected_cluster_uid: str | None = None
    threads: int = 8
    diff_path: str = ""
    report_dir: str = ""
    run: tuple[str, str] | None = None


@dataclasses.dataclass(kw_only=True)
class RestoreResult:
    """How a restore, or its plan, went. Small, and without captured data.

    :param counts: objects for each action.
    :param objects: the first results of each action that says something.
    :param report: where there is a line for each object; empty for a plan without ``report_dir``.
    :param error: what ended it early: ``error_code``, ``msg`` and ``hint``; empty if nothing did.
    """

    name: str
    backup: str
    cluster: str
    phase: Phase
    check: bool
    counts: dict[str, int]
    kinds: dict[str, dict[str, int]]
    objects: list[dict[str, t.Any]]
    data_not_restored: list[str]
    data_not_restored_count: int
    warnings: list[str]
    errors: list[str]
    seconds: float
    report: str
    bytes_read: int
    diff: list[dict[str, t.Any]]
    diff_left_out: int
    error: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether the cluster was, or would be, changed."""
        return bool(self.counts["created"] or self.counts["updated"])

    def as_dict(self) -> dict[str, t.Any]:
        """What a module returns, JSON-able; ``diff`` as Ansible shows it, if there is any."""
        document = dataclasses.asdict(self)
        document["changed"] = self.changed
        shown = document.pop("diff")
        left_out = document.pop("diff_left_out")
        if not document["error"]:
            del document["error"]
        if shown:
            document["diff"] = {"prepared": _prepared(shown, left_out)}
        return document


def summarise(
    options: RestoreOptions,
    report: Report,
    diff: Diff | None,
    *,
    check: bool,
    seconds: float,
    error: dict[str, t.Any],
    bytes_read: int,
) -> RestoreResult:
    """The result of a report."""
    return RestoreResult(
        name=options.name,
        backup=options.record.name,
        cluster=options.record.cluster,
        phase=_phase(report, error, check=check),
        check=check,
        counts={str(action): report.counts[action] for action in Action},
        kinds={
            resource: {str(action): count for action, count in sorted(counts.items())}
            for resource, counts in sorted(report.kinds.items())
        },
        objects=[one.as_dict() for action, most in _SHOWN for one in report.first[action][:most]],
        data_not_restored=report.data_not_restored,
        data_not_restored_count=report.data_not_restored_count,
        warnings=_warnings(report),
        errors=_errors(report, error),
        seconds=round(seconds, 3),
        report="",
        bytes_read=bytes_read,
        diff=diff.shown if diff else [],
        diff_left_out=diff.left_out if diff else 0,
        error=error,
    )


def _phase(report: Report, error: dict[str, t.Any], *, check: bool) -> Phase:
    if error:
        return "Failed" if check or not report.written else "PartiallyFailed"
    return "PartiallyFailed" if report.counts[Action.FAILED] or report.errors else "Completed"


def _errors(report: Report, error: dict[str, t.Any]) -> list[str]:
    found = [error["msg"]] if error else []
    found += report.errors
    found += [f"{one.key}: {one.reason}" for one in report.first[Action.FAILED]]
    return _some(found, len(found) - len(report.first[Action.FAILED]) + report.counts[Action.FAILED])


def _warnings(report: Report) -> list[str]:
    found = list(report.warnings)
    if report.data_not_restored_count:
        named = ", ".join(report.data_not_restored[:3])
        more = report.data_not_restored_count - 3
        found.append(f"The data of volumes is not restored: {named}" + (f" and {more} more." if more > 0 else "."))
    if report.counts[Action.DIFFERS]:
        found.append(f"{report.counts[Action.DIFFERS]} objects differ from the archive and were left as they are.")
    found += report.notes
    return _some(found, len(found) - len(report.notes) + report.note_count)


def _some(texts: list[str], count: int) -> list[str]:
    if count <= _MOST_MESSAGES:
        return texts
    return [*texts[:_MOST_MESSAGES], f"… and {count - _MOST_MESSAGES} more; the report has all of them."]


def _prepared(lines: list[dict[str, t.Any]], left_out: int) -> str:
    """Differences as text: an object a line, and below it the paths that differ."""
    out = []
    for line in lines:
        name = f"{line['namespace']}/{line['name']}" if "namespace" in line else line["name"]
        out.append(f"{line['action']} {line['kind']} {name}")
        out += [f"    {path}" for path in line.get("paths", ())]
    if left_out:
        out.append(f"… and {left_out} more objects")
    return "\n".join(out) + "\n"
