# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings a container of Azure Blob Storage, and its storage account, into the wanted state. Private to the collection.

With a token, settings go through Azure Resource Manager, which needs no role for data. An account key or a SAS is nothing to it:
with those a container can be made through the Blob service, and what needs more is said. Whether a container is empty only the
Blob service tells, so deleting one goes through it, and needs a role for data.
"""

from __future__ import annotations

import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_desired, azure_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import (
    AccountKey,
    AzureCredentials,
    SharedAccessSignature,
    azure_credentials,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.tenant import TenantCheck
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure import require_azure
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_account import (
    Account,
    Container,
    StorageResource,
    keeps_deleted_containers,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_arm import ArmCalls, open_arm
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import (
    AzureSettings,
    make_transport,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_settings import container_settings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    BUCKET,
    Change,
    Plan,
    Retention,
    Unsupported,
    Wanted,
    unsafe,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.setup import Outcome, Setup

_KEYED: t.Final = (
    "It is a setting that belongs to Azure Resource Manager, which neither an account key nor a SAS opens. "
    "Use a service principal, a managed identity or a workload identity."
)
_NOWHERE: t.Final = (
    "It is a setting that belongs to Azure Resource Manager, and nothing says where that is (management_endpoint)."
)
_UNNAMED: t.Final = (
    "It is a setting that belongs to Azure Resource Manager, and nothing says which subscription it is in."
)
_REFUSED: t.Final = "Azure refused it as something that it does not do."
_CONTENTS: t.Final = "snapshots,uncommittedblobs,deleted,versions"


def open_azure_setup(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event | None = None
) -> AzureSetup:
    """What sets up a location of provider ``azure``. Nothing is sent yet."""
    require_azure()
    settings = AzureSettings.from_options(options, environ)
    trust = TrustedCertificates(settings.ca_cert)
    auth = options.get("auth") or {}
    ended = stopped or threading.Event()
    credentials = azure_credentials(auth, environ, settings, trust.verify)
    calls = AzureCalls(make_transport(trust.verify), settings, credentials, ended)
    arm = open_arm(settings, auth, environ, trust.verify, ended) if settings.subscription else None
    account = str(auth.get("account") or "")
    return AzureSetup(calls, credentials, arm, trust, account=account)


def _unmanaged(settings: AzureSettings, credentials: AzureCredentials) -> str:
    """Why Azure Resource Manager cannot be asked."""
    if isinstance(credentials, AccountKey | SharedAccessSignature):
        return _KEYED
    return _UNNAMED if settings.management else _NOWHERE


class AzureSetup(Setup):
    """A container.

    :param arm: ``None`` if Azure Resource Manager cannot be asked.
    :param account: what the credentials must be of; empty if that is all the same.
    """

    def __init__(
        self,
        calls: AzureCalls,
        credentials: AzureCredentials,
        arm: ArmCalls | None,
        trust: TrustedCertificates,
        *,
        account: str,
    ) -> None:
        self._calls = calls
        self._settings = calls.settings
        self._credentials = credentials
        self._arm = arm
        self._resource = StorageResource(arm, calls.settings) if arm else None
        self._trust = trust
        self._account = TenantCheck(account, credentials, self._resource)
        self._unmanaged = "" if arm else _unmanaged(calls.settings, credentials)
        self._puts: dict[str, t.Callable[[Wanted, azure_desired.Seen, StorageResource], None]] = {
            "encryption": self._put_encryption,
            "versioning": self._put_versioning,
            "object_lock": self._put_lock,
            "tls_only": self._put_tls,
            "block_public_access": self._put_public,
            "shared_key_access": self._put_shared_keys,
        }

    def describe(self) -> str:
        return self._calls.address

    def secrets(self) -> frozenset[str]:
        return self._credentials.secrets()

    def close(self) -> None:
        self._calls.close()
        if self._arm is not None:
            self._arm.close()
        self._trust.close()

    def denied(self, actions: t.Sequence[str]) -> StowageError:
        names = ", ".join(dict.fromkeys(actions))
        where = f"the storage account {self._settings.account}"
        return StowageError(
            "permission_denied",
            f"{self.describe()}: Azure denies {names}.",
            f"Allow {names} on {where}, as Storage Account Contributor has it (a role for data is not enough).",
            details={"actions": list(dict.fromkeys(actions))},
        )

    # looking

    def plan(self, wanted: Wanted) -> Plan:
        self._check_options(wanted)
        if self._resource is not None:
            # In another subscription, the storage account would only seem not to be there.
            self._account.pass_or_raise()
        seen = self._see(wanted)
        if seen.container is None and not wanted.create_bucket:
            raise StowageError(
                "bucket_not_found",
                f"The container {self._settings.container} does not exist.",
                "Set create_bucket to true to have it made, or check its name and the storage account.",
            )
        plan = azure_desired.plan(wanted, seen)
        if plan.changes:
            self._account.pass_or_raise()
        return plan

    def _check_options(self, wanted: Wanted) -> None:
        if wanted.tls_only and not self._settings.encrypted:
            raise unsafe(
                "The location's own endpoint is http://, and tls_only would lock it out.",
                "Use the store's endpoint with TLS first.",
            )
        if self._unmanaged == _UNNAMED and azure_desired.needs_management(wanted):
            hint = "Set subscription to the id of the storage account's subscription."
            raise StowageError("invalid_option", "Nothing says which subscription the storage account is in.", hint)

    def _see(self, wanted: Wanted) -> azure_desired.Seen:
        """The container, with what has to be read of it and its account.

        :raises StowageError: ``permission_denied`` with all that may not be read, and what keeps it from being read.
        """
        if self._resource is None:
            return azure_desired.Seen(self._seen_by_data(), self._unmanaged)
        resource, needed, refused = self._resource, azure_desired.reads_for(wanted), list[str]()

        def read(look: t.Callable[[], t.Any]) -> t.Any:
            try:
                return look()
            except LocationError as error:
                if error.code != "permission_denied" or not error.failure.denied:
                    raise
                refused.append(error.failure.denied)
                return None

        container = read(resource.container)
        account = read(resource.account) if "account" in needed else None
        service = read(resource.service) if "service" in needed else None
        policy = read(resource.policy) if "policy" in needed and container else None
        if refused:
            raise self.denied(refused)
        return azure_desired.Seen(container, account=account or Account(), service=service or {}, policy=policy)

    def _seen_by_data(self) -> Container | None:
        """The container as the Blob service describes it; where it may not be asked, a listing says whether it is there."""
        reading = self._calls.retried(lambda: _passing(container_settings(self._calls)))
        if reading.value is not None:
            found = reading.value
            return Container(found.public, found.scope, found.versions)
        code = reading.failure.code if reading.failure else ""
        if code == "permission_denied":
            try:
                azure_listing.first_page(self._calls, self._settings.prefix)
            except LocationError as error:
                if error.code != "bucket_not_found":
                    raise
                return None
            return Container()
        if code == "bucket_not_found":
            return None
        raise LocationError(reading.failure)

    # changing

    def apply(self, plan: Plan) -> Outcome:
        wanted, outcome = plan.wanted, Outcome()
        changes = {change.setting: change for change in plan.changes}
        # A container whose versions can be made immutable is made in an account that has versions.
        first = ("versioning",) if wanted.object_lock_enabled and not plan.present else ()
        order = [name for name in (*first, BUCKET, *changes) if name in changes]
        done: set[str] = set()
        try:
            for name in dict.fromkeys(order):
                if self._apply(name, wanted, outcome):
                    done.add(name)
                elif name in first:
                    break
        except StowageError as error:
            outcome.error = error
        outcome.done = [change for change in plan.changes if change.setting in done]
        return outcome

    def _apply(self, setting: str, wanted: Wanted, outcome: Outcome) -> bool:
        """:returns: whether it was done."""
        try:
            unsupported = self._bring(setting, wanted)
        except LocationError as error:
            if error.code == "unsupported_by_store" and setting != BUCKET:
                unsupported = [Unsupported(setting, _REFUSED)]
            elif error.code == "permission_denied" and setting != BUCKET:
                outcome.denied[setting] = error.failure.denied or "an action that Azure does not name"
                return False
            else:
                raise
        outcome.unsupported += unsupported
        return not unsupported

    def _bring(self, setting: str, wanted: Wanted) -> list[Unsupported]:
        """Writes a setting until it reads as it should: what was read is compared again before each write.

        :returns: why a new container does not have it, if so.
        :raises LocationError: if the store refuses.
        :raises StowageError: ``unsafe_change`` for what somebody else made stricter meanwhile, ``outcome_unknown``.
        """
        calls, only = self._arm or self._calls, Wanted() if setting == BUCKET else wanted.only_this(setting)
        for number in range(1, calls.attempts + 1):
            seen = self._see(only)
            found = azure_desired.plan(only, seen)
            if all(change.setting != setting for change in found.changes):
                return list(found.unsupported)
            try:
                if setting == BUCKET:
                    self._create(wanted)
                else:
                    self._puts[setting](wanted, seen, t.cast(StorageResource, self._resource))
            except LocationError as error:
                # Somebody was faster, or we were, and the answer was lost: the next look tells.
                if error.failure.status not in {409, 412} and not calls.may_pass(error.failure, number):
                    raise
                if number == calls.attempts:
                    raise
                calls.wait(number)
            else:
                if number > 1:
                    calls.wait(number)
        hint = "Run the task again later. If it stays so, Azure does not keep what it accepts."
        raise StowageError("outcome_unknown", f"{self.describe()}: {setting} was accepted and does not show.", hint)

    def _create(self, wanted: Wanted) -> None:
        scope = azure_desired.new_scope(wanted)
        if self._resource is not None:
            lock = {"immutableStorageWithVersioning": {"enabled": True}} if wanted.object_lock_enabled else {}
            scoped = {"defaultEncryptionScope": scope, "denyEncryptionScopeOverride": True} if scope else {}
            self._resource.make_container({"publicAccess": "None", **lock, **scoped})
            return
        headers = (
            {"x-ms-default-encryption-scope": scope, "x-ms-deny-encryption-scope-override": "true"} if scope else {}
        )
        self._calls.once("PUT", f"Creating the container {self._settings.container}", headers=headers)

    def _put_encryption(self, wanted: Wanted, seen: azure_desired.Seen, resource: StorageResource) -> None:
        resource.set_account({"encryption": azure_desired.encryption_of(wanted, seen.account)})

    def _put_versioning(self, wanted: Wanted, seen: azure_desired.Seen, resource: StorageResource) -> None:
        """What else the Blob service is told to do stays."""
        resource.set_service({**seen.service, "isVersioningEnabled": wanted.versioning})

    def _put_lock(self, wanted: Wanted, seen: azure_desired.Seen, resource: StorageResource) -> None:
        resource.set_policy(seen.policy, azure_desired.days_of(t.cast(Retention, wanted.object_lock)))

    def _put_tls(self, wanted: Wanted, seen: azure_desired.Seen, resource: StorageResource) -> None:
        weak = wanted.tls_only and azure_desired.is_weak(seen.account)
        minimum = {"minimumTlsVersion": azure_desired.TLS} if weak else {}
        resource.set_account({"supportsHttpsTrafficOnly": wanted.tls_only, **minimum})

    def _put_public(self, wanted: Wanted, seen: azure_desired.Seen, resource: StorageResource) -> None:
        """The container first: nobody is let in meanwhile."""
        if wanted.block_public_access and seen.container is not None and seen.container.public:
            resource.set_container({"publicAccess": "None"})
        resource.set_account({"allowBlobPublicAccess": not wanted.block_public_access})

    def _put_shared_keys(self, wanted: Wanted, _seen: azure_desired.Seen, resource: StorageResource) -> None:
        resource.set_account({"allowSharedKeyAccess": wanted.shared_key_access})

    # removal

    def plan_removal(self) -> Plan:
        self._account.pass_or_raise()
        if self._seen_by_data() is None:
            return Plan(Wanted(), False)
        self._check_empty()
        self._check_undoable()
        return Plan(Wanted(), True, (Change(BUCKET, "present", "absent"),))

    def _check_empty(self) -> None:
        """Looks at the whole container, not at the prefix."""
        for page in azure_listing.pages(self._calls, "", include=_CONTENTS, most=1):
            if page.blobs or page.folders:
                hint = "Only an empty container is deleted. Look at the whole of it, not only at the location's prefix."
                kinds = (
                    "blobs, versions, snapshots, blobs that can still be restored (soft delete), or blocks of "
                    "unfinished uploads"
                )
                raise StowageError("bucket_not_empty", f"The container {self._settings.container} holds {kinds}.", hint)

    def _check_undoable(self) -> None:
        """Azure deletes a container with what is in it, and no condition keeps it from that: neither a lease nor a date, which
        are the container's own, knows of blobs. So what a backup writes in the last moment must come back with the container.

        :raises StowageError: ``unsafe_change`` if that is not known, ``permission_denied``.
        """
        what = "Azure deletes a container with what is written to it in the last moment"
        if self._resource is None:
            hint = (
                "Use a method with a token, and set subscription, so that the account's settings can be read; or delete the "
                "container by other means."
            )
            raise unsafe(f"{what}, and whether the storage account keeps deleted containers is not to be seen.", hint)
        try:
            service = self._resource.service()
        except LocationError as error:
            if error.code == "permission_denied" and error.failure.denied:
                raise self.denied([error.failure.denied]) from None
            raise
        if not keeps_deleted_containers(service):
            hint = "Switch on soft delete of containers in the storage account, so that a deletion can be undone."
            raise unsafe(f"{what}, and the storage account keeps no deleted containers.", hint)

    def remove(self) -> None:
        """It is looked at once more right before each attempt. What begins in between can be restored with the container."""

        def attempt() -> None:
            self._check_empty()
            self._calls.once("DELETE", f"Deleting the container {self._settings.container}")

        try:
            self._calls.retried(attempt)
        except LocationError as error:
            if error.code != "bucket_not_found":
                raise


def _passing(reading: t.Any) -> t.Any:
    """A reading that failed in a way that may pass is an error, to be tried again."""
    if reading.failure is not None and reading.failure.transient:
        raise LocationError(reading.failure)
    return reading
