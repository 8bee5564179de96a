# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How requests to Azure get their credentials. Private to the collection.

Methods: ``account_key``, ``sas``, ``service_principal``, ``managed_identity`` and ``workload_identity``. What the environment
and the machine provide is used at Azure's own endpoints only, that of Azure Resource Manager included: another endpoint would
get credentials that were never meant for it. What works for whoever has it (a token, a SAS) never goes over plain HTTP.

Variables have the names of azure.azcollection and AWX's credential (``AZURE_SECRET``, ``AZURE_TENANT``), or else those of
azure-identity (``AZURE_CLIENT_SECRET``, ``AZURE_TENANT_ID``) and the Azure command line (``AZURE_STORAGE_KEY``).
"""

from __future__ import annotations

import abc
import base64
import binascii
import contextlib
import dataclasses
import datetime
import logging
import os
import re
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import cannot_renew
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_claims import claims_of, sas_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import (
    CLOUDS,
    AzureSettings,
    installed,
    make_transport,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_errors import classify_token
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_wire import signature, string_to_sign
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable

SCOPE: t.Final = "https://storage.azure.com/.default"
"""The same in all clouds."""
RENEW_BEFORE: t.Final = 300.0
MOST_TOKEN_BYTES: t.Final = 64 << 10
_MINIMUM: t.Final = (1, 18)

_TENANT: t.Final = ("AZURE_TENANT", "AZURE_TENANT_ID")
_CLIENT: t.Final = ("AZURE_CLIENT_ID",)
_SECRET: t.Final = ("AZURE_SECRET", "AZURE_CLIENT_SECRET")
_CERTIFICATE: t.Final = ("AZURE_X509_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PATH")
_CERTIFICATE_PASSWORD: t.Final = ("AZURE_CLIENT_CERTIFICATE_PASSWORD",)
_TOKEN_FILE: t.Final = ("AZURE_FEDERATED_TOKEN_FILE",)
_AUTHORITY: t.Final = ("AZURE_AUTHORITY_HOST",)
_KEY: t.Final = ("AZURE_STORAGE_KEY",)
_SAS: t.Final = ("AZURE_STORAGE_SAS_TOKEN",)


@dataclasses.dataclass(frozen=True)
class Unsigned:
    """A request as it is signed: ``path`` encoded and with the account where the URL has it, ``parameters`` not encoded."""

    method: str
    account: str
    path: str
    parameters: t.Mapping[str, str]
    headers: t.Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Signed:
    """What a signature adds to a request: headers, and an encoded end of its query."""

    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    query: str = dataclasses.field(default="", repr=False)


class AzureCredentials(abc.ABC):
    """What signs requests. ``expires`` is when it stops to, where that is known and cannot be renewed."""

    expires: datetime.datetime | None = None

    @abc.abstractmethod
    def sign(self, request: Unsigned, /) -> Signed:
        """What to add to the request. :raises LocationError: no token was to be had."""

    @abc.abstractmethod
    def secrets(self) -> frozenset[str]:
        """What of it must never be shown."""

    def warnings(self) -> t.Sequence[str]:
        """See :meth:`~..base.Location.warnings`."""
        return ()

    def claims(self) -> t.Mapping[str, str]:
        """Whom its token is for (:func:`~..azure_claims.claims_of`); empty where there is no token.

        :raises LocationError: no token was to be had.
        """
        return {}

    def close(self) -> None:
        """Let go of connections."""


def azure_credentials(
    auth: t.Mapping[str, t.Any],
    environ: t.Mapping[str, str],
    settings: AzureSettings,
    verify: str | None,
    scope: str = SCOPE,
) -> AzureCredentials:
    """The credentials of the method that ``auth`` names, ``service_principal`` if none, as AWX's credential is one.

    :param scope: what tokens are for.
    :param verify: the trusted certificates for requests of tokens, which are those of the data.
    """
    method = _method(auth)
    own = settings.own_endpoint and str(auth.get("authority") or _PUBLIC).rstrip("/") in _AUTHORITIES
    given = _Given(auth, environ if own else {})
    if method == "account_key":
        return AccountKey(settings.account, given.need("account_key", _KEY))
    if method == "sas":
        _by_tls(settings, "A SAS")
        return SharedAccessSignature(given.need("sas_token", _SAS))
    if method not in _TOKENS:
        raise StowageError(
            "invalid_option",
            f"Provider azure has no authentication method {method!r}.",
            "Use account_key, sas, service_principal, managed_identity or workload_identity.",
        )
    _by_tls(settings, "A token")
    require_identity()
    make, secrets = _TOKENS[method](given, settings)
    return Tokens(make, secrets, verify, scope)


def has_tokens(auth: t.Mapping[str, t.Any]) -> bool:
    """Whether the method is one that gets tokens, not an account's key or a SAS."""
    return _method(auth) in _TOKENS


def _method(auth: t.Mapping[str, t.Any]) -> str:
    return str(auth.get("method") or "service_principal")


def require_identity(who: str = "This method of authentication needs") -> None:
    """``dependency_missing`` when azure-identity is not there, or too old to send a service account's token our way."""
    hint = "Install azure-identity>=1.18 for the Python that runs the task."
    if not installed("azure.identity"):
        raise StowageError("dependency_missing", f"{who} the Python package azure-identity.", hint)
    import azure.identity

    version = str(azure.identity.__version__)
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < _MINIMUM:
        raise StowageError("dependency_missing", f"azure-identity {version} is too old.", hint)


def _by_tls(settings: AzureSettings, what: str) -> None:
    if not settings.encrypted:
        hint = "Use https:// in the endpoint, or method account_key, whose key is not sent."
        raise StowageError("invalid_option", f"{what} is not sent over plain HTTP, where anybody can read it.", hint)


_AUTHORITIES: t.Final = frozenset(cloud.authority for cloud in CLOUDS.values())
_PUBLIC: t.Final = CLOUDS["public"].authority


class _Given:
    """Options of ``auth``, and the environment's answer for those that are not set."""

    def __init__(self, auth: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> None:
        self._auth = auth
        self._environ = environ

    def get(self, option: str, variables: tuple[str, ...] = ()) -> str:
        """The value, or nothing."""
        return str(self._auth.get(option) or next((self._environ[n] for n in variables if self._environ.get(n)), ""))

    def need(self, option: str, variables: tuple[str, ...] = ()) -> str:
        """The value. :raises StowageError: ``credentials_missing`` when there is none."""
        value = self.get(option, variables)
        if value:
            return value
        hint = f"Set {option} in the location's auth"
        hint += f", or {variables[0]} (which counts at Azure's own endpoints only)." if variables else "."
        raise StowageError("credentials_missing", f"The credentials for Azure lack {option}.", hint)


class AccountKey(AzureCredentials):
    """A storage account's key, by which each request is signed; it is not sent itself."""

    def __init__(self, account: str, key: str) -> None:
        try:
            self._key = base64.b64decode(key.strip(), validate=True)
        except (binascii.Error, ValueError):
            self._key = b""
        if not self._key:
            raise StowageError("credentials_invalid", "The account key is no base64.", "Copy it again, as a whole.")
        self._account = account
        self._secrets = frozenset({key, key.strip()})

    def sign(self, request: Unsigned, /) -> Signed:
        text = string_to_sign(request.method, self._account, request.path, request.parameters, request.headers)
        return Signed({"Authorization": f"SharedKey {self._account}:{signature(self._key, text)}"})

    def secrets(self) -> frozenset[str]:
        return self._secrets


class SharedAccessSignature(AzureCredentials):
    """A SAS of an account, a container or a user, which becomes part of each request's URL. ``described`` is what it says."""

    def __init__(self, text: str) -> None:
        token = text.strip().lstrip("?").strip("&")
        fields = dict(urllib.parse.parse_qsl(token, keep_blank_values=True)) if "://" not in token else {}
        if "sig" not in fields or not re.fullmatch(r"[!-~]+", token) or "#" in token:
            hint = (
                "Give the token only, as it is shown: sv=…&sig=…; an URL has its container in it, which is an option."
            )
            raise StowageError("credentials_invalid", "The SAS token is none.", hint)
        self._token = token
        raw = next(part for part in token.split("&") if part.startswith("sig="))[4:]
        self._secrets = frozenset({text, token, raw, fields["sig"], urllib.parse.unquote(raw)})
        self.described = sas_of(fields)
        self.expires = self.described.expires

    def sign(self, _dummy: Unsigned, /) -> Signed:
        return Signed(query=self._token)

    def secrets(self) -> frozenset[str]:
        return self._secrets

    def warnings(self) -> t.Sequence[str]:
        return (cannot_renew("The SAS", self.expires.isoformat() if self.expires else ""),)


class Tokens(AzureCredentials):
    """Tokens of Entra, or of the machine's own service, each asked for when the last one is about to expire.

    :param make: makes a credential of azure-identity, given the arguments that all of them have.
    """

    def __init__(
        self, make: t.Callable[..., t.Any], secrets: frozenset[str], verify: str | None, scope: str = SCOPE
    ) -> None:
        self._scope = scope
        self._secrets = secrets
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0
        _silence()
        self._transport = make_transport(verify)
        try:
            self._credential = make(transport=self._transport, retry_total=0)
        except StowageError:
            raise
        except (ValueError, TypeError, OSError):
            # Their text can hold what they could not make sense of.
            hint = (
                "Check tenant and client_id, and the certificate: PEM or PKCS #12, with its RSA key and its password."
            )
            raise StowageError("credentials_invalid", "The credentials for Azure make no sense.", hint) from None

    def sign(self, _dummy: Unsigned, /) -> Signed:
        return Signed({"Authorization": f"Bearer {self._current()}"})

    def secrets(self) -> frozenset[str]:
        return self._secrets

    def claims(self) -> t.Mapping[str, str]:
        return claims_of(self._current())

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._credential.close()
        self._transport.close()

    def _current(self) -> str:
        with self._lock:
            if time.time() > self._until - RENEW_BEFORE:
                try:
                    found = self._credential.get_token(self._scope)
                except StowageError:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever azure-identity raises becomes an error of ours
                    ours = _ours(error)
                    if ours is not None:
                        raise ours from None
                    raise LocationError(classify_token(error, "Getting a token for Azure")) from None
                self._token, self._until = str(found.token), float(found.expires_on)
            return self._token


def _ours(error: BaseException) -> StowageError | None:
    """An error of ours that azure-identity wrapped."""
    current: BaseException | None = error
    while current is not None and not isinstance(current, StowageError):
        current = current.__cause__ or current.__context__
    return current


_Made = tuple[t.Callable[..., t.Any], frozenset[str]]


def _service_principal(given: _Given, settings: AzureSettings) -> _Made:
    """An application with a secret, or with a certificate."""
    from azure.identity import CertificateCredential, ClientSecretCredential

    who = {"tenant_id": given.need("tenant", _TENANT), "client_id": given.need("client_id", _CLIENT)}
    common = _of_authority(given, settings)
    path = _certificate_path(given)
    if not path:
        secret = given.need("secret", _SECRET)
        return lambda **own: ClientSecretCredential(**who, client_secret=secret, **common, **own), frozenset({secret})
    if not os.access(path, os.R_OK):
        message = f"The certificate {printable(path)} cannot be read."
        raise StowageError("credentials_missing", message, "Check x509_certificate_path.")
    password = given.get("x509_certificate_password", _CERTIFICATE_PASSWORD)
    more: dict[str, t.Any] = {"certificate_path": path, "password": password or None}
    return lambda **own: CertificateCredential(**who, **common, **more, **own), frozenset({password} - {""})


def _certificate_path(given: _Given) -> str:
    """The certificate, if it is one that the application authenticates with: options count before the environment, which may
    have either kind."""
    path, secret = given.get("x509_certificate_path"), given.get("secret")
    if path and secret:
        hint = "Set either."
        raise StowageError("invalid_option", "The application has both a secret and a certificate.", hint)
    if not path and not given.get("secret", _SECRET):
        path = given.get("x509_certificate_path", _CERTIFICATE)
    return os.path.expanduser(path)


def _managed_identity(given: _Given, settings: AzureSettings) -> _Made:
    """The identity of the machine or pod, which is there for Azure's own endpoints."""
    from azure.identity import ManagedIdentityCredential

    if not settings.own_endpoint:
        message = "An endpoint of the location is not Azure's own, so the machine's identity is not shown to it."
        raise StowageError("credentials_missing", message, "Use account_key, sas or service_principal.")
    client: dict[str, t.Any] = {"client_id": given.get("client_id")} if given.get("client_id") else {}
    return lambda **own: ManagedIdentityCredential(**client, **own), frozenset()


def _workload_identity(given: _Given, settings: AzureSettings) -> _Made:
    """A service account's token, which the cluster writes into a file, for an application that trusts the cluster. In a pod
    of AKS the environment has everything."""
    from azure.identity import ClientAssertionCredential

    who = {"tenant_id": given.need("tenant", _TENANT), "client_id": given.need("client_id", _CLIENT)}
    common = _of_authority(given, settings)
    path = given.need("federated_token_file", _TOKEN_FILE)

    def read() -> str:
        # Each time: the cluster renews the file. azure-identity's own class keeps what it read for ten minutes.
        return _read_token(path)

    return lambda **own: ClientAssertionCredential(**who, func=read, **common, **own), frozenset()


_TOKENS: t.Final[t.Mapping[str, t.Callable[[_Given, AzureSettings], _Made]]] = {
    "service_principal": _service_principal,
    "managed_identity": _managed_identity,
    "workload_identity": _workload_identity,
}


def _of_authority(given: _Given, settings: AzureSettings) -> dict[str, t.Any]:
    """Where tokens come from. It is known, so nobody is asked whether it exists."""
    authority = given.get("authority", _AUTHORITY).rstrip("/") or settings.cloud.authority
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]+)?", authority):
        hint = "Write it like https://login.microsoftonline.com."
        raise StowageError("invalid_option", "The authority is no https:// URL of host and port.", hint)
    return {"authority": authority, "disable_instance_discovery": True}


def _read_token(path: str) -> str:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as stream:
            token = stream.read(MOST_TOKEN_BYTES).strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token:
        hint = "Check federated_token_file, and that the service account's token is mounted."
        raise StowageError("credentials_missing", f"The token {printable(path)} cannot be read.", hint)
    return token


def _silence() -> None:
    """azure-identity and msal warn by the text of exceptions, which Python prints where nobody listens."""
    for name in ("azure", "msal"):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())
