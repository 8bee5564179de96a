# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``restore``: which backup is meant, and what its outcome means for the task. Private to the collection."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import check_labels
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.identity import cluster_identity, expect_uid
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_cluster, reach_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.restore import RestoreOptions, restore
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError, tell
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import elsewhere
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.holding import Lease, parse_wait
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.leases import of_backup, of_cluster
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import RunPaths

Result = dict[str, t.Any]

LATEST: t.Final = "latest"
_PREFIX: t.Final = "restore"


def restore_backup(task: Task) -> Result:
    """Run the module.

    :raises StowageError: what keeps the backup from being restored.
    :raises TaskFailedError: ``restore_partial``, with the restore.
    """
    params = task.params
    layout.validate_cluster(params["cluster"])
    if params["name"]:
        layout.validate_name(params["name"], what="restore")
    parse_wait(params["lease_wait"])
    selection = Selection.from_params(params)
    labels = check_labels("backup_labels", params["backup_labels"] or {})
    of_selection = catalog.check_selection(params["backup_selection"] or "")
    if (labels or of_selection) and params["backup"] != LATEST:
        option = "backup_labels" if labels else "backup_selection"
        raise StowageError(
            "invalid_option", f"{option} chooses among backups, but one is named.", "Say backup: latest."
        )
    run = (params["run"]["workspace"], params["run"]["name"]) if params["run"] else None
    if run:
        RunPaths(*run)  # checks both
    with reach_location(task) as location, reach_cluster(task) as connection:
        record = choose_backup(location, params["cluster"], params["backup"], labels, of_selection)
        options = RestoreOptions(
            record=record,
            name=params["name"] or layout.make_name(_PREFIX, params["cluster"], location.now()),
            selection=selection,
            existing_resource_policy=params["existing_resource_policy"],
            restore_volumes=params["restore_volumes"],
            preserve_node_ports=params["preserve_node_ports"],
            allow_other_cluster=params["allow_other_cluster"],
            expected_cluster_uid=params["expected_cluster_uid"],
            diff_path=params["diff_path"] or "",
            report_dir=params["report_dir"] or "",
            run=run,
        )
        if task.check:
            outcome = restore(connection, location, options, task.progress, check=True, diff=task.diff)
            return judge(task, outcome.as_dict())
        for warning in location.warnings():
            task.warn(warning)
        with _leases(task, location, connection, record) as held:
            outcome = restore(connection, location, options, task.progress, diff=task.diff)
    messages = [one.message for one in held if one.message]
    for message in messages:
        task.warn(message)
    lease = {
        "held": all(one.held for one in held),
        "waited": round(sum(one.waited for one in held), 1),
        "message": " ".join(messages),
    }
    return judge(task, outcome.as_dict(), {"lease": lease})


@contextlib.contextmanager
def _leases(
    task: Task, location: Location, connection: Connection, record: BackupRecord
) -> t.Iterator[tuple[Lease, Lease]]:
    """Hold the backup, which nobody removes then, and the target, which nobody else restores into then.

    :raises StowageError: ``lease_held``, ``backup_not_found``, ``cluster_uid_mismatch``.
    """
    identity = cluster_identity(connection)
    expect_uid(identity, task.params["expected_cluster_uid"])
    cluster, name = record.cluster, record.name
    patience = parse_wait(task.params["lease_wait"])
    reading = Lease(
        location,
        of_backup(cluster, name),
        task.progress,
        what=f"the backup {name}",
        who=f"restore into {identity.uid}",
        shared=True,
    )
    working = Lease(
        location,
        of_cluster(cluster, identity.uid),
        task.progress,
        what=f"the cluster {identity.uid}",
        who=f"restore of {name}",
        wait=patience,
    )
    elsewhere.wait(location, cluster, identity.uid, task.progress, patience)
    with reading, working:
        if working.held and (other := elsewhere.holder(location, cluster, identity.uid)) is not None:
            raise elsewhere.refused(identity.uid, other)
        if location.stat(layout.BackupPaths(cluster, name).velero_backup) is None:
            raise StowageError(
                "backup_not_found", f"The backup {name} of {cluster} has just been removed.", "Choose another backup."
            )
        yield reading, working


def choose_backup(
    location: Location, cluster: str, backup: str, labels: t.Mapping[str, str], selection: str = ""
) -> BackupRecord:
    """The backup that is meant, whole.

    :param selection: as :func:`catalog.latest` takes it.

    :raises StowageError: ``backup_not_found``, ``backup_ambiguous``, ``backup_in_progress``, ``backup_damaged``,
        ``backup_unusable``, and location errors.
    """
    if backup == LATEST:
        records = catalog.list_backups(location, cluster)
        if not records:
            raise _no_backups(location, cluster)
        return catalog.latest(records, labels=labels, selection=selection)
    record = catalog.read_backup(location, cluster, backup)
    catalog.check_restorable(record)
    return record


def _no_backups(location: Location, cluster: str) -> StowageError:
    """Says which folders there are, for mostly another one is meant."""
    others = [name for name in catalog.list_clusters(location)[0] if name != cluster]
    there = f"It has those of {', '.join(others[:10])}." if others else "It has none at all."
    return StowageError(
        "backup_not_found",
        f"{location.describe()} has no backup of {cluster}. {there}",
        "cluster names the source of the backup (with the role: restore_cluster).",
    )


def judge(task: Task, restored: Result, more: Result | None = None) -> Result:
    """The module's result. A restore that is not whole fails its task, unless that is allowed. Pure, apart from the warning.

    :raises TaskFailedError: ``restore_partial``.
    """
    diff = restored.pop("diff", None)
    restored["planned"] = restored.pop("check")
    result: Result = {"changed": restored.pop("changed"), "restore": restored, **(more or {})}
    if diff:
        result["diff"] = diff
    warnings = restored.get("warnings", [])
    tell(task, warnings, len(warnings))
    ended = restored.pop("error", None)
    if ended:
        raise TaskFailedError(StowageError(ended["error_code"], ended["msg"], ended["hint"]), result)
    if restored["phase"] == "Completed":
        return result
    first = next(iter(restored["errors"]), "see its report")
    message = f"The restore {restored['name']} is {restored['phase']}: {first}"
    if task.params["allow_partial"] and restored["phase"] == "PartiallyFailed":
        task.warn(message)
        return result
    hint = "The report names every object that failed, and why. Run the task again when the reasons are gone."
    raise TaskFailedError(StowageError("restore_partial", message, hint), result)
