# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.diff import Diff
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action, Result
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.outcome import (
    RestoreOptions,
    RestoreResult,
    summarise,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.report import Report
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

STOPPED: t.Final = {"error_code": "interrupted", "msg": "Stopped.", "hint": ""}


def report(*actions: Action) -> Report:
    made = Report(files=False)
    for number, action in enumerate(actions):
        made.add(Result("v1", "ConfigMap", "configmaps", "n", f"c{number}", action, "why"))
    return made


def summary(
    made: Report, *, check: bool = False, error: dict[str, t.Any] | None = None, diff: Diff | None = None
) -> RestoreResult:
    options = RestoreOptions(record=BackupRecord("b", "east", "Completed"), name="r", selection=Selection())
    return summarise(options, made, diff, check=check, seconds=1.23456, error=error or {}, bytes_read=7)


@pytest.mark.parametrize(
    ("actions", "check", "error", "phase", "changed"),
    [
        ([Action.CREATED], False, None, "Completed", True),
        ([Action.UNCHANGED, Action.DIFFERS, Action.SKIPPED], False, None, "Completed", False),
        ([Action.CREATED, Action.FAILED], False, None, "PartiallyFailed", True),
        ([Action.CREATED], False, STOPPED, "PartiallyFailed", True),
        ([Action.UNCHANGED], False, STOPPED, "Failed", False),
        ([Action.CREATED], True, STOPPED, "Failed", True),
    ],
)
def test_phases(actions: list[Action], check: bool, error: t.Any, phase: str, changed: bool) -> None:
    found = summary(report(*actions), check=check, error=error)
    assert (found.phase, found.changed) == (phase, changed)
    assert found.as_dict().get("error", {}) == (error or {})


def test_an_error_of_the_whole_makes_it_partially_failed() -> None:
    made = report(Action.CREATED)
    made.error("a kind is not served")
    found = summary(made)
    assert found.phase == "PartiallyFailed"
    assert found.errors == ["a kind is not served"]


def test_a_summary_stays_small_whatever_happened() -> None:
    diff = Diff()
    made = report(*([Action.FAILED] * 3000), *([Action.DIFFERS] * 3000), *([Action.UNCHANGED] * 3000))
    for number in range(3000):
        diff.add(Result("v1", "ConfigMap", "configmaps", "n", str(number), Action.DIFFERS, paths=["data.k"]), ())
    found = summary(made, diff=diff).as_dict()
    assert len(json.dumps(found)) < 64 << 10
    assert found["counts"]["failed"] == 3000
    assert found["kinds"] == {"configmaps": {"differs": 3000, "failed": 3000, "unchanged": 3000}}
    assert found["errors"][-1] == "… and 2980 more; the report has all of them."
    assert found["warnings"] == ["3000 objects differ from the archive and were left as they are."]
    assert found["diff"]["prepared"].endswith("… and 2800 more objects\n")
    assert found["seconds"] == 1.235


def test_a_diff_is_text_with_paths_below_objects() -> None:
    diff = Diff()
    diff.add(Result("v1", "ConfigMap", "configmaps", "n", "a", Action.DIFFERS, paths=["data.k"]), ())
    diff.add(Result("v1", "Node", "storageclasses", "", "b", Action.CREATED), ())
    shown = summary(report(), diff=diff).as_dict()["diff"]["prepared"]
    assert shown == "differs configmaps n/a\n    data.k\ncreated storageclasses b\n"
    assert "diff" not in summary(report(), diff=Diff()).as_dict()
