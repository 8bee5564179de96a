# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Google Kubernetes Engine, for the server in `testbed.google`: the API's answers about clusters, and the webhook by which a real
apiserver of the testbed has Google's access tokens checked.

The sources of its answers:

* lists and clusters, `missingZones` and `controlPlaneEndpointsConfig`:
  https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters (errors as
  https://cloud.google.com/apis/design/errors);
* permissions: https://cloud.google.com/kubernetes-engine/docs/reference/api-permissions;
* that a service account is the user of its address:
  https://cloud.google.com/kubernetes-engine/docs/how-to/role-based-access-control#rolebinding;
* the webhook: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication.

Unlike Google's, an `endpoint` has a port.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from testbed.google_iam import Wrong

if TYPE_CHECKING:
    from testbed.google import GoogleServer

Tree = dict[str, Any]
_PATH = re.compile(r"/v1/projects/([^/]+)/locations/([^/]+)/clusters(?:/([^/]+))?")
_REVIEW = "/tokenreviews/"


class GoogleClusters:
    """The clusters. `missing_zones` are those that a list says had no answer, and whose clusters it leaves out."""

    def __init__(self, server: GoogleServer) -> None:
        self.missing_zones: list[str] = []
        self._server = server
        self._clusters: dict[tuple[str, str, str], Tree] = {}
        self._secret = secrets.token_hex(16)

    @property
    def webhook(self) -> str:
        """Where an apiserver has tokens checked."""
        return f"{self._server.endpoint}{_REVIEW}{self._secret}"

    def add(self, project: str, location: str, name: str, server: str, authority: str, **fields: Any) -> None:
        """A cluster. :param server: its URL. :param authority: its certificates in base64."""
        self._clusters[project, location, name] = {
            "name": name,
            "location": location,
            "status": "RUNNING",
            "endpoint": server.removeprefix("https://"),
            "masterAuth": {"clusterCaCertificate": authority},
            "controlPlaneEndpointsConfig": {"ipEndpointsConfig": {"enabled": True}},
            **fields,
        }

    def has(self, path: str) -> bool:
        """Whether a request is for this service."""
        return bool(_PATH.fullmatch(path)) or path.startswith(_REVIEW)

    def answer(self, caller: str | None, path: str, body: Tree) -> Tree:
        """The answer to a request. Raises `Wrong`."""
        if path.startswith(_REVIEW):
            return self._review(path, body)
        match = _PATH.fullmatch(path)
        assert match
        project, location, name = match.groups()
        permission = "container.clusters.get" if name else "container.clusters.list"
        if caller is None:
            raise Wrong(401, "UNAUTHENTICATED", "Request is missing required authentication credential.")
        if not self._server.iam.may_in(caller, permission, project):
            text = f'Required "{permission}" permission(s) for "projects/{project}".'
            raise Wrong(403, "PERMISSION_DENIED", text)
        if not name:
            return self._list(project, location)
        found = self._clusters.get((project, location, name))
        if found is None:
            raise Wrong(404, "NOT_FOUND", f"Not found: projects/{project}/locations/{location}/clusters/{name}.")
        return found

    def _list(self, project: str, location: str) -> Tree:
        found = [
            one
            for (where, place, _name), one in self._clusters.items()
            if where == project and location in {"-", place} and place not in self.missing_zones
        ]
        missing = {"missingZones": self.missing_zones} if self.missing_zones else {}
        return {**({"clusters": found} if found else {}), **missing}

    def _review(self, path: str, body: Tree) -> Tree:
        if path != f"{_REVIEW}{self._secret}":
            raise Wrong(404, "NOT_FOUND", "Not found.")
        who = self._server.tokens.whose(f"Bearer {body['spec']['token']}")
        user = {"user": {"username": who, "groups": ["system:authenticated"]}} if who else {}
        status = {"authenticated": bool(who), **user}
        return {"apiVersion": body["apiVersion"], "kind": "TokenReview", "status": status}
