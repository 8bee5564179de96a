# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MinIO, the S3 server that most people run themselves."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from testbed import ports
from testbed.pki import Authority
from testbed.process import Process, plain_environment
from testbed.store import S3Store


class MinIO(S3Store):
    """A MinIO of one drive. With `tls` it serves https with a certificate of the CA in `ca_cert`, and trusts client certificates
    of `authority`. `settings` are variables of its own environment, such as those of an OpenID provider."""

    name = "minio"

    def __init__(
        self, directory: Path, binary: Path, *, tls: bool = True, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(directory)
        self._ports = ports.take()
        certificates = directory / "certs"
        certificates.mkdir(mode=0o700)
        self.authority = Authority(directory / "pki", "ca")
        if tls:
            pair = self.authority.server("minio")
            (certificates / "CAs").mkdir(mode=0o700)
            shutil.copy(self.authority.pair.certificate, certificates / "CAs" / "clients.crt")
            # Files that are links are not watched: watching takes one of the few inotify instances that a user may have.
            (certificates / "public.crt").symlink_to(pair.certificate)
            (certificates / "private.key").symlink_to(pair.key)
            self.ca_cert = self.authority.pair.certificate
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self._ports[0]}"
        environment = plain_environment(
            MINIO_ROOT_USER=self.access_key,
            MINIO_ROOT_PASSWORD=self.secret_key,
            MINIO_BROWSER="off",
            MINIO_UPDATE="off",
            MINIO_CALLHOME_ENABLE="off",
            MINIO_CI_CD="1",  # lets a drive be a folder of the root file system
            **(settings or {}),
        )
        command: list[str | Path] = [binary, "server", "--quiet", "--address", f"127.0.0.1:{self._ports[0]}"]
        command += ["--certs-dir", certificates, directory / "data"]
        self.process = Process(self.name, command, log=directory / "minio.log", environment=environment)

    def admin(self) -> MinioAdmin:
        """The admin API, as root."""
        pool = urllib3.PoolManager(ca_certs=str(self.ca_cert)) if self.endpoint.startswith("https:") else None
        return MinioAdmin(
            endpoint=self.endpoint.partition("://")[2],
            credentials=StaticProvider(self.access_key, self.secret_key),
            secure=pool is not None,
            http_client=pool,
        )
