# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who gets a session of MinIO for a token, and the lines that prove it. Private to the collection.

The provider of the tokens is set up in MinIO by whoever runs it. A token's claim, ``policy`` unless MinIO is told otherwise, names
the policies that its session has: the trust's, and nobody else's.
(https://min.io/docs/minio/linux/developers/security-token-service/AssumeRoleWithWebIdentity.html)
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import (
    StsAccess,
    ask_sts,
    read_token,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Expectation, Seen, Trial
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import action
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_trials import S3Caller
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.set_trials import Tries
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation

_SECONDS: t.Final = 900
_REFUSED: t.Final = frozenset({"permission_denied", "credentials_invalid"})
_FIX: t.Final = (
    "Look at the token's claims, and at the audience and the claim that MinIO's OpenID provider is set up with."
)


class TokenSession:
    """Somebody with a token of an OpenID provider. A session is got when it is first needed, and again while that fails.

    :param path: the file of the token.
    :param open_caller: makes requests with a session's keys.
    :param hide: is told the secrets of a session.
    """

    def __init__(
        self,
        sts: StsAccess,
        path: str,
        open_caller: t.Callable[[Keys], S3Caller],
        hide: t.Callable[[t.Iterable[str]], None],
    ) -> None:
        self._sts, self._path = sts, path
        self._open, self._hide = open_caller, hide
        self._caller: S3Caller | None = None

    def action(self, operation: Operation) -> str:
        """See :class:`~.set_trials.Tries`."""
        return action(operation)

    def begin(self) -> Seen:
        """Whether a session can be had."""
        try:
            token = read_token(self._path)
        except StowageError as error:
            return Seen(Answer.UNDECIDED, error.message)
        self._hide([token])
        request = {"RoleSessionName": "stowage-trust-check", "DurationSeconds": _SECONDS, "WebIdentityToken": token}
        try:
            found = ask_sts(self._sts, None, "assume_role_with_web_identity", request, checked=False)["Credentials"]
            keys = Keys(str(found["AccessKeyId"]), str(found["SecretAccessKey"]), str(found["SessionToken"]))
        except Exception as error:  # noqa: BLE001 - whatever botocore raises
            failure = classify(error, "Getting a session for the token")
            # One that has expired is refused whatever the rules are.
            answer = Answer.REFUSED if failure.code in _REFUSED else Answer.UNDECIDED
            words = f"No session was given ({failure.store_code or failure.code})."
            return Seen(answer, words if answer is Answer.REFUSED else failure.message)
        self._hide(keys.secrets())
        self._caller = self._open(keys)
        return Seen(Answer.ALLOWED, "A session was given.")

    def may(self, operation: Operation, path: str) -> Seen:
        """As :meth:`S3Caller.may`, with the session."""
        if self._caller is None:
            seen = self.begin()
            if self._caller is None:
                return Seen(Answer.UNDECIDED, f"There is no session to try it with: {seen.words}")
        return self._caller.may(operation, path)


def token_trial(
    name: str, expected: Expectation, session: TokenSession, control: t.Callable[[], Seen] | None = None
) -> Trial:
    """The line about whether a token gets a session.

    :param control: of a token that must not: what shows that tokens get sessions at all.
    """
    what = f"sts:AssumeRoleWithWebIdentity with the token {name}"
    return Trial(
        f"token_{name}_{expected}", expected, what, session.begin, control if expected == "refused" else None, _FIX
    )


def of_party(start: str, trials: t.Iterable[Trial]) -> list[Trial]:
    """Lines with the name of whose they are, where there are several."""
    return [dataclasses.replace(trial, id=f"{start}{trial.id}") for trial in trials] if start else list(trials)


@dataclasses.dataclass(frozen=True)
class Party:
    """Somebody who has the permission set.

    :param start: what the ids of its lines begin with.
    :param everywhere: the same, whose paths are not within the location's prefix.
    """

    start: str
    me: Tries
    everywhere: Tries
