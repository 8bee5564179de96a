# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A botocore client for one S3 location. Private to the collection.

botocore alone, not boto3: its resources and transfer manager are not needed. The client reads nothing from ``~/.aws``
and no AWS variable but the bundles of trusted certificates, which ``ca_cert`` overrides: every setting is ours, so that
a task does the same on every machine. It does not retry and does not follow a bucket to another region: see ``s3_calls``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.endpoints import is_own_endpoint
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import (
    isolated_session,
    partition_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoints import plain_endpoint
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import normal_prefix, printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import USER_AGENT

CONNECT_SECONDS: t.Final = 10
READ_SECONDS: t.Final = 60
POOL_SIZE: t.Final = 16
_WITH_CHECKSUM: t.Final = (
    "DeleteObjects",
    "PutBucketEncryption",
    "PutBucketLifecycleConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketVersioning",
    "PutObjectLockConfiguration",
    "PutPublicAccessBlock",
)
_BUCKET: t.Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")


@dataclasses.dataclass(frozen=True)
class S3Settings:
    """The options of an S3 location in normal form. ``endpoint`` is empty for AWS's own of the region, ``bucket_owner`` where
    it does not matter whose the bucket is."""

    provider: str
    bucket: str
    prefix: str
    endpoint: str
    region: str
    path_style: bool
    ca_cert: str
    client_cert: str = ""
    client_key: str = ""
    bucket_owner: str = ""

    @property
    def own_endpoint(self) -> bool:
        """Whether requests go to AWS itself."""
        return not self.endpoint or is_own_endpoint(self.endpoint)

    @property
    def partition(self) -> str:
        """What ARNs begin with. Stores that are not AWS know no part of it, whatever they call their regions."""
        return partition_of(self.region) if self.provider == "aws" else "aws"

    @classmethod
    def from_options(cls, options: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> S3Settings:
        """Checks and completes a location's options; ``invalid_option`` for what makes no sense."""
        provider = str(options.get("provider") or "aws")
        endpoint = plain_endpoint(str(options.get("endpoint") or ""), "https://minio.example.com:9000")
        if provider == "minio" and not endpoint:
            raise StowageError("invalid_option", "A location of provider minio needs an endpoint.", "Set endpoint.")
        bucket = str(options.get("bucket") or "")
        if not _BUCKET.fullmatch(bucket):
            hint = "Bucket names have 3 to 63 letters, digits, dots and hyphens."
            raise StowageError("invalid_option", f"{printable(bucket)!r} is no name of a bucket.", hint)
        region = str(options.get("region") or "")
        if not region and provider == "aws":
            region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
        path_style = options.get("path_style")
        own = not endpoint or is_own_endpoint(endpoint)
        return cls(
            provider=provider,
            bucket=bucket,
            prefix=normal_prefix(options.get("prefix")),
            endpoint=endpoint,
            region=region or "us-east-1",
            path_style=not own if path_style is None else bool(path_style),
            ca_cert=str(options.get("ca_cert") or ""),
            client_cert=str(options.get("client_cert") or ""),
            client_key=str(options.get("client_key") or ""),
            bucket_owner=str(options.get("bucket_owner") or ""),
        )


def make_client(
    settings: S3Settings,
    source: t.Any,
    verify: str | None,
    client_pair: tuple[str, str] | None = None,
    *,
    signed: bool = True,
    read_seconds: int = READ_SECONDS,
) -> t.Any:
    """A client of the S3 API that signs with the keys of ``source``, or not at all; ``client_pair`` are the files of its
    certificate and key."""
    from botocore import UNSIGNED
    from botocore.config import Config

    required = "when_supported" if settings.own_endpoint else "when_required"
    style = "path" if settings.path_style else "virtual"
    choices: dict[str, t.Any] = {
        "signature_version": "s3v4" if signed else UNSIGNED,
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": read_seconds,
        "max_pool_connections": POOL_SIZE,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        # With "auto" botocore uses path style where a dot in the bucket's name would break TLS.
        "s3": {
            "addressing_style": "auto" if style == "virtual" and "." in settings.bucket else style,
            "us_east_1_regional_endpoint": "regional",
        },
        "request_checksum_calculation": required,
        "response_checksum_validation": required,
        "ignore_configured_endpoint_urls": True,
        "use_fips_endpoint": False,
        "use_dualstack_endpoint": False,
        "defaults_mode": "legacy",
        "user_agent_extra": USER_AGENT,
        "tcp_keepalive": True,
        "client_cert": client_pair,
    }
    try:
        client = isolated_session(source).create_client(
            "s3",
            region_name=settings.region,
            endpoint_url=settings.endpoint or None,
            verify=verify,
            config=Config(**choices),
        )
    except Exception as error:  # noqa: BLE001 - whatever botocore raises becomes an error of ours
        raise LocationError(classify(error, "Setting up the location")) from None
    _stay_in_region(client)
    if not settings.own_endpoint:
        _old_checksum(client)
    return client


def endpoint_of(settings: S3Settings) -> str:
    """The URL that requests of a location go to, without the bucket's name: AWS's own of the region unless there is another.

    :raises StowageError: if there is none for the region.
    """
    if settings.endpoint:
        return settings.endpoint
    with contextlib.closing(make_client(settings, None, None, signed=False)) as client:
        return str(client.meta.endpoint_url)


def _stay_in_region(client: t.Any) -> None:
    """botocore follows a bucket into its region; a wrong region would pass unseen, at two requests for each. It does not
    follow twice: so it is told that it did."""

    def mark(context: dict[str, t.Any], **_dummy: object) -> None:
        context.setdefault("s3_redirect", {})["redirected"] = True

    client.meta.events.register("before-call.s3", mark)


def _old_checksum(client: t.Any) -> None:
    """A batch of deletes and a bucket's settings must have a checksum. Stores that know no CRC32 (older MinIO, Ceph, Google's
    S3 API) all know Content-MD5."""

    def use_md5(params: dict[str, t.Any], **_dummy: object) -> None:
        import base64
        import hashlib

        body = params["body"]
        digest = hashlib.md5(body if isinstance(body, bytes) else str(body).encode(), usedforsecurity=False).digest()
        params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()
        params["headers"].pop("x-amz-sdk-checksum-algorithm", None)
        params.get("context", {}).pop("checksum", None)

    for operation in _WITH_CHECKSUM:
        client.meta.events.register(f"before-call.s3.{operation}", use_md5)
