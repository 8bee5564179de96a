# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of one backup from its ``velero-backup.json`` alone. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

COMPLETED: t.Final = "Completed"
PARTIALLY_FAILED: t.Final = "PartiallyFailed"
IN_PROGRESS: t.Final = "InProgress"
ABANDONED: t.Final = "Abandoned"
"""Reserved, not committed, and past its deadline."""
INCOMPLETE: t.Final = "Incomplete"
"""Files without ``velero-backup.json`` and without a reservation of ours: perhaps Velero is writing."""
DAMAGED: t.Final = "Damaged"
"""``velero-backup.json`` makes no sense."""

_BEGINNING: t.Final = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class BackupRecord:
    """One backup. Times are UTC.

    :param phase: one of Velero's, or one of this module's.
    :param ours: made by this collection; else by Velero, which then has to delete it.
    :param fingerprint: backups of the same selection have the same; with the prefix ``velero:`` for Velero's.
    :param filters: its selection in short, in Velero's words; empty if it is everything.
    :param objects: how many it holds, ``None`` if not said.
    :param size: bytes of its files, ``None`` if not said.
    :param message: what is wrong or unusual, one sentence.
    """

    name: str
    cluster: str
    phase: str
    started: datetime.datetime | None = None
    completed: datetime.datetime | None = None
    ours: bool = False
    capture_id: str = ""
    manifest_sha256: str = ""
    cluster_uid: str = ""
    fingerprint: str = ""
    filters: str = ""
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    objects: int | None = None
    size: int | None = None
    warnings: int = 0
    errors: int = 0
    expires_at: datetime.datetime | None = None
    format_version: str = ""
    message: str = ""

    @property
    def order(self) -> tuple[datetime.datetime, str]:
        """Sorts records by the instant that they show."""
        return (self.started or self.completed or _BEGINNING, self.name)

    def as_dict(self) -> dict[str, t.Any]:
        """The record as a module returns it: JSON-able."""
        return {
            field.name: value.isoformat() if isinstance(value, datetime.datetime) else value
            for field in dataclasses.fields(self)
            if field.name != "manifest_sha256"
            for value in (getattr(self, field.name),)
        }
