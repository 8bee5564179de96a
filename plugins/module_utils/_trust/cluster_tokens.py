# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens of service accounts, asked of the cluster itself. Private to the collection."""

from __future__ import annotations

import json
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.status import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.subjects import subject_of


class ClusterTokens:
    """Tokens of service accounts, as the cluster itself gives them to pods:
    https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/"""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def token(self, subject: str, audience: str) -> str:
        """A token of ``namespace/account`` that lives for ten minutes.

        :raises StowageError: there is no such account, or the caller may not ask.
        """
        namespace, _dummy, account = map(urllib.parse.quote, subject.partition("/"))
        body: dict[str, t.Any] = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": 600},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        answer = self._connection.request("POST", path, body=json.dumps(body).encode())
        token = (answer.json().get("status") or {}).get("token")
        if not token:
            raise StowageError("cluster_api_error", f"The cluster gave no token for {subject_of(subject)}.")
        return str(token)

    def namespaces_with(self, account: str) -> list[str]:
        """The namespaces that have a service account of this name; none if they may not be listed."""
        try:
            found = self._connection.get_json(
                "/api/v1/serviceaccounts", [("fieldSelector", f"metadata.name={account}")]
            )
        except ApiStatusError:
            return []
        return sorted(str(one["metadata"]["namespace"]) for one in found.get("items") or ())
