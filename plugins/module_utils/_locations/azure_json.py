# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to services of Microsoft's that speak JSON and take tokens, errors made ours. Private to the collection."""

from __future__ import annotations

import abc
import dataclasses
import json
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import (
    AzureCredentials,
    Unsigned,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureBody
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries import Retries
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import USER_AGENT

_MOST_BYTES: t.Final = 8 << 20


@dataclasses.dataclass(frozen=True)
class JsonAnswer:
    """A good answer: its headers (names in lower case) and the JSON object in it, empty if it has none."""

    status: int
    headers: t.Mapping[str, str]
    document: dict[str, t.Any]


class JsonCalls(Retries, abc.ABC):
    """A service, request by request. Safe for several threads.

    :cvar check: where to look when what answers is something else.
    """

    check = ""

    def __init__(self, transport: t.Any, base: str, credentials: AzureCredentials, stopped: threading.Event) -> None:
        """:param base: its URL. :param credentials: whose tokens are for it."""
        super().__init__(stopped)
        self._transport = transport
        self._base = base
        self.credentials = credentials

    @abc.abstractmethod
    def refused(self, headers: t.Mapping[str, str], status: int, text: str, what: str, /) -> Failure:
        """What an error answer tells of. Pure."""

    def send(
        self,
        method: str,
        target: str,
        what: str,
        body: t.Mapping[str, t.Any] | None = None,
        more: t.Mapping[str, str] | None = None,
    ) -> JsonAnswer:
        """Sends one request.

        :param target: path and query, encoded.
        :param more: other headers.
        :raises LocationError: if it failed.
        """
        from azure.core.rest import HttpRequest

        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}
        headers |= {**(more or {}), **self.credentials.sign(Unsigned(method, "", target, {}, {})).headers}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        request = HttpRequest(method, self._base + target, headers=headers, content=content)
        try:
            response = self._transport.send(request, stream=True)
            answered = {str(name).lower(): str(value) for name, value in response.headers.items()}
            data = _read(response, what)
        except LocationError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever azure-core raises becomes an error of ours
            raise LocationError(classify(error, what)) from None
        self.note_answer(answered)
        status = int(response.status_code)
        if not 200 <= status < 300:
            raise LocationError(self.refused(answered, status, data.decode("utf-8", "replace"), what))
        return JsonAnswer(status, answered, self._document(data, what))

    def _document(self, data: bytes, what: str) -> dict[str, t.Any]:
        try:
            found = json.loads(data) if data.strip() else {}
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            return found
        message = f"{what}: what is answered is something else."
        raise LocationError(Failure("store_error", message, self.check, transient=True))

    def close(self) -> None:
        """Lets go of connections."""
        self._transport.close()
        self.credentials.close()


def _read(response: t.Any, what: str) -> bytes:
    body, pieces, left = AzureBody(response), [], _MOST_BYTES
    try:
        while piece := body.read(left + 1):
            pieces.append(piece)
            left -= len(piece)
            if left < 0:
                raise LocationError(Failure("store_error", f"{what}: the answer is much too long.", ""))
    finally:
        body.close()
    return b"".join(pieces)
