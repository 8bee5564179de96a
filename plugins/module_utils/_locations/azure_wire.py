# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to Azure Blob Storage as they go over the wire: addresses and signatures. Private to the collection. Pure.

The rules are Microsoft's "Authorize with Shared Key" and "Naming and referencing containers, blobs, and metadata".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import typing as t
import urllib.parse

API_VERSION: t.Final = "2021-12-02"
"""The version of the service that every request asks for. An SDK asks for the newest that it knows, which Azurite and stores
on premises may not know yet; this one has all that is needed here, and Azure keeps old versions."""

_SIGNED: t.Final = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def path_of(container: str, key: str = "") -> str:
    """The path of a container or of a blob in it, encoded; the account's own path comes before it."""
    return "/" + urllib.parse.quote(f"{container}/{key}" if key else container, safe="/")


def query_of(parameters: t.Mapping[str, str]) -> str:
    """Parameters as a query, without its question mark."""
    return urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)


def md5_of(data: bytes) -> str:
    """The value of Content-MD5, with which the store notices what was damaged on its way."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def string_to_sign(
    method: str, account: str, path: str, parameters: t.Mapping[str, str], headers: t.Mapping[str, str]
) -> str:
    """What a request's Shared Key signature is made of.

    :param path: encoded, as in the URL; with an account in the path (Azurite, Azure Stack) that counts too.
    :param headers: all that decide, names in any case.
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    if lower.get("content-length") == "0":
        lower["content-length"] = ""
    # The service orders names as words, for which hyphens do not count.
    own = sorted((name for name in lower if name.startswith("x-ms-")), key=lambda name: name.replace("-", ""))
    lines = [method, *(lower.get(name, "") for name in _SIGNED)]
    lines += [f"{name}:{lower[name]}" for name in own]
    lines.append(f"/{account}{path}")
    lines += [f"{name.lower()}:{value}" for name, value in sorted(parameters.items(), key=lambda item: item[0].lower())]
    return "\n".join(lines)


def signature(key: bytes, text: str) -> str:
    """The signature of a text by an account's key."""
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
