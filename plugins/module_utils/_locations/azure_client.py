# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an Azure location is, and the HTTP transport to it. Private to the collection.

azure-core alone carries the requests, not azure-storage-blob: that one reads a blob in pieces that it holds in memory and
asks for again by itself, and chooses a version of the service that a store may not know. Nothing here retries, follows a
redirect or reads ``~/.netrc``: see ``azure_calls``.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoints import is_of, plain_endpoint
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import normal_prefix, printable

CONNECT_SECONDS: t.Final = 10
READ_SECONDS: t.Final = 60
POOL_SIZE: t.Final = 16
BLOCK_BYTES: t.Final = 256 << 10


@dataclasses.dataclass(frozen=True)
class Cloud:
    """One of Azure's clouds: the suffix of its blob endpoints, where its tokens come from, its Resource Manager, and its Graph
    (https://learn.microsoft.com/graph/deployments)."""

    suffix: str
    authority: str
    management: str
    graph: str


CLOUDS: t.Final[t.Mapping[str, Cloud]] = {
    "public": Cloud(
        "blob.core.windows.net",
        "https://login.microsoftonline.com",
        "https://management.azure.com",
        "https://graph.microsoft.com",
    ),
    "china": Cloud(
        "blob.core.chinacloudapi.cn",
        "https://login.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
        "https://microsoftgraph.chinacloudapi.cn",
    ),
    "usgovernment": Cloud(
        "blob.core.usgovcloudapi.net",
        "https://login.microsoftonline.us",
        "https://management.usgovcloudapi.net",
        "https://graph.microsoft.us",
    ),
}
# The names that azure.azcollection and AWX's credential have for them.
CLOUD_NAMES: t.Final[t.Mapping[str, str]] = {
    "AzureCloud": "public",
    "AzureChinaCloud": "china",
    "AzureUSGovernment": "usgovernment",
}
# Accounts with zones in their names ("Azure DNS zone endpoints").
_ZONED: t.Final = "blob.storage.azure.net"
_ACCOUNT: t.Final = re.compile(r"[a-z0-9]{3,24}")
_UUID: t.Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GROUP: t.Final = re.compile(r"[\w().-]{0,89}[\w()-]")
_CONTAINER: t.Final = re.compile(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*|\$root|\$web")


def is_own_endpoint(endpoint: str) -> bool:
    """Whether a URL is Azure's own, by TLS: the only kind of endpoint that gets credentials of the environment."""
    return is_of(endpoint, (*(cloud.suffix for cloud in CLOUDS.values()), _ZONED))


def is_own_management(endpoint: str) -> bool:
    """Whether a URL is Azure's own Resource Manager."""
    return endpoint.lower() in {cloud.management for cloud in CLOUDS.values()}


@dataclasses.dataclass(frozen=True)
class AzureSettings:
    """The options of an Azure location in normal form.

    :param base: scheme and host of requests, with the account's path where that has one; no slash at the end.
    :param own_endpoint: whether requests go to Azure itself.
    :param management: the URL of Azure Resource Manager, empty where nothing says it.
    :param subscription: that of the storage account, by its id, and ``resource_group`` its group; empty if not given.
    """

    account: str
    container: str
    prefix: str
    base: str
    cloud: Cloud
    ca_cert: str
    own_endpoint: bool
    management: str = ""
    subscription: str = ""
    resource_group: str = ""

    @property
    def encrypted(self) -> bool:
        """Whether requests go by TLS."""
        return self.base.startswith("https://")

    @property
    def base_path(self) -> str:
        """The path before the container's, if the account is in the path."""
        return urllib.parse.urlsplit(self.base).path

    @classmethod
    def from_options(cls, options: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> AzureSettings:
        """Checks and completes a location's options; ``invalid_option`` for what makes no sense."""
        endpoint = plain_endpoint(str(options.get("endpoint") or ""), "https://127.0.0.1:10000")
        own = not endpoint or is_own_endpoint(endpoint)
        account = str(options.get("storage_account") or (own and environ.get("AZURE_STORAGE_ACCOUNT")) or "")
        if not _ACCOUNT.fullmatch(account):
            raise StowageError(
                "invalid_option",
                f"{printable(account)!r} is no name of a storage account."
                if account
                else "The location has no storage account.",
                "Set storage_account: 3 to 24 small letters and digits.",
            )
        container = str(options.get("bucket") or "")
        if not _CONTAINER.fullmatch(container):
            hint = "Names of containers have 3 to 63 small letters, digits and single hyphens."
            raise StowageError("invalid_option", f"{printable(container)!r} is no name of a container.", hint)
        cloud = _cloud(str(options.get("cloud") or ""), environ if own else {})
        return cls(
            account=account,
            container=container,
            prefix=normal_prefix(options.get("prefix")),
            base=_base(endpoint, account, cloud, options.get("path_style")),
            cloud=cloud,
            ca_cert=str(options.get("ca_cert") or ""),
            own_endpoint=own,
            management=_management(str(options.get("management_endpoint") or ""), cloud if own else None),
            subscription=_subscription(options, environ if own else {}),
            resource_group=_resource_group(str(options.get("resource_group") or "")),
        )

    @classmethod
    def of_management(cls, options: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> AzureSettings:
        """For requests to Azure Resource Manager alone: ``cloud``, ``management_endpoint`` and ``ca_cert``.

        :raises StowageError: ``invalid_option`` for what makes no sense.
        """
        given = str(options.get("management_endpoint") or "")
        own = not given or is_own_management(given.rstrip("/"))
        cloud = _cloud(str(options.get("cloud") or ""), environ if own else {})
        management = _management(given, cloud)
        return cls("", "", "", management, cloud, str(options.get("ca_cert") or ""), own, management)


def account_parts(account: str) -> tuple[str, str]:
    """Tenant and subscription that ``auth.account`` demands; empty what it does not say."""
    tenant, _dummy, subscription = account.lower().partition("/")
    return tenant, subscription


def _management(given: str, cloud: Cloud | None) -> str:
    """Where the resource provider is: what is given, or the cloud's for Azure's own endpoints."""
    if not given:
        return cloud.management if cloud else ""
    endpoint = plain_endpoint(given, "https://management.azure.com")
    if not endpoint.startswith("https://"):
        message = "management_endpoint gets a token with each request, so it must be https://."
        raise StowageError("invalid_option", message, "Use https://, with ca_cert if the authority is your own.")
    return endpoint


def _subscription(options: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> str:
    demanded = account_parts(str((options.get("auth") or {}).get("account") or ""))[1]
    found = str(options.get("subscription") or demanded).lower()
    if found and not _UUID.fullmatch(found):
        raise StowageError(
            "invalid_option", "The subscription is no UUID.", "Set subscription to its id, not its name."
        )
    # Other tools take names there, too, and most tasks do not need it.
    ambient = (environ.get("AZURE_SUBSCRIPTION_ID") or "").lower()
    return found or (ambient if _UUID.fullmatch(ambient) else "")


def _resource_group(name: str) -> str:
    if name and not _GROUP.fullmatch(name):
        hint = "Names of resource groups have up to 90 letters, digits and characters of _-.()"
        raise StowageError("invalid_option", "resource_group is no name of a resource group.", hint)
    return name


def _cloud(name: str, environ: t.Mapping[str, str]) -> Cloud:
    given = environ.get("AZURE_CLOUD_ENVIRONMENT") or ""
    chosen = name or CLOUD_NAMES.get(given, given and "unknown") or "public"
    if chosen not in CLOUDS:
        what = (
            f"There is no cloud {printable(name)!r}." if name else "AZURE_CLOUD_ENVIRONMENT names no cloud known here."
        )
        raise StowageError("invalid_option", what, f"Set cloud to one of {', '.join(CLOUDS)}.")
    return CLOUDS[chosen]


def _base(endpoint: str, account: str, cloud: Cloud, path_style: bool | None) -> str:
    """The account is the first part of Azure's host names. Azurite has it in the path, as it has no names of its own."""
    if not endpoint:
        return f"https://{account}.{cloud.suffix}"
    host = urllib.parse.urlsplit(endpoint).hostname or ""
    if path_style is None:
        path_style = not is_own_endpoint(endpoint) and not host.startswith(account + ".")
    if path_style:
        return f"{endpoint}/{account}"
    if is_own_endpoint(endpoint) and not host.startswith(account + "."):
        hint = f"The endpoint of this account is https://{account}.{cloud.suffix}; it needs no option."
        raise StowageError("invalid_option", "The location's endpoint is of another storage account.", hint)
    return endpoint


def installed(package: str) -> bool:
    """Whether a Python package is there."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def make_transport(verify: str | None, read_seconds: int = READ_SECONDS) -> t.Any:
    """A transport of azure-core. ``verify`` is a file of trusted certificates, which the environment cannot override, or
    ``None`` for what the machine trusts."""
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    session = requests.Session()
    # Without this, requests would send a password of ~/.netrc instead of our signature.
    session.auth = lambda prepared: prepared
    adapter = HTTPAdapter(
        pool_connections=2,
        pool_maxsize=POOL_SIZE,
        max_retries=Retry(total=False, redirect=False, raise_on_status=False),
    )
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return RequestsTransport(
        session=session,
        connection_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        connection_verify=verify or True,
        connection_data_block_size=BLOCK_BYTES,
    )
