# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Charts of a report as SVG in the page. Private to the collection. Pure.

What a colour says, a height says as well: marks of failures are the tallest.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._report import words
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.markup import Markup, tag
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import Attempt, RunRow

DAYS: t.Final = 30
_SLOTS: t.Final = 60
_STRIP: t.Final = (180, 20)
_HEIGHTS: t.Final = {"g": 11, "w": 15, "b": 20}
"""Good, partial, bad; the last is drawn over the others."""
_LINE: t.Final = (300, 72)
_RUNS: t.Final = (9, 44)
_SHADES: t.Final = (("Completed", "g"), ("PartiallyFailed", "w"), ("Failed", "b"), ("Missing", "m"))

Points = t.Sequence[tuple[datetime.datetime, float]]


def shade(phase: str) -> str:
    """The class of a phase's colour."""
    return {"Completed": "g", "PartiallyFailed": "w", "InProgress": "n", "New": "n"}.get(phase, "b")


def strip(attempts: t.Iterable[Attempt], now: datetime.datetime) -> Markup:
    """Marks for the attempts of the last thirty days, half a day a slot, the worst of each."""
    slot = datetime.timedelta(days=DAYS) / _SLOTS
    worst: dict[int, str] = {}
    counts = {"g": 0, "w": 0, "b": 0}
    for one in attempts:
        back, kind = int((now - one.at) / slot), shade(one.phase)
        if 0 <= back < _SLOTS and kind in counts:
            counts[kind] += 1
            worst[back] = max(kind, worst.get(back, ""), key=lambda each: _HEIGHTS.get(each, 0))
    width, height = _STRIP
    step = width / _SLOTS
    paths = []
    for kind, tall in _HEIGHTS.items():
        marks = [
            f"M{width - step * (back + 1):g} {height}v-{tall}h2v{tall}z" for back, each in worst.items() if each == kind
        ]
        if marks:
            paths.append(tag("path", class_=kind, d="".join(sorted(marks))))
    said = f"Last {DAYS} days: {counts['g']} completed, {counts['w']} partial, {counts['b']} failed"
    return _svg(width, height, said, [tag("path", class_="axis", d=f"M0 {height - 0.5}h{width}"), *paths], "strip")


def line(points: Points, what: str, show: t.Callable[[float], str]) -> Markup | None:
    """A line through values over time, from 0 up; ``None`` for fewer than two of them."""
    if len(points) < 2:
        return None
    width, height = _LINE
    first, last = points[0][0], points[-1][0]
    most = max(value for _at, value in points) or 1.0
    long = (last - first).total_seconds() or 1.0
    at = [
        f"{(time - first).total_seconds() / long * (width - 8) + 4:.0f},{height - 4 - value / most * (height - 10):.0f}"
        for time, value in points
    ]
    said = f"{what}: {show(points[0][1])} at first, {show(points[-1][1])} at last, {show(most)} at most"
    x, _comma, y = at[-1].partition(",")
    drawn = [
        tag("path", class_="axis", d=f"M0 {height - 0.5}h{width}"),
        tag("polyline", class_="line", points=" ".join(at)),
        tag("circle", class_="dot", cx=x, cy=y, r=3),
    ]
    return tag(
        "figure",
        tag("figcaption", f"{what}, at most {show(most)}"),
        _svg(width, height, said, drawn, "chart"),
        tag("p", tag("span", words.instant(first)[:10]), tag("span", words.instant(last)[:10]), class_="ends"),
    )


def run_bars(runs: t.Sequence[RunRow]) -> Markup:
    """A bar for each run, the oldest first: how many clusters ended how. The share that failed is on top."""
    step, height = _RUNS
    width = max(len(runs), 1) * step
    drawn = []
    for number, run in enumerate(runs):
        total = sum(run.counts.values())
        bars, floor = [], float(height)
        for phase, kind in _SHADES if total else ():
            part = run.counts.get(phase, 0) / total * height
            if part:
                part = max(part, 3.0)  # one of hundreds is seen, too
                floor -= part
                x = number * step
                bars.append(tag("path", class_=kind, d=f"M{x} {max(floor, 0):.1f}h{step - 2}v{part:.1f}h-{step - 2}z"))
        drawn.append(tag("g", tag("title", f"{run.name}: {run.phase}"), bars))
    failed = sum(run.failed for run in runs)
    return _svg(
        width, height, f"The last {words.many(len(runs), 'run')}, of which {failed} did not go well", drawn, "runs"
    )


def legend(marks: t.Iterable[tuple[str, int, str]]) -> Markup:
    """What marks mean.

    :param marks: class, height and meaning of each.
    """
    items = [
        tag(
            "li",
            tag("svg", tag("path", class_=kind, d=f"M0 20v-{tall}h6v{tall}z"), width=6, height=20, aria_hidden="true"),
            word,
        )
        for kind, tall, word in marks
    ]
    return tag("ul", items, class_="legend", aria_label="What the marks mean")


def _svg(width: float, height: float, said: str, drawn: t.Iterable[Markup], kind: str) -> Markup:
    box = f"0 0 {width:g} {height:g}"
    return tag(
        "svg", drawn, class_=kind, viewBox=box, width=f"{width:g}", height=f"{height:g}", role="img", aria_label=said
    )
