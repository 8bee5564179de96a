# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at a location in a container of Azure Blob Storage. Private to the collection."""

from __future__ import annotations

import datetime
import functools
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import (
    azure_judge,
    azure_settings,
    network,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import (
    AccountKey,
    SharedAccessSignature,
    azure_credentials,
    has_tokens,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure import AzureLocation, require_azure
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_account import StorageResource
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_arm import open_arm
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_claims import Sas
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import (
    AzureSettings,
    account_parts,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_look import (
    Listing,
    list_container,
    nothing,
    outcome,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_posture import (
    READ_SECONDS,
    AzurePosture,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_rights import Right, ask, rights
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_settings import ContainerSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_upload import (
    Round,
    checksum_check,
    conditional_check,
    upload_round,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    of_error,
    passed,
    unknown,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoint import EndpointLooks
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Aim, Look, Prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Layer, Verdict, failed

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location


def open_azure_prober(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], aim: Aim, stopped: threading.Event | None = None
) -> AzureProber:
    """What looks at a location of provider ``azure``. Nothing is sent, and nothing of the options looked at.

    :raises StowageError: ``dependency_missing``.
    """
    require_azure()
    return AzureProber(options, environ, aim, stopped or threading.Event())


class AzureProber(Prober):
    """Looks at a container. Retries are off: what does not work at once is worth knowing."""

    def __init__(
        self, options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], aim: Aim, stopped: threading.Event
    ) -> None:
        self._options = options
        self._environ = environ
        self._aim = aim
        self._stopped = stopped
        self._identity: dict[str, str] = {}
        self._posture: AzurePosture | None = None
        self._allowed: dict[str, bool] = {}
        self._round = Round()
        self._secrets: frozenset[str] = frozenset()
        self._account = str(options.get("storage_account") or "")
        self._settings: AzureSettings
        self._trust: TrustedCertificates
        self._sas: Sas | None = None
        self._calls: AzureCalls
        self._listing: Listing
        self._container: Reading[ContainerSettings] = Reading("unknown")
        self._location: AzureLocation | None = None
        self._ends: list[t.Callable[[], None]] = []

    # the interface

    def describe(self) -> str:
        bucket = self._options.get("bucket") or ""
        return f"azure://{self._account}/{bucket}/{str(self._options.get('prefix') or '').strip('/')}".rstrip("/")

    def location(self) -> Location | None:
        return self._location

    def identity(self) -> dict[str, str]:
        return dict(self._identity)

    def settings(self) -> dict[str, t.Any]:
        return dict(self._posture.seen) if self._posture else {}

    def secrets(self) -> frozenset[str]:
        return self._secrets

    def close(self) -> None:
        if self._location is not None:
            self._location.close()
        for end in self._ends:
            end()

    def looks(self, layer: Layer) -> t.Sequence[Look]:
        made: dict[Layer, t.Callable[[], t.Sequence[Look]]] = {
            Layer.PARSE: lambda: [Look(("address",), self._parse)],
            Layer.NETWORK: lambda: [Look(("dns", "tcp"), self._looks.network)],
            Layer.TLS: lambda: [Look(("tls",), self._looks.tls)],
            Layer.CLOCK: lambda: [Look(("clock",), self._looks.clock)],
            Layer.IDENTITY: lambda: [Look(("credentials", "identity"), self._who)],
            Layer.BUCKET: lambda: [Look(("bucket", "listing"), self._bucket)],
            Layer.PERMISSION: self._of_permissions,
            Layer.INTEGRITY: lambda: [
                Look(("conditional_create",), self._conditional),
                Look(("checksums",), lambda: [checksum_check(self._round)]),
            ],
            Layer.POSTURE: self._of_posture,
        }
        return made[layer]() if layer in made else []

    # parse, network, tls, clock

    def _parse(self) -> list[Check]:
        try:
            self._settings = AzureSettings.from_options(self._options, self._environ)
        except StowageError as error:
            return [of_error("address", error)]
        self._account = self._settings.account
        checks = [passed("address", f"{self.describe()} at {self._endpoint}.")]
        try:
            self._trust = TrustedCertificates(self._settings.ca_cert)
        except StowageError as error:
            return [*checks, of_error("trusted_certificates", error)]
        self._ends.append(self._trust.close)
        seen = "Those of ca_cert." if self._settings.ca_cert else "Those of this machine or its environment."
        return [*checks, passed("trusted_certificates", seen)]

    @property
    def _endpoint(self) -> str:
        """The URL that requests go to, without the account's path."""
        return self._settings.base.removesuffix(self._settings.base_path)

    @functools.cached_property
    def _looks(self) -> EndpointLooks:
        ca_file = trusted_file(self._trust.verify, self._environ) if self._settings.encrypted else ""
        return EndpointLooks(self._endpoint, ca_file, network.SECONDS)

    # identity and bucket

    def _who(self) -> list[Check]:
        auth = self._options.get("auth") or {}
        expected = str(auth.get("account") or "")
        try:
            credentials = azure_credentials(auth, self._environ, self._settings, self._trust.verify)
            self._secrets = credentials.secrets()
            location = AzureLocation(
                self._settings, credentials, self._trust, self._stopped, account=expected, read_seconds=READ_SECONDS
            )
            self._location, self._calls = location, location.calls
            claims = credentials.claims()
        except StowageError as error:
            if error.code == "dependency_missing":
                raise
            return [of_error("credentials", error)]
        self._sas = credentials.described if isinstance(credentials, SharedAccessSignature) else None
        self._listing = list_container(self._calls, self._settings.prefix + self._aim.listed)
        checks = self._accepted()
        self._name(claims)
        if not failed(checks):
            by_key = isinstance(credentials, AccountKey)
            checks.append(azure_judge.identity_check(self._settings.account, claims, self._sas, by_key=by_key))
        return checks + ([self._of_account(expected, claims.get("tid", ""))] if expected else [])

    def _of_account(self, expected: str, tenant: str) -> Check:
        """Whose the credentials are, and where the storage account is, if the location says which subscription."""
        wanted, subscription = account_parts(expected)
        check = azure_judge.tenant_check(wanted, tenant)
        if not subscription or failed([check]):
            return check
        try:
            resource = self._resource
        except StowageError as error:
            # The credentials are good for the data.
            return of_error("account", error, Verdict.UNKNOWN)
        return azure_judge.subscription_check(subscription, resource.is_there() if resource else None)

    @functools.cached_property
    def _resource(self) -> StorageResource | None:
        """The storage account at Azure Resource Manager; ``None`` if that cannot be asked.

        :raises StowageError: the credentials are not for it.
        """
        auth = self._options.get("auth") or {}
        arm = open_arm(self._settings, auth, self._environ, self._trust.verify, self._stopped)
        if arm is None:
            return None
        self._ends.append(arm.close)
        arm.attempts = 1
        return StorageResource(arm, self._settings)

    def _accepted(self) -> list[Check]:
        """Whether the credentials are accepted, and how long. What an end that is past explains is not said twice."""
        now = self._calls.now() or datetime.datetime.now(datetime.UTC)
        of_sas = azure_judge.sas_checks(self._sas, now) if self._sas else []
        if failed(of_sas):
            return of_sas
        return [azure_judge.credentials_check(self._listing.error), *of_sas]

    def _name(self, claims: t.Mapping[str, str]) -> None:
        sas = self._sas
        found = {"storage_account": self._settings.account, "client_id": claims.get("appid", "")}
        found |= {"object_id": claims.get("oid", ""), "tenant": claims.get("tid", "")}
        if sas is not None:
            found |= {"sas": sas.kind, "object_id": sas.object_id, "tenant": sas.tenant}
        self._identity = {name: value for name, value in found.items() if value}

    def _bucket(self) -> list[Check]:
        error = self._listing.error
        if error is None:
            checks = azure_judge.found_checks(self._settings.container, empty=self._listing.first is None)
        else:
            # Whether the container is there shows without the right to list it, too.
            blob = (
                outcome(self._calls, nothing(self._settings, self._aim)) if error.code == "permission_denied" else None
            )
            checks = azure_judge.not_found_checks(error, blob, self._settings.container)
        if not failed(checks):
            self._container = azure_settings.container_settings(self._calls)
        return checks

    # permission

    def _of_permissions(self) -> list[Look]:
        wanted = rights(self._aim, self._settings.prefix)
        looks = [Look((right.id,), functools.partial(self._ask, right)) for right in wanted]
        if "write" in self._aim.access:
            looks.append(Look(("upload",), self._upload, alone=True))
        return looks

    def _ask(self, right: Right) -> list[Check]:
        found = ask(self._calls, right, self._sas)
        self._allowed[right.id] = all(check.granted == "allowed" for check in found)
        return found

    def _upload(self) -> list[Check]:
        if not self._allowed.get("may_create"):
            return [
                unknown("upload", "Not tried, for it is not known to be allowed.", fix="Allow what is missing first.")
            ]
        may_drop = self._allowed.get("may_delete") or self._allowed.get("may_abort_uploads")
        locked = self._container.value is not None and self._container.value.locked
        key = self._settings.prefix + self._aim.upload_key
        self._round, check = upload_round(self._calls, key, real=bool(may_drop) and not locked)
        return [check]

    # integrity and posture

    def _conditional(self) -> list[Check]:
        if "write" not in self._aim.access:  # it was not asked whether writes of nothing are refused
            return [unknown("conditional_create", "Writing was not asked for.", fix="")]
        return [conditional_check(self._calls, self._listing.first)]

    def _of_posture(self) -> t.Sequence[Look]:
        self._posture = AzurePosture(
            self._calls,
            self._aim,
            container=self._container,
            round_=self._round,
            resource=lambda: self._resource,
            tokens=has_tokens(self._options.get("auth") or {}),
            sas=self._sas,
            verify=self._trust.verify,
        )
        return self._posture.looks()


def trusted_file(verify: str | None, environ: t.Mapping[str, str]) -> str:
    """The file of certificates that requests trusts, by what it looks at in turn."""
    import certifi

    return verify or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or certifi.where()
