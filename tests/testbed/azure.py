# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that stands for Azure: an Azurite behind `testbed.azure_guard`, and Entra with Resource Manager beside it."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from testbed.arm_storage import GROUP, StorageAccounts
from testbed.azure_guard import Guard
from testbed.azure_identities import Identities, new_subscription
from testbed.azure_rbac import Rbac
from testbed.azurite import Azurite
from testbed.entra import Entra
from testbed.entra_applications import Application
from testbed.pki import Authority

CLUSTER_GROUP = "clusters"


class AzureCloud:
    """One tenant with two subscriptions: that of the storage account, and `cluster_subscription`.

    `ca_cert` is the file of the CA of all its servers. Ids and names are made up where none are given.
    """

    def __init__(
        self,
        directory: Path,
        azurite: Azurite,
        *,
        tenant: str = "",
        subscription: str = "",
        cluster_subscription: str = "",
        group: str = GROUP,
    ) -> None:
        authority = Authority(directory / "pki", "ca")
        self.azurite = azurite
        self.entra = Entra(directory / "entra", authority, tenant)
        self.entra.__enter__()
        self.rbac = Rbac(self.entra.arm, self.entra.principal)
        self.identities = Identities(self.entra, self.rbac)
        # Last, for it refuses what is of groups that it does not have.
        self.storage = StorageAccounts(self.entra.arm, azurite, subscription=subscription, group=group)
        self.storage.account |= {"supportsHttpsTrafficOnly": True, "allowBlobPublicAccess": False}
        self.cluster_subscription = cluster_subscription or new_subscription()
        self.guard = Guard(
            directory / "guard", authority, azurite=azurite, storage=self.storage, entra=self.entra, rbac=self.rbac
        )
        self.ca_cert = self.guard.ca_cert

    def stop(self) -> None:
        """Ends all servers."""
        self.guard.stop()
        self.entra.__exit__()

    @property
    def tenant(self) -> str:
        """The tenant."""
        return self.entra.tenant

    def owner(self, *subscriptions: str) -> Application:
        """Somebody who administers some subscriptions; of that of the storage account, which is meant if none is named, only the
        resource group."""
        made = self.entra.register()
        named = subscriptions or (self.storage.subscription,)
        for one in named:
            self.identities.subscriptions.setdefault(one, set()).add(made.object_id)
        if self.storage.subscription in named:
            self.rbac.admins[made.object_id] = self.storage.id.partition("/providers/")[0]
        return made

    def elsewhere(self) -> Application:
        """Somebody of another tenant, which is new."""
        tenant = str(uuid.uuid4())
        self.entra.others.add(tenant)
        return self.entra.register(tenant=tenant)

    def auth(self, application: Application, **more: Any) -> dict[str, Any]:
        """How an application logs in by its secret."""
        return {
            "method": "service_principal",
            "tenant": application.tenant or self.tenant,
            "client_id": application.client_id,
            "secret": application.secret,
            "authority": self.entra.authority,
            **more,
        }

    def publish(self, issuer: str, keys: dict[str, Any]) -> None:
        """Has Entra know the key of an issuer: the first of a JSON Web Key Set."""
        key = next(one for one in keys["keys"] if one["kty"] == "RSA")
        self.entra.assertions.issuers[issuer] = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
