# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections of the collection to clusters of the testbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from testbed import Cluster


def connect(to: Cluster | Path, **options: Any) -> Connection:
    """A connection as the cluster's administrator, or as who a kubeconfig names."""
    path = to.kubeconfig if isinstance(to, Cluster) else to
    return Connection.open(ClusterAccess.from_params({"kubeconfig": str(path), **options}, {}))


def config_map(namespace: str, name: str, **data: str) -> dict[str, Any]:
    """A small object."""
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def namespace(name: str) -> dict[str, Any]:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
