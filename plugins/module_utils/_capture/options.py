# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a capture is told. Private to the collection."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptureOptions:
    """What to capture, and as what.

    :param cluster: the cluster's folder in the location.
    :param name: the backup's name.
    :param ignored_api_groups: groups that hold no state: when they cannot be seen, that is a warning.
    :param velero_expiration: let Velero's garbage collection delete the backup when it expires.
    :param deadline: how long the capture may take; it stops by itself then, and others may take it for dead.
    """

    cluster: str
    name: str
    selection: Selection
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    expires_in: datetime.timedelta | None = None
    ignored_api_groups: frozenset[str] = frozenset()
    velero_expiration: bool = False
    deadline: datetime.timedelta = datetime.timedelta(hours=24)

    @property
    def fingerprint(self) -> str:
        """Backups that hold the same have the same."""
        return self.selection.fingerprint(self.ignored_api_groups)
