# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which runs over workspaces a location holds, and what is in their folders. Private to the collection."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import recording, runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.names import check_workspace
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Expected, Record, RunPaths

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location, ObjectInfo

REQUESTS: t.Final = 16
_MOST_KEYS: t.Final = 1_000_000
_ROOT: t.Final = "workspaces/"


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    :param begun: the store's time of ``expected.json``, without one that of the oldest file.
    :param whole: whether ``expected.json`` is there.
    """

    paths: RunPaths
    keys: tuple[str, ...]
    begun: datetime.datetime
    whole: bool

    @property
    def order(self) -> tuple[datetime.datetime, str]:
        return (self.begun, self.paths.run)


def find_workspaces(location: Location) -> list[str]:
    """The workspaces that have runs in a location, sorted. What can be no workspace's folder is left out.

    :raises StowageError: location errors.
    """
    return sorted(name for name in location.list_folders(_ROOT) if _fits(name))


def find_runs(location: Location, workspace: str) -> list[RunFolder]:
    """The runs of a workspace, oldest first, interrupted deletions included. What can be no run's folder is left out.

    :raises StowageError: location errors; ``archive_hostile`` when there is more than any fleet leaves.
    """
    prefix = f"{_ROOT}{check_workspace(workspace)}/runs/"
    found: dict[str, list[ObjectInfo]] = {}
    for number, info in enumerate(location.list(prefix)):
        if number >= _MOST_KEYS:
            raise StowageError("archive_hostile", f"{prefix} holds more than {_MOST_KEYS} files.")
        found.setdefault(info.key[len(prefix) :].partition("/")[0], []).append(info)
    folders = [_folder(workspace, run, infos) for run, infos in found.items()]
    return sorted((one for one in folders if one is not None), key=lambda one: one.order)


def _folder(workspace: str, run: str, infos: t.Sequence[ObjectInfo]) -> RunFolder | None:
    try:
        paths = RunPaths(workspace, run)
    except StowageError:
        return None
    mine = [info for info in infos if info.key.startswith(paths.folder)]
    if not mine:
        return None
    head = next((info for info in mine if info.key == paths.expected), None)
    begun = head or min(mine, key=lambda info: info.modified)
    return RunFolder(paths, tuple(info.key for info in mine), begun.modified, head is not None)


def _fits(name: str) -> bool:
    try:
        return bool(check_workspace(name))
    except StowageError:
        return False


def read_expected(location: Location, paths: RunPaths) -> Expected | None:
    """Which clusters a run is about; ``None`` when it was never begun.

    :raises StowageError: ``record_damaged``, and location errors.
    """
    try:
        data = location.read(paths.expected, limit=runs.MAX_EXPECTED)
    except StowageError as error:
        if error.code == "key_not_found":
            return None
        raise
    return runs.read_expected(data, paths)


def read_records(
    location: Location, paths: RunPaths, keys: t.Iterable[str], only: t.Container[str] | None = None
) -> dict[str, Record]:
    """The last record of each cluster. What can be no cluster's folder is left out.

    :param keys: of the run's folder.
    :param only: these clusters, ``None`` for all that have any.
    :raises StowageError: location errors.
    """
    last = runs.attempts(keys, paths)
    asked = [(one, number) for one, number in last.items() if layout.is_cluster(one) and (only is None or one in only)]
    with concurrent.futures.ThreadPoolExecutor(REQUESTS, "records") as pool:
        found = pool.map(lambda each: recording.read_record(location, paths, *each), asked)
        return {record.cluster: record for record in found}
