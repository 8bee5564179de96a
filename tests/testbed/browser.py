# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chromium, driven through chromedriver by W3C's WebDriver protocol, of which tests of one page need a dozen requests: a client
library would be larger than all of this."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed import ports
from testbed.errors import TestbedError
from testbed.process import Process, plain_environment, wait_until

READY_SECONDS = 120.0
REQUEST_SECONDS = 120.0
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Shift": "\ue008", "Space": " ", "Down": "\ue015"}

Tree = dict[str, Any]


class Browser:
    """One Chromium with one window, and a directory of its own for its profile."""

    name = "chromedriver"

    def __init__(self, directory: Path, driver: Path, chromium: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._chromium = chromium
        self._profile = directory / "profile"
        self._ports = ports.take()
        self._url = f"http://127.0.0.1:{self._ports[0]}"
        # It has a home of its own: nothing of the user's is read or written.
        environment = plain_environment(HOME=str(directory))
        self.process = Process(
            self.name, [driver, f"--port={self._ports[0]}"], log=directory / "chromedriver.log", environment=environment
        )
        self._session = ""

    def wait_ready(self) -> None:
        """Returns when a window is open."""

        def answers() -> bool:
            return bool(self._request("GET", "/status")["ready"])

        wait_until(answers, seconds=READY_SECONDS, what=self.name, processes=[self.process])
        options = {"binary": str(self._chromium), "args": [*QUIET, f"--user-data-dir={self._profile}"]}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        made = self._request("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{made['sessionId']}"

    def stop(self) -> None:
        """Ends it, and the browser with it, at once."""
        self.process.stop()
        ports.give_back(self._ports)

    def open(self, path: Path) -> None:
        """Shows a file. What was logged before is forgotten."""
        self.console()
        self.requests()
        self._post("/url", {"url": path.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a function's body in the page."""
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, *keys: str) -> None:
        """Presses keys, one after the other; ``Shift+Tab`` is both at once. What :data:`KEYS` lacks is typed as it stands."""
        actions: list[Tree] = []
        for key in keys:
            held, plus, last = key.rpartition("+") if key != "+" else ("", "", "+")
            words = [held, last] if plus else [key]
            values = [KEYS.get(word, word) for word in words]
            actions += [{"type": "keyDown", "value": value} for value in values]
            actions += [{"type": "keyUp", "value": value} for value in reversed(values)]
        self._post("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def devtools(self, command: str, **parameters: Any) -> Tree:
        """A command of the DevTools protocol."""
        found: Tree = self._post("/goog/cdp/execute", {"cmd": command, "params": parameters}) or {}
        return found

    def resize(self, width: int, height: int = 900) -> None:
        """Gives the page a viewport of so many CSS pixels."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def emulate(self, medium: str = "screen", **features: str) -> None:
        """Shows the page on a medium, with media features such as ``prefers_color_scheme="dark"``."""
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.devtools("Emulation.setEmulatedMedia", media=medium, features=told)

    def screenshot(self, path: Path) -> None:
        """Puts a picture of the viewport into a file."""
        path.write_bytes(base64.b64decode(self._request("GET", f"{self._session}/screenshot")))

    def console(self) -> list[str]:
        """What the console said since it was asked last, errors of the page's policy among them."""
        return [entry["message"] for entry in self._post("/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """The URLs that pages asked for since it was asked last."""
        events = [json.loads(entry["message"])["message"] for entry in self._post("/se/log", {"type": "performance"})]
        return [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._request("POST", self._session + path, body)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310 - our own address
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=REQUEST_SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            said = json.load(error)["value"]
            raise TestbedError(f"{self.name}: {said['error']}: {said['message'].splitlines()[0]}") from None
