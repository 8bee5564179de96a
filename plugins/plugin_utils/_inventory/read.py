# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads all sources. Private to the collection."""

from __future__ import annotations

import concurrent.futures
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory import known
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.capi import find_clusters
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.clouds import find_in_cloud
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.contexts import Place, find_contexts
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster, Failure, Outcome
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import (
    Cloud,
    Contexts,
    Listed,
    Management,
    Source,
)

_AT_ONCE: t.Final = 8
"""Management clusters that do not answer are waited for together."""


def read_sources(
    sources: t.Sequence[Source],
    place: Place,
    kept: t.Mapping[str, known.Kept],
    fresh: t.Callable[[known.Kept], bool],
    now: float,
) -> list[tuple[Outcome, known.Kept]]:
    """What came of each source, and what to keep of it; those that were read a short while ago are not read again.

    :param kept: what is known of them, by name.
    :param fresh: whether that is enough.
    """

    def one(source: Source) -> tuple[Outcome, known.Kept]:
        before = kept.get(source.name)
        if before and fresh(before):
            return Outcome(source, before.clusters), before
        outcome = with_known(read_source(source, place), before.clusters if before else ())
        return outcome, known.after(outcome, now)

    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(one, sources))


def read_source(source: Source, place: Place) -> Outcome:
    """Read one source. Whatever goes wrong is in what is returned."""
    origin = source.origin
    try:
        if isinstance(origin, Contexts):
            clusters, failures = find_contexts(origin, place)
            return Outcome(source, tuple(clusters), tuple(failures))
        if isinstance(origin, Cloud):
            clusters, failures = find_in_cloud(origin, place.environ)
            return Outcome(source, tuple(clusters), tuple(failures))
        if isinstance(origin, Management):
            return Outcome(source, tuple(find_clusters(origin, place)))
        return Outcome(source, tuple(map(_listed, origin)))
    except StowageError as error:
        return Outcome(source, failures=(Failure(None, error),))


def with_known(outcome: Outcome, before: t.Iterable[Cluster]) -> Outcome:
    """The outcome, with the clusters that its failed parts had before."""
    there = {(one.name, one.parts) for one in outcome.clusters}
    known_ones = tuple(
        one
        for one in before
        if (one.name, one.parts) not in there and any(failure.is_about(one) for failure in outcome.failures)
    )
    return Outcome(outcome.source, outcome.clusters, outcome.failures, known_ones)


def _listed(one: Listed) -> Cluster:
    access: dict[str, t.Any] = {"stowage_cluster_auth": "capi" if one.secret else "kubeconfig"}
    if one.kubeconfig:
        access["stowage_kubeconfig"] = one.kubeconfig
    if one.context:
        access["stowage_context"] = one.context
    if one.secret:
        reference = {"namespace": one.secret.namespace, "name": one.secret.name, "key": one.secret.key}
        access["stowage_kubeconfig_secret"] = reference
    if one.uid:
        access["stowage_cluster_uid"] = one.uid
    return Cluster(one.name, (), access, one.labels)
