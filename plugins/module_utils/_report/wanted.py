# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module's options ask for, checked before anything is read. Private to the collection. Pure."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import parse_duration, unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import Member, Wanted, WantedWorkspace
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import schedule
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.names import check_workspace

_Document = t.Mapping[str, t.Any]
_LONGEST: t.Final = 253
_MOST_RUNS: t.Final = 1000


def read_wanted(params: _Document) -> Wanted:
    """What the options ask for.

    :raises StowageError: ``invalid_option``, ``invalid_name``.
    """
    if not 0 <= params["max_runs"] <= _MOST_RUNS:
        raise unfit(f"max_runs must be a number from 0 to {_MOST_RUNS}.")
    workspaces = tuple(_workspace(one) for one in params["workspaces"] or ())
    names = [one.name for one in workspaces]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise unfit(f"workspaces has {twice[0]} twice.")
    return Wanted(
        workspaces=workspaces,
        max_age=parse_duration("max_age", params["max_age"]) if params["max_age"] else None,
        grace=parse_duration("grace", params["grace"]),
        max_runs=params["max_runs"],
        title=printable(params["title"], 200),
        others=params["others"],
    )


def _workspace(given: _Document) -> WantedWorkspace:
    options = dict(given["schedule"] or {}) or None
    jitter = (options or {}).pop("jitter", None)
    return WantedWorkspace(
        name=check_workspace(given["name"]),
        members=tuple(_member(one) for one in given["clusters"] or ()),
        location=given["location"] or "",
        owner=printable(given["owner"] or "", _LONGEST),
        schedule=schedule.parse(options),
        paused=bool((options or {}).get("paused")),
        jitter=parse_duration("schedule.jitter", jitter) if jitter else datetime.timedelta(),
        expires_in=parse_duration("expires_in", given["expires_in"]) if given["expires_in"] else None,
        allow_partial=bool(given["allow_partial"]),
    )


def _member(given: _Document) -> Member:
    cluster = given["cluster"] or given["host"]
    problem = printable(given["problem"] or "", 1000)
    if not problem and not layout.is_cluster(cluster):
        problem = f"{printable(cluster, 80)} cannot be the name of a cluster's folder."
    return Member(
        host=printable(given["host"], _LONGEST),
        cluster=cluster if layout.is_cluster(cluster) else "",
        location=given["location"] or "",
        problem=problem,
    )
