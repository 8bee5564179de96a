# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subscriptions, and user-assigned identities with their federated credentials, for `testbed.arm`.

The sources of its answers, all of them in Microsoft's "Azure REST API reference":

* "Subscriptions - Get" (https://learn.microsoft.com/rest/api/resources/subscriptions/get): who has no role in a subscription is told
  404 SubscriptionNotFound;
* "User Assigned Identities" and "Federated Identity Credentials" (https://learn.microsoft.com/rest/api/managedidentity), version
  2023-01-31; what a credential may be, 20 of them for an identity, no two for the same subject of an issuer:
  "Important considerations and restrictions for federated identity credentials"
  (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations).
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from testbed.arm import ArmRefused, ArmReply, ArmRequest
from testbed.azure_rbac import Rbac
from testbed.entra import Entra
from testbed.entra_applications import Application, FederatedCredential

Tree = dict[str, Any]
_MOST_CREDENTIALS = 20
_KIND = "Microsoft.ManagedIdentity/userAssignedIdentities"


class Identities:
    """The identities: `found` is their resources by id, `of` the applications that Entra knows them as.

    `subscriptions` are those that there are, each with its tenant and the object ids of who sees it.
    """

    def __init__(self, entra: Entra, rbac: Rbac) -> None:
        self.subscriptions: dict[str, set[str]] = {}
        self.found: dict[str, Tree] = {}
        self.of: dict[str, Application] = {}
        self._entra, self._rbac = entra, rbac
        identity = f"(/subscriptions/[0-9a-f-]+/resourceGroups/[^/]+/providers/{_KIND}/[^/]+)"
        one = f"{identity}/federatedIdentityCredentials/([^/]+)"
        entra.arm.add("/subscriptions/([0-9a-f-]+)", GET=self._subscription)
        entra.arm.add(identity, GET=self._get, PUT=self._put, DELETE=self._delete)
        entra.arm.add(f"{identity}/federatedIdentityCredentials", GET=self._credentials)
        entra.arm.add(one, GET=self._credential, PUT=self._put_credential, DELETE=self._delete_credential)

    def _subscription(self, request: ArmRequest, name: str) -> ArmReply:
        if request.claims.get("oid") not in self.subscriptions.get(name.lower(), set()):
            raise ArmRefused(404, "SubscriptionNotFound", f"The subscription '{name}' could not be found.")
        body = {"id": request.path, "subscriptionId": name, "tenantId": self._entra.tenant, "state": "Enabled"}
        return ArmReply(body=body)

    def _check(self, request: ArmRequest, action: str) -> None:
        subscription = request.path.split("/")[2].lower()
        self._entra.arm.may(request, f"{_KIND}/{action}")
        if request.claims.get("oid") not in self.subscriptions.get(subscription, set()):
            text = f"The client does not have authorization to perform action '{_KIND}/{action}' over scope '{request.path}'."
            raise ArmRefused(403, "AuthorizationFailed", text)

    def _known(self, request: ArmRequest, identity: str, action: str) -> Tree:
        self._check(request, action)
        if identity.lower() not in self.found:
            name = identity.rpartition("/")[2]
            raise ArmRefused(404, "ResourceNotFound", f"The Resource '{_KIND}/{name}' was not found.")
        return self.found[identity.lower()]

    def _get(self, request: ArmRequest, identity: str) -> ArmReply:
        return ArmReply(body=self._known(request, identity, "read"))

    def _put(self, request: ArmRequest, identity: str) -> ArmReply:
        self._check(request, "write")
        there = identity.lower() in self.found
        return ArmReply(200 if there else 201, self.put(identity, request.body))

    def put(self, identity: str, body: Tree) -> Tree:
        """Makes an identity, or changes its tags."""
        if not body.get("location"):
            raise ArmRefused(400, "LocationRequired", "The location property is required for this definition.")
        before = self.found.get(identity.lower())
        application = self.of.setdefault(identity.lower(), self._entra.register(identity=True)) if not before else None
        properties = before["properties"] if before else _properties(self._entra.tenant, application)
        name = identity.rpartition("/")[2]
        self.found[identity.lower()] = {
            "id": identity,
            "name": name,
            "location": body["location"],
            "tags": body.get("tags") or {},
            "properties": properties,
        }
        return self.found[identity.lower()]

    def _delete(self, request: ArmRequest, identity: str) -> ArmReply:
        self._check(request, "delete")
        if self.found.pop(identity.lower(), None) is None:
            return ArmReply(204)
        self._entra.applications.pop(self.of.pop(identity.lower()).client_id)
        return ArmReply(200)

    # federated credentials

    def _credentials(self, request: ArmRequest, identity: str) -> ArmReply:
        self._known(request, identity, "federatedIdentityCredentials/read")
        held = self.of[identity.lower()].federated
        return ArmReply(body={"value": [_document(identity, name, one) for name, one in held.items()]})

    def _credential(self, request: ArmRequest, identity: str, name: str) -> ArmReply:
        self._known(request, identity, "federatedIdentityCredentials/read")
        held = self.of[identity.lower()].federated
        if name not in held:
            raise ArmRefused(404, "NotFound", f"No federated identity credential '{name}' was found.")
        return ArmReply(body=_document(identity, name, held[name]))

    def _put_credential(self, request: ArmRequest, identity: str, name: str) -> ArmReply:
        self._known(request, identity, "federatedIdentityCredentials/write")
        held, given = self.of[identity.lower()].federated, request.body["properties"]
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}", name) or len(given["audiences"]) != 1:
            raise ArmRefused(400, "BadRequest", "The name or the audiences of the credential are not valid.")
        others = [one for key, one in held.items() if key != name]
        if any((one.issuer, one.subject) == (given["issuer"], given["subject"]) for one in others):
            text = "Issuer and subject combination already exists for this Managed Identity."
            raise ArmRefused(409, "Conflict", text)
        if len(others) >= _MOST_CREDENTIALS:
            raise ArmRefused(400, "BadRequest", "Too many federated identity credentials.")
        made = FederatedCredential(given["issuer"], given["subject"], given["audiences"][0])
        reply = ArmReply(200 if name in held else 201, _document(identity, name, made))
        held[name] = made
        return reply

    def _delete_credential(self, request: ArmRequest, identity: str, name: str) -> ArmReply:
        self._known(request, identity, "federatedIdentityCredentials/delete")
        return ArmReply(200 if self.of[identity.lower()].federated.pop(name, None) else 204)


def _properties(tenant: str, application: Application | None) -> Tree:
    assert application is not None
    return {"tenantId": tenant, "principalId": application.object_id, "clientId": application.client_id}


def _document(identity: str, name: str, one: FederatedCredential) -> Tree:
    properties = {"issuer": one.issuer, "subject": one.subject, "audiences": [one.audience]}
    return {"id": f"{identity}/federatedIdentityCredentials/{name}", "name": name, "properties": properties}


def new_subscription() -> str:
    """The id of a subscription."""
    return str(uuid.uuid4())
