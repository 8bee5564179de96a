# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who an S3 store takes us for. Private to the collection."""

from __future__ import annotations

import contextlib
import json
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import isolated_session
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import (
    CONNECT_SECONDS,
    S3Settings,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import USER_AGENT

SECONDS: t.Final = 20
_LONGEST: t.Final = 1 << 20
_ARN: t.Final = re.compile(r"arn:[a-z-]{3,20}:[a-z]{2,10}::(\d{12}):[\w+=,.@:/-]{1,300}")


def frozen_keys(source: t.Any) -> Keys:
    """The keys that requests are signed with now; credentials that are got at the first request are got now.

    :raises StowageError: ``credentials_missing``, ``credentials_expired``, ``permission_denied`` (of a role), and others.
    """
    if isinstance(source, Keys):
        return source
    try:
        found = source.get_frozen_credentials()
    except StowageError:
        raise
    except Exception as error:  # noqa: BLE001 - providers of credentials raise what they like
        raise LocationError(classify(error, "Getting credentials")) from None
    return Keys(str(found.access_key), str(found.secret_key), str(found.token or ""))


def aws_client(service: str, keys: Keys, region: str, endpoint: str, verify: str | None) -> t.Any:
    """A client of a service of AWS beside S3, that asks once.

    :param endpoint: of the service; empty for AWS's own.
    """
    from botocore.config import Config

    choices: dict[str, t.Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": SECONDS,
        "retries": {"total_max_attempts": 1},
        "user_agent_extra": USER_AGENT,
        "ignore_configured_endpoint_urls": True,
    }
    return isolated_session(keys).create_client(
        service, region_name=region, endpoint_url=endpoint or None, verify=verify, config=Config(**choices)
    )


def caller_identity(keys: Keys, region: str, endpoint: str, verify: str | None) -> dict[str, str]:
    """``account`` and ``arn`` by sts:GetCallerIdentity, which nobody can be denied.

    :param endpoint: of the token service; empty for AWS's own.
    :raises LocationError: if it cannot be asked.
    """
    what = "Asking the token service who we are"
    try:
        with contextlib.closing(aws_client("sts", keys, region, endpoint, verify)) as client:
            answer = client.get_caller_identity()
    except Exception as error:  # noqa: BLE001 - whatever botocore raises becomes an error of ours
        raise LocationError(classify(error, what, region=region)) from None
    arn = str(answer.get("Arn") or "")
    found = _ARN.fullmatch(arn)
    account = str(answer.get("Account") or "")
    return {"account": account if account.isdigit() else found[1] if found else "", "arn": printable(arn, 300)}


def minio_account(keys: Keys, settings: S3Settings, ca_file: str, client_pair: tuple[str, str] | None = None) -> str:
    """The name of the account behind the keys, by MinIO's own API, which every account may ask; empty where there is none.

    A service account's is that of its user. Other stores answer something else, or nothing.

    :param client_pair: the files of our own certificate and its key, for a store that wants to see one.
    """
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    url = f"{settings.endpoint}/minio/admin/v3/accountinfo"
    request = AWSRequest("GET", url, headers={"User-Agent": USER_AGENT}, stream_output=True)
    credentials = Credentials(keys.access_key, keys.secret_key, keys.session_token or None)
    S3SigV4Auth(credentials, "s3", settings.region).add_auth(request)
    choices: dict[str, t.Any] = {
        "verify": ca_file or True,
        "timeout": (CONNECT_SECONDS, SECONDS),
        "client_cert": client_pair,
    }
    session = URLLib3Session(proxies=get_environ_proxies(url), **choices)
    try:
        answer = session.send(request.prepare())
        body = answer.raw.read(_LONGEST + 1) if answer.status_code == 200 else b""
    except Exception:  # noqa: BLE001 - it is a question by the way; what is wrong shows elsewhere
        return ""
    finally:
        session.close()
    return account_name(body)


def account_name(body: bytes) -> str:
    """The account's name in MinIO's answer. Pure."""
    try:
        document = json.loads(body) if len(body) <= _LONGEST else None
    except (ValueError, RecursionError):
        return ""
    name = document.get("AccountName") if isinstance(document, dict) else None
    return printable(name) if isinstance(name, str) else ""
