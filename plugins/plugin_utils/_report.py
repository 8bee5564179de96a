# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role report works from, and what it shows. Private to the collection. Pure.

Names in what it shows may be those that a bucket has.
"""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import definition, members, names
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.definition import Workspace
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._lines import clean

Tree = dict[str, t.Any]
Host = t.Sequence[t.Any]
"""A host's name, its cluster's folder, its location, and what is wrong with it (``stowage_error``)."""

_WORDS: t.Final = {
    "unknown": "unknown",
    "missing": "no backup",
    "late": "LATE",
    "failing": "failing",
    "due": "due",
    "paused": "paused",
    "unwatched": "no objective",
    "ok": "good",
}
_QUIET: t.Final = frozenset({"ok", "paused", "unwatched"})
_MOST: t.Final = 50
_GAP: t.Final = "  "


def report_workspaces(
    definitions: t.Any,
    groups: members.Groups,
    hosts: t.Iterable[Host] = (),
    chosen: str | t.Sequence[str] = names.ALL,
    default_location: str = "",
    *,
    left_out: t.Container[str] = (),
) -> list[Tree]:
    """See the documentation of the filter.

    :raises AnsibleFilterError: a definition makes no sense.
    """
    known = {str(host[0]): host for host in hosts}
    try:
        workspaces = definition.read_workspaces(definitions)
        meant = members.choose(workspaces, chosen) if workspaces else []
        found = [_workspace(one, groups, known, default_location) for one in meant]
    except StowageError as error:
        raise AnsibleFilterError(f"{error.code}: {error.message} {error.hint}".rstrip()) from None
    for one in found:
        one["clusters"] = [cluster for cluster in one["clusters"] if cluster["location"] not in left_out]
    return found


def _workspace(one: Workspace, groups: members.Groups, hosts: t.Mapping[str, Host], default: str) -> Tree:
    options = dict(one.schedule) if one.schedule else None
    if options is not None and one.jitter:
        options["jitter"] = one.jitter
    return {
        "name": one.name,
        "owner": one.owner,
        "location": one.location or default,
        "schedule": options,
        "expires_in": one.expires_in or None,
        "allow_partial": not one.failure.partial_backups,
        "clusters": [
            _cluster(host, hosts.get(host, (host,)), one.location, default)
            for host in members.members(one, groups, strict=False)
        ],
    }


def _cluster(name: str, host: Host, location: str, default: str) -> Tree:
    _name, folder, place, wrong = (*host, "", "", None)[:4] if len(host) < 4 else host[:4]
    problem = f"{wrong.get('error_code', '')}: {wrong.get('msg', '')}" if isinstance(wrong, t.Mapping) and wrong else ""
    return {
        "host": name,
        "cluster": str(folder or "") or name,
        "location": location or str(place or "") or default,
        "problem": problem,
    }


def report_table(report: t.Mapping[str, t.Any]) -> list[str]:
    """See the documentation of the filter."""
    counts = ", ".join(f"{count} {_WORDS.get(status, status)}" for status, count in report["counts"].items() if count)
    lines = [f"{report['clusters_count']} clusters of workspaces: {counts or 'none'}"]
    loud = [one for one in report["clusters"] if one["status"] not in _QUIET]
    cells: list[tuple[str, ...]] = [("STATUS", "WORKSPACE", "CLUSTER", "LAST GOOD", "WHY")] if loud else []
    cells += [_cells(one) for one in loud[:_MOST]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)] if cells else []
    lines += [_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    lines += [f"... and {len(loud) - _MOST} more"] if len(loud) > _MOST else []
    for one in report["locations"]:
        if one["problem"] or one["verdict"] in ("failed", "error"):
            lines.append(clean(f"location {one['name']}: {one['problem'] or 'not fit, see the report'}"))
    return lines + [clean(f"note: {note}") for note in report["notes"]]


def _cells(one: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    return (
        _WORDS.get(one["status"], clean(str(one["status"]), 20)),
        clean(str(one["workspace"] or "-"), 63),
        clean(str(one["cluster"]), 63),
        clean(str(one["last_good"] or "-")[:16].replace("T", " ")),
        clean(str(one["reason"])),
    )
