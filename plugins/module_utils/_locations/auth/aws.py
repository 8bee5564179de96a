# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How requests to AWS get their credentials: one class for each method. Private to the collection.

What the environment and the machine provide is used at AWS's own endpoints only: another endpoint would get credentials that
were never meant for it.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import (
    AWS_VARIABLES,
    Credentials,
    Keys,
    Method,
    cannot_renew,
    keys_of_environment,
    keys_of_options,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import (
    CHAINED_SECONDS,
    Answer,
    SessionRequest,
    Sessions,
    StsAccess,
    ask_sts,
    is_session,
    read_token,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify

_TRUST: t.Final = (
    "Check the role's trust policy (its principal, and sts:ExternalId with exactly the location's external_id), and that "
    "the caller may sts:AssumeRole on the role."
)
_FEDERATION: t.Final = (
    "Check the role's trust policy: the OIDC provider in the role's own account, and the token's sub and aud."
)


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a method may look at besides its options. Without ``ambient``, neither the environment nor the machine."""

    environ: t.Mapping[str, str]
    ambient: bool
    sts: StsAccess


class AwsMethod(Method):
    """A method of provider ``aws``."""

    def __init__(self, auth: t.Mapping[str, t.Any], around: Surroundings) -> None:
        """:param auth: the location's ``auth`` in the normal form of ``check_location``."""
        self._auth = auth
        self._around = around

    def _option(self, name: str, variable: str = "") -> str:
        """An option, or the variable that stands for it."""
        found = self._auth.get(name) or (self._around.environ.get(variable) if self._around.ambient else "")
        return str(found or "")


class AccessKey(AwsMethod):
    """``access_key``: keys of the options, else of the environment, perhaps with the token of a session."""

    def credentials(self) -> Credentials:
        given = _given_keys(self._auth)
        if given:
            return given
        ambient = _keys_of_environment(self._around.environ) if self._around.ambient else None
        if ambient is None:
            raise _missing(self._around.ambient, "Set access_key and secret_key in the location's auth.")
        return ambient


class DefaultChain(AwsMethod):
    """``default_chain``: botocore's chain (profile, web identity, container, instance); before it the given environment, as
    botocore itself does unless a profile is chosen."""

    def credentials(self) -> Credentials:
        if not self._around.ambient:
            raise _missing(False, "Use method access_key with access_key and secret_key.")
        profile = self._option("profile")
        found = None if profile else _keys_of_environment(self._around.environ)
        return found or self._of_chain(profile or self._around.environ.get("AWS_PROFILE", ""))

    def _of_chain(self, profile: str) -> Credentials:
        import botocore.session
        from botocore.credentials import RefreshableCredentials

        session = botocore.session.Session(profile=profile or None)
        try:
            found: t.Any = session.get_credentials()
        except Exception as error:  # noqa: BLE001 - providers of the chain raise what they like
            raise LocationError(classify(error, "Getting AWS credentials")) from None
        if found is None:
            hint = "Give access_key and secret_key, or let the environment, a profile or the machine's role provide credentials."
            raise _missing(True, hint)
        if isinstance(found, RefreshableCredentials):
            ends = (cannot_renew("The single sign-on of the AWS profile"),) if found.method == "sso" else ()
            refreshed: t.Any = found
            # The public attributes would renew them.
            return Credentials(found, frozenset(), lambda: _texts(refreshed._secret_key, refreshed._token), ends)
        ends = (cannot_renew("The session token in the AWS profile"),) if found.token else ()
        return Credentials(found, frozenset(_texts(found.secret_key, found.token)), warnings=ends)


class AssumeRole(AwsMethod):
    """``assume_role``: a role taken over with keys, a profile, the default chain, or another role's web identity."""

    def credentials(self) -> Credentials:
        request = SessionRequest.from_options(self._auth)
        if not request.role_arn:
            raise StowageError("invalid_option", "Authentication method assume_role needs role_arn.", "Set role_arn.")
        sts, base = self._around.sts, self._base()
        sts.require_tls()

        def ask() -> Answer:
            # Learnt each time: what the chain gives may be a session now and may not have been one before.
            longest = CHAINED_SECONDS if is_session(base.source) else 0
            return ask_sts(sts, base.source, "assume_role", request.parameters(longest))

        sessions = Sessions(ask, f"Assuming the role {request.role_arn}", hint=_TRUST, method="sts-assume-role")
        return Credentials(
            sessions.source, base.given, lambda: (*base.issued(), *sessions.issued()), warnings=base.warnings
        )

    def _base(self) -> Credentials:
        """Who takes the role over."""
        given = _given_keys(self._auth)
        if given:
            return given
        if self._auth.get("web_identity_token_file"):
            source = {"web_identity_token_file": self._auth["web_identity_token_file"]}
            return WebIdentity({**source, "role_arn": self._auth.get("source_role_arn")}, self._around).credentials()
        if not self._around.ambient:
            raise _missing(False, "Set access_key and secret_key of the identity that assumes the role.")
        return DefaultChain(self._auth, self._around).credentials()


class WebIdentity(AwsMethod):
    """``web_identity``, as IRSA does it: a token that the cluster wrote into a file, for a role. Both may come from the
    environment, as EKS sets it."""

    def credentials(self) -> Credentials:
        path = self._option("web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE")
        role = self._option("role_arn", "AWS_ROLE_ARN")
        if not path or not role:
            message = "Authentication method web_identity lacks the role or the token."
            hint = "Set role_arn and web_identity_token_file (in a pod of EKS the environment has both)."
            raise StowageError("credentials_missing", message, hint)
        sts = self._around.sts
        sts.require_tls()
        request = SessionRequest.from_options(self._auth, role)

        def ask() -> Answer:
            token = {"WebIdentityToken": read_token(path)}
            return ask_sts(sts, None, "assume_role_with_web_identity", {**request.parameters(), **token})

        method = "assume-role-with-web-identity"
        sessions = Sessions(ask, f"Assuming the role {role}", hint=_FEDERATION, method=method)
        return Credentials(sessions.source, frozenset(), sessions.issued)


METHODS: t.Final[t.Mapping[str, type[AwsMethod]]] = {
    "default_chain": DefaultChain,
    "access_key": AccessKey,
    "assume_role": AssumeRole,
    "web_identity": WebIdentity,
}


def aws_credentials(
    auth: t.Mapping[str, t.Any], environ: t.Mapping[str, str], *, ambient: bool, sts: StsAccess
) -> Credentials:
    """The credentials of the method that ``auth`` names. Without ``ambient`` only what the options hold is used."""
    method = str(auth.get("method") or "default_chain")
    if method not in METHODS:
        message = f"Provider aws has no authentication method {method!r}."
        raise StowageError("invalid_option", message, f"Use one of {', '.join(METHODS)}.")
    around = Surroundings(environ, ambient and sts.own_endpoint, sts)
    return METHODS[method](auth, around).credentials()


def _given_keys(auth: t.Mapping[str, t.Any]) -> Credentials | None:
    keys = keys_of_options(auth)
    return _fixed(keys, "The session_token of the location's auth") if keys else None


def _keys_of_environment(environ: t.Mapping[str, str]) -> Credentials | None:
    keys = keys_of_environment(environ, AWS_VARIABLES)
    ends = environ.get("AWS_CREDENTIAL_EXPIRATION", "")
    return _fixed(keys, "The session token of the environment (AWS_SESSION_TOKEN)", ends) if keys else None


def _fixed(keys: Keys, what: str, ends: str = "") -> Credentials:
    warnings = (cannot_renew(what, ends),) if keys.session_token else ()
    return Credentials(keys, keys.secrets(), warnings=warnings)


def _texts(*values: str | None) -> tuple[str, ...]:
    return tuple(value for value in values if value)


def _missing(ambient: bool, hint: str) -> StowageError:
    if ambient:
        return StowageError("credentials_missing", "No credentials for AWS were given or found.", hint)
    message = "The location's endpoint is not AWS's own, so credentials of the environment are not sent to it."
    return StowageError("credentials_missing", message, hint)
