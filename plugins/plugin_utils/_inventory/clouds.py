# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters that a cloud runs: Amazon EKS, Google Kubernetes Engine, Azure Kubernetes Service. Private to the collection.

Only names and labels are asked for, part by part: region, project or subscription. Who asks is no variable of the hosts: tasks are
told by ``stowage_eks_auth``, ``stowage_gke_auth`` and ``stowage_aks_auth``.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._aks import GROUP, Aks
from ansible_collections.stowage.kubernetes.plugins.module_utils._aks import NAME as _AKS_NAME
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import kubeconfig as _kubeconfig
from ansible_collections.stowage.kubernetes.plugins.module_utils._eks import EksAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._gke import LOCATION, Gke
from ansible_collections.stowage.kubernetes.plugins.module_utils._gke import NAME as _GKE_NAME
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster, Failure
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import Cloud

_EKS_NAME: t.Final = re.compile(r"[0-9A-Za-z][-0-9A-Za-z_]{0,99}")
_PAGE: t.Final = 100
_MOST_PAGES: t.Final = 1000
_AKS_ID: t.Final = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/([^/]+)/providers/Microsoft\.ContainerService/managedClusters/([^/]+)",
    re.IGNORECASE,
)

Found = tuple[list[Cluster], list[Failure]]


class AsksEks(t.Protocol):
    """What is needed of EKS."""

    def ask(self, operation: str, **parameters: t.Any) -> dict[str, t.Any]:
        """One question, and its answer."""


class AsksGke(t.Protocol):
    """What is needed of GKE."""

    def clusters(self, project: str) -> dict[str, t.Any]:
        """All clusters of a project, as GKE gives them."""


class AsksAks(t.Protocol):
    """What is needed of AKS."""

    def clusters(self, subscription: str) -> t.Iterable[dict[str, t.Any]]:
        """All clusters of a subscription, as Azure gives them."""


def find_in_cloud(origin: Cloud, environ: t.Mapping[str, str]) -> Found:
    """The clusters that are chosen, and the parts of the cloud that could not be asked."""
    reached, auth = origin.reached, origin.auth
    if origin.kind == "eks":
        return find_in_parts(
            origin,
            "EKS in",
            lambda region: eks_in(region, EksAccess.of({"region": region, **reached}, auth, environ), reached),
        )
    if origin.kind == "gke":
        return find_in_parts(origin, "GKE in", lambda project: gke_in(project, Gke.of(reached, auth, environ), reached))
    return find_in_parts(origin, "AKS in", lambda one: aks_in(one.lower(), Aks.of(reached, auth, environ), reached))


def find_in_parts(origin: Cloud, what: str, ask: t.Callable[[str], Found]) -> Found:
    """As :func:`find_in_cloud`, of whatever ``ask`` gives for a part. A part that cannot be asked hides no other."""
    clusters: list[Cluster] = []
    failures: list[Failure] = []
    for part in origin.parts:
        try:
            found, failed = ask(part)
        except StowageError as error:
            told = f"{what} {part} cannot be asked. {error.message}"
            failures.append(Failure(part, StowageError(error.code, told, error.hint)))
            continue
        clusters += found
        failures += failed
    missing = sorted(origin.chosen.exact - {cluster.name for cluster in clusters})
    if missing and not failures:
        gone = _kubeconfig.invalid(f"There is no cluster {missing[0]!r} of {what} {', '.join(origin.parts)}.", "")
        failures.append(Failure(f"cluster {missing[0]}", gone))
    chosen = [one for one in clusters if origin.chosen.fit(one.name) and not origin.excluded.fit(one.name)]
    return chosen, failures


def eks_in(region: str, eks: AsksEks, reached: t.Mapping[str, str]) -> Found:
    """The clusters of a region, by their names.

    :raises StowageError: it cannot be asked, or gives what is no list of names.
    """
    names: list[str] = []
    more: dict[str, t.Any] = {}
    for _page in range(_MOST_PAGES):
        answer = eks.ask("list_clusters", maxResults=_PAGE, **more)
        page = answer.get("clusters")
        if not isinstance(page, list) or not all(isinstance(name, str) and _EKS_NAME.fullmatch(name) for name in page):
            raise _strange("EKS")
        names += page
        if not answer.get("nextToken"):
            return [_cluster("eks", (region,), {"name": name, "region": region}, reached) for name in names], []
        more = {"nextToken": answer["nextToken"]}
    raise StowageError("cluster_api_error", "EKS's list of clusters does not end.")


def gke_in(project: str, gke: AsksGke, reached: t.Mapping[str, str]) -> Found:
    """The clusters of a project, with their labels. Of zones that did not answer, clusters may be missing.

    :raises StowageError: it cannot be asked, or gives what is no list of clusters.
    """
    answer = gke.clusters(project)
    clusters: list[Cluster] = []
    for entry in _entries(answer.get("clusters") or [], "GKE"):
        name, location = str(entry.get("name")), str(entry.get("location"))
        if not _GKE_NAME.fullmatch(name) or not LOCATION.fullmatch(location):
            raise _strange("GKE")
        reference = {"name": name, "location": location, "project": project}
        parts = (project, f"{project}/{_region(location)}")
        clusters.append(_cluster("gke", parts, reference, reached, _labels(entry.get("resourceLabels"))))
    missing = answer.get("missingZones")
    regions = sorted({_region(str(zone)) for zone in missing}) if isinstance(missing, list) else []
    told = "Try again later."
    return clusters, [
        Failure(
            f"{project}/{one}",
            StowageError("cluster_api_error", f"GKE in {project} has no answer from {one[:60]}.", told),
        )
        for one in regions
    ]


def aks_in(subscription: str, aks: AsksAks, reached: t.Mapping[str, str]) -> Found:
    """The clusters of a subscription, with their tags as labels.

    :raises StowageError: it cannot be asked, or gives what is no list of clusters.
    """
    clusters: list[Cluster] = []
    for entry in aks.clusters(subscription):
        match = _AKS_ID.fullmatch(str(entry.get("id")))
        if not match or not GROUP.fullmatch(match[1]) or not _AKS_NAME.fullmatch(match[2]):
            raise _strange("AKS")
        reference = {"name": match[2], "resource_group": match[1], "subscription": subscription}
        clusters.append(_cluster("aks", (subscription,), reference, reached, _labels(entry.get("tags"))))
    return clusters, []


def _cluster(
    kind: str,
    parts: tuple[str, ...],
    reference: t.Mapping[str, str],
    reached: t.Mapping[str, str],
    labels: t.Mapping[str, str] | None = None,
) -> Cluster:
    access = {"stowage_cluster_auth": kind, f"stowage_{kind}": {**reference, **reached}}
    return Cluster(reference["name"], parts, access, labels or {})


def _region(location: str) -> str:
    """The region that a zone is in. A region's own cluster may be missing with a zone of it."""
    return re.sub(r"(?<=[0-9])-[a-z]\Z", "", location)


def _labels(value: object) -> dict[str, str]:
    return {str(key): str(part) for key, part in value.items()} if isinstance(value, dict) else {}


def _entries(value: object, who: str) -> list[dict[str, t.Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _strange(who)
    return value


def _strange(who: str) -> StowageError:
    return StowageError("cluster_api_error", f"What {who} gives is no list of clusters.")
