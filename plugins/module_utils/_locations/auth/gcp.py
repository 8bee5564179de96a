# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How requests to Google get their tokens. Private to the collection.

Methods: ``default_chain`` (application default credentials), ``service_account_key``, ``impersonation`` and
``workload_identity``. What the environment and the machine provide is used at Google's own endpoints only: another
endpoint would get tokens that were never meant for it. No credential here reaches an address that is not TLS.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import json
import os
import re
import typing as t
import urllib.parse
import warnings

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._secrets import secrets_of

SCOPES: t.Final = ("https://www.googleapis.com/auth/devstorage.read_write",)
SETUP_SCOPES: t.Final = ("https://www.googleapis.com/auth/devstorage.full_control",)
"""What changes of a bucket's settings need: https://cloud.google.com/storage/docs/oauth-scopes."""
CLOUD_SCOPES: t.Final = ("https://www.googleapis.com/auth/cloud-platform",)
"""What changes of who may do what need: https://cloud.google.com/iam/docs/reference/rest"""
TOKEN_SECONDS: t.Final = 3600
_DOCUMENT_BYTES: t.Final = 1 << 20
# AWX's credential "Google Compute Engine" sets the three files, the collection google.cloud reads the second and the contents.
_CONTENTS: t.Final = "GCP_SERVICE_ACCOUNT_CONTENTS"
_FILES: t.Final = ("GCP_SERVICE_ACCOUNT_FILE", "GCE_CREDENTIALS_FILE_PATH", "GOOGLE_APPLICATION_CREDENTIALS")
_KEY_HINT: t.Final = "Give the whole JSON text or file that Google made for the key."

Requests = collections.abc.Callable[..., t.Any]


@dataclasses.dataclass(frozen=True)
class GoogleIdentity:
    """Who requests come from.

    :param credentials: of google-auth.
    :param secrets: what of them must never be shown.
    :param project: that the document of a service account's key names.
    :param account: the project that the options demand.
    :param usual: the project in which the environment or the machine has things made. It is nobody's word on who the caller is.
    """

    credentials: t.Any
    secrets: frozenset[str] = dataclasses.field(repr=False)
    project: str = ""
    account: str = ""
    usual: str = ""


@dataclasses.dataclass(frozen=True)
class _Document:
    """A credentials document of Google's, and where it is from, for messages."""

    info: dict[str, t.Any] = dataclasses.field(repr=False)
    origin: str
    secrets: frozenset[str] = dataclasses.field(repr=False)

    @property
    def kind(self) -> str:
        """What sort of credentials it holds."""
        return str(self.info.get("type") or "")


def google_identity(
    auth: t.Mapping[str, t.Any],
    environ: t.Mapping[str, str],
    *,
    ambient: bool,
    requests: Requests,
    iam_endpoint: str = "",
) -> GoogleIdentity:
    """The identity that ``auth`` describes. Nothing is sent but what the default chain asks of a metadata service.

    :param ambient: whether the environment and the machine may provide credentials.
    :param iam_endpoint: where service accounts are impersonated, if not at Google.
    """
    method = str(auth.get("method") or "default_chain")
    if method == "default_chain":
        found = _default_chain(environ, ambient=ambient, requests=requests)
    elif method == "service_account_key":
        found = _service_account(_needed(_document(auth, environ, ambient=ambient), ambient))
    elif method == "workload_identity":
        found = _external_account(_needed(_document(auth, environ, ambient=ambient), ambient))
    elif method == "impersonation":
        found = _impersonation(auth, environ, ambient=ambient, requests=requests, iam_endpoint=iam_endpoint)
    else:
        raise StowageError(
            "invalid_option",
            f"Provider gcp has no authentication method {method!r}.",
            "Use default_chain, service_account_key, impersonation or workload_identity.",
        )
    return dataclasses.replace(found, account=str(auth.get("account") or ""))


def for_setup(identity: GoogleIdentity, scopes: t.Sequence[str] = SETUP_SCOPES) -> GoogleIdentity:
    """The same identity with tokens that may change settings of buckets; a person's tokens have the scopes that they have."""
    if not hasattr(identity.credentials, "with_scopes"):
        return identity
    return dataclasses.replace(identity, credentials=identity.credentials.with_scopes(list(scopes)))


def check_account(identity: GoogleIdentity, tokens: t.Any) -> None:
    """:raises StowageError: ``wrong_account`` when the caller is not of the project that the options demand, or when its
    project cannot be told."""
    what = "Asking whose the Google credentials are"
    try:
        tokens.headers("GET", "https://storage.googleapis.com/")
    except Exception as error:  # noqa: BLE001 - whatever google-auth raises becomes an error of ours
        raise LocationError(dataclasses.replace(classify(error, what), doubt="unsent")) from None
    projects = sorted(projects_of(identity.credentials, identity.project))
    if identity.account in projects:
        return
    seen = f"the Google project {projects[0]}" if projects else "a Google project that cannot be told"
    raise StowageError(
        "wrong_account",
        f"The credentials are of {printable(seen)}, and the location's auth.account is {printable(identity.account)}.",
        "Nothing was written. Use credentials of that project, or correct auth.account (its id or number).",
        details={"account": projects, "expected": identity.account},
    )


def projects_of(credentials: t.Any, named: str = "") -> frozenset[str]:
    """The project of an identity, an id or a number, as its service account's address or its pool's audience tell it.

    :param named: what the document of a key says, for addresses that do not tell.
    """
    email = str(getattr(credentials, "service_account_email", None) or "")
    audience = str(getattr(credentials, "_audience", None) or "")
    for pattern, text in (
        (r"[^@]+@([a-z0-9-]+)\.iam\.gserviceaccount\.com", email),
        (r"([a-z0-9-]+)@appspot\.gserviceaccount\.com", email),
        (r"([0-9]+)-compute@developer\.gserviceaccount\.com", email),
        (r"//iam\.googleapis\.com/projects/([a-z0-9-]+)/locations/.*", "" if email else audience),
    ):
        if match := re.fullmatch(pattern, text):
            return frozenset({match[1]})
    return frozenset({named} - {""})


def _default_chain(environ: t.Mapping[str, str], *, ambient: bool, requests: Requests) -> GoogleIdentity:
    """The given environment first; then what gcloud left, and the machine's metadata service."""
    if not ambient:
        raise _missing(False)
    document = _document({}, environ, ambient=True)
    if document is not None:
        return _of_any_kind(document, requests)
    google = _google_auth()
    try:
        with _quiet():
            credentials, project = google.default(request=requests)
        scoped = google.credentials.with_scopes_if_required(credentials, SCOPES)
        return GoogleIdentity(scoped, frozenset(), usual=project or "")
    except Exception as error:  # noqa: BLE001 - whatever google-auth raises becomes an error of ours
        raise LocationError(classify(error, "Getting Google credentials")) from None


def _of_any_kind(document: _Document, requests: Requests) -> GoogleIdentity:
    """Of whatever google-auth knows: also what gcloud writes for a person who logged in."""
    if document.kind == "service_account":
        return _service_account(document)
    if document.kind == "external_account":
        return _external_account(document)
    google = _google_auth()
    _check_urls(document)
    try:
        with _quiet():
            credentials, project = google.load_credentials_from_dict(document.info, request=requests)
        scoped = google.credentials.with_scopes_if_required(credentials, SCOPES)
        return GoogleIdentity(scoped, document.secrets, usual=project or "")
    except Exception:  # noqa: BLE001 - whatever google-auth raises becomes an error of ours
        raise _unreadable(document) from None


def _service_account(document: _Document) -> GoogleIdentity:
    from google.oauth2 import service_account

    google: t.Any = service_account
    if document.kind != "service_account":
        hint = "Use method workload_identity or default_chain for other kinds of credentials."
        raise StowageError("credentials_invalid", f"{document.origin} is no key of a service account.", hint)
    _check_urls(document)
    try:
        credentials = google.Credentials.from_service_account_info(document.info, scopes=SCOPES)
    except Exception:  # noqa: BLE001 - whatever google-auth raises becomes an error of ours
        raise _unreadable(document) from None
    return GoogleIdentity(credentials, document.secrets, str(document.info.get("project_id") or ""))


def _external_account(document: _Document) -> GoogleIdentity:
    """Workload identity federation. google-auth reads the subject token again whenever it needs an access token."""
    from google.auth import aws, identity_pool

    if document.kind != "external_account":
        hint = "Give the configuration that gcloud iam workload-identity-pools create-cred-config writes."
        raise StowageError(
            "credentials_invalid", f"{document.origin} is no configuration of an external account.", hint
        )
    _check_urls(document)
    if "executable" in (document.info.get("credential_source") or {}):
        message = f"{document.origin} wants to run a program for its subject token, which this collection does not."
        raise StowageError("invalid_option", message, "Let something else write the token to a file, and name that.")
    try:
        google: t.Any = aws if "aws4_request" in str(document.info.get("subject_token_type")) else identity_pool
        credentials = google.Credentials.from_info(document.info, scopes=SCOPES)
    except Exception:  # noqa: BLE001 - whatever google-auth raises becomes an error of ours
        raise _unreadable(document) from None
    return GoogleIdentity(credentials, document.secrets)


def _impersonation(
    auth: t.Mapping[str, t.Any],
    environ: t.Mapping[str, str],
    *,
    ambient: bool,
    requests: Requests,
    iam_endpoint: str,
) -> GoogleIdentity:
    """A service account's token, got with other credentials: a document of the options, or the default chain."""
    from google.auth import impersonated_credentials

    google: t.Any = impersonated_credentials
    target = str(auth.get("service_account") or "")
    if not re.fullmatch(r"[^@\s/]+@[^@\s/]+", target):
        message = "Authentication method impersonation needs the address of a service account."
        raise StowageError("invalid_option", message, "Set service_account, as name@project.iam.gserviceaccount.com.")
    given = _document(auth, {}, ambient=False)
    source = _of_any_kind(given, requests) if given else _default_chain(environ, ambient=ambient, requests=requests)
    override = f"{iam_endpoint}/v1/projects/-/serviceAccounts/{target}:generateAccessToken" if iam_endpoint else None
    credentials = google.Credentials(
        source.credentials,
        target_principal=target,
        target_scopes=list(SCOPES),
        delegates=[str(one) for one in auth.get("delegates") or ()],
        lifetime=int(auth.get("duration") or TOKEN_SECONDS),
        iam_endpoint_override=override,
    )
    return GoogleIdentity(credentials, source.secrets)


def _document(auth: t.Mapping[str, t.Any], environ: t.Mapping[str, str], *, ambient: bool) -> _Document | None:
    """What the options give; what the environment names, if it may be used and they give nothing."""
    content, path = auth.get("credentials_json"), str(auth.get("credentials_file") or "")
    if content:
        return _parsed(content if isinstance(content, str) else json.dumps(content), "What credentials_json gives")
    if path:
        return _parsed(_text_of(path, "credentials_file"), f"The file {printable(path)} of credentials_file")
    if not ambient:
        return None
    if environ.get(_CONTENTS):
        return _parsed(environ[_CONTENTS], f"What {_CONTENTS} gives")
    for name in _FILES:
        if environ.get(name):
            return _parsed(_text_of(environ[name], name), f"The file of {name}")
    return None


def _text_of(path: str, option: str) -> str:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as stream:
            return stream.read(_DOCUMENT_BYTES)
    except (OSError, UnicodeDecodeError):
        message = f"The file {printable(path)} of {option} cannot be read."
        raise StowageError("credentials_missing", message, "Check the path, and who may read it.") from None


def _parsed(text: str, origin: str) -> _Document:
    try:
        info = json.loads(text)
    except (ValueError, RecursionError):
        info = None
    if not isinstance(info, dict):
        raise StowageError("credentials_invalid", f"{origin} is no JSON object.", _KEY_HINT)
    return _Document(info, origin, secrets_of({"location": {"auth": {"credentials_json": info}}}))


def _check_urls(document: _Document) -> None:
    """Where a document sends tokens: to TLS only."""
    for name in ("token_uri", "token_url", "service_account_impersonation_url"):
        value = document.info.get(name)
        if value is not None and urllib.parse.urlsplit(str(value)).scheme != "https":
            message = f"{document.origin} has a {name} that is not https: no token is sent there."
            raise StowageError("credentials_invalid", message, _KEY_HINT)


def _needed(document: _Document | None, ambient: bool) -> _Document:
    if document is None:
        raise _missing(ambient)
    return document


def _missing(ambient: bool) -> StowageError:
    hint = "Set credentials_file or credentials_json in the location's auth."
    if ambient:
        return StowageError("credentials_missing", "No Google credentials were given or found.", hint)
    message = "The location's endpoint is not Google's own, so credentials of the environment are not sent to it."
    return StowageError("credentials_missing", message, hint)


def _unreadable(document: _Document) -> StowageError:
    return StowageError(
        "credentials_invalid", f"{document.origin} holds no Google credentials that can be used.", _KEY_HINT
    )


def _google_auth() -> t.Any:
    """google-auth, which says that it is typed and is half so."""
    import google.auth
    import google.auth.credentials

    return google.auth


@contextlib.contextmanager
def _quiet() -> t.Iterator[None]:
    """google-auth warns that documents of unknown origin may send tokens anywhere (``_check_urls`` looks at those), and that a
    person's credentials lack a quota project."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
