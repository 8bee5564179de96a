# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Google's answers say of whether somebody may do something. Private to the collection. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Seen

_REFUSED_TOKENS: t.Final = frozenset({"invalid_grant", "unauthorized_client", "access_denied", "invalid_target"})
"""What the security token service says to a token that it does not take."""
ACTING: t.Final = "iam.serviceAccounts."
"""What the permissions begin with by which somebody becomes an account."""
_LOGIN_REQUIRED: t.Final = "required"
"""The reason that who has no token is told: https://cloud.google.com/storage/docs/json_api/v1/status-codes#401-unauthorized"""
_NO_PERMISSION: t.Final = "PERMISSION_DENIED"
"""What IAM says, which does not always name the permission: https://github.com/google-github-actions/auth/issues/189"""
_NO_CONDITION: t.Final = "conditionNotMet"
_TLS_REQUIRED: t.Final = re.compile(rb"\bsecureHttpTransport\b|\bsslRequired\b")
"""The constraint of an organization that forbids plain HTTP, and the reason by which the JSON API refuses it."""
_LISTING: t.Final = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?<ListBucketResult[\s>]")


def is_refusal(failure: Failure, permission: str, *, anonymous: bool) -> bool:
    """Whether a failure shows that rules were asked, and refuse it: Google names the permission that is missing, or says in the words of
    its services that it is. A proxy's page does neither, and limits on networks, services or who pays are about something else. Pure.

    :param permission: what would be missing, or how that begins.
    """
    status, said = failure.status, failure.store_code
    if status == 401:
        # Of somebody with a token, it says that it is none, not that it may not do this.
        return anonymous and said == _LOGIN_REQUIRED
    named = failure.denied.startswith(permission) if permission == ACTING else failure.denied == permission
    if status == 403 and named and not failure.guessed:
        return True
    # What is refused for another reason has a hint of its own.
    unnamed = status == 403 and said == _NO_PERMISSION and not failure.denied and not failure.hint
    return permission == ACTING and (unnamed or (status in {400, 403} and said in _REFUSED_TOKENS))


def is_unmet(failure: Failure) -> bool:
    """Whether it is a condition of ours that is not met; constraints of organizations have the same status and reason. Pure."""
    return failure.store_code == _NO_CONDITION and failure.code == "key_exists"


def of_plain_http(status: int, body: bytes) -> Seen:
    """What an answer over plain HTTP shows. Pure."""
    if status == 200 and _LISTING.match(body):
        return Seen(Answer.ALLOWED, "A listing was answered.")
    if status >= 400 and _TLS_REQUIRED.search(body):
        return Seen(Answer.REFUSED, f"It is refused for want of TLS (status {status}).")
    return Seen(
        Answer.UNDECIDED, f"It is not said that TLS is wanted (status {status}): with a token it may be answered."
    )
