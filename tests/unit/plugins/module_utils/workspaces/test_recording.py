# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup for a run: what was made is told, also if the run's record cannot be written."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.recording import outcome_of, record_backup
from support.memory_location import MemoryLocation

MADE: t.Final = {"changed": True, "backup": {"name": "b1", "phase": "Completed", "cluster_uid": "u"}}


class World:
    """A location in which no record can be written, and a task of a run."""

    def __init__(self) -> None:
        self.location = MemoryLocation()
        self.location.fault = self._refuse
        self.warnings: list[str] = []
        run = {"workspace": "shop", "name": "4711", "location_name": "primary"}
        self.task = Task(
            params={"run": run, "allow_partial": False},
            check=False,
            diff=False,
            environ={},
            progress=Progress(),
            warn=self.warnings.append,
            hide=lambda _values: None,
        )

    @staticmethod
    def _refuse(operation: str, key: str) -> None:
        if operation == "create" and key.startswith("workspaces/"):
            raise StowageError("permission_denied", "The caller may not write there.")

    def end(self, ensure: t.Callable[[], dict[str, t.Any]]) -> TaskFailedError:
        with pytest.raises(TaskFailedError) as caught:
            record_backup(self.task, self.location, "prod-1", ensure)
        return caught.value


def test_a_backup_that_was_made_is_told_and_counts() -> None:
    found = World().end(lambda: dict(MADE))
    assert (found.error.code, found.result) == ("permission_denied", MADE)
    outcome = outcome_of({**found.result, **found.error.as_result()}, "primary")
    assert (outcome["phase"], outcome["backup"], outcome["error_code"]) == ("Completed", "b1", "")


def test_why_a_backup_failed_is_not_hidden() -> None:
    world = World()

    def partial() -> dict[str, t.Any]:
        raise TaskFailedError(StowageError("backup_partial", "Something is missing."), dict(MADE))

    def unreachable() -> dict[str, t.Any]:
        raise StowageError("cluster_unreachable", "It does not answer.")

    assert world.end(partial).error.code == "backup_partial"
    assert world.end(unreachable).error.code == "cluster_unreachable"
    assert ["The caller may not write there." in text for text in world.warnings] == [True, True]
