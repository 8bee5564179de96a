# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``restore_info``: which restores a location knows of, and how they went. Private to the collection."""

from __future__ import annotations

import concurrent.futures
import datetime
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, delete, layout, limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.delete import RestoreFiles
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

Result = dict[str, t.Any]

_MOST: t.Final = 500
"""Restores in one result: AWX drops a result of more than 700,000 characters as a whole."""
_REQUESTS: t.Final = 16
_LARGEST: t.Final = 1 << 62
_PHASES: t.Final = frozenset({"Completed", "PartiallyFailed", "Failed"})
UNKNOWN: t.Final = "Unknown"


def describe_restores(task: Task) -> Result:
    """Run the module.

    :raises StowageError: ``invalid_name``, and location errors; never because of what a file holds.
    """
    cluster = task.params["cluster"]
    with reach_location(task) as location:
        clusters = [layout.validate_cluster(cluster)] if cluster else catalog.list_clusters(location)[0]
        found: list[Result] = []
        for each in clusters:
            task.progress.check()
            found += _of_cluster(location, each)
    wanted = [one for one in found if _fits(one, task.params)]
    wanted.sort(key=lambda one: (one["started"] or "", one["cluster"], one["name"]))
    if len(wanted) > _MOST:
        task.warn(f"Only the newest {_MOST} of {len(wanted)} restores are returned.")
    return {"total": len(wanted), "restores": wanted[-_MOST:]}


def _fits(one: Result, params: t.Mapping[str, t.Any]) -> bool:
    return all(not params[option] or one[option] == params[option] for option in ("backup", "workspace", "run"))


def _of_cluster(location: Location, cluster: str) -> list[Result]:
    with concurrent.futures.ThreadPoolExecutor(_REQUESTS, "restores") as pool:
        restores = delete.find_restores(location, cluster)
        return list(pool.map(lambda one: _describe(location, cluster, one), restores))


def _describe(location: Location, cluster: str, restore: RestoreFiles) -> Result:
    paths = layout.RestorePaths(cluster, restore.name)
    keys = {info.key for info in restore.files}
    record = _read(location, paths.record) if paths.record in keys else {}
    result = _read(location, paths.result) if paths.result in keys else {}
    return describe(cluster, restore.name, record, result)


def _read(location: Location, key: str) -> Result:
    """A small file, decoded; empty if it makes no sense or has just gone."""
    try:
        found = json.loads(location.read(key, limit=limits.MAX_RECORD))
    except (ValueError, RecursionError):
        return {}
    except StowageError as error:
        if error.code not in ("key_not_found", "archive_hostile"):
            raise
        return {}
    return found if isinstance(found, dict) else {}


def describe(cluster: str, name: str, record: Result, result: Result) -> Result:
    """What a record and a result come down to; values of a wrong type count as absent. Pure."""
    phase = _text(result, "phase")
    counts = result.get("counts")
    return {
        "name": name,
        "cluster": cluster,
        "backup": _text(record, "backup"),
        "phase": phase if phase in _PHASES else UNKNOWN,
        "started": _time(record, "started"),
        "completed": _time(result, "completed"),
        "seconds": float(_number(result.get("seconds"))),
        "counts": {printable(key, 64): int(_number(value)) for key, value in list(counts.items())[:20]}
        if isinstance(counts, dict)
        else {},
        "warning_count": int(_number(result.get("warnings"))),
        "error_count": int(_number(result.get("errors"))),
        "error_code": _text(result, "error_code"),
        "target_uid": _text(record, "target_uid"),
        "workspace": _text(record, "workspace"),
        "run": _text(record, "run"),
        "host": _text(record, "host"),
    }


def _text(document: Result, field: str) -> str:
    value = document.get(field)
    return printable(value, 253) if isinstance(value, str) else ""


def _number(value: t.Any) -> float:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _LARGEST
    return round(value, 3) if fits else 0


def _time(document: Result, field: str) -> str | None:
    try:
        found = datetime.datetime.fromisoformat(_text(document, field))
        return found.astimezone(datetime.UTC).isoformat() if found.tzinfo else None
    except (ValueError, OverflowError):
        return None
