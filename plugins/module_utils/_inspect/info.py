# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``backup_info``: what a location holds, with nothing but the location. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.describe import (
    describe_manifest,
    describe_record,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import COMPLETED, BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import check_labels
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect.compare import compare_backups
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

_MOST: t.Final = 500
"""Backups in one result: AWX drops a result of more than 700,000 characters as a whole."""
_NAMED: t.Final = 10


def describe_backups(task: Task) -> dict[str, t.Any]:
    """Run the module.

    :raises StowageError: the location cannot be read, or a named backup is not there or cannot be compared.
    """
    labels = check_labels("labels", task.params["labels"] or {})
    _check_options(task.params)
    with reach_location(task) as location:
        if task.params["name"]:
            return _one(task, location)
        return _all(task, location, labels)


def _check_options(params: t.Mapping[str, t.Any]) -> None:
    for option, needed in (("name", "cluster"), ("compare_with", "name"), ("compare_with_cluster", "compare_with")):
        if params[option] and not params[needed]:
            hints = {"cluster": "Say which folder the backup is in."}
            raise StowageError(
                "invalid_option", f"{option} needs {needed}.", hints.get(needed, "Name the two backups to compare.")
            )


def _all(task: Task, location: Location, labels: t.Mapping[str, str]) -> dict[str, t.Any]:
    cluster = task.params["cluster"]
    clusters = [cluster] if cluster else _clusters(task, location)
    found = [record for each in clusters for record in _backups(task, location, each)]
    chosen = sorted((one for one in found if labels.items() <= one.labels.items()), key=lambda one: one.order)
    if len(chosen) > _MOST:
        task.warn(f"Only the newest {_MOST} of {len(chosen)} backups are returned.")
    if cluster and not found:
        _warn_of_cluster(task, location, cluster)
    return {
        "clusters": clusters,
        "total": len(chosen),
        "backups": [describe_record(one) for one in chosen[-_MOST:]],
        "by_cluster": [_sum(each, [one for one in chosen if one.cluster == each]) for each in clusters[:_MOST]],
    }


def _sum(cluster: str, records: t.Sequence[BackupRecord]) -> dict[str, t.Any]:
    """What a cluster has, and its last good backup. Pure."""
    good = max((one for one in records if one.phase == COMPLETED), key=lambda one: one.order, default=None)
    return {
        "cluster": cluster,
        "total": len(records),
        "completed": sum(one.phase == COMPLETED for one in records),
        "size": sum(one.size or 0 for one in records),
        "last_good": good.name if good else "",
        "last_good_started": good.started.isoformat() if good and good.started else None,
    }


def _clusters(task: Task, location: Location) -> list[str]:
    clusters, others = catalog.list_clusters(location)
    if not clusters:
        task.warn(f"{location.describe()} has no backups: none was ever made there, or backups are kept elsewhere.")
    if others:
        named = ", ".join(others[:3]) + (" …" if len(others) > 3 else "")
        task.warn(f"The location has folders below clusters/ that cannot be a cluster's: {named}")
    return clusters


def _warn_of_cluster(task: Task, location: Location, cluster: str) -> None:
    """An empty list may as well be a name that was misspelt."""
    there = catalog.list_clusters(location)[0]
    if cluster not in there:
        named = ", ".join(there[:_NAMED]) + (f" and {len(there) - _NAMED} more" if len(there) > _NAMED else "")
        task.warn(f"{location.describe()} has no folder of a cluster {cluster}. It has: {named or 'none'}.")


def _backups(task: Task, location: Location, cluster: str) -> list[BackupRecord]:
    task.progress.check()
    return catalog.list_backups(location, cluster)


def _one(task: Task, location: Location) -> dict[str, t.Any]:
    cluster = task.params["cluster"]
    record = catalog.read_backup(location, cluster, task.params["name"])
    result = {"clusters": [cluster], "total": 1, "backups": [_describe(task, location, record)]}
    if task.params["compare_with"]:
        result["comparison"] = _compare(task, location, record)
    return result


def _describe(task: Task, location: Location, record: BackupRecord) -> dict[str, t.Any]:
    described = describe_record(record)
    if not record.manifest_sha256:
        return described
    try:
        return described | describe_manifest(catalog.read_manifest(location, record))
    except StowageError as error:
        if error.code not in ("backup_damaged", "archive_unsupported"):
            raise
        task.warn(error.message)
        return described | {"message": error.message}


def _compare(task: Task, location: Location, record: BackupRecord) -> dict[str, t.Any]:
    params = task.params
    cluster = params["compare_with_cluster"] or record.cluster
    other = catalog.read_backup(location, cluster, params["compare_with"])
    comparison = compare_backups(location, record, other, basis=params["compare_by"], progress=task.progress)
    for caveat in comparison.caveats:
        task.warn(caveat)
    return {
        "name": record.name,
        "cluster": record.cluster,
        "compare_with": other.name,
        "compare_with_cluster": other.cluster,
        "compare_by": params["compare_by"],
        **comparison.as_dict(),
    }
