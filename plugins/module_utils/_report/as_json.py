# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as JSON, and what tells two reports apart. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import Attempt, Report, Row

FORMAT: t.Final = "stowage-report/1"
_FIELDS: t.Final = tuple(field.name for field in dataclasses.fields(Attempt) if field.name != "at")
Tree = dict[str, t.Any]


def tree(report: Report, digest: str) -> Tree:
    """The report, JSON-able."""
    return {
        "format": FORMAT,
        "generated": report.generated.isoformat(timespec="seconds"),
        "digest": digest,
        **_content(report),
    }


def render(report: Report, digest: str) -> bytes:
    """``report.json``: ASCII, each cluster, run and location in a line of its own."""
    lines = ["{"]
    found = tree(report, digest)
    for number, (name, value) in enumerate(found.items()):
        comma = "," if number < len(found) - 1 else ""
        if isinstance(value, list) and value:
            parts = ",\n".join(f"  {_dump(part)}" for part in value)
            lines.append(f" {_dump(name)}: [\n{parts}\n ]{comma}")
        else:
            lines.append(f" {_dump(name)}: {_dump(value)}{comma}")
    return ("\n".join([*lines, "}"]) + "\n").encode("ascii")


def digest_of(report: Report) -> str:
    """A hash of all that the report says, but of the time when it was made."""
    return hashlib.sha256(_dump(_content(report)).encode("ascii")).hexdigest()


def _content(report: Report) -> Tree:
    return {
        "title": report.title,
        "version": report.version,
        "verdict": report.verdict,
        "counts": report.counts,
        "clusters": [describe_row(row) | {"history": [_attempt(one) for one in row.history]} for row in report.rows],
        "runs": [_plain(dataclasses.asdict(run)) | {"counts": dict(run.counts)} for run in report.runs],
        "locations": [
            _plain(dataclasses.asdict(one)) | {"findings": [{"finding": f, "fix": x} for f, x in one.findings]}
            for one in report.locations
        ],
        "notes": list(report.notes),
    }


def describe_row(row: Row) -> Tree:
    """A cluster of a workspace without its history, JSON-able."""
    fields = ("workspace", "cluster", "status", "location", "owner", "expected", "objective", "backups")
    times = ("deadline", "due", "next_due")
    return (
        {name: getattr(row, name) for name in fields}
        | {"reasons": list(row.reasons)}
        | {name: _time(getattr(row, name)) for name in times}
        | {"last_good": _attempt(row.good), "last_attempt": _attempt(row.tried)}
    )


def _attempt(attempt: Attempt | None) -> Tree | None:
    """Without what is empty: there are many."""
    if attempt is None:
        return None
    found = {name: getattr(attempt, name) for name in _FIELDS}
    kept = {name: value for name, value in found.items() if value not in (None, "") and (value or name == "kept")}
    return {"at": _time(attempt.at), **kept}


def _plain(fields: Tree) -> Tree:
    return {name: _time(value) if isinstance(value, datetime.datetime) else value for name, value in fields.items()}


def _time(value: datetime.datetime | None) -> str | None:
    return value.isoformat(timespec="seconds") if value else None


def _dump(value: t.Any) -> str:
    return json.dumps(value, separators=(",", ":"))
