# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of MinIO and stores like it: what is asked for, and with what. The token service is a small fake on loopback."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Credentials
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.minio import minio_credentials
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import StsAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import client_pair
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from support.token_service import TokenService, refusal, token_service
from testbed.pki import Authority, Pair

AWS_ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env-secret", "AWS_ROLE_ARN": "arn:x"}
MINIO_ENVIRON = {"MINIO_ACCESS_KEY": "menv", "MINIO_SECRET_KEY": "menv-secret"}
PAIR = {"access_key": "user", "secret_key": "opt-secret"}


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    assert "canary" not in str(caught.value.as_result())
    return caught.value.code


@pytest.fixture
def sts(tmp_path: Path) -> Iterator[TokenService]:
    """A fake token service."""
    with token_service(tmp_path) as found:
        yield found


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """A client certificate."""
    return Authority(tmp_path, "clients").client("client", "stowage")


def minio(
    auth: dict[str, Any], sts: TokenService, environ: dict[str, str] | None = None, pair: Pair | None = None
) -> Credentials:
    """The store's credentials, with the token service at its own endpoint."""
    shown = (str(pair.certificate), str(pair.key)) if pair else None
    return minio_credentials(auth, environ or {}, StsAccess("us-east-1", sts.endpoint, sts.ca_cert, shown))


@pytest.mark.parametrize("auth", [PAIR, {}])
def test_a_session_of_a_user(sts: TokenService, auth: dict[str, str]) -> None:
    more = {"method": "assume_role", "duration": 86400, "session_policy": '{"Version":"2012-10-17"}'}
    found = minio({**more, **auth}, sts, {**MINIO_ENVIRON, **AWS_ENVIRON})
    assert sts.requests == []
    assert found.source.get_frozen_credentials().token == "token-1"
    (asked,) = sts.requests
    assert (asked.action, asked.signer) == ("AssumeRole", auth.get("access_key", "menv"))
    assert asked.form["DurationSeconds"] == "86400"
    assert asked.form["Policy"] == more["session_policy"]
    assert "RoleArn" not in asked.form
    assert {"secret-1", "token-1"} < found.secrets


def test_a_role_of_a_store_that_has_roles(sts: TokenService) -> None:
    auth = {"method": "assume_role", "role_arn": "arn:aws:iam::000000000000:role/x", "session_name": "nightly"}
    minio({**auth, **PAIR}, sts).source.get_frozen_credentials()
    assert sts.requests[0].form["RoleArn"] == auth["role_arn"]
    assert sts.requests[0].form["RoleSessionName"] == "nightly"


def test_nothing_of_aws_is_looked_at(sts: TokenService) -> None:
    assert code_of(lambda: minio({"method": "assume_role"}, sts, AWS_ENVIRON)) == "credentials_missing"
    environ = {**AWS_ENVIRON, "AWS_WEB_IDENTITY_TOKEN_FILE": "/dev/null"}
    assert code_of(lambda: minio({"method": "web_identity"}, sts, environ)) == "credentials_missing"


def test_a_session_for_a_token(sts: TokenService, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("jwt\n")
    auth = {"method": "web_identity", "web_identity_token_file": str(token)}
    found = minio({**auth, "duration": 900}, sts, {**MINIO_ENVIRON, **AWS_ENVIRON})
    found.source.get_frozen_credentials()
    (asked,) = sts.requests
    assert (asked.action, asked.signer) == ("AssumeRoleWithWebIdentity", "")
    assert asked.form["WebIdentityToken"] == "jwt"
    assert "RoleArn" not in asked.form
    minio({**auth, "role_arn": "arn:minio:iam:::role/x"}, sts).source.get_frozen_credentials()
    assert sts.requests[1].form["RoleArn"] == "arn:minio:iam:::role/x"


def test_a_session_for_a_certificate(sts: TokenService, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    found = minio({"method": "client_certificate", "duration": 900}, sts, MINIO_ENVIRON, pair)
    keys = found.source.get_frozen_credentials()
    assert (keys.access_key, keys.secret_key, keys.token) == ("ASIA1", "secret-1", "token-1")
    (asked,) = sts.requests
    assert asked.form == {"Action": "AssumeRoleWithCertificate", "Version": "2011-06-15", "DurationSeconds": "900"}
    assert asked.signer == ""
    assert found.secrets == {"secret-1", "token-1"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((400, refusal("InvalidClientCertificate")), "credentials_invalid"),
        ((403, refusal("AccessDenied")), "permission_denied"),
        ((503, refusal("STSNotInitialized")), "unsupported_by_store"),
        ((400, "<html>canary</html>"), "store_error"),
        ((200, "<html>canary</html>"), "store_error"),
        ((200, "canary" * 100_000), "store_error"),
    ],
)
def test_a_certificate_that_gets_no_session(
    sts: TokenService, pair: Pair, answer: tuple[int, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries.FIRST_WAIT", 0)
    sts.answers = [answer] * 9
    found = minio({"method": "client_certificate"}, sts, pair=pair)
    assert code_of(found.source.get_frozen_credentials) == expected


def test_a_certificate_is_needed(sts: TokenService) -> None:
    assert code_of(lambda: minio({"method": "client_certificate"}, sts, MINIO_ENVIRON)) == "invalid_option"


@pytest.mark.parametrize("method", ["assume_role", "web_identity", "client_certificate"])
def test_sessions_need_tls(method: str) -> None:
    where = {"provider": "minio", "bucket": "backups", "endpoint": "http://store.example"}
    auth = {"method": method, "web_identity_token_file": "/dev/null"} | (PAIR if method == "assume_role" else {})
    assert code_of(lambda: open_location({**where, "auth": auth}, {})) == "invalid_option"


def test_files_that_are_no_pair(tmp_path: Path, pair: Pair) -> None:
    assert client_pair("", "") is None
    assert client_pair(str(pair.certificate), str(pair.key)) == (str(pair.certificate), str(pair.key))
    other = Authority(tmp_path, "others").client("other", "other")
    locked = tmp_path / "locked.pem"
    locked.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nY2FuYXJ5\n-----END ENCRYPTED PRIVATE KEY-----\n")
    for key in (str(other.key), str(locked), str(tmp_path / "canary"), str(pair.certificate)):
        assert code_of(functools.partial(client_pair, str(pair.certificate), key)) == "invalid_option"


def test_a_session_token_of_the_options_is_named() -> None:
    found = minio_credentials({**PAIR, "session_token": "canary"}, {})
    assert "cannot be renewed" in found.warnings[0]
    assert "canary" not in found.warnings[0]
    assert minio_credentials(PAIR, {}).warnings == ()
