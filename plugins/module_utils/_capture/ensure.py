# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``backup``: a backup exists, is fresh enough, or is absent. Private to the collection."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, delete, layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.describe import describe_record
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import (
    COMPLETED,
    PARTIALLY_FAILED,
    BackupRecord,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import check_labels, parse_duration
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.capture import CaptureOptions, capture
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.plan import plan_capture
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.identity import cluster_identity, expect_uid
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import SEE_DOCUMENTATION, StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_cluster, reach_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError, tell
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.definition import (
    RUN_LABEL,
    WORKSPACE_LABEL,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.holding import Lease, parse_wait
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.leases import check_free, of_cluster
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.recording import record_backup
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import RunPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.schedule import Schedule
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.schedule import parse as parse_schedule

Result = dict[str, t.Any]

LATEST: t.Final = "latest"
_PREFIX: t.Final = "backup"
_DEADLINE: t.Final = datetime.timedelta(hours=24)
"""How long a capture may take before others may think that it was killed."""
_SHOWN: t.Final = 100
_OF_LISTS: t.Final = frozenset({"filters", "format_version", "message", "ours"})
"""What tells backups in a list apart, and is always the same for one that was found good enough."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the options ask for, checked before anything is contacted."""

    cluster: str
    name: str
    prefix: str
    selection: Selection
    labels: dict[str, str]
    expires_in: datetime.timedelta | None
    max_age: datetime.timedelta | None
    scheduled: bool
    schedule: Schedule | None
    ignored_api_groups: frozenset[str]
    lease_wait: datetime.timedelta

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> Wanted:
        """:raises StowageError: ``invalid_option``, ``invalid_name``."""
        _check_together(params)
        cluster = layout.validate_cluster(params["cluster"])
        name, prefix = params["name"] or "", params["name_prefix"] or _PREFIX
        if name:
            layout.validate_name(name)
        else:
            layout.make_name(prefix, cluster, datetime.datetime.now(datetime.UTC))
        durations = {
            option: parse_duration(option, params[option]) if params[option] else None
            for option in ("expires_in", "max_age")
        }
        return cls(
            cluster=cluster,
            name=name,
            prefix=prefix,
            selection=Selection.from_params(params),
            labels=check_labels("labels", _labels_of_run(params["run"]) | (params["labels"] or {})),
            scheduled=params["schedule"] is not None,
            schedule=parse_schedule(params["schedule"]),
            ignored_api_groups=frozenset(params["ignored_api_groups"] or ()),
            lease_wait=parse_wait(params["lease_wait"]),
            **durations,
        )


def _labels_of_run(run: t.Mapping[str, str] | None) -> dict[str, str]:
    """By which retention, reports, and other tasks of the run know whose a backup is."""
    return {WORKSPACE_LABEL: run["workspace"], RUN_LABEL: run["name"]} if run else {}


def _check_together(params: t.Mapping[str, t.Any]) -> None:
    """Not done by AnsibleModule, which takes an option that a role passes on unset (``null``) for set."""
    excluded = (("name", "name_prefix"), ("name", "max_age"), ("name", "schedule"), ("max_age", "schedule"))
    for option, other in excluded:
        if params[option] and params[other]:
            raise _unfit(f"{option} and {other} cannot be used together.")
    for option, needed in (("state", "name"), ("velero_expiration", "expires_in")):
        if params[option] in ("absent", True) and not params[needed]:
            raise _unfit(f"{option}: {str(params[option]).lower()} needs {needed}.")
    if params["run"]:
        RunPaths(params["run"]["workspace"], params["run"]["name"])
    if params["name"] == LATEST:
        raise _unfit("No backup can be named latest: restore takes that for the newest one.")


def _unfit(message: str) -> StowageError:
    return StowageError("invalid_option", message, SEE_DOCUMENTATION)


def ensure_backup(task: Task) -> Result:
    """Run the module.

    :raises StowageError: what keeps the backup from being there.
    :raises TaskFailedError: ``backup_partial``, with the backup.
    """
    wanted = Wanted.from_params(task.params)
    if wanted.scheduled and wanted.schedule is None:
        return {"changed": False, "backup": None}
    with reach_location(task) as location:
        if task.params["state"] == "absent":
            return _absent(task, location, wanted)

        def ensure() -> Result:
            with reach_cluster(task) as connection:
                return present(task, location, connection, wanted)

        return record_backup(task, location, wanted.cluster, ensure) if task.params["run"] else ensure()


def _absent(task: Task, location: Location, wanted: Wanted) -> Result:
    plan = delete.plan_delete(location, layout.BackupPaths(wanted.cluster, wanted.name))
    result: Result = {"changed": not plan.empty, "backup": None, "deleted": _deleted(plan)}
    if task.diff:
        result["diff"] = {"before": "".join(f"{key}\n" for key in plan.keys()[:_SHOWN]), "after": ""}
    if not plan.empty and not task.check:
        check_free(location, wanted.cluster, wanted.name)
        task.progress.report("delete", wanted.name, size=plan.size)
        delete.delete_backup(location, plan)
    return result


def _deleted(plan: delete.DeletePlan) -> Result:
    return {"files": len(plan.keys()), "uploads": len(plan.uploads), "bytes": plan.size}


def present(task: Task, location: Location, connection: Connection, wanted: Wanted) -> Result:
    """Have the backup made, unless there is one that makes it needless.

    :returns: what the module returns.
    :raises StowageError: what keeps the backup from being there.
    :raises TaskFailedError: ``backup_partial``, with the backup.
    """
    identity = cluster_identity(connection)
    expect_uid(identity, task.params["expected_cluster_uid"])
    begun = location.now()
    busy = False
    try:
        there = _look(task, location, wanted, identity.uid)
    except StowageError as error:
        busy = error.code == "backup_in_progress"
        if task.check or not busy:
            raise
        there = None
    if there is not None:
        return _found(there)
    if task.check:
        return _made(task, plan_capture(connection, _options(task, location, wanted), task.progress).as_dict())
    for warning in location.warnings():
        task.warn(warning)
    chain = of_cluster(wanted.cluster, identity.uid)
    what = f"the cluster {wanted.cluster}"
    with Lease(location, chain, task.progress, what=what, who="backup", wait=wanted.lease_wait) as lease:
        # Whoever held it may have made what is asked for.
        if busy or lease.others_since(begun):
            there = _look(task, location, wanted, identity.uid)
        backup = None
        if there is None:
            backup = capture(connection, location, _options(task, location, wanted), task.progress).as_dict()
    if lease.message:
        task.warn(lease.message)
    shown = {"lease": lease.as_dict()}
    return _made(task, backup, shown) if backup else _found(t.cast("BackupRecord", there)) | shown


def _look(task: Task, location: Location, wanted: Wanted, cluster_uid: str) -> BackupRecord | None:
    """The backup that makes another one needless.

    :raises StowageError: ``backup_exists``, ``backup_in_progress``, ``cluster_identity_changed``, and location errors.
    """
    records = catalog.list_backups(location, wanted.cluster)
    there = find_existing(records, wanted, cluster_uid, location.now(), allow_partial=task.params["allow_partial"])
    if there is None:
        catalog.check_identity(records, cluster_uid, accept_new_identity=task.params["accept_new_identity"])
    return there


def _options(task: Task, location: Location, wanted: Wanted) -> CaptureOptions:
    return CaptureOptions(
        cluster=wanted.cluster,
        name=wanted.name or layout.make_name(wanted.prefix, wanted.cluster, location.now()),
        selection=wanted.selection,
        labels=wanted.labels,
        expires_in=wanted.expires_in,
        ignored_api_groups=wanted.ignored_api_groups,
        velero_expiration=task.params["velero_expiration"],
        deadline=_DEADLINE,
    )


def _found(record: BackupRecord) -> Result:
    described = {name: value for name, value in describe_record(record).items() if name not in _OF_LISTS}
    return {"changed": False, "backup": described | {"planned": False}}


def _made(task: Task, backup: Result, shown: Result | None = None) -> Result:
    """:raises TaskFailedError: ``backup_partial``."""
    return judge(
        task, {"changed": True, "backup": backup, **(shown or {}), **({"diff": _diff(backup)} if task.diff else {})}
    )


def find_existing(
    records: t.Sequence[BackupRecord],
    wanted: Wanted,
    cluster_uid: str,
    now: datetime.datetime,
    *,
    allow_partial: bool = False,
) -> BackupRecord | None:
    """The backup that makes another one needless. Pure.

    For a workspace, only its own count: retention goes by the label, and would treat another's by that one's rules.

    :param allow_partial: whether one that is PartiallyFailed is good enough for the run that it was made for.
    :raises StowageError: ``backup_exists``, ``backup_in_progress``.
    """
    fingerprint = wanted.selection.fingerprint(wanted.ignored_api_groups)
    if wanted.name:
        named = next((record for record in records if record.name == wanted.name), None)
        return named and catalog.check_existing(named, cluster_uid=cluster_uid, fingerprint=fingerprint)
    # Whatever was begun since the last scheduled instant was made for it.
    instant = wanted.schedule.latest(now) if wanted.schedule else None
    max_age = now - instant if instant else wanted.max_age
    of_workspace = {name: value for name, value in wanted.labels.items() if name == WORKSPACE_LABEL}
    of_run = {name: value for name, value in wanted.labels.items() if name in (WORKSPACE_LABEL, RUN_LABEL)}
    good = functools.partial(
        catalog.fresh,
        records,
        now=now,
        cluster_uid=cluster_uid,
        fingerprint=fingerprint,
        expires_in=wanted.expires_in,
    )
    found = None if max_age is None else good(max_age=max_age, labels=of_workspace)
    if found is None and len(of_run) == 2:
        # Another job of the run made it, or one that died before it could record that.
        enough = (COMPLETED, PARTIALLY_FAILED) if allow_partial else (COMPLETED,)
        found = good(max_age=None, labels=of_run, phases=enough)
    return found


def judge(task: Task, result: Result) -> Result:
    """Let a backup that is not whole fail its task, unless that is allowed. Pure, apart from the warning.

    :raises TaskFailedError: ``backup_partial``.
    """
    backup = result["backup"]
    tell(task, backup["warnings"], backup["warning_count"])
    if backup["phase"] != "PartiallyFailed":
        return result
    first = next(iter(backup["errors"]), "see its results")
    message = f"The backup {backup['name']} is PartiallyFailed: {first}"
    if task.params["allow_partial"]:
        task.warn(message)
        return result
    hint = "Remove what keeps it from being whole and run the task again, or say allow_partial: true (with the role: backup_allow_partial)."
    raise TaskFailedError(StowageError("backup_partial", message, hint), result)


def _diff(backup: Result) -> Result:
    shown = {name: backup[name] for name in ("name", "cluster", "phase") if name in backup}
    return {"before": {}, "after": shown}
