# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What reports of ``backup_location_info`` come down to, and how that is shown. Private to the collection. Pure.

Only what the module wrote is taken over, which has no secrets in it. A message of Ansible's own, as when a variable could not be
evaluated, may quote a value: it is not repeated.
"""

from __future__ import annotations

import textwrap
import typing as t

_LONGEST: t.Final = 250
_WIDEST: t.Final = 24
_MOST: t.Final = 10
"""Findings of one location that are told."""

_GAP: t.Final = "  "
_NOTHING: t.Final = "-"

Tree = t.Mapping[str, t.Any]


def summarize(result: object) -> dict[str, t.Any]:
    """What a result of the module comes down to.

    :param result: what a task with the module registered, also one that failed.
    :returns: see the filter ``location_summary``.
    """
    if not isinstance(result, t.Mapping):
        raise TypeError("it takes a registered result of backup_location_info (of a loop: each of its results)")
    report = result.get("location")
    return _of_report(report) if isinstance(report, t.Mapping) else _of_failure(result)


def _of_report(report: Tree) -> dict[str, t.Any]:
    counts = report["counts"]
    worst = _worst(report["checks"])
    return {
        "verdict": "failed" if not report["fit"] else "warning" if counts["warning"] else "passed",
        "address": str(report["address"]) + (f" at {report['endpoint']}" if report["endpoint"] else ""),
        "provider": str(report["provider"]),
        "fit": bool(report["fit"]),
        "failed": int(counts["failed"]),
        "warnings": int(counts["warning"]),
        "unknown": int(counts["unknown"]),
        "findings": [
            _told(f"{check['id']}: {check['seen']}", str(check["fix"]), str(check["error_code"]))
            for check in worst[:_MOST]
        ],
        "more_findings": max(len(worst) - _MOST, 0),
    }


def _worst(checks: t.Sequence[Tree]) -> list[Tree]:
    """Failures, and permissions that remained unknown (they make a location unfit too); the warnings if there are none."""
    unknown = [check for check in checks if check["verdict"] == "unknown" and check["layer"] == "permission"]
    of = {verdict: [check for check in checks if check["verdict"] == verdict] for verdict in ("failed", "warning")}
    return [*of["failed"], *unknown] or of["warning"]


def _told(finding: str, fix: str, code: str) -> dict[str, str]:
    return {"finding": _cut(finding), "fix": _cut(fix), "error_code": code}


def _of_failure(result: Tree) -> dict[str, t.Any]:
    """Of a task that made no report."""
    code = str(result.get("error_code") or "")
    if code:
        fix = str(result.get("hint") or "")
        finding = f"{code}: {str(result.get('msg', '')).removesuffix(fix).rstrip()}"
    elif result.get("unreachable"):
        finding, fix = "The host could not be reached, so nothing was looked at.", "Check how Ansible connects to it."
    else:
        finding = "The task failed before it could look."
        fix = "What the task said above tells why; mostly a variable in the location is not defined."
    return {
        "verdict": "error",
        "address": "",
        "provider": "",
        "fit": False,
        "failed": 0,
        "warnings": 0,
        "unknown": 0,
        "findings": [_told(finding, fix, code)],
        "more_findings": 0,
    }


def table(locations: t.Mapping[str, Tree], clusters: t.Mapping[str, Tree] | None = None, width: int = 69) -> list[str]:
    """Lines that show summaries.

    :param locations: name -> summary.
    :param clusters: host -> summary, with ``location`` in it.
    :param width: characters that no line exceeds, as long as columns of 24 characters fit.
    """
    lines = _table(("LOCATION",), [((name,), one) for name, one in locations.items()], width) if locations else []
    if clusters:
        rows = [((host, str(one["location"])), one) for host, one in clusters.items()]
        lines += [*([""] if lines else []), *_table(("CLUSTER", "LOCATION"), rows, width)]
    return lines


def _table(names: tuple[str, ...], rows: t.Sequence[tuple[tuple[str, ...], Tree]], width: int) -> list[str]:
    heads = (*names, "PROVIDER", "FIT", "FAIL", "WARN", "ADDRESS")
    cells = [(*(_cut(name, _WIDEST) for name in key), *_cells(one)) for key, one in rows]
    widths = [max(map(len, column)) for column in zip(heads[:-1], *(line[:-1] for line in cells), strict=True)]
    lines = [_line(heads, widths)]
    for line, (_key, one) in zip(cells, rows, strict=True):
        lines += _fitting(line, widths, width)
        lines += [line for found in one["findings"] for line in _shown(found, width)]
        lines += _indented(f"And {one['more_findings']} more." if one["more_findings"] else "", width)
    return lines


def _cells(one: Tree) -> tuple[str, ...]:
    counts = (str(one["failed"]), str(one["warnings"])) if one["verdict"] != "error" else (_NOTHING, _NOTHING)
    return (one["provider"] or _NOTHING, "yes" if one["fit"] else "NO", *counts, one["address"] or _NOTHING)


def _shown(found: Tree, width: int) -> list[str]:
    return _indented(found["finding"], width) + _indented(found["fix"] and f"Fix: {found['fix']}", width)


def _line(cells: t.Sequence[str], widths: t.Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=True)]
    return _GAP.join([*padded, cells[-1]]).rstrip()


def _fitting(cells: t.Sequence[str], widths: t.Sequence[int], width: int) -> list[str]:
    """A row, its address in lines of its own where it is too long."""
    whole = _line(cells, widths)
    if len(whole) <= width:
        return [whole]
    return [_line([*cells[:-1], ""], widths), *_indented(cells[-1], width)]


def _indented(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=_GAP, subsequent_indent=_GAP * 2, break_on_hyphens=False)


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
