# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to Azure Resource Manager, errors made ours. Private to the collection.

Most settings of a storage account are a matter of its resource, not of the Blob service. It takes tokens only, which are for it
and nothing else: https://learn.microsoft.com/rest/api/azure/.
"""

from __future__ import annotations

import dataclasses
import re
import threading
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import (
    azure_credentials,
    has_tokens,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import (
    AzureSettings,
    is_own_management,
    make_transport,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_errors import (
    classify_answer,
    error_code,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_json import JsonAnswer, JsonCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError

_MOST_PAGES: t.Final = 1000
_ACTION: t.Final = re.compile(r"perform action '(Microsoft\.[A-Za-z]{1,40}(?:/[A-Za-z]{1,60}){1,8})'")


def open_arm(
    settings: AzureSettings,
    auth: t.Mapping[str, t.Any],
    environ: t.Mapping[str, str],
    verify: str | None,
    stopped: threading.Event,
) -> ArmCalls | None:
    """Azure Resource Manager for a location's credentials; ``None`` if nothing says where it is, or they give no tokens.
    Nothing is sent yet. What the environment and the machine provide is for Azure's own only."""
    if not settings.management or not has_tokens(auth):
        return None
    own = settings.own_endpoint and is_own_management(settings.management)
    scope = f"{settings.management}/.default"
    credentials = azure_credentials(auth, environ, dataclasses.replace(settings, own_endpoint=own), verify, scope)
    return ArmCalls(make_transport(verify), settings.management, credentials, stopped)


class ArmCalls(JsonCalls):
    """Azure Resource Manager, request by request. Safe for several threads."""

    check = "Check that management_endpoint is Azure Resource Manager, and proxies on the way."

    def once(
        self,
        method: str,
        path: str,
        version: str,
        what: str,
        body: t.Mapping[str, t.Any] | None = None,
        *,
        match: str = "",
        query: t.Mapping[str, str] | None = None,
    ) -> JsonAnswer:
        """Sends one request.

        :param path: of the resource, not encoded.
        :param match: the ETag that the resource must still have; any if empty.
        :raises LocationError: if it failed.
        """
        found = urllib.parse.urlencode({"api-version": version, **(query or {})})
        return self.send(
            method, f"{urllib.parse.quote(path)}?{found}", what, body, {"If-Match": match} if match else {}
        )

    def call(self, method: str, path: str, version: str, what: str, **more: t.Any) -> JsonAnswer:
        """Like :meth:`once`, but what may pass is tried again."""
        answer: JsonAnswer = self.retried(lambda: self.once(method, path, version, what, **more))
        return answer

    def refused(self, headers: t.Mapping[str, str], status: int, text: str, what: str, /) -> Failure:
        failure = classify_answer(error_code(headers, text), status, text, what)
        if failure.code == "key_not_found":
            hint = "Check subscription, resource_group and storage_account."
            return dataclasses.replace(failure, code="bucket_not_found", hint=hint)
        if failure.code != "permission_denied":
            return failure
        named = _ACTION.search(text)
        action = named[1] if named else "the action"
        hint = f"Allow {action} on the storage account, as Storage Account Contributor has it (a role for data is not enough)."
        return dataclasses.replace(failure, denied=named[1] if named else "", hint=hint)

    def listed(self, path: str, version: str, what: str) -> t.Iterator[dict[str, t.Any]]:
        """All of a list, page by page.

        :raises LocationError: a page cannot be had, or they do not end.
        """
        query: dict[str, str] = {}
        for _page in range(_MOST_PAGES):
            document = self.call("GET", path, version, what, query=query).document
            yield from (one for one in document.get("value") or () if isinstance(one, dict))
            # Only what the next page is asked for with is taken from the link: no request follows it elsewhere.
            link = urllib.parse.urlsplit(str(document.get("nextLink") or ""))
            query = {name: value for name, value in urllib.parse.parse_qsl(link.query) if name.lower() != "api-version"}
            if not query:
                return
        raise LocationError(Failure("store_error", f"{what}: Azure's list does not end.", "Try again later."))
