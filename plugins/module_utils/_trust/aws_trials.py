# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who can take a role over, and what they can do with it: requests that leave nothing. Private to the collection."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import is_token, read_token
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import failure, service
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Seen, Trial, never
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import action
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_trials import S3Caller
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.set_trials import refused
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation

SHORTEST: t.Final = 900
_SESSION: t.Final = re.compile(r"arn:([a-z-]+):sts::([0-9]{12}):assumed-role/([^/]+)/.+")
_OWN_SIDE: t.Final = "The caller's own policies do not allow it"
_ITS_SIDE: t.Final = "What it was asked of refused it"
_REFUSED: t.Final = frozenset({"permission_denied", "credentials_invalid"})
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
            return told(failure("get_caller_identity", error))
        return Seen(Answer.ALLOWED, "AWS knows the identity.")

    def is_role(self, role_arn: str) -> bool:
        """Whether the identity is a session of a role."""
        return self.principal() == role_arn

    def principal(self) -> str:
        """The ARN of the identity as policies name it, that of the role for a session of one; empty if AWS does not tell."""
        try:
            arn = str(self._sts.get_caller_identity()["Arn"])
        except Exception:  # noqa: BLE001 - who is not known is nobody
            return ""
        role = _SESSION.fullmatch(arn)
        return f"arn:{role[1]}:iam::{role[2]}:role/{role[3]}" if role else arn

    def assume(
        self,
        role_arn: str,
        external_id: str = "",
        *,
        tags: t.Mapping[str, str] | None = None,
        session_policy: str = "",
    ) -> tuple[Seen, Keys | None]:
        """Takes a role over for a quarter of an hour.

        :param session_policy: narrows what the session may do.
        """
        request: dict[str, t.Any] = _named(role_arn, session_policy)
        request |= {"ExternalId": external_id} if external_id else {}
        request |= {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}
        return self._session("assume_role", request)

    def federate(self, role_arn: str, token_file: str, *, session_policy: str = "") -> tuple[Seen, Keys | None]:
        """The same with a web identity's token."""
        token = read_token(token_file)
        request = {**_named(role_arn, session_policy), "WebIdentityToken": token}
        seen, keys = self._session("assume_role_with_web_identity", request)
        if seen.answer is Answer.REFUSED and not is_token(token):
            return never(
                "The file holds no token of an OpenID provider, which is refused whatever the trust policy says."
            ), None
        return seen, keys

    def _session(self, operation: str, request: dict[str, t.Any]) -> tuple[Seen, Keys | None]:
        try:
            found = getattr(self._sts, operation)(**request)["Credentials"]
        except Exception as error:  # noqa: BLE001 - whatever botocore raises
            return told(failure(operation, error)), None
        keys = Keys(str(found["AccessKeyId"]), str(found["SecretAccessKey"]), str(found["SessionToken"]))
        return Seen(Answer.ALLOWED, "The role was taken over."), keys


def _named(role_arn: str, session_policy: str) -> dict[str, t.Any]:
    request = {"RoleArn": role_arn, "RoleSessionName": "stowage-trust-check", "DurationSeconds": SHORTEST}
    return request | ({"Policy": session_policy} if session_policy else {})


Ask = t.Callable[..., tuple[Seen, "Keys | None"]]
"""Asks for a session; ``session_policy`` narrows it."""
Who = t.TypeVar("Who")


class Session(t.Generic[Who]):
    """Somebody with a session of a role, which is got when it is first needed, and again while that fails.

    :param opened: what is done with its keys.
    """

    def __init__(self, ask: Ask, opened: t.Callable[[Keys], Who], hide: t.Callable[[t.Iterable[str]], None]) -> None:
        self._ask = ask
        self._opened = opened
        self._hide = hide
        self._who: Who | None = None

    def begin(self) -> Seen:
        """Whether a session can be had."""
        seen, keys = self._ask()
        if keys is not None:
            self._hide(keys.secrets())
            self._who = self._opened(keys)
        return seen

    def tried(self, attempt: t.Callable[[Who], Seen]) -> Seen:
        """What an attempt with the session shows."""
        if self._who is None:
            seen = self.begin()
            if self._who is None:
                return Seen(Answer.UNDECIDED, f"There is no session to try it with: {seen.words}", final=seen.final)
        return attempt(self._who)


class S3Session(Session[S3Caller]):
    """A session that is used at the bucket."""

    def action(self, operation: Operation) -> str:
        """See :class:`~.set_trials.Tries`."""
        return action(operation)

    def may(self, operation: Operation, path: str) -> Seen:
        """As :meth:`S3Caller.may`, with the session."""
        return self.tried(lambda caller: caller.may(operation, path))


def assume_trials(caller: Caller, role_arn: str, external_id: str, session: S3Session) -> list[Trial]:
    """The lines about taking the role over by who is trusted."""
    trials = [Trial("assume_allowed", "allowed", "sts:AssumeRole by who is trusted", session.begin, fix=_SIDES)]
    if external_id:
        for id_, what, wrong in (
            ("assume_without_external_id_refused", "sts:AssumeRole without an external id", ""),
            ("assume_with_wrong_external_id_refused", "sts:AssumeRole with another external id", _not(external_id)),
        ):
            attempt = functools.partial(_only_seen, caller.assume, role_arn, wrong)
            trials.append(Trial(id_, "refused", what, attempt, session.begin, _TRUST))
    return trials


def other_trial(
    name: str,
    caller: Caller,
    role_arn: str,
    external_id: str,
    *,
    control_role: str = "",
    tags: t.Mapping[str, str] | None = None,
) -> Trial:
    """The line about somebody else, who knows the external id, and which tags a session must have.

    :param control_role: ARN of a role that this one may take over, which shows that its own account lets it. That AWS knows who it is
        shows no such thing: without the role, a refusal counts only if AWS says that it was the role's.
    """
    seen_by = _by_the_role if control_role else _by_the_role_in_words
    attempt = functools.partial(seen_by, caller.assume, role_arn, external_id, tags=tags)
    control = functools.partial(_only_seen, caller.assume, control_role) if control_role else caller.known
    return Trial(f"as_{name}_assume_refused", "refused", f"sts:AssumeRole by {name}", attempt, control, _TRUST)


def bucket_trials(name: str, them: S3Caller, elsewhere: S3Caller | None, folder: str) -> list[Trial]:
    """The lines about somebody else at the bucket, who must neither list nor write.

    :param elsewhere: them at a bucket where they may, which shows that their own account lets them: each request is sent there, too, for
        who may list need not be let write.
    """
    paths: tuple[tuple[Operation, str], ...] = (("list", folder), ("create", folder + "backups/{0}/x"))
    trials = []
    for operation, path in paths:
        control = functools.partial(elsewhere.may, operation, path) if elsewhere else them.known
        line = refused(f"as_{name}_{operation}_refused", them, operation, path, control)
        trials.append(_by_the_bucket(line) if elsewhere else only_found_out(line))
    return trials


def _by_the_bucket(trial: Trial) -> Trial:
    """What shows of the bucket: whom their own account does not let come shows nothing."""

    def attempt() -> Seen:
        seen = trial.attempt()
        return never(f"{seen.words} {_OWN_SIDE}, and the bucket was not asked.") if seen.own else seen

    return dataclasses.replace(trial, attempt=attempt)


def only_found_out(trial: Trial) -> Trial:
    """A line at the bucket by somebody of whom nothing shows that their own account lets them use any: that they get in is found out,
    that they do not shows nothing."""

    def attempt() -> Seen:
        seen = trial.attempt()
        return never(f"{seen.words} {_WHICH_ACCOUNT}") if seen.answer is Answer.REFUSED else seen

    return dataclasses.replace(trial, attempt=attempt)


def pod_trials(
    name: str, caller: Caller | None, role_arn: str, tags: t.Mapping[str, str], session: S3Session
) -> list[Trial]:
    """The lines about the pods of a service account. Nobody but EKS is let into the role that they have first: with a session of
    it the lines can be tried, without one they are unknown.

    :param caller: a session of that role, ``None`` if there is none.
    """

    def tried(wrong: t.Mapping[str, str] | None) -> Seen:
        return _only_seen(caller.assume, role_arn, tags=wrong) if caller else session.begin()

    start, what = f"pod_{name}", "sts:AssumeRole with the tags of"
    trials = [Trial(f"{start}_assume_allowed", "allowed", f"{what} {name}", session.begin, fix=_TAGS)]
    for key, words in (
        ("eks-cluster-arn", "other_cluster"),
        ("kubernetes-namespace", "other_namespace"),
        ("kubernetes-service-account", "other_service_account"),
    ):
        attempt = functools.partial(tried, {**tags, key: f"{tags[key]}-not"})
        trials.append(
            Trial(f"{start}_{words}_refused", "refused", f"{what} another {key}", attempt, session.begin, _TRUST)
        )
    untagged = functools.partial(tried, None)
    return [
        *trials,
        Trial(f"{start}_untagged_refused", "refused", "sts:AssumeRole without tags", untagged, session.begin, _TRUST),
    ]


def token_trial(
    name: str,
    expected: t.Literal["allowed", "refused"],
    ask: Ask,
    control: t.Callable[[], Seen] | None,
) -> Trial:
    """The line about a token of a service account."""
    what = f"sts:AssumeRoleWithWebIdentity with the token {name}"
    return Trial(f"token_{name}_{expected}", expected, what, functools.partial(_only_seen, ask), control, _TRUST)


_WHICH_SIDE: t.Final = "Whether the role did, or the caller's own account, is not said: name a role that the caller may take over as control_role_arn."
_WHICH_ACCOUNT: t.Final = "Whether the bucket did, or the caller's own account, is not said: name one that they may list and write as control_bucket."
_SIDES: t.Final = "Check the role's trust policy, and that the caller may sts:AssumeRole on the role in its own account (holder gives that)."


_TAGS: t.Final = (
    "Both roles' trust policies, and the permission of the first, need sts:TagSession beside sts:AssumeRole."
)


def _only_seen(ask: Ask, *arguments: str, **more: t.Any) -> Seen:
    return ask(*arguments, **more)[0]


def _by_the_role(ask: Ask, *arguments: str, **more: t.Any) -> Seen:
    """What shows of the role: whom their own account does not let come shows nothing."""
    seen = _only_seen(ask, *arguments, **more)
    return never(f"{seen.words} The role's trust policy was not asked.") if seen.own else seen


def _by_the_role_in_words(ask: Ask, *arguments: str, **more: t.Any) -> Seen:
    """The same where nothing shows that their own account lets them come, but what AWS says."""
    seen = _by_the_role(ask, *arguments, **more)
    if seen.answer is not Answer.REFUSED or seen.words.startswith(_ITS_SIDE):
        return seen
    return never(f"{seen.words} {_WHICH_SIDE}")


def _not(external_id: str) -> str:
    """Another external id, of a length that AWS takes."""
    return f"{external_id[:1000]}-not"


def told(error: LocationError) -> Seen:
    """What a failed request shows. Pure."""
    found = error.failure
    # Of a proxy's page, the SDK knows the status only; keys and tokens that have expired are refused whatever the rules are.
    if found.code in _REFUSED and found.store_code != str(found.status):
        who = _OWN_SIDE if found.own_side else _ITS_SIDE if found.its_side else "It was refused"
        return Seen(Answer.REFUSED, f"{who} ({found.store_code or found.code}).", own=found.own_side)
    return Seen(Answer.UNDECIDED, f"AWS answered something else: {found.message}")
