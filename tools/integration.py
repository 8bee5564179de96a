# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs `ansible-test integration` against the testbed. Runs in `.venv`, through which the testbed is imported."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools import sanity, tree
from tools.environments import Environment
from tools.paths import CACHE, run, say

if TYPE_CHECKING:
    from testbed import Testbed


# One for each target that restores, so that each finds the other cluster empty.
NAMESPACES = ("filesystem", "minio", "playbooks")


def _documents(namespace: str, canary: str) -> list[dict[str, Any]]:
    """What is in each namespace of the source. The canary must never be seen outside an archive."""
    inside = {"namespace": namespace}
    labels = {"app": "web"}
    container = {"name": "web", "image": "example.com/web:1"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", **inside},
            "data": {"colour": canary},
        },
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", **inside}, "stringData": {"key": canary}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", **inside},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
    ]


def bed() -> AbstractContextManager[Testbed]:
    """A new testbed, its messages among ours."""
    from testbed import Testbed

    return Testbed(say=say)


def variables(servers: Testbed) -> dict[str, Any]:
    """Starts two clusters and a MinIO; returns what the integration targets are told about them."""
    from testbed import accounts

    source, target = servers.clusters("source", "target")
    minio = servers.minio()
    for cluster in (source, target):
        accounts.ship(cluster)
    canary = secrets.token_hex(16)
    for namespace in NAMESPACES:
        for document in _documents(namespace, canary):
            source.api.create(document)
    return {
        "testbed_canary": canary,
        "testbed_source_kubeconfig": str(accounts.kubeconfig(source, "backup")),
        "testbed_target_kubeconfig": str(accounts.kubeconfig(target, "restore")),
        "testbed_minio_endpoint": minio.endpoint,
        "testbed_minio_bucket": minio.create_bucket("integration"),
        "testbed_minio_access_key": minio.access_key,
        "testbed_minio_secret_key": minio.secret_key,
        "testbed_minio_ca_cert": str(minio.ca_cert),
    }


def _write_private(path: Path, text: str) -> None:
    """Writes a file that only this user can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def run_targets(environment: Environment, known: dict[str, Any], arguments: Sequence[str] = ()) -> None:
    """Runs the targets with the environment's ansible-core on a copy of what git tracks; `known` are their variables."""
    sanity.prepare_home(environment)
    command = ["integration", "--color=no", "--local", f"--python={environment.python.minor}"]
    with tree.copy(f"integration-{environment.path.name.lstrip('.')}") as copied:
        # JSON is YAML too.
        _write_private(copied / "tests" / "integration" / "integration_config.yml", json.dumps(known))
        run(
            [environment.program("ansible-test"), *command, *arguments],
            cwd=copied,
            env={"HOME": str(sanity.HOME), "PATH": sanity.search_path(), "ANSIBLE_COLLECTIONS_PATH": ""},
        )


def run_integration(environment: Environment, arguments: Sequence[str]) -> None:
    """Starts the servers, runs the targets, ends the servers."""
    CACHE.mkdir(exist_ok=True)
    with bed() as servers:
        run_targets(environment, variables(servers), arguments)
