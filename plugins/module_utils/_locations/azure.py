# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A location in a container of Azure Blob Storage. Private to the collection."""

from __future__ import annotations

import datetime
import secrets as random
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import (
    AzureCredentials,
    azure_credentials,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.tenant import TenantCheck
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_account import StorageResource
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_arm import ArmCalls, open_arm
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import (
    READ_SECONDS,
    AzureSettings,
    account_parts,
    installed,
    make_transport,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_create import AzureCreator
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_reader import stored
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_writer import (
    AzureWriter,
    drop_blocks,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import (
    Capabilities,
    DeleteFailure,
    Location,
    ObjectInfo,
    PendingUpload,
    Reader,
    Writer,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.deletes import delete_each
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import (
    check_key,
    names_below,
    printable,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import NewObject
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.streams import StoredObject

# What is wrong with the one key; anything else would be wrong with the next one too.
_OF_THE_KEY: t.Final = frozenset(
    {"permission_denied", "locked", "store_error", "unsupported_by_store", "invalid_option", "invalid_name"}
)


def open_azure(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event | None = None
) -> AzureLocation:
    """The location of provider ``azure``. Nothing is sent yet."""
    require_azure()
    settings = AzureSettings.from_options(options, environ)
    trust = TrustedCertificates(settings.ca_cert)
    auth = options.get("auth") or {}
    credentials = azure_credentials(auth, environ, settings, trust.verify)
    location = AzureLocation(settings, credentials, trust, stopped, account=str(auth.get("account") or ""))
    if account_parts(str(auth.get("account") or ""))[1]:
        location.ask_subscription(open_arm(settings, auth, environ, trust.verify, location.stopped))
    return location


def require_azure() -> None:
    """``dependency_missing`` when azure-core is not there."""
    if not installed("azure.core") or not installed("requests"):
        hint = "Install azure-core>=1.31 and azure-identity>=1.18 for the Python that runs the task."
        message = "Azure locations need the Python packages azure-core and requests."
        raise StowageError("dependency_missing", message, hint)


class AzureLocation(Location):
    """A container, or what begins with a prefix in it."""

    def __init__(
        self,
        settings: AzureSettings,
        credentials: AzureCredentials,
        trust: TrustedCertificates,
        stopped: threading.Event | None = None,
        *,
        account: str = "",
        read_seconds: int = READ_SECONDS,
    ) -> None:
        """:param account: what the credentials must be of before anything is written or deleted; empty if that is all the same."""
        super().__init__(stopped)
        self.capabilities = Capabilities(conditional_create=True)
        self.calls = AzureCalls(make_transport(trust.verify, read_seconds), settings, credentials, self.stopped)
        self._credentials = credentials
        self._prefix = settings.prefix
        self._trust = trust
        self._creator = AzureCreator(self.calls)
        self._expected = account
        self._account = TenantCheck(account, credentials)
        self._arm: ArmCalls | None = None

    def ask_subscription(self, arm: ArmCalls | None) -> None:
        """Has the storage account's subscription compared, too, by who knows it; ``None`` if nobody does."""
        self._arm = arm
        resource = StorageResource(arm, self.calls.settings) if arm else None
        self._account = TenantCheck(self._expected, self._credentials, resource)

    def describe(self) -> str:
        return self.calls.address

    # reading

    def read(self, key: str, *, limit: int) -> bytes:
        return self._stored(key).whole(limit)

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        return self._stored(key).span(offset, length)

    def open(self, key: str, offset: int = 0) -> Reader:
        return self._stored(key).stream(offset)

    def stat(self, key: str) -> ObjectInfo | None:
        """By HEAD, whose answers say in a header what is missing; where content may not be read, by listing."""
        full = self._full(key)
        try:
            answer = self.calls.call("HEAD", self._what("Looking at", key), full)
        except LocationError as error:
            if error.failure.code == "key_not_found":
                return None
            if error.failure.code != "permission_denied":
                raise
        else:
            modified = azure_listing.moment(answer.headers.get("last-modified", ""))
            return ObjectInfo(key, int(answer.headers.get("content-length") or 0), modified)
        found = azure_listing.find(self.calls, full)
        return ObjectInfo(key, found.size, found.modified) if found else None

    def list(self, prefix: str) -> t.Iterator[ObjectInfo]:
        whole = self._prefix + prefix
        for page in azure_listing.pages(self.calls, whole):
            for blob in page.blobs:
                if blob.name.startswith(whole) and blob.name != self._prefix:
                    yield ObjectInfo(blob.name[len(self._prefix) :], blob.size, blob.modified)

    def list_names(self, prefix: str) -> t.Iterator[str]:
        whole = self._prefix + prefix
        for page in azure_listing.pages(self.calls, whole, delimiter="/"):
            yield from names_below(whole, [*page.folders, *(blob.name for blob in page.blobs)])

    # writing

    def create(self, key: str, data: bytes) -> ObjectInfo:
        self._account.pass_or_raise()
        return self._creator.put(self._new(key, len(data)), data)

    def writer(self, key: str) -> Writer:
        self._account.pass_or_raise()
        return AzureWriter(self._creator, self._new(key, 0))

    def _new(self, key: str, size: int) -> NewObject:
        return NewObject(key, self._full(key), self._what("Writing", key), random.token_hex(16), size)

    def delete(self, keys: t.Sequence[str]) -> t.Sequence[DeleteFailure]:
        """One request for each key: a batch would need rights on the account for some kinds of SAS."""
        if any(keys):
            self._account.pass_or_raise()
        return delete_each(keys, self._delete, of_the_key=_OF_THE_KEY)

    def _delete(self, key: str) -> None:
        try:
            # Whatever was made of the blob by others, snapshots, would keep it otherwise.
            headers = {"x-ms-delete-snapshots": "include"}
            if {".", ".."} & set(key.split("/")):  # paths with such parts are made shorter on the way: another blob's
                raise LocationError(
                    Failure("invalid_name", f"{self._what('Deleting', key)}: it has a part of dots only.", "")
                )
            self.calls.call("DELETE", self._what("Deleting", key), self._prefix + key, headers=headers)
        except LocationError as error:
            if error.code != "key_not_found":
                raise

    # uploads

    def uploads(self, prefix: str) -> t.Iterator[PendingUpload]:
        """Keys with blocks which nobody committed. All who write a key share its blocks, so a key has one upload at most. The
        service does not tell when it began: it is said to be long ago."""
        for blob in azure_listing.pending(self.calls, self._prefix + prefix):
            if blob.name.startswith(self._prefix + prefix):
                yield PendingUpload(blob.name[len(self._prefix) :], blob.name, blob.modified)

    def abort_upload(self, upload: PendingUpload) -> None:
        """Drops the blocks of every writer of the key. What was committed meanwhile is left alone."""
        self._account.pass_or_raise()
        what = self._what("Aborting an upload of", upload.key)
        self.calls.retried(lambda: drop_blocks(self.calls, self._full(upload.key), what))

    # the rest

    def now(self) -> datetime.datetime:
        return self.calls.clock(lambda: next(azure_listing.pages(self.calls, self._prefix, most=1)))

    def secrets(self) -> frozenset[str]:
        return self._credentials.secrets()

    def warnings(self) -> t.Sequence[str]:
        return self._credentials.warnings()

    def close(self) -> None:
        self.calls.close()
        if self._arm is not None:
            self._arm.close()
        self._trust.close()

    def _stored(self, key: str) -> StoredObject:
        return stored(self.calls, self._full(key), self._what("Reading", key))

    def _full(self, key: str) -> str:
        full = self._prefix + check_key(key)
        return check_key(full)

    def _what(self, doing: str, key: str) -> str:
        return f"{doing} {self.calls.address}/{printable(key)}"
