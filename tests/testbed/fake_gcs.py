# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fake-gcs-server and gcp-storage-emulator, emulators of Google Cloud Storage by other people: what works only with the testbed's
own idea of Google (`testbed.google`) shows here.

They ask for no token. Tokens come from a server of `testbed.google`, with the same authority, so that a location authenticates as it
would at Google. fake-gcs-server knows hardly any settings and no permissions; where gcp-storage-emulator is not Google, see there.
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from testbed import ports
from testbed.google import GoogleServer
from testbed.pki import Pair
from testbed.process import Process, wait_until

READY_SECONDS = 60.0
EMULATOR = Path(__file__).with_name("gcp_emulator_server.py")


class FakeGcs:
    """The emulator, its objects in memory. `endpoint` is its URL, `ca_cert` the file of its CA."""

    name = "fake-gcs-server"

    def __init__(self, directory: Path, program: Path) -> None:
        """:param program: what is to be run, or where it is installed."""
        self.google = GoogleServer(directory / "google")
        self.ca_cert = self.google.ca_cert
        self._ports = ports.take()
        host = f"127.0.0.1:{self._ports[0]}"
        self.endpoint = f"https://{host}"
        self.auth = self.google.auth
        command = self._command(program, host, self.google.pair)
        self.process = Process(self.name, command, log=directory / f"{self.name}.log")

    def _command(self, program: Path, host: str, pair: Pair) -> list[str | Path]:
        options: dict[str, object] = {
            "backend": "memory",
            "scheme": "https",
            "host": "127.0.0.1",
            "port": self._ports[0],
            "public-host": host,
            "external-url": self.endpoint,
            "log-level": "warn",
            "cert-location": pair.certificate,
            "private-key-location": pair.key,
        }
        return [program, *(f"-{name}={value}" for name, value in options.items())]

    def wait_ready(self) -> None:
        """Returns when it answers."""

        def answers() -> bool:
            return bool(self._call("GET", "/storage/v1/b?project=testbed"))

        wait_until(answers, seconds=READY_SECONDS, what=self.name, processes=[self.process])

    def stop(self) -> None:
        """Ends it at once."""
        self.process.stop()
        self.google.stop()
        ports.give_back(self._ports)

    def create_bucket(self, name: str) -> str:
        """Makes a bucket; returns its name."""
        self._call("POST", "/storage/v1/b?project=testbed", json.dumps({"name": name}).encode(), "application/json")
        return name

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The names of a bucket's objects."""
        names: list[str] = []
        token = ""
        while True:
            query = urllib.parse.urlencode({"prefix": prefix, "pageToken": token})
            page: dict[str, Any] = json.loads(self._call("GET", f"/storage/v1/b/{bucket}/o?{query}"))
            names += [item["name"] for item in page.get("items", [])]
            token = page.get("nextPageToken", "")
            if not token:
                return names

    def read(self, bucket: str, name: str) -> bytes:
        """The content of an object."""
        return self._call("GET", f"/storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe='')}?alt=media")

    def write(self, bucket: str, name: str, content: bytes) -> None:
        """Writes an object."""
        query = urllib.parse.urlencode({"uploadType": "media", "name": name})
        self._call("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", content)

    def _call(self, method: str, path: str, body: bytes | None = None, kind: str = "application/octet-stream") -> bytes:
        headers = {"Content-Type": kind}
        request = urllib.request.Request(self.endpoint + path, body, headers, method=method)  # noqa: S310 - the endpoint is ours
        context = ssl.create_default_context(cafile=str(self.ca_cert))
        handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
        with urllib.request.build_opener(*handlers).open(request, timeout=60) as answer:
            data: bytes = answer.read()
        return data


class GcpEmulator(FakeGcs):
    """gcp-storage-emulator, which keeps more settings than fake-gcs-server and answers testIamPermissions (with all that is asked
    for). Where it is not Google, as far as was seen, so that no test may count on it:

    - conditions are ignored, those on generations and those on metagenerations;
    - nobody needs a token or a permission, and neither retention nor a lock keeps anything;
    - the session of an upload cannot be cancelled (501), and a listing is one page, however many are asked for;
    - a new bucket is in the US and has none of the settings that it was to be made with, its labels included. A PATCH keeps them,
      but `null` takes none away; and nothing tells of public access prevention.
    """

    name = "gcp-storage-emulator"

    def _command(self, program: Path, host: str, pair: Pair) -> list[str | Path]:
        del host
        return [sys.executable, "-I", "-S", EMULATOR, program, str(self._ports[0]), pair.certificate, pair.key]
