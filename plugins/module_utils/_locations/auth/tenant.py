# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether credentials are of the Entra tenant, and the storage account is in the subscription, that is expected. Private to the
collection."""

from __future__ import annotations

import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import account_parts

_WHAT: t.Final = "Asking whose the Azure credentials are"


class HasClaims(t.Protocol):
    """Credentials whose token says whom it is for."""

    def claims(self) -> t.Mapping[str, str]:
        """The ids in the token; may ask for one."""


class KnowsSubscription(t.Protocol):
    """What looks for a storage account in the subscription that the location says."""

    def is_there(self) -> bool | None:
        """Whether it is there; ``None`` if that cannot be told."""


class TenantCheck:
    """Compares ``auth.account`` with the tenant of the token that requests carry, and with the storage account's subscription
    where the caller is told it; once. The token is not verified: Entra gave it to us by TLS, and the store verifies it. Safe
    for several threads."""

    def __init__(self, expected: str, credentials: HasClaims, resource: KnowsSubscription | None = None) -> None:
        """:param expected: the tenant's id, or that and the subscription's after a slash; if empty, there is nothing to compare.
        :param resource: ``None`` if nobody knows the subscription.
        """
        self._expected, self._subscription = account_parts(expected)
        self._credentials = credentials
        self._resource = resource
        self._lock = threading.Lock()
        self._passed = not expected

    def pass_or_raise(self) -> None:
        """:raises StowageError: ``wrong_account``, or why no token was to be had."""
        if self._passed:
            return
        with self._lock:
            if not self._passed:
                self._compare(self._credentials.claims().get("tid", ""))
                self._compare_subscription()
                self._passed = True

    def _compare(self, tenant: str) -> None:
        if tenant == self._expected:
            return
        if not tenant:
            raise StowageError("store_error", f"{_WHAT}: the token names no tenant.")
        raise StowageError(
            "wrong_account",
            f"The credentials are of the tenant {tenant}, and the location's auth.account is {self._expected}.",
            "Nothing was written. Use credentials of that tenant, or correct auth.account.",
            details={"account": tenant, "expected": self._expected},
        )

    def _compare_subscription(self) -> None:
        if not self._subscription or self._resource is None or self._resource.is_there() is not False:
            return
        raise StowageError(
            "wrong_account",
            f"The storage account is not in the subscription {self._subscription}, which the location's auth.account names.",
            "Nothing was written. Check storage_account, or correct auth.account.",
            details={"expected": self._subscription},
        )
