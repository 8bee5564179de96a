# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``workspace_backup``: a cluster's part in the runs of its workspaces, one backup after the other.

One task for all of them, since what a task costs the controller is more than what a small cluster's backup takes.
Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import SELECTION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.arguments import BACKUP
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.ensure import Wanted, present
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import (
    CODES,
    SEE_DOCUMENTATION,
    StowageError,
    defect,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_cluster, reach_other
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.recording import record_backup
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import RunPaths

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

Result = dict[str, t.Any]

_SAME_FOR_ALL: t.Final = ("cluster", "accept_new_identity", "lease_wait")
_NEVER: t.Final = frozenset({"state", "name", "max_age", "velero_expiration", "run"})
_OF_RUN: t.Final = frozenset({"workspace", "run", "records", "location", "problem"})
_SPEC: t.Final[ArgumentSpec] = merge(
    SELECTION, {name: spec for name, spec in BACKUP.items() if name not in {*_NEVER, *_SAME_FOR_ALL}}
)
"""What ``backups`` says of each backup, as ``backup`` takes it."""
_LOST: t.Final = frozenset({"cluster_unreachable", "cluster_tls_untrusted", "cluster_unauthorized"})
"""What is so for one workspace is so for the next, which need not wait for it again."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A cluster's part in one run.

    :param records: the name of the location that the run is kept in.
    :param location: the name of that of the backup.
    :param problem: why it cannot be tried: an error code, a colon, and a sentence; or nothing.
    :param options: the other options, not checked yet.
    """

    paths: RunPaths
    records: str
    location: str
    problem: str
    allow_partial: bool
    options: t.Mapping[str, t.Any]

    @classmethod
    def read(cls, given: object) -> Part:
        """:raises StowageError: ``invalid_option``: it does not say which run it is about."""
        if not isinstance(given, dict) or not all(given.get(name) for name in ("workspace", "run", "records")):
            raise _unfit("Each of backups needs workspace, run and records.")
        return cls(
            paths=RunPaths(str(given["workspace"]), str(given["run"])),
            records=str(given["records"]),
            location=str(given.get("location") or given["records"]),
            problem=str(given.get("problem") or ""),
            allow_partial=given.get("allow_partial") is True,
            options={name: value for name, value in given.items() if name not in _OF_RUN},
        )

    def params(self) -> dict[str, t.Any]:
        """The options of ``backup`` that it says, checked as that module's are.

        :raises StowageError: ``invalid_option``.
        """
        from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

        validator: t.Any = ArgumentSpecValidator  # ansible-core's, which is not annotated
        found = validator(_SPEC).validate(dict(self.options))
        if found.error_messages:
            raise _unfit(f"backups of {self.paths.workspace}: {'; '.join(found.error_messages)}.")
        validated: dict[str, t.Any] = found.validated_parameters
        return validated


def _unfit(message: str) -> StowageError:
    return StowageError("invalid_option", message, SEE_DOCUMENTATION)


class _Reached:
    """The cluster and the locations, each opened when it is first needed, and once."""

    def __init__(self, task: Task, stack: contextlib.ExitStack) -> None:
        self._task = task
        self._stack = stack
        self._connection: Connection | None = None
        self._locations: dict[str, Location] = {}
        self.lost: StowageError | None = None

    def cluster(self) -> Connection:
        """:raises StowageError: as :func:`reach_cluster`; why the cluster was out of reach before."""
        if self.lost is not None:
            raise self.lost
        if self._connection is None:
            self._connection = self._stack.enter_context(reach_cluster(self._task))
        return self._connection

    def location(self, name: str) -> Location:
        """:raises StowageError: as :func:`reach_other`."""
        if name not in self._locations:
            given = self._task.params["locations"].get(name)
            if given is None:
                raise _unfit(f"There is no location {name[:80]}.")
            self._locations[name] = self._stack.enter_context(reach_other(self._task, f"locations.{name}", given))
        return self._locations[name]


def back_up_workspaces(task: Task) -> Result:
    """Run the module.

    :raises StowageError: nothing could be tried.
    :raises TaskFailedError: ``run_partial``, ``run_failed``: not all are as they should be, with how each went.
    """
    runs.check_cluster(task.params["cluster"])
    parts = [Part.read(given) for given in task.params["backups"]]
    with contextlib.ExitStack() as stack:
        reached = _Reached(task, stack)
        done = [_one(task, reached, part) for part in parts]
    result: Result = {"changed": any(one["changed"] for one in done), "backups": done}
    if task.diff:
        result["diff"] = [one.pop("diff") for one in done if "diff" in one]
    if failed := [one for one in done if "error_code" in one]:
        code = "run_partial" if len(failed) < len(done) else "run_failed"
        workspaces = ", ".join(one["workspace"] for one in failed)
        message = f"The cluster {task.params['cluster']} was not backed up for {workspaces}: {failed[0]['msg']}"
        raise TaskFailedError(StowageError(code, message), result)
    return result


def _one(task: Task, reached: _Reached, part: Part) -> Result:
    """:returns: what ``backup`` would return, or what it fails with, and the workspace."""
    task.progress.check()
    try:
        result = {"changed": False, **_recorded(task, reached, part)}
    except TaskFailedError as error:
        result = {"changed": False, **error.result, **error.error.as_result()}
    except StowageError as error:
        result = {"changed": False, **error.as_result()}
    return {"workspace": part.paths.workspace, **result}


def _recorded(task: Task, reached: _Reached, part: Part) -> Result:
    """:raises StowageError: nothing could be recorded.
    :raises TaskFailedError: it failed, with the record.
    """
    run = {"workspace": part.paths.workspace, "name": part.paths.run, "location_name": part.location}
    told = {**task.params, "run": run, "allow_partial": part.allow_partial}
    cluster = task.params["cluster"]

    def ensure() -> Result:
        try:
            return _made(task, reached, part)
        except StowageError as error:
            if error.code in _LOST:
                reached.lost = error
            raise
        except TaskFailedError:
            raise
        except Exception as error:  # noqa: BLE001  # a defect, which must not take the other workspaces' backups along
            raise defect(error) from None

    return record_backup(dataclasses.replace(task, params=told), reached.location(part.records), cluster, ensure)


def _made(task: Task, reached: _Reached, part: Part) -> Result:
    if part.problem:
        code, _colon, text = part.problem.partition(": ")
        raise StowageError(code, text) if code in CODES else StowageError("cluster_access_invalid", part.problem)
    params = {**task.params, "name": None, "max_age": None, "state": "present", "velero_expiration": False, "run": None}
    one = dataclasses.replace(task, params={**params, **part.params()})
    wanted = Wanted.from_params(one.params)
    if wanted.scheduled and wanted.schedule is None:
        return {"changed": False, "backup": None}
    return present(one, reached.location(part.location), reached.cluster(), wanted)
