# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parties of a trust at AWS: the accounts of the location, of the cluster and of the controller, and credentials there. Private
to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.account import AccountCheck
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3 import s3_access
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_identity import frozen_keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task

_ACCOUNT_DIGITS: t.Final = 12

Party = t.Literal["location_account", "cluster_account", "controller_account"]
_PARTIES: t.Final[tuple[Party, ...]] = t.get_args(Party)
Tree = t.Mapping[str, t.Any]


class Parties:
    """Who is there.

    :param trust: whose certificates are trusted.
    """

    def __init__(self, task: Task, settings: S3Settings, trust: TrustedCertificates) -> None:
        self._task = task
        self.settings = settings
        self.verify = trust.verify
        self._trust = trust
        self._known: dict[Party, Keys] = {}

    def account(self, party: Party) -> str:
        """The number of a party's account.

        :raises StowageError: ``invalid_option`` if it is none.
        """
        account = str(self._given(party).get("account") or "")
        if len(account) != _ACCOUNT_DIGITS or not account.isdigit():
            raise StowageError(
                "invalid_option", f"{party}.account is no number of an AWS account.", "It has 12 digits."
            )
        return account

    @property
    def accounts(self) -> dict[Party, str]:
        """The numbers of the accounts of those that are given.

        :raises StowageError: ``invalid_option`` if one is none.
        """
        return {party: self.account(party) for party in _PARTIES if self._given(party)}

    @property
    def holder(self) -> tuple[str, str] | None:
        """Who gets a permission in the cluster's account: ``role`` or ``user``, and its name."""
        given = self._given("cluster_account")
        return next(((kind, str(given[kind])) for kind in ("role", "user") if given.get(kind)), None)

    @property
    def trusted(self) -> Party | None:
        """The party whose credentials are those of who is trusted: the controller's, and the cluster's if there are none."""
        if "controller_account" in self._known:
            return "controller_account"
        parties: tuple[Party, ...] = ("controller_account", "cluster_account")
        return next((party for party in parties if self._given(party).get("auth")), None)

    def keys(self, party: Party) -> Keys:
        """The keys of a party, which are of the account that it says. Learnt once.

        :raises StowageError: ``credentials_missing``, ``wrong_account``, and others.
        """
        if party not in self._known:
            self._known[party] = self._learn(party)
        return self._known[party]

    def hand_out(self, keys: Keys) -> None:
        """Keys that were made are those of who is trusted."""
        self._task.hide(keys.secrets())
        self._known["controller_account"] = keys

    def _learn(self, party: Party) -> Keys:
        ambient = party == "location_account"
        auth = {name: value for name, value in (self._given(party).get("auth") or {}).items() if value is not None}
        if not ambient and auth.get("method") not in {"access_key", "assume_role"}:
            hint = (
                "Set its method to access_key or assume_role: only location_account may use what the environment has."
            )
            raise StowageError("credentials_missing", f"{party}.auth says no credentials of its own.", hint)
        checked = check_location({**self._task.params["location"], "auth": auth})["auth"]
        access = s3_access(self.settings, self._trust, checked, self._task.environ if ambient else {})
        self._task.hide(access.credentials.secrets)
        AccountCheck(self.account(party), access.sts, access.credentials.source).pass_or_raise()
        keys = frozen_keys(access.credentials.source)
        self._task.hide(keys.secrets())
        return keys

    def _given(self, party: Party) -> Tree:
        found: Tree = self._task.params[party] or {}
        return found
