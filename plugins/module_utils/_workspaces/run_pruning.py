# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which runs are remembered no longer. Private to the collection. Pure, but for :func:`find_old`.

A run is what its records are good for: to restore its backups together, and to see how it went. So it is kept while one of
its backups is there, while it is young, and while no other run of its workspace is newer.

Any writer of one cluster can write records into runs that nobody began, so those are nobody's newest.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import run_files
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.run_files import RunFolder

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Record


@dataclasses.dataclass(frozen=True)
class Fate:
    """What becomes of a run: it stays if there is a reason, for people."""

    folder: RunFolder
    reason: str


def decide(
    folders: t.Sequence[RunFolder],
    *,
    before: datetime.datetime,
    needed: t.Callable[[RunFolder], str],
) -> list[Fate]:
    """What becomes of each run of a workspace.

    :param folders: oldest first.
    :param before: only runs that were begun before that may go.
    :param needed: why a run's records are still good for something, empty if they are not; asked for old runs alone.
    """
    newest = max((one for one in folders if one.whole), key=lambda one: one.order, default=None)
    fates = []
    for folder in folders:
        if folder is newest:
            reason = "It is the newest."
        elif folder.begun >= before:
            reason = "It is young enough."
        else:
            reason = needed(folder)
        fates.append(Fate(folder, reason))
    return fates


def why_needed(records: t.Iterable[Record], there: t.Callable[[str], t.Container[str]], place: str) -> str:
    """Why a run's records are still good for something, empty if they are not.

    :param there: the names of a cluster's backups.
    :param place: the name of the location that was looked at. What a record says is elsewhere is taken to be there.
    """
    for record in records:
        if not record.backup:
            continue
        if record.location and record.location != place:
            return f"The backup {record.backup} is in {record.location}, which was not looked at."
        if record.backup in there(record.cluster):
            return f"The backup {record.backup} is there."
    return ""


def find_old(location: Location, workspace: str, *, before: datetime.datetime, place: str) -> list[Fate]:
    """Look at the runs of a workspace, and decide.

    :raises StowageError: location errors.
    """
    names: dict[str, frozenset[str]] = {}

    def there(cluster: str) -> frozenset[str]:
        if cluster not in names:
            names[cluster] = _backups(location, cluster)
        return names[cluster]

    def needed(folder: RunFolder) -> str:
        records = run_files.read_records(location, folder.paths, folder.keys)
        return why_needed(records.values(), there, place)

    return decide(run_files.find_runs(location, workspace), before=before, needed=needed)


def _backups(location: Location, cluster: str) -> frozenset[str]:
    """Folders of backups, whole or not: one that is being deleted is there until it is gone."""
    try:
        layout.validate_cluster(cluster)
    except StowageError:
        return frozenset()
    return frozenset(location.list_folders(layout.backups_folder(cluster)))
