# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report is made of. Private to the collection. Pure.

Whatever text is in here has been cut and made printable already; a renderer still escapes it for its own format.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.schedule import Schedule

UNKNOWN: t.Final = "unknown"
"""It could not be looked at."""
MISSING: t.Final = "missing"
"""It should have a good backup, and has none."""
LATE: t.Final = "late"
"""The last good backup is older than it may be."""
FAILING: t.Final = "failing"
"""The last attempt failed; the last good backup is young enough still."""
DUE: t.Final = "due"
"""One is due, and not late yet."""
PAUSED: t.Final = "paused"
UNWATCHED: t.Final = "unwatched"
"""It has a good backup, and nothing says how old that may be."""
OK: t.Final = "ok"

STATUSES: t.Final = (UNKNOWN, MISSING, LATE, FAILING, DUE, PAUSED, UNWATCHED, OK)
"""The worst first."""
BAD: t.Final = frozenset({UNKNOWN, MISSING, LATE})
WARNING: t.Final = frozenset({FAILING, DUE})
WORDS: t.Final[t.Mapping[str, str]] = {
    UNKNOWN: "Unknown",
    MISSING: "No backup",
    LATE: "Late",
    FAILING: "Failing",
    DUE: "Due",
    PAUSED: "Paused",
    UNWATCHED: "No objective",
    OK: "Good",
}
"""What people read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """A cluster of a workspace, as the inventory has it.

    :param cluster: its folder in the location.
    :param location: the name of its location; empty if none is chosen.
    :param problem: what the inventory says is wrong with it.
    """

    host: str
    cluster: str
    location: str
    problem: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WantedWorkspace:
    """A workspace, as the inventory has it.

    :param location: the name of the location that its runs are kept in; empty if none is chosen.
    :param schedule: ``None`` without one, and for one by which nothing is ever due.
    :param jitter: how long a trigger waits at most.
    :param expires_in: for how long its backups are to be kept at least; ``None`` if it does not say that.
    """

    name: str
    members: tuple[Member, ...] = ()
    location: str = ""
    owner: str = ""
    schedule: Schedule | None = None
    paused: bool = False
    jitter: datetime.timedelta = datetime.timedelta()
    expires_in: datetime.timedelta | None = None
    allow_partial: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the report is to be about.

    :param max_age: how old a last good backup may be where no schedule says it; ``None`` if it may have any age.
    :param grace: how long after its scheduled instant a backup is not late yet.
    :param max_runs: how many runs of each workspace are looked at, the newest.
    :param others: whether it is also about backups for other workspaces, and for none.
    """

    workspaces: tuple[WantedWorkspace, ...] = ()
    max_age: datetime.timedelta | None = None
    grace: datetime.timedelta = datetime.timedelta(hours=2)
    max_runs: int = 30
    title: str = "Backups"
    others: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at a backup: what the bucket has, what a run recorded, or both.

    :param at: the instant that the backup shows, else when it was recorded; UTC.
    :param backup: its name; empty if none was made.
    :param kept: whether the backup is in the bucket.
    :param phase: of the backup or the record, or ``Missing``.
    """

    at: datetime.datetime
    phase: str
    backup: str = ""
    run: str = ""
    kept: bool = False
    seconds: float | None = None
    size: int | None = None
    objects: int | None = None
    warnings: int = 0
    errors: int = 0
    code: str = ""
    reason: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One cluster of one workspace.

    :param workspace: empty for backups that were made for none.
    :param expected: whether the inventory has it; else only the bucket knows it.
    :param reasons: why it has its status, in sentences, the most telling first.
    :param objective: how old the last good backup may be, in words; empty if nothing says it.
    :param good: the last good backup.
    :param tried: the last attempt, whatever came of it.
    :param deadline: when the last good backup becomes too old, or did; ``None`` without an objective or a good backup.
    :param due: since when one is due; ``None`` if none is.
    :param next_due: the next scheduled instant.
    :param history: attempts, the oldest first.
    """

    workspace: str
    cluster: str
    status: str
    location: str = ""
    owner: str = ""
    expected: bool = True
    reasons: tuple[str, ...] = ()
    objective: str = ""
    good: Attempt | None = None
    tried: Attempt | None = None
    deadline: datetime.datetime | None = None
    due: datetime.datetime | None = None
    next_due: datetime.datetime | None = None
    backups: int = 0
    history: tuple[Attempt, ...] = ()

    @property
    def order(self) -> tuple[int, str, str, str]:
        """Sorts rows: the worst first, then by name."""
        return STATUSES.index(self.status), self.workspace, self.cluster, self.location


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterOutcome:
    """How a run went in a cluster that was not Completed."""

    cluster: str
    phase: str
    code: str = ""
    reason: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run of a workspace.

    :param phase: of the run; ``InProgress`` while clusters are missing and it is young.
    :param counts: clusters by phase.
    :param outcomes: the clusters that are not Completed, at most a hundred.
    :param failed: whether a cluster counts as failed.
    """

    workspace: str
    name: str
    phase: str
    started: datetime.datetime | None = None
    seconds: float | None = None
    counts: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    outcomes: tuple[ClusterOutcome, ...] = ()
    failed: bool = False
    reason: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LocationRow:
    """One location.

    :param verdict: of its checks: ``passed``, ``warning``, ``failed`` or ``error``; empty if it was not checked.
    :param findings: what the checks found, each with what to do about it.
    :param problem: why it could not be read; empty if it was.
    :param size: bytes of all backups that say their size.
    """

    name: str
    address: str = ""
    provider: str = ""
    verdict: str = ""
    findings: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    clusters: int = 0
    backups: int = 0
    size: int = 0

    @property
    def bad(self) -> bool:
        return bool(self.problem) or self.verdict in ("failed", "error")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """All of it.

    :param generated: when; nothing else in here depends on it but what has become late or due.
    :param rows: the worst first.
    :param runs: the newest first, workspace by workspace.
    :param notes: what should be known of the report, such as what could not be read.
    """

    generated: datetime.datetime
    title: str = "Backups"
    version: str = ""
    rows: tuple[Row, ...] = ()
    runs: tuple[RunRow, ...] = ()
    locations: tuple[LocationRow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each status, the worst first."""
        return {status: sum(row.status == status for row in self.rows) for status in STATUSES}

    @property
    def verdict(self) -> str:
        """``failed`` if anything is bad, ``warning`` if anything may become so, else ``passed``."""
        states = {row.status for row in self.rows}
        if states & BAD or any(one.bad for one in self.locations):
            return "failed"
        return "warning" if states & WARNING or any(one.verdict == "warning" for one in self.locations) else "passed"
