# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the fate of backups is shown to a person."""

from __future__ import annotations

from typing import Any

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._retention_rows import rows


def fate(name: str, *reasons: str) -> dict[str, Any]:
    """One backup as the module returns it."""
    started = "2026-11-25T02:00:04+00:00"
    return {"name": name, "phase": "Completed", "started": started, "stays": bool(reasons), "reasons": list(reasons)}


def test_each_backup_has_its_reasons() -> None:
    backups = [fate("old"), fate("new", "It is the last good one.", "It is one of the newest 1 (keep_last).")]
    assert rows({"backups": backups, "total": 2}) == [
        "NAME  PHASE      STARTED           STAYS BECAUSE",
        "old   Completed  2026-11-25 02:00  (goes)",
        "new   Completed  2026-11-25 02:00  It is the last good one. It is one of the newest 1 (keep_last).",
    ]


def test_the_newest_are_shown_and_the_others_counted() -> None:
    lines = rows({"backups": [fate(f"b-{n}", "Why.") for n in range(60)], "total": 1060}, 2)
    assert [line.split()[0] for line in lines] == ["NAME", "b-58", "b-59", "..."]
    assert lines[-1] == "... and 1,058 more"
    assert rows({"backups": [], "total": 0}) == []


def test_what_a_bucket_says_does_not_reach_the_terminal_as_it_is() -> None:
    (_heads, line) = rows({"backups": [{**fate("b", "x" * 500), "phase": "\x1b[2J"}], "total": 1})
    assert line.isprintable()
    assert len(line) < 300
