# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Federated credentials of applications, which Microsoft Graph keeps in the application's own tenant. Private to the collection.

https://learn.microsoft.com/graph/api/resources/federatedidentitycredential: at most 20 of an application, names that stay as they are,
one audience each, and no two for the same issuer and subject. Errors: https://learn.microsoft.com/graph/errors.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_errors import classify_answer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_json import JsonAnswer, JsonCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Tree

_CODE: t.Final = re.compile(r"\"code\"\s*:\s*\"([A-Za-z0-9_]{1,80})\"")
_THERE: t.Final = "Request_MultipleObjectsWithSameKeyValue"
_MOST_PAGES: t.Final = 20


class GraphCalls(JsonCalls):
    """Microsoft Graph, request by request. Safe for several threads."""

    check = "Check that graph_endpoint is Microsoft Graph, and proxies on the way."

    def call(
        self, method: str, path: str, body: Tree | None = None, query: t.Mapping[str, str] | None = None
    ) -> JsonAnswer:
        """Sends a request, and again what may pass.

        :param path: below the version, not encoded.
        :raises LocationError: if it failed.
        """
        found = f"?{urllib.parse.urlencode(query)}" if query else ""
        target, what = f"/v1.0{urllib.parse.quote(path)}{found}", f"{method} {path.split('/', 3)[-1]}"
        answer: JsonAnswer = self.retried(lambda: self.send(method, target, what, body))
        return answer

    def refused(self, _dummy: t.Mapping[str, str], status: int, text: str, what: str, /) -> Failure:
        named = _CODE.search(text)
        code = named[1] if named else str(status)
        return dataclasses.replace(classify_answer(code, status, text, what), store_code=code)


class GraphApi:
    """Microsoft Graph as one party. Belongs to one thread.

    :param party: the option that says who it is.
    """

    def __init__(self, calls: GraphCalls, party: str) -> None:
        self.calls = calls
        self._party = party
        self._objects: dict[str, str] = {}
        self._ids: dict[str, dict[str, str]] = {}

    def credentials(self, application: str) -> dict[str, Tree]:
        """Name to properties of an application's federated credentials.

        :param application: its id, which is not that of its object.
        :raises StowageError: ``wrong_account`` for one that is not registered in the party's tenant.
        """
        path, found = self._path(application), list[Tree]()
        query: dict[str, str] = {}
        for _dummy in range(_MOST_PAGES):
            answer = self._ask("GET", path, query=query)
            found += [one for one in answer.get("value") or () if isinstance(one, dict)]
            # Only the token of the next page is taken from the link: no request follows it elsewhere.
            token = re.search(r"[?&]\$skiptoken=([^&]+)", str(answer.get("@odata.nextLink") or ""), re.IGNORECASE)
            if token is None:
                self._ids[application] = {str(one.get("name")): str(one.get("id")) for one in found}
                return {str(one.get("name")): one for one in found}
            query = {"$skiptoken": urllib.parse.unquote(token[1])}
        raise StowageError("store_error", "Graph lists federated credentials without an end.", "Try again later.")

    def put_credential(self, application: str, name: str, properties: Tree) -> None:
        """Makes a federated credential, or changes it."""
        path = self._path(application)
        if name not in self._ids.get(application, {}):
            try:
                self._ask("POST", path, {"name": name, **properties})
                return
            except LocationError as error:
                # It was made by a request whose answer got lost, or is so new that it was not listed.
                if error.failure.store_code != _THERE or name not in self.credentials(application):
                    raise
        self._ask("PATCH", f"{path}/{self._ids[application][name]}", properties)

    def delete_credential(self, application: str, name: str) -> None:
        """Deletes a federated credential; one that is gone is no failure."""
        known = self._ids.get(application, {}).get(name)
        try:
            if known:
                self._ask("DELETE", f"{self._path(application)}/{known}")
        except LocationError as error:
            if error.failure.status != 404:
                raise

    def _path(self, application: str) -> str:
        if application not in self._objects:
            self._objects[application] = self._object(application)
        return f"/applications/{self._objects[application]}/federatedIdentityCredentials"

    def _object(self, application: str) -> str:
        query = {"$filter": f"appId eq '{application}'", "$select": "id,appId"}
        found = [
            one for one in self._ask("GET", "/applications", query=query).get("value") or () if isinstance(one, dict)
        ]
        # A filter that is not heeded must not make another application ours.
        same = [str(one.get("id")) for one in found if str(one.get("appId")).lower() == application]
        if len(same) == 1 and re.fullmatch(r"[0-9A-Fa-f-]{36}", same[0]):
            return same[0]
        raise StowageError(
            "wrong_account",
            f"The application {application} is not registered in the tenant of {self._party}, or its party does not see it.",
            f"Nothing was written. Applications are kept in their own tenant: set {self._party} to who owns it there, or leave it out.",
        )

    def _ask(self, method: str, path: str, body: Tree | None = None, query: t.Mapping[str, str] | None = None) -> Tree:
        try:
            return self.calls.call(method, path, body, query).document
        except LocationError as error:
            if error.failure.code != "permission_denied":
                raise
            hint = f"Let the party of {self._party} own the application, with Graph's Application.ReadWrite.OwnedBy."
            raise LocationError(dataclasses.replace(error.failure, hint=hint)) from None
