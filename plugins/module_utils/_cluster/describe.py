# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``cluster_info``: which cluster it is. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.identity import cluster_identity, expect_uid
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_cluster
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task


def describe_cluster(task: Task) -> dict[str, t.Any]:
    """Run the module.

    :raises StowageError: the cluster cannot be asked, or is not the one that was expected.
    """
    with reach_cluster(task) as connection:
        identity = cluster_identity(connection)
    expect_uid(identity, task.params["expected_cluster_uid"])
    return {"uid": identity.uid, "version": identity.git_version}
