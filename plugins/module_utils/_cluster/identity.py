# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which cluster this is. Private to the collection.

A cluster is known by the uid of its namespace ``kube-system``: addresses and names are changed and used again.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError


@dataclasses.dataclass(frozen=True)
class ClusterIdentity:
    """A cluster and its version: ``git_version`` as in ``v1.35.4``, ``major`` and ``minor`` as the server says them."""

    uid: str
    git_version: str
    major: str
    minor: str


def cluster_identity(conn: Connection) -> ClusterIdentity:
    """Ask the cluster. Needs ``get`` on the namespace ``kube-system``.

    :raises StowageError: ``cluster_forbidden`` and the other codes of a request.
    """
    version = _mapping(conn.get_json("/version"))
    namespace = _mapping(conn.get_json("/api/v1/namespaces/kube-system"))
    uid = _mapping(namespace.get("metadata")).get("uid")
    if not isinstance(uid, str) or not uid:
        raise StowageError(
            "cluster_api_error", "The namespace kube-system has no uid.", "This may not be a Kubernetes API."
        )
    return ClusterIdentity(uid, *(str(version.get(name) or "") for name in ("gitVersion", "major", "minor")))


def expect_uid(identity: ClusterIdentity, expected: str | None) -> None:
    """Hold a cluster against ``expected_cluster_uid``; ``None`` and an empty text expect nothing.

    :raises StowageError: ``cluster_uid_mismatch``.
    """
    if expected and identity.uid != expected:
        raise StowageError(
            "cluster_uid_mismatch",
            f"The cluster is {identity.uid}, but {expected} was expected.",
            "Check kubeconfig, context and host. If the cluster was made anew, set expected_cluster_uid to its new uid.",
            details={"uid": identity.uid, "expected": expected},
        )


def _mapping(value: t.Any) -> t.Mapping[str, t.Any]:
    return value if isinstance(value, dict) else {}
