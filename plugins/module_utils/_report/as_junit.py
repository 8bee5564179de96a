# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as JUnit's XML, which shows up where tests do. Private to the collection. Pure.

The form is the one that Jenkins, GitLab and Azure DevOps read: a suite for each workspace, a case for each of its clusters, and a suite
for locations.
"""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._report import words
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.markup import Markup, xml
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    BAD,
    FAILING,
    PAUSED,
    UNWATCHED,
    WORDS,
    LocationRow,
    Report,
    Row,
)

_FAILURES: t.Final = BAD | {FAILING}
_SKIPPED: t.Final = frozenset({PAUSED, UNWATCHED})
_NONE: t.Final = "(no workspace)"


def render(report: Report, digest: str) -> bytes:
    """``report.xml``."""
    stamp = report.generated.isoformat(timespec="seconds")
    rows = sorted(report.rows, key=lambda row: (row.workspace, row.cluster, row.location))
    suites = [
        _suite(workspace or _NONE, stamp, [_case(row) for row in members])
        for workspace, members in itertools.groupby(rows, key=lambda row: row.workspace)
    ]
    if report.locations:
        suites.append(_suite("(locations)", stamp, [_location_case(one) for one in report.locations]))
    whole = xml(
        "testsuites",
        [Markup("\n"), *suites],
        name=report.title,
        tests=sum(1 for _row in rows) + len(report.locations),
        failures=sum(row.status in _FAILURES for row in rows) + sum(one.bad for one in report.locations),
    )
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<!-- stowage-digest: {digest} -->\n'
    return f"{head}{whole}\n".encode()


def _suite(name: str, stamp: str, cases: t.Sequence[tuple[Markup, str]]) -> Markup:
    return xml(
        "testsuite",
        [Markup("\n"), *(Markup(f"{case}\n") for case, _verdict in cases)],
        name=name,
        tests=len(cases),
        failures=sum(verdict == "failure" for _case, verdict in cases),
        errors=0,
        skipped=sum(verdict == "skipped" for _case, verdict in cases),
        timestamp=stamp.partition("+")[0],
    )


def _case(row: Row) -> tuple[Markup, str]:
    verdict, inside = "passed", None
    said = " ".join(row.reasons)
    if row.status in _FAILURES:
        verdict = "failure"
        inside = xml("failure", _facts(row), type=row.status, message=f"{WORDS[row.status]}: {said}")
    elif row.status in _SKIPPED:
        verdict = "skipped"
        inside = xml("skipped", message=said or "Nothing says how old its last good backup may be.")
    seconds = row.good.seconds if row.good and row.good.seconds is not None else 0
    case = xml(
        "testcase",
        inside,
        classname=row.workspace or _NONE,
        name=row.cluster if row.expected else f"{row.cluster} ({row.location})",
        time=f"{seconds:.3f}",
    )
    return case, verdict


def _facts(row: Row) -> str:
    lines = [*row.reasons, f"Location: {row.location or 'none'}"]
    lines.append(f"Last good backup: {f'{row.good.backup}, {words.instant(row.good.at)}' if row.good else 'none'}")
    if row.objective:
        lines.append(f"Objective: {row.objective}")
    return "\n".join(lines)


def _location_case(one: LocationRow) -> tuple[Markup, str]:
    lines = [*([one.problem] if one.problem else []), *(f"{found} {fix}".rstrip() for found, fix in one.findings)]
    failure = xml("failure", "\n".join(lines), type="location", message=lines[0] if lines else one.verdict)
    case = xml("testcase", failure if one.bad else None, classname="(locations)", name=one.name, time="0.000")
    return case, "failure" if one.bad else "passed"
