# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may do what in a location: the permission sets, whatever the provider. Private to the collection. Pure.

A *writer* makes the backups of its clusters, cannot read archives back, and deletes nothing. A *reader* restores. A *pruner*
deletes, and reads what it needs to decide. An *auditor* sees which backups and runs there are, and no content of a cluster. A
*coordinator* begins runs over workspaces and sums them up, for all clusters, and has nothing to do with their backups.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import layout

Operation = t.Literal["create", "read", "delete", "abort", "list_parts", "list", "list_uploads"]
"""``list`` is for what begins with the grant's path, ``list_uploads`` for the whole bucket: no store narrows it."""
PermissionSet = t.Literal["writer", "reader", "pruner", "auditor", "coordinator"]
PERMISSION_SETS: t.Final[tuple[PermissionSet, ...]] = ("writer", "reader", "pruner", "auditor", "coordinator")
RUNS: t.Final = "workspaces/"
"""The folder of all runs, which belong to no cluster."""

MOST_OTHERS: t.Final = 5

_UPLOAD: t.Final[frozenset[Operation]] = frozenset({"create", "abort", "list_parts"})
_READ: t.Final[frozenset[Operation]] = frozenset({"read"})


@dataclasses.dataclass(frozen=True, order=True)
class Grant:
    """Operations on all keys that fit a path.

    :param path: relative to the location's prefix; ``*`` stands for any characters, slashes too.
    """

    path: str
    operations: frozenset[Operation]


def grants(name: PermissionSet, clusters: t.Sequence[str], *, writes_restores: bool = False) -> tuple[Grant, ...]:
    """What a permission set allows for these clusters, sorted and without repetition.

    :param clusters: none for a coordinator.
    :param writes_restores: a reader may also keep its reports in the location, and leases.
    :raises StowageError: ``invalid_name`` for a cluster that is none.
    """
    if name == "coordinator":
        # Records are written by their clusters' own tasks alone, so only the list of clusters can be.
        begun = Grant(f"{RUNS}*/runs/*/expected.json", frozenset({"create"}))
        return (Grant(f"{RUNS}*", frozenset({"list", "read"})), begun)
    found: dict[str, frozenset[Operation]] = {}
    for cluster in clusters:
        for grant in _of_cluster(name, layout.validate_cluster(cluster), writes_restores):
            found[grant.path] = found.get(grant.path, frozenset()) | grant.operations
    return tuple(sorted((Grant(path, operations) for path, operations in found.items()), key=lambda one: one.path))


def folders(name: PermissionSet, clusters: t.Sequence[str]) -> tuple[str, ...]:
    """The folders that a permission set is about, with a slash at their ends, as the lines of a proof try them."""
    return (RUNS,) if name == "coordinator" else tuple(f"clusters/{one}/" for one in clusters)


def other_clusters(folders: t.Iterable[str], mine: t.Sequence[str]) -> tuple[str, ...]:
    """Clusters of a location that are not among ``mine``, to try what must be refused there: some of them, those first whose names
    begin as one of ours does, which a missing slash lets in.

    :param folders: what a listing of the bucket says, which anybody may have written.
    """
    found = {one for one in folders if one not in mine and layout.is_cluster(one)}
    return tuple(sorted(found, key=lambda one: (not one.startswith(tuple(mine)), one))[:MOST_OTHERS])


def _of_cluster(name: PermissionSet, cluster: str, writes_restores: bool) -> list[Grant]:
    folder = f"clusters/{cluster}"
    records = f"workspaces/*/runs/*/{cluster}/*"
    documents = [f"{folder}/backups/*/velero-backup.json", f"{folder}/backups/*/stowage-manifest.json"]
    ours = f"{folder}/metadata/stowage/*"
    listed = Grant(f"{folder}/*", frozenset({"list"}))
    seen = [listed, *(Grant(path, _READ) for path in documents)]
    if name == "auditor":
        return [*seen, Grant(records, _READ)]
    if name == "reader":
        kept = [Grant(f"{folder}/restores/*", _UPLOAD), Grant(f"{folder}/metadata/stowage/leases/*", _UPLOAD)]
        # Records say which backup of a cluster a run made.
        of_runs = Grant(records, frozenset({"list", "read"}))
        return [listed, Grant(f"{folder}/*", _READ), of_runs, *(kept if writes_restores else [])]
    seen += [Grant(ours, _READ), Grant(records, _READ)]
    if name == "pruner":
        # What ties a restore's report to its backup, with which it goes.
        seen.append(Grant(f"{folder}/restores/*/stowage-restore.json", _READ))
        return [*seen, Grant(f"{folder}/*", frozenset({"delete", "abort"})), Grant("", frozenset({"list_uploads"}))]
    # A store that is asked for an attempt that is not there refuses whoever may not list.
    listed_records = Grant(records, frozenset({"list"}))
    return [*seen, listed_records, *(Grant(path, _UPLOAD) for path in (f"{folder}/backups/*", ours, records))]
