# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at what guards a container of Azure Blob Storage: encryption, versions, locks, and who is let in. Private to the collection."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import (
    azure_judge,
    azure_managed_judge,
    azure_settings,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_account import StorageResource
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_claims import Sas
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import (
    AzureSettings,
    make_transport,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_look import (
    Nobody,
    list_container,
    nothing,
    outcome,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_managed import (
    KEYED,
    UNNAMED,
    Managed,
    read_managed,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_settings import ContainerSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_upload import Round
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Aim, Look
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check

READ_SECONDS: t.Final = 20


class AzurePosture:
    """What guards a container; ``seen`` are its settings as they were found.

    :param calls: as whom it is looked at.
    :param container: what the container told of itself.
    :param round_: an upload that was begun, as far as it got.
    :param resource: the storage account at Azure Resource Manager; ``None`` if that cannot be asked. It raises StowageError if the
        credentials are not for it.
    :param tokens: whether the credentials are tokens, and ``sas`` the SAS, if they are one.
    :param verify: the certificates to trust, ``None`` for the usual ones.
    """

    def __init__(
        self,
        calls: AzureCalls,
        aim: Aim,
        *,
        container: Reading[ContainerSettings],
        round_: Round,
        resource: t.Callable[[], StorageResource | None],
        tokens: bool,
        sas: Sas | None,
        verify: str | None,
    ) -> None:
        self._calls, self._aim, self._settings = calls, aim, calls.settings
        self._container, self._round, self._resource = container, round_, resource
        self._tokens, self._sas, self._verify = tokens, sas, verify
        self._managed: Managed | None = None
        self.seen: dict[str, t.Any] = {}

    def looks(self) -> list[Look]:
        """What there is to look at."""
        azure, container = self._settings.own_endpoint, self._container
        # In one thread: what is found out of where the resource is serves all.
        self._managed = self._ask_management()
        self._note_container()
        return [
            Look(("encryption",), lambda: [azure_judge.encryption_check(container, self._round, azure=azure)]),
            Look(("versioning",), self._versioning),
            Look(
                ("object_lock", "default_retention", "legal_hold"),
                lambda: self._locks(azure_judge.lock_checks(container, self._aim.engine)),
            ),
            Look(("soft_delete",), self._soft_delete),
            Look(("public_access", "anonymous_listing"), self._public),
            Look(("public_access_block", "shared_key_access"), self._let_in),
            Look(("tls_only",), self._plain_http),
            Look(("stale_uploads",), lambda: [azure_judge.stale_uploads_check(azure=azure)]),
            Look(("lifecycle_expiry", "lifecycle_archive"), self._lifecycle),
        ]

    def _ask_management(self) -> Managed | None:
        """What Azure Resource Manager tells of the account; ``None`` where there is none."""
        settings = self._settings
        if not settings.management:
            return None
        if not self._tokens:
            return Managed(KEYED, "Use a method with a token to have this checked.")
        if not settings.subscription:
            return Managed(UNNAMED, "Set subscription to its id to have this checked.")
        try:
            resource = self._resource()
        except StowageError as error:
            return Managed(error.message, error.hint)
        return read_managed(resource) if resource else None

    def _locks(self, by_data: list[Check]) -> list[Check]:
        """The retention policy with its period, where that is told."""
        policy = self._managed.policy.value if self._managed else None
        if policy is None:
            return by_data
        known = azure_managed_judge.retention_check(policy, self._aim.engine)
        return [known if check.id == known.id else check for check in by_data]

    def _let_in(self) -> list[Check]:
        keyed = not self._tokens and (self._sas is None or self._sas.kind != "user")
        managed = self._managed
        return [
            azure_managed_judge.public_block_check(managed),
            azure_managed_judge.shared_keys_check(managed, keyed=keyed),
        ]

    def _lifecycle(self) -> list[Check]:
        place = f"{self._settings.container}/{self._settings.prefix}"
        judges = (azure_managed_judge.expiry_check, azure_managed_judge.archive_check)
        by_data = azure_judge.lifecycle_checks(azure=self._settings.own_endpoint)
        return [
            azure_managed_judge.better(self._managed, functools.partial(judge, place=place), check)
            for judge, check in zip(judges, by_data, strict=True)
        ]

    def _note_container(self) -> None:
        found = self._container.value
        scope = self._round.scope or (found.scope if found else "")
        self.seen |= {
            "encryption": scope or ("AES256" if self._settings.own_endpoint or self._round.encrypted else None),
            "object_lock": found.policy or found.versions if found else None,
            "default_retention": "time-based" if found and found.policy else None,
            "legal_hold": found.hold if found else None,
            "public_access": (found.public or "private") if found else None,
            **azure_managed_judge.shown(self._managed),
        }

    def _versioning(self) -> list[Check]:
        reading = azure_settings.versioning(self._calls, self._settings.prefix + self._aim.listed)
        service = self._managed.service.value if self._managed else None
        enabled = reading.value if service is None else service.get("isVersioningEnabled") is True
        self.seen["versioning"] = "Enabled" if enabled else None
        by_data = azure_judge.versioning_check(reading)
        return [azure_managed_judge.better(self._managed, azure_managed_judge.versioning_check, by_data)]

    def _soft_delete(self) -> list[Check]:
        reading = azure_settings.soft_delete(self._calls)
        self.seen["soft_delete_days"] = reading.value or azure_managed_judge.soft_delete_days(self._managed)
        by_data = azure_judge.soft_delete_check(reading)
        return [azure_managed_judge.better(self._managed, azure_managed_judge.soft_delete_check, by_data)]

    def _public(self) -> list[Check]:
        """What is shown to somebody without credentials: a listing, or that a blob does not exist."""
        calls = self._anonymous(self._settings)
        try:
            listed = list_container(calls, self._settings.prefix + self._aim.listed).error
            seen = outcome(calls, nothing(self._settings, self._aim))
        finally:
            calls.close()
        shown = azure_judge.blobs_seen(seen)
        return [azure_judge.public_check(self._container, shown), azure_judge.anonymous_check(listed)]

    def _plain_http(self) -> list[Check]:
        """What is answered without TLS; only Azure has an address for that, and nothing secret is sent."""
        azure, error = self._settings.own_endpoint, None
        if azure:
            plain = dataclasses.replace(self._settings, base="http" + self._settings.base.removeprefix("https"))
            calls = self._anonymous(plain)
            try:
                error = list_container(calls, "").error
            finally:
                calls.close()
        by_data = azure_judge.tls_only_check(error, azure=azure)
        return [azure_managed_judge.better(self._managed, azure_managed_judge.tls_check, by_data)]

    def _anonymous(self, settings: AzureSettings) -> AzureCalls:
        return AzureCalls(make_transport(self._verify, READ_SECONDS), settings, Nobody(), self._calls.stopped)
