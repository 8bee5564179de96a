# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys of an S3 location: what the methods of AWS and MinIO have in common. Private to the collection.

Each method reads the environment itself, for options that are unset, and says which values are secret. Keys are taken
as a pair: half of one is never completed from elsewhere.
"""

from __future__ import annotations

import abc
import dataclasses
import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError


@dataclasses.dataclass(frozen=True)
class Keys:
    """An access key, its secret, and the token of a session."""

    access_key: str
    secret_key: str = dataclasses.field(repr=False)
    session_token: str = dataclasses.field(default="", repr=False)

    def secrets(self) -> frozenset[str]:
        """What of it must never be shown."""
        return frozenset(value for value in (self.secret_key, self.session_token) if value)


@dataclasses.dataclass(frozen=True)
class Credentials:
    """Where requests get their keys from: :class:`Keys`, or an object of botocore that renews them.

    ``given`` are the secrets that are known from the start; ``issued`` gives those that were got so far. ``warnings`` say
    what ends before a long task does.
    """

    source: t.Any
    given: frozenset[str] = dataclasses.field(repr=False)
    issued: t.Callable[[], t.Iterable[str]] = dataclasses.field(default=tuple, repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def secrets(self) -> frozenset[str]:
        """All that must never be shown, as far as it is known by now."""
        return self.given.union(self.issued())


class Method(abc.ABC):
    """One way to authenticate: one class for each value of ``auth.method`` of a provider."""

    @abc.abstractmethod
    def credentials(self) -> Credentials:
        """Checks what is there, and sends nothing yet.

        :raises StowageError: ``invalid_option``, ``credentials_missing``.
        """


Variables = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""The environment variables of access key, secret key and session token; the first that is set counts."""

AWS_VARIABLES: t.Final[Variables] = (
    ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"),
    ("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"),
    ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
)
MINIO_VARIABLES: t.Final[Variables] = (("MINIO_ACCESS_KEY",), ("MINIO_SECRET_KEY",), ())


def keys_of_options(auth: t.Mapping[str, t.Any]) -> Keys | None:
    """The keys that the options give; ``None`` when they give none."""
    access, secret = str(auth.get("access_key") or ""), str(auth.get("secret_key") or "")
    token = str(auth.get("session_token") or "")
    if not access and not secret and not token:
        return None
    return _pair(access, secret, token, "auth has", "access_key", "secret_key")


def keys_of_environment(environ: t.Mapping[str, str], variables: Variables) -> Keys | None:
    """The keys that the environment gives; ``None`` when it gives none."""
    access, secret, token = (next((environ[name] for name in names if environ.get(name)), "") for names in variables)
    if not access and not secret:
        return None
    return _pair(access, secret, token, "the environment has", variables[0][0], variables[1][0])


def cannot_renew(what: str, ends: str = "") -> str:
    """The warning that a session is used which nobody here can renew; ``ends`` is when it ends, if that is known."""
    when = _moment(ends)
    return (
        f"{what} cannot be renewed: the session ends {f'at {when}' if when else 'at a time that is not known'}, "
        "and a task that takes longer fails with credentials_expired."
    )


def _moment(text: str) -> str:
    """A time as it may be shown, or nothing."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return ""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.astimezone(datetime.UTC).isoformat(timespec="seconds")


def _pair(access: str, secret: str, token: str, where: str, *names: str) -> Keys:
    if not access or not secret:
        given, missing = names if access else reversed(names)
        what = f"{where} {given} without {missing}" if access or secret else f"{where} session_token without keys"
        raise StowageError("credentials_missing", f"Keys are a pair, but {what}.", "Give both, or neither.")
    return Keys(access, secret, token)
