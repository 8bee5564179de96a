# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions from a token service (STS), that of AWS or that of another store. Private to the collection."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import json
import os
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.endpoints import is_own_endpoint
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import isolated_session
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import USER_AGENT

SESSION_NAME: t.Final = "stowage"
CHAINED_SECONDS: t.Final = 3600
"""The longest that AWS lets a role be assumed from another session."""
CONNECT_SECONDS: t.Final = 10
READ_SECONDS: t.Final = 30
_LARGEST_TOKEN: t.Final = 64 << 10
_OF_STORES: t.Final = frozenset(
    {"key_not_found", "key_exists", "bucket_not_found", "backup_damaged", "locked", "quota"}
)
_NO_STS: t.Final = "Check that the endpoint is a token service (STS), and proxies on the way."
_ADVISORY_SECONDS: t.Final = 900.0
_MANDATORY_SECONDS: t.Final = 600.0

Answer = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class StsAccess:
    """How to reach the token service: its region, an endpoint if it is not AWS's own of the region, whom to trust, and the
    files of a client certificate and its key."""

    region: str
    endpoint: str = ""
    verify: str | None = None
    client_pair: tuple[str, str] | None = None

    @property
    def own_endpoint(self) -> bool:
        """Whether it is AWS's."""
        return not self.endpoint or is_own_endpoint(self.endpoint)

    def require_tls(self) -> None:
        """:raises StowageError: ``invalid_option`` where a token, or the keys of a session, would go over the wire as they are."""
        if self.endpoint and not self.endpoint.startswith("https://"):
            message = "This method gets its keys from a token service, and is not used without TLS."
            raise StowageError("invalid_option", message, "Use an endpoint with https://, or method access_key.")


@dataclasses.dataclass(frozen=True)
class SessionRequest:
    """What a session is asked for, apart from who asks. What is empty or 0 is not sent."""

    role_arn: str = ""
    session_name: str = SESSION_NAME
    external_id: str = ""
    duration: int = 0
    policy: str = ""

    @classmethod
    def from_options(cls, auth: t.Mapping[str, t.Any], role_arn: str = "") -> SessionRequest:
        """Of an ``auth`` in the normal form of ``check_location``."""
        return cls(
            role_arn=role_arn or str(auth.get("role_arn") or ""),
            session_name=str(auth.get("session_name") or SESSION_NAME),
            external_id=str(auth.get("external_id") or ""),
            duration=int(auth.get("duration") or 0),
            policy=str(auth.get("session_policy") or ""),
        )

    def parameters(self, longest: int = 0) -> dict[str, t.Any]:
        """As the request has them, with a duration of at most ``longest`` seconds unless that is 0."""
        duration = min(self.duration, longest) if longest else self.duration
        named = {
            "RoleArn": self.role_arn,
            "RoleSessionName": self.session_name,
            "ExternalId": self.external_id,
            "DurationSeconds": duration,
            "Policy": self.policy,
        }
        return {name: value for name, value in named.items() if value}


def sts_client(sts: StsAccess, source: t.Any, *, checked: bool = True) -> t.Any:
    """A client of the token service; without a source it signs nothing. Not ``checked``, it leaves it to the service which
    parameters there must be: AWS wants a role, MinIO does not."""
    from botocore import UNSIGNED
    from botocore.config import Config

    choices: dict[str, t.Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "user_agent_extra": USER_AGENT,
        "retries": {"total_max_attempts": 4, "mode": "standard"},
        "ignore_configured_endpoint_urls": True,
        "use_fips_endpoint": False,
        "use_dualstack_endpoint": False,
        "parameter_validation": checked,
        "client_cert": sts.client_pair,
        "signature_version": None if source is not None else UNSIGNED,
    }
    session = isolated_session(source)
    # Each region's own endpoint: the global one is in another region, and serves no partition but the first.
    session.set_config_variable("sts_regional_endpoints", "regional")
    return session.create_client(
        "sts", region_name=sts.region, endpoint_url=sts.endpoint or None, verify=sts.verify, config=Config(**choices)
    )


def ask_sts(
    sts: StsAccess, source: t.Any, operation: str, parameters: t.Mapping[str, t.Any], *, checked: bool = True
) -> Answer:
    """One request to the token service, and its answer. Raises what botocore raises."""
    with contextlib.closing(sts_client(sts, source, checked=checked)) as client:
        answer: Answer = getattr(client, operation)(**parameters)
    return answer


def is_session(source: t.Any) -> bool:
    """Whether credentials are those of a session, which AWS limits when they assume a role. May ask for them."""
    return bool(source.session_token if isinstance(source, Keys) else source.get_frozen_credentials().token)


class Sessions:
    """Sessions one after the other: each is asked for when it is needed, and the next before the last one ends.

    :param ask: gets an answer with ``Credentials``; its exceptions become errors of ours.
    :param what: what that is, for messages.
    :param hint: what to look at when it is denied.
    :param method: botocore's name for the kind.
    """

    def __init__(self, ask: t.Callable[[], Answer], what: str, *, hint: str, method: str) -> None:
        from botocore.credentials import DeferredRefreshableCredentials

        self._ask = ask
        self._what = what
        self._hint = hint
        self._issued: list[str] = []
        self.source: t.Any = DeferredRefreshableCredentials(refresh_using=self._next, method=method, time_fetcher=now)

    def issued(self) -> t.Sequence[str]:
        """The secrets of all sessions so far."""
        return tuple(self._issued)

    def _next(self) -> dict[str, str]:
        try:
            found = self._ask()["Credentials"]
            session = {
                "access_key": str(found["AccessKeyId"]),
                "secret_key": str(found["SecretAccessKey"]),
                "token": str(found["SessionToken"]),
            }
            ends: datetime.datetime = found["Expiration"]
            left = (ends - now()).total_seconds()
        except LocationError as error:
            raise self._explained(error) from None
        except StowageError:
            raise
        except (KeyError, TypeError, AttributeError):
            raise StowageError("store_error", f"{self._what}: the answer holds no session.", _NO_STS) from None
        except Exception as error:  # noqa: BLE001 - whatever botocore raises becomes an error of ours
            raise self._explained(LocationError(classify(error, self._what))) from None
        self._issued += [session["secret_key"], session["token"]]
        if left <= 0:
            message = f"{self._what}: by this machine's clock, the new session has ended already."
            raise StowageError("clock_skew", message, "Set this machine's clock (chrony, ntpd).")
        self._renew_in_time(left)
        return {**session, "expiry_time": ends.isoformat()}

    def _renew_in_time(self, seconds: float) -> None:
        """botocore renews a quarter of an hour before the end, which is all the time that the shortest session has."""
        self.source._advisory_refresh_timeout = min(_ADVISORY_SECONDS, seconds / 3)
        self.source._mandatory_refresh_timeout = min(_MANDATORY_SECONDS, seconds / 6)

    def _explained(self, error: LocationError) -> LocationError:
        """A failure of the token service, so that nobody takes it for the store's: what was to be sent to the store was not."""
        failure = dataclasses.replace(error.failure, doubt="unsent", status=0)
        if failure.code in {"permission_denied", "store_error"} and not failure.hint:
            failure = dataclasses.replace(failure, hint=self._hint)
        elif failure.code in _OF_STORES:
            message = f"{self._what}: the token service answered {failure.store_code or 'with an error'}."
            failure = dataclasses.replace(failure, code="store_error", message=message, hint=_NO_STS)
        return LocationError(failure)


def now() -> datetime.datetime:
    """This machine's clock, by which sessions are renewed."""
    return datetime.datetime.now(datetime.UTC)


def read_token(path: str) -> str:
    """The token in a file, as it is now: who provides it renews it there.

    :raises StowageError: ``credentials_missing``.
    """
    hint = "Check web_identity_token_file, and that the service account's token is mounted."
    try:
        with open(os.path.expanduser(path), encoding="ascii") as stream:
            token = stream.read(_LARGEST_TOKEN + 1).strip()
    except (OSError, ValueError):
        message = f"The web identity token {printable(path)} cannot be read."
        raise StowageError("credentials_missing", message, hint) from None
    if not token or len(token) > _LARGEST_TOKEN:
        message = f"The file {printable(path)} holds no web identity token."
        raise StowageError("credentials_missing", message, hint)
    return token


def is_token(text: str) -> bool:
    """Whether a text is a token with claims, whoever signed it: https://www.rfc-editor.org/rfc/rfc7519"""
    parts = text.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, IndexError, RecursionError):
        return False
    return len(parts) == 3 and isinstance(claims, dict) and {"iss", "exp"} <= claims.keys()
