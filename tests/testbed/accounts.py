# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service accounts that docs/rbac tells users to make: what is tested or measured as them has no more than they have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from testbed.cluster import Cluster
from testbed.paths import ROOT

RBAC = ROOT / "docs" / "rbac"
WHOLE_CLUSTER = ("service-accounts", "backup-reader", "restore-writer")
NAMESPACE = "stowage"
SECONDS = 7200.0


def ship(cluster: Cluster, names: Iterable[str] = WHOLE_CLUSTER) -> None:
    """Applies files of docs/rbac as a user would."""
    for name in names:
        document = yaml.safe_load((RBAC / f"{name}.yaml").read_text(encoding="utf-8"))
        for one in document["items"] if document["kind"] == "List" else [document]:
            cluster.api.apply(one, field_manager="testbed")


def kubeconfig(cluster: Cluster, account: str) -> Path:
    """Writes a kubeconfig (mode 0600) for `backup` or `restore`, which `ship` has made."""
    return cluster.kubeconfig_for_token(cluster.token_for(NAMESPACE, account, SECONDS), account)
