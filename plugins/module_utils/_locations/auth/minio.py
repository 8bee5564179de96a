# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How requests to MinIO and other S3 stores get their credentials: one class for each method. Private to the collection.

Nothing of AWS's environment or machine is looked at. The token service is at the store's own endpoint.
"""

from __future__ import annotations

import threading
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import (
    MINIO_VARIABLES,
    Credentials,
    Method,
    cannot_renew,
    keys_of_environment,
    keys_of_options,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import (
    CONNECT_SECONDS,
    READ_SECONDS,
    Answer,
    SessionRequest,
    Sessions,
    StsAccess,
    ask_sts,
    read_token,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import isolated_session
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries import Retries
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify

_USERS_ONLY: t.Final = (
    "MinIO gives sessions to users only, neither to their access keys nor to other sessions, and denies wrong keys alike. "
    "Elsewhere, check the role's trust policy."
)
_FEDERATION: t.Final = "Check role_arn, and which subjects and audiences the store's OpenID provider or role accepts."
_CERTIFICATE: t.Final = (
    "MinIO must trust the certificate's CA, and have a policy named like the certificate's common name."
)
_LARGEST_ANSWER: t.Final = 64 << 10


class MinioMethod(Method):
    """A method of provider ``minio``."""

    def __init__(self, auth: t.Mapping[str, t.Any], environ: t.Mapping[str, str], sts: StsAccess) -> None:
        """:param auth: the location's ``auth`` in the normal form of ``check_location``."""
        self._auth = auth
        self._environ = environ
        self._sts = sts


class AccessKey(MinioMethod):
    """``access_key``: options, else ``MINIO_ACCESS_KEY`` and ``MINIO_SECRET_KEY``, never AWS's variables or files."""

    def credentials(self) -> Credentials:
        keys = keys_of_options(self._auth) or keys_of_environment(self._environ, MINIO_VARIABLES)
        if keys is None:
            raise StowageError(
                "credentials_missing",
                "No keys for the MinIO location were given.",
                "Set access_key and secret_key in the location's auth, or MINIO_ACCESS_KEY and MINIO_SECRET_KEY.",
            )
        ends = (cannot_renew("The session_token of the location's auth"),) if keys.session_token else ()
        return Credentials(keys, keys.secrets(), warnings=ends)


class AssumeRole(MinioMethod):
    """``assume_role``: a session of the user whose keys these are, as MinIO has it, or of a role, where a store has those."""

    def credentials(self) -> Credentials:
        self._sts.require_tls()
        base = AccessKey(self._auth, self._environ, self._sts).credentials()
        request = SessionRequest.from_options(self._auth)

        def ask() -> Answer:
            return ask_sts(self._sts, base.source, "assume_role", request.parameters(), checked=False)

        sessions = Sessions(ask, "Getting a session", hint=_USERS_ONLY, method="sts-assume-role")
        return Credentials(sessions.source, base.given, sessions.issued, base.warnings)


class WebIdentity(MinioMethod):
    """``web_identity``: a session for the token of an OpenID provider that the store knows."""

    def credentials(self) -> Credentials:
        self._sts.require_tls()
        path = str(self._auth.get("web_identity_token_file") or "")
        if not path:
            message = "Authentication method web_identity lacks the token."
            raise StowageError("credentials_missing", message, "Set web_identity_token_file.")
        request = SessionRequest.from_options(self._auth)

        def ask() -> Answer:
            token = {"WebIdentityToken": read_token(path)}
            operation = "assume_role_with_web_identity"
            return ask_sts(self._sts, None, operation, {**request.parameters(), **token}, checked=False)

        sessions = Sessions(
            ask, "Getting a session for the web identity", hint=_FEDERATION, method="assume-role-with-web-identity"
        )
        return Credentials(sessions.source, frozenset(), sessions.issued)


class ClientCertificate(MinioMethod):
    """``client_certificate``: a session for the certificate that the location shows, with MinIO's AssumeRoleWithCertificate."""

    def credentials(self) -> Credentials:
        self._sts.require_tls()
        if self._sts.client_pair is None:
            message = "Authentication method client_certificate lacks the certificate."
            raise StowageError("invalid_option", message, "Set the location's client_cert and client_key.")
        duration = SessionRequest.from_options(self._auth).duration
        sessions = Sessions(
            lambda: _ask_with_certificate(self._sts, duration),
            "Getting a session for the client certificate",
            hint=_CERTIFICATE,
            method="sts-assume-role",
        )
        return Credentials(sessions.source, frozenset(), sessions.issued)


METHODS: t.Final[t.Mapping[str, type[MinioMethod]]] = {
    "access_key": AccessKey,
    "assume_role": AssumeRole,
    "web_identity": WebIdentity,
    "client_certificate": ClientCertificate,
}


def minio_credentials(
    auth: t.Mapping[str, t.Any], environ: t.Mapping[str, str], sts: StsAccess | None = None
) -> Credentials:
    """The credentials of the method that ``auth`` names."""
    method = str(auth.get("method") or "access_key")
    if method not in METHODS:
        message = f"Provider minio has no authentication method {method!r}."
        raise StowageError("invalid_option", message, f"Use one of {', '.join(METHODS)}.")
    return METHODS[method](auth, environ, sts or StsAccess("us-east-1")).credentials()


def _ask_with_certificate(sts: StsAccess, duration: int) -> Answer:
    """botocore does not know this action of MinIO's. Its answer is that of AssumeRole by another name."""
    form = {"Action": "AssumeRoleWithCertificate", "Version": "2011-06-15"}
    form |= {"DurationSeconds": str(duration)} if duration else {}
    retries = Retries(threading.Event())
    # Few: a certificate without a policy is answered by 500.
    retries.attempts = 3
    answer: Answer = retries.retried(lambda: _send_with_certificate(sts, form))
    return answer


def _send_with_certificate(sts: StsAccess, form: t.Mapping[str, str]) -> Answer:
    from botocore.exceptions import ClientError
    from botocore.parsers import create_parser

    what = "Getting a session for the client certificate"
    try:
        status, headers, body = _post(sts, urllib.parse.urlencode(form))
        model = isolated_session(None).get_service_model("sts").operation_model("AssumeRole")
        answer = {"status_code": status, "headers": headers, "body": body.replace(b"RoleWithCertificate", b"Role")}
        parsed: t.Any = create_parser("query").parse(answer, model.output_shape)
        if status >= 300:
            raise ClientError(parsed, "AssumeRoleWithCertificate")
    except Exception as error:  # noqa: BLE001 - whatever botocore raises becomes an error of ours
        raise LocationError(classify(error, what)) from None
    found: Answer = parsed
    return found


def _post(sts: StsAccess, query: str) -> tuple[int, t.Mapping[str, str], bytes]:
    """Sends a query, for MinIO does not look into the body here, and reads of the answer what a session can be at most."""
    import os

    from botocore import httpsession
    from botocore.awsrequest import AWSRequest

    session: t.Any = isolated_session(None)
    bundle = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE") or True
    make: t.Any = httpsession.URLLib3Session  # its stubs know no path and no pair
    http = make(verify=sts.verify or bundle, timeout=(CONNECT_SECONDS, READ_SECONDS), client_cert=sts.client_pair)
    try:
        request: t.Any = AWSRequest(method="POST", url=f"{sts.endpoint}/?{query}", data=b"")
        request.stream_output = True
        response = http.send(request.prepare())
        return int(response.status_code), response.headers, bytes(response.raw.read(_LARGEST_ANSWER))
    finally:
        http.close()
