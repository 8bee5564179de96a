# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which options of a location fit which provider and method, and their normal form."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import rules

GCP = {"provider": "gcp", "bucket": "b"}
MINIO: t.Final = {"provider": "minio", "bucket": "backups", "endpoint": "https://minio.example.com:9000"}
KEYS: t.Final = {"access_key": "who", "secret_key": "canary-secret"}


def refused(location: t.Mapping[str, t.Any]) -> str:
    with pytest.raises(StowageError) as caught:
        rules.check_location(location)
    assert caught.value.code == "invalid_option"
    assert caught.value.hint
    return caught.value.message


def test_a_directory_is_a_path_and_nothing_else() -> None:
    found = rules.check_location(
        {"provider": "filesystem", "path": "/srv", "prefix": None, "auth": None, "bucket": None}
    )
    assert found == {"provider": "filesystem", "path": "/srv", "prefix": ""}


def test_a_location_of_aws_uses_the_default_chain_if_nothing_is_said() -> None:
    found = rules.check_location({"provider": "aws", "bucket": "b", "prefix": "/a/b/"})
    assert found == {"provider": "aws", "bucket": "b", "prefix": "a/b", "auth": {"method": "default_chain"}}


def test_a_location_of_minio_uses_an_access_key_if_nothing_is_said() -> None:
    assert rules.check_location(MINIO)["auth"] == {"method": "access_key"}


TENANT: t.Final = "00000000-1111-2222-3333-444455556666"
AZURE: t.Final = {"provider": "azure", "storage_account": "acme", "bucket": "b"}


def test_a_location_of_azure_is_a_service_principals_if_nothing_is_said() -> None:
    assert rules.check_location(AZURE)["auth"] == {"method": "service_principal"}


@pytest.mark.parametrize("method", ["service_principal", "managed_identity", "workload_identity"])
def test_tokens_of_azure_may_be_compared_with_a_tenant(method: str) -> None:
    auth = {"method": method, "account": TENANT}
    assert rules.check_location({**AZURE, "auth": auth})["auth"] == auth


def test_a_token_that_keys_have_not_may_be_empty_as_awx_sets_it() -> None:
    auth = {"method": "access_key", "session_token": "", **KEYS}
    assert rules.check_location({**MINIO, "auth": auth})["auth"] == auth


def test_what_is_not_set_of_the_authentication_is_left_out() -> None:
    auth = {"method": "access_key", "role_arn": None, "session_token": None, **KEYS}
    assert rules.check_location({**MINIO, "auth": auth})["auth"] == {"method": "access_key", **KEYS}


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ({}, "location.provider must be one of"),
        ({"provider": ["minio"]}, "location.provider must be one of"),
        ({"provider": "filesystem"}, "location.path is required"),
        ({"provider": "filesystem", "path": ""}, "location.path is empty"),
        ({"provider": "filesystem", "path": "/srv", "bucket": "b"}, "location.bucket does not belong to"),
        ({"provider": "aws"}, "location.bucket is required"),
        ({"provider": "aws", "bucket": "b", "path": "/srv"}, "location.path does not belong to"),
        ({"provider": "minio", "bucket": "b"}, "location.endpoint is required"),
        ({**MINIO, "endpoint": "minio.example.com"}, "location.endpoint must be"),
        ({**MINIO, "endpoint": "https://who:canary-secret@minio.example.com"}, "location.endpoint must be"),
        ({**MINIO, "endpoint": "https://minio.example.com/path"}, "location.endpoint must be"),
        ({**MINIO, "prefix": "a/../b"}, "location.prefix must be"),
        ({**MINIO, "prefix": "a//b"}, "location.prefix must be"),
        ({**MINIO, "prefix": "a\nb"}, "location.prefix must be"),
        ({**MINIO, "auth": "canary-secret"}, "location.auth must be a dictionary"),
        ({**MINIO, "auth": {}}, "location.auth.method must be one of access_key"),
        (
            {**MINIO, "auth": {"method": "default_chain"}},
            "location.auth.method must be one of access_key",
        ),
        ({**MINIO, "auth": {"method": "access_key", "profile": "x"}}, "location.auth.profile does not belong to"),
        ({**MINIO, "auth": {"method": "access_key", "access_key": "x"}}, "location.auth.secret_key is missing"),
        (
            {**MINIO, "auth": {"method": "access_key", "secret_key": "canary-secret"}},
            "location.auth.access_key is missing",
        ),
        (
            {**MINIO, "auth": {"method": "access_key", "session_token": "canary-secret"}},
            "location.auth.access_key is missing",
        ),
        ({"provider": "aws", "bucket": "b", "auth": {"method": "assume_role"}}, "location.auth.role_arn is required"),
        ({"provider": "aws", "bucket": "b", "auth": {"method": "default_chain", **KEYS}}, "does not belong to"),
        ({"provider": "gcp"}, "location.bucket is required"),
        ({**GCP, "bucket_owner": "eu"}, "location.bucket_owner does not belong to"),
        ({**GCP, "endpoint": "http://127.0.0.1:1"}, "location.endpoint of provider gcp must be https://"),
        ({**GCP, "auth": {"method": "access_key"}}, "location.auth.method must be one of default_chain, impersonation"),
        ({**GCP, "auth": {"method": "impersonation"}}, "location.auth.service_account is required"),
        (
            {
                **GCP,
                "auth": {"method": "impersonation", "service_account": "a@b", "iam_endpoint": "http://iam.example"},
            },
            "location.auth.iam_endpoint must be https://",
        ),
        ({**GCP, "auth": {"method": "default_chain", "credentials_file": "/k"}}, "credentials_file does not belong to"),
        (
            {**GCP, "auth": {"method": "service_account_key", "credentials_file": "/k", "credentials_json": "canary"}},
            "exclude each other",
        ),
        ({"provider": "azure", "storage_account": "acme"}, "location.bucket is required"),
        ({**AZURE, "region": "westeurope"}, "location.region does not belong to"),
        ({**AZURE, "auth": {"method": "access_key", **KEYS}}, "location.auth.method must be one of account_key"),
        (
            {**AZURE, "auth": {"method": "sas", "secret": "canary"}},
            "location.auth.secret does not belong to method sas",
        ),
        ({**AZURE, "auth": {"method": "sas", "sas_token": ""}}, "location.auth.sas_token is empty"),
        ({**AZURE, "auth": {"method": "managed_identity", "account": "acme.com"}}, "must be the id of an Entra tenant"),
        (
            {**AZURE, "auth": {"method": "account_key", "account": TENANT}},
            "account does not belong to method account_key",
        ),
        ({**MINIO, "storage_account": "acme"}, "location.storage_account does not belong to"),
    ],
)
def test_what_does_not_fit_is_named_and_no_value_is_quoted(location: dict[str, t.Any], words: str) -> None:
    message = refused(location)
    assert words in message
    assert "canary" not in message


_WORDS = st.sampled_from(sorted({*LOCATION["location"]["options"], "unknown"} - {"auth", "provider"}))


@given(
    st.sampled_from(["aws", "minio", "gcp", "azure", "filesystem"]),
    st.dictionaries(_WORDS, st.one_of(st.none(), st.just(""), st.just("canary-value"))),
)
def test_a_location_is_taken_or_refused_without_showing_a_value(provider: str, options: dict[str, str | None]) -> None:
    shown, found = "", None
    try:
        found = rules.check_location({"provider": provider, **options})
    except StowageError as error:
        shown = f"{error.message} {error.hint} {error.details}"
    assert "canary" not in shown
    assert found is None or (None not in found.values() and rules.check_location(found) == found)


def test_every_provider_and_method_of_the_spec_is_known_to_the_check() -> None:
    options = LOCATION["location"]["options"]
    for provider in options["provider"]["choices"]:
        assert "bucket" in refused({"provider": provider}) or "path" in refused({"provider": provider})
    methods = options["auth"]["options"]["method"]["choices"]
    known: set[str] = set()
    for provider in rules._METHODS:
        where = {"provider": provider, "bucket": "b", "endpoint": "https://store.example"}
        own = ", ".join(sorted(rules._METHODS[provider]))
        assert own in refused({**where, "auth": {"method": "none"}})
        known |= set(own.split(", "))
    assert known == set(methods)


def role(**more: t.Any) -> dict[str, t.Any]:
    """A location of AWS by a role."""
    auth = {"method": "assume_role", "role_arn": "arn:aws:iam::222222222222:role/stowage", **more}
    return {"provider": "aws", "bucket": "b", "auth": auth}


@pytest.mark.parametrize(
    ("duration", "seconds"), [(3600, 3600), ("3600", 3600), ("1h", 3600), ("90m", 5400), ("12h", 43200), (900, 900)]
)
def test_the_duration_of_a_session_is_seconds_or_a_duration(duration: object, seconds: int) -> None:
    assert rules.check_location(role(duration=duration))["auth"]["duration"] == seconds


@pytest.mark.parametrize("duration", [0, -1, 899, "14m", "13h", "canary", 43201, True, "1e9", "9" * 30])
def test_what_is_no_duration_of_a_session(duration: object) -> None:
    assert "location.auth.duration" in refused(role(duration=duration))


def test_minio_gives_longer_sessions() -> None:
    where = {"provider": "minio", "bucket": "b", "endpoint": "https://store.example"}
    auth = rules.check_location({**where, "auth": {"method": "assume_role", "duration": "30d"}})["auth"]
    assert auth["duration"] == 30 * 86400


def test_google_gives_shorter_tokens() -> None:
    auth = {"method": "impersonation", "service_account": "a@p.iam.gserviceaccount.com"}
    assert rules.check_location({**GCP, "auth": {**auth, "duration": "15m"}})["auth"]["duration"] == 900
    for wrong in (0, -1, "canary", 43201):
        assert "location.auth.duration" in refused({**GCP, "auth": {**auth, "duration": wrong}})


POLICY: t.Final = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


@pytest.mark.parametrize("policy", [POLICY, json.dumps(POLICY), json.dumps(POLICY, indent=4)])
def test_a_session_policy_becomes_compact_json(policy: object) -> None:
    text = rules.check_location(role(session_policy=policy))["auth"]["session_policy"]
    assert json.loads(text) == POLICY
    assert " " not in text


@pytest.mark.parametrize(
    "policy", ["canary", "[]", {}, [], 5, '{"a"', {"a": {1, 2}}, {"a": "canary" * 400}, "[" * 99999]
)
def test_what_is_no_session_policy(policy: object) -> None:
    assert "location.auth.session_policy" in refused(role(session_policy=policy))


def test_accounts_have_twelve_digits() -> None:
    location = {**role(account="012345678901"), "bucket_owner": "222222222222"}
    assert rules.check_location(location)["auth"]["account"] == "012345678901"
    for wrong in (12345678901, "canary", "1" * 13, "\u0661" * 12):
        assert "location.auth.account must be the 12 digits" in refused(role(account=wrong))
        assert "location.bucket_owner must be the 12 digits" in refused({**role(), "bucket_owner": wrong})


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({"web_identity_token_file": "/token"}, "go together"),
        ({"source_role_arn": "x"}, "go together"),
        ({"web_identity_token_file": "/token", "source_role_arn": "x", **KEYS}, "two sources"),
        ({"profile": "x", **KEYS}, "two sources"),
        ({"profile": "x", "web_identity_token_file": "/token", "source_role_arn": "x"}, "two sources"),
        ({"session_name": "x"}, "location.auth.session_name must be"),
        ({"session_name": "a canary"}, "location.auth.session_name must be"),
        ({"session_name": "x" * 65}, "location.auth.session_name must be"),
        ({"sts_endpoint": "http://sts.example"}, "location.auth.sts_endpoint must be https://"),
        ({"sts_endpoint": "https://sts.example/canary"}, "location.auth.sts_endpoint must be https://"),
    ],
)
def test_a_role_is_assumed_by_one_identity_and_over_tls(auth: dict[str, t.Any], words: str) -> None:
    assert words in refused(role(**auth))


def test_each_source_of_a_role_is_taken() -> None:
    sources: list[dict[str, t.Any]] = [{}, {"profile": "x"}, dict(KEYS), {**KEYS, "session_token": "canary-secret"}]
    for source in [*sources, {"web_identity_token_file": "/token", "source_role_arn": "x"}]:
        assert rules.check_location(role(**source))["auth"].keys() == {"method", "role_arn", *source}


@pytest.mark.parametrize("method", ["assume_role", "web_identity", "client_certificate"])
def test_sessions_of_minio_need_tls(method: str) -> None:
    auth: dict[str, t.Any] = {"method": method}
    if method == "web_identity":
        auth["web_identity_token_file"] = "/token"
    location = {**MINIO, "client_cert": "/c.pem", "client_key": "/k.pem", "auth": auth}
    assert rules.check_location(location)["auth"]["method"] == method
    assert "https://" in refused({**location, "endpoint": "http://minio.example.com:9000"})


def test_a_client_certificate_has_a_key() -> None:
    assert "go together" in refused({**MINIO, "client_cert": "/c.pem"})
    assert "go together" in refused({**MINIO, "client_key": "/k.pem"})
    assert "location.client_cert is required" in refused({**MINIO, "auth": {"method": "client_certificate"}})
    assert "does not belong to" in refused({**role(), "client_cert": "/c.pem"})
