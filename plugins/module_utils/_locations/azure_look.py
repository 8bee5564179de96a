# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container answers to whoever looks at it, as something that can be judged. Private to the collection."""

from __future__ import annotations

import dataclasses
import secrets as random

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import (
    AzureCredentials,
    Signed,
    Unsigned,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import AzureSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import UPLOAD_NAME, Aim


class Nobody(AzureCredentials):
    """No credentials: what anybody may do."""

    def sign(self, _dummy: Unsigned, /) -> Signed:
        return Signed()

    def secrets(self) -> frozenset[str]:
        return frozenset()


@dataclasses.dataclass(frozen=True)
class Listing:
    """The first look into a container: how it failed, or a blob that is there, if there is any."""

    error: LocationError | None = None
    first: azure_listing.Blob | None = None


def list_container(calls: AzureCalls, prefix: str) -> Listing:
    """Lists one blob. Nothing raises for what the store answers, but what keeps the request from being sent."""
    try:
        page = azure_listing.first_page(calls, prefix)
    except LocationError as error:
        return Listing(error)
    return Listing(first=page.blobs[0] if page.blobs else None)


def nothing(settings: AzureSettings, aim: Aim) -> str:
    """The name of a blob that does not exist."""
    return f"{settings.prefix}{aim.folder}{UPLOAD_NAME}-{random.token_hex(16)}"


def outcome(calls: AzureCalls, key: str) -> LocationError | None:
    """What is answered to who asks for a blob."""
    try:
        calls.once("GET", f"Looking at {calls.address}", key)
    except LocationError as error:
        return error
    return None
