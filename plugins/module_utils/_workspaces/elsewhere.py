# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether somebody works on a cluster from another folder of the location. Private to the collection.

A task holds a cluster by a lease in the folder that it works with: that of the cluster for a backup, that of the source for a restore. So two
restores from different sources into one target hold leases in different folders. Each looks at the others' before it takes its own, and once
more after: of two that begin in the same instant, at least one sees the other. Who may not read other folders does not look.
"""

from __future__ import annotations

import concurrent.futures
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import leases
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.leases import Holder

if t.TYPE_CHECKING:
    import datetime

    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

_REQUESTS: t.Final = 16
_POLL: t.Final = 5.0
_UNSEEN: t.Final = frozenset({"permission_denied", "key_not_found"})


def holder(location: Location, cluster: str, uid: str) -> Holder | None:
    """Who works on a cluster from another folder, ``None`` if nobody is seen to.

    :param cluster: the folder that the caller works with.
    :param uid: of the cluster that is worked on.
    :raises StowageError: location errors, but for refusals.
    """

    def look(folder: str) -> list[Holder]:
        try:
            last = leases.read_last(location, leases.of_cluster(folder, uid))
        except StowageError as error:
            if error.code not in _UNSEEN:
                raise
            return []
        return list(last.others("", location.now()).values())

    try:
        folders = [name for name in catalog.list_clusters(location)[0] if name != cluster]
    except StowageError as error:
        if error.code not in _UNSEEN:
            raise
        return None
    with concurrent.futures.ThreadPoolExecutor(_REQUESTS, "leases") as pool:
        found = [one for holders in pool.map(look, folders) for one in holders]
    return max(found, key=lambda one: one.until, default=None)


def wait(location: Location, cluster: str, uid: str, progress: Progress, patience: datetime.timedelta) -> float:
    """Wait until nobody works on a cluster from another folder; the seconds that it took.

    :raises StowageError: ``lease_held`` when others do for longer, ``interrupted``, and location errors.
    """
    waited, shown = 0.0, ""
    while (other := holder(location, cluster, uid)) is not None:
        left = patience.total_seconds() - waited
        if left <= 0:
            raise refused(uid, other)
        if other.who != shown:
            shown = other.who
            progress.note(f"Waiting for {shown}, which works on the cluster {uid}.")
        delay = min(_POLL, max(0.2, waited / 4), left)
        if progress.stopped.wait(delay):
            progress.check()
        waited += delay
    return waited


def refused(uid: str, other: Holder) -> StowageError:
    """What to say to who has to give way."""
    return StowageError(
        "lease_held",
        f"Another task works on the cluster {uid}: {other.who}, until {other.until.isoformat(timespec='seconds')} unless it goes on.",
        "Run the task again later, or let it wait longer with lease_wait. What was killed lets go by itself at that time.",
        details={"until": other.until.isoformat(), "holder": other.who},
    )
