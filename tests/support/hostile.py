# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text that somebody who can write to a bucket, or name things in a cluster, would like to see shown, and reports full of it."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.assemble import assemble
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.found import (
    FoundCluster,
    FoundLocation,
    FoundRun,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    Member,
    Report,
    Wanted,
    WantedWorkspace,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Expected, Record
from support import report_fleets as fleets

TEXTS: t.Final = (
    "</script><img src=x onerror=\"document.title='owned'\">",
    "--></style></title></textarea><svg onload=\"document.title='owned'\">",
    "' onfocus='document.title=\"owned\"' autofocus='",
    "{{ lookup('pipe', 'id') }}",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\r\nsecond line\x00\x9b",
    "]]></failure><!ENTITY x SYSTEM 'file:///etc/passwd'>&x;",
    '"} 1\nstowage_backup_status{workspace="owned"} 1\n# \\',
    "\u2028\u2029\u202eevil\ufeff\ud800\ufffe",
    "x" * 1_000_000,
)


def report_full_of(text: str) -> Report:
    """A report in which every text that somebody else chose is this one."""
    now, then = fleets.NOW, fleets.NOW - fleets.DAY / 24
    backups = [_backup(text, phase, then - number * fleets.DAY) for number, phase in enumerate(_PHASES)]
    record = Record(
        cluster="prod-1", phase="Failed", attempt=1, written=now, backup=text, cluster_uid=text, location=text,
        error_code=text, reason=text, host=text,
    )  # fmt: skip
    wrong = StowageError("store_error", text, text)
    runs = [
        FoundRun("shop", "r1", Expected(("prod-1",), then, text), {"prod-1": record}, (text,)),
        FoundRun("shop", "r2", error=wrong),
    ]
    broken = FoundCluster(error=wrong)
    clusters = {"prod-1": FoundCluster(backups, {text: text}), "prod-2": broken, text: FoundCluster(backups)}
    members = (
        Member(host=text, cluster="prod-1", location="primary", problem=text),
        Member(host="prod-2", cluster="prod-2", location="primary"),
        Member(host=text, cluster="", location=text, problem=text),
    )
    wanted = Wanted(
        title=text,
        workspaces=(WantedWorkspace(name="shop", owner=text, location="primary", members=members),),
        max_age=datetime.timedelta(hours=26),
    )
    found = {
        "primary": FoundLocation(now, text, clusters, runs, [text]),
        text: FoundLocation(now, text, error=wrong),
    }
    check = {"verdict": "failed", "address": text, "provider": text, "findings": [{"finding": text, "fix": text}]}
    return assemble(wanted, found, {"primary": check, text: check}, now)


_PHASES: t.Final = ("Completed", "PartiallyFailed", "Failed", "Damaged", "Abandoned", "Odd")


def _backup(text: str, phase: str, at: datetime.datetime) -> BackupRecord:
    fields: dict[str, t.Any] = {
        "cluster_uid": text,
        "fingerprint": text,
        "filters": text,
        "format_version": text,
        "message": text,
    }
    return fleets.backup(
        "prod-1", "shop", at, text if phase == "Odd" else phase, name=text, labels=fleets.labels("shop", text), **fields
    )
