# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The argument spec of ``backup``, but for its fragments. Private to the collection."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import ArgumentSpec

BACKUP: t.Final[ArgumentSpec] = {
    "cluster": {"type": "str", "required": True},
    "name": {"type": "str"},
    "name_prefix": {"type": "str"},
    "max_age": {"type": "str"},
    "schedule": {
        "type": "dict",
        "options": {
            "preset": {
                "type": "str",
                "choices": ["weekly", "every_two_weeks", "monthly", "every_two_months", "custom", "never"],
            },
            "cron": {"type": "str"},
            "time_zone": {"type": "str", "default": "UTC"},
            "anchor": {"type": "str"},
            "paused": {"type": "bool", "default": False},
        },
    },
    "namespace_patterns": {"type": "list", "elements": "str"},
    "namespace_selectors": {"type": "list", "elements": "str"},
    "labels": {"type": "dict"},
    "expires_in": {"type": "str"},
    "velero_expiration": {"type": "bool", "default": False},
    "ignored_api_groups": {"type": "list", "elements": "str"},
    "accept_new_identity": {"type": "bool", "default": False},
    "allow_partial": {"type": "bool", "default": False},
    "lease_wait": {"type": "str", "default": "10m"},
    "run": {
        "type": "dict",
        "options": {
            "workspace": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "location_name": {"type": "str"},
        },
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
