# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who can take a role over, and what they can do with it: requests that leave nothing. Private to the collection."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import read_token
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import failure, service
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Seen, Trial
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import action
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_trials import S3Caller
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation

SHORTEST: t.Final = 900
_REFUSED: t.Final = frozenset({"permission_denied", "credentials_invalid", "credentials_expired"})
_TRUST: t.Final = "Look for a statement in the role's trust policy that lets others in, or leaves the external id out."


class Caller:
    """An identity that tries to take a role over.

    :param keys: ``None`` for one that has a web identity's token only.
    """

    def __init__(self, keys: Keys | None, region: str, endpoint: str, verify: str | None) -> None:
        self._sts = service("sts", keys, region, endpoint, verify)

    def known(self) -> Seen:
        """Whether AWS knows the identity, for which nobody needs permission."""
        try:
            self._sts.get_caller_identity()
        except Exception as error:  # noqa: BLE001 - whatever botocore raises
            return _told(failure("get_caller_identity", error))
        return Seen(Answer.ALLOWED, "AWS knows the identity.")

    def assume(self, role_arn: str, external_id: str) -> tuple[Seen, Keys | None]:
        """Takes a role over for a quarter of an hour."""
        request = {"RoleArn": role_arn, "RoleSessionName": "stowage-trust-check", "DurationSeconds": SHORTEST}
        return self._session("assume_role", request | ({"ExternalId": external_id} if external_id else {}))

    def federate(self, role_arn: str, token_file: str) -> tuple[Seen, Keys | None]:
        """The same with a web identity's token."""
        request = {"RoleArn": role_arn, "RoleSessionName": "stowage-trust-check", "DurationSeconds": SHORTEST}
        return self._session("assume_role_with_web_identity", {**request, "WebIdentityToken": read_token(token_file)})

    def _session(self, operation: str, request: dict[str, t.Any]) -> tuple[Seen, Keys | None]:
        try:
            found = getattr(self._sts, operation)(**request)["Credentials"]
        except Exception as error:  # noqa: BLE001 - whatever botocore raises
            return _told(failure(operation, error)), None
        keys = Keys(str(found["AccessKeyId"]), str(found["SecretAccessKey"]), str(found["SessionToken"]))
        return Seen(Answer.ALLOWED, "The role was taken over."), keys


class Session:
    """Somebody with a session of a role, which is got when it is first needed, and again while that fails."""

    def __init__(
        self,
        ask: t.Callable[[], tuple[Seen, Keys | None]],
        open_caller: t.Callable[[Keys], S3Caller],
        hide: t.Callable[[t.Iterable[str]], None],
    ) -> None:
        self._ask = ask
        self._open = open_caller
        self._hide = hide
        self._caller: S3Caller | None = None

    def begin(self) -> Seen:
        """Whether a session can be had."""
        seen, keys = self._ask()
        if keys is not None:
            self._hide(keys.secrets())
            self._caller = self._open(keys)
        return seen

    def action(self, operation: Operation) -> str:
        """See :class:`~.set_trials.Tries`."""
        return action(operation)

    def may(self, operation: Operation, path: str) -> Seen:
        """As :meth:`S3Caller.may`, with the session."""
        if self._caller is None:
            seen = self.begin()
            if self._caller is None:
                return Seen(Answer.UNDECIDED, f"There is no session to try it with: {seen.words}")
        return self._caller.may(operation, path)


def assume_trials(caller: Caller, role_arn: str, external_id: str, session: Session) -> list[Trial]:
    """The lines about taking the role over by who is trusted."""
    trials = [Trial("assume_allowed", "allowed", "sts:AssumeRole by who is trusted", session.begin, fix=_SIDES)]
    if external_id:
        for id_, what, wrong in (
            ("assume_without_external_id_refused", "sts:AssumeRole without an external id", ""),
            ("assume_with_wrong_external_id_refused", "sts:AssumeRole with another external id", f"{external_id}-not"),
        ):
            attempt = functools.partial(_only_seen, caller.assume, role_arn, wrong)
            trials.append(Trial(id_, "refused", what, attempt, session.begin, _TRUST))
    return trials


def other_trial(name: str, caller: Caller, role_arn: str, external_id: str) -> Trial:
    """The line about somebody else, who knows the external id."""
    attempt = functools.partial(_only_seen, caller.assume, role_arn, external_id)
    return Trial(f"as_{name}_assume_refused", "refused", f"sts:AssumeRole by {name}", attempt, caller.known, _TRUST)


def token_trial(
    name: str,
    expected: t.Literal["allowed", "refused"],
    ask: t.Callable[[], tuple[Seen, Keys | None]],
    control: t.Callable[[], Seen] | None,
) -> Trial:
    """The line about a token of a service account."""
    what = f"sts:AssumeRoleWithWebIdentity with the token {name}"
    return Trial(f"token_{name}_{expected}", expected, what, functools.partial(_only_seen, ask), control, _TRUST)


_SIDES: t.Final = "Check the role's trust policy, and that the caller may sts:AssumeRole on the role in its own account (holder gives that)."


def _only_seen(ask: t.Callable[..., tuple[Seen, Keys | None]], *arguments: str) -> Seen:
    return ask(*arguments)[0]


def _told(error: LocationError) -> Seen:
    found = error.failure
    if found.code in _REFUSED:
        return Seen(Answer.REFUSED, f"It was refused ({found.store_code or found.code}).")
    return Seen(Answer.UNDECIDED, f"AWS answered something else: {found.message}")
