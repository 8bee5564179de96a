# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SeaweedFS, an S3 server by other people: what works only with MinIO or AWS shows here."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from testbed import ports
from testbed.paths import write_private
from testbed.pki import Authority
from testbed.process import Process, plain_environment
from testbed.store import S3Store


class SeaweedFS(S3Store):
    """Master, volume server, filer and S3 gateway in one process.

    `identities` adds users: each is a name and the actions it may do, such as `["Read:bucket", "List:bucket"]`; their keys
    are in `users`, by name. `iam` is the rest of its IAM: token service, OpenID providers, policies and roles. With `tls` the
    endpoint is https with a certificate of the CA in `ca_cert`.
    """

    name = "seaweedfs"

    def __init__(
        self,
        directory: Path,
        binary: Path,
        *,
        tls: bool = True,
        identities: dict[str, list[str]] | None = None,
        iam: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(directory)
        self.users: dict[str, tuple[str, str]] = {}
        self._ports = ports.take(9)
        http, https = self._ports[:2]
        self.endpoint = f"https://127.0.0.1:{https}" if tls else f"http://127.0.0.1:{http}"
        config = write_private(directory / "s3.json", json.dumps({"identities": self._identities(identities or {})}))
        (directory / "data").mkdir(mode=0o700)
        command: list[str | Path] = [binary, "-logtostderr=true", "server", *self._options(directory, config)]
        if tls:
            authority = Authority(directory / "pki", "ca")
            pair = authority.server("seaweedfs")
            self.ca_cert = authority.pair.certificate
            command += [f"-s3.port.https={https}", f"-s3.cert.file={pair.certificate}", f"-s3.key.file={pair.key}"]
        if iam is not None:
            own = write_private(directory / "iam.json", json.dumps(iam))
            command += [f"-s3.iam.config={own}", "-s3.iam.readOnly=false"]
        environment = plain_environment(WEED_S3_SSE_KEY=secrets.token_hex(16))
        # A polite stop takes it half a minute.
        self.process = Process(self.name, command, log=directory / "seaweedfs.log", environment=environment)

    def stop(self) -> None:
        """Ends the server at once, and removes the sockets that it makes in /tmp, whatever TMPDIR says."""
        if self.process is not None:
            self.process.stop()
        for port in self._ports:
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink(missing_ok=True)
        super().stop()

    def _identities(self, users: dict[str, list[str]]) -> list[dict[str, Any]]:
        for user in users:
            self.users[user] = (f"testbed-{secrets.token_hex(6)}", secrets.token_urlsafe(30))
        every = {"admin": ((self.access_key, self.secret_key), ["Admin"])}
        every |= {user: (self.users[user], actions) for user, actions in users.items()}
        return [
            {"name": user, "credentials": [{"accessKey": keys[0], "secretKey": keys[1]}], "actions": actions}
            for user, (keys, actions) in every.items()
        ]

    def _options(self, directory: Path, config: Path) -> list[str]:
        http, _dummy, master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = self._ports
        options: dict[str, object] = {
            "dir": directory / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": master,
            "master.port.grpc": master_grpc,
            "master.volumeSizeLimitMB": 64,
            "master.telemetry": "false",
            "volume.port": volume,
            "volume.port.grpc": volume_grpc,
            "volume.max": 5000,  # each bucket takes several, though empty ones take no room
            "filer": "true",
            "filer.port": filer,
            "filer.port.grpc": filer_grpc,
            "s3": "true",
            "s3.port": http,
            "s3.port.grpc": s3_grpc,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": config,
        }
        return [f"-{name}={value}" for name, value in options.items()]
