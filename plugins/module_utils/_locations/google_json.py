# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to Google's APIs that take and give JSON objects, errors made ours. Private to the collection."""

from __future__ import annotations

import dataclasses
import json
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import DOCUMENT_BYTES
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    CONNECT_SECONDS,
    READ_SECONDS,
    TokenSource,
    read_bounded,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_errors import Refusal, classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries import Retries

Tree = dict[str, t.Any]


class GoogleJson(Retries):
    """Google's APIs as one identity."""

    def __init__(self, session: t.Any, tokens: TokenSource, stopped: threading.Event) -> None:
        super().__init__(stopped)
        self._session = session
        self.tokens = tokens

    def once(self, method: str, url: str, what: str, body: Tree | None = None, *, of_bucket: bool = False) -> Tree:
        """Sends one request.

        :param what: what it is for, as errors say it.
        :param of_bucket: see :func:`~.gcs_errors.classify`.
        :raises LocationError: if it failed.
        """
        try:
            headers = self.tokens.headers(method, url)
        except Exception as error:  # noqa: BLE001 - whatever google-auth raises becomes an error of ours
            raise LocationError(dataclasses.replace(classify(error, what), doubt="unsent")) from None
        try:
            with self._session.request(
                method,
                url,
                headers={**headers, "Content-Type": "application/json"},
                data=None if body is None else json.dumps(body).encode(),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                status, data = response.status_code, read_bounded(response, DOCUMENT_BYTES)
        except Exception as error:  # noqa: BLE001 - whatever requests raises becomes an error of ours
            raise LocationError(classify(error, what)) from None
        self.note_answer({})
        if not 200 <= status < 300:
            raise LocationError(classify(Refusal.of(status, data), what, of_bucket=of_bucket))
        return _document(data, what)


def _document(data: bytes, what: str) -> Tree:
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise StowageError("store_error", f"{what}: the answer is no JSON object.", "Check what is on the way.")
    return found
