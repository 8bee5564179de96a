# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of retention as options say them, of ``backup_retention`` and of a workspace. Private to the collection. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import parse_duration, unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.retention import Rules
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.schedule import check_zone

_COUNTS: t.Final = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
OPTIONS: t.Final = ("keep_within", *(f"keep_{name}" for name in _COUNTS), "keep_at_least", "min_age", "time_zone")


def read_rules(options: t.Mapping[str, t.Any]) -> Rules:
    """What options say; those that are absent or ``None`` have the module's defaults.

    :raises StowageError: ``invalid_option``.
    """
    given = {name: value for name, value in options.items() if value is not None}
    least = {"keep_at_least": 1, **{f"keep_{name}": 0 for name in _COUNTS}}
    for name in least.keys() & given.keys():
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < least[name]:
            raise unfit(f"{name} must be at least {least[name]}.")
    counts = {name: given.get(f"keep_{name}", 0) for name in _COUNTS}
    if not given.get("keep_within") and not any(counts.values()):
        raise unfit("There is no rule: set keep_within, keep_last, keep_daily or another of them.")
    within = given.get("keep_within")
    return Rules(
        within=parse_duration("keep_within", str(within)) if within else None,
        at_least=given.get("keep_at_least", 1),
        min_age=parse_duration("min_age", str(given.get("min_age", "24h"))),
        zone=check_zone("time_zone", str(given.get("time_zone", "UTC"))),
        **counts,
    )
