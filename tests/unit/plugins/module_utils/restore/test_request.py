# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module restore: which backup is meant, and what its outcome means for the task."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import CLUSTER, LOCATION, SELECTION, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import request
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.modules import restore
from support.memory_location import MemoryLocation

UNSET: t.Final[dict[str, t.Any]] = {
    name: option.get("default") for name, option in merge(LOCATION, CLUSTER, SELECTION, restore.ARGUMENTS).items()
}


def task(warnings: list[str] | None = None, **params: t.Any) -> Task:
    return Task(
        params={**UNSET, "cluster": "prod", "backup": "b1", **params},
        check=False,
        diff=False,
        environ={},
        progress=Progress(),
        warn=(warnings if warnings is not None else []).append,
        hide=lambda _values: None,
    )


def outcome(**fields: t.Any) -> dict[str, t.Any]:
    return {"name": "r1", "phase": "Completed", "check": False, "changed": True, "errors": [], **fields}


def test_a_whole_restore_is_a_result() -> None:
    assert request.judge(task(), outcome(diff={"prepared": "x"})) == {
        "changed": True,
        "restore": {"name": "r1", "phase": "Completed", "planned": False, "errors": []},
        "diff": {"prepared": "x"},
    }


def test_a_partial_restore_fails_unless_that_is_allowed() -> None:
    partial = {"phase": "PartiallyFailed", "errors": ["pods shop/web: no"]}
    with pytest.raises(TaskFailedError, match="pods shop/web: no") as caught:
        request.judge(task(), outcome(**partial))
    assert caught.value.error.code == "restore_partial"
    assert caught.value.result["changed"] is True
    warnings: list[str] = []
    result = request.judge(task(warnings, allow_partial=True), outcome(**partial))
    assert result["restore"]["phase"] == "PartiallyFailed"
    assert "pods shop/web: no" in warnings[0]


@pytest.mark.parametrize("phase", ["PartiallyFailed", "Failed"])
@pytest.mark.parametrize("allowed", [True, False])
def test_what_ended_a_restore_early_is_the_error(phase: str, allowed: bool) -> None:
    error = {"error_code": "interrupted", "msg": "It was asked to stop.", "hint": "Run it again."}
    with pytest.raises(TaskFailedError) as caught:
        request.judge(task(allow_partial=allowed), outcome(phase=phase, error=error, changed=False))
    assert (caught.value.error.code, caught.value.error.hint) == ("interrupted", "Run it again.")
    assert caught.value.result["restore"]["phase"] == phase
    assert "error" not in caught.value.result["restore"]


def test_a_failed_restore_is_never_allowed() -> None:
    with pytest.raises(TaskFailedError):
        request.judge(task(allow_partial=True), outcome(phase="Failed", errors=["no"]))


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"name": "Not_A_Name"}, "invalid_name"),
        ({"cluster": "../x"}, "invalid_name"),
        ({"backup_labels": {"tier": "daily"}}, "invalid_option"),
        ({"backup": "latest", "backup_labels": {"a b": "c"}}, "invalid_option"),
        ({"backup_selection": "unfiltered"}, "invalid_option"),
        ({"backup": "latest", "backup_selection": "everything"}, "invalid_option"),
        ({"label_selector": "a==="}, "invalid_option"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_contacted(params: dict[str, t.Any], code: str) -> None:
    with pytest.raises(StowageError) as caught:
        request.restore_backup(
            task(**params)
        )  # location and cluster access are unset: reaching them would raise TypeError
    assert caught.value.code == code


@pytest.mark.parametrize("backup", ["b1", "latest"])
def test_a_backup_that_is_not_there_is_said_to_be_so(backup: str) -> None:
    with pytest.raises(StowageError) as caught:
        request.choose_backup(MemoryLocation(), "prod", backup, {})
    assert caught.value.code == "backup_not_found"
