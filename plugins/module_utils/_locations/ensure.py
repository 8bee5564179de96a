# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``backup_location``: whether a location is in the wanted state, and bringing it there. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    Change,
    Plan,
    Unsupported,
    Wanted,
    diff_of,
    nothing_wanted,
    wanted_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_setup
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.setup import Outcome, Setup
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError


def ensure_location(task: Task) -> dict[str, t.Any]:
    """Run the module.

    :raises StowageError: nothing was changed.
    :raises TaskFailedError: some of it was.
    """
    options = check_location(task.params["location"])
    absent = task.params["state"] == "absent"
    if absent:
        nothing_wanted(task.params)
    wanted = Wanted() if absent else wanted_of(task.params)
    setup = open_setup(options, task.environ, task.progress.stopped)
    try:
        result = _removed(task, setup) if absent else _brought(task, setup, wanted)
        result["location"]["provider"] = options["provider"]
        return result
    finally:
        task.hide(setup.secrets())
        setup.close()


def _removed(task: Task, setup: Setup) -> dict[str, t.Any]:
    plan = setup.plan_removal()
    if plan.changes and not task.check:
        task.progress.check()
        setup.remove()
    return _result(task, setup, "absent", plan.changes, plan.unsupported)


def _brought(task: Task, setup: Setup, wanted: Wanted) -> dict[str, t.Any]:
    lenient = task.params["unsupported"] == "warn"
    plan = setup.plan(wanted)
    if plan.unsupported and not lenient:
        raise _cannot(setup, plan.unsupported)
    outcome = Outcome(done=list(plan.changes))
    if plan.changes and not task.check:
        task.progress.check()
        outcome = setup.apply(plan)
    unsupported = [*plan.unsupported, *outcome.unsupported]
    result = _result(task, setup, "present", outcome.done, unsupported)
    error = outcome.error or (setup.denied(list(outcome.denied.values())) if outcome.denied else None)
    if error is None and outcome.unsupported and not lenient:
        error = _cannot(setup, outcome.unsupported)
    if error is not None:
        raise TaskFailedError(error, result)
    _warn(task, plan, unsupported)
    return result


def _result(
    task: Task, setup: Setup, state: str, changes: t.Sequence[Change], unsupported: t.Sequence[Unsupported]
) -> dict[str, t.Any]:
    described = {
        "address": printable(setup.describe(), 400),
        "state": state,
        "changes": [change.as_result() for change in changes],
        "unsupported": [one.as_result() for one in unsupported],
    }
    diff = {"diff": diff_of(changes)} if task.diff else {}
    return {"changed": bool(changes), "location": described, **diff}


def _cannot(setup: Setup, unsupported: t.Sequence[Unsupported]) -> StowageError:
    named = " ".join(f"{one.option}: {one.reason}" for one in unsupported)
    return StowageError(
        "unsupported_by_store",
        f"{printable(setup.describe())}: the store cannot do all that is asked. {named}",
        "Leave these options out for this store, or set unsupported to warn.",
        details={"options": [one.option for one in unsupported]},
    )


def _warn(task: Task, plan: Plan, unsupported: t.Sequence[Unsupported]) -> None:
    for warning in plan.warnings:
        task.warn(warning)
    for one in unsupported:
        task.warn(f"{one.option} is not supported by this store: {one.reason}")
