# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys and prefixes of a location. Private to the collection. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

MAX_KEY_BYTES: t.Final = 1024
"""What S3, Azure and Google allow for a key, our prefix included."""


def check_key(key: str) -> str:
    """The key itself, if it is a plain relative path; ``invalid_name`` otherwise.

    Refused are empty parts, ``.`` and ``..`` (HTTP libraries and file systems resolve them: the key would become another
    one), control characters, backslashes (SeaweedFS takes them for slashes), what is no UTF-8, and more than :data:`MAX_KEY_BYTES`.
    """
    reason = _flaw(key)
    if reason:
        raise StowageError("invalid_name", f"{printable(key)!r} cannot be a key in a location: {reason}.")
    return key


def normal_prefix(prefix: str | None) -> str:
    """A location's prefix as ``""`` or ``a/b/``; ``invalid_option`` when it is no plain path."""
    trimmed = (prefix or "").strip("/")
    if not trimmed:
        return ""
    reason = _flaw(trimmed)
    if reason:
        raise StowageError(
            "invalid_option",
            f"The location's prefix {printable(trimmed)!r} cannot be used: {reason}.",
            "Give a plain path such as 'fleet' or 'teams/platform'.",
        )
    return trimmed + "/"


def names_below(prefix: str, found: t.Iterable[str]) -> t.Iterator[str]:
    """What comes after the prefix in keys, and folders with a slash at their end, of a listing of one level. What stands for
    the prefix itself, as some tools make it, is left out."""
    for key in found:
        name = key[len(prefix) :]
        if key.startswith(prefix) and name not in {"", "/"}:
            yield name


def printable(text: str, limit: int = 200) -> str:
    """The text for a message: control characters and broken encodings replaced, cut to ``limit`` characters."""
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _flaw(key: str) -> str:
    """Why a text is no key, or nothing."""
    parts = key.split("/")
    if "" in parts:
        return "a part of it is empty"
    if "." in parts or ".." in parts:
        return "it contains '.' or '..' as a part"
    if any(ord(char) < 0x20 or ord(char) in {0x5C, 0x7F} for char in key):
        return "it contains control characters or a backslash"
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "it is no valid UTF-8"
    return f"it is longer than {MAX_KEY_BYTES} bytes" if size > MAX_KEY_BYTES else ""
