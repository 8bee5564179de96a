# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs, locations and notes in a report's page. Private to the collection. Pure."""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._report import charts, words
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.markup import Markup, tag
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    ClusterOutcome,
    LocationRow,
    Report,
    RunRow,
)

_BARS: t.Final = 40
_RUNS: t.Final = 10
_OUTCOMES: t.Final = 12
_MARKS: t.Final = (("g", 12, "completed"), ("w", 12, "partially failed"), ("b", 12, "failed"), ("m", 12, "no record"))
_NOTHING: t.Final = "-"


def run_cards(report: Report) -> Markup | None:
    """The section of runs: a card for each workspace that has any."""
    if not report.runs:
        return None
    cards = [_card(name, list(runs)) for name, runs in itertools.groupby(report.runs, key=lambda run: run.workspace)]
    return tag("section", tag("h2", "Runs", class_="head"), tag("div", cards, class_="grid"), charts.legend(_MARKS))


def _card(workspace: str, runs: t.Sequence[RunRow]) -> Markup:
    last, earlier = runs[0], runs[1 : _RUNS + 1]
    return tag(
        "div",
        tag("h3", workspace),
        charts.run_bars(list(reversed(runs[:_BARS]))),
        tag("p", "The last run:", class_="small quiet"),
        _run(last),
        tag("details", tag("summary", f"{words.many(len(earlier), 'run')} before it"), map(_run, earlier))
        if earlier
        else None,
        class_="card",
    )


def _phase(run: RunRow) -> Markup:
    kind = {"Completed": "good", "InProgress": "idle", "PartiallyFailed": "warn"}.get(run.phase, "bad")
    return tag("span", run.phase, class_=f"badge b-{kind}")


def _counted(run: RunRow) -> str:
    counts = ", ".join(f"{count} {phase}" for phase, count in run.counts.items() if count)
    return f" {counts}" if counts else ""


def _run(run: RunRow) -> Markup:
    began = words.instant(run.started) if run.started else "at an unknown time"
    took = f", {words.span(run.seconds)} to its last record" if run.seconds is not None else ""
    left = len(run.outcomes) - _OUTCOMES
    outcomes = [_outcome(one) for one in run.outcomes[:_OUTCOMES]]
    outcomes += [tag("li", f"and {left} more")] if left > 0 else []
    return tag(
        "div",
        tag("p", tag("strong", run.name), ", begun ", began, took, ": ", _phase(run), _counted(run), class_="small"),
        tag("p", run.reason, class_="small") if run.reason else None,
        tag("ul", outcomes, class_="list small") if outcomes else None,
        class_="run",
    )


def _outcome(one: ClusterOutcome) -> Markup:
    why = f"{one.code}: {one.reason}" if one.code and not one.reason.startswith(one.code) else one.reason
    return tag("li", tag("strong", one.cluster), f" {one.phase}", f": {why}" if why else None)


_VERDICTS: t.Final = {
    "passed": ("good", "Fit"),
    "warning": ("warn", "Fit, with warnings"),
    "failed": ("bad", "Not fit"),
    "error": ("bad", "Not looked at"),
    "": ("idle", "Not checked"),
}
_HEADS: t.Final = ("Location", "Checks", "Clusters", "Backups", "Size", "What was found")


def locations(report: Report) -> Markup | None:
    """The section of locations and their checks."""
    if not report.locations:
        return None
    heads = [tag("th", word, scope="col", role="columnheader") for word in _HEADS]
    table = tag(
        "table",
        tag("caption", "Locations, and what their checks found", class_="vh"),
        tag("thead", tag("tr", heads, role="row"), role="rowgroup"),
        tag("tbody", [_location(one) for one in report.locations], role="rowgroup"),
        class_="places",
        role="table",
    )
    return tag("section", tag("h2", "Locations", class_="head"), tag("div", table, class_="card"))


def _location(one: LocationRow) -> Markup:
    kind, word = _VERDICTS.get(one.verdict, _VERDICTS["error"])
    verdicts = [tag("span", word, class_=f"badge b-{kind}")]
    if one.problem:
        verdicts.append(tag("span", "Not read", class_="badge b-bad"))
    found = [tag("li", f"{finding} {fix}".rstrip()) for finding, fix in one.findings]
    said = [tag("p", one.problem) if one.problem else None, tag("ul", found, class_="list") if found else None]
    numbers = [_NOTHING] * 3 if one.problem else [f"{one.clusters:,}", f"{one.backups:,}", words.size(one.size)]
    cells = [tag("td", value, role="cell", data_label=head) for value, head in zip(numbers, _HEADS[2:5], strict=True)]
    return tag(
        "tr",
        tag("th", one.name, tag("div", one.address, class_="quiet small"), scope="row", role="rowheader"),
        tag("td", verdicts, role="cell"),
        cells,
        tag("td", said if any(said) else _NOTHING, role="cell", class_="small", data_label=_HEADS[5]),
        role="row",
    )


def notes(report: Report) -> Markup | None:
    """What should be known of the report."""
    if not report.notes:
        return None
    listed = tag("ul", [tag("li", note) for note in report.notes], class_="list")
    return tag(
        "section", tag("h2", "What this report does not see", class_="head"), tag("div", listed, class_="card note")
    )
