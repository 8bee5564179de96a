# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run over a workspace leaves in a location, and what it comes down to. Private to the collection. Pure.

``workspaces/<workspace>/runs/<run>/expected.json`` names all clusters, and is created once, before any backup.
``<cluster>/<attempt>.json`` beside it says how one attempt of one cluster went; the last one counts. What is read may be
damaged or hostile: it is bounded, and what makes no sense is a failure of its cluster.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.names import check_run, check_workspace

COMPLETED: t.Final = "Completed"
PARTIALLY_FAILED: t.Final = "PartiallyFailed"
FAILED: t.Final = "Failed"
MISSING: t.Final = "Missing"
"""Expected, and without a record: its task never ran, or died."""
PHASES: t.Final = (COMPLETED, PARTIALLY_FAILED, FAILED)

EXPECTED_FORMAT: t.Final = "stowage-expected/1"
RECORD_FORMAT: t.Final = "stowage-record/1"
MAX_EXPECTED: t.Final = 4 << 20
MAX_RECORD: t.Final = 64 << 10
MOST_CLUSTERS: t.Final = 10_000
_EXPECTED: t.Final = "expected.json"
_ATTEMPT: t.Final = re.compile(r"([1-9][0-9]{0,5})\.json")
_LARGEST: t.Final = 1 << 62
_TEXTS: t.Final = {"backup": 253, "cluster_uid": 253, "location": 253, "error_code": 64, "reason": 1000, "host": 253}
_NUMBERS: t.Final = ("objects", "size", "warning_count", "error_count")


@dataclasses.dataclass(frozen=True)
class RunPaths:
    """Every key of one run. Construction checks both names (``invalid_name``)."""

    workspace: str
    run: str

    def __post_init__(self) -> None:
        check_workspace(self.workspace)
        check_run(self.run)

    @property
    def folder(self) -> str:
        return f"workspaces/{self.workspace}/runs/{self.run}/"

    @property
    def expected(self) -> str:
        return self.folder + _EXPECTED

    def records(self, cluster: str) -> str:
        """The folder of a cluster's records."""
        return f"{self.folder}{check_cluster(cluster)}/"

    def record(self, cluster: str, attempt: int) -> str:
        return f"{self.records(cluster)}{attempt}.json"


@dataclasses.dataclass(frozen=True)
class Expected:
    """The clusters of a run, sorted."""

    clusters: tuple[str, ...]
    started: datetime.datetime
    owner: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """How one attempt of one cluster went. Times are the store's.

    :param attempt: 0 for a cluster without a record.
    :param backup: its name; empty without one.
    :param made: whether the backup was made for this run; else it was fresh enough.
    """

    cluster: str
    phase: str
    attempt: int = 0
    written: datetime.datetime | None = None
    backup: str = ""
    made: bool = False
    cluster_uid: str = ""
    location: str = ""
    objects: int = 0
    size: int = 0
    seconds: float = 0.0
    warning_count: int = 0
    error_count: int = 0
    error_code: str = ""
    reason: str = ""
    host: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """As a module returns it."""
        return dataclasses.asdict(self) | {"written": self.written.isoformat() if self.written else None}

    def to_json(self, paths: RunPaths, mark: str) -> bytes:
        """:param mark: tells what was written by two tasks apart, whatever they say."""
        document = {"format": RECORD_FORMAT, "workspace": paths.workspace, "run": paths.run, "id": mark}
        return json.dumps(document | self.as_dict(), indent=2).encode() + b"\n"


@dataclasses.dataclass(frozen=True)
class Sum:
    """What a run comes down to.

    :param records: one for each expected cluster, in their order.
    :param unexpected: folders of clusters that nobody expected.
    :param bad: the clusters that count as failed.
    """

    phase: str
    records: tuple[Record, ...]
    unexpected: tuple[str, ...]
    bad: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        return {phase: sum(one.phase == phase for one in self.records) for phase in (*PHASES, MISSING)}


def check_cluster(cluster: str) -> str:
    """A cluster's name, which is also a folder beside ``expected.json``.

    :raises StowageError: ``invalid_name``.
    """
    if cluster == _EXPECTED:
        raise StowageError("invalid_name", f"{_EXPECTED} cannot be the name of a cluster in a workspace.")
    return layout.validate_cluster(cluster)


def check_clusters(clusters: t.Sequence[str]) -> tuple[str, ...]:
    """The clusters of a run, sorted.

    :raises StowageError: ``invalid_option`` when there is none, or one twice; ``invalid_name``.
    """
    found = tuple(sorted(check_cluster(str(cluster)) for cluster in clusters))
    if not found or len(found) > MOST_CLUSTERS:
        raise StowageError("invalid_option", f"A run is over at least one and at most {MOST_CLUSTERS} clusters.")
    twice = sorted({one for one, other in itertools.pairwise(found) if one == other})
    if twice:
        raise StowageError(
            "invalid_option",
            f"Two clusters of the run have the folder {twice[0]}.",
            "Give each a stowage_cluster_name of its own.",
        )
    return found


def write_expected(paths: RunPaths, expected: Expected) -> bytes:
    """``expected.json``."""
    document = {
        "format": EXPECTED_FORMAT,
        "workspace": paths.workspace,
        "run": paths.run,
        "started": expected.started.isoformat(),
        "owner": expected.owner,
        "clusters": list(expected.clusters),
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def read_expected(data: bytes, paths: RunPaths) -> Expected:
    """:raises StowageError: ``record_damaged``."""
    try:
        found = _document(data, EXPECTED_FORMAT, paths)
        clusters = found["clusters"]
        if not isinstance(clusters, list) or len(clusters) > MOST_CLUSTERS:
            raise ValueError("clusters")
        return Expected(check_clusters(clusters), _time(found["started"]), printable(str(found.get("owner", "")), 253))
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError, StowageError):
        raise StowageError(
            "record_damaged",
            f"{paths.expected} makes no sense.",
            "Find out who can write to the location, and begin another run.",
            details={"file": paths.expected},
        ) from None


def read_record(data: bytes, paths: RunPaths, cluster: str, attempt: int) -> Record:
    """A record; one that makes no sense is Failed, and says so."""
    try:
        found = _document(data, RECORD_FORMAT, paths)
        if found["cluster"] != cluster or found["attempt"] != attempt or found["phase"] not in PHASES:
            raise ValueError("another's")
        fields: dict[str, t.Any] = {
            name: printable(_of(str, found.get(name, "")), most) for name, most in _TEXTS.items()
        }
        fields |= {name: min(max(_of(int, found.get(name, 0)), 0), _LARGEST) for name in _NUMBERS}
        return Record(
            cluster=cluster,
            attempt=attempt,
            phase=str(found["phase"]),
            written=_time(found["written"]),
            made=found.get("made") is True,
            seconds=_seconds(found.get("seconds")),
            **fields,
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return damaged(cluster, attempt)


def damaged(cluster: str, attempt: int) -> Record:
    """What a record comes down to that makes no sense."""
    reason = f"Its record {attempt}.json makes no sense. Find out who can write to the location."
    return Record(cluster=cluster, attempt=attempt, phase=FAILED, error_code="record_damaged", reason=reason)


def attempts(keys: t.Iterable[str], paths: RunPaths) -> dict[str, int]:
    """The last attempt of each cluster that has any, by the keys in the run's folder."""
    found: dict[str, int] = {}
    for key in keys:
        cluster, slash, name = key[len(paths.folder) :].partition("/")
        match = _ATTEMPT.fullmatch(name)
        if slash and match and key.startswith(paths.folder):
            found[cluster] = max(found.get(cluster, 0), int(match[1]))
    return found


def sum_up(
    expected: Expected,
    records: t.Mapping[str, Record],
    *,
    allow_partial: bool = False,
    unexpected: t.Iterable[str] = (),
) -> Sum:
    """What a run comes down to.

    :param records: the last record of each cluster that has one.
    :param allow_partial: a cluster whose backup is PartiallyFailed does not count as failed.
    :param unexpected: clusters with records that are not expected.
    """
    missing = "It has no record: its task did not run, or died."
    found = [records.get(one) or Record(cluster=one, phase=MISSING, reason=missing) for one in expected.clusters]
    found = _told_apart(found)
    good = {COMPLETED, PARTIALLY_FAILED}
    if all(one.phase == COMPLETED for one in found):
        phase = COMPLETED
    else:
        phase = PARTIALLY_FAILED if any(one.phase in good for one in found) else FAILED
    enough = good if allow_partial else {COMPLETED}
    bad = tuple(one.cluster for one in found if one.phase not in enough)
    return Sum(phase, tuple(found), tuple(sorted(set(unexpected) - set(expected.clusters))), bad)


def _told_apart(records: t.Sequence[Record]) -> list[Record]:
    """Two names for one cluster are two backups of it, and none of the other."""
    by_uid: dict[str, list[str]] = {}
    for one in records:
        if one.cluster_uid and one.phase != FAILED:
            by_uid.setdefault(one.cluster_uid, []).append(one.cluster)
    return [
        dataclasses.replace(
            one,
            phase=FAILED,
            error_code="invalid_option",
            reason=f"{' and '.join(by_uid[one.cluster_uid][:5])} are one cluster ({one.cluster_uid}).",
        )
        if one.phase != FAILED and len(by_uid.get(one.cluster_uid, ())) > 1
        else one
        for one in records
    ]


def _document(data: bytes, form: str, paths: RunPaths) -> dict[str, t.Any]:
    found = json.loads(data)
    if not isinstance(found, dict):
        raise TypeError("no object")
    if (found["format"], found["workspace"], found["run"]) != (form, paths.workspace, paths.run):
        raise ValueError("another's")
    return found


def _of(kind: type[t.Any], value: t.Any) -> t.Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(kind.__name__)
    return value


def _seconds(value: t.Any) -> float:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise TypeError("seconds")
    number = float(value or 0)
    return round(number, 3) if 0 <= number < _LARGEST else 0.0  # not a number either


def _time(text: t.Any) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(_of(str, text))
    if found.tzinfo is None or not 1970 <= found.year <= 9000:
        raise ValueError("no time to reckon with")
    return found.astimezone(datetime.UTC)
