# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines about what a permission set has for its own clusters only, beside archives. Private to the collection. Pure.

Each path of a policy is a guard of its own: one that forgets the cluster lets its holder read others' documents or write their
records, while their archives stay closed.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Trial
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.set_trials import (
    NOBODY,
    Tries,
    control_of,
    controls_of,
    refused,
    refused_elsewhere,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation, PermissionSet

# What lines are called, the operation, and a path; {cluster} becomes another cluster's name, {word} a random one.
ELSEWHERE: t.Final[tuple[tuple[str, Operation, str], ...]] = (
    ("other_cluster_document_read_refused", "read", "clusters/{cluster}/backups/{word}/velero-backup.json"),
    ("other_cluster_manifest_read_refused", "read", "clusters/{cluster}/backups/{word}/stowage-manifest.json"),
    ("other_cluster_metadata_read_refused", "read", "clusters/{cluster}/metadata/stowage/{word}"),
    ("other_cluster_metadata_create_refused", "create", "clusters/{cluster}/metadata/stowage/leases/{word}"),
    ("other_cluster_restore_read_refused", "read", "clusters/{cluster}/restores/{word}/stowage-restore.json"),
    ("other_cluster_restore_create_refused", "create", "clusters/{cluster}/restores/{word}/stowage-restore.json"),
    ("other_cluster_record_read_refused", "read", "workspaces/{word}/runs/{word}/{cluster}/{word}.json"),
    ("other_cluster_record_create_refused", "create", "workspaces/{word}/runs/{word}/{cluster}/{word}.json"),
)
_DOCUMENT: t.Final = "backups/{0}/velero-backup.json"
_OWN: t.Final[t.Mapping[PermissionSet, tuple[Operation, ...]]] = {
    "writer": ("delete",),
    "reader": ("create", "delete"),
    "pruner": ("create",),
    "auditor": ("create", "delete"),
    "coordinator": (),
}
"""What must not be done to the document by which a backup exists."""
# Beside the location's prefix: a random name where nothing is, and the whole bucket.
_OUTSIDE: t.Final[t.Mapping[Operation, str]] = {
    "create": f"{NOBODY}/{{0}}",
    "read": f"{NOBODY}/{{0}}",
    "delete": f"{NOBODY}/{{0}}",
    "list": "",
}


def path_of(path: str, cluster: str, word: str = "{0}") -> str:
    """A path of :data:`ELSEWHERE` for a cluster."""
    return path.replace("{cluster}", cluster).replace("{word}", word)


def elsewhere_of(name: PermissionSet) -> tuple[tuple[str, Operation, str], ...]:
    """What must be closed to whom. A coordinator reads all clusters' records."""
    return tuple(one for one in ELSEWHERE if name != "coordinator" or one[0] != "other_cluster_record_read_refused")


def closed(me: Tries, name: PermissionSet, folder: str, others: t.Sequence[str] = (NOBODY,)) -> list[Trial]:
    """The lines for one folder of a permission set.

    :param me: the caller who has it, at the location's prefix.
    :param others: clusters that must be closed to the caller.
    """
    control, controls = control_of(me, folder), controls_of(me, name, folder)
    trials = [
        refused(f"document_{operation}_refused", me, operation, folder + _DOCUMENT, controls.get(operation, control))
        for operation in _OWN[name]
    ]
    for other in others:
        trials += [
            refused_elsewhere(id_, me, operation, path_of(path, other), controls.get(operation, control))
            for id_, operation, path in elsewhere_of(name)
        ]
    return trials


def outside(me: Tries, everywhere: Tries, name: PermissionSet, folder: str) -> list[Trial]:
    """The lines about what is in the bucket beside a location that has a prefix.

    :param me: the caller who has the permission set, at the location's prefix.
    :param everywhere: the same at no prefix.
    :param folder: one of the set's, where the caller's controls are.
    """
    control, controls = control_of(me, folder), controls_of(me, name, folder)
    return [
        refused_elsewhere(
            f"outside_prefix_{operation}_refused", everywhere, operation, path, controls.get(operation, control)
        )
        for operation, path in _OUTSIDE.items()
    ]
