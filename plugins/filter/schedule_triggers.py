# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What fires a schedule."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._schedule import schedule_triggers

DOCUMENTATION = r"""
name: schedule_triggers
short_description: Say a schedule in the words of cron, systemd, Kubernetes and AWX
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes what fires a schedule from a definition, as the option O(stowage.kubernetes.backup#module:schedule) of
    M(stowage.kubernetes.backup) takes it.
  - A trigger may fire more often than a backup is due, since the module asks. Every two weeks is every week, and a time that
    clocks skip in the twelve years from O(start) fires an hour later as well.
options:
  _input:
    description: The definition.
    type: dict
    required: true
  start:
    description: The date from which on it fires.
    type: str
    required: true
  jitter:
    description: The longest that a trigger may wait. A duration such as V(30m).
    type: str
    default: ""
  cluster:
    description: The cluster, of which the wait is a hash.
    type: str
    default: ""
  workspace:
    description: The workspace, of which the wait is a hash too.
    type: str
    default: ""
  name:
    description: What the trigger is called.
    type: str
    default: stowage-backup
seealso:
  - module: stowage.kubernetes.backup
"""

EXAMPLES = r"""
- name: Show when systemd would run it
  ansible.builtin.debug:
    msg: "{{ ({'preset': 'weekly', 'time_zone': 'Europe/Berlin'} | stowage.kubernetes.schedule_triggers('2026-01-01')).calendars }}"
"""

RETURN = r"""
_value:
  description:
    - C(never), and unless that is true C(paused), C(time_zone), C(cron) (five fields), C(calendars) (values of C(OnCalendar) of a
      systemd timer), C(rrule) (of a schedule in AWX), C(jitter) (seconds to wait), and C(object_name) (the name as a CronJob can have it).
  type: dict
  sample:
    never: false
    paused: false
    time_zone: Europe/Berlin
    cron: 0 0 * * 0
    calendars: ["Sun *-*-* 0:0:00 Europe/Berlin"]
    rrule: DTSTART;TZID=Europe/Berlin:20260101T000000 RRULE:FREQ=DAILY;INTERVAL=1;BYDAY=SU;BYHOUR=0;BYMINUTE=0;BYSECOND=0
    jitter: 0
    object_name: stowage-backup
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        return {"schedule_triggers": schedule_triggers}
