# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backups of a run go into which clusters, and how. Private to the collection. Pure."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._misspelt import meant
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import check_cluster

OPTIONS: t.Final[t.Mapping[str, t.Any]] = {
    "included_namespaces": None,
    "excluded_namespaces": None,
    "included_resources": None,
    "excluded_resources": None,
    "label_selector": None,
    "or_label_selectors": None,
    "include_cluster_resources": "auto",
    "existing_resource_policy": "none",
    "restore_volumes": "own",
    "preserve_node_ports": False,
    "allow_partial": False,
}
"""Options of ``restore`` that can differ for each cluster, with their defaults."""

_MAP: t.Final = "workspace_restore_map"
_OPTIONS: t.Final = "workspace_restore_options"
ALL: t.Final = "all"
_PATTERN: t.Final = frozenset("*?[")


def read_restores(
    mapping: t.Any,
    options: t.Any = None,
    hosts: t.Container[str] | None = None,
    *,
    same: bool = False,
    shared: bool = True,
) -> list[dict[str, t.Any]]:
    """For each cluster that was backed up, its ``source``, the host ``target`` that it goes into, and options of ``restore``.

    :param mapping: the folders of clusters that were backed up, and hosts.
    :param options: by source; those of ``all`` hold for every one that does not say otherwise.
    :param hosts: of the inventory; ``None`` if they are not to be checked.
    :param shared: whether one host may get backups of several clusters that no namespaces keep apart.
    :param same: whether the map is of a workspace's clusters and their own hosts, and nobody wrote it.
    :raises StowageError: ``invalid_option``, with the place in its message; ``invalid_name``.
    """
    if same and mapping == {}:
        raise _unfit(_MAP, "is same, and the workspace has no hosts in this inventory")
    if not isinstance(mapping, c.Mapping) or not mapping:
        raise _unfit(_MAP, "must be a dictionary of clusters that were backed up, and hosts")
    told = options if options is not None else {}
    if not isinstance(told, c.Mapping):
        raise _unfit(_OPTIONS, "must be a dictionary")
    for source in told:
        if source != ALL and source not in mapping:
            of = "the workspace" if same else _MAP
            hint = meant([str(source)], [str(one) for one in mapping])
            raise _unfit(f"{_OPTIONS}.{str(source)[:80]}", f"is about no cluster of {of}", hint)
    found = []
    for source, target in mapping.items():
        check_cluster(str(source))
        if not isinstance(target, str) or (hosts is not None and target not in hosts):
            raise _unfit(f"{_MAP}.{source}", f"names {str(target)[:80]!r}, which is no host of this inventory")
        found.append({"source": str(source), "target": target, **_options(told, source)})
    if not shared:
        _require_apart(found)
    return found


def _require_apart(found: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    """Each is planned before anything is restored, so the plan of the second does not see what the first will have made."""
    taken: dict[str, tuple[str, frozenset[str]]] = {}
    for one in found:
        before, theirs = taken.get(one["target"], ("", frozenset()))
        mine = frozenset(one["included_namespaces"] or ())
        apart = theirs and mine and not theirs & mine and not any(_PATTERN & {*name} for name in theirs | mine)
        if before and not apart:
            raise _unfit(
                _MAP,
                f"sends {before} and {one['source']} into {one['target']}, and no included_namespaces keep them apart",
                "What both have would be taken from the first alone, and the plan does not show that. Choose another host, or say in"
                f" {_OPTIONS} which included_namespaces come from each (no patterns), or allow it: workspace_restore_shared_targets=true.",
            )
        taken[one["target"]] = (before or one["source"], theirs | mine)


def _options(told: t.Mapping[t.Any, t.Any], source: str) -> dict[str, t.Any]:
    wanted = dict(OPTIONS)
    for name in (ALL, source):
        where = f"{_OPTIONS}.{name}"
        given = told.get(name)
        if given is None:
            continue
        if not isinstance(given, c.Mapping):
            raise _unfit(where, "must be a dictionary")
        if strangers := [key for key in given if key not in OPTIONS]:
            raise _unfit(
                where, f"has {str(strangers[0])[:80]!r}, which is not known", f"There are: {', '.join(OPTIONS)}."
            )
        wanted |= {name: value for name, value in given.items() if value is not None}
        try:
            Selection.from_params(wanted)
        except StowageError as error:
            raise StowageError("invalid_option", f"{where}: {error.message}", error.hint) from None
    return wanted


def _unfit(where: str, what: str, hint: str = "") -> StowageError:
    return StowageError("invalid_option", f"{where} {what}.", hint)
