# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of clusters in a report's page. Private to the collection. Pure."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._report import charts, words
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.markup import Markup, join, tag
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    BAD,
    STATUSES,
    WARNING,
    WORDS,
    Attempt,
    Report,
    Row,
)

_HEADS: t.Final = (
    ("Status", "number", "w1"),
    ("Cluster", "text", ""),
    ("Workspace", "text", ""),
    ("Last good backup", "number", ""),
    ("Good until", "number", ""),
    (f"Last {charts.DAYS} days", "", "w2"),
    ("Size", "number", "n"),
    ("Took", "number", "n"),
)
_NOTHING: t.Final = "-"
_ATTEMPTS: t.Final = 8
_MARKS: t.Final = (("g", 11, "completed"), ("w", 15, "partially failed"), ("b", 20, "failed, or no record"))


def fleet(report: Report) -> Markup:
    """The section: filters, and one row for each cluster of each workspace."""
    rows = [_item(row, report.generated) for row in report.rows]
    heads = [
        tag("th", word, scope="col", role="columnheader", class_=kind or None, data_kind=sort or None)
        for word, sort, kind in _HEADS
    ]
    table = tag(
        "table",
        tag("caption", "Clusters of workspaces, the worst first", class_="vh"),
        tag("thead", tag("tr", heads, role="row"), role="rowgroup"),
        rows,
        class_="fleet",
        id="fleet",
        role="table",
    )
    head = tag("div", tag("h2", "Clusters"), _tools(report), class_="head")
    if not rows:
        return tag("section", head, tag("p", "There is nothing to show.", class_="quiet"), id="clusters")
    return tag("section", head, tag("div", table, class_="card"), charts.legend(_MARKS), id="clusters")


def _tools(report: Report) -> Markup:
    there = sorted({row.workspace for row in report.rows})
    states = [("", "All"), ("attention", "Needs attention"), ("bad", "Bad")]
    states += [(status, WORDS[status]) for status in STATUSES if report.counts[status]]
    return tag(
        "div",
        tag("p", class_="quiet small", id="shown", role="status"),
        tag(
            "label",
            "Filter",
            tag(
                "input",
                type="search",
                id="words",
                placeholder="Cluster, location, reason …",
                aria_keyshortcuts="/",
                autocomplete="off",
            ),
        ),
        tag(
            "label", "Status", tag("select", [tag("option", word, value=value) for value, word in states], id="status")
        ),
        tag(
            "label",
            "Workspace",
            tag(
                "select",
                tag("option", "All", value=""),
                [tag("option", name or "(none)", value=f"={name}") for name in there],
                id="workspace",
            ),
        ),
        tag("label", "Sort by", tag("select", id="order"), class_="only-narrow"),
        class_="tools",
        id="tools",
        role="search",
        aria_label="Clusters",
        hidden=True,
    )


def badge(status: str) -> Markup:
    """A status, by colour, shape and word."""
    kind = "bad" if status in BAD else "warn" if status in WARNING else "good" if status == "ok" else "idle"
    return tag("span", WORDS[status], class_=f"badge b-{kind}")


def _item(row: Row, now: datetime.datetime) -> Markup:
    loud = row.status in BAD or row.status in WARNING
    said = " ".join(row.reasons)
    why = tag(
        "tr", tag("td", tag("p", said, class_="small"), colspan=len(_HEADS), role="cell"), class_="why", role="row"
    )
    return tag(
        "tbody",
        _main(row, now),
        why if loud and said else None,
        _more(row, "" if loud else said),
        class_=f"s-{row.status}",
        role="rowgroup",
        data_status=row.status,
        data_workspace=row.workspace,
        data_deadline=int(row.deadline.timestamp()) if row.deadline else None,
        data_search=" ".join((row.cluster, row.workspace, row.location, row.owner, said, WORDS[row.status])),
    )


def _main(row: Row, now: datetime.datetime) -> Markup:
    good = row.good
    size = words.size(good.size) if good and good.size is not None else _NOTHING
    took = words.span(good.seconds) if good and good.seconds is not None else _NOTHING
    name = tag("details", tag("summary", row.cluster))
    place = tag("div", row.location, class_="quiet small") if row.location else None
    return tag(
        "tr",
        _cell(0, badge(row.status), sort=STATUSES.index(row.status), label=""),
        tag("th", name, place, scope="row", role="rowheader", data_sort=row.cluster),
        _cell(2, row.workspace or _NOTHING, sort=row.workspace),
        _cell(3, _when(good.at, now) if good else "none", sort=int(good.at.timestamp()) if good else 0),
        _cell(
            4,
            _when(row.deadline, now) if row.deadline else _NOTHING,
            sort=int(row.deadline.timestamp()) if row.deadline else "",
        ),
        _cell(5, charts.strip(row.history, now), wide=True),
        _cell(6, size, sort=good.size if good and good.size is not None else ""),
        _cell(7, took, sort=round(good.seconds, 1) if good and good.seconds is not None else ""),
        class_="main",
        role="row",
    )


def _cell(
    column: int, *inside: t.Any, sort: str | float | None = None, label: str | None = None, wide: bool = False
) -> Markup:
    name, _kind, width = _HEADS[column]
    kinds = " ".join(filter(None, ("n" if width == "n" else "", "wide" if wide else "")))
    said = name if label is None else label
    return tag("td", *inside, role="cell", class_=kinds or None, data_label=said or None, data_sort=sort)


def _when(time: datetime.datetime, now: datetime.datetime) -> Markup:
    """How far an instant is away, and the instant itself."""
    ahead = time - now
    far = f"in {words.span(ahead)}" if ahead > datetime.timedelta() else f"{words.span(-ahead)} ago"
    return join(
        [
            tag("div", far),
            tag("time", words.instant(time), datetime=time.isoformat(timespec="seconds"), class_="quiet small"),
        ]
    )


def _more(row: Row, said: str) -> Markup:
    facts = [
        ("Note", said),
        ("Objective", row.objective or "none"),
        ("Next due", words.instant(row.next_due) if row.next_due else ""),
        ("Last good backup", row.good.backup if row.good else "none"),
        ("Backups in the location", f"{row.backups:,}"),
        ("Owner", row.owner),
    ]
    shown = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value]
    inside = [tag("dl", shown, class_="facts"), _figures(row), _history(row)]
    return tag("tr", tag("td", inside, colspan=len(_HEADS), role="cell"), class_="more", role="row")


def _figures(row: Row) -> Markup | None:
    good = [one for one in row.history if one.phase in ("Completed", "PartiallyFailed")]
    sizes = [(one.at, float(one.size)) for one in good if one.size is not None]
    times = [(one.at, one.seconds) for one in good if one.seconds is not None]
    drawn = [
        charts.line(sizes, "Size", lambda value: words.size(int(value))),
        charts.line(times, "Duration", words.span),
    ]
    return tag("div", drawn, class_="figures") if any(drawn) else None


def _history(row: Row) -> Markup | None:
    if not row.history:
        return None
    newest = row.history[: -_ATTEMPTS - 1 : -1]
    heads = ("Attempt", "Phase", "Backup", "Run", "Size", "Took", "Why")
    head = tag("tr", [tag("th", word, scope="col") for word in heads])
    caption = tag(
        "caption", f"The last {len(newest)} of {words.many(len(row.history), 'attempt')}", class_="small quiet"
    )
    body = tag("tbody", [_attempt(one) for one in newest])
    table = tag("table", caption, tag("thead", head), body, class_="inner")
    # What scrolls is reached by keys, and so has a name.
    return tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=f"Attempts of {row.cluster}")


def _attempt(one: Attempt) -> Markup:
    kept = None if one.kept or not one.backup else " (no longer there)"
    why = f"{one.code}: {one.reason}" if one.code and not one.reason.startswith(one.code) else one.reason
    return tag(
        "tr",
        tag("td", words.instant(one.at), class_="n"),
        tag("td", one.phase),
        tag("td", one.backup, kept),
        tag("td", one.run),
        tag("td", words.size(one.size) if one.size is not None else "", class_="n"),
        tag("td", words.span(one.seconds) if one.seconds is not None else "", class_="n"),
        tag("td", why),
    )
