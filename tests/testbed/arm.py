# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to Azure Resource Manager, for the server in `testbed.entra`: which handler answers which resource. The resources
themselves are in files of their own, each of which adds its routes.

What is the same for all of them is Microsoft's "Azure REST API reference" and "Common error codes for ARM": `api-version` must be
there, errors are `{"error": {"code", "message"}}`, names in paths are compared without case, and what a caller may not do is
refused with 403 `AuthorizationFailed` and the action in the message.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MANAGEMENT = "https://management.azure.com"


@dataclass
class ArmRequest:
    """A request: `path` without its query, names of headers in lower case, `claims` those of the caller's token."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]
    claims: dict[str, Any]


@dataclass
class ArmReply:
    """An answer."""

    status: int = 200
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)


class ArmRefused(Exception):  # noqa: N818 - an answer
    """An error answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.reply = ArmReply(status, {"error": {"code": code, "message": message}})


Handler = Callable[..., ArmReply]
"""Takes the request and the groups of its route's pattern."""


class Arm:
    """The registry. `denied` are actions that nobody may do; `seen` are method, path and api-version of each request."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.seen: list[tuple[str, str, str]] = []
        self._routes: list[tuple[re.Pattern[str], dict[str, Handler]]] = []
        self._lock = threading.Lock()

    def add(self, pattern: str, **handlers: Handler) -> None:
        """Has requests whose whole path fits answered by the handler of their method."""
        self._routes.append((re.compile(pattern, re.IGNORECASE), handlers))

    def answer(self, request: ArmRequest) -> ArmReply:
        """Answers one request at a time."""
        version = request.query.get("api-version", "")
        self.seen.append((request.method, request.path, version))
        try:
            if not version:
                raise ArmRefused(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
            for pattern, handlers in self._routes:
                match = pattern.fullmatch(request.path)
                if match and request.method in handlers:
                    with self._lock:
                        return handlers[request.method](request, *match.groups())
            raise ArmRefused(404, "InvalidResourceType", f"The resource type of '{request.path}' could not be found.")
        except ArmRefused as refused:
            return refused.reply

    def may(self, request: ArmRequest, action: str) -> None:
        """Refuses what the caller may not do."""
        if action in self.denied:
            who = f"The client '{request.claims.get('appid')}' with object id '{request.claims.get('oid')}'"
            what = f"does not have authorization to perform action '{action}' over scope '{request.path}'"
            raise ArmRefused(403, "AuthorizationFailed", f"{who} {what} or the scope is invalid.")
