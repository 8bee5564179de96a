# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``workspace_run``: begins a run, records how a cluster's part went, and sums it up. Private to the collection."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.create import create_once
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.delete import BATCH
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import parse_duration, unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import (
    recording,
    run_files,
    run_pruning,
    runs,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.names import check_workspace
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Expected, RunPaths

Result = dict[str, t.Any]

_SHOWN: t.Final = 500
_NEEDED: t.Final = {
    "started": ("run", "clusters"),
    "pending": ("run", "cluster"),
    "recorded": ("run", "cluster", "outcome"),
}


def run_workspace(task: Task) -> Result:
    """Run the module.

    :raises StowageError: ``invalid_option``, ``invalid_name``, ``run_exists``, ``run_not_found``, ``record_damaged``, and
        location errors.
    :raises TaskFailedError: ``run_partial``, ``run_failed``, with the sum.
    """
    params, state = task.params, task.params["state"]
    for option in _NEEDED.get(state, ("run",) if state != "pruned" else ()):
        if not params[option]:
            raise unfit(f"state: {state} needs {option}.")
    if params["cluster"]:
        runs.check_cluster(params["cluster"])
    if state == "pruned":
        return _prune(task, check_workspace(params["workspace"]), parse_duration("keep_within", params["keep_within"]))
    paths = RunPaths(params["workspace"], params["run"])
    clusters = runs.check_clusters(params["clusters"]) if state == "started" else ()
    with reach_location(task) as location:
        if state == "started":
            return _start(task, location, paths, clusters)
        return _STATES[state](task, location, paths)


_LONG_AGO: t.Final = datetime.timedelta(hours=24)
"""A run that is begun again after this long is more likely a name that is used for every run."""


def _head(paths: RunPaths) -> Result:
    return {"workspace": paths.workspace, "name": paths.run}


def _start(task: Task, location: Location, paths: RunPaths, clusters: tuple[str, ...]) -> Result:
    wanted = Expected(clusters, location.now(), printable(task.params["owner"] or "", 253))
    there = run_files.read_expected(location, paths)
    changed = there is None
    if there is None and not task.check:
        try:
            create_once(location, paths.expected, runs.write_expected(paths, wanted))
        except StowageError as error:
            if error.code != "key_exists":
                raise
            there, changed = run_files.read_expected(location, paths), False
    if there is not None and there.clusters != clusters:
        raise _other_clusters(paths, there, clusters)
    now = there or wanted
    if wanted.started - now.started > _LONG_AGO:
        task.warn(
            f"The run {paths.run} of {paths.workspace} was begun at {now.started.isoformat(timespec='seconds')}: what it has is not made "
            "again. Give each run a name of its own (stowage_run)."
        )
    result: Result = {
        "changed": changed,
        "run": _head(paths) | {"started": now.started.isoformat(), "clusters_count": len(now.clusters)},
    }
    if task.diff:
        after = "".join(f"{one}\n" for one in clusters)
        result["diff"] = {"before": "" if changed else after, "after": after}
    return result


def _other_clusters(paths: RunPaths, there: Expected, clusters: tuple[str, ...]) -> StowageError:
    left, more = sorted(set(there.clusters) - set(clusters)), sorted(set(clusters) - set(there.clusters))
    parts = [f"without {', '.join(more[:5])}"] if more else []
    parts += [f"with {', '.join(left[:5])}"] if left else []
    return StowageError(
        "run_exists",
        f"The run {paths.run} of {paths.workspace} was begun {' and '.join(parts)}.",
        "Give a run over other clusters another name (stowage_run).",
        details={"only_then": left[:100], "only_now": more[:100]},
    )


def _ask(task: Task, location: Location, paths: RunPaths) -> Result:
    last = recording.last_record(location, paths, task.params["cluster"])
    pending = not recording.is_done(last, allow_partial=task.params["allow_partial"])
    return {"changed": False, "run": _head(paths) | {"pending": pending, "record": last.as_dict() if last else None}}


def _record(task: Task, location: Location, paths: RunPaths) -> Result:
    cluster, outcome = task.params["cluster"], task.params["outcome"]
    if outcome["phase"] == runs.FAILED and not outcome["reason"] and not outcome["error_code"]:
        raise unfit("outcome.phase: Failed needs outcome.reason.")
    last = recording.last_record(location, paths, cluster)
    record = recording.write_record(location, paths, cluster, outcome, last, check=task.check)
    recording.tell_unless_completed(task, paths, record)
    return {"changed": True, "run": _head(paths) | {"record": record.as_dict()}}


def _finish(task: Task, location: Location, paths: RunPaths) -> Result:
    expected = run_files.read_expected(location, paths)
    if expected is None:
        raise StowageError(
            "run_not_found",
            f"{location.describe()} has no run {paths.run} of {paths.workspace}.",
            "A run begins with state: started (the playbook workspace_start).",
        )
    keys = list(_keys(location, paths))
    found = runs.sum_up(
        expected,
        run_files.read_records(location, paths, keys, frozenset(expected.clusters)),
        allow_partial=task.params["allow_partial"],
        unexpected=runs.attempts(keys, paths),
    )
    return _judge(task, paths, expected, found)


def _keys(location: Location, paths: RunPaths) -> t.Iterator[str]:
    for number, info in enumerate(location.list(paths.folder)):
        if number >= recording.MOST_KEYS:
            raise StowageError("archive_hostile", f"{paths.folder} holds more than {recording.MOST_KEYS} files.")
        yield info.key


def _judge(task: Task, paths: RunPaths, expected: Expected, found: runs.Sum) -> Result:
    """:raises TaskFailedError: ``run_partial``, ``run_failed``."""
    ordered = sorted(found.records, key=lambda one: (one.cluster not in found.bad, one.cluster))
    summary = _head(paths) | {
        "phase": found.phase,
        "started": expected.started.isoformat(),
        "owner": expected.owner,
        "counts": found.counts,
        "clusters_count": len(found.records),
        "clusters": [one.as_dict() for one in ordered[:_SHOWN]],
        "failed_count": len(found.bad),
        "unexpected": [printable(one, 253) for one in found.unexpected[:100]],
    }
    result: Result = {"changed": False, "run": summary}
    if found.unexpected:
        task.warn(f"{len(found.unexpected)} clusters have records in the run {paths.run} and were not expected.")
    if not found.bad:
        return result
    first = next(one for one in ordered if one.cluster in found.bad)
    why = f" {first.reason}" if first.reason else ""
    message = (
        f"The run {paths.run} of {paths.workspace} is {found.phase}: {len(found.bad)} of {len(found.records)} clusters failed,"
        f" {first.cluster} ({first.phase}) among them.{why}"
    )
    if len(found.bad) <= (task.params["max_failures"] or 0) and found.phase != runs.FAILED:
        task.warn(message)
        return result
    code = "run_failed" if found.phase == runs.FAILED else "run_partial"
    # Without the workspace, a new run of every other one would be begun by this name.
    again = f"-e stowage_workspace={paths.workspace} -e stowage_run={paths.run}"
    hint = f"Run it again by the same name ({again}): only what is missing or failed is done."
    raise TaskFailedError(StowageError(code, message, hint), result)


def _absent(task: Task, location: Location, paths: RunPaths) -> Result:
    """The records of a run go, ``expected.json`` first: without it there is no run."""
    keys = list(_keys(location, paths))
    doomed = [key for key in (paths.expected,) if key in keys] + [key for key in keys if key != paths.expected]
    if not task.check:
        _delete(location, doomed[:1])
        _delete(location, doomed[1:])
    result: Result = {"changed": bool(doomed), "run": _head(paths) | {"deleted_count": len(doomed)}}
    if task.diff:
        result["diff"] = {"before": "".join(f"{key}\n" for key in doomed[:_SHOWN]), "after": ""}
    return result


def _delete(location: Location, keys: t.Sequence[str]) -> None:
    """:raises StowageError: with the code of the first key that could not be deleted."""
    for start in range(0, len(keys), BATCH):
        if failures := location.delete(keys[start : start + BATCH]):
            first = failures[0]
            raise StowageError(
                first.code, f"{len(failures)} files of runs could not be deleted: {first.key}: {first.message}"
            )


def _prune(task: Task, workspace: str, keep: datetime.timedelta) -> Result:
    with reach_location(task) as location:
        place = task.params["location_name"] or ""
        fates = run_pruning.find_old(location, workspace, before=location.now() - keep, place=place)
        doomed = [one.folder for one in fates if not one.reason]
        for folder in doomed:
            task.progress.check()
            if not task.check:
                _delete(location, [folder.paths.expected])
                _delete(location, folder.keys)
    names = [one.paths.run for one in doomed]
    result: Result = {
        "changed": bool(doomed),
        "runs": {
            "workspace": workspace,
            "total": len(fates),
            "deleted": names[:_SHOWN],
            "deleted_count": len(names),
        },
    }
    if task.diff:
        lines = [
            (one.folder.paths.run, f"{one.folder.paths.run}: {one.reason}".rstrip(": ")) for one in fates[-_SHOWN:]
        ]
        result["diff"] = {
            "before": "".join(f"{line}\n" for _name, line in lines),
            "after": "".join(f"{line}\n" for name, line in lines if name not in names),
        }
    return result


_STATES: t.Final[t.Mapping[str, t.Callable[[Task, Location, RunPaths], Result]]] = {
    "pending": _ask,
    "recorded": _record,
    "finished": _finish,
    "absent": _absent,
}
