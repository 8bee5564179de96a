# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeconfigs with everything inside them, so that one file or dictionary is all that a client needs."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from testbed.paths import write_private
from testbed.pki import Pair


def document(
    name: str, server: str, authority: Path, user: dict[str, Any], namespace: str = "default"
) -> dict[str, Any]:
    """A kubeconfig with one cluster, one user and one context, all called `name`."""
    cluster = {"server": server, "certificate-authority-data": _inline(authority)}
    context = {"cluster": name, "user": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": context}],
        "current-context": name,
    }


def certificate_user(pair: Pair) -> dict[str, str]:
    """The user part for a client certificate."""
    return {"client-certificate-data": _inline(pair.certificate), "client-key-data": _inline(pair.key)}


def write(path: Path, kubeconfig: dict[str, Any]) -> Path:
    """Writes it with mode 0600. JSON is YAML too."""
    return write_private(path, json.dumps(kubeconfig, indent=2) + "\n")


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
