# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Graph, as far as it is about federated credentials of applications, for the server in `testbed.entra`.

The sources of its answers, all of them in "Microsoft Graph REST API v1.0 reference":

* "List applications" (https://learn.microsoft.com/graph/api/application-list), with `$filter` and `$select`;
* "List, Create, Update, Delete federatedIdentityCredential"
  (https://learn.microsoft.com/graph/api/resources/federatedidentitycredential): 201 with the resource, 204 without a body; an application
  is addressed by the id of its object, a credential by its id or name; at most 20 of them, a name of at most 120 characters that stays
  as it is, one audience, and issuer and subject unique;
* errors, `{"error": {"code", "message", "innerError"}}`: "Microsoft Graph error responses"
  (https://learn.microsoft.com/graph/errors), and what others were answered: 409 Request_MultipleObjectsWithSameKeyValue
  (https://github.com/Azure/azure-dev/issues/1482), 400 InvalidFederatedIdentityCredentialValue
  (https://github.com/Azure/azure-workload-identity/issues/434).

Who owns an application and has `Application.ReadWrite.OwnedBy` may see and change it; a tenant sees its own applications only.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from testbed.arm import ArmReply, ArmRequest
from testbed.entra_applications import Application, FederatedCredential

Tree = dict[str, Any]
MOST_CREDENTIALS = 20
_FIELDS = {"name", "issuer", "subject", "audiences", "description"}
_ONE = re.compile(r"/v1\.0/applications/([0-9a-f-]{36})/federatedIdentityCredentials(?:/([^/]+))?")


class _Refused(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        inner = {"date": "2026-01-01T00:00:00", "request-id": str(uuid.uuid4()), "client-request-id": str(uuid.uuid4())}
        self.reply = ArmReply(status, {"error": {"code": code, "message": message, "innerError": inner}})


class Graph:
    """All tenants' applications. `owners` are object ids of who owns an application, by its client id; `seen` are method and path of
    each request; the answers to the next `lost` requests that made something are errors, although it was made."""

    def __init__(self, applications: dict[str, Application], tenant: str) -> None:
        self.owners: dict[str, set[str]] = {}
        self.seen: list[tuple[str, str]] = []
        self.lost = 0
        self._applications, self._tenant = applications, tenant
        self._ids: dict[tuple[str, str], str] = {}

    def answer(self, request: ArmRequest) -> ArmReply:
        """Answers one request."""
        self.seen.append((request.method, request.path))
        try:
            if request.path == "/v1.0/applications" and request.method == "GET":
                return self._list(request)
            match = _ONE.fullmatch(request.path)
            if match is None:
                raise _Refused(400, "BadRequest", f"Resource not found for the segment '{request.path}'.")
            application = self._known(request, match[1])
            if match[2] is None:
                act = {"GET": self._credentials, "POST": self._create}.get(request.method)
                if act is not None:
                    return act(request, application)
            act = {"PATCH": self._update, "DELETE": self._delete}.get(request.method) if match[2] else None
            if act is None:
                raise _Refused(
                    405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."
                )
            return act(request, application)
        except _Refused as refused:
            return refused.reply

    def _mine(self, request: ArmRequest) -> list[Application]:
        tenant = request.claims.get("tid")
        return [
            one for one in self._applications.values() if (one.tenant or self._tenant) == tenant and not one.identity
        ]

    def _list(self, request: ArmRequest) -> ArmReply:
        match = re.fullmatch(r"appId eq '([0-9a-f-]{36})'", request.query.get("$filter", ""))
        found = [one for one in self._mine(request) if match is None or one.client_id == match[1]]
        return ArmReply(body={"value": [{"id": one.object, "appId": one.client_id} for one in found]})

    def _known(self, request: ArmRequest, name: str) -> Application:
        found = next((one for one in self._mine(request) if one.object == name), None)
        if found is None:
            text = f"Resource '{name}' does not exist or one of its queried reference-property objects are not present."
            raise _Refused(404, "Request_ResourceNotFound", text)
        if request.claims.get("oid") not in self.owners.get(found.client_id, set()):
            raise _Refused(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        return found

    def _credentials(self, request: ArmRequest, application: Application) -> ArmReply:
        found = [self._document(application, name) for name in application.federated]
        # One on each page, so that whoever reads only the first does not see all.
        at = int(request.query.get("$skiptoken", "0"))
        body: Tree = {"value": found[at : at + 1]}
        if at + 1 < len(found):
            body["@odata.nextLink"] = f"https://elsewhere.example{request.path}?$skiptoken={at + 1}"
        return ArmReply(body=body)

    def _create(self, request: ArmRequest, application: Application) -> ArmReply:
        given, held = request.body, application.federated
        name = str(given.get("name") or "")
        if not {"name", "issuer", "subject", "audiences"} <= set(given) or set(given) - _FIELDS:
            raise _Refused(400, "Request_BadRequest", "A value is required for a property, or a property is not known.")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}", name):
            raise _wrong("The name is not URL friendly, or too long.")
        if name in held:
            text = f"FederatedIdentityCredential with name {name} already exists."
            raise _Refused(409, "Request_MultipleObjectsWithSameKeyValue", text)
        if len(held) >= MOST_CREDENTIALS:
            raise _wrong("The maximum number of federated identity credentials is 20.")
        self._keep(application, name, given)
        if self.lost:
            self.lost -= 1
            raise _Refused(503, "serviceUnavailable", "The service is temporarily unavailable.")
        return ArmReply(201, self._document(application, name))

    def _update(self, request: ArmRequest, application: Application) -> ArmReply:
        name = self._name(request, application)
        if request.body.get("name", name) != name:
            raise _wrong("The name is immutable.")
        self._keep(application, name, {**self._document(application, name), **request.body})
        return ArmReply(204)

    def _delete(self, request: ArmRequest, application: Application) -> ArmReply:
        del application.federated[self._name(request, application)]
        return ArmReply(204)

    def _name(self, request: ArmRequest, application: Application) -> str:
        wanted = request.path.rpartition("/")[2]
        for name in application.federated:
            if wanted in {name, self._document(application, name)["id"]}:
                return name
        raise _Refused(404, "Request_ResourceNotFound", f"Resource '{wanted}' does not exist.")

    def _keep(self, application: Application, name: str, given: Tree) -> None:
        if not isinstance(given["audiences"], list) or len(given["audiences"]) != 1:
            raise _wrong("Exactly one audience is allowed.")
        made = FederatedCredential(given["issuer"], given["subject"], given["audiences"][0])
        others = [one for key, one in application.federated.items() if key != name]
        if any((one.issuer, one.subject) == (made.issuer, made.subject) for one in others):
            raise _wrong("The combination of issuer and subject must be unique for the application.")
        application.federated[name] = made

    def _document(self, application: Application, name: str) -> Tree:
        one = application.federated[name]
        made = self._ids.setdefault((application.client_id, name), str(uuid.uuid4()))
        told = {"issuer": one.issuer, "subject": one.subject, "audiences": [one.audience]}
        return {"id": made, "name": name, "description": None, **told}


def _wrong(message: str) -> _Refused:
    return _Refused(400, "InvalidFederatedIdentityCredentialValue", message)
