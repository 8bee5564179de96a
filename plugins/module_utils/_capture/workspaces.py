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

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import SELECTION, ArgumentSpec, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.arguments import BACKUP
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.ensure import Wanted, present
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.identity import cluster_identity
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import (
    CODES,
    SEE_DOCUMENTATION,
    StowageError,
    defect,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_cluster, reach_other
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.recording import (
    last_record,
    outcome_of,
    record_backup,
    tell_unless_completed,
    write_record,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import RunPaths

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

Result = dict[str, t.Any]

_boolean: t.Callable[..., bool] = boolean  # ansible-core's, which is not annotated
_SAME_FOR_ALL: t.Final = ("cluster", "accept_new_identity", "lease_wait")
_NEVER: t.Final = frozenset({"state", "name", "max_age", "velero_expiration", "run"})
_OF_RUN: t.Final = frozenset({"workspace", "run", "records", "location", "problem"})
_SPEC: t.Final[ArgumentSpec] = merge(
    SELECTION, {name: spec for name, spec in BACKUP.items() if name not in {*_NEVER, *_SAME_FOR_ALL}}
)
"""What ``backups`` says of each backup, as ``backup`` takes it."""
_LOST: t.Final = frozenset({"cluster_unreachable", "cluster_tls_untrusted", "cluster_unauthorized"})
"""Of a cluster that has not answered yet: what is so for one workspace is so for the next, which need not wait for it again."""


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
        told = {name: given.get(name) or "" for name in _OF_RUN} if isinstance(given, dict) else {}
        # What is no text is not quoted: a location with its secrets may stand where its name belongs.
        if any(isinstance(value, (dict, list)) for value in told.values()):
            raise _unfit("workspace, run, records, location and problem of backups are text.")
        if not isinstance(given, dict) or not all(told[name] for name in ("workspace", "run", "records")):
            raise _unfit("Each of backups needs workspace, run and records.")
        return cls(
            paths=RunPaths(str(told["workspace"]), str(told["run"])),
            records=str(told["records"]),
            location=str(told["location"] or told["records"]),
            problem=str(told["problem"]),
            allow_partial=_boolean(given.get("allow_partial") or False, strict=False),
            options={name: value for name, value in given.items() if name not in _OF_RUN},
        )

    @property
    def run(self) -> dict[str, str]:
        """The option ``run`` of ``backup``, which also labels the backup with the workspace and the run."""
        return {"workspace": self.paths.workspace, "name": self.paths.run, "location_name": self.location}

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
        self._lost: StowageError | None = None

    def cluster(self) -> Connection:
        """:raises StowageError: as :func:`reach_cluster`; why the cluster was out of reach before."""
        if self._lost is not None:
            raise self._lost
        if self._connection is None:
            try:
                connection = self._stack.enter_context(reach_cluster(self._task))
                cluster_identity(connection)
            except StowageError as error:
                if error.code in _LOST:
                    self._lost = error
                raise
            self._connection = connection
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
        for part, one in zip(parts, done, strict=True):
            if "run" not in one:
                _record_again(task, reached, part, one)
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


def _record_again(task: Task, reached: _Reached, part: Part, one: Result) -> None:
    """Record what could not be recorded before, the backup's name above all, and say so if it cannot be now either."""
    cluster = task.params["cluster"]
    try:
        location = reached.location(part.records)
        last = last_record(location, part.paths, cluster)
        record = write_record(location, part.paths, cluster, outcome_of(one, part.location), last, check=task.check)
    except StowageError as error:
        why = f"How it went could not be recorded in the run, where the cluster is missing now: {error.message}"
        task.warn(f"{cluster}, {part.paths.workspace}: {why}")
        return
    tell_unless_completed(task, part.paths, record)
    one["run"] = record.as_dict()
    if record.phase == runs.COMPLETED:
        for name in ("error_code", "msg", "hint", "error_details"):
            one.pop(name, None)


def _recorded(task: Task, reached: _Reached, part: Part) -> Result:
    """:raises StowageError: nothing could be recorded.
    :raises TaskFailedError: it failed, with the record.
    """
    told = {**task.params, "run": part.run, "allow_partial": part.allow_partial}
    cluster = task.params["cluster"]

    def ensure() -> Result:
        try:
            return _made(task, reached, part)
        except (StowageError, TaskFailedError):
            raise
        except Exception as error:  # noqa: BLE001  # a defect, which must not take the other workspaces' backups along
            raise defect(error) from None

    return record_backup(dataclasses.replace(task, params=told), reached.location(part.records), cluster, ensure)


def _made(task: Task, reached: _Reached, part: Part) -> Result:
    if part.problem:
        code, _colon, text = part.problem.partition(": ")
        raise StowageError(code, text) if code in CODES else StowageError("cluster_access_invalid", part.problem)
    fixed = {"name": None, "max_age": None, "state": "present", "velero_expiration": False}
    params = {**task.params, **fixed, "run": part.run}
    one = dataclasses.replace(task, params={**params, **part.params()})
    wanted = Wanted.from_params(one.params)
    if wanted.scheduled and wanted.schedule is None:
        return {"changed": False, "backup": None}
    return present(one, reached.location(part.location), reached.cluster(), wanted)
