# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who takes part in trust at Azure, and how each logs in. Private to the collection."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, Option
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import (
    SCOPE,
    AzureCredentials,
    Tokens,
    azure_credentials,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_arm import ArmCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import (
    AzureSettings,
    account_parts,
    make_transport,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._secrets import secrets_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_api import AzureApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_graph import GraphApi, GraphCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Tree, Who, unfit

_METHODS: t.Final = ["service_principal", "managed_identity", "workload_identity"]
_AUTH_OPTIONS: t.Final = (
    "tenant",
    "client_id",
    "secret",
    "x509_certificate_path",
    "x509_certificate_password",
    "federated_token_file",
    "authority",
)
_UUID: t.Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def auth_option() -> Option:
    """The part of a location's ``auth`` by which Azure gives tokens."""
    given = LOCATION["location"]["options"]["auth"]["options"]
    options = {name: given[name] for name in _AUTH_OPTIONS}
    return {"type": "dict", "options": {"method": {"type": "str", "required": True, "choices": _METHODS}, **options}}


def party_option(*, required: bool = False) -> Option:
    """A party: the tenant and subscription that it must be of, and how it logs in."""
    found: Option = {"type": "dict", "options": {"account": {"type": "str", "required": True}, "auth": auth_option()}}
    return {**found, "required": True} if required else found


def account_of(params: t.Mapping[str, t.Any], party: str, *, subscription: bool = True) -> tuple[str, str]:
    """Tenant and subscription that a party must be of.

    :param subscription: whether it needs one.
    :raises StowageError: ``invalid_option``.
    """
    account = str((params[party] or {}).get("account") or "")
    if not re.fullmatch(f"{_UUID}/{_UUID}" if subscription else f"{_UUID}(?:/{_UUID})?", account):
        wanted = (
            "the ids of a tenant and of a subscription, with a slash between them" if subscription else "a tenant's id"
        )
        raise unfit(f"{party}.account must be {wanted}.")
    return account_parts(account)


class Parties:
    """Logs in whoever takes part.

    :param verify: the certificates to trust, ``None`` for the usual ones.
    """

    def __init__(self, task: Task, settings: AzureSettings, verify: str | None, authority: str) -> None:
        self._task, self._settings, self._verify = task, settings, verify
        self._authority = authority or settings.cloud.authority
        self._transport = make_transport(verify)
        self._open: list[AzureCredentials] = []

    def close(self) -> None:
        """Lets go of connections."""
        for one in self._open:
            one.close()
        self._transport.close()

    def api(self, option: str, *, ambient: bool = False) -> AzureApi:
        """Azure Resource Manager as the party of an option, whose tenant and subscription were compared.

        :param ambient: whether the environment and the machine may provide its credentials.
        :raises StowageError: ``wrong_account``, and what keeps it from logging in.
        """
        tenant, subscription = account_of(self._task.params, option)
        given = (self._task.params[option] or {}).get("auth")
        credentials = self.credentials(given, option, ambient=ambient, scope=f"{self._settings.management}/.default")
        self._compare(option, "tenant", credentials.claims().get("tid", ""), tenant)
        calls = ArmCalls(self._transport, self._settings.management, credentials, self._task.progress.stopped)
        api = AzureApi(calls, option)
        self._compare(option, "tenant of the subscription", api.tenant_of(subscription), tenant)
        return api

    def graph(self, option: str, endpoint: str) -> GraphApi:
        """Microsoft Graph as the party of an option, whose tenant was compared: that of the application, which may be another than
        the storage account's.

        :raises StowageError: ``wrong_account``, and what keeps it from logging in.
        """
        tenant, _dummy = account_of(self._task.params, option, subscription=False)
        credentials = self.credentials(
            (self._task.params[option] or {}).get("auth"), option, scope=f"{endpoint}/.default"
        )
        self._compare(option, "tenant", credentials.claims().get("tid", ""), tenant)
        return GraphApi(GraphCalls(self._transport, endpoint, credentials, self._task.progress.stopped), option)

    def credentials(
        self, auth: Tree | None, option: str, *, ambient: bool = False, scope: str = SCOPE
    ) -> AzureCredentials:
        """Whom an ``auth`` describes.

        :raises StowageError: ``credentials_missing`` for one that would have to use the environment, and may not.
        """
        given = {name: value for name, value in (auth or {}).items() if value is not None}
        self._task.hide(secrets_of({"location": {"auth": given}}))
        if not ambient and given.get("method") not in {"service_principal", "workload_identity"}:
            hint = "Set its method to service_principal or workload_identity: only location_account may use what the environment has."
            raise StowageError("credentials_missing", f"{option}.auth says no credentials of its own.", hint)
        found = azure_credentials(
            given, self._task.environ if ambient else {}, self._settings, self._verify, scope=scope
        )
        self._task.hide(found.secrets())
        self._open.append(found)
        return found

    def principal(self, option: str, who: Who) -> AzureCredentials:
        """The credentials of the principal itself.

        :raises StowageError: ``wrong_account`` if they are of another, or of another tenant.
        """
        tenant, _dummy = account_of(self._task.params, option, subscription=False)
        credentials = self.credentials((self._task.params[option] or {}).get("auth"), option)
        claims = credentials.claims()
        self._compare(option, "tenant", claims.get("tid", ""), tenant)
        if who.object_id:
            self._compare(option, "object", claims.get("oid", ""), who.object_id)
        return credentials

    def federated(self, tenant: str, client_id: str, ask: t.Callable[[], str]) -> AzureCredentials:
        """The credentials of a principal by a cluster's tokens.

        :param ask: gets one.
        """
        from azure.identity import ClientAssertionCredential

        who = {"tenant_id": tenant, "client_id": client_id, "authority": self._authority}

        def assertion() -> str:
            token = ask()
            self._task.hide([token])
            return token

        found = Tokens(
            lambda **own: ClientAssertionCredential(func=assertion, disable_instance_discovery=True, **who, **own),
            frozenset(),
            self._verify,
        )
        self._open.append(found)
        return found

    def calls(self, credentials: AzureCredentials, settings: AzureSettings | None = None) -> AzureCalls:
        """The container, with credentials."""
        stopped = self._task.progress.stopped
        return AzureCalls(self._transport, settings or self._settings, credentials, stopped)

    def _compare(self, option: str, what: str, found: str, expected: str) -> None:
        if found.lower() == expected:
            return
        raise StowageError(
            "wrong_account",
            f"The credentials of {option} are of another {what}, or do not see it: {found or 'none'}, and not {expected}.",
            f"Nothing was written. Use other credentials, or correct {option}.account.",
            details={"account": found, "expected": expected},
        )
