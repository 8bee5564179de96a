# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What options say of a cluster that a cloud runs, whichever cloud it is. Private to the collection. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.kubeconfig import invalid
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location

Issued = tuple[dict[str, t.Any], frozenset[str]]
"""A kubeconfig, and what must never be shown besides the secrets in it."""
Issue = t.Callable[[], Issued]


def named_cluster(params: t.Mapping[str, t.Any], option: str, hint: str) -> t.Mapping[str, t.Any]:
    """The option that says which cluster it is.

    :raises StowageError: ``cluster_access_invalid`` when it is not set.
    """
    found = params.get(option)
    if not isinstance(found, t.Mapping):
        raise invalid(f"cluster_auth is {option}, but nothing says which cluster.", hint)
    return found


def checked_auth(option: str, place: t.Mapping[str, t.Any], auth: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    """Who asks the cloud, in the normal form that a location's ``auth`` has.

    :param place: the rest of a location, with its provider.
    :raises StowageError: ``invalid_option``.
    """
    if auth and auth.get("account"):
        raise unfit(f"{option} takes no account.", "Leave it out.")
    location: dict[str, t.Any] = {"bucket": "none", **place}
    if auth:
        location["auth"] = dict(auth)
    found: dict[str, t.Any] = check_location(location).get("auth") or {}
    return found


def checked_text(option: str, value: object, pattern: re.Pattern[str]) -> str:
    """A part of an address that needs no escaping.

    :raises StowageError: ``invalid_option`` for what cannot be one.
    """
    text = str(value or "")
    if not pattern.fullmatch(text):
        raise unfit(f"{option} cannot be {printable(text[:80])!r}.")
    return text
