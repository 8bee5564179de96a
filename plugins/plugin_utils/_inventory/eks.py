# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters of Amazon EKS. Private to the collection.

Only names are asked for, region by region. Who asks is no variable of the hosts: tasks are told by ``stowage_eks_auth``.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import kubeconfig as _kubeconfig
from ansible_collections.stowage.kubernetes.plugins.module_utils._eks import EksAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster, Failure
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import Regions

_NAME: t.Final = re.compile(r"[0-9A-Za-z][-0-9A-Za-z_]{0,99}")
_PAGE: t.Final = 100
_MOST_PAGES: t.Final = 1000


class Asked(t.Protocol):
    """What is needed of EKS."""

    def ask(self, operation: str, **parameters: t.Any) -> dict[str, t.Any]:
        """One question, and its answer."""


Opened = t.Callable[[t.Mapping[str, t.Any]], Asked]


def find_eks(origin: Regions, environ: t.Mapping[str, str]) -> tuple[list[Cluster], list[Failure]]:
    """The clusters that are chosen, and the regions that could not be asked."""
    return find_in_regions(origin, lambda eks: EksAccess.of(eks, origin.auth, environ))


def find_in_regions(origin: Regions, opened: Opened) -> tuple[list[Cluster], list[Failure]]:
    """As :func:`find_eks`, of whatever ``opened`` gives."""
    clusters: list[Cluster] = []
    failures: list[Failure] = []
    for region in origin.regions:
        there = {"region": region, **{name: value for name, value in origin.reached.items() if value}}
        try:
            names = cluster_names(opened(there))
        except StowageError as error:
            told = f"EKS in {region} cannot be asked. {error.message}"
            failures.append(Failure(region, StowageError(error.code, told, error.hint)))
            continue
        clusters += [
            Cluster(name, (region,), {"stowage_cluster_auth": "eks", "stowage_eks": {"name": name, **there}})
            for name in names
        ]
    missing = sorted(origin.chosen.exact - {cluster.name for cluster in clusters})
    if missing and not failures:
        gone = _kubeconfig.invalid(f"EKS has no cluster {missing[0]!r} in {', '.join(origin.regions)}.", "")
        failures.append(Failure(f"cluster {missing[0]}", gone))
    chosen = [one for one in clusters if origin.chosen.fit(one.name) and not origin.excluded.fit(one.name)]
    return chosen, failures


def cluster_names(eks: Asked) -> list[str]:
    """All clusters of a region.

    :raises StowageError: it cannot be asked, or gives what is no list of names.
    """
    names: list[str] = []
    more: dict[str, t.Any] = {}
    for _page in range(_MOST_PAGES):
        answer = eks.ask("list_clusters", maxResults=_PAGE, **more)
        page = answer.get("clusters")
        if not isinstance(page, list) or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in page):
            raise StowageError("cluster_api_error", "What EKS gives is no list of clusters.")
        names += page
        if not answer.get("nextToken"):
            return names
        more = {"nextToken": answer["nextToken"]}
    raise StowageError("cluster_api_error", "EKS's list of clusters does not end.")
