# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage account of an Azurite as a resource of Azure Resource Manager, for `testbed.arm`.

Containers are those of the Azurite: one that is made here is there, too, and the other way round. The sources of its answers, all
of them in Microsoft's "Azure Storage Resource Provider REST API":

* Storage Accounts - List, Get Properties, Update (a PATCH is merged);
* Blob Services - Get and Set Blob Service Properties;
* Blob Containers - Get, Create, Update; Create Or Update, Get and Extend Immutability Policy (a policy that is not there has no
  days; `If-Match` with another ETag is refused with 412 and the code PreconditionFailed; a locked policy is changed by Extend only,
  and gets longer only);
* Management Policies - Get (ManagementPolicyNotFound if there is none);
* a container's default encryption scope and version-level immutability are set when it is made, and the latter wants versions of
  the account: "Immutable storage for blob data", "Encryption scopes for Blob storage".
"""

from __future__ import annotations

import itertools
import uuid
from typing import Any

from testbed.arm import Arm, ArmRefused, ArmReply, ArmRequest
from testbed.azurite import Azurite

ACTIONS = "Microsoft.Storage/storageAccounts"
SERVICE = f"{ACTIONS}/blobServices"
CONTAINER = f"{SERVICE}/containers"
POLICY = f"{CONTAINER}/immutabilityPolicies"
RULES = f"{ACTIONS}/managementPolicies"
GROUP = "testbed"
_FIXED = ("defaultEncryptionScope", "immutableStorageWithVersioning", "denyEncryptionScopeOverride")


class StorageAccounts:
    """One storage account in the subscription `subscription` and the resource group `group`, which are made up if not given.

    `account`, `service`, `containers` and `policies` are the properties of the resources; a test may change them, as somebody else
    would. So it may `rules`, those of lifecycle management.
    """

    def __init__(self, arm: Arm, azurite: Azurite, *, subscription: str = "", group: str = GROUP) -> None:
        self.subscription = subscription or str(uuid.uuid4())
        self.name = azurite.account
        self.account: dict[str, Any] = {}
        self.service: dict[str, Any] = {}
        self.containers: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.rules: list[dict[str, Any]] = []
        self._etags: dict[str, str] = {}
        self._azurite = azurite
        self._arm = arm
        self._numbers = itertools.count(1)
        provider = "/providers/Microsoft.Storage/storageAccounts"
        self.id = f"/subscriptions/{self.subscription}/resourceGroups/{group}{provider}/{self.name}"
        container = f"{self.id}/blobServices/default/containers/([a-z0-9-]+)"
        policy = f"{container}/immutabilityPolicies/default"
        self.reset()
        arm.add(f"/subscriptions/([0-9a-f-]+){provider}", GET=self._list)
        arm.add(f"/subscriptions/[0-9a-f-]+/resourceGroups/(?!{group}/)([^/]+)/.*", GET=self._no_group)
        arm.add(self.id, GET=self._get_account, PATCH=self._patch_account)
        arm.add(f"{self.id}/blobServices/default", GET=self._get_service, PUT=self._put_service)
        arm.add(f"{self.id}/managementPolicies/default", GET=self._get_rules)
        arm.add(container, GET=self._get_container, PUT=self._put_container, PATCH=self._patch_container)
        arm.add(policy, GET=self._get_policy, PUT=self._put_policy)
        arm.add(f"{policy}/extend", POST=self._extend_policy)

    def reset(self) -> None:
        """The account as an old one is that nobody looked after."""
        encryption = {
            "keySource": "Microsoft.Storage",
            "services": {"blob": {"enabled": True, "keyType": "Account"}},
        }
        self.account = {
            "supportsHttpsTrafficOnly": False,
            "minimumTlsVersion": "TLS1_0",
            "encryption": encryption,
            "networkAcls": {"defaultAction": "Deny"},
        }
        self.service = {"deleteRetentionPolicy": {"enabled": True, "days": 7}, "cors": {"corsRules": []}}
        self.rules = []

    def changed(self, container: str) -> None:
        """Gives a container's policy another ETag, as a change does."""
        self._etags[container] = f'"8d59f{next(self._numbers):x}"'

    def lock(self, container: str) -> None:
        """Locks a container's policy."""
        self.policies[container]["state"] = "Locked"
        self.changed(container)

    # the account

    def _list(self, request: ArmRequest, subscription: str) -> ArmReply:
        self._arm.may(request, f"{ACTIONS}/read")
        if subscription.lower() != self.subscription:
            return ArmReply(body={"value": []})
        other = {"id": self.id.rpartition("/")[0] + "/another", "name": "another"}
        if "$skiptoken" not in request.query:
            link = f"https://elsewhere.example{request.path}?api-version=2023-01-01&$skiptoken=a%3D%3D"
            return ArmReply(body={"value": [other], "nextLink": link})
        if request.query["$skiptoken"] != "a==":
            raise ArmRefused(400, "InvalidSkipToken", "The skip token is invalid.")
        return ArmReply(body={"value": [{"id": self.id, "name": self.name}]})

    def _no_group(self, _request: ArmRequest, group: str) -> ArmReply:
        raise ArmRefused(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")

    def _get_account(self, request: ArmRequest) -> ArmReply:
        self._arm.may(request, f"{ACTIONS}/read")
        return ArmReply(body={"id": self.id, "name": self.name, "kind": "StorageV2", "properties": self.account})

    def _patch_account(self, request: ArmRequest) -> ArmReply:
        self._arm.may(request, f"{ACTIONS}/write")
        self.account = {**self.account, **request.body["properties"]}
        return self._plain({"id": self.id, "properties": self.account})

    def _get_service(self, request: ArmRequest) -> ArmReply:
        self._arm.may(request, f"{SERVICE}/read")
        return self._plain({"name": "default", "properties": self.service})

    def _put_service(self, request: ArmRequest) -> ArmReply:
        self._arm.may(request, f"{SERVICE}/write")
        self.service = request.body["properties"]
        return self._plain({"name": "default", "properties": self.service})

    def _get_rules(self, request: ArmRequest) -> ArmReply:
        self._arm.may(request, f"{RULES}/read")
        if not self.rules:
            raise ArmRefused(404, "ManagementPolicyNotFound", "No ManagementPolicy found for account.")
        return self._plain({"name": "DefaultManagementPolicy", "properties": {"policy": {"rules": self.rules}}})

    # the container

    def _known(self, name: str) -> dict[str, Any]:
        with self._azurite.client() as client:
            there = client.get_container_client(name).exists()
        if not there:
            self.containers.pop(name, None)
            self.policies.pop(name, None)
            raise ArmRefused(404, "ContainerNotFound", "The specified container does not exist.")
        plain = {"publicAccess": "None", "defaultEncryptionScope": "$account-encryption-key"}
        return self.containers.setdefault(name, plain)

    def _get_container(self, request: ArmRequest, name: str) -> ArmReply:
        self._arm.may(request, f"{CONTAINER}/read")
        return self._plain({"name": name, "properties": self._known(name)})

    def _put_container(self, request: ArmRequest, name: str) -> ArmReply:
        self._arm.may(request, f"{CONTAINER}/write")
        properties = request.body["properties"]
        versions = properties.get("immutableStorageWithVersioning", {}).get("enabled")
        if versions and not self.service.get("isVersioningEnabled"):
            raise ArmRefused(409, "VersioningNotEnabled", "Versioning must be enabled on the storage account.")
        self._azurite.create_bucket(name)
        self.containers[name] = {"defaultEncryptionScope": "$account-encryption-key", **properties}
        return ArmReply(201, {"name": name, "properties": self.containers[name]})

    def _patch_container(self, request: ArmRequest, name: str) -> ArmReply:
        self._arm.may(request, f"{CONTAINER}/write")
        known, properties = self._known(name), request.body["properties"]
        if any(field in properties for field in _FIXED):
            raise ArmRefused(400, "InvalidRequest", "The property cannot be changed.")
        known.update(properties)
        return self._plain({"name": name, "properties": known})

    # its policy

    def _policy(self, name: str) -> ArmReply:
        none = {"immutabilityPeriodSinceCreationInDays": 0, "state": "Unlocked"}
        etag = self._etags.get(name, "") if name in self.policies else ""
        document = {"name": "default", "etag": etag, "properties": self.policies.get(name, none)}
        return ArmReply(body=document, headers={"ETag": etag})

    def _get_policy(self, request: ArmRequest, name: str) -> ArmReply:
        self._arm.may(request, f"{POLICY}/read")
        self._known(name)
        return self._policy(name)

    def _put_policy(self, request: ArmRequest, name: str) -> ArmReply:
        self._arm.may(request, f"{POLICY}/write")
        self._check(request, name)
        if self.policies.get(name, {}).get("state") == "Locked":
            raise ArmRefused(409, "ContainerImmutabilityPolicyLocked", "The policy is locked.")
        self.policies[name] = {**request.body["properties"], "state": "Unlocked"}
        self.changed(name)
        return self._policy(name)

    def _extend_policy(self, request: ArmRequest, name: str) -> ArmReply:
        self._arm.may(request, f"{POLICY}/extend/action")
        self._check(request, name)
        policy, days = self.policies[name], request.body["properties"]["immutabilityPeriodSinceCreationInDays"]
        if policy["state"] != "Locked" or days <= policy["immutabilityPeriodSinceCreationInDays"]:
            raise ArmRefused(409, "ContainerImmutabilityPolicyFailure", "The policy can only be extended.")
        policy["immutabilityPeriodSinceCreationInDays"] = days
        self.changed(name)
        return self._policy(name)

    def _check(self, request: ArmRequest, name: str) -> None:
        self._known(name)
        given = request.headers.get("if-match")
        if given and given != self._etags.get(name):
            raise ArmRefused(
                412, "PreconditionFailed", "The condition specified using HTTP conditional header(s) is not met."
            )

    def _plain(self, document: dict[str, Any]) -> ArmReply:
        return ArmReply(body=document)
