# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fake-gcs-server, an emulator of Google Cloud Storage by other people: what works only with the testbed's own idea of
Google (`testbed.google`) shows here.

It asks for no token. Tokens come from a server of `testbed.google`, with the same authority, so that a location
authenticates as it would at Google.
"""

from __future__ import annotations

import json
import ssl
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from testbed import ports
from testbed.google import GoogleServer
from testbed.process import Process, wait_until

READY_SECONDS = 60.0


class FakeGcs:
    """The emulator, its objects in memory. `endpoint` is its URL, `ca_cert` the file of its CA."""

    def __init__(self, directory: Path, binary: Path) -> None:
        self.google = GoogleServer(directory / "google")
        self.ca_cert = self.google.ca_cert
        self._ports = ports.take()
        host = f"127.0.0.1:{self._ports[0]}"
        self.endpoint = f"https://{host}"
        self.auth = self.google.auth
        pair = self.google.pair
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
        command: list[str | Path] = [binary, *(f"-{name}={value}" for name, value in options.items())]
        self.process = Process("fake-gcs-server", command, log=directory / "fake-gcs.log")

    def wait_ready(self) -> None:
        """Returns when it answers."""

        def answers() -> bool:
            return bool(self._call("GET", "/storage/v1/b?project=testbed"))

        wait_until(answers, seconds=READY_SECONDS, what="fake-gcs-server", processes=[self.process])

    def stop(self) -> None:
        """Ends it at once."""
        self.process.stop()
        self.google.stop()
        ports.give_back(self._ports)

    def create_bucket(self, name: str) -> str:
        """Makes a bucket; returns its name."""
        self._call("POST", "/storage/v1/b?project=testbed", json.dumps({"name": name}).encode())
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

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(self.endpoint + path, body, method=method)  # noqa: S310 - the endpoint is ours
        context = ssl.create_default_context(cafile=str(self.ca_cert))
        handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
        with urllib.request.build_opener(*handlers).open(request, timeout=60) as answer:
            data: bytes = answer.read()
        return data
