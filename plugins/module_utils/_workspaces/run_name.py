# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run is called. Private to the collection. Pure.

A cluster's task never makes the name, so that all of them agree: it comes from outside of them all, or is made once before
any begins.
"""

from __future__ import annotations

import datetime
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import schedule
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.names import check_run

_TIME: t.Final = "%Y%m%dT%H%M%SZ"
_MADE: t.Final = re.compile(r"([0-9]{8}T[0-9]{6}Z)-[0-9a-f]{4}")


def run_name(
    *,
    given: str = "",
    workflow: str = "",
    job: str = "",
    begun: str = "",
    made: str = "",
    plan: t.Mapping[str, t.Any] | None = None,
    now: datetime.datetime,
) -> str:
    """The name of a workspace's run; empty if nothing says it.

    :param given: ``stowage_run``.
    :param workflow: ``awx_workflow_job_id``, which all slices of a job have in common.
    :param job: ``awx_job_id``.
    :param begun: the run that was begun, as far as anybody looked.
    :param made: what :func:`make_name` made before anything began.
    :param plan: the workspace's schedule, as ``backup`` takes it; ``None`` if it is to be made now, due or not.
    :param now: counts unless ``made`` says when all began.
    :raises StowageError: ``invalid_name``, ``invalid_option``.
    """
    for name in (given, workflow, job, begun):
        if name:
            return check_run(name)
    match = _MADE.fullmatch(made)
    if made and not match:
        raise StowageError("invalid_name", f"{made[:80]!r} was not made for a run.")
    if match:
        now = datetime.datetime.strptime(match[1], _TIME).replace(tzinfo=datetime.UTC)
    return next(iter(instant_names(plan, now)), made)


def instant_names(plan: t.Mapping[str, t.Any] | None, now: datetime.datetime) -> list[str]:
    """What runs of the last two scheduled instants are called, the newest first. One that was begun may be of the one before, if
    an instant has passed since.

    :param plan: see :func:`run_name`.
    :raises StowageError: ``invalid_option``.
    """
    planned = schedule.read(plan) if plan is not None else None
    newest = planned.latest(now) if planned else None
    before = planned.latest(newest - datetime.timedelta(seconds=1)) if planned and newest else None
    return [one.strftime(_TIME) for one in (newest, before) if one]


def make_name(now: datetime.datetime, random: str) -> str:
    """A name for what nothing else names.

    :param random: four hexadecimal digits.
    """
    return f"{now.astimezone(datetime.UTC).strftime(_TIME)}-{random}"
