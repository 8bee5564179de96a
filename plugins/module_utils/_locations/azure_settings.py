# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of an Azure container and its account, as far as the data plane tells them, read and typed. Private to the
collection.

Most settings of a storage account belong to its resource provider, which wants a token of its own and rights that a backup
should not have. What is left: Get Container Properties (headers), Get Blob Service Properties, and what a listing shows.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading, state_of

ACCOUNT_SCOPE: t.Final = "$account-encryption-key"
_BLOBS_LOOKED_AT: t.Final = 20
_NUMBER: t.Final = re.compile(r"[0-9]{1,5}")


@dataclasses.dataclass(frozen=True)
class ContainerSettings:
    """Properties of a container.

    :param public: ``blob`` or ``container`` if anybody may read, empty if not.
    :param policy: whether a time-based retention policy of the container holds every blob.
    :param hold: whether a legal hold does.
    :param versions: whether single versions can be made immutable.
    :param scope: the default encryption scope; empty if the store tells none.
    """

    public: str = ""
    policy: bool = False
    hold: bool = False
    versions: bool = False
    scope: str = ""

    @property
    def locked(self) -> bool:
        """Whether what is written stays for a while, whoever wants it gone."""
        return self.policy or self.hold


def container_settings(calls: AzureCalls) -> Reading[ContainerSettings]:
    """By Get Container Properties. A SAS of a container may not ask."""
    what = f"Reading the properties of {calls.address}"
    try:
        answer = calls.once("HEAD", what)
    except LocationError as error:
        return Reading(state_of(error.failure), failure=error.failure)
    found = parse_container(answer.headers)
    return Reading("unsupported", failure=_other(what)) if found is None else Reading("set", found)


def parse_container(headers: t.Mapping[str, str]) -> ContainerSettings | None:
    """From the headers of an answer; ``None`` if they are of something else. Access is private where none is named, so the
    rest has to show that it is a container's answer."""
    told = headers.get("x-ms-has-legal-hold"), headers.get("x-ms-has-immutability-policy")
    if not headers.get("etag") or not set(told) <= {"true", "false"}:
        return None
    return ContainerSettings(
        public=printable(headers.get("x-ms-blob-public-access", ""), 40),
        policy=told[1] == "true",
        hold=told[0] == "true",
        versions=headers.get("x-ms-immutable-storage-with-versioning-enabled") == "true",
        scope=printable(headers.get("x-ms-default-encryption-scope", ""), 80),
    )


def soft_delete(calls: AzureCalls) -> Reading[int]:
    """For how many days deleted blobs can be brought back, by Get Blob Service Properties."""
    what = f"Reading the properties of the account {calls.settings.account}"
    parameters = {"restype": "service", "comp": "properties"}
    try:
        answer = calls.once("GET", what, parameters=parameters, of_account=True)
    except LocationError as error:
        return Reading(state_of(error.failure), failure=error.failure)
    return parse_service(answer.body, what)


def parse_service(body: bytes, what: str) -> Reading[int]:
    """From the answer's XML, which may say nothing of it."""
    from xml.etree import ElementTree

    try:
        root = None if b"<!DOCTYPE" in body else ElementTree.fromstring(body.removeprefix(b"\xef\xbb\xbf"))  # noqa: S314 - no entities
    except (ElementTree.ParseError, ValueError):
        root = None
    if root is None or root.tag != "StorageServiceProperties":
        return Reading("unsupported", failure=_other(what))
    enabled = (root.findtext("DeleteRetentionPolicy/Enabled") or "").strip().lower()
    days = (root.findtext("DeleteRetentionPolicy/Days") or "").strip()
    if enabled == "true" and _NUMBER.fullmatch(days):
        return Reading("set", int(days))
    failure = Failure("store_error", f"{what}: the answer says nothing of soft delete.", "")
    return Reading("unset") if enabled == "false" else Reading("unknown", failure=failure)


def versioning(calls: AzureCalls, prefix: str) -> Reading[bool]:
    """Whether the last of the first few blobs below a prefix was written with a version; ``unknown`` if there is no blob."""
    try:
        page = azure_listing.first_page(calls, prefix, include="versions", most=_BLOBS_LOOKED_AT)
    except LocationError as error:
        return Reading(state_of(error.failure), failure=error.failure)
    if not page.blobs:
        return Reading("unknown")
    last = max(page.blobs, key=lambda blob: blob.modified)
    return Reading("set", True) if last.version else Reading("unset")


def _other(what: str) -> Failure:
    return Failure("unsupported_by_store", f"{what}: the store answers another question than this one.", "")
