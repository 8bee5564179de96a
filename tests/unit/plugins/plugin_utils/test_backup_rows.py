# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How backups are shown to a person."""

from __future__ import annotations

import datetime
from typing import Any

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.describe import describe_record
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._backup_rows import rows

STARTED = datetime.datetime(2026, 11, 25, 2, 0, 4, tzinfo=datetime.UTC)


def found(name: str = "nightly", **values: Any) -> dict[str, Any]:
    """A backup as the module returns it."""
    return describe_record(BackupRecord(name, "prod-1", "Completed", started=STARTED, **values))


def test_backups_are_rows() -> None:
    assert rows([found(objects=1874, size=1380291), found("b", filters="includedNamespaces: shop")]) == [
        "NAME     CLUSTER  PHASE      STARTED           OBJECTS  SIZE     FILTERS",
        "nightly  prod-1   Completed  2026-11-25 02:00  1,874    1.3 MiB  none",
        "b        prod-1   Completed  2026-11-25 02:00  -        -        includedNamespaces: shop",
    ]


def test_none_are_no_table() -> None:
    assert rows([]) == []


def test_what_a_bucket_says_does_not_reach_the_terminal_as_it_is() -> None:
    (_heads, line) = rows([found(filters="\x1b[2J" + "x" * 100)])
    assert line.isprintable()
    assert line.endswith("...")
