# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who gets a session of MinIO for a token or a password, and the lines that prove it. Private to the collection.

The provider of the tokens is set up in MinIO by whoever runs it. A token's claim, ``policy`` unless MinIO is told otherwise, names
the policies that its session has: the trust's, and nobody else's.
(https://min.io/docs/minio/linux/developers/security-token-service/AssumeRoleWithWebIdentity.html)
Somebody of the directory has the policies that are attached to their name and to those of their groups; AssumeRoleWithLDAPIdentity
next to it. A wrong password is refused with the same status and code as somebody without a policy, and so is everybody while the
directory is away; the message tells which. A refusal counts only if it is for want of a policy, and while somebody else gets in.
(https://github.com/minio/minio/blob/7aac2a2c5b7c882e68c1ce017d8256be2feea27f/cmd/sts-handlers.go#L693-L713)
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import (
    CONNECT_SECONDS,
    READ_SECONDS,
    StsAccess,
    ask_sts,
    is_token,
    read_token,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Expectation, Seen, Trial
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import action
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_trials import S3Caller
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.set_trials import Tries
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation

_SECONDS: t.Final = 900
_LONGEST_ANSWER: t.Final = 64 << 10
_INVALID: t.Final = "InvalidParameterValue"
"""MinIO's code for whatever is wrong with a request for a session, a missing policy too."""
_NO_POLICY: t.Final = re.compile(r"expecting a policy to be set for user\b")
_REFUSED: t.Final = frozenset({"permission_denied", "credentials_invalid"})
_FIX: t.Final = (
    "Look at the claims of the token, the audience and the claim that MinIO's OpenID provider is set up with, or the groups in the "
    "directory."
)


Asked: t.TypeAlias = "tuple[Seen, Keys | None]"


class LoginSession:
    """Somebody with a token or a password. A session is got when it is first needed, and again while that fails.

    :param ask: asks for one.
    :param open_caller: makes requests with a session's keys.
    :param hide: is told the secrets of a session.
    """

    def __init__(
        self,
        ask: t.Callable[[], Asked],
        open_caller: t.Callable[[Keys], S3Caller],
        hide: t.Callable[[t.Iterable[str]], None],
    ) -> None:
        self._ask, self._open, self._hide = ask, open_caller, hide
        self._caller: S3Caller | None = None

    def action(self, operation: Operation) -> str:
        """See :class:`~.set_trials.Tries`."""
        return action(operation)

    def begin(self) -> Seen:
        """Whether a session can be had."""
        seen, keys = self._ask()
        if keys is not None:
            self._hide(keys.secrets())
            self._caller = self._open(keys)
        return seen

    def may(self, operation: Operation, path: str) -> Seen:
        """As :meth:`S3Caller.may`, with the session."""
        if self._caller is None:
            seen = self.begin()
            if self._caller is None:
                return Seen(Answer.UNDECIDED, f"There is no session to try it with: {seen.words}")
        return self._caller.may(operation, path)


@dataclasses.dataclass(frozen=True)
class Login:
    """A way to get a session, and whether it must be given.

    :param id: begins the ids of its lines.
    :param what: as a person says it.
    """

    id: str
    what: str
    expected: Expectation
    ask: t.Callable[[], Asked]

    def trial(self, session: LoginSession, control: t.Callable[[], Seen]) -> Trial:
        """The line about whether the session is given.

        :param control: of one that must not: what shows that sessions are given at all.
        """
        refused = self.expected == "refused"
        return Trial(
            f"{self.id}_{self.expected}", self.expected, self.what, session.begin, control if refused else None, _FIX
        )


def ask_with_token(sts: StsAccess, path: str, hide: t.Callable[[t.Iterable[str]], None]) -> Asked:
    """Asks for a session with a token of an OpenID provider.

    :param path: its file.
    """
    try:
        token = read_token(path)
    except StowageError as error:
        return Seen(Answer.UNDECIDED, error.message), None
    hide([token])
    request = {"RoleSessionName": "stowage-trust-check", "DurationSeconds": _SECONDS, "WebIdentityToken": token}
    try:
        found = ask_sts(sts, None, "assume_role_with_web_identity", request, checked=False)["Credentials"]
        keys = Keys(str(found["AccessKeyId"]), str(found["SecretAccessKey"]), str(found["SessionToken"]))
    except Exception as error:  # noqa: BLE001 - whatever botocore raises
        failure = classify(error, "Getting a session for the token")
        if failure.code in _REFUSED and not is_token(token):
            # Whatever the rules are, it gets in nowhere: that it is refused proves nothing.
            return Seen(Answer.UNDECIDED, "The file holds no token of an OpenID provider."), None
        # Of a proxy's page, botocore knows the status only.
        if failure.code in _REFUSED and failure.store_code != str(failure.status):
            return Seen(Answer.REFUSED, f"No session was given ({failure.store_code or failure.code})."), None
        # One that has expired is refused whatever the rules are.
        return Seen(Answer.UNDECIDED, failure.message), None
    return _GIVEN, keys


def ask_with_password(sts: StsAccess, username: str, password: str) -> Asked:
    """Asks for a session as somebody of the directory. botocore does not know this action of MinIO's, which takes its parameters in the
    URL only; so no exception's text is shown."""
    import urllib3

    given = {
        "Action": "AssumeRoleWithLDAPIdentity",
        "Version": "2011-06-15",
        "DurationSeconds": str(_SECONDS),
        "LDAPUsername": username,
        "LDAPPassword": password,
    }
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    pool = urllib3.PoolManager(timeout=timeout, retries=False, cert_reqs="CERT_REQUIRED", ca_certs=sts.verify)
    try:
        with pool:
            url = f"{sts.endpoint}/?{urllib.parse.urlencode(given)}"
            response = pool.request("POST", url, preload_content=False)
            status, body = response.status, response.read(_LONGEST_ANSWER)
            response.close()
    except Exception as error:  # noqa: BLE001 - whatever urllib3 raises
        return Seen(Answer.UNDECIDED, f"There was no answer ({type(error).__name__})."), None
    return of_directory(status, body)


def of_directory(status: int, body: bytes) -> Asked:
    """What MinIO's answer to somebody of the directory shows: a session, that nobody gave them a policy, or nothing. Pure."""
    from xml.etree import ElementTree

    try:
        text = body.decode()
        root = None if "<!DOCTYPE" in text else ElementTree.fromstring(text)  # noqa: S314 - no entities
    except (ElementTree.ParseError, ValueError):
        root = None
    if root is None:
        return Seen(Answer.UNDECIDED, f"What answered is no MinIO (status {status})."), None
    found = [root.findtext(f".//{{*}}Credentials/{{*}}{name}") or "" for name in _CREDENTIALS]
    if status == 200 and all(found):
        return _GIVEN, Keys(*found)
    code, message = (root.findtext(f"./{{*}}Error/{{*}}{name}") or "" for name in ("Code", "Message"))
    if status == 400 and code == _INVALID and _NO_POLICY.match(message):
        return Seen(Answer.REFUSED, "No session was given: neither the user nor a group of theirs has a policy."), None
    if status == 400 and code == _INVALID:
        # Who is nobody gets in nowhere, whatever the policies are.
        words = "MinIO did not ask for policies: the directory does not know this user by this password, or is away."
        return Seen(Answer.UNDECIDED, words), None
    return Seen(Answer.UNDECIDED, f"MinIO answered something else (status {status})."), None


_GIVEN: t.Final = Seen(Answer.ALLOWED, "A session was given.")
_CREDENTIALS: t.Final = ("AccessKeyId", "SecretAccessKey", "SessionToken")


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
