# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Kubernetes Service as resources of Azure Resource Manager, for `testbed.arm`, and the webhook by which a real apiserver of
the testbed has tokens of Entra checked, as clusters of AKS do.

The sources of its answers, unless it says otherwise in Microsoft's "Azure Kubernetes Service REST API":

* Managed Clusters - List (pages with `nextLink`), List Cluster User Credentials (`format`, `server-fqdn`);
* kubeconfigs with an `exec` entry: https://azure.github.io/kubelogin/concepts/exec-plugin.html, and the application that tokens
  are for: https://azure.github.io/kubelogin/concepts/aks.html;
* that a service principal is the user of its object id: "Use Kubernetes role-based access control with Microsoft Entra ID";
* a subscription that never had clusters: "Resolve errors for resource provider registration" (MissingSubscriptionRegistration).
"""

from __future__ import annotations

import base64
import json
import secrets
import time
import uuid
from typing import Any

from testbed.arm import ArmRefused, ArmReply, ArmRequest
from testbed.entra import Entra

SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
ACTIONS = "Microsoft.ContainerService/managedClusters"
Tree = dict[str, Any]


class ManagedClusters:
    """The clusters of one subscription. `subscription` is its id; others are not registered for clusters.

    `given` are the queries of kubeconfigs that were asked for; `refusals` is how many tokens are not taken from now on.
    """

    def __init__(self, entra: Entra) -> None:
        self.subscription = str(uuid.uuid4())
        self.given: list[Tree] = []
        self.refusals = 0
        self._entra = entra
        self._secret = secrets.token_hex(16)
        self._clusters: dict[tuple[str, str], tuple[Tree, Tree]] = {}
        provider = f"providers/{ACTIONS}"
        entra.arm.add(f"/subscriptions/([0-9a-f-]+)/{provider}", GET=self._list)
        cluster = f"/subscriptions/{self.subscription}/resourceGroups/([^/]+)/{provider}/([^/]+)"
        entra.arm.add(f"{cluster}/listClusterUserCredential", POST=self._credential)
        entra.audiences.add(SERVER)
        entra.webhooks[self._secret] = self._review

    @property
    def webhook(self) -> str:
        """Where an apiserver has tokens checked."""
        return f"{self._entra.authority}/webhooks/{self._secret}"

    def add(self, group: str, name: str, cluster: Tree, user: Tree | None = None, **fields: Any) -> None:
        """A cluster. :param cluster: a kubeconfig's. :param user: a kubeconfig's, of one without Entra."""
        plugin = {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "kubelogin",
            "args": ["get-token", "--environment", "AzurePublicCloud", "--server-id", SERVER, "--login", "devicecode"],
        }
        where = f"/subscriptions/{self.subscription}/resourcegroups/{group}/providers/{ACTIONS}/{name}"
        resource = {"id": where, "name": name, "type": ACTIONS, "location": "westeurope", **fields}
        who = f"clusterUser_{group}_{name}"
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": name, "user": who}}],
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": who, "user": user or {"exec": plugin}}],
        }
        self._clusters[group.lower(), name.lower()] = (resource, kubeconfig)

    def _list(self, request: ArmRequest, subscription: str) -> ArmReply:
        self._entra.arm.may(request, f"{ACTIONS}/read")
        if subscription != self.subscription:
            text = "The subscription is not registered to use namespace 'Microsoft.ContainerService'."
            raise ArmRefused(409, "MissingSubscriptionRegistration", text)
        # A page for each.
        found = [resource for resource, _kubeconfig in self._clusters.values()]
        number = int(request.query.get("$skiptoken", 0))
        page: Tree = {"value": found[number : number + 1]}
        if number + 1 < len(found):
            query = f"api-version={request.query['api-version']}&%24skiptoken={number + 1}"
            page["nextLink"] = f"https://management.azure.com{request.path}?{query}"
        return ArmReply(body=page)

    def _credential(self, request: ArmRequest, group: str, name: str) -> ArmReply:
        self._entra.arm.may(request, f"{ACTIONS}/listClusterUserCredential/action")
        if (group.lower(), name.lower()) not in self._clusters:
            raise ArmRefused(404, "ResourceNotFound", f"The Resource '{ACTIONS}/{name}' was not found.")
        self.given.append(request.query)
        _resource, kubeconfig = self._clusters[group.lower(), name.lower()]
        value = base64.b64encode(json.dumps(kubeconfig).encode()).decode()
        return ArmReply(body={"kubeconfigs": [{"name": "clusterUser", "value": value}]})

    def _review(self, body: Tree) -> Tree:
        claims = self._entra.claims(str(body["spec"]["token"]))
        fits = claims.get("aud") == SERVER and float(claims.get("exp", 0)) > time.time()
        if fits and self.refusals:
            self.refusals, fits = self.refusals - 1, False
        user = {"user": {"username": claims["oid"], "groups": []}} if fits else {}
        status = {"authenticated": fits, **user}
        return {"apiVersion": body["apiVersion"], "kind": "TokenReview", "status": status}
