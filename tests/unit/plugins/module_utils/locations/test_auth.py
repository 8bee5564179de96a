# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where credentials come from, and where they never go. The token service is a small fake on loopback."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth import sts as sts_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.account import AccountCheck
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.aws import aws_credentials
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.endpoints import (
    OWN_SUFFIXES,
    is_own_endpoint,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Credentials, Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.minio import minio_credentials
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import StsAccess, sts_client
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from support.token_service import TokenService, refusal, token_service

STS = StsAccess("eu-west-1")
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env-secret"}
MINIO_ENVIRON = {"MINIO_ACCESS_KEY": "menv", "MINIO_SECRET_KEY": "menv-secret"}
PAIR = {"access_key": "AKIAOPT", "secret_key": "opt-secret"}


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    assert "secret" not in str(caught.value.details)
    return caught.value.code


def aws(
    auth: dict[str, Any], environ: dict[str, str] | None = None, *, ambient: bool = True, sts: StsAccess = STS
) -> Credentials:
    """AWS's credentials."""
    return aws_credentials(auth, environ or {}, ambient=ambient, sts=sts)


@pytest.fixture(autouse=True)
def _no_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of the machine that runs the tests."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def test_keys_of_options_win_over_the_environment() -> None:
    found = aws({"method": "access_key", **PAIR}, ENVIRON)
    assert found.source == Keys("AKIAOPT", "opt-secret")
    assert found.secrets == {"opt-secret"}


def test_keys_of_the_environment() -> None:
    for method in ("access_key", "default_chain", None):
        found = aws({"method": method} if method else {}, {**ENVIRON, "AWS_SECURITY_TOKEN": "env-token"})
        assert found.source == Keys("AKIAENV", "env-secret", "env-token")
        assert found.secrets == {"env-secret", "env-token"}


def test_a_token_of_the_environment_is_not_added_to_keys_of_the_options() -> None:
    found = aws({"method": "access_key", **PAIR}, {**ENVIRON, "AWS_SESSION_TOKEN": "env-token"})
    assert found.source == Keys("AKIAOPT", "opt-secret", "")


@pytest.mark.parametrize("half", [{"access_key": "a"}, {"secret_key": "canary"}, {"session_token": "canary"}])
def test_half_a_pair_is_never_completed_from_elsewhere(half: dict[str, str]) -> None:
    assert code_of(lambda: aws({"method": "access_key", **half}, ENVIRON)) == "credentials_missing"
    assert code_of(lambda: minio_credentials(half, MINIO_ENVIRON)) == "credentials_missing"


def test_half_a_pair_in_the_environment() -> None:
    assert code_of(lambda: aws({"method": "access_key"}, {"AWS_ACCESS_KEY_ID": "a"})) == "credentials_missing"


@pytest.mark.parametrize("method", ["access_key", "default_chain", "assume_role", "web_identity"])
def test_nothing_ambient_goes_to_another_endpoint(method: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("jwt")
    environ = {**ENVIRON, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::1:role/x"}
    auth = {"method": method} | ({"role_arn": "arn:aws:iam::1:role/x"} if method == "assume_role" else {})
    assert code_of(lambda: aws(auth, environ, ambient=False)) == "credentials_missing"


def test_the_location_decides_what_is_ambient() -> None:
    options = {"provider": "aws", "bucket": "backups", "endpoint": "https://store.example.com"}
    assert code_of(lambda: open_location(options, ENVIRON)) == "credentials_missing"
    own = open_location({"provider": "aws", "bucket": "backups", "region": "eu-west-1"}, ENVIRON)
    assert own.secrets() == {"env-secret"}
    own.close()
    given = open_location({**options, "auth": {"method": "access_key", **PAIR}}, ENVIRON)
    assert given.secrets() == {"opt-secret"}
    given.close()


def test_minio_reads_its_own_variables_and_never_those_of_aws() -> None:
    assert minio_credentials({}, {**MINIO_ENVIRON, **ENVIRON}).source == Keys("menv", "menv-secret")
    assert minio_credentials(PAIR, MINIO_ENVIRON).secrets == {"opt-secret"}
    assert code_of(lambda: minio_credentials({}, ENVIRON)) == "credentials_missing"
    assert code_of(lambda: minio_credentials({"method": "default_chain"}, MINIO_ENVIRON)) == "invalid_option"


@pytest.fixture
def _profiles(tmp_path: Path) -> None:
    """Profiles of this machine."""
    pairs = {"default": ("D", "ds"), "prod": ("P", "ps")}
    text = (
        f"[{name}]\naws_access_key_id={key}\naws_secret_access_key={secret}\n" for name, (key, secret) in pairs.items()
    )
    (tmp_path / "credentials").write_text("".join(text))


@pytest.mark.usefixtures("_profiles")
def test_a_profile() -> None:
    assert aws({"profile": "prod"}, ENVIRON).secrets == {"ps"}
    assert aws({}, {"AWS_PROFILE": "prod"}).secrets == {"ps"}
    assert aws({}).secrets == {"ds"}
    assert code_of(lambda: aws({"profile": "none"})) == "credentials_missing"


def test_nothing_found() -> None:
    assert code_of(lambda: aws({})) == "credentials_missing"
    assert code_of(lambda: aws({"method": "access_key"})) == "credentials_missing"
    assert code_of(lambda: aws({"method": "magic"})) == "invalid_option"
    assert code_of(lambda: aws({"method": "assume_role", **PAIR})) == "invalid_option"


def test_no_secret_is_in_a_representation() -> None:
    assert "secret" not in repr(aws({"method": "access_key", **PAIR}))
    assert "secret" not in repr(Keys("a", "secret", "secret"))


@pytest.fixture
def sts(tmp_path: Path) -> Iterator[TokenService]:
    """A fake token service."""
    with token_service(tmp_path) as found:
        yield found


def access(sts: TokenService) -> StsAccess:
    """How to reach it."""
    return StsAccess("eu-west-1", sts.endpoint, sts.ca_cert)


ROLE = {"method": "assume_role", "role_arn": "arn:aws:iam::222222222222:role/stowage", "external_id": "acme-7f3c"}


def test_assuming_a_role(sts: TokenService) -> None:
    policy = '{"Version":"2012-10-17"}'
    more = {"session_name": "nightly", "duration": 7200, "session_policy": policy}
    found = aws({**ROLE, **PAIR, **more}, sts=access(sts))
    assert sts.requests == [], "nothing is asked before it is needed"
    keys = found.source.get_frozen_credentials()
    assert (keys.access_key, keys.token) == ("ASIA1", "token-1")
    asked = sts.requests[0]
    assert asked.signer == "AKIAOPT"
    assert asked.form == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE["role_arn"],
        "RoleSessionName": "nightly",
        "ExternalId": "acme-7f3c",
        "DurationSeconds": "7200",
        "Policy": policy,
    }
    assert found.secrets == {"opt-secret", "secret-1", "token-1"}
    found.source.get_frozen_credentials()
    assert len(sts.requests) == 1, "a session is used until it ends"
    assert found.warnings == ()


def test_what_is_not_set_is_not_asked_for(sts: TokenService) -> None:
    role = {"method": "assume_role", "role_arn": ROLE["role_arn"]}
    aws({**role, **PAIR}, sts=access(sts)).source.get_frozen_credentials()
    assert set(sts.requests[0].form) == {"Action", "Version", "RoleArn", "RoleSessionName"}
    assert sts.requests[0].form["RoleSessionName"] == "stowage"


def test_a_role_assumed_from_a_session_is_asked_for_an_hour(sts: TokenService) -> None:
    session = {**PAIR, "session_token": "given-token"}
    found = aws({**ROLE, **session, "duration": 43200}, sts=access(sts))
    found.source.get_frozen_credentials()
    assert (sts.requests[0].form["DurationSeconds"], sts.requests[0].token) == ("3600", "given-token")
    assert [warning.partition(" cannot")[0] for warning in found.warnings] == [
        "The session_token of the location's auth"
    ]
    short = aws({**ROLE, **session, "duration": 900}, sts=access(sts))
    short.source.get_frozen_credentials()
    assert sts.requests[1].form["DurationSeconds"] == "900"


def test_a_role_assumed_from_another_role_of_a_web_identity(sts: TokenService, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("jwt-one")
    source = {"web_identity_token_file": str(token), "source_role_arn": "arn:aws:iam::111111111111:role/pod"}
    found = aws({**ROLE, **source, "duration": 7200}, ENVIRON, sts=access(sts))
    assert found.source.get_frozen_credentials().access_key == "ASIA2"
    first, second = sts.requests
    assert (first.action, first.signer, first.form["RoleArn"]) == (
        "AssumeRoleWithWebIdentity",
        "",
        source["source_role_arn"],
    )
    assert (second.signer, second.token, second.form["RoleArn"]) == ("ASIA1", "token-1", ROLE["role_arn"])
    assert second.form["DurationSeconds"] == "3600"
    assert "ExternalId" not in first.form
    assert found.secrets == {"secret-1", "token-1", "secret-2", "token-2"}


@pytest.mark.parametrize(
    ("more", "environ", "signer"),
    [
        ({}, ENVIRON, "AKIAENV"),
        ({"profile": "prod"}, ENVIRON, "P"),
        ({}, {"AWS_PROFILE": "prod"}, "P"),
        ({}, {}, "D"),
        (PAIR, ENVIRON, "AKIAOPT"),
    ],
)
@pytest.mark.usefixtures("_profiles")
def test_who_assumes_a_role_at_aws_itself(
    sts: TokenService, monkeypatch: pytest.MonkeyPatch, more: dict[str, str], environ: dict[str, str], signer: str
) -> None:
    monkeypatch.setattr(sts_module, "is_own_endpoint", lambda _dummy: True)
    found = aws({**ROLE, **more}, environ, sts=access(sts))
    found.source.get_frozen_credentials()
    assert [asked.signer for asked in sts.requests] == [signer]
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("code", "status", "expected", "word"),
    [
        ("AccessDenied", 403, "permission_denied", "sts:ExternalId"),
        ("InvalidClientTokenId", 403, "credentials_invalid", "active"),
        ("ExpiredToken", 403, "credentials_expired", ""),
        ("PackedPolicyTooLarge", 400, "invalid_option", "session_policy"),
        ("RegionDisabledException", 403, "invalid_option", "Activate STS"),
        ("NoSuchKey", 404, "store_error", "token service"),
    ],
)
def test_a_session_that_is_refused(sts: TokenService, code: str, status: int, expected: str, word: str) -> None:
    sts.answers = [(status, refusal(code))] * 4
    with pytest.raises(StowageError) as caught:
        aws({**ROLE, **PAIR}, sts=access(sts)).source.get_frozen_credentials()
    assert caught.value.code == expected
    assert word in caught.value.hint
    assert caught.value.message.startswith(f"Assuming the role {ROLE['role_arn']}")
    assert "canary" not in str(caught.value.as_result())
    assert isinstance(caught.value, LocationError)
    assert (caught.value.failure.doubt, caught.value.failure.status) == ("unsent", 0)


@pytest.mark.parametrize(
    "body", ["<html>login</html>", "", refusal("x").replace("ErrorResponse", "AssumeRoleResponse")]
)
def test_an_answer_that_is_no_session(sts: TokenService, body: str) -> None:
    sts.answers = [(200, body)] * 4
    with pytest.raises(StowageError) as caught:
        aws({**ROLE, **PAIR}, sts=access(sts)).source.get_frozen_credentials()
    assert caught.value.code == "store_error"


def test_a_session_that_has_ended_by_this_clock(sts: TokenService) -> None:
    sts.ends = "2001-01-01T00:00:00Z"
    found = aws({**ROLE, **PAIR}, sts=access(sts))
    assert code_of(found.source.get_frozen_credentials) == "clock_skew"


class Clock:
    """This machine's clock, in a test's hand."""

    def __init__(self) -> None:
        self.time = datetime.datetime(2026, 11, 25, 12, 0, 0, tzinfo=datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.time

    def later(self, seconds: float) -> str:
        """The time in so many seconds."""
        return (self.time + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.time += datetime.timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which sessions are renewed."""
    found = Clock()
    monkeypatch.setattr(sts_module, "now", found)
    return found


@pytest.mark.parametrize(("life", "used"), [(900, 599), (3600, 2699), (43200, 42299)])
def test_a_session_is_renewed_before_it_ends_and_not_at_each_request(
    sts: TokenService, clock: Clock, life: int, used: int
) -> None:
    sts.ends = clock.later(life)
    found = aws({**ROLE, **PAIR}, sts=access(sts))
    for seconds in (0, 1, used - 1):
        clock.advance(seconds)
        assert found.source.get_frozen_credentials().access_key == "ASIA1"
    clock.advance(2)
    sts.ends = clock.later(life)
    assert found.source.get_frozen_credentials().access_key == "ASIA2"
    assert len(sts.requests) == 2


def test_a_session_that_cannot_be_renewed_yet_is_used_to_its_end(sts: TokenService, clock: Clock) -> None:
    sts.ends = clock.later(3600)
    found = aws({**ROLE, **PAIR}, sts=access(sts))
    found.source.get_frozen_credentials()
    sts.answers = [(403, refusal("AccessDenied"))] * 2
    clock.advance(2800)
    assert found.source.get_frozen_credentials().access_key == "ASIA1"
    clock.advance(400)
    assert code_of(found.source.get_frozen_credentials) == "permission_denied"
    sts.ends = clock.later(3600)
    assert found.source.get_frozen_credentials().access_key == "ASIA4"


def test_nothing_is_asked_without_tls() -> None:
    plain = StsAccess("eu-west-1", "http://127.0.0.1:1")
    assert code_of(lambda: aws({**ROLE, **PAIR}, sts=plain)) == "invalid_option"
    auth = {"method": "web_identity", "role_arn": ROLE["role_arn"], "web_identity_token_file": "/dev/null"}
    assert code_of(lambda: aws(auth, sts=plain)) == "invalid_option"


def test_keys_of_the_environment_do_not_go_to_another_token_service(sts: TokenService) -> None:
    assert code_of(lambda: aws(ROLE, ENVIRON, sts=access(sts))) == "credentials_missing"
    assert code_of(lambda: aws({**ROLE, "profile": "prod"}, ENVIRON, sts=access(sts))) == "credentials_missing"
    assert code_of(lambda: aws({"method": "default_chain"}, ENVIRON, sts=access(sts))) == "credentials_missing"
    assert sts.requests == []


def test_web_identity(sts: TokenService, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    auth = {"method": "web_identity", "role_arn": ROLE["role_arn"], "web_identity_token_file": str(token)}
    found = aws({**auth, "duration": 7200, "session_policy": "{}"}, ENVIRON, sts=access(sts))
    sts.ends = "2099-01-01T00:00:00Z"
    assert found.source.get_frozen_credentials().access_key == "ASIA1"
    asked = sts.requests[0]
    assert asked.signer == "", "keys of the environment have no part in it"
    assert (asked.action, asked.form["WebIdentityToken"]) == ("AssumeRoleWithWebIdentity", "first")
    assert (asked.form["DurationSeconds"], asked.form["Policy"]) == ("7200", "{}")


def test_a_token_is_read_again_for_each_session(sts: TokenService, clock: Clock, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    auth = {"method": "web_identity", "role_arn": ROLE["role_arn"], "web_identity_token_file": str(token)}
    sts.ends = clock.later(900)
    found = aws(auth, sts=access(sts))
    found.source.get_frozen_credentials()
    token.write_text("second")
    clock.advance(800)
    sts.ends = clock.later(900)
    found.source.get_frozen_credentials()
    assert [asked.form["WebIdentityToken"] for asked in sts.requests] == ["first", "second"]


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"x" * 70_000])
def test_a_file_that_holds_no_token(sts: TokenService, tmp_path: Path, content: bytes) -> None:
    token = tmp_path / "token"
    token.write_bytes(content)
    auth = {"method": "web_identity", "role_arn": ROLE["role_arn"], "web_identity_token_file": str(token)}
    assert code_of(aws(auth, sts=access(sts)).source.get_frozen_credentials) == "credentials_missing"
    assert sts.requests == []


def test_web_identity_of_the_environment(tmp_path: Path) -> None:
    environ = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": ROLE["role_arn"]}
    found = aws({"method": "web_identity"}, environ)
    assert code_of(found.source.get_frozen_credentials) == "credentials_missing"
    assert code_of(lambda: aws({"method": "web_identity"}, {"AWS_ROLE_ARN": ROLE["role_arn"]})) == "credentials_missing"


def test_a_session_that_cannot_be_renewed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert aws({"method": "access_key", **PAIR}).warnings == ()
    given = aws({"method": "access_key", **PAIR, "session_token": "canary"}).warnings
    assert len(given) == 1
    assert "cannot be renewed: the session ends at a time that is not known" in given[0]
    environ = {**ENVIRON, "AWS_SECURITY_TOKEN": "canary", "AWS_CREDENTIAL_EXPIRATION": "2026-11-25T23:00:00+01:00"}
    for method in ("access_key", "default_chain"):
        (warning,) = aws({"method": method}, environ).warnings
        assert "(AWS_SESSION_TOKEN) cannot be renewed: the session ends at 2026-11-25T22:00:00+00:00, " in warning
        assert "canary" not in warning
    (warning,) = aws({}, {**environ, "AWS_CREDENTIAL_EXPIRATION": "canary"}).warnings
    assert "canary" not in warning
    text = "[default]\naws_access_key_id=D\naws_secret_access_key=ds\naws_session_token=dt\n"
    (tmp_path / "credentials").write_text(text)
    (warning,) = aws({}).warnings
    assert "AWS profile" in warning
    assert aws({}).secrets == {"ds", "dt"}


def test_the_account_is_asked_for_once(sts: TokenService) -> None:
    check = AccountCheck("222222222222", access(sts), Keys("AKIAOPT", "opt-secret"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _dummy: check.pass_or_raise(), range(8)))
    assert [(asked.action, asked.signer) for asked in sts.requests] == [("GetCallerIdentity", "AKIAOPT")]


def test_another_account(sts: TokenService) -> None:
    check = AccountCheck("111111111111", access(sts), Keys("AKIAOPT", "opt-secret"))
    for _dummy in range(2):
        with pytest.raises(StowageError) as caught:
            check.pass_or_raise()
        assert caught.value.code == "wrong_account"
        assert caught.value.details == {"account": "222222222222", "expected": "111111111111"}
    sts.account = "<canary>"
    assert code_of(check.pass_or_raise) == "store_error"
    sts.answers = [(403, refusal("ExpiredToken"))]
    assert code_of(check.pass_or_raise) == "credentials_expired"


def test_no_account_is_expected(sts: TokenService) -> None:
    AccountCheck("", access(sts), Keys("AKIAOPT", "opt-secret")).pass_or_raise()
    assert sts.requests == []


def test_own_endpoints_are_those_of_all_partitions() -> None:
    import botocore.session

    suffixes = set()
    for partition in botocore.session.Session().get_data("partitions")["partitions"]:
        outputs = partition["outputs"]
        suffixes |= {outputs["dnsSuffix"], outputs["dualStackDnsSuffix"]}
    assert suffixes <= set(OWN_SUFFIXES)
    assert all(is_own_endpoint(f"https://s3.somewhere.{suffix}") for suffix in suffixes)
    for other in (
        "http://s3.eu-west-1.amazonaws.com",
        "https://amazonaws.com.evil.example",
        "https://xamazonaws.com",
        "https://abc123.execute-api.us-east-1.amazonaws.com",
        "https://s3-like-1234567.us-east-1.elb.amazonaws.com",
        "https://amazonaws.com",
        "x",
    ):
        assert not is_own_endpoint(other)
    for own in (
        "https://s3.amazonaws.com",
        "https://s3-eu-west-1.amazonaws.com",
        "https://s3-fips.dualstack.us-gov-west-1.amazonaws.com",
        "https://bucket.vpce-0a1b-2c3d.s3.us-east-1.vpce.amazonaws.com",
        "https://vpce-0a1b-2c3d.sts.us-east-1.vpce.amazonaws.com",
        "https://sts.cn-north-1.amazonaws.com.cn",
    ):
        assert is_own_endpoint(own)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "sts.eu-west-1.amazonaws.com"),
        ("us-east-1", "sts.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_each_region_has_its_own_token_service(region: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://canary.example")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    with closing(sts_client(StsAccess(region), Keys("a", "b"))) as client:
        assert client.meta.endpoint_url == f"https://{host}"
