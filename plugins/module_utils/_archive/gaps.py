# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a backup may lack. Private to the collection. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import COMPLETED
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import few

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.entries import Lost
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import Manifest
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
    from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind


def told_gap(
    record: BackupRecord, manifest: Manifest | None, wants: t.Callable[[Kind], bool] = lambda _kind: True
) -> str:
    """A sentence about what a backup may lack; empty when it lacks nothing that is wanted.

    :param manifest: ``None`` for Velero's backups, and when it is damaged: then it is not known what is lacking.
    :param wants: whether a kind matters. Of a group that could not be seen it is not known which kinds it has.
    """
    if record.phase == COMPLETED:
        return ""
    kinds = [kind.to_kind() for kind in manifest.kinds if not kind.complete] if manifest else []
    groups = [group.group or "core" for group in manifest.groups_failed if not group.stateless] if manifest else []
    lacks = [kind.resource for kind in kinds if wants(kind)] + groups
    if kinds and not lacks:
        return ""
    what = f", in {few(lacks)}" if lacks else ""
    return f"The backup {record.name} of {record.cluster} is {record.phase}: it may lack objects{what}."


def told_lost(lost: t.Sequence[Lost]) -> str:
    """A sentence about objects that are left out; empty when there are none."""
    if not lost:
        return ""
    kinds = few(sorted({one.kind for one in lost}))
    return (
        f"{len(lost)} objects with very long names are left out ({kinds}): "
        "without index and manifest it is not known where they belong."
    )
