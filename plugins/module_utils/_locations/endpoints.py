# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints as options have them, whatever the provider. Private to the collection. Pure."""

from __future__ import annotations

import re
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

# HTTP libraries end a host at a backslash, and do not agree on much else.
_PLACE: t.Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


def _split(url: str) -> urllib.parse.SplitResult | None:
    """The parts of a URL that every library reads alike, else None. urlsplit drops control characters that others keep."""
    if not all("!" <= character <= "~" for character in url):
        return None
    try:
        parts = urllib.parse.urlsplit(url)
        fine = bool(_PLACE.fullmatch(parts.netloc)) and parts.port != 0
    except ValueError:
        return None
    return parts if fine else None


def plain_endpoint(text: str, example: str, option: str = "endpoint") -> str:
    """An endpoint without a trailing slash; only scheme, host and port are allowed.

    :param example: how to write it, for a hint.
    """
    if not text:
        return ""
    parts = _split(text)
    if not parts or parts.scheme not in {"http", "https"} or parts.path.strip("/") or parts.query or parts.fragment:
        # Not shown: it may hold a password, or a signature.
        message = f"The location's {option} is no URL of scheme, host and port."
        hint = f"Write it like {example}; what else says where backups are has options of its own."
        raise StowageError("invalid_option", message, hint)
    return f"{parts.scheme}://{parts.netloc}"


def is_of(endpoint: str, suffixes: t.Iterable[str]) -> bool:
    """Whether a URL is of one of a provider's own domains, by TLS: the only kind of endpoint that gets credentials of the
    environment."""
    parts = _split(endpoint)
    host = (parts.hostname or "").rstrip(".") if parts else ""
    return parts is not None and parts.scheme == "https" and host.endswith(tuple(f".{suffix}" for suffix in suffixes))
