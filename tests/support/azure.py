# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust at the testbed's Azure, for tests: a container, its owner, and who is to use it."""

from __future__ import annotations

import json
import typing as t
import uuid

from support import modules
from testbed import controlplane
from testbed.azure import CLUSTER_GROUP, AzureCloud
from testbed.azure_rbac import READER, Assignment
from testbed.cluster import Cluster
from testbed.entra_applications import Application

PREFIX: t.Final = "fleet"
AUDIENCE: t.Final = "api://AzureADTokenExchange"
Tree = dict[str, t.Any]


class World:
    """A container, its owner, and trust in it: for service accounts of a cluster if there is one, or for a service principal."""

    def __init__(self, cloud: AzureCloud, cluster: Cluster | None = None) -> None:
        self.cloud, self.rbac, self.cluster = cloud, cloud.rbac, cluster
        self.bucket = cloud.azurite.create_bucket(f"trust-{uuid.uuid4().hex[:12]}")
        self.scope = f"{cloud.storage.id}/blobServices/default/containers/{self.bucket}"
        self.owner = cloud.owner()
        # Who sees which folders are there.
        self.rbac.assign(self.owner.object_id, self.scope, READER)
        self.keeper = cloud.owner(cloud.cluster_subscription)
        self.principal = cloud.entra.register()
        self.name = f"stowage-{uuid.uuid4().hex[:8]}"
        self.where: Tree = {
            "provider": "azure",
            "storage_account": cloud.azurite.account,
            "endpoint": cloud.guard.endpoint,
            "management_endpoint": cloud.entra.authority,
            "bucket": self.bucket,
            "prefix": PREFIX,
            "ca_cert": str(cloud.ca_cert),
        }

    def beside(self, cluster: Cluster | None = None) -> World:
        """Another trust in the same container, by the same owner."""
        found = World(self.cloud, cluster or self.cluster)
        found.bucket, found.scope, found.where, found.owner = self.bucket, self.scope, self.where, self.owner
        return found

    def party(self, application: Application, subscription: str = "") -> Tree:
        """A party with its tenant and subscription."""
        account = f"{self.cloud.tenant}/{subscription or self.cloud.storage.subscription}"
        return {"account": account, "auth": self.cloud.auth(application)}

    def arguments(self, **options: t.Any) -> Tree:
        """The module's options; those that are None are left out."""
        found: Tree = {
            "name": self.name,
            "location": self.where,
            "clusters": None if options.get("permissions") == "coordinator" else ["prod-1"],
            "location_account": self.party(self.owner),
            "authority": self.cloud.entra.authority,
            "verify_timeout": 0,
            **options,
        }
        if self.cluster is not None:
            found.setdefault("cluster_account", self.party(self.keeper, self.cloud.cluster_subscription))
            found.setdefault("identity", {"resource_group": CLUSTER_GROUP, "region": "westeurope"})
            found.setdefault("federation", {"issuer": controlplane.ISSUER, "subjects": ["trust-a/backup"]})
            found.setdefault("kubeconfig", str(self.cluster.kubeconfig))
        else:
            named = {"object_id": self.principal.object_id, "client_id": self.principal.client_id}
            own = {"account": self.cloud.tenant, "auth": self.cloud.auth(self.principal)}
            found.setdefault("service_principal", named)
            found.setdefault("controller_account", own)
        return {name: value for name, value in found.items() if value is not None}

    def run(self, *, check: bool = False, **options: t.Any) -> Tree:
        """What the module returns; no secret is in it."""
        try:
            found = modules.run_here("azure_trust", self.arguments(**options), check=check, diff=True)
        except modules.Failed as failed:
            found = failed.result
        shown = json.dumps(found)
        assert "eyJ" not in shown, "a token"
        assert "sig=" not in shown, "a SAS"
        for one in (self.owner, self.keeper, self.principal):
            assert one.secret not in shown
        return found

    def present(self, **options: t.Any) -> Tree:
        """The trust, after it was made."""
        found = self.run(**options)
        assert not found.get("failed"), found
        trust: Tree = found["trust"]
        return trust

    @property
    def identity_id(self) -> str:
        """The resource id of the identity that is made."""
        group = f"/subscriptions/{self.cloud.cluster_subscription}/resourceGroups/{CLUSTER_GROUP}"
        return f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{self.name}"

    @property
    def identity(self) -> Application:
        """The identity that was made, as Entra knows it."""
        return self.cloud.identities.of[self.identity_id.lower()]

    def object_id(self) -> str:
        """Whom the trust is for."""
        return self.identity.object_id if self.cluster else self.principal.object_id

    def assignment(self) -> Assignment:
        """The trust's assignment at the container."""
        return next(one for one in self.rbac.assignments if self.mine(one.properties) and one.scope == self.scope)

    def mine(self, properties: Tree) -> bool:
        """Whether a role or an assignment is the trust's."""
        return str(properties.get("description")).endswith(f" {self.name} in {self.bucket}.")

    def traces(self) -> list[str]:
        """What of the trust is left anywhere."""
        found = [f"assignment at {one.scope}" for one in self.rbac.assignments if self.mine(one.properties)]
        found += [f"role {one['roleName']}" for one in self.rbac.roles.values() if self.mine(one)]
        return found + [one for one in self.cloud.identities.found if self.name in one]


def verdicts(trust: Tree) -> dict[str, str]:
    """Line to verdict."""
    return {line["id"]: line["verdict"] for line in trust["checks"]}


def failed(found: Tree) -> list[str]:
    """The lines that failed."""
    assert found.get("error_code") == "trust_not_proven", found
    return [line["id"] for line in found["trust"]["checks"] if line["verdict"] == "failed"]


def drop_condition(world: World) -> None:
    """The mistake of an assignment without one."""
    del world.assignment().properties["condition"]


def with_accounts(cluster: Cluster, cloud: AzureCloud, namespaces: t.Sequence[str] = ("trust-a", "trust-b")) -> Cluster:
    """A cluster with accounts of the same name in two namespaces, whose keys Entra knows from here on."""
    for namespace in namespaces:
        cluster.api.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, field_manager="test"
        )
        for account in ("backup", "default"):
            meta = {"name": account, "namespace": namespace}
            cluster.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}, field_manager="test")
    keys = json.loads(cluster.api.raw("GET", "/openid/v1/jwks", accept="application/jwk-set+json"))
    cloud.publish(controlplane.ISSUER, keys)
    return cluster


def pod_token(cluster: Cluster, namespace: str = "trust-a") -> str:
    """A token of the account that may come, for Entra, as the kubelet would mount it."""
    path = cluster.api.resource("v1", "ServiceAccount").path(namespace, "backup") + "/token"
    spec = {"audiences": [AUDIENCE], "expirationSeconds": 3600}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(cluster.api.json("POST", path, body=body)["status"]["token"])


def changes(trust: Tree) -> list[Tree]:
    """What was changed."""
    found: list[Tree] = trust["changes"]
    return found
