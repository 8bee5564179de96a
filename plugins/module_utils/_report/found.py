# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was read of a location for a report. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import datetime

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Expected, Record

Records = dict[str, Record]


@dataclasses.dataclass
class FoundCluster:
    """A cluster's folder.

    :param backups: the oldest first.
    :param why: of some backups that are PartiallyFailed, what is missing in them.
    """

    backups: list[BackupRecord] = dataclasses.field(default_factory=list)
    why: dict[str, str] = dataclasses.field(default_factory=dict)
    error: StowageError | None = None


@dataclasses.dataclass
class FoundRun:
    """A run: who is expected, and the last record of each cluster.

    :param expected: ``None`` if ``expected.json`` may not be read.
    """

    workspace: str
    name: str
    expected: Expected | None = None
    records: Records = dataclasses.field(default_factory=dict)
    unexpected: tuple[str, ...] = ()
    error: StowageError | None = None


@dataclasses.dataclass
class FoundLocation:
    """A location, or why it could not be read.

    :param now: the store's clock.
    """

    now: datetime.datetime
    address: str = ""
    clusters: dict[str, FoundCluster] = dataclasses.field(default_factory=dict)
    runs: list[FoundRun] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    error: StowageError | None = None
