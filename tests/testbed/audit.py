# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log of a test cluster: who asked what, so that tests can count requests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request as the apiserver saw it. `verb` is Kubernetes' (get, list, watch, create, patch ...).

    `user` is empty where the credential was refused.
    """

    verb: str
    uri: str
    user: str
    agent: str
    status: int
    resource: str
    namespace: str
    name: str


class AuditLog:
    """Reads the log while the apiserver writes it. The control plane's own requests are not in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> int:
        """Where the log ends now, for `since`."""
        return self.path.stat().st_size if self.path.exists() else 0

    def since(self, mark: int = 0) -> list[Request]:
        """The requests answered after the mark, in order. A watch counts once, when it begins."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(mark)
            whole, _dummy, _dummy = file.read().rpartition(b"\n")
        seen: dict[str, Request] = {}
        for line in whole.splitlines():
            event = json.loads(line)
            seen.setdefault(event["auditID"], _request(event))
        return list(seen.values())


def _request(event: dict[str, Any]) -> Request:
    target = event.get("objectRef") or {}
    return Request(
        verb=event["verb"],
        uri=event["requestURI"],
        user=event["user"].get("username", ""),
        agent=event.get("userAgent", ""),
        status=(event.get("responseStatus") or {}).get("code", 0),
        resource=target.get("resource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
    )
