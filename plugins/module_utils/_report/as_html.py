# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as one page of HTML that needs nothing else. Private to the collection. Pure.

Everything in it can be read without its script. Its policy lets a browser run the script and use the style that are named by their
hashes, and nothing else: no other script, style, image, frame, form or request.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._report import words
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.markup import (
    Markup,
    csp_hash,
    join,
    raw,
    script_json,
    tag,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    BAD,
    STATUSES,
    WARNING,
    WORDS,
    Report,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.page_parts import locations, notes, run_cards
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.page_rows import fleet
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.page_script import SCRIPT
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.page_style import STYLE

POLICY: t.Final = "; ".join(
    (
        "default-src 'none'",
        f"script-src {csp_hash(SCRIPT)}",
        f"style-src {csp_hash(STYLE)}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_FRESH: t.Final = 26 * 3600
"""Seconds after which the page says how old it is: one that is made daily, and some time for that."""


def render(report: Report, digest: str) -> bytes:
    """``report.html``."""
    facts = {"generated": report.generated.isoformat(timespec="seconds"), "fresh": _FRESH, "counts": report.counts}
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="stowage-digest", content=digest),
        tag("title", f"{_headline(report)} - {report.title}"),
        tag("link", rel="icon", href="data:,"),
        raw("style", STYLE),
    )
    body = tag(
        "body",
        tag("a", "Skip to the clusters", class_="skip", href="#clusters"),
        _top(report),
        tag(
            "main",
            _verdict(report),
            _tiles(report),
            fleet(report),
            run_cards(report),
            locations(report),
            notes(report),
            class_="wrap",
        ),
        tag(
            "footer",
            tag(
                "p",
                f"stowage.kubernetes {report.version}. All times are UTC. Content ",
                tag("code", digest[:16]),
                ".",
            ),
            class_="wrap",
        ),
        raw("script", script_json(facts), type="application/json", id="facts"),
        raw("script", SCRIPT),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n".encode("utf-8", "replace")


def _headline(report: Report) -> str:
    """What matters, in a few words."""
    bad = sum(row.status in BAD for row in report.rows)
    places = sum(one.bad for one in report.locations)
    parts = (
        [f"{bad} of {words.many(len(report.rows), 'cluster')} late, without a good backup, or unknown"] if bad else []
    )
    parts += [f"trouble with {words.many(places, 'location')}"] if places else []
    if parts:
        return "; ".join(parts)
    risky = sum(row.status in WARNING for row in report.rows)
    if risky:
        return f"{risky} of {words.many(len(report.rows), 'cluster')} failing or due, none late"
    if not report.rows:
        return "There are no clusters to report on"
    watched = sum(bool(row.objective) for row in report.rows)
    return (
        f"All {watched} watched clusters are backed up as they should be" if watched else "No cluster has an objective"
    )


def _verdict(report: Report) -> Markup:
    shapes = {"failed": "M16 3 31 29H1Z", "warning": "M16 2 30 16 16 30 2 16Z", "passed": "M16 2a14 14 0 1 0 .01 0Z"}
    signs = {"failed": "M16 12v8m0 3v2", "warning": "M16 9v9m0 3v2", "passed": "M9 16l5 5 9-10"}
    sign = tag(
        "svg",
        tag("path", d=shapes[report.verdict], fill="currentColor"),
        tag("path", d=signs[report.verdict], fill="none", stroke="var(--card)", stroke_width=3, stroke_linecap="round"),
        viewBox="0 0 32 32",
        width=32,
        height=32,
        aria_hidden="true",
    )
    counts = [f"{count} {WORDS[status].lower()}" for status, count in report.counts.items() if count]
    said = tag("div", tag("strong", f"{_headline(report)}."), tag("span", ", ".join(counts)))
    return join(
        [
            tag("p", class_="stale", id="stale", role="status", hidden=True),
            tag("div", sign, said, class_=f"verdict v-{report.verdict}"),
        ]
    )


def _top(report: Report) -> Markup:
    made = tag(
        "p",
        "Made ",
        tag("time", words.instant(report.generated), datetime=report.generated.isoformat(timespec="seconds")),
        class_="quiet",
    )
    choices = [
        tag("button", word, type="button", value=word.lower(), aria_pressed="false")
        for word in ("Auto", "Light", "Dark")
    ]
    theme = tag("div", choices, class_="theme", id="theme", role="group", aria_label="Colours", hidden=True)
    return tag("header", tag("div", tag("div", tag("h1", report.title), made), theme, class_="wrap"), class_="top")


def _tiles(report: Report) -> Markup:
    tiles = [
        tag(
            "li",
            tag("b", f"{report.counts[status]:,}"),
            tag("span", WORDS[status]),
            class_=_tile(status, report.counts[status]),
        )
        for status in STATUSES
        if report.counts[status] or status in ("missing", "late", "failing", "ok")
    ]
    return tag("ul", tiles, class_="tiles", aria_label="Clusters by status")


def _tile(status: str, count: int) -> str:
    return f"tile s-{status}" if count else "tile none"
