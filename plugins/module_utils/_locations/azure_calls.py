# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to Azure Blob Storage, errors made ours. Private to the collection."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import email.utils
import threading
import time
import typing as t
import uuid

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import AzureCredentials, Unsigned
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import AzureSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_errors import (
    classify,
    classify_answer,
    error_code,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_wire import (
    API_VERSION,
    path_of,
    query_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries import Retries
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import USER_AGENT

MOST_ANSWER_BYTES: t.Final = 32 << 20
"""Of an answer that is read whole, a page of a listing at most; a store that sends more is not one."""
_MOST_ERROR_BYTES: t.Final = 16 << 10
_SKEW: t.Final = datetime.timedelta(minutes=15)

# Method, and what is worked on -> the data action to allow when a request is denied.
_BLOBS: t.Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_ACTIONS: t.Final[t.Mapping[str, str]] = {
    "GET": f"{_BLOBS}/read",
    "HEAD": f"{_BLOBS}/read",
    "PUT": f"{_BLOBS}/write",
    "DELETE": f"{_BLOBS}/delete",
}
_SAS_LETTERS: t.Final[t.Mapping[str, str]] = {"GET": "r", "HEAD": "r", "PUT": "c or w", "DELETE": "d"}


class AzureBody:
    """The bytes of an answer, as they come."""

    def __init__(self, response: t.Any) -> None:
        self._response = response
        self._blocks: t.Iterator[bytes] = response.iter_raw()
        self._rest = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end, and when the connection ended before."""
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)

    def close(self) -> None:
        """Gives the connection back if all was read, and drops it otherwise."""
        self._rest = memoryview(b"")
        self._response.close()


@dataclasses.dataclass(frozen=True)
class Answer:
    """A good answer: status, headers (names in lower case), and the body unless it is streamed."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes
    stream: AzureBody | None = None


class AzureCalls(Retries):
    """One container of a storage account, request by request. Safe for several threads."""

    def __init__(
        self, transport: t.Any, settings: AzureSettings, credentials: AzureCredentials, stopped: threading.Event
    ) -> None:
        super().__init__(stopped)
        self._transport = transport
        self._credentials = credentials
        self.settings = settings

    @property
    def address(self) -> str:
        """``azure://account/container/prefix``."""
        settings = self.settings
        return f"azure://{settings.account}/{settings.container}/{settings.prefix}".rstrip("/")

    def once(
        self,
        method: str,
        what: str,
        key: str = "",
        *,
        parameters: t.Mapping[str, str] | None = None,
        headers: t.Mapping[str, str] | None = None,
        content: bytes | None = None,
        stream: bool = False,
        of_account: bool = False,
    ) -> Answer:
        """Sends one request.

        :param key: the blob's name in the container; empty for the container itself.
        :param of_account: it is about the account's Blob service, not the container.
        :param stream: leave the body to be read by the caller, who closes it.
        :raises LocationError: if it failed.
        """
        of_container = {} if key or of_account else {"restype": "container"}
        where = "/" if of_account else path_of(self.settings.container, key)
        unsigned = self._unsigned(method, where, {**of_container, **(parameters or {})}, headers or {}, content)
        request = self._request(unsigned, content)
        try:
            response = self._transport.send(request, stream=True)
        except Exception as error:  # noqa: BLE001 - whatever azure-core raises becomes an error of ours
            raise LocationError(classify(error, what)) from None
        answered = {str(name).lower(): str(value) for name, value in response.headers.items()}
        self.note_answer(answered)
        status = int(response.status_code)
        if not 200 <= status < 300:
            raise LocationError(self._refused(response, answered, method, key, what))
        if stream:
            return Answer(status, answered, b"", AzureBody(response))
        return Answer(status, answered, self._whole(response, method, what))

    def call(
        self, method: str, what: str, key: str = "", *, give_up: t.Callable[[], bool] | None = None, **more: t.Any
    ) -> Answer:
        """Like :meth:`once`, but what may pass is tried again, with growing waits. For requests that may be carried out
        twice."""
        answer: Answer = self.retried(lambda: self.once(method, what, key, **more), give_up)
        return answer

    def close(self) -> None:
        """Lets go of connections."""
        self._transport.close()
        self._credentials.close()

    def _unsigned(
        self,
        method: str,
        where: str,
        parameters: t.Mapping[str, str],
        headers: t.Mapping[str, str],
        content: bytes | None,
    ) -> Unsigned:
        every = {
            "x-ms-version": API_VERSION,
            "x-ms-date": email.utils.formatdate(usegmt=True),
            "x-ms-client-request-id": str(uuid.uuid4()),
            "User-Agent": USER_AGENT,
            "Accept-Encoding": "identity",
            **headers,
        }
        if method == "PUT":
            every["Content-Length"] = str(len(content or b""))
        return Unsigned(method, self.settings.account, self.settings.base_path + where, dict(parameters), every)

    def _request(self, unsigned: Unsigned, content: bytes | None) -> t.Any:
        from azure.core.rest import HttpRequest

        signed = self._credentials.sign(unsigned)
        query = "&".join(part for part in (query_of(unsigned.parameters), signed.query) if part)
        base = self.settings.base.removesuffix(self.settings.base_path)
        url = f"{base}{unsigned.path}?{query}" if query else f"{base}{unsigned.path}"
        return HttpRequest(unsigned.method, url, headers={**unsigned.headers, **signed.headers}, content=content)

    def _whole(self, response: t.Any, method: str, what: str) -> bytes:
        if method == "HEAD":
            response.close()
            return b""
        body, pieces, left = AzureBody(response), [], MOST_ANSWER_BYTES
        try:
            while piece := body.read(left + 1):
                pieces.append(piece)
                left -= len(piece)
                if left < 0:
                    raise LocationError(Failure("store_error", f"{what}: the answer is much too long.", ""))
        except LocationError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever azure-core raises becomes an error of ours
            raise LocationError(classify(error, what)) from None
        finally:
            body.close()
        return b"".join(pieces)

    def _refused(self, response: t.Any, headers: t.Mapping[str, str], method: str, key: str, what: str) -> Failure:
        """The failure that an error answer tells of, with what is known here besides."""
        text = ""
        body = AzureBody(response)
        if method != "HEAD":
            # An error whose text is cut short still has its code.
            with contextlib.suppress(Exception):
                text = body.read(_MOST_ERROR_BYTES).decode("utf-8", "replace")
        body.close()
        failure = classify_answer(error_code(headers, text), int(response.status_code), text, what)
        if failure.code == "key_not_found" and not key and failure.status == 404:
            failure = dataclasses.replace(failure, code="bucket_not_found")
        return self._explained(failure, method, key, what)

    def _explained(self, failure: Failure, method: str, key: str, what: str) -> Failure:
        """What the store does not tell, but its clock and our SAS do; and what to allow, where access is denied."""
        clock = self.now()
        if failure.code in {"credentials_invalid", "permission_denied"} and clock is not None:
            expires = self._credentials.expires
            if expires is not None and expires <= clock:
                return dataclasses.replace(
                    failure, code="credentials_expired", message=f"{what}: the SAS has expired.", hint="Make a new SAS."
                )
            local = datetime.datetime.fromtimestamp(time.time(), datetime.UTC)
            if failure.code == "credentials_invalid" and abs(local - clock) > _SKEW:
                hint = "Set this machine's clock (chrony, ntpd); Azure allows 15 minutes."
                message = f"{what}: the store's clock and this machine's differ too much."
                return dataclasses.replace(failure, code="clock_skew", message=message, hint=hint)
        if failure.code != "permission_denied" or failure.hint:
            return failure
        letter = _SAS_LETTERS.get(method, "r") if key else "l"
        account, container = self.settings.account, self.settings.container
        hint = (
            f"Allow {_ACTIONS.get(method, _BLOBS)} on container {container} of {account}"
            f" (in a SAS: {letter}). Owner or Contributor of the account is not enough: it takes a data role."
        )
        return dataclasses.replace(failure, hint=hint)
