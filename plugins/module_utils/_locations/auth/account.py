# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether credentials are of the AWS account that is expected. Private to the collection."""

from __future__ import annotations

import re
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import StsAccess, ask_sts
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify

_WHAT: t.Final = "Asking whose the AWS credentials are"


class AccountCheck:
    """Compares ``auth.account`` with the account of the credentials that requests are signed with, once. It asks with
    ``sts:GetCallerIdentity``, for which everybody has permission. Safe for several threads."""

    def __init__(self, expected: str, sts: StsAccess, source: t.Any) -> None:
        """:param expected: the account's number; if it is empty, there is nothing to compare."""
        self._expected = expected
        self._sts = sts
        self._source = source
        self._lock = threading.Lock()
        self._passed = not expected

    def pass_or_raise(self) -> None:
        """:raises StowageError: ``wrong_account``, or why it could not be learnt."""
        if self._passed:
            return
        with self._lock:
            if not self._passed:
                self._compare(self._account())
                self._passed = True

    def _account(self) -> str:
        try:
            return str(ask_sts(self._sts, self._source, "get_caller_identity", {}).get("Account") or "")
        except StowageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever botocore raises becomes an error of ours
            raise LocationError(classify(error, _WHAT)) from None

    def _compare(self, account: str) -> None:
        if account == self._expected:
            return
        if not re.fullmatch(r"[0-9]{12}", account):
            raise StowageError("store_error", f"{_WHAT}: the answer names no account.")
        raise StowageError(
            "wrong_account",
            f"The credentials are of the AWS account {account}, and the location's auth.account is {self._expected}.",
            "Nothing was written. Use credentials of that account, or correct auth.account.",
            details={"account": account, "expected": self._expected},
        )
