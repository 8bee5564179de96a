# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who takes part in trust at Google, and how each logs in. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, Option
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.gcp import (
    CLOUD_SCOPES,
    SCOPES,
    GoogleIdentity,
    check_account,
    for_setup,
    google_identity,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    GcsSettings,
    TokenRequests,
    TokenSource,
    is_own_endpoint,
    make_session,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._secrets import secrets_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_api import Bearer, GoogleApi, endpoints_of

TOKEN_SECONDS: t.Final = 900
_METHODS: t.Final = ["default_chain", "service_account_key", "impersonation", "workload_identity"]
_AUTH_OPTIONS: t.Final = ("credentials_file", "credentials_json", "service_account", "delegates", "duration")


def auth_option() -> Option:
    """The part of a location's ``auth`` that Google has."""
    given = LOCATION["location"]["options"]["auth"]["options"]
    options = {name: given[name] for name in _AUTH_OPTIONS}
    return {"type": "dict", "options": {"method": {"type": "str", "required": True, "choices": _METHODS}, **options}}


def party_option(*, required: bool = False) -> Option:
    """A party: the project that it must be of, and how it logs in."""
    found: Option = {
        "type": "dict",
        "options": {"account": {"type": "str", "required": True}, "auth": auth_option()},
    }
    return {**found, "required": True} if required else found


class Parties:
    """Logs in whoever takes part.

    :param verify: the certificates to trust, ``None`` for the usual ones.
    """

    def __init__(self, task: Task, settings: GcsSettings, api_endpoint: str, verify: str | None) -> None:
        self._task, self._settings, self._api_endpoint = task, settings, api_endpoint
        self.endpoints = endpoints_of(api_endpoint)
        self.session = make_session(verify)
        self._requests = TokenRequests(self.session)

    def api(self, option: str, *, ambient: bool = False) -> GoogleApi:
        """Google's services as the party of an option, whose project was compared.

        :param ambient: whether the environment and the machine may provide its credentials.
        :raises StowageError: ``wrong_account``, and what keeps it from logging in.
        """
        party = self._task.params[option] or {}
        identity = self.identity(party.get("auth"), account=str(party["account"]), ambient=ambient)
        tokens = TokenSource(identity.credentials, self._requests)
        check_account(identity, tokens)
        return self.as_holder(tokens)

    def as_holder(self, tokens: TokenSource) -> GoogleApi:
        """Google's services as whoever has these tokens."""
        return GoogleApi(self.session, tokens, self.endpoints, self._settings.endpoint, self._task.progress.stopped)

    def tokens(self, auth: t.Mapping[str, t.Any] | None) -> TokenSource:
        """The tokens of an ``auth`` that does not use the environment."""
        return TokenSource(self.identity(auth, account="", ambient=False).credentials, self._requests)

    def identity(self, auth: t.Mapping[str, t.Any] | None, *, account: str, ambient: bool) -> GoogleIdentity:
        """Whom an ``auth`` describes, for all of Google's services."""
        given = {name: value for name, value in (auth or {}).items() if value is not None}
        self._task.hide(secrets_of({"location": {"auth": given}}))
        own = ambient and self._settings.own_endpoint and not self._custom
        identity = google_identity(
            {**given, "account": account},
            self._task.environ,
            ambient=own,
            requests=self._requests,
            iam_endpoint=self._api_endpoint,
        )
        self._task.hide(identity.secrets)
        return for_setup(identity, CLOUD_SCOPES)

    @property
    def _custom(self) -> bool:
        return bool(self._api_endpoint) and not is_own_endpoint(self._api_endpoint)

    # logging in as the trust's account

    def impersonating(self, tokens: TokenSource, email: str) -> TokenSource:
        """The account's tokens, got by somebody who may act as it. :raises LocationError: if not."""
        token = self.as_holder(tokens).impersonate(email, SCOPES[0], TOKEN_SECONDS)
        self._task.hide([token])
        return Bearer(token)

    def federated(self, audience: str, subject_token: str, email: str) -> TokenSource:
        """The account's tokens, got by a token of a cluster. :raises LocationError: if not."""
        self._task.hide([subject_token])
        token = self.as_holder(_Nobody()).exchange(audience, subject_token)
        self._task.hide([token])
        return self.impersonating(Bearer(token), email)


class _Nobody(Bearer):
    """The security token service takes what it is shown, and no token beside it."""

    def __init__(self) -> None:
        super().__init__("")

    def headers(self, method: str, url: str) -> dict[str, str]:
        del method, url
        return {}
