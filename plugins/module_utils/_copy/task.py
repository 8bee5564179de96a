# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``backup_copy``: a second location has the same backups. Private to the collection."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import (
    COMPLETED,
    PARTIALLY_FAILED,
    BackupRecord,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import check_labels, unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._copy.one import Copy, check_target, is_there
from ansible_collections.stowage.kubernetes.plugins.module_utils._copy.source import Source, read_source
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._misspelt import meant
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_location, reach_other
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.holding import Lease, parse_wait
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.leases import of_backup

Result = dict[str, t.Any]

COPIED: t.Final = "copied"
THERE: t.Final = "there"
FAILED: t.Final = "failed"
LEFT: t.Final = "left"
_AT_ONCE: t.Final = 4
_MOST: t.Final = 500
"""Backups in one result: AWX drops a result of more than 700,000 characters as a whole."""
_FATAL: t.Final = frozenset({"interrupted", "credentials_expired", "bucket_not_found", "quota"})
"""Every other backup would meet these too."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one backup.

    :param checked: what its copy was held against: ``sha256`` or ``size``; with ``verify`` it was read back, too.
    """

    record: BackupRecord
    state: str
    files: int = 0
    size: int = 0
    checked: str = ""
    error: StowageError | None = None
    messages: tuple[str, ...] = ()

    def as_dict(self) -> Result:
        """As the module returns it."""
        return {
            "name": self.record.name,
            "phase": self.record.phase,
            "state": self.state,
            "files": self.files,
            "size": self.size,
            "checked": self.checked,
            "error_code": self.error.code if self.error else "",
            "reason": self.error.message if self.error else "",
        }


def copy_backups(task: Task) -> Result:
    """Run the module.

    :raises StowageError: ``invalid_option``, ``backup_not_found``, ``cluster_identity_changed``, and location errors.
    :raises TaskFailedError: backups could not be copied; with the result.
    """
    params = task.params
    cluster = layout.validate_cluster(params["cluster"])
    names = [layout.validate_name(str(name)) for name in params["names"] or ()]
    labels = check_labels("labels", params["labels"] or {})
    parse_wait(params["lease_wait"])
    with reach_location(task) as origin, reach_other(task, "destination", task.params["destination"]) as target:
        if origin.describe() == target.describe():
            raise unfit("destination is location.", "Name another bucket, or another prefix.")
        records = catalog.list_backups(origin, cluster)
        chosen = choose(records, names, labels, cluster)
        _check_folder(task, target, cluster, chosen)
        outcomes = _all(task, origin, target, chosen)
    return _result(task, cluster, outcomes)


def choose(
    records: t.Sequence[BackupRecord], names: t.Sequence[str], labels: t.Mapping[str, str], cluster: str
) -> list[BackupRecord]:
    """Which backups are meant, oldest first. Pure.

    :raises StowageError: ``backup_not_found``.
    """
    known = {record.name for record in records}
    if missing := [name for name in names if name not in known]:
        raise StowageError(
            "backup_not_found",
            f"There is no backup {missing[0]} of {cluster}"
            + (f", and {len(missing) - 1} others are missing too." if len(missing) > 1 else "."),
            meant(missing[:5], known) or "List what there is with backup_info, or the playbook backups.",
            details={"missing": missing[:100]},
        )
    return [
        record for record in records if (not names or record.name in names) and labels.items() <= record.labels.items()
    ]


def _check_folder(task: Task, target: Location, cluster: str, chosen: t.Sequence[BackupRecord]) -> None:
    """Two clusters of one name are not put into one folder.

    :raises StowageError: ``cluster_identity_changed``.
    """
    uids = [record.cluster_uid for record in chosen if record.ours and record.cluster_uid]
    if uids:
        there = catalog.list_backups(target, cluster)
        catalog.check_identity(
            [one for one in there if one.cluster_uid not in uids],
            uids[-1],
            accept_new_identity=task.params["accept_new_identity"],
        )


def _all(task: Task, origin: Location, target: Location, chosen: t.Sequence[BackupRecord]) -> list[Outcome]:
    wanted = bool(task.params["names"])

    def one(record: BackupRecord) -> Outcome:
        task.progress.check()
        if not wanted and record.phase not in (COMPLETED, PARTIALLY_FAILED):
            return Outcome(record, LEFT)
        try:
            return _one(task, origin, target, record)
        except StowageError as error:
            if error.code in _FATAL:
                raise
            return Outcome(record, FAILED, error=error)

    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE, "copy") as pool:
        return list(pool.map(one, chosen))


def _one(task: Task, origin: Location, target: Location, record: BackupRecord) -> Outcome:
    source = read_source(origin, record)
    copy = Copy(origin, target, source, task.progress)
    if is_there(target, source):
        if task.params["verify"] and not task.check:
            copy.verify()
        return _outcome(record, source, THERE)
    check_target(target, source)
    if task.check:
        return _outcome(record, source, COPIED)
    with _leases(task, origin, target, record) as held:
        # Whoever held it may have made it.
        state = THERE if is_there(target, source) else COPIED
        if state == COPIED:
            copy.run()
        if task.params["verify"]:
            copy.verify()
    messages = tuple(lease.message for lease in held if lease.message)
    return _outcome(record, source, state, messages)


def _outcome(record: BackupRecord, source: Source, state: str, messages: tuple[str, ...] = ()) -> Outcome:
    if source.strangers:
        messages += (
            f"{record.name} has files that its manifest does not name, and that were not copied: {', '.join(source.strangers[:3])}.",
        )
    files = len(source.files) + 1
    return Outcome(record, state, files, source.size, source.checked, messages=messages)


@contextlib.contextmanager
def _leases(task: Task, origin: Location, target: Location, record: BackupRecord) -> t.Iterator[tuple[Lease, Lease]]:
    """Hold the backup, which nobody removes then, and the name of the copy, which nobody else makes.

    :raises StowageError: ``lease_held``.
    """
    what = f"the backup {record.name}"
    chain = of_backup(record.cluster, record.name)
    reading = Lease(origin, chain, task.progress, what=what, who="copy", shared=True)
    wait = parse_wait(task.params["lease_wait"])
    writing = Lease(target, chain, task.progress, what=f"the copy of {record.name}", who="copy", wait=wait)
    with reading, writing:
        yield reading, writing


def _result(task: Task, cluster: str, outcomes: t.Sequence[Outcome]) -> Result:
    """:raises TaskFailedError: backups could not be copied."""
    of = {state: [one for one in outcomes if one.state == state] for state in (COPIED, THERE, FAILED, LEFT)}
    shown = sorted(outcomes, key=lambda one: (one.state != FAILED, one.state == THERE))[:_MOST]
    names = {one.record.name for one in shown}
    copies: Result = {
        "cluster": cluster,
        "total": len(outcomes),
        "backups": [one.as_dict() for one in outcomes if one.record.name in names],
        **{f"{state}_count": len(found) for state, found in of.items()},
        "copied_bytes": sum(one.size for one in of[COPIED]),
    }
    result: Result = {"changed": bool(of[COPIED]), "copies": copies}
    if task.diff:
        before = "".join(f"{one.record.name}\n" for one in of[THERE][-_MOST:])
        result["diff"] = {
            "before": before,
            "after": before + "".join(f"{one.record.name}\n" for one in of[COPIED][-_MOST:]),
        }
    _tell(task, outcomes)
    if of[FAILED]:
        first = of[FAILED][0]
        error = t.cast("StowageError", first.error)
        message = f"{len(of[FAILED])} of {len(outcomes)} backups of {cluster} could not be copied, {first.record.name} among them: {error.message}"
        raise TaskFailedError(StowageError(error.code, message, error.hint, details=error.details), result)
    return result


def _tell(task: Task, outcomes: t.Sequence[Outcome]) -> None:
    messages = list(dict.fromkeys(text for one in outcomes for text in one.messages))
    for text in messages[:5]:
        task.warn(text)
    left = [one.record for one in outcomes if one.state == LEFT]
    if left:
        task.warn(f"{len(left)} backups are not whole and were left: {left[-1].name} ({left[-1].phase}) among them.")
    if any(one.checked == "size" and one.state != FAILED for one in outcomes):
        task.warn(
            "Backups that Velero made have no hashes, so their copies were checked by size (verify reads them back). What Velero keeps of volumes "
            "elsewhere in the location is not copied."
        )
