# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the options of an S3 location become a client, and what of the machine it does not look at."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import (
    S3Settings,
    endpoint_of,
    make_client,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_rights import ask, rights
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import USER_AGENT
from testbed.pki import Authority

AWS = {"provider": "aws", "bucket": "acme-backups"}
MINIO = {"provider": "minio", "bucket": "backups", "endpoint": "https://minio.example.com:9000"}


def settings(options: dict[str, Any], **environ: str) -> S3Settings:
    """The options in normal form."""
    return S3Settings.from_options(options, environ)


def code_of(options: dict[str, Any]) -> str:
    """The error code that options are refused with."""
    with pytest.raises(StowageError) as caught:
        settings(options)
    return caught.value.code


def test_regions() -> None:
    assert settings(AWS).region == "us-east-1"
    assert settings({**AWS, "region": "eu-west-1"}, AWS_REGION="eu-west-3").region == "eu-west-1"
    assert settings(AWS, AWS_REGION="eu-west-3").region == "eu-west-3"
    assert settings(AWS, AWS_DEFAULT_REGION="eu-west-2").region == "eu-west-2"
    assert settings(MINIO, AWS_REGION="eu-west-3").region == "us-east-1"


def test_path_style_is_for_other_stores_unless_said() -> None:
    assert not settings(AWS).path_style
    assert settings(MINIO).path_style
    assert settings({**AWS, "path_style": True}).path_style
    assert not settings({**MINIO, "path_style": False}).path_style


@pytest.mark.parametrize(
    ("endpoint", "own"),
    [
        ("", True),
        ("https://s3.eu-west-1.amazonaws.com", True),
        ("https://bucket.vpce-1-2.s3.eu-west-1.vpce.amazonaws.com", True),
        ("http://s3.eu-west-1.amazonaws.com", False),
        ("https://amazonaws.com.evil.example", False),
        ("https://evilamazonaws.com", False),
        ("https://minio.example.com", False),
    ],
)
def test_which_endpoints_are_aws(endpoint: str, own: bool) -> None:
    assert settings({**AWS, "endpoint": endpoint}).own_endpoint is own


@pytest.mark.parametrize(
    "endpoint",
    [
        "minio:9000",
        "minio.example.com",
        "ftp://minio",
        "https://",
        "https://u:p@minio",
        "https://m/bucket",
        "https://m:x",
        "https://m?a",
    ],
)
def test_endpoints_that_are_none(endpoint: str) -> None:
    assert code_of({**MINIO, "endpoint": endpoint}) == "invalid_option"


def test_an_endpoint_with_a_password_is_not_shown() -> None:
    with pytest.raises(StowageError) as caught:
        settings({**MINIO, "endpoint": "https://user:canary@minio"})
    assert "canary" not in str(caught.value.as_result())


@pytest.mark.parametrize("bucket", ["", "a", "a/b", "-ab", "x" * 64, "a b", "../x"])
def test_buckets_that_are_none(bucket: str) -> None:
    assert code_of({**AWS, "bucket": bucket}) == "invalid_option"


def test_minio_needs_an_endpoint() -> None:
    assert code_of({**MINIO, "endpoint": None}) == "invalid_option"


def test_a_trailing_slash_is_no_path() -> None:
    assert (
        settings({**MINIO, "endpoint": "https://minio.example.com:9000/"}).endpoint == "https://minio.example.com:9000"
    )


def client(options: dict[str, Any], verify: str | None = None) -> Any:
    """A client of these options."""
    return make_client(settings(options), Keys("AKIA", "secret", "token"), verify)


def test_nothing_of_the_users_settings_reaches_the_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = eu-north-1\nendpoint_url = http://evil\ns3 =\n  addressing_style = virtual\n"
    )
    for name, value in {
        "AWS_CONFIG_FILE": str(config),
        "AWS_PROFILE": "does-not-exist",
        "AWS_ACCESS_KEY_ID": "AKIAENV",
        "AWS_SECRET_ACCESS_KEY": "env",
        "AWS_ENDPOINT_URL": "http://evil",
        "AWS_ENDPOINT_URL_S3": "http://evil",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
        "AWS_MAX_ATTEMPTS": "9",
        "AWS_REGION": "eu-north-1",
    }.items():
        monkeypatch.setenv(name, value)
    made = client(MINIO)
    assert made.meta.endpoint_url == "https://minio.example.com:9000"
    assert made.meta.region_name == "us-east-1"
    assert made.meta.config.s3["addressing_style"] == "path"
    assert made.meta.config.request_checksum_calculation == "when_required"
    assert made.meta.config.retries["total_max_attempts"] == 1
    keys = made._request_signer._credentials.get_frozen_credentials()
    assert (keys.access_key, keys.secret_key, keys.token) == ("AKIA", "secret", "token")
    assert client({**AWS, "region": "eu-west-1"}).meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"


def test_checksums_and_names() -> None:
    made = client(AWS)
    assert made.meta.config.request_checksum_calculation == "when_supported"
    assert made.meta.config.response_checksum_validation == "when_supported"
    assert USER_AGENT in made.meta.config.user_agent


class Sent(Exception):  # noqa: N818 - it carries a request out of botocore
    """The request that would have been sent."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def sent(made: Any, operation: str, **parameters: Any) -> Any:
    """The request that an operation makes; nothing is sent."""

    def catch(request: Any, **_dummy: object) -> None:
        raise Sent(request)

    made.meta.events.register("before-send.s3", catch)
    with pytest.raises(Sent) as caught:
        getattr(made, operation)(Bucket="backups", **parameters)
    return caught.value.request


def test_deletes_carry_the_checksum_that_every_store_knows() -> None:
    headers = sent(client(MINIO), "delete_objects", Delete={"Objects": [{"Key": "a"}]}).headers
    assert headers["Content-MD5"]
    assert "x-amz-checksum-crc32" not in headers
    headers = sent(client(AWS), "delete_objects", Delete={"Objects": [{"Key": "a"}]}).headers
    assert headers["x-amz-checksum-crc32"]


def test_parts_carry_no_checksum_to_other_stores() -> None:
    part = {"Key": "a", "UploadId": "u", "PartNumber": 1, "Body": bytearray(b"x")}
    headers = sent(client(MINIO), "upload_part", **part).headers
    assert not [name for name in headers if "checksum" in name.lower() or "trailer" in name.lower()]
    assert headers["X-Amz-Content-SHA256"] == b"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def test_addresses() -> None:
    assert sent(client(MINIO), "get_object", Key="a/b c").url == "https://minio.example.com:9000/backups/a/b%20c"
    assert sent(client(AWS), "get_object", Key="a").url == "https://backups.s3.us-east-1.amazonaws.com/a"


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "s3.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "s3.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
        ("us-iso-east-1", "s3.us-iso-east-1.c2s.ic.gov"),
    ],
)
def test_each_partition_has_its_own_addresses(region: str, host: str) -> None:
    made = client({**AWS, "region": region})
    assert sent(made, "get_object", Key="a").url == f"https://backups.{host}/a"
    assert settings({**AWS, "endpoint": f"https://{host}"}).own_endpoint


def test_trusted_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki", "ca")
    assert TrustedCertificates("").verify is None
    assert TrustedCertificates(str(authority.pair.certificate)).verify == str(authority.pair.certificate)
    text = authority.pair.certificate.read_text()
    trust = TrustedCertificates(text)
    assert trust.verify is not None
    assert Path(trust.verify).read_text() == text
    trust.close()
    trust.close()
    assert not os.path.exists(trust.verify)


@pytest.mark.parametrize(
    "content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_holds_no_certificates(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(content)
    for ca_cert in (
        str(path),
        content if content.startswith("-----BEGIN") else str(tmp_path / "missing.pem"),
        str(tmp_path),
    ):
        with pytest.raises(StowageError) as caught:
            TrustedCertificates(ca_cert)
        assert caught.value.code == "invalid_option"


@pytest.mark.parametrize(
    ("region", "endpoint", "partition"),
    [
        ("us-east-1", "https://s3.us-east-1.amazonaws.com", "aws"),
        ("us-gov-west-1", "https://s3.us-gov-west-1.amazonaws.com", "aws-us-gov"),
        ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn", "aws-cn"),
        ("us-iso-east-1", "https://s3.us-iso-east-1.c2s.ic.gov", "aws-iso"),
        ("us-isob-east-1", "https://s3.us-isob-east-1.sc2s.sgov.gov", "aws-iso-b"),
    ],
)
def test_regions_of_all_parts_of_aws(region: str, endpoint: str, partition: str) -> None:
    settings = S3Settings.from_options({"provider": "aws", "bucket": "backups", "region": region}, {})
    assert settings.partition == partition
    assert endpoint_of(settings) == endpoint
    calls = S3Calls(Refusing(), settings, threading.Event())
    with pytest.raises(StowageError) as caught:
        calls.once("get_object", "Reading", Key="k")
    assert f"arn:{partition}:s3:::backups/*" in caught.value.hint
    right = next(one for one in rights(Aim(), "", aws=True, versioning=Reading("unset")) if one.id == "may_list")
    assert ask(calls, right, "", hidden=False).resource == f"arn:{partition}:s3:::backups"


def test_a_region_that_older_botocores_do_not_know() -> None:
    own = S3Settings.from_options({"provider": "aws", "bucket": "backups", "region": "eusc-de-east-1"}, {})
    client = make_client(own, None, None, signed=False)
    assert (own.partition, endpoint_of(own)) == (client.meta.partition, client.meta.endpoint_url)
    client.close()


class Refusing:
    """A client whose every request is denied."""

    def __getattr__(self, operation: str) -> Any:
        def refuse(**_dummy: object) -> None:
            answer: Any = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, operation)

        return refuse


@pytest.mark.parametrize(
    ("operation", "keys", "resource", "whose"),
    [
        ("put_object", ["fleet/clusters/prod-1/backups/b/b.tar.gz"], "fleet/clusters/prod-1/*", "writer"),
        (
            "put_object",
            ["fleet/clusters/prod-1/restores/r/x.json"],
            "fleet/clusters/prod-1/*",
            "reader with writes_restores",
        ),
        ("get_object", ["fleet/clusters/prod-1/backups/b/b.tar.gz"], "fleet/clusters/prod-1/*", "reader"),
        ("delete_objects", ["fleet/clusters/a/x", "fleet/clusters/a/y"], "fleet/clusters/a/*", "pruner"),
        ("delete_objects", ["fleet/clusters/a/x", "fleet/clusters/b/x"], "fleet/*", None),
        ("put_object", ["fleet/workspaces/w/runs/r/x"], "fleet/*", None),
        ("put_object", ["clusters/prod-1/x"], "fleet/*", None),
        ("put_object", ["fleet/clusters/stowage-probe/x"], "fleet/*", None),
        ("put_object", ["fleet/clusters/*/x"], "fleet/*", None),
    ],
)
def test_no_more_is_to_be_allowed_than_a_cluster_needs(
    operation: str, keys: list[str], resource: str, whose: str | None
) -> None:
    several: Any = {"Delete": {"Objects": [{"Key": key} for key in keys]}}
    asked: Any = several if operation == "delete_objects" else {"Key": keys[0]}
    hints = {}
    for provider in ("minio", "s3"):
        options = {
            "provider": provider,
            "endpoint": "https://store.example.com",
            "bucket": "backups",
            "prefix": "fleet",
        }
        calls = S3Calls(Refusing(), S3Settings.from_options(options, {}), threading.Event())
        with pytest.raises(StowageError) as caught:
            calls.once(operation, "It", **asked)
        hints[provider] = caught.value.hint
    assert f" on arn:aws:s3:::backups/{resource} (and" in hints["minio"]
    more = f", or use the credentials of a {whose}: the role stowage.kubernetes.trust makes them."
    assert hints["minio"].endswith(more if whose else "deny).")
    assert hints["s3"].endswith("deny).")


@pytest.mark.parametrize(("cluster", "folder"), [("prod-1", "clusters/prod-1/"), ("", "")])
def test_a_location_that_is_looked_at_for_a_cluster_needs_no_more(cluster: str, folder: str) -> None:
    options = {"provider": "minio", "endpoint": "https://store.example.com", "bucket": "backups", "prefix": "fleet"}
    calls = S3Calls(Refusing(), S3Settings.from_options(options, {}), threading.Event())
    asked = rights(Aim(cluster), "fleet/", aws=False, versioning=Reading("unset"))
    found = {ask(calls, right, "fleet/", hidden=False).resource for right in asked if not right.of_bucket}
    assert found == {f"arn:aws:s3:::backups/fleet/{folder}*"}


@pytest.mark.parametrize("region", ["cn-north-1", "garage"])
def test_other_stores_are_no_part_of_aws(region: str) -> None:
    options = {"provider": "minio", "endpoint": "https://store.example.com", "bucket": "backups", "region": region}
    settings = S3Settings.from_options(options, {})
    assert settings.partition == "aws"
    assert endpoint_of(settings) == "https://store.example.com"
