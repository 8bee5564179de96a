# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and signatures of requests to Azure, compared with those of Microsoft's own client."""

from __future__ import annotations

import base64
import urllib.parse
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import (
    AzureSettings,
    is_own_endpoint,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_wire import (
    API_VERSION,
    md5_of,
    path_of,
    query_of,
    signature,
    string_to_sign,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_writer import (
    MOST_BLOCK_BYTES,
    MOST_BLOCKS,
    block_bytes,
    block_id,
)

KEY = base64.b64encode(b"0123456789abcdef" * 4).decode()
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(
    lambda key: "/" not in key
)


def microsofts(method: str, url: str, headers: dict[str, str]) -> str:
    """The Authorization header that azure-storage-blob makes."""
    from azure.core.pipeline.transport import HttpRequest
    from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

    policy: Any = SharedKeyCredentialPolicy
    request: Any = SimpleNamespace(
        http_request=HttpRequest(method, url, headers=headers), context=SimpleNamespace(transport=None)
    )
    policy("acme", KEY).on_request(request)
    return str(request.http_request.headers["Authorization"])


def ours(method: str, path: str, parameters: dict[str, str], headers: dict[str, str]) -> str:
    """The same of ours."""
    text = string_to_sign(method, "acme", path, parameters, headers)
    return f"SharedKey acme:{signature(base64.b64decode(KEY), text)}"


HEADERS = {
    "x-ms-version": API_VERSION,
    "x-ms-date": "Wed, 25 Nov 2026 22:00:00 GMT",
    "x-ms-client-request-id": "1",
    "x-ms-blob-type": "BlockBlob",
    "x-ms-blob-content-type": "application/octet-stream",
    "x-ms-delete-snapshots": "include",
    "x-ms-meta-stowage_writer": "abc",
    "x-ms-range": "bytes=1-2",
    "Content-Length": "12",
    "Content-MD5": md5_of(b"x"),
    "Content-Type": "text/plain; charset=UTF-8",
    "If-None-Match": "*",
    "If-Match": '"0x8"',
    "If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT",
    "User-Agent": "stowage",
}


@pytest.mark.parametrize("left_out", [[], ["Content-MD5", "If-Match"], ["x-ms-range", "x-ms-blob-type"]])
@pytest.mark.parametrize("base", ["", "/acme"])
def test_signatures_are_those_of_microsofts_client(left_out: list[str], base: str) -> None:
    headers = {name: value for name, value in HEADERS.items() if name not in left_out}
    parameters = {"comp": "block", "blockid": "YWI+/w==", "prefix": "a b/ü&=+", "restype": "container"}
    path = base + path_of("backups", "fleet/a b+%ü.gz")
    url = f"https://acme.example{path}?{query_of(parameters)}"
    assert ours("PUT", path, parameters, headers) == microsofts("PUT", url, headers)
    empty = {**headers, "Content-Length": "0"}
    assert ours("PUT", path, parameters, empty) == microsofts("PUT", url, empty)


@given(KEYS, KEYS)
def test_any_key_and_parameter_is_signed_as_it_is_sent(key: str, value: str) -> None:
    path, parameters = path_of("backups", key), {"prefix": value, "comp": "list"}
    url = f"https://acme.example{path}?{query_of(parameters)}"
    assert ours("GET", path, parameters, {"x-ms-date": "x"}) == microsofts("GET", url, {"x-ms-date": "x"})
    assert urllib.parse.unquote(urllib.parse.urlsplit(url).path) == f"/backups/{key}"


def test_paths() -> None:
    assert path_of("backups") == "/backups"
    assert path_of("$root", "a") == "/%24root/a"
    assert path_of("backups", "a~b/c d?e#f%41") == "/backups/a~b/c%20d%3Fe%23f%2541"


def test_fifty_thousand_blocks_hold_terabytes_and_stay_small() -> None:
    numbers = (1, 5000, 5001, 15_000, 15_001, 50_000)
    assert [block_bytes(number) >> 20 for number in numbers] == [8, 8, 16, 32, 64, 64]
    sizes = [block_bytes(number) for number in range(1, MOST_BLOCKS + 1)]
    assert max(sizes) == MOST_BLOCK_BYTES
    assert sum(sizes) > 2 << 40
    assert sum(sizes[:5000]) > 39 << 30


def test_ids_of_blocks_have_one_length_and_name_their_writer() -> None:
    ids = {block_id("0" * 32, number) for number in (1, 10, MOST_BLOCKS)} | {block_id("f" * 32, 1)}
    assert len(ids) == 4
    assert {len(base64.b64decode(one)) for one in ids} == {38}, "64 is what the service allows"


# addresses

OPTIONS = {"storage_account": "acme", "bucket": "backups"}


@pytest.mark.parametrize(
    ("options", "environ", "base"),
    [
        ({}, {}, "https://acme.blob.core.windows.net"),
        ({"cloud": "china"}, {}, "https://acme.blob.core.chinacloudapi.cn"),
        ({"cloud": "usgovernment"}, {}, "https://acme.blob.core.usgovcloudapi.net"),
        ({}, {"AZURE_CLOUD_ENVIRONMENT": "AzureUSGovernment"}, "https://acme.blob.core.usgovcloudapi.net"),
        ({"cloud": "public"}, {"AZURE_CLOUD_ENVIRONMENT": "AzureChinaCloud"}, "https://acme.blob.core.windows.net"),
        ({"endpoint": "https://127.0.0.1:10000/"}, {}, "https://127.0.0.1:10000/acme"),
        (
            {"endpoint": "https://acme.blob.local.azurestack.external"},
            {},
            "https://acme.blob.local.azurestack.external",
        ),
        ({"endpoint": "https://backups.example.com", "path_style": False}, {}, "https://backups.example.com"),
        ({"endpoint": "https://acme.example.com", "path_style": True}, {}, "https://acme.example.com/acme"),
        ({"endpoint": "https://acme.z12.blob.storage.azure.net"}, {}, "https://acme.z12.blob.storage.azure.net"),
        ({"storage_account": None}, {"AZURE_STORAGE_ACCOUNT": "envacme"}, "https://envacme.blob.core.windows.net"),
    ],
)
def test_where_an_account_is(options: dict[str, Any], environ: dict[str, str], base: str) -> None:
    settings = AzureSettings.from_options({**OPTIONS, **options}, environ)
    assert settings.base == base
    assert settings.encrypted


def test_each_cloud_has_its_own_authority() -> None:
    hosts = [
        AzureSettings.from_options({**OPTIONS, "cloud": name}, {}).cloud.authority
        for name in ("public", "china", "usgovernment")
    ]
    assert len(set(hosts)) == 3


@pytest.mark.parametrize(
    "options",
    [
        {"storage_account": None},
        {"storage_account": "Acme"},
        {"storage_account": "a.b"},
        {"storage_account": "ac"},
        {"bucket": ""},
        {"bucket": "Backups"},
        {"bucket": "a--b"},
        {"bucket": "-ab"},
        {"bucket": "ab"},
        {"bucket": "a" * 64},
        {"bucket": "../x"},
        {"cloud": "germany"},
        {"endpoint": "ftp://x"},
        {"endpoint": "https://x/backups"},
        {"endpoint": "https://x?sig=canary"},
        {"endpoint": "https://who:canary@x"},
        {"endpoint": "https://other.blob.core.windows.net"},
        {"prefix": "a//b"},
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(StowageError) as caught:
        AzureSettings.from_options({**OPTIONS, **options}, {})
    assert caught.value.code == "invalid_option"
    assert "canary" not in str(caught.value.as_result())


def test_settings_of_the_environment_are_for_azures_own_endpoints() -> None:
    environ = {"AZURE_STORAGE_ACCOUNT": "envacme", "AZURE_CLOUD_ENVIRONMENT": "nonsense"}
    there = {"bucket": "backups", "endpoint": "https://127.0.0.1:10000"}
    with pytest.raises(StowageError, match="no storage account"):
        AzureSettings.from_options(there, environ)
    assert AzureSettings.from_options({**there, "storage_account": "acme"}, environ).account == "acme"
    with pytest.raises(StowageError, match="AZURE_CLOUD_ENVIRONMENT"):
        AzureSettings.from_options(OPTIONS, environ)


@pytest.mark.parametrize(
    ("endpoint", "own"),
    [
        ("https://acme.blob.core.windows.net", True),
        ("https://acme.blob.core.windows.net.", True),
        ("https://ACME.BLOB.CORE.CHINACLOUDAPI.CN", True),
        ("http://acme.blob.core.windows.net", False),
        ("https://blob.core.windows.net.evil.example", False),
        ("https://evilblob.core.windows.net", False),
        ("https://[", False),
    ],
)
def test_which_endpoints_are_azures_own(endpoint: str, own: bool) -> None:
    assert is_own_endpoint(endpoint) is own
