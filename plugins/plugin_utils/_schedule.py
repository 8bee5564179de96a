# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What fires a schedule, in the words of each that can. Private to the collection. Pure."""

from __future__ import annotations

import datetime
import hashlib
import re
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import parse_duration
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import schedule, triggers

_LONGEST_NAME: t.Final = 52
"""Kubernetes adds eleven characters to it for a Job."""


def schedule_triggers(
    definition: t.Mapping[str, t.Any],
    start: str,
    jitter: str = "",
    cluster: str = "",
    workspace: str = "",
    *,
    name: str = "stowage-backup",
) -> dict[str, t.Any]:
    """See the documentation of the filter.

    :raises AnsibleFilterError: the definition makes no sense.
    """
    try:
        found = schedule.read(definition)
        longest = parse_duration("jitter", jitter) if jitter else datetime.timedelta(0)
        day = datetime.date.fromisoformat(start)
    except StowageError as error:
        raise AnsibleFilterError(f"{error.code}: {error.message} {error.hint}".rstrip()) from None
    except ValueError:
        raise AnsibleFilterError("invalid_option: start must be a date such as 2026-01-01.") from None
    if found is None:
        return {"never": True}
    often = triggers.with_gaps(found, day)
    return {
        "never": False,
        "paused": bool(definition.get("paused")),
        "time_zone": found.zone.key,
        "cron": triggers.cron(often),
        "calendars": triggers.calendars(often),
        "rrule": triggers.rrule(often, day),
        "jitter": int(schedule.jitter(longest, cluster, workspace).total_seconds()),
        "object_name": object_name(name),
    }


def object_name(name: str) -> str:
    """A name as a CronJob can have it. One that had to be changed is told from others by a hash."""
    fit = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
    if fit == name and len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{fit[: _LONGEST_NAME - len(digest) - 1].strip('-')}-{digest}".lstrip("-")
