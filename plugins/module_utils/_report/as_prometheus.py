# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report in Prometheus' text format, for the textfile collector of node_exporter. Private to the collection. Pure.

Names follow Prometheus' conventions ("Metric and label naming"): a unit in the plural at the end, seconds and bytes, instants as
``_timestamp_seconds``. What is not known has no sample, rather than one that is 0.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    STATUSES,
    Attempt,
    Report,
    Row,
    RunRow,
)

Labels = t.Mapping[str, str]
Sample = tuple[Labels, float]
_ESCAPES: t.Final = {ord("\\"): "\\\\", ord('"'): '\\"', ord("\n"): "\\n"}


def render(report: Report, digest: str) -> bytes:
    """``report.prom``."""
    lines = [f"# stowage-digest: {digest}"]
    for name, described, samples in _metrics(report):
        lines += [f"# HELP {name} {described}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _metrics(report: Report) -> t.Iterator[tuple[str, str, list[Sample]]]:
    yield (
        "stowage_report_generated_timestamp_seconds",
        "When the report was made.",
        [({}, report.generated.timestamp())],
    )
    for name, described, value in _OF_ROWS:
        yield name, described, _each(report.rows, value)
    yield (
        "stowage_backup_status",
        "1 for the status that a cluster of a workspace has, 0 for the others.",
        [
            (_of_row(row) | {"status": status}, float(row.status == status))
            for row in report.rows
            for status in STATUSES
        ],
    )
    latest = _latest(report.runs)
    yield (
        "stowage_run_started_timestamp_seconds",
        "When the last run of a workspace was begun.",
        [({"workspace": run.workspace}, run.started.timestamp()) for run in latest if run.started],
    )
    yield (
        "stowage_run_clusters",
        "Clusters of the last run of a workspace, by how it went for them.",
        [
            ({"workspace": run.workspace, "phase": phase}, count)
            for run in latest
            for phase, count in run.counts.items()
        ],
    )
    yield (
        "stowage_location_readable",
        "Whether a location could be read.",
        [({"location": one.name}, float(not one.problem)) for one in report.locations],
    )
    yield (
        "stowage_location_fit",
        "Whether no check of a location failed.",
        [
            ({"location": one.name}, float(one.verdict in ("passed", "warning")))
            for one in report.locations
            if one.verdict
        ],
    )
    yield (
        "stowage_location_backups_bytes",
        "Bytes of all backups in a location that say their size.",
        [({"location": one.name}, one.size) for one in report.locations if not one.problem],
    )


def _when(time: datetime.datetime | None) -> float | None:
    return time.timestamp() if time else None


def _good(value: t.Callable[[Attempt], float | None]) -> t.Callable[[Row], float | None]:
    return lambda row: value(row.good) if row.good else None


_OF_ROWS: t.Final[tuple[tuple[str, str, t.Callable[[Row], float | None]], ...]] = (
    (
        "stowage_backup_last_success_timestamp_seconds",
        "The instant that the last good backup shows.",
        _good(lambda good: good.at.timestamp()),
    ),
    ("stowage_backup_last_success_size_bytes", "Bytes of the last good backup.", _good(lambda good: good.size)),
    ("stowage_backup_last_success_objects", "Objects in the last good backup.", _good(lambda good: good.objects)),
    (
        "stowage_backup_last_success_duration_seconds",
        "How long the last good backup took.",
        _good(lambda good: good.seconds),
    ),
    (
        "stowage_backup_last_attempt_timestamp_seconds",
        "When the last attempt was made, whatever came of it.",
        lambda row: row.tried.at.timestamp() if row.tried else None,
    ),
    (
        "stowage_backup_last_attempt_success",
        "Whether the last attempt made a good backup.",
        lambda row: float(row.tried.phase == "Completed") if row.tried else None,
    ),
    (
        "stowage_backup_deadline_timestamp_seconds",
        "When the last good backup becomes too old, or did.",
        lambda row: _when(row.deadline),
    ),
    (
        "stowage_backup_next_due_timestamp_seconds",
        "The next scheduled instant.",
        lambda row: _when(row.next_due),
    ),
    ("stowage_backups", "Backups in the location.", lambda row: row.backups),
)


def _each(rows: t.Iterable[Row], value: t.Callable[[Row], float | None]) -> list[Sample]:
    found = ((_of_row(row), value(row)) for row in rows)
    return [(labels, number) for labels, number in found if number is not None]


def _of_row(row: Row) -> dict[str, str]:
    return {"workspace": row.workspace, "cluster": row.cluster, "location": row.location}


def _latest(runs: t.Iterable[RunRow]) -> list[RunRow]:
    """The newest run of each workspace."""
    found: dict[str, RunRow] = {}
    for run in runs:
        found.setdefault(run.workspace, run)
    return list(found.values())


def _labels(labels: Labels) -> str:
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 3))
