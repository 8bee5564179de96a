# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects that were written before their owners, and get their references once these are dealt with.

Private to the collection.
"""

from __future__ import annotations

import functools
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import RefusedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action, Result

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import Pool
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.owners import OwnerTable
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.plan import Job, Planner
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.write import ObjectWriter, Outcome

Held: t.TypeAlias = "tuple[Job, Result, Outcome]"


class LateOwners:
    """Holds the results of such objects back until they have their owners. :meth:`hold` is for any thread.

    :param tell: takes the results.
    """

    def __init__(
        self,
        table: OwnerTable,
        planner: Planner,
        writer: ObjectWriter,
        pool: Pool,
        tell: t.Callable[[Result, Outcome], None],
    ) -> None:
        self._table = table
        self._planner = planner
        self._writer = writer
        self._pool = pool
        self._tell = tell
        self._held: dict[int, Held] = {}
        self._lock = threading.Lock()

    def hold(self, job: Job, result: Result, outcome: Outcome) -> None:
        """An object with ``outcome.awaited``."""
        job.body, job.live = b"", None
        with self._lock:
            self._held[id(result)] = job, result, outcome

    def settle(self, *, last: bool = False) -> None:
        """Give those their owners that have none to wait for any more; all of them the last time."""
        for one in list(self._held.values()):
            awaits = any(self._table.is_open(str(reference.get("uid"))) for reference in one[2].awaited)
            if last or not awaits:
                self._pool.submit(functools.partial(self._link, *one))
        self._pool.drain()

    def _link(self, job: Job, result: Result, outcome: Outcome) -> None:
        try:
            relinked = self._planner.relink(outcome.awaited, job.entry.namespace, last=True)
            problem = self._writer.put_back_owners(job, relinked.references) if relinked.references else ""
        except RefusedError as error:
            self._end(result, outcome, f"its owners could not be put back ({error.status} {error.reason})")
            return
        if result.action is Action.UNCHANGED and relinked.references and not problem:
            result.action = Action.UPDATED
            result.reason = "its owners are put back"
        self._end(result, outcome, problem, *relinked.dropped)

    def flush(self) -> None:
        """After the whole has failed: report those that do not get their owners any more."""
        for _job, result, outcome in list(self._held.values()):
            self._end(result, outcome, "its owners were not put back")

    def _end(self, result: Result, outcome: Outcome, *notes: str) -> None:
        with self._lock:
            if self._held.pop(id(result), None) is None:
                return
        said = [note for note in notes if note]
        result.reason = "; ".join(filter(None, (result.reason, *said)))
        result.warning = result.warning or bool(said)
        self._tell(result, outcome)
