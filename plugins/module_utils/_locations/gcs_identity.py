# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom Google takes us for, as credentials tell it that have got a token. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.gcp import (
    GoogleIdentity,
    check_account,
    projects_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    of_error,
    passed,
    unknown,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check


def caller(identity: GoogleIdentity) -> dict[str, str]:
    """``email``, ``project`` and ``pool``, as far as they are known; no secrets."""
    credentials = identity.credentials
    email = str(getattr(credentials, "service_account_email", None) or getattr(credentials, "account", None) or "")
    # A machine's credentials have this name until they got a token.
    email = "" if email == "default" else email
    pool = "" if email else str(getattr(credentials, "_audience", None) or "")
    project = min(projects_of(credentials, identity.project), default="")
    found = {"email": email, "project": project, "pool": pool}
    return {name: printable(value, 300) for name, value in found.items() if value}


def identity_check(found: t.Mapping[str, str]) -> Check:
    """Pure."""
    of_project = f" of the project {found['project']}" if "project" in found else ""
    if "email" in found:
        return passed("identity", f"{found['email']}{of_project}.")
    if "pool" in found:
        return passed("identity", f"An identity of the workload identity pool {found['pool']}.")
    return unknown("identity", f"The credentials{of_project} do not say whose they are.", fix="")


def account_checks(identity: GoogleIdentity, tokens: t.Any) -> list[Check]:
    """Whether the caller is of the project that the location names, if it names one."""
    if not identity.account:
        return []
    try:
        check_account(identity, tokens)
    except StowageError as error:
        return [of_error("account", error)]
    return [passed("account", f"The project {printable(identity.account)}, as expected.")]


def token_of(identity: GoogleIdentity) -> frozenset[str]:
    """The access token, which is as secret as a key while it lives."""
    token = str(getattr(identity.credentials, "token", None) or "")
    return frozenset({token} - {""})
