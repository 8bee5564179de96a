# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A storage account, its Blob service and a container as Azure Resource Manager has them, read, typed and written. Private to the
collection.

The resources: https://learn.microsoft.com/rest/api/storagerp/storage-accounts, .../blob-services, .../blob-containers and
.../management-policies.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_arm import ArmCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import AzureSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_json import JsonAnswer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError

VERSION: t.Final = "2023-01-01"
_MOST_PAGES: t.Final = 100
_ID: t.Final = re.compile(
    r"/subscriptions/([0-9a-f-]{36})/resourceGroups/[^/?#]{1,90}/providers/Microsoft\.Storage/storageAccounts/([a-z0-9]{3,24})",
    re.IGNORECASE,
)

Json = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Account:
    """A storage account.

    :param https_only: whether it refuses plain HTTP.
    :param minimum_tls: such as ``TLS1_2``; empty if it was never set, which means any.
    :param public: whether its containers can be made public.
    :param shared_keys: whether its keys, and what is signed with them, let anybody in.
    :param key: the URL of the Key Vault key that it is encrypted with, without a version if the newest is; empty for Microsoft's.
    :param encryption: all that its resource says of that.
    """

    https_only: bool = False
    minimum_tls: str = ""
    public: bool = True
    shared_keys: bool = True
    key: str = ""
    encryption: Json = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Policy:
    """A container's time-based retention policy. ``etag`` is what a change has to name."""

    days: int
    locked: bool
    etag: str
    properties: Json = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Container:
    """A container.

    :param public: ``Blob`` or ``Container`` if anybody may read, empty if not.
    :param scope: its default encryption scope.
    :param versions: whether single versions can be made immutable.
    """

    public: str = ""
    scope: str = ""
    versions: bool = False


@dataclasses.dataclass(frozen=True)
class BlobRule:
    """A rule of lifecycle management that is for blobs as backups consist of them.

    :param prefixes: each the name of a container, a slash, and how names in it begin; empty if it is for all blobs.
    """

    name: str
    prefixes: tuple[str, ...] = ()
    deletes: bool = False
    archives: bool = False


def parse_account(document: Json) -> Account:
    """From the account's resource. Old accounts tell nothing of what they allow."""
    found = _dict(document, "properties")
    encryption = _dict(found, "encryption")
    vault = _dict(encryption, "keyvaultproperties")
    key = ""
    if str(encryption.get("keySource", "")).lower() == "microsoft.keyvault":
        parts = (str(vault.get("keyvaulturi", "")).rstrip("/"), str(vault.get("keyname", "")))
        key = f"{parts[0]}/keys/{parts[1]}" + (f"/{vault['keyversion']}" if vault.get("keyversion") else "")
    return Account(
        https_only=found.get("supportsHttpsTrafficOnly") is True,
        minimum_tls=str(found.get("minimumTlsVersion") or ""),
        public=found.get("allowBlobPublicAccess") is not False,
        shared_keys=found.get("allowSharedKeyAccess") is not False,
        key=key,
        encryption=encryption,
    )


def parse_container(document: Json) -> Container:
    """From the container's resource."""
    found = _dict(document, "properties")
    public = str(found.get("publicAccess") or "")
    return Container(
        public="" if public == "None" else public,
        scope=str(found.get("defaultEncryptionScope") or ""),
        versions=_dict(found, "immutableStorageWithVersioning").get("enabled") is True,
    )


def parse_policy(answer: JsonAnswer) -> Policy | None:
    """From the policy's resource, which one that is not there has too: with no days."""
    found = _dict(answer.document, "properties")
    days = found.get("immutabilityPeriodSinceCreationInDays")
    if not isinstance(days, int) or days < 1:
        return None
    etag = str(answer.document.get("etag") or answer.headers.get("etag") or "")
    return Policy(days, str(found.get("state", "")) == "Locked", etag, found)


def parse_rules(document: Json) -> tuple[BlobRule, ...]:
    """From the account's lifecycle policy: https://learn.microsoft.com/azure/storage/blobs/lifecycle-management-overview. A rule
    for blobs with tags is for none of ours, nor is what it does with versions and snapshots."""
    found = []
    rules = _dict(_dict(document, "properties"), "policy").get("rules")
    for rule in rules if isinstance(rules, list) else ():
        definition = _dict(rule, "definition") if isinstance(rule, dict) and rule.get("enabled") is not False else {}
        filters, actions = _dict(definition, "filters"), _dict(_dict(definition, "actions"), "baseBlob")
        if (
            not actions
            or filters.get("blobIndexMatch")
            or "blockBlob" not in (filters.get("blobTypes") or ["blockBlob"])
        ):
            continue
        prefixes = filters.get("prefixMatch")
        named = tuple(str(one) for one in prefixes) if isinstance(prefixes, list) else ()
        found.append(BlobRule(str(rule.get("name") or ""), named, "delete" in actions, "tierToArchive" in actions))
    return tuple(found)


def keeps_deleted_containers(service: Json) -> bool:
    """Whether a container that is deleted can be restored with what was in it, by the Blob service's properties:
    https://learn.microsoft.com/azure/storage/blobs/soft-delete-container-overview."""
    return _dict(service, "containerDeleteRetentionPolicy").get("enabled") is True


def _dict(document: Json, name: str) -> dict[str, t.Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


class StorageResource:
    """The resource of one storage account, and of one container in it. Belongs to one thread."""

    def __init__(self, calls: ArmCalls, settings: AzureSettings) -> None:
        self._calls = calls
        self._settings = settings
        self._found = ""

    @property
    def id(self) -> str:
        """The account's resource id, looked for by its name if its resource group is not given.

        :raises StowageError: ``bucket_not_found``, ``permission_denied`` and what else keeps it from being found.
        """
        if not self._found:
            self._found = self._named() or self._searched()
        return self._found

    def is_there(self) -> bool | None:
        """Whether the account is in the subscription; ``None`` if the caller is not told."""
        try:
            if self._settings.resource_group:
                self.account()
            return bool(self.id)
        except StowageError as error:
            told = error.code == "bucket_not_found" and not (
                isinstance(error, LocationError) and error.failure.store_code == "SubscriptionNotFound"
            )
            return False if told else None

    def _named(self) -> str:
        settings = self._settings
        if not settings.resource_group:
            return ""
        group = f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_group}"
        return f"{group}/providers/Microsoft.Storage/storageAccounts/{settings.account}"

    def _searched(self) -> str:
        path = f"/subscriptions/{self._settings.subscription}/providers/Microsoft.Storage/storageAccounts"
        what = f"Looking for the storage account {self._settings.account}"
        query: dict[str, str] = {}
        for _dummy in range(_MOST_PAGES):
            document = self._calls.call("GET", path, VERSION, what, query=query).document
            for one in document.get("value") or []:
                match = _ID.fullmatch(str(one.get("id"))) if isinstance(one, dict) else None
                if match and match[2].lower() == self._settings.account:
                    return match[0]
            # Only the token of the next page is taken from the link: no request follows it elsewhere.
            token = re.search(r"[?&]\$?skiptoken=([^&]+)", str(document.get("nextLink") or ""), re.IGNORECASE)
            if token is None:
                break
            query = {"$skiptoken": urllib.parse.unquote(token[1])}
        raise StowageError(
            "bucket_not_found",
            f"{what}: the subscription {self._settings.subscription} has none of this name that the caller can see.",
            "Check storage_account and subscription, and that the caller has a role there.",
        )

    # reading

    def account(self) -> Account:
        """The account."""
        return parse_account(self._get("", f"Reading the storage account {self._settings.account}").document)

    def service(self) -> dict[str, t.Any]:
        """The properties of the Blob service, as they are."""
        what = f"Reading the Blob service of {self._settings.account}"
        return _dict(self._get("/blobServices/default", what).document, "properties")

    def container(self) -> Container | None:
        """The container, ``None`` if it is not there."""
        what = f"Reading the container {self._settings.container}"
        try:
            return parse_container(self._get(self._container, what).document)
        except LocationError as error:
            # Not for want of the account.
            if error.failure.status == 404 and error.failure.store_code == "ContainerNotFound":
                return None
            raise

    def policy(self) -> Policy | None:
        """The container's retention policy."""
        what = f"Reading the retention policy of {self._settings.container}"
        try:
            return parse_policy(self._get(f"{self._container}/immutabilityPolicies/default", what))
        except LocationError as error:
            if error.failure.status == 404:
                return None
            raise

    def rules(self) -> tuple[BlobRule, ...]:
        """The rules of the account's lifecycle management."""
        what = f"Reading the lifecycle policy of {self._settings.account}"
        try:
            return parse_rules(self._get("/managementPolicies/default", what).document)
        except LocationError as error:
            if error.failure.status == 404 and error.failure.store_code == "ManagementPolicyNotFound":
                return ()
            raise

    # writing

    def set_account(self, properties: Json) -> None:
        """Changes properties of the account; others stay."""
        self._send("PATCH", "", {"properties": properties}, f"Setting up the storage account {self._settings.account}")

    def set_service(self, properties: Json) -> None:
        """Writes all properties of the Blob service."""
        what = f"Setting up the Blob service of {self._settings.account}"
        self._send("PUT", "/blobServices/default", {"properties": properties}, what)

    def make_container(self, properties: Json) -> None:
        """Makes the container."""
        what = f"Creating the container {self._settings.container}"
        self._send("PUT", self._container, {"properties": properties}, what)

    def set_container(self, properties: Json) -> None:
        """Changes properties of the container; others stay."""
        what = f"Setting up the container {self._settings.container}"
        self._send("PATCH", self._container, {"properties": properties}, what)

    def set_policy(self, before: Policy | None, days: int) -> None:
        """Makes the container's retention policy, or makes it longer, if it still is what it was before.

        :raises LocationError: with status 412 if it is not.
        """
        what = f"Setting up the retention policy of {self._settings.container}"
        path = f"{self._container}/immutabilityPolicies/default"
        kept = {
            name: value for name, value in (before.properties if before else {}).items() if name.startswith("allow")
        }
        body = {"properties": {**kept, "immutabilityPeriodSinceCreationInDays": days}}
        if before is not None and before.locked:
            self._send("POST", f"{path}/extend", body, what, match=before.etag)
        else:
            self._send("PUT", path, body, what, match=before.etag if before else "")

    @property
    def _container(self) -> str:
        return f"/blobServices/default/containers/{self._settings.container}"

    def _get(self, below: str, what: str) -> JsonAnswer:
        return self._calls.call("GET", self.id + below, VERSION, what)

    def _send(self, method: str, below: str, body: Json, what: str, *, match: str = "") -> None:
        self._calls.once(method, self.id + below, VERSION, what, body, match=match)
