# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters of a management cluster of the Cluster API. Private to the collection.

Only the clusters' metadata is asked for; the Secrets with their kubeconfigs are named, never read.
"""

from __future__ import annotations

import json
import re
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import kubeconfig as _kubeconfig
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import (
    ApiStatusError,
    Connection,
    PageTooLarge,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.referenced import checked_reference
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.contexts import (
    Place,
    one_file,
    read_kubeconfig,
)
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import Management

GROUP: t.Final = "cluster.x-k8s.io"
_METADATA: t.Final = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_PAGE: t.Final = 100
_MOST: t.Final = 100_000
_LARGEST_PAGE: t.Final = 64 << 20
_VERSION: t.Final = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")


class Asked(t.Protocol):
    """What is needed of a connection."""

    def get_json(self, path: str, query: t.Sequence[tuple[str, str]] = ()) -> t.Any:
        """GET, as Python objects."""

    def request(
        self, method: str, path: str, *, query: t.Sequence[tuple[str, str]], accept: str, max_bytes: int
    ) -> t.Any:
        """A request, with its answer."""


def find_clusters(origin: Management, place: Place) -> list[Cluster]:
    """The clusters that are chosen.

    :raises StowageError: the management cluster cannot be reached or asked.
    """
    file = one_file(origin.path, origin.variable, place)
    document = read_kubeconfig(file)
    context = _kubeconfig.current_context([document], origin.context or None)
    access: dict[str, t.Any] = {"stowage_cluster_auth": "capi"}
    if not origin.variable:
        access["stowage_kubeconfig"] = file.shown
    # By name even if it is the current one, for that is another when somebody else looks elsewhere.
    access["stowage_context"] = context
    try:
        _kubeconfig.check([document], context or None)
        connection = Connection.open(
            ClusterAccess(kubeconfig=document, context=context or None, commands=False), pool_size=1
        )
    except StowageError as error:
        raise StowageError(error.code, error.message.replace(file.path, file.shown), error.hint) from None
    try:
        return [_cluster(metadata, access) for metadata in list_metadata(connection, origin)]
    finally:
        connection.close()


def list_metadata(connection: Asked, origin: Management) -> list[dict[str, t.Any]]:
    """The metadata of the clusters that are chosen.

    :raises StowageError: see :func:`find_clusters`.
    """
    version = _version(connection)
    wanted = origin.namespaces
    # Where all are named, an account that may look into these is enough.
    named = sorted(wanted.exact) if not (wanted.globs or wanted.expressions) else []
    found: list[dict[str, t.Any]] = []
    for folder in [f"namespaces/{urllib.parse.quote(namespace, safe='')}/" for namespace in named] or [""]:
        for page in _pages(connection, f"/apis/{GROUP}/{version}/{folder}clusters", origin.selector):
            found += page
            if len(found) > _MOST:
                raise StowageError("cluster_api_error", f"The management cluster has more than {_MOST:,} clusters.")
    return [one for one in found if _chosen(str(one.get("namespace")), origin)]


def _chosen(namespace: str, origin: Management) -> bool:
    return origin.namespaces.fit(namespace) and not origin.excluded.fit(namespace)


def _version(connection: Asked) -> str:
    try:
        group = connection.get_json(f"/apis/{GROUP}")
    except ApiStatusError as error:
        if error.status != 404:
            raise
        group = None
    preferred = group.get("preferredVersion") if isinstance(group, dict) else None
    version = preferred.get("version") if isinstance(preferred, dict) else None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise StowageError(
            "cluster_api_error",
            "The cluster does not have the Cluster API.",
            "capi wants a kubeconfig, and a context, of the management cluster.",
        )
    return version


def _pages(connection: Asked, path: str, selector: str) -> t.Iterator[list[dict[str, t.Any]]]:
    query = [("limit", str(_PAGE))] + ([("labelSelector", selector)] if selector else [])
    token = ""
    for _page in range(_MOST):
        continued = [("continue", token)] if token else []
        try:
            answer = connection.request(
                "GET", path, query=[*query, *continued], accept=_METADATA, max_bytes=_LARGEST_PAGE
            )
            page = json.loads(answer.body)
            yield [dict(one["metadata"]) for one in page.get("items") or []]
            token = str(page["metadata"].get("continue") or "")
        except (PageTooLarge, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise StowageError(
                "cluster_api_error", "The management cluster's list of clusters is no such list."
            ) from None
        if not token:
            return
    raise StowageError("cluster_api_error", "The management cluster's list of clusters does not end.")


def _cluster(metadata: t.Mapping[str, t.Any], access: t.Mapping[str, t.Any]) -> Cluster:
    name, namespace = str(metadata.get("name")), str(metadata.get("namespace"))
    secret = checked_reference({"namespace": namespace, "name": f"{name}-kubeconfig"})
    labels = metadata.get("labels")
    variables = {
        **access,
        "stowage_kubeconfig_secret": {"namespace": secret.namespace, "name": secret.name, "key": secret.key},
        "stowage_capi_cluster": {"namespace": namespace, "name": name},
    }
    found = {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}
    return Cluster(name, (namespace,), variables, found)
