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
    first = _first(report["checks"])
    return {
        "verdict": "failed" if not report["fit"] else "warning" if counts["warning"] else "passed",
        "address": str(report["address"]) + (f" at {report['endpoint']}" if report["endpoint"] else ""),
        "provider": str(report["provider"]),
        "fit": bool(report["fit"]),
        "failed": int(counts["failed"]),
        "warnings": int(counts["warning"]),
        "unknown": int(counts["unknown"]),
        "finding": _cut(f"{first['id']}: {first['seen']}") if first else "",
        "fix": _cut(str(first["fix"])) if first else "",
        "error_code": str(first["error_code"]) if first else "",
    }


def _first(checks: t.Sequence[Tree]) -> Tree | None:
    """The first of the worst: failures, then permissions that remained unknown (they make a location unfit too), warnings."""
    unknown = [check for check in checks if check["verdict"] == "unknown" and check["layer"] == "permission"]
    of = {verdict: [check for check in checks if check["verdict"] == verdict] for verdict in ("failed", "warning")}
    return next(iter([*of["failed"], *unknown, *of["warning"]]), None)


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
        "finding": _cut(finding),
        "fix": _cut(fix),
        "error_code": code,
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
        lines += _indented(_finding(one), width) + _indented(one["fix"] and f"Fix: {one['fix']}", width)
    return lines


def _cells(one: Tree) -> tuple[str, ...]:
    counts = (str(one["failed"]), str(one["warnings"])) if one["verdict"] != "error" else (_NOTHING, _NOTHING)
    return (one["provider"] or _NOTHING, "yes" if one["fit"] else "NO", *counts, one["address"] or _NOTHING)


def _finding(one: Tree) -> str:
    """The finding, and how many more there are of its kind."""
    more = (one["failed"] or (one["warnings"] if one["fit"] else 0)) - 1
    return f"{one['finding']} (and {more} more)" if more > 0 else str(one["finding"])


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
