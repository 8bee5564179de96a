# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""etcd below a test cluster: its process, and what tests read from it through its JSON gateway."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import urllib3

from testbed import ports
from testbed.process import Process, wait_until

PAGE = 5000
READY_SECONDS = 30.0
QUOTA_BYTES = 8 * 1024**3


class Etcd:
    """One etcd of one member, without TLS, on loopback; it skips fsync, as its data is thrown away."""

    def __init__(self, name: str, binary: Path, directory: Path) -> None:
        self._ports = ports.take(2)
        client, peer = (f"http://127.0.0.1:{port}" for port in self._ports)
        self.endpoint = client
        self._http = urllib3.PoolManager(retries=False, timeout=60.0)
        data = directory / f"{name}-data"
        data.mkdir(mode=0o700)
        options = {
            "name": name,
            "data-dir": str(data),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"{name}={peer}",
            "quota-backend-bytes": str(QUOTA_BYTES),
            "log-level": "warn",
        }
        command: list[str | Path] = [
            binary,
            "etcd",
            "--unsafe-no-fsync",
            *(f"--{key}={value}" for key, value in options.items()),
        ]
        self.process = Process(name, command, log=directory / f"{name}.log")

    def wait_ready(self) -> None:
        """Returns when etcd answers. Raises TestbedError when it does not."""
        wait_until(self._healthy, seconds=READY_SECONDS, what="etcd", processes=[self.process])

    def _healthy(self) -> bool:
        try:
            return self._http.request("GET", f"{self.endpoint}/health").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One call of the v3 API by its JSON gateway, such as `/v3/kv/range`; byte strings are base64 there."""
        answer = self._http.request("POST", self.endpoint + path, body=json.dumps(body).encode())
        parsed: dict[str, Any] = json.loads(answer.data)
        if answer.status != 200:
            raise RuntimeError(f"etcd {path}: {answer.status} {parsed}")
        return parsed

    def pairs(self, prefix: str, *, keys_only: bool = False) -> Iterator[tuple[str, bytes]]:
        """The keys below the prefix in order, with their values (empty with `keys_only`), read in pages at one revision."""
        start, end = prefix.encode(), _after(prefix.encode())
        revision = 0
        while True:
            page = self.call("/v3/kv/range", _range(start, end, revision, keys_only))
            revision = revision or int(page["header"]["revision"])
            entries = page.get("kvs", [])
            for entry in entries:
                yield base64.b64decode(entry["key"]).decode(), base64.b64decode(entry.get("value", ""))
            if not page.get("more"):
                return
            start = base64.b64decode(entries[-1]["key"]) + b"\0"

    def revision(self) -> int:
        """The latest revision, which is also the newest resourceVersion."""
        status = self.call("/v3/maintenance/status", {})
        return int(status["header"]["revision"])

    def compact(self, revision: int | None = None) -> int:
        """Forgets history up to a revision (the latest, if none is given), so that older reads meet 410; returns it."""
        upto = revision if revision is not None else self.revision()
        self.call("/v3/kv/compaction", {"revision": str(upto), "physical": True})
        return upto

    def stop(self) -> None:
        """Ends etcd and gives its ports back."""
        self.process.stop()
        ports.give_back(self._ports)


def _after(prefix: bytes) -> bytes:
    """The first key after all keys with this prefix."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _range(start: bytes, end: bytes, revision: int, keys_only: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "key": base64.b64encode(start).decode(),
        "range_end": base64.b64encode(end).decode(),
        "limit": str(PAGE),
        "keys_only": keys_only,
    }
    return body | ({"revision": str(revision)} if revision else {})
