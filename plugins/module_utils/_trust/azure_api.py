# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests about roles, identities and their federated credentials to Azure Resource Manager. Private to the collection.

* roles: https://learn.microsoft.com/rest/api/authorization
* identities: https://learn.microsoft.com/rest/api/managedidentity
* subscriptions: https://learn.microsoft.com/rest/api/resources/subscriptions/get
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_arm import ArmCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Tree

_ROLES: t.Final = "2022-04-01"
_IDENTITIES: t.Final = "2023-01-31"
_SUBSCRIPTIONS: t.Final = "2022-12-01"
_MOST_PAGES: t.Final = 200


class AzureApi:
    """Azure Resource Manager as one party. Belongs to one thread.

    :param party: the option that says who it is.
    """

    def __init__(self, calls: ArmCalls, party: str) -> None:
        self.calls = calls
        self._party = party

    def tenant_of(self, subscription: str) -> str:
        """The tenant of a subscription; empty if the party does not see it."""
        found = self._get(f"/subscriptions/{subscription}", _SUBSCRIPTIONS)
        return str((found or {}).get("tenantId") or "").lower()

    # roles

    def role(self, path: str) -> Tree | None:
        """A role's properties; ``None`` if there is none."""
        found = self._get(path, _ROLES)
        return None if found is None else _properties(found)

    def put_role(self, path: str, properties: Tree) -> None:
        """Makes a custom role, or changes it."""
        self._ask("PUT", path, _ROLES, {"properties": properties})

    def put_assignment(self, path: str, properties: Tree) -> None:
        """Makes an assignment, or changes its condition."""
        self._ask("PUT", path, _ROLES, {"properties": properties})

    def delete(self, path: str) -> None:
        """Deletes a role or an assignment; one that is gone is no failure."""
        self._gone(path, _ROLES)

    def assignments(self, scope: str, condition: str = "") -> list[Tree]:
        """Assignments that a scope has, or gets from above; with no filter those below, too.

        :param condition: ``atScope()``, or ``assignedTo('…')`` for those of a principal and of its groups.
        """
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
        return self._list(path, _ROLES, {"$filter": condition} if condition else {})

    # identities

    def identity(self, path: str) -> Tree | None:
        """An identity's resource; ``None`` if there is none."""
        return self._get(path, _IDENTITIES)

    def put_identity(self, path: str, region: str, tags: t.Mapping[str, str]) -> Tree:
        """Makes an identity."""
        return self._ask("PUT", path, _IDENTITIES, {"location": region, "tags": dict(tags)})

    def credentials(self, path: str) -> dict[str, Tree]:
        """Name to properties of an identity's federated credentials."""
        found = self._list(f"{path}/federatedIdentityCredentials", _IDENTITIES, {})
        return {str(one.get("name")): _properties(one) for one in found}

    def put_credential(self, path: str, name: str, properties: Tree) -> None:
        """Makes a federated credential, or changes it. Azure wants one after the other."""
        self._ask("PUT", f"{path}/federatedIdentityCredentials/{name}", _IDENTITIES, {"properties": properties})

    def delete_credential(self, path: str, name: str) -> None:
        """Deletes a federated credential."""
        self._gone(f"{path}/federatedIdentityCredentials/{name}", _IDENTITIES)

    def delete_identity(self, path: str) -> None:
        """Deletes an identity."""
        self._gone(path, _IDENTITIES)

    # the wire

    def _get(self, path: str, version: str) -> Tree | None:
        try:
            return self._ask("GET", path, version)
        except LocationError as error:
            if error.failure.status == 404:
                return None
            raise

    def _gone(self, path: str, version: str) -> None:
        try:
            self._ask("DELETE", path, version)
        except LocationError as error:
            if error.failure.status != 404:
                raise

    def _list(self, path: str, version: str, query: t.Mapping[str, str]) -> list[Tree]:
        found: list[Tree] = []
        asked = dict(query)
        for _dummy in range(_MOST_PAGES):
            answer = self._ask("GET", path, version, query=asked)
            found += [one for one in answer.get("value") or () if isinstance(one, dict)]
            # Only the token of the next page is taken from the link: no request follows it elsewhere.
            token = re.search(r"[?&]\$?skiptoken=([^&]+)", str(answer.get("nextLink") or ""), re.IGNORECASE)
            if token is None:
                return found
            asked = {**query, "$skipToken": urllib.parse.unquote(token[1])}
        raise StowageError("store_error", "Azure lists role assignments without an end.", "Try again later.")

    def _ask(
        self, method: str, path: str, version: str, body: Tree | None = None, query: t.Mapping[str, str] | None = None
    ) -> Tree:
        """One request, all of which may be carried out twice."""
        what = f"{method} {'/'.join(path.split('/')[-2:])}"
        try:
            return self.calls.call(method, path, version, what, body=body, query=query).document
        except LocationError as error:
            if error.failure.code != "permission_denied":
                raise
            action = error.failure.denied or "this"
            hint = f"Allow the party of {self._party} {action}: see what that option says it needs."
            raise LocationError(dataclasses.replace(error.failure, hint=hint)) from None


def _properties(document: Tree) -> Tree:
    found = document.get("properties")
    return found if isinstance(found, dict) else {}
