# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backups of a cluster are kept, and why. Private to the collection. Pure.

The places of ``keep_last``, ``keep_hourly`` and so on are given out as restic's ``forget`` does it: from the newest backup
backwards, and of each hour, day, week (ISO 8601), month or year that has backups, the newest stands for it.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime
import functools
import typing as t
import zoneinfo

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import (
    ABANDONED,
    COMPLETED,
    DAMAGED,
    IN_PROGRESS,
    INCOMPLETE,
    BackupRecord,
)

_ENDED: t.Final = frozenset({COMPLETED, "PartiallyFailed", "Failed", "FailedValidation"})
Reasons = dict[str, list[str]]
Held = t.Callable[[BackupRecord], bool]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """What to keep. Numbers are of backups, or of hours, days, weeks, months and years that have any.

    :param at_least: that many of the newest Completed backups of ours stay whatever else is said; at least one.
    :param min_age: a backup goes only when the rules have let go of it for that long.
    :param zone: where hours, days, weeks, months and years begin.
    """

    within: datetime.timedelta | None = None
    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    at_least: int = 1
    min_age: datetime.timedelta = datetime.timedelta(hours=24)
    zone: zoneinfo.ZoneInfo = dataclasses.field(default_factory=lambda: zoneinfo.ZoneInfo("UTC"))


@dataclasses.dataclass(frozen=True)
class Decision:
    """One backup's fate: it stays if there is a reason. Reasons are for people."""

    record: BackupRecord
    reasons: tuple[str, ...]

    @property
    def stays(self) -> bool:
        return bool(self.reasons)


def decide(
    records: t.Sequence[BackupRecord],
    rules: Rules,
    *,
    now: datetime.datetime,
    cluster_uid: str,
    labels: t.Mapping[str, str] | None = None,
    held: Held = lambda _record: False,
) -> list[Decision]:
    """What becomes of each backup of a cluster, in their order.

    Backups of one selection are a series, and the rules are applied to each series. What Velero made is in none of ours, for
    Velero may delete it at any time.

    :param now: the store's clock.
    :param cluster_uid: of the cluster whose backups may go; another's stay.
    :param labels: only backups that have all of them are of concern; the others stay, and take no places.
    :param held: whether somebody reads the backup at the moment.
    """
    chosen = [record for record in records if (labels or {}).items() <= record.labels.items()]
    then = now - rules.min_age
    kept = _kept(chosen, rules, now, cluster_uid)
    kept_then = _kept([one for one in chosen if _ended_by(one, then)], rules, then, cluster_uid)
    let_go = _let_go_at(chosen, rules, then, now, cluster_uid)
    names = {record.name for record in chosen}
    decisions = []
    for record in records:
        if record.name not in names:
            decisions.append(Decision(record, ("It does not have the labels.",)))
            continue
        reasons = _untouchable(record, now, cluster_uid) + kept.get(record.name, [])
        if not reasons and (not _ended_by(record, then) or kept_then.get(record.name)):
            until = (let_go(record) + rules.min_age).isoformat(timespec="seconds")
            reasons = [
                f"The rules let go of it less than min_age ({_short(rules.min_age)}) ago: it stays until {until}."
            ]
        if not reasons and held(record):
            reasons = ["Somebody holds it: it is being restored."]
        decisions.append(Decision(record, tuple(reasons)))
    return decisions


def _let_go_at(
    records: t.Sequence[BackupRecord],
    rules: Rules,
    then: datetime.datetime,
    now: datetime.datetime,
    cluster_uid: str,
) -> t.Callable[[BackupRecord], datetime.datetime]:
    """Since when the rules say nothing for a backup for which they do not now, and did, or were not asked yet, at ``then``."""
    turns = (turn for record in records for turn in _turns(record, rules))
    instants = [*sorted({turn for turn in turns if then < turn < now}), now]

    @functools.cache
    def kept(instant: datetime.datetime) -> Reasons:
        return _kept([one for one in records if _ended_by(one, instant)], rules, instant, cluster_uid)

    def find(record: BackupRecord) -> datetime.datetime:
        free = bisect.bisect_left(
            instants, True, key=lambda instant: _ended_by(record, instant) and record.name not in kept(instant)
        )
        return instants[min(free, len(instants) - 1)]

    return find


def _turns(record: BackupRecord, rules: Rules) -> t.Iterator[datetime.datetime]:
    """When what the rules say may change for the sake of a backup."""
    if record.started is None:
        return
    yield max(record.started, record.completed or record.started)
    if rules.within is not None:
        yield record.order[0] + rules.within
    if record.expires_at is not None:
        yield record.expires_at


def _short(duration: datetime.timedelta) -> str:
    seconds = int(duration.total_seconds())
    for unit, length, least in (("d", 86_400, 2), ("h", 3_600, 1), ("m", 60, 1)):
        if seconds % length == 0 and seconds // length >= least:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _untouchable(record: BackupRecord, now: datetime.datetime, cluster_uid: str) -> list[str]:
    """Why no rule may take a backup away."""
    phases = {
        IN_PROGRESS: "It is being made.",
        ABANDONED: "It was never finished; what it left is an orphan.",
        INCOMPLETE: "It has no velero-backup.json: another tool may be writing it.",
        DAMAGED: "Its velero-backup.json makes no sense; state: absent of backup removes it.",
    }
    if record.phase in phases:
        return [phases[record.phase]]
    if not record.ours:
        return ["Velero made it, and has to delete it."]
    if record.cluster_uid != cluster_uid:
        return ["It is of another cluster."]
    if record.phase not in _ENDED:
        return [f"Its phase is {record.phase}."]
    if record.started is None or record.started > now:
        return ["Its time is not known." if record.started is None else "Its time is yet to come."]
    return []


def _ended_by(record: BackupRecord, instant: datetime.datetime) -> bool:
    ended = record.completed or record.started
    return ended is not None and ended <= instant and (record.started or ended) <= instant


def _kept(records: t.Iterable[BackupRecord], rules: Rules, now: datetime.datetime, cluster_uid: str) -> Reasons:
    """What the rules say at an instant, by the names of what they keep."""
    series: dict[str, list[BackupRecord]] = {}
    for record in records:
        mine = record.ours and record.cluster_uid == cluster_uid
        if mine and record.phase in _ENDED and record.started is not None and record.started <= now:
            series.setdefault(record.fingerprint, []).append(record)
    reasons: Reasons = {}
    for members in series.values():
        newest_first = sorted(members, key=lambda record: record.order, reverse=True)
        for record, reason in _reasons(newest_first, rules, now):
            reasons.setdefault(record.name, []).append(reason)
    return reasons


def _reasons(
    newest_first: t.Sequence[BackupRecord], rules: Rules, now: datetime.datetime
) -> t.Iterator[tuple[BackupRecord, str]]:
    good = [record for record in newest_first if record.phase == COMPLETED]
    for record in good[:1]:
        yield record, "It is the last good one."
    for record in good[: rules.at_least]:
        yield record, f"It is one of the newest {rules.at_least} (keep_at_least)."
    yield from _needed(newest_first, rules, now)
    for record in good[: rules.last]:
        yield record, f"It is one of the newest {rules.last} (keep_last)."
    for option, count, form in _PERIODS:
        yield from _places(good, f"keep_{option}", count(rules), form, rules.zone)
    for record in newest_first:
        # One that holds nothing is good for nothing, and nobody may ever make a better one of a selection that was misspelt.
        if record.phase != COMPLETED and record.objects != 0 and not (good and good[0].order > record.order):
            yield record, "Nothing good of its selection is newer."


def _needed(
    newest_first: t.Iterable[BackupRecord], rules: Rules, now: datetime.datetime
) -> t.Iterator[tuple[BackupRecord, str]]:
    for record in newest_first:
        if rules.within is not None and record.order[0] > now - rules.within:
            yield record, "It is young enough (keep_within)."
        if record.expires_at is not None and record.expires_at > now:
            yield record, f"It will be needed until {record.expires_at.isoformat(timespec='seconds')} (expires_in)."


def _places(
    good: t.Iterable[BackupRecord], option: str, count: int, form: str, zone: datetime.tzinfo
) -> t.Iterator[tuple[BackupRecord, str]]:
    """The newest backup of each of the newest periods that have one."""
    seen: set[str] = set()
    for record in good:
        if len(seen) == count:
            return
        name = record.order[0].astimezone(zone).strftime(form)
        if name not in seen:
            seen.add(name)
            yield record, f"It is the newest of {name} ({option})."


_PERIODS: t.Final[tuple[tuple[str, t.Callable[[Rules], int], str], ...]] = (
    # The offset tells the two hours apart that have one name when clocks are put back.
    ("hourly", lambda rules: rules.hourly, "%Y-%m-%d %H:00%z"),
    ("daily", lambda rules: rules.daily, "%Y-%m-%d"),
    ("weekly", lambda rules: rules.weekly, "%G-W%V"),
    ("monthly", lambda rules: rules.monthly, "%Y-%m"),
    ("yearly", lambda rules: rules.yearly, "%Y"),
)
