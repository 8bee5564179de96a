# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts and groups of what sources know. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _label_selectors
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster, Outcome
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.names import fit_name, labels_in
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import Options, Source, Workspace

_SHOWN: t.Final = 3
_TELL_APART: t.Final = "Set hostname to an expression that tells them apart, such as stowage_source ~ '-' ~ stowage_context, or leave one of them out."

Naming = t.Callable[[Source, str, t.Mapping[str, t.Any]], str]
"""Gives the name of a cluster's host: its source, what it is called there, the host's variables."""


@dataclasses.dataclass(frozen=True)
class Host:
    """A host of the inventory."""

    name: str
    variables: dict[str, t.Any]
    groups: tuple[str, ...]


def build(options: Options, outcomes: t.Sequence[Outcome], naming: Naming) -> list[Host]:
    """All hosts: the clusters, and one for each source, or named cluster, of which none is known.

    :raises StowageError: two clusters would be one host, or a host would have the name of a group.
    """
    hosts: dict[str, Host] = {}
    errors: dict[str, list[StowageError]] = {}
    for outcome in outcomes:
        source = outcome.source
        errors[source.name] = [failure.error for failure in outcome.lost]
        for cluster in (*outcome.clusters, *outcome.known):
            try:
                host = _host(cluster, outcome, naming)
            except StowageError as error:
                errors[source.name].append(error)
                continue
            if host.name in hosts:
                raise _equal(host, hosts[host.name])
            hosts[host.name] = dataclasses.replace(host, groups=_groups(host, options.workspaces))
    every = tuple(workspace.group for workspace in options.workspaces)
    for name, found in errors.items():
        if found:
            # Nobody knows of which workspaces its clusters are, so it is missed in all of them.
            host = Host(_free(name, hosts), _error_variables(_summed(name, found), name), every)
            hosts[host.name] = host
    for host in _absent(options.workspaces, hosts):
        hosts[host.name] = host
    _check_groups(hosts, options.workspaces)
    return list(hosts.values())


def complaints(outcomes: t.Iterable[Outcome]) -> list[str]:
    """What could not be read, in sentences."""
    return [
        f"Source {outcome.source.name}: {failure.error.message} {failure.error.hint}".rstrip()
        for outcome in outcomes
        for failure in outcome.failures
    ]


def told_errors(hosts: t.Iterable[Host]) -> list[str]:
    """Why hosts stand for clusters that are not known, in sentences."""
    return [
        f"Host {host.name}: {host.variables['stowage_error']['msg']}"
        for host in hosts
        if "stowage_error" in host.variables
    ]


def empty_workspaces(workspaces: t.Iterable[Workspace], hosts: t.Iterable[Host]) -> list[str]:
    """Which workspaces have no members, in sentences."""
    used = {group for host in hosts for group in host.groups}
    return [f"Workspace {one.name} has no clusters." for one in workspaces if one.group not in used]


def _host(cluster: Cluster, outcome: Outcome, naming: Naming) -> Host:
    source = outcome.source
    labels = {**cluster.labels, **source.labels}
    variables = {**cluster.access, "stowage_source": source.name, "stowage_cluster_labels": labels}
    name = fit_name(naming(source, cluster.name, variables))
    if not name:
        raise unfit(
            f"No host can be named after the cluster {cluster.name[:80]!r}.",
            "Set hostname to an expression that gives a name.",
        )
    # The user's own labels count more than what a name says, and that more than what a cluster says of itself.
    labels = {**cluster.labels, **labels_in(name, source.label_patterns), **source.labels}
    variables["stowage_cluster_labels"] = labels
    if cluster in outcome.known:
        failure = next(one for one in outcome.failures if one.is_about(cluster))
        variables["stowage_source_error"] = failure.error.as_result()
    return Host(name, variables, ())


def _groups(host: Host, workspaces: t.Iterable[Workspace]) -> tuple[str, ...]:
    labels = host.variables["stowage_cluster_labels"]
    return tuple(
        one.group
        for one in workspaces
        if one.clusters.fit(host.name)
        and not one.excluded.fit(host.name)
        and (not one.selector or _label_selectors.matches(one.selector, labels))
    )


def _absent(workspaces: t.Iterable[Workspace], hosts: t.Mapping[str, Host]) -> list[Host]:
    """Hosts for clusters that a workspace names and no source has: a backup of the workspace must miss them."""
    missing: dict[str, list[str]] = {}
    for workspace in workspaces:
        for name in sorted(workspace.clusters.exact - hosts.keys()):
            missing.setdefault(name, []).append(workspace.group)
    return [
        Host(
            name,
            _error_variables(unfit(f"No source has the cluster {name}.", "A workspace names it in clusters."), ""),
            tuple(groups),
        )
        for name, groups in missing.items()
    ]


def _error_variables(error: StowageError, source: str) -> dict[str, t.Any]:
    return {"stowage_error": error.as_result(), "stowage_source": source, "stowage_cluster_labels": {}}


def _summed(source: str, errors: t.Sequence[StowageError]) -> StowageError:
    shown = " ".join(error.message for error in errors[:_SHOWN])
    more = f" There are {len(errors) - _SHOWN} more." if len(errors) > _SHOWN else ""
    first = errors[0]
    return StowageError(first.code, f"Clusters of the source {source} are not known. {shown}{more}", first.hint)


def _free(name: str, taken: t.Container[str]) -> str:
    while name in taken:
        name = f"{name}-source"
    return name


def _equal(one: Host, other: Host) -> StowageError:
    return unfit(f"{_told(other)} and {_told(one)} would both be the host {one.name}.", _TELL_APART)


_CLOUD_PLACES: t.Final = ("region", "project", "location", "subscription", "resource_group")


def _told(host: Host) -> str:
    """A cluster by what tells it apart."""
    found = host.variables
    capi = found.get("stowage_capi_cluster")
    cloud = found.get("stowage_eks") or found.get("stowage_gke") or found.get("stowage_aks")
    if capi:
        what = f"{capi['namespace']}/{capi['name']}"
    elif cloud:
        where = [cloud[name] for name in _CLOUD_PLACES if name in cloud]
        what = f"{cloud['name']} in {'/'.join(where)}"
    else:
        what = str(found.get("stowage_context") or host.name)
    file = f" in {found['stowage_kubeconfig']}" if "stowage_kubeconfig" in found else ""
    return f"{what[:120]!r}{file} (source {found['stowage_source']})"


def _check_groups(hosts: t.Mapping[str, Host], workspaces: t.Iterable[Workspace]) -> None:
    for workspace in workspaces:
        if workspace.group in hosts:
            host = hosts[workspace.group]
            raise unfit(f"{_told(host)} would have the name of the workspace's group {workspace.group}.", _TELL_APART)
