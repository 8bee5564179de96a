# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster's records in a run: the last one, and the next. Private to the collection."""

from __future__ import annotations

import dataclasses
import itertools
import platform
import secrets
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.create import create_once
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.definition import (
    RUN_LABEL,
    WORKSPACE_LABEL,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Record, RunPaths

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

Result = dict[str, t.Any]

MOST_KEYS: t.Final = 200_000
"""No folder of a run is read further."""
_MOST_ATTEMPTS: t.Final = 1000


def record_backup(task: Task, location: Location, cluster: str, ensure: t.Callable[[], Result]) -> Result:
    """Have a backup made for the run that the option ``run`` names, unless the run has a good one, and record how it went.

    :param ensure: makes it, as the module ``backup`` does.
    :raises TaskFailedError: whatever kept it from being made, with the record; or what keeps the record from being written, with
        what was made.
    :raises StowageError: the record cannot be read.
    """
    run = task.params["run"]
    paths = RunPaths(run["workspace"], run["name"])
    last = last_record(location, paths, runs.check_cluster(cluster))
    if last is not None and is_done(last, allow_partial=task.params["allow_partial"]):
        return {"changed": False, "backup": None, "run": last.as_dict()}

    def record(result: t.Mapping[str, t.Any]) -> Result:
        outcome = outcome_of(result, run["location_name"] or "")
        outcome |= {"made": True} if is_of(result, paths) else {}
        written = write_record(location, paths, cluster, outcome, last, check=task.check)
        tell_unless_completed(task, paths, written)
        return {"run": written.as_dict()}

    def record_failure(error: StowageError, result: Result) -> TaskFailedError:
        """What the task ends with, which a record that cannot be written does not hide."""
        try:
            return TaskFailedError(error, result | record({**result, **error.as_result()}))
        except StowageError as why:
            task.warn(f"How it went could not be recorded in the run: {why.message}")
            return TaskFailedError(error, result)

    try:
        result = ensure()
    except TaskFailedError as error:
        raise record_failure(error.error, dict(error.result)) from None
    except StowageError as error:
        raise record_failure(error, {}) from None
    try:
        return result | record(result)
    except StowageError as error:
        raise TaskFailedError(error, result) from None


def is_of(result: t.Mapping[str, t.Any], paths: RunPaths) -> bool:
    """Whether the backup that ``backup`` returned was made for a run, by whichever of its jobs. Pure."""
    labels = (result.get("backup") or {}).get("labels") or {}
    return (labels.get(WORKSPACE_LABEL), labels.get(RUN_LABEL)) == (paths.workspace, paths.run)


def tell_unless_completed(task: Task, paths: RunPaths, record: Record) -> None:
    """Show on the screen what a play that goes on would not: a cluster's task that failed does not fail its host."""
    if record.phase != runs.COMPLETED:
        task.warn(f"{record.cluster}, {paths.workspace}: {record.phase}. {record.reason}")


def is_done(last: Record | None, *, allow_partial: bool) -> bool:
    """Whether a cluster's part of a run is done. Pure."""
    enough = {runs.COMPLETED, runs.PARTIALLY_FAILED} if allow_partial else {runs.COMPLETED}
    return last is not None and last.phase in enough


def outcome_of(result: t.Mapping[str, t.Any], location: str = "") -> Result:
    """The option ``outcome`` of ``workspace_run`` from what ``backup`` returned, or failed with. Pure.

    :param location: the name of the location.
    """
    # Ansible's own account of a loop says nothing: its first failure does.
    result = next((item for item in result.get("results") or () if item.get("failed")), result)
    backup = result.get("backup") or {}
    code, said = str(result.get("error_code") or ""), str(result.get("msg") or "")
    # It may be there, although the task failed: for being partial, or since its record could not be written.
    whole = backup.get("phase") in (runs.COMPLETED, runs.PARTIALLY_FAILED)
    if not whole:
        return {
            "phase": runs.FAILED,
            "location": location,
            "error_code": code,
            "reason": said or "Its task ended without a backup.",
        }
    return {
        "phase": backup["phase"],
        "location": location,
        "backup": backup["name"],
        "made": bool(result.get("changed")),
        "error_code": code if code == "backup_partial" else "",
        "reason": said if code == "backup_partial" else "",
        **{name: backup.get(name) or 0 for name in ("objects", "size", "seconds", "warning_count", "error_count")},
        "cluster_uid": backup.get("cluster_uid") or "",
    }


def write_record(
    location: Location,
    paths: RunPaths,
    cluster: str,
    outcome: t.Mapping[str, t.Any],
    last: Record | None,
    *,
    check: bool,
) -> Record:
    """Record how an attempt went, under the next number that is free.

    :param last: where the numbers have got to, as far as is known.
    :param check: only say what would be written.
    :raises StowageError: location errors.
    """
    given = {name: value for name, value in outcome.items() if value is not None}
    record = Record(
        cluster=cluster, attempt=last.attempt if last else 0, written=location.now(), host=platform.node(), **given
    )
    mark = secrets.token_hex(8)
    for _count in range(_MOST_ATTEMPTS):
        record = dataclasses.replace(record, attempt=record.attempt + 1)
        # What is written is what will be read: bounded, printable.
        record = runs.read_record(record.to_json(paths, mark), paths, cluster, record.attempt)
        if check:
            return record
        try:
            create_once(location, paths.record(cluster, record.attempt), record.to_json(paths, mark))
        except StowageError as error:
            if error.code != "key_exists":
                raise
            continue
        return record
    raise StowageError("store_error", f"There are more than {_MOST_ATTEMPTS} records of {cluster} in this run.")


def last_record(location: Location, paths: RunPaths, cluster: str) -> Record | None:
    """A cluster's last record in a run, ``None`` if it has none.

    :raises StowageError: location errors.
    """
    folder = paths.records(cluster)
    try:
        keys = [info.key for info in itertools.islice(location.list(folder), MOST_KEYS)]
    except StowageError as error:
        # A writer lists its backups and not runs. Then a key that is not there is refused as well.
        if error.code != "permission_denied":
            raise
        return last_by_reading(location, paths, cluster)
    attempt = runs.attempts(keys, paths).get(cluster, 0)
    return read_record(location, paths, cluster, attempt) if attempt else None


def last_by_reading(location: Location, paths: RunPaths, cluster: str) -> Record | None:
    """A cluster's last record in a run for whoever may not list it, ``None`` if it has none.

    :raises StowageError: location errors.
    """
    found = None
    for attempt in range(1, _MOST_ATTEMPTS):
        try:
            found = read_record(location, paths, cluster, attempt)
        except StowageError as error:
            if error.code in ("key_not_found", "permission_denied"):
                break
            raise
    return found


def read_record(location: Location, paths: RunPaths, cluster: str, attempt: int) -> Record:
    """One record of a cluster.

    :raises StowageError: location errors, ``key_not_found`` among them.
    """
    try:
        data = location.read(paths.record(cluster, attempt), limit=runs.MAX_RECORD)
    except StowageError as error:
        if error.code == "archive_hostile":
            return runs.damaged(cluster, attempt)
        raise
    return runs.read_record(data, paths, cluster, attempt)
