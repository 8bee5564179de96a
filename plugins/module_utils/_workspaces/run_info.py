# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``workspace_run_info``: which runs there are, and how they went. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._misspelt import meant, named
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import run_files, runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.names import check_run, check_workspace
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.run_files import RunFolder

Result = dict[str, t.Any]

_MOST_RUNS: t.Final = 500
_MOST_CLUSTERS: t.Final = 500
"""In one result: AWX drops a result of more than 700,000 characters as a whole."""
_NAMED: t.Final = 20


def describe_runs(task: Task) -> Result:
    """Run the module.

    :raises StowageError: ``invalid_option``, ``invalid_name``, ``run_not_found``, and location errors.
    """
    workspace, run, newest = task.params["workspace"] or "", task.params["run"] or "", task.params["newest"]
    left_out = frozenset(task.params["excluded_clusters"] or ())
    if run and not workspace:
        raise unfit(
            "run needs workspace.",
            "Say which workspace the run is of (in playbooks: -e stowage_workspace=... with stowage_run).",
        )
    if not 1 <= newest <= _MOST_RUNS:
        raise unfit(f"newest must be from 1 to {_MOST_RUNS}.")
    if workspace:
        check_workspace(workspace)
    if run:
        check_run(run)
    with reach_location(task) as location:
        there = run_files.find_workspaces(location)
        if workspace and workspace not in there:
            hint = meant([workspace], there) or (
                f"It has: {named(there)}." if there else "It has none of any workspace."
            )
            task.warn(f"{location.describe()} has no runs of {workspace}. {hint}")
        found: list[Result] = []
        total = not_begun = 0
        for name in [workspace] if workspace else there:
            folders = run_files.find_runs(location, name)
            total += sum(one.whole for one in folders)
            not_begun += sum(not one.whole for one in folders)
            chosen = _named(folders, name, run) if run else choose(folders, newest)
            for folder in chosen:
                task.progress.check()
                one = _describe(location, folder, allow_partial=task.params["allow_partial"])
                clusters = one.pop("clusters", None)
                if run and clusters is not None:
                    one["clusters"] = [each for each in clusters if each["cluster"] not in left_out][:_MOST_CLUSTERS]
                found.append(one)
    # Whatever was never begun comes first: it is cut first, and the last is the newest.
    ordered = sorted(found, key=lambda one: (one["begun"], str(one["started"])))
    return {
        "workspaces": there[:_MOST_RUNS],
        "total": total,
        "not_begun_count": not_begun,
        "runs": ordered[-_MOST_RUNS:],
    }


def choose(folders: t.Sequence[RunFolder], newest: int) -> list[RunFolder]:
    """The newest runs, and where those are fewer, what has no ``expected.json``: any writer of a cluster can make such a folder. Pure.

    :param folders: oldest first.
    """
    begun = [one for one in folders if one.whole][-newest:]
    others = [one for one in folders if not one.whole]
    return others[max(len(others) - (newest - len(begun)), 0) :] + begun


def _named(folders: t.Sequence[RunFolder], workspace: str, run: str) -> list[RunFolder]:
    found = [one for one in folders if one.paths.run == run]
    if found:
        return found
    names = [one.paths.run for one in folders if one.whole]
    raise StowageError(
        "run_not_found",
        f"There is no run {run} of {workspace}.",
        meant([run], names) or (f"The newest is {names[-1]}." if names else "There is none at all."),
    )


def _describe(location: Location, folder: RunFolder, *, allow_partial: bool) -> Result:
    head: Result = {
        "workspace": folder.paths.workspace,
        "name": folder.paths.run,
        "started": folder.begun.isoformat(),
        "begun": folder.whole,
        "owner": "",
        "phase": "Unknown",
        "counts": {},
        "clusters_count": 0,
        "failed_count": 0,
        "failed": [],
        "missing": [],
        "message": "",
    }
    try:
        expected = run_files.read_expected(location, folder.paths)
    except StowageError as error:
        if error.code not in ("record_damaged", "archive_hostile"):
            raise
        return head | {"message": error.message}
    if expected is None:
        return head | {"message": "It was never begun, or is being deleted: it has no expected.json."}
    records = run_files.read_records(location, folder.paths, folder.keys, frozenset(expected.clusters))
    found = runs.sum_up(expected, records, allow_partial=allow_partial)
    missing = [one.cluster for one in found.records if one.phase == runs.MISSING]
    described = head | {
        "started": expected.started.isoformat(),
        "owner": expected.owner,
        "phase": found.phase,
        "counts": found.counts,
        "clusters_count": len(found.records),
        "failed_count": len(found.bad),
        "failed": [one for one in found.bad if one not in missing][:_NAMED],
        "missing": missing[:_NAMED],
        "clusters": [one.as_dict() for one in found.records],
    }
    return _shown(described)


def _shown(described: Result) -> Result:
    return described | {"message": printable(described["message"], 300)}
