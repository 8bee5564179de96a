# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azurite, Microsoft's own stand-in for Azure Blob Storage."""

from __future__ import annotations

import base64
import datetime
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import ports
from testbed.pki import Authority
from testbed.process import Process, plain_environment, wait_until

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

READY_SECONDS = 60.0
API_VERSION = "2021-12-02"


class Azurite:
    """An Azurite with one storage account. With `tls` it serves https with a certificate of the CA in `ca_cert`, and then takes
    tokens too: any that look right, for it verifies neither their signature nor what they allow.

    `endpoint` is its URL without the account, `account` and `key` those of the storage account, made at random if no account is named.
    """

    name = "azurite"

    def __init__(self, directory: Path, node: Path, script: Path, *, tls: bool = True, account: str = "") -> None:
        directory.mkdir(mode=0o700, parents=True)
        self.directory = directory
        self.account = account or "testbed" + secrets.token_hex(4)
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        self.ca_cert: Path | None = None
        self._ports = ports.take()
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self._ports[0]}"
        command: list[str | Path] = [node, script, "--blobHost", "127.0.0.1", "--blobPort", str(self._ports[0])]
        command += ["--location", directory / "data", "--disableTelemetry", "--silent"]
        if tls:
            authority = Authority(directory / "pki", "ca")
            pair = authority.server("azurite")
            self.ca_cert = authority.pair.certificate
            command += ["--cert", pair.certificate, "--key", pair.key, "--oauth", "basic"]
        environment = plain_environment(AZURITE_ACCOUNTS=f"{self.account}:{self.key}")
        self.process = Process(self.name, command, log=directory / "azurite.log", environment=environment)

    def wait_ready(self) -> None:
        """Returns when the server answers. Raises TestbedError when it does not."""
        wait_until(self._answers, seconds=READY_SECONDS, what=self.name, processes=[self.process])

    def _answers(self) -> bool:
        from azure.core.exceptions import ServiceRequestError, ServiceResponseError

        try:
            with self.client() as client:
                client.get_service_properties()
        except (ServiceRequestError, ServiceResponseError) as error:
            raise ConnectionError(error) from error
        return True

    def client(self) -> BlobServiceClient:
        """Microsoft's own client, which shares no code with the collection, with the account's key."""
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient(
            f"{self.endpoint}/{self.account}",
            credential={"account_name": self.account, "account_key": self.key},
            api_version=API_VERSION,
            retry_total=0,
            connection_verify=str(self.ca_cert) if self.ca_cert else True,
            use_env_settings=False,
        )

    def create_bucket(self, name: str) -> str:
        """Makes a container; returns its name."""
        with self.client() as client:
            client.create_container(name)
        return name

    def keys(self, container: str, prefix: str = "") -> list[str]:
        """The names of a container's blobs below a prefix."""
        with self.client() as client:
            return list(client.get_container_client(container).list_blob_names(name_starts_with=prefix))

    def read(self, container: str, key: str) -> bytes:
        """The content of a blob."""
        with self.client() as client:
            return bytes(client.get_blob_client(container, key).download_blob().readall())

    def write(self, container: str, key: str, content: bytes) -> None:
        """Writes a blob, over what was there."""
        with self.client() as client:
            client.get_blob_client(container, key).upload_blob(content, overwrite=True)

    def uploads(self, container: str) -> list[str]:
        """The names of blobs that have only blocks which nobody committed."""
        with self.client() as client:
            found = client.get_container_client(container).list_blobs(include=["uncommittedblobs"])
            return sorted({str(blob.name) for blob in found} - set(self.keys(container)))

    def sas(self, container: str | None, permissions: str, *, hours: float = 1.0) -> str:
        """A SAS of a container, or of the whole account, that allows the operations of these letters."""
        from azure.storage import blob

        now = datetime.datetime.now(datetime.UTC)
        common: dict[str, Any] = {
            "account_name": self.account,
            "account_key": self.key,
            "permission": permissions,
            "start": now - datetime.timedelta(hours=24),
            "expiry": now + datetime.timedelta(hours=hours),
        }
        if container is None:
            kinds = blob.ResourceTypes(container=True, object=True)
            return str(blob.generate_account_sas(resource_types=kinds, **common))
        return str(blob.generate_container_sas(container_name=container, **common))

    def stop(self) -> None:
        """Ends the server at once."""
        self.process.stop()
        ports.give_back(self._ports)
