# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster in memory behind a socket: for programs, and for clusters that answer when a test says so."""

from __future__ import annotations

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from support.fake_cluster import FakeCluster
from support.fake_restores import WritableConnection
from support.scripted_api import Reply, Request, ScriptedApi, as_status


def served(cluster: FakeCluster) -> ScriptedApi:
    """An API server over HTTP on loopback, which takes writes too; use it with ``running()``."""

    def answer(request: Request) -> Reply:
        query = list(request.query.items())
        connection = WritableConnection(cluster, Progress())
        try:
            response = connection.request(request.method, request.path, query=query, body=request.body or None)
        except ApiStatusError as error:
            return as_status(error.status, error.reason, error.message)
        return Reply(response.body)

    return ScriptedApi(answer)
