# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the S3 servers of the testbed have in common."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import ports
from testbed.errors import TestbedError
from testbed.process import Process, wait_until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READY_SECONDS = 60.0
PROBE = "testbed-probe"
# Session variables of botocore as (name in the file, environment variable, default, conversion): nothing of the user's is read.
NO_SETTINGS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class S3Store:
    """An S3 server on loopback.

    `endpoint` is its URL, `ca_cert` the file of its CA (None without TLS), `region` the region to sign for, `access_key` and
    `secret_key` those of an administrator, made at random. All of its files are below `directory`, which is private.
    """

    name = "s3"
    region = "us-east-1"

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True)
        self.directory = directory
        self.endpoint = ""
        self.access_key = "testbed-" + secrets.token_hex(6)
        self.secret_key = secrets.token_urlsafe(30)
        self.ca_cert: Path | None = None
        self.process: Process | None = None
        self._ports: list[int] = []

    def wait_ready(self) -> None:
        """Returns when the server answers S3 requests. Raises TestbedError when it does not."""
        if self.process is None:
            raise TestbedError(f"{self.name} was not started")
        wait_until(self._answers, seconds=READY_SECONDS, what=self.name, processes=[self.process])

    def _answers(self) -> bool:
        """Whether the server stores and forgets an object: some answer before they can."""
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.client()
        try:
            with contextlib.suppress(ClientError):  # it may be there from the last look
                client.create_bucket(Bucket=PROBE)
            client.put_object(Bucket=PROBE, Key=PROBE, Body=b"x")
            client.delete_object(Bucket=PROBE, Key=PROBE)
            client.delete_bucket(Bucket=PROBE)
        except (BotoCoreError, ClientError) as error:
            raise ConnectionError(error) from error
        return True

    def client(self, *, access_key: str | None = None, secret_key: str | None = None) -> S3Client:
        """A boto3 client with the administrator's keys, or these; it looks at no setting of the environment or the user."""
        import boto3
        import botocore.session
        from botocore.config import Config

        once: dict[str, Any] = {
            "connect_timeout": 5,
            "read_timeout": 60,
            "retries": {"total_max_attempts": 1},
            "proxies": {},
        }
        session = boto3.session.Session(
            aws_access_key_id=access_key or self.access_key,
            aws_secret_access_key=secret_key or self.secret_key,
            region_name=self.region,
            botocore_session=botocore.session.Session(session_vars=NO_SETTINGS),
        )
        return session.client(
            "s3",
            endpoint_url=self.endpoint,
            verify=str(self.ca_cert) if self.ca_cert else None,
            config=Config(s3={"addressing_style": "path"}, **once),
        )

    def create_bucket(self, name: str, *, versioning: bool = False, object_lock: bool = False) -> str:
        """Makes a bucket, with versions or with object lock (which implies versions); returns its name."""
        client = self.client()
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=object_lock)
        if versioning:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The keys of a bucket below a prefix."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def read(self, bucket: str, key: str) -> bytes:
        """The content of an object."""
        return self.client().get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Writes an object."""
        self.client().put_object(Bucket=bucket, Key=key, Body=content)

    def uploads(self, bucket: str) -> list[str]:
        """The keys of multipart uploads that were begun and neither completed nor aborted."""
        answer = self.client().list_multipart_uploads(Bucket=bucket)
        return [upload["Key"] for upload in answer.get("Uploads", [])]

    def stop(self) -> None:
        """Ends the server at once."""
        if self.process is not None:
            self.process.stop()
        ports.give_back(self._ports)
