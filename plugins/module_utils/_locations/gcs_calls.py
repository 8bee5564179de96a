# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to Google Cloud Storage, errors made ours. Private to the collection."""

from __future__ import annotations

import dataclasses
import json
import threading
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    CONNECT_SECONDS,
    READ_SECONDS,
    GcsSettings,
    TokenSource,
    read_bounded,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_errors import Refusal, classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries import Retries

ERROR_BYTES: t.Final = 64 << 10
DOCUMENT_BYTES: t.Final = 16 << 20
"""A page of a listing has 1,000 keys of at most 1,024 bytes, each written with at most six characters a byte."""
GRANTS: t.Final[dict[str, str]] = {
    "create": "storage.objects.create",
    "read": "storage.objects.get",
    "list": "storage.objects.list",
    "delete": "storage.objects.delete",
    "look": "storage.buckets.get",
}
SETUP_GRANTS: t.Final[dict[str, str]] = {
    "make": "storage.buckets.create",
    "change": "storage.buckets.update",
    "remove": "storage.buckets.delete",
}
"""What only setting up a bucket needs."""
REFUSED_GRANTS: t.Final[dict[str, str]] = {"mark": "storage.objects.update"}
"""What nobody needs, and is tried to see it refused."""
Doing = t.Literal["create", "read", "list", "delete", "mark", "look", "make", "change", "remove"]
"""What a request does; ``mark`` is to change what an object's resource says, the last four are about the bucket."""


@dataclasses.dataclass(frozen=True)
class Request:
    """One request. ``path`` is encoded, or a session's path and query; ``expected`` are the statuses that are no failure."""

    method: str
    path: str
    doing: Doing
    query: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: t.Any = dataclasses.field(default=None, repr=False)
    expected: tuple[int, ...] = (200, 201, 204, 206)
    of_bucket: bool = False
    """Nothing but the bucket can be missing."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """A whole answer: its headers in lower case, and its body."""

    status: int
    headers: t.Mapping[str, str]
    data: bytes = dataclasses.field(repr=False)

    def document(self) -> dict[str, t.Any] | None:
        """The JSON object that it is; ``None`` if it is none."""
        try:
            found = json.loads(self.data)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


class GcsCalls(Retries):
    """One bucket, request by request. Safe for several threads."""

    def __init__(
        self,
        session: t.Any,
        tokens: TokenSource,
        settings: GcsSettings,
        stopped: threading.Event,
        *,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        super().__init__(stopped)
        self._read_seconds = read_seconds
        self._session = session
        self.tokens = tokens
        self.settings = settings

    @property
    def address(self) -> str:
        """``gs://bucket/prefix``."""
        return f"gs://{self.settings.bucket}/{self.settings.prefix}".rstrip("/")

    def bucket_path(self, root: str = "/storage/v1") -> str:
        """The path of the bucket."""
        return f"{root}/b/{urllib.parse.quote(self.settings.bucket, safe='')}"

    def object_path(self, full_key: str) -> str:
        """The path of an object's resource."""
        return f"{self.objects_path()}/{urllib.parse.quote(full_key, safe='')}"

    def objects_path(self, root: str = "/storage/v1") -> str:
        """The path of the bucket's objects."""
        return f"{self.bucket_path(root)}/o"

    def once(self, request: Request, what: str) -> Answer:
        """Sends one request and returns its whole answer. :raises LocationError: if it failed."""
        response = self.stream(request, what)
        try:
            data = read_bounded(response, DOCUMENT_BYTES)
        except Exception as error:  # noqa: BLE001 - whatever requests raises becomes an error of ours
            raise LocationError(classify(error, what)) from None
        finally:
            response.close()
        return Answer(response.status_code, lower(response.headers), data)

    def call(self, request: Request, what: str, *, give_up: t.Callable[[], bool] | None = None) -> Answer:
        """Like :meth:`once`, but what may pass is tried again, with growing waits. For requests that may be carried out
        twice."""
        answer: Answer = self.retried(lambda: self.once(request, what), give_up)
        return answer

    def stream(self, request: Request, what: str) -> t.Any:
        """Sends one request and returns its answer, the body not yet read. A token that is refused is renewed once: a
        request with status 401 was not carried out."""
        authorization = self._authorization(request, what)
        response = self._send(request, what, authorization)
        if response.status_code == 401:
            response.close()
            self._renew(authorization, what)
            response = self._send(request, what, self._authorization(request, what))
        if response.status_code in request.expected:
            return response
        raise LocationError(self._refused(request, response, what))

    def _send(self, request: Request, what: str, authorization: t.Mapping[str, str]) -> t.Any:
        try:
            response = self._session.request(
                request.method,
                self._url(request),
                headers={**request.headers, **authorization},
                data=request.body,
                timeout=(CONNECT_SECONDS, self._read_seconds),
                allow_redirects=False,
                stream=True,
            )
        except Exception as error:  # noqa: BLE001 - whatever requests raises becomes an error of ours
            raise LocationError(classify(error, what)) from None
        self.note_answer(lower(response.headers))
        return response

    def _url(self, request: Request) -> str:
        query = urllib.parse.urlencode(request.query, quote_via=urllib.parse.quote, safe="")
        return self.settings.endpoint + request.path + (f"?{query}" if query else "")

    def _authorization(self, request: Request, what: str) -> dict[str, str]:
        try:
            return self.tokens.headers(request.method, self._url(request))
        except Exception as error:  # noqa: BLE001 - whatever google-auth raises becomes an error of ours
            raise LocationError(dataclasses.replace(classify(error, what), doubt="unsent")) from None

    def _renew(self, refused: t.Mapping[str, str], what: str) -> None:
        try:
            self.tokens.renew(refused)
        except Exception as error:  # noqa: BLE001 - whatever google-auth raises becomes an error of ours
            raise LocationError(dataclasses.replace(classify(error, what), doubt="unsent")) from None

    def _refused(self, request: Request, response: t.Any, what: str) -> Failure:
        try:
            body = read_bounded(response, ERROR_BYTES)
        except Exception:  # noqa: BLE001 - the status says enough
            body = b""
        finally:
            response.close()
        failure = classify(Refusal.of(response.status_code, body), what, of_bucket=request.of_bucket)
        if failure.code != "permission_denied" or failure.hint:
            return failure
        # The store named no permission.
        denied = (GRANTS | SETUP_GRANTS | REFUSED_GRANTS)[request.doing]
        hint = f"Grant a role with {denied} on the bucket (and look for deny policies and conditions)."
        return dataclasses.replace(failure, hint=hint, denied=denied, guessed=True)


def lower(headers: t.Mapping[str, str]) -> dict[str, str]:
    """Headers by their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}
